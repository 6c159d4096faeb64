//! The credential at `/mcp`: `Authorization: Bearer <Plausible API key>` (RFC 6750 §2.1).

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

use super::request::Headers;
use super::response::Refusal;

/// A caller's Plausible key. It has no `Display`, and its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct PlausibleKey(String);

impl std::fmt::Debug for PlausibleKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PlausibleKey(…)")
    }
}

impl PlausibleKey {
    /// The key of a request, or the challenge for one that has none.
    pub fn of(headers: &Headers) -> Result<PlausibleKey, Refusal> {
        let value = headers.single("authorization").map_err(Refusal::conflicting)?.unwrap_or_default();
        let Some((scheme, key)) = value.split_once(' ') else { return Err(missing()) };
        let key = key.trim_matches(' ');
        if !scheme.eq_ignore_ascii_case("bearer") || key.is_empty() {
            return Err(missing());
        }
        if key.len() < MIN_KEY {
            return Err(invalid("The API key is too short to be one of Plausible's."));
        }
        if key.len() > MAX_KEY || !key.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
            return Err(invalid("The API key has characters or a length that no key of Plausible's has."));
        }
        if key.starts_with(OWN_TOKEN_PREFIX) || is_jwt(key) {
            return Err(invalid(
                "This is a token for another endpoint, not a Plausible API key. Use your Plausible API key here, or \
                 sign in at /internal where that is offered.",
            ));
        }
        Ok(PlausibleKey(key.to_owned()))
    }

    /// The key, for Plausible only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

fn missing() -> Refusal {
    let text =
        "The header Authorization is missing or malformed. Send your Plausible API key as: Authorization: Bearer <key>";
    challenge(text, "invalid_request", "no_credential")
}

fn invalid(text: &str) -> Refusal {
    challenge(text, "invalid_token", "bad_credential")
}

fn challenge(text: &str, error: &str, reason: &'static str) -> Refusal {
    let value = format!("Bearer realm=\"plausible-mcp\", error=\"{error}\"");
    Refusal::new(401, text, reason).with_header("www-authenticate", value)
}

/// Base64url parts, three of a signed token or five of an encrypted one, in which some may be empty. The first is a JSON
/// object, before which JSON allows white space (RFC 7519 §3, RFC 7515 §7.1, RFC 7516 §7.1).
fn is_jwt(key: &str) -> bool {
    let base64url = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let header = key.split('.').next().and_then(|header| LENIENT.decode(header).ok()).unwrap_or_default();
    let is_object = header.trim_ascii_start().starts_with(b"{");
    is_object && matches!(key.split('.').count(), 3 | 5) && key.split('.').all(base64url)
}

/// Reads what a careless verifier would read too.
const LENIENT: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, NO_PAD.with_decode_allow_trailing_bits(true));

/// How tokens of this server's own authorization server begin.
const OWN_TOKEN_PREFIX: &str = "pmcp_";

/// As in the original: nothing shorter is a key.
const MIN_KEY: usize = 8;

/// Plausible's keys have 64 characters; self-hosted ones are no longer.
const MAX_KEY: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(value: &str) -> Result<String, u16> {
        let headers = Headers(vec![("authorization".into(), value.as_bytes().to_vec())]);
        PlausibleKey::of(&headers).map(|key| key.expose().to_owned()).map_err(|refusal| refusal.status())
    }

    #[test]
    fn the_scheme_has_any_case_and_the_key_is_taken_as_it_stands() {
        for value in ["Bearer test-key-123", "bearer test-key-123", "BEARER   test-key-123 "] {
            assert_eq!(key(value), Ok("test-key-123".into()), "{value}");
        }
        assert_eq!(key("Bearer abc def ghi"), Ok("abc def ghi".into()));
    }

    #[test]
    fn everything_else_is_challenged() {
        let long = format!("Bearer {}", "x".repeat(513));
        for value in
            ["", "Bearer", "Bearer ", "Basic dTpw", "test-key-123", "Bearer 1234567", "Bearer schlüssel", &long]
        {
            assert_eq!(key(value), Err(401), "{value}");
        }
        assert!(PlausibleKey::of(&Headers::default()).is_err());
    }

    #[test]
    fn a_key_that_comes_twice_is_that_key_and_two_keys_are_none() {
        let lines = |values: [&str; 2]| {
            let headers = values.map(|value| ("authorization".to_owned(), value.as_bytes().to_vec()));
            let key = PlausibleKey::of(&Headers(headers.to_vec()));
            key.map(|key| key.expose().to_owned()).map_err(|refusal| refusal.status())
        };
        assert_eq!(lines(["Bearer test-key-123", "Bearer test-key-123"]), Ok("test-key-123".into()));
        assert_eq!(key("Bearer test-key-123, Bearer test-key-123"), Ok("test-key-123".into()));
        assert_eq!(lines(["Bearer test-key-123", "Bearer test-key-456"]), Err(400));
        assert_eq!(key("Bearer test-key-123,test-key-123"), Ok("test-key-123,test-key-123".into()));
    }

    #[test]
    fn tokens_of_other_endpoints_never_reach_plausible() {
        let header = |text: &str| LENIENT.encode(text);
        let (signed, encrypted) = (header(r#"{"alg":"RS256"}"#), header(r#"{"alg":"dir","enc":"A128GCM"}"#));
        let (spaced, broken) = (header(" \t{ \"alg\":\"RS256\"}"), header("\r\n{\"alg\":\"none\"}"));
        for token in [
            "pmcp_a_0123456789",
            "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln",
            // The last character carries bits that must be zero.
            "eyJhIjoxfR.eyJpc3MiOiJ4In0.c2ln",
            &format!("{signed}.e30."),
            &format!("{spaced}.e30.c2ln"),
            &format!("{broken}.e30."),
            &format!("{encrypted}..bm9uY2U.dGV4dA.dGFn"),
            &format!("{encrypted}.a2V5.bm9uY2U.dGV4dA.dGFn"),
        ] {
            assert_eq!(key(&format!("Bearer {token}")), Err(401), "{token}");
        }
        for other in ["eyJhbGciOiJSUzI1NiJ9", "eyJhbGciOiJSUzI1NiJ9.e30", "e30.a.b.c", "a.b.c.d.e", "site.key.12345678"]
        {
            assert_eq!(key(&format!("Bearer {other}")), Ok(other.to_owned()), "{other}");
        }
    }

    #[test]
    fn a_key_shows_in_no_debug_output() {
        assert_eq!(format!("{:?}", PlausibleKey("secret-key".into())), "PlausibleKey(…)");
    }
}
