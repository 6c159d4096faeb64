//! The shared key at `/internal`: what is remembered, for how long, and what the budget refuses.

use serde_json::{Value, json};

use super::super::federation::simulated_provider::TEAM;
use super::upstreams::Told;
use super::world::*;
use crate::ports::HttpError;

/// An answer about `period`. The clock of a new world stands at 2026-08-06T10:30:00Z.
fn answer(period: [&str; 2]) -> String {
    json!({ "results": [{ "dimensions": [], "metrics": [1] }], "query": { "date_range": period } }).to_string()
}

impl World {
    fn plausible(&self, answer: Told) {
        *self.upstreams().plausible.borrow_mut() = answer;
    }

    fn call(&self, path: &str, user: &str, tool: &str, arguments: &Value) -> Response {
        let assertion = self.provider().assertion(user, "tag-1");
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
        self.upstreams().queries().len()
    }

    fn answers(&self) -> Vec<(String, Vec<u8>)> {
        self.records().into_iter().filter(|(key, _)| key.starts_with("answer/")).collect()
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
        let world = World::with_assertions(&[]);
        world.plausible(Ok((200, answer(period))));
        let first = text(&world.ask(range));
        assert!(!first.contains("isError"), "{first}");
        world.advance(seconds - 1);
        assert_eq!(text(&world.ask(range)), first, "{range}");
        assert_eq!(world.asked(), 1, "{range}");
        world.advance(1);
        world.ask(range);
        assert_eq!(world.asked(), 2, "{range}");
    }
}

#[test]
fn what_distinguishes_queries_distinguishes_answers() {
    let world = World::with_assertions(&[]);
    world.plausible(Ok((200, answer(["", ""]))));
    world.ask("7d");
    world.ask("30d");
    assert_eq!(world.asked(), 2);
    world.call("/internal", "bob@example.com", "get_breakdown", &breakdown("7d"));
    assert_eq!(world.asked(), 2, "users share answers: they share the key");
}

#[test]
fn another_plausible_key_finds_and_opens_nothing() {
    let mut world = World::with_assertions(&[]);
    world.plausible(Ok((200, answer(["mark-from", "mark-to"]))));
    world.ask("7d");
    let kept = world.answers();
    let [(key, value)] = kept.as_slice() else { panic!("{} answers", kept.len()) };
    assert!(!String::from_utf8_lossy(value).contains("mark-"), "sealed");
    let mode = [("CF_ACCESS_TEAM_DOMAIN", TEAM), ("CF_ACCESS_AUD", "tag-1"), ("PLAUSIBLE_API_KEY", "another-key")];
    world.change(&mode);
    world.ask("7d");
    assert_eq!(world.asked(), 2);
    let (other_key, _) = world.answers().into_iter().find(|(found, _)| found != key).expect("the other key's answer");
    world.overwrite(&other_key, value);
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
        let world = World::with_assertions(&[]);
        world.plausible(bad);
        world.ask("7d");
        world.ask("7d");
        assert_eq!(world.asked(), 2);
        assert!(world.answers().is_empty());
    }
}

#[test]
fn the_budget_is_spent_by_what_is_sent_and_told_in_words() {
    let world = World::with_assertions(&[("PLAUSIBLE_HOURLY_BUDGET", "6")]);
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
    assert!(world.log().lines().last().unwrap().contains("\"cause\":\"budget\""));
    for (user, range) in [("bob@example.com", "1d"), ("cleo@example.com", "2d"), ("dora@example.com", "3d")] {
        let asked = world.call("/internal", user, "get_breakdown", &breakdown(range));
        assert!(!text(&asked).contains("isError"), "{user}");
    }
    let words = text(&world.call("/internal", "eve@example.com", "get_breakdown", &breakdown("12mo")));
    assert!(words.contains("isError") && words.contains("everybody"), "{words}");
    world.advance(1800);
    assert!(!text(&ada("get_breakdown", &breakdown("30d"))).contains("isError"), "the next hour");
}

#[test]
fn without_a_budget_and_at_mcp_nothing_is_counted() {
    let world = World::with_assertions(&[("PLAUSIBLE_HOURLY_BUDGET", "1")]);
    world.plausible(Ok((200, answer(["", ""]))));
    for _ in 0..5 {
        let called = world.call("/mcp", "ada@example.com", "get_breakdown", &breakdown("7d"));
        assert!(!text(&called).contains("isError"));
    }
    assert_eq!(world.asked(), 5, "/mcp is never cached");
    assert!(world.records().is_empty());
    assert!(world.buckets().iter().all(|key| !key.starts_with("budget/")));
    let unlimited = World::with_assertions(&[("PLAUSIBLE_HOURLY_BUDGET", "0")]);
    unlimited.plausible(Ok((503, String::new())));
    assert!((0..20).all(|_| text(&unlimited.ask("7d")).contains("503")));
    assert!(unlimited.buckets().iter().all(|key| !key.starts_with("budget/")));
}

#[test]
fn the_log_says_what_was_remembered_what_was_asked_and_what_is_left() {
    let world = World::with_assertions(&[("PLAUSIBLE_HOURLY_BUDGET", "4")]);
    world.plausible(Ok((200, answer(["2026-07-01T00:00:00Z", "2026-07-31T23:59:59Z"]))));
    let line = |range: &str| {
        world.ask(range);
        world.log().lines().last().unwrap().to_owned()
    };
    let asked = line("2026-07-01,2026-07-31");
    assert!(asked.contains(r#""calls":"get_breakdown served","asked":1,"budget_left":3,"budget":4"#), "{asked}");
    let remembered = line("2026-07-01,2026-07-31");
    assert!(remembered.contains(r#""calls":"get_breakdown served","remembered":1}"#), "{remembered}");
    line("2026-06-01,2026-06-30");
    let over = line("2026-05-01,2026-05-31");
    assert!(over.contains(r#""calls":"get_breakdown budget"}"#), "over Ada's share, and nothing was asked: {over}");
    let own = world.call("/mcp", "ada@example.com", "get_breakdown", &breakdown("7d"));
    assert_eq!(own.status, 200);
    assert!(!world.log().lines().last().unwrap().contains("budget"), "a caller's own key has no budget");
}

#[test]
fn who_finds_no_room_for_a_large_answer_is_told_when_to_come_again() {
    let world = World::with_assertions(&[]);
    world.plausible(Err(HttpError::NoRoom { retry_after: 5 }));
    for path in ["/mcp", "/internal"] {
        let answer = world.call(path, "ada@example.com", "get_breakdown", &breakdown("7d"));
        assert_eq!((answer.status, header(&answer, "retry-after")), (200, Some("5")), "{path}");
        let said = text(&answer);
        assert!(said.contains("\"isError\":true") && said.contains("fewer rows"), "{said}");
    }
    assert!(world.answers().is_empty(), "errors are not remembered");
}
