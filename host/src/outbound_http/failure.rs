//! Which WIT error an HTTP client's failure is. The cause is found by walking the chain of sources.

use std::error::Error as StdError;

use hyper_util::client::legacy;

use super::resolver::ResolveError;
use super::upstreams::BUSY;
use crate::bindings::outbound_http::Error;

/// The error for a request that got no response head.
pub(super) fn of_request(error: &legacy::Error) -> Error {
    if let Some(cause) = find::<ResolveError>(error) {
        return match cause {
            ResolveError::NotResolved => Error::NameNotResolved,
            ResolveError::AddressRefused => Error::AddressRefused,
            ResolveError::Busy => BUSY,
        };
    }
    if error.is_connect() {
        return of_connection(error);
    }
    find::<hyper::Error>(error).map_or(Error::Interrupted, of_transfer)
}

/// The error for a response that broke off.
pub(super) fn of_transfer(error: &hyper::Error) -> Error {
    if error.is_parse() || error.is_parse_too_large() { Error::MalformedResponse } else { Error::Interrupted }
}

fn of_connection(error: &legacy::Error) -> Error {
    let mut cause: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(error) = cause {
        if error.is::<rustls::Error>() || wraps_tls(error) {
            return Error::TlsFailed;
        }
        // The connector of hyper-util names its failures only in text.
        if error.to_string().starts_with("dns error") {
            return Error::NameNotResolved;
        }
        cause = error.source();
    }
    Error::ConnectFailed
}

/// rustls reports through `io::Error`, perhaps in another one; `source` skips the error that such a one wraps.
fn wraps_tls(error: &(dyn StdError + 'static)) -> bool {
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    wrapped.is_some_and(|wrapped| wrapped.is::<rustls::Error>() || wraps_tls(wrapped))
}

fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}
