//! JSON objects whose members stand once, at every depth.
//!
//! JSON parsers disagree on which of two members of one name counts, so a token could mean one thing to its issuer and
//! another here: RFC 7515 §4 and RFC 7519 §4 allow refusing them, and that is what happens.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why bytes are not such an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonError {
    /// They are not JSON in UTF-8, or nest too deep.
    Malformed,
    /// They are JSON, but no object.
    NotAnObject,
    /// Some object has two members of one name.
    DuplicateMember,
}

/// Reads an object.
pub(super) fn object(bytes: &[u8]) -> Result<Map<String, Value>, JsonError> {
    let duplicate = Cell::new(false);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict(&duplicate).deserialize(&mut deserializer);
    match value.and_then(|value| deserializer.end().map(|()| value)) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(JsonError::NotAnObject),
        Err(_) if duplicate.get() => Err(JsonError::DuplicateMember),
        Err(_) => Err(JsonError::Malformed),
    }
}

/// Builds a value and notes a repeated member. serde_json bounds the depth.
#[derive(Clone, Copy)]
struct Strict<'a>(&'a Cell<bool>);

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                self.0.set(true);
                return Err(A::Error::custom("duplicate member"));
            }
            object.insert(name, members.next_value_seed(self)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: impl AsRef<[u8]>, expected: Result<(), JsonError>) {
        assert_eq!(object(text.as_ref()).map(drop), expected);
    }

    #[test]
    fn an_object_is_read_as_serde_json_reads_it() {
        for text in [r#"{}"#, r#" {"a":[1,-2,3.5,"x",null,true],"b":{"a":{}}} "#, r#"{"a":18446744073709551616}"#] {
            let expected: Value = serde_json::from_str(text).unwrap();
            assert_eq!(object(text.as_bytes()).map(Value::Object), Ok(expected), "{text}");
        }
    }

    #[test]
    fn repeated_members_are_found_at_every_depth_and_through_escapes() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"b":[{"a":1,"a":2}]}"#, r#"{"a":1,"\u0061":2}"#, r#"{"b":{"":1,"":1}}"#] {
            check(text, Err(JsonError::DuplicateMember));
        }
        check(r#"{"a":{"a":1},"A":{"a":1}}"#, Ok(()));
    }

    #[test]
    fn everything_else_is_refused() {
        for text in
            ["", "{", "{}x", "{} {}", "{'a':1}", r#"{"a":NaN}"#, r#"{"a":1e400}"#, "\u{feff}{}", "{\"a\":\"\n\"}"]
        {
            check(text, Err(JsonError::Malformed));
        }
        check(b"{\"a\":\"\xff\"}", Err(JsonError::Malformed));
        check("{\"a\":".repeat(10_000), Err(JsonError::Malformed));
        check(b"\x00{\x00}", Err(JsonError::Malformed));
        for text in ["null", "[]", "1", "\"{}\"", "true"] {
            check(text, Err(JsonError::NotAnObject));
        }
    }
}
