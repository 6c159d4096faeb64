//! Each rule, by the token that keeps all others: a good payload with one claim replaced.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;
use crate::access::rejection::Part;
use crate::access::rsa_key::Flaw;
use crate::access::strict_json::JsonError;
use crate::access::test_tokens::{FIRST, SECOND, jwk, keys, sign};

const NOW: Timestamp = Timestamp(1_786_012_200_000);
const SECONDS: u64 = NOW.0 / 1000;
const TEAM: &str = "https://team.cloudflareaccess.com";
const ISSUER: &str = "https://team.cloudflareaccess.com/cdn-cgi/access/sso/oidc/client-1";
const ID_TOKEN: Profile<'static> = Profile::IdToken { issuer: ISSUER, client_id: "client-1", nonce: "nonce-1" };
const ASSERTION: Profile<'static> = Profile::Assertion { team_domain: TEAM, audience: "tag-1" };
const HEADER: &str = r#"{"alg":"RS256","kid":"key-1","typ":"JWT"}"#;

fn admission() -> Admission {
    Admission { allowed_domains: vec!["example.com".into()], denied_emails: vec!["former@example.com".into()] }
}

/// What Access issues at the end of a login.
fn id_token() -> Value {
    json!({
        "iss": ISSUER, "aud": ["client-1"], "sub": "b1b2b3", "email": "Ada@Example.com", "nonce": "nonce-1",
        "iat": SECONDS - 2, "nbf": SECONDS - 2, "exp": SECONDS + 300, "amr": ["pwd"], "groups": [{ "id": "1" }],
    })
}

/// What Access adds to a request.
fn assertion() -> Value {
    json!({
        "aud": ["tag-1"], "email": "ada@example.com", "exp": SECONDS + 3600, "iat": SECONDS - 3600,
        "nbf": SECONDS - 3600, "iss": TEAM, "type": "app", "identity_nonce": "6ei69kawdKzMIAPF", "sub": "b1b2b3",
        "country": "DE", "custom": { "email": "other@example.net" },
    })
}

fn verify_text(text: &str, keys: &KeySet, profile: &Profile<'_>) -> Result<String, Rejection> {
    let identity = verify(&SignedToken::read(text)?, keys, profile, &admission(), NOW)?;
    Ok(identity.email().to_owned())
}

/// Verifies a payload, signed with the first key.
fn verify_payload(payload: impl AsRef<[u8]>, profile: &Profile<'_>) -> Result<String, Rejection> {
    verify_text(&sign(FIRST, HEADER, payload), &keys(&[(FIRST, "key-1")]), profile)
}

/// Replaces one claim of both profiles' payloads, or removes it when the value is `null`; `"null"` in `value` stays.
#[track_caller]
fn check(profiles: &[Profile<'_>], claim: &str, value: impl Into<Option<Value>>, expected: Result<(), Rejection>) {
    let value = value.into();
    for profile in profiles {
        let Value::Object(mut claims) = good(profile) else { panic!("a payload is an object") };
        claims.remove(claim);
        claims.extend(value.clone().map(|value| (claim.to_owned(), value)));
        let result = verify_payload(Value::Object(claims).to_string(), profile).map(drop);
        assert_eq!(result, expected, "{claim}: {value:?}");
    }
}

fn good(profile: &Profile<'_>) -> Value {
    match profile {
        Profile::IdToken { .. } => id_token(),
        Profile::Assertion { .. } => assertion(),
    }
}

const BOTH: &[Profile<'_>] = &[ID_TOKEN, ASSERTION];
const LOGIN: &[Profile<'_>] = &[ID_TOKEN];
const HEADER_ONLY: &[Profile<'_>] = &[ASSERTION];

fn malformed(claim: &'static str) -> Result<(), Rejection> {
    Err(Rejection::MalformedClaim(claim))
}

fn missing(claim: &'static str) -> Result<(), Rejection> {
    Err(Rejection::MissingClaim(claim))
}

#[test]
fn good_tokens_of_both_profiles_are_verified() {
    for (profile, payload) in [(ID_TOKEN, id_token()), (ASSERTION, assertion())] {
        let token = SignedToken::read(&sign(FIRST, HEADER, payload.to_string())).unwrap();
        let identity = verify(&token, &keys(&[(FIRST, "key-1")]), &profile, &admission(), NOW).unwrap();
        assert_eq!(identity.email(), "ada@example.com");
        assert_eq!(identity.expires(), Timestamp(payload["exp"].as_u64().unwrap() * 1000));
    }
}

#[test]
fn a_trailing_slash_of_the_team_domain_is_the_operators_and_not_the_tokens() {
    let with_slash = format!("{TEAM}/");
    let profile = Profile::Assertion { team_domain: &with_slash, audience: "tag-1" };
    check(&[profile], "type", json!("app"), Ok(()));
    check(&[profile], "iss", json!(with_slash), Err(Rejection::Issuer { found: with_slash.clone() }));
}

#[test]
fn the_issuer_is_exact() {
    let slash = format!("{ISSUER}/");
    for issuer in [
        "",
        &slash,
        "https://TEAM.cloudflareaccess.com",
        "http://team.cloudflareaccess.com",
        "https://team.cloudflareaccess.com:443",
        "https://other.cloudflareaccess.com",
        "team.cloudflareaccess.com",
    ] {
        check(BOTH, "iss", json!(issuer), Err(Rejection::Issuer { found: issuer.to_owned() }));
    }
    check(LOGIN, "iss", json!(TEAM), Err(Rejection::Issuer { found: TEAM.into() }));
    check(HEADER_ONLY, "iss", json!(ISSUER), Err(Rejection::Issuer { found: ISSUER.into() }));
    check(BOTH, "iss", None, missing("iss"));
    for value in [json!(null), json!([TEAM]), json!(1)] {
        check(BOTH, "iss", value, malformed("iss"));
    }
}

#[test]
fn the_audience_is_this_application() {
    for (profile, own) in [(LOGIN, "client-1"), (HEADER_ONLY, "tag-1")] {
        check(profile, "aud", json!(own), Ok(()));
        check(profile, "aud", json!([own]), Ok(()));
        for other in ["", "client", "client-11", "CLIENT-1", "tag-", "tag-11", "Tag-1", "other"] {
            check(profile, "aud", json!([other]), Err(Rejection::Audience { found: other.into() }));
            check(profile, "aud", json!(other), Err(Rejection::Audience { found: other.into() }));
        }
    }
    check(HEADER_ONLY, "aud", json!(["other", "tag-1"]), Ok(()));
    check(LOGIN, "aud", json!("tag-1"), Err(Rejection::Audience { found: "tag-1".into() }));
    check(BOTH, "aud", None, missing("aud"));
    for value in [json!(null), json!([]), json!({ "0": "tag-1" }), json!(["tag-1", 1]), json!([["client-1"]])] {
        check(BOTH, "aud", value, malformed("aud"));
    }
}

#[test]
fn an_id_token_for_several_audiences_was_issued_to_this_client() {
    let verified = |audiences: Value, party: Option<Value>| {
        let mut payload = id_token();
        payload["aud"] = audiences;
        if let Some(party) = party {
            payload["azp"] = party;
        }
        verify_payload(payload.to_string(), &ID_TOKEN).map(drop)
    };
    let (one, two) = (json!(["client-1"]), json!(["client-1", "other"]));
    assert_eq!(verified(two.clone(), Some(json!("client-1"))), Ok(()));
    assert_eq!(verified(one.clone(), Some(json!("client-1"))), Ok(()));
    assert_eq!(verified(two.clone(), None), Err(Rejection::AuthorizedParty));
    assert_eq!(verified(two.clone(), Some(json!("other"))), Err(Rejection::AuthorizedParty));
    assert_eq!(verified(one.clone(), Some(json!("other"))), Err(Rejection::AuthorizedParty));
    assert_eq!(verified(json!(["client-1", "client-1"]), None), Err(Rejection::AuthorizedParty));
    assert_eq!(verified(two, Some(json!(null))), malformed("azp"));
    assert_eq!(verified(one, Some(json!(["client-1"]))), malformed("azp"));
}

#[test]
fn a_token_is_accepted_from_a_minute_before_to_a_minute_after_its_time() {
    check(BOTH, "exp", json!(SECONDS - 59), Ok(()));
    check(BOTH, "exp", json!(SECONDS - 60), Err(Rejection::Expired { at: Timestamp(NOW.0 - 60_000) }));
    check(BOTH, "exp", json!(0), Err(Rejection::Expired { at: Timestamp(0) }));
    check(BOTH, "exp", None, missing("exp"));
    for claim in ["nbf", "iat"] {
        check(BOTH, claim, json!(SECONDS + 60), Ok(()));
        let at = Timestamp(NOW.0 + 61_000);
        check(BOTH, claim, json!(SECONDS + 61), Err(Rejection::NotYetValid { claim, at }));
        check(HEADER_ONLY, claim, None, Ok(()));
    }
    check(LOGIN, "nbf", None, Ok(()));
    for claim in ["exp", "nbf", "iat"] {
        for value in [json!("9999999999"), json!(null), json!(true), json!([]), json!({}), json!(-1), json!(1e300)] {
            check(BOTH, claim, value, malformed(claim));
        }
    }
}

#[test]
fn an_id_token_is_ten_minutes_old_at_most() {
    check(LOGIN, "iat", json!(SECONDS - 600), Ok(()));
    let issued = Timestamp(NOW.0 - 601_000);
    check(LOGIN, "iat", json!(SECONDS - 601), Err(Rejection::TooOld { issued }));
    check(LOGIN, "iat", None, missing("iat"));
    check(HEADER_ONLY, "iat", json!(SECONDS - 86_400), Ok(()));
}

#[test]
fn an_id_token_belongs_to_the_attempt() {
    for nonce in ["", "nonce-2", "Nonce-1", "nonce-1 ", "nonce"] {
        check(LOGIN, "nonce", json!(nonce), Err(Rejection::Nonce));
    }
    check(LOGIN, "nonce", None, missing("nonce"));
    for value in [json!(null), json!(1), json!(["nonce-1"])] {
        check(LOGIN, "nonce", value, malformed("nonce"));
    }
}

#[test]
fn an_empty_expectation_matches_nothing() {
    let empty = |profile: Profile<'_>, claim: &str, expected| {
        let mut payload = good(&profile);
        payload[claim] = json!("");
        assert_eq!(verify_payload(payload.to_string(), &profile).map(drop), Err(expected));
    };
    let (issuer, audience) = (Rejection::Issuer { found: String::new() }, Rejection::Audience { found: String::new() });
    empty(Profile::IdToken { issuer: "", client_id: "client-1", nonce: "nonce-1" }, "iss", issuer.clone());
    empty(Profile::IdToken { issuer: ISSUER, client_id: "", nonce: "nonce-1" }, "aud", audience.clone());
    empty(Profile::IdToken { issuer: ISSUER, client_id: "client-1", nonce: "" }, "nonce", Rejection::Nonce);
    empty(Profile::Assertion { team_domain: "/", audience: "tag-1" }, "iss", issuer);
    empty(Profile::Assertion { team_domain: TEAM, audience: "" }, "aud", audience);
}

#[test]
fn only_tokens_for_an_application_count() {
    check(BOTH, "type", None, Ok(()));
    check(BOTH, "type", json!("app"), Ok(()));
    for value in [json!("org"), json!("App"), json!(""), json!(null), json!(1), json!(["app"])] {
        check(BOTH, "type", value, Err(Rejection::TokenType));
    }
}

#[test]
fn somebody_has_a_verified_address_of_an_allowed_domain() {
    check(BOTH, "email", None, Err(Rejection::NoEmail));
    for value in [json!(null), json!(1), json!(["ada@example.com"]), json!({})] {
        check(BOTH, "email", value, malformed("email"));
    }
    check(BOTH, "email", json!(""), Err(Rejection::EmailForm));
    check(BOTH, "email", json!("a@evil.test@example.com"), Err(Rejection::EmailForm));
    check(BOTH, "email", json!("ada@example.net"), Err(Rejection::Domain));
    check(BOTH, "email", json!("Former@example.com"), Err(Rejection::Denied));
    for value in [json!(true), json!("true")] {
        check(BOTH, "email_verified", value, Ok(()));
    }
    for value in
        [json!(false), json!("false"), json!("True"), json!(" true"), json!(""), json!(null), json!(0), json!(1)]
    {
        check(BOTH, "email_verified", value, Err(Rejection::EmailUnverified));
    }
}

#[test]
fn a_service_token_is_nobody() {
    let payload = json!({
        "type": "app", "aud": "tag-1", "exp": SECONDS + 60, "iss": TEAM, "iat": SECONDS,
        "common_name": "e367826f93b8d71185e03fe518aff3b4.access", "sub": "", "upn": "ada@example.com",
        "preferred_username": "ada@example.com",
    });
    assert_eq!(verify_payload(payload.to_string(), &ASSERTION), Err(Rejection::NoEmail));
}

#[test]
fn a_payload_is_an_object_whose_members_stand_once() {
    let doubled = |member: &str| assertion().to_string().replacen('{', &format!("{{{member},"), 1);
    for (payload, error) in [
        (doubled(r#""email":"eve@example.com""#), JsonError::DuplicateMember),
        (doubled(r#""aud":"other""#), JsonError::DuplicateMember),
        (doubled(r#""exp":1"#), JsonError::DuplicateMember),
        (assertion().to_string() + r#","email":"eve@example.com"}"#, JsonError::Malformed),
        ("foo".into(), JsonError::Malformed),
        (String::new(), JsonError::Malformed),
        ("[".repeat(11_000), JsonError::Malformed),
        ("[]".into(), JsonError::NotAnObject),
        ("null".into(), JsonError::NotAnObject),
        ("1".into(), JsonError::NotAnObject),
    ] {
        assert_eq!(verify_payload(&payload, &ASSERTION), Err(Rejection::Json(Part::Payload, error)), "{payload:.80}");
    }
    let not_text = b"{\"email\":\"\xff@example.com\"}";
    assert_eq!(verify_payload(not_text, &ASSERTION), Err(Rejection::Json(Part::Payload, JsonError::Malformed)));
}

#[test]
fn the_key_is_the_one_that_is_named() {
    let signed_by_first = sign(FIRST, HEADER, assertion().to_string());
    let verified = |keys: &KeySet| verify_text(&signed_by_first, keys, &ASSERTION).map(drop);
    let key_id = || "key-1".to_owned();
    assert_eq!(verified(&keys(&[(SECOND, "key-2"), (FIRST, "key-1")])), Ok(()));
    // Another profile's key set may hold another key of the same name.
    assert_eq!(verified(&keys(&[(SECOND, "key-1"), (FIRST, "key-2")])), Err(Rejection::Signature));
    assert_eq!(verified(&keys(&[(FIRST, "key-2")])), Err(Rejection::UnknownKey { key_id: key_id() }));
    let both = keys(&[(FIRST, "key-1"), (SECOND, "key-1")]);
    assert_eq!(verified(&both), Err(Rejection::AmbiguousKey { key_id: key_id() }));
    let mut unusable = jwk(FIRST, "key-1");
    unusable["use"] = json!("enc");
    let set = KeySet::parse(json!({ "keys": [unusable, jwk(SECOND, "key-2")] }).to_string().as_bytes()).unwrap();
    assert_eq!(verified(&set), Err(Rejection::UnusableKey { key_id: key_id(), flaw: Flaw::Use }));
}

#[test]
fn the_signature_is_of_this_header_and_payload() {
    let keys = keys(&[(FIRST, "key-1")]);
    let token = sign(FIRST, HEADER, assertion().to_string());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let other = sign(FIRST, HEADER, json!({ "email": "eve@example.com" }).to_string());
    let (other_signed, other_signature) = other.rsplit_once('.').unwrap();
    let modulus = URL_SAFE_NO_PAD.decode(jwk(FIRST, "key-1")["n"].as_str().unwrap()).unwrap();
    let mut below_modulus = modulus.clone();
    *below_modulus.last_mut().unwrap() -= 1;
    let mut one = vec![0; 256];
    one[255] = 1;
    let long = [URL_SAFE_NO_PAD.decode(signature).unwrap(), vec![0]].concat();
    let made_up = [vec![], vec![0], vec![0; 256], vec![0xff; 256], one, modulus, below_modulus, long];
    let made_up = made_up.iter().map(|bytes| format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes)));
    let pasted = [format!("{signed}.{other_signature}"), format!("{other_signed}.{signature}")];
    for text in made_up.chain(pasted) {
        assert_eq!(verify_text(&text, &keys, &ASSERTION), Err(Rejection::Signature), "{text}");
    }
}

#[test]
fn a_rejection_shows_no_address_and_no_nonce() {
    for (claim, value) in [("email", "ada@evil.test"), ("email", "secret@@example.com"), ("nonce", "secret")] {
        let mut payload = id_token();
        payload[claim] = json!(value);
        let rejection = verify_payload(payload.to_string(), &ID_TOKEN).unwrap_err().to_string();
        assert!(
            !rejection.contains("evil") && !rejection.contains("secret") && !rejection.contains('@'),
            "{rejection}"
        );
    }
}

proptest! {
    #[test]
    fn no_text_panics_and_none_is_verified(text in "(.{0,80}|[A-Za-z0-9_=-]{0,40}(\\.[A-Za-z0-9_=-]{0,40}){0,5})") {
        prop_assert!(verify_text(&text, &keys(&[(FIRST, "key-1")]), &ASSERTION).is_err());
    }

    #[test]
    fn no_key_set_panics(document in "(.{0,80}|\\{\"keys\":\\[\\{(\"(kid|kty|n|e|use)\":\"[A-Za-z0-9]{0,6}\",?){0,5}\\}?\\]\\})") {
        let _ = KeySet::parse(document.as_bytes());
    }

    #[test]
    fn no_mutation_of_a_good_token_is_verified(at: prop::sample::Index, byte in 0x20_u8..0x7f, kind in 0..3) {
        let token = good_token();
        let at = at.index(token.len());
        let mutated = match kind {
            0 => format!("{}{}{}", &token[..at], char::from(byte), &token[at + 1..]),
            1 => format!("{}{}{}", &token[..at], char::from(byte), &token[at..]),
            _ => format!("{}{}", &token[..at], &token[at + 1..]),
        };
        prop_assume!(mutated != token);
        prop_assert!(verify_text(&mutated, &keys(&[(FIRST, "key-1")]), &ASSERTION).is_err());
    }

    #[test]
    fn no_signed_claim_of_any_type_panics(claim in "iss|aud|exp|nbf|iat|type|email|email_verified|nonce|azp", kind in 0_usize..8) {
        let values = [json!(null), json!(-1.5), json!(u64::MAX), json!("\u{0}"), json!([]), json!([[]]), json!({}), json!(true)];
        let mut payload = Map::new();
        payload.insert(claim, values[kind].clone());
        prop_assert!(verify_payload(Value::Object(payload).to_string(), &ID_TOKEN).is_err());
    }
}

/// Signed once: signing costs more than all the rest.
fn good_token() -> &'static str {
    static TOKEN: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| sign(FIRST, HEADER, assertion().to_string()));
    &TOKEN
}
