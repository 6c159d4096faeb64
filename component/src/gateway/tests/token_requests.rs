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
    for (id, grant_type) in [
        ("D05", "password"),
        ("D05", "client_credentials"),
        ("D05", "implicit"),
        ("D05", "urn:x"),
        ("F22 F23 F25", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("F26", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
    ] {
        let body = encode(&[("grant_type", grant_type), ("client_id", &client), ("subject_token", "x")]);
        refused(&post(&form, &body), 400, "unsupported_grant_type", id);
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
fn what_is_refused_before_an_endpoint_reads_it_is_an_error_of_oauth() {
    let world = World::new();
    let elsewhere = World::with(&[("MCP_ALLOWED_HOSTNAMES", "elsewhere.example")]);
    let broken = World::with(&[("COOKIE_ENCRYPTION_KEY", "0123")]);
    let busy = World::with(&[("RATE_LIMIT_PER_MINUTE", "1")]);
    let long = "x".repeat(70_000);
    for (path, media_type) in [("/token", FORM), ("/revoke", FORM), ("/register", "application/json")] {
        let post = |headers: &[(&str, &str)], body: &str| world.send("POST", path, headers, body);
        let get = world.send("GET", path, &[], "");
        refused(&get, 405, "invalid_request", path);
        assert!(header(&get, "allow").is_some() && json_of(&get)["error_description"].is_string(), "{path}");
        refused(&post(&[("content-type", media_type)], &long), 413, "invalid_request", path);
        refused(&post(&[("origin", "null")], ""), 403, "invalid_request", path);
        refused(&elsewhere.send("POST", path, &[], ""), 403, "invalid_request", path);
        refused(&broken.send("POST", path, &[], ""), 500, "server_error", path);
        for _ in 0..20 {
            busy.send("POST", path, &[], "");
        }
        let limited = busy.send("POST", path, &[], "");
        refused(&limited, 429, "temporarily_unavailable", path);
        assert!(header(&limited, "retry-after").is_some(), "{path}");
    }
}

#[test]
fn only_a_client_that_registered_for_it_may_refresh() {
    let world = World::new();
    let client = |grant_types: Value| {
        let metadata = json!({
            "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none", "grant_types": grant_types,
        });
        json_of(&world.register(&metadata))["client_id"].as_str().unwrap().to_owned()
    };
    let once = client(json!(["authorization_code"]));
    assert_eq!(world.tokens(&once).get("refresh_token"), None, "D06");
    for (client, error) in [
        (once, "unauthorized_client"),
        (client(json!(["authorization_code", "refresh_token"])), "invalid_grant"),
        (client(Value::Null), "invalid_grant"),
        (world.client(), "invalid_grant"),
    ] {
        refused(&world.token(&refresh_request(&client, "unknown")), 400, error, "D06");
    }
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
    for (id, authorization, extra, error) in [
        ("D14", None, vec![("client_id", post_id.as_str()), ("client_secret", &wrong)], "invalid_client"),
        ("D14", Some(header_of(format!("{basic_id}:{wrong}"))), vec![], "invalid_client"),
        ("D14", None, vec![("client_id", basic_id.as_str())], "invalid_client"),
        ("D14", Some(header_of(format!("{basic_id}:"))), vec![], "invalid_client"),
        ("D15", Some(header_of("nocolon".into())), vec![], "invalid_client"),
        ("D15", Some("Basic !!!".into()), vec![], "invalid_client"),
        ("D15", Some("Basic ".into()), vec![], "invalid_client"),
        ("D17", Some(good.clone()), vec![("client_id", public.as_str())], "invalid_request"),
        ("D17", Some(good.clone()), vec![("client_secret", basic_secret.as_str())], "invalid_request"),
        ("D17", Some(good.clone()), vec![("client_secret", "other")], "invalid_request"),
        ("D17", None, vec![("client_id", public.as_str()), ("client_id", &public)], "invalid_request"),
        ("D18", None, vec![("client_id", public.as_str()), ("client_secret", &post_secret)], "invalid_client"),
        (
            "D21 D23 M30",
            None,
            vec![("client_id", public.as_str()), ("client_assertion", "x"), ("client_assertion_type", "y")],
            "invalid_client",
        ),
    ] {
        let body = encode(&[vec![("grant_type", "authorization_code"), ("code", "x")], extra].concat());
        let mut headers = vec![("content-type", FORM)];
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        let response = world.send("POST", "/token", &headers, &body);
        let status = if error == "invalid_client" { 401 } else { 400 };
        refused(&response, status, error, id);
        let is_challenged = authorization.is_some() && error == "invalid_client";
        assert_eq!(header(&response, "www-authenticate").is_some(), is_challenged, "{id}");
        let advises = text(&response).contains("Remove the connection");
        assert_eq!(advises, text(&response).contains("secret is not this client"), "{id}: only where it helps");
    }
    for (id, authorization, extra) in [
        ("D20", None, vec![("client_id", basic_id.as_str()), ("client_secret", &basic_secret)]),
        ("D20", Some(header_of(format!("{post_id}:{post_secret}"))), vec![]),
        ("D20", Some(good.clone()), vec![("client_id", basic_id.as_str())]),
        ("D20", Some(header_of(format!("{public}:"))), vec![]),
        ("D20", Some(header_of(format!("{public}:"))), vec![("client_id", public.as_str()), ("client_secret", "")]),
    ] {
        let body = encode(&[vec![("grant_type", "authorization_code"), ("code", "x")], extra].concat());
        let mut headers = vec![("content-type", FORM)];
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        let response = world.send("POST", "/token", &headers, &body);
        refused(&response, 400, "invalid_grant", &format!("{id}: the client is believed, the code is not"));
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
        (
            "D42",
            &[("resource", "https://mcp.example.com/internal"), ("resource", "https://mcp.example.com/mcp")],
            "invalid_target",
        ),
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
fn the_resource_may_come_more_than_once_where_each_is_this_server() {
    let world = World::new();
    let client = world.client();
    let code = world.code(&Browser::default(), &client);
    let resources =
        [("resource", "https://mcp.example.com/internal"), ("resource", "https://mcp.example.com/internal/")];
    let redeemed = world.token(&[code_request(&client, &code), resources.to_vec()].concat());
    assert_eq!(redeemed.status, 200, "D42 {}", text(&redeemed));
    let tokens = json_of(&redeemed);
    let refresh = refresh_request(&client, tokens["refresh_token"].as_str().unwrap());
    let scope = ("scope", "mcp offline_access");
    assert_eq!(world.token(&[refresh, resources.to_vec(), vec![scope]].concat()).status, 200, "F14");
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

fn refresh_request<'a>(client: &'a str, token: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token)]
}

#[test]
fn a_refresh_token_is_for_its_client_resource_and_time() {
    let world = World::new();
    let client = world.client();
    let other = json!({ "redirect_uris": ["https://other.example/"], "token_endpoint_auth_method": "none" });
    let other = json_of(&world.register(&other))["client_id"].as_str().unwrap().to_owned();
    let tokens = world.tokens(&client);
    let token = tokens["refresh_token"].as_str().unwrap();
    refused(&world.token(&refresh_request(&other, token)), 400, "invalid_grant", "F04");
    let elsewhere = [refresh_request(&client, token), vec![("resource", "https://mcp.example.com/mcp")]].concat();
    refused(&world.token(&elsewhere), 400, "invalid_target", "F14");
    let long = "x".repeat(60_000);
    refused(&world.token(&refresh_request(&client, &long)), 400, "invalid_grant", "F02");
    world.turn_back(60);
    let next = json_of(&world.token(&refresh_request(&client, token)));
    assert!(next["access_token"].is_string(), "F04 F14 F20: nothing of the above has used it up");
    world.advance(60 + 24 * 3600);
    let next = next["refresh_token"].as_str().unwrap();
    refused(&world.token(&refresh_request(&client, next)), 400, "invalid_grant", "F05");
}

#[test]
fn a_repeat_gets_the_same_tokens_for_thirty_seconds_and_ends_the_family_after_that() {
    let world = World::new();
    let client = world.client();
    let first = world.tokens(&client);
    let first = first["refresh_token"].as_str().unwrap();
    let second = json_of(&world.token(&refresh_request(&client, first)));
    world.advance(29);
    assert_eq!(json_of(&world.token(&refresh_request(&client, first)))["access_token"], second["access_token"], "F11");
    world.advance(2);
    refused(&world.token(&refresh_request(&client, first)), 400, "invalid_grant", "F07");
    let second = second["refresh_token"].as_str().unwrap();
    refused(&world.token(&refresh_request(&client, second)), 400, "invalid_grant", "F07: the family is over");
}

#[test]
fn a_client_that_is_evicted_before_its_code_is_redeemed_is_registered_again() {
    let world = World::new();
    let evict = || {
        for (key, _) in world.records().iter().filter(|(key, _)| key.starts_with("client/")) {
            world.overwrite(key, b"gone");
        }
    };
    let client = world.client();
    let code = world.code(&Browser::default(), &client);
    let other = world.code(&Browser::default(), &client);
    evict();
    refused(&world.token(&code_request("other", &code)), 401, "invalid_client", "D45: another client's code");
    refused(&world.token(&code_request(&client, "unknown")), 401, "invalid_client", "D45");
    let tokens = json_of(&world.token(&code_request(&client, &code)));
    let refresh = tokens["refresh_token"].as_str().expect("D45: the code carries the client's record");
    assert_eq!(world.token(&refresh_request(&client, refresh)).status, 200, "D45: it is known again");
    evict();
    world.advance(61);
    let gone = world.token(&code_request(&client, &other));
    refused(&gone, 401, "invalid_client", "D45: the code has ended");
    assert!(text(&gone).contains("Remove the connection and add it again"), "{}", text(&gone));
    refused(&world.token(&refresh_request(&client, refresh)), 401, "invalid_client", "D45");
}

#[test]
fn an_evicted_client_still_has_to_prove_who_it_is() {
    let world = World::new();
    let metadata = json!({ "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "client_secret_post" });
    let answer = json_of(&world.register(&metadata));
    let (id, secret) = (answer["client_id"].as_str().unwrap(), answer["client_secret"].as_str().unwrap());
    let code = world.code(&Browser::default(), id);
    for (key, _) in world.records().iter().filter(|(key, _)| key.starts_with("client/")) {
        world.overwrite(key, b"gone");
    }
    refused(&world.token(&code_request(id, &code)), 401, "invalid_client", "D45");
    let proven = [code_request(id, &code), vec![("client_secret", secret)]].concat();
    assert_eq!(world.token(&proven).status, 200, "D45");
}

#[test]
fn revocation_is_for_the_tokens_own_client_and_leaves_codes_alone() {
    let world = World::new();
    let client = world.client();
    let other = json!({ "redirect_uris": ["https://other.example/"], "token_endpoint_auth_method": "none" });
    let other = json_of(&world.register(&other))["client_id"].as_str().unwrap().to_owned();
    let revoke = |client: &str, token: &str| {
        world.send("POST", "/revoke", &[("content-type", FORM)], &encode(&[("client_id", client), ("token", token)]))
    };
    let tokens = world.tokens(&client);
    let access = tokens["access_token"].as_str().unwrap();
    assert!(matches!(revoke(&other, access).status, 200 | 400), "V03");
    assert_eq!(world.list_tools(&[("authorization", &format!("Bearer {access}"))]).status, 200, "V03");
    let code = world.code(&Browser::default(), &client);
    assert_eq!(revoke(&client, &code).status, 200, "V08");
    let issued = json_of(&world.token(&code_request(&client, &code)));
    let access = issued["access_token"].as_str().expect("V08: codes are not revocable");
    assert_eq!(revoke(&client, &code).status, 200, "V08");
    let bearer = format!("Bearer {access}");
    assert_eq!(world.list_tools(&[("authorization", &bearer)]).status, 200, "V08: the grant stays");
}

#[test]
fn what_is_not_built_is_not_there() {
    let world = World::new();
    let client = world.client();
    for (id, method, path) in [
        ("V11", "POST", "/introspect"),
        ("V12", "POST", "/introspect"),
        ("V14", "GET", "/introspect?token=x"),
        ("R37", "GET", &format!("/register/{client}")),
        ("R37", "DELETE", &format!("/register/{client}")),
        ("P01 P02", "POST", "/par"),
    ] {
        assert_eq!(world.send(method, path, &[], "").status, 404, "{id} {path}");
    }
}
