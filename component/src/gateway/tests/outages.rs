//! A Plausible that does not answer, or asks to wait: what callers are told, what stands in for its answers, and what is
//! not sent.

use serde_json::{Value, json};

use super::super::federation::simulated_provider::TEAM;
use super::world::*;
use crate::ports::HttpError;

/// An answer about July, with as many bytes of padding. The clock of a new world stands at 2026-08-06T10:30:00Z.
fn answer(visitors: u32, padding: usize) -> String {
    json!({
        "results": [{ "dimensions": ["/"], "metrics": [visitors] }],
        "query": { "date_range": ["2026-07-01T00:00:00Z", "2026-07-31T23:59:59Z"] },
        "padding": "x".repeat(padding),
    })
    .to_string()
}

const OUT: HttpError = HttpError::OutOfService { since: 300, retry_after: 20 };

impl World {
    fn plausible_says(&self, status: u16, body: &str, retry_after: Option<&str>) {
        *self.upstreams().plausible.borrow_mut() = Ok((status, body.to_owned()));
        *self.upstreams().retry_after.borrow_mut() = retry_after.map(str::to_owned);
    }

    fn host_says(&self, refusal: Option<HttpError>) {
        self.upstreams().refusal.set(refusal);
    }

    fn ask_at(&self, path: &str, tool: &str, arguments: &Value) -> Response {
        let assertion = self.provider().assertion("ada@example.com", "tag-1");
        let params = json!({ "name": tool, "arguments": arguments });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string();
        let headers = [
            ("content-type", "application/json"),
            ("mcp-protocol-version", "2025-11-25"),
            ("authorization", "Bearer test-key-123"),
            ("cf-access-jwt-assertion", &assertion),
        ];
        self.send("POST", path, &headers, &body)
    }

    fn pages_of(&self, path: &str, range: &str) -> Response {
        let arguments = json!({
            "site_id": "a.example", "date_range": range, "dimension": "event:page", "metrics": ["visitors"],
        });
        self.ask_at(path, "get_breakdown", &arguments)
    }

    /// What is kept of Plausible.
    fn kept(&self) -> Vec<(String, Vec<u8>)> {
        self.records().into_iter().filter(|(key, _)| key.starts_with("answer/")).collect()
    }

    fn sent(&self) -> usize {
        self.upstreams().queries().len()
    }
}

/// The text of a tool's answer, and whether it is an error.
fn told(response: &Response) -> (String, bool) {
    assert_eq!(response.status, 200, "{}", text(response));
    let result = json_of(response)["result"].clone();
    let words = result["content"][0]["text"].as_str().expect("a text").to_owned();
    (words, result["isError"] == true)
}

const JULY: &str = "2026-07-01,2026-07-31";

#[test]
fn whatever_is_not_sent_is_a_tools_error_with_retry_after() {
    for (refusal, seconds, words) in [
        (HttpError::Busy { retry_after: 1 }, "1", "as many questions as may be"),
        (OUT, "20", "has not answered since 2026-08-06 10:25 UTC (5 minutes ago)"),
        (HttpError::AskedToWait { retry_after: 600 }, "600", "Try again in 10 minutes"),
    ] {
        for path in ["/mcp", "/internal"] {
            let world = World::with_assertions(&[("SENTRY_DSN", super::upstreams::DSN)]);
            world.host_says(Some(refusal));
            let response = world.pages_of(path, JULY);
            let (told, is_error) = told(&response);
            assert!(is_error && told.contains(words), "{path}: {told}");
            assert!(told.contains("nothing was sent") || told.contains("Nothing was sent"), "{told}");
            assert_eq!(header(&response, "retry-after"), Some(seconds), "{path} {refusal:?}");
            assert_eq!(world.sent(), 0);
            let line = world.log();
            assert!(line.contains("tool_error") && line.contains(refusal.words()), "{line}");
            let envelopes = world.upstreams().envelopes().join("");
            assert!(!envelopes.contains("\"exception\""), "nobody has to look at each of them: {envelopes}");
        }
    }
}

#[test]
fn a_small_answer_stands_in_for_a_day_and_names_its_age() {
    let world = World::with_assertions(&[]);
    world.plausible_says(200, &answer(41, 0), None);
    let (fresh, _) = told(&world.pages_of("/internal", JULY));
    assert!(!fresh.contains("from memory"), "{fresh}");
    world.host_says(Some(OUT));
    world.advance(3599);
    assert_eq!(told(&world.pages_of("/internal", JULY)).0, fresh, "it still holds");
    world.advance(1);
    let response = world.pages_of("/internal", JULY);
    let (over, is_error) = told(&response);
    for part in
        ["41", "has not answered since 2026-08-06 11:25 UTC", "2026-08-06 10:30 UTC (60 minutes ago), from memory"]
    {
        assert!(!is_error && over.contains(part), "{part}: {over}");
    }
    let structured = json_of(&response)["result"]["structuredContent"]["warnings"].to_string();
    assert!(structured.contains("60 minutes ago), from memory"), "{structured}");
    assert_eq!(header(&response, "retry-after"), None, "it is an answer");
    world.advance(24 * 3600 - 1);
    let (over, is_error) = told(&world.pages_of("/internal", JULY));
    assert!(!is_error && over.contains("(24 hours ago)"), "{over}");
    world.advance(1);
    let (words, is_error) = told(&world.pages_of("/internal", JULY));
    assert!(is_error && words.contains("has not answered since"), "{words}");
    assert_eq!(world.sent(), 1);
    assert!(world.kept().is_empty(), "the record is gone");
}

#[test]
fn answers_that_hold_for_a_minute_stand_in_for_a_day_too() {
    let world = World::with_assertions(&[]);
    world.plausible_says(200, &answer(41, 0), None);
    world.pages_of("/internal", "7d");
    world.host_says(Some(OUT));
    world.advance(60 + 24 * 3600 - 1);
    let (over, is_error) = told(&world.pages_of("/internal", "7d"));
    assert!(!is_error && over.contains("of 2026-08-06 10:30 UTC (24 hours ago)"), "{over}");
    world.advance(1);
    assert!(told(&world.pages_of("/internal", "7d")).1);
}

#[test]
fn nothing_stands_in_while_plausible_answers_nor_at_mcp_nor_when_it_is_large() {
    let world = World::with_assertions(&[]);
    world.plausible_says(200, &answer(41, 0), None);
    world.pages_of("/internal", JULY);
    world.pages_of("/mcp", JULY);
    world.advance(3600);
    world.plausible_says(200, &answer(42, 0), None);
    assert!(told(&world.pages_of("/internal", JULY)).0.contains("42"), "a new answer is asked for");
    world.advance(3600);
    for other in [HttpError::Busy { retry_after: 1 }, HttpError::AskedToWait { retry_after: 9 }] {
        world.host_says(Some(other));
        assert!(told(&world.pages_of("/internal", JULY)).1, "{other:?}");
    }
    world.host_says(Some(OUT));
    assert!(told(&world.pages_of("/mcp", JULY)).1, "always at /mcp");
    let padding = 16 * 1024 - answer(41, 0).len();
    for (padding, stands_in) in [(padding, true), (padding + 1, false)] {
        let world = World::with_assertions(&[]);
        world.plausible_says(200, &answer(41, padding), None);
        world.pages_of("/internal", JULY);
        world.advance(3600);
        world.host_says(Some(OUT));
        assert_eq!(!told(&world.pages_of("/internal", JULY)).1, stands_in, "16 KiB and {padding}");
    }
}

#[test]
fn each_part_of_a_comparison_names_its_age_and_what_was_running_is_marked_as_of_then() {
    let world = World::with_assertions(&[]);
    let running = |from: &str, rows: Value| {
        let range = [format!("{from}T00:00:00Z"), "2026-08-06T23:59:59Z".to_owned()];
        let labels = json!({ "time_labels": ["2026-08-05", "2026-08-06"] });
        json!({ "results": rows, "query": { "date_range": range }, "meta": labels }).to_string()
    };
    let compare = json!({
        "site_id": "a.example", "period_a": "2026-08-06,2026-08-06", "period_b": "day", "metrics": ["visitors"],
    });
    let series = json!({ "site_id": "a.example", "date_range": "2026-08-05,2026-08-06", "metrics": ["visitors"] });
    world.plausible_says(200, &running("2026-08-06", json!([{ "dimensions": [], "metrics": [41] }])), None);
    world.ask_at("/internal", "compare_periods", &compare);
    let days = json!([
        { "dimensions": ["2026-08-05"], "metrics": [30] },
        { "dimensions": ["2026-08-06"], "metrics": [41] },
    ]);
    world.plausible_says(200, &running("2026-08-05", days), None);
    let running = world.ask_at("/internal", "get_timeseries", &series);
    let partial = |response: &Response| {
        json_of(response)["result"]["structuredContent"]["results"].to_string().matches("\"partial\":true").count()
    };
    assert_eq!(partial(&running), 1, "{}", text(&running));
    world.host_says(Some(OUT));
    world.advance(20 * 3600);
    let (words, is_error) = told(&world.ask_at("/internal", "compare_periods", &compare));
    assert!(!is_error && words.contains("20 hours ago") && words.contains("period_a is not over"), "{words}");
    let later = world.ask_at("/internal", "get_timeseries", &series);
    assert_eq!(partial(&later), 1, "the day is over, its answer is not of the whole day: {}", text(&later));
    assert!(text(&later).contains("20 hours ago"));
}

#[test]
fn what_is_not_sent_costs_no_budget() {
    for refusal in [OUT, HttpError::AskedToWait { retry_after: 9 }] {
        let world = World::with_assertions(&[("PLAUSIBLE_HOURLY_BUDGET", "2")]);
        world.host_says(Some(refusal));
        for _ in 0..20 {
            assert!(!told(&world.pages_of("/internal", JULY)).0.contains("share"));
        }
        world.host_says(None);
        world.plausible_says(200, &answer(41, 0), None);
        assert!(!told(&world.pages_of("/internal", JULY)).1, "the budget is whole");
    }
}

#[test]
fn retry_after_is_passed_on_and_kept_to_at_internal() {
    for (status, value, seconds) in [(429, "90", 90), (503, "Thu, 06 Aug 2026 10:31:30 GMT", 90), (429, "99999", 3600)]
    {
        let mut world = World::with_assertions(&[("PLAUSIBLE_HOURLY_BUDGET", "0")]);
        world.plausible_says(status, r#"{"error":"slow down"}"#, Some(value));
        let first = world.pages_of("/internal", JULY);
        let (words, is_error) = told(&first);
        assert!(is_error && words.contains(&status.to_string()) && words.contains("slow down"), "{words}");
        assert_eq!(header(&first, "retry-after"), Some(seconds.to_string().as_str()), "{value}");
        world.plausible_says(200, &answer(41, 0), None);
        for range in [JULY, "7d"] {
            let second = world.pages_of("/internal", range);
            assert!(told(&second).1 && told(&second).0.contains("has asked not to be asked"), "{}", told(&second).0);
            assert_eq!(header(&second, "retry-after"), Some(seconds.to_string().as_str()));
        }
        assert_eq!(world.sent(), 1, "nothing was sent before");
        assert!(!told(&world.pages_of("/mcp", JULY)).1, "another key is asked with");
        let mode = [("CF_ACCESS_TEAM_DOMAIN", TEAM), ("CF_ACCESS_AUD", "tag-1"), ("PLAUSIBLE_API_KEY", "another-key")];
        world.change(&mode);
        assert!(!told(&world.pages_of("/internal", JULY)).1, "so is another shared key");
        world.change(&[mode[0], mode[1], ("PLAUSIBLE_API_KEY", "shared-key")]);
        world.advance(seconds - 1);
        let third = world.pages_of("/internal", "30d");
        assert_eq!(header(&third, "retry-after"), Some("1"));
        world.advance(1);
        assert!(!told(&world.pages_of("/internal", "30d")).1);
    }
}

#[test]
fn without_the_header_nobody_waits_and_what_waits_is_sealed() {
    let world = World::with_assertions(&[]);
    for value in [None, Some("soon"), Some("0")] {
        world.plausible_says(429, "{}", value);
        assert!(told(&world.pages_of("/internal", JULY)).0.contains("429"), "{value:?}");
    }
    assert_eq!(world.sent(), 3);
    assert!(world.kept().is_empty());
    world.plausible_says(429, "{}", Some("60"));
    world.pages_of("/internal", JULY);
    let [(key, value)] = world.kept().try_into().expect("one record");
    assert!(!String::from_utf8_lossy(&value).contains("shared-key"));
    world.overwrite(&key, b"broken");
    world.plausible_says(200, &answer(41, 0), None);
    assert!(!told(&world.pages_of("/internal", JULY)).1, "a record that does not open asks nobody to wait");
}

#[test]
fn a_store_that_does_not_answer_changes_nothing_of_it() {
    let world = World::with_assertions(&[]);
    world.plausible_says(200, &answer(41, 0), None);
    assert!(!told(&world.pages_of("/mcp", JULY)).1);
    world.host_says(Some(OUT));
    assert!(told(&world.pages_of("/internal", JULY)).1, "nothing is remembered of this question");
}
