//! The bearer at `/internal`, and what the settings make of it: rows with what each is answered with.

use proptest::prop_assert;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use super::world::*;

#[test]
fn a_bearer_that_is_no_access_token_of_ours_is_challenged() {
    let world = World::new();
    let client = world.client();
    let code = world.code(&Browser::default(), &client);
    let tokens = world.tokens(&client);
    let access = tokens["access_token"].as_str().unwrap().to_owned();
    let id_token = world.provider().id_token();
    for (id, authorization, error) in [
        ("I02", "Basic dTpw".to_owned(), None),
        ("I05", "Bearer a b".to_owned(), Some("invalid_token")),
        ("I05", "Bearer a,b".to_owned(), Some("invalid_token")),
        ("I06", "Bearer \u{e4}".to_owned(), Some("invalid_token")),
        ("I17", format!("Bearer {}", tokens["refresh_token"].as_str().unwrap()), Some("invalid_token")),
        ("I18", format!("Bearer {code}"), Some("invalid_token")),
        ("I20", "Bearer opaque".to_owned(), Some("invalid_token")),
        ("T24", format!("Bearer {id_token}"), Some("invalid_token")),
        ("I35", format!("DPoP {access}"), None),
    ] {
        let response = world.list_tools(&[("authorization", &authorization)]);
        let challenge = header(&response, "www-authenticate").unwrap_or_default().to_owned();
        assert_eq!(response.status, 401, "{id}");
        assert!(
            challenge.contains(
                "resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource/internal\""
            ),
            "I36"
        );
        assert!(challenge.contains("scope=\"mcp\""), "I36");
        assert_eq!(challenge.contains("error="), error.is_some(), "{id} {challenge}");
    }
    assert_eq!(world.list_tools(&[]).status, 401);
    let bearer = format!("Bearer {access}");
    assert_eq!(world.list_tools(&[("authorization", &format!("bearer {access}"))]).status, 200, "I03");
    let other = format!("{bearer}x");
    let two = world.list_tools(&[("authorization", bearer.as_str()), ("authorization", &other)]);
    assert_eq!((two.status, error_of(&two)), (400, "invalid_request".to_owned()), "I08");
    let twice = [("authorization", bearer.as_str()), ("authorization", &bearer)];
    assert_eq!(world.list_tools(&twice).status, 200, "I08: copies of one header are that header");
    let json = [("content-type", "application/json"), ("authorization", &bearer)];
    assert_eq!(world.send("POST", "/internal?access_token=x", &json, "{}").status, 400, "I09");
    world.advance(3600);
    assert_eq!(world.list_tools(&[("authorization", &bearer)]).status, 401, "I14");
}

#[test]
fn credentials_count_in_the_header_alone() {
    let world = World::new();
    let tokens = world.tokens(&world.client());
    let access = tokens["access_token"].as_str().unwrap();
    let bearer = format!("Bearer {access}");
    for (id, headers) in [
        ("I12", [("proxy-authorization", bearer.as_str())]),
        ("I12", [("x-access-token", access)]),
        ("I12", [("cookie", &format!("access_token={access}"))]),
        ("I33", [("mcp-session-id", "somebody-elses")]),
    ] {
        assert_eq!(world.list_tools(&headers).status, 401, "{id}");
    }
    let form = world.send("POST", "/internal", &[("content-type", FORM)], &encode(&[("access_token", access)]));
    assert_eq!(form.status, 401, "I11");
    let preflight = world.send("OPTIONS", "/internal", &[("origin", "https://claude.ai")], "");
    assert_eq!((preflight.status, header(&preflight, "access-control-allow-origin")), (204, Some("*")), "I27");
    let answered = world.send("POST", "/token", &[("content-type", FORM), ("origin", "https://evil.example")], "");
    assert_eq!(header(&answered, "access-control-allow-credentials"), None, "D50");
}

#[test]
fn a_token_of_another_resource_is_refused() {
    let mut world = World::new();
    let tokens = world.tokens(&world.client());
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let moved = [("PUBLIC_URL", "https://other.example.com"), ("MCP_ALLOWED_HOSTNAMES", "mcp.example.com")];
    world.change(&moved);
    assert_eq!(world.list_tools(&[("authorization", &bearer)]).status, 401, "I21 I23");
}

#[test]
fn pages_of_other_origins_may_not_call() {
    let world = World::new();
    let tokens = world.tokens(&world.client());
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    for (origin, status) in
        [("https://claude.ai", 200), ("http://localhost:6274", 200), ("https://evil.example", 403), ("null", 403)]
    {
        assert_eq!(world.list_tools(&[("authorization", &bearer), ("origin", origin)]).status, status, "{origin}");
    }
}

#[test]
fn without_an_authorization_server_there_are_assertions_only() {
    let own = [("ACCESS_CLIENT_ID", ""), ("ACCESS_CLIENT_SECRET", ""), ("ACCESS_ISSUER", "")];
    let world = World::with_assertions(&own);
    assert_eq!(world.list_tools(&[]).status, 403);
    for path in ["/authorize", "/callback", "/token", "/register", "/revoke", "/.well-known/oauth-authorization-server"]
    {
        assert_eq!(world.send("GET", path, &[], "").status, 404, "{path}");
    }
    let assertion = world.provider().assertion("ada@example.com", "tag-1");
    assert_eq!(world.list_tools(&[("cf-access-jwt-assertion", &assertion)]).status, 200);
}

#[test]
fn without_either_mode_there_is_no_internal() {
    let world = World::with(&[("ACCESS_CLIENT_ID", ""), ("ACCESS_CLIENT_SECRET", ""), ("ACCESS_ISSUER", "")]);
    assert_eq!(world.list_tools(&[]).status, 404);
}

#[test]
fn a_secret_that_is_missing_is_named() {
    for name in ["COOKIE_ENCRYPTION_KEY", "PLAUSIBLE_API_KEY"] {
        let mut world = World::new();
        let tokens = world.tokens(&world.client());
        let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
        world.change(&[(name, "")]);
        let response = world.list_tools(&[("authorization", &bearer)]);
        assert_eq!(response.status, 500);
        assert!(text(&response).contains(name), "{}", text(&response));
    }
    let key = format!("{:064x}", 7);
    let many: Vec<_> = (1..10).map(|number| format!("{number:064x}")).collect();
    for (setting, words) in [
        (" , ", "no key"),
        ("0123", "not 64 hexadecimal digits"),
        (&"1".repeat(64), "over and over"),
        (&format!("{key},{key}"), "twice"),
        (&many.join(","), "more than 8"),
    ] {
        let world = World::with(&[("COOKIE_ENCRYPTION_KEY", setting)]);
        let told = text(&world.list_tools(&[]));
        assert!(told.contains("COOKIE_ENCRYPTION_KEY") && told.contains(words), "X10 {told}");
    }
}

#[test]
fn a_mode_that_is_half_set_up_or_lets_everybody_in_is_refused() {
    let own = [("ACCESS_CLIENT_ID", ""), ("ACCESS_CLIENT_SECRET", ""), ("ACCESS_ISSUER", "")];
    let mut world = World::with_assertions(&[&own[..], &[("CF_ACCESS_AUD", "")]].concat());
    let refused = world.list_tools(&[]);
    assert_eq!(refused.status, 500, "L22");
    assert!(text(&refused).contains("CF_ACCESS_AUD"), "L22 {}", text(&refused));
    for domains in ["", " ", "@", "*", ".io", "io", "*.example.com"] {
        world.change(&[("ALLOWED_EMAIL_DOMAIN", domains)]);
        let refused = world.list_tools(&[]);
        assert_eq!(refused.status, 500, "E33 {domains:?}");
        assert!(text(&refused).contains("ALLOWED_EMAIL_DOMAIN"), "E33 {}", text(&refused));
    }
    for domains in ["example.com,", "EXAMPLE.COM", "@example.com"] {
        world.change(&[("ALLOWED_EMAIL_DOMAIN", domains)]);
        assert_eq!(world.list_tools(&[]).status, 401, "E33 {domains}");
        assert!(world.tokens(&world.client())["access_token"].is_string(), "E33 {domains}");
    }
}

#[test]
fn a_store_that_is_down_is_an_outage_and_signs_nobody_out() {
    let world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    let tokens = world.tokens(&client);
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let back = browser.approve(&world, &browser.consent(&world, &client));
    world.break_store(true);
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let pairs = [("grant_type", "refresh_token"), ("client_id", client.as_str()), ("refresh_token", refresh)];
    for response in [
        world.list_tools(&[("authorization", &bearer)]),
        world.token(&pairs),
        browser.get(&world, &back),
        browser.get(&world, &authorize(&client, &[])),
    ] {
        assert_eq!((response.status, header(&response, "retry-after").is_some()), (503, true), "I26");
    }
    world.break_store(false);
    assert_eq!(world.list_tools(&[("authorization", &bearer)]).status, 200);
    assert_eq!(world.token(&pairs).status, 200);
    assert_eq!(browser.get(&world, &back).status, 303, "the login can be tried again");
}

#[test]
fn a_key_that_leaves_the_ring_takes_its_tokens_with_it() {
    let (old, new) = (format!("{:064x}", 7), format!("{:064x}", 8));
    let mut world = World::new();
    let tokens = world.tokens(&world.client());
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    world.change(&[("COOKIE_ENCRYPTION_KEY", &format!("{new},{old}"))]);
    assert_eq!(world.list_tools(&[("authorization", &bearer)]).status, 200, "X09");
    world.change(&[("COOKIE_ENCRYPTION_KEY", &new)]);
    assert_eq!(world.list_tools(&[("authorization", &bearer)]).status, 401, "X09");
}

#[test]
fn no_bytes_are_our_fault() {
    let world = World::new();
    let paths = vec!["/authorize", "/callback", "/token", "/register", "/revoke", "/internal"];
    let anything = (select(paths), ".{0,60}", ".{0,120}", ".{0,60}", ".{0,60}");
    let runner = &mut TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let ran = runner.run(&anything, |(path, query, body, cookie, authorization)| {
        for (method, media_type) in [("GET", FORM), ("POST", FORM), ("POST", "application/json")] {
            let headers = [
                ("content-type", media_type),
                ("cookie", &cookie),
                ("authorization", &authorization),
                ("sec-fetch-site", "same-origin"),
            ];
            let response = world.send(method, &format!("{path}?{query}"), &headers, &body);
            prop_assert!(response.status < 500, "X22 {method} {path} {}", response.status);
        }
        Ok(())
    });
    ran.unwrap();
}
