//! The header `Cookie`, a line of it per line, at every page that reads it.

use super::super::message::{FORM, Sent};
use super::super::world::{CHALLENGE, REDIRECT_URI, World};
use plausible_mcp_component::gateway::Response;
use plausible_mcp_component::oauth::form::encode;

/// A page goes on only in the browser that holds its cookie. What is set or ended are cookies of ours.
pub fn cookies(data: &[u8]) {
    let world = World::with_people();
    let cookies = world.filled(data);
    let holds = |name: &str| String::from_utf8_lossy(&cookies).contains(world.value(name));

    let query = encode(&[
        ("response_type", "code"),
        ("client_id", world.value("client")),
        ("redirect_uri", REDIRECT_URI),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    let response = world.send(&with_cookies(Sent::new("GET", &format!("/authorize?{query}")), &cookies));
    assert_eq!(response.status, 200, "cookies keep nobody from asking");
    check(&response);

    let form = encode(&[("handle", world.value("handle")), ("token", world.value("form-token")), ("decision", "deny")]);
    let decision = Sent::new("POST", "/authorize").header("origin", "null").header("sec-fetch-site", "same-origin");
    let response = world.send(&with_cookies(decision, &cookies).body(FORM, form.as_bytes()));
    assert!(response.status != 303 || holds("consent-cookie"), "decided in another browser");
    check(&response);

    let callback = format!("/callback?error=access_denied&state={}", world.value("state"));
    let response = world.send(&with_cookies(Sent::new("GET", &callback), &cookies));
    let page = String::from_utf8_lossy(&response.body);
    assert!(!page.contains("/authorize") || holds("upstream-cookie"), "another try in another browser");
    check(&response);
}

fn with_cookies(sent: Sent, cookies: &[u8]) -> Sent {
    cookies.split(|byte| *byte == b'\n').fold(sent, |sent, line| sent.header("cookie", line))
}

fn check(response: &Response) {
    for (_, line) in response.headers.iter().filter(|(name, _)| *name == "set-cookie") {
        let is_ours = line.starts_with("__Host-consent-") || line.starts_with("__Host-upstream-");
        assert!(is_ours && line.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"), "{line}");
    }
}
