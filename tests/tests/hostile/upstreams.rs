//! Upstreams that answer what no Plausible would: the caller gets a tool's error that says what is the matter, in time,
//! and no more is read than is allowed.

use std::time::Duration;

use plausible_mcp_tests::harness::Harness;
use plausible_mcp_tests::http_client;
use plausible_mcp_tests::mcp_request::call;
use plausible_mcp_tests::stub_sites;
use plausible_mcp_tests::upstream::{Reply, Upstream};
use serde_json::{Value, json};

use crate::raw_upstream::{RawUpstream, Script};
use crate::{ends, still_answers};

#[tokio::test]
async fn an_answer_without_end_is_too_large_and_not_read_to_its_end() {
    let piece = vec![b' '; 64 << 10];
    let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat();
    for (what, head, again) in [
        ("chunks", "Transfer-Encoding: chunked\r\n\r\n", chunk),
        ("a length", "Content-Length: 99999999999\r\n\r\n", piece.clone()),
        ("no length", "\r\n", piece),
    ] {
        let beginning = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{head}").into_bytes();
        let upstream = RawUpstream::start(Script { beginning, again, ..Script::default() }).await;
        fails(&upstream.host().await, what, "too large").await;
        assert!(upstream.sent() < READ_AT_MOST, "{what}: {} bytes were taken", upstream.sent());
    }
}

#[tokio::test]
async fn a_head_without_end_is_not_read_to_its_end() {
    for (what, again) in [("fields", "x-a: b\r\n"), ("a field", "xxxxxxxx")] {
        let again = again.repeat(8 << 10).into_bytes();
        let beginning = b"HTTP/1.1 200 OK\r\nx-a: ".to_vec();
        let upstream = RawUpstream::start(Script { beginning, again, ..Script::default() }).await;
        fails(&upstream.host().await, what, "not HTTP").await;
        assert!(upstream.sent() < READ_AT_MOST, "{what}: {} bytes were taken", upstream.sent());
    }
}

#[tokio::test]
async fn a_bomb_is_not_unpacked() {
    let bomb = bomb();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        bomb.len()
    );
    let beginning = [head.into_bytes(), bomb].concat();
    let upstream = RawUpstream::start(Script { beginning, stays: true, ..Script::default() }).await;
    fails(&upstream.host().await, "a bomb", "not the documented JSON").await;
}

#[tokio::test]
async fn nothing_is_asked_for_in_packed_form() {
    let host = Harness::start(Upstream::answering(stub_sites::answer).await, &[]).await;
    host.send(&question()).await;
    let received = host.upstream.take();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].header("accept-encoding"), None);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_told_as_such() {
    for (what, beginning, said) in [
        ("a length", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"results\":[", "the connection broke"),
        ("a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n{\"resu", "the connection broke"),
        ("chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", "the connection broke"),
        ("a head", "HTTP/1.1 200 OK\r\nContent-Le", "the connection broke"),
        ("nothing", "", "the connection broke"),
        ("JSON", "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"results\":[", "not the documented JSON"),
        ("another protocol", "SSH-2.0-OpenSSH_9.9\r\n\r\n", "not HTTP"),
        ("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", "not HTTP"),
    ] {
        let beginning = beginning.as_bytes().to_vec();
        let upstream = RawUpstream::start(Script { beginning, ..Script::default() }).await;
        fails(&upstream.host().await, what, said).await;
    }
}

#[tokio::test]
async fn json_that_is_meant_to_hurt_is_not_the_documented_json() {
    let deep = format!(r#"{{"results":[],"meta":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    for (what, body) in [
        ("depth", deep),
        ("a number", r#"{"results":[{"dimensions":["/"],"metrics":[1e999]}]}"#.to_owned()),
        ("digits", format!(r#"{{"results":[{{"dimensions":["/"],"metrics":[{}]}}]}}"#, "9".repeat(1_000_000))),
        ("the same member twice", r#"{"results":[],"results":[]}"#.to_owned()),
        ("half a character", r#"{"results":[{"dimensions":["\ud800"],"metrics":[1]}]}"#.to_owned()),
        ("another shape", r#"{"results":{"0":[]}}"#.to_owned()),
        ("no metrics", r#"{"results":[{"dimensions":["/"]}]}"#.to_owned()),
        ("not an object", "[]".to_owned()),
        ("nothing", String::new()),
        ("HTML", "<!doctype html><title>Sign in</title>".to_owned()),
    ] {
        let upstream = Upstream::answering(move |_| Reply::json(200, body.clone())).await;
        fails(&Harness::start(upstream, &[]).await, what, "not the documented JSON").await;
    }
}

#[tokio::test]
async fn an_answer_that_would_swell_in_memory_is_not_read() {
    for (what, before, again, after) in [
        ("rows", r#"{"results":["#, r#"{"metrics":[0]},"#, r#"{"metrics":[0]}]}"#),
        ("metrics", r#"{"results":[{"metrics":["#, "0,", "0]}]}"),
        ("money", r#"{"results":[{"metrics":["#, r#"{"":0},"#, "0]}]}"),
        ("lists", r#"{"results":[],"meta":["#, "[0],", "0]}"),
        ("objects", r#"{"results":[],"query":["#, r#"{"":0},"#, "0]}"),
    ] {
        let body = format!("{before}{}{after}", again.repeat((8_000_000 - 100) / again.len()));
        let upstream = Upstream::answering(move |_| Reply::json(200, body.clone())).await;
        fails(&Harness::start(upstream, &[]).await, what, "not the documented JSON").await;
    }
}

#[tokio::test]
async fn while_plausible_takes_its_time_others_are_answered() {
    let (upstream, held) = Upstream::holding(stub_sites::answer).await;
    let host = Harness::start(upstream, &[]).await;
    let mut waiting = tokio::task::JoinSet::new();
    for number in 1..=CALLS {
        let arguments =
            json!({ "site_id": format!("rows-{number}.example"), "date_range": "7d", "dimension": "event:page" });
        let (address, request) = (host.address(), call("get_breakdown", arguments));
        waiting.spawn(async move { http_client::send(address, &request).await });
    }
    ends("the way to Plausible", held.arrived(CALLS)).await;
    for _ in 0..10 {
        still_answers(host.address()).await;
    }
    held.release(1000);
    for answer in ends("an answer", waiting.join_all()).await {
        let answer = answer.expect("the host is reached").expect("the host answers");
        assert_eq!(answer.json()["result"]["isError"], Value::Null, "{}", answer.text());
    }
}

#[tokio::test]
#[ignore = "waits for the component's own limit of time, 25 seconds"]
async fn an_answer_that_does_not_come_is_told_as_such() {
    let drip = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    for beginning in ["", "HTTP/1.1 200 OK\r\nContent-Le", drip] {
        let beginning = beginning.as_bytes().to_vec();
        let upstream = RawUpstream::start(Script { beginning, stays: true, ..Script::default() }).await;
        let host = upstream.host().await;
        let result = tokio::time::timeout(Duration::from_secs(29), result(&host)).await.expect("within the limit");
        assert!(text(&result).contains("took too long"), "{result}");
    }
}

/// A question is answered with a tool's error of which this is a part, and the host goes on.
async fn fails(host: &Harness, what: &str, said: &str) {
    let result = ends(what, result(host)).await;
    assert_eq!(result["isError"], true, "{what}: {result}");
    assert!(text(&result).contains(said), "{what}: {}", text(&result));
    still_answers(host.address()).await;
}

async fn result(host: &Harness) -> Value {
    let answer = host.send(&question()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["result"].clone()
}

fn question() -> http_client::Request {
    call("get_breakdown", json!({ "site_id": "rows-3.example", "date_range": "7d", "dimension": "event:page" }))
}

fn text(result: &Value) -> String {
    result["content"][0]["text"].as_str().unwrap_or_default().to_owned()
}

/// A gzip file (RFC 1952) of 650 kilobytes that unpacks to a hundred megabytes: a zero, and then again and again the
/// longest copy of what came before (RFC 1951 §3.2.6, fixed codes).
fn bomb() -> Vec<u8> {
    let mut bits = Bits::default();
    bits.push_value(1, 1); // The last block,
    bits.push_value(0b01, 2); // with fixed codes.
    bits.push_code(0b0011_0000, 8); // A zero.
    for _ in 0..BOMB_COPIES {
        bits.push_code(0b1100_0101, 8); // 258 bytes,
        bits.push_code(0, 5); // from one byte before.
    }
    bits.push_code(0, 7); // The end.
    let head: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    // Whoever comes as far as the check sum has unpacked everything.
    [&head[..], &bits.bytes(), &[0; 8]].concat()
}

#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    /// Least significant bit first.
    fn push_value(&mut self, value: u8, bits: u32) {
        self.0.extend((0..bits).map(|bit| (value >> bit) & 1 == 1));
    }

    /// A code of Huffman's: most significant bit first.
    fn push_code(&mut self, code: u8, bits: u32) {
        self.0.extend((0..bits).rev().map(|bit| (code >> bit) & 1 == 1));
    }

    fn bytes(&self) -> Vec<u8> {
        let byte = |bits: &[bool]| bits.iter().rev().fold(0_u8, |byte, bit| (byte << 1) | u8::from(*bit));
        self.0.chunks(8).map(byte).collect()
    }
}

/// The component takes 8 MiB; the rest is what systems keep under way.
const READ_AT_MOST: usize = 32 << 20;
const BOMB_COPIES: usize = 400_000;
const CALLS: u32 = 40;
