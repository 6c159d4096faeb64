//! One exchange as it is seen from outside: it is counted, and it is a span where its request is one.

use std::time::Instant;

use http::Uri;

use super::flight::Outcome;
use crate::bindings::outbound_http as wit;
use crate::metrics::Metrics;
use crate::traces::{CallSpan, RequestSpan, TracedCall};

/// An exchange under way. Dropped before it has ended, it was abandoned: its request was given up.
pub(super) struct Observed {
    metrics: Option<Metrics>,
    start: Instant,
    outcome: &'static str,
    span: Option<Box<dyn CallSpan>>,
}

impl Observed {
    pub(super) fn start(metrics: Option<Metrics>, within: Option<&dyn RequestSpan>, request: &wit::Request) -> Self {
        let span = within.map(|span| begin(span, request));
        Self { metrics, start: Instant::now(), outcome: "abandoned", span }
    }

    /// The request as it is sent: where the component passes the trace on, the call is the parent of what follows.
    pub(super) fn sent(&self, mut request: wit::Request) -> wit::Request {
        if let Some(span) = &self.span {
            let passed_on = request.headers.iter_mut().filter(|(name, _)| name.eq_ignore_ascii_case("traceparent"));
            passed_on.for_each(|(_, value)| *value = span.traceparent());
        }
        request
    }

    pub(super) fn ended(mut self, outcome: &Outcome) {
        self.outcome = name(outcome);
        if let Some(span) = self.span.take() {
            span.ended(outcome.as_ref().map(|answer| answer.response.status).map_err(|_| self.outcome));
        }
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        if let Some(metrics) = &self.metrics {
            metrics.calls().ended(self.outcome, self.start.elapsed());
        }
    }
}

/// An address that an outsider chose is not told.
fn begin(span: &dyn RequestSpan, request: &wit::Request) -> Box<dyn CallSpan> {
    let method = match request.method {
        wit::Method::Get => "GET",
        wit::Method::Post => "POST",
    };
    let url = match request.reach {
        wit::Reach::Configured => request.url.parse::<Uri>().ok(),
        wit::Reach::PublicInternet => None,
    };
    let server = url.as_ref().and_then(|url| Some((url.host()?, port(url))));
    span.call(&TracedCall { method, server })
}

fn port(url: &Uri) -> u16 {
    let by_scheme = if url.scheme() == Some(&http::uri::Scheme::HTTP) { 80 } else { 443 };
    url.port_u16().unwrap_or(by_scheme)
}

fn name(outcome: &Outcome) -> &'static str {
    match outcome {
        Ok(answer) => match answer.response.status {
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            500..600 => "5xx",
            _ => "other",
        },
        Err(wit::Error::InvalidRequest) => "invalid_request",
        Err(wit::Error::ReachUnsupported) => "reach_unsupported",
        Err(wit::Error::AddressRefused) => "address_refused",
        Err(wit::Error::NotAllowed) => "not_allowed",
        Err(wit::Error::NameNotResolved) => "name_not_resolved",
        Err(wit::Error::ConnectFailed) => "connect_failed",
        Err(wit::Error::TlsFailed) => "tls_failed",
        Err(wit::Error::Interrupted) => "interrupted",
        Err(wit::Error::TimedOut) => "timed_out",
        Err(wit::Error::ResponseTooLarge) => "response_too_large",
        Err(wit::Error::NoRoom(_)) => "no_room",
        Err(wit::Error::MalformedResponse) => "malformed_response",
        Err(wit::Error::Busy(_)) => "busy",
        Err(wit::Error::OutOfService(_)) => "out_of_service",
        Err(wit::Error::AskedToWait(_)) => "asked_to_wait",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http::StatusCode;

    use super::*;
    use crate::large_answers::Weight;
    use crate::outbound_http::flight::Answer;

    type Told = Arc<Mutex<Vec<String>>>;

    /// Remembers what it is told.
    struct Span(Told);

    impl RequestSpan for Span {
        fn traceparent(&self) -> String {
            "request".to_owned()
        }

        fn call(&self, call: &TracedCall<'_>) -> Box<dyn CallSpan> {
            self.0.lock().unwrap().push(format!("{call:?}"));
            Box::new(Span(self.0.clone()))
        }

        fn ended(&self, _: Option<StatusCode>) {}
    }

    impl CallSpan for Span {
        fn traceparent(&self) -> String {
            "call".to_owned()
        }

        fn ended(self: Box<Self>, outcome: Result<u16, &'static str>) {
            self.0.lock().unwrap().push(format!("{outcome:?}"));
        }
    }

    fn request(reach: wit::Reach, headers: &[(&str, &str)]) -> wit::Request {
        wit::Request {
            upstream: wit::Upstream::Plausible,
            method: wit::Method::Get,
            url: "https://secret.example/secret?secret".into(),
            headers: headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            body: None,
            timeout_milliseconds: 1000,
            max_response_bytes: 1000,
            reach,
            coalesce: None,
        }
    }

    #[test]
    fn only_the_name_of_a_configured_server_is_told() {
        let told = Told::default();
        for reach in [wit::Reach::Configured, wit::Reach::PublicInternet] {
            let observed = Observed::start(None, Some(&Span(told.clone())), &request(reach, &[]));
            observed.ended(&Err(wit::Error::TimedOut));
        }
        let told = told.lock().unwrap();
        let [configured, _, public, outcome] = told.as_slice() else { panic!("{told:?}") };
        assert!(configured.contains("(\"secret.example\", 443)"), "{configured}");
        assert!(!public.contains("secret"), "{public}");
        assert_eq!(outcome, "Err(\"timed_out\")");
    }

    #[test]
    fn a_trace_that_is_passed_on_goes_on_from_the_call() {
        let traced = request(wit::Reach::Configured, &[("Traceparent", "guest"), ("accept", "x")]);
        let within = Observed::start(None, Some(&Span(Told::default())), &traced);
        let headers = within.sent(traced.clone()).headers;
        assert_eq!(headers, [("Traceparent".to_owned(), "call".to_owned()), ("accept".to_owned(), "x".to_owned())]);
        assert_eq!(Observed::start(None, None, &traced).sent(traced.clone()).headers, traced.headers);
        let untraced = request(wit::Reach::Configured, &[("accept", "x")]);
        assert_eq!(within.sent(untraced.clone()).headers, untraced.headers);
    }

    #[test]
    fn exchanges_count_by_how_they_end() {
        let metrics = Metrics::new();
        let start = || Observed::start(Some(metrics.clone()), None, &request(wit::Reach::Configured, &[]));
        let response = wit::Response { status: 204, headers: Vec::new(), body: Vec::new() };
        start().ended(&Ok(Arc::new(Answer { response, weight: Weight::of(&[]), _share: None })));
        start().ended(&Err(wit::Error::ConnectFailed));
        drop(start());
        let text = metrics.encode();
        for part in [
            "outbound_requests_total{outcome=\"2xx\"} 1",
            "outbound_requests_total{outcome=\"connect_failed\"} 1",
            "outbound_requests_total{outcome=\"abandoned\"} 1",
            "outbound_request_duration_seconds_count 3",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
