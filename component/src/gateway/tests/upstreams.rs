//! What the server in memory asks: the identity provider, a Plausible and a Sentry that answer as they are told.

use std::cell::RefCell;

use super::super::federation::simulated_provider::SimulatedProvider;
use crate::ports::{HttpError, HttpRequest, HttpResponse, OutboundHttp};

/// A status with a body, or no answer at all.
pub(super) type Told = Result<(u16, String), HttpError>;

/// All upstreams of a server.
pub(super) struct Upstreams {
    /// Where people log in; it answers whatever the others do not.
    pub(super) provider: SimulatedProvider,
    /// What Plausible answers.
    pub(super) plausible: RefCell<Told>,
    /// What Sentry answers.
    pub(super) sentry: RefCell<Told>,
    sent: RefCell<Vec<HttpRequest>>,
}

/// The DSN of the Sentry here.
pub(super) const DSN: &str = "https://abc@sentry.example/7";

impl Upstreams {
    pub(super) fn new(provider: SimulatedProvider) -> Upstreams {
        let plausible = RefCell::new(Ok((200, r#"{"results":[]}"#.to_owned())));
        let sentry = RefCell::new(Ok((200, "{}".to_owned())));
        Upstreams { provider, plausible, sentry, sent: RefCell::default() }
    }

    /// The queries that reached Plausible.
    pub(super) fn queries(&self) -> Vec<HttpRequest> {
        self.sent_to(PLAUSIBLE)
    }

    /// The envelopes that reached Sentry.
    pub(super) fn envelopes(&self) -> Vec<String> {
        let text = |request: HttpRequest| String::from_utf8(request.body.unwrap_or_default()).expect("UTF-8");
        self.sent_to(SENTRY).into_iter().map(text).collect()
    }

    fn sent_to(&self, part: &str) -> Vec<HttpRequest> {
        self.sent.borrow().iter().filter(|request| request.url.contains(part)).cloned().collect()
    }
}

impl OutboundHttp for Upstreams {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let told = match () {
            () if request.url.contains(PLAUSIBLE) => self.plausible.borrow().clone(),
            () if request.url.contains(SENTRY) => self.sentry.borrow().clone(),
            () => return self.provider.send(request).await,
        };
        self.sent.borrow_mut().push(request);
        told.map(|(status, body)| HttpResponse { status, headers: Vec::new(), body: body.into_bytes() })
    }
}

const PLAUSIBLE: &str = "/api/v2/query";

const SENTRY: &str = "://sentry.example/api/7/envelope/";
