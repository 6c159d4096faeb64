//! An identity provider for tests, as an implementation of the port. It signs with a test key and counts what it is
//! asked.

use std::cell::{Cell, RefCell};

use serde_json::{Value, json};

use crate::access::test_tokens::{FIRST, SECOND, TestKey, jwk, sign};
use crate::oauth::form::Form;
use crate::ports::{Clock, FixedClock, HttpError, HttpRequest, HttpResponse, OutboundHttp};

/// The issuer of its id_tokens.
pub(crate) const ISSUER: &str = "https://team.cloudflareaccess.com/cdn-cgi/access/sso/oidc/client-1";

/// The issuer of its assertions.
pub(crate) const TEAM: &str = "https://team.cloudflareaccess.com";

/// What happens to a request instead: a status with a body, or no answer at all.
pub(crate) type Fault = Result<(u16, String), HttpError>;

/// The provider.
pub(crate) struct SimulatedProvider {
    clock: FixedClock,
    /// Who logs in.
    pub(crate) email: RefCell<String>,
    /// The nonce of the login, which a browser would have carried here.
    pub(crate) nonce: RefCell<String>,
    /// The id of the key that signs and is published.
    pub(crate) key_id: RefCell<String>,
    /// What happens to requests whose URL contains the text.
    pub(crate) faults: RefCell<Vec<(&'static str, Fault)>>,
    /// Members of the next id_tokens that replace the usual ones; `null` takes a member away.
    pub(crate) claims: RefCell<Value>,
    /// The requests, as they came.
    pub(crate) sent: RefCell<Vec<HttpRequest>>,
    /// The URLs that were asked for.
    pub(crate) asked: RefCell<Vec<String>>,
    served: Cell<usize>,
}

impl SimulatedProvider {
    /// A provider by `clock`, at which Ada logs in.
    pub(crate) fn new(clock: FixedClock) -> SimulatedProvider {
        SimulatedProvider {
            clock,
            email: RefCell::new("ada@example.com".to_owned()),
            nonce: RefCell::default(),
            key_id: RefCell::new("key-1".to_owned()),
            faults: RefCell::default(),
            claims: RefCell::new(json!({})),
            sent: RefCell::default(),
            asked: RefCell::default(),
            served: Cell::default(),
        }
    }

    /// An id_token for whoever logs in.
    pub(crate) fn id_token(&self) -> String {
        let now = self.clock.now().seconds();
        let mut claims = json!({
            "iss": ISSUER, "aud": ["client-1"], "sub": "1", "email": *self.email.borrow(),
            "nonce": *self.nonce.borrow(), "iat": now, "nbf": now, "exp": now + 3600, "type": "app",
        });
        for (name, value) in self.claims.borrow().as_object().into_iter().flatten() {
            match value {
                Value::Null => claims.as_object_mut().and_then(|claims| claims.remove(name)),
                value => claims.as_object_mut().and_then(|claims| claims.insert(name.clone(), value.clone())),
            };
        }
        self.signed(FIRST, &claims)
    }

    /// An assertion for an application's tag.
    pub(crate) fn assertion(&self, email: &str, audience: &str) -> String {
        let now = self.clock.now().seconds();
        let claims = json!({
            "iss": TEAM, "aud": [audience], "sub": "1", "email": email, "iat": now, "nbf": now, "exp": now + 3600,
            "type": "app",
        });
        self.signed(SECOND, &claims)
    }

    /// How often a URL with this text in it was asked for.
    pub(crate) fn count(&self, part: &str) -> usize {
        self.asked.borrow().iter().filter(|url| url.contains(part)).count()
    }

    fn signed(&self, key: TestKey, claims: &Value) -> String {
        let header = json!({ "alg": "RS256", "kid": *self.key_id.borrow(), "typ": "JWT" });
        sign(key, &header.to_string(), claims.to_string())
    }

    fn answer(&self, request: &HttpRequest) -> Value {
        let url = request.url.as_str();
        let key_id = self.key_id.borrow();
        if url.ends_with("/.well-known/openid-configuration") {
            let at = |path: &str| format!("{ISSUER}/{path}");
            return json!({
                "issuer": ISSUER, "authorization_endpoint": at("authorization"), "token_endpoint": at("token"),
                "jwks_uri": at("jwks"), "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            });
        }
        if url.ends_with("/jwks") {
            return json!({ "keys": [jwk(FIRST, &key_id)] });
        }
        if url.ends_with("/cdn-cgi/access/certs") {
            return json!({ "keys": [jwk(SECOND, &key_id)] });
        }
        let form = Form::parse(request.body.as_deref().unwrap_or_default(), 64 * 1024).expect("a form");
        assert!(form.has("code") && form.has("code_verifier") && form.has("redirect_uri"));
        drop(key_id);
        self.served.set(self.served.get() + 1);
        json!({ "access_token": "opaque", "token_type": "Bearer", "id_token": self.id_token() })
    }
}

impl OutboundHttp for SimulatedProvider {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if request.url.starts_with("https://192.0.2.1/") {
            return Err(HttpError::AddressRefused);
        }
        self.sent.borrow_mut().push(request.clone());
        self.asked.borrow_mut().push(request.url.clone());
        let faults = self.faults.borrow();
        let fault = faults.iter().find(|(part, _)| request.url.contains(part)).map(|(_, fault)| fault.clone());
        drop(faults);
        let (status, body) = match fault {
            Some(fault) => fault?,
            None => (200, self.answer(&request).to_string()),
        };
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Ok(HttpResponse { status, headers, body: body.into_bytes() })
    }
}
