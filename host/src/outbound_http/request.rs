//! A component's request as HTTP: what cannot be sent is refused here, before anything is resolved.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;

use crate::bindings::outbound_http as wit;

/// A request that can be sent.
pub(super) type Outgoing = Request<Full<Bytes>>;

/// Checks and converts.
pub(super) fn parse(request: wit::Request) -> Result<Outgoing, wit::Error> {
    let uri = address(&request.url)?;
    let mut outgoing = Request::new(Full::from(request.body.unwrap_or_default()));
    *outgoing.method_mut() = match request.method {
        wit::Method::Get => Method::GET,
        wit::Method::Post => Method::POST,
    };
    *outgoing.uri_mut() = uri;
    *outgoing.headers_mut() = headers(request.headers)?;
    Ok(outgoing)
}

/// An absolute URL of at most `URL_BYTES`, with a host and without user information or a fragment.
fn address(url: &str) -> Result<Uri, wit::Error> {
    if url.len() > URL_BYTES || url.contains('#') {
        return Err(wit::Error::InvalidRequest);
    }
    let uri: Uri = url.parse().map_err(|_| wit::Error::InvalidRequest)?;
    let web = uri.scheme() == Some(&Scheme::HTTPS) || uri.scheme() == Some(&Scheme::HTTP);
    let plain =
        uri.authority().is_some_and(|authority| !authority.host().is_empty() && !authority.as_str().contains('@'));
    if web && plain { Ok(uri) } else { Err(wit::Error::InvalidRequest) }
}

fn headers(pairs: Vec<(String, String)>) -> Result<HeaderMap, wit::Error> {
    if pairs.len() > HEADER_FIELDS {
        return Err(wit::Error::InvalidRequest);
    }
    let mut headers = HeaderMap::with_capacity(pairs.len() + 1);
    for (name, value) in pairs {
        let name = HeaderName::try_from(name).map_err(|_| wit::Error::InvalidRequest)?;
        if OURS.contains(&name) {
            return Err(wit::Error::InvalidRequest);
        }
        let value = HeaderValue::try_from(value).map_err(|_| wit::Error::InvalidRequest)?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// What the HTTP client writes itself; a second opinion on framing or on the host is how requests are smuggled.
const OURS: [HeaderName; 7] = [CONNECTION, CONTENT_LENGTH, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
/// Servers commonly accept 8 KiB.
const URL_BYTES: usize = 8 << 10;
/// Several times what the component sends.
const HEADER_FIELDS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn request(url: &str, headers: &[(&str, &str)]) -> wit::Request {
        wit::Request {
            upstream: wit::Upstream::Plausible,
            method: wit::Method::Post,
            url: url.into(),
            headers: headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            body: Some(b"{}".to_vec()),
            timeout_milliseconds: 1000,
            max_response_bytes: 1000,
            reach: wit::Reach::Configured,
            coalesce: None,
        }
    }

    #[test]
    fn only_absolute_web_addresses_are_sent_to() {
        for url in
            ["", "/path", "ftp://a/", "https://", "https://u@a/", "https://a/#f", "file:///etc", "a:80", "http://a b/"]
        {
            assert_eq!(parse(request(url, &[])).err(), Some(wit::Error::InvalidRequest), "{url}");
        }
        let long = format!("https://a/{}", "x".repeat(URL_BYTES));
        assert_eq!(parse(request(&long, &[])).err(), Some(wit::Error::InvalidRequest));
        assert_eq!(parse(request("https://a:8443/b?c", &[])).unwrap().uri(), "https://a:8443/b?c");
    }

    #[test]
    fn framing_and_host_are_not_the_components_business() {
        for header in
            [("Host", "b"), ("content-length", "9"), ("Transfer-Encoding", "chunked"), ("a b", "c"), ("a", "b\r\nc: d")]
        {
            assert_eq!(parse(request("https://a/", &[header])).err(), Some(wit::Error::InvalidRequest), "{header:?}");
        }
        assert_eq!(parse(request("https://a/", &[("Accept", "x")])).unwrap().headers()["accept"], "x");
    }
}
