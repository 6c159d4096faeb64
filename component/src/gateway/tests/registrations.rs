//! `/register`: rows of bad input with what each is answered with.

use serde_json::{Value, json};

use super::world::*;

#[track_caller]
fn refused(world: &World, id: &str, body: &str, error: &str) {
    world.move_on();
    let response = world.send("POST", "/register", &[("content-type", "application/json")], body);
    assert_eq!((response.status, error_of(&response).as_str()), (400, error), "{id} {body:.80}");
}

#[test]
fn a_registration_is_one_object_of_json() {
    let world = World::new();
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for (id, body) in [
        ("R04", ""),
        ("R04", "[]"),
        ("R04", "null"),
        ("R06", &deep),
        ("R07", r#"{"client_name":"\ud800","redirect_uris":["https://a.example/"]}"#),
    ] {
        refused(&world, id, body, "invalid_client_metadata");
    }
    let register = |body: &str, media_type| world.send("POST", "/register", &[("content-type", media_type)], body);
    assert_eq!(error_of(&register("{}", "text/plain")), "invalid_client_metadata", "R03");
    assert_eq!(register(&"x".repeat(70_000), "application/json").status, 413, "R06");
}

#[test]
fn redirect_uris_are_complete_and_safe() {
    let world = World::new();
    let many: Vec<_> = (0..1000).map(|number| format!("https://a.example/{number}")).collect();
    let long = format!("https://a.example/{}", "x".repeat(10_000));
    for (id, redirect_uris) in [
        ("R09", Value::Null),
        ("R09", json!([])),
        ("R09", json!("https://a.example/")),
        ("R09", json!([7])),
        ("R10", json!(many)),
        ("R10", json!([long])),
        ("R12", json!(["https://a.example/cb#f"])),
        ("R13", json!(["javascript:x"])),
        ("R13", json!([" JavaScript:x"])),
        ("R13", json!(["java\tscript:x"])),
        ("R15", json!(["https://*.a.example/cb"])),
        ("R16", json!(["https:///cb"])),
        ("R16", json!(["/cb"])),
        ("R16", json!(["https:\\\\a.example\\cb"])),
        ("R18", json!(["https://ex\u{430}mple.example/"])),
    ] {
        refused(&world, id, &json!({ "redirect_uris": redirect_uris }).to_string(), "invalid_redirect_uri");
    }
    for uri in
        ["https://2130706433/cb", "https://0x7f.1/cb", "https://[::1]/cb", "https://8.8.8.8/cb", "urn:x", "myapp:/cb"]
    {
        let body = json!({ "redirect_uris": [uri], "token_endpoint_auth_method": "none" }).to_string();
        refused(&world, "address", &body, "invalid_redirect_uri");
    }
}

#[test]
fn a_client_is_registered_with_those_of_its_redirect_uris_that_are_for_this_server() {
    let world = World::new();
    let cursor = json!([
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "https://www.cursor.com/agents/mcp/oauth/callback",
        "http://localhost:8787/callback",
    ]);
    let vs_code = json!(["https://vscode.dev/redirect", "http://127.0.0.1/", "http://127.0.0.1:33418/", "vscode:/cb"]);
    for (asked, kept, requested) in [
        (&cursor, json!([cursor[1], cursor[2]]), "http://localhost:8787/callback"),
        (&vs_code, json!([vs_code[0], vs_code[1], vs_code[2]]), "http://127.0.0.1:49152/"),
    ] {
        let metadata = json!({
            "client_name": "Editor", "redirect_uris": asked, "token_endpoint_auth_method": "none",
            "application_type": "web",
        });
        let answer = json_of(&world.register(&metadata));
        assert_eq!(answer["redirect_uris"], kept, "R31 {answer}");
        let id = answer["client_id"].as_str().unwrap();
        let status = |uri: &str| Browser::default().get(&world, &authorize(id, &[("redirect_uri", uri)])).status;
        assert_eq!(status(requested), 200, "{answer}");
        assert_eq!(
            status(
                asked
                    .as_array()
                    .unwrap()
                    .iter()
                    .find_map(|uri| uri.as_str().filter(|uri| !uri.starts_with("http")))
                    .unwrap()
            ),
            400
        );
    }
}

#[test]
fn the_method_that_both_know_is_registered() {
    let world = World::new();
    let method = |named: Value, supported: Value| {
        world.move_on();
        let answer = world.register(&json!({
            "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": named,
            "token_endpoint_auth_methods_supported": supported,
        }));
        (answer.status, json_of(&answer)["token_endpoint_auth_method"].clone(), text(&answer))
    };
    for (named, supported, expected) in [
        (json!("private_key_jwt"), json!(["private_key_jwt", "none"]), "none"),
        (json!(""), Value::Null, "client_secret_basic"),
        (Value::Null, json!(["client_secret_post", "none"]), "client_secret_post"),
    ] {
        let (status, found, body) = method(named, supported);
        assert_eq!((status, found), (201, json!(expected)), "{body}");
    }
    let (status, _, body) = method(json!("private_key_jwt"), json!(["tls_client_auth"]));
    assert_eq!(status, 400, "R22");
    assert!(body.contains("private_key_jwt, tls_client_auth"), "{body}");
}

#[test]
fn what_a_client_says_about_itself_must_be_possible() {
    let world = World::new();
    for (id, member) in [
        ("A58 D06", r#""grant_types":["refresh_token"]"#),
        ("R19", r#""grant_types":["implicit"]"#),
        ("R21", r#""response_types":["token"]"#),
        ("R22", r#""token_endpoint_auth_method":7"#),
        ("R22", r#""token_endpoint_auth_method":"client_secret_jwt""#),
        ("R24", r#""jwks":{"keys":[]},"jwks_uri":"https://a.example/k""#),
        ("R25", r#""jwks":{"keys":[{"kty":"RSA","d":"x"}]}"#),
        ("R25", r#""jwks":{"keys":[{"kty":"oct","k":"x"}]}"#),
    ] {
        let body = format!(r#"{{"redirect_uris":["https://a.example/"],{member}}}"#);
        refused(&world, id, &body, "invalid_client_metadata");
    }
}

#[test]
fn what_a_client_may_not_choose_is_ignored() {
    let world = World::new();
    let answer = json_of(&world.register(&json!({
        "redirect_uris": [REDIRECT_URI], "client_id": "mine", "client_secret": "mine", "scope": "admin",
        "software_statement": "garbage",
    })));
    assert_ne!(answer["client_id"], "mine", "R27");
    assert!(answer["client_secret"].as_str().is_some_and(|secret| secret.starts_with("pmcp_s_")), "R27 R36");
    assert_eq!((&answer["scope"], answer.get("software_statement")), (&json!("mcp"), None), "R28 R30");
}

#[test]
fn the_eleventh_registration_in_a_minute_waits() {
    let world = World::new();
    let metadata = |number: u32| json!({ "redirect_uris": [format!("https://a.example/{number}")] });
    for number in 0..10 {
        assert_eq!(world.register(&metadata(number)).status, 201);
    }
    let limited = world.register(&metadata(10));
    assert_eq!((limited.status, header(&limited, "retry-after").is_some()), (429, true), "R33");
}

#[test]
fn to_register_again_what_stands_costs_nothing() {
    let world = World::new();
    let client = world.client();
    let records = world.dump();
    for _ in 0..30 {
        assert_eq!(world.client(), client);
    }
    assert_eq!(world.dump(), records);
}

#[test]
fn a_public_client_that_registers_again_is_the_same() {
    let world = World::new();
    assert_eq!(world.client(), world.client());
    let confidential = json!({ "redirect_uris": [REDIRECT_URI] });
    let id = |answer: Value| answer["client_id"].as_str().unwrap().to_owned();
    assert_ne!(id(json_of(&world.register(&confidential))), id(json_of(&world.register(&confidential))));
}

#[test]
fn of_clients_that_were_never_used_the_oldest_makes_room() {
    let world = World::new();
    let register = |number: u32| {
        if number.is_multiple_of(10) {
            world.move_on();
            world.advance(1);
        }
        let uris = json!([REDIRECT_URI, format!("https://app.example/{number}")]);
        let answer = world.register(&json!({ "redirect_uris": uris, "token_endpoint_auth_method": "none" }));
        json_of(&answer)["client_id"].as_str().unwrap().to_owned()
    };
    let used = register(0);
    world.tokens(&used);
    let clients: Vec<_> = (10..1020).map(register).collect();
    let status = |client: &str| Browser::default().get(&world, &authorize(client, &[])).status;
    assert_eq!(status(&clients[0]), 400, "R34: the oldest is gone");
    assert_eq!(status(clients.last().unwrap()), 200, "R34");
    assert_eq!(status(&used), 200, "R34: who is used stays");
}
