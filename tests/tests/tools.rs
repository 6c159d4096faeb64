//! The tools end to end: what is asked of Plausible, what is refused before it is asked, and what a model gets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use plausible_mcp_tests::harness::{Harness, simulated};
use plausible_mcp_tests::http_client::Answer;
use plausible_mcp_tests::mcp_request::{DEMO_SITE, call, modern};
use plausible_mcp_tests::stub_sites;
use plausible_mcp_tests::upstream::{Reply, Upstream};
use serde_json::{Value, json};
use tokio::sync::Barrier;

/// Calls that must succeed with the simulated Plausible: it enforces the real rules.
fn legal_calls() -> Vec<(&'static str, Value)> {
    let mut calls = Vec::new();
    for dimension in DIMENSIONS {
        calls.push(("get_breakdown", json!({ "date_range": "30d", "dimension": dimension })));
    }
    for granularity in ["hour", "day", "week", "month", "auto"] {
        calls.push(("get_timeseries", json!({ "date_range": "7d", "granularity": granularity })));
    }
    for range in ["day", "24h", "7d", "28d", "30d", "91d", "5d", "month", "6mo", "12mo", "year", "all"] {
        calls.push(("get_timeseries", json!({ "date_range": range })));
        calls.push(("get_breakdown", json!({ "date_range": range, "dimension": "event:page", "limit": 3 })));
    }
    calls.extend([
        ("get_timeseries", json!({ "date_range": "7d", "page": "/blog*" })),
        ("get_timeseries", json!({ "date_range": "7d", "metrics": ["views_per_visit", "visits"] })),
        ("get_timeseries", json!({ "date_range": "6mo", "granularity": "month", "metrics": ["views_per_visit"] })),
        ("get_timeseries", json!({ "date_range": "7d", "metrics": ["visitors", "visits", "pageviews", "events"] })),
        ("get_breakdown", json!({ "date_range": "7d", "dimension": "event:page", "metrics": ["visitors", "bounce_rate", "time_on_page", "scroll_depth"] })),
        ("get_breakdown", json!({ "date_range": "7d", "dimension": "visit:country", "property_filters": [{ "property": "visit:country", "values": ["DE", "FR"] }] })),
        ("get_breakdown", json!({ "date_range": "7d", "dimension": "visit:exit_page", "metrics": ["visitors", "visits"] })),
        ("get_breakdown", json!({ "date_range": "7d", "dimension": "visit:source", "limit": 2, "offset": 1 })),
        ("get_conversions", json!({ "date_range": "30d" })),
        ("get_conversions", json!({ "date_range": "30d", "breakdown_by_page": true })),
        ("compare_periods", json!({ "period_a": "7d", "period_b": "28d" })),
        ("compare_periods", json!({ "period_a": "7d", "period_b": "28d", "metrics": ["visitors", "views_per_visit"] })),
        ("compare_periods", json!({ "period_a": "7d", "period_b": "28d", "page": "/" })),
    ]);
    calls
}

#[tokio::test]
async fn legal_calls_succeed_and_follow_their_output_schema() {
    let host = Harness::demo().await;
    let schemas = output_schemas(&host).await;
    for (tool, arguments) in legal_calls() {
        let result = result(&host, tool, arguments.clone()).await;
        assert_eq!(result["isError"], Value::Null, "{tool} {arguments}: {}", text(&result));
        let schema = schemas.get(tool).expect("the tool is listed");
        let validator = jsonschema::validator_for(schema).expect("a schema");
        let errors: Vec<_> =
            validator.iter_errors(&result["structuredContent"]).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{tool} {arguments}: {errors:?}");
        assert!(!text(&result).is_empty());
    }
}

#[tokio::test]
async fn illegal_calls_are_refused_before_they_are_sent() {
    let host = Harness::demo().await;
    let page = |extra: Value| merged(json!({ "date_range": "7d", "dimension": "event:page" }), extra);
    let source = |extra: Value| merged(json!({ "date_range": "7d", "dimension": "visit:source" }), extra);
    let series = |extra: Value| merged(json!({ "date_range": "7d" }), extra);
    let filter = |property: &str, operator: &str, value: Value| json!({ "property_filters": [{ "property": property, "operator": operator, "values": value }] });
    for (tool, arguments) in [
        // Metrics against dimensions (rules 13 to 18).
        ("get_breakdown", source(json!({ "metrics": ["conversion_rate"] }))),
        ("get_breakdown", source(json!({ "metrics": ["scroll_depth"] }))),
        ("get_breakdown", source(json!({ "metrics": ["time_on_page"] }))),
        ("get_breakdown", source(json!({ "metrics": ["views_per_visit"] }))),
        ("get_timeseries", series(json!({ "metrics": ["views_per_visit"], "page": "/" }))),
        ("get_breakdown", json!({ "date_range": "7d", "dimension": "event:goal", "metrics": ["bounce_rate"] })),
        (
            "get_breakdown",
            json!({ "date_range": "7d", "dimension": "event:props:plan", "metrics": ["visit_duration"] }),
        ),
        ("get_breakdown", json!({ "date_range": "7d", "dimension": "visit:entry_page", "metrics": ["pageviews"] })),
        ("get_breakdown", json!({ "date_range": "7d", "dimension": "visit:exit_page", "metrics": ["scroll_depth"] })),
        (
            "compare_periods",
            json!({ "period_a": "7d", "period_b": "28d", "metrics": ["views_per_visit"], "page": "/" }),
        ),
        ("compare_periods", json!({ "period_a": "7d", "period_b": "28d", "metrics": ["conversion_rate"] })),
        // Filters (rules 3 to 5).
        ("get_breakdown", page(filter("event:goal", "is_not", json!(["Signup"])))),
        ("get_breakdown", page(filter("visit:country", "is", json!(["Germany"])))),
        ("get_breakdown", page(filter("visit:source", "like", json!(["x"])))),
        ("get_breakdown", page(filter("visit:source", "is", json!([])))),
        ("get_breakdown", page(filter("time:day", "is", json!(["2026-07-01"])))),
        ("get_breakdown", page(filter("visit:sauce", "is", json!(["x"])))),
        ("get_breakdown", merged(page(filter("event:page", "is", json!(["/a"]))), json!({ "page": "/a" }))),
        // Names (rule 2).
        ("get_breakdown", page(json!({ "metrics": ["vistors"] }))),
        ("get_breakdown", page(json!({ "metrics": ["exit_rate"] }))),
        ("get_breakdown", page(json!({ "metrics": [] }))),
        ("get_breakdown", json!({ "date_range": "7d", "dimension": "visit:chanel" })),
        ("get_breakdown", json!({ "date_range": "7d", "dimension": "time:day" })),
        ("get_breakdown", json!({ "date_range": "7d", "dimension": "event:props:" })),
        ("get_timeseries", series(json!({ "granularity": "fortnight" }))),
        // Ranges (rule 6, and what Plausible leaves unchecked).
        ("get_timeseries", json!({})),
        ("get_timeseries", json!({ "date_range": "12h" })),
        ("get_timeseries", json!({ "date_range": "0d" })),
        ("get_timeseries", json!({ "date_range": "5001d" })),
        ("get_timeseries", json!({ "date_range": "101mo" })),
        ("get_timeseries", json!({ "date_range": "realtime" })),
        ("get_timeseries", json!({ "date_range": "2026-07-01" })),
        ("get_timeseries", json!({ "date_range": "2026-02-30,2026-03-01" })),
        ("get_timeseries", json!({ "date_range": "2026-07-10,2026-07-01" })),
        ("compare_periods", json!({ "period_a": "7d", "period_b": "2026-07-10,2026-07-01" })),
        // Sizes.
        ("get_breakdown", page(json!({ "limit": 0 }))),
        ("get_breakdown", page(json!({ "limit": 1_000_000 }))),
        ("get_breakdown", page(json!({ "limit": 1.5 }))),
    ] {
        let result = result(&host, tool, arguments.clone()).await;
        assert_eq!(result["isError"], true, "{tool} {arguments}");
        assert_eq!(result["structuredContent"], Value::Null, "{tool} {arguments}");
        assert!(text(&result).contains(tool), "no call that works: {}", text(&result));
        assert!(host.upstream.take().is_empty(), "{tool} {arguments} was sent");
    }
}

#[tokio::test]
async fn the_call_that_a_refusal_offers_works() {
    let host = Harness::demo().await;
    for (tool, arguments) in [
        ("get_breakdown", json!({ "date_range": "7d", "dimension": "visit:source", "metrics": ["views_per_visit"] })),
        (
            "get_breakdown",
            json!({ "date_range": "7d", "dimension": "visit:entry_page", "metrics": ["pageviews", "visitors"] }),
        ),
        ("get_breakdown", json!({ "date_range": "7d", "dimension": "event:goal", "metrics": ["bounce_rate"] })),
        ("get_timeseries", json!({ "date_range": "7d", "metrics": ["conversion_rate"] })),
        ("get_breakdown", json!({ "date_range": "soon", "dimension": "event:page" })),
    ] {
        let refusal = result(&host, tool, arguments.clone()).await;
        let text = text(&refusal);
        let (_, offered) = text.rsplit_once(&format!("{tool} {{")).unwrap_or_else(|| panic!("no call in: {text}"));
        let offered: Value =
            serde_json::from_str(&format!("{{{offered}")).unwrap_or_else(|error| panic!("{error}: {text}"));
        let offered = merged(offered, json!({ "site_id": DEMO_SITE }));
        let second = result(&host, tool, offered.clone()).await;
        assert_eq!(second["isError"], Value::Null, "{tool} {offered}");
    }
}

#[tokio::test]
async fn an_unknown_tool_is_a_protocol_error() {
    let host = Harness::demo().await;
    for params in [json!({ "name": "get_everything", "arguments": {} }), json!({ "arguments": {} })] {
        let answer = host.send(&modern("tools/call", params)).await;
        assert_eq!((answer.status, answer.error_code()), (200, Some(-32602)));
    }
    for arguments in [json!([]), json!("x"), json!(5)] {
        let params = json!({ "name": "get_breakdown", "arguments": arguments });
        assert_eq!(host.send(&modern("tools/call", params)).await.error_code(), Some(-32602));
    }
}

#[tokio::test]
async fn a_star_means_pages_that_begin_so() {
    let host = Harness::demo().await;
    for (page, filter) in [
        ("/pricing", json!(["is", "event:page", ["/pricing"]])),
        ("/blog*", json!(["matches", "event:page", ["^/blog"]])),
        ("/a.b*", json!(["matches", "event:page", ["^/a\\.b"]])),
    ] {
        result(&host, "get_timeseries", json!({ "date_range": "7d", "page": page })).await;
        assert_eq!(host.upstream.take_queries()[0]["filters"], json!([filter]), "{page}");
    }
}

#[tokio::test]
async fn a_pasted_address_is_the_page_that_plausible_stores() {
    let host = Harness::demo().await;
    for (page, stored) in [
        ("https://shop.example/bl%C3%B8g?x=1#top", "/bløg"),
        ("shop.example/pricing", "/pricing"),
        ("https://www.shop.example/#/about", "/#/about"),
        ("/about/", "/about/"),
    ] {
        result(&host, "get_timeseries", json!({ "date_range": "7d", "page": page })).await;
        assert_eq!(host.upstream.take_queries()[0]["filters"], json!([["is", "event:page", [stored]]]), "{page}");
    }
}

#[tokio::test]
async fn a_site_is_known_however_it_is_written_and_another_is_told_what_works() {
    let host = Harness::demo_with(&[("PLAUSIBLE_DEFAULT_SITE_ID", "https://www.Shop.example/")]).await;
    for site in [Value::Null, json!("www.shop.example"), json!("HTTPS://Shop.Example./")] {
        let arguments = json!({ "site_id": site, "date_range": "7d", "dimension": "event:page" });
        assert_eq!(result(&host, "get_breakdown", arguments).await["isError"], Value::Null, "{site}");
        assert_eq!(host.upstream.take_queries()[0]["site_id"], DEMO_SITE);
    }
    let elsewhere = result(&host, "get_breakdown", page_of("elsewhere.example")).await;
    assert_eq!(elsewhere["isError"], true);
    assert!(text(&elsewhere).contains("the default site, shop.example"), "{}", text(&elsewhere));
}

#[tokio::test]
async fn lists_and_numbers_may_be_text() {
    let host = Harness::demo().await;
    let filters = json!([{ "property": "visit:channel", "values": "Direct" }]);
    let arguments = json!({
        "date_range": "[\"2026-07-01\",\"2026-07-31\"]",
        "dimension": "visit:source",
        "metrics": "[\"visitors\"]",
        "property_filters": filters.to_string(),
        "limit": "5",
    });
    assert_eq!(result(&host, "get_breakdown", arguments).await["isError"], Value::Null);
    let query = &host.upstream.take_queries()[0];
    assert_eq!(query["date_range"], json!(["2026-07-01", "2026-07-31"]));
    assert_eq!(query["metrics"], json!(["visitors"]));
    assert_eq!(query["filters"], json!([["is", "visit:channel", ["Direct"]]]));
    assert_eq!(query["pagination"]["limit"], 5);
}

#[tokio::test]
async fn a_day_that_begins_at_one_is_whole() {
    let upstream = Upstream::answering(|_| {
        let answer = json!({
            "results": [{ "dimensions": ["2025-09-07"], "metrics": [7] }],
            "meta": { "time_labels": ["2025-09-07"] },
            "query": { "date_range": ["2025-09-07T01:00:00-03:00", "2025-09-07T23:59:59-03:00"] },
        });
        Reply::json(200, answer.to_string())
    })
    .await;
    let host = Harness::start(upstream, &[]).await;
    let arguments = json!({ "site_id": "a.example", "date_range": "2025-09-07,2025-09-07", "metrics": ["visitors"] });
    let result = result(&host, "get_timeseries", arguments).await;
    assert_eq!(text(&result), "a.example | 2025-09-07 to 2025-09-07\ntime:day | visitors\n2025-09-07 | 7\n");
}

#[tokio::test]
async fn the_default_site_is_used_when_none_is_named() {
    let host = Harness::demo().await;
    for site in [Value::Null, json!(""), json!("shop.example")] {
        let arguments = json!({ "site_id": site, "date_range": "7d", "dimension": "event:page" });
        assert_eq!(result(&host, "get_breakdown", arguments).await["isError"], Value::Null, "{site}");
        assert_eq!(host.upstream.take_queries()[0]["site_id"], DEMO_SITE);
    }
    let host = Harness::demo_with(&[("PLAUSIBLE_DEFAULT_SITE_ID", "")]).await;
    let result = result(&host, "get_breakdown", json!({ "date_range": "7d", "dimension": "event:page" })).await;
    assert_eq!(result["isError"], true);
    assert!(text(&result).contains("site_id"));
}

#[tokio::test]
async fn a_connection_fault_is_tried_once_more() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let (plausible, counted) = (simulated(), Arc::clone(&attempts));
    let upstream = Upstream::answering(move |received| match counted.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::Close,
        _ => plausible(received),
    })
    .await;
    let host = Harness::start(upstream, &[]).await;
    let arguments = json!({ "site_id": DEMO_SITE, "date_range": "7d", "dimension": "event:page" });
    assert_eq!(result(&host, "get_breakdown", arguments).await["isError"], Value::Null);
    assert_eq!(attempts.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_connection_that_stays_broken_is_tried_twice_and_told() {
    let host = stub().await;
    let result = result(&host, "get_breakdown", page_of("close.example")).await;
    assert_eq!(result["isError"], true);
    assert_eq!(host.upstream.take().len(), 2);
    assert!(!text(&result).contains("127.0.0.1"), "{}", text(&result));
}

#[tokio::test]
async fn an_answer_is_never_asked_for_again() {
    let host = stub().await;
    for status in [400, 401, 402, 403, 404, 408, 418, 429, 500, 502, 503] {
        let result = result(&host, "get_breakdown", page_of(&format!("status-{status}.example"))).await;
        assert_eq!(result["isError"], true, "{status}");
        assert_eq!(host.upstream.take().len(), 1, "{status}");
        assert!(text(&result).contains(&status.to_string()), "{status}: {}", text(&result));
    }
    for site in ["badjson.example", "html.example", "noresults.example", "redirect.example", "status-204.example"] {
        assert_eq!(result(&host, "get_breakdown", page_of(site)).await["isError"], true, "{site}");
        assert_eq!(host.upstream.take().len(), 1, "{site}");
    }
}

#[tokio::test]
async fn plausibles_own_words_reach_the_model_in_measure() {
    for (sent, shown) in [("Metric is odd", "Metric is odd".to_owned()), (&*"x".repeat(90_000), "x".repeat(100))] {
        let body = json!({ "error": sent }).to_string();
        let upstream = Upstream::answering(move |_| Reply::json(400, body.clone())).await;
        let host = Harness::start(upstream, &[]).await;
        let text = text(&result(&host, "get_breakdown", page_of("a.example")).await);
        assert!(text.contains(&shown) && text.contains("Plausible"), "{text}");
        assert!(text.len() < 3000);
    }
}

#[tokio::test]
async fn each_refusal_by_plausible_says_something_of_its_own() {
    let host = stub().await;
    let mut texts = Vec::new();
    for status in [400, 401, 402, 404, 429, 500] {
        let text = text(&result(&host, "get_breakdown", page_of(&format!("status-{status}.example"))).await);
        texts.push(text.replace(&status.to_string(), ""));
    }
    let all = texts.len();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), all);
}

#[tokio::test]
async fn two_periods_are_asked_for_at_the_same_time() {
    // Each request waits until the other has come: one after the other would never be answered.
    let both = Arc::new(Barrier::new(2));
    let plausible = Arc::new(simulated());
    let upstream = Upstream::start(move |received| {
        let (both, plausible) = (Arc::clone(&both), Arc::clone(&plausible));
        Box::pin(async move {
            both.wait().await;
            plausible(&received)
        })
    })
    .await;
    let host = Harness::start(upstream, &[]).await;
    let arguments = json!({ "site_id": DEMO_SITE, "period_a": "7d", "period_b": "28d" });
    let result = result(&host, "compare_periods", arguments).await;
    assert_eq!(result["isError"], Value::Null, "{}", text(&result));
    assert_eq!(host.upstream.take().len(), 2);
}

#[tokio::test]
async fn deltas_are_rounded_and_null_where_there_is_nothing_to_compare() {
    let upstream = Upstream::answering(|received| {
        let first = received.query()["date_range"] == "7d";
        let metrics = match first {
            true => json!([3, 0, null, { "value": 10.0, "currency": "EUR", "short": "€10.0", "long": "€10.00" }]),
            false => json!([4, 5, 12, { "value": 12.5, "currency": "EUR", "short": "€12.5", "long": "€12.50" }]),
        };
        let date_range = ["2026-07-01T00:00:00+02:00", "2026-07-07T23:59:59+02:00"];
        let answer = json!({
            "results": [{ "dimensions": [], "metrics": metrics }],
            "meta": {},
            "query": { "date_range": date_range },
        });
        Reply::json(200, answer.to_string())
    })
    .await;
    let host = Harness::start(upstream, &[]).await;
    let metrics = ["visitors", "visits", "visit_duration", "total_revenue"];
    let arguments =
        json!({ "site_id": "a.example", "period_a": "7d", "period_b": "30d", "metrics": metrics, "goal": "Purchase" });
    let result = result(&host, "compare_periods", arguments).await;
    assert_eq!(result["isError"], Value::Null, "{}", text(&result));
    let deltas = &result["structuredContent"]["deltas"];
    assert_eq!(number(&deltas["visitors"]["absolute"]), Some(1.0));
    assert_eq!(number(&deltas["visitors"]["percent"]), Some(33.33));
    assert_eq!(number(&deltas["visits"]["absolute"]), Some(5.0));
    assert_eq!(deltas["visits"]["percent"], Value::Null);
    assert_eq!(deltas["visit_duration"]["absolute"], Value::Null);
    assert_eq!(number(&deltas["total_revenue"]["absolute"]), Some(2.5));
    assert_eq!(number(&deltas["total_revenue"]["percent"]), Some(25.0));
    validate(&host, "compare_periods", &result).await;
}

#[tokio::test]
async fn null_metrics_and_revenue_objects_survive() {
    let host = stub().await;
    for (site, metrics) in [
        ("nulls.example", json!(["visitors", "bounce_rate"])),
        ("rows-3.example", json!(["visitors", "total_revenue"])),
    ] {
        let arguments = json!({ "site_id": site, "date_range": "7d", "dimension": "event:goal", "metrics": metrics });
        let arguments = match site {
            "nulls.example" => merged(arguments, json!({ "dimension": "visit:source" })),
            _ => arguments,
        };
        let result = result(&host, "get_breakdown", arguments).await;
        assert_eq!(result["isError"], Value::Null, "{}", text(&result));
        validate(&host, "get_breakdown", &result).await;
        let value = &result["structuredContent"]["results"][0]["metrics"][1];
        assert_eq!(value.is_null(), site == "nulls.example");
        assert_eq!(value["currency"] == "EUR", site != "nulls.example");
    }
}

#[tokio::test]
async fn what_visitors_wrote_cannot_draw_a_table() {
    let host = stub().await;
    let result = result(&host, "get_breakdown", page_of("unicode.example")).await;
    let text = text(&result);
    assert!(text.contains("/Käse/チーズ"));
    assert!(!text.contains('\u{0}') && !text.contains('\t'));
    assert!(!result["structuredContent"].to_string().contains("\\u0000"));
    let rows = result["structuredContent"]["results"].as_array().expect("rows");
    let lines = text.lines().filter(|line| line.contains(" | 7")).count();
    assert_eq!(lines, rows.len(), "{text}");
    assert_eq!(rows[2]["dimensions"][0], "/new\u{fffd}line\u{fffd}tab");
    assert_eq!(rows[5]["dimensions"][0], "a | b \u{fffd} c");
    let words = "stands for a character that is not seen";
    assert!(text.contains(words) && result["structuredContent"]["warnings"].to_string().contains(words), "{text}");
}

#[tokio::test]
async fn a_page_that_is_not_the_last_says_where_the_next_begins() {
    let host = Harness::demo().await;
    let arguments = json!({ "date_range": "30d", "dimension": "event:page", "limit": 2 });
    let first = result(&host, "get_breakdown", arguments.clone()).await;
    let content = &first["structuredContent"];
    assert_eq!((&content["truncated"], &content["next_offset"]), (&json!(true), &json!(2)));
    assert!(text(&first).contains("truncated"));
    let second = result(&host, "get_breakdown", merged(arguments, json!({ "offset": 2 }))).await;
    let page = |result: &Value| result["structuredContent"]["results"][0]["dimensions"].clone();
    assert_ne!(page(&first), page(&second));
    let query = &host.upstream.take_queries()[1];
    assert_eq!(query["pagination"], json!({ "limit": 2, "offset": 2 }));
    assert!(query["order_by"].as_array().is_some_and(|keys| keys.len() == 2), "paging needs a total order: {query}");
}

#[tokio::test]
async fn hours_without_visitors_are_zero_and_rates_are_null() {
    let upstream = Upstream::answering(|received| {
        let query = received.query();
        assert_eq!(query["dimensions"], json!(["time:hour"]));
        assert_eq!(query["include"]["time_labels"], true);
        let labels: Vec<_> = (0..24).map(|hour| format!("2026-07-01 {hour:02}:00:00")).collect();
        let answer = json!({
            "results": [{ "dimensions": ["2026-07-01 10:00:00"], "metrics": [7, 50] }],
            "meta": { "time_labels": labels },
            "query": { "date_range": ["2026-07-01T00:00:00+02:00", "2026-07-01T23:59:59+02:00"] },
        });
        Reply::json(200, answer.to_string())
    })
    .await;
    let host = Harness::start(upstream, &[]).await;
    let arguments = json!({
        "site_id": "a.example",
        "date_range": "2026-07-01,2026-07-01",
        "granularity": "hour",
        "metrics": ["visitors", "bounce_rate"],
    });
    let result = result(&host, "get_timeseries", arguments).await;
    let rows = result["structuredContent"]["results"].as_array().expect("rows");
    assert_eq!(rows.len(), 24);
    assert_eq!(rows[9]["metrics"], json!([0, null]));
    assert_eq!(rows[10]["metrics"], json!([7, 50]));
    assert!(rows.iter().all(|row| row["partial"] != true));
    validate(&host, "get_timeseries", &result).await;
}

#[tokio::test]
async fn the_running_bucket_is_marked_and_later_ones_are_left_out() {
    let host = Harness::demo().await;
    let result = result(&host, "get_timeseries", json!({ "date_range": "year", "granularity": "month" })).await;
    let rows = result["structuredContent"]["results"].as_array().expect("rows");
    let partial: Vec<_> = rows.iter().map(|row| row["partial"] == true).collect();
    assert_eq!(partial.iter().filter(|partial| **partial).count(), 1, "{rows:?}");
    assert_eq!(partial.last(), Some(&true));
}

#[tokio::test]
async fn warnings_of_plausible_are_passed_on() {
    let upstream = Upstream::answering(|_| {
        let answer = json!({
            "results": [{ "dimensions": ["/"], "metrics": [7] }],
            "meta": {
                "imports_included": false,
                "imports_skip_reason": "unsupported_query",
                "imports_warning": "Imports were left out of it",
                "metric_warnings": { "visitors": { "code": "some_code", "warning": "Counted in another way" } },
            },
            "query": { "date_range": ["2026-07-01T00:00:00+02:00", "2026-07-07T23:59:59+02:00"] },
        });
        Reply::json(200, answer.to_string())
    })
    .await;
    let host = Harness::start(upstream, &[]).await;
    let result = result(&host, "get_breakdown", merged(page_of("a.example"), json!({ "metrics": ["visitors"] }))).await;
    for expected in ["unsupported_query", "Imports were left out of it", "Counted in another way"] {
        assert!(text(&result).contains(expected), "{}", text(&result));
    }
    assert_eq!(result["structuredContent"]["warnings"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn the_text_names_the_range_and_the_filters_in_a_compact_table() {
    let host = Harness::demo().await;
    let arguments = json!({ "date_range": "28d", "dimension": "event:page", "page": "/blog*" });
    let result = result(&host, "get_breakdown", arguments).await;
    let text = text(&result);
    let day = |end: &str| {
        let instant = result["structuredContent"]["date_range"][end].as_str().unwrap_or_default();
        instant.split('T').next().unwrap_or_default().to_owned()
    };
    for expected in [&*day("from"), &*day("to"), DEMO_SITE, "^/blog", "visitors"] {
        assert!(!expected.is_empty() && text.contains(expected), "{expected} is missing: {text}");
    }
    assert!(!text.contains("\"dimensions\""), "JSON: {text}");
}

#[tokio::test]
async fn definitions_are_complete_and_small() {
    let host = Harness::demo().await;
    let list = host.send(&modern("tools/list", json!({}))).await;
    assert!(list.body.len() < 24_000, "{} bytes", list.body.len());
    for tool in list.json()["result"]["tools"].as_array().expect("tools") {
        let name = &tool["name"];
        for schema in ["inputSchema", "outputSchema"] {
            assert!(jsonschema::meta::is_valid(&tool[schema]), "{name} {schema}");
            assert_eq!(tool[schema]["type"], "object", "{name} {schema}");
        }
        assert!(!tool["outputSchema"].to_string().contains("anyOf"), "{name}");
        for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
            assert!(tool["annotations"][hint].is_boolean(), "{name} {hint}");
        }
        assert!(tool["description"].as_str().is_some_and(|text| text.len() > 100), "{name}");
        assert!(tool["title"].is_string(), "{name}");
    }
}

#[tokio::test]
async fn a_site_is_required_only_where_there_is_no_default() {
    let required = async |host: &Harness| {
        let list = host.send(&modern("tools/list", json!({}))).await.json();
        let tools = list["result"]["tools"].as_array().cloned().unwrap_or_default();
        tools.iter().all(|tool| {
            tool["inputSchema"]["required"].as_array().is_some_and(|names| names.contains(&json!("site_id")))
        })
    };
    assert!(!required(&Harness::demo().await).await);
    assert!(required(&Harness::demo_with(&[("PLAUSIBLE_DEFAULT_SITE_ID", "")]).await).await);
}

async fn stub() -> Harness {
    Harness::start(Upstream::answering(stub_sites::answer).await, &[]).await
}

fn page_of(site: &str) -> Value {
    json!({ "site_id": site, "date_range": "7d", "dimension": "event:page" })
}

async fn result(host: &Harness, tool: &str, arguments: Value) -> Value {
    let answer: Answer = host.send(&call(tool, arguments)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["result"].clone()
}

fn text(result: &Value) -> String {
    result["content"][0]["text"].as_str().unwrap_or_default().to_owned()
}

async fn output_schemas(host: &Harness) -> std::collections::BTreeMap<String, Value> {
    let list = host.send(&modern("tools/list", json!({}))).await.json();
    let tools = list["result"]["tools"].as_array().cloned().unwrap_or_default();
    let named = |tool: &Value| Some((tool["name"].as_str()?.to_owned(), tool["outputSchema"].clone()));
    tools.iter().filter_map(named).collect()
}

async fn validate(host: &Harness, tool: &str, result: &Value) {
    let schemas = output_schemas(host).await;
    let validator = jsonschema::validator_for(&schemas[tool]).expect("a schema");
    let errors: Vec<_> = validator.iter_errors(&result["structuredContent"]).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{tool}: {errors:?}");
}

fn merged(mut base: Value, extra: Value) -> Value {
    if let (Some(base), Value::Object(extra)) = (base.as_object_mut(), extra) {
        base.extend(extra);
    }
    base
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64()
}

const DIMENSIONS: [&str; 31] = [
    "event:page",
    "event:goal",
    "event:hostname",
    "event:props:plan",
    "visit:entry_page",
    "visit:exit_page",
    "visit:entry_page_hostname",
    "visit:exit_page_hostname",
    "visit:source",
    "visit:referrer",
    "visit:channel",
    "visit:utm_medium",
    "visit:utm_source",
    "visit:utm_campaign",
    "visit:utm_content",
    "visit:utm_term",
    "visit:device",
    "visit:browser",
    "visit:browser_version",
    "visit:os",
    "visit:os_version",
    "visit:country",
    "visit:region",
    "visit:city",
    "visit:country_name",
    "visit:region_name",
    "visit:city_name",
    "event:props:author",
    "event:props:a b:c/é",
    "event:props:url",
    "event:props:path",
];
