//! Sign-ins, refreshes and revocations leave a line for the audit, at every log level and without an address or a token.

use serde_json::{Value, json};

use super::world::*;

/// The lines of the log that are for the audit.
fn audit(world: &World) -> Vec<Value> {
    let lines = world.log();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
    lines.filter(|line| line["event"] != "request").collect()
}

/// The last of them, which has these values.
#[track_caller]
fn last(world: &World, event: &str, members: &[(&str, &str)]) -> Value {
    let line = audit(world).pop().unwrap_or_default();
    assert_eq!(line["event"], event, "{line}");
    assert!(line["ts"].is_string() && line["request_id"].as_str().is_some_and(|id| id.len() == 32), "{line}");
    for (name, value) in members {
        assert_eq!(line[*name], *value, "{line}");
    }
    line
}

/// User id and grant id of the one grant there is.
fn grant(world: &World) -> (String, String) {
    let records = world.records();
    let key = records.iter().find_map(|(key, _)| key.strip_prefix("grant/")).expect("a grant");
    let (user, grant) = key.split_once('/').expect("a user and a grant");
    (user.to_owned(), grant.to_owned())
}

fn operate(world: &World, question: &Value) -> Response {
    let headers = [("content-type", "application/json"), ("authorization", "Bearer 0123456789abcdef0123456789abcdef")];
    world.send("POST", "/admin/operator", &headers, &question.to_string())
}

const OPERATED: Changes<'static> = &[("ADMIN_TOKEN", "0123456789abcdef0123456789abcdef"), ("LOG_LEVEL", "error")];

#[test]
fn who_is_let_in_and_whose_access_ends_is_in_the_audit() {
    let world = World::with(OPERATED);
    let client = world.client();
    let tokens = world.tokens(&client);
    let text = |tokens: &Value, name: &str| tokens[name].as_str().expect("a token").to_owned();
    let (user, id) = grant(&world);
    let of_grant = [("user", user.as_str()), ("client_id", &client), ("grant", &id)];
    last(&world, "signed_in", &of_grant);

    let refreshed = json_of(&world.token(&[
        ("grant_type", "refresh_token"),
        ("client_id", &client),
        ("refresh_token", &text(&tokens, "refresh_token")),
    ]));
    last(&world, "refreshed", &of_grant);
    let revoke = |token: &str| {
        let form = encode(&[("client_id", &client), ("token", token)]);
        world.send("POST", "/revoke", &[("content-type", FORM)], &form).status
    };
    assert_eq!(revoke(&text(&refreshed, "access_token")), 200);
    last(&world, "token_revoked", &of_grant);
    assert_eq!(revoke(&text(&refreshed, "refresh_token")), 200);
    last(&world, "grant_revoked", &of_grant);
    let before = audit(&world).len();
    assert_eq!(revoke("pmcp_r_unknown"), 200);
    assert_eq!(audit(&world).len(), before, "nothing was revoked");
    assert_eq!(world.log().lines().count(), before, "requests that were served are not in the log at this level");

    for secret in ["ada@", "example.com\"", "pmcp_"] {
        assert!(!world.log().contains(secret), "{secret} {}", world.log());
    }
    for (_, token) in [&tokens, &refreshed].iter().flat_map(|tokens| tokens.as_object().expect("tokens")) {
        assert!(token.as_str().is_none_or(|token| token.len() < 20 || !world.log().contains(token)), "{token}");
    }
}

#[test]
fn a_sign_in_that_ends_by_a_second_use_is_in_the_audit() {
    let world = World::with(OPERATED);
    let client = world.client();
    let tokens = world.tokens(&client);
    let (_, id) = grant(&world);
    let refresh = tokens["refresh_token"].as_str().expect("a token");
    let request = [("grant_type", "refresh_token"), ("client_id", &client), ("refresh_token", refresh)];
    assert_eq!(world.token(&request).status, 200);
    world.advance(31);
    assert_eq!(world.token(&request).status, 400);
    last(&world, "grant_ended", &[("client_id", &client), ("grant", &id), ("cause", "refresh_reused")]);
}

#[test]
fn the_operators_revocations_are_in_the_audit() {
    let world = World::with(OPERATED);
    let client = world.client();
    world.tokens(&client);
    let (user, _) = grant(&world);
    assert_eq!(operate(&world, &json!({ "action": "revoke", "user": "Ada@example.com" })).status, 200);
    let line = last(&world, "grants_revoked", &[("user", &user)]);
    assert_eq!((&line["revoked"], &line["unconfirmed"]), (&json!(1), &json!(0)), "{line}");
    world.tokens(&client);
    assert_eq!(operate(&world, &json!({ "action": "revoke", "all": true })).status, 200);
    let line = last(&world, "grants_revoked", &[]);
    assert_eq!((&line["all"], &line["revoked"]), (&json!(true), &json!(1)), "{line}");
    world.isolate_store(true);
    assert_eq!(operate(&world, &json!({ "action": "revoke", "all": true })).status, 503);
    assert_eq!(last(&world, "grants_revoked", &[])["all"], true);
    world.isolate_store(false);
    world.break_store(true);
    assert_eq!(operate(&world, &json!({ "action": "revoke", "all": true })).status, 503);
    let line = last(&world, "grants_not_revoked", &[("cause", "store_unavailable")]);
    assert_eq!(line["level"], "error", "{line}");
    assert!(!world.log().to_lowercase().contains("ada@"), "{}", world.log());
}
