//! A request as `wasi:http` has it.

use crate::bindings::outbound_http::{Error, Method, Request};
use crate::bindings::wasi::http::types::{self, Fields, OutgoingRequest, RequestOptions, Scheme};
use crate::headers;
use crate::target::Target;

/// The request without its body.
pub(super) fn outgoing(target: &Target, request: &Request) -> Result<OutgoingRequest, Error> {
    let fields = headers::fields(&request.headers, request.body.as_ref().map(Vec::len));
    let fields = Fields::from_list(&fields.map_err(|_| Error::InvalidRequest)?).map_err(|_| Error::InvalidRequest)?;
    let outgoing = OutgoingRequest::new(fields);
    let scheme = if target.is_https { Scheme::Https } else { Scheme::Http };
    outgoing
        .set_method(&method(request.method))
        .and_then(|()| outgoing.set_scheme(Some(&scheme)))
        .and_then(|()| outgoing.set_authority(Some(&target.authority)))
        .and_then(|()| outgoing.set_path_with_query(Some(&target.path_with_query)))
        .map_err(|()| Error::InvalidRequest)?;
    Ok(outgoing)
}

fn method(method: Method) -> types::Method {
    match method {
        Method::Get => types::Method::Get,
        Method::Post => types::Method::Post,
    }
}

/// Tells the host the time limit too, so that it lets go of a connection early. A host may not support these; the
/// limit that counts is kept by the transfer.
pub(super) fn options(limit_nanoseconds: u64) -> RequestOptions {
    let options = RequestOptions::new();
    let _ = options.set_connect_timeout(Some(limit_nanoseconds));
    let _ = options.set_first_byte_timeout(Some(limit_nanoseconds));
    let _ = options.set_between_bytes_timeout(Some(limit_nanoseconds));
    options
}
