//! The server's keys (`COOKIE_ENCRYPTION_KEY`) and what is derived from them.
//!
//! New records and new identifiers come from the first key, and every key still reads what was written under it and
//! finds what was named by it: an operator puts a new key in front, and removes the old one when nothing that lives
//! depends on it any more. Nothing is moved: a grant keeps the user id that it was made with, for the day that it lives,
//! and a client keeps its id, while whatever is written about it is written under the newest key.
//!
//! Invariant: a grant counts only while a key of the ring gives its user id to its user. Revocation looks under those
//! ids, so no grant is out of the operator's reach.

use super::secret::{Key, PseudorandomKey, hex};

/// The server's keys, newest first. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRing {
    newest: ServerKey,
    older: Vec<ServerKey>,
}

/// One key of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerKey {
    id: KeyId,
    key: PseudorandomKey,
    /// The subkey of [`Purpose::UserId`], which every request by token asks for.
    user_id: Key,
}

/// Tells keys apart in records; it says nothing about the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyId(pub [u8; 4]);

/// What a subkey is for. Each purpose has a key of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Hashes e-mail addresses and client metadata into identifiers.
    UserId,
    /// Seals records.
    Record,
    /// Derives the successors of a refresh token.
    Refresh,
    /// Binds a consent form to its transaction.
    Form,
    /// Names and seals the answers of Plausible that are remembered.
    Answer,
}

/// A user's identifier: 64 hexadecimal digits. It names nobody to whoever does not have the server's key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserId(String);

/// Why the setting is not a key ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRingError {
    /// There is no key.
    Missing,
    /// An entry is not 64 hexadecimal digits.
    NotHexadecimal,
    /// An entry is one byte over and over, as an example would be; one digit over and over is such a byte.
    Guessable,
    /// Two entries are the same, or share an id.
    Repeated,
    /// There are more than [`MAX_KEYS`].
    TooMany,
}

impl KeyRing {
    /// Reads the setting: 32 bytes in hexadecimal, several separated by commas, newest first.
    pub fn parse(setting: &str) -> Result<KeyRing, KeyRingError> {
        let mut keys: Vec<ServerKey> = Vec::new();
        for entry in setting.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let key = ServerKey::parse(entry)?;
            if keys.iter().any(|other| other.id == key.id) {
                return Err(KeyRingError::Repeated);
            }
            keys.push(key);
        }
        if keys.len() > MAX_KEYS {
            return Err(KeyRingError::TooMany);
        }
        let mut keys = keys.into_iter();
        let newest = keys.next().ok_or(KeyRingError::Missing)?;
        Ok(KeyRing { newest, older: keys.collect() })
    }

    /// The key that new records are written under, and that new identifiers come from.
    pub fn newest(&self) -> &ServerKey {
        &self.newest
    }

    /// The key with this id, if it is still in the ring.
    pub fn key(&self, id: KeyId) -> Option<&ServerKey> {
        self.keys().find(|key| key.id == id)
    }

    /// The identifier that the user is given from now on. `email` has been verified by the caller; its case does not
    /// count.
    pub fn user_id(&self, email: &str) -> UserId {
        self.newest.user_id(email)
    }

    /// Every identifier that the user may have been given: one per key, the newest first.
    pub fn user_ids(&self, email: &str) -> Vec<UserId> {
        self.keys().map(|key| key.user_id(email)).collect()
    }

    /// The identifier that reads `digits`, if a key of the ring still gives it to the user.
    pub fn find_user_id(&self, email: &str, digits: &str) -> Option<UserId> {
        self.keys().map(|key| key.user_id(email)).find(|user| user.as_str() == digits)
    }

    /// The keys, newest first.
    pub fn keys(&self) -> impl Iterator<Item = &ServerKey> {
        std::iter::once(&self.newest).chain(&self.older)
    }
}

impl ServerKey {
    fn parse(entry: &str) -> Result<ServerKey, KeyRingError> {
        let mut bytes = [0; 32];
        if entry.len() != 2 * bytes.len() || base16ct::mixed::decode(entry, &mut bytes).is_err() {
            return Err(KeyRingError::NotHexadecimal);
        }
        if bytes.iter().all(|byte| bytes.first() == Some(byte)) {
            return Err(KeyRingError::Guessable);
        }
        let key = PseudorandomKey::extract(&bytes);
        let [a, b, c, d, ..] = *key.expand(KEY_ID_LABEL).expose();
        let user_id = key.expand(Purpose::UserId.label());
        Ok(ServerKey { id: KeyId([a, b, c, d]), key, user_id })
    }

    /// The id that records carry.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The subkey for a purpose.
    pub fn subkey(&self, purpose: Purpose) -> Key {
        self.key.expand(purpose.label())
    }

    fn user_id(&self, email: &str) -> UserId {
        let lower = email.to_ascii_lowercase();
        UserId(hex(&self.user_id.mac(&[b"user", lower.as_bytes()])))
    }
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Purpose::UserId => b"user-id",
            Purpose::Record => b"record",
            Purpose::Refresh => b"refresh",
            Purpose::Form => b"form",
            Purpose::Answer => b"answer",
        }
    }
}

impl UserId {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const KEY_ID_LABEL: &[u8] = b"key-id";

/// A rotation needs two; more than a few means that somebody forgot to remove old ones.
pub const MAX_KEYS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const NEW: &str = "F00102030405060708090A0B0C0D0E0F101112131415161718191a1b1c1d1e1f";

    #[test]
    fn malformed_rings_are_refused_by_rule() {
        let repeated = format!("{OLD},{OLD}");
        let many = (0..9).map(|number| format!("{number:064x}1").split_off(1)).collect::<Vec<_>>().join(",");
        for (setting, error) in [
            ("", KeyRingError::Missing),
            (" , ", KeyRingError::Missing),
            ("00", KeyRingError::NotHexadecimal),
            (&OLD[1..], KeyRingError::NotHexadecimal),
            (&OLD.replace('f', "g"), KeyRingError::NotHexadecimal),
            (&"0".repeat(64), KeyRingError::Guessable),
            (&"a".repeat(64), KeyRingError::Guessable),
            (&"1f".repeat(32), KeyRingError::Guessable),
            (&format!("{OLD},{}", "7".repeat(64)), KeyRingError::Guessable),
            (&"z".repeat(64), KeyRingError::NotHexadecimal),
            (&"0".repeat(63), KeyRingError::NotHexadecimal),
            (&repeated, KeyRingError::Repeated),
            (&many, KeyRingError::TooMany),
        ] {
            assert_eq!(KeyRing::parse(setting), Err(error), "{setting}");
        }
    }

    #[test]
    fn new_user_ids_come_from_the_newest_key_and_every_key_finds_its_own() {
        let before = KeyRing::parse(OLD).unwrap();
        let during = KeyRing::parse(&format!("{NEW}, {OLD}")).unwrap();
        let after = KeyRing::parse(NEW).unwrap();
        let id = before.user_id("ann@example.com");
        assert_ne!(during.user_id("ann@example.com"), id);
        assert_eq!(
            during.user_id("ANN@Example.com"),
            after.user_id("ann@example.com"),
            "dropping the old changes none"
        );
        assert_eq!(during.user_ids("ann@example.com"), [after.user_id("ann@example.com"), id.clone()]);
        assert_eq!(during.find_user_id("Ann@example.com", id.as_str()), Some(id.clone()));
        assert_eq!(during.find_user_id("bob@example.com", id.as_str()), None);
        assert_eq!(after.find_user_id("ann@example.com", id.as_str()), None);
    }

    #[test]
    fn keys_are_found_by_id_while_they_are_in_the_ring() {
        let during = KeyRing::parse(&format!("{NEW},{OLD}")).unwrap();
        let old = KeyRing::parse(OLD).unwrap().newest().id();
        assert_eq!(during.key(old).map(ServerKey::id), Some(old));
        assert_ne!(during.newest().id(), old);
        assert_eq!(KeyRing::parse(NEW).unwrap().key(old), None);
    }

    #[test]
    fn every_purpose_has_a_key_of_its_own() {
        let ring = KeyRing::parse(OLD).unwrap();
        let all = [Purpose::UserId, Purpose::Record, Purpose::Refresh, Purpose::Form, Purpose::Answer];
        for (index, one) in all.iter().enumerate() {
            for other in &all[index + 1..] {
                assert_ne!(ring.newest().subkey(*one), ring.newest().subkey(*other));
            }
        }
        assert!(!format!("{ring:?}").contains("00, 1"));
    }
}
