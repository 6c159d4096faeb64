//! Client ID Metadata Documents: what stands at a client's address is any bytes.

use plausible_mcp_component::oauth::form::encode;
use serde_json::Value;

use super::super::message::{FORM, JSON, Sent};
use super::super::world::{CHALLENGE, DOCUMENT, VERIFIER, World};

/// Nobody is asked for consent but for a document that names its own address and the redirect URI.
pub fn client_metadata(data: &[u8]) {
    let world = World::with_people();
    let document = world.filled(data);
    world.tell(DOCUMENT, 200, JSON, &document);
    let read: Value = serde_json::from_slice(&document).unwrap_or(Value::Null);
    let redirect_uri = read["redirect_uris"][0].as_str().unwrap_or("https://client.example/cb");
    let query = encode(&[
        ("response_type", "code"),
        ("client_id", DOCUMENT),
        ("redirect_uri", redirect_uri),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    let asked = Sent::new("GET", &format!("/authorize?{query}"));
    // What is no document is none that could be fetched.
    if world.send_or(&asked, &[503]).status == 200 {
        assert_eq!(read["client_id"], DOCUMENT);
        assert!(read["redirect_uris"].as_array().is_some_and(|uris| uris.iter().any(|uri| uri == redirect_uri)));
    }
    let form = encode(&[
        ("grant_type", "authorization_code"),
        ("client_id", DOCUMENT),
        ("code", world.value("code")),
        ("code_verifier", VERIFIER),
    ]);
    let response = world.send_or(&Sent::new("POST", "/token").body(FORM, form.as_bytes()), &[503]);
    assert_ne!(response.status, 200, "a code of another client");
}
