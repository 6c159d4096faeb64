//! Form bodies of `/token`, `/revoke` and the consent page.

use plausible_mcp_component::oauth::form::{Form, MAX_FORM_BYTES};

use super::super::json;
use super::super::message::{FORM, Sent, header};
use super::super::world::{REDIRECT_URI, World};
use plausible_mcp_component::gateway::federation::simulated_provider::TEAM;

/// Tokens are for who sends a code with its verifier or a refresh token; a decision is for who sends what the page
/// held.
pub fn form(data: &[u8]) {
    let world = World::with_people();
    let body = world.filled(data);
    let form = Form::parse(&body, MAX_FORM_BYTES).unwrap_or_default();
    let has = |field: &str, name: &str| form.value(field) == Ok(Some(world.value(name)));

    let decision = Sent::new("POST", "/authorize").header("origin", "null").header("sec-fetch-site", "same-origin");
    let response = world.send(&decision.header("cookie", world.value("consent-cookie")).body(FORM, &body));
    if response.status == 303 {
        assert!(has("handle", "handle") && has("token", "form-token"), "decided without the page");
        let location = header(&response, "location").expect("a redirect leads somewhere");
        assert!(location.starts_with(TEAM) || location.starts_with(REDIRECT_URI), "{location}");
    }

    // A client id that is an address may be one whose document cannot be fetched.
    let response = world.send_or(&Sent::new("POST", "/token").body(FORM, &body), &[503]);
    if response.status == 200 {
        let by_code = has("code", "code") && has("code_verifier", "verifier");
        assert!(by_code || has("refresh_token", "refresh"), "tokens for nothing");
        assert!(json::read(&response.body)["access_token"].is_string());
    }
    world.send_or(&Sent::new("POST", "/revoke").body(FORM, &body), &[503]);
}
