//! What clients send in place of a list, a number or a truth value, and what it can only mean: some write every argument
//! as text, some leave out the brackets around one element.

use serde_json::Value;

/// A list: itself, the list that a text spells as JSON, or the one element that stands alone.
pub fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(elements) => elements,
        Value::String(text) => match json(&text) {
            Some(Value::Array(elements)) => elements,
            Some(object @ Value::Object(_)) => vec![object],
            _ => vec![Value::String(text)],
        },
        alone => vec![alone],
    }
}

/// One value: itself, or the only element of a list, which may be text.
pub fn single(value: Value) -> Value {
    let list = match &value {
        Value::Array(elements) => Some(elements.clone()),
        Value::String(text) => json(text).and_then(|value| value.as_array().cloned()),
        _ => None,
    };
    match list.as_deref() {
        Some([Value::Array(_) | Value::Object(_)]) | None => value,
        Some([element]) => element.clone(),
        Some(_) => value,
    }
}

/// An object: itself, or the one that a text spells as JSON.
pub fn object(value: Value) -> Value {
    match value {
        Value::String(text) => match json(&text) {
            Some(object @ Value::Object(_)) => object,
            _ => Value::String(text),
        },
        other => other,
    }
}

/// A whole number, or a text that spells one.
pub fn whole_number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    };
    number.filter(|number: &f64| number.fract() == 0.0)
}

/// A truth value, or its name.
pub fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) if text.trim().eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.trim().eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// A text: itself, or an integer or a truth value as Plausible keeps it, where every value is a text.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// A list or an object that a text spells.
fn json(text: &str) -> Option<Value> {
    let text = text.trim();
    if text.starts_with(['[', '{']) { serde_json::from_str(text).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_may_be_text_or_its_one_element() {
        for (value, elements) in [
            (json!(["a", "b"]), json!(["a", "b"])),
            (json!(r#" ["a", "b"] "#), json!(["a", "b"])),
            (json!("a"), json!(["a"])),
            (json!("[a"), json!(["[a"])),
            (json!(r#"{"a":1}"#), json!([{"a": 1}])),
            (json!({"a": 1}), json!([{"a": 1}])),
            (json!(5), json!([5])),
        ] {
            assert_eq!(Value::Array(list(value.clone())), elements, "{value}");
        }
        assert_eq!(single(json!(["a"])), json!("a"));
        assert_eq!(single(json!(["a", "b"])), json!(["a", "b"]));
        assert_eq!(single(json!(r#" ["a"] "#)), json!("a"));
        assert_eq!(single(json!("[5]")), json!(5));
        for text in ["[a]", r#"["a","b"]"#, "[]", "a"] {
            assert_eq!(single(json!(text)), json!(text));
        }
        assert_eq!(object(json!(r#"{"a":1}"#)), json!({"a": 1}));
    }

    #[test]
    fn numbers_and_truth_values_may_be_text() {
        for (value, number) in
            [(json!(5), Some(5.0)), (json!("5"), Some(5.0)), (json!(" 5.0 "), Some(5.0)), (json!("five"), None)]
        {
            assert_eq!(whole_number(&value), number, "{value}");
        }
        for value in [json!(1.5), json!("1.5"), json!("inf"), json!("NaN"), json!(""), json!(true)] {
            assert_eq!(whole_number(&value), None, "{value}");
        }
        for (value, truth_value) in [
            (json!(true), Some(true)),
            (json!("true"), Some(true)),
            (json!("False"), Some(false)),
            (json!("yes"), None),
            (json!(1), None),
        ] {
            assert_eq!(truth(&value), truth_value, "{value}");
        }
        assert_eq!(text(&json!(404)).as_deref(), Some("404"));
        assert_eq!(text(&json!(true)).as_deref(), Some("true"));
        assert_eq!(text(&json!(1.5)), None);
    }
}
