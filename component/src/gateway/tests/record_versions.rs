//! Records of other versions of this server: those of earlier ones are read, those of newer ones are left alone.
//! `record_versions/` has what a server wrote in which people were signed in, were about to be, and had refreshed: one
//! file for each format, and one for each version that added members to a format.

use serde_json::{Value, json};

use super::world::*;

/// What each version left behind, with the codes, tokens and cookies that people held.
const EARLIER: [&str; 1] = [include_str!("record_versions/format-1.json")];

#[test]
fn records_of_earlier_versions_are_read() {
    for left in EARLIER {
        let left: Value = serde_json::from_str(left).expect("JSON");
        let world = World::new();
        for (key, value) in left["records"].as_object().expect("records") {
            world.overwrite(key, &bytes(value.as_str().expect("digits")));
        }
        let text = |name: &str| left[name].as_str().expect("a text").to_owned();
        let bearer = format!("Bearer {}", text("access"));
        assert_eq!(world.list_tools(&[("authorization", &bearer)]).status, 200, "a grant, and the token of a refresh");
        for (client, refresh) in [("client", "refresh"), ("document", "refresh_of_document")] {
            let sent =
                [("grant_type", "refresh_token"), ("client_id", &text(client)), ("refresh_token", &text(refresh))];
            assert_eq!(world.token(&sent).status, 200, "{client}: a client and a refresh token");
        }
        let redeemed = world.token(&[
            ("grant_type", "authorization_code"),
            ("client_id", &text("client")),
            ("code", &text("code")),
            ("code_verifier", VERIFIER),
        ]);
        assert_eq!(redeemed.status, 200, "a code");
        let secretive = [
            ("grant_type", "refresh_token"),
            ("client_id", &text("secretive")),
            ("client_secret", &text("secret")),
            ("refresh_token", "x"),
        ];
        assert_eq!(error_of(&world.token(&secretive)), "invalid_grant", "a client with a secret, never used");
        world.provider().expect_nonce(&text("nonce"));
        assert_eq!(browser(&left["cookies"]).get(&world, &text("back")).status, 303, "a login at the provider");
        let form = ConsentForm { handle: text("handle"), token: text("form_token") };
        let approved = browser(&left["cookies_of_page"]).decide(&world, &form, "approve");
        assert_eq!(approved.status, 303, "a consent page");
        assert!(!world.log().contains("unreadable_records"), "{}", world.log());
    }
}

#[test]
fn a_record_of_a_newer_version_is_503_and_stays_as_it_is() {
    let admin = "an-admin-token-of-at-least-32-bytes";
    let world = World::with(&[("ADMIN_TOKEN", admin)]);
    let client = world.client();
    let (tokens, code) = (world.tokens(&client), world.code(&Browser::default(), &client));
    let browser = Browser::default();
    let form = browser.consent(&world, &client);
    let back = browser.approve(&world, &form);
    let bearer = format!("Bearer {}", text_of(&tokens, "access_token"));
    let (refresh, authorize) = (text_of(&tokens, "refresh_token"), authorize(&client, &[]));
    let metadata =
        json!({ "client_name": "App", "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none" });
    let redeem = [
        ("grant_type", "authorization_code"),
        ("client_id", client.as_str()),
        ("code", &code),
        ("code_verifier", VERIFIER),
    ];
    let renew = [("grant_type", "refresh_token"), ("client_id", client.as_str()), ("refresh_token", refresh)];
    let revoke = encode(&[("client_id", &client), ("token", refresh)]);
    let list = [("content-type", "application/json"), ("authorization", &format!("Bearer {admin}"))];
    let asks: [(&str, &dyn Fn() -> Response); 9] = [
        ("a bearer", &|| world.list_tools(&[("authorization", &bearer)])),
        ("a code", &|| world.token(&redeem)),
        ("a refresh", &|| world.token(&renew)),
        ("a revocation", &|| world.send("POST", "/revoke", &[("content-type", FORM)], &revoke)),
        ("a registration", &|| world.register(&metadata)),
        ("a page", &|| browser.get(&world, &authorize)),
        ("a decision", &|| browser.decide(&world, &form, "approve")),
        ("a login", &|| browser.get(&world, &back)),
        ("the list", &|| world.send("POST", "/admin/operator", &list, r#"{"action":"list-grants"}"#)),
    ];
    let written = world.records();
    for kinds in [&["client", "grant", "transaction", "access"][..], &["grant", "code", "refresh", "transaction"]] {
        let is_changed = |key: &str| kinds.iter().any(|kind| key.split('/').next() == Some(kind));
        for (key, value) in written.iter().filter(|(key, _)| is_changed(key)) {
            world.overwrite(key, &[&[2], &value[1..]].concat());
        }
        let newer: Vec<_> = world.records().into_iter().filter(|(key, _)| is_changed(key)).collect();
        for (what, ask) in &asks {
            if !kinds.contains(&"client") && ["a registration", "a page"].contains(what) {
                continue;
            }
            let answer = ask();
            assert_eq!(answer.status, 503, "{what} {kinds:?}: {}", text(&answer));
            let line = world.log().lines().last().unwrap_or_default().to_owned();
            assert!(line.contains("\"level\":\"error\"") && line.contains("record_newer_version"), "{what} {line}");
        }
        let left: Vec<_> = world.records().into_iter().filter(|(key, _)| is_changed(key)).collect();
        assert_eq!(left, newer, "nothing was written over");
        for (key, value) in &written {
            world.overwrite(key, value);
        }
    }
    for (what, ask) in &asks {
        let status = ask().status;
        assert!([200, 201, 303].contains(&status), "{what}: {status}: nothing was lost");
        if *what == "a refresh" {
            break;
        }
    }
    assert_eq!(browser.get(&world, &back).status, 303);
}

#[test]
fn what_can_be_had_again_is_asked_for_where_a_newer_version_keeps_it() {
    let world = World::new();
    let client = world.client();
    world.tokens(&client);
    for kind in ["keys/", "discovery/"] {
        let kept: Vec<_> = world.records().into_iter().filter(|(key, _)| key.starts_with(kind)).collect();
        assert!(!kept.is_empty(), "{kind}");
        for (key, value) in kept {
            world.overwrite(&key, &[&[2], &value[1..]].concat());
        }
    }
    assert!(world.tokens(&client)["access_token"].is_string());
}

#[test]
fn the_operator_ends_what_a_newer_version_wrote() {
    let admin = "an-admin-token-of-at-least-32-bytes";
    let world = World::with(&[("ADMIN_TOKEN", admin)]);
    let tokens = world.tokens(&world.client());
    for (key, value) in world.records().into_iter().filter(|(key, _)| key.starts_with("grant/")) {
        world.overwrite(&key, &[&[2], &value[1..]].concat());
    }
    let headers = [("content-type", "application/json"), ("authorization", &format!("Bearer {admin}"))];
    let question = r#"{"action":"revoke","user":"ada@example.com"}"#;
    assert_eq!(json_of(&world.send("POST", "/admin/operator", &headers, question))["revoked"], 1);
    let bearer = format!("Bearer {}", text_of(&tokens, "access_token"));
    assert_eq!(world.list_tools(&[("authorization", &bearer)]).status, 401);
}

/// Prints what this version leaves behind, for `record_versions/`:
/// `cargo test --lib -- --ignored --nocapture this_version_leaves`.
#[test]
#[ignore = "it makes test data"]
fn this_version_leaves_records_behind() {
    let world = World::new();
    let client = world.client();
    let first = world.tokens(&client);
    let sent =
        [("grant_type", "refresh_token"), ("client_id", &client), ("refresh_token", text_of(&first, "refresh_token"))];
    let tokens = json_of(&world.token(&sent));
    let code = world.code(&Browser::default(), &client);
    let secretive = json_of(&world.register(&json!({ "client_name": "B", "redirect_uris": [REDIRECT_URI] })));
    let document = world.document("client.json");
    let content = json!({ "client_id": document, "client_name": "C", "redirect_uris": [REDIRECT_URI] });
    world.provider().fail("client.json", Fault::Answer(200, content.to_string()));
    let of_document = world.tokens(&document);
    let (at_provider, at_page) = (Browser::default(), Browser::default());
    let approved = at_provider.decide(&world, &at_provider.consent(&world, &client), "approve");
    let location = header(&approved, "location").expect("a location").to_owned();
    let of_location = |name: &str| parameter(&location, name).expect("a parameter");
    let page = at_page.consent(&world, &client);
    let digits = |value: &[u8]| value.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let records: serde_json::Map<_, _> =
        world.records().into_iter().map(|(key, value)| (key, json!(digits(&value)))).collect();
    let left = json!({
        "records": records,
        "client": client,
        "access": tokens["access_token"],
        "refresh": tokens["refresh_token"],
        "code": code,
        "secretive": secretive["client_id"],
        "secret": secretive["client_secret"],
        "document": document,
        "refresh_of_document": of_document["refresh_token"],
        "back": format!("/callback?{}", encode(&[("code", "provider-code"), ("state", &of_location("state"))])),
        "nonce": of_location("nonce"),
        "cookies": *at_provider.cookies.borrow(),
        "handle": page.handle,
        "form_token": page.token,
        "cookies_of_page": *at_page.cookies.borrow(),
    });
    println!("{left:#}");
}

fn text_of<'a>(object: &'a Value, name: &str) -> &'a str {
    object[name].as_str().expect("a text")
}

fn browser(cookies: &Value) -> Browser {
    let cookies = cookies.as_object().expect("cookies");
    let pairs = cookies.iter().map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned()));
    Browser { cookies: std::cell::RefCell::new(pairs.collect()) }
}

fn bytes(digits: &str) -> Vec<u8> {
    let pairs = (0..digits.len()).step_by(2).map(|start| &digits[start..start + 2]);
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("two digits")).collect()
}
