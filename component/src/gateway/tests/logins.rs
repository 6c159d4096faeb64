//! What the provider says about a login: rows of faults, claims and addresses that let nobody in.

use serde_json::{Value, json};

use super::world::*;

/// The answer of `/callback` to a login whose provider says what `world` makes it say.
fn log_in(world: &World, client: &str) -> Response {
    let browser = Browser::default();
    let form = browser.consent(world, client);
    let back = browser.approve(world, &form);
    browser.get(world, &back)
}

#[test]
fn a_failed_callback_can_be_retried() {
    let world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    let form = browser.consent(&world, &client);
    world.provider().log_in_as("eve@elsewhere.example");
    let back = browser.approve(&world, &form);
    let refused = browser.get(&world, &back);
    let page = text(&refused);
    assert_eq!(refused.status, 403, "{page}");
    assert!(page.contains("example.com") && page.contains("/cdn-cgi/access/logout"), "{page}");
    assert!(!page.contains("eve@"), "E35");
    world.provider().log_in_as("ada@example.com");
    let again = form_of(&refused);
    let back = browser.approve(&world, &again);
    assert_eq!(browser.get(&world, &back).status, 303, "B25");
    assert_eq!(browser.get(&world, &back).status, 400, "B29");
}

#[test]
fn what_the_provider_does_wrong_is_a_page_that_offers_another_try() {
    let world = World::new();
    let client = world.client();
    for (part, fault, status) in [
        ("/token", Fault::Answer(400, r#"{"error":"invalid_grant","hint":"s3cret"}"#.to_owned()), 403),
        ("/token", Fault::Answer(200, r#"{"error":"invalid_grant"}"#.to_owned()), 403),
        ("/token", Fault::Answer(401, "s3cret".to_owned()), 502),
        ("/token", Fault::Answer(400, r#"{"error":"invalid_client"}"#.to_owned()), 502),
        ("/token", Fault::Answer(200, r#"{"error":"invalid_client"}"#.to_owned()), 502),
        ("/token", Fault::Answer(200, "<html>s3cret</html>".to_owned()), 502),
        ("/token", Fault::Answer(200, "{}".to_owned()), 502),
        ("/token", Fault::Answer(200, "[".repeat(10_000)), 502),
        ("/token", Fault::Answer(500, "s3cret".to_owned()), 502),
        ("/token", Fault::Flood, 502),
        ("/token", Fault::Garbage, 502),
        ("/token", Fault::Closed, 503),
        ("/token", Fault::Answer(200, r#"{"id_token":"not a token"}"#.to_owned()), 403),
        ("/jwks", Fault::Answer(500, String::new()), 502),
        ("/jwks", Fault::Silence, 503),
    ] {
        world.advance(KEYS_KEPT);
        let browser = Browser::default();
        let form = browser.consent(&world, &client);
        let back = browser.approve(&world, &form);
        world.provider().fail(part, fault.clone());
        let failed = browser.get(&world, &back);
        assert_eq!(failed.status, status, "B17 B19 B20 B22 B34 {fault:?}");
        assert!(!text(&failed).contains("s3cret"));
        world.provider().mend();
        let back = browser.approve(&world, &form_of(&failed));
        assert_eq!(browser.get(&world, &back).status, 303, "{fault:?}");
    }
}

#[test]
fn a_secret_that_the_provider_refuses_is_the_operators_to_mend() {
    let world = World::new();
    let client = world.client();
    world.provider().fail("/token", Fault::Answer(401, r#"{"error":"invalid_client"}"#.to_owned()));
    let refused = log_in(&world, &client);
    assert_eq!(refused.status, 502);
    assert!(text(&refused).contains("The sign-in service refuses this server"), "{}", text(&refused));
    assert!(world.log().contains("\"reason\":\"access_client_secret\""), "{}", world.log());
}

#[test]
fn a_login_with_another_nonce_or_audience_is_refused() {
    let world = World::new();
    let client = world.client();
    for claims in [
        json!({ "nonce": "other" }),
        json!({ "nonce": null }),
        json!({ "nonce": 7 }),
        json!({ "aud": "client-2" }),
        json!({ "iss": world.provider().team() }),
        json!({ "exp": 1 }),
        json!({ "email": null, "upn": "ada@example.com" }),
        json!({ "email_verified": false }),
        json!({ "email": "a@evil.example@example.com" }),
        json!({ "type": "org" }),
    ] {
        world.provider().replace_claims(claims.clone());
        let refused = log_in(&world, &client);
        assert_eq!((refused.status, header(&refused, "location")), (403, None), "B23 {claims}");
    }
}

#[test]
fn addresses_that_are_not_plainly_of_the_domain_are_refused() {
    let world = World::new();
    let client = world.client();
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
        world.provider().log_in_as(email);
        let refused = log_in(&world, &client);
        assert_eq!((refused.status, header(&refused, "location")), (403, None), "{id} {email}");
        assert!(!text(&refused).contains(email) || "@example.com".ends_with(email), "E35");
    }
    for email in ["A@EXAMPLE.COM", "First.Last+tag@example.com"] {
        world.provider().log_in_as(email);
        assert_eq!(log_in(&world, &client).status, 303, "E02 {email}");
    }
}

#[test]
fn claims_of_the_wrong_kind_are_refused() {
    let world = World::new();
    let client = world.client();
    let issuer = world.provider().issuer();
    let shouted = issuer.replace(world.provider().team(), &world.provider().team().to_ascii_uppercase());
    for (id, claims) in [
        ("L01", json!({ "exp": null })),
        ("L03", json!({ "exp": "9999999999" })),
        ("L03", json!({ "exp": [] })),
        ("L04", json!({ "exp": -1 })),
        ("L06", json!({ "nbf": 9_999_999_999_u64 })),
        ("L07", json!({ "nbf": "0" })),
        ("L09", json!({ "iat": null })),
        ("L10", json!({ "iat": 1_000_000 })),
        ("L12", json!({ "iss": format!("{issuer}/") })),
        ("L13", json!({ "iss": shouted })),
        ("L15", json!({ "iss": issuer.replace(world.provider().team(), "https://other.cloudflareaccess.com") })),
        ("L19", json!({ "aud": ["client-1", "client-2"] })),
        ("L21", json!({ "aud": "client-12" })),
        ("L24", json!({ "nonce": 7 })),
        ("L30", json!({ "type": "org" })),
        ("E30", json!({ "email": null, "preferred_username": "ada@example.com" })),
        ("L31", json!({ "email_verified": false })),
        ("L31", json!({ "email_verified": "false" })),
    ] {
        world.provider().replace_claims(claims.clone());
        assert_eq!(log_in(&world, &client).status, 403, "{id} {claims}");
    }
    world.provider().replace_claims(json!({ "email_verified": "true" }));
    assert_eq!(log_in(&world, &client).status, 303, "L31");
}

#[test]
fn a_token_of_another_type_is_no_login() {
    let world = World::new();
    let client = world.client();
    for (token_type, status) in [
        (json!("Bearer"), 303),
        (json!("bearer"), 303),
        (json!("BEARER"), 303),
        (Value::Null, 403),
        (json!("DPoP"), 403),
        (json!("N_A"), 403),
        (json!("Bearer "), 403),
        (json!(""), 403),
        (json!(["Bearer"]), 403),
    ] {
        let browser = Browser::default();
        let back = browser.approve(&world, &browser.consent(&world, &client));
        let mut answer = json!({ "access_token": "opaque", "id_token": world.provider().id_token(), "error": null });
        if !token_type.is_null() {
            answer["token_type"] = token_type.clone();
        }
        world.provider().fail("/token", Fault::Answer(200, answer.to_string()));
        let response = browser.get(&world, &back);
        assert_eq!(response.status, status, "{token_type}");
        assert_eq!(text(&response).contains("Try again"), status == 403, "{token_type}");
        world.provider().mend();
    }
    assert!(world.log().contains("provider_token_type"), "{}", world.log());
}

#[test]
fn a_provider_that_promises_to_name_itself_must() {
    let world = World::new();
    let client = world.client();
    let mut configuration = world.provider().configuration();
    configuration["authorization_response_iss_parameter_supported"] = json!(true);
    world.provider().fail("openid-configuration", Fault::Answer(200, configuration.to_string()));
    let browser = Browser::default();
    let back = browser.approve(&world, &browser.consent(&world, &client));
    let named = |issuer: &str| format!("{back}&{}", encode(&[("iss", issuer)]));
    assert_eq!(browser.get(&world, &back).status, 400, "B16");
    assert_eq!(browser.get(&world, &named("https://evil.example")).status, 400, "B16");
    assert_eq!(browser.get(&world, &named(&world.provider().issuer())).status, 303, "B16");
}

/// As long as a key set is used, in seconds.
const KEYS_KEPT: u64 = 5 * 60;
