//! A store whose other copies are cut off: what clients and the operator are answered.

use serde_json::{Value, json};

use super::world::*;

fn form(world: &World, path: &str, pairs: &[(&str, &str)]) -> Response {
    world.send("POST", path, &[("content-type", FORM)], &encode(pairs))
}

fn token<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().expect("a token")
}

#[track_caller]
fn check_away(response: &Response) {
    assert_eq!((response.status, error_of(response).as_str()), (503, "temporarily_unavailable"));
    assert!(header(response, "retry-after").is_some());
}

#[test]
fn an_unconfirmed_revocation_is_503_however_often_it_is_asked_for() {
    for name in ["access_token", "refresh_token"] {
        let world = World::new();
        let client = world.client();
        let tokens = world.tokens(&client);
        let revoke = || form(&world, "/revoke", &[("client_id", &client), ("token", token(&tokens, name))]);
        world.isolate_store(true);
        check_away(&revoke());
        check_away(&revoke());
        assert!(world.log().contains("\"cause\":\"store_unknown_outcome\""), "{}", world.log());
        world.isolate_store(false);
        assert_eq!(revoke().status, 200);
    }
}

#[test]
fn an_unconfirmed_refresh_is_503_and_is_the_same_one_later() {
    let world = World::new();
    let client = world.client();
    let tokens = world.tokens(&client);
    let pairs = [
        ("grant_type", "refresh_token"),
        ("client_id", client.as_str()),
        ("refresh_token", token(&tokens, "refresh_token")),
    ];
    world.isolate_store(true);
    check_away(&form(&world, "/token", &pairs));
    check_away(&form(&world, "/token", &pairs));
    world.isolate_store(false);
    let next = json_of(&form(&world, "/token", &pairs));
    let access = format!("Bearer {}", token(&next, "access_token"));
    assert_eq!(world.list_tools(&[("authorization", &access)]).status, 200);
}

#[test]
fn an_unconfirmed_redemption_hands_out_nothing() {
    let world = World::new();
    let client = world.client();
    let code = world.code(&Browser::default(), &client);
    world.isolate_store(true);
    let pairs = [
        ("grant_type", "authorization_code"),
        ("client_id", client.as_str()),
        ("code", &code),
        ("code_verifier", VERIFIER),
    ];
    let answer = form(&world, "/token", &pairs);
    check_away(&answer);
    assert!(!text(&answer).contains("pmcp_"));
}

#[test]
fn a_sign_in_goes_on_when_its_pages_are_confirmed() {
    let world = World::new();
    let client = world.client();
    let browser = Browser::default();
    let consent = browser.consent(&world, &client);
    world.isolate_store(true);
    for decision in ["approve", "deny", "deny"] {
        let page = browser.decide(&world, &consent, decision);
        assert_eq!((page.status, header(&page, "location")), (503, None), "{decision}");
    }
    world.isolate_store(false);
    assert_eq!(
        header(&browser.decide(&world, &consent, "deny"), "location").map(|url| url.contains("error=")),
        Some(true)
    );
}

#[test]
fn the_operator_is_told_of_a_revocation_that_is_not_confirmed() {
    let admin = "an-admin-token-of-at-least-32-bytes";
    let world = World::with(&[("ADMIN_TOKEN", admin)]);
    let client = world.client();
    let tokens = world.tokens(&client);
    let bearer = format!("Bearer {admin}");
    let revoke = |selection: Value| {
        let mut question = json!({ "action": "revoke" });
        question.as_object_mut().unwrap().extend(selection.as_object().unwrap().clone());
        let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
        world.send("POST", "/admin/operator", &headers, &question.to_string())
    };
    world.isolate_store(true);
    for unconfirmed in [1, 0] {
        let answer = revoke(json!({ "user": "ada@example.com" }));
        assert_eq!((answer.status, error_of(&answer).as_str()), (503, "revocation-unconfirmed"));
        assert_eq!(json_of(&answer)["revoked"], 0);
        assert_eq!(json_of(&answer)["unconfirmed"], unconfirmed, "a second time none is listed, and none is confirmed");
        assert!(text(&answer).contains("Revoke again"), "{}", text(&answer));
        assert!(header(&answer, "retry-after").is_some());
    }
    let access = format!("Bearer {}", token(&tokens, "access_token"));
    assert_eq!(world.list_tools(&[("authorization", &access)]).status, 401, "it is refused meanwhile");
    world.isolate_store(false);
    let answer = revoke(json!({ "all": true }));
    assert_eq!((answer.status, &json_of(&answer)["unconfirmed"]), (200, &json!(0)));
}
