//! A JSON object from a peer, read strictly: a member that comes twice is refused (RFC 8259 §4: what software makes of
//! one is unpredictable).

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

/// Reads an object. Deeper members are read as they stand. A byte order mark before it is passed over (RFC 8259 §8.1).
pub fn read_object(bytes: &[u8]) -> Option<Map<String, Value>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    serde_json::from_slice::<Strict>(bytes).ok().map(|strict| strict.0)
}

struct Strict(Map<String, Value>);

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
        let mut members = Map::new();
        while let Some((name, value)) = access.next_entry::<String, Value>()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a member comes twice"));
            }
        }
        Ok(Strict(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_object_without_repeated_members_is_read() {
        assert_eq!(read_object(b"{\"a\":1}").unwrap()["a"], 1);
        assert_eq!(read_object("\u{feff}{\"a\":1}".as_bytes()).unwrap()["a"], 1);
        let deep = [vec![b'['; 10_000], vec![b']'; 10_000]].concat();
        let deep = [b"{\"a\":".as_slice(), &deep, b"}"].concat();
        for text in ["", "[]", "null", "\"a\"", "{\"a\":1,\"a\":1}", "{\"a\":\"\\ud800\"}", "{\"a\":1} x"] {
            assert_eq!(read_object(text.as_bytes()), None, "R04 R07 M20 {text}");
        }
        assert_eq!(read_object(b"{\"a\":\"\xff\"}"), None, "R07");
        assert_eq!(read_object(&deep), None, "R06");
    }
}
