//! The answers that the host gives by itself, when a request does not reach the component or gets no answer from it.
//! Each is JSON, carries the headers that the component's own answers have at that path, and never is a bare 500.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;

use crate::surface::Answers;

/// The body of every response: complete, so that its length is known.
pub type ResponseBody = Full<Bytes>;

/// Why the host answers instead of the component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// What came is no request of HTTP.
    Malformed,
    /// The address of the request is longer than any parser takes.
    LargeTarget,
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
    pub(crate) const ALL: [Self; 11] = [
        Self::Malformed,
        Self::LargeTarget,
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

    /// Whether this server failed the request.
    pub(crate) fn is_fault(self) -> bool {
        matches!(self, Self::Deadline | Self::Failed)
    }

    /// Its name among metrics and in the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::LargeTarget => "large_target",
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
            Self::Malformed => (StatusCode::BAD_REQUEST, "The request is not HTTP."),
            Self::LargeTarget => (StatusCode::URI_TOO_LONG, "The address of the request is too long."),
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

    /// The text of the response, where `answers` go.
    pub(crate) fn text(self, answers: &Answers) -> String {
        let (status, text) = self.wire();
        if answers.are_for_oauth {
            let code = if status.is_server_error() { "temporarily_unavailable" } else { "invalid_request" };
            return format!("{{\"error\":\"{code}\",\"error_description\":\"{text}\"}}");
        }
        format!("{{\"error\":\"{text}\"}}")
    }

    /// The whole response, as `answers` to requests for its path are.
    pub(crate) fn response(self, answers: &Answers) -> Response<ResponseBody> {
        let status = self.status();
        let mut response = Response::new(Full::from(self.text(answers)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        *headers = answers.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
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
        matches!(
            self,
            Self::Malformed | Self::LargeTarget | Self::BrokenBody | Self::SlowBody | Self::LargeBody | Self::Crowded
        )
    }
}

const RETRY_AFTER_SECONDS: &str = "1";

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    use crate::surface::tests::told;

    fn response(refusal: Refusal, path: &str) -> Response<ResponseBody> {
        refusal.response(told().answers(path))
    }

    #[test]
    fn every_refusal_has_the_headers_of_its_path() {
        for refusal in Refusal::ALL {
            for (path, cors, referrer) in
                [("/token", true, "no-referrer"), ("/token/", true, "no-referrer"), ("/page", false, "strict-origin")]
            {
                let response = response(refusal, path);
                let headers = response.headers();
                assert_eq!(headers.contains_key("access-control-allow-origin"), cors, "{refusal:?} at {path}");
                assert_eq!(
                    (&headers["referrer-policy"], &headers["x-frame-options"]),
                    (&HeaderValue::from_static(referrer), &HeaderValue::from_static("DENY"),)
                );
            }
        }
    }

    #[test]
    fn an_outage_says_when_to_come_back() {
        assert_eq!(response(Refusal::Failed, "/page").headers()[RETRY_AFTER], "1");
        assert!(!response(Refusal::LargeBody, "/page").headers().contains_key(RETRY_AFTER));
    }

    #[tokio::test]
    async fn bodies_are_json_in_the_form_that_callers_read() {
        for (refusal, path, error) in [
            (Refusal::Deadline, "/token", "temporarily_unavailable"),
            (Refusal::LargeBody, "/token", "invalid_request"),
            (Refusal::LargeBody, "/page", "The request body is too large."),
        ] {
            let body = response(refusal, path).into_body().collect().await.unwrap().to_bytes();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["error"], error, "{refusal:?} at {path}");
            assert_eq!(body["error_description"].is_string(), path == "/token");
        }
    }
}
