//! What the rows do: a client, a browser, requests. The server they are sent to is [`deployment`](super::deployment)'s;
//! the test crate includes this file over one of its own, so that every row runs there too.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::{Value, json};

pub(super) use super::deployment::{Fault, Response, World, encode};
use super::deployment::{Settings, SimulatedProvider, decode};

// RFC 7636, Appendix B.
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(super) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(super) const REDIRECT_URI: &str = "https://app.example/cb";
pub(super) const ISSUER: &str = "https://mcp.example.com";

/// A browser: it keeps cookies and posts forms as browsers do under `no-referrer`.
#[derive(Default)]
pub(super) struct Browser {
    pub(super) cookies: RefCell<BTreeMap<String, String>>,
}

/// A consent page, as far as its form goes.
pub(super) struct ConsentForm {
    pub(super) handle: String,
    pub(super) token: String,
}

/// What changes a server's settings; an empty value takes one away.
pub(super) type Changes<'a> = &'a [(&'static str, &'a str)];

impl World {
    pub(super) fn new() -> World {
        World::with(&[])
    }

    pub(super) fn with(changes: Changes<'_>) -> World {
        World::deploy(|provider| settings(provider, changes))
    }

    /// A server that accepts assertions for the application `tag-1` too.
    pub(super) fn with_assertions(changes: Changes<'_>) -> World {
        World::deploy(|provider| {
            let mode = [("CF_ACCESS_TEAM_DOMAIN", provider.team()), ("CF_ACCESS_AUD", "tag-1")];
            settings(provider, &[&mode, changes].concat())
        })
    }

    /// The same server with other settings.
    pub(super) fn change(&mut self, changes: Changes<'_>) {
        let settings = settings(self.provider(), changes);
        self.redeploy(&settings);
    }

    pub(super) fn register(&self, metadata: &Value) -> Response {
        self.send("POST", "/register", &[("content-type", "application/json")], &metadata.to_string())
    }

    /// A public client at [`REDIRECT_URI`].
    pub(super) fn client(&self) -> String {
        let metadata =
            json!({ "client_name": "App", "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none" });
        let body = json_of(&self.register(&metadata));
        body.get("client_id").and_then(Value::as_str).expect("a client id").to_owned()
    }

    pub(super) fn token(&self, pairs: &[(&str, &str)]) -> Response {
        self.send("POST", "/token", &[("content-type", FORM)], &encode(pairs))
    }

    /// The whole way to a code.
    pub(super) fn code(&self, browser: &Browser, client: &str) -> String {
        let location = browser.sign_in(self, client);
        parameter(&location, "code").expect("a code")
    }

    /// The whole way to tokens.
    pub(super) fn tokens(&self, client: &str) -> Value {
        let code = self.code(&Browser::default(), client);
        json_of(&self.token(&[
            ("grant_type", "authorization_code"),
            ("client_id", client),
            ("code", &code),
            ("code_verifier", VERIFIER),
        ]))
    }

    /// `tools/list` at `/internal`.
    pub(super) fn list_tools(&self, headers: &[(&str, &str)]) -> Response {
        let json = [("content-type", "application/json"), ("mcp-protocol-version", "2025-11-25")];
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        self.send("POST", "/internal", &[&json, headers].concat(), body)
    }

    /// Everything in the store, as text.
    pub(super) fn dump(&self) -> String {
        let records = self.records();
        records.iter().map(|(key, value)| format!("{key} {}\n", String::from_utf8_lossy(value))).collect()
    }
}

impl Browser {
    pub(super) fn get(&self, world: &World, target: &str) -> Response {
        let response = world.send("GET", target, &[("cookie", &self.cookie())], "");
        self.keep(&response);
        response
    }

    pub(super) fn post(&self, world: &World, pairs: &[(&str, &str)]) -> Response {
        let cookie = self.cookie();
        let headers =
            [("content-type", FORM), ("origin", "null"), ("sec-fetch-site", "same-origin"), ("cookie", &cookie)];
        let response = world.send("POST", "/authorize", &headers, &encode(pairs));
        self.keep(&response);
        response
    }

    /// Opens the consent page of a good request.
    pub(super) fn consent(&self, world: &World, client: &str) -> ConsentForm {
        let response = self.get(world, &authorize(client, &[]));
        assert_eq!(response.status, 200, "{}", text(&response));
        form_of(&response)
    }

    pub(super) fn decide(&self, world: &World, form: &ConsentForm, decision: &str) -> Response {
        self.post(world, &[("handle", &form.handle), ("token", &form.token), ("decision", decision)])
    }

    /// Approves, logs in at the provider, and returns the way back with its code.
    pub(super) fn approve(&self, world: &World, form: &ConsentForm) -> String {
        let response = self.decide(world, form, "approve");
        assert_eq!(response.status, 303, "{}", text(&response));
        let location = header(&response, "location").expect("a location").to_owned();
        world.provider().expect_nonce(&parameter(&location, "nonce").expect("a nonce"));
        let state = parameter(&location, "state").expect("a state");
        format!("/callback?{}", encode(&[("code", "provider-code"), ("state", &state)]))
    }

    /// From the consent page to the redirect to the client.
    pub(super) fn sign_in(&self, world: &World, client: &str) -> String {
        let form = self.consent(world, client);
        let back = self.approve(world, &form);
        let response = self.get(world, &back);
        assert_eq!(response.status, 303, "{}", text(&response));
        header(&response, "location").expect("a location").to_owned()
    }

    fn cookie(&self) -> String {
        let cookies = self.cookies.borrow();
        cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep(&self, response: &Response) {
        for (_, line) in response.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")) {
            let pair = line.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a cookie");
            let mut cookies = self.cookies.borrow_mut();
            match line.contains("Max-Age=0;") {
                true => cookies.remove(name),
                false => cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
    }
}

/// The target of a good authorization request, with some parameters replaced; an empty value takes one away.
pub(super) fn authorize(client: &str, changes: &[(&str, &str)]) -> String {
    let good = [
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", REDIRECT_URI),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "client-state"),
        ("scope", "mcp"),
    ];
    let changed = |name: &str| changes.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    let mut pairs: Vec<_> = good.iter().map(|(name, value)| (*name, changed(name).unwrap_or(value))).collect();
    pairs.extend(changes.iter().filter(|(name, _)| !good.iter().any(|(known, _)| known == name)));
    pairs.retain(|(_, value)| !value.is_empty());
    format!("/authorize?{}", encode(&pairs))
}

pub(super) fn form_of(response: &Response) -> ConsentForm {
    let page = text(response);
    let value = |name: &str| {
        let field = page.split(&format!("name=\"{name}\" value=\"")).nth(1).expect("the field");
        field.split('"').next().unwrap_or_default().to_owned()
    };
    ConsentForm { handle: value("handle"), token: value("token") }
}

pub(super) fn parameter(location: &str, name: &str) -> Option<String> {
    let (_, query) = location.split_once('?')?;
    let pair = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    decode(pair.as_bytes()).ok()
}

pub(super) fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

pub(super) fn text(response: &Response) -> String {
    String::from_utf8_lossy(&response.body).into_owned()
}

pub(super) fn json_of(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap_or(Value::Null)
}

pub(super) fn error_of(response: &Response) -> String {
    json_of(response).get("error").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn settings(provider: &SimulatedProvider, changes: Changes<'_>) -> Settings {
    let issuer = provider.issuer();
    let server_key = format!("{:064x}", 7);
    let mut settings = BTreeMap::from([
        ("PUBLIC_URL", ISSUER),
        ("ACCESS_CLIENT_ID", "client-1"),
        ("ACCESS_ISSUER", &issuer),
        ("ALLOWED_EMAIL_DOMAIN", "example.com"),
        ("RATE_LIMIT_PER_MINUTE", "100000"),
        ("PLAUSIBLE_API_KEY", "shared-key"),
        ("ACCESS_CLIENT_SECRET", "provider-secret"),
        ("COOKIE_ENCRYPTION_KEY", &server_key),
    ]);
    settings.extend(changes.iter().copied());
    settings.retain(|_, value| !value.is_empty());
    settings.into_iter().map(|(name, value)| (name, value.to_owned())).collect()
}

pub(super) const FORM: &str = "application/x-www-form-urlencoded";
