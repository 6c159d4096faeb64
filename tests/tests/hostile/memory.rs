//! The memory of a server that is a process of its own, under what the other tests do one by one.

use std::net::SocketAddr;

use plausible_mcp_tests::hosts::{OurProgram, Program, Stage};
use plausible_mcp_tests::http_client::Request;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::http2::{continuations, resets};
use crate::raw_http2::exchange;
use crate::still_answers;

#[tokio::test]
async fn a_server_under_attack_takes_bounded_memory_and_gives_back_what_it_took() {
    let stage = Stage::new().await;
    let launch = stage.launch(&[("MCP_ALLOWED_HOSTNAMES", "localhost,127.0.0.1"), ("RATE_LIMIT_PER_MINUTE", "0")]);
    let program = OurProgram::with_store("memory").launch(&launch).await.expect("the host starts");
    still_answers(launch.listen).await;
    let Some(before) = program.resident_bytes() else {
        return eprintln!("skipped: this system does not tell how much memory a process takes");
    };
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(attacked(&program, launch.listen).await);
    }
    let mebibytes: Vec<_> = rounds.iter().map(|bytes| bytes >> 20).collect();
    eprintln!("{} MiB before, {mebibytes:?} MiB under attack", before >> 20);
    assert!(rounds.iter().all(|bytes| *bytes < before + GROWTH), "{mebibytes:?} MiB after {} MiB", before >> 20);
}

/// Does all of it at once; the memory that the server takes then, in bytes.
async fn attacked(program: &Program, address: SocketAddr) -> usize {
    let head = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n";
    let half_a_head = format!("{head}a: {}", "x".repeat(60_000));
    let body = "x".repeat((1 << 20) - 1);
    let half_a_body = format!("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048576\r\n\r\n{body}");
    let unread = Request::new("GET", "/healthz").header("Connection", "keep-alive").to_bytes().repeat(100);
    let mut held = Vec::new();
    for (count, said) in [
        (IDLE, &b""[..]),
        (IDLE, half_a_head.as_bytes()),
        (BODIES, half_a_body.as_bytes()),
        (UNREAD, unread.as_slice()),
    ] {
        for _ in 0..count {
            let mut stream = TcpStream::connect(address).await.expect("the host is reached");
            stream.write_all(said).await.expect("the host reads");
            held.push(stream);
        }
    }
    exchange(address, resets()).await;
    exchange(address, continuations(&[])).await;
    still_answers(address).await;
    program.resident_bytes().expect("it was told before")
}

/// Connections that say nothing, and as many that say half a head of the largest size.
const IDLE: usize = 200;
/// Connections with a body of the largest size that is not complete.
const BODIES: usize = 40;
/// Connections whose answers are not read.
const UNREAD: usize = 40;
/// What all this may take: forty bodies of a mebibyte, which are copied as they grow, 26 MiB of heads, and the
/// instances that a server with more to do keeps. About 90 MiB were seen.
const GROWTH: usize = 192 << 20;
/// So many that more than `GROWTH` would be taken if one round kept what the bodies took.
const ROUNDS: usize = 6;
