//! A host that is set up for sign-in, with everything that it needs on this machine.

use std::net::SocketAddr;
use std::sync::Arc;

use plausible_mcp_host::demo::access::{Application, SimulatedAccess};
use plausible_mcp_host::oauth_store::{MemoryStore, OauthStore};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::browser::{Browser, Page, encode};
use super::client::{CHALLENGE, Client, REDIRECT_URI, Tokens, VERIFIER};
use crate::harness::{Harness, simulated};
use crate::http_client::{self, Answer, Request};
use crate::mcp_request::{DEMO_KEY, DEMO_SITE, modern};
use crate::upstream::Upstream;

/// The host and the simulated Access. Both stop when it is dropped.
pub struct Deployment {
    /// The host.
    pub harness: Harness,
    /// The provider.
    pub access: Arc<SimulatedAccess>,
    access_address: SocketAddr,
    store: Arc<dyn OauthStore>,
    settings: Vec<(String, String)>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Drop for Deployment {
    fn drop(&mut self) {
        self.serving.abort();
    }
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
        Deployment::start_on(Arc::new(MemoryStore::default()), own).await
    }

    /// The same with records in a store of one's choice.
    pub async fn start_on(store: Arc<dyn OauthStore>, own: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let access_address = listener.local_addr().expect("a bound listener has an address");
        let address = free_address().await;
        let access = Arc::new(simulated_access(access_address, address).await);
        let serving = tokio::spawn(Arc::clone(&access).serve(listener));
        let (public_url, issuer) = (format!("http://{address}"), access.issuer());
        let general = [
            ("PUBLIC_URL", &*public_url),
            ("ACCESS_CLIENT_ID", APPLICATION),
            ("ACCESS_CLIENT_SECRET", Self::ACCESS_SECRET),
            ("ACCESS_ISSUER", &*issuer),
            ("CF_ACCESS_TEAM_DOMAIN", access.team_domain()),
            ("COOKIE_ENCRYPTION_KEY", SERVER_KEY),
            ("ALLOWED_EMAIL_DOMAIN", "example.com"),
            ("PLAUSIBLE_API_KEY", DEMO_KEY),
            ("PLAUSIBLE_DEFAULT_SITE_ID", DEMO_SITE),
            ("LOG_LEVEL", "debug"),
        ];
        let replaced = |name: &str| own.iter().any(|(known, _)| *known == name);
        let settings: Vec<_> = general.into_iter().filter(|(name, _)| !replaced(name)).chain(own.to_vec()).collect();
        let upstream = Upstream::answering(simulated()).await;
        let harness =
            Harness::try_start_at(address, store.clone(), upstream, &settings).await.expect("the host starts");
        let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Deployment { harness, access, access_address, store, settings, serving }
    }

    /// Another machine with the same settings and its own way to the records.
    pub async fn another_machine(&self, store: Arc<dyn OauthStore>) -> Harness {
        let settings: Vec<_> = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let upstream = Upstream::answering(simulated()).await;
        Harness::try_start_at(free_address().await, store, upstream, &settings).await.expect("the host starts")
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
        let login = browser.visit(&format!("{}/authorization?{query}", self.access.issuer())).await;
        let back = browser.submit(&login.form().with("email", email)).await;
        let body = encode(&[
            ("grant_type", "authorization_code"),
            ("code", &*code(&back)),
            ("redirect_uri", &*callback),
            ("code_verifier", VERIFIER),
            ("client_id", APPLICATION),
            ("client_secret", Self::ACCESS_SECRET),
        ]);
        let path = format!("{}/token", self.access.issuer().replace(self.access.team_domain(), ""));
        let request = Request::new("POST", &path).header("Content-Type", "application/x-www-form-urlencoded");
        let answer = http_client::send(self.access_address, &request.body(body)).await.expect("Access is reached");
        let body = answer.expect("Access answers").json();
        ["id_token", "access_token"].map(|name| body.get(name).and_then(Value::as_str).expect("a token").to_owned())
    }

    /// All records of the store as text: keys and values.
    pub async fn records(&self) -> Vec<String> {
        let keys = self.store.keys("", None, usize::MAX).await.expect("the store can be read");
        let mut records = Vec::new();
        for key in keys {
            let value = self.store.get(&key).await.expect("the store can be read").unwrap_or_default();
            records.push(format!("{key} {}", String::from_utf8_lossy(&value)));
        }
        records
    }

    /// An assertion for an address, as Access adds it now.
    pub fn assertion(&self, email: &str, audience: &str) -> String {
        let now = u64::try_from(jiff::Timestamp::now().as_second()).expect("it is after 1970");
        self.access.assertion(email, audience, now)
    }

    /// The secret of the application at Access.
    pub const ACCESS_SECRET: &str = "marked-application-secret";
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

/// An address with a port that was free a moment ago. `PUBLIC_URL` has to name the port before the host takes it.
async fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    listener.local_addr().expect("a bound listener has an address")
}

async fn simulated_access(access: SocketAddr, address: SocketAddr) -> SimulatedAccess {
    let application = Application {
        client_id: APPLICATION.to_owned(),
        client_secret: Deployment::ACCESS_SECRET.to_owned(),
        redirect_uri: format!("http://{address}/callback"),
    };
    // Drawing keys is computing: it must not hold up the other tasks of the test.
    let made = tokio::task::spawn_blocking(move || SimulatedAccess::new(format!("http://{access}"), application));
    made.await.expect("drawing keys does not panic").unwrap_or_else(|_| panic!("keys can be drawn"))
}

const APPLICATION: &str = "plausible-mcp";
const SERVER_KEY: &str = "00112233445566778899aabbccddeeff0f1e2d3c4b5a69788796a5b4c3d2e1f0";
