//! The operator changes the server's key, as README says, while people are signed in.

use serde_json::{Value, json};

use super::world::*;

const ADMIN: &str = "an-admin-token-of-at-least-32-bytes";
const DAY: u64 = 24 * 60 * 60;

/// A server with an operator, which may fetch documents from this machine too.
const OPERATED: Changes<'static> = &[
    ("ADMIN_TOKEN", ADMIN),
    ("ALLOW_LOOPBACK_CLIENT_METADATA", "true"),
    ("PUBLIC_URL", "http://localhost"),
    ("MCP_ALLOWED_HOSTNAMES", "mcp.example.com"),
];

/// The same server with these keys, newest first.
fn keys(world: &mut World, numbers: &[u32]) {
    let ring: Vec<_> = numbers.iter().map(|number| format!("{number:064x}")).collect();
    world.change(&[OPERATED, &[("COOKIE_ENCRYPTION_KEY", &ring.join(","))]].concat());
}

fn bearer(world: &World, tokens: &Value) -> u16 {
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().expect("a token"));
    world.list_tools(&[("authorization", &bearer)]).status
}

fn refresh(world: &World, client: &str, tokens: &Value) -> Response {
    let refresh = tokens["refresh_token"].as_str().expect("a token");
    world.token(&[("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", refresh)])
}

fn operator(world: &World, question: &Value) -> Value {
    let bearer = format!("Bearer {ADMIN}");
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    json_of(&world.send("POST", "/admin/operator", &headers, &question.to_string()))
}

#[test]
fn dropping_the_old_key_a_day_after_the_new_one_came_ends_nothing() {
    let mut world = World::with(OPERATED);
    let (client, other) = (world.client(), json!({ "client_name": "B", "redirect_uris": [REDIRECT_URI] }));
    let secretive = json_of(&world.register(&other));
    let before = world.tokens(&client);
    keys(&mut world, &[8, 7]);
    assert_eq!(world.client(), client, "who registers again is who it was");
    let since = world.tokens(&client);
    assert_eq!((bearer(&world, &before), bearer(&world, &since)), (200, 200), "X09");
    let question = json!({ "action": "list-grants", "user": "ada@example.com" });
    let grants = operator(&world, &question)["grants"].as_array().expect("a list").clone();
    assert_eq!(grants.len(), 2);
    assert_ne!(grants[0]["user"], grants[1]["user"], "a grant keeps the id that it was made with");
    world.advance(DAY - 1);
    keys(&mut world, &[8]);
    let renewed = refresh(&world, &client, &since);
    assert_eq!(renewed.status, 200, "{}", text(&renewed));
    assert_eq!(bearer(&world, &json_of(&renewed)), 200);
    let again = Browser::default().get(&world, &authorize(&client, &[])).status;
    let unused =
        Browser::default().get(&world, &authorize(secretive["client_id"].as_str().expect("an id"), &[])).status;
    assert_eq!((again, unused), (200, 400), "a registration that was used since stands, one that was not is gone");
    assert_eq!(operator(&world, &json!({ "action": "revoke", "user": "ada@example.com" }))["revoked"], 1);
    assert_eq!(bearer(&world, &json_of(&renewed)), 401);
}

#[test]
fn a_sign_in_whose_document_is_away_outlives_the_old_key() {
    let mut world = World::with(OPERATED);
    let url = world.document("client.json");
    let document = json!({ "client_id": url, "client_name": "A", "redirect_uris": [REDIRECT_URI] });
    world.provider().fail("client.json", Fault::Answer(200, document.to_string()));
    world.tokens(&url);
    keys(&mut world, &[8, 7]);
    let since = world.tokens(&url);
    world.provider().fail("client.json", Fault::Answer(503, String::new()));
    world.advance(DAY - 1);
    keys(&mut world, &[8]);
    let renewed = refresh(&world, &url, &since);
    assert_eq!(renewed.status, 200, "the last good copy is written under the newest key: {}", text(&renewed));
}

#[test]
fn a_page_that_was_shown_under_the_old_key_can_be_approved_under_the_new_one() {
    let mut world = World::with(OPERATED);
    let (client, browser, other) = (world.client(), Browser::default(), Browser::default());
    let form = browser.consent(&world, &client);
    let at_provider = other.consent(&world, &client);
    let back = other.approve(&world, &at_provider);
    keys(&mut world, &[8, 7]);
    assert_eq!(other.get(&world, &back).status, 303, "a login under way");
    let back = browser.approve(&world, &form);
    assert_eq!(browser.get(&world, &back).status, 303);
}
