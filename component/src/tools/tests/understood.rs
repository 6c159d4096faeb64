//! What people paste and clients write otherwise, where it can mean one thing only.

use super::*;

/// The result of a call to which Plausible has nothing, and what it was asked.
fn served(tool: &str, arguments: Value) -> (ToolResult, Value) {
    let http = ScriptedHttp::default();
    http.answer(200, r#"{"results":[]}"#);
    http.answer(200, r#"{"results":[]}"#);
    let sites = Sites { default: Some("shop.example"), allowed: None };
    let result = call(&http, sites, tool, arguments.clone());
    assert!(!result.is_error, "{arguments}: {}", result.text);
    (result, sent(&http).remove(0))
}

#[track_caller]
fn page_is(text: &str, filter: Value) {
    for tool in ["get_timeseries", "get_breakdown", "get_conversions", "compare_periods"] {
        let mut arguments = json!({"page": text});
        match tool {
            "compare_periods" => (arguments["period_a"], arguments["period_b"]) = (json!("7d"), json!("28d")),
            _ => arguments["date_range"] = json!("7d"),
        }
        if tool == "get_breakdown" {
            arguments["dimension"] = json!("visit:source");
        }
        assert_eq!(asks(tool, arguments)["filters"], json!([filter]), "{tool} {text}");
    }
}

#[test]
fn a_pasted_address_is_the_page_that_plausible_stores() {
    for (text, page) in [
        ("https://shop.example/bl%C3%B8g", "/bløg"),
        ("/bl%C3%B8g", "/bløg"),
        ("https://shop.example/#/about", "/#/about"),
        ("shop.example/pricing", "/pricing"),
        ("/about/", "/about/"),
        ("https://shop.example/about/?utm_source=x", "/about/"),
    ] {
        page_is(text, json!(["is", "event:page", [page]]));
    }
    page_is("https://shop.example/bl%C3%B8g/*", json!(["matches", "event:page", ["^/bløg/"]]));
}

#[test]
fn filters_on_pages_take_addresses_too() {
    for dimension in ["event:page", "visit:entry_page", "visit:exit_page"] {
        for (operator, value, stored) in [
            ("is", "https://shop.example/bl%C3%B8g/?x=1", "/bløg/"),
            ("is_not", "shop.example/#/about", "/#/about"),
            ("is", "/a%2Ab", "/a*b"),
            ("is", "pricing", "pricing"),
            ("is", "", ""),
            ("contains", "https://shop.example/bl%C3%B8g", "/bløg"),
            ("contains_not", "bl%C3%B8g", "bløg"),
            ("matches", "^https://shop.example/bl%C3%B8g/.*", "^/bløg/.*"),
            ("matches_not", "^/bl%C3%B8g", "^/bløg"),
        ] {
            let filters = json!([{"property": dimension, "operator": operator, "values": [value]}]);
            let query = asks("get_timeseries", json!({"date_range": "7d", "property_filters": filters}));
            assert_eq!(query["filters"], json!([[operator, dimension, [stored]]]), "{value}");
        }
    }
    let filters = json!([{"property": "plan", "values": ["https://shop.example/a%20b?x"]}]);
    let query = asks("get_timeseries", json!({"date_range": "7d", "property_filters": filters}));
    assert_eq!(query["filters"][0][2], json!(["https://shop.example/a%20b?x"]), "no page");
}

#[test]
fn an_address_elsewhere_and_a_hash_route_are_noted_in_both_halves() {
    let filters =
        json!([{"property": "visit:entry_page", "values": ["https://other.example/a", "https://other.example/a"]}]);
    for (arguments, words) in [
        (json!({"page": "https://other.example/pricing"}), "page: other.example is neither shop.example nor"),
        (json!({"page": "https://shop.example/#/about"}), "page: /#/about is a page only where"),
        (json!({"property_filters": filters}), "property_filters[0]: other.example is neither"),
        (
            json!({"property_filters": [{"property": "event:page", "operator": "contains", "values": "https://other.example/a"}]}),
            "property_filters[0]: other.example is neither",
        ),
        (
            json!({"property_filters": [{"property": "event:page", "operator": "matches_not", "values": "^https://other\\.example/a"}]}),
            "property_filters[0]: other.example is neither",
        ),
        (
            json!({"property_filters": [{"property": "visit:exit_page", "operator": "contains", "values": "https://shop.example/#/a"}]}),
            "property_filters[0]: /#/a is in a page's path only where",
        ),
    ] {
        let mut arguments = arguments;
        arguments["date_range"] = json!("7d");
        let (result, _) = served("get_conversions", arguments);
        assert_eq!(result.text.matches(words).count(), 1, "{}", result.text);
        assert_eq!(content(&result)["warnings"].to_string().matches(words).count(), 1);
    }
    for page in ["https://www.shop.example/a", "https://blog.shop.example/a", "/a"] {
        let (result, _) = served("get_conversions", json!({"date_range": "7d", "page": page}));
        assert!(!result.text.contains("neither"), "{}", result.text);
    }
}

#[test]
fn a_site_is_known_however_it_is_written() {
    for site in ["www.shop.example", "Shop.Example", "https://shop.example/", "shop.example.", "//WWW.shop.example./"] {
        let query = asks("get_conversions", json!({"date_range": "7d", "site_id": site}));
        assert_eq!(query["site_id"], "shop.example", "{site}");
        let allowed = ["shop.example".to_owned()];
        let http = ScriptedHttp::default();
        http.answer(200, r#"{"results":[]}"#);
        let sites = Sites { default: None, allowed: Some(&allowed) };
        let result = call(&http, sites, "get_conversions", json!({"date_range": "7d", "site_id": site}));
        assert!(!result.is_error, "{}", result.text);
    }
    let query = asks("get_conversions", json!({"date_range": "7d", "site_id": "https://example.com/Docs/"}));
    assert_eq!(query["site_id"], "example.com/docs");
}

#[test]
fn a_list_may_be_text_or_one_element() {
    let filters = json!([{"property": "plan", "values": ["pro"]}]);
    let expected = asks(
        "get_breakdown",
        json!({"date_range": "7d", "dimension": "visit:source", "metrics": ["visitors"], "property_filters": filters, "limit": 5}),
    );
    for (name, value) in [
        ("date_range", json!(["7d"])),
        ("date_range", json!(r#"["7d"]"#)),
        ("dimension", json!(["visit:source"])),
        ("dimension", json!(r#"["visit:source"]"#)),
        ("metrics", json!("visitors")),
        ("metrics", json!(r#"["visitors"]"#)),
        ("metrics", json!("visitors, visitors")),
        ("property_filters", filters[0].clone()),
        ("property_filters", json!(filters.to_string())),
        ("property_filters", json!(filters[0].to_string())),
        ("property_filters", json!([filters[0].to_string()])),
        ("property_filters", json!([{"property": "plan", "values": "pro"}])),
        ("property_filters", json!([{"property": "plan", "values": r#"["pro"]"#}])),
        ("property_filters", json!([{"property": ["plan"], "operator": ["is"], "values": ["pro"]}])),
        ("limit", json!("5")),
        ("limit", json!("5.0")),
        ("limit", json!([5])),
        ("limit", json!("[5]")),
        ("limit", json!(r#"["5"]"#)),
        ("date_range", json!(" 7d ")),
        ("dimension", json!(" visit:source\n")),
        ("site_id", json!(["shop.example"])),
        ("site_id", json!(r#"["shop.example"]"#)),
        ("property_filters", json!([{"property": r#"["plan"]"#, "operator": r#"["is"]"#, "values": ["pro"]}])),
    ] {
        let mut arguments = json!({"date_range": "7d", "dimension": "visit:source", "metrics": ["visitors"], "property_filters": filters, "limit": 5});
        arguments[name] = value.clone();
        assert_eq!(asks("get_breakdown", arguments), expected, "{name} {value}");
    }
    for range in [json!(r#"["2026-07-01","2026-07-31"]"#), json!(["2026-07-01", "2026-07-31"])] {
        let query = asks("get_conversions", json!({"date_range": range}));
        assert_eq!(query["date_range"], json!(["2026-07-01", "2026-07-31"]));
        let query = asks("compare_periods", json!({"period_a": range, "period_b": "7d"}));
        assert_eq!(query["date_range"], json!(["2026-07-01", "2026-07-31"]));
    }
}

#[test]
fn texts_may_be_lists_of_one_too_and_names_numbers() {
    let expected = asks("get_timeseries", json!({"date_range": "7d", "page": "/a", "goal": "404"}));
    for (name, value) in [
        ("page", json!(["/a"])),
        ("page", json!(r#"["/a"]"#)),
        ("goal", json!(["404"])),
        ("goal", json!(r#"["404"]"#)),
        ("goal", json!(404)),
        ("goal", json!([404])),
        ("granularity", json!(["day"])),
        ("granularity", json!(r#"["day"]"#)),
        ("granularity", json!(" day ")),
    ] {
        let mut arguments = json!({"date_range": "7d", "page": "/a", "goal": "404"});
        arguments[name] = value.clone();
        assert_eq!(asks("get_timeseries", arguments), expected, "{name} {value}");
    }
    let arguments = json!({"date_range": "7d", "breakdown_by_page": r#"["true"]"#});
    assert_eq!(asks("get_conversions", arguments)["dimensions"], json!(["event:goal", "event:page"]));
    let filters = |property: &str, values: Value| {
        let filters = json!([{"property": property, "values": values}]);
        asks("get_timeseries", json!({"date_range": "7d", "property_filters": filters}))["filters"][0][2].clone()
    };
    for cities in [json!(2950159), json!(2950159.0), json!("2950159"), json!(" 2950159 "), json!("[2950159]")] {
        assert_eq!(filters("visit:city", cities.clone()), json!([2950159]), "{cities}");
    }
    for text in [r#"{"a":1}"#, r#"[{"a":1}]"#, "[a]", "[1.5]"] {
        assert_eq!(filters("plan", json!(text)), json!([text]), "a value of its own");
    }
}

#[test]
fn numbers_and_truth_values_may_be_text_and_the_other_way_round() {
    for (value, dimensions) in [
        (json!("true"), json!(["event:goal", "event:page"])),
        (json!("True"), json!(["event:goal", "event:page"])),
        (json!("false"), json!(["event:goal"])),
        (json!(""), json!(["event:goal"])),
    ] {
        let query = asks("get_conversions", json!({"date_range": "7d", "breakdown_by_page": value, "offset": "20"}));
        assert_eq!((&query["dimensions"], &query["pagination"]["offset"]), (&dimensions, &json!(20)), "{value}");
    }
    let values = |values: Value| {
        let filters = json!([{"property": "code", "values": values}]);
        asks("get_timeseries", json!({"date_range": "7d", "property_filters": filters}))["filters"][0][2].clone()
    };
    assert_eq!(values(json!([404, true, "x"])), json!(["404", "true", "x"]));
    assert_eq!(values(json!(404)), json!(["404"]));
}

#[test]
fn a_regular_expression_in_brackets_is_no_list() {
    let clauses = |values: Value| {
        let filters = json!([{"property": "plan", "operator": "matches", "values": values}]);
        asks("get_timeseries", json!({"date_range": "7d", "property_filters": filters}))["filters"][0][2].clone()
    };
    assert_eq!(clauses(json!("[12]")), json!(["[12]"]));
    assert_eq!(clauses(json!("[a-z]")), json!(["[a-z]"]));
    assert_eq!(clauses(json!(r#"["^a","b$"]"#)), json!(["^a", "b$"]));
}

#[test]
fn what_was_one_element_is_fixed_in_the_call_that_an_error_offers() {
    let http = ScriptedHttp::default();
    let filter = json!({"property": "visit:country", "values": "Germany"});
    let arguments = json!({"date_range": "7d", "property_filters": filter.to_string()});
    let result = call(&http, Sites { default: Some("shop.example"), allowed: None }, "get_conversions", arguments);
    assert!(result.is_error && result.text.contains("visit:country_name"), "{}", result.text);
    let (_, offered) = result.text.split_once("A call that works: get_conversions ").unwrap();
    let query = asks("get_conversions", serde_json::from_str(offered).unwrap());
    assert_eq!(query["filters"], json!([["is", "visit:country_name", ["Germany"]]]));
}

#[test]
fn views_per_visit_is_asked_for_over_time() {
    for (granularity, dimension) in
        [("auto", "time"), ("hour", "time:hour"), ("day", "time:day"), ("week", "time:week"), ("month", "time:month")]
    {
        let arguments =
            json!({"date_range": "7d", "granularity": granularity, "metrics": ["views_per_visit", "visitors"]});
        let query = asks("get_timeseries", arguments);
        assert_eq!(query["dimensions"], json!([dimension]));
        assert_eq!(query["metrics"], json!(["views_per_visit", "visitors"]));
    }
}

#[test]
fn a_day_that_begins_at_one_is_a_whole_day() {
    let ask = |tool: &str, arguments: Value| {
        let http = ScriptedHttp::default();
        for _ in 0..2 {
            http.answer(
                200,
                r#"{"results":[{"dimensions":["2025-09-07"],"metrics":[5]}],
                "query":{"date_range":["2025-09-07T01:00:00-03:00","2025-09-07T23:59:59-03:00"]}}"#,
            );
        }
        call(&http, Sites { default: Some("shop.example"), allowed: None }, tool, arguments)
    };
    let day = "2025-09-07,2025-09-07";
    let result = ask("get_timeseries", json!({"date_range": day, "metrics": ["visitors"]}));
    let expected = "shop.example | 2025-09-07 to 2025-09-07\ntime:day | visitors\n2025-09-07 | 5\n";
    assert_eq!(result.text, expected);
    assert_eq!(content(&result)["results"][0].get("partial"), None);
    let result = ask("compare_periods", json!({"period_a": day, "period_b": day, "metrics": ["visitors"]}));
    assert!(
        result.text.starts_with("shop.example | a: 2025-09-07 to 2025-09-07 | b: 2025-09-07 to"),
        "{}",
        result.text
    );
    let hours = "2025-09-07T01:00:00-03:00,2025-09-07T23:59:59-03:00";
    let result = ask("get_conversions", json!({"date_range": hours}));
    assert!(result.text.contains("2025-09-07T01:00:00-03:00 to"), "{}", result.text);
}

#[test]
fn a_week_with_a_day_left_out_is_shorter_than_one_without() {
    let http = ScriptedHttp::default();
    for range in [
        r#"["2011-12-26T00:00:00-10:00","2012-01-01T23:59:59+14:00"]"#,
        r#"["2012-01-02T00:00:00+14:00","2012-01-08T23:59:59+14:00"]"#,
    ] {
        http.answer(200, &format!(r#"{{"results":[],"query":{{"date_range":{range}}}}}"#));
    }
    let arguments = json!({"period_a": "2011-12-26,2012-01-01", "period_b": "2012-01-02,2012-01-08"});
    let result = call(&http, Sites { default: Some("shop.example"), allowed: None }, "compare_periods", arguments);
    assert!(result.text.contains("period_a has 6 days and period_b 7 days"), "{}", result.text);
}
