//! Sealed records: what the store holds.
//!
//! ```text
//! format version (1 byte) ‖ key id (4) ‖ nonce (12) ‖ AES-256-GCM(JSON)
//! ```
//!
//! What an older version of this server cannot read raises the format version; a member that may be absent does not.
//! Whoever meets a newer version leaves the record as it is and answers that it cannot be read now: nothing about it is
//! known, least of all that it does not exist.
//!
//! The store key is the associated data, so that a record that was moved does not open. A record that belongs to a
//! token is sealed under a key that takes the server's key *and* the token: who reads the store opens nothing, and who
//! has both the store and the server's key still opens no record of a token that they do not hold.

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::keyring::{KeyId, KeyRing, Purpose, ServerKey};
use super::secret::Key;
use super::token::Token;

/// What a record is sealed with besides the server's key.
#[derive(Debug, Clone, Copy)]
pub enum Sealed<'a> {
    /// The token that the record belongs to.
    ByToken(&'a Token),
    /// Nothing: the server opens it without anybody's token.
    ByServer,
    /// Somebody else's key, whose answers are kept; under the `answer` subkey.
    ByKey(&'a Key),
    /// Nothing: a form that a browser keeps instead of the store; under the `form` subkey.
    AsForm,
}

/// Why a record does not decode. It is then treated as absent, and reported; but for one of a newer version, which is an
/// error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordFault {
    /// It is shorter than its header.
    Truncated,
    /// A newer version of this server wrote it.
    NewerVersion(u8),
    /// Its format version is none that there is.
    UnknownVersion(u8),
    /// The key that it was written under is not in the ring any more.
    UnknownKey(KeyId),
    /// It was changed, moved, or belongs to another token.
    NotAuthentic,
    /// It is authentic, but its content is not what this version writes.
    UnknownContent,
}

/// Seals a record for `store_key` under the newest key. `nonce` is drawn for this call.
pub fn seal(
    ring: &KeyRing,
    store_key: &str,
    sealed: Sealed,
    nonce: [u8; NONCE_BYTES],
    record: &impl Serialize,
) -> Vec<u8> {
    let json = serde_json::to_vec(record).expect("records are structs of texts and numbers, which JSON can hold");
    seal_bytes(ring, store_key, sealed, nonce, &json)
}

/// Seals what is no JSON of ours.
pub fn seal_bytes(
    ring: &KeyRing,
    store_key: &str,
    sealed: Sealed,
    nonce: [u8; NONCE_BYTES],
    content: &[u8],
) -> Vec<u8> {
    let server_key = ring.newest();
    let payload = Payload { msg: content, aad: store_key.as_bytes() };
    let cipher = cipher(&record_key(server_key, store_key, sealed));
    let ciphertext = cipher.encrypt(&nonce.into(), payload).expect("a record is below the limit of GCM");
    [&[FORMAT_VERSION], server_key.id().0.as_slice(), &nonce, &ciphertext].concat()
}

impl RecordFault {
    /// The name of the cause, for the log.
    pub fn reason(self) -> &'static str {
        match self {
            RecordFault::Truncated => "record_truncated",
            RecordFault::NewerVersion(_) => "record_newer_version",
            RecordFault::UnknownVersion(_) => "record_unknown_version",
            RecordFault::UnknownKey(_) => "record_unknown_key",
            RecordFault::NotAuthentic => "record_not_authentic",
            RecordFault::UnknownContent => "record_unknown_content",
        }
    }
}

/// Opens the record that stood under `store_key`.
pub fn open<T: DeserializeOwned>(
    ring: &KeyRing,
    store_key: &str,
    sealed: Sealed,
    value: &[u8],
) -> Result<T, RecordFault> {
    let json = open_bytes(ring, store_key, sealed, value)?;
    serde_json::from_slice(&json).map_err(|_| RecordFault::UnknownContent)
}

/// Opens what [`seal_bytes`] sealed.
pub fn open_bytes(ring: &KeyRing, store_key: &str, sealed: Sealed, value: &[u8]) -> Result<Vec<u8>, RecordFault> {
    let (id, rest) = split_header(ring, value)?;
    let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(RecordFault::Truncated)?;
    let server_key = ring.key(id).ok_or(RecordFault::UnknownKey(id))?;
    let payload = Payload { msg: ciphertext, aad: store_key.as_bytes() };
    let opened = cipher(&record_key(server_key, store_key, sealed)).decrypt(nonce.into(), payload);
    opened.map_err(|_| RecordFault::NotAuthentic)
}

/// The key of the server that `value` says it was sealed under. Whether that is true shows when it is opened.
pub fn sealing_key<'a>(ring: &'a KeyRing, value: &[u8]) -> Result<&'a ServerKey, RecordFault> {
    let (id, _) = split_header(ring, value)?;
    ring.key(id).ok_or(RecordFault::UnknownKey(id))
}

/// Whether `value` says that it was sealed under the newest key.
pub fn is_under_newest(ring: &KeyRing, value: &[u8]) -> bool {
    sealing_key(ring, value).is_ok_and(|key| key == ring.newest())
}

/// The id of the key, and what comes after it.
fn split_header<'a>(ring: &KeyRing, value: &'a [u8]) -> Result<(KeyId, &'a [u8]), RecordFault> {
    let (version, rest) = value.split_first().ok_or(RecordFault::Truncated)?;
    if *version != FORMAT_VERSION {
        return Err(another_version(ring, *version, rest));
    }
    let (id, rest) = rest.split_first_chunk().ok_or(RecordFault::Truncated)?;
    Ok((KeyId(*id), rest))
}

/// Tells a newer version from what is no record of ours, such as text. A version that is near, or stands in front of a
/// key of the ring, is a version.
fn another_version(ring: &KeyRing, version: u8, rest: &[u8]) -> RecordFault {
    let names_a_key = rest.first_chunk().is_some_and(|id| ring.key(KeyId(*id)).is_some());
    match version > FORMAT_VERSION && (version <= LAST_NEAR_VERSION || names_a_key) {
        true => RecordFault::NewerVersion(version),
        false => RecordFault::UnknownVersion(version),
    }
}

/// HKDF(salt = server subkey, ikm = token, info = kind ‖ store key). The store key begins with the kind, so no two
/// pairs join to the same text.
fn record_key(server_key: &ServerKey, store_key: &str, sealed: Sealed) -> Key {
    let kind = store_key.split('/').next().unwrap_or_default();
    let info = [kind.as_bytes(), store_key.as_bytes()].concat();
    let subkey = |purpose| server_key.subkey(purpose);
    match sealed {
        Sealed::ByToken(token) => subkey(Purpose::Record).derive_with(token.expose().as_bytes(), &info),
        Sealed::ByServer => subkey(Purpose::Record).derive(&info),
        Sealed::ByKey(key) => subkey(Purpose::Answer).derive_with(key.expose(), &info),
        Sealed::AsForm => subkey(Purpose::Form).derive(&info),
    }
}

fn cipher(key: &Key) -> Aes256Gcm {
    Aes256Gcm::new(key.expose().into())
}

const FORMAT_VERSION: u8 = 1;

/// The last byte that no text begins with. A format that lives long enough to meet it may move it.
const LAST_NEAR_VERSION: u8 = 31;

/// The nonce of AES-GCM (NIST SP 800-38D §8.2.2: 96 random bits). A record key seals the few versions of one record.
pub const NONCE_BYTES: usize = 12;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::oauth::secret::hex;
    use crate::oauth::token::TokenKind;

    const OLD: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const NEW: &str = "f00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn ring(setting: &str) -> KeyRing {
        KeyRing::parse(setting).unwrap()
    }

    fn token(byte: u8) -> Token {
        Token::new(TokenKind::Access, [byte; 32])
    }

    #[test]
    fn only_the_token_and_the_ring_together_open_a_record() {
        let (token, key) = (token(1), token(1).store_key());
        let value = seal(&ring(OLD), &key, Sealed::ByToken(&token), [9; 12], &json!({"email": "ann@example.com"}));
        assert!(!String::from_utf8_lossy(&value).contains("example"));
        let other = Token::new(TokenKind::Access, [2; 32]);
        let open = |setting, key, sealed| open::<Value>(&ring(setting), key, sealed, &value);
        assert_eq!(open(OLD, &key, Sealed::ByToken(&token)).unwrap()["email"], "ann@example.com");
        assert_eq!(open(OLD, &key, Sealed::ByServer), Err(RecordFault::NotAuthentic));
        assert_eq!(open(OLD, &key, Sealed::ByToken(&other)), Err(RecordFault::NotAuthentic));
        assert_eq!(open(OLD, "access/other", Sealed::ByToken(&token)), Err(RecordFault::NotAuthentic));
        assert_eq!(open(OLD, &key, Sealed::AsForm), Err(RecordFault::NotAuthentic));
        let as_key = Key::new([1; 32]);
        assert_eq!(open(OLD, &key, Sealed::ByKey(&as_key)), Err(RecordFault::NotAuthentic));
        let gone = RecordFault::UnknownKey(ring(OLD).newest().id());
        assert_eq!(open(NEW, &key, Sealed::ByToken(&token)), Err(gone));
    }

    #[test]
    fn records_are_sealed_as_another_implementation_seals_them() {
        // Computed with the Python package cryptography 48 (OpenSSL).
        let token = token(1);
        let (head, record) = ("01f7b5f511090909090909090909090909", json!({"a": 1}));
        for (key, sealed, rest) in [
            (token.store_key(), Sealed::ByToken(&token), "401177875f78c90dbe58d6d84ee316fc880b5269e5ff86"),
            ("grant/1".to_owned(), Sealed::ByServer, "bb5f8eeea6e1a74bcf42c42582aadb2a7ae3f69fbf02bf"),
        ] {
            assert_eq!(hex(&seal(&ring(OLD), &key, sealed, [9; 12], &record)), format!("{head}{rest}"), "{key}");
        }
    }

    #[test]
    fn rotation_reads_old_records_and_writes_new_ones() {
        let both = ring(&format!("{NEW},{OLD}"));
        for sealed in [Sealed::ByServer, Sealed::ByToken(&token(1))] {
            let old = seal(&ring(OLD), "k/1", sealed, [1; 12], &7);
            assert_eq!(open::<u8>(&both, "k/1", sealed, &old), Ok(7));
            let new = seal(&both, "k/1", sealed, [1; 12], &8);
            assert_eq!(open::<u8>(&ring(NEW), "k/1", sealed, &new), Ok(8));
            assert!(matches!(open::<u8>(&ring(OLD), "k/1", sealed, &new), Err(RecordFault::UnknownKey(_))));
        }
    }

    #[test]
    fn a_damaged_record_has_a_typed_fault() {
        let ring = ring(OLD);
        let value = seal(&ring, "k/1", Sealed::ByServer, [1; 12], &json!("text"));
        for length in 0..value.len() {
            let fault = open::<Value>(&ring, "k/1", Sealed::ByServer, &value[..length]).unwrap_err();
            let expected = if length < 17 { RecordFault::Truncated } else { RecordFault::NotAuthentic };
            assert_eq!(fault, expected, "{length}");
        }
        for index in 0..value.len() {
            let mut flipped = value.clone();
            flipped[index] ^= 1;
            assert!(open::<Value>(&ring, "k/1", Sealed::ByServer, &flipped).is_err(), "{index}");
        }
        assert_eq!(open::<u8>(&ring, "k/1", Sealed::ByServer, &value), Err(RecordFault::UnknownContent));
    }

    #[test]
    fn a_newer_version_is_told_from_what_is_no_record() {
        let (ours, other) = (ring(OLD), ring(NEW));
        let value = seal(&ours, "k/1", Sealed::ByServer, [1; 12], &json!("text"));
        let open = |ring: &KeyRing, value: &[u8]| open::<Value>(ring, "k/1", Sealed::ByServer, value);
        let version = |version: u8| [&[version], &value[1..]].concat();
        for newer in [2, 3, 9, 31, 99, 255] {
            assert_eq!(open(&ours, &version(newer)), Err(RecordFault::NewerVersion(newer)));
            let gone = if newer <= 31 { RecordFault::NewerVersion(newer) } else { RecordFault::UnknownVersion(newer) };
            assert_eq!(open(&other, &version(newer)), Err(gone), "under a key that has left the ring");
        }
        assert_eq!(open(&ours, &version(0)), Err(RecordFault::UnknownVersion(0)), "there was none before the first");
        assert_eq!(open(&ours, &[2]), Err(RecordFault::NewerVersion(2)), "its shape is its own matter");
        assert_eq!(open(&ours, b"garbage"), Err(RecordFault::UnknownVersion(b'g')));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(value in proptest::collection::vec(0u8..=255, 0..80)) {
            proptest::prop_assert!(open::<Value>(&ring(OLD), "k/1", Sealed::ByServer, &value).is_err());
        }
    }
}
