//! The values in Plausible's rows. They are read by visitors rather than through a tree: an answer has thousands.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::{Serialize, Serializer};
use serde_json::{Map, Number, Value};

/// A dimension's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Label {
    /// There is none.
    Null,
    /// Text.
    Text(String),
    /// A GeoNames id.
    Number(Number),
}

/// A metric's value.
#[derive(Debug, Clone, PartialEq)]
pub enum MetricValue {
    /// There is none.
    Null,
    /// A number.
    Number(Number),
    /// Money: an object with `value`, `currency`, `short` and `long`.
    Money(Map<String, Value>),
}

impl MetricValue {
    /// The value as a number; of money, its amount.
    pub fn number(&self) -> Option<f64> {
        match self {
            MetricValue::Null => None,
            MetricValue::Number(number) => number.as_f64(),
            MetricValue::Money(money) => money.get("value").and_then(Value::as_f64),
        }
    }
}

impl Serialize for Label {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Label::Null => serializer.serialize_unit(),
            Label::Text(text) => serializer.serialize_str(text),
            Label::Number(number) => number.serialize(serializer),
        }
    }
}

impl Serialize for MetricValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            MetricValue::Null => serializer.serialize_unit(),
            MetricValue::Number(number) => number.serialize(serializer),
            MetricValue::Money(money) => money.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LabelVisitor)
    }
}

impl<'de> Deserialize<'de> for MetricValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MetricVisitor)
    }
}

struct LabelVisitor;

impl Visitor<'_> for LabelVisitor {
    type Value = Label;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("text, a number or null")
    }

    fn visit_unit<E>(self) -> Result<Label, E> {
        Ok(Label::Null)
    }

    fn visit_str<E>(self, text: &str) -> Result<Label, E> {
        Ok(Label::Text(text.to_owned()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Label, E> {
        Ok(Label::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Label, E> {
        Ok(Label::Number(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Label, E> {
        finite(number).map(Label::Number)
    }
}

struct MetricVisitor;

impl<'de> Visitor<'de> for MetricVisitor {
    type Value = MetricValue;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number, money or null")
    }

    fn visit_unit<E>(self) -> Result<MetricValue, E> {
        Ok(MetricValue::Null)
    }

    fn visit_u64<E>(self, number: u64) -> Result<MetricValue, E> {
        Ok(MetricValue::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<MetricValue, E> {
        Ok(MetricValue::Number(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<MetricValue, E> {
        finite(number).map(MetricValue::Number)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<MetricValue, A::Error> {
        Map::deserialize(MapAccessDeserializer::new(members)).map(MetricValue::Money)
    }
}

fn finite<E: Error>(number: f64) -> Result<Number, E> {
    Number::from_f64(number).ok_or_else(|| E::custom("the number is not finite"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_written_as_they_are() {
        for text in ["null", "0", "-5", "3.25", "18446744073709551615", r#"{"currency":"EUR","value":1.5}"#] {
            let value: MetricValue = serde_json::from_str(text).expect(text);
            assert_eq!(serde_json::to_string(&value).unwrap(), text);
        }
        for text in ["null", "2950159", "\"/a\\\"b\"", "\"\""] {
            let label: Label = serde_json::from_str(text).expect(text);
            assert_eq!(serde_json::to_string(&label).unwrap(), text);
        }
    }

    #[test]
    fn other_types_are_no_values() {
        for text in ["true", "\"5\"", "[1]"] {
            assert!(serde_json::from_str::<MetricValue>(text).is_err(), "{text}");
        }
        for text in ["true", "[1]", "{}"] {
            assert!(serde_json::from_str::<Label>(text).is_err(), "{text}");
        }
    }
}
