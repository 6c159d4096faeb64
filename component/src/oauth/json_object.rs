//! A JSON object from a peer, read strictly: a member that comes twice is refused (RFC 8259 §4: what software makes of
//! one is unpredictable).

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

/// Why bytes are no object that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectError {
    /// They are not one JSON object.
    NotAnObject,
    /// A member comes twice.
    Repeated,
}

/// Reads an object. Deeper members are read as they stand. A byte order mark in front is skipped (RFC 8259 §8.1).
pub fn read_object(bytes: &[u8]) -> Result<Map<String, Value>, ObjectError> {
    let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    // The parser's words are about a place in text that nobody keeps.
    let strict = serde_json::from_slice::<Strict>(text).map_err(|_| ObjectError::NotAnObject)?;
    if strict.is_repeated { Err(ObjectError::Repeated) } else { Ok(strict.members) }
}

#[derive(Default)]
struct Strict {
    members: Map<String, Value>,
    is_repeated: bool,
}

struct StrictVisitor;

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Strict, D::Error> {
        deserializer.deserialize_map(StrictVisitor)
    }
}

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Strict;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Strict, A::Error> {
        let mut strict = Strict::default();
        while let Some((name, value)) = access.next_entry::<String, Value>()? {
            strict.is_repeated |= strict.members.insert(name, value).is_some();
        }
        Ok(strict)
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_object_without_repeated_members_is_read() {
        assert_eq!(read_object(b"{\"a\":1}").unwrap()["a"], 1);
        assert_eq!(read_object(b"\xef\xbb\xbf{\"a\":1}").unwrap()["a"], 1);
        let deep = [vec![b'['; 10_000], vec![b']'; 10_000]].concat();
        let deep = [b"{\"a\":".as_slice(), &deep, b"}"].concat();
        for text in ["", "[]", "null", "\"a\"", "{\"a\":\"\\ud800\"}", "{\"a\":1} x", "\u{feff}\u{feff}{}"] {
            assert_eq!(read_object(text.as_bytes()), Err(ObjectError::NotAnObject), "R04 R07 {text}");
        }
        assert_eq!(read_object(b"{\"a\":1,\"a\":1}"), Err(ObjectError::Repeated), "M20");
        assert_eq!(read_object(b"{\"a\":\"\xff\"}"), Err(ObjectError::NotAnObject), "R07");
        assert_eq!(read_object(&deep), Err(ObjectError::NotAnObject), "R06");
    }
}
