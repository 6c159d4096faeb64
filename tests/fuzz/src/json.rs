//! JSON that the component has written: it is JSON, and follows its schema.

use serde_json::Value;

/// Reads what must be JSON.
pub fn read(text: &[u8]) -> Value {
    match serde_json::from_slice(text) {
        Ok(value) => value,
        Err(error) => panic!("{error}: {}", String::from_utf8_lossy(text)),
    }
}

/// Checks a value against the part of JSON Schema that the tools' output schemas use. A keyword that it does not know
/// is a panic too, so that no check is left out unnoticed.
pub fn follows(value: &Value, schema: &Value) {
    for (keyword, argument) in schema.as_object().expect("a schema is an object") {
        match keyword.as_str() {
            "description" => {}
            "type" => assert!(names(argument).any(|name| is_of_type(value, name)), "{value} is no {argument}"),
            "required" => names(argument).for_each(|name| assert!(value.get(name).is_some(), "{value} has no {name}")),
            "items" => value.as_array().into_iter().flatten().for_each(|item| follows(item, argument)),
            "properties" | "additionalProperties" => {}
            other => panic!("the keyword {other} is not known here"),
        }
    }
    let additional = schema.get("additionalProperties");
    for (name, member) in value.as_object().into_iter().flatten() {
        match (schema.pointer(&format!("/properties/{name}")), additional) {
            (Some(property), _) => follows(member, property),
            (None, Some(Value::Bool(false))) => panic!("{name} does not belong into {value}"),
            (None, Some(additional)) => follows(member, additional),
            (None, None) => {}
        }
    }
}

/// A text, or the texts of a list.
fn names(argument: &Value) -> impl Iterator<Item = &str> {
    let list = argument.as_array().into_iter().flatten();
    argument.as_str().into_iter().chain(list.filter_map(Value::as_str))
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("there is no type {other}"),
    }
}
