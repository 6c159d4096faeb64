//! The way through a sign-in, and what happens beside it. The ids are those of the catalogue of bad inputs that the tables
//! came from.

use serde_json::json;

use super::world::*;

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
    let over = browser.decide(&world, &form, "approve");
    assert_eq!(over.status, 400, "C13");
    assert!(text(&over).contains("You did not allow this"), "C13: closed, and said so though the cookie is gone");
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
    let asked = world.provider().asked().len();
    assert_eq!(other.get(&world, &back).status, 403, "B04 B05");
    assert_eq!(world.provider().asked().len(), asked, "no request to the provider");
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
        "ada@",
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
    let world = World::new();
    let client = world.client();
    let tokens = world.tokens(&client);
    for (key, _) in world.records() {
        world.overwrite(&key, b"garbage");
    }
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    assert_eq!(world.list_tools(&[("authorization", &bearer)]).status, 401, "X04");
    let log = world.log();
    assert!(log.lines().last().unwrap().contains("\"unreadable_records\":1"), "{log}");
}

#[test]
fn no_personal_data_is_in_logs_and_error_pages() {
    let world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    world.provider().log_in_as("marked.person@elsewhere.example");
    let form = browser.consent(&world, &client);
    let back = browser.approve(&world, &form);
    let refused = browser.get(&world, &back);
    let log = world.log();
    for marked in ["marked", "elsewhere", "provider-code", &parameter(&back, "state").unwrap(), "client-state"] {
        assert!(!log.contains(marked), "X19 E35 {log}");
        assert!(!text(&refused).contains(marked), "E35 {marked}");
    }
    assert!(log.contains("\"reason\":\"email_domain\""), "{log}");
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
    let access = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    world.list_tools(&[("authorization", &access)]);
    let line = world.log().lines().last().unwrap().to_owned();
    let user = listed["grants"][0]["user"].as_str().unwrap();
    assert!(user.len() == 64 && line.contains(&format!("\"user\":\"{user}\"")), "{line}");
    let hers = json_of(&ask(&bearer, json!({ "action": "list-grants", "user": "ADA@example.com" })));
    assert_eq!(hers["grants"], listed["grants"]);
    let others = json_of(&ask(&bearer, json!({ "action": "list-grants", "user": "bob@example.com" })));
    assert_eq!(others["grants"], json!([]));
    assert_eq!(ask(&bearer, json!({ "action": "revoke" })).status, 400);
    let revoked = json_of(&ask(&bearer, json!({ "action": "revoke", "user": "ADA@example.com" })));
    assert_eq!(revoked["revoked"], 1);
    assert_eq!(world.list_tools(&[("authorization", &access)]).status, 401);
    assert_eq!(World::new().send("POST", "/admin/operator", &[], "").status, 404);
}
