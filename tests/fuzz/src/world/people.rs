//! Clients, and people at every point of signing in.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use plausible_mcp_component::gateway::Response;
use plausible_mcp_component::oauth::form::{decode, encode};
use serde_json::{Value, json};

use super::super::json;
use super::super::message::{FORM, JSON, Sent, header};
use super::{DOCUMENT, World};

/// What is in the store when a target begins, and what its inputs call it.
pub struct People {
    /// The records.
    pub records: Vec<(String, Vec<u8>)>,
    /// Values by name.
    pub values: BTreeMap<&'static str, String>,
    /// The nonce of the login that has begun.
    pub nonce: String,
}

/// A consent page that is open in a browser.
struct Consent {
    handle: String,
    token: String,
    cookie: String,
}

/// A login that was approved and goes on at the provider.
struct Approved {
    state: String,
    nonce: String,
    cookie: String,
}

impl People {
    /// Lets them arrive: a client with tokens, one with a code, one that is asked for consent, one that logs in.
    pub fn arrive(world: &World) -> People {
        let public = register(world, "none");
        let secret = register(world, "client_secret_post");
        let client = text(&public, "client_id");
        let basic = register(world, "client_secret_basic");
        let basic = format!("{}:{}", text(&basic, "client_id"), text(&basic, "client_secret"));
        let tokens = redeem(world, &client, &sign_in(world, &client));
        let code = sign_in(world, &client);
        let consent = ask(world, &client);
        let approved = approve(world, &ask(world, &client));
        world.provider().expect_nonce(&approved.nonce);
        let values = BTreeMap::from([
            ("access", text(&tokens, "access_token")),
            ("admin", super::setting("ADMIN_TOKEN").to_owned()),
            ("assertion", world.provider().assertion("ada@example.com", "tag-1")),
            ("basic", STANDARD.encode(basic)),
            ("challenge", CHALLENGE.to_owned()),
            ("client", client),
            ("code", code),
            ("consent-cookie", consent.cookie),
            ("document", DOCUMENT.to_owned()),
            ("form-token", consent.token),
            ("handle", consent.handle),
            ("id-token", world.provider().id_token()),
            ("redirect-uri", REDIRECT_URI.to_owned()),
            ("refresh", text(&tokens, "refresh_token")),
            ("secret", text(&secret, "client_secret")),
            ("secret-client", text(&secret, "client_id")),
            ("state", approved.state),
            ("upstream-cookie", approved.cookie),
            ("verifier", VERIFIER.to_owned()),
        ]);
        People { records: world.ports.store.dump(), values, nonce: approved.nonce }
    }
}

fn register(world: &World, method: &str) -> Value {
    let metadata =
        json!({ "client_name": "App", "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": method });
    let sent = Sent::new("POST", "/register").body(JSON, metadata.to_string().as_bytes());
    json::read(&world.send(&sent).body)
}

fn ask(world: &World, client: &str) -> Consent {
    let query = encode(&[
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", REDIRECT_URI),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "client-state"),
        ("scope", "mcp"),
    ]);
    let response = world.send(&Sent::new("GET", &format!("/authorize?{query}")));
    assert_eq!(response.status, 200, "the consent page");
    let page = String::from_utf8_lossy(&response.body);
    let field = |name: &str| between(&page, &format!("name=\"{name}\" value=\""), "\"");
    Consent { handle: field("handle"), token: field("token"), cookie: cookie(&response) }
}

fn approve(world: &World, consent: &Consent) -> Approved {
    let form = encode(&[("handle", &consent.handle), ("token", &consent.token), ("decision", "approve")]);
    let sent = Sent::new("POST", "/authorize").header("origin", "null").header("sec-fetch-site", "same-origin");
    let response = world.send(&sent.header("cookie", &consent.cookie).body(FORM, form.as_bytes()));
    let location = header(&response, "location").expect("the way to the provider").to_owned();
    let parameter = |name: &str| between(&format!("{location}&"), &format!("&{name}="), "&");
    Approved { state: parameter("state"), nonce: parameter("nonce"), cookie: cookie(&response) }
}

/// From the consent page to a code.
fn sign_in(world: &World, client: &str) -> String {
    let Approved { state, nonce, cookie } = approve(world, &ask(world, client));
    world.provider().expect_nonce(&nonce);
    let response = world.send(&Sent::new("GET", &format!("/callback?code=c&state={state}")).header("cookie", cookie));
    let location = header(&response, "location").expect("the way to the client");
    let code = between(&format!("{location}&"), "code=", "&");
    decode(code.as_bytes()).expect("a code is text")
}

fn redeem(world: &World, client: &str, code: &str) -> Value {
    let pairs = [("grant_type", "authorization_code"), ("client_id", client), ("code", code)];
    let form = encode(&[pairs.as_slice(), &[("code_verifier", VERIFIER)]].concat());
    json::read(&world.send(&Sent::new("POST", "/token").body(FORM, form.as_bytes())).body)
}

/// The pair of the one cookie that is set.
fn cookie(response: &Response) -> String {
    let line = header(response, "set-cookie").expect("a cookie");
    line.split(';').next().unwrap_or_default().to_owned()
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}

fn between(text: &str, before: &str, after: &str) -> String {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split(after).next().unwrap_or_default().to_owned()
}

/// RFC 7636, Appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// The same.
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Where clients are answered.
pub const REDIRECT_URI: &str = "https://app.example/cb";
