//! A simulated Cloudflare Access: a real OpenID Connect provider with a login page on which any address may be typed, a
//! session, and a sign-out; and the assertions that Access adds to requests where it stands in front.
//!
//! ```text
//! GET authorization ──no session──> login page ──POST──> session ──┐
//!        └────────────session────────────────────────────────────> code ── token ──> id_token
//! ```
//!
//! The addresses have the shape of Access's own
//! (<https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/saas-apps/generic-oidc-saas/>).
//! Not simulated: policies, identity providers behind Access, refresh tokens, the userinfo endpoint.

mod authorization;
mod keys;
mod pages;
mod serving;
mod token;

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Value, json};

use authorization::{Authorization, Login};
pub use keys::KeyError;
use keys::SigningKey;
pub(super) use keys::random_bytes;

/// The application at Access that stands for this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// Its client id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// The only redirect URI.
    pub redirect_uri: String,
}

/// The provider with its sessions and codes.
pub struct SimulatedAccess {
    origin: String,
    application: Application,
    login_key: SigningKey,
    team_key: SigningKey,
    state: Mutex<State>,
}

/// What outlives a request.
#[derive(Default)]
struct State {
    /// Who is signed in, by the session's cookie.
    sessions: BTreeMap<String, String>,
    /// Logins that wait for their token request, by code.
    codes: BTreeMap<String, Login>,
}

/// A request, as far as the simulation reads it.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// The method.
    pub method: &'a str,
    /// The path without the query.
    pub path: &'a str,
    /// The query.
    pub query: &'a str,
    /// The header `Authorization`.
    pub authorization: Option<&'a str>,
    /// The header `Cookie`.
    pub cookie: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl SimulatedAccess {
    /// A provider that will be reached at `origin` (`http://127.0.0.1:PORT`), with keys made for it.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new(origin: String, application: Application) -> Result<Self, KeyError> {
        let (login_key, team_key) = keys::pair()?;
        Ok(Self { origin, application, login_key, team_key, state: Mutex::default() })
    }

    /// The application that it knows.
    pub fn application(&self) -> &Application {
        &self.application
    }

    /// The issuer of its id_tokens: `ACCESS_ISSUER`.
    pub fn issuer(&self) -> String {
        format!("{}{OIDC}{}", self.origin, self.application.client_id)
    }

    /// The issuer of its assertions: `CF_ACCESS_TEAM_DOMAIN`.
    pub fn team_domain(&self) -> &str {
        &self.origin
    }

    /// An assertion, as Access adds it to the requests of somebody whom it let through to the application `audience`.
    /// `now` is in seconds since 1970.
    pub fn assertion(&self, email: &str, audience: &str, now: u64) -> String {
        self.team_key.sign(&json!({
            "iss": self.origin, "aud": [audience], "sub": keys::digest(email), "email": email, "type": "app",
            "iat": now, "nbf": now, "exp": now + TOKEN_SECONDS, "country": "DE", "identity_nonce": keys::random_text(),
        }))
    }

    /// Answers a request. `now` is in seconds since 1970.
    pub fn answer(&self, received: &Received<'_>, now: u64) -> Answer {
        let Some(path) = received.path.strip_prefix(&format!("{OIDC}{}", self.application.client_id)) else {
            return self.answer_for_the_team(received, now);
        };
        match (path, received.method) {
            ("/.well-known/openid-configuration", "GET") => Answer::json(200, &self.configuration()),
            ("/jwks", "GET") => Answer::json(200, &json!({ "keys": [self.login_key.jwk()] })),
            ("/authorization", "GET") => self.authorize(received, now),
            ("/authorization", "POST") => self.log_in(received, now),
            ("/token", "POST") => self.token(received, now),
            _ => Answer::page(404, &pages::message("Nothing here", "The simulated Access has no such page.")),
        }
    }

    fn answer_for_the_team(&self, received: &Received<'_>, now: u64) -> Answer {
        match (received.path, received.method) {
            ("/cdn-cgi/access/certs", "GET") => Answer::json(200, &json!({ "keys": [self.team_key.jwk()] })),
            ("/cdn-cgi/access/logout", "GET") => self.log_out(received),
            ("/simulation/assertion", "GET") => {
                let query = authorization::fields(received.query.as_bytes());
                let field = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
                let headers = vec![("content-type", "text/plain".to_owned())];
                Answer { status: 200, headers, body: self.assertion(field("email"), field("aud"), now) }
            }
            _ => Answer::page(404, &pages::message("Nothing here", "The simulated Access has no such page.")),
        }
    }

    /// OpenID Connect Discovery 1.0, section 3.
    fn configuration(&self) -> Value {
        let issuer = self.issuer();
        let at = |path: &str| format!("{issuer}/{path}");
        json!({
            "issuer": issuer,
            "authorization_endpoint": at("authorization"),
            "token_endpoint": at("token"),
            "jwks_uri": at("jwks"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "email", "profile"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "claims_supported": ["sub", "aud", "email", "exp", "iat", "iss", "nonce"],
            "code_challenge_methods_supported": ["S256"],
        })
    }

    /// With a session nobody is asked again: to change the account, one signs out first.
    fn authorize(&self, received: &Received<'_>, now: u64) -> Answer {
        let authorization = match Authorization::read(received.query, &self.application) {
            Ok(authorization) => authorization,
            Err(problem) => return Answer::page(400, &pages::message("This sign-in cannot go on", problem)),
        };
        let session = received.cookie.and_then(session_of);
        let email = session.and_then(|session| self.state().sessions.get(session).cloned());
        match email {
            Some(email) => self.send_back(authorization, email, now),
            None => Answer::page(200, &pages::login(received.path, received.query)),
        }
    }

    fn log_in(&self, received: &Received<'_>, now: u64) -> Answer {
        let authorization = match Authorization::read(received.query, &self.application) {
            Ok(authorization) => authorization,
            Err(problem) => return Answer::page(400, &pages::message("This sign-in cannot go on", problem)),
        };
        let form = authorization::fields(received.body);
        if form.get("decision").is_some_and(|decision| decision == "cancel") {
            return Answer::redirect(&authorization.refusal("access_denied"));
        }
        let email = form.get("email").map(|email| email.trim().to_owned()).unwrap_or_default();
        if !email.contains('@') {
            return Answer::page(400, &pages::login(received.path, received.query));
        }
        let session = keys::random_text();
        self.state().sessions.insert(session.clone(), email.clone());
        let mut answer = self.send_back(authorization, email, now);
        answer.headers.push(("set-cookie", format!("{SESSION}={session}; Path=/; HttpOnly; SameSite=Lax")));
        answer
    }

    fn log_out(&self, received: &Received<'_>) -> Answer {
        if let Some(session) = received.cookie.and_then(session_of) {
            self.state().sessions.remove(session);
        }
        let text = "Close this tab and try again: you can now choose another account.";
        let mut answer = Answer::page(200, &pages::message("You are signed out", text));
        answer.headers.push(("set-cookie", format!("{SESSION}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax")));
        answer
    }

    fn send_back(&self, authorization: Authorization, email: String, now: u64) -> Answer {
        let code = keys::random_text();
        let location = authorization.success(&code);
        let login = Login { authorization, email, expires: now + CODE_SECONDS };
        self.state().codes.insert(code, login);
        Answer::redirect(&location)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Answer {
    fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned()), ("cache-control", "no-store".to_owned())];
        Self { status, headers, body: body.to_string() }
    }

    fn page(status: u16, html: &str) -> Self {
        let headers =
            vec![("content-type", "text/html; charset=utf-8".to_owned()), ("cache-control", "no-store".to_owned())];
        Self { status, headers, body: html.to_owned() }
    }

    fn redirect(location: &str) -> Self {
        let headers = vec![("location", location.to_owned()), ("cache-control", "no-store".to_owned())];
        Self { status: 303, headers, body: String::new() }
    }
}

fn session_of(cookie: &str) -> Option<&str> {
    cookie.split(';').find_map(|pair| pair.trim().strip_prefix(SESSION)?.strip_prefix('='))
}

const OIDC: &str = "/cdn-cgi/access/sso/oidc/";
const SESSION: &str = "CF_Session";
const CODE_SECONDS: u64 = 60;
const TOKEN_SECONDS: u64 = 60 * 60;

#[cfg(test)]
mod tests;
