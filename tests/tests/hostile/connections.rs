//! Clients that are slow, silent, endless or many. What a server can tell of one of them alone is tested where the server
//! is.

use std::net::SocketAddr;
use std::time::Duration;

use plausible_mcp_host::Limits;
use plausible_mcp_tests::harness::Harness;
use plausible_mcp_tests::http_client::{self, Answer, Request};
use plausible_mcp_tests::mcp_request::call;
use plausible_mcp_tests::stub_sites;
use plausible_mcp_tests::upstream::Upstream;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::{PATIENCE, SHORT, ends, impatient, meanwhile, still_answers, under};

#[tokio::test]
async fn a_head_that_drips_is_given_up_whatever_keeps_coming() {
    let host = impatient().await;
    let address = host.address();
    let attacks = (0..CLIENTS).map(|_| send_on(address, format!("{HEALTH}a: "), Some(DRIP), "x")).collect();
    for answer in meanwhile(address, attacks).await {
        assert_eq!(answer, None, "nothing was asked");
    }
}

#[tokio::test]
async fn a_body_that_drips_is_408_whatever_keeps_coming() {
    let host = impatient().await;
    let address = host.address();
    let bodies = [
        "Content-Length: 100000\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nfffff\r\n",
        "Transfer-Encoding: chunked\r\n\r\n1;",
        "Transfer-Encoding: chunked\r\n\r\n0\r\na: ",
    ];
    let attacks = bodies.iter().cycle().take(CLIENTS);
    let attacks = attacks.map(|body| send_on(address, format!("{POST}{body}"), Some(DRIP), "x")).collect();
    for answer in meanwhile(address, attacks).await {
        assert_eq!(answer.map(|answer| answer.status), Some(408));
    }
}

#[tokio::test]
async fn what_never_ends_is_refused_before_its_end() {
    let host = impatient().await;
    let address = host.address();
    for (what, beginning, piece, statuses) in [
        ("a method", String::new(), "GET", [400, 431]),
        ("a path", "GET /".to_owned(), "path/", [414, 431]),
        ("a field", format!("{HEALTH}a: "), "x", [431, 431]),
        ("the name of a field", HEALTH.to_owned(), "x", [431, 400]),
        ("fields", HEALTH.to_owned(), "a: b\r\n", [431, 431]),
        ("a body", format!("{POST}Content-Length: 99999999999\r\n\r\n"), "x", [413, 413]),
        ("chunks", format!("{POST}Transfer-Encoding: chunked\r\n\r\n"), "1\r\nx\r\n", [413, 408]),
        ("the extension of a chunk", format!("{POST}Transfer-Encoding: chunked\r\n\r\n1;"), "x", [400, 400]),
        ("the size of a chunk", format!("{POST}Transfer-Encoding: chunked\r\n\r\n"), "0", [400, 408]),
        ("a trailer", format!("{POST}Transfer-Encoding: chunked\r\n\r\n0\r\na: "), "x", [400, 400]),
        ("trailers", format!("{POST}Transfer-Encoding: chunked\r\n\r\n0\r\n"), "a: b\r\n", [400, 400]),
    ] {
        let attack = send_on(address, beginning, None, piece.repeat((16 << 10) / piece.len()));
        let answers = meanwhile(address, vec![attack]).await;
        // An answer may be lost with a connection that is closed while bytes are under way.
        for answer in answers.into_iter().flatten() {
            assert!(statuses.contains(&answer.status), "{what}: {}, not {statuses:?}", answer.status);
        }
    }
}

#[tokio::test]
async fn an_answer_that_nobody_reads_holds_no_instance() {
    let host = impatient().await;
    let mut silent = Vec::new();
    for number in 0..SILENT {
        silent.push(asked_with_a_small_window(host.address(), &large_answer(number).to_bytes()).await);
    }
    let mut asked = 0;
    while asked < silent.len() {
        still_answers(host.address()).await;
        asked += host.upstream.take().len();
    }
    assert!(host.host().drained(Duration::from_secs(10)).await, "an instance waits for a client to read");
    still_answers(host.address()).await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_loses_its_connection() {
    let limits = Limits { connections: SILENT, response_write_time: SHORT, ..Limits::default() };
    let host = under(limits).await;
    let mut silent = Vec::new();
    for number in 0..SILENT {
        silent.push(asked_with_a_small_window(host.address(), &large_answer(number).to_bytes()).await);
    }
    // They have all connections there are, and never close theirs.
    ends("a client that takes nothing", still_answers(host.address())).await;
    drop(silent);
}

#[tokio::test]
async fn bodies_that_come_at_the_same_time_share_their_room() {
    let limits = Limits { request_bodies_bytes: 4 << 20, request_body_time: SHORT, ..Limits::default() };
    let host = under(limits).await;
    let body = "x".repeat((1 << 20) - 1);
    let half = format!("{POST}Content-Length: 1048576\r\n\r\n{body}").into_bytes();
    let mut sending = tokio::task::JoinSet::new();
    for _ in 0..6 {
        sending.spawn(http_client::send_bytes(host.address(), half.clone()));
    }
    let mut statuses = Vec::new();
    for answer in ends("a body", sending.join_all()).await {
        statuses.push(answer.expect("the host is reached").map(|answer| answer.status));
    }
    // An answer may be lost with a connection that is closed while bytes are under way.
    assert!(statuses.iter().all(|status| matches!(status, None | Some(408 | 503))), "{statuses:?}");
    assert!(statuses.iter().filter(|status| **status == Some(408)).count() <= 4, "{statuses:?}");
    still_answers(host.address()).await;
}

#[tokio::test]
async fn a_body_that_nobody_reads_is_not_waited_for_and_takes_no_room() {
    // No limit of time ends what these clients do, and the room is that of four large bodies.
    let limits = Limits { request_bodies_bytes: 4 << 20, request_body_time: 2 * PATIENCE, ..Limits::default() };
    let host = under(limits).await;
    let half = "x".repeat(1 << 19);
    for (what, head, status) in [
        ("no path", "POST /nothing HTTP/1.1\r\nHost: localhost\r\n", 404),
        ("a path that is not served", "POST /token HTTP/1.1\r\nHost: localhost\r\n", 404),
        ("another host", "POST /mcp HTTP/1.1\r\nHost: evil.example\r\n", 403),
        ("another method", "PUT /mcp HTTP/1.1\r\nHost: localhost\r\n", 405),
        ("liveness", "POST /healthz HTTP/1.1\r\nHost: localhost\r\n", 405),
    ] {
        for framing in ["Content-Length: 1048576\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n100000\r\n"] {
            for _ in 0..8 {
                let sent = format!("{head}{framing}{half}").into_bytes();
                let answer = ends(what, http_client::send_bytes(host.address(), sent)).await;
                // An answer may be lost with a connection that is closed while bytes are under way.
                if let Ok(Some(answer)) = answer {
                    assert_eq!(answer.status, status, "{what}: {}", answer.text());
                }
            }
        }
    }
    still_answers(host.address()).await;
}

#[tokio::test]
async fn whoever_holds_large_bodies_open_keeps_no_other_out() {
    let limits = Limits { request_bodies_bytes: 4 << 20, request_body_time: 2 * PATIENCE, ..Limits::default() };
    let host = under(limits).await;
    let half = format!("{POST}Content-Length: 1048576\r\n\r\n{}", "x".repeat(1 << 19));
    let mut held = Vec::new();
    for _ in 0..66 {
        held.push(holding(host.address(), &half).await);
        still_answers(host.address()).await;
    }
    let padded = " ".repeat((1 << 20) - 200);
    let large =
        plausible_mcp_tests::mcp_request::post(format!("{padded}{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}}"));
    assert_eq!(ends("a large body", host.send(&large)).await.status, 200);
    let mut first = held.swap_remove(0);
    let mut answer = Vec::new();
    let _ = ends("the earliest", first.read_to_end(&mut answer)).await;
    // An answer may be lost with a connection that is closed while bytes are under way.
    assert!(http_client::parse(&answer).is_none_or(|answer| answer.status == 503), "it has given way");
}

#[tokio::test]
async fn a_body_beyond_what_its_path_takes_is_413_in_the_form_of_the_path_and_not_read() {
    let host = plausible_mcp_tests::sign_in::Deployment::start().await;
    for (framing, body) in [
        ("Content-Length: 900000\r\n\r\n", String::new()),
        ("Transfer-Encoding: chunked\r\n\r\n", format!("19000\r\n{}\r\n", "x".repeat(0x19000))),
    ] {
        let head = "POST /token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n";
        let sent = format!("{head}{framing}{body}").into_bytes();
        let answer = ends("a large form", http_client::send_bytes(host.harness.address(), sent)).await;
        let answer = answer.expect("the host is reached").expect("an answer");
        assert_eq!((answer.status, &answer.json()["error"]), (413, &json!("invalid_request")), "{framing}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    }
}

#[tokio::test]
async fn requests_without_end_whose_answers_nobody_reads_disturb_nobody() {
    let host = impatient().await;
    let pipelined = Request::new("GET", "/healthz").header("Connection", "keep-alive").to_bytes();
    let mut flooding = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let mut stream = asked_with_a_small_window(host.address(), &pipelined).await;
        let flood = pipelined.repeat(100);
        // It ends with the connection, or stands still when the server reads no further.
        flooding.spawn(async move { while stream.write_all(&flood).await.is_ok() {} });
    }
    for _ in 0..50 {
        still_answers(host.address()).await;
    }
    flooding.abort_all();
    while flooding.join_next().await.is_some() {}
    assert!(host.host().drained(Duration::from_secs(10)).await, "requests of clients that left are still answered");
}

#[tokio::test]
async fn whoever_holds_every_connection_keeps_nobody_out() {
    // No limit of time ends what these clients do while the test waits.
    let host = under(Limits { connections: 10, request_body_time: 2 * PATIENCE, ..Limits::default() }).await;
    let half_body = format!("{POST}Content-Length: 9\r\n\r\n{{");
    let served = format!("{HEALTH}\r\n");
    let beginnings =
        ["", "GET /healthz HT", &served, &half_body, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"];
    let mut held = Vec::new();
    for beginning in beginnings.iter().cycle().take(40) {
        held.push(holding(host.address(), beginning).await);
    }
    for _ in 0..20 {
        ends("waiting for a place", still_answers(host.address())).await;
        held.push(holding(host.address(), &half_body).await);
    }
    assert!(!host.host().metrics().encode().contains("connections_displaced_total 0\n"), "none was displaced");
}

#[tokio::test]
async fn a_request_that_is_worked_on_keeps_its_connection() {
    let (upstream, gate) = Upstream::holding(stub_sites::answer).await;
    let limits = Limits { connections: 3, ..Limits::default() };
    let host = Harness::try_start_as(|host| host.limits(limits), upstream, &[]).await.expect("the host starts");
    let rows =
        call("get_breakdown", json!({ "site_id": "rows-1.example", "date_range": "7d", "dimension": "event:page" }));
    let address = host.address();
    let asking = tokio::spawn(async move { http_client::send(address, &rows).await });
    gate.arrived(1).await;
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(holding(address, "").await);
        ends("waiting for a place", still_answers(address)).await;
    }
    gate.release(1);
    let answer = ends("a request", asking).await.expect("no panic").expect("the host is reached");
    assert_eq!(answer.expect("an answer").status, 200);
}

#[tokio::test]
async fn hundreds_of_idle_connections_disturb_nobody_and_are_closed() {
    let host = impatient().await;
    let mut idle = Vec::new();
    for number in 0..200 {
        let mut stream = TcpStream::connect(host.address()).await.expect("the host is reached");
        // Some say nothing, some a little, some have been served.
        let said: &[u8] = match number % 3 {
            0 => b"",
            1 => b"GET /healthz HT",
            _ => b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        };
        stream.write_all(said).await.expect("the host reads");
        idle.push(stream);
    }
    still_answers(host.address()).await;
    for mut stream in idle {
        // An end or a reset: either way the server has let it go.
        let _ = ends("an idle connection", stream.read_to_end(&mut Vec::new())).await;
    }
}

/// A connection over which no more than a beginning comes.
async fn holding(address: SocketAddr, beginning: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("the host is reached");
    stream.write_all(beginning.as_bytes()).await.expect("the host reads");
    stream
}

/// Sends a beginning, and then the same piece again and again until the server closes; its answer, if it gave one.
async fn send_on(
    address: SocketAddr,
    beginning: impl Into<Vec<u8>>,
    pause: Option<Duration>,
    piece: impl Into<Vec<u8>>,
) -> Option<Answer> {
    let (beginning, piece) = (beginning.into(), piece.into());
    let stream = TcpStream::connect(address).await.expect("the host is reached");
    let (mut reader, mut writer) = stream.into_split();
    let writing = tokio::spawn(async move {
        let mut written = writer.write_all(&beginning).await;
        while written.is_ok() {
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
            written = writer.write_all(&piece).await;
        }
    });
    let mut received = Vec::new();
    // A reset is an end too, and leaves what came before it.
    let _ = ends("a client that goes on", reader.read_to_end(&mut received)).await;
    writing.abort();
    http_client::parse(&received)
}

/// A request whose answer is larger than what systems keep under way, another one for each number.
pub(crate) fn large_answer(number: usize) -> Request {
    let site = format!("big-{}.example", 4_000_000 + number);
    call("get_breakdown", json!({ "site_id": site, "date_range": "7d", "dimension": "event:page" }))
}

/// A connection over which bytes were sent and whose receiver has room for few, so that answers stay at the server.
pub(crate) async fn asked_with_a_small_window(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a buffer can be small");
    let mut stream = socket.connect(address).await.expect("the host is reached");
    stream.write_all(bytes).await.expect("the host reads");
    stream
}

/// As many slow clients as are tried at a time.
const CLIENTS: usize = 20;
/// Clients that do not read.
const SILENT: usize = 6;
/// Between two bytes of a slow client.
const DRIP: Duration = Duration::from_millis(20);
const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n";
const POST: &str = "POST /mcp HTTP/1.1\r\nHost: localhost\r\n";
