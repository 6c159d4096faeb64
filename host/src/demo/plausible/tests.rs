//! What the simulation promises as a whole: its answers are deterministic,
//! add up where Plausible's do, and follow the shape of the API.

use serde_json::{Value, json};

use super::*;

const NOW: &str = "2026-07-15T10:30:00Z";

/// Method, path, `Authorization`, body; status and text of the error.
type Case<'a> = (&'a str, &'a str, Option<&'a str>, &'a [u8], u16, &'a str);

fn request(plausible: &SimulatedPlausible, change: Value, now: &str) -> (u16, Value) {
    let mut body = json!({"site_id": DEMO_SITE, "metrics": ["visitors"], "date_range": "7d"});
    for (key, value) in change.as_object().unwrap() {
        body.as_object_mut().unwrap().insert(key.clone(), value.clone());
    }
    let (status, answer) = plausible.answer(
        "POST",
        "/api/v2/query",
        Some("Bearer demo-plausible-key"),
        body.to_string().as_bytes(),
        now.parse().unwrap(),
    );
    (status, serde_json::from_str(&answer).unwrap())
}

fn ask(change: Value) -> Value {
    ask_at(change, NOW)
}

fn ask_at(change: Value, now: &str) -> Value {
    let (status, answer) = request(&SimulatedPlausible::new(), change, now);
    assert_eq!(status, 200, "{answer}");
    answer
}

/// The metric in a column, row by row.
fn column(answer: &Value, index: usize) -> Vec<f64> {
    let rows = answer["results"].as_array().unwrap();
    rows.iter().map(|row| row["metrics"][index].as_f64().unwrap_or(f64::NAN)).collect()
}

fn labels(answer: &Value) -> Vec<String> {
    let rows = answer["results"].as_array().unwrap();
    rows.iter().map(|row| row["dimensions"][0].as_str().unwrap().to_owned()).collect()
}

fn total(change: Value) -> f64 {
    column(&ask(change), 0)[0]
}

#[test]
fn access_is_refused_in_plausibles_words() {
    let plausible = SimulatedPlausible::new();
    let now = NOW.parse().unwrap();
    let body = br#"{"site_id":"shop.example","metrics":["visitors"],"date_range":"7d"}"#;
    let elsewhere = br#"{"site_id":"other.example","metrics":["visitors"],"date_range":"7d"}"#;
    let key = Some("Bearer demo-plausible-key");
    let table: [Case; 9] = [
        ("POST", "/api/v2/query", None, body, 401, MISSING_KEY),
        ("POST", "/api/v2/query", Some("bearer demo-plausible-key"), body, 401, MISSING_KEY),
        ("POST", "/api/v2/query", Some("Bearer wrong"), body, 401, NO_ACCESS),
        ("POST", "/api/v2/query", key, elsewhere, 401, NO_ACCESS),
        ("POST", "/api/v2/query", key, b"{}", 400, MISSING_SITE),
        ("POST", "/api/v2/query", key, b"{", 400, "The request body is not valid JSON."),
        ("GET", "/api/v2/query", key, b"", 405, "Method not allowed"),
        ("GET", "/api/v1/sites", key, b"", 404, "Not found"),
        ("POST", "/api/health", None, b"", 405, "Method not allowed"),
    ];
    for (method, path, authorization, body, status, text) in table {
        assert_eq!(
            plausible.answer(method, path, authorization, body, now),
            (status, json!({"error": text}).to_string())
        );
    }
    assert_eq!(plausible.answer("GET", "/api/health", None, b"", now).0, 200);
}

#[test]
fn each_stage_speaks_for_itself() {
    let plausible = SimulatedPlausible::new();
    for (change, text) in [
        (
            json!({"metrics": ["baa"], "order": 1}),
            "#/order: Schema does not allow additional properties.\n#/metrics/0: Invalid metric \"baa\"",
        ),
        (json!({"date_range": "5001d"}), "Invalid date_range \"5001d\""),
        (json!({"date_range": ["2026-01-01", "9999-12-31"]}), "Invalid date_range [\"2026-01-01\", \"9999-12-31\"]"),
        (
            json!({"metrics": ["views_per_visit"], "dimensions": ["visit:source"]}),
            "Metric `views_per_visit` cannot be queried with non-time dimensions.",
        ),
    ] {
        assert_eq!(request(&plausible, change, NOW), (400, json!({"error": text})));
    }
    let broken = json!({"filters": [["matches", "event:page", ["("]]]});
    assert_eq!(request(&plausible, broken, NOW).0, 500);
}

#[test]
fn the_same_question_has_the_same_answer() {
    let question = json!({
        "metrics": ["visitors", "pageviews", "bounce_rate", "scroll_depth"],
        "dimensions": ["event:page"],
        "date_range": ["2026-06-01", "2026-06-30"],
    });
    assert_eq!(ask(question.clone()), ask(question.clone()));
    assert_eq!(
        ask(question.clone()),
        ask_at(question, "2026-07-30T23:00:00Z"),
        "a closed range does not depend on the time of asking"
    );
}

#[test]
fn counts_add_up_over_days_and_single_valued_dimensions() {
    let metrics = json!(["pageviews", "visits", "events"]);
    let whole = ask(json!({"metrics": metrics, "date_range": "30d"}));
    for dimension in [
        "time:day",
        "time:week",
        "visit:source",
        "visit:country",
        "visit:device",
        "visit:utm_campaign",
        "visit:city",
        "event:hostname",
        "event:name",
        "event:page",
    ] {
        let parts = ask(json!({"metrics": metrics, "date_range": "30d", "dimensions": [dimension]}));
        for index in 0..3 {
            let is_shared = index == 1 && dimension.starts_with("event:");
            let sum: f64 = column(&parts, index).iter().sum();
            let all = column(&whole, index)[0];
            assert!(sum == all || (is_shared && sum > all), "{dimension} {index}: {sum} {all}");
        }
    }
}

#[test]
fn both_tables_count_the_same_visits() {
    let by_visits = ask(json!({"metrics": ["visitors", "visits", "bounce_rate"], "date_range": "30d"}));
    let by_events = ask(json!({"metrics": ["visitors", "visits", "pageviews"], "date_range": "30d"}));
    for index in 0..2 {
        assert_eq!(column(&by_visits, index), column(&by_events, index));
    }
    let by_entry = ask(json!({"metrics": ["visits"], "date_range": "30d", "dimensions": ["visit:entry_page"]}));
    assert_eq!(column(&by_entry, 0).iter().sum::<f64>(), column(&by_visits, 1)[0]);
}

#[test]
fn visitors_do_not_add_up_over_days() {
    let metrics = json!(["visitors", "visits", "pageviews"]);
    let whole = ask(json!({"metrics": metrics, "date_range": "30d"}));
    let days = ask(json!({"metrics": metrics, "date_range": "30d", "dimensions": ["time:day"]}));
    let [visitors, visits, pageviews] = [0, 1, 2].map(|index| column(&whole, index)[0]);
    assert!(visitors < visits && visits < pageviews);
    assert!(visitors < column(&days, 0).iter().sum());
    assert_eq!(labels(&days).len(), 30);
}

#[test]
fn weekends_are_quiet_and_traffic_grows() {
    let visits = |from: &str, to: &str| total(json!({"metrics": ["visits"], "date_range": [from, to]}));
    let weekday = visits("2026-07-06", "2026-07-10") / 5.0;
    let weekend = visits("2026-07-11", "2026-07-12") / 2.0;
    assert!(weekend < weekday * 0.75, "{weekend} {weekday}");
    assert!(visits("2025-09-01", "2025-09-28") < visits("2026-06-01", "2026-06-28"));
}

#[test]
fn a_recent_release_changed_the_pricing_page() {
    let views = |from: &str, to: &str| {
        total(json!({
            "metrics": ["pageviews"], "date_range": [from, to],
            "filters": [["is", "event:page", ["/pricing"]]],
        }))
    };
    let before = views("2026-06-23", "2026-07-06");
    let after = views("2026-07-07", "2026-07-14") / 8.0 * 14.0;
    assert!(before.max(after) > before.min(after) * 1.5, "{before} {after}");
}

#[test]
fn hours_follow_the_day_and_end_now() {
    let today = ask(json!({
        "metrics": ["pageviews"], "dimensions": ["time"], "date_range": "day",
        "include": {"time_labels": true},
    }));
    assert_eq!(today["query"]["dimensions"], json!(["time:hour"]));
    assert_eq!(today["query"]["order_by"], json!([["time:hour", "asc"], ["pageviews", "desc"]]));
    assert_eq!(today["meta"]["time_labels"].as_array().unwrap().len(), 24);
    assert_eq!(today["meta"]["time_labels"][13], "2026-07-15 13:00:00");
    // It is 12:30 in Berlin.
    assert!(labels(&today).iter().all(|label| label.as_str() <= "2026-07-15 12:00:00"));
    let so_far = column(&today, 0).iter().sum::<f64>();
    assert_eq!(so_far, total(json!({"metrics": ["pageviews"], "date_range": "day"})));
}

#[test]
fn time_labels_cover_the_range() {
    let ask_labels = |dimension: &str, range: Value| {
        ask(json!({
            "dimensions": [dimension], "date_range": range, "include": {"time_labels": true},
        }))["meta"]["time_labels"]
            .clone()
    };
    let july = json!(["2026-07-01", "2026-07-15"]);
    assert_eq!(ask_labels("time:week", july.clone()), json!(["2026-07-01", "2026-07-06", "2026-07-13"]));
    assert_eq!(
        ask_labels("time:month", json!(["2026-05-20", "2026-07-15"])),
        json!(["2026-05-01", "2026-06-01", "2026-07-01"])
    );
    assert_eq!(ask_labels("time:day", json!("month")).as_array().unwrap().len(), 31);
    assert_eq!(ask_labels("time:hour", json!("24h")).as_array().unwrap().len(), 25);
    assert_eq!(ask_labels("time", json!("12mo")).as_array().unwrap().len(), 12);
}

#[test]
fn filters_select_what_they_say() {
    let views = |filters: Value| total(json!({"metrics": ["pageviews"], "filters": filters}));
    let all = views(json!([]));
    let complements = [
        ("is", "is_not", "visit:country", "DE"),
        ("contains", "contains_not", "event:page", "/blog"),
        ("matches", "matches_not", "event:page", "^/blog"),
        ("is", "is_not", "event:props:variant", "a"),
    ];
    for (operator, negation, dimension, value) in complements {
        let with = views(json!([[operator, dimension, [value]]]));
        assert!(with > 0.0 && with < all, "{operator} {dimension}");
        assert_eq!(with + views(json!([[negation, dimension, [value]]])), all);
        assert_eq!(with + views(json!([["not", [operator, dimension, [value]]]])), all);
    }
    let contained = views(json!([["contains", "event:page", ["/blog"]]]));
    let anchored = views(json!([["matches", "event:page", ["^/blog"]]]));
    let german = views(json!([["matches", "event:page", ["^/de/blog"]]]));
    assert!(german > 0.0);
    assert_eq!(contained, anchored + german);
    assert_eq!(views(json!([["is", "visit:source", ["google"]]])), 0.0);
    let folded = json!([["is", "visit:source", ["google"], {"case_sensitive": false}]]);
    assert_eq!(views(folded), views(json!([["is", "visit:source", ["Google"]]])));
    let either = json!([["or", [["is", "visit:device", ["Mobile"]], ["is", "visit:device", ["Tablet"]]]]]);
    assert_eq!(views(either), views(json!([["is", "visit:device", ["Mobile", "Tablet"]]])));
    let both = json!([["and", [["is", "visit:country", ["DE"]], ["is", "visit:device", ["Mobile"]]]]]);
    assert_eq!(views(both), views(json!([["is", "segment", [1]]])));
    assert_eq!(views(json!([["is", "visit:city", [2950159]]])), views(json!([["is", "visit:city_name", ["Berlin"]]])));
    assert_eq!(views(json!([["is", "event:page", []]])), 0.0);
}

#[test]
fn behaviour_filters_split_the_visitors() {
    let visitors = |filters: Value| total(json!({"filters": filters}));
    let goal = json!(["is", "event:goal", ["Signup"]]);
    let did = visitors(json!([["has_done", goal]]));
    assert_eq!(did, visitors(json!([goal])));
    assert_eq!(did + visitors(json!([["has_not_done", goal]])), visitors(json!([])));
}

#[test]
fn goals_convert_and_earn() {
    let answer = ask(json!({
        "metrics": ["visitors", "events", "conversion_rate", "total_revenue", "average_revenue"],
        "dimensions": ["event:goal"], "date_range": "30d",
    }));
    let mut goals = labels(&answer);
    goals.sort();
    assert_eq!(goals, ["Newsletter", "Outbound Link: Click", "Purchase", "Signup", "Visit /thank-you"]);
    for row in answer["results"].as_array().unwrap() {
        let rate = row["metrics"][2].as_f64().unwrap();
        assert!(rate > 0.0 && rate < 40.0);
        let earns = row["dimensions"][0] == "Purchase";
        assert_eq!(row["metrics"][3].is_object(), earns);
    }
    let purchases = json!([["is", "event:goal", ["Purchase"]]]);
    let whole = ask(json!({"metrics": ["total_revenue"], "filters": purchases}));
    let parts = ask(json!({
        "metrics": ["total_revenue"], "filters": purchases, "dimensions": ["visit:source"],
    }));
    let value = |row: &Value| row["metrics"][0]["value"].as_f64().unwrap();
    let sum: f64 = parts["results"].as_array().unwrap().iter().map(value).sum();
    assert!((sum - value(&whole["results"][0])).abs() < 0.01);
    assert_eq!(whole["results"][0]["metrics"][0]["currency"], "EUR");
}

#[test]
fn revenue_without_its_goal_is_null_with_a_warning() {
    for change in [
        json!({"metrics": ["total_revenue"]}),
        json!({"metrics": ["total_revenue"], "filters": [["is", "event:goal", ["Signup"]]]}),
    ] {
        let answer = ask(change);
        assert_eq!(answer["results"][0]["metrics"], json!([null]));
        assert_eq!(answer["meta"]["metric_warnings"]["total_revenue"]["code"], "no_revenue_goals_matching");
    }
}

#[test]
fn empty_values_have_plausibles_names() {
    for (dimension, name) in [
        ("visit:source", "Direct / None"),
        ("visit:utm_medium", "(not set)"),
        ("event:props:plan", "(none)"),
        ("event:props:unheard_of", "(none)"),
    ] {
        let answer = ask(json!({"dimensions": [dimension]}));
        assert!(labels(&answer).contains(&name.to_owned()), "{dimension}");
    }
}

#[test]
fn cities_are_numbers_and_pages_never_entered_have_no_duration() {
    let cities = ask(json!({"dimensions": ["visit:city"]}));
    assert!(cities["results"][0]["dimensions"][0].is_i64());
    let pages = ask(json!({
        "metrics": ["visitors", "bounce_rate", "visit_duration"],
        "dimensions": ["event:page"], "filters": [["is", "event:page", ["/thank-you"]]],
    }));
    assert_eq!(pages["results"][0]["metrics"][1], 0);
    assert!(pages["results"][0]["metrics"][2].is_null());
}

#[test]
fn nothing_is_a_row_of_zeros_or_no_row() {
    let future = json!(["2027-01-01", "2027-01-02"]);
    let metrics = json!(["visitors", "bounce_rate", "visit_duration", "views_per_visit"]);
    let aggregate = ask(json!({"metrics": metrics, "date_range": future}));
    assert_eq!(aggregate["results"], json!([{"metrics": [0, 0, null, 0.0], "dimensions": []}]));
    let breakdown = ask(json!({"date_range": future, "dimensions": ["visit:source"]}));
    assert_eq!(breakdown["results"], json!([]));
}

#[test]
fn pages_of_a_result_do_not_overlap() {
    let page = |offset: u32| {
        ask(json!({
            "dimensions": ["event:page"], "include": {"total_rows": true},
            "order_by": [["visitors", "asc"]], "pagination": {"limit": 10, "offset": offset},
        }))
    };
    let (first, second) = (page(0), page(10));
    assert_eq!(first["meta"]["total_rows"], 27);
    assert!(labels(&first).iter().all(|label| !labels(&second).contains(label)));
    assert!(column(&first, 0)[9] <= column(&second, 0)[0]);
    assert_eq!(labels(&page(20)).len(), 7);
}

#[test]
fn the_resolved_query_is_echoed() {
    let answer = ask(json!({
        "dimensions": ["visit:source"], "include": {"imports": true},
        "filters": [["is", "visit:device", ["Mobile"]]],
    }));
    assert_eq!(
        answer["query"],
        json!({
            "site_id": "shop.example",
            "metrics": ["visitors"],
            "date_range": ["2026-07-08T00:00:00+02:00", "2026-07-14T23:59:59+02:00"],
            "filters": [["is", "visit:device", ["Mobile"]]],
            "dimensions": ["visit:source"],
            "order_by": [["visitors", "desc"]],
            "include": {"imports": true},
            "pagination": {"offset": 0, "limit": 10000},
        })
    );
    assert_eq!(answer["meta"], json!({"imports_included": false, "imports_skip_reason": "no_imported_data"}));
}

#[test]
fn the_second_site_is_smaller_and_its_own() {
    let site = |domain: &str| total(json!({"site_id": domain, "metrics": ["visits"]}));
    assert!(site("blog.example") * 2.0 < site(DEMO_SITE));
    let goal = json!({"site_id": "blog.example", "filters": [["is", "event:goal", ["Purchase"]]]});
    assert_eq!(request(&SimulatedPlausible::new(), goal, NOW).0, 400);
}

#[test]
fn a_limit_answers_429_until_the_hour_ends() {
    let plausible = SimulatedPlausible::limited(2);
    let status = |now| request(&plausible, json!({}), now).0;
    assert_eq!([NOW, NOW, NOW].map(status), [200, 200, 429]);
    assert_eq!(status("2026-07-15T11:00:00Z"), 200);
}

#[test]
fn no_body_makes_it_panic() {
    let plausible = SimulatedPlausible::new();
    for (key, values) in [
        (
            "date_range",
            vec![
                json!(["0001-01-01", "9999-12-30"]),
                json!(["-009999-01-02T01:59:59Z", "9999-12-30T22:00:00Z"]),
                json!(["2026-07-10", "2026-07-01"]),
                json!(["2026-03-29", "2026-03-29"]),
                json!("5000d"),
                json!("100mo"),
                json!(7),
            ],
        ),
        ("filters", vec![json!(["is"]), json!([[]]), json!([["is", "event:page"]]), json!([["not", [["is"]]]])]),
        ("pagination", vec![json!({"offset": u64::MAX}), json!({"limit": 1.5}), json!([])]),
        ("site_id", vec![json!(1), json!([])]),
    ] {
        for value in values {
            for dimension in ["time", "time:hour", "time:week"] {
                let mut change = json!({"dimensions": [dimension], "include": {"time_labels": true}});
                change.as_object_mut().unwrap().insert(key.to_owned(), value.clone());
                let (status, _) = request(&plausible, change, NOW);
                assert!(status < 500, "{key} {value}");
            }
        }
    }
}
