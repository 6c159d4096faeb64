//! An RSA public key of a key set: which ones may verify a signature (RFC 7517 §4, RFC 7518 §6.3.1), and how.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rsa::sha2::{Digest, Sha256};
use rsa::{BoxedUint, Pkcs1v15Sign, PublicKey};
use serde_json::{Map, Value};

/// A public key for RS256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RsaKey {
    modulus: Vec<u8>,
    exponent: u32,
}

/// Why a key must not verify signatures here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// `kty` is not RSA.
    KeyType,
    /// `use` is neither absent nor `sig`.
    Use,
    /// `key_ops` is there without `verify`.
    KeyOperations,
    /// `alg` is neither absent nor RS256.
    Algorithm,
    /// It has private or symmetric members, so that others may know them too.
    PrivateMembers,
    /// `n` or `e` is missing, or is no Base64url number in its shortest form.
    Encoding,
    /// The modulus has fewer than 2048 or more than 4096 bits.
    ModulusSize {
        /// So many.
        bits: usize,
    },
    /// The modulus is even: not a product of large primes.
    EvenModulus,
    /// The exponent is even, below 65537, or has more than 32 bits.
    Exponent,
}

impl RsaKey {
    /// The key of a JWK, or why there is none.
    pub(super) fn from_jwk(jwk: &Map<String, Value>) -> Result<RsaKey, Flaw> {
        if jwk.get("kty").and_then(Value::as_str) != Some("RSA") {
            return Err(Flaw::KeyType);
        }
        if jwk.get("use").is_some_and(|found| found != "sig") {
            return Err(Flaw::Use);
        }
        let verifies =
            |operations: &Value| operations.as_array().is_some_and(|all| all.iter().any(|one| one == "verify"));
        if jwk.get("key_ops").is_some_and(|operations| !verifies(operations)) {
            return Err(Flaw::KeyOperations);
        }
        if jwk.get("alg").is_some_and(|found| found != "RS256") {
            return Err(Flaw::Algorithm);
        }
        if PRIVATE_MEMBERS.into_iter().any(|member| jwk.contains_key(member)) {
            return Err(Flaw::PrivateMembers);
        }
        let modulus = checked_modulus(unsigned(jwk.get("n"))?)?;
        let exponent = checked_exponent(&unsigned(jwk.get("e"))?)?;
        Ok(RsaKey { modulus, exponent })
    }

    /// Whether `signature` is that of `message` by RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3).
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let modulus = BoxedUint::from_be_slice_vartime(&self.modulus);
        let exponent = BoxedUint::from(u64::from(self.exponent));
        PublicKey::new(modulus, exponent)
            .and_then(|key| key.verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message), signature))
            .is_ok()
    }
}

/// A Base64urlUInt: big-endian, without leading zeros (RFC 7518 §2, §6.3.1.1).
fn unsigned(value: Option<&Value>) -> Result<Vec<u8>, Flaw> {
    let text = value.and_then(Value::as_str).ok_or(Flaw::Encoding)?;
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Flaw::Encoding)?;
    if bytes.first().is_none_or(|first| *first == 0) { Err(Flaw::Encoding) } else { Ok(bytes) }
}

fn checked_modulus(modulus: Vec<u8>) -> Result<Vec<u8>, Flaw> {
    let leading_zeros = modulus.first().map_or(0, |first| first.leading_zeros().try_into().unwrap_or(0));
    let bits = (modulus.len() * 8).saturating_sub(leading_zeros);
    if !(MIN_MODULUS_BITS..=MAX_MODULUS_BITS).contains(&bits) {
        return Err(Flaw::ModulusSize { bits });
    }
    if modulus.last().is_some_and(|last| last % 2 == 0) { Err(Flaw::EvenModulus) } else { Ok(modulus) }
}

fn checked_exponent(bytes: &[u8]) -> Result<u32, Flaw> {
    let exponent = bytes.iter().try_fold(0_u32, |sum, byte| Some(sum.checked_mul(256)? | u32::from(*byte)));
    exponent.filter(|exponent| *exponent >= MIN_EXPONENT && exponent % 2 == 1).ok_or(Flaw::Exponent)
}

/// The private parameters of RSA (RFC 7518 §6.3.2) and the value of a symmetric key (§6.4.1).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// RFC 7518 §3.3: "A key of size 2048 bits or larger MUST be used".
const MIN_MODULUS_BITS: usize = 2048;

/// A verification costs the square of the size. Access uses 2048 bits, and nobody who is trusted here more than 4096.
const MAX_MODULUS_BITS: usize = 4096;

/// The exponent of practically every key, and the least that NIST SP 800-56B §6.2 allows.
const MIN_EXPONENT: u32 = 65_537;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::test_tokens::{FIRST, jwk};

    /// A good key with one member replaced, or removed when `value` is null.
    #[track_caller]
    fn check(member: &str, value: Value, expected: Result<(), Flaw>) {
        let Value::Object(mut members) = jwk(FIRST, "k") else { panic!("a JWK is an object") };
        members.remove(member);
        if !value.is_null() {
            members.insert(member.to_owned(), value.clone());
        }
        assert_eq!(RsaKey::from_jwk(&members).map(drop), expected, "{member}: {value}");
    }

    /// A number of so many bits whose lowest byte is `last`.
    fn number(bits: usize, last: u8) -> Value {
        let mut bytes = vec![0xff; bits.div_ceil(8)];
        bytes[0] >>= (8 - bits % 8) % 8;
        *bytes.last_mut().unwrap() = last;
        URL_SAFE_NO_PAD.encode(bytes).into()
    }

    #[test]
    fn a_key_is_for_verifying_rs256() {
        check("use", "sig".into(), Ok(()));
        check("use", Value::Null, Ok(()));
        check("use", "enc".into(), Err(Flaw::Use));
        check("use", 1.into(), Err(Flaw::Use));
        check("key_ops", serde_json::json!(["sign", "verify"]), Ok(()));
        for operations in [serde_json::json!(["sign"]), serde_json::json!([]), "verify".into()] {
            check("key_ops", operations, Err(Flaw::KeyOperations));
        }
        check("alg", Value::Null, Ok(()));
        for algorithm in ["RS512", "PS256", "RSA-OAEP", "none", "rs256"] {
            check("alg", algorithm.into(), Err(Flaw::Algorithm));
        }
        for kind in ["EC", "OKP", "oct", "rsa"] {
            check("kty", kind.into(), Err(Flaw::KeyType));
        }
        check("kty", Value::Null, Err(Flaw::KeyType));
    }

    #[test]
    fn a_key_has_no_private_members() {
        for member in PRIVATE_MEMBERS {
            check(member, "AQAB".into(), Err(Flaw::PrivateMembers));
        }
    }

    #[test]
    fn a_modulus_is_odd_and_has_2048_to_4096_bits() {
        for (bits, is_legal) in [(8, false), (1024, false), (2047, false), (2048, true), (4096, true), (4097, false)] {
            check("n", number(bits, 0xff), if is_legal { Ok(()) } else { Err(Flaw::ModulusSize { bits }) });
        }
        check("n", number(16_384, 0xff), Err(Flaw::ModulusSize { bits: 16_384 }));
        check("n", number(2048, 0xfe), Err(Flaw::EvenModulus));
    }

    #[test]
    fn an_exponent_is_odd_and_from_65537_to_32_bits() {
        for (exponent, is_legal) in [
            ("AQAB", true),
            ("_____w", true),
            ("AQ", false),
            ("Aw", false),
            ("EQ", false),
            ("__8", false),
            ("AQAA", false),
            ("AQAC", false),
            ("AQAAAAE", false),
            ("AQAAAAAAAAAAAAE", false),
        ] {
            check("e", exponent.into(), if is_legal { Ok(()) } else { Err(Flaw::Exponent) });
        }
    }

    #[test]
    fn numbers_are_in_their_shortest_form() {
        for value in ["", "AA", "AAEAAQ", "AQAB=", "AQ AB", "65537", "A"] {
            check("e", value.into(), Err(Flaw::Encoding));
        }
        check("e", 65_537.into(), Err(Flaw::Encoding));
        check("e", Value::Null, Err(Flaw::Encoding));
        check("n", Value::Null, Err(Flaw::Encoding));
        check("n", "".into(), Err(Flaw::Encoding));
    }

    #[test]
    fn a_key_that_is_no_product_of_primes_verifies_nothing_and_does_not_panic() {
        let Value::Object(mut members) = jwk(FIRST, "k") else { panic!("a JWK is an object") };
        members.insert("n".into(), number(2048, 0xff));
        let key = RsaKey::from_jwk(&members).unwrap();
        for signature in [vec![], vec![0; 256], vec![1; 256], vec![0xff; 256], vec![0xff; 257], vec![0; 4096]] {
            assert!(!key.verifies(b"message", &signature));
        }
    }
}
