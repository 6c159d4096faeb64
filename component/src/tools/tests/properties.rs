//! Whatever a model sends and whatever Plausible answers.

use serde_json::Map;

use super::*;

fn any_value() -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    let words = prop_oneof![
        Just("7d".to_owned()),
        Just("day".to_owned()),
        Just("2026-07-01,2026-07-02".to_owned()),
        Just("visit:source".to_owned()),
        Just("event:goal".to_owned()),
        Just("event:page".to_owned()),
        Just("visit:entry_page".to_owned()),
        Just("visit:country".to_owned()),
        Just("visitors".to_owned()),
        Just("bounce_rate".to_owned()),
        Just("conversion_rate".to_owned()),
        Just("views_per_visit".to_owned()),
        Just("scroll_depth".to_owned()),
        Just("is_not".to_owned()),
        Just("/a*".to_owned()),
        ".{0,12}"
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        words.prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let key =
            prop_oneof![Just("property".to_owned()), Just("operator".to_owned()), Just("values".to_owned()), ".{0,6}"];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::vec((key, inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

const KEYS: [&str; 11] = [
    "date_range",
    "dimension",
    "metrics",
    "page",
    "goal",
    "property_filters",
    "limit",
    "offset",
    "period_a",
    "period_b",
    "granularity",
];

proptest::proptest! {
    #[test]
    fn no_argument_panics_and_whatever_is_sent_is_legal(
        tool in 0_usize..4,
        values in proptest::collection::vec((0_usize..KEYS.len(), any_value()), 0..8),
    ) {
        let values = values.into_iter().map(|(key, value)| (KEYS[key].to_owned(), value));
        let mut arguments: Map<String, Value> = values.collect();
        arguments.entry("date_range").or_insert(json!("7d"));
        arguments.entry("period_a").or_insert(json!("7d"));
        arguments.entry("period_b").or_insert(json!("7d"));
        let http = ScriptedHttp::default();
        call(&http, Sites { default: Some("s"), allowed: None }, NAMES[tool], Value::Object(arguments));
        for query in sent(&http) {
            proptest::prop_assert!(!query["metrics"].as_array().unwrap().is_empty());
        }
    }

    #[test]
    fn no_answer_panics(body: Vec<u8>, value in any_value()) {
        let shapes = [
            json!({"results": value, "meta": value, "query": value}),
            json!({
                "results": [{"dimensions": [], "metrics": [value]}],
                "meta": {"time_labels": value},
                "query": {"date_range": [value, value]},
            }),
        ];
        for body in [body].into_iter().chain(shapes.map(|shape| shape.to_string().into_bytes())) {
            let http = ScriptedHttp::default();
            http.answer(200, &String::from_utf8_lossy(&body));
            let arguments = json!({"date_range": "7d", "metrics": ["visitors"]});
            call(&http, Sites { default: Some("s"), allowed: None }, "get_timeseries", arguments);
        }
    }
}
