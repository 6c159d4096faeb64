//! One row for each rule: what is sent and what Plausible says about it.

use serde_json::{Value, json};

use super::{super::catalogue::SITES, *};

fn verdict(change: Value) -> String {
    let mut body = json!({"site_id": "shop.example", "metrics": ["visitors"], "date_range": "7d"});
    for (key, value) in change.as_object().unwrap() {
        body.as_object_mut().unwrap().insert(key.clone(), value.clone());
    }
    super::super::schema::check(&body).unwrap();
    let mut query = parser::parse(&body).unwrap();
    check(&mut query, &SITES[0]).err().unwrap_or_default()
}

fn goal() -> Value {
    json!(["is", "event:goal", ["Signup"]])
}

#[track_caller]
fn check_all(table: impl IntoIterator<Item = (Value, &'static str)>) {
    for (change, expected) in table {
        assert_eq!(verdict(change.clone()), expected, "{change}");
    }
}

#[test]
fn orders_and_labels_are_for_what_is_asked() {
    check_all([
        (
            json!({"order_by": [["events", "desc"]]}),
            "Invalid order_by entry '{:events, :desc}'. Entry is not a queried metric or dimension.",
        ),
        (
            json!({"order_by": [["visit:source", "asc"]]}),
            "Invalid order_by entry '{\"visit:source\", :asc}'. Entry is not a queried metric or dimension.",
        ),
        (
            json!({"include": {"time_labels": true}, "dimensions": ["visit:source"]}),
            "Invalid include.time_labels: requires a time dimension.",
        ),
    ]);
}

#[test]
fn filters_stand_where_plausible_takes_them() {
    let goal = goal();
    let deep_property = json!(["not", ["is", "event:props:plan", ["pro"]]]);
    check_all([
        (
            json!({"filters": [["not", goal]]}),
            "Invalid filters. Dimension `event:goal` can only be filtered at the top level.",
        ),
        (
            json!({"filters": [["or", [["is", "event:hostname", ["a"]]]]]}),
            "Invalid filters. Dimension `event:hostname` can only be filtered at the top level.",
        ),
        (
            json!({"metrics": ["conversion_rate"], "filters": [goal, deep_property]}),
            "Invalid filters. When `conversion_rate` or `group_conversion_rate` metrics are used, custom property filters can only be used on top level.",
        ),
        (
            json!({"filters": [["has_done", ["has_not_done", goal]]]}),
            "Invalid filters. Behavioral filters (has_done, has_not_done) cannot be nested.",
        ),
        (
            json!({"filters": [["has_done", ["is", "visit:source", ["Google"]]]]}),
            "Invalid filters. Behavioral filters (has_done, has_not_done) can only be used with event dimension filters.",
        ),
        (
            json!({"filters": [["is", "event:goal", ["Nope"]]]}),
            "Invalid filters. The goal `Nope` is not configured for this site. Find out how to configure goals here: https://plausible.io/docs/stats-api#filtering-by-goals",
        ),
        (
            json!({"filters": [["is", "segment", [99]]]}),
            "Invalid filters. Some segments don't exist or aren't accessible.",
        ),
    ]);
}

#[test]
fn metrics_go_with_the_filters_and_dimensions_that_they_need() {
    check_all([
        (
            json!({"metrics": ["conversion_rate"], "filters": [["has_done", goal()]]}),
            "Metric `conversion_rate` can only be queried with event:goal filters or dimensions.",
        ),
        (
            json!({"metrics": ["scroll_depth"], "filters": [["not", ["is", "event:page", ["/"]]]]}),
            "Metric `scroll_depth` can only be queried with event:page filters or dimensions.",
        ),
        (
            json!({"metrics": ["time_on_page"]}),
            "Metric `time_on_page` can only be queried with event:page filters or dimensions.",
        ),
        (
            json!({"metrics": ["views_per_visit"], "filters": [["is", "event:page", ["/"]]]}),
            "Metric `views_per_visit` cannot be queried with a filter on `event:page`.",
        ),
        (
            json!({"metrics": ["views_per_visit"], "dimensions": ["time:day", "visit:source"]}),
            "Metric `views_per_visit` cannot be queried with non-time dimensions.",
        ),
        (json!({"metrics": ["views_per_visit"], "dimensions": ["time:day"]}), ""),
        (
            json!({"metrics": ["bounce_rate", "visit_duration"], "dimensions": ["event:goal"]}),
            "Session metric(s) `bounce_rate`, `visit_duration` cannot be queried along with event dimension(s) `event:goal`",
        ),
        (
            json!({"metrics": ["bounce_rate"], "dimensions": ["event:page", "event:hostname"]}),
            "Session metric(s) `bounce_rate` cannot be queried along with event dimension(s) `event:page`, `event:hostname`",
        ),
        (
            json!({"metrics": ["visitors", "pageviews"], "dimensions": ["visit:entry_page"]}),
            "Event metric(s) `pageviews` cannot be queried along with session dimension(s) `visit:entry_page`",
        ),
    ]);
}

#[test]
fn legal_combinations_pass() {
    for change in [
        json!({"metrics": ["bounce_rate", "scroll_depth"], "dimensions": ["event:page", "visit:source"]}),
        json!({"metrics": ["bounce_rate"], "filters": [["is", "event:goal", ["Signup"]]]}),
        json!({"metrics": ["time_on_page"], "filters": [["not", ["is", "event:page", ["/"]]]]}),
        json!({"filters": [["has_done", ["is", "event:goal", ["Signup"]]]]}),
        json!({"filters": [["contains", "event:goal", ["nothing"]]]}),
        json!({"filters": [["is", "segment", [1, 2]]]}),
        json!({"metrics": ["visitors", "visits"], "dimensions": ["visit:exit_page"]}),
    ] {
        assert_eq!(verdict(change.clone()), "", "{change}");
    }
}
