//! Clients and how they prove who they are.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::form::{Form, decode};
use super::redirect_uri::RedirectUri;
use super::secret::{hex, is_equal, sha256};
use super::token::{Token, TokenKind};

/// A client: registered, or described by its metadata document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Its id.
    pub id: String,
    /// What it says about itself.
    pub metadata: ClientMetadata,
    /// The SHA-256 of its secret in hexadecimal digits, if it has one.
    pub secret_hash: Option<String>,
}

/// What a client says about itself, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientMetadata {
    /// What it calls itself: anything at all.
    pub name: Option<String>,
    /// Where it may be answered; sorted, at least one.
    pub redirect_uris: Vec<String>,
    /// How it authenticates.
    pub auth_method: AuthMethod,
    /// Whether it is given refresh tokens.
    pub may_refresh: bool,
}

/// A `token_endpoint_auth_method` (RFC 7591 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuthMethod {
    /// A public client.
    #[serde(rename = "none")]
    None,
    /// A secret in the body.
    #[serde(rename = "client_secret_post")]
    Post,
    /// A secret in the header `Authorization`.
    #[serde(rename = "client_secret_basic")]
    Basic,
}

/// What a request to the token endpoint says about its client.
#[derive(Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The client id.
    pub client_id: String,
    secret: Option<Token>,
    method: AuthMethod,
}

/// Why a client is not believed; all are `invalid_client`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientError {
    /// No client id.
    NoClientId,
    /// The header `Authorization` is not Basic with two form-encoded values (RFC 6749 §2.3.1).
    MalformedBasic,
    /// More than one way to authenticate, or two client ids that differ (RFC 6749 §2.3).
    Ambiguous,
    /// An assertion, which is not offered.
    AssertionNotSupported,
    /// A way to authenticate that the client did not register.
    WrongMethod,
    /// A secret that is not the client's.
    WrongSecret,
}

impl Client {
    /// The registered URI that a request means, as the request spells it.
    pub fn redirect_uri(&self, requested: &str, private_schemes: &[String]) -> Option<RedirectUri> {
        let requested = RedirectUri::parse(requested, private_schemes).ok()?;
        let registered = self.metadata.redirect_uris.iter();
        let mut registered = registered.filter_map(|text| RedirectUri::parse(text, private_schemes).ok());
        registered.any(|uri| uri.permits(&requested)).then_some(requested)
    }

    /// Checks what a request presents.
    pub fn authenticate(&self, credentials: &Credentials) -> Result<(), ClientError> {
        if credentials.method != self.metadata.auth_method {
            return Err(ClientError::WrongMethod);
        }
        let presented = credentials.secret.as_ref().map(Token::hash);
        match (&self.secret_hash, presented) {
            (None, None) => Ok(()),
            (Some(expected), Some(found)) if is_equal(expected.as_bytes(), found.as_bytes()) => Ok(()),
            _ => Err(ClientError::WrongSecret),
        }
    }
}

impl AuthMethod {
    /// The name in metadata.
    pub fn name(self) -> &'static str {
        match self {
            AuthMethod::None => "none",
            AuthMethod::Post => "client_secret_post",
            AuthMethod::Basic => "client_secret_basic",
        }
    }
}

impl Credentials {
    /// Reads the header `Authorization` and the body of a token or revocation request.
    pub fn read(authorization: Option<&str>, form: &Form) -> Result<Credentials, ClientError> {
        if form.has("client_assertion") || form.has("client_assertion_type") {
            return Err(ClientError::AssertionNotSupported);
        }
        let value = |name| form.value(name).map_err(|_| ClientError::Ambiguous);
        let (body_id, body_secret) = (value("client_id")?, value("client_secret")?);
        let Some(authorization) = authorization else {
            let client_id = body_id.ok_or(ClientError::NoClientId)?.to_owned();
            let method = if body_secret.is_some() { AuthMethod::Post } else { AuthMethod::None };
            return Ok(Credentials { client_id, secret: body_secret.map(secret).transpose()?, method });
        };
        let (client_id, password) = basic(authorization).ok_or(ClientError::MalformedBasic)?;
        if body_secret.is_some() || body_id.is_some_and(|id| id != client_id) {
            return Err(ClientError::Ambiguous);
        }
        Ok(Credentials { client_id, secret: Some(secret(&password)?), method: AuthMethod::Basic })
    }
}

/// Whether a client id is the URL of a metadata document. That of a registration is 64 hexadecimal digits.
pub fn is_document(client_id: &str) -> bool {
    client_id.contains(':')
}

/// Where the record of a client stands.
pub fn store_key(client_id: &str) -> String {
    format!("client/{}", hex(&sha256(client_id.as_bytes())))
}

fn secret(text: &str) -> Result<Token, ClientError> {
    Token::parse(TokenKind::ClientSecret, text).ok_or(ClientError::WrongSecret)
}

/// `Basic` and base64 of two form-encoded values with a colon between.
fn basic(authorization: &str) -> Option<(String, String)> {
    let (scheme, encoded) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || encoded.len() > MAX_BASIC_BYTES {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim_matches(' ')).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (id, password) = decoded.split_at_checked(colon)?;
    let id = decode(id).ok().filter(|id| !id.is_empty())?;
    Some((id, decode(password.get(1..)?).ok()?))
}

/// A client id may be a URL; nothing that is longer is one of ours.
const MAX_BASIC_BYTES: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn client(auth_method: AuthMethod) -> Client {
        let metadata = ClientMetadata {
            name: None,
            redirect_uris: vec!["https://a.example/cb".into(), "http://127.0.0.1/cb".into()],
            auth_method,
            may_refresh: true,
        };
        let secret_hash = (auth_method != AuthMethod::None).then(|| own_secret().hash());
        Client { id: "client 1".into(), metadata, secret_hash }
    }

    fn own_secret() -> Token {
        Token::new(TokenKind::ClientSecret, [1; 32])
    }

    fn outcome(method: AuthMethod, authorization: Option<&str>, body: &str) -> Result<(), ClientError> {
        let form = Form::parse(body.as_bytes(), 100_000).unwrap();
        client(method).authenticate(&Credentials::read(authorization, &form)?)
    }

    fn basic_header(pair: &str) -> String {
        format!("bAsIc {}", STANDARD.encode(pair))
    }

    #[test]
    fn each_method_admits_its_own_credentials() {
        let secret = own_secret().expose();
        let body = format!("client_id=client+1&client_secret={secret}");
        let header = basic_header(&format!("client+1:{secret}"));
        for (method, authorization, body, expected) in [
            (AuthMethod::None, None, "client_id=client+1", Ok(())),
            (AuthMethod::Post, None, &body, Ok(())),
            (AuthMethod::Basic, Some(header.as_str()), "", Ok(())),
            (AuthMethod::Basic, Some(header.as_str()), "client_id=client+1", Ok(())),
            (AuthMethod::None, None, &body, Err(ClientError::WrongMethod)),
            (AuthMethod::Basic, None, &body, Err(ClientError::WrongMethod)),
            (AuthMethod::Post, Some(header.as_str()), "", Err(ClientError::WrongMethod)),
            (AuthMethod::Post, None, "client_id=client+1", Err(ClientError::WrongMethod)),
            (AuthMethod::Basic, Some(header.as_str()), "client_id=other", Err(ClientError::Ambiguous)),
            (AuthMethod::Basic, Some(header.as_str()), &body, Err(ClientError::Ambiguous)),
            (AuthMethod::None, None, "", Err(ClientError::NoClientId)),
            (AuthMethod::None, None, "client_id=a&client_id=a", Err(ClientError::Ambiguous)),
            (AuthMethod::None, None, "client_id=a&client_assertion=x", Err(ClientError::AssertionNotSupported)),
        ] {
            assert_eq!(outcome(method, authorization, body), expected, "D11 D17 D18 D20 D21 {method:?} {body}");
        }
    }

    #[test]
    fn a_wrong_secret_is_wrong_in_every_form() {
        let other = Token::new(TokenKind::ClientSecret, [2; 32]).expose();
        let access = Token::new(TokenKind::Access, [1; 32]).expose();
        for wrong in [other.as_str(), &access, "x", &own_secret().expose()[1..]] {
            let body = format!("client_id=client+1&client_secret={wrong}");
            assert_eq!(outcome(AuthMethod::Post, None, &body), Err(ClientError::WrongSecret), "D14 {wrong}");
        }
    }

    #[test]
    fn malformed_basic_is_refused() {
        let headers = [
            "Basic",
            "Basic ",
            "Basic !!!",
            "Bearer x",
            &basic_header("nocolon"),
            &basic_header(":x"),
            &basic_header("%ZZ:x"),
        ];
        for header in headers {
            assert_eq!(outcome(AuthMethod::Basic, Some(header), ""), Err(ClientError::MalformedBasic), "D15 {header}");
        }
        let not_text = format!("Basic {}", STANDARD.encode(b"\xff:x"));
        assert_eq!(outcome(AuthMethod::Basic, Some(&not_text), ""), Err(ClientError::MalformedBasic));
    }

    #[test]
    fn a_request_keeps_its_own_loopback_port() {
        let found = client(AuthMethod::None).redirect_uri("http://127.0.0.1:5/cb", &[]).unwrap();
        assert_eq!(found.as_str(), "http://127.0.0.1:5/cb");
        assert_eq!(client(AuthMethod::None).redirect_uri("https://b.example/cb", &[]), None);
    }
}
