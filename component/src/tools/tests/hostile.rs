//! Text that visitors and callers wrote, in both halves of every answer.

use proptest::prelude::*;

use super::*;
use crate::legible::legible;

/// Text with everything that a value could hide words or pretend with.
fn hostile() -> impl Strategy<Value = String> {
    let parts = prop_oneof![
        "[\u{0}-\u{1f}\u{7f}-\u{9f}]",
        "[\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2060}-\u{206f}\u{feff}\u{ad}\u{61c}\u{180e}]",
        "[\u{fe00}-\u{fe0f}\u{e0100}-\u{e01ef}\u{e0000}-\u{e007f}]",
        "[\u{115f}\u{1160}\u{3164}\u{ffa0}\u{2800}\u{fff9}-\u{fffb}]",
        "[|\"\\\\{}\\[\\]*<>&]",
        "[a-zäم 1]{1,3}",
    ];
    proptest::collection::vec(parts, 0..8).prop_map(|parts| parts.concat())
}

/// Every text of a value, names of members included.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            found.push(name.clone());
            texts(value, found);
        }),
        _ => {}
    }
}

#[track_caller]
fn is_clean(result: &ToolResult) {
    for line in result.text.split('\n') {
        assert_eq!(legible(line), line, "{line:?}");
    }
    if let Some(structured) = &result.structured {
        let mut found = Vec::new();
        texts(&serde_json::from_str(structured).expect("JSON"), &mut found);
        for text in found {
            assert_eq!(legible(&text), text, "{text:?}");
        }
    }
}

/// Calls a tool with these arguments, where Plausible answers so.
fn answer_of(tool: &str, arguments: Value, status: u16, body: &str) -> ToolResult {
    let http = ScriptedHttp::default();
    http.answer(status, body);
    http.answer(status, body);
    let client = Client::new(&http, "https://plausible.example", "the-key");
    let (calls, outbox) = (Calls::default(), Outbox { id: "0123".into(), is_open: true, feedback: Default::default() });
    let sites = Sites { default: Some("shop.example"), allowed: None };
    let tools = Tools { stats: &client, sites, now: NOW, calls: &calls, outbox: Some(&outbox) };
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    tools.call(tool, arguments).now_or_never().expect("nothing waits").expect("the tool exists")
}

fn arguments(tool: &str, words: &[String]) -> Value {
    let filters = json!([{"property": format!("p{}", words[0]), "operator": "contains", "values": [words[1]]}]);
    let mut arguments = json!({"page": format!("/{}", words[2]), "goal": words[3], "property_filters": filters});
    match tool {
        "compare_periods" => (arguments["period_a"], arguments["period_b"]) = (json!("7d"), json!("28d")),
        SEND_FEEDBACK => return json!({"message": format!("0123456789{}", words[0]), "tool_name": "x"}),
        _ => arguments["date_range"] = json!("7d"),
    }
    if tool == "get_breakdown" {
        arguments["dimension"] = json!(format!("event:props:p{}", words[4]));
    }
    arguments[&format!("x{}", words[0])] = json!(1);
    arguments
}

proptest! {
    #[test]
    fn nothing_that_is_not_seen_is_in_an_answer(words in proptest::collection::vec(hostile(), 5)) {
        let money = json!({"value": 1.5, "currency": words[0], "short": words[1], words[2].clone(): words[3]});
        let body = json!({
            "results": [{"dimensions": [words[0], words[1]], "metrics": [1, money, null]}],
            "meta": {
                "time_labels": [words[2]],
                "imports_skip_reason": words[3],
                "imports_warning": words[4],
                "metric_warnings": {words[0].clone(): {"warning": words[1]}},
            },
            "query": {"date_range": [words[2], words[3]], "dimensions": [words[4]]},
        });
        for tool in NAMES {
            is_clean(&answer_of(tool, arguments(tool, &words), 200, &body.to_string()));
        }
    }

    #[test]
    fn nothing_that_is_not_seen_is_in_an_error(words in proptest::collection::vec(hostile(), 5), status in 400_u16..430) {
        let body = json!({"error": words[0]}).to_string();
        for tool in NAMES {
            is_clean(&answer_of(tool, arguments(tool, &words), status, &body));
            let mut wrong = arguments(tool, &words);
            for name in ["site_id", "date_range", "metrics", "dimension", "granularity", "limit", "category", "period_a"] {
                wrong[name] = json!(words[1]);
            }
            wrong[&format!("filters{}", words[2])] = json!(1);
            is_clean(&answer_of(tool, wrong, status, &body));
            let mut illegal = arguments(tool, &words);
            illegal["metrics"] = json!(["views_per_visit", "scroll_depth"]);
            is_clean(&answer_of(tool, illegal, status, &body));
        }
    }
}

#[test]
fn what_is_taken_out_leaves_a_mark_and_a_word_about_it_in_both_halves() {
    let rows = json!([
        {"dimensions": ["/a"], "metrics": [3]},
        {"dimensions": ["/a\u{e0041}"], "metrics": [2]},
        {"dimensions": ["/a\nb"], "metrics": [2]},
        {"dimensions": ["/می\u{200c}خواهم"], "metrics": [1]},
    ]);
    let body = json!({"results": rows}).to_string();
    let arguments = json!({"date_range": "7d", "dimension": "event:page", "metrics": ["visitors"]});
    let result = answer_of("get_breakdown", arguments.clone(), 200, &body);
    assert!(
        result.text.contains("\n/a | 3\n/a\u{fffd} | 2\n/a\u{fffd}b | 2\n/می\u{200c}خواهم | 1\n"),
        "{}",
        result.text
    );
    let content = content(&result);
    let shown: Vec<_> = content["results"].as_array().unwrap().iter().map(|row| &row["dimensions"][0]).collect();
    assert_eq!(shown, ["/a", "/a\u{fffd}", "/a\u{fffd}b", "/می\u{200c}خواهم"]);
    let words = "\u{fffd} stands for a character that is not seen. Such a value cannot be used in a filter";
    assert!(result.text.contains(words) && content["warnings"].to_string().contains(words), "{}", result.text);

    let clean = json!({"results": [rows[0], rows[3]]}).to_string();
    let result = answer_of("get_breakdown", arguments, 200, &clean);
    assert!(!result.text.contains("Note:"), "{}", result.text);
}

#[test]
fn a_value_that_is_cut_says_so() {
    let body = json!({"results": [{"dimensions": ["x".repeat(300)], "metrics": [2]}]}).to_string();
    let arguments = json!({"date_range": "7d", "dimension": "event:page", "metrics": ["visitors"]});
    let result = answer_of("get_breakdown", arguments, 200, &body);
    assert!(result.text.contains("x… | 2\n") && result.text.contains("ends with … is cut"), "{}", result.text);
}

#[test]
fn a_call_that_is_offered_is_exact_though_it_is_clean() {
    let arguments = json!({"date_range": "7d", "goal": "a\u{200b}b\u{e0041}", "metrics": ["scroll_depth"]});
    let result = answer_of("get_timeseries", arguments, 200, "");
    is_clean(&result);
    let (_, offered) = result.text.split_once("A call that works: get_timeseries ").unwrap();
    let offered: Value = serde_json::from_str(offered).unwrap();
    assert_eq!(offered["goal"], "a\u{200b}b\u{e0041}");
}
