//! `/healthz`: liveness of the process, answered by the host itself. It needs no place, no instance and no store, so
//! that an orchestrator never ends a server for being busy.

use http::header::{ALLOW, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;

use crate::refusal::ResponseBody;
use crate::surface::Surface;

/// The answer, if the request is for that path. No name of a host is asked for, and nothing else is told.
pub(super) fn answer(head: &Parts, surface: &Surface) -> Option<Response<ResponseBody>> {
    let path = head.uri.path();
    if !is_liveness(path) {
        return None;
    }
    let (status, text) = match head.method {
        Method::GET => (StatusCode::OK, ALIVE),
        Method::HEAD => (StatusCode::OK, ""),
        Method::OPTIONS => (StatusCode::NO_CONTENT, ""),
        _ => (StatusCode::METHOD_NOT_ALLOWED, WRONG_METHOD),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    *response.headers_mut() = surface.answers(path).headers.clone();
    if status != StatusCode::NO_CONTENT {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    }
    tracing::info!(event = "request", route = "/healthz", method = %head.method, status = status.as_u16(), "answered");
    Some(response)
}

/// Whether that is the path. One slash at the end is the same.
pub(crate) fn is_liveness(path: &str) -> bool {
    path.strip_suffix('/').unwrap_or(path) == "/healthz"
}

const ALIVE: &str = r#"{"status":"ok"}"#;
const WRONG_METHOD: &str =
    r#"{"error":"This path does not take this method; the header Allow lists those that it takes."}"#;

#[cfg(test)]
mod tests {
    use http::Request;
    use http_body_util::BodyExt as _;

    use super::*;

    fn ask(method: &str, path: &str) -> Option<Response<ResponseBody>> {
        let head = Request::builder().method(method).uri(path).body(()).unwrap().into_parts().0;
        answer(&head, &Surface::default())
    }

    #[tokio::test]
    async fn it_is_alive_at_its_path_and_one_slash_more() {
        for (method, path, status) in [
            ("GET", "/healthz", Some(200)),
            ("GET", "/healthz/", Some(200)),
            ("GET", "/healthz?probe=1", Some(200)),
            ("HEAD", "/healthz", Some(200)),
            ("OPTIONS", "/healthz", Some(204)),
            ("POST", "/healthz", Some(405)),
            ("GET", "/healthz//", None),
            ("GET", "//healthz", None),
            ("GET", "/healthz/x", None),
            ("GET", "/", None),
        ] {
            assert_eq!(ask(method, path).map(|response| response.status().as_u16()), status, "{method} {path}");
        }
        let body = ask("GET", "/healthz").unwrap().into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, ALIVE);
        let refused = ask("DELETE", "/healthz").unwrap();
        assert_eq!(
            (&refused.headers()[ALLOW], &refused.headers()["x-frame-options"]),
            (&HeaderValue::from_static("GET, HEAD, OPTIONS"), &HeaderValue::from_static("DENY"),)
        );
    }
}
