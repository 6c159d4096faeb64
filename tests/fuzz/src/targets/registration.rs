//! Bodies of `POST /register`.

use plausible_mcp_component::oauth::form::encode;
use serde_json::Value;

use super::super::json;
use super::super::message::{JSON, Sent};
use super::super::world::{CHALLENGE, World};

/// Who is registered may ask, at the redirect URIs that were sent, and is the same client when it registers again.
pub fn registration(data: &[u8]) {
    let world = World::new();
    let sent = Sent::new("POST", "/register").body(JSON, data);
    let response = world.send(&sent);
    if response.status != 201 {
        return;
    }
    let (asked, client) = (json::read(data), json::read(&response.body));
    let of = |value: &Value| value["redirect_uris"].as_array().cloned().unwrap_or_default();
    let redirect_uris = of(&client);
    assert!(redirect_uris.iter().all(|uri| of(&asked).contains(uri)), "{client}");
    for redirect_uri in &redirect_uris {
        let query = encode(&[
            ("response_type", "code"),
            ("client_id", client["client_id"].as_str().expect("a client id")),
            ("redirect_uri", redirect_uri.as_str().expect("a redirect URI is text")),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        let response = world.send(&Sent::new("GET", &format!("/authorize?{query}")));
        assert_eq!(response.status, 200, "{client} may not ask");
    }
    if client["token_endpoint_auth_method"] == "none" {
        assert_eq!(json::read(&world.send(&sent).body)["client_id"], client["client_id"]);
    }
}
