//! The answers that the host gives by itself, when a request does not reach the component or gets no answer from it.
//! Each is JSON, carries the security headers, and never is a bare 500.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;

/// The body of every response: complete, so that its length is known.
pub type ResponseBody = Full<Bytes>;

/// Why the host answers instead of the component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No `Host`, several, one that is not text, or one beside `:authority` that is another.
    HostHeader,
    /// The body could not be read to its end.
    BrokenBody,
    /// The body took too long.
    SlowBody,
    /// The body is larger than the limit.
    LargeBody,
    /// The header is larger than the limits.
    LargeHeader,
    /// As many requests as fit are being answered.
    Busy,
    /// The bodies of requests take as much memory as they may.
    Crowded,
    /// The component did not answer in time.
    Deadline,
    /// The component failed; the log says how.
    Failed,
}

impl Refusal {
    /// The status code.
    pub fn status(self) -> StatusCode {
        self.wire().0
    }

    /// All of them.
    pub(crate) const ALL: [Self; 9] = [
        Self::HostHeader,
        Self::BrokenBody,
        Self::SlowBody,
        Self::LargeBody,
        Self::LargeHeader,
        Self::Busy,
        Self::Crowded,
        Self::Deadline,
        Self::Failed,
    ];

    /// Its name among metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::HostHeader => "host_header",
            Self::BrokenBody => "broken_body",
            Self::SlowBody => "slow_body",
            Self::LargeBody => "large_body",
            Self::LargeHeader => "large_header",
            Self::Busy => "busy",
            Self::Crowded => "crowded",
            Self::Deadline => "deadline",
            Self::Failed => "failed",
        }
    }

    fn wire(self) -> (StatusCode, &'static str) {
        match self {
            Self::HostHeader => {
                (StatusCode::BAD_REQUEST, "The request needs exactly one Host header with a host name.")
            }
            Self::BrokenBody => (StatusCode::BAD_REQUEST, "The request body ended early."),
            Self::SlowBody => (StatusCode::REQUEST_TIMEOUT, "The request body took too long to arrive."),
            Self::LargeBody => (StatusCode::PAYLOAD_TOO_LARGE, "The request body is too large."),
            Self::LargeHeader => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "The request header is too large."),
            Self::Busy | Self::Crowded => {
                (StatusCode::SERVICE_UNAVAILABLE, "The server is busy. Try again in a moment.")
            }
            Self::Deadline => (StatusCode::SERVICE_UNAVAILABLE, "The request took too long and was given up."),
            Self::Failed => (StatusCode::SERVICE_UNAVAILABLE, "The request could not be answered. Try again."),
        }
    }

    /// The whole response to a request for `path`.
    pub(crate) fn response(self, path: &str) -> Response<ResponseBody> {
        let (status, text) = self.wire();
        let mut response = Response::new(Full::from(format!("{{\"error\":\"{text}\"}}")));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in SECURITY_HEADERS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if path == "/mcp" {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        if self.leaves_request_unread() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Whether bytes of the request may still be under way, so that the connection cannot serve another one.
    fn leaves_request_unread(self) -> bool {
        matches!(self, Self::BrokenBody | Self::SlowBody | Self::LargeBody | Self::Crowded)
    }
}

const SECURITY_HEADERS: [(http::HeaderName, &str); 5] = [
    (X_FRAME_OPTIONS, "DENY"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "strict-origin-when-cross-origin"),
    (STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains"),
    (CACHE_CONTROL, "no-store"),
];
const RETRY_AFTER_SECONDS: &str = "1";

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[test]
    fn only_the_endpoint_without_sign_in_is_open_to_every_origin() {
        let origin = |path| Refusal::Busy.response(path).headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN);
        assert!(origin("/mcp"));
        assert!(!origin("/internal"));
    }

    #[test]
    fn an_outage_says_when_to_come_back() {
        assert_eq!(Refusal::Failed.response("/mcp").headers()[RETRY_AFTER], "1");
        assert!(!Refusal::LargeBody.response("/mcp").headers().contains_key(RETRY_AFTER));
    }

    #[tokio::test]
    async fn bodies_are_json_and_headers_secure() {
        let response = Refusal::Deadline.response("/");
        assert_eq!(response.headers()[X_FRAME_OPTIONS], "DENY");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(serde_json::from_slice::<serde_json::Value>(&body).unwrap()["error"].is_string());
    }
}
