//! Values as Elixir's `inspect` prints them: Plausible quotes what it was
//! sent in this form.

use serde_json::Value;

/// `["is", "event:page", [1]]`, `%{"a" => true}`, `nil`.
pub(super) fn inspect(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Array(items) => format!("[{}]", join(items.iter().map(inspect))),
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| format!("{} => {}", quote(key), inspect(value)));
            format!("%{{{}}}", join(members))
        }
        Value::String(text) => quote(text),
        other => other.to_string(),
    }
}

/// The name ExJsonSchema gives a value's type.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "Null",
        Value::Bool(_) => "Boolean",
        Value::Number(number) if number.is_f64() => "Number",
        Value::Number(_) => "Integer",
        Value::String(_) => "String",
        Value::Array(_) => "Array",
        Value::Object(_) => "Object",
    }
}

fn quote(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_read_like_elixir_terms() {
        assert_eq!(
            inspect(&json!(["is", "a\"b", [1, null], {"case_sensitive": false}])),
            r#"["is", "a\"b", [1, nil], %{"case_sensitive" => false}]"#
        );
    }
}
