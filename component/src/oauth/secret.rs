//! Secrets as types: equality takes the same time wherever two values differ, and `Debug` shows nothing.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// 256 bits that must not leak: what is derived from a server key, or the digest of a Plausible key.
#[derive(Clone)]
pub struct Key([u8; 32]);

/// A pseudorandom key (RFC 5869 §2.2): a server key after the half of HKDF that all its subkeys share.
#[derive(Clone)]
pub struct PseudorandomKey {
    key: Key,
    hkdf: Hkdf<Sha256>,
}

impl Key {
    /// Takes the bytes of a key.
    pub fn new(bytes: [u8; 32]) -> Key {
        Key(bytes)
    }

    /// The bytes, for a cipher or a hash only.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// HKDF-SHA-256 with this key as input, no salt, and `info` (RFC 5869 §2).
    pub fn derive(&self, info: &[u8]) -> Key {
        expand(&Hkdf::new(None, &self.0), info)
    }

    /// HKDF-SHA-256 with this key as salt and `input` as key material.
    pub fn derive_with(&self, input: &[u8], info: &[u8]) -> Key {
        expand(&Hkdf::new(Some(&self.0), input), info)
    }

    /// HMAC-SHA-256 over `parts`. Each part is preceded by its length, so that no two lists of parts collide.
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        for part in parts {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl PseudorandomKey {
    /// HKDF-Extract with no salt and the bytes of a server key.
    pub fn extract(input: &[u8; 32]) -> PseudorandomKey {
        let (key, hkdf) = Hkdf::extract(None, input);
        PseudorandomKey { key: Key(key.into()), hkdf }
    }

    /// HKDF-Expand: the subkey for `info`.
    pub fn expand(&self, info: &[u8]) -> Key {
        expand(&self.hkdf, info)
    }
}

impl PartialEq for PseudorandomKey {
    fn eq(&self, other: &PseudorandomKey) -> bool {
        self.key == other.key
    }
}

impl Eq for PseudorandomKey {}

impl std::fmt::Debug for PseudorandomKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PseudorandomKey(…)")
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        is_equal(&self.0, &other.0)
    }
}

impl Eq for Key {}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Key(…)")
    }
}

/// Whether two byte strings are equal, in a time that depends on their lengths only.
pub fn is_equal(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

fn expand(hkdf: &Hkdf<Sha256>, info: &[u8]) -> Key {
    let mut bytes = [0; 32];
    hkdf.expand(info, &mut bytes).expect("32 bytes are below the limit of HKDF-SHA-256");
    Key(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_shows_in_no_debug_output() {
        assert_eq!(format!("{:?}", Key::new([7; 32])), "Key(…)");
        assert_eq!(format!("{:?}", PseudorandomKey::extract(&[7; 32])), "PseudorandomKey(…)");
    }

    #[test]
    fn hkdf_agrees_with_the_vectors_of_rfc_5869() {
        // Appendix A.3: no salt, no info; the first 32 bytes of 42.
        let hkdf = Hkdf::<Sha256>::new(None, &[0x0b; 22]);
        let expected = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d";
        assert_eq!(hex(expand(&hkdf, b"").expose()), expected);
        assert_eq!(PseudorandomKey::extract(&[7; 32]).expand(b"info"), Key::new([7; 32]).derive(b"info"));
    }

    #[test]
    fn the_boundaries_of_macced_parts_count() {
        let key = Key::new([1; 32]);
        assert_ne!(key.mac(&[b"ab", b"c"]), key.mac(&[b"a", b"bc"]));
        assert_ne!(key.mac(&[b"ab"]), key.mac(&[b"ab", b""]));
        assert_eq!(key.mac(&[b"ab"]), key.mac(&[b"ab"]));
        assert_ne!(key.derive(b"x"), key.derive(b"y"));
        assert_ne!(key.derive_with(b"x", b""), key.derive(b"x"));
    }

    #[test]
    fn lengths_differ_from_the_start() {
        assert!(is_equal(b"abc", b"abc"));
        assert!(!is_equal(b"abc", b"abd"));
        assert!(!is_equal(b"abc", b"ab"));
    }
}
