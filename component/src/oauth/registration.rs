//! Dynamic client registration (RFC 7591): what may be registered, and under which id.

use serde_json::{Map, Value, json};

use super::client::{AuthMethod, Client, ClientMetadata};
use super::error::WireError;
use super::json_object::read_object;
use super::keyring::{KeyRing, Purpose};
use super::redirect_uri::RedirectUri;
use super::scope::SCOPE;
use super::secret::hex;
use super::token::{Token, TokenKind};

/// Why a client is not registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationError {
    /// The body is not one JSON object without repeated members.
    NotAnObject,
    /// A redirect URI is missing, malformed, or not of a kind that may be registered.
    RedirectUris,
    /// A web application has a redirect URI on loopback (OpenID Connect Registration §2).
    WebOnLoopback,
    /// The authentication method is not offered.
    AuthMethod,
    /// Grant or response types that leave nothing to do, or are no lists of texts.
    GrantTypes,
    /// Both `jwks` and `jwks_uri` (RFC 7591 §2: MUST NOT), or a private key in them.
    Keys,
    /// The name is no text, or too long.
    Name,
}

impl RegistrationError {
    /// What the client is told.
    pub fn wire(self) -> WireError {
        match self {
            RegistrationError::RedirectUris | RegistrationError::WebOnLoopback => WireError::InvalidRedirectUri,
            _ => WireError::InvalidClientMetadata,
        }
    }
}

/// Reads a registration request. What a client may not choose (`client_id`, `client_secret`, `scope`) is ignored.
pub fn read_request(body: &[u8], private_schemes: &[String]) -> Result<ClientMetadata, RegistrationError> {
    let members = read_object(body).ok_or(RegistrationError::NotAnObject)?;
    let auth_method = match members.get("token_endpoint_auth_method").filter(|value| !value.is_null()) {
        None => AuthMethod::Basic,
        Some(value) => auth_method(value).ok_or(RegistrationError::AuthMethod)?,
    };
    check_keys(&members)?;
    read_metadata(&members, auth_method, private_schemes)
}

/// What a registration and a metadata document have in common.
pub(super) fn read_metadata(
    members: &Map<String, Value>,
    auth_method: AuthMethod,
    private_schemes: &[String],
) -> Result<ClientMetadata, RegistrationError> {
    let redirect_uris = redirect_uris(members, private_schemes)?;
    let name = match members.get("client_name") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) if name.len() <= MAX_NAME_BYTES => Some(name.clone()),
        Some(_) => return Err(RegistrationError::Name),
    };
    let grants = texts(members, "grant_types")?;
    let responses = texts(members, "response_types")?;
    let has =
        |list: &Option<Vec<String>>, name: &str| list.as_ref().is_none_or(|list| list.iter().any(|item| item == name));
    if !has(&grants, "authorization_code") || !has(&responses, "code") {
        return Err(RegistrationError::GrantTypes);
    }
    Ok(ClientMetadata { name, redirect_uris, auth_method, may_refresh: has(&grants, "refresh_token") })
}

/// The client for `metadata`, and its secret if it has one. A public client that registers the same again is the same
/// client: see [`public_id`]. A confidential one is always new: its id and its secret come from `random`.
pub fn register(ring: &KeyRing, metadata: ClientMetadata, random: ([u8; 32], [u8; 32])) -> (Client, Option<Token>) {
    if let Some(id) = public_id(ring, &metadata) {
        return (Client { id, metadata, secret_hash: None }, None);
    }
    let secret = Token::new(TokenKind::ClientSecret, random.1);
    let client = Client { id: hex(&random.0), metadata, secret_hash: Some(secret.hash()) };
    (client, Some(secret))
}

/// The id of a public client: a keyed hash of its metadata, in which the order of the redirect URIs does not count.
pub(super) fn public_id(ring: &KeyRing, metadata: &ClientMetadata) -> Option<String> {
    if metadata.auth_method != AuthMethod::None {
        return None;
    }
    let mut canonical = metadata.clone();
    canonical.redirect_uris.sort();
    let canonical = serde_json::to_vec(&canonical).expect("metadata is a struct of texts");
    Some(hex(&ring.last().subkey(Purpose::UserId).mac(&[b"client", &canonical])))
}

/// The body of a response (RFC 7591 §3.2.1). `issued` is in seconds since 1970.
pub fn response(client: &Client, secret: Option<&Token>, issued: u64) -> Value {
    let metadata = &client.metadata;
    let grants: &[&str] =
        if metadata.may_refresh { &["authorization_code", "refresh_token"] } else { &["authorization_code"] };
    let mut body = Map::from_iter([
        ("client_id".to_owned(), json!(client.id)),
        ("client_id_issued_at".to_owned(), json!(issued)),
        ("redirect_uris".to_owned(), json!(metadata.redirect_uris)),
        ("token_endpoint_auth_method".to_owned(), json!(metadata.auth_method.name())),
        ("grant_types".to_owned(), json!(grants)),
        ("response_types".to_owned(), json!(["code"])),
        ("scope".to_owned(), json!(SCOPE)),
    ]);
    if let Some(name) = &metadata.name {
        body.insert("client_name".to_owned(), json!(name));
    }
    if let Some(secret) = secret {
        body.insert("client_secret".to_owned(), json!(secret.expose()));
        body.insert("client_secret_expires_at".to_owned(), json!(0));
    }
    Value::Object(body)
}

fn redirect_uris(members: &Map<String, Value>, private_schemes: &[String]) -> Result<Vec<String>, RegistrationError> {
    let list = members.get("redirect_uris").and_then(Value::as_array).ok_or(RegistrationError::RedirectUris)?;
    if list.is_empty() || list.len() > MAX_REDIRECT_URIS {
        return Err(RegistrationError::RedirectUris);
    }
    let is_web = members.get("application_type").and_then(Value::as_str) == Some("web");
    let mut texts = Vec::new();
    for item in list {
        let text = item.as_str().ok_or(RegistrationError::RedirectUris)?;
        let uri = RedirectUri::parse(text, private_schemes).map_err(|_| RegistrationError::RedirectUris)?;
        if is_web && uri.is_loopback() {
            return Err(RegistrationError::WebOnLoopback);
        }
        texts.push(text.to_owned());
    }
    texts.sort();
    texts.dedup();
    Ok(texts)
}

fn auth_method(value: &Value) -> Option<AuthMethod> {
    [AuthMethod::None, AuthMethod::Post, AuthMethod::Basic]
        .into_iter()
        .find(|method| Some(method.name()) == value.as_str())
}

/// A list of texts, shortened to what is read of it; `None` when the member is absent.
fn texts(members: &Map<String, Value>, name: &str) -> Result<Option<Vec<String>>, RegistrationError> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
            Ok(Some(items.iter().filter_map(Value::as_str).take(MAX_LISTED).map(str::to_owned).collect()))
        }
        Some(_) => Err(RegistrationError::GrantTypes),
    }
}

pub(super) fn check_keys(members: &Map<String, Value>) -> Result<(), RegistrationError> {
    let keys = members.get("jwks").filter(|keys| !keys.is_null());
    if keys.is_some() && members.get("jwks_uri").is_some_and(|uri| !uri.is_null()) {
        return Err(RegistrationError::Keys);
    }
    let listed = keys.and_then(|keys| keys.get("keys")).and_then(Value::as_array);
    let is_private = |key: &Value| PRIVATE_MEMBERS.iter().any(|member| key.get(member).is_some());
    if listed.is_some_and(|keys| keys.iter().any(is_private)) { Err(RegistrationError::Keys) } else { Ok(()) }
}

/// Members of a key that nobody but its owner may see (RFC 7518 §6.2.2, §6.3.2, §6.4).
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];

/// Editors register five or six: one per way to be called back.
const MAX_REDIRECT_URIS: usize = 10;

/// More grant or response types do not exist.
const MAX_LISTED: usize = 20;

/// The consent page shows less.
const MAX_NAME_BYTES: usize = 200;

/// The longest body of `/register`.
pub const MAX_REGISTRATION_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: Value) -> Result<ClientMetadata, RegistrationError> {
        read_request(body.to_string().as_bytes(), &[])
    }

    fn with(name: &str, value: Value) -> Value {
        let mut body = json!({"redirect_uris": ["https://a.example/cb"], "token_endpoint_auth_method": "none"});
        body[name] = value;
        body
    }

    #[test]
    fn refusals_name_their_rule() {
        use RegistrationError::*;
        let private = json!({"keys": [{"kty": "RSA", "d": "x"}]});
        let both = json!({"redirect_uris": ["https://a/"], "jwks": {"keys": []}, "jwks_uri": "https://a/keys"});
        for (row, body, error) in [
            ("R04", json!([]), NotAnObject),
            ("R09", json!({}), RedirectUris),
            ("R09", with("redirect_uris", json!([])), RedirectUris),
            ("R09", with("redirect_uris", json!("https://a.example/cb")), RedirectUris),
            ("R09", with("redirect_uris", json!([7])), RedirectUris),
            ("R10", with("redirect_uris", json!(vec!["https://a.example/cb"; 1000])), RedirectUris),
            ("R12", with("redirect_uris", json!(["https://a.example/cb#f"])), RedirectUris),
            ("R13", with("redirect_uris", json!(["https://a.example/cb", "javascript:x"])), RedirectUris),
            ("R19", with("grant_types", json!(["implicit"])), GrantTypes),
            ("R21", with("grant_types", json!(["refresh_token"])), GrantTypes),
            ("R21", with("response_types", json!(["token"])), GrantTypes),
            ("R19", with("grant_types", json!([7])), GrantTypes),
            ("R22", with("token_endpoint_auth_method", json!("client_secret_jwt")), AuthMethod),
            ("R22", with("token_endpoint_auth_method", json!("private_key_jwt")), AuthMethod),
            ("R22", with("token_endpoint_auth_method", json!(7)), AuthMethod),
            ("R24", both, Keys),
            ("R25", with("jwks", private), Keys),
            ("R31", json!({"redirect_uris": ["http://localhost/cb"], "application_type": "web"}), WebOnLoopback),
            ("name", with("client_name", json!("x".repeat(201))), Name),
        ] {
            assert_eq!(read(body), Err(error), "{row}");
        }
        assert_eq!(RedirectUris.wire().code(), "invalid_redirect_uri");
        assert_eq!(Keys.wire().code(), "invalid_client_metadata");
    }

    #[test]
    fn what_a_client_may_not_choose_is_ignored() {
        let plain = read(with("client_name", json!("A"))).unwrap();
        for (name, value) in [("client_id", json!("x")), ("scope", json!("admin")), ("software_statement", json!("x"))]
        {
            let mut body = with("client_name", json!("A"));
            body[name] = value;
            assert_eq!(read(body), Ok(plain.clone()), "R27 R28 R30 {name}");
        }
    }

    #[test]
    fn public_clients_are_registered_once_and_confidential_ones_anew() {
        let ring = KeyRing::parse(&format!("{:064x}", 7)).unwrap();
        let public = |uris: Value| register(&ring, read(with("redirect_uris", uris)).unwrap(), ([1; 32], [2; 32]));
        let one = public(json!(["https://a/1", "https://a/2"]));
        assert_eq!(one, public(json!(["https://a/2", "https://a/1", "https://a/2"])));
        assert_ne!(one.0.id, public(json!(["https://a/1"])).0.id);
        let confidential = read(json!({"redirect_uris": ["https://a/1"]})).unwrap();
        assert_eq!(confidential.auth_method, AuthMethod::Basic, "RFC 7591 §2: the default");
        let first = register(&ring, confidential.clone(), ([1; 32], [2; 32]));
        assert_ne!(first.0.id, register(&ring, confidential, ([3; 32], [4; 32])).0.id);
        let body = response(&first.0, first.1.as_ref(), 5);
        assert_eq!(body["client_secret"], first.1.as_ref().unwrap().expose());
        assert!(!serde_json::to_string(&first.0).unwrap().contains(&first.1.unwrap().expose()));
        assert!(response(&one.0, None, 5).get("client_secret").is_none());
    }
}
