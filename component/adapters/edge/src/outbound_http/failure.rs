//! Which error of ours an error of `wasi:http` is.

use crate::bindings::outbound_http::Error;
use crate::bindings::wasi::http::types::{ErrorCode, http_error_code};
use crate::bindings::wasi::io::streams::StreamError;

/// The error for a request that got no response head.
///
/// Where an error of `wasi:http` leaves open whether something was sent, ours is one that does too.
pub(super) fn of_request(code: &ErrorCode) -> Error {
    use ErrorCode as Code;
    match code {
        Code::DnsTimeout | Code::DnsError(_) | Code::DestinationNotFound => Error::NameNotResolved,
        Code::DestinationIpProhibited => Error::AddressRefused,
        // Spin: not among `allowed_outbound_hosts`.
        Code::HttpRequestDenied => Error::NotAllowed,
        Code::DestinationUnavailable
        | Code::DestinationIpUnroutable
        | Code::ConnectionRefused
        | Code::ConnectionLimitReached => Error::ConnectFailed,
        Code::TlsProtocolError | Code::TlsCertificateError | Code::TlsAlertReceived(_) => Error::TlsFailed,
        Code::ConnectionTimeout
        | Code::ConnectionReadTimeout
        | Code::ConnectionWriteTimeout
        | Code::HttpResponseTimeout => Error::TimedOut,
        Code::HttpRequestLengthRequired
        | Code::HttpRequestBodySize(_)
        | Code::HttpRequestMethodInvalid
        | Code::HttpRequestUriInvalid
        | Code::HttpRequestUriTooLong
        | Code::HttpRequestHeaderSectionSize(_)
        | Code::HttpRequestHeaderSize(_)
        | Code::HttpRequestTrailerSectionSize(_)
        | Code::HttpRequestTrailerSize(_) => Error::InvalidRequest,
        Code::HttpResponseHeaderSectionSize(_)
        | Code::HttpResponseHeaderSize(_)
        | Code::HttpResponseTrailerSectionSize(_)
        | Code::HttpResponseTrailerSize(_)
        | Code::HttpResponseTransferCoding(_)
        | Code::HttpResponseContentCoding(_)
        | Code::HttpUpgradeFailed => Error::MalformedResponse,
        Code::HttpResponseBodySize(_) => Error::ResponseTooLarge,
        Code::ConnectionTerminated
        | Code::HttpResponseIncomplete
        | Code::HttpProtocolError
        | Code::LoopDetected
        | Code::ConfigurationError
        | Code::InternalError(_) => Error::Interrupted,
    }
}

/// The error for a response that broke off.
pub(super) fn of_body(error: &StreamError) -> Error {
    let StreamError::LastOperationFailed(cause) = error else { return Error::Interrupted };
    match http_error_code(cause).as_ref().map(of_request) {
        Some(known @ (Error::TimedOut | Error::ResponseTooLarge | Error::MalformedResponse)) => known,
        // The head was received, so the connection stood and the request was sent.
        _ => Error::Interrupted,
    }
}
