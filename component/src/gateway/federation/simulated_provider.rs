//! An identity provider for tests, with flaws where a test wants them. It also serves client metadata documents.
//!
//! In memory it is an implementation of the port; behind a socket a test crate passes it the requests that arrive. It
//! signs with keys that everybody knows and remembers what it was asked for.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::access::test_tokens::{FIRST, SECOND, TestKey, jwk, sign};
use crate::oauth::form::Form;
use crate::ports::{Clock, FixedClock, HttpError, HttpRequest, HttpResponse, OutboundHttp};

/// Where the provider of the tests in memory is.
pub const TEAM: &str = "https://team.cloudflareaccess.com";

/// The provider.
pub struct SimulatedProvider {
    team: String,
    clock: FixedClock,
    state: Mutex<State>,
}

struct State {
    email: String,
    nonce: String,
    key_id: String,
    claims: Value,
    faults: Vec<(String, Fault)>,
    asked: Vec<String>,
}

/// What comes instead of the answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Another one: a status and a body.
    Answer(u16, String),
    /// Another one with this media type and status 200.
    Typed(&'static str, String),
    /// None, and the connection is closed.
    Closed,
    /// None, and the connection stays open.
    Silence,
    /// More than anybody reads.
    Flood,
    /// What is not HTTP.
    Garbage,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The media type.
    pub media_type: &'static str,
    /// The body.
    pub body: String,
}

impl SimulatedProvider {
    /// A provider by `clock` that is reached at `team` (`scheme://host[:port]`) and at which Ada logs in.
    pub fn new(team: &str, clock: FixedClock) -> SimulatedProvider {
        let state = State {
            email: "ada@example.com".to_owned(),
            nonce: String::new(),
            key_id: "key-1".to_owned(),
            claims: json!({}),
            faults: Vec::new(),
            asked: Vec::new(),
        };
        SimulatedProvider { team: team.to_owned(), clock, state: Mutex::new(state) }
    }

    /// The issuer of its assertions.
    pub fn team(&self) -> &str {
        &self.team
    }

    /// The issuer of its id_tokens.
    pub fn issuer(&self) -> String {
        format!("{}/cdn-cgi/access/sso/oidc/client-1", self.team)
    }

    /// From now on this address logs in.
    pub fn log_in_as(&self, email: &str) {
        self.state().email = email.to_owned();
    }

    /// The nonce of the login, which a browser would have carried here.
    pub fn expect_nonce(&self, nonce: &str) {
        self.state().nonce = nonce.to_owned();
    }

    /// The id of the key that signs and is published.
    pub fn name_key(&self, key_id: &str) {
        self.state().key_id = key_id.to_owned();
    }

    /// Members of the next id_tokens that replace the usual ones; `null` takes a member away.
    pub fn replace_claims(&self, claims: Value) {
        self.state().claims = claims;
    }

    /// From now on this happens to requests whose URL contains `part`, and nothing else to others.
    pub fn fail(&self, part: &str, fault: Fault) {
        self.state().faults = vec![(part.to_owned(), fault)];
    }

    /// Everything is as it should be again.
    pub fn mend(&self) {
        self.state().faults.clear();
    }

    /// The URLs that were asked for.
    pub fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    /// How often a URL with this text in it was asked for.
    pub fn count(&self, part: &str) -> usize {
        self.state().asked.iter().filter(|url| url.contains(part)).count()
    }

    /// An id_token for whoever logs in.
    pub fn id_token(&self) -> String {
        let now = self.clock.now().seconds();
        let (usual, changes) = {
            let state = self.state();
            let usual = json!({
                "iss": self.issuer(), "aud": ["client-1"], "sub": "1", "email": state.email, "nonce": state.nonce,
                "iat": now, "nbf": now, "exp": now + 3600, "type": "app",
            });
            (usual, state.claims.clone())
        };
        self.signed(FIRST, &changed(usual, &changes).to_string())
    }

    /// An assertion for an application's tag.
    pub fn assertion(&self, email: &str, audience: &str) -> String {
        self.assertion_with(audience, &json!({ "email": email }))
    }

    /// An assertion of Ada's with members that replace the usual ones; `null` takes a member away.
    pub fn assertion_with(&self, audience: &str, changes: &Value) -> String {
        let now = self.clock.now().seconds();
        let usual = json!({
            "iss": self.team, "aud": [audience], "sub": "1", "email": "ada@example.com", "iat": now, "nbf": now,
            "exp": now + 3600, "type": "app",
        });
        self.asserted(&changed(usual, changes).to_string())
    }

    /// A token with any payload, by the key of the assertions.
    pub fn asserted(&self, payload: &str) -> String {
        self.signed(SECOND, payload)
    }

    /// The public half of the key of the assertions.
    pub fn team_key(&self) -> Value {
        jwk(SECOND, &self.state().key_id)
    }

    /// Its configuration (OpenID Connect Discovery 1.0 §3).
    pub fn configuration(&self) -> Value {
        let issuer = self.issuer();
        let at = |path: &str| format!("{issuer}/{path}");
        json!({
            "issuer": issuer, "authorization_endpoint": at("authorization"), "token_endpoint": at("token"),
            "jwks_uri": at("jwks"), "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        })
    }

    /// What happens to a request for `url` with `body`.
    ///
    /// # Errors
    /// What a test wants to happen instead of an answer.
    pub fn answer(&self, url: &str, body: &[u8]) -> Result<Answer, Fault> {
        let mut state = self.state();
        state.asked.push(url.to_owned());
        let fault = state.faults.iter().find(|(part, _)| url.contains(part)).map(|(_, fault)| fault.clone());
        drop(state);
        match fault {
            None => Ok(Answer { status: 200, media_type: JSON, body: self.usual(url, body).to_string() }),
            Some(Fault::Answer(status, body)) => Ok(Answer { status, media_type: JSON, body }),
            Some(Fault::Typed(media_type, body)) => Ok(Answer { status: 200, media_type, body }),
            Some(fault) => Err(fault),
        }
    }

    fn usual(&self, url: &str, body: &[u8]) -> Value {
        let key_id = self.state().key_id.clone();
        if url.ends_with("/.well-known/openid-configuration") {
            return self.configuration();
        }
        if url.ends_with("/jwks") {
            return json!({ "keys": [jwk(FIRST, &key_id)] });
        }
        if url.ends_with("/cdn-cgi/access/certs") {
            return json!({ "keys": [jwk(SECOND, &key_id)] });
        }
        let form = Form::parse(body, 64 * 1024).expect("a form");
        assert!(form.has("code") && form.has("code_verifier") && form.has("redirect_uri"));
        json!({ "access_token": "opaque", "token_type": "Bearer", "id_token": self.id_token() })
    }

    fn signed(&self, key: TestKey, payload: &str) -> String {
        let header = json!({ "alg": "RS256", "kid": self.state().key_id, "typ": "JWT" });
        sign(key, &header.to_string(), payload)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OutboundHttp for SimulatedProvider {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if let Some((_, error)) = NOWHERE.iter().find(|(origin, _)| request.url.starts_with(origin)) {
            return Err(*error);
        }
        let answer = self.answer(&request.url, request.body.as_deref().unwrap_or_default());
        let answer = answer.map_err(|fault| match fault {
            Fault::Silence => HttpError::TimedOut,
            Fault::Flood => HttpError::ResponseTooLarge,
            Fault::Garbage => HttpError::MalformedResponse,
            Fault::Closed | Fault::Answer(..) | Fault::Typed(..) => HttpError::Interrupted,
        })?;
        let headers = vec![("content-type".to_owned(), answer.media_type.to_owned())];
        Ok(HttpResponse { status: answer.status, headers, body: answer.body.into_bytes() })
    }
}

fn changed(mut claims: Value, changes: &Value) -> Value {
    let members = claims.as_object_mut().expect("claims are an object");
    for (name, value) in changes.as_object().into_iter().flatten() {
        match value {
            Value::Null => members.remove(name),
            value => members.insert(name.clone(), value.clone()),
        };
    }
    claims
}

const JSON: &str = "application/json";

/// Addresses at which nobody can be met, and why.
const NOWHERE: [(&str, HttpError); 5] = [
    ("https://plausible-mcp.invalid/", HttpError::NameNotResolved),
    ("https://192.0.2.1/", HttpError::AddressRefused),
    ("https://private.example/", HttpError::AddressRefused),
    ("https://untrusted.example/", HttpError::TlsFailed),
    ("https://busy.example/", HttpError::Busy { retry_after: 1 }),
];
