//! `wasi:http/incoming-handler`.

use std::io::Write as _;

use super::bindings::exports::wasi::http::incoming_handler::Guest;
use super::bindings::wasi::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use super::bindings::wasi::io::streams::{InputStream, OutputStream, StreamError};
use super::{Component, HostPorts, settings, wait};
use crate::gateway::{BodyError, Gateway, Headers, Request, RequestBody, Response};

impl Guest for Component {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let read = read_request(&request);
        let answered = with_gateway(|gateway| wait::until_ready(gateway.handle(&read, Body(&request))));
        write_response(answered.response, out);
        answered.audit.into_iter().for_each(write_log);
        if let Some(record) = answered.record {
            write_log(record.json());
        }
        // The caller has the answer: what Sentry is told costs no caller time, however long it takes.
        let line =
            answered.report.and_then(|report| with_gateway(|gateway| wait::until_ready(gateway.report(&report))));
        line.into_iter().for_each(write_log);
        if let Some(document) = answered.stale_document {
            with_gateway(|gateway| wait::until_ready(gateway.fetch_anew(&document)));
        }
    }
}

fn with_gateway<T>(work: impl FnOnce(&Gateway<'_, HostPorts>) -> T) -> T {
    settings::with_setup(|setup| match setup {
        Ok(setup) => work(&Gateway::new(&HostPorts, setup)),
        Err(unavailable) => work(&Gateway::without_settings(&HostPorts, unavailable)),
    })
}

/// One write per line, so that lines of instances that run at the same time never mix.
pub(super) fn write_log(mut line: String) {
    line.push('\n');
    // Nobody can be told that the log is closed.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

fn read_request(request: &IncomingRequest) -> Request {
    let target = request.path_with_query().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let headers = Headers(request.headers().entries());
    let authority = request.authority().or_else(|| headers.value("host"));
    Request {
        method: method_name(request.method()),
        path: path.to_owned(),
        query: query.to_owned(),
        authority,
        headers,
    }
}

fn method_name(method: Method) -> String {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(name) => return name,
    }
    .to_owned()
}

/// The body of a request that is still at the host.
struct Body<'a>(&'a IncomingRequest);

impl RequestBody for Body<'_> {
    fn read(self, limit: usize) -> Result<Vec<u8>, BodyError> {
        // Our host reads nothing of a body that says by itself that it is too large.
        if declared_bytes(self.0).is_some_and(|declared| declared > limit) {
            return Err(BodyError::TooLarge);
        }
        let body: IncomingBody = self.0.consume().map_err(|()| BodyError::Interrupted)?;
        let stream = body.stream().map_err(|()| BodyError::Interrupted)?;
        read_stream(&stream, limit)
    }
}

/// The length that the request declares. One that no number of ours can hold is larger than any limit.
fn declared_bytes(request: &IncomingRequest) -> Option<usize> {
    let declared = request.headers().get("content-length").pop()?;
    let is_number = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let digits = std::str::from_utf8(&declared).ok().filter(is_number)?;
    Some(digits.parse().unwrap_or(usize::MAX))
}

fn read_stream(stream: &InputStream, limit: usize) -> Result<Vec<u8>, BodyError> {
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(READ_AT_ONCE) {
            Ok(chunk) if bytes.len() + chunk.len() > limit => return Err(BodyError::TooLarge),
            Ok(chunk) if bytes.is_empty() => bytes = chunk,
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(_)) => return Err(BodyError::Interrupted),
        }
    }
}

/// A peer that went away before or while the response is written is no fault of ours: there is nobody to tell.
fn write_response(response: Response, out: ResponseOutparam) {
    let fields: Vec<(String, Vec<u8>)> =
        response.headers.into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes())).collect();
    let headers = Fields::from_list(&fields).unwrap_or_else(|_| accepted(&fields));
    // So that the host need not chunk the body.
    let length = response.body.len().to_string().into_bytes();
    if !response.body.is_empty() {
        let _ = headers.append("content-length", &length);
    }
    let outgoing = OutgoingResponse::new(headers);
    let _ = outgoing.set_status_code(response.status);
    let Ok(body) = outgoing.body() else {
        let cause = Some("the host gives the response no body".to_owned());
        return ResponseOutparam::set(out, Err(ErrorCode::InternalError(cause)));
    };
    ResponseOutparam::set(out, Ok(outgoing));
    if let Ok(stream) = body.write()
        && write_all(&stream, &response.body).is_err()
    {
        return;
    }
    let _ = OutgoingBody::finish(body, None);
}

/// The fields that the host takes: one that it refuses must not cost the response its security headers.
fn accepted(fields: &[(String, Vec<u8>)]) -> Fields {
    let headers = Fields::new();
    for (name, value) in fields {
        let _ = headers.append(name, value);
    }
    headers
}

/// Writes as much at once as the host takes: each call suspends the instance.
fn write_all(stream: &OutputStream, mut bytes: &[u8]) -> Result<(), StreamError> {
    while !bytes.is_empty() {
        let room = usize::try_from(stream.check_write()?).unwrap_or(usize::MAX);
        if room == 0 {
            stream.subscribe().block();
            continue;
        }
        let (chunk, rest) = bytes.split_at(room.min(bytes.len()));
        stream.write(chunk)?;
        bytes = rest;
    }
    stream.flush()
}

/// How much of a body is read at once, in bytes.
const READ_AT_ONCE: u64 = 64 * 1024;
