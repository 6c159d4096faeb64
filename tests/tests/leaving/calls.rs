//! A call of a tool ends when its client has left: the place is free, and Plausible sees its connection closed.

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use plausible_mcp_host::{Host, code_cache_of_tests, stdio};
use plausible_mcp_tests::harness::Harness;
use plausible_mcp_tests::http_client::parse;
use plausible_mcp_tests::mcp_request::DEMO_KEY;
use plausible_mcp_tests::sign_in::Deployment;
use plausible_mcp_tests::stub_sites;
use plausible_mcp_tests::upstream::Upstream;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::silent::Silent;
use crate::{ends, metric, ping, question, reaches};

/// A client that has sent `bytes`, and whose question is with Plausible.
async fn asking(host: &Harness, silent: &Silent, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(host.address()).await.expect("the host is reached");
    stream.write_all(bytes).await.expect("the host reads");
    silent.asked().await;
    assert_eq!(metric(host.host().metrics(), "http_requests_in_flight"), 1);
    stream
}

/// The only places are free: whoever comes next is answered.
async fn is_free(host: &Harness, silent: &Silent) {
    silent.left().await;
    assert_eq!(ends("an answer", host.send(&ping())).await.status, 200);
    assert!(ends("the end", host.host().drained(crate::PATIENCE)).await);
    let metrics = host.host().metrics();
    for (name, value) in [
        ("http_requests_in_flight", 0),
        ("http_requests_abandoned_total{route=\"/mcp\",method=\"POST\"}", 1),
        ("instances_dropped_total{reason=\"left\"}", 1),
        ("instances_dropped_total{reason=\"trap\"}", 0),
        ("outbound_requests_total{outcome=\"abandoned\"}", 1),
        ("upstream_requests_in_flight{upstream=\"plausible\"}", 0),
        ("upstream_requests_waiting{upstream=\"plausible\"}", 0),
    ] {
        reaches(metrics, name, value).await;
    }
}

/// The same question by a version of HTTP that knows no interim answers.
fn of_http_1_0() -> Vec<u8> {
    let bytes = question().to_bytes();
    let end = bytes.windows(10).position(|window| window == b" HTTP/1.1\r").expect("a request line");
    [&bytes[..end], b" HTTP/1.0\r", &bytes[end + 10..]].concat()
}

#[tokio::test]
async fn a_call_whose_client_closes_its_connection_ends() {
    let kept = question().header("Connection", "keep-alive").to_bytes();
    let with_the_next_one = [kept.clone(), ping().to_bytes()].concat();
    let with_a_part_of_the_next_one = [kept.as_slice(), b"POST /mcp HTTP/1.1\r\nHo"].concat();
    for (what, bytes) in [
        ("closing", question().to_bytes()),
        ("kept", kept),
        ("pipelined", with_the_next_one),
        ("pipelined in part", with_a_part_of_the_next_one),
        ("HTTP/1.0", of_http_1_0()),
    ] {
        eprintln!("{what}");
        let silent = Silent::start().await;
        let host = silent.host().await;
        drop(asking(&host, &silent, &bytes).await);
        is_free(&host, &silent).await;
    }
}

#[tokio::test]
async fn a_call_whose_client_resets_its_connection_ends() {
    let silent = Silent::start().await;
    let host = silent.host().await;
    let stream = asking(&host, &silent, &question().to_bytes()).await;
    stream.set_zero_linger().expect("an option of the socket");
    drop(stream);
    is_free(&host, &silent).await;
}

#[tokio::test]
async fn a_client_that_has_only_sent_all_gets_its_answer() {
    let (upstream, held) = Upstream::holding(stub_sites::answer).await;
    let host = Harness::start(upstream, &[]).await;
    let mut stream = TcpStream::connect(host.address()).await.expect("the host is reached");
    stream.write_all(&question().to_bytes()).await.expect("the host reads");
    ends("the question", held.arrived(1)).await;
    stream.shutdown().await.expect("our half can be closed");
    // By this the host has asked whether somebody is there.
    let mut interim = [0; INTERIM.len()];
    ends("an interim answer", stream.read_exact(&mut interim)).await.expect("the connection stays");
    assert_eq!(interim, *INTERIM);
    held.release(1);
    let mut received = Vec::new();
    ends("the answer", stream.read_to_end(&mut received)).await.expect("the connection ends in order");
    let answer = parse(&received).expect("an answer");
    assert_eq!(answer.json()["result"]["isError"], serde_json::Value::Null, "{}", answer.text());
    assert_eq!(metric(host.host().metrics(), "http_requests_abandoned_total{route=\"/mcp\",method=\"POST\"}"), 0);
}

#[tokio::test]
async fn a_client_of_http_1_0_that_has_only_sent_all_gets_what_is_not_given_up() {
    let host = Harness::demo().await;
    let mut stream = TcpStream::connect(host.address()).await.expect("the host is reached");
    stream.write_all(b"GET /nothing HTTP/1.0\r\nHost: localhost\r\n\r\n").await.expect("the host reads");
    stream.shutdown().await.expect("our half can be closed");
    let mut received = String::new();
    ends("the answer", stream.read_to_string(&mut received)).await.expect("the connection ends in order");
    assert!(received.starts_with("HTTP/1.0 404 "), "{received}");
}

type Http2 = (http2::SendRequest<Full<Bytes>>, tokio::task::JoinHandle<hyper::Result<()>>);

async fn http2(host: &Harness) -> Http2 {
    http2_over(TcpStream::connect(host.address()).await.expect("the host is reached")).await
}

async fn http2_over(stream: TcpStream) -> Http2 {
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (sender, connection) = handshake.await.expect("HTTP/2 is spoken");
    (sender, tokio::spawn(connection))
}

/// The question, as a request of a library.
fn built() -> http::Request<Full<Bytes>> {
    let bytes = question().to_bytes();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    let (head, body) = bytes.split_at(end);
    let head = String::from_utf8(head.to_vec()).expect("text");
    let mut request = http::Request::post("http://localhost/mcp");
    for (name, value) in head.lines().skip(1).filter_map(|line| line.split_once(": ")) {
        if !["host", "connection", "content-length"].contains(&name.to_ascii_lowercase().as_str()) {
            request = request.header(name, value);
        }
    }
    request.body(Full::from(body.to_vec())).expect("a request")
}

#[tokio::test]
async fn a_call_whose_stream_is_reset_ends_and_its_connection_goes_on() {
    let silent = Silent::start().await;
    let host = silent.host().await;
    let (mut sender, connection) = http2(&host).await;
    let call = tokio::spawn(sender.send_request(built()));
    silent.asked().await;
    call.abort();
    is_free(&host, &silent).await;
    assert!(!connection.is_finished(), "it serves others");
}

#[tokio::test]
async fn a_call_whose_connection_of_streams_is_closed_ends() {
    let silent = Silent::start().await;
    let host = silent.host().await;
    let socket = std::net::TcpStream::connect(host.address()).expect("the host is reached");
    socket.set_nonblocking(true).expect("an option of the socket");
    let stream = TcpStream::from_std(socket.try_clone().expect("a second handle")).expect("a socket");
    let (mut sender, _connection) = http2_over(stream).await;
    let _call = tokio::spawn(sender.send_request(built()));
    silent.asked().await;
    socket.shutdown(std::net::Shutdown::Both).expect("it is open");
    is_free(&host, &silent).await;
}

#[tokio::test]
async fn a_call_that_an_application_drops_ends() {
    let silent = Silent::start().await;
    let host = silent.host().await;
    let embedded = host.host().clone();
    let mut request = built();
    *request.uri_mut() = "/mcp/".parse().expect("a path");
    request.headers_mut().insert("host", http::HeaderValue::from_static("localhost"));
    let call = tokio::spawn(async move { embedded.handle(request).await });
    silent.asked().await;
    call.abort();
    is_free(&host, &silent).await;
}

#[tokio::test]
async fn a_call_at_internal_ends_too_and_the_user_asks_again() {
    let silent = Silent::start().await;
    let deployment = Deployment::start_with(&[("PLAUSIBLE_BASE_URL", &silent.base_url())]).await;
    let client = deployment.client().await;
    let tokens = deployment.tokens(&client, "ada@example.com").await;
    let address = deployment.harness.address();
    let request = question().path("/internal").bearer(&tokens.access).header("Host", &address.to_string());
    for count in 1..=2 {
        let mut stream = TcpStream::connect(address).await.expect("the host is reached");
        stream.write_all(&request.to_bytes()).await.expect("the host reads");
        silent.asked().await;
        drop(stream);
        silent.left().await;
        let metrics = deployment.harness.host().metrics();
        reaches(metrics, "instances_dropped_total{reason=\"left\"}", count).await;
        reaches(metrics, "http_requests_in_flight", 0).await;
        assert_eq!(deployment.list_tools(&tokens.access).await.status, 200);
    }
}

#[tokio::test]
async fn a_call_that_is_cancelled_over_a_pipe_ends() {
    let silent = Silent::start().await;
    let base_url = silent.base_url();
    let settings = [
        ("PLAUSIBLE_BASE_URL", base_url.as_str()),
        ("MCP_ALLOWED_HOSTNAMES", "localhost"),
        ("RATE_LIMIT_PER_MINUTE", "0"),
    ];
    let settings = plausible_mcp_host::Settings::from_pairs(settings).expect("settings");
    let host = Host::builder().code_cache(code_cache_of_tests()).settings(settings).build().await;
    let host = host.expect("the host starts");
    let ((mut input, read), (output, mut answers)) = (tokio::io::duplex(1 << 16), tokio::io::duplex(1 << 16));
    let serving = tokio::spawn(stdio::serve(host.clone(), DEMO_KEY, read, output));
    let arguments = json!({ "site_id": "a.example", "date_range": "7d", "dimension": "event:page" });
    let call = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": { "name": "get_breakdown", "arguments": arguments } });
    let cancelled = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 7 } });
    input.write_all(format!("{call}\n").as_bytes()).await.expect("it reads");
    silent.asked().await;
    input.write_all(format!("{cancelled}\n").as_bytes()).await.expect("it reads");
    silent.left().await;
    assert!(ends("the end of the call", host.drained(crate::PATIENCE)).await);
    drop(input);
    let mut answered = String::new();
    ends("the end", answers.read_to_string(&mut answered)).await.expect("a pipe");
    assert_eq!(answered, "", "what was cancelled is not answered");
    serving.await.expect("no panic").expect("the pipes do not break");
}

const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
