//! What the tools send and what they make of answers.

mod hostile;
mod properties;
mod refusals;
mod understood;
mod zones;

use futures_util::FutureExt;
use serde_json::{Value, json};

use super::*;
use crate::plausible::Client;
use crate::ports::ScriptedHttp;

/// 2026-08-06T10:30:00Z.
const NOW: Timestamp = Timestamp(1_786_012_200_000);

fn call(http: &ScriptedHttp, sites: Sites<'_>, tool: &str, arguments: Value) -> ToolResult {
    let client = Client::new(http, "https://plausible.example", "the-key");
    let calls = Calls::default();
    let tools = Tools { stats: &client, sites, now: NOW, calls: &calls, outbox: None };
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    tools.call(tool, arguments).now_or_never().expect("nothing waits").expect("the tool exists")
}

fn content(result: &ToolResult) -> Value {
    serde_json::from_str(result.structured.as_ref().expect("the call was served")).expect("JSON")
}

fn sent(http: &ScriptedHttp) -> Vec<Value> {
    let requests = http.requests.borrow();
    requests.iter().map(|request| serde_json::from_slice(request.body.as_ref().unwrap()).unwrap()).collect()
}

const ANSWER: &str = r#"{"results":[{"dimensions":["/"],"metrics":[10,20,50]},{"dimensions":["/a|b"],"metrics":[5,7,null]}],
    "meta":{"total_rows":57,"imports_skip_reason":"unsupported_query","imports_warning":"Imported data cannot be filtered so.",
    "metric_warnings":{"bounce_rate":{"code":"x","warning":"is odd"}}},
    "query":{"date_range":["2026-07-30T00:00:00+02:00","2026-08-05T23:59:59+02:00"],"dimensions":["event:page"]}}"#;

fn asks(tool: &str, arguments: Value) -> Value {
    let http = ScriptedHttp::default();
    http.answer(200, r#"{"results":[]}"#);
    http.answer(200, r#"{"results":[]}"#);
    let result = call(&http, Sites { default: Some("shop.example"), allowed: None }, tool, arguments);
    assert!(!result.is_error, "{}", result.text);
    sent(&http).remove(0)
}

#[test]
fn a_breakdown_is_ordered_paged_and_counted() {
    let expected = json!({
        "site_id": "shop.example",
        "metrics": ["visitors", "pageviews", "bounce_rate"],
        "date_range": "7d",
        "dimensions": ["event:page"],
        "order_by": [["visitors", "desc"], ["event:page", "asc"]],
        "include": {"total_rows": true},
        "pagination": {"limit": 20}
    });
    assert_eq!(asks("get_breakdown", json!({"date_range": "7d", "dimension": "event:page"})), expected);
    let query =
        asks("get_breakdown", json!({"date_range": "7d", "dimension": "event:goal", "limit": 5, "offset": 20.0}));
    assert_eq!(query["pagination"], json!({"limit": 5, "offset": 20}));
    assert_eq!(query.get("order_by"), None);
}

#[test]
fn default_metrics_are_legal_for_every_dimension() {
    for dimension in crate::plausible::Dimension::BUILT_IN.into_iter().chain(["event:props:plan"]) {
        asks("get_breakdown", json!({"date_range": "7d", "dimension": dimension}));
    }
}

#[test]
fn filters_keep_their_order_and_meaning() {
    let query = asks(
        "get_timeseries",
        json!({
            "site_id": "https://other.example/", "date_range": "2026-07-01,2026-07-31", "granularity": "hour",
            "page": "/blog*", "goal": "Signup", "metrics": ["visitors", "visitors"],
            "property_filters": [
                {"property": "plan", "values": ["pro", "team"]},
                {"property": "visit:city", "operator": "is_not", "values": ["2950159"]},
                {"property": "event:props:a b", "operator": "matches", "values": ["^x"]}
            ]
        }),
    );
    assert_eq!(query["site_id"], "other.example");
    assert_eq!(query["metrics"], json!(["visitors"]));
    assert_eq!(query["date_range"], json!(["2026-07-01", "2026-07-31"]));
    assert_eq!(query["dimensions"], json!(["time:hour"]));
    assert_eq!(query["include"], json!({"time_labels": true}));
    assert_eq!(
        query["filters"],
        json!([
            ["matches", "event:page", ["^/blog"]],
            ["is", "event:goal", ["Signup"]],
            ["is", "event:props:plan", ["pro", "team"]],
            ["is_not", "visit:city", [2950159]],
            ["matches", "event:props:a b", ["^x"]]
        ])
    );
}

#[test]
fn null_and_empty_arguments_count_as_absent() {
    let query = asks(
        "get_timeseries",
        json!({"date_range": "7d", "granularity": null, "metrics": null, "page": "", "goal": null, "property_filters": null, "site_id": ""}),
    );
    assert_eq!((&query["site_id"], query.get("filters")), (&json!("shop.example"), None));
}

#[test]
fn conversions_are_by_goal_and_by_page_when_asked() {
    assert_eq!(asks("get_conversions", json!({"date_range": "7d"}))["dimensions"], json!(["event:goal"]));
    let query = asks("get_conversions", json!({"date_range": "7d", "breakdown_by_page": true, "goal": "G"}));
    assert_eq!(query["dimensions"], json!(["event:goal", "event:page"]));
    assert_eq!(query["metrics"], json!(["visitors", "events", "conversion_rate"]));
    assert_eq!(query["order_by"], json!([["visitors", "desc"], ["event:page", "asc"]]));
}

#[test]
fn of_more_hours_than_plausible_returns_the_newest_are_asked_for() {
    let query = asks("get_timeseries", json!({"date_range": "24mo", "granularity": "hour"}));
    assert_eq!(query["order_by"], json!([["time:hour", "desc"]]));
    assert_eq!(asks("get_timeseries", json!({"date_range": "24mo"})).get("order_by"), None);
}

#[test]
fn with_a_goal_the_usual_metrics_are_those_of_conversions() {
    let of_all = json!(["visitors", "events", "conversion_rate"]);
    let of_the_row = json!(["visitors", "events", "group_conversion_rate"]);
    let of_the_visit = json!(["visitors", "group_conversion_rate"]);
    let by = |dimension: &str| json!({"date_range": "7d", "dimension": dimension, "goal": "Signup"});
    for (tool, arguments, expected) in [
        ("get_timeseries", json!({"date_range": "7d", "goal": "Signup"}), &of_the_row),
        ("compare_periods", json!({"period_a": "7d", "period_b": "7d", "goal": "Signup"}), &of_all),
        ("get_breakdown", by("visit:source"), &of_the_row),
        ("get_breakdown", by("event:props:plan"), &of_the_row),
        ("get_breakdown", by("visit:entry_page"), &of_the_visit),
        ("get_breakdown", by("event:goal"), &of_all),
    ] {
        let query = asks(tool, arguments);
        assert_eq!(query["filters"], json!([["is", "event:goal", ["Signup"]]]));
        assert_eq!(&query["metrics"], expected, "{tool} {}", query["dimensions"]);
    }
}

#[test]
fn what_people_write_for_a_page_or_two_days_is_understood() {
    let asked = |arguments: Value| asks("get_conversions", arguments);
    let query =
        asked(json!({"date_range": ["2026-07-01", "2026-07-31"], "page": "https://shop.example/pricing?plan=pro#a"}));
    assert_eq!(query["date_range"], json!(["2026-07-01", "2026-07-31"]));
    assert_eq!(query["filters"], json!([["is", "event:page", ["/pricing"]]]));
    assert_eq!(asked(json!({"date_range": "1d", "page": "http://shop.example"}))["filters"][0][2], json!(["/"]));
}

#[test]
fn a_page_of_rows_says_what_it_is_and_where_it_goes_on() {
    let http = ScriptedHttp::default();
    http.answer(200, ANSWER);
    let arguments =
        json!({"date_range": "7d", "dimension": "event:page", "limit": 2, "offset": 4, "page": "/*", "typo": 1});
    let result = call(&http, Sites { default: Some("shop.example"), allowed: None }, "get_breakdown", arguments);
    let expected = "shop.example | 2026-07-30 to 2026-08-05 | filters: event:page matches ^/\n\
        event:page | visitors | pageviews | bounce_rate\n\
        / | 10 | 20 | 50\n\
        /a¦b | 5 | 7 | -\n\
        truncated: 2 of 57 rows are shown; the next begin at offset 6.\n\
        Note: get_breakdown has no argument \"typo\"; it was ignored.\n\
        Note: Imported data is not included (unsupported_query). Imported data cannot be filtered so.\n\
        Note: bounce_rate: is odd\n\
        Note: In values, ¦ stands for |: write | in a filter.\n";
    assert_eq!(result.text, expected);
    let content = content(&result);
    assert_eq!(content["results"][1], json!({"dimensions": ["/a|b"], "metrics": [5, 7, null]}));
    assert_eq!((&content["truncated"], &content["next_offset"]), (&json!(true), &json!(6)));
    assert_eq!(content["date_range"]["from"], "2026-07-30T00:00:00+02:00");
}

#[test]
fn totals_are_given_only_for_what_adds_up() {
    let total = |arguments: Value, rows: &str| {
        let http = ScriptedHttp::default();
        http.answer(200, &format!("{{\"results\":{rows}}}"));
        let result = call(&http, Sites { default: Some("s"), allowed: None }, "get_breakdown", arguments);
        content(&result).get("totals").cloned()
    };
    let rows = r#"[{"dimensions":["a"],"metrics":[1,2]},{"dimensions":["b"],"metrics":[3,4]}]"#;
    let by =
        |dimension: &str, metrics: [&str; 2]| json!({"date_range": "7d", "dimension": dimension, "metrics": metrics});
    assert_eq!(total(by("visit:source", ["visitors", "pageviews"]), rows), Some(json!({"pageviews": 6})));
    assert_eq!(total(by("visit:source", ["visitors", "visits"]), rows), None);
    assert_eq!(total(by("event:goal", ["visitors", "events"]), rows), None);
    let mut cut = by("visit:source", ["visitors", "pageviews"]);
    cut["limit"] = json!(2);
    assert_eq!(total(cut, rows), None, "there may be more rows");
    let huge = r#"[{"dimensions":["a"],"metrics":[1,1e308]},{"dimensions":["b"],"metrics":[3,1e308]}]"#;
    assert_eq!(total(by("visit:source", ["visitors", "pageviews"]), huge), None, "JSON has no infinity");
}

#[test]
fn a_series_is_filled_cut_at_now_and_its_running_bucket_marked() {
    let http = ScriptedHttp::default();
    http.answer(
        200,
        r#"{"results":[{"dimensions":["2026-08-05"],"metrics":[10,50]}],
        "meta":{"time_labels":["2026-08-04","2026-08-05","2026-08-06","2026-08-07","2026-08-08"]},
        "query":{"date_range":["2026-08-04T00:00:00+02:00","2026-08-08T23:59:59+02:00"]}}"#,
    );
    let arguments = json!({"date_range": "2026-08-04,2026-08-08", "metrics": ["visitors", "bounce_rate"]});
    let result = call(&http, Sites { default: Some("shop.example"), allowed: None }, "get_timeseries", arguments);
    let expected = "shop.example | 2026-08-04 to 2026-08-08\ntime:day | visitors | bounce_rate\n\
        2026-08-04 | 0 | -\n2026-08-05 | 10 | 50\n2026-08-06 | 0 | - (partial)\n\
        Note: 2 buckets that begin after now are left out.\n";
    assert_eq!(result.text, expected);
    assert_eq!(
        content(&result)["results"][2],
        json!({"dimensions": ["2026-08-06"], "metrics": [0, null], "partial": true})
    );
}

#[test]
fn revenue_passes_as_it_is() {
    let money = json!({"value": 120.5, "currency": "EUR", "short": "€120.5", "long": "€120.50"});
    let http = ScriptedHttp::default();
    http.answer(200, &json!({"results": [{"dimensions": ["Purchase"], "metrics": [3, money]}, {"dimensions": ["Signup"], "metrics": [9, null]}]}).to_string());
    let arguments = json!({"date_range": "7d", "dimension": "event:goal", "metrics": ["visitors", "total_revenue"]});
    let result = call(&http, Sites { default: Some("s"), allowed: None }, "get_breakdown", arguments);
    assert!(result.text.contains("Purchase | 3 | 120.5 EUR\nSignup | 9 | -"), "{}", result.text);
    assert_eq!(content(&result)["results"][0]["metrics"][1], money);
}

#[test]
fn periods_are_compared_metric_by_metric() {
    let http = ScriptedHttp::default();
    http.answer(200, r#"{"results":[{"dimensions":[],"metrics":[100,40]}],"query":{"date_range":["2026-07-01T00:00:00+00:00","2026-07-07T23:59:59+00:00"]}}"#);
    http.answer(200, r#"{"results":[{"dimensions":[],"metrics":[150,null]}],"query":{"date_range":["2026-07-08T00:00:00+00:00","2026-07-09T23:59:59+00:00"]}}"#);
    let arguments = json!({"period_a": "2026-07-01,2026-07-07", "period_b": "2026-07-08,2026-07-09", "metrics": ["visitors", "bounce_rate"]});
    let result = call(&http, Sites { default: Some("s.example"), allowed: None }, "compare_periods", arguments);
    let expected = "s.example | a: 2026-07-01 to 2026-07-07 | b: 2026-07-08 to 2026-07-09\nmetric | a | b | change | change %\n\
        visitors | 100 | 150 | +50 | +50\nbounce_rate | 40 | - | - | -\n\
        Note: period_a has 7 days and period_b 2 days: compare rates rather than counts, or choose periods of the same length.\n";
    assert_eq!(result.text, expected);
    let content = content(&result);
    assert_eq!(
        content["deltas"],
        json!({"visitors": {"absolute": 50, "percent": 50}, "bounce_rate": {"absolute": null, "percent": null}})
    );
    assert_eq!(content["period_b"]["metrics"], json!({"visitors": 150, "bounce_rate": null}));
}

#[test]
fn a_period_that_is_not_over_is_said_to_be_so() {
    let http = ScriptedHttp::default();
    http.answer(
        200,
        r#"{"results":[],"query":{"date_range":["2026-07-01T00:00:00+02:00","2026-07-31T23:59:59+02:00"]}}"#,
    );
    http.answer(
        200,
        r#"{"results":[],"query":{"date_range":["2026-08-01T00:00:00+02:00","2026-08-31T23:59:59+02:00"]}}"#,
    );
    let sites = Sites { default: Some("s.example"), allowed: None };
    let arguments = json!({"period_a": "2026-07-01,2026-07-31", "period_b": "month"});
    let result = call(&http, sites, "compare_periods", arguments);
    let note = "period_b is not over: it lasts until 2026-08-31, and only what happened until now is in it.";
    assert_eq!(content(&result)["warnings"], json!([note]));

    let http = ScriptedHttp::default();
    http.answer(
        200,
        r#"{"results":[],"query":{"date_range":["2026-08-01T00:00:00+02:00","2026-08-31T23:59:59+02:00"]}}"#,
    );
    let result = call(&http, sites, "get_conversions", json!({"date_range": "month"}));
    assert!(result.text.contains("The range is not over: it lasts until 2026-08-31"), "{}", result.text);
}

#[test]
fn hours_of_unlike_number_are_not_compared_without_a_word() {
    let http = ScriptedHttp::default();
    http.answer(
        200,
        r#"{"results":[],"query":{"date_range":["2026-07-01T08:00:00+02:00","2026-07-01T12:00:00+02:00"]}}"#,
    );
    http.answer(
        200,
        r#"{"results":[],"query":{"date_range":["2026-07-02T08:00:00+02:00","2026-07-02T19:00:00+02:00"]}}"#,
    );
    let arguments = json!({"period_a": "24h", "period_b": "24h"});
    let result = call(&http, Sites { default: Some("s.example"), allowed: None }, "compare_periods", arguments);
    assert!(result.text.contains("period_a has 4 hours and period_b 11 hours"), "{}", result.text);
}

#[test]
fn an_offset_beyond_the_last_row_is_not_called_no_data() {
    let http = ScriptedHttp::default();
    http.answer(200, r#"{"results":[],"meta":{"total_rows":0}}"#);
    let arguments = json!({"date_range": "7d", "offset": 500});
    let result = call(&http, Sites { default: Some("s"), allowed: None }, "get_conversions", arguments);
    assert!(result.text.contains("No rows from offset 500 on") && !result.text.contains("No data"), "{}", result.text);
}
