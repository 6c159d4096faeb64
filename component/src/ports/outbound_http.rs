//! HTTP requests to upstreams.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

/// The methods in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpMethod {
    /// GET
    Get,
    /// POST
    Post,
}

/// Which addresses a request may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The operator named the URL: any address.
    Configured,
    /// An outsider chose the URL: global addresses only, checked after resolution.
    PublicInternet,
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upstream {
    /// The Stats API of Plausible.
    Plausible,
    /// Cloudflare Access, or another OpenID provider.
    IdentityProvider,
    /// A metadata document of a client.
    ClientDocument,
    /// Reports about this server.
    Telemetry,
}

/// One request. It holds credentials, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// What it is for.
    pub upstream: Upstream,
    /// The method.
    pub method: HttpMethod,
    /// An absolute URL.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body, if any.
    pub body: Option<Vec<u8>>,
    /// The time for the whole exchange, in milliseconds.
    pub timeout_milliseconds: u32,
    /// The largest body that is accepted, in bytes.
    pub max_response_bytes: u32,
    /// Which addresses it may reach.
    pub reach: Reach,
    /// Equal values in flight may share one answer.
    pub coalesce: Option<String>,
}

/// An answer, read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no answer; the cases of `wit/outbound-http.wit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpError {
    /// The URL or a header cannot be sent as HTTP.
    InvalidRequest,
    /// The host cannot keep the promise of `Reach::PublicInternet`.
    ReachUnsupported,
    /// The name resolves to an address outside the request's reach.
    AddressRefused,
    /// The host does not let the component connect there: the operator has not allowed it.
    NotAllowed,
    /// The name does not resolve.
    NameNotResolved,
    /// No connection could be made.
    ConnectFailed,
    /// TLS could not be established, or the certificate is not trusted.
    TlsFailed,
    /// The connection broke before the answer was complete.
    Interrupted,
    /// The time was over.
    TimedOut,
    /// The answer is larger than allowed.
    ResponseTooLarge,
    /// The answer is large, and the host has no room for another large one at the moment.
    NoRoom {
        /// The seconds after which there may be room.
        retry_after: u32,
    },
    /// The answer is not HTTP.
    MalformedResponse,
    /// The host has no place for another request to this upstream at the moment.
    Busy {
        /// The seconds after which a place is likely.
        retry_after: u32,
    },
    /// The upstream does not answer, and the host asks it again only now and then.
    OutOfService {
        /// The seconds since the first request that it did not answer.
        since: u32,
        /// The seconds until the host asks again.
        retry_after: u32,
    },
    /// The upstream has asked by `Retry-After` not to be asked before this time is over.
    AskedToWait {
        /// The seconds that are left of it.
        retry_after: u32,
    },
}

impl HttpError {
    /// The name of the cause, for the log.
    pub fn reason(self) -> &'static str {
        match self {
            HttpError::InvalidRequest => "http_invalid_request",
            HttpError::ReachUnsupported => "http_reach_unsupported",
            HttpError::AddressRefused => "http_address_refused",
            HttpError::NotAllowed => "http_not_allowed",
            HttpError::NameNotResolved => "http_name_not_resolved",
            HttpError::ConnectFailed => "http_connect_failed",
            HttpError::TlsFailed => "http_tls_failed",
            HttpError::Interrupted => "http_interrupted",
            HttpError::TimedOut => "http_timed_out",
            HttpError::ResponseTooLarge => "http_response_too_large",
            HttpError::NoRoom { .. } => "http_no_room",
            HttpError::MalformedResponse => "http_malformed_response",
            HttpError::Busy { .. } => "http_busy",
            HttpError::OutOfService { .. } => "http_out_of_service",
            HttpError::AskedToWait { .. } => "http_asked_to_wait",
        }
    }

    /// The fault in a few words.
    pub fn words(self) -> &'static str {
        match self {
            HttpError::InvalidRequest => "the request cannot be sent as HTTP",
            HttpError::ReachUnsupported => "this host cannot check addresses",
            HttpError::AddressRefused => "its address is not allowed",
            HttpError::NotAllowed => "this host does not allow connections to it",
            HttpError::NameNotResolved => "its name does not resolve",
            HttpError::ConnectFailed => "no connection",
            HttpError::TlsFailed => "no trusted TLS connection",
            HttpError::Interrupted => "the connection broke",
            HttpError::TimedOut => "it took too long",
            HttpError::ResponseTooLarge => "its answer is too large",
            HttpError::NoRoom { .. } => "too many large answers are being worked on",
            HttpError::MalformedResponse => "its answer is not HTTP",
            HttpError::Busy { .. } => "too many such requests are under way",
            HttpError::OutOfService { .. } => "it has not answered for a while",
            HttpError::AskedToWait { .. } => "it has asked not to be asked yet",
        }
    }

    /// The seconds after which it is worth to ask again, where the host knows: it has sent nothing, or has no
    /// room for the answer.
    pub fn retry_after(self) -> Option<u32> {
        match self {
            HttpError::NoRoom { retry_after }
            | HttpError::Busy { retry_after }
            | HttpError::OutOfService { retry_after, .. }
            | HttpError::AskedToWait { retry_after } => Some(retry_after),
            _ => None,
        }
    }
}

/// Sends requests. The contract stands in `wit/outbound-http.wit`: redirects are not followed, limits hold while the
/// answer is read, and a request of `Reach::PublicInternet` never reaches an address that is not global.
#[expect(async_fn_in_trait, reason = "a component instance is single-threaded: futures need not be Send")]
pub trait OutboundHttp {
    /// Sends a request and waits for its answer. Futures that are polled together run at the same time: every
    /// implementation starts the request at the first poll.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError>;

    /// What `send` would answer at once, if it would send nothing now: [`HttpError::OutOfService`] or
    /// [`HttpError::AskedToWait`]. Who pays for requests asks before paying. `None` promises nothing.
    async fn refusal(&self, _request: &HttpRequest) -> Option<HttpError> {
        None
    }
}

/// Answers requests from a script, in order, and keeps what it was sent.
#[derive(Default)]
pub struct ScriptedHttp {
    /// The answers to come. When none is left, the answer is `HttpError::ConnectFailed`.
    pub answers: RefCell<VecDeque<Result<HttpResponse, HttpError>>>,
    /// The requests so far.
    pub requests: RefCell<Vec<HttpRequest>>,
    /// What is said before anything is sent, and sent nothing for.
    pub refusal: Cell<Option<HttpError>>,
}

impl std::fmt::Debug for ScriptedHttp {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ScriptedHttp").finish_non_exhaustive()
    }
}

impl ScriptedHttp {
    /// Adds an answer with `status` and a JSON body to the script.
    pub fn answer(&self, status: u16, body: &str) {
        self.push(Ok(HttpResponse { status, headers: Vec::new(), body: body.as_bytes().to_vec() }));
    }

    /// Adds a fault to the script.
    pub fn fail(&self, error: HttpError) {
        self.push(Err(error));
    }

    fn push(&self, answer: Result<HttpResponse, HttpError>) {
        self.answers.borrow_mut().push_back(answer);
    }
}

impl OutboundHttp for ScriptedHttp {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.requests.borrow_mut().push(request);
        self.answers.borrow_mut().pop_front().unwrap_or(Err(HttpError::ConnectFailed))
    }

    async fn refusal(&self, _request: &HttpRequest) -> Option<HttpError> {
        self.refusal.get()
    }
}
