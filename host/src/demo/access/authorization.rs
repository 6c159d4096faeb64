//! An authentication request (OpenID Connect Core, section 3.1.2.1), and the two ways back from it.

use std::collections::BTreeMap;

use super::Application;

/// A request that passed the checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authorization {
    pub(super) redirect_uri: String,
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) challenge: String,
}

/// A login that has its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) authorization: Authorization,
    pub(super) email: String,
    /// When the code ends, in seconds since 1970.
    pub(super) expires: u64,
}

impl Authorization {
    /// Checks a query; the error is a sentence for the page.
    pub(super) fn read(query: &str, application: &Application) -> Result<Self, &'static str> {
        let fields = fields(query.as_bytes());
        let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
        if field("client_id") != application.client_id {
            return Err("There is no such application.");
        }
        if field("redirect_uri") != application.redirect_uri {
            return Err("The application does not list this redirect URL.");
        }
        if field("response_type") != "code" || !field("scope").split(' ').any(|scope| scope == "openid") {
            return Err("Only response_type=code with the scope openid is simulated.");
        }
        if field("code_challenge_method") != "S256" || field("code_challenge").len() != CHALLENGE_BYTES {
            return Err("The request has no S256 code_challenge.");
        }
        if field("state").is_empty() || field("nonce").is_empty() {
            return Err("The request has no state or no nonce.");
        }
        Ok(Self {
            redirect_uri: field("redirect_uri").to_owned(),
            state: field("state").to_owned(),
            nonce: field("nonce").to_owned(),
            challenge: field("code_challenge").to_owned(),
        })
    }

    /// Back with a code.
    pub(super) fn success(&self, code: &str) -> String {
        self.back("code", code)
    }

    /// Back with an error.
    pub(super) fn refusal(&self, error: &str) -> String {
        self.back("error", error)
    }

    fn back(&self, name: &str, value: &str) -> String {
        let query: String = form_urlencoded::Serializer::new(String::new())
            .append_pair(name, value)
            .append_pair("state", &self.state)
            .finish();
        format!("{}?{query}", self.redirect_uri)
    }
}

/// The fields of a query or form; of repeated ones the last.
pub(super) fn fields(text: &[u8]) -> BTreeMap<String, String> {
    form_urlencoded::parse(text).map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

/// SHA-256 in base64url.
const CHALLENGE_BYTES: usize = 43;
