//! Every cause of a refusal reaches the log, and the operator's guide says what to do about it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::world::*;
use crate::telemetry::vocabulary::{CALL_CAUSES, REASONS};

/// The last line of the log.
fn last(world: &World) -> Value {
    serde_json::from_str(world.log().lines().last().unwrap_or_default()).expect("a line is JSON")
}

#[track_caller]
fn logged(world: &World, reason: &str, cause: &str) {
    let line = last(world);
    assert_eq!((line["reason"].as_str(), line["cause"].as_str()), (Some(reason), Some(cause)), "{line}");
}

/// The id of the one grant there is.
fn grant_id(world: &World) -> String {
    let records = world.records();
    let key = records.iter().map(|(key, _)| key).find(|key| key.starts_with("grant/")).expect("a grant");
    key.rsplit('/').next().unwrap_or_default().to_owned()
}

fn code_request<'a>(client: &'a str, code: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("grant_type", "authorization_code"), ("client_id", client), ("code", code), ("code_verifier", VERIFIER)]
}

/// A token request of a client that says who it is.
fn ask(world: &World, pairs: &[(&str, &str)]) -> Response {
    world.send("POST", "/token", &[("content-type", FORM), ("user-agent", "claude-code/2.1")], &encode(pairs))
}

#[test]
fn a_replayed_code_is_a_warning_that_names_client_family_and_grant() {
    let world = World::new();
    let client = world.client();
    let code = world.code(&Browser::default(), &client);
    assert_eq!(ask(&world, &code_request(&client, &code)).status, 200);
    let grant = grant_id(&world);
    assert_eq!(ask(&world, &code_request(&client, &code)).status, 400);
    logged(&world, "code", "code_repeated");
    assert_eq!(last(&world).get("grant"), None, "a retry ends nothing");
    world.advance(11);
    assert_eq!(ask(&world, &code_request(&client, &code)).status, 400);
    logged(&world, "code", "code_replayed");
    let line = last(&world);
    assert_eq!(
        (&line["level"], &line["client"], &line["grant"]),
        (&json!("warn"), &json!("claude-code"), &json!(grant))
    );
    assert_eq!((line.get("user"), line.get("email")), (None, None), "never the user");
}

#[test]
fn a_reused_refresh_token_is_a_warning_that_names_client_family_and_grant() {
    let world = World::new();
    let client = world.client();
    let tokens = world.tokens(&client);
    let grant = grant_id(&world);
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let request = [("grant_type", "refresh_token"), ("client_id", &client), ("refresh_token", refresh)];
    assert_eq!(ask(&world, &request).status, 200);
    world.advance(31);
    assert_eq!(ask(&world, &request).status, 400);
    logged(&world, "refresh", "refresh_reused");
    let line = last(&world);
    assert_eq!(
        (&line["level"], &line["client"], &line["grant"]),
        (&json!("warn"), &json!("claude-code"), &json!(grant))
    );
    assert_eq!((line.get("user"), line.get("email")), (None, None), "never the user");
    assert_eq!(ask(&world, &request).status, 400);
    logged(&world, "refresh", "refresh_grant_revoked");
}

#[test]
fn what_the_token_endpoint_refuses_has_its_cause() {
    let world = World::new();
    let client = world.client();
    let code = world.code(&Browser::default(), &client);
    let with = |name: &'static str, value: &'static str| {
        let mut pairs = code_request(&client, &code);
        pairs.retain(|(known, _)| *known != name);
        pairs.push((name, value));
        pairs
    };
    for (pairs, reason, cause) in [
        (with("code", "x"), "code", "code_unknown"),
        (with("code_verifier", CHALLENGE), "code", "code_wrong_verifier"),
        (with("redirect_uri", "https://other.example/"), "code", "code_wrong_redirect_uri"),
        (with("resource", "https://other.example/"), "code", "code_wrong_resource"),
        (with("client_secret", "x"), "client_credentials", "client_secret_unexpected"),
        (with("client_assertion", "x"), "client_credentials", "client_assertion_not_supported"),
        (vec![("grant_type", "authorization_code")], "client_credentials", "client_no_id"),
        (
            vec![("grant_type", "refresh_token"), ("client_id", &client), ("refresh_token", "x")],
            "refresh",
            "refresh_unknown",
        ),
    ] {
        assert!(matches!(world.token(&pairs).status, 400 | 401), "{cause}");
        logged(&world, reason, cause);
    }
    world.advance(60);
    assert_eq!(world.token(&code_request(&client, &code)).status, 400);
    logged(&world, "code", "code_expired");
    world.break_store(true);
    assert_eq!(world.token(&code_request(&client, &code)).status, 503);
    logged(&world, "store", "store_unavailable");
}

#[test]
fn what_a_registration_is_refused_for_has_its_cause() {
    let world = World::new();
    for (metadata, cause) in [
        (json!([]), "registration_not_an_object"),
        (json!({}), "registration_redirect_uris"),
        (json!({ "redirect_uris": ["urn:x"] }), "registration_no_redirect_uri"),
        (
            json!({ "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "private_key_jwt" }),
            "registration_auth_method",
        ),
        (json!({ "redirect_uris": [REDIRECT_URI], "grant_types": ["implicit"] }), "registration_grant_types"),
        (json!({ "redirect_uris": [REDIRECT_URI], "client_name": 7 }), "registration_name"),
    ] {
        assert_eq!(world.register(&metadata).status, 400, "{cause}");
        logged(&world, "registration", cause);
    }
    world.break_store(true);
    assert_eq!(world.register(&json!({ "redirect_uris": [REDIRECT_URI] })).status, 503);
    logged(&world, "store", "store_unavailable");
}

#[test]
fn what_a_page_says_has_its_cause() {
    let world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    for (changes, cause) in [
        (("redirect_uri", ""), "redirect_uri_missing"),
        (("redirect_uri", "https://other.example/cb"), "redirect_uri_not_registered"),
        (("redirect_uri", "http://app.example/cb"), "redirect_uri_not_loopback"),
        (("redirect_uri", "https://app.example/cb#f"), "redirect_uri_fragment"),
        (("redirect_uri", "cursor://x/cb"), "redirect_uri_scheme"),
        (("redirect_uri", "https://user@app.example/cb"), "redirect_uri_authority"),
    ] {
        assert_eq!(browser.get(&world, &authorize(&client, &[changes])).status, 400);
        logged(&world, "redirect_uri", cause);
    }
    let form = browser.consent(&world, &client);
    Browser::default().decide(&world, &form, "approve");
    logged(&world, "wrong_browser", "transaction_no_cookie");
    browser.decide(&world, &ConsentForm { handle: form.handle.clone(), token: "0".into() }, "approve");
    logged(&world, "wrong_form", "transaction_wrong_form");
    browser.decide(&world, &form, "deny");
    browser.decide(&world, &form, "deny");
    logged(&world, "transaction", "transaction_denied");
    browser.get(&world, &authorize("https://mcp.example.com/client.json", &[]));
    assert_eq!(last(&world)["reason"], "document_own_host");
    let url = world.document("client.json");
    let foreign = json!({ "client_id": url, "client_name": "App", "redirect_uris": ["urn:x", "myapp:/cb"] });
    world.provider().fail("client.json", Fault::Answer(200, foreign.to_string()));
    browser.get(&world, &authorize(&url, &[]));
    logged(&world, "document_content", "registration_no_redirect_uri");
    assert_eq!(last(&world)["left_out_redirect_uris"], "redirect_uri_scheme 2");
    world.provider().fail("client.json", Fault::Answer(200, "[]".to_owned()));
    browser.get(&world, &authorize(&url, &[]));
    assert_eq!(last(&world)["cause"], "document_not_an_object");
    world.provider().fail("client.json", Fault::Silence);
    browser.get(&world, &authorize(&url, &[]));
    assert_eq!(last(&world)["cause"], "http_timed_out");
}

#[test]
fn what_a_bearer_is_refused_for_has_its_cause_and_so_has_a_record_that_does_not_open() {
    let world = World::new();
    let client = world.client();
    let tokens = world.tokens(&client);
    let bearer = |token: &str| world.list_tools(&[("authorization", &format!("Bearer {token}"))]).status;
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(bearer("x"), 401);
    logged(&world, "bad_credential", "token_not_ours");
    assert_eq!(bearer(&access.replacen("pmcp_a_", "pmcp_a_A", 1)[..access.len()]), 401);
    assert!(matches!(last(&world)["cause"].as_str(), Some("token_unknown" | "token_not_ours")));
    for (key, value) in world.records().iter().filter(|(key, _)| key.starts_with("access/")) {
        world.overwrite(key, &value[..value.len() - 1]);
    }
    assert_eq!(bearer(access), 401);
    logged(&world, "bad_credential", "token_unknown, record_not_authentic");
    assert_eq!(last(&world)["unreadable_records"], 1);
}

#[test]
fn what_the_provider_does_wrong_has_its_cause() {
    let world = World::new();
    let client = world.client();
    for (part, fault, cause) in [
        ("/token", Fault::Answer(400, r#"{"error":"invalid_grant"}"#.to_owned()), "provider_refused_code"),
        ("/token", Fault::Answer(401, String::new()), "provider_refused_secret"),
        ("/token", Fault::Answer(200, "<html>".to_owned()), "provider_malformed_answer"),
        ("/token", Fault::Answer(200, "{}".to_owned()), "provider_incomplete_answer"),
        ("/token", Fault::Answer(429, "{}".to_owned()), "provider_too_many_requests"),
        ("/token", Fault::Answer(500, "<html>".to_owned()), "provider_server_error"),
        ("/token", Fault::Answer(302, String::new()), "provider_redirected"),
        ("/token", Fault::Answer(404, "<html>".to_owned()), "provider_unexpected_status"),
        ("/token", Fault::Closed, "http_interrupted"),
        ("/token", Fault::Silence, "http_timed_out"),
        ("/token", Fault::Flood, "http_response_too_large"),
        ("/jwks", Fault::Silence, "http_timed_out"),
        ("/jwks", Fault::Answer(429, "{}".to_owned()), "provider_too_many_requests"),
        ("/jwks", Fault::Answer(500, "{}".to_owned()), "provider_server_error"),
        ("/jwks", Fault::Answer(200, r#"{"keys":[]}"#.to_owned()), "key_set_no_usable_key"),
        ("/jwks", Fault::Answer(200, "{}".to_owned()), "key_set_without_keys"),
        ("/jwks", Fault::Answer(200, "<html>".to_owned()), "key_set_malformed"),
    ] {
        world.advance(5 * 60);
        let browser = Browser::default();
        let back = browser.approve(&world, &browser.consent(&world, &client));
        world.provider().fail(part, fault);
        browser.get(&world, &back);
        assert_eq!(last(&world)["cause"], cause);
        world.provider().mend();
    }
}

#[test]
fn a_team_whose_keys_are_away_is_no_fault_of_the_store() {
    for (fault, cause, upstream_status) in [
        (Fault::Silence, "http_timed_out", Value::Null),
        (Fault::Closed, "http_interrupted", Value::Null),
        (Fault::Flood, "http_response_too_large", Value::Null),
        (Fault::Answer(429, "{}".to_owned()), "provider_too_many_requests", json!(429)),
        (Fault::Answer(500, "{}".to_owned()), "provider_server_error", json!(500)),
        (Fault::Answer(404, "<html>".to_owned()), "provider_unexpected_status", json!(404)),
        (Fault::Answer(200, "<html>".to_owned()), "key_set_malformed", Value::Null),
    ] {
        let world = World::with_assertions(&[]);
        let assertion = world.provider().assertion("ada@example.com", "tag-1");
        world.provider().fail("certs", fault);
        let response = world.list_tools(&[("cf-access-jwt-assertion", &assertion)]);
        assert_eq!((response.status, header(&response, "retry-after")), (503, Some("5")), "{cause}");
        assert!(!text(&response).contains("Records"), "{}", text(&response));
        logged(&world, "provider", cause);
        assert_eq!(last(&world)["upstream_status"], upstream_status, "{cause}");
        world.provider().mend();
        world.break_store(true);
        assert_eq!(world.list_tools(&[("cf-access-jwt-assertion", &assertion)]).status, 503);
        logged(&world, "store", "store_unavailable");
    }
}

#[test]
fn the_operators_guide_lists_every_cause() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(source.join("../docs/operate.md")).expect("the guide");
    let (_, troubleshooting) = guide.split_once("\n## Troubleshooting\n").expect("a section Troubleshooting");
    let listed: BTreeSet<String> = troubleshooting
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .flat_map(|(causes, _)| causes.split("`, `").map(str::to_owned))
        .collect();
    let mut causes = causes_below(&source.join("src"));
    causes.extend(causes_below(&source.join("../host/src")));
    causes.extend([REASONS, CALL_CAUSES].concat().into_iter().map(str::to_owned));
    assert!(causes.len() > 80, "{}", causes.len());
    let missing: Vec<_> = causes.difference(&listed).collect();
    assert!(missing.is_empty(), "docs/operate.md, Troubleshooting, does not say what to do about {missing:?}");
    let unknown: Vec<_> = listed.difference(&causes).collect();
    assert!(unknown.is_empty(), "docs/operate.md, Troubleshooting, lists what no error is called: {unknown:?}");
}

#[test]
fn the_words_of_a_failed_request_to_an_upstream_are_in_the_vocabulary() {
    let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ports/outbound_http.rs"));
    let source = source.expect("a source file");
    let (_, words) = source.split_once("pub fn words(").expect("the words");
    let words: Vec<_> = words.split("\n    }\n").next().unwrap_or_default().split('"').skip(1).step_by(2).collect();
    assert!(words.len() > 8 && words.iter().all(|words| CALL_CAUSES.contains(words)), "{words:?}");
}

/// What the functions `reason` and `cause` below a folder return.
fn causes_below(folder: &Path) -> BTreeSet<String> {
    let mut causes = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            causes.extend(causes_below(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "rs") && !entry.ends_with("causes.rs") {
            let text = fs::read_to_string(&entry).expect("a source file");
            for start in ["fn reason(", "fn cause("] {
                for body in text.split(start).skip(1) {
                    let body = body.split("\n    }\n").next().unwrap_or_default();
                    causes.extend(body.split('"').skip(1).step_by(2).map(str::to_owned));
                }
            }
        }
    }
    causes
}
