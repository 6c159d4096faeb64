//! Tokens of Cloudflare Access: a token as it stands, or a header and a payload in two lines that are signed first,
//! which is how mutations get behind the signature.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use plausible_mcp_component::access::test_tokens::{FIRST, SECOND, keys, sign};
use plausible_mcp_component::access::{Admission, KeySet, Profile, SignedToken, verify};
use plausible_mcp_component::gateway::federation::simulated_provider::TEAM;
use plausible_mcp_component::ports::{Clock, FixedClock};
use serde_json::Value;

/// Whatever is accepted is a token that the key has signed, to the last character, and says what it must.
pub fn jwt(data: &[u8]) {
    let token = token(data);
    let now = FixedClock::default().now();
    let admission = Admission { allowed_domains: vec!["example.com".into()], denied_emails: vec![] };
    let id_token = Profile::IdToken { issuer: ISSUER, client_id: "client-1", nonce: "nonce-1" };
    let assertion = Profile::Assertion { team_domain: TEAM, audience: "tag-1" };
    let Ok(read) = SignedToken::read(&token) else { return };
    for (profile, issuer, audience) in [(id_token, ISSUER, "client-1"), (assertion, TEAM, "tag-1")] {
        let verified = KEYS.with(|keys| verify(&read, keys, &profile, &admission, now));
        if let Ok(identity) = verified {
            let claims = signed_claims(&token);
            assert_eq!(claims["iss"], issuer);
            assert!(names(&claims["aud"]).any(|name| name == audience), "for somebody else: {claims}");
            assert!(claims["exp"].as_f64().is_some_and(|at| at + 60.0 > now.seconds() as f64), "expired: {claims}");
            let email = claims["email"].as_str().expect("an address");
            assert!(email.eq_ignore_ascii_case(identity.email()) && identity.email().ends_with("@example.com"));
        }
    }
}

fn token(data: &[u8]) -> String {
    let mut lines = data.splitn(2, |byte| *byte == b'\n');
    match (lines.next().map(std::str::from_utf8), lines.next()) {
        (Some(Ok(header)), Some(payload)) if header.starts_with('{') => sign(FIRST, header, payload),
        _ => String::from_utf8_lossy(data).into_owned(),
    }
}

/// The claims of a token that is what signing its own parts again makes: RS256 has one signature for a text.
fn signed_claims(token: &str) -> Value {
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("what is accepted is Base64url");
    let parts: Vec<&str> = token.split('.').collect();
    let (header, payload) = (decode(parts[0]), decode(parts[1]));
    let header = String::from_utf8(header).expect("what is accepted is UTF-8");
    let key = if header.contains("key-2") { SECOND } else { FIRST };
    assert_eq!(sign(key, &header, &payload), token, "accepted, and not what the key has signed");
    serde_json::from_slice(&payload).expect("what is accepted is JSON")
}

fn names(audience: &Value) -> impl Iterator<Item = &str> {
    audience.as_str().into_iter().chain(audience.as_array().into_iter().flatten().filter_map(Value::as_str))
}

thread_local! {
    static KEYS: KeySet = keys(&[(FIRST, "key-1"), (SECOND, "key-2")]);
}

const ISSUER: &str = "https://team.cloudflareaccess.com/cdn-cgi/access/sso/oidc/client-1";
