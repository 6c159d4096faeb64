//! `/register`: rows of bad input with what each is answered with.

use serde_json::{Value, json};

use super::world::*;

#[test]
fn registrations_are_read_strictly() {
    let world = World::new();
    let register =
        |body: &str, media_type: &str| world.send("POST", "/register", &[("content-type", media_type)], body);
    let many: Vec<_> = (0..1000).map(|number| format!("https://a.example/{number}")).collect();
    let many = json!({ "redirect_uris": many }).to_string();
    let long = json!({ "redirect_uris": [format!("https://a.example/{}", "x".repeat(10_000))] }).to_string();
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for (id, body, status, error) in [
        ("R04", "", 400, "invalid_client_metadata"),
        ("R04", "[]", 400, "invalid_client_metadata"),
        ("R04", "null", 400, "invalid_client_metadata"),
        ("R06", &deep, 400, "invalid_client_metadata"),
        ("R07", r#"{"client_name":"\ud800","redirect_uris":["https://a.example/"]}"#, 400, "invalid_client_metadata"),
        ("R09", "{}", 400, "invalid_redirect_uri"),
        ("R09", r#"{"redirect_uris":[]}"#, 400, "invalid_redirect_uri"),
        ("R09", r#"{"redirect_uris":"https://a.example/"}"#, 400, "invalid_redirect_uri"),
        ("R09", r#"{"redirect_uris":[7]}"#, 400, "invalid_redirect_uri"),
        ("R18", "{\"redirect_uris\":[\"https://ex\u{430}mple.example/\"]}", 400, "invalid_redirect_uri"),
        (
            "A58 D06",
            r#"{"redirect_uris":["https://a.example/"],"grant_types":["refresh_token"]}"#,
            400,
            "invalid_client_metadata",
        ),
        ("R12", r#"{"redirect_uris":["https://a.example/cb#f"]}"#, 400, "invalid_redirect_uri"),
        ("R13", r#"{"redirect_uris":["javascript:x"]}"#, 400, "invalid_redirect_uri"),
        ("R15", r#"{"redirect_uris":["https://*.a.example/cb"]}"#, 400, "invalid_redirect_uri"),
        ("R16", r#"{"redirect_uris":["https:///cb"]}"#, 400, "invalid_redirect_uri"),
        (
            "R19",
            r#"{"redirect_uris":["https://a.example/"],"grant_types":["implicit"]}"#,
            400,
            "invalid_client_metadata",
        ),
        (
            "R22",
            r#"{"redirect_uris":["https://a.example/"],"token_endpoint_auth_method":7}"#,
            400,
            "invalid_client_metadata",
        ),
        (
            "R24",
            r#"{"redirect_uris":["https://a.example/"],"jwks":{"keys":[]},"jwks_uri":"https://a.example/k"}"#,
            400,
            "invalid_client_metadata",
        ),
        ("R10", &many, 400, "invalid_redirect_uri"),
        ("R10", &long, 400, "invalid_redirect_uri"),
        ("R21", r#"{"redirect_uris":["https://a.example/"],"response_types":["token"]}"#, 400, "invalid_client_metadata"),
        (
            "R25",
            r#"{"redirect_uris":["https://a.example/"],"jwks":{"keys":[{"kty":"RSA","d":"x"}]}}"#,
            400,
            "invalid_client_metadata",
        ),
        (
            "R25",
            r#"{"redirect_uris":["https://a.example/"],"jwks":{"keys":[{"kty":"oct","k":"x"}]}}"#,
            400,
            "invalid_client_metadata",
        ),
        ("R31", r#"{"redirect_uris":["http://127.0.0.1/"],"application_type":"web"}"#, 400, "invalid_redirect_uri"),
    ] {
        world.move_on();
        let response = register(body, "application/json");
        assert_eq!((response.status, error_of(&response).as_str()), (status, error), "{id}");
    }
    assert_eq!(error_of(&register("{}", "text/plain")), "invalid_client_metadata", "R03");
    assert_eq!(register(&"x".repeat(70_000), "application/json").status, 413, "R06");
    let own = json!({ "redirect_uris": [REDIRECT_URI], "client_id": "mine", "client_secret": "mine" });
    let answer = json_of(&world.register(&own));
    assert_ne!(answer["client_id"], "mine", "R27");
    assert!(answer["client_secret"].as_str().is_some_and(|secret| secret.starts_with("pmcp_s_")), "R27 R36");
    world.move_on();
    let more = json!({ "redirect_uris": [REDIRECT_URI], "scope": "admin", "software_statement": "garbage" });
    let answer = json_of(&world.register(&more));
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
fn a_public_client_that_registers_again_is_the_same() {
    let world = World::new();
    assert_eq!(world.client(), world.client());
    let confidential = json!({ "redirect_uris": [REDIRECT_URI] });
    let id = |answer: Value| answer["client_id"].as_str().unwrap().to_owned();
    assert_ne!(id(json_of(&world.register(&confidential))), id(json_of(&world.register(&confidential))));
}
