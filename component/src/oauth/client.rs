//! Clients and how they prove who they are.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::error::WireError;
use super::form::{Form, decode};
use super::redirect_uri::{RedirectUri, RedirectUriError};
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
    /// Where it may be answered, in the client's order; at least one.
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
#[derive(PartialEq, Eq)]
pub struct Credentials {
    /// The client id.
    pub client_id: String,
    secret: Option<String>,
}

/// Why a client is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientError {
    /// No client id.
    NoClientId,
    /// The header `Authorization` is not Basic with two form-encoded values (RFC 6749 §2.3.1).
    MalformedBasic,
    /// More than one client id, though they may be the same, or one in the body that is not that of the header.
    ClientIdTwice,
    /// More than one secret, though they may be the same (RFC 6749 §2.3: MUST NOT).
    SecretTwice,
    /// An assertion, which is not offered.
    AssertionNotSupported,
    /// No secret, where the client has one.
    MissingSecret,
    /// A secret, where the client has none.
    UnexpectedSecret,
    /// A secret that is not the client's.
    WrongSecret,
}

impl ClientError {
    /// What the client is told.
    pub fn wire(self) -> WireError {
        match self {
            ClientError::ClientIdTwice | ClientError::SecretTwice => WireError::InvalidRequest,
            _ => WireError::InvalidClient,
        }
    }

    /// The name of the cause, for the log.
    pub fn reason(self) -> &'static str {
        match self {
            ClientError::NoClientId => "client_no_id",
            ClientError::MalformedBasic => "client_malformed_basic",
            ClientError::ClientIdTwice => "client_id_twice",
            ClientError::SecretTwice => "client_secret_twice",
            ClientError::AssertionNotSupported => "client_assertion_not_supported",
            ClientError::MissingSecret => "client_secret_missing",
            ClientError::UnexpectedSecret => "client_secret_unexpected",
            ClientError::WrongSecret => "client_secret_wrong",
        }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Credentials").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

impl Client {
    /// The registered URI that a request means, as the request spells it; `None` when it is not registered.
    pub fn redirect_uri(
        &self,
        requested: &str,
        private_schemes: &[String],
    ) -> Result<Option<RedirectUri>, RedirectUriError> {
        let requested = RedirectUri::parse(requested, private_schemes)?;
        let registered = self.metadata.redirect_uris.iter();
        let mut registered = registered.filter_map(|text| RedirectUri::parse(text, private_schemes).ok());
        Ok(registered.any(|uri| uri.permits(&requested)).then_some(requested))
    }

    /// Checks what a request presents. The right secret counts in whichever place it stands.
    pub fn authenticate(&self, credentials: &Credentials) -> Result<(), ClientError> {
        match (&self.secret_hash, &credentials.secret) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(ClientError::UnexpectedSecret),
            (Some(_), None) => Err(ClientError::MissingSecret),
            (Some(expected), Some(found)) => {
                let found = Token::parse(TokenKind::ClientSecret, found).ok_or(ClientError::WrongSecret)?;
                let is_right = is_equal(expected.as_bytes(), found.hash().as_bytes());
                if is_right { Ok(()) } else { Err(ClientError::WrongSecret) }
            }
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
        // `Repeated` says nothing more.
        let body_id = form.value("client_id").map_err(|_| ClientError::ClientIdTwice)?;
        let body_secret = form.value("client_secret").map_err(|_| ClientError::SecretTwice)?.map(str::to_owned);
        let Some(authorization) = authorization else {
            let client_id = body_id.ok_or(ClientError::NoClientId)?.to_owned();
            return Ok(Credentials { client_id, secret: body_secret });
        };
        let (client_id, secret) = basic(authorization).ok_or(ClientError::MalformedBasic)?;
        if body_id.is_some_and(|id| id != client_id) {
            return Err(ClientError::ClientIdTwice);
        }
        match (secret, body_secret) {
            (Some(_), Some(_)) => Err(ClientError::SecretTwice),
            (secret, body_secret) => Ok(Credentials { client_id, secret: secret.or(body_secret) }),
        }
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

/// `Basic` and base64 of two form-encoded values with a colon between. An empty password is no secret.
fn basic(authorization: &str) -> Option<(String, Option<String>)> {
    let (scheme, encoded) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || encoded.len() > MAX_BASIC_BYTES {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim_matches(' ')).ok()?;
    if let Some(url) = decoded.strip_suffix(b":").filter(|url| url.starts_with(b"https://")) {
        // The id of a client with a document, which has no secret, by a client that encodes nothing.
        return Some((String::from_utf8(url.to_vec()).ok()?, None));
    }
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (id, password) = decoded.split_at_checked(colon)?;
    let id = decode(id).ok().filter(|id| !id.is_empty())?;
    let password = decode(password.get(1..)?).ok()?;
    Some((id, Some(password).filter(|password| !password.is_empty())))
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
    fn the_right_secret_counts_in_either_place_and_once() {
        use ClientError::*;
        let secret = own_secret().expose();
        let body = format!("client_id=client+1&client_secret={secret}");
        let only_secret = format!("client_secret={secret}");
        let header = basic_header(&format!("client+1:{secret}"));
        let header = Some(header.as_str());
        let bare = basic_header("client+1:");
        let bare = Some(bare.as_str());
        for method in [AuthMethod::Post, AuthMethod::Basic] {
            for (authorization, body, expected) in [
                (None, body.as_str(), Ok(())),
                (header, "", Ok(())),
                (header, "client_id=client+1", Ok(())),
                (header, "client_id=client+1&client_secret=", Ok(())),
                (bare, &body, Ok(())),
                (bare, &only_secret, Ok(())),
                (None, "client_id=client+1", Err(MissingSecret)),
                (None, "client_id=client+1&client_secret=", Err(MissingSecret)),
                (bare, "", Err(MissingSecret)),
                (header, "client_id=other", Err(ClientIdTwice)),
                (header, "client_id=client+1&client_id=client+1", Err(ClientIdTwice)),
                (header, &body, Err(SecretTwice)),
                (header, "client_secret=other", Err(SecretTwice)),
                (None, &format!("{body}&{only_secret}"), Err(SecretTwice)),
                (None, "client_id=client+1&client_id=client+1", Err(ClientIdTwice)),
                (None, &only_secret, Err(NoClientId)),
            ] {
                assert_eq!(outcome(method, authorization, body), expected, "D17 D20 {method:?} {body}");
            }
        }
    }

    #[test]
    fn a_public_client_has_no_secret_to_send() {
        use ClientError::*;
        let secret = own_secret().expose();
        let body = format!("client_id=client+1&client_secret={secret}");
        let (bare, full) = (basic_header("client+1:"), basic_header("client+1:x"));
        for (authorization, body, expected) in [
            (None, "client_id=client+1", Ok(())),
            (None, "client_id=client+1&client_secret=", Ok(())),
            (Some(bare.as_str()), "", Ok(())),
            (Some(bare.as_str()), "client_id=client+1", Ok(())),
            (None, &body, Err(UnexpectedSecret)),
            (Some(full.as_str()), "", Err(UnexpectedSecret)),
            (None, "client_id=a&client_assertion=x", Err(AssertionNotSupported)),
        ] {
            assert_eq!(outcome(AuthMethod::None, authorization, body), expected, "D11 D18 D21 {body}");
        }
    }

    #[test]
    fn a_document_is_named_in_basic_encoded_or_as_it_stands() {
        for (pair, id) in [
            ("https://a.example/client:", "https://a.example/client"),
            ("https%3A%2F%2Fa.example%2Fclient:", "https://a.example/client"),
            ("https://a.example/a%20b+c?d=%2F:", "https://a.example/a%20b+c?d=%2F"),
            ("https%3A%2F%2Fa.example%2Fa%2520b%2Bc:", "https://a.example/a%20b+c"),
        ] {
            let found = Credentials::read(Some(&basic_header(pair)), &Form::default()).unwrap();
            assert_eq!((found.client_id.as_str(), found.secret), (id, None), "{pair}");
        }
    }

    #[test]
    fn what_is_sent_twice_makes_the_request_invalid_and_all_else_the_client() {
        use ClientError::*;
        for error in [ClientIdTwice, SecretTwice] {
            assert_eq!(error.wire(), WireError::InvalidRequest, "{error:?}");
        }
        for error in [NoClientId, MalformedBasic, AssertionNotSupported, MissingSecret, UnexpectedSecret, WrongSecret] {
            assert_eq!(error.wire(), WireError::InvalidClient, "{error:?}");
        }
    }

    #[test]
    fn a_wrong_secret_is_wrong_in_every_form() {
        let other = Token::new(TokenKind::ClientSecret, [2; 32]).expose();
        let access = Token::new(TokenKind::Access, [1; 32]).expose();
        for wrong in [other.as_str(), &access, "x", &own_secret().expose()[1..]] {
            let body = format!("client_id=client+1&client_secret={wrong}");
            assert_eq!(outcome(AuthMethod::Post, None, &body), Err(ClientError::WrongSecret), "D14 {wrong}");
            let header = basic_header(&format!("client+1:{wrong}"));
            assert_eq!(outcome(AuthMethod::Post, Some(&header), ""), Err(ClientError::WrongSecret), "D14 {wrong}");
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
        let found = client(AuthMethod::None).redirect_uri("http://127.0.0.1:5/cb", &[]).unwrap().unwrap();
        assert_eq!(found.as_str(), "http://127.0.0.1:5/cb");
        assert_eq!(client(AuthMethod::None).redirect_uri("https://b.example/cb", &[]), Ok(None));
    }
}
