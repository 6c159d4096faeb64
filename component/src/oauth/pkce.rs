//! Proof Key for Code Exchange (RFC 7636), method `S256` only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::secret::{is_equal, sha256};

/// A `code_challenge`: the SHA-256 of a verifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeChallenge([u8; 32]);

impl CodeChallenge {
    /// Reads a challenge: 43 characters of base64url, which is what SHA-256 gives (§4.2).
    pub fn parse(text: &str) -> Option<CodeChallenge> {
        let encoded = Some(text).filter(|text| text.len() == CHALLENGE_CHARACTERS)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        bytes.try_into().ok().map(CodeChallenge)
    }

    /// Whether this is the challenge of `verifier` (§4.6).
    pub fn is_answered_by(&self, verifier: &CodeVerifier) -> bool {
        is_equal(&self.0, &sha256(verifier.0.as_bytes()))
    }
}

/// A `code_verifier`: what only the client that made the challenge knows.
#[derive(Clone)]
pub struct CodeVerifier(String);

impl CodeVerifier {
    /// Reads a verifier: 43 to 128 unreserved characters (§4.1).
    pub fn parse(text: &str) -> Option<CodeVerifier> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let valid = (43..=128).contains(&text.len()) && text.bytes().all(legal);
        valid.then(|| CodeVerifier(text.to_owned()))
    }
}

impl std::fmt::Debug for CodeVerifier {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("CodeVerifier(…)")
    }
}

/// 32 bytes in base64url without padding.
const CHALLENGE_CHARACTERS: usize = 43;

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7636, Appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_example_of_the_rfc_holds_and_a_challenge_does_not_answer_itself() {
        let challenge = CodeChallenge::parse(CHALLENGE).unwrap();
        assert!(challenge.is_answered_by(&CodeVerifier::parse(VERIFIER).unwrap()));
        assert!(!challenge.is_answered_by(&CodeVerifier::parse(CHALLENGE).unwrap()), "D38");
    }

    #[test]
    fn the_grammar_is_checked() {
        for text in [&CHALLENGE[1..], &format!("{CHALLENGE}A"), &"x".repeat(129), &CHALLENGE.replace('-', "+"), ""] {
            assert_eq!(CodeChallenge::parse(text), None, "A32 {text}");
        }
        for text in [&"a".repeat(42), &"a".repeat(129), &format!("{}+", "a".repeat(43)), &"ä".repeat(43), ""] {
            assert!(CodeVerifier::parse(text).is_none(), "D39 {text}");
        }
        for length in [43, 128] {
            assert!(CodeVerifier::parse(&"~".repeat(length)).is_some());
        }
    }
}
