//! One request as it is seen from outside: it is counted, and it is a span where there are traces.

use std::sync::Arc;
use std::time::Instant;

use http::{Method, Request, StatusCode};

use super::{ROUTES, TRACEPARENT};
use crate::metrics::{Metrics, RequestLabels};
use crate::refusal::Refusal;
use crate::request_id::RequestId;
use crate::traces::{RequestSpan, TracedRequest, Traces};

/// A request that somebody waits for. Dropped without an answer, it was abandoned: its client went away.
pub(super) struct Observed {
    metrics: Metrics,
    labels: RequestLabels,
    start: Instant,
    id: RequestId,
    status: Option<StatusCode>,
    span: Option<Arc<dyn RequestSpan>>,
}

impl Observed {
    pub(super) fn start<B>(metrics: Metrics, traces: Option<&dyn Traces>, request: &Request<B>) -> Self {
        let (route, method) = (route(request.uri().path()), method(request.method()));
        let span = traces.map(|traces| {
            let mut lines = request.headers().get_all(TRACEPARENT).iter();
            let traceparent = match (lines.next(), lines.next()) {
                (Some(line), None) => line.to_str().ok(),
                _ => None,
            };
            traces.request(&TracedRequest { method, route, traceparent })
        });
        let labels = RequestLabels { route: route.unwrap_or(OTHER), method: method.unwrap_or(OTHER) };
        Self { metrics, labels, start: Instant::now(), id: RequestId::of(request.headers()), status: None, span }
    }

    /// The span that what is done for the request belongs to.
    pub(super) fn span(&self) -> Option<Arc<dyn RequestSpan>> {
        self.span.clone()
    }

    /// The identifier of the request, for the component.
    pub(super) fn id(&self) -> RequestId {
        self.id.clone()
    }

    pub(super) fn refused(&self, refusal: Refusal) {
        self.metrics.requests().refused(refusal);
        let time = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        tell_refusal(refusal, self.labels, &self.id, time);
    }

    pub(super) fn answered(mut self, status: StatusCode) {
        self.status = Some(status);
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        let time = self.start.elapsed();
        self.metrics.requests().ended(self.labels, self.status, time);
        if self.status.is_none() {
            let RequestLabels { route, method } = self.labels;
            tracing::info!(
                event = "client_left",
                route,
                method,
                ms = time.as_millis(),
                "the client left before its answer"
            );
        }
        if let Some(span) = &self.span {
            span.ended(self.status);
        }
    }
}

/// The line about a request that the host answered by itself, in the form of the component's.
fn tell_refusal(refusal: Refusal, labels: RequestLabels, id: &RequestId, milliseconds: u64) {
    let (request_id, status, reason) = (id.as_str(), refusal.status().as_u16(), refusal.name());
    let RequestLabels { route, method } = labels;
    match refusal.is_fault() {
        true => {
            tracing::error!(event = "refused", request_id, route, method, status, ms = milliseconds, reason, "failed")
        }
        false => {
            tracing::warn!(event = "refused", request_id, route, method, status, ms = milliseconds, reason, "refused")
        }
    }
}

/// The same of what could not be read as a request; `path` as far as it could.
pub(super) fn tell_unread(path: &str, refusal: Refusal) {
    let labels = RequestLabels { route: route(path).unwrap_or(OTHER), method: OTHER };
    tell_refusal(refusal, labels, &RequestId::new(), 0);
}

/// The route that `path` is, if the component serves it. One slash at the end is the same path.
fn route(path: &str) -> Option<&'static str> {
    let path = path.strip_suffix('/').unwrap_or(path);
    ROUTES.iter().find(|route| **route == path).copied()
}

/// The name of a method of RFC 9110 or RFC 5789. `CONNECT` never gets here.
fn method(method: &Method) -> Option<&'static str> {
    METHODS.iter().find(|name| **name == method.as_str()).copied()
}

const METHODS: [&str; 8] = ["POST", "GET", "OPTIONS", "HEAD", "DELETE", "PUT", "PATCH", "TRACE"];
const OTHER: &str = "other";

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::traces::{CallSpan, TracedCall};

    fn request(method: &str, path: &str) -> Request<()> {
        Request::builder().method(method).uri(path).body(()).unwrap()
    }

    #[test]
    fn what_a_caller_makes_up_is_no_label() {
        let metrics = Metrics::new();
        for (method, path) in
            [("POST", "/mcp/?marked=1"), ("MARKED", "/mcp"), ("GET", "/marked"), ("GET", "/mcp/marked")]
        {
            Observed::start(metrics.clone(), None, &request(method, path)).answered(StatusCode::OK);
        }
        let text = metrics.encode();
        for part in [
            "http_requests_total{route=\"/mcp\",method=\"POST\",status=\"200\"} 1",
            "http_requests_total{route=\"/mcp\",method=\"other\",status=\"200\"} 1",
            "http_requests_total{route=\"other\",method=\"GET\",status=\"200\"} 2",
            "http_request_duration_seconds_count{route=\"other\"} 2",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.to_ascii_lowercase().contains("marked"), "{text}");
    }

    #[test]
    fn a_request_without_an_answer_is_abandoned() {
        let metrics = Metrics::new();
        let observed = Observed::start(metrics.clone(), None, &request("POST", "/internal"));
        drop(observed);
        let text = metrics.encode();
        assert!(text.contains("http_requests_abandoned_total{route=\"/internal\",method=\"POST\"} 1"), "{text}");
        assert!(!text.contains("http_requests_total{"), "{text}");
    }

    /// Remembers the parents that it was told.
    struct Parents(Mutex<Vec<Option<String>>>);

    struct NoSpan;

    impl Traces for Parents {
        fn request(&self, request: &TracedRequest<'_>) -> Arc<dyn RequestSpan> {
            self.0.lock().unwrap().push(request.traceparent.map(str::to_owned));
            Arc::new(NoSpan)
        }
    }

    impl RequestSpan for NoSpan {
        fn traceparent(&self) -> String {
            String::new()
        }

        fn call(&self, _: &TracedCall<'_>) -> Box<dyn CallSpan> {
            unreachable!("nothing is called")
        }

        fn ended(&self, _: Option<StatusCode>) {}
    }

    #[test]
    fn only_a_single_traceparent_counts() {
        let parents = Parents(Mutex::default());
        for lines in [&[][..], &["a"], &["a", "a"]] {
            let mut request = request("POST", "/mcp");
            for line in lines {
                request.headers_mut().append(TRACEPARENT, line.parse().unwrap());
            }
            drop(Observed::start(Metrics::new(), Some(&parents), &request));
        }
        assert_eq!(*parents.0.lock().unwrap(), [None, Some("a".to_owned()), None]);
    }
}
