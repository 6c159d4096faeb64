//! A JWS in compact serialization (RFC 7515 §7.1), read strictly before anything is computed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::key_set::KeySet;
use super::rejection::{Part, Rejection, shown};
use super::strict_json;

/// A token with an acceptable header. Nothing in it is proven yet.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedToken {
    /// Header and payload as they stand in the token, with the dot between them (RFC 7515 §5.2, step 8).
    signing_input: String,
    key_id: String,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl SignedToken {
    /// Reads a token: its size, its parts, its encoding and its header.
    pub fn read(text: &str) -> Result<SignedToken, Rejection> {
        if text.len() > MAX_TOKEN {
            return Err(Rejection::TooLong { bytes: text.len() });
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [header, payload, signature] = parts.as_slice() else {
            let count = parts.len();
            return Err(if count == JWE_PARTS { Rejection::Encrypted } else { Rejection::PartCount { count } });
        };
        let header_members = strict_json::object(&decode(Part::Header, header)?)
            .map_err(|error| Rejection::Json(Part::Header, error))?;
        Ok(SignedToken {
            key_id: checked_key_id(&header_members)?,
            signing_input: format!("{header}.{payload}"),
            payload: decode(Part::Payload, payload)?,
            signature: decode(Part::Signature, signature)?,
        })
    }

    /// The `kid` of its header: which key of the key set it names. At most 256 bytes; not to be trusted.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The payload, once the signature has been verified with the key that `kid` names. It proves who signed, not
    /// what for: that is for [`verify`](super::verify) to say.
    pub fn payload(&self, keys: &KeySet) -> Result<&[u8], Rejection> {
        let key = keys.select(&self.key_id)?;
        if key.verifies(self.signing_input.as_bytes(), &self.signature) {
            Ok(&self.payload)
        } else {
            Err(Rejection::Signature)
        }
    }
}

impl std::fmt::Debug for SignedToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SignedToken").field("key_id", &shown(&self.key_id)).finish_non_exhaustive()
    }
}

/// The header's rules, and its `kid`.
fn checked_key_id(header: &Map<String, Value>) -> Result<String, Rejection> {
    // RFC 8725 §3.1: the one algorithm is fixed here, and compared exactly.
    let algorithm = header.get("alg").and_then(Value::as_str);
    if algorithm != Some("RS256") {
        return Err(Rejection::Algorithm { found: algorithm.map(shown) });
    }
    if let Some(member) = REFUSED_MEMBERS.into_iter().find(|member| header.contains_key(*member)) {
        return Err(Rejection::HeaderMember(member));
    }
    // RFC 8725 §3.11: tokens of other kinds say so in `typ`.
    match header.get("typ") {
        None => {}
        Some(Value::String(kind)) if kind.eq_ignore_ascii_case("JWT") => {}
        Some(_) => return Err(Rejection::HeaderType),
    }
    match header.get("kid") {
        Some(Value::String(key_id)) if (1..=MAX_KEY_ID).contains(&key_id.len()) => Ok(key_id.clone()),
        _ => Err(Rejection::KeyId),
    }
}

/// Base64url without padding, blanks or stray last bits (RFC 7515 §2).
fn decode(part: Part, text: &str) -> Result<Vec<u8>, Rejection> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Rejection::Encoding(part))
}

/// What a header must not have: extensions (RFC 7515 §4.1.11, RFC 7797 §7), keys of the sender's own choice (RFC 8725
/// §3.10), a nested token (RFC 7519 §5.2), and what makes sense in a JWE only.
const REFUSED_MEMBERS: [&str; 10] = ["crit", "b64", "jwk", "jku", "x5u", "x5c", "cty", "enc", "zip", "p2c"];

/// The parts of a JWE (RFC 7516 §7.1).
const JWE_PARTS: usize = 5;

/// The longest token, in bytes. Those of Access have one to four thousand with groups and custom claims, and no HTTP
/// server takes a header much longer than this.
const MAX_TOKEN: usize = 16 * 1024;

/// The longest `kid`, in bytes. Access uses 64, others thumbprints or short names.
pub(super) const MAX_KEY_ID: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::strict_json::JsonError;

    fn with_header(header: impl AsRef<[u8]>) -> String {
        format!("{}.e30.c2ln", URL_SAFE_NO_PAD.encode(header))
    }

    #[track_caller]
    fn check(text: &str, expected: Result<&str, Rejection>) {
        let read = SignedToken::read(text).map(|token| token.key_id().to_owned());
        assert_eq!(read, expected.map(str::to_owned), "{}", text.get(..100).unwrap_or(text));
    }

    #[test]
    fn plain_headers_are_read() {
        for header in [
            r#"{"alg":"RS256","kid":"k"}"#,
            r#"{"alg":"RS256","kid":"k","typ":"JWT"}"#,
            r#"{"typ":"jwt","kid":"k","alg":"RS256"}"#,
            r#"{"alg":"RS256","kid":"k","x5t":"a thumbprint is no key","unknown":[1]}"#,
        ] {
            check(&with_header(header), Ok("k"));
        }
        check(&with_header(r#"{"alg":"RS256","kid":"../../dev/null"}"#), Ok("../../dev/null"));
    }

    #[test]
    fn a_compact_jws_has_three_parts() {
        for (text, count) in [("", 1), ("a", 1), ("a.b", 2), ("a.b.c.d", 4), ("a.b.c.d.e.f", 6), ("....", 5)] {
            check(text, Err(if count == 5 { Rejection::Encrypted } else { Rejection::PartCount { count } }));
        }
        check(&"a".repeat(MAX_TOKEN + 1), Err(Rejection::TooLong { bytes: MAX_TOKEN + 1 }));
        check(&".".repeat(MAX_TOKEN), Err(Rejection::PartCount { count: MAX_TOKEN + 1 }));
    }

    #[test]
    fn every_part_is_base64url_without_padding() {
        let good = with_header(r#"{"alg":"RS256","kid":"k"}"#);
        let header = good.strip_suffix(".e30.c2ln").unwrap();
        for text in [
            format!("{header}=.e30.c2ln"),
            format!("Bearer {good}"),
            format!("\"{good}"),
            format!("\u{feff}{good}"),
            format!(" {good}"),
            format!("{header}\n.e30.c2ln"),
            "a.e30.c2ln".into(),
        ] {
            check(&text, Err(Rejection::Encoding(Part::Header)));
        }
        // `e31` has stray last bits, `e` alone is no length that Base64 has.
        for part in ["e30=", "e+0", "e/0", "e31", "e 30", "e30\0", "e30\r\n", "e", "{}"] {
            check(&format!("{header}.{part}.c2ln"), Err(Rejection::Encoding(Part::Payload)));
            check(&format!("{header}.e30.{part}"), Err(Rejection::Encoding(Part::Signature)));
        }
    }

    #[test]
    fn the_header_is_an_object_whose_members_stand_once() {
        for (header, error) in [
            (r#"{"alg":"RS256","alg":"none","kid":"k"}"#, JsonError::DuplicateMember),
            (r#"{"alg":"RS256","kid":"k","x":{"a":1,"a":1}}"#, JsonError::DuplicateMember),
            (r#"["RS256"]"#, JsonError::NotAnObject),
            ("null", JsonError::NotAnObject),
            ("", JsonError::Malformed),
            (r#"{"alg":"RS256","kid":"k"} x"#, JsonError::Malformed),
        ] {
            check(&with_header(header), Err(Rejection::Json(Part::Header, error)));
        }
        let utf_16: Vec<u8> = "{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        check(&with_header(utf_16), Err(Rejection::Json(Part::Header, JsonError::Malformed)));
    }

    #[test]
    fn no_algorithm_but_rs256_is_read() {
        for algorithm in [
            "none",
            "None",
            "NONE",
            "nOnE",
            "",
            "rs256",
            "RS256 ",
            "RS384",
            "RS512",
            "PS256",
            "HS256",
            "ES256",
            "ES256K",
            "EdDSA",
            "Ed25519",
            "dir",
            "RSA-OAEP",
            "PBES2-HS256+A128KW",
        ] {
            let header = format!(r#"{{"alg":"{algorithm}","kid":"k","p2c":2147483648}}"#);
            check(&with_header(header), Err(Rejection::Algorithm { found: Some(algorithm.into()) }));
        }
        for header in [r#"{"kid":"k"}"#, r#"{"alg":null,"kid":"k"}"#, r#"{"alg":["RS256"],"kid":"k"}"#] {
            check(&with_header(header), Err(Rejection::Algorithm { found: None }));
        }
    }

    #[test]
    fn headers_bring_no_keys_and_no_extensions() {
        for member in REFUSED_MEMBERS {
            for value in ["[]", "null", "[\"exp\"]", "\"JWT\"", "false", "{}"] {
                let header = format!(r#"{{"alg":"RS256","kid":"k","{member}":{value}}}"#);
                check(&with_header(header), Err(Rejection::HeaderMember(member)));
            }
        }
    }

    #[test]
    fn tokens_of_other_kinds_are_refused() {
        for kind in [
            "\"at+jwt\"",
            "\"oauth-id-jag+jwt\"",
            "\"JOSE+JSON\"",
            "\"dpop+jwt\"",
            "\"logout+jwt\"",
            "\"\"",
            "null",
            "1",
        ] {
            let header = format!(r#"{{"alg":"RS256","kid":"k","typ":{kind}}}"#);
            check(&with_header(header), Err(Rejection::HeaderType));
        }
    }

    #[test]
    fn a_key_is_named() {
        for member in ["", r#","kid":"""#, r#","kid":1"#, r#","kid":null"#, r#","kid":["k"]"#] {
            check(&with_header(format!(r#"{{"alg":"RS256"{member}}}"#)), Err(Rejection::KeyId));
        }
        let long = "k".repeat(MAX_KEY_ID + 1);
        check(&with_header(format!(r#"{{"alg":"RS256","kid":"{long}"}}"#)), Err(Rejection::KeyId));
    }

    #[test]
    fn a_token_shows_in_no_debug_output() {
        let token = SignedToken::read(&with_header(r#"{"alg":"RS256","kid":"k"}"#)).unwrap();
        assert_eq!(format!("{token:?}"), r#"SignedToken { key_id: "k", .. }"#);
    }
}
