//! Calls that are refused, by us or by Plausible, and what is offered instead.

use super::*;
use crate::ports::HttpError;

#[track_caller]
fn refused(tool: &str, arguments: Value, words: &[&str]) {
    let http = ScriptedHttp::default();
    let result = call(&http, Sites { default: Some("shop.example"), allowed: None }, tool, arguments.clone());
    assert!(result.is_error, "{arguments} was served");
    assert_eq!(sent(&http), Vec::<Value>::new(), "{arguments} was sent");
    for word in words {
        assert!(result.text.contains(word), "{word:?} is not in {:?}", result.text);
    }
    mended_call_is_legal(tool, &result.text);
}

/// What an error offers instead must work.
#[track_caller]
fn mended_call_is_legal(tool: &str, text: &str) {
    let (_, offered) = text.split_once("A call that works: ").expect("an error offers a call that works");
    let arguments = offered.strip_prefix(tool).expect("of the same tool").trim();
    let http = ScriptedHttp::default();
    http.answer(200, r#"{"results":[]}"#);
    http.answer(200, r#"{"results":[]}"#);
    let sites = Sites { default: Some("shop.example"), allowed: None };
    let result = call(&http, sites, tool, serde_json::from_str(arguments).unwrap());
    assert!(!result.is_error, "{arguments}: {}", result.text);
}

#[test]
fn wrong_arguments_are_all_named_at_once() {
    refused(
        "get_breakdown",
        json!({"dimension": "visit:chanel", "limit": 0, "metrics": ["visitor", "bogus-metric"]}),
        &[
            "date_range: is missing",
            "did you mean visit:channel?",
            "limit: must be an integer from 1 to 1000",
            "did you mean visitors?",
            "\"bogus-metric\" is not a metric; the metrics are",
        ],
    );
    for (arguments, word) in [
        (json!({"date_range": 7}), "date_range: must be a string, not a number"),
        (json!({"date_range": "yesterday"}), "is not a date range"),
        (json!({"date_range": "12h"}), "only \"24h\""),
        (json!({"date_range": "2026-07-10,2026-07-01"}), "ends before it begins"),
        (json!({"date_range": "7d", "granularity": "minute"}), "granularity"),
        (json!({"date_range": "7d", "metrics": {}}), "metrics: must be a list of strings"),
        (json!({"date_range": "7d", "metrics": [["visitors"]]}), "metrics: must be a list of strings"),
        (json!({"date_range": "7d", "metrics": []}), "metrics: is empty"),
        (json!({"date_range": "7d", "site_id": {}}), "site_id: must be a string, not an object"),
        (json!({"date_range": "7d", "site_id": "a b"}), "site_id"),
        (json!({"date_range": "7d", "page": "x".repeat(1025)}), "page: is longer than 1024"),
        (json!({"date_range": "7d", "property_filters": {}}), "property_filters[0]: needs property"),
        (json!({"date_range": "7d", "property_filters": "plan"}), "property_filters[0]: must be an object"),
        (json!({"date_range": ["7d", "30d", "91d"]}), "date_range: must be a string, not a list"),
        (json!({"date_range": "7d", "page": ["/a", "/b"]}), "page: must be a string, not a list"),
        (json!({"date_range": "7d", "site_id": "shop\u{200b}.example"}), "site_id"),
        (
            json!({"date_range": "7d", "property_filters": [{"property": "visit:entry_page", "values": "https://shop.example/bl%C3%B8g/*?x=1"}]}),
            "use operator matches with the value \"^/bløg/\"",
        ),
        (json!({"date_range": "7d", "property_filters": [{"property": "plan"}]}), "property_filters[0]: needs values"),
        (json!({"date_range": "7d", "property_filters": [{"property": "plan", "values": []}]}), "needs values"),
        (
            json!({"date_range": "7d", "property_filters": [{"property": "time:day", "values": ["x"]}]}),
            "time cannot be filtered",
        ),
        (
            json!({"date_range": "7d", "property_filters": [{"property": "visit:city", "values": ["Berlin"]}]}),
            "visit:city_name",
        ),
        (
            json!({"date_range": "7d", "property_filters": [{"property": "plan", "operator": "like", "values": ["x"]}]}),
            "operator \"like\"",
        ),
        (
            json!({"date_range": "7d", "property_filters": [{"property": "event:page", "operator": "matches", "values": ["^/(?!blog)"]}]}),
            "a pattern has a lookahead, which regular expressions of RE2 do not have; use is_not",
        ),
        (
            json!({"date_range": "7d", "property_filters": [{"property": "event:goal", "operator": "matches", "values": ["^(?!Sign)"]}]}),
            "name the goals",
        ),
        (
            json!({"date_range": "7d", "property_filters": [{"property": "visit:entry_page", "values": ["/blog/*"]}]}),
            "use operator matches with the value \"^/blog/\"",
        ),
        (
            json!({"date_range": "7d", "property_filters": [{"property": "country", "values": ["Germany"]}]}),
            "write visit:country_name, or event:props:country",
        ),
        (
            json!({"date_range": "7d", "property_filters": [{"property": "visit:source", "op": "is_not", "values": ["x"]}]}),
            "property_filters[0]: has no member \"op\"",
        ),
        (json!({"date_range": "7d", "page": "pricing"}), "write \"/pricing\", or \"*pricing*\""),
        (json!({"date_range": "7d", "filters": []}), "filters: is no argument of get_timeseries; write page, goal or"),
        (
            json!({"date_range": "7d", "country": "DE"}),
            "country: is no argument of get_timeseries; write page, goal or",
        ),
        (json!({"date_range": "7d", "dimension": "visit:source"}), "call get_breakdown with dimension"),
        (
            json!({"date_range": "7d", "page": "/a", "property_filters": [{"property": "event:page", "values": ["/a"]}]}),
            "use one of the two",
        ),
        (
            json!({"date_range": "7d", "goal": "G", "property_filters": [{"property": "event:goal", "values": ["G"]}]}),
            "use one of the two",
        ),
    ] {
        refused("get_timeseries", arguments, &[word]);
    }
    refused("get_breakdown", json!({"date_range": "7d", "dimension": "time:day"}), &["use get_timeseries"]);
    refused("compare_periods", json!({}), &["period_a: is missing", "period_b: is missing"]);
}

#[test]
fn illegal_combinations_are_refused_with_the_rule_and_a_call_that_works() {
    for (tool, arguments, words) in [
        (
            "get_breakdown",
            json!({"date_range": "7d", "dimension": "event:goal", "metrics": ["bounce_rate"]}),
            ["per visit", "get_breakdown {\"date_range\":\"7d\",\"dimension\":\"event:goal\"}"],
        ),
        (
            "get_breakdown",
            json!({"date_range": "7d", "dimension": "event:props:plan", "metrics": ["visit_duration", "visitors"]}),
            ["event:props:plan", "\"metrics\":[\"visitors\"]"],
        ),
        (
            "get_breakdown",
            json!({"date_range": "7d", "dimension": "visit:entry_page", "metrics": ["pageviews"]}),
            ["belong to visits", "visits"],
        ),
        (
            "get_breakdown",
            json!({"date_range": "7d", "dimension": "visit:source", "metrics": ["conversion_rate", "visitors"]}),
            ["needs a goal", "visitors"],
        ),
        (
            "get_breakdown",
            json!({"date_range": "7d", "dimension": "visit:source", "metrics": ["scroll_depth"]}),
            ["needs a page", "get_breakdown {\"date_range\":\"7d\",\"dimension\":\"visit:source\"}"],
        ),
        (
            "get_breakdown",
            json!({"date_range": "7d", "dimension": "visit:source", "metrics": ["views_per_visit", "visits"]}),
            ["over time only", "\"metrics\":[\"visits\"]"],
        ),
        (
            "get_timeseries",
            json!({"date_range": "7d", "page": "/a", "metrics": ["views_per_visit"]}),
            ["page filter", "get_timeseries {\"date_range\":\"7d\",\"page\":\"/a\"}"],
        ),
        (
            "compare_periods",
            json!({"period_a": "7d", "period_b": "day", "page": "/a", "metrics": ["views_per_visit", "visits"]}),
            ["page filter", "\"metrics\":[\"visits\"]"],
        ),
    ] {
        refused(tool, arguments, &words);
    }
}

#[test]
fn a_filter_is_mended_to_one_that_asks_the_same_or_left_out() {
    for (tool, arguments, words) in [
        (
            "get_timeseries",
            json!({"date_range": "7d", "property_filters": [{"property": "event:goal", "operator": "is_not", "values": ["x"]}]}),
            ["cannot be asked for", "get_timeseries {\"date_range\":\"7d\"}"],
        ),
        (
            "get_timeseries",
            json!({"date_range": "7d", "property_filters": [{"property": "event:goal", "operator": "matches", "values": ["Sign"]}]}),
            ["only is and contains", "\"operator\":\"contains\""],
        ),
        (
            "get_timeseries",
            json!({"date_range": "7d", "property_filters": [{"property": "event:goal", "operator": "matches", "values": ["Sign.*"]}]}),
            ["only is and contains", "get_timeseries {\"date_range\":\"7d\"}"],
        ),
        (
            "get_timeseries",
            json!({"date_range": "7d", "metrics": ["conversion_rate"], "property_filters": [{"property": "event:goal", "operator": "is_not", "values": ["x"]}]}),
            ["cannot be asked for", "get_timeseries {\"date_range\":\"7d\"}"],
        ),
        (
            "get_breakdown",
            json!({"date_range": "7d", "dimension": "event:hostname", "metrics": ["bounce_rate", "visitors"],
            "property_filters": [
                {"property": "plan", "values": ["pro"]},
                {"property": "visit:country", "operator": "is_not", "values": ["Germany"]},
                {"property": "event:goal", "operator": "is_not", "values": ["Signup"]},
            ]}),
            ["\"visit:country_name\"", "\"metrics\":[\"visitors\"]"],
        ),
        (
            "get_timeseries",
            json!({"date_range": "7d", "property_filters": [{"property": "visit:country", "values": ["Germany"]}]}),
            ["two-letter", "visit:country_name"],
        ),
    ] {
        refused(tool, arguments, &words);
    }
}

#[test]
fn a_site_is_needed_and_must_be_allowed() {
    let http = ScriptedHttp::default();
    let result = call(&http, Sites::default(), "get_conversions", json!({"date_range": "7d"}));
    assert!(result.is_error && result.text.contains("site_id: is missing"), "{}", result.text);
    let allowed = ["a.example".to_owned()];
    let sites = Sites { default: None, allowed: Some(&allowed) };
    let result = call(&http, sites, "get_conversions", json!({"date_range": "7d", "site_id": "b.example"}));
    assert!(result.is_error && result.text.contains("a.example"), "{}", result.text);
    assert!(sent(&http).is_empty());
}

/// What a caller reads after a 401 about `site`.
fn unauthorized(sites: Sites<'_>, site: &str) -> String {
    let http = ScriptedHttp::default();
    http.answer(401, r#"{"error":"Invalid API key or site ID."}"#);
    let result = call(&http, sites, "get_conversions", json!({"date_range": "7d", "site_id": site}));
    assert!(result.is_error && result.text.contains("(401)"), "{}", result.text);
    result.text
}

#[test]
fn after_a_401_sites_that_work_are_named() {
    let allowed = ["a.example".to_owned(), "b.example".to_owned(), "c.example/docs".to_owned()];
    let listed = Sites { default: Some("default.example"), allowed: Some(&allowed) };
    let text = unauthorized(listed, "https://www.A.example/");
    assert!(text.contains("set up for: b.example, c.example/docs.") && !text.contains("default.example"), "{text}");
    let text = unauthorized(Sites { allowed: Some(&allowed[..1]), ..listed }, "a.example");
    assert!(text.contains("look at the key"), "{text}");

    let default = Sites { default: Some("default.example"), allowed: None };
    let text = unauthorized(default, "other.example");
    assert!(text.contains("other.example") && text.contains("the default site, default.example"), "{text}");
    let text = unauthorized(default, "default.example");
    assert!(text.contains("look at the key"), "{text}");
    let text = unauthorized(Sites::default(), "other.example");
    assert!(text.contains("Check the spelling of site_id"), "{text}");
}

#[test]
fn of_many_sites_the_first_are_named() {
    let allowed: Vec<String> = (0..30).map(|number| format!("s{number}.example")).collect();
    let text = unauthorized(Sites { default: None, allowed: Some(&allowed) }, "s0.example");
    assert!(text.contains("s1.example, s2.example") && text.contains("s25.example and 4 more."), "{text}");
}

#[test]
fn a_fault_of_plausible_may_be_one_of_the_pattern() {
    for (operator, page, status, is_mentioned) in
        [("matches", "", 500, true), ("is", "", 500, false), ("is", "/a*", 500, false), ("matches", "", 503, false)]
    {
        let http = ScriptedHttp::default();
        http.answer(status, "");
        let arguments = json!({"date_range": "7d", "page": page, "property_filters": [{"property": "plan", "operator": operator, "values": ["["]}]});
        let result = call(&http, Sites { default: Some("s"), allowed: None }, "get_timeseries", arguments);
        assert_eq!(result.text.contains("a regular expression that RE2 cannot read"), is_mentioned, "{}", result.text);
    }
}

#[test]
fn every_fault_of_plausible_says_what_to_do() {
    for (status, body, words) in [
        (
            400,
            r#"{"error":"Invalid filters. The goal `X` is not configured for this site."}"#,
            ["Plausible says: \"Invalid filters. The goal `X`", "get_conversions without goal"],
        ),
        (400, "rubbish", ["refused", "dates in the future"]),
        (401, r#"{"error":"Invalid API key"}"#, ["shop.example", "site_id"]),
        (402, r#"{"error":"locked"}"#, ["Plausible says: \"locked\"", "Tell the user"]),
        (404, "", ["PLAUSIBLE_BASE_URL", "404"]),
        (429, r#"{"error":"limit is 600 per hour"}"#, ["600 per hour", "Wait"]),
        (302, "", ["redirect", "PLAUSIBLE_BASE_URL"]),
        (503, "", ["503", "Try again"]),
        (418, r#"{"error":"tea"}"#, ["418", "tea"]),
        (200, "<html>", ["not the documented JSON", "PLAUSIBLE_BASE_URL"]),
        (200, r#"{"results":[{"metrics":["text"],"dimensions":[]}]}"#, ["not the documented JSON", "Try again"]),
        (204, "", ["204", "Try again"]),
    ] {
        let http = ScriptedHttp::default();
        http.answer(status, body);
        let result = call(
            &http,
            Sites { default: Some("shop.example"), allowed: None },
            "get_conversions",
            json!({"date_range": "7d"}),
        );
        assert!(result.is_error && result.structured.is_none());
        for word in words {
            assert!(result.text.contains(word), "{status}: {word:?} is not in {:?}", result.text);
        }
        assert!(!result.text.contains("the-key"));
    }
    for error in [HttpError::TimedOut, HttpError::ResponseTooLarge, HttpError::TlsFailed, HttpError::NameNotResolved] {
        let http = ScriptedHttp::default();
        http.fail(error);
        let result =
            call(&http, Sites { default: Some("s"), allowed: None }, "get_conversions", json!({"date_range": "7d"}));
        assert!(result.is_error && result.text.len() > 40, "{}", result.text);
    }
}

#[test]
fn filters_with_which_nothing_was_counted_may_be_spelled_otherwise() {
    let words = "Values compare exactly";
    let ask = |tool: &str, results: &str, arguments: Value| {
        let http = ScriptedHttp::default();
        for _ in 0..2 {
            http.answer(200, &format!(r#"{{"results":{results},"meta":{{"time_labels":["2026-08-01"]}}}}"#));
        }
        let result = call(&http, Sites { default: Some("s"), allowed: None }, tool, arguments);
        assert_eq!(content(&result)["warnings"].to_string().matches(words).count(), result.text.matches(words).count());
        result.text.matches(words).count()
    };
    let filters = json!([{"property": "visit:source", "values": ["google"]}]);
    let found = r#"[{"dimensions":["2026-08-01"],"metrics":[1,2]}]"#;
    for (results, times) in [("[]", 1), (found, 0)] {
        let metrics = json!(["visitors", "pageviews"]);
        assert_eq!(
            ask(
                "get_timeseries",
                results,
                json!({"date_range": "7d", "metrics": metrics, "property_filters": filters})
            ),
            times
        );
        let by =
            json!({"date_range": "7d", "dimension": "visit:channel", "metrics": metrics, "property_filters": filters});
        assert_eq!(ask("get_breakdown", results, by), times);
        let periods = json!({"period_a": "7d", "period_b": "7d", "metrics": metrics, "property_filters": filters});
        assert_eq!(ask("compare_periods", results, periods), times);
    }
    assert_eq!(ask("get_conversions", "[]", json!({"date_range": "7d"})), 0, "nothing is filtered");
    let slash = |page: &str| {
        let http = ScriptedHttp::default();
        http.answer(200, r#"{"results":[]}"#);
        let arguments = json!({"date_range": "7d", "page": page});
        let result = call(&http, Sites { default: Some("s"), allowed: None }, "get_conversions", arguments);
        result.text.contains("/about and /about/ are two pages")
    };
    assert!(slash("/about/") && !slash("/about*"));
    let filters = json!([{"property": "visit:entry_page", "values": ["/about/"]}]);
    let http = ScriptedHttp::default();
    http.answer(200, r#"{"results":[]}"#);
    let arguments = json!({"date_range": "7d", "property_filters": filters});
    let result = call(&http, Sites { default: Some("s"), allowed: None }, "get_conversions", arguments);
    assert!(result.text.contains("/about and /about/ are two pages"), "{}", result.text);
}
