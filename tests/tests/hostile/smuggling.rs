//! Requests whose length two servers could read differently (RFC 9112 §11.2). Behind a proxy that reads it in another
//! way, the rest would be somebody else's request: what is ambiguous is refused and the connection is closed, and what
//! is inside a body is never answered as a request of its own.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{ends, impatient, meanwhile};

#[tokio::test]
async fn an_ambiguous_head_is_refused_and_nothing_after_it_is_answered() {
    let host = impatient().await;
    let length = SECOND.len();
    let heads = [
        // RFC 9112 §5.1: white space between name and colon MUST be 400.
        format!("Content-Length : {length}\r\n"),
        "Transfer-Encoding : chunked\r\n".to_owned(),
        // §5.2: a line that is folded.
        format!("X: a\r\n b\r\nContent-Length: {length}\r\n"),
        format!("Content-Length:\r\n {length}\r\n"),
        " Content-Length: 5\r\n".to_owned(),
        "X: a\rContent-Length: 5\r\n".to_owned(),
        "X\0: a\r\n".to_owned(),
        ": a\r\n".to_owned(),
        "X\r\n".to_owned(),
        // §6.1: chunked must be the last transfer coding, and the only thing that is said.
        "Transfer-Encoding: chunked, identity\r\n".to_owned(),
        "Transfer-Encoding: identity\r\n".to_owned(),
        "Transfer-Encoding: \"chunked\"\r\n".to_owned(),
        "Transfer-Encoding: chunked;q=1\r\n".to_owned(),
        "Transfer-Encoding: \u{b}chunked\r\n".to_owned(),
        "Transfer-Encoding: chunked\0\r\n".to_owned(),
        "Transfer-Encoding:\r\n".to_owned(),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".to_owned(),
        // §6.3: lengths that are lists, numbers of another kind, or too large.
        format!("Content-Length: {length}, {length}\r\n"),
        format!("Content-Length: 0, {length}\r\n"),
        format!("Content-Length: {length} {length}\r\n"),
        "Content-Length: -1\r\n".to_owned(),
        "Content-Length: 1e1\r\n".to_owned(),
        "Content-Length:\r\n".to_owned(),
        "Content-Length: 99999999999999999999\r\n".to_owned(),
    ];
    let requests = heads.iter().map(|head| format!("POST /mcp HTTP/1.1\r\nHost: localhost\r\n{head}\r\n{SECOND}"));
    let old = format!("POST /mcp HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SECOND}");
    let older = format!("GET /healthz\r\n{SECOND}");
    for (request, statuses) in answered(host.address(), requests.chain([old, older]).collect()).await {
        assert_eq!(statuses, [400], "{request:?}");
    }
}

#[tokio::test]
async fn a_broken_chunk_is_refused_and_nothing_after_it_is_answered() {
    let host = impatient().await;
    let bodies = [
        "FFFFFFFFFFFFFFFFF\r\nx\r\n0\r\n\r\n",
        "0x1\r\nx\r\n0\r\n\r\n",
        "+1\r\nx\r\n0\r\n\r\n",
        "-1\r\nx\r\n0\r\n\r\n",
        " 1\r\nx\r\n0\r\n\r\n",
        "1 1\r\nx\r\n0\r\n\r\n",
        "\r\n1\r\nx\r\n0\r\n\r\n",
        // Lines that end with LF alone, which some parsers take for CRLF.
        "1\nx\n0\n\n",
        "1\r\nx\n0\r\n\r\n",
        "1;a\nx\r\n0\r\n\r\n",
        // More and less data than the size says.
        "1\r\nxyz\r\n0\r\n\r\n",
        "3\r\nx\r\n0\r\n\r\n",
        ";a\r\nx\r\n0\r\n\r\n",
    ];
    let requests = bodies.iter().map(|body| format!("{CHUNKED}{body}{SECOND}")).collect();
    for (request, statuses) in answered(host.address(), requests).await {
        assert_eq!(statuses, [400], "{request:?}");
    }
}

#[tokio::test]
async fn what_is_inside_a_body_is_not_a_request() {
    let host = impatient().await;
    let (length, hexadecimal) = (SECOND.len(), format!("{:x}", SECOND.len()));
    let cases = [
        ("a length", format!("{POST}Content-Length: {length}\r\n\r\n{SECOND}"), vec![401]),
        ("a length, then a request", format!("{POST}Content-Length: {length}\r\n\r\n{SECOND}{SECOND}"), vec![401, 200]),
        ("a chunk", format!("{CHUNKED}{hexadecimal}\r\n{SECOND}\r\n0\r\n\r\n{SECOND}"), vec![401, 200]),
        ("an extension", format!("{CHUNKED}{hexadecimal};a=\"b\"\r\n{SECOND}\r\n0\r\n\r\n{SECOND}"), vec![401, 200]),
        ("leading zeros", format!("{CHUNKED}000{hexadecimal}\r\n{SECOND}\r\n0\r\n\r\n{SECOND}"), vec![401, 200]),
        ("a trailer", format!("{CHUNKED}0\r\nContent-Length: {length}\r\n\r\n{SECOND}"), vec![401, 200]),
        ("a body of GET", format!("{GET}Content-Length: {length}\r\n\r\n{SECOND}"), vec![200]),
        ("no length", format!("{POST}\r\n{SECOND}"), vec![401, 200]),
        (
            "an upgrade",
            format!("{GET}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n{SECOND}"),
            vec![200, 200],
        ),
        ("lines that end with LF", "GET /healthz HTTP/1.1\nHost: localhost\n\n".to_owned(), vec![200]),
    ];
    let requests = cases.iter().map(|(_, request, _)| request.clone()).collect();
    for ((what, _, expected), (_, statuses)) in cases.iter().zip(answered(host.address(), requests).await) {
        assert_eq!(statuses, *expected, "{what}");
    }
}

#[tokio::test]
async fn of_a_length_and_chunks_the_chunks_count_and_the_connection_ends() {
    let host = impatient().await;
    let hexadecimal = format!("{:x}", SECOND.len());
    let both = ["Content-Length: 3\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 3"];
    let requests = both.map(|both| format!("{POST}{both}\r\n\r\n{hexadecimal}\r\n{SECOND}\r\n0\r\n\r\n{SECOND}"));
    for (request, statuses) in answered(host.address(), Vec::from(requests)).await {
        assert_eq!(statuses, [401], "{request:?}");
    }
}

/// Sends each of them over a connection of its own, all at a time; the status codes of what came back until the server
/// closed it.
async fn answered(address: SocketAddr, requests: Vec<String>) -> Vec<(String, Vec<u16>)> {
    let exchanges = requests.into_iter().map(|request| async move {
        let stream = TcpStream::connect(address).await.expect("the host is reached");
        let (mut reader, mut writer) = stream.into_split();
        // The server may close before it has read everything.
        let _ = writer.write_all(request.as_bytes()).await;
        let mut received = Vec::new();
        let _ = ends("an exchange", reader.read_to_end(&mut received)).await;
        (request, statuses(&String::from_utf8_lossy(&received)))
    });
    meanwhile(address, exchanges.collect()).await
}

/// No body here contains what a status line begins with.
fn statuses(received: &str) -> Vec<u16> {
    received.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.get(..3)?.parse().ok()).collect()
}

const GET: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n";
const POST: &str = "POST /mcp HTTP/1.1\r\nHost: localhost\r\n";
const CHUNKED: &str = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
/// What an attacker would like to be taken for a request.
const SECOND: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
