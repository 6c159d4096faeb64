//! `Cf-Access-Jwt-Assertion`: rows of tokens, keys and claims that are refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::world::*;

#[test]
fn an_assertion_that_is_not_an_rs256_token_is_403() {
    let world = World::with_assertions(&[]);
    let good = world.provider().assertion("ada@example.com", "tag-1");
    let parts: Vec<&str> = good.split('.').collect();
    let [head, payload, signature] = parts.as_slice() else { panic!("a token has three parts") };
    let with = |header: &str| format!("{}.{payload}.{signature}", URL_SAFE_NO_PAD.encode(header));
    for (id, text) in [
        ("J02", format!("{head}.{payload}")),
        ("J02", format!("{good}.x")),
        ("J03", format!("{head}.a.b.c.{signature}")),
        ("J05", format!("{{\"payload\":\"{payload}\"}}.{payload}.{signature}")),
        ("J08", format!("{head}.{payload}.{}", signature.replace(['-', '_'], "+/"))),
        ("J09", format!("{head}. {payload}.{signature}")),
        ("J11", format!("{head}.{payload}.{signature}AAAAA")),
        ("J12", format!("\"{good}\"")),
        ("J14", format!("{}.{payload}.{signature}", URL_SAFE_NO_PAD.encode([0xff, 0xfe]))),
        ("J15", with(r#"{"alg":"RS256","alg":"none","kid":"key-1"}"#)),
        ("J18", with(r#"{"alg":"nOnE","kid":"key-1"}"#)),
        ("J20 J21", with(r#"{"alg":"HS256","kid":"key-1"}"#)),
        ("J23", with(r#"{"alg":"PS256","kid":"key-1"}"#)),
        ("J24", with(r#"{"alg":"ES256","kid":"key-1"}"#)),
        ("J27", with(r#"{"alg":"PBES2-HS256+A128KW","p2c":2147483648,"kid":"key-1"}"#)),
        ("J32", with(r#"{"alg":"RS256","kid":"../../dev/null"}"#)),
        ("J36", with(r#"{"alg":"RS256","kid":"key-1","x5u":"https://169.254.169.254/"}"#)),
        ("J38", with(r#"{"alg":"RS256","kid":"key-1","crit":["exp"]}"#)),
        ("J39", with(r#"{"alg":"RS256","kid":"key-1","b64":false}"#)),
        ("J41", with(r#"{"alg":"RS256","kid":"key-1","typ":"at+jwt"}"#)),
        ("J42", with(r#"{"alg":"RS256","kid":"key-1","cty":"JWT"}"#)),
        ("J44", format!("{head}.{payload}.{}", "A".repeat(signature.len()))),
    ] {
        assert_eq!(world.list_tools(&[("cf-access-jwt-assertion", &text)]).status, 403, "{id}");
    }
}

#[test]
fn a_malformed_assertion_is_403_and_never_5xx() {
    let world = World::with_assertions(&[]);
    let tokens = world.tokens(&world.client());
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let good = world.provider().assertion("ada@example.com", "tag-1");
    let long = "x".repeat(20_000);
    for text in ["", "x", "a.b.c", "....", "Bearer x", "eyJhbGciOiJub25lIn0.e30.", &long, &good.replace('.', ". ")] {
        let headers = [("cf-access-jwt-assertion", text), ("authorization", bearer.as_str())];
        assert_eq!(world.list_tools(&headers).status, 403, "I29: the assertion decides alone");
    }
    let twice = [("cf-access-jwt-assertion", good.as_str()), ("cf-access-jwt-assertion", &good)];
    assert_eq!(world.list_tools(&twice).status, 403, "I30");
    let other = world.provider().assertion("ada@example.com", "tag-2");
    assert_eq!(world.list_tools(&[("cf-access-jwt-assertion", &other)]).status, 403, "L18");
    let id_token = world.provider().id_token();
    assert_eq!(world.list_tools(&[("cf-access-jwt-assertion", &id_token)]).status, 403, "L16 K22");
    assert_eq!(world.list_tools(&[("cf-access-jwt-assertion", &good)]).status, 200);
    assert_eq!(world.list_tools(&[("authorization", &bearer)]).status, 200, "both modes stand side by side");
    assert_eq!(world.list_tools(&[("cookie", &format!("CF_Authorization={good}"))]).status, 401, "I32");
}

#[test]
fn unusual_forms_of_a_token_are_403() {
    let world = World::with_assertions(&[]);
    let good = world.provider().assertion("ada@example.com", "tag-1");
    let other = world.provider().assertion("bob@example.com", "tag-1");
    let (head, signature) = (good.split('.').next().unwrap(), good.rsplit('.').next().unwrap());
    let with = |header: &str| format!("{}.{}", URL_SAFE_NO_PAD.encode(header), good.split_once('.').unwrap().1);
    let claims = |text: &str| format!(r#"{{"email":"eve@elsewhere.example",{text}}}"#);
    for (id, text) in [
        ("J06", "x".repeat(20_000)),
        ("J17", format!("{}..", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#))),
        ("J17", with(r#"{"alg":"none","kid":"key-1"}"#)),
        (
            "J26",
            format!(r#"{{"header":{{"alg":"RS256"}},"protected":"{head}","payload":"x","signature":"{signature}"}}"#),
        ),
        ("J35", with(r#"{"alg":"RS256","kid":"key-1","jku":"https://evil.example/keys"}"#)),
        ("J47", format!("{}.{signature}", other.rsplit_once('.').unwrap().0)),
        ("J48", world.provider().asserted("not json")),
        ("J48", world.provider().asserted("[]")),
        ("J48", world.provider().asserted("null")),
        ("J48", world.provider().asserted("7")),
        ("J50", world.provider().asserted(&claims(r#""email":"ada@example.com""#))),
        ("J50", world.provider().asserted(&claims(r#""exp":1,"exp":9999999999"#))),
        ("J51", world.provider().asserted(&claims(&format!(r#""x":{}{}"#, "[".repeat(4000), "]".repeat(4000))))),
    ] {
        assert_eq!(world.list_tools(&[("cf-access-jwt-assertion", &text)]).status, 403, "{id}");
    }
    let asked = world.provider().asked();
    assert!(asked.iter().all(|url| url.ends_with("/cdn-cgi/access/certs")), "J35 {asked:?}");
}

#[test]
fn claims_of_an_assertion_are_held_to_the_second() {
    let world = World::with_assertions(&[]);
    let now = NOW;
    for (id, claims, status) in [
        ("L34", json!({ "exp": now - 59 }), 200),
        ("L34", json!({ "exp": now - 60 }), 403),
        ("L34", json!({ "nbf": now + 60 }), 200),
        ("L34", json!({ "nbf": now + 61 }), 403),
        ("L01", json!({ "exp": null }), 403),
        ("L04", json!({ "exp": 1e300 }), 403),
        ("L07", json!({ "nbf": "0" }), 403),
        ("L12", json!({ "iss": format!("{}/", world.provider().team()) }), 403),
        ("L18", json!({ "aud": ["tag-2"] }), 403),
        ("L21", json!({ "aud": ["tag-11"] }), 403),
        ("L30", json!({ "type": "org" }), 403),
        ("E30", json!({ "email": null, "custom": { "email": "ada@example.com" } }), 403),
        ("E08", json!({ "email": "a@evil.example@example.com" }), 403),
        ("E12", json!({ "email": ["ada@example.com"] }), 403),
    ] {
        let text = world.provider().assertion_with("tag-1", &claims);
        assert_eq!(world.list_tools(&[("cf-access-jwt-assertion", &text)]).status, status, "{id} {claims}");
    }
}

/// The answer to an assertion that has not been seen, once the keys that were fetched before have had their time.
fn assert_after_a_fetch(world: &World) -> u16 {
    world.advance(KEYS_KEPT);
    let text = world.provider().assertion("ada@example.com", "tag-1");
    world.list_tools(&[("cf-access-jwt-assertion", &text)]).status
}

#[test]
fn a_key_with_a_flaw_verifies_nothing() {
    let world = World::with_assertions(&[]);
    let good = world.provider().team_key();
    let spare = with(&good, json!({ "kid": "spare" }));
    let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let modulus = URL_SAFE_NO_PAD.decode(good["n"].as_str().unwrap()).unwrap();
    let padded = [&[0], modulus.as_slice()].concat();
    let even = [modulus.as_slice(), &[0]].concat();
    for (id, flaw) in [
        ("J33", json!({ "use": "enc" })),
        ("J33", json!({ "alg": "RSA-OAEP" })),
        ("K07", json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" })),
        ("K07", json!({ "kty": "OKP" })),
        ("K08", json!({ "kty": "oct", "k": "c2VjcmV0" })),
        ("K10", json!({ "n": number(&[0xff; 2048]) })),
        ("K11", json!({ "e": "AQ" })),
        ("K13", json!({ "e": "AQAA" })),
        ("K13", json!({ "e": "" })),
        ("K13", json!({ "e": number(&[1, 0, 0, 0, 1]) })),
        ("K14", json!({ "n": number(&even) })),
        ("K14", json!({ "n": "" })),
        ("K14", json!({ "n": number(&padded) })),
        ("K16", json!({ "d": "AQAB" })),
        ("K16", json!({ "p": "AQAB", "q": "AQAB" })),
        ("K17", json!({ "key_ops": ["encrypt"] })),
        ("K17", json!({ "key_ops": ["sign"] })),
    ] {
        serve_keys(&world, &json!([with(&good, flaw.clone()), spare]));
        assert_eq!(assert_after_a_fetch(&world), 403, "{id} {flaw}");
        serve_keys(&world, &json!([with(&good, flaw)]));
        assert_eq!(assert_after_a_fetch(&world), 503, "{id}: a set without a usable key is an outage");
    }
    let other = with(&good, json!({ "n": number(&[0xfd; 256]) }));
    serve_keys(&world, &json!([good, other]));
    assert_eq!(assert_after_a_fetch(&world), 403, "K05: two keys of one name");
    serve_keys(&world, &json!([null, "text", { "kty": "RSA" }, { "kid": 7 }, good]));
    assert_eq!(assert_after_a_fetch(&world), 200, "K04: what is broken is passed over");
}

#[test]
fn an_hs256_token_by_a_published_key_is_403() {
    let world = World::with_assertions(&[]);
    serve_keys(&world, &json!([world.provider().team_key(), { "kty": "oct", "kid": "shared", "k": "c2VjcmV0" }]));
    let payload =
        json!({ "iss": world.provider().team(), "aud": ["tag-1"], "email": "ada@example.com", "exp": NOW + 60 });
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let input = format!("{}.{}", part(r#"{"alg":"HS256","kid":"shared"}"#), part(&payload.to_string()));
    let mut mac = Hmac::<Sha256>::new_from_slice(b"secret").unwrap();
    mac.update(input.as_bytes());
    let text = format!("{input}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()));
    assert_eq!(world.list_tools(&[("cf-access-jwt-assertion", &text)]).status, 403, "K08 J20");
}

#[test]
fn key_sets_that_are_none_are_an_outage() {
    let world = World::with_assertions(&[]);
    for (id, fault) in [
        ("K01", Fault::Answer(500, String::new())),
        ("K01", Fault::Answer(200, "<html>".into())),
        ("K01", Fault::Answer(200, "{}".into())),
        ("K01", Fault::Answer(200, r#"{"keys":{}}"#.into())),
        ("K01", Fault::Answer(200, r#"{"keys":[]}"#.into())),
        ("K01", Fault::Closed),
        ("K02", Fault::Flood),
        ("K02", Fault::Answer(200, json!({ "keys": vec![world.provider().team_key(); 30] }).to_string())),
    ] {
        world.provider().fail("/certs", fault.clone());
        assert_eq!(assert_after_a_fetch(&world), 503, "{id} {fault:?}");
    }
    world.provider().mend();
    assert_eq!(assert_after_a_fetch(&world), 200);
    world.provider().fail("/certs", Fault::Closed);
    assert_eq!(assert_after_a_fetch(&world), 503, "K19 B34: a key whose time is over is not used");
}

#[test]
fn unknown_keys_cause_one_fetch_in_thirty_seconds() {
    let world = World::with_assertions(&[]);
    assert_eq!(assert_after_a_fetch(&world), 200);
    world.advance(31);
    for number in 0..20 {
        world.provider().name_key(&format!("made-up-{number}"));
        let text = world.provider().assertion("ada@example.com", "tag-1");
        world.provider().name_key("key-1");
        assert_eq!(world.list_tools(&[("cf-access-jwt-assertion", &text)]).status, 403, "J29");
    }
    assert_eq!(world.provider().count("/certs"), 2, "J30");
    world.advance(31);
    world.provider().name_key("key-2");
    let text = world.provider().assertion("ada@example.com", "tag-1");
    assert_eq!(world.list_tools(&[("cf-access-jwt-assertion", &text)]).status, 200, "K20");
}

fn serve_keys(world: &World, keys: &Value) {
    world.provider().fail("/certs", Fault::Answer(200, json!({ "keys": keys }).to_string()));
}

fn with(jwk: &Value, members: Value) -> Value {
    let mut changed = jwk.clone();
    let members = members.as_object().expect("members are an object");
    changed.as_object_mut().expect("a key is an object").extend(members.clone());
    changed
}

/// The time at which every world begins: 2026-08-06T10:30:00Z.
const NOW: u64 = 1_786_012_200;

/// As long as a key set is used, in seconds.
const KEYS_KEPT: u64 = 5 * 60;
