//! A host that is set up for sign-in, with everything that it needs on this machine.

use std::net::SocketAddr;
use std::sync::Arc;

use plausible_mcp_host::oauth_store::{MemoryStore, OauthStore};
use serde_json::{Value, json};

use super::access::{ACCESS_SECRET, APPLICATION, Access};
use super::browser::{Browser, Page, encode};
use super::client::{CHALLENGE, Client, REDIRECT_URI, Tokens, VERIFIER};
use crate::harness::{Harness, listening, simulated};
use crate::http_client::{self, Answer, Request};
use crate::mcp_request::modern;
use crate::upstream::Upstream;

/// The host and the simulated Access. Both stop when it is dropped.
pub struct Deployment {
    /// The host.
    pub harness: Harness,
    /// The provider.
    pub access: Access,
    store: Arc<MemoryStore>,
}

impl Deployment {
    /// Lets in the addresses at `example.com`.
    pub async fn start() -> Self {
        Deployment::start_with(&[]).await
    }

    /// The same with the assertions of [`AUDIENCE`](Self::AUDIENCE) beside its own tokens.
    pub async fn start_with_assertions() -> Self {
        Deployment::start_with(&[("CF_ACCESS_AUD", Self::AUDIENCE)]).await
    }

    /// The same with further settings; an empty value takes a setting away.
    pub async fn start_with(own: &[(&str, &str)]) -> Self {
        let (listener, address) = listening(SocketAddr::from(([127, 0, 0, 1], 0))).await;
        let access = Access::start_for(address).await;
        let store = Arc::new(MemoryStore::default());
        let general = access.settings();
        let general = general.iter().map(|(name, value)| (*name, value.as_str()));
        let replaced = |name: &str| own.iter().any(|(known, _)| *known == name);
        let settings: Vec<_> = general.filter(|(name, _)| !replaced(name)).chain(own.to_vec()).collect();
        let upstream = Upstream::answering(simulated()).await;
        let records: Arc<dyn OauthStore> = store.clone();
        let harness =
            Harness::try_start_at((listener, address), records, upstream, &settings).await.expect("the host starts");
        Deployment { harness, access, store }
    }

    /// `PUBLIC_URL`.
    pub fn public_url(&self) -> String {
        format!("http://{}", self.harness.address())
    }

    /// A public client.
    pub async fn client(&self) -> Client {
        Client::register(self.harness.address(), "none").await
    }

    /// Sends a request to the host by its own name.
    pub async fn send(&self, request: Request) -> Answer {
        self.harness.send(&request.header("Host", &self.harness.address().to_string())).await
    }

    /// Opens `path`, a path with its query, as a program does: no redirect is followed.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::new("GET", path)).await
    }

    /// A `tools/list` at `/internal` with a bearer token.
    pub async fn list_tools(&self, token: &str) -> Answer {
        self.send(self.tools_request().bearer(token)).await
    }

    /// The same request without a credential.
    pub fn tools_request(&self) -> Request {
        modern("tools/list", json!({})).path("/internal").without("Authorization")
    }

    /// From the first page to the login page of Access: the user approves.
    pub async fn approve(&self, browser: &mut Browser, client: &Client, state: &str) -> Page {
        let consent = browser.visit(&client.authorization_url(state)).await;
        assert_eq!(consent.answer.status, 200, "{}", consent.answer.text());
        browser.submit(&consent.form().with("decision", "approve")).await
    }

    /// The whole way of a user, up to the redirect to the client.
    pub async fn sign_in(&self, browser: &mut Browser, client: &Client, state: &str, email: &str) -> Page {
        let login = self.approve(browser, client, state).await;
        browser.submit(&login.form().with("email", email)).await
    }

    /// The whole way of a user in a browser of its own, and the tokens.
    pub async fn tokens(&self, client: &Client, email: &str) -> Tokens {
        let back = self.sign_in(&mut Browser::default(), client, "some-state", email).await;
        Tokens::of(&client.redeem(&code(&back)).await)
    }

    /// What Access issues to the application for a login: the id_token and the access token.
    pub async fn access_tokens(&self, email: &str) -> [String; 2] {
        let callback = format!("{}/callback", self.public_url());
        let query = encode(&[
            ("response_type", "code"),
            ("client_id", APPLICATION),
            ("redirect_uri", &*callback),
            ("scope", "openid email"),
            ("state", "s"),
            ("nonce", "n"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        let mut browser = Browser::stopping_before(&callback);
        let login = browser.visit(&format!("{}/authorization?{query}", self.access.provider.issuer())).await;
        let back = browser.submit(&login.form().with("email", email)).await;
        let body = encode(&[
            ("grant_type", "authorization_code"),
            ("code", &*code(&back)),
            ("redirect_uri", &*callback),
            ("code_verifier", VERIFIER),
            ("client_id", APPLICATION),
            ("client_secret", Self::ACCESS_SECRET),
        ]);
        let path = format!("{}/token", self.access.provider.issuer().replace(self.access.provider.team_domain(), ""));
        let request = Request::new("POST", &path).header("Content-Type", "application/x-www-form-urlencoded");
        let answer = http_client::send(self.access.address, &request.body(body)).await.expect("Access is reached");
        let body = answer.expect("Access answers").json();
        ["id_token", "access_token"].map(|name| body.get(name).and_then(Value::as_str).expect("a token").to_owned())
    }

    /// All records of the store as text: keys and values.
    pub async fn records(&self) -> Vec<String> {
        let keys = self.store.keys("", None, usize::MAX).await.expect("memory can be read");
        let mut records = Vec::new();
        for key in keys {
            let value = self.store.get(&key).await.expect("memory can be read").unwrap_or_default();
            records.push(format!("{key} {}", String::from_utf8_lossy(&value)));
        }
        records
    }

    /// An assertion for an address, as Access adds it now.
    pub fn assertion(&self, email: &str, audience: &str) -> String {
        let now = u64::try_from(jiff::Timestamp::now().as_second()).expect("it is after 1970");
        self.access.provider.assertion(email, audience, now)
    }

    /// The secret of the application at Access.
    pub const ACCESS_SECRET: &str = ACCESS_SECRET;
    /// The AUD tag of the application in front of the host.
    pub const AUDIENCE: &str = "0123456789abcdef";
}

/// Asserts that the browser was sent back to the client.
pub fn sent_back_to(page: &Page, state: &str, issuer: &str) {
    assert!(page.url.starts_with(REDIRECT_URI), "at {} with {}", page.url, page.answer.text());
    assert_eq!(page.parameter("state").as_deref(), Some(state));
    assert_eq!(page.parameter("iss").as_deref(), Some(issuer));
}

fn code(page: &Page) -> String {
    page.parameter("code").unwrap_or_else(|| panic!("no code at {}: {}", page.url, page.answer.text()))
}
