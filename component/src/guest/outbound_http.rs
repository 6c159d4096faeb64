//! `plausible-mcp:host/outbound-http`.

use super::bindings::plausible_mcp::host::outbound_http as host;
use super::wait;
use crate::ports::{HttpError, HttpMethod, HttpRequest, HttpResponse, OutboundHttp, Reach, Upstream};

/// The host's HTTP client.
pub struct HostHttp;

impl OutboundHttp for HostHttp {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let exchange = host::send(&host_request(request));
        // Everything else that can start does so before this blocks.
        wait::for_the_others().await;
        exchange.response().map(response).map_err(error)
    }

    async fn refusal(&self, request: &HttpRequest) -> Option<HttpError> {
        host::refusal(&host_request(request.clone())).map(error)
    }
}

fn host_request(request: HttpRequest) -> host::Request {
    host::Request {
        upstream: match request.upstream {
            Upstream::Plausible => host::Upstream::Plausible,
            Upstream::IdentityProvider => host::Upstream::IdentityProvider,
            Upstream::ClientDocument => host::Upstream::ClientDocument,
            Upstream::Telemetry => host::Upstream::Telemetry,
        },
        method: match request.method {
            HttpMethod::Get => host::Method::Get,
            HttpMethod::Post => host::Method::Post,
        },
        url: request.url,
        headers: request.headers,
        body: request.body,
        timeout_milliseconds: request.timeout_milliseconds,
        max_response_bytes: request.max_response_bytes,
        reach: match request.reach {
            Reach::Configured => host::Reach::Configured,
            Reach::PublicInternet => host::Reach::PublicInternet,
        },
        coalesce: request.coalesce,
    }
}

fn response(response: host::Response) -> HttpResponse {
    HttpResponse { status: response.status, headers: response.headers, body: response.body }
}

fn error(error: host::Error) -> HttpError {
    match error {
        host::Error::InvalidRequest => HttpError::InvalidRequest,
        host::Error::ReachUnsupported => HttpError::ReachUnsupported,
        host::Error::AddressRefused => HttpError::AddressRefused,
        host::Error::NotAllowed => HttpError::NotAllowed,
        host::Error::NameNotResolved => HttpError::NameNotResolved,
        host::Error::ConnectFailed => HttpError::ConnectFailed,
        host::Error::TlsFailed => HttpError::TlsFailed,
        host::Error::Interrupted => HttpError::Interrupted,
        host::Error::TimedOut => HttpError::TimedOut,
        host::Error::ResponseTooLarge => HttpError::ResponseTooLarge,
        host::Error::NoRoom(retry_after) => HttpError::NoRoom { retry_after },
        host::Error::MalformedResponse => HttpError::MalformedResponse,
        host::Error::Busy(retry_after) => HttpError::Busy { retry_after },
        host::Error::OutOfService(host::Outage { since_seconds, retry_after_seconds }) => {
            HttpError::OutOfService { since: since_seconds, retry_after: retry_after_seconds }
        }
        host::Error::AskedToWait(retry_after) => HttpError::AskedToWait { retry_after },
    }
}
