//! What the identity provider answers: its description of itself, and tokens.

use plausible_mcp_component::gateway::federation::simulated_provider::TEAM;
use plausible_mcp_component::oauth::form::encode;
use serde_json::Value;

use super::super::message::{FORM, JSON, Sent, header};
use super::super::world::{DISCOVERY, PROVIDER_TOKENS, World};

/// A wrong answer is the provider's fault (502) or an outage (503), and nobody is signed in by it.
pub fn provider_answer(data: &[u8]) {
    let world = World::with_people();
    let answer = world.filled(data);
    let read: Value = serde_json::from_slice(&answer).unwrap_or(Value::Null);

    world.tell(PROVIDER_TOKENS, 200, JSON, &answer);
    let callback = Sent::new("GET", &format!("/callback?code=c&state={}", world.value("state")));
    let callback = callback.header("cookie", world.value("upstream-cookie"));
    let response = world.send_or(&callback, &[502, 503]);
    assert!(response.status != 303 || read["id_token"] == world.value("id-token"), "signed in by nobody's token");

    world.forget("discovery/");
    world.tell(DISCOVERY, 200, JSON, &answer);
    let form =
        encode(&[("handle", world.value("handle")), ("token", world.value("form-token")), ("decision", "approve")]);
    let decision = Sent::new("POST", "/authorize").header("origin", "null").header("sec-fetch-site", "same-origin");
    let decision = decision.header("cookie", world.value("consent-cookie")).body(FORM, form.as_bytes());
    let response = world.send_or(&decision, &[502, 503]);
    if response.status == 303 {
        assert!(read["issuer"].as_str().is_some_and(|issuer| issuer.starts_with(TEAM)), "another issuer's description");
        let location = header(&response, "location").expect("a redirect leads somewhere");
        let endpoint = read["authorization_endpoint"].as_str().expect("an endpoint");
        assert!(location.starts_with(endpoint), "{location}");
        let (scheme, _) = endpoint.split_once("://").expect("an endpoint is an address");
        assert!(scheme.eq_ignore_ascii_case("https"), "{location}");
    }
}
