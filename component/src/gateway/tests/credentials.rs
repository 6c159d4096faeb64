//! `/token`, `/revoke` and the bearer at `/internal`: rows of bad input with what each is answered with.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::super::federation::simulated_provider::TEAM;
use super::world::*;
use crate::oauth::form::encode;

fn code_request<'a>(client: &'a str, code: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("grant_type", "authorization_code"), ("client_id", client), ("code", code), ("code_verifier", VERIFIER)]
}

#[track_caller]
fn refused(response: &super::Response, status: u16, error: &str, id: &str) {
    assert_eq!((response.status, error_of(response).as_str()), (status, error), "{id} {}", text(response));
    assert_eq!(header(response, "cache-control"), Some("no-store"), "{id}");
}

#[test]
fn token_requests_are_read_strictly() {
    let world = World::new();
    let client = world.client();
    let form = [("content-type", FORM)];
    let post = |headers: &[(&str, &str)], body: &str| world.send("POST", "/token", headers, body);
    refused(&post(&[("content-type", "application/json")], "{}"), 400, "invalid_request", "D02");
    refused(&post(&[("content-type", ";;;")], "a=b"), 400, "invalid_request", "D02");
    refused(&post(&[], "a=b"), 400, "invalid_request", "D02");
    refused(&post(&form, ""), 400, "invalid_request", "D03");
    for grant_type in ["password", "client_credentials", "implicit", "urn:x"] {
        let body = encode(&[("grant_type", grant_type), ("client_id", &client)]);
        refused(&post(&form, &body), 400, "unsupported_grant_type", "D05");
    }
    let in_query = world.send("POST", "/token?grant_type=authorization_code", &form, "");
    refused(&in_query, 400, "invalid_request", "D08");
    assert_eq!(post(&form, &"x".repeat(70_000)).status, 413, "D09");
    refused(&post(&form, "grant_type=authorization_code&code=x"), 401, "invalid_client", "D11");
    refused(&post(&form, "grant_type=authorization_code&code=x&client_id=nobody"), 401, "invalid_client", "D12");
    refused(&post(&form, &format!("grant_type=authorization_code&client_id={client}")), 400, "invalid_request", "D24");
    refused(&post(&form, &format!("grant_type=refresh_token&client_id={client}")), 400, "invalid_request", "F01");
    refused(&post(&form, &format!("grant_type=x&grant_type=y&client_id={client}")), 400, "invalid_request", "D05");
    assert_eq!(world.send("GET", "/token", &[], "").status, 405);
}

#[test]
fn clients_prove_who_they_are_in_the_way_they_registered() {
    let world = World::new();
    let confidential = |method: &str| {
        let metadata = json!({ "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": method });
        let answer = json_of(&world.register(&metadata));
        (answer["client_id"].as_str().unwrap().to_owned(), answer["client_secret"].as_str().unwrap().to_owned())
    };
    let (post_id, post_secret) = confidential("client_secret_post");
    let (basic_id, basic_secret) = confidential("client_secret_basic");
    let public = world.client();
    let wrong = format!("pmcp_s_{}", "A".repeat(43));
    let header_of = |pair: String| format!("Basic {}", STANDARD.encode(pair));
    let good = header_of(format!("{basic_id}:{basic_secret}"));
    for (id, authorization, extra) in [
        ("D14", None, vec![("client_id", post_id.as_str()), ("client_secret", &wrong)]),
        ("D14", Some(header_of(format!("{basic_id}:{wrong}"))), vec![]),
        ("D15", Some(header_of("nocolon".into())), vec![]),
        ("D15", Some("Basic !!!".into()), vec![]),
        ("D15", Some("Basic ".into()), vec![]),
        ("D17", Some(good.clone()), vec![("client_id", public.as_str())]),
        ("D18", None, vec![("client_id", public.as_str()), ("client_secret", &post_secret)]),
        ("D20", None, vec![("client_id", basic_id.as_str()), ("client_secret", &basic_secret)]),
        ("D21", None, vec![("client_id", public.as_str()), ("client_assertion", "x"), ("client_assertion_type", "y")]),
    ] {
        let body = encode(&[vec![("grant_type", "authorization_code"), ("code", "x")], extra].concat());
        let mut headers = vec![("content-type", FORM)];
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        let response = world.send("POST", "/token", &headers, &body);
        refused(&response, 401, "invalid_client", id);
        assert_eq!(header(&response, "www-authenticate").is_some(), authorization.is_some(), "{id}");
    }
}

#[test]
fn a_code_is_for_its_client_verifier_redirect_and_resource() {
    let world = World::new();
    let client = world.client();
    let other = json!({ "redirect_uris": ["https://other.example/"], "token_endpoint_auth_method": "none" });
    let other = json_of(&world.register(&other))["client_id"].as_str().unwrap().to_owned();
    let wrong = "w".repeat(43);
    for (id, changes, error) in [
        ("D27", &[("client_id", other.as_str())][..], "invalid_grant"),
        ("D35", &[("redirect_uri", "https://app.example/other")], "invalid_grant"),
        ("D36", &[("code_verifier", "")], "invalid_grant"),
        ("D38", &[("code_verifier", CHALLENGE)], "invalid_grant"),
        ("D39", &[("code_verifier", "short")], "invalid_grant"),
        ("D39", &[("code_verifier", &wrong)], "invalid_grant"),
        ("D42", &[("resource", "https://mcp.example.com/mcp")], "invalid_target"),
        ("D44", &[("scope", "a\"b")], "invalid_scope"),
    ] {
        let code = world.code(&Browser::default(), &client);
        let mut pairs = code_request(&client, &code);
        pairs.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        pairs.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        refused(&world.token(&pairs), 400, error, id);
        assert_eq!(world.token(&code_request(&client, &code)).status, 200, "{id} has burnt the code");
    }
}

#[test]
fn a_replayed_code_ends_the_grant_and_a_guess_does_not() {
    let world = World::new();
    let client = world.client();
    let code = world.code(&Browser::default(), &client);
    let tokens = json_of(&world.token(&code_request(&client, &code)));
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let guess = format!("pmcp_c_{}", "A".repeat(43));
    refused(&world.token(&code_request(&client, &guess)), 400, "invalid_grant", "D26");
    refused(
        &world.token(&code_request(&client, tokens["refresh_token"].as_str().unwrap())),
        400,
        "invalid_grant",
        "D32",
    );
    assert_eq!(world.list_tools(&[("authorization", &bearer)]).status, 200, "D26 revokes nothing");
    world.ports.clock.advance(11);
    refused(&world.token(&code_request(&client, &code)), 400, "invalid_grant", "D29");
    assert_eq!(world.list_tools(&[("authorization", &bearer)]).status, 401, "D29");
}

#[test]
fn refresh_tokens_rotate_and_a_late_reuse_ends_the_family() {
    let world = World::new();
    let client = world.client();
    let first = world.tokens(&client);
    let refresh = |token: &Value| {
        let token = token.as_str().unwrap().to_owned();
        world.token(&[("grant_type", "refresh_token"), ("client_id", &client), ("refresh_token", &token)])
    };
    let second = json_of(&refresh(&first["refresh_token"]));
    assert_ne!(second["refresh_token"], first["refresh_token"], "F16");
    assert_eq!(json_of(&refresh(&first["refresh_token"]))["refresh_token"], second["refresh_token"], "F11");
    refused(&refresh(&second["access_token"]), 400, "invalid_grant", "F19");
    refused(&refresh(&json!("garbage")), 400, "invalid_grant", "F02");
    let third = json_of(&refresh(&second["refresh_token"]));
    refused(&refresh(&first["refresh_token"]), 400, "invalid_grant", "F08");
    refused(&refresh(&third["refresh_token"]), 400, "invalid_grant", "F08: the family is over");
    let bearer = format!("Bearer {}", third["access_token"].as_str().unwrap());
    assert_eq!(world.list_tools(&[("authorization", &bearer)]).status, 401);
}

#[test]
fn who_is_denied_later_is_stopped_at_once() {
    let mut world = World::new();
    let client = world.client();
    let code = world.code(&Browser::default(), &client);
    let tokens = world.tokens(&client);
    let denied = World::with(&[("DENIED_EMAILS", "Ada@example.com")]);
    world.setup = denied.setup;
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    assert_eq!(world.list_tools(&[("authorization", &bearer)]).status, 401, "F17");
    refused(&world.token(&code_request(&client, &code)), 400, "invalid_grant", "D48");
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let pairs = [("grant_type", "refresh_token"), ("client_id", client.as_str()), ("refresh_token", refresh)];
    refused(&world.token(&pairs), 400, "invalid_grant", "F17");
}

#[test]
fn revocation_answers_the_same_whatever_the_token_is() {
    let world = World::new();
    let client = world.client();
    let tokens = world.tokens(&client);
    let access = tokens["access_token"].as_str().unwrap();
    let revoke = |pairs: &[(&str, &str)]| world.send("POST", "/revoke", &[("content-type", FORM)], &encode(pairs));
    assert_eq!(revoke(&[("client_id", &client), ("token", "unknown")]).status, 200, "V02");
    assert_eq!(revoke(&[("client_id", &client), ("token", access), ("token_type_hint", "foo")]).status, 200, "V05");
    assert_eq!(world.list_tools(&[("authorization", &format!("Bearer {access}"))]).status, 401, "V06");
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let pairs = [("grant_type", "refresh_token"), ("client_id", client.as_str()), ("refresh_token", refresh)];
    assert_eq!(world.token(&pairs).status, 200, "V06: only that token");
    assert_eq!(world.send("GET", "/revoke?token=x", &[], "").status, 405, "V09");
    refused(&revoke(&[("client_id", &client)]), 400, "invalid_request", "V02");
}

#[test]
fn a_bearer_that_is_no_access_token_of_ours_is_challenged() {
    let world = World::new();
    let client = world.client();
    let code = world.code(&Browser::default(), &client);
    let tokens = world.tokens(&client);
    let access = tokens["access_token"].as_str().unwrap().to_owned();
    let id_token = world.ports.http.id_token();
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
    let twice = [("authorization", bearer.as_str()), ("authorization", &bearer)];
    assert_eq!(world.list_tools(&twice).status, 400, "I08");
    let json = [("content-type", "application/json"), ("authorization", &bearer)];
    assert_eq!(world.send("POST", "/internal?access_token=x", &json, "{}").status, 400, "I09");
    world.ports.clock.advance(3600);
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
fn a_redirect_uri_may_be_left_out_and_a_scope_changes_nothing() {
    let world = World::new();
    let client = world.client();
    let code = world.code(&Browser::default(), &client);
    let tokens = json_of(&world.token(&code_request(&client, &code)));
    assert!(tokens["access_token"].is_string(), "D33");
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let pairs = [
        ("grant_type", "refresh_token"),
        ("client_id", client.as_str()),
        ("refresh_token", refresh),
        ("scope", "other"),
    ];
    assert_eq!(json_of(&world.token(&pairs))["scope"], "mcp", "F13");
}

#[test]
fn a_token_of_another_resource_is_refused() {
    let mut world = World::new();
    let tokens = world.tokens(&world.client());
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let moved = [("PUBLIC_URL", "https://other.example.com"), ("MCP_ALLOWED_HOSTNAMES", "mcp.example.com")];
    world.setup = World::with(&moved).setup;
    assert_eq!(world.list_tools(&[("authorization", &bearer)]).status, 401, "I21 I23");
}

#[test]
fn a_host_that_is_not_ours_is_refused_everywhere() {
    let world = World::with(&[("MCP_ALLOWED_HOSTNAMES", "elsewhere.example")]);
    for path in ["/authorize", "/callback", "/token", "/internal", "/.well-known/oauth-authorization-server"] {
        assert_eq!(world.send("GET", path, &[], "").status, 403, "A55 {path}");
    }
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

const ASSERTION_MODE: &[(&str, &str)] = &[("CF_ACCESS_TEAM_DOMAIN", TEAM), ("CF_ACCESS_AUD", "tag-1")];

#[test]
fn an_assertion_that_is_not_an_rs256_token_is_403() {
    let world = World::with(ASSERTION_MODE);
    let good = world.ports.http.assertion("ada@example.com", "tag-1");
    let parts: Vec<&str> = good.split('.').collect();
    let [head, payload, signature] = parts.as_slice() else { panic!("a token has three parts") };
    let with = |header: &str| format!("{}.{payload}.{signature}", URL_SAFE_NO_PAD.encode(header));
    for (id, text) in [
        ("J02", format!("{head}.{payload}")),
        ("J02", format!("{good}.x")),
        ("J03", format!("{head}.a.b.c.{signature}")),
        ("J05", format!("{{\"payload\":\"{payload}\"}}.{payload}.{signature}")),
        ("J08", format!("{head}.{payload}.{}", signature.replace(['-', '_'], "+/"))),
        ("J09", format!("{head}. {payload}.{signature}")),
        ("J11", format!("{head}.{payload}.{signature}AAAAA")),
        ("J12", format!("\"{good}\"")),
        ("J14", format!("{}.{payload}.{signature}", URL_SAFE_NO_PAD.encode([0xff, 0xfe]))),
        ("J15", with(r#"{"alg":"RS256","alg":"none","kid":"key-1"}"#)),
        ("J18", with(r#"{"alg":"nOnE","kid":"key-1"}"#)),
        ("J20 J21", with(r#"{"alg":"HS256","kid":"key-1"}"#)),
        ("J23", with(r#"{"alg":"PS256","kid":"key-1"}"#)),
        ("J24", with(r#"{"alg":"ES256","kid":"key-1"}"#)),
        ("J27", with(r#"{"alg":"PBES2-HS256+A128KW","p2c":2147483648,"kid":"key-1"}"#)),
        ("J32", with(r#"{"alg":"RS256","kid":"../../dev/null"}"#)),
        ("J36", with(r#"{"alg":"RS256","kid":"key-1","x5u":"https://169.254.169.254/"}"#)),
        ("J38", with(r#"{"alg":"RS256","kid":"key-1","crit":["exp"]}"#)),
        ("J39", with(r#"{"alg":"RS256","kid":"key-1","b64":false}"#)),
        ("J41", with(r#"{"alg":"RS256","kid":"key-1","typ":"at+jwt"}"#)),
        ("J42", with(r#"{"alg":"RS256","kid":"key-1","cty":"JWT"}"#)),
        ("J44", format!("{head}.{payload}.{}", "A".repeat(signature.len()))),
    ] {
        assert_eq!(world.list_tools(&[("cf-access-jwt-assertion", &text)]).status, 403, "{id}");
    }
}

#[test]
fn a_malformed_assertion_is_403_and_never_5xx() {
    let world = World::with(ASSERTION_MODE);
    let tokens = world.tokens(&world.client());
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let good = world.ports.http.assertion("ada@example.com", "tag-1");
    let long = "x".repeat(100_000);
    for text in ["", "x", "a.b.c", "....", "Bearer x", "eyJhbGciOiJub25lIn0.e30.", &long, &good.replace('.', ". ")] {
        let headers = [("cf-access-jwt-assertion", text), ("authorization", bearer.as_str())];
        assert_eq!(world.list_tools(&headers).status, 403, "I29: the assertion decides alone");
    }
    let twice = [("cf-access-jwt-assertion", good.as_str()), ("cf-access-jwt-assertion", &good)];
    assert_eq!(world.list_tools(&twice).status, 403, "I30");
    let other = world.ports.http.assertion("ada@example.com", "tag-2");
    assert_eq!(world.list_tools(&[("cf-access-jwt-assertion", &other)]).status, 403, "L18");
    let id_token = world.ports.http.id_token();
    assert_eq!(world.list_tools(&[("cf-access-jwt-assertion", &id_token)]).status, 403, "L16 K22");
    assert_eq!(world.list_tools(&[("cf-access-jwt-assertion", &good)]).status, 200);
    assert_eq!(world.list_tools(&[("authorization", &bearer)]).status, 200, "both modes stand side by side");
    assert_eq!(world.list_tools(&[("cookie", &format!("CF_Authorization={good}"))]).status, 401, "I32");
}

#[test]
fn without_an_authorization_server_there_are_assertions_only() {
    let own = [("ACCESS_CLIENT_ID", ""), ("ACCESS_ISSUER", "")];
    let world = World::with(&[ASSERTION_MODE, &own].concat());
    assert_eq!(world.list_tools(&[]).status, 403);
    for path in ["/authorize", "/callback", "/token", "/register", "/revoke", "/.well-known/oauth-authorization-server"]
    {
        assert_eq!(world.send("GET", path, &[], "").status, 404, "{path}");
    }
    let assertion = world.ports.http.assertion("ada@example.com", "tag-1");
    assert_eq!(world.list_tools(&[("cf-access-jwt-assertion", &assertion)]).status, 200);
}

#[test]
fn without_either_mode_there_is_no_internal() {
    let world = World::with(&[("ACCESS_CLIENT_ID", ""), ("ACCESS_ISSUER", "")]);
    assert_eq!(world.list_tools(&[]).status, 404);
}

#[test]
fn a_secret_that_is_missing_is_named() {
    for name in ["COOKIE_ENCRYPTION_KEY", "PLAUSIBLE_API_KEY"] {
        let world = World::new();
        let tokens = world.tokens(&world.client());
        let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
        let mut world = world;
        world.ports.secrets.0.remove(name);
        let response = world.list_tools(&[("authorization", &bearer)]);
        assert_eq!(response.status, 500);
        assert!(text(&response).contains(name), "{}", text(&response));
    }
    let world = World::with(&[("COOKIE_ENCRYPTION_KEY", "0123")]);
    assert!(text(&world.list_tools(&[])).contains("COOKIE_ENCRYPTION_KEY"), "X10");
}

proptest::proptest! {
    #[test]
    fn no_bytes_are_our_fault(path in proptest::sample::select(vec!["/authorize", "/callback", "/token", "/register", "/revoke", "/internal"]), query in ".{0,60}", body in ".{0,120}", cookie in ".{0,60}", authorization in ".{0,60}") {
        let world = World::new();
        for method in ["GET", "POST"] {
            for media_type in [FORM, "application/json"] {
                let headers = [("content-type", media_type), ("cookie", &cookie), ("authorization", &authorization), ("sec-fetch-site", "same-origin")];
                let response = world.send(method, &format!("{path}?{query}"), &headers, &body);
                proptest::prop_assert!(response.status < 500, "X22 {} {}", path, response.status);
            }
        }
    }
}
