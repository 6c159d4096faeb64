//! Records of the authorization server, as both stores keep them.

/// Keeps records. The contract stands in `wit/oauth-store.wit`; each operation is one statement or one script, so that
/// operations on one key are linearizable.
pub trait Records {
    /// The value under `key`.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// Writes `value` whether or not a record stands there.
    fn put(&self, key: &str, value: Vec<u8>, time: TimeToLive) -> Result<(), StoreError>;
    /// Writes `value` only if there is no record; tells whether it did.
    fn create(&self, key: &str, value: Vec<u8>, time: TimeToLive) -> Result<bool, StoreError>;
    /// Removes the record and returns its value, which must never be returned twice.
    fn take(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// Writes `new` only if the value equals `expected`; tells whether it did. No `time` keeps the remaining one.
    fn replace(&self, key: &str, expected: Vec<u8>, new: Vec<u8>, time: Option<TimeToLive>)
    -> Result<bool, StoreError>;
    /// Removes the record if there is one.
    fn delete(&self, key: &str) -> Result<(), StoreError>;
    /// At most `limit` keys that begin with `prefix`, in ascending byte order, after `after`.
    fn keys(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, StoreError>;
}

/// Why an operation did not happen, or may not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreError {
    /// The store cannot be reached or refuses service. Nothing was changed.
    Unavailable,
    /// The value is larger than [`VALUE_BYTES`]. Nothing was changed.
    TooLarge,
    /// The operation may or may not have taken effect.
    UnknownOutcome,
}

/// How long a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeToLive(u32);

impl TimeToLive {
    /// From whole seconds; `None` outside of the contract.
    pub fn from_seconds(seconds: u32) -> Option<Self> {
        (1..=TTL_SECONDS).contains(&seconds).then_some(TimeToLive(seconds))
    }

    /// In milliseconds.
    pub fn milliseconds(self) -> i64 {
        i64::from(self.0) * 1000
    }
}

/// Whether the contract allows a key.
pub fn is_key(key: &str) -> bool {
    (1..=KEY_BYTES).contains(&key.len()) && key.bytes().all(is_key_byte)
}

/// Whether the contract allows a prefix of keys: one may be empty.
pub fn is_prefix(prefix: &str) -> bool {
    prefix.len() <= KEY_BYTES && prefix.bytes().all(is_key_byte)
}

fn is_key_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'/' | b'_' | b'-')
}

/// Refuses a value that is too large.
pub fn check_value(value: &[u8]) -> Result<(), StoreError> {
    if value.len() > VALUE_BYTES { Err(StoreError::TooLarge) } else { Ok(()) }
}

/// The largest value of a record, in bytes; this and the bounds below are those of `wit/oauth-store.wit`.
pub const VALUE_BYTES: usize = 256 << 10;
/// The most keys of one page.
pub const PAGE_KEYS: u32 = 1000;
const KEY_BYTES: usize = 200;
/// 90 days.
const TTL_SECONDS: u32 = 90 * 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_values_and_times_are_as_the_contract_says() {
        let longest = "a".repeat(200);
        for key in ["a", "grant/0af_-/z9", longest.as_str()] {
            assert!(is_key(key) && is_prefix(key), "{key}");
        }
        let longer = "a".repeat(201);
        for key in ["A", "a b", "a.b", "ä", "a\0", "a{", longer.as_str()] {
            assert!(!is_key(key) && !is_prefix(key), "{key}");
        }
        assert!(!is_key("") && is_prefix(""));
        assert_eq!(check_value(&vec![0; VALUE_BYTES]), Ok(()));
        assert_eq!(check_value(&vec![0; VALUE_BYTES + 1]), Err(StoreError::TooLarge));
        assert_eq!([0, 7_776_001].map(TimeToLive::from_seconds), [None, None]);
        assert_eq!(TimeToLive::from_seconds(7_776_000).map(TimeToLive::milliseconds), Some(7_776_000_000));
    }
}
