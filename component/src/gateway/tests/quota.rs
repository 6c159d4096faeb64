//! The shared key at `/internal`: what is remembered, for how long, and what the budget refuses.

use serde_json::{Value, json};

use super::super::federation::simulated_provider::TEAM;
use super::super::*;
use super::world::*;
use crate::ports::{HttpError, OauthStore};

/// 2026-08-06T10:30:00Z is the clock of a new world.
fn world(changes: &[(&'static str, &str)]) -> World {
    let assertions = [("CF_ACCESS_TEAM_DOMAIN", TEAM), ("CF_ACCESS_AUD", "tag")];
    World::with(&[&assertions, changes].concat())
}

/// An answer about `period`.
fn answer(period: [&str; 2]) -> String {
    json!({ "results": [{ "dimensions": [], "metrics": [1] }], "query": { "date_range": period } }).to_string()
}

impl World {
    fn plausible(&self, answer: Result<(u16, String), HttpError>) {
        let mut faults = self.ports.http.faults.borrow_mut();
        faults.retain(|(part, _)| *part != "/api/v2/query");
        faults.push(("/api/v2/query", answer));
    }

    fn call(&self, path: &str, user: &str, tool: &str, arguments: &Value) -> Response {
        let assertion = self.ports.http.assertion(user, "tag");
        let params = json!({ "name": tool, "arguments": arguments });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string();
        let headers = [
            ("content-type", "application/json"),
            ("authorization", "Bearer test-key-123"),
            ("cf-access-jwt-assertion", &assertion),
        ];
        self.send("POST", path, &headers, &body)
    }

    /// Ada asks about a range at `/internal`.
    fn ask(&self, range: &str) -> Response {
        self.call("/internal", "ada@example.com", "get_breakdown", &breakdown(range))
    }

    fn asked(&self) -> usize {
        self.ports.http.count("/api/v2/query")
    }
}

fn breakdown(range: &str) -> Value {
    json!({ "site_id": "a.example", "date_range": range, "dimension": "event:page", "metrics": ["visitors"] })
}

#[test]
fn an_answer_is_remembered_for_a_minute_or_an_hour() {
    let (now, yesterday) =
        (["2026-08-06T00:00:00Z", "2026-08-06T23:59:59Z"], ["2026-08-01T00:00:00Z", "2026-08-05T23:59:59Z"]);
    let settled = ["2026-07-01T00:00:00Z", "2026-07-31T23:59:59Z"];
    // Over a day ago by UTC, and less than a day by the site's clock.
    let by_offset = ["2026-08-05T00:00:00-02:00", "2026-08-05T09:29:59-02:00"];
    for (range, period, seconds) in [
        ("2026-07-01,2026-07-31", settled, 3600),
        ("2026-08-01,2026-08-05", yesterday, 60),
        ("2026-08-01,2026-08-06", now, 60),
        ("2026-08-05T00:00:00-02:00,2026-08-05T09:29:59-02:00", by_offset, 60),
        ("2026-08-05T00:00:00Z,2026-08-05T09:29:59Z", ["2026-08-05T00:00:00Z", "2026-08-05T09:29:59Z"], 3600),
        ("7d", settled, 60),
        ("all", settled, 60),
    ] {
        let world = world(&[]);
        world.plausible(Ok((200, answer(period))));
        let first = text(&world.ask(range));
        assert!(!first.contains("isError"), "{first}");
        world.ports.clock.advance(seconds - 1);
        assert_eq!(text(&world.ask(range)), first, "{range}");
        assert_eq!(world.asked(), 1, "{range}");
        world.ports.clock.advance(1);
        world.ask(range);
        assert_eq!(world.asked(), 2, "{range}");
    }
}

#[test]
fn what_distinguishes_queries_distinguishes_answers() {
    let world = world(&[]);
    world.plausible(Ok((200, answer(["", ""]))));
    world.ask("7d");
    world.ask("30d");
    assert_eq!(world.asked(), 2);
    world.call("/internal", "bob@example.com", "get_breakdown", &breakdown("7d"));
    assert_eq!(world.asked(), 2, "users share answers: they share the key");
}

#[test]
fn another_plausible_key_finds_and_opens_nothing() {
    let mut world = world(&[]);
    world.plausible(Ok((200, answer(["mark-from", "mark-to"]))));
    world.ask("7d");
    let records = world.ports.store.dump();
    let kept: Vec<_> = records.iter().filter(|(key, _)| key.starts_with("answer/")).collect();
    let [(key, value)] = kept.as_slice() else { panic!("{} answers", kept.len()) };
    assert!(!String::from_utf8_lossy(value).contains("mark-"), "sealed");
    world.ports.secrets.0.insert("PLAUSIBLE_API_KEY".into(), "another-key".into());
    world.ask("7d");
    assert_eq!(world.asked(), 2);
    let other = world.ports.store.dump().into_iter().find(|(found, _)| found.starts_with("answer/") && found != key);
    let (other_key, _) = other.expect("the other key's answer");
    futures_util::FutureExt::now_or_never(world.ports.store.put(&other_key, value, 60)).unwrap().unwrap();
    assert!(!text(&world.ask("7d")).contains("isError"));
    assert_eq!(world.asked(), 3, "a record that was moved does not open");
}

#[test]
fn errors_and_what_is_too_large_are_not_remembered() {
    let large = json!({ "results": [{ "dimensions": ["x".repeat(300_000)], "metrics": [1] }] }).to_string();
    for bad in [
        Ok((503, String::new())),
        Ok((400, "{}".into())),
        Ok((200, "[]".into())),
        Err(HttpError::TimedOut),
        Ok((200, large)),
    ] {
        let world = world(&[]);
        world.plausible(bad);
        world.ask("7d");
        world.ask("7d");
        assert_eq!(world.asked(), 2);
        assert!(world.ports.store.dump().iter().all(|(key, _)| !key.starts_with("answer/")));
    }
}

#[test]
fn the_budget_is_spent_by_what_is_sent_and_told_in_words() {
    let world = world(&[("PLAUSIBLE_HOURLY_BUDGET", "6")]);
    world.plausible(Ok((200, answer(["", ""]))));
    let compare = json!({
        "site_id": "a.example", "period_a": "2026-07-01,2026-07-07", "period_b": "2026-07-08,2026-07-14",
        "metrics": ["visitors"],
    });
    let ada = |tool: &str, arguments: &Value| world.call("/internal", "ada@example.com", tool, arguments);
    for _ in 0..3 {
        assert!(!text(&ada("compare_periods", &compare)).contains("isError"), "two, then remembered");
        assert!(!text(&ada("get_breakdown", &breakdown("7d"))).contains("isError"), "one, then remembered");
    }
    assert_eq!(world.asked(), 3);
    let refused = ada("get_breakdown", &breakdown("30d"));
    assert_eq!((refused.status, header(&refused, "retry-after")), (200, Some("1800")));
    let words = text(&refused);
    assert!(words.contains("isError") && words.contains("30 minutes") && words.contains("your share"), "{words}");
    assert_eq!(world.asked(), 3, "Plausible is not asked");
    assert!(world.lines.borrow().last().unwrap().contains("\"cause\":\"budget\""));
    for (user, range) in [("bob@example.com", "1d"), ("cleo@example.com", "2d"), ("dora@example.com", "3d")] {
        let asked = world.call("/internal", user, "get_breakdown", &breakdown(range));
        assert!(!text(&asked).contains("isError"), "{user}");
    }
    let words = text(&world.call("/internal", "eve@example.com", "get_breakdown", &breakdown("12mo")));
    assert!(words.contains("isError") && words.contains("everybody"), "{words}");
    world.ports.clock.advance(1800);
    assert!(!text(&ada("get_breakdown", &breakdown("30d"))).contains("isError"), "the next hour");
}

#[test]
fn without_a_budget_and_at_mcp_nothing_is_counted() {
    let world = world(&[("PLAUSIBLE_HOURLY_BUDGET", "1")]);
    world.plausible(Ok((200, answer(["", ""]))));
    for _ in 0..5 {
        let called = world.call("/mcp", "ada@example.com", "get_breakdown", &breakdown("7d"));
        assert!(!text(&called).contains("isError"));
    }
    assert_eq!(world.asked(), 5, "/mcp is never cached");
    assert!(world.ports.store.dump().is_empty());
    assert!(world.ports.limiter.0.borrow().keys().all(|key| !key.starts_with("budget/")));
    let unlimited = self::world(&[("PLAUSIBLE_HOURLY_BUDGET", "0")]);
    unlimited.plausible(Ok((503, String::new())));
    assert!((0..20).all(|_| text(&unlimited.ask("7d")).contains("503")));
    assert!(unlimited.ports.limiter.0.borrow().keys().all(|key| !key.starts_with("budget/")));
}
