//! What HTTP/2 allows a client to do to a server: each is met by a limit, and the connection alone pays for it.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use plausible_mcp_host::Limits;
use plausible_mcp_tests::harness::Harness;
use tokio::net::TcpStream;

use crate::raw_http2::{
    CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Frame, GO_AWAY, HEADERS,
    INITIAL_WINDOW_SIZE, Method, PING, PREFACE, REFUSED_STREAM, RESET_STREAM, SETTINGS, exchange, fields, frame,
    opening, text,
};
use crate::{SHORT, ends, impatient, meanwhile, still_answers, under};

#[tokio::test]
async fn streams_that_are_opened_and_reset_without_end_end_the_connection() {
    let host = impatient().await;
    let frames = alone(&host, resets()).await;
    assert_eq!(end(&frames), Some(ENHANCE_YOUR_CALM), "{frames:?}");
}

#[tokio::test]
async fn fields_that_never_end_end_the_connection() {
    let host = impatient().await;
    let piece = [vec![0x00], text("x"), text(&"y".repeat(4000))].concat();
    for piece in [Vec::new(), piece] {
        let frames = alone(&host, continuations(&piece)).await;
        assert_eq!(end(&frames), Some(ENHANCE_YOUR_CALM), "{frames:?}");
    }
    assert!(!host.log().await.contains("/healthz"), "such a request has reached the component");
}

#[tokio::test]
async fn fields_that_unfold_to_megabytes_are_not_unfolded() {
    let host = impatient().await;
    let bomb = |times: usize| {
        // One field is put into the table, where it has the number 62, and then named again and again.
        let (put, named) = (0x40, 0x80 | 62);
        let one = [vec![put], text("x"), text(&"y".repeat(3000))].concat();
        let fields = [fields(Method::Get, "/healthz"), one, vec![named; times]].concat();
        [opening(&[]), frame(HEADERS, END_STREAM | END_HEADERS, 1, &fields)].concat()
    };
    let large = alone(&host, bomb(30)).await;
    assert!(large.iter().any(|frame| frame.kind == HEADERS && frame.stream == 1), "an answer (431): {large:?}");
    let huge = alone(&host, bomb(10_000)).await;
    assert_eq!(end(&huge), Some(ENHANCE_YOUR_CALM), "{huge:?}");
    assert!(!host.log().await.contains("/healthz"), "such a request has reached the component");
}

#[tokio::test]
async fn streams_beyond_the_limit_are_refused_and_bodies_that_do_not_come_are_given_up() {
    let host = impatient().await;
    let mut bytes = opening(&[]);
    for stream in streams(100) {
        bytes.extend(frame(HEADERS, END_HEADERS, stream, &fields(Method::Post, "/mcp")));
    }
    let frames = alone(&host, bytes).await;
    let refused = frames.iter().filter(|frame| frame.error_code() == Some(REFUSED_STREAM)).count();
    let answered = frames.iter().filter(|frame| frame.kind == HEADERS).count();
    assert_eq!((refused, answered), (36, 64), "{frames:?}");
}

#[tokio::test]
async fn answers_for_which_a_client_makes_no_room_are_held_back() {
    let host = impatient().await;
    let mut bytes = opening(&[(INITIAL_WINDOW_SIZE, 0)]);
    for stream in streams(60) {
        bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, stream, &fields(Method::Get, "/nowhere")));
    }
    let frames = alone(&host, bytes).await;
    assert_eq!(frames.iter().filter(|frame| frame.kind == HEADERS).count(), 60);
    assert!(
        frames.iter().all(|frame| frame.kind != DATA || frame.payload.is_empty()),
        "more was sent than was allowed"
    );
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_left() {
    let host = impatient().await;
    let frames = alone(&host, opening(&[])).await;
    assert!(frames.iter().any(|frame| frame.kind == PING), "{frames:?}");
    assert!(frames.iter().any(|frame| frame.kind == GO_AWAY), "{frames:?}");
}

#[tokio::test]
async fn a_connection_without_requests_is_ended_though_its_pings_are_answered() {
    let host = impatient().await;
    let stream = TcpStream::connect(host.address()).await.expect("the host is reached");
    let handshake = http2::handshake::<_, _, Empty<Bytes>>(TokioExecutor::new(), TokioIo::new(stream));
    let (_sender, connection) = handshake.await.expect("HTTP/2 is spoken");
    // However it ends: the server has let it go.
    let _ = ends("a connection without requests", connection).await;
}

#[tokio::test]
async fn an_answer_for_which_a_client_makes_no_room_is_given_up() {
    let time =
        Limits { request_body_time: SHORT, request_time: SHORT, response_write_time: SHORT, ..Limits::default() };
    let host = under(time).await;
    let stream = TcpStream::connect(host.address()).await.expect("the host is reached");
    let mut builder = http2::Builder::new(TokioExecutor::new());
    let handshake = builder.initial_stream_window_size(0_u32).handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.expect("HTTP/2 is spoken");
    tokio::spawn(connection);
    let request = http::Request::get("http://localhost/nowhere").body(Empty::<Bytes>::new()).expect("a request");
    let response = sender.send_request(request).await.expect("the head of an answer");
    assert_eq!(response.status(), 404);
    let body = ends("an answer that nobody takes", response.into_body().collect()).await;
    assert!(body.is_err(), "the body came without room for it");
    still_answers(host.address()).await;
}

#[tokio::test]
async fn a_host_beside_the_authority_has_to_be_the_same() {
    let host = impatient().await;
    let stream = TcpStream::connect(host.address()).await.expect("the host is reached");
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.expect("HTTP/2 is spoken");
    tokio::spawn(connection);
    for (name, status) in [("LocalHost", 200), ("other.example", 400), ("localhost:1", 400), ("", 400)] {
        let request = http::Request::get("http://localhost/healthz").header("host", name);
        let request = request.body(Empty::<Bytes>::new()).expect("a request");
        let response = sender.send_request(request).await.expect("an answer");
        assert_eq!(response.status(), status, "{name:?}");
    }
}

#[tokio::test]
async fn settings_and_pings_without_end_disturb_nobody() {
    let host = impatient().await;
    let pings = frame(PING, 0, 0, &[0; 8]).repeat(100_000);
    let settings = frame(SETTINGS, 0, 0, &[]).repeat(100_000);
    let small = frame(DATA, 0, 1, &[]).repeat(100_000);
    let open = frame(HEADERS, END_HEADERS, 1, &fields(Method::Post, "/mcp"));
    let floods = [pings, settings, [open, small].concat()].map(|flood| [opening(&[]), flood].concat());
    let attacks = floods.map(|flood| exchange(host.address(), flood));
    for frames in meanwhile(host.address(), Vec::from(attacks)).await {
        assert!(!frames.is_empty(), "the server said nothing");
    }
}

#[tokio::test]
async fn a_preface_that_does_not_go_on_is_left() {
    let host = impatient().await;
    let wrong = [&PREFACE[..20], b"xxxx"].concat();
    for start in [&PREFACE[..3], &PREFACE[..12], &PREFACE[..23], &wrong] {
        let attack = exchange(host.address(), start.to_vec());
        meanwhile(host.address(), vec![attack]).await;
    }
}

/// Requests that are given up as soon as they are made ("rapid reset", CVE-2023-44487).
pub(crate) fn resets() -> Vec<u8> {
    let request = fields(Method::Get, "/healthz");
    let mut flood = opening(&[]);
    for stream in streams(10_000) {
        flood.extend(frame(HEADERS, END_STREAM | END_HEADERS, stream, &request));
        flood.extend(frame(RESET_STREAM, 0, stream, &CANCEL.to_be_bytes()));
    }
    flood
}

/// One request whose fields go on and on.
pub(crate) fn continuations(piece: &[u8]) -> Vec<u8> {
    let begun = frame(HEADERS, END_STREAM, 1, &fields(Method::Get, "/healthz"));
    [opening(&[]), begun, frame(CONTINUATION, 0, 1, piece).repeat(1000)].concat()
}

/// Sends that over one connection while others are answered; what came back until the server closed it.
async fn alone(host: &Harness, bytes: Vec<u8>) -> Vec<Frame> {
    let outcomes = meanwhile(host.address(), vec![exchange(host.address(), bytes)]).await;
    outcomes.into_iter().next().expect("one outcome")
}

/// Why the server ended the connection, if it said so.
fn end(frames: &[Frame]) -> Option<u32> {
    frames.iter().rev().find(|frame| frame.kind == GO_AWAY)?.error_code()
}

/// The numbers of so many streams of a client (RFC 9113 §5.1.1).
fn streams(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|number| 2 * number + 1)
}
