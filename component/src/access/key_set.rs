//! A JWK set (RFC 7517 §5): the keys that an issuer publishes.

use std::fmt;

use serde_json::{Map, Value};

use super::rejection::{Rejection, shown};
use super::rsa_key::{Flaw, RsaKey};
use super::signed_token::MAX_KEY_ID;
use super::strict_json::{self, JsonError};

/// The keys of a set by their `kid`, with those that are of no use here and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet(Vec<(String, Result<RsaKey, Flaw>)>);

/// Why a document is no key set. Its sender is the issuer, so this is an upstream's fault and not the peer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySetError {
    /// The document has more than 64 KiB.
    TooLarge {
        /// Its length in bytes.
        bytes: usize,
    },
    /// It is not a JSON object whose members stand once.
    Json(JsonError),
    /// It has no array `keys`.
    NoKeys,
    /// It has more than 20 keys.
    TooManyKeys {
        /// So many.
        count: usize,
    },
    /// None of its keys can verify RS256.
    NoUsableKey,
}

impl KeySet {
    /// The longest document that is read, in bytes: the limit for whoever fetches it. Two keys of Access with their
    /// certificates have about 8 KiB.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// Reads a document. Members that are no key, or a key without a `kid`, are passed over (RFC 7517 §5).
    pub fn parse(document: &[u8]) -> Result<KeySet, KeySetError> {
        if document.len() > KeySet::MAX_BYTES {
            return Err(KeySetError::TooLarge { bytes: document.len() });
        }
        let members = strict_json::object(document).map_err(KeySetError::Json)?;
        let jwks = members.get("keys").and_then(Value::as_array).ok_or(KeySetError::NoKeys)?;
        if jwks.len() > MAX_KEYS {
            return Err(KeySetError::TooManyKeys { count: jwks.len() });
        }
        let keys: Vec<_> = jwks.iter().filter_map(Value::as_object).filter_map(named).collect();
        if keys.iter().any(|(_, key)| key.is_ok()) { Ok(KeySet(keys)) } else { Err(KeySetError::NoUsableKey) }
    }

    /// Whether the set has a key of this `kid`, usable or not: fetching it again would not help.
    pub fn has(&self, key_id: &str) -> bool {
        self.0.iter().any(|(name, _)| name == key_id)
    }

    /// The one usable key of this `kid`, compared exactly. Two would make the token's meaning a matter of order.
    pub(super) fn select(&self, key_id: &str) -> Result<&RsaKey, Rejection> {
        let mut found = Err(Rejection::UnknownKey { key_id: shown(key_id) });
        for (_, key) in self.0.iter().filter(|(name, _)| name == key_id) {
            match (key, &found) {
                (Ok(_), Ok(_)) => return Err(Rejection::AmbiguousKey { key_id: shown(key_id) }),
                (Ok(key), Err(_)) => found = Ok(key),
                (Err(flaw), Err(Rejection::UnknownKey { .. })) => {
                    found = Err(Rejection::UnusableKey { key_id: shown(key_id), flaw: *flaw });
                }
                (Err(_), _) => {}
            }
        }
        found
    }
}

fn named(jwk: &Map<String, Value>) -> Option<(String, Result<RsaKey, Flaw>)> {
    let key_id = jwk.get("kid")?.as_str().filter(|key_id| (1..=MAX_KEY_ID).contains(&key_id.len()))?;
    Some((key_id.to_owned(), RsaKey::from_jwk(jwk)))
}

impl KeySetError {
    /// The name of the cause, for the log.
    pub fn reason(self) -> &'static str {
        match self {
            KeySetError::TooLarge { .. } => "key_set_too_large",
            KeySetError::Json(_) => "key_set_malformed",
            KeySetError::NoKeys => "key_set_without_keys",
            KeySetError::TooManyKeys { .. } => "key_set_too_many_keys",
            KeySetError::NoUsableKey => "key_set_no_usable_key",
        }
    }
}

impl fmt::Display for KeySetError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeySetError::TooLarge { bytes } => {
                write!(formatter, "the key set has {bytes} bytes; at most {} are read", KeySet::MAX_BYTES)
            }
            KeySetError::Json(_) => write!(formatter, "the key set is not a JSON object whose members stand once"),
            KeySetError::NoKeys => write!(formatter, "the key set has no array \"keys\""),
            KeySetError::TooManyKeys { count } => {
                write!(formatter, "the key set has {count} keys; at most {MAX_KEYS} are read")
            }
            KeySetError::NoUsableKey => write!(
                formatter,
                "the key set has no key with a \"kid\" that can verify RS256: RSA of 2048 to 4096 bits, for signatures"
            ),
        }
    }
}

/// The most keys of a set. Access publishes two, and rarely more while it rotates.
const MAX_KEYS: usize = 20;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::access::test_tokens::{FIRST, SECOND, jwk};

    fn parse(keys: &Value) -> Result<KeySet, KeySetError> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    /// A good key for encryption.
    fn for_encryption(key_id: &str) -> Value {
        let mut key = jwk(SECOND, key_id);
        key["use"] = "enc".into();
        key
    }

    #[test]
    fn a_document_is_a_bounded_object_with_keys() {
        for (document, error) in [
            ("<html>", KeySetError::Json(JsonError::Malformed)),
            ("[]", KeySetError::Json(JsonError::NotAnObject)),
            (r#"{"keys":[],"keys":[]}"#, KeySetError::Json(JsonError::DuplicateMember)),
            ("{}", KeySetError::NoKeys),
            (r#"{"keys":{}}"#, KeySetError::NoKeys),
            (r#"{"keys":[]}"#, KeySetError::NoUsableKey),
        ] {
            assert_eq!(KeySet::parse(document.as_bytes()), Err(error), "{document}");
            assert!(error.to_string().starts_with("the key set"));
        }
        let padded = json!({ "keys": [jwk(FIRST, "k")], "padding": " ".repeat(KeySet::MAX_BYTES) }).to_string();
        assert_eq!(KeySet::parse(padded.as_bytes()), Err(KeySetError::TooLarge { bytes: padded.len() }));
        let (enough, many) = (vec![jwk(FIRST, "k"); MAX_KEYS], vec![jwk(FIRST, "k"); MAX_KEYS + 1]);
        assert!(parse(&enough.into()).is_ok());
        assert_eq!(parse(&many.into()), Err(KeySetError::TooManyKeys { count: MAX_KEYS + 1 }));
    }

    #[test]
    fn what_is_no_key_is_passed_over() {
        let nameless = jwk(SECOND, "");
        let keys = parse(&json!([null, "key", 1, [], {}, nameless, { "kid": 1 }, jwk(FIRST, "k")])).unwrap();
        assert!(keys.has("k") && !keys.has(""));
        assert!(keys.select("k").is_ok());
    }

    #[test]
    fn a_set_without_a_usable_key_is_an_error() {
        assert_eq!(parse(&json!([for_encryption("k"), { "kty": "oct", "k": "AQAB" }])), Err(KeySetError::NoUsableKey));
    }

    #[test]
    fn a_key_is_selected_by_its_exact_and_unique_id() {
        let keys = json!([
            for_encryption("shared"), jwk(FIRST, "shared"), for_encryption("shared"),
            jwk(FIRST, "twice"), for_encryption("twice"), jwk(SECOND, "twice"),
            for_encryption("encryption"), { "kid": "secret", "kty": "oct", "k": "AQAB" },
        ]);
        let keys = parse(&keys).unwrap();
        let rejection = |key_id: &str| keys.select(key_id).map(drop);
        assert_eq!(rejection("shared"), Ok(()));
        assert_eq!(rejection("twice"), Err(Rejection::AmbiguousKey { key_id: "twice".into() }));
        for key_id in ["", "Shared", "share", "shared ", "missing"] {
            assert_eq!(rejection(key_id), Err(Rejection::UnknownKey { key_id: key_id.into() }));
            assert!(!keys.has(key_id));
        }
        for (key_id, flaw) in [("encryption", Flaw::Use), ("secret", Flaw::KeyType)] {
            assert_eq!(rejection(key_id), Err(Rejection::UnusableKey { key_id: key_id.into(), flaw }));
            assert!(keys.has(key_id));
        }
    }
}
