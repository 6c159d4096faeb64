//! The claims of a JWT (RFC 7519 §4.1), each read as the one JSON type that it has.
//!
//! A claim of another type is refused, not passed over: an `exp` in quotes must not become a token without an end.

use std::time::Duration;

use serde_json::{Map, Value};

use super::rejection::{Part, Rejection};
use super::strict_json;
use crate::ports::Timestamp;

/// The claims of a payload whose signature was verified.
pub(super) struct Claims(Map<String, Value>);

impl Claims {
    /// Reads a payload.
    pub(super) fn read(payload: &[u8]) -> Result<Claims, Rejection> {
        strict_json::object(payload).map(Claims).map_err(|error| Rejection::Json(Part::Payload, error))
    }

    /// A claim as it stands.
    pub(super) fn any(&self, name: &'static str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A text, when it is there.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<&str>, Rejection> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Rejection::MalformedClaim(name)),
        }
    }

    /// A NumericDate, when it is there: seconds since 1970, possibly with a fraction, up to the year 9999.
    pub(super) fn date(&self, name: &'static str) -> Result<Option<Timestamp>, Rejection> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let since_1970 = value.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let milliseconds = since_1970.and_then(|time| u64::try_from(time.as_millis()).ok());
        let date = milliseconds.filter(|milliseconds| *milliseconds <= MAX_DATE).map(Timestamp);
        date.map(Some).ok_or(Rejection::MalformedClaim(name))
    }

    /// `aud`: one text or several, at least one.
    pub(super) fn audiences(&self) -> Result<Vec<&str>, Rejection> {
        let malformed = || Rejection::MalformedClaim("aud");
        match self.0.get("aud") {
            None => Err(Rejection::MissingClaim("aud")),
            Some(Value::String(audience)) => Ok(vec![audience]),
            Some(Value::Array(audiences)) if !audiences.is_empty() => {
                audiences.iter().map(|audience| audience.as_str().ok_or_else(malformed)).collect()
            }
            Some(_) => Err(malformed()),
        }
    }
}

/// The end of the year 9999, in milliseconds since 1970: later dates are mistakes, such as milliseconds for seconds.
const MAX_DATE: u64 = 253_402_300_799_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: PartialEq + std::fmt::Debug>(
        value: &str,
        read: impl Fn(&Claims) -> Result<T, Rejection>,
        expected: Result<T, Rejection>,
    ) {
        let claims = Claims::read(format!(r#"{{"aud":{value},"exp":{value},"iss":{value}}}"#).as_bytes()).unwrap();
        assert_eq!(read(&claims), expected, "{value}");
    }

    #[test]
    fn dates_are_finite_numbers_up_to_the_year_9999() {
        let date = |claims: &Claims| claims.date("exp");
        for (value, milliseconds) in [
            ("0", 0),
            ("1786012200", 1_786_012_200_000),
            ("1786012200.5", 1_786_012_200_500),
            ("1.7860122e9", 1_786_012_200_000),
            ("253402300799", MAX_DATE),
        ] {
            check(value, date, Ok(Some(Timestamp(milliseconds))));
        }
        for value in [
            "\"9999999999\"",
            "null",
            "true",
            "[]",
            "{}",
            "[1786012200]",
            "-1",
            "253402300800",
            "1786012200000",
            "9223372036854775808",
            "18446744073709551616",
            "1e308",
        ] {
            check(value, date, Err(Rejection::MalformedClaim("exp")));
        }
    }

    #[test]
    fn audiences_are_texts() {
        let count = |claims: &Claims| claims.audiences().map(|audiences| audiences.len());
        check("\"a\"", count, Ok(1));
        check(r#"["a","b"]"#, count, Ok(2));
        for value in ["[]", "null", "1", "{}", r#"["a",1]"#, r#"["a",null]"#, r#"[["a"]]"#] {
            check(value, count, Err(Rejection::MalformedClaim("aud")));
        }
        assert_eq!(Claims(Map::new()).audiences(), Err(Rejection::MissingClaim("aud")));
    }

    #[test]
    fn a_text_is_a_text_and_absent_is_not_null() {
        let is_there = |claims: &Claims| claims.text("iss").map(|text| text.is_some());
        check("\"\"", is_there, Ok(true));
        for value in ["null", "1", "[\"a\"]", "{}"] {
            check(value, is_there, Err(Rejection::MalformedClaim("iss")));
        }
        assert_eq!(Claims(Map::new()).text("iss"), Ok(None));
    }
}
