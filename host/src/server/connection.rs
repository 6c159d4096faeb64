//! One connection: HTTP/1.1 or HTTP/2 by its first bytes, and limits of time and size on what a client sends.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::header::CONNECTION;
use http::{HeaderMap, HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::arriving::Arriving;
use super::bare_answers::BareAnswers;
use super::departure::Client;
use super::http2_streams::Http2Streams;
use super::places::Activity;
use super::timed_stream::TimedStream;
use crate::host::{ClientAddress, Host, is_liveness};
use crate::limits::Limits;
use crate::refusal::{Refusal, ResponseBody};

/// What a connection needs to answer.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) host: Host,
    pub(super) peer: IpAddr,
    pub(super) activity: Activity,
}

enum Version {
    Http1,
    Http2,
}

/// Nobody is there to read the answer.
#[derive(Debug)]
struct ClientLeft;

impl std::fmt::Display for ClientLeft {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("the client has left")
    }
}

impl std::error::Error for ClientLeft {}

impl Connection {
    /// Serves until the client leaves, breaks a limit, or `stopping` closes; then what is in flight or on its way is
    /// finished.
    pub(super) async fn serve(self, stream: TcpStream, mut stopping: watch::Receiver<()>) {
        let limits = *self.host.limits();
        let version = {
            let mut seen = std::pin::pin!(version_of(&stream, limits.request_head_time));
            tokio::select! {
                // In this order: a request that is there already is answered, also when the server stops now.
                biased;
                version = seen.as_mut() => version,
                // Whoever has connected is about to ask.
                _ = stopping.changed() => timeout(limits.closing_time, seen).await.ok().flatten(),
            }
        };
        match version {
            Some(Version::Http1) => self.serve_http1(stream, stopping).await,
            Some(Version::Http2) => self.serve_http2(stream, stopping).await,
            None => {
                // A client that is gone already needs no end.
                let _ = TimedStream::new(stream, &limits, self.activity).shutdown().await;
            }
        }
    }

    async fn serve_http1(self, stream: TcpStream, mut stopping: watch::Receiver<()>) {
        let limits = *self.host.limits();
        let activity = self.activity.clone();
        let bare = BareAnswers::new(self.host.clone());
        let stream = TimedStream::new(stream, &limits, activity.clone()).completing(bare);
        let client = stream.client();
        let service = service_fn(move |request| answer_while_there(self.clone(), client.clone(), request));
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // Who has closed only its half gets its answer; who has left is found out by `Client::left`.
            .half_close(true)
            .header_read_timeout(limits.request_head_time)
            .max_headers(limits.request_header_fields * HARD_LIMIT)
            .max_buf_size((limits.request_head_bytes * HARD_LIMIT).max(LEAST_BUFFER_BYTES))
            .serve_connection(TokioIo::new(stream), service);
        tokio::select! {
            // In this order: what has arrived is read before the connection counts as idle, or it would be reset.
            biased;
            // What a client does wrong on its own connection is no event of ours.
            _ = &mut connection => return,
            _ = stopping.changed() => {}
        }
        // The system may know of bytes of which the runtime has not told yet.
        tokio::task::yield_now().await;
        let ended = poll_fn(|context| match Pin::new(&mut connection).poll(context) {
            Poll::Ready(_) => Poll::Ready(true),
            // What a connection does, it does while it is polled, and at no other time.
            Poll::Pending if activity.is_idle() && activity.is_expecting() => Poll::Pending,
            Poll::Pending => Poll::Ready(false),
        });
        if timeout(limits.closing_time, ended).await.unwrap_or(false) {
            return;
        }
        if activity.is_idle() {
            // Nothing of a request whose head does not go on has been done, and hyper would wait for its rest.
            let _ = connection.into_parts().io.into_inner().shutdown().await;
            return;
        }
        Pin::new(&mut connection).graceful_shutdown();
        let _ = connection.await;
    }

    async fn serve_http2(self, stream: TcpStream, mut stopping: watch::Receiver<()>) {
        let limits = *self.host.limits();
        let stream = TimedStream::new(stream, &limits, self.activity.clone());
        let service = service_fn(move |request| answer(self.clone(), request));
        let header_bytes = u32::try_from(limits.request_head_bytes * HARD_LIMIT).unwrap_or(u32::MAX);
        let streams = Http2Streams::new(limits.request_body_time + limits.request_time + limits.response_write_time);
        let connection = http2::Builder::new(streams.clone())
            .timer(TokioTimer::new())
            .max_header_list_size(header_bytes)
            .max_concurrent_streams(HTTP2_STREAMS)
            .keep_alive_interval(limits.request_head_time)
            .keep_alive_timeout(limits.request_head_time)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = stopping.changed() => {}
            () = streams.idle(limits.request_head_time) => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }

    async fn handle(&self, mut request: Request<Incoming>) -> Response<ResponseBody> {
        let target_bytes = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
        if !header_fits(request.headers(), target_bytes, self.host.limits()) {
            return self.host.refuse(&request, Refusal::LargeHeader);
        }
        if self.activity.is_extra() && !is_liveness(request.uri().path()) {
            self.activity.takes_other_place().await;
        }
        request.extensions_mut().insert(ClientAddress(self.peer));
        let arrival = Arc::new(self.activity.request());
        let request = request.map(|body| Arriving::new(body, arrival.clone()));
        self.host.handle(request).await
    }
}

/// Answers for as long as there is a client; then its connection is closed.
async fn answer_while_there(
    connection: Connection,
    client: Client,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, ClientLeft> {
    let (version, may_be_given_up) = (request.version(), connection.host.ends_with_client(request.uri().path()));
    tokio::select! {
        // In this order: most answers are there before anybody has to look for the client.
        biased;
        answer = answer(connection, request) => answer.map_err(|never| match never {}),
        () = client.left(version, may_be_given_up) => Err(ClientLeft),
    }
}

async fn answer(connection: Connection, request: Request<Incoming>) -> Result<Response<ResponseBody>, Infallible> {
    let is_http1 = request.version() < http::Version::HTTP_2;
    let mut answer = connection.handle(request).await;
    if is_http1 && (connection.host.is_draining() || connection.activity.is_extra()) {
        // RFC 9112, section 9.6: a client that has read this sends its next request over another connection.
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(answer)
}

fn header_fits(headers: &HeaderMap, target_bytes: usize, limits: &Limits) -> bool {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + FIELD_BYTES).sum();
    headers.len() <= limits.request_header_fields && target_bytes + bytes <= limits.request_head_bytes
}

/// HTTP/2 with prior knowledge begins with a preface that no request of HTTP/1.1 begins with (RFC 9113, section 3.4).
/// All of it is waited for here: hyper waits for the rest of it without any limit of time.
async fn version_of(stream: &TcpStream, time: Duration) -> Option<Version> {
    let end = Instant::now() + time;
    let mut start = [0; PREFACE.len()];
    let (mut seen, mut pause) = (0, PEEK_PAUSE);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let begun = match timeout(left, stream.peek(&mut start)).await {
            Err(_) | Ok(Err(_) | Ok(0)) => return None,
            Ok(Ok(count)) => start.get(..count)?,
        };
        if !PREFACE.starts_with(begun) {
            return Some(Version::Http1);
        }
        if begun.len() == PREFACE.len() {
            return Some(Version::Http2);
        }
        if left.is_zero() {
            return None;
        }
        // Peeking again answers at once with the same bytes.
        pause = if begun.len() > seen { PEEK_PAUSE } else { longer(pause) };
        seen = begun.len();
        tokio::time::sleep(pause.min(left)).await;
    }
}

/// The pause after one in which nothing came.
fn longer(pause: Duration) -> Duration {
    (pause * 2).min(LONGEST_PEEK_PAUSE)
}

/// What an HTTP/2 connection with prior knowledge begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// hyper breaks off at this multiple of our limits, before there is a request that could be counted as one.
const HARD_LIMIT: usize = 2;
/// hyper panics over a smaller buffer. A head that fits it and not our limit is answered by us all the same.
const LEAST_BUFFER_BYTES: usize = 8 << 10;
/// What a field takes on the wire beside name and value: colon, space, line end.
const FIELD_BYTES: usize = 4;
/// Streams of one HTTP/2 connection at a time, so that one client cannot take all the room.
const HTTP2_STREAMS: u32 = 64;
/// A client that sends its first bytes one by one can wait this long.
const PEEK_PAUSE: Duration = Duration::from_millis(10);
/// As long as a client that falls silent in between may have to wait; one that stays silent costs next to nothing.
const LONGEST_PEEK_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_client_is_looked_at_less_and_less() {
        let pauses = std::iter::successors(Some(PEEK_PAUSE), |pause| Some(longer(*pause)));
        let half_a_minute = Duration::from_secs(30);
        let mut passed = Duration::ZERO;
        let looks = pauses.take_while(|pause| {
            passed += *pause;
            passed <= half_a_minute
        });
        assert!(looks.count() < 40);
    }
}
