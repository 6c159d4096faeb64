//! The token endpoint: one code, one id_token (OpenID Connect Core, section 3.1.3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::authorization::{Login, fields};
use super::{Answer, Received, SimulatedAccess, TOKEN_SECONDS, keys};

impl SimulatedAccess {
    pub(super) fn token(&self, received: &Received<'_>, now: u64) -> Answer {
        let form = fields(received.body);
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let application = &self.application;
        let basic = received.authorization.and_then(basic);
        let (id, secret) = basic.unwrap_or_else(|| (field("client_id").to_owned(), field("client_secret").to_owned()));
        if id != application.client_id || secret != application.client_secret {
            return refused(401, "invalid_client");
        }
        if field("grant_type") != "authorization_code" {
            return refused(400, "unsupported_grant_type");
        }
        // Whatever is wrong with the rest, the code is used up.
        let login = self.state().codes.remove(field("code"));
        let granted = login.filter(|login| {
            login.expires > now
                && login.authorization.redirect_uri == field("redirect_uri")
                && login.authorization.challenge == keys::digest(field("code_verifier"))
        });
        match granted {
            Some(login) => self.tokens(&login, now),
            None => refused(400, "invalid_grant"),
        }
    }

    fn tokens(&self, login: &Login, now: u64) -> Answer {
        let id_token = self.login_key.sign(&json!({
            "iss": self.issuer(), "aud": [self.application.client_id], "sub": keys::digest(&login.email),
            "email": login.email, "nonce": login.authorization.nonce, "type": "app",
            "iat": now, "nbf": now, "exp": now + TOKEN_SECONDS,
        }));
        let body = json!({
            "access_token": keys::random_text(), "id_token": id_token, "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS, "scope": "openid email profile",
        });
        Answer::json(200, &body)
    }
}

fn refused(status: u16, error: &str) -> Answer {
    Answer::json(status, &json!({ "error": error }))
}

/// RFC 6749, section 2.3.1.
fn basic(authorization: &str) -> Option<(String, String)> {
    let decoded = STANDARD.decode(authorization.strip_prefix("Basic ")?).ok()?;
    let pair = String::from_utf8(decoded).ok()?;
    let (id, secret) = pair.split_once(':')?;
    let decode = |text: &str| fields(format!("x={text}").as_bytes()).remove("x").unwrap_or_default();
    Some((decode(id), decode(secret)))
}
