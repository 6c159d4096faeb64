//! The checks of an authorization request before a user is asked, in order.
//!
//! Until client and redirect URI are proven, what is wrong is shown on a page of ours and goes nowhere. After that it is
//! an answer for the client: [`ClientAnswer`], which the gateway puts behind a button while no user has decided.

use serde::{Deserialize, Serialize};

use super::client::Client;
use super::error::WireError;
use super::form::Form;
use super::pkce::CodeChallenge;
use super::redirect_uri::{RedirectUri, RedirectUriError};
use super::resource::Resource;
use super::scope::check_scope;

/// A request that passed every check; what a transaction keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// The client.
    pub client_id: String,
    /// Where it is answered, as the request spells it.
    pub redirect_uri: String,
    /// Whether the request named the redirect URI of a loopback address.
    pub is_loopback: bool,
    /// The challenge that the verifier at the token endpoint must answer.
    pub challenge: CodeChallenge,
    /// Given back as it came.
    pub state: Option<String>,
}

/// What the checks compare a request with.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The resource that tokens are for.
    pub resource: &'a Resource,
    /// What `PRIVATE_USE_REDIRECT_SCHEMES` lists, in lower case.
    pub private_schemes: &'a [String],
}

/// Why a request is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// Client or redirect URI are not proven: a page, no redirect.
    Page(PageError),
    /// The client is told.
    Client(ClientAnswer),
}

/// What is wrong while nothing may leave our pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageError {
    /// `client_id` is missing or repeated.
    ClientId,
    /// `redirect_uri` is missing or repeated.
    NoRedirectUri,
    /// `redirect_uri` is not one of the client's.
    NotRegistered,
    /// `redirect_uri` is none that a client may have here.
    RedirectUri(RedirectUriError),
}

impl PageError {
    /// The name of the cause, for the log.
    pub fn reason(self) -> &'static str {
        match self {
            PageError::ClientId => "request_no_client_id",
            PageError::NoRedirectUri => "redirect_uri_missing",
            PageError::NotRegistered => "redirect_uri_not_registered",
            PageError::RedirectUri(error) => error.reason(),
        }
    }
}

/// An answer for a client at a redirect URI that was proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAnswer {
    /// Where it goes.
    pub redirect_uri: RedirectUri,
    /// The error.
    pub error: WireError,
    /// The name of the check that failed, for the log.
    pub check: &'static str,
    /// The request's state.
    pub state: Option<String>,
}

/// The client id of a request; the gateway loads the client before it calls [`check`].
pub fn client_id(form: &Form) -> Result<&str, PageError> {
    let id = form.value("client_id").ok().flatten();
    id.filter(|id| id.len() <= MAX_CLIENT_ID_BYTES).ok_or(PageError::ClientId)
}

/// Checks a request of `client`.
pub fn check(form: &Form, client: &Client, rules: Rules) -> Result<AuthorizationRequest, Refused> {
    if client_id(form) != Ok(client.id.as_str()) {
        return Err(Refused::Page(PageError::ClientId));
    }
    let redirect_uri = redirect_uri(form, client, rules).map_err(Refused::Page)?;
    let state = form.value("state").ok().flatten().filter(|state| state.len() <= MAX_STATE_BYTES).map(str::to_owned);
    for (name, check) in CHECKS {
        if let Err(error) = check(form, rules.resource) {
            return Err(Refused::Client(ClientAnswer { redirect_uri, error, check: name, state }));
        }
    }
    let Some(challenge) = challenge(form) else {
        let error = WireError::InvalidRequest;
        return Err(Refused::Client(ClientAnswer { redirect_uri, error, check: "code_challenge", state }));
    };
    Ok(AuthorizationRequest {
        client_id: client.id.clone(),
        is_loopback: redirect_uri.is_loopback(),
        redirect_uri: redirect_uri.as_str().to_owned(),
        challenge,
        state,
    })
}

impl ClientAnswer {
    /// The URL that carries the error, with `iss` (RFC 9207 §2) and the state. A client that asks for another resource
    /// is told which there is: it may have found this server by an address that takes no tokens.
    pub fn location(&self, resource: &Resource) -> String {
        let described = format!("Tokens are for {} only. Connect to that address.", resource.url());
        let mut pairs = vec![("error", self.error.code()), ("iss", resource.issuer())];
        pairs.extend(self.state.as_deref().map(|state| ("state", state)));
        pairs.extend((self.error == WireError::InvalidTarget).then_some(("error_description", described.as_str())));
        self.redirect_uri.with_parameters(&pairs)
    }
}

type Check = fn(&Form, &Resource) -> Result<(), WireError>;

/// What a request must satisfy once it is known where errors go.
const CHECKS: [(&str, Check); 10] = [
    ("request", |form, _| absent(form, "request", WireError::RequestNotSupported)),
    ("request_uri", |form, _| absent(form, "request_uri", WireError::RequestUriNotSupported)),
    ("repeated", |form, _| once(form)),
    ("state", |form, _| state(form)),
    ("response_type", |form, _| response_type(form)),
    ("response_mode", |form, _| one_of(form, "response_mode", &["query"], true)),
    ("code_challenge_method", |form, _| one_of(form, "code_challenge_method", &["S256"], false)),
    ("prompt", |form, _| prompt(form)),
    ("resource", |form, resource| target(form, resource)),
    ("scope", |form, _| check_scope(value(form, "scope")).map_err(|_| WireError::InvalidScope)),
];

fn redirect_uri(form: &Form, client: &Client, rules: Rules) -> Result<RedirectUri, PageError> {
    let requested = form.value("redirect_uri").ok().flatten().ok_or(PageError::NoRedirectUri)?;
    let found = client.redirect_uri(requested, rules.private_schemes).map_err(PageError::RedirectUri)?;
    found.ok_or(PageError::NotRegistered)
}

fn absent(form: &Form, name: &str, error: WireError) -> Result<(), WireError> {
    if form.has(name) { Err(error) } else { Ok(()) }
}

/// RFC 6749 §3.1: parameters MUST NOT be included more than once. Those that nobody reads are ignored (ibid.).
fn once(form: &Form) -> Result<(), WireError> {
    let repeated = READ_ONCE.iter().any(|name| form.value(name).is_err());
    if repeated { Err(WireError::InvalidRequest) } else { Ok(()) }
}

fn state(form: &Form) -> Result<(), WireError> {
    let fits = value(form, "state").is_none_or(|state| state.len() <= MAX_STATE_BYTES);
    if fits { Ok(()) } else { Err(WireError::InvalidRequest) }
}

fn response_type(form: &Form) -> Result<(), WireError> {
    match value(form, "response_type") {
        Some("code") => Ok(()),
        Some(_) => Err(WireError::UnsupportedResponseType),
        None => Err(WireError::InvalidRequest),
    }
}

fn one_of(form: &Form, name: &str, allowed: &[&str], may_be_absent: bool) -> Result<(), WireError> {
    let found = value(form, name).map_or(may_be_absent, |value| allowed.contains(&value));
    if found { Ok(()) } else { Err(WireError::InvalidRequest) }
}

/// The user is always asked, so a request that forbids to ask is one that the user would have to be signed in for.
/// `none` stands alone (OpenID Connect Core §3.1.2.1).
fn prompt(form: &Form) -> Result<(), WireError> {
    let words = || value(form, "prompt").into_iter().flat_map(str::split_ascii_whitespace);
    match (words().any(|word| word == "none"), words().all(|word| word == "none")) {
        (false, _) => Ok(()),
        (true, true) => Err(WireError::LoginRequired),
        (true, false) => Err(WireError::InvalidRequest),
    }
}

/// RFC 8707 allows several; a token of ours has one audience, so each has to name it.
fn target(form: &Form, resource: &Resource) -> Result<(), WireError> {
    resource.check(resource.requested(form)).map_err(|_| WireError::InvalidTarget)
}

fn challenge(form: &Form) -> Option<CodeChallenge> {
    value(form, "code_challenge").and_then(CodeChallenge::parse)
}

fn value<'a>(form: &'a Form, name: &str) -> Option<&'a str> {
    form.value(name).ok().flatten()
}

const READ_ONCE: [&str; 7] =
    ["state", "response_type", "response_mode", "code_challenge", "code_challenge_method", "prompt", "scope"];

/// Longer client ids than URLs of 500 bytes do not exist here.
const MAX_CLIENT_ID_BYTES: usize = 500;

/// Clients were seen to use a few hundred bytes.
const MAX_STATE_BYTES: usize = 4000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::client::{AuthMethod, ClientMetadata};
    use crate::oauth::form::encode;

    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    const GOOD: [(&str, &str); 6] = [
        ("client_id", "c1"),
        ("redirect_uri", "https://a.example/cb"),
        ("response_type", "code"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "s ä+/="),
    ];

    fn outcome(pairs: &[(&str, &str)]) -> Result<AuthorizationRequest, Refused> {
        let metadata = ClientMetadata {
            name: None,
            redirect_uris: vec!["https://a.example/cb".into(), "http://127.0.0.1/cb".into()],
            auth_method: AuthMethod::None,
            may_refresh: true,
        };
        let client = Client { id: "c1".into(), metadata, secret_hash: None };
        let resource = Resource::of("https://mcp.example.com");
        let form = Form::parse(encode(pairs).as_bytes(), 1_000_000).unwrap();
        check(&form, &client, Rules { resource: &resource, private_schemes: &[] })
    }

    fn with<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
        let mut pairs: Vec<_> = GOOD.into_iter().filter(|(other, _)| *other != name).collect();
        pairs.push((name, value));
        pairs
    }

    fn and<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
        [GOOD.as_slice(), &[(name, value)]].concat()
    }

    #[test]
    fn a_good_request_is_accepted_and_its_state_kept() {
        assert_eq!(outcome(&GOOD).unwrap().state.as_deref(), Some("s ä+/="), "A46");
        for (name, value) in [
            ("resource", "https://MCP.example.com/internal"),
            ("scope", "mcp openid"),
            ("response_mode", "query"),
            ("prompt", "consent"),
            ("prompt", "login consent select_account"),
            ("prompt", "None"),
            ("unknown", "x"),
            ("redirect_uri", "http://127.0.0.1:5000/cb"),
        ] {
            assert!(outcome(&with(name, value)).is_ok(), "{name}");
        }
        assert!(outcome(&[and("x", "1").as_slice(), &[("x", "2")]].concat()).is_ok());
        let ours = ["https://mcp.example.com/internal", "https://mcp.example.com/internal/", "https://mcp.example.com"];
        assert!(outcome(&[GOOD.as_slice(), &ours.map(|resource| ("resource", resource))].concat()).is_ok(), "A37");
    }

    #[test]
    fn nothing_leaves_before_client_and_redirect_uri_are_proven() {
        for (row, pairs, error) in [
            ("A01", vec![], PageError::ClientId),
            ("A02", with("client_id", ""), PageError::ClientId),
            ("A02", with("client_id", "other"), PageError::ClientId),
            ("A34", and("client_id", "c1"), PageError::ClientId),
            ("A04", with("redirect_uri", ""), PageError::NoRedirectUri),
            ("A05", with("redirect_uri", "https://evil.example/cb"), PageError::NotRegistered),
            ("A07", with("redirect_uri", "https://a.example/cb?x=1"), PageError::NotRegistered),
            ("A08", with("redirect_uri", "https://a.example/%63b"), PageError::NotRegistered),
            ("A16", with("redirect_uri", "http://localhost:1/cb"), PageError::NotRegistered),
            ("A19", with("redirect_uri", "http://127.0.0.1:1/other"), PageError::NotRegistered),
            ("A20", with("redirect_uri", "http://a.example/cb"), PageError::RedirectUri(RedirectUriError::NotLoopback)),
            ("A35", and("redirect_uri", "https://evil.example/"), PageError::NoRedirectUri),
        ] {
            assert_eq!(outcome(&pairs), Err(Refused::Page(error)), "{row}");
        }
    }

    #[test]
    fn each_check_answers_the_client_with_its_error() {
        use WireError::*;
        let long_scope = "a ".repeat(5000);
        let long_challenge = "x".repeat(129);
        for (row, pairs, check, error) in [
            ("A22", with("response_type", ""), "response_type", InvalidRequest),
            ("A23", with("response_type", "token"), "response_type", UnsupportedResponseType),
            ("A23", with("response_type", "code token"), "response_type", UnsupportedResponseType),
            ("A25", with("response_mode", "fragment"), "response_mode", InvalidRequest),
            ("A25", with("response_mode", "form_post"), "response_mode", InvalidRequest),
            ("A26", with("code_challenge", ""), "code_challenge", InvalidRequest),
            ("A28", with("code_challenge_method", "plain"), "code_challenge_method", InvalidRequest),
            ("A28", with("code_challenge_method", "s256"), "code_challenge_method", InvalidRequest),
            ("A29", with("code_challenge_method", ""), "code_challenge_method", InvalidRequest),
            ("A32", with("code_challenge", &CHALLENGE[1..]), "code_challenge", InvalidRequest),
            ("A32", with("code_challenge", &long_challenge), "code_challenge", InvalidRequest),
            ("dup", and("code_challenge", CHALLENGE), "repeated", InvalidRequest),
            (
                "A37",
                [with("resource", "https://mcp.example.com"), vec![("resource", "https://b/")]].concat(),
                "resource",
                InvalidTarget,
            ),
            ("A38", with("resource", "/internal"), "resource", InvalidTarget),
            ("A38", with("resource", "https://mcp.example.com/internal#f"), "resource", InvalidTarget),
            ("A41", with("resource", "https://mcp.example.com/internal/../other"), "resource", InvalidTarget),
            ("A43", with("scope", "a  b"), "scope", InvalidScope),
            ("A44", with("scope", &long_scope), "scope", InvalidScope),
            ("A47", and("request", "x"), "request", RequestNotSupported),
            ("A47", and("request_uri", "x"), "request_uri", RequestUriNotSupported),
            ("A49", and("prompt", "none consent"), "prompt", InvalidRequest),
            ("A49", and("prompt", "login none"), "prompt", InvalidRequest),
            ("A49", and("prompt", "none"), "prompt", LoginRequired),
        ] {
            let Err(Refused::Client(answer)) = outcome(&pairs) else { panic!("{row}") };
            assert_eq!((answer.check, answer.error), (check, error), "{row}");
            assert_eq!(answer.state.as_deref(), Some("s ä+/="), "{row}");
            let location = answer.location(&Resource::of("https://mcp.example.com"));
            let expected =
                format!("https://a.example/cb?error={}&iss=https%3A%2F%2Fmcp.example.com&state=", error.code());
            assert!(location.starts_with(&expected), "{row} {location}");
            let names_resource = location.contains("https%3A%2F%2Fmcp.example.com%2Finternal");
            assert_eq!(names_resource, error == InvalidTarget, "{row} {location}");
        }
    }

    #[test]
    fn a_repeated_state_is_not_given_back() {
        let Err(Refused::Client(answer)) = outcome(&and("state", "2")) else { panic!("accepted") };
        assert_eq!((answer.error, answer.state), (WireError::InvalidRequest, None));
    }
}
