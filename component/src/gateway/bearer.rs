//! The credential at `/mcp`: `Authorization: Bearer <Plausible API key>` (RFC 6750 §2.1).

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
        let mut values = headers.values("authorization");
        let (value, another) = (values.next().unwrap_or_default(), values.next());
        let Some((scheme, key)) = value.split_once(' ') else { return Err(missing()) };
        let key = key.trim_matches(' ');
        if !scheme.eq_ignore_ascii_case("bearer") || key.is_empty() || another.is_some() {
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

/// Three Base64url parts, the first of which is a JSON object (RFC 7519 §3).
fn is_jwt(key: &str) -> bool {
    let base64url = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    key.starts_with("eyJ") && key.split('.').count() == 3 && key.split('.').all(base64url)
}

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
        let twice = Headers(vec![
            ("authorization".into(), b"Bearer test-key-123".to_vec()),
            ("authorization".into(), b"Bearer test-key-456".to_vec()),
        ]);
        assert!(PlausibleKey::of(&twice).is_err());
    }

    #[test]
    fn tokens_of_other_endpoints_never_reach_plausible() {
        for value in ["Bearer pmcp_a_0123456789", "Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln"] {
            assert_eq!(key(value), Err(401), "{value}");
        }
    }

    #[test]
    fn a_key_shows_in_no_debug_output() {
        assert_eq!(format!("{:?}", PlausibleKey("secret-key".into())), "PlausibleKey(…)");
    }
}
