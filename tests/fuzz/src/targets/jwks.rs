//! Key sets: what the team publishes is any bytes, and a good assertion comes.

use plausible_mcp_component::access::test_tokens::{SECOND, jwk};
use plausible_mcp_component::access::{KeySet, SignedToken};
use serde_json::Value;

use super::super::message::{JSON, Sent};
use super::super::world::{ASSERTION_KEYS, World};

/// The assertion is accepted if the set has its very key, refused if it does not, and an outage if it is no set;
/// asking again changes none of it.
pub fn jwks(data: &[u8]) {
    let world = World::with_people();
    let document = world.filled(data);
    world.tell(ASSERTION_KEYS, 200, JSON, &document);
    let assertion = world.value("assertion");
    let keys = KeySet::parse(&document);
    let token = SignedToken::read(assertion).expect("the assertion is good");
    let expected = match &keys {
        Ok(keys) if token.payload(keys).is_ok() => 200,
        Ok(_) => 403,
        Err(_) => 503,
    };
    let ping = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let sent = Sent::new("POST", "/internal").header("cf-access-jwt-assertion", assertion).body(JSON, ping);
    for _ in 0..2 {
        assert_eq!(world.send_or(&sent, &[503]).status, expected, "{keys:?}");
    }
    assert!(expected != 200 || has_key(&document), "verified with a key that is not there");
}

fn has_key(document: &[u8]) -> bool {
    let document: Value = serde_json::from_slice(document).expect("a key set is JSON");
    let key = jwk(SECOND, "key-1");
    let same = |other: &Value| ["kty", "kid", "n", "e"].into_iter().all(|name| other[name] == key[name]);
    document["keys"].as_array().into_iter().flatten().any(same)
}
