//! The server on a loopback port, with raw clients that do what they should not.

mod stopping;

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::component::code_cache_of_tests;
use crate::limits::Limits;
use crate::settings::Settings;

struct Running {
    address: SocketAddr,
    ended: JoinHandle<bool>,
}

/// A server that is stopped only with the test.
async fn start(limits: Limits) -> Running {
    start_until(limits, std::future::pending()).await
}

async fn start_until(limits: Limits, shutdown: impl Future<Output = ()> + Send + 'static) -> Running {
    let server = server(limits).await;
    let address = server.address();
    Running { address, ended: tokio::spawn(server.run(shutdown)) }
}

async fn server(limits: Limits) -> Server {
    let settings = Settings::from_pairs([("MCP_ALLOWED_HOSTNAMES", "localhost")]).unwrap();
    let host = Host::builder()
        .code_cache(code_cache_of_tests())
        .settings(settings)
        .limits(limits)
        .log(Arc::new(|_| {}))
        .build()
        .await
        .unwrap();
    Server::bind("127.0.0.1:0".parse().unwrap(), host).await.unwrap()
}

/// Sends `request` and reads until the server closes or two seconds are over.
async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(request).await;
    let answer = Mutex::new(Vec::new());
    let read = async {
        let mut piece = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut piece).await {
            answer.lock().unwrap().extend_from_slice(&piece[..count]);
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(2), read).await;
    let answer = answer.lock().unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn short() -> Limits {
    Limits {
        request_head_time: Duration::from_millis(300),
        request_body_time: Duration::from_millis(300),
        request_body_bytes: 1000,
        ..Limits::default()
    }
}

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_new_connection_takes_the_place_of_the_one_that_was_quiet_for_longest() {
    let running = start(Limits { connections: 2, ..Limits::default() }).await;
    let kept = HEALTH.replace("close", "keep-alive");
    let mut first = TcpStream::connect(running.address).await.unwrap();
    answered(&mut first, &kept).await;
    let mut second = TcpStream::connect(running.address).await.unwrap();
    answered(&mut second, &kept).await;
    answered(&mut first, &kept).await;
    assert!(exchange(running.address, HEALTH.as_bytes()).await.starts_with("HTTP/1.1 200"));
    assert_eq!(second.read(&mut [0]).await.unwrap_or(0), 0, "it is closed");
    answered(&mut first, &kept).await;
}

/// Sends `request` over a connection that stays open, and reads the beginning of the answer.
async fn answered(stream: &mut TcpStream, request: &str) {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 4096];
    let count = stream.read(&mut answer).await.unwrap();
    assert!(answer[..count].starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn a_taken_address_is_told() {
    let running = start(Limits::default()).await;
    let host = Host::builder().code_cache(code_cache_of_tests()).build().await.unwrap();
    let taken = Server::bind(running.address, host).await.err();
    assert_eq!(taken, Some(ServerError::AddressTaken(running.address)));
}

#[tokio::test]
async fn slow_and_large_clients_are_refused() {
    let running = start(short()).await;
    let address = running.address;
    let post = |length: usize, body: &str| {
        format!("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
    };
    assert!(exchange(address, &post(10, "half")).await.starts_with("HTTP/1.1 408"));
    assert!(exchange(address, &post(1001, "")).await.starts_with("HTTP/1.1 413"));
    let chunked = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n{}\r\n",
        "x".repeat(1001)
    );
    assert!(exchange(address, chunked.as_bytes()).await.starts_with("HTTP/1.1 413"));
    for start in ["", "P", "PO", "PRI", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r", "GET / HT"] {
        assert_eq!(exchange(address, start.as_bytes()).await, "", "{start:?} is closed");
    }
}

#[tokio::test]
async fn a_header_beyond_the_limits_is_431_with_security_headers() {
    let running = start(Limits::default()).await;
    let address = running.address;
    let many = "a: b\r\n".repeat(101);
    let long = format!("a: {}\r\n", "x".repeat(33 << 10));
    let query = "x".repeat(33 << 10);
    for (query, fields) in [("", &*many), ("", &*long), (&*query, "")] {
        let request = format!("GET /?{query} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        let answer = exchange(address, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{}", answer.lines().next().unwrap_or_default());
        assert!(answer.contains("x-frame-options: DENY"));
    }
}

#[tokio::test]
async fn what_is_no_request_is_told_so_with_the_headers_of_its_path() {
    let running = start(Limits::default()).await;
    // More than the parser takes; what is longer than it reads ends in the same answer, which may be lost on its way.
    let many = "a: b\r\n".repeat(300);
    for (status, path, rest) in [
        (400, "/mcp", "Host localhost\r\n\r\n"),
        (400, "/mcp?key=1", "a b: c\r\n\r\n"),
        (400, "/healthz", "Content-Length: a\r\n\r\n"),
        (431, "/mcp", &many),
        (431, "/nothing", &many),
    ] {
        let request = format!("POST {path} HTTP/1.1\r\n{rest}");
        let answer = exchange(running.address, request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let fields: Vec<&str> = head.lines().skip(1).collect();
        let of = |name: &str| fields.iter().filter_map(|field| field.strip_prefix(name)).collect::<Vec<_>>();
        assert_eq!(of("content-length: "), [body.len().to_string()], "{answer}");
        assert_eq!(of("connection: ").len(), 1, "{answer}");
        assert_eq!((of("x-frame-options: "), of("referrer-policy: ").len()), (vec!["DENY"], 1), "{answer}");
        assert_eq!(of("access-control-allow-origin: ").len(), usize::from(path.starts_with("/mcp")), "{answer}");
        assert!(serde_json::from_str::<serde_json::Value>(body).unwrap()["error"].is_string(), "{answer}");
    }
    let served = format!("{}GARBAGE\r\n\r\n", HEALTH.replace("close", "keep-alive"));
    let answer = exchange(running.address, served.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("HTTP/1.1 400"), "{answer}");
    assert_eq!(answer.matches("x-frame-options").count(), 2, "{answer}");
}

#[tokio::test]
async fn limits_at_their_ends_are_kept_within_bounds() {
    let time = Duration::MAX;
    let (stop, stopped) = oneshot::channel();
    let limits = Limits {
        admission_time: time,
        request_body_time: time,
        request_time: time,
        instance_idle_time: time,
        request_head_time: time,
        response_write_time: time,
        closing_time: time,
        drain_time: time,
        concurrent_requests: u32::MAX,
        finishing_requests: u32::MAX,
        instance_memory_bytes: usize::MAX,
        connections: usize::MAX,
        request_body_bytes: usize::MAX,
        request_bodies_bytes: usize::MAX,
        response_body_bytes: usize::MAX,
        request_head_bytes: usize::MAX,
        request_header_fields: usize::MAX,
        ..Limits::default()
    };
    let running = start_until(limits, async { drop(stopped.await) }).await;
    for _ in 0..2 {
        assert!(exchange(running.address, HEALTH.as_bytes()).await.starts_with("HTTP/1.1 200"));
    }
    let mut http2 = TcpStream::connect(running.address).await.unwrap();
    http2.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut frame = [0; 9];
    http2.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4, "the server's SETTINGS: {frame:?}");
    drop(http2);
    stop.send(()).unwrap();
    assert!(running.ended.await.unwrap());
}

#[tokio::test]
async fn a_limit_below_what_the_parser_takes_is_kept() {
    let running = start(Limits { request_head_bytes: 2048, ..Limits::default() }).await;
    assert!(exchange(running.address, HEALTH.as_bytes()).await.starts_with("HTTP/1.1 200"));
    for length in [3000, 5000] {
        let long =
            format!("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\na: {}\r\n\r\n", "x".repeat(length));
        let answer = exchange(running.address, long.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431") && answer.contains("x-frame-options: DENY"), "{length}: {answer}");
    }
}

#[tokio::test]
async fn a_request_needs_one_host() {
    let running = start(Limits::default()).await;
    let address = running.address;
    for hosts in ["", "Host: a\r\nHost: a\r\n", "Host: \u{fc}\r\n", "Host:\r\n"] {
        let answer =
            exchange(address, format!("GET /mcp HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{hosts:?}: {answer}");
    }
}
