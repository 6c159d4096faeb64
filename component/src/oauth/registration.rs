//! Dynamic client registration (RFC 7591): what may be registered, and under which id.

use std::fmt;

use serde_json::{Map, Value, json};

use super::client::{AuthMethod, Client, ClientMetadata};
use super::error::WireError;
use super::json_object::read_object;
use super::keyring::{KeyRing, Purpose};
use super::redirect_uri::{RedirectUri, RedirectUriError};
use super::scope::SCOPE;
use super::secret::hex;
use super::token::{Token, TokenKind};

/// Why a client is not registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrationError {
    /// The body is not one JSON object without repeated members.
    NotAnObject,
    /// Redirect URIs are missing, or are no list, or an empty one.
    RedirectUris,
    /// There are more than 50.
    TooManyRedirectUris,
    /// Of the redirect URIs none is for us.
    NoRedirectUri(LeftOut),
    /// Of the authentication methods none is offered.
    AuthMethod(Methods),
    /// Grant or response types that leave nothing to do, or are no lists of texts.
    GrantTypes,
    /// Both `jwks` and `jwks_uri` (RFC 7591 §2: MUST NOT), or a private key in them.
    Keys,
    /// The name is no text, or too long.
    Name,
}

/// What a client says about itself, as far as it is for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadMetadata {
    /// What counts.
    pub metadata: ClientMetadata,
    /// The redirect URIs that do not.
    pub left_out: LeftOut,
}

/// Why redirect URIs were left out, one name each; they are displayed with their numbers, for the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut(pub Vec<&'static str>);

/// The authentication methods that a client asks for, as far as their names are plain words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Methods(String);

impl RegistrationError {
    /// What the client is told.
    pub fn wire(&self) -> WireError {
        match self {
            RegistrationError::RedirectUris
            | RegistrationError::TooManyRedirectUris
            | RegistrationError::NoRedirectUri(_) => WireError::InvalidRedirectUri,
            _ => WireError::InvalidClientMetadata,
        }
    }

    /// The name of the cause, for the log.
    pub fn reason(&self) -> &'static str {
        match self {
            RegistrationError::NotAnObject => "registration_not_an_object",
            RegistrationError::RedirectUris => "registration_redirect_uris",
            RegistrationError::TooManyRedirectUris => "registration_too_many_redirect_uris",
            RegistrationError::NoRedirectUri(_) => "registration_no_redirect_uri",
            RegistrationError::AuthMethod(_) => "registration_auth_method",
            RegistrationError::GrantTypes => "registration_grant_types",
            RegistrationError::Keys => "registration_keys",
            RegistrationError::Name => "registration_name",
        }
    }

    /// The rule, for whoever makes the client.
    pub fn rule(&self) -> String {
        let rule = match self {
            RegistrationError::NotAnObject => "It must be one JSON object in which no member is repeated.",
            RegistrationError::RedirectUris => "redirect_uris must be a list of absolute URIs.",
            RegistrationError::TooManyRedirectUris => "redirect_uris must not list more than 50 URIs.",
            RegistrationError::NoRedirectUri(_) => {
                "None of the redirect_uris is for this server. It takes https with a host name, and http on loopback \
                 (127.0.0.1, [::1], localhost), without fragment or wildcard. Other schemes must be allowed by the \
                 operator (PRIVATE_USE_REDIRECT_SCHEMES)."
            }
            RegistrationError::AuthMethod(methods) => return methods.refused(),
            RegistrationError::GrantTypes => {
                "grant_types must have authorization_code and response_types must have code."
            }
            RegistrationError::Keys => "Send jwks or jwks_uri, not both, and no private key.",
            RegistrationError::Name => "client_name must be a text of at most 200 bytes.",
        };
        rule.to_owned()
    }
}

impl LeftOut {
    /// Whether nothing was left out.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut causes: Vec<&str> = self.0.clone();
        causes.sort_unstable();
        let groups = causes.chunk_by(|one, other| one == other);
        let counted = groups.map(|group| format!("{} {}", group.first().unwrap_or(&""), group.len()));
        formatter.write_str(&counted.collect::<Vec<_>>().join(", "))
    }
}

impl Methods {
    /// The names, separated by commas; empty when there is none that may be shown.
    pub fn names(&self) -> &str {
        &self.0
    }

    fn refused(&self) -> String {
        let asked = match self.0.as_str() {
            "" => "The client asks for an authentication method that this server does not offer.".to_owned(),
            names => format!("The client asks to authenticate with {names}, which this server does not offer."),
        };
        format!("{asked} It offers none, client_secret_post and client_secret_basic.")
    }
}

/// Reads a registration request. What a client may not choose (`client_id`, `client_secret`, `scope`) is ignored, and
/// so is `application_type`: which redirect URIs are for us does not depend on it.
pub fn read_request(body: &[u8], private_schemes: &[String]) -> Result<ReadMetadata, RegistrationError> {
    // Both causes are one rule.
    let members = read_object(body).map_err(|_| RegistrationError::NotAnObject)?;
    let served = [AuthMethod::None, AuthMethod::Post, AuthMethod::Basic];
    // RFC 7591 §2: the default.
    let auth_method = choose_method(&members, &served, AuthMethod::Basic).map_err(RegistrationError::AuthMethod)?;
    check_keys(&members)?;
    read_metadata(&members, auth_method, private_schemes)
}

/// The method that a client and we agree on: the one that it names, where it is `served`, else the first of those that
/// it supports. An empty text names none. `default` is for a client that says nothing.
pub(super) fn choose_method(
    members: &Map<String, Value>,
    served: &[AuthMethod],
    default: AuthMethod,
) -> Result<AuthMethod, Methods> {
    let named = given(members, "token_endpoint_auth_method");
    let supported = given(members, "token_endpoint_auth_methods_supported");
    let supported = match supported {
        Some(Value::Array(methods)) => methods.as_slice(),
        Some(method) => std::slice::from_ref(method),
        None => &[],
    };
    let mut asked = named.into_iter().chain(supported);
    let find = |value: &Value| served.iter().copied().find(|method| Some(method.name()) == value.as_str());
    match asked.clone().find_map(find) {
        Some(method) => Ok(method),
        None if asked.next().is_none() => Ok(default),
        None => Err(methods(named.into_iter().chain(supported))),
    }
}

/// What a registration and a metadata document have in common.
pub(super) fn read_metadata(
    members: &Map<String, Value>,
    auth_method: AuthMethod,
    private_schemes: &[String],
) -> Result<ReadMetadata, RegistrationError> {
    let (redirect_uris, left_out) = redirect_uris(members, private_schemes)?;
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
    let may_refresh = has(&grants, "refresh_token");
    Ok(ReadMetadata { metadata: ClientMetadata { name, redirect_uris, auth_method, may_refresh }, left_out })
}

/// The client for `metadata`, and its secret if it has one. A public client that registers the same again is the same
/// client, by any key of the ring. A confidential one is always new: its id and its secret come from `random`.
pub fn register(ring: &KeyRing, metadata: ClientMetadata, random: ([u8; 32], [u8; 32])) -> (Client, Option<Token>) {
    if let Some(id) = public_ids(ring, &metadata).into_iter().next() {
        return (Client { id, metadata, secret_hash: None }, None);
    }
    let secret = Token::new(TokenKind::ClientSecret, random.1);
    let client = Client { id: hex(&random.0), metadata, secret_hash: Some(secret.hash()) };
    (client, Some(secret))
}

/// The ids that a public client may have been given: for each key of the ring, the newest first, a keyed hash of its
/// metadata, in which the order of the redirect URIs does not count. A confidential client has none.
pub(super) fn public_ids(ring: &KeyRing, metadata: &ClientMetadata) -> Vec<String> {
    if metadata.auth_method != AuthMethod::None {
        return Vec::new();
    }
    let mut canonical = metadata.clone();
    canonical.redirect_uris.sort();
    let canonical = serde_json::to_vec(&canonical).expect("metadata is a struct of texts");
    ring.keys().map(|key| hex(&key.subkey(Purpose::UserId).mac(&[b"client", &canonical]))).collect()
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

/// The redirect URIs that are for us, in the client's order, and why the others are not. A client lists what it needs
/// at all servers, so a foreign one among them is no fault of its own.
fn redirect_uris(
    members: &Map<String, Value>,
    private_schemes: &[String],
) -> Result<(Vec<String>, LeftOut), RegistrationError> {
    let list = members.get("redirect_uris").and_then(Value::as_array).ok_or(RegistrationError::RedirectUris)?;
    if list.is_empty() {
        return Err(RegistrationError::RedirectUris);
    }
    if list.len() > MAX_LISTED_URIS {
        return Err(RegistrationError::TooManyRedirectUris);
    }
    let (mut kept, mut left_out) = (Vec::<String>::new(), LeftOut::default());
    let mut bytes = 0;
    for item in list {
        match redirect_uri(item, private_schemes) {
            Ok(text) if kept.iter().any(|other| other == text) => {}
            Ok(_) if kept.len() == MAX_REDIRECT_URIS => left_out.0.push("too_many"),
            Ok(text) if bytes + text.len() > MAX_REDIRECT_URI_BYTES => left_out.0.push("too_large"),
            Ok(text) => {
                bytes += text.len();
                kept.push(text.to_owned());
            }
            Err(cause) => left_out.0.push(cause),
        }
    }
    if kept.is_empty() { Err(RegistrationError::NoRedirectUri(left_out)) } else { Ok((kept, left_out)) }
}

fn redirect_uri<'a>(item: &'a Value, private_schemes: &[String]) -> Result<&'a str, &'static str> {
    let text = item.as_str().ok_or("no_text")?;
    RedirectUri::parse(text, private_schemes).map(|_| text).map_err(RedirectUriError::reason)
}

/// The names as they may be shown and logged: those that consist of the characters that registered names have
/// (RFC 7591 §4.2), once each.
fn methods<'a>(asked: impl Iterator<Item = &'a Value>) -> Methods {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let is_name = |name: &&str| !name.is_empty() && name.len() <= MAX_METHOD_BYTES && name.bytes().all(legal);
    let mut names: Vec<&str> = Vec::new();
    for name in asked.filter_map(Value::as_str).filter(is_name) {
        if !names.contains(&name) && names.len() < MAX_METHODS {
            names.push(name);
        }
    }
    Methods(names.join(", "))
}

/// A member that says something. Libraries write null or an empty text for what is absent.
fn given<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    members.get(name).filter(|value| !value.is_null() && value.as_str() != Some(""))
}

/// A list of texts, shortened to what is read of it; `None` when the member is absent or lists nothing.
fn texts(members: &Map<String, Value>, name: &str) -> Result<Option<Vec<String>>, RegistrationError> {
    match given(members, name) {
        None => Ok(None),
        Some(Value::Array(items)) if items.is_empty() => Ok(None),
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
            Ok(Some(items.iter().filter_map(Value::as_str).take(MAX_LISTED).map(str::to_owned).collect()))
        }
        Some(_) => Err(RegistrationError::GrantTypes),
    }
}

pub(super) fn check_keys(members: &Map<String, Value>) -> Result<(), RegistrationError> {
    let keys = given(members, "jwks");
    if keys.is_some() && given(members, "jwks_uri").is_some() {
        return Err(RegistrationError::Keys);
    }
    let listed = keys.and_then(|keys| keys.get("keys")).and_then(Value::as_array);
    let is_private = |key: &Value| PRIVATE_MEMBERS.iter().any(|member| key.get(member).is_some());
    if listed.is_some_and(|keys| keys.iter().any(is_private)) { Err(RegistrationError::Keys) } else { Ok(()) }
}

/// Members of a key that nobody but its owner may see (RFC 7518 §6.2.2, §6.3.2, §6.4).
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];

/// Editors list one per way to be called back at all servers that they know of. Longer lists are not read.
const MAX_LISTED_URIS: usize = 50;

/// Editors need five or six of them here.
const MAX_REDIRECT_URIS: usize = 20;

/// What a sign-in carries of its client has to fit a form.
const MAX_REDIRECT_URI_BYTES: usize = 8 * 1024;

/// A longer name of an authentication method is none, and nobody needs more of them to find the cause.
const MAX_METHOD_BYTES: usize = 64;

const MAX_METHODS: usize = 5;

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
        read_request(body.to_string().as_bytes(), &[]).map(|read| read.metadata)
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
        let none = |cause| NoRedirectUri(LeftOut(vec![cause]));
        let asked = |names: &str| AuthMethod(Methods(names.to_owned()));
        for (row, body, error) in [
            ("R04", json!([]), NotAnObject),
            ("R09", json!({}), RedirectUris),
            ("R09", with("redirect_uris", json!([])), RedirectUris),
            ("R09", with("redirect_uris", json!("https://a.example/cb")), RedirectUris),
            ("R09", with("redirect_uris", json!([7])), none("no_text")),
            ("R10", with("redirect_uris", json!(vec!["https://a.example/cb"; 51])), TooManyRedirectUris),
            ("R12", with("redirect_uris", json!(["https://a.example/cb#f"])), none("redirect_uri_fragment")),
            ("R13", with("redirect_uris", json!(["javascript:x"])), none("redirect_uri_scheme")),
            ("ip", with("redirect_uris", json!(["https://2130706433/"])), none("redirect_uri_address_host")),
            ("R19", with("grant_types", json!(["implicit"])), GrantTypes),
            ("R21", with("grant_types", json!(["refresh_token"])), GrantTypes),
            ("R21", with("response_types", json!(["token"])), GrantTypes),
            ("R19", with("grant_types", json!([7])), GrantTypes),
            ("R22", with("token_endpoint_auth_method", json!("client_secret_jwt")), asked("client_secret_jwt")),
            ("R22", with("token_endpoint_auth_method", json!("private_key_jwt")), asked("private_key_jwt")),
            ("R22", with("token_endpoint_auth_method", json!(7)), asked("")),
            ("R22", with("token_endpoint_auth_method", json!("<b>")), asked("")),
            ("R24", both, Keys),
            ("R25", with("jwks", private), Keys),
            ("name", with("client_name", json!("x".repeat(201))), Name),
        ] {
            assert_eq!(read(body), Err(error), "{row}");
        }
        assert_eq!(RedirectUris.wire().code(), "invalid_redirect_uri");
        assert_eq!(Keys.wire().code(), "invalid_client_metadata");
    }

    #[test]
    fn redirect_uris_that_are_not_for_us_are_left_out() {
        let read = |uris: Value| read_request(with("redirect_uris", uris).to_string().as_bytes(), &[]).unwrap();
        let cursor = "cursor://anysphere.cursor-mcp/oauth/callback";
        let (site, loopback) = ("https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:8787/callback");
        let found = read(json!([cursor, site, loopback, site]));
        assert_eq!(found.metadata.redirect_uris, [site, loopback], "in the client's order, each once");
        assert_eq!(found.left_out.to_string(), "redirect_uri_scheme 1");
        let foreign = [
            "urn:ietf:wg:oauth:2.0:oob",
            "http://printer.lan/cb",
            "https://a.example/cb#f",
            "https://10.0.0.1/cb",
            "https://[::1]/cb",
            "https://*.a.example/cb",
            "/cb",
            "",
        ];
        for uri in foreign {
            assert_eq!(read(json!([uri, loopback])).metadata.redirect_uris, [loopback], "{uri}");
        }
        assert_eq!(read(json!([7, loopback, null, "urn:x"])).left_out.to_string(), "no_text 2, redirect_uri_scheme 1");
    }

    #[test]
    fn the_first_twenty_of_fifty_redirect_uris_are_kept_and_8_kib_of_them() {
        let read = |uris: &[String]| read_request(with("redirect_uris", json!(uris)).to_string().as_bytes(), &[]);
        let many: Vec<_> = (0..50).map(|number| format!("https://a.example/{number}")).collect();
        let found = read(&[&["myapp:/cb".to_owned()], &many[..49]].concat()).unwrap();
        assert_eq!((&found.metadata.redirect_uris[..], found.left_out.0.len()), (&many[..20], 30));
        assert_eq!(found.left_out.to_string(), "redirect_uri_scheme 1, too_many 29");
        assert_eq!(read(&[&many[..], &many[..1]].concat()), Err(RegistrationError::TooManyRedirectUris));
        let long = |number| format!("https://a.example/{number}{}", "x".repeat(1900));
        let (long, short) = ((0..6).map(long).collect::<Vec<_>>(), "https://a.example/cb".to_owned());
        let found = read(&[&long[..], std::slice::from_ref(&short)].concat()).unwrap();
        assert_eq!(found.metadata.redirect_uris, [&long[..4], &[short]].concat());
        assert_eq!(found.left_out.to_string(), "too_large 2");
    }

    #[test]
    fn the_method_is_the_first_that_both_know() {
        use AuthMethod::{Basic, None as Public, Post};
        for (named, supported, expected) in [
            (Value::Null, Value::Null, Basic),
            (json!(""), Value::Null, Basic),
            (json!(""), json!([]), Basic),
            (json!("none"), json!(["client_secret_basic"]), Public),
            (json!("private_key_jwt"), json!(["none", "private_key_jwt"]), Public),
            (json!("private_key_jwt"), json!(["private_key_jwt", "client_secret_post", "none"]), Post),
            (json!("tls_client_auth"), json!([7, "client_secret_basic"]), Basic),
            (json!(7), json!(["none"]), Public),
            (Value::Null, json!(["client_secret_post"]), Post),
            (Value::Null, json!("none"), Public),
        ] {
            let mut body = with("token_endpoint_auth_method", named);
            body["token_endpoint_auth_methods_supported"] = supported;
            assert_eq!(read(body.clone()).map(|metadata| metadata.auth_method), Ok(expected), "{body}");
        }
        let mut body = with("token_endpoint_auth_method", json!("private_key_jwt"));
        body["token_endpoint_auth_methods_supported"] = json!(["private_key_jwt", "a b", "tls_client_auth"]);
        let refused = read(body).unwrap_err();
        assert!(refused.rule().contains("with private_key_jwt, tls_client_auth, which"), "{}", refused.rule());
    }

    #[test]
    fn what_a_client_may_not_choose_or_leaves_empty_is_ignored() {
        let plain = read(with("client_name", json!("A"))).unwrap();
        for (name, value) in [
            ("client_id", json!("x")),
            ("scope", json!("admin")),
            ("software_statement", json!("x")),
            ("client_secret_expires_at", json!(0)),
            ("application_type", json!("web")),
            ("application_type", json!("native")),
            ("grant_types", json!([])),
            ("response_types", json!([])),
            ("grant_types", json!("")),
            ("response_types", Value::Null),
            ("jwks_uri", json!("")),
        ] {
            let mut body = with("client_name", json!("A"));
            body[name] = value;
            assert_eq!(read(body), Ok(plain.clone()), "R27 R28 R30 R31 {name}");
        }
    }

    #[test]
    fn public_clients_are_registered_once_and_confidential_ones_anew() {
        let ring = KeyRing::parse(&format!("{:064x}", 7)).unwrap();
        let public = |uris: Value| register(&ring, read(with("redirect_uris", uris)).unwrap(), ([1; 32], [2; 32]));
        let one = public(json!(["https://a/1", "https://a/2"]));
        assert_eq!(one.0.id, public(json!(["https://a/2", "https://a/1", "https://a/2"])).0.id);
        assert_ne!(one.0.id, public(json!(["https://a/1"])).0.id);
        let confidential = read(json!({"redirect_uris": ["https://a/1"]})).unwrap();
        assert_eq!(confidential.auth_method, AuthMethod::Basic, "RFC 7591 §2: the default");
        let first = register(&ring, confidential.clone(), ([1; 32], [2; 32]));
        assert_ne!(first.0.id, register(&ring, confidential.clone(), ([3; 32], [4; 32])).0.id);
        let empty = json!({ "redirect_uris": ["https://a/1"], "jwks": { "keys": [] }, "jwks_uri": "" });
        assert_eq!(read(empty), Ok(confidential));
        let body = response(&first.0, first.1.as_ref(), 5);
        assert_eq!(body["client_secret"], first.1.as_ref().unwrap().expose());
        assert!(!serde_json::to_string(&first.0).unwrap().contains(&first.1.unwrap().expose()));
        assert!(response(&one.0, None, 5).get("client_secret").is_none());
    }
}
