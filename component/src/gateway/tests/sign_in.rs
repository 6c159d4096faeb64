//! The way through a sign-in, and what happens beside it. The ids are those of the catalogue of bad inputs that the tables
//! came from.

use serde_json::json;

use super::super::federation::simulated_provider::ISSUER;
use super::super::*;
use super::world::*;
use crate::oauth::form::encode;
use crate::ports::HttpError;

#[test]
fn a_sign_in_ends_in_tokens_that_work_until_they_are_revoked() {
    let world = World::new();
    let client = world.client();
    let location = Browser::default().sign_in(&world, &client);
    assert!(location.starts_with(REDIRECT_URI));
    assert_eq!(parameter(&location, "state").as_deref(), Some("client-state"));
    assert_eq!(parameter(&location, "iss").as_deref(), Some("https://mcp.example.com"));
    assert_eq!(location.matches(['&', '?']).count(), 3, "B35 exactly code, iss and state");
    let code = parameter(&location, "code").unwrap();
    let answer = world.token(&[
        ("grant_type", "authorization_code"),
        ("client_id", &client),
        ("code", &code),
        ("code_verifier", VERIFIER),
        ("redirect_uri", REDIRECT_URI),
    ]);
    assert_eq!((answer.status, header(&answer, "cache-control")), (200, Some("no-store")), "D51");
    let tokens = json_of(&answer);
    let (access, refresh) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    let bearer = format!("Bearer {access}");
    let listed = world.list_tools(&[("authorization", &bearer)]);
    assert_eq!(listed.status, 200, "{}", text(&listed));
    let revoked = world.send(
        "POST",
        "/revoke",
        &[("content-type", FORM)],
        &encode(&[("client_id", &client), ("token", refresh)]),
    );
    assert_eq!(revoked.status, 200);
    assert_eq!(world.list_tools(&[("authorization", &bearer)]).status, 401, "I15");
}

#[test]
fn a_denial_goes_to_the_client_and_ends_the_transaction() {
    let world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    let form = browser.consent(&world, &client);
    let response = browser.decide(&world, &form, "deny");
    let location = header(&response, "location").unwrap().to_owned();
    assert_eq!(response.status, 303, "C13 C30");
    assert_eq!(parameter(&location, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&location, "state").as_deref(), Some("client-state"));
    assert_eq!(parameter(&location, "iss").as_deref(), Some("https://mcp.example.com"));
    assert!(browser.cookies.borrow().is_empty());
    assert_eq!(browser.decide(&world, &form, "approve").status, 403, "the cookie is gone");
}

#[test]
fn the_consent_form_cannot_change_the_request() {
    let world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    let form = browser.consent(&world, &client);
    let response = browser.post(
        &world,
        &[
            ("handle", &form.handle),
            ("token", &form.token),
            ("decision", "deny"),
            ("redirect_uri", "https://evil.example/cb"),
            ("client_id", "other"),
            ("scope", "admin"),
            ("state", "eyJyZWRpcmVjdFVyaSI6Imh0dHBzOi8vZXZpbCJ9"),
        ],
    );
    let location = header(&response, "location").unwrap();
    assert!(location.starts_with(REDIRECT_URI) && location.contains("client-state"), "C09 A50 {location}");
}

#[test]
fn a_failed_callback_can_be_retried() {
    let world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    let form = browser.consent(&world, &client);
    *world.ports.http.email.borrow_mut() = "eve@elsewhere.example".into();
    let back = browser.approve(&world, &form);
    let refused = browser.get(&world, &back);
    let page = text(&refused);
    assert_eq!(refused.status, 403, "{page}");
    assert!(page.contains("example.com") && page.contains("/cdn-cgi/access/logout"), "{page}");
    assert!(!page.contains("eve@"), "E35");
    *world.ports.http.email.borrow_mut() = "ada@example.com".into();
    let again = form_of(&refused);
    let back = browser.approve(&world, &again);
    assert_eq!(browser.get(&world, &back).status, 303, "B25");
    assert_eq!(browser.get(&world, &back).status, 400, "B29");
}

#[test]
fn what_the_provider_does_wrong_is_a_page_that_offers_another_try() {
    for (part, fault, status) in [
        ("/token", Ok((400, r#"{"error":"invalid_grant","hint":"s3cret"}"#.to_owned())), 403),
        ("/token", Ok((200, r#"{"error":"invalid_grant"}"#.to_owned())), 403),
        ("/token", Ok((200, "<html>s3cret</html>".to_owned())), 502),
        ("/token", Ok((200, "{}".to_owned())), 502),
        ("/token", Ok((200, "[".repeat(10_000))), 502),
        ("/token", Ok((500, "s3cret".to_owned())), 502),
        ("/token", Err(HttpError::ResponseTooLarge), 502),
        ("/token", Err(HttpError::TimedOut), 503),
        ("/token", Ok((200, r#"{"id_token":"not a token"}"#.to_owned())), 403),
        ("/jwks", Ok((500, String::new())), 502),
        ("/jwks", Err(HttpError::ConnectFailed), 503),
    ] {
        let world = World::new();
        let (client, browser) = (world.client(), Browser::default());
        let form = browser.consent(&world, &client);
        let back = browser.approve(&world, &form);
        *world.ports.http.faults.borrow_mut() = vec![(part, fault.clone())];
        let failed = browser.get(&world, &back);
        assert_eq!(failed.status, status, "B17 B19 B20 B22 B34 {fault:?}");
        assert!(!text(&failed).contains("s3cret"));
        world.ports.http.faults.borrow_mut().clear();
        let back = browser.approve(&world, &form_of(&failed));
        assert_eq!(browser.get(&world, &back).status, 303, "{fault:?}");
    }
}

#[test]
fn a_login_with_another_nonce_or_audience_is_refused() {
    for claims in [
        json!({ "nonce": "other" }),
        json!({ "nonce": null }),
        json!({ "nonce": 7 }),
        json!({ "aud": "client-2" }),
        json!({ "iss": "https://team.cloudflareaccess.com" }),
        json!({ "exp": 1 }),
        json!({ "email": null, "upn": "ada@example.com" }),
        json!({ "email_verified": false }),
        json!({ "email": "a@evil.example@example.com" }),
        json!({ "type": "org" }),
    ] {
        let world = World::new();
        let (client, browser) = (world.client(), Browser::default());
        let form = browser.consent(&world, &client);
        let back = browser.approve(&world, &form);
        *world.ports.http.claims.borrow_mut() = claims.clone();
        let refused = browser.get(&world, &back);
        assert_eq!((refused.status, header(&refused, "location")), (403, None), "B23 {claims}");
    }
}

#[test]
fn addresses_that_are_not_plainly_of_the_domain_are_refused() {
    for (id, email) in [
        ("E03", "a@example.com.evil.example"),
        ("E05", "a@sub.example.com"),
        ("E06", "a@example.com."),
        ("E08", "a@evil.example@example.com"),
        ("E09", "a@example.com@evil.example"),
        ("E11", "\"a@example.com\"@evil.example"),
        ("E12", "a@evil.example,b@example.com"),
        ("E12", "a@evil.example b@example.com"),
        ("E14", "a@example.com\n"),
        ("E14", " a@example.com"),
        ("E15", "a@example.com\0"),
        ("E17", "@example.com"),
        ("E17", "example.com"),
        ("E18", "a@@example.com"),
        ("E20", "a(comment)@example.com"),
        ("E21", "a@example\u{3002}com"),
        ("E23", "a@ex\u{430}mple.com"),
        ("E24", "a@EXAMPLE.\u{212a}OM"),
        ("E26", "a@xn--exmple-cua.com"),
        ("E27", "\u{e4}@example.com"),
        ("E29", "a%40evil.example@example.com"),
        ("E29", "evil.example!a@example.com"),
        ("E32", "a@example.com:25"),
        ("E32", "a@example.com/"),
    ] {
        let world = World::new();
        *world.ports.http.email.borrow_mut() = email.into();
        let refused = log_in(&world);
        assert_eq!((refused.status, header(&refused, "location")), (403, None), "{id} {email}");
        assert!(!text(&refused).contains(email) || "@example.com".ends_with(email), "E35");
    }
    for email in ["A@EXAMPLE.COM", "First.Last+tag@example.com"] {
        let world = World::new();
        *world.ports.http.email.borrow_mut() = email.into();
        assert_eq!(log_in(&world).status, 303, "E02 {email}");
    }
}

#[test]
fn claims_of_the_wrong_kind_are_refused() {
    for (id, claims) in [
        ("L01", json!({ "exp": null })),
        ("L03", json!({ "exp": "9999999999" })),
        ("L03", json!({ "exp": [] })),
        ("L04", json!({ "exp": -1 })),
        ("L06", json!({ "nbf": 9_999_999_999_u64 })),
        ("L07", json!({ "nbf": "0" })),
        ("L09", json!({ "iat": null })),
        ("L10", json!({ "iat": 1_000_000 })),
        ("L12", json!({ "iss": format!("{ISSUER}/") })),
        ("L13", json!({ "iss": ISSUER.replace("team", "TEAM") })),
        ("L15", json!({ "iss": ISSUER.replace("team", "other") })),
        ("L19", json!({ "aud": ["client-1", "client-2"] })),
        ("L21", json!({ "aud": "client-12" })),
        ("L24", json!({ "nonce": 7 })),
        ("L30", json!({ "type": "org" })),
        ("E30", json!({ "email": null, "preferred_username": "ada@example.com" })),
        ("L31", json!({ "email_verified": false })),
    ] {
        let world = World::new();
        *world.ports.http.claims.borrow_mut() = claims.clone();
        assert_eq!(log_in(&world).status, 403, "{id} {claims}");
    }
}

/// The answer of `/callback` to a login whose provider says what `world` makes it say.
fn log_in(world: &World) -> Response {
    let browser = Browser::default();
    let form = browser.consent(world, &world.client());
    let back = browser.approve(world, &form);
    browser.get(world, &back)
}

#[test]
fn two_connects_in_one_browser_do_not_meet() {
    let world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    let (first, second) = (browser.consent(&world, &client), browser.consent(&world, &client));
    let back = browser.approve(&world, &first);
    assert_eq!(browser.get(&world, &back).status, 303);
    let back = browser.approve(&world, &second);
    assert_eq!(browser.get(&world, &back).status, 303);
}

#[test]
fn another_browser_gets_nowhere_and_stops_nobody() {
    let world = World::new();
    let (client, browser, other) = (world.client(), Browser::default(), Browser::default());
    let form = browser.consent(&world, &client);
    assert_eq!(other.decide(&world, &form, "approve").status, 403, "C01 C03");
    let back = browser.approve(&world, &form);
    let asked = world.ports.http.asked.borrow().len();
    assert_eq!(other.get(&world, &back).status, 403, "B04 B05");
    assert_eq!(world.ports.http.asked.borrow().len(), asked, "no request to the provider");
    assert_eq!(browser.get(&world, &back).status, 303);
}

#[test]
fn what_is_wrong_with_a_decision_is_a_page_and_decides_nothing() {
    let world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    let form = browser.consent(&world, &client);
    let (handle, token) = (form.handle.as_str(), form.token.as_str());
    let long = "x".repeat(17_000);
    for (pairs, status) in [
        (vec![("handle", handle), ("token", token)], 400),
        (vec![("handle", handle), ("token", token), ("decision", "maybe")], 400),
        (vec![("handle", handle), ("decision", "approve")], 403),
        (vec![("handle", handle), ("token", "00"), ("decision", "approve")], 403),
        (vec![("token", token), ("decision", "approve")], 400),
        (vec![("handle", "zz"), ("token", token), ("decision", "approve")], 400),
        (vec![("handle", handle), ("token", token), ("token", token), ("decision", "approve")], 400),
        (vec![("handle", handle), ("token", token), ("decision", "approve"), ("decision", "deny")], 400),
        (vec![("handle", handle), ("token", token), ("decision", "approve"), ("x", &long)], 413),
    ] {
        let response = browser.post(&world, &pairs);
        assert_eq!((response.status, header(&response, "location")), (status, None), "C04 C12 C18 C19");
    }
    for headers in [
        vec![("content-type", FORM), ("sec-fetch-site", "cross-site"), ("origin", "https://mcp.example.com")],
        vec![("content-type", FORM), ("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")],
        vec![("content-type", FORM), ("origin", "https://evil.example")],
        vec![("content-type", FORM), ("origin", "null")],
        vec![("content-type", FORM)],
    ] {
        let body = encode(&[("handle", handle), ("token", token), ("decision", "approve")]);
        assert_eq!(world.send("POST", "/authorize", &headers, &body).status, 403, "C15 {headers:?}");
    }
    let back = browser.approve(&world, &form);
    assert_eq!(browser.get(&world, &back).status, 303, "nothing above has used the transaction up");
}

#[test]
fn a_transaction_ends_after_ten_minutes_and_after_five_attempts() {
    let world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    let form = browser.consent(&world, &client);
    for _ in 0..5 {
        browser.approve(&world, &form);
    }
    assert_eq!(browser.decide(&world, &form, "approve").status, 400, "B26");
    let form = browser.consent(&world, &client);
    world.ports.clock.advance(601);
    assert_eq!(browser.decide(&world, &form, "approve").status, 400, "C10");
}

#[test]
fn an_incomplete_way_back_is_a_page_and_uses_nothing_up() {
    let world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    let form = browser.consent(&world, &client);
    assert_eq!(browser.get(&world, &format!("/callback?code=x&state={}.00", form.handle)).status, 400, "B07");
    let back = browser.approve(&world, &form);
    let state = parameter(&back, "state").unwrap();
    let long = "x".repeat(5000);
    for (query, status) in [
        (String::new(), 400),
        ("code=x".to_owned(), 400),
        (encode(&[("state", &state)]), 400),
        (encode(&[("state", &state), ("code", &long)]), 400),
        (encode(&[("state", &state), ("code", "a\u{1}b")]), 400),
        (encode(&[("state", &state), ("state", &state), ("code", "x")]), 400),
        (encode(&[("state", &state), ("code", "x"), ("code", "y")]), 400),
        (encode(&[("state", &state), ("code", "x"), ("iss", "https://evil.example")]), 400),
        (encode(&[("state", &state), ("error", "server_error")]), 403),
        (encode(&[("state", &state), ("error", "access_denied"), ("code", "x")]), 403),
        ("code=x&state=%ZZ".to_owned(), 400),
    ] {
        let response = browser.get(&world, &format!("/callback?{query}"));
        assert_eq!(
            (response.status, header(&response, "location")),
            (status, None),
            "B01 B02 B08 B10 B11 B13 B14 {query}"
        );
    }
    assert_eq!(world.send("POST", &back, &[], "").status, 405, "B32");
    assert_eq!(browser.get(&world, &back).status, 303);
}

#[test]
fn cookies_are_bound_to_the_host_and_hidden_from_scripts() {
    let world = World::new();
    let response = Browser::default().get(&world, &authorize(&world.client(), &[]));
    let cookie = header(&response, "set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-consent-"), "X18 {cookie}");
    for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax", "Max-Age=600"] {
        assert!(cookie.contains(attribute), "X18 {attribute}");
    }
    assert!(!cookie.contains("Domain"));
}

#[test]
fn every_page_forbids_frames_scripts_and_referrers() {
    let world = World::new();
    let client = world.client();
    for target in
        [authorize(&client, &[]), authorize(&client, &[("scope", "\"")]), "/authorize".into(), "/callback".into()]
    {
        let response = Browser::default().get(&world, &target);
        let policy = header(&response, "content-security-policy").unwrap_or_default();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "C28 {target}");
        assert_eq!(header(&response, "x-frame-options"), Some("DENY"));
        assert_eq!(header(&response, "referrer-policy"), Some("no-referrer"));
        assert_eq!(header(&response, "cache-control"), Some("no-store"));
        assert_eq!(header(&response, "access-control-allow-origin"), None);
    }
}

#[test]
fn the_store_holds_nothing_in_the_clear() {
    let world = World::new();
    let metadata = json!({ "client_name": "Marked App", "redirect_uris": [REDIRECT_URI] });
    let client = json_of(&world.register(&metadata));
    let (id, secret) = (client["client_id"].as_str().unwrap(), client["client_secret"].as_str().unwrap());
    let code = world.code(&Browser::default(), id);
    let basic = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("{id}:{secret}"));
    let headers = [("content-type", FORM), ("authorization", &format!("Basic {basic}"))];
    let body = encode(&[("grant_type", "authorization_code"), ("code", &code), ("code_verifier", VERIFIER)]);
    let tokens = json_of(&world.send("POST", "/token", &headers, &body));
    let dump = world.dump();
    for marked in [
        "ada@example.com",
        "ada",
        &code,
        secret,
        tokens["access_token"].as_str().unwrap(),
        tokens["refresh_token"].as_str().unwrap(),
        "client-state",
        VERIFIER,
        CHALLENGE,
        "Marked App",
        "pmcp_",
    ] {
        assert!(!dump.contains(marked), "{marked}");
    }
    assert!(dump.contains("grant/") && dump.contains("access/"));
}

#[test]
fn a_record_that_does_not_decode_is_absent_and_reported() {
    use crate::ports::OauthStore;
    let world = World::new();
    let client = world.client();
    let tokens = world.tokens(&client);
    for (key, _) in world.ports.store.dump() {
        world.ports.store.put(&key, b"garbage", 60).now_or_never().unwrap().unwrap();
    }
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let request = Request {
        method: "POST".into(),
        path: "/internal".into(),
        authority: Some("mcp.example.com".into()),
        headers: Headers(vec![("authorization".into(), bearer.into_bytes())]),
        ..Request::default()
    };
    let answered = Gateway::new(&world.ports, &world.setup).handle(&request, b"".as_slice()).now_or_never().unwrap();
    assert_eq!(answered.response.status, 401, "X04");
    assert_eq!(answered.record.unwrap().unreadable_records, 1);
}

use futures_util::FutureExt;

#[test]
fn no_personal_data_is_in_logs_and_error_pages() {
    let world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    *world.ports.http.email.borrow_mut() = "marked.person@elsewhere.example".into();
    let form = browser.consent(&world, &client);
    let back = browser.approve(&world, &form);
    let (path, query) = back.split_once('?').unwrap();
    let cookies = browser.cookies.borrow().iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join("; ");
    let request = Request {
        method: "GET".into(),
        path: path.into(),
        query: query.into(),
        authority: Some("mcp.example.com".into()),
        headers: Headers(vec![("cookie".into(), cookies.into_bytes())]),
    };
    let answered = Gateway::new(&world.ports, &world.setup).handle(&request, b"".as_slice()).now_or_never().unwrap();
    let line = answered.record.unwrap().json();
    for marked in ["marked", "elsewhere", "provider-code", &parameter(&back, "state").unwrap(), "client-state"] {
        assert!(!line.contains(marked), "X19 E35 {line}");
        assert!(!text(&answered.response).contains(marked), "E35 {marked}");
    }
    assert!(line.contains("\"reason\":\"email_domain\""), "{line}");
}

#[test]
fn the_operator_lists_and_ends_grants() {
    let admin = "an-admin-token-of-at-least-32-bytes";
    let world = World::with(&[("ADMIN_TOKEN", admin)]);
    let client = world.client();
    let tokens = world.tokens(&client);
    let bearer = format!("Bearer {admin}");
    let ask = |authorization: &str, question: serde_json::Value| {
        let headers = [("content-type", "application/json"), ("authorization", authorization)];
        world.send("POST", "/admin/operator", &headers, &question.to_string())
    };
    assert_eq!(ask("Bearer wrong", json!({ "action": "list-grants" })).status, 401);
    let listed = json_of(&ask(&bearer, json!({ "action": "list-grants" })));
    assert_eq!(listed["grants"][0]["client"], "App");
    assert!(!listed.to_string().contains("ada"));
    let others = json_of(&ask(&bearer, json!({ "action": "list-grants", "user": "bob@example.com" })));
    assert_eq!(others["grants"], json!([]));
    assert_eq!(ask(&bearer, json!({ "action": "revoke" })).status, 400);
    let revoked = json_of(&ask(&bearer, json!({ "action": "revoke", "user": "ADA@example.com" })));
    assert_eq!(revoked["revoked"], 1);
    let access = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    assert_eq!(world.list_tools(&[("authorization", &access)]).status, 401);
    assert_eq!(World::new().send("POST", "/admin/operator", &[], "").status, 404);
}
