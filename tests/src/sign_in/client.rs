//! An MCP client that registers itself and asks for tokens.

use serde_json::{Value, json};

use super::browser::encode;
use crate::http_client::{Answer, Request};
use crate::origin::Origin;

/// A registered client. Clones are the same client.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its id.
    pub id: String,
    /// Its secret, unless it is a public client.
    pub secret: Option<String>,
    server: Origin,
}

/// What the token endpoint issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
}

impl Client {
    /// Registers a client at `server`; `method` is its `token_endpoint_auth_method`.
    pub async fn register(server: impl Into<Origin>, method: &str) -> Self {
        let server = server.into();
        let metadata = json!({
            "client_name": "Scenario",
            "redirect_uris": [REDIRECT_URI],
            "token_endpoint_auth_method": method,
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
        });
        let request = Request::new("POST", "/register").header("Content-Type", "application/json");
        let answer = send(&server, request.body(metadata.to_string())).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let body = answer.json();
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        Client { id: text("client_id").expect("a client id"), secret: text("client_secret"), server }
    }

    /// Where the browser is sent to begin.
    pub fn authorization_url(&self, state: &str) -> String {
        let public_url = self.server.to_string();
        let query = encode(&[
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", REDIRECT_URI),
            ("state", state),
            ("scope", "mcp"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("resource", &format!("{public_url}/internal")),
        ]);
        format!("{public_url}/authorize?{query}")
    }

    /// Asks for tokens for a code.
    pub async fn redeem(&self, code: &str) -> Answer {
        self.redeem_with(code, VERIFIER).await
    }

    /// The same with a verifier of one's choice.
    pub async fn redeem_with(&self, code: &str, verifier: &str) -> Answer {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", verifier),
        ];
        self.post("/token", &fields).await
    }

    /// Asks for the next tokens.
    pub async fn refresh(&self, token: &str) -> Answer {
        self.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    /// Gives a token up.
    pub async fn revoke(&self, token: &str) -> Answer {
        self.post("/revoke", &[("token", token)]).await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let credentials = [("client_id", Some(&self.id)), ("client_secret", self.secret.as_ref())];
        let credentials = credentials.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?.as_str())));
        let fields: Vec<_> = fields.iter().copied().chain(credentials).collect();
        let request = Request::new("POST", path).header("Content-Type", "application/x-www-form-urlencoded");
        send(&self.server, request.body(encode(&fields))).await
    }
}

impl Tokens {
    /// Those of a successful answer of the token endpoint.
    pub fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let body = answer.json();
        let text = |name: &str| body.get(name).and_then(Value::as_str).expect("a token").to_owned();
        Tokens { access: text("access_token"), refresh: text("refresh_token") }
    }
}

async fn send(server: &Origin, request: Request) -> Answer {
    server.send(&request).await.expect("the server is reached").expect("the server answers")
}

/// Where the client is answered: outside this machine, so the browser stops there.
pub(super) const REDIRECT_URI: &str = "https://client.example/callback";

/// The PKCE verifier of every client here: the example of RFC 7636, Appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Its challenge.
pub(super) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
