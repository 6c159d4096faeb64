//! `/token` and `/revoke`: rows of bad input with what each is answered with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::world::*;

fn code_request<'a>(client: &'a str, code: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("grant_type", "authorization_code"), ("client_id", client), ("code", code), ("code_verifier", VERIFIER)]
}

#[track_caller]
fn refused(response: &Response, status: u16, error: &str, id: &str) {
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
    world.advance(11);
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
    world.change(&[("DENIED_EMAILS", "Ada@example.com")]);
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
