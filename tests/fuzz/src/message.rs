//! Requests as they are sent, and what holds for every response.

use plausible_mcp_component::gateway::{Headers, Request, Response};

use super::json;

/// A request that is put together.
pub struct Sent {
    request: Request,
    body: Vec<u8>,
}

impl Sent {
    /// A request to the server's own host. `target` is a path, and a query after a question mark.
    pub fn new(method: &str, target: &str) -> Sent {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            authority: Some("mcp.example.com".to_owned()),
            headers: Headers::default(),
        };
        Sent { request, body: Vec::new() }
    }

    /// With a header; the name is in lower case.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Sent {
        self.request.headers.0.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Addressed to another host, or to none.
    pub fn to(mut self, authority: Option<String>) -> Sent {
        self.request.authority = authority;
        self
    }

    /// With a body and its media type.
    pub fn body(self, media_type: &str, body: &[u8]) -> Sent {
        self.header("content-type", media_type).bytes(body)
    }

    /// With a body and no word on its type.
    pub fn bytes(mut self, body: &[u8]) -> Sent {
        self.body = body.to_vec();
        self
    }

    /// Everything but the body, and the body.
    pub fn parts(&self) -> (&Request, &[u8]) {
        (&self.request, &self.body)
    }
}

/// What holds for every response, whatever was asked: its status is the caller's fault or nobody's, unless it is one of
/// `also`; its headers can be sent; what says that it is JSON is.
pub fn check(response: &Response, also: &[u16]) {
    let text = String::from_utf8_lossy(&response.body);
    assert!(response.status < 500 || also.contains(&response.status), "{}: {text}", response.status);
    for (name, value) in &response.headers {
        let is_field = value.bytes().all(|byte| byte == b'\t' || (0x20..=0x7e).contains(&byte));
        assert!(is_field, "{name}: {value:?} is no header");
    }
    for name in ["cache-control", "referrer-policy", "x-content-type-options", "x-frame-options"] {
        assert!(header(response, name).is_some(), "no {name}");
    }
    // The first two are a MUST of RFC 9110 §15.5.2 and §15.5.6. A client that sent its secret in the body is told by RFC 6749 §5.2.
    let is_told = text.contains("\"invalid_client\"");
    for (status, name) in [(401, "www-authenticate"), (405, "allow"), (429, "retry-after"), (503, "retry-after")] {
        assert!(response.status != status || header(response, name).is_some() || is_told, "{status} without {name}");
    }
    assert!(!text.contains("<script"), "a page without scripts has one: {text}");
    if header(response, "content-type") == Some("application/json") && !response.body.is_empty() {
        json::read(&response.body);
    }
}

/// The value of a header.
pub fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
}

/// The media type of forms.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// The media type of JSON.
pub const JSON: &str = "application/json";
