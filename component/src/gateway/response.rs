//! Responses, and the headers that every one of them has.

use super::pages::Problem;
use super::request::Conflict;
use super::route::Route;
use crate::config::ConfigError;
use crate::mcp::json_string;
use crate::oauth::error::WireError;
use crate::ports::SecretUnavailable;
use crate::telemetry::Outcome;

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// A request that is not served: what the caller is told, and what the log says.
#[derive(Debug)]
pub struct Refusal {
    response: Response,
    outcome: Outcome,
    /// Boxed, as the words are, because refusals are the errors of most functions here.
    evidence: Option<Box<Evidence>>,
    words: Option<Box<Words>>,
}

/// What only the log is told.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The cause behind the reason.
    pub cause: Option<&'static str>,
    /// The id of a grant that ended by the request.
    pub ended_grant: Option<String>,
    /// What an upstream answered with, where that is what went wrong.
    pub upstream_status: Option<u16>,
}

/// What a refusal says whose form no endpoint has chosen; the route does.
#[derive(Debug)]
struct Words {
    text: String,
    page: Option<Problem>,
}

impl Response {
    /// A response without a body.
    pub fn empty(status: u16) -> Response {
        Response { status, headers: Vec::new(), body: Vec::new() }
    }

    /// A response with JSON text.
    pub fn json(status: u16, body: String) -> Response {
        Response { status, headers: vec![("content-type", "application/json".to_owned())], body: body.into_bytes() }
    }

    /// A redirect that is followed with GET (RFC 9700 §4.12: never 307).
    pub fn see_other(location: &str) -> Response {
        Response { status: 303, headers: vec![("location", location.to_owned())], body: Vec::new() }
    }

    /// Adds a header.
    pub fn with_header(mut self, name: &'static str, value: String) -> Response {
        self.headers.push((name, value));
        self
    }

    /// Adds what every response has: security headers, and CORS where pages of other origins may read.
    pub(super) fn finish(&mut self, route: Option<Route>, method: &str) {
        let cors: [&[(&str, &str)]; 2] = match route.is_some_and(Route::has_cors) {
            true if method == "OPTIONS" => [CORS_HEADERS, PREFLIGHT_HEADERS],
            true => [CORS_HEADERS, &[]],
            false => [&[], &[]],
        };
        let hidden = route.is_some_and(Route::hides_referrer);
        let referrer = if hidden { "no-referrer" } else { "strict-origin-when-cross-origin" };
        self.headers.push(("referrer-policy", referrer.to_owned()));
        let fixed = SECURITY_HEADERS.iter().chain(cors.into_iter().flatten());
        self.headers.extend(fixed.map(|(name, value)| (*name, (*value).to_owned())));
        if method == "HEAD" {
            self.body.clear();
        }
    }
}

impl Refusal {
    /// A refusal whose body is `{"error": text}`. `reason` is for the log.
    pub fn new(status: u16, text: &str, reason: &'static str) -> Refusal {
        let body = format!("{{\"error\":{}}}", json_string(text));
        Refusal::in_words(Response::json(status, body), text, reason)
    }

    /// A refusal whose body is a JSON-RPC error without an id, as MCP clients expect of 403 and 405.
    pub fn json_rpc(status: u16, text: &str, reason: &'static str) -> Refusal {
        let message = json_string(text);
        let body = format!("{{\"jsonrpc\":\"2.0\",\"error\":{{\"code\":-32600,\"message\":{message}}}}}");
        Refusal::in_words(Response::json(status, body), text, reason)
    }

    fn in_words(response: Response, text: &str, reason: &'static str) -> Refusal {
        let words = Words { text: text.to_owned(), page: None };
        Refusal { words: Some(Box::new(words)), ..Refusal::with_response(response, reason) }
    }

    /// An error of OAuth (RFC 6749 §5.2): `{"error": code, "error_description": text}`.
    pub fn oauth(error: WireError, text: &str, reason: &'static str) -> Refusal {
        let status = error.status();
        let refusal = Refusal::with_response(Response::json(status, oauth_body(error, text)), reason);
        match status {
            503 => refusal.with_header("retry-after", RETRY_AFTER_SECONDS.to_string()),
            _ => refusal,
        }
    }

    /// A response that says by itself why the request is refused.
    pub fn with_response(response: Response, reason: &'static str) -> Refusal {
        Refusal { response, outcome: Outcome::Refused(reason), evidence: None, words: None }
    }

    /// No such path.
    pub fn not_found() -> Refusal {
        Refusal::not_found_near(Route::Mcp)
    }

    /// No such path, and this is what the caller is most likely looking for.
    pub fn not_found_near(route: Route) -> Refusal {
        let what = if route.is_mcp() { "The MCP endpoint is" } else { "What is served is" };
        Refusal::new(404, &format!("There is nothing here. {what} {}.", route.path()), "not_found")
    }

    /// A header that has one value came with several.
    pub fn conflicting(conflict: Conflict) -> Refusal {
        Refusal::json_rpc(400, &conflict.to_string(), "header_repeated").shown_as(Problem::Malformed)
    }

    /// The path does not take this method.
    pub fn method_not_allowed(allow: &'static str) -> Refusal {
        Refusal::new(405, WRONG_METHOD, "method").with_header("allow", allow.to_owned())
    }

    /// The same where MCP clients ask.
    pub fn mcp_method_not_allowed() -> Refusal {
        Refusal::json_rpc(405, WRONG_METHOD, "method").with_header("allow", "POST, OPTIONS".to_owned())
    }

    /// Too many requests.
    pub fn too_many_requests(retry_after: u32, reason: &'static str) -> Refusal {
        let text = format!("Too many requests. Try again in {retry_after} seconds.");
        let refusal = Refusal::new(429, &text, reason).with_header("retry-after", retry_after.to_string());
        refusal.shown_as(Problem::TooMany(retry_after))
    }

    /// A setting is missing or malformed. The caller is told its name, never its value.
    pub fn misconfigured(error: &ConfigError, route: Option<Route>) -> Refusal {
        if route.is_none() {
            return Refusal::not_found();
        }
        let text = format!("This server is not set up: {error}.");
        let refusal = Refusal::new(500, &text, "misconfigured").shown_as(Problem::Misconfigured(error.setting));
        Refusal { outcome: Outcome::Misconfigured { setting: error.setting, problem: error.problem }, ..refusal }
    }

    /// A secret that the route needs cannot be read at the moment. Which one, only the host knows.
    pub fn secret_unavailable(unavailable: SecretUnavailable) -> Refusal {
        let text = "This server cannot read a part of its settings right now. Try again in a few seconds.";
        let refusal = Refusal::new(503, text, "secret").because(unavailable.reason());
        refusal.with_header("retry-after", RETRY_AFTER_SECONDS.to_string()).shown_as(Problem::SettingsUnavailable)
    }

    /// Lets browsers be shown this page, of the same status.
    pub fn shown_as(mut self, page: Problem) -> Refusal {
        if let Some(words) = &mut self.words {
            words.page = Some(page);
        }
        self
    }

    /// The refusal in the form that callers of `route` read: clients an error of OAuth, browsers a page where there is
    /// one. What an endpoint has put into a form of its own stays as it is.
    pub fn in_form_of(mut self, route: Option<Route>) -> Refusal {
        let (Some(route), Some(words)) = (route, &self.words) else { return self };
        match words.page {
            Some(page) if route.is_page() => self.response = page.page().into_response(),
            _ if route.is_for_clients() => {
                self.response.body = oauth_body(oauth_error(self.response.status), &words.text).into_bytes();
            }
            _ => {}
        }
        self
    }

    /// Adds the cause behind the reason, if there is more to say, for the log.
    pub fn because(mut self, cause: impl Into<Option<&'static str>>) -> Refusal {
        if let Some(cause) = cause.into() {
            self.evidence.get_or_insert_default().cause = Some(cause);
        }
        self
    }

    /// Adds the id of a grant that ended by the request, for the log.
    pub fn ending(mut self, grant: Option<&str>) -> Refusal {
        if let Some(grant) = grant {
            self.evidence.get_or_insert_default().ended_grant = Some(grant.to_owned());
        }
        self
    }

    /// Adds what an upstream answered with, for the log.
    pub fn with_upstream_status(mut self, status: Option<u16>) -> Refusal {
        if status.is_some() {
            self.evidence.get_or_insert_default().upstream_status = status;
        }
        self
    }

    /// Adds a header.
    pub fn with_header(mut self, name: &'static str, value: String) -> Refusal {
        self.response.headers.push((name, value));
        self
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.response.status
    }

    /// What the log says.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// What the log says besides.
    pub fn evidence(&self) -> Evidence {
        self.evidence.as_deref().cloned().unwrap_or_default()
    }

    /// The response.
    pub fn into_response(self) -> Response {
        self.response
    }
}

/// RFC 6749 §5.2.
fn oauth_body(error: WireError, text: &str) -> String {
    format!("{{\"error\":\"{}\",\"error_description\":{}}}", error.code(), json_string(text))
}

/// The error of OAuth that is nearest to a status of HTTP.
fn oauth_error(status: u16) -> WireError {
    match status {
        429 | 503 => WireError::TemporarilyUnavailable,
        500.. => WireError::ServerError,
        _ => WireError::InvalidRequest,
    }
}

const WRONG_METHOD: &str = "This path does not take this method; the header Allow lists those that it takes.";

/// After an outage of the store.
pub(super) const RETRY_AFTER_SECONDS: u32 = 5;

const SECURITY_HEADERS: &[(&str, &str)] = &[
    ("cache-control", "no-store"),
    ("strict-transport-security", "max-age=31536000; includeSubDomains"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
];

/// Every origin may call: the credential is a header that a page has to know, never a cookie.
const CORS_HEADERS: &[(&str, &str)] =
    &[("access-control-allow-origin", "*"), ("access-control-expose-headers", "WWW-Authenticate, Retry-After")];

/// What a browser asks before it calls. A wildcard does not cover `Authorization`, so the headers are listed (Fetch
/// §3.2.3).
const PREFLIGHT_HEADERS: &[(&str, &str)] = &[
    ("access-control-allow-methods", "POST, GET, DELETE, OPTIONS"),
    (
        "access-control-allow-headers",
        "Content-Type, Authorization, Accept, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Mcp-Session-Id, Last-Event-ID",
    ),
    ("access-control-max-age", "7200"),
];
