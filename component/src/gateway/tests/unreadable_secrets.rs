//! A secret that cannot be read is never absent: every route that needs it answers 503 and says why in the log, and
//! every other one goes on.

use futures_util::FutureExt as _;
use serde_json::{Value, json};

use super::world::*;
use crate::gateway::{Gateway, Headers, Request};
use crate::ports::{FixedSecrets, MemoryPorts, SecretUnavailable};

const UNREADABLE: &str = FixedSecrets::UNREADABLE;

#[track_caller]
fn is_told(world: &World, response: &Response) {
    assert_eq!((response.status, header(response, "retry-after")), (503, Some("5")), "{}", text(response));
    let line: Value = serde_json::from_str(world.log().lines().last().unwrap_or_default()).expect("a line is JSON");
    assert_eq!(
        (&line["level"], &line["reason"], &line["cause"]),
        (&json!("error"), &json!("secret"), &json!("secret_unavailable")),
        "{line}"
    );
}

/// A request to each route that needs the server's keys.
fn requests(world: &World) -> Vec<Response> {
    let form = [("content-type", FORM)];
    let json = [("content-type", "application/json")];
    vec![
        world.list_tools(&[("authorization", "Bearer x")]),
        world.send("GET", &authorize("x", &[]), &[], ""),
        world.send("POST", "/authorize", &form, "decision=approve"),
        world.send("GET", "/callback?code=a&state=b", &[], ""),
        world.send("POST", "/token", &form, "grant_type=refresh_token"),
        world.send("POST", "/revoke", &form, "token=x"),
        world.send("POST", "/register", &json, "{}"),
    ]
}

#[test]
fn without_the_servers_keys_every_route_that_needs_them_is_503_and_all_others_go_on() {
    let mut world = World::new();
    let client = world.client();
    let tokens = world.tokens(&client);
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    world.change(&[("COOKIE_ENCRYPTION_KEY", UNREADABLE)]);
    for response in requests(&world) {
        is_told(&world, &response);
    }
    let token = world.token(&[("grant_type", "refresh_token")]);
    assert_eq!(error_of(&token), "temporarily_unavailable", "clients of OAuth are told in their own words");
    let page = text(&world.send("GET", &authorize("x", &[]), &[], ""));
    assert!(page.contains("busy") && !page.contains("COOKIE_ENCRYPTION_KEY"), "{page}");
    for path in ["/healthz", "/.well-known/oauth-authorization-server"] {
        assert_eq!(world.send("GET", path, &[], "").status, 200, "{path}");
    }
    assert_eq!(world.send("POST", "/mcp", &[], "").status, 401, "it needs none of them");
    world.change(&[]);
    assert_eq!(world.list_tools(&[("authorization", &bearer)]).status, 200, "nothing was lost meanwhile");
}

#[test]
fn without_the_shared_key_internal_is_503_and_sign_in_goes_on() {
    let mut world = World::new();
    let client = world.client();
    world.change(&[("PLAUSIBLE_API_KEY", UNREADABLE)]);
    let tokens = world.tokens(&client);
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    is_told(&world, &world.list_tools(&[("authorization", &bearer)]));
    assert_eq!(world.list_tools(&[]).status, 401);
}

#[test]
fn a_way_back_that_meets_an_unreadable_secret_can_be_gone_again() {
    let mut world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    let form = browser.consent(&world, &client);
    let back = browser.approve(&world, &form);
    world.change(&[("ACCESS_CLIENT_SECRET", UNREADABLE)]);
    is_told(&world, &browser.get(&world, &back));
    world.change(&[]);
    assert_eq!(browser.get(&world, &back).status, 303);
}

#[test]
fn an_admin_token_that_cannot_be_read_is_no_missing_route() {
    let mut world = World::new();
    assert_eq!(world.send("POST", "/admin/operator", &[], "").status, 404);
    world.change(&[("ADMIN_TOKEN", UNREADABLE)]);
    is_told(&world, &world.send("POST", "/admin/operator", &[], ""));
}

#[test]
fn the_operator_is_told_which_secret_it_is() {
    const TOKEN: &str = "an-administrator's-token-of-at-least-32-bytes";
    let mut world = World::new();
    let ask = |world: &World, question: Value| {
        let headers = [("authorization", format!("Bearer {TOKEN}")), ("content-type", "application/json".to_owned())];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        world.send("POST", "/admin/operator", &headers, &question.to_string())
    };
    let site = ("PLAUSIBLE_DEFAULT_SITE_ID", "shop.example");
    for setting in ["COOKIE_ENCRYPTION_KEY", "ACCESS_CLIENT_SECRET"] {
        world.change(&[("ADMIN_TOKEN", TOKEN), site, (setting, UNREADABLE)]);
        let findings = json_of(&ask(&world, json!({ "action": "check" })));
        let findings = findings["findings"].as_array().unwrap();
        let about = findings.iter().find(|finding| finding["setting"] == setting && finding["level"] == "error");
        assert!(about.unwrap()["text"].as_str().unwrap().contains("cannot be read"), "{findings:?}");
    }
    world.change(&[("ADMIN_TOKEN", TOKEN), ("COOKIE_ENCRYPTION_KEY", UNREADABLE)]);
    for question in [json!({ "action": "list-grants" }), json!({ "action": "revoke", "all": true })] {
        let answer = ask(&world, question);
        assert_eq!((answer.status, error_of(&answer).as_str()), (503, "secret-unavailable"));
        assert!(world.log().lines().last().unwrap().contains("secret_unavailable"));
    }
}

#[test]
fn a_report_whose_destination_cannot_be_read_is_told_in_the_log() {
    let mut world = World::with(&[("SENTRY_DSN", "https://abc@sentry.example/7")]);
    let client = world.client();
    let tokens = world.tokens(&client);
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    world.change(&[("SENTRY_DSN", "https://abc@sentry.example/7"), ("PLAUSIBLE_API_KEY", UNREADABLE)]);
    world.hide("SENTRY_DSN");
    world.list_tools(&[("authorization", &bearer)]);
    let log = world.log();
    let line = log.lines().last().unwrap();
    assert!(line.contains("\"event\":\"sentry_paused\"") && line.contains("secret_unavailable"), "{line}");
}

#[test]
fn without_settings_every_route_is_503_but_liveness() {
    let ports = MemoryPorts::default();
    let gateway = Gateway::without_settings(&ports, SecretUnavailable);
    let ask = |method: &str, path: &str| {
        let request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            authority: Some("evil.example".to_owned()),
            headers: Headers(Vec::new()),
            ..Request::default()
        };
        let answered = gateway.handle(&request, &b""[..]).now_or_never().expect("nothing waits");
        let line = answered.record.expect("it is always logged").json();
        (answered.response.status, line)
    };
    for (method, path) in [
        ("POST", "/mcp"),
        ("POST", "/internal"),
        ("GET", "/authorize"),
        ("POST", "/token"),
        ("POST", "/admin/operator"),
        ("GET", "/.well-known/oauth-authorization-server"),
    ] {
        let (status, line) = ask(method, path);
        assert_eq!(status, 503, "{path}");
        assert!(line.contains(r#""reason":"secret","cause":"secret_unavailable""#), "{line}");
    }
    assert_eq!(ask("GET", "/healthz").0, 200);
    assert_eq!(ask("OPTIONS", "/mcp").0, 204);
    assert_eq!(ask("GET", "/nothing").0, 404);
}
