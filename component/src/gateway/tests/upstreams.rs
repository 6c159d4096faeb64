//! What the server in memory asks: the identity provider, a Plausible and a Sentry that answer as they are told.

use std::cell::{Cell, RefCell};

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
    /// What Plausible says in `Retry-After`, if anything.
    pub(super) retry_after: RefCell<Option<String>>,
    /// What the host answers in place of Plausible, without sending anything.
    pub(super) refusal: Cell<Option<HttpError>>,
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
        let (retry_after, refusal) = (RefCell::default(), Cell::default());
        Upstreams { provider, plausible, retry_after, refusal, sentry, sent: RefCell::default() }
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
        let mut headers = Vec::new();
        let told = match () {
            () if request.url.contains(PLAUSIBLE) => {
                if let Some(refusal) = self.refusal.get() {
                    return Err(refusal);
                }
                headers.extend(self.retry_after.borrow().iter().map(|value| ("retry-after".to_owned(), value.clone())));
                self.plausible.borrow().clone()
            }
            () if request.url.contains(SENTRY) => self.sentry.borrow().clone(),
            () => return self.provider.send(request).await,
        };
        self.sent.borrow_mut().push(request);
        told.map(|(status, body)| HttpResponse { status, headers, body: body.into_bytes() })
    }

    async fn refusal(&self, request: &HttpRequest) -> Option<HttpError> {
        let refusal = self.refusal.get().filter(|_| request.url.contains(PLAUSIBLE));
        refusal.filter(|error| !matches!(error, HttpError::Busy { .. }))
    }
}

const PLAUSIBLE: &str = "/api/v2/query";

const SENTRY: &str = "://sentry.example/api/7/envelope/";
