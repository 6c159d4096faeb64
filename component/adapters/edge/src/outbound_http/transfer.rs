//! The course of one exchange, under one time limit.

use super::{failure, request};
use crate::bindings::outbound_http::{Error, Request, Response};
use crate::bindings::wasi::clocks::monotonic_clock;
use crate::bindings::wasi::http::outgoing_handler;
use crate::bindings::wasi::http::types::{FutureIncomingResponse, IncomingResponse, OutgoingBody};
use crate::bindings::wasi::io::poll::{Pollable, poll};
use crate::bindings::wasi::io::streams::{InputStream, OutputStream, StreamError};
use crate::target::Target;

/// An exchange under way. Dropping it gives it up: the host then ends the request.
pub(super) struct Transfer {
    deadline: Deadline,
    max_response_bytes: usize,
    upload: Option<Upload>,
    response: FutureIncomingResponse,
}

/// Is ready when the time for the exchange is over.
struct Deadline(Pollable);

/// What is left to send. Fields are dropped in their order: a stream goes before its body.
struct Upload {
    stream: OutputStream,
    body: OutgoingBody,
    bytes: Vec<u8>,
    sent: usize,
}

impl Transfer {
    /// Starts the exchange, and sends as much of the body as the host takes at once.
    pub(super) fn start(target: &Target, mut request: Request) -> Result<Self, Error> {
        let limit = u64::from(request.timeout_milliseconds) * NANOSECONDS_PER_MILLISECOND;
        let deadline = Deadline(monotonic_clock::subscribe_duration(limit));
        let outgoing = request::outgoing(target, &request)?;
        let body = outgoing.body().map_err(|()| Error::InvalidRequest)?;
        let options = Some(request::options(limit));
        let response = outgoing_handler::handle(outgoing, options).map_err(|code| failure::of_request(&code))?;
        let upload = match request.body.take() {
            Some(bytes) => Upload::start(body, bytes),
            None => {
                // What is wrong with the request is told by its response.
                let _ = OutgoingBody::finish(body, None);
                None
            }
        };
        let max_response_bytes = usize::try_from(request.max_response_bytes).unwrap_or(usize::MAX);
        Ok(Self { deadline, max_response_bytes, upload, response })
    }

    /// Waits for the answer. What breaks off when the time is over has run out of time.
    pub(super) fn finish(mut self) -> Result<Response, Error> {
        match self.receive() {
            Err(Error::Interrupted) if self.deadline.is_over() => Err(Error::TimedOut),
            outcome => outcome,
        }
    }

    fn receive(&mut self) -> Result<Response, Error> {
        while let Some(upload) = self.upload.take() {
            self.deadline.wait_for(&upload.stream.subscribe())?;
            self.upload = upload.proceed();
        }
        self.deadline.wait_for(&self.response.subscribe())?;
        let incoming = match self.response.get() {
            Some(Ok(Ok(incoming))) => incoming,
            Some(Ok(Err(code))) => return Err(failure::of_request(&code)),
            // Never: it was waited for, and it is asked once.
            Some(Err(())) | None => return Err(Error::Interrupted),
        };
        let headers = headers(&incoming);
        Ok(Response { status: incoming.status(), headers, body: self.read_body(&incoming)? })
    }

    /// Counts while it reads, and stops at the limit.
    fn read_body(&self, incoming: &IncomingResponse) -> Result<Vec<u8>, Error> {
        let body = incoming.consume().map_err(|()| Error::Interrupted)?;
        let stream: InputStream = body.stream().map_err(|()| Error::Interrupted)?;
        let mut bytes = Vec::new();
        loop {
            self.deadline.wait_for(&stream.subscribe())?;
            match stream.read(READ_AT_ONCE) {
                Ok(chunk) if chunk.len() > self.max_response_bytes - bytes.len() => {
                    return Err(Error::ResponseTooLarge);
                }
                Ok(chunk) => bytes.extend_from_slice(&chunk),
                Err(StreamError::Closed) => return Ok(bytes),
                Err(error) => return Err(failure::of_body(&error)),
            }
        }
    }
}

impl Deadline {
    /// Waits until `event` is ready or the time is over. What arrived while the instance waited for another exchange
    /// still counts when it is looked at late.
    fn wait_for(&self, event: &Pollable) -> Result<(), Error> {
        let ready = poll(&[event, &self.0]);
        if ready.contains(&0) { Ok(()) } else { Err(Error::TimedOut) }
    }

    fn is_over(&self) -> bool {
        self.0.ready()
    }
}

impl Upload {
    fn start(body: OutgoingBody, bytes: Vec<u8>) -> Option<Self> {
        let stream = body.write().ok()?;
        Self { stream, body, bytes, sent: 0 }.proceed()
    }

    /// Sends what the host takes now; `None` when everything was sent, or the host takes no more: then the response
    /// says why.
    fn proceed(mut self) -> Option<Self> {
        loop {
            let rest = self.bytes.get(self.sent..).unwrap_or_default();
            if rest.is_empty() {
                drop(self.stream);
                let _ = OutgoingBody::finish(self.body, None);
                return None;
            }
            let room = usize::try_from(self.stream.check_write().ok()?).unwrap_or(usize::MAX);
            if room == 0 {
                return Some(self);
            }
            let (chunk, _) = rest.split_at(room.min(rest.len()));
            self.stream.write(chunk).ok()?;
            self.sent += chunk.len();
        }
    }
}

/// Names are in lower case already where they come from HTTP/2, and are made so.
fn headers(incoming: &IncomingResponse) -> Vec<(String, String)> {
    let entries = incoming.headers().entries();
    let text = |(name, value): (String, Vec<u8>)| Some((name.to_ascii_lowercase(), String::from_utf8(value).ok()?));
    entries.into_iter().filter_map(text).collect()
}

/// How much of a body is read at once, in bytes.
const READ_AT_ONCE: u64 = 64 * 1024;

const NANOSECONDS_PER_MILLISECOND: u64 = 1_000_000;
