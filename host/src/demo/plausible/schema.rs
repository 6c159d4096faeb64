//! Stage 1: the JSON schema of the query API, with the messages Plausible
//! gives for it: one `#/path: …` line for each error.

use serde_json::{Map, Value};

use super::{
    date_range,
    inspect::{inspect, type_name},
    query::{Dimension, Metric, Operator},
};

/// All errors of the body, joined as Plausible joins them.
pub(super) fn check(body: &Value) -> Result<(), String> {
    let mut errors = Errors::default();
    match body {
        Value::Object(members) => top_level(members, &mut errors),
        other => errors.mismatch("#", "Object", other),
    }
    errors.finish()
}

/// Collects `path: message` lines.
#[derive(Default)]
struct Errors(Vec<String>);

impl Errors {
    fn add(&mut self, path: &str, message: impl AsRef<str>) {
        self.0.push(format!("{path}: {}", message.as_ref()));
    }

    fn mismatch(&mut self, path: &str, expected: &str, value: &Value) {
        let message = format!("Type mismatch. Expected {expected} but got {}.", type_name(value));
        self.add(path, message);
    }

    fn unknown_keys(&mut self, path: &str, members: &Map<String, Value>, known: &[&str]) {
        for key in members.keys().filter(|key| !known.contains(&key.as_str())) {
            self.add(&format!("{path}/{key}"), "Schema does not allow additional properties.");
        }
    }

    fn finish(self) -> Result<(), String> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(self.0.join("\n"))
    }
}

fn top_level(members: &Map<String, Value>, errors: &mut Errors) {
    errors.unknown_keys("#", members, TOP_LEVEL_KEYS);
    for (key, value) in sorted(members) {
        match key {
            "site_id" if !value.is_string() => errors.mismatch("#/site_id", "String", value),
            "metrics" => metrics(value, errors),
            "date_range" if !date_range::has_known_shape(value) => {
                errors.add("#/date_range", format!("Invalid date range {}", inspect(value)))
            }
            "dimensions" => dimensions(value, errors),
            "filters" => filters(value, errors),
            "order_by" => order_by(value, errors),
            "include" => include(value, errors),
            "pagination" => pagination(value, errors),
            _ => {}
        }
    }
    required(members, errors);
}

/// Elixir walks small maps in the order of their keys.
fn sorted(members: &Map<String, Value>) -> Vec<(&str, &Value)> {
    let mut sorted: Vec<_> = members.iter().map(|(k, v)| (k.as_str(), v)).collect();
    sorted.sort_by_key(|(key, _)| *key);
    sorted
}

fn required(members: &Map<String, Value>, errors: &mut Errors) {
    let missing: Vec<&str> =
        ["site_id", "metrics", "date_range"].into_iter().filter(|key| !members.contains_key(*key)).collect();
    match missing.as_slice() {
        [] => {}
        [one] => errors.add("#", format!("Required property {one} was not present.")),
        several => errors.add("#", format!("Required properties {} were not present.", several.join(", "))),
    }
}

fn metrics(value: &Value, errors: &mut Errors) {
    let Some(items) = array("#/metrics", value, errors) else {
        return;
    };
    each(items, "#/metrics", "Invalid metric", errors, |item| {
        item.as_str().is_some_and(|name| Metric::from_name(name).is_some())
    });
    if items.is_empty() {
        errors.add("#/metrics", "Expected a minimum of 1 items but got 0.");
    }
    unique("#/metrics", items, errors);
}

fn dimensions(value: &Value, errors: &mut Errors) {
    let Some(items) = array("#/dimensions", value, errors) else {
        return;
    };
    each(items, "#/dimensions", "Invalid dimension", errors, |item| {
        item.as_str().and_then(Dimension::from_name).is_some_and(|dimension| dimension != Dimension::Segment)
    });
    unique("#/dimensions", items, errors);
}

fn filters(value: &Value, errors: &mut Errors) {
    if let Some(items) = array("#/filters", value, errors) {
        each(items, "#/filters", "Invalid filter", errors, is_filter_tree);
    }
}

fn order_by(value: &Value, errors: &mut Errors) {
    let Some(entries) = array("#/order_by", value, errors) else {
        return;
    };
    for (index, entry) in entries.iter().enumerate() {
        order_entry(&format!("#/order_by/{index}"), entry, errors);
    }
}

fn order_entry(path: &str, entry: &Value, errors: &mut Errors) {
    let Some(items) = array(path, entry, errors) else {
        return;
    };
    if let Some(key) = items.first().filter(|key| !is_order_key(key)) {
        errors.add(&format!("{path}/0"), format!("Invalid value in order_by {}", inspect(key)));
    }
    if let Some(direction) = items.get(1)
        && !matches!(direction.as_str(), Some("asc" | "desc"))
    {
        errors.add(&format!("{path}/1"), format!("Value {} is not allowed in enum.", inspect(direction)));
    }
    match items.len() {
        2 => {}
        few @ 0..2 => errors.add(path, format!("Expected a minimum of 2 items but got {few}.")),
        many => errors.add(path, format!("Expected a maximum of 2 items but got {many}.")),
    }
}

fn is_order_key(key: &Value) -> bool {
    let Some(name) = key.as_str() else {
        return false;
    };
    Metric::from_name(name).is_some()
        || Dimension::from_name(name)
            .is_some_and(|dimension| !matches!(dimension, Dimension::Goal | Dimension::Segment))
}

fn include(value: &Value, errors: &mut Errors) {
    let Value::Object(members) = value else {
        return errors.mismatch("#/include", "Object", value);
    };
    errors.unknown_keys("#/include", members, INCLUDE_KEYS);
    for (key, value) in sorted(members) {
        if INCLUDE_KEYS.contains(&key) && !value.is_boolean() {
            errors.mismatch(&format!("#/include/{key}"), "Boolean", value);
        }
    }
}

fn pagination(value: &Value, errors: &mut Errors) {
    let Value::Object(members) = value else {
        return errors.mismatch("#/pagination", "Object", value);
    };
    errors.unknown_keys("#/pagination", members, &["limit", "offset"]);
    if let Some(limit) = members.get("limit") {
        integer("#/pagination/limit", limit, 1, Some(MAX_ROWS), errors);
    }
    if let Some(offset) = members.get("offset") {
        integer("#/pagination/offset", offset, 0, None, errors);
    }
}

fn integer(path: &str, value: &Value, least: i64, most: Option<i64>, errors: &mut Errors) {
    if !value.is_i64() && !value.is_u64() {
        return errors.mismatch(path, "Integer", value);
    }
    let number = value.as_i64().unwrap_or(i64::MAX);
    if let Some(most) = most.filter(|most| number > *most) {
        errors.add(path, format!("Expected the value to be <= {most}"));
    }
    if number < least {
        errors.add(path, format!("Expected the value to be >= {least}"));
    }
}

fn array<'a>(path: &str, value: &'a Value, errors: &mut Errors) -> Option<&'a Vec<Value>> {
    let items = value.as_array();
    if items.is_none() {
        errors.mismatch(path, "Array", value);
    }
    items
}

fn each(items: &[Value], path: &str, message: &str, errors: &mut Errors, valid: impl Fn(&Value) -> bool) {
    for (index, item) in items.iter().enumerate().filter(|(_, item)| !valid(item)) {
        errors.add(&format!("{path}/{index}"), format!("{message} {}", inspect(item)));
    }
}

fn unique(path: &str, items: &[Value], errors: &mut Errors) {
    let repeated =
        items.iter().enumerate().any(|(index, item)| items.iter().take(index).any(|earlier| earlier == item));
    if repeated {
        errors.add(path, "Expected items to be unique but they were not.");
    }
}

fn is_filter_tree(value: &Value) -> bool {
    let Some(items) = value.as_array() else {
        return false;
    };
    match items.as_slice() {
        [Value::String(word), Value::Array(trees)] if word == "and" || word == "or" => {
            !trees.is_empty() && trees.iter().all(is_filter_tree)
        }
        [Value::String(word), tree] if UNARY_WORDS.contains(&word.as_str()) => is_filter_tree(tree),
        [Value::String(operator), Value::String(dimension), Value::Array(clauses), rest @ ..] => {
            is_comparison(operator, dimension, clauses, rest)
        }
        _ => false,
    }
}

fn is_comparison(operator: &str, dimension: &str, clauses: &[Value], rest: &[Value]) -> bool {
    let (Some(operator), Some(dimension)) = (Operator::from_name(operator), Dimension::from_name(dimension)) else {
        return false;
    };
    let integers = clauses.iter().all(|c| c.is_i64() || c.is_u64());
    let scalars = clauses.iter().all(|c| c.is_string() || c.is_i64() || c.is_u64());
    match dimension {
        Dimension::Time(_) => false,
        Dimension::Segment => operator == Operator::Is && integers && rest.is_empty(),
        Dimension::Goal => matches!(operator, Operator::Is | Operator::Contains) && scalars && is_modifier(rest),
        _ if matches!(operator, Operator::Matches | Operator::MatchesNot) => scalars && rest.is_empty(),
        _ => scalars && is_modifier(rest),
    }
}

fn is_modifier(rest: &[Value]) -> bool {
    match rest {
        [] => true,
        [Value::Object(members)] => members.iter().all(|(key, value)| key == "case_sensitive" && value.is_boolean()),
        _ => false,
    }
}

/// The most rows a query may ask for.
pub(super) const MAX_ROWS: i64 = 10_000;

const UNARY_WORDS: &[&str] = &["not", "has_done", "has_not_done"];
const INCLUDE_KEYS: &[&str] = &["imports", "time_labels", "total_rows", "trim_relative_date_range"];
const TOP_LEVEL_KEYS: &[&str] =
    &["site_id", "metrics", "date_range", "dimensions", "filters", "order_by", "include", "pagination"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn errors_with(key: &str, value: Value) -> String {
        let mut body = json!({"site_id": "a", "metrics": ["visitors"], "date_range": "7d"});
        body.as_object_mut().unwrap().insert(key.to_owned(), value);
        check(&body).err().unwrap_or_default()
    }

    #[test]
    fn every_schema_rule_has_plausibles_line() {
        let table = [
            ("foo", json!(1), "#/foo: Schema does not allow additional properties."),
            ("metrics", json!([]), "#/metrics: Expected a minimum of 1 items but got 0."),
            ("metrics", json!(["visitors", "baa"]), "#/metrics/1: Invalid metric \"baa\""),
            ("metrics", json!(["exit_rate"]), "#/metrics/0: Invalid metric \"exit_rate\""),
            ("metrics", json!(["visits", "visits"]), "#/metrics: Expected items to be unique but they were not."),
            ("date_range", json!("30m"), "#/date_range: Invalid date range \"30m\""),
            ("date_range", json!("48h"), "#/date_range: Invalid date range \"48h\""),
            (
                "date_range",
                json!(["2026-02-30", "2026-03-01"]),
                "#/date_range: Invalid date range [\"2026-02-30\", \"2026-03-01\"]",
            ),
            (
                "date_range",
                json!(["2026-02-03", "2026-03-01T00:00:00Z"]),
                "#/date_range: Invalid date range [\"2026-02-03\", \"2026-03-01T00:00:00Z\"]",
            ),
            ("dimensions", json!(["bad"]), "#/dimensions/0: Invalid dimension \"bad\""),
            ("dimensions", json!(["event:props:"]), "#/dimensions/0: Invalid dimension \"event:props:\""),
            ("filters", json!("x"), "#/filters: Type mismatch. Expected Array but got String."),
            ("filters", json!([["or", []]]), "#/filters/0: Invalid filter [\"or\", []]"),
            (
                "filters",
                json!([["is_not", "event:goal", ["a"]]]),
                "#/filters/0: Invalid filter [\"is_not\", \"event:goal\", [\"a\"]]",
            ),
            (
                "filters",
                json!([["is", "time:day", ["a"]]]),
                "#/filters/0: Invalid filter [\"is\", \"time:day\", [\"a\"]]",
            ),
            (
                "filters",
                json!([["matches", "event:page", ["a"], {"case_sensitive": false}]]),
                "#/filters/0: Invalid filter [\"matches\", \"event:page\", [\"a\"], %{\"case_sensitive\" => false}]",
            ),
            (
                "filters",
                json!([["contains", "segment", [1]]]),
                "#/filters/0: Invalid filter [\"contains\", \"segment\", [1]]",
            ),
            ("order_by", json!([["event:goal", "asc"]]), "#/order_by/0/0: Invalid value in order_by \"event:goal\""),
            ("order_by", json!([["visitors", "up"]]), "#/order_by/0/1: Value \"up\" is not allowed in enum."),
            ("order_by", json!([["visitors"]]), "#/order_by/0: Expected a minimum of 2 items but got 1."),
            ("include", json!({"imports": 1}), "#/include/imports: Type mismatch. Expected Boolean but got Integer."),
            ("include", json!({"foo": true}), "#/include/foo: Schema does not allow additional properties."),
            ("pagination", json!({"limit": 10001}), "#/pagination/limit: Expected the value to be <= 10000"),
            (
                "pagination",
                json!({"limit": 0, "offset": -5}),
                "#/pagination/limit: Expected the value to be >= 1\n#/pagination/offset: Expected the value to be >= 0",
            ),
        ];
        for (key, value, expected) in table {
            assert_eq!(errors_with(key, value), expected);
        }
    }

    #[test]
    fn missing_properties_are_named() {
        assert_eq!(
            check(&json!({"site_id": "a"})).unwrap_err(),
            "#: Required properties metrics, date_range were not present."
        );
    }

    #[test]
    fn legal_forms_pass() {
        for filter in [
            json!(["is", "segment", [1, 2]]),
            json!(["is", "visit:city", [2950159]]),
            json!(["has_done", ["is", "event:goal", ["Signup"]]]),
            json!(["not", ["and", [["is", "event:props:plan", ["pro"], {"case_sensitive": false}]]]]),
        ] {
            assert_eq!(errors_with("filters", json!([filter])), "");
        }
        for range in [json!("24h"), json!("91d"), json!("3mo"), json!("all")] {
            assert_eq!(errors_with("date_range", range), "");
        }
    }
}
