//! Bodies that are JSON in form and meant to hurt whatever reads them, and bodies that are nearly JSON.

use plausible_mcp_tests::http_client::{Answer, Request};
use plausible_mcp_tests::mcp_request::post;
use serde_json::{Value, json};

use crate::{impatient, still_answers};

#[tokio::test]
async fn json_is_read_to_a_depth_and_refused_beyond_it() {
    let host = impatient().await;
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for levels in [1, 100] {
        assert_eq!(host.send(&message(&nested(levels))).await.status, 200, "{levels}");
    }
    for levels in [200, 100_000] {
        refused(&host.send(&message(&nested(levels))).await, -32700);
    }
    for opening in ["[", "{\"a\":", "[{\"a\":[[", "[[],"] {
        refused(&host.send(&post(opening.repeat(100_000 / opening.len()))).await, -32700);
    }
    still_answers(host.address()).await;
}

#[tokio::test]
async fn gigantic_numbers_are_refused_and_those_that_vanish_are_read() {
    let host = impatient().await;
    let digits = "9".repeat(1_000_000);
    for number in ["1e400", "-1e400", "1e99999999999999999999", &digits, &format!("{digits}.5"), &format!("-{digits}")]
    {
        refused(&host.send(&message(number)).await, -32700);
    }
    let nearly_zero = format!("0.{}1", "0".repeat(1_000_000));
    for number in ["1e308", "1e-400", "-0", "1e-99999999999999999999", &nearly_zero] {
        assert_eq!(host.send(&message(number)).await.status, 200, "{number:.20}");
    }
    for id in ["9007199254740992", "-9007199254740992", "18446744073709551616", "1e300"] {
        refused(&host.send(&post(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\"}}"))).await, -32600);
    }
}

#[tokio::test]
async fn of_members_with_the_same_name_the_last_counts() {
    let host = impatient().await;
    let twice = post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","id":2,"method":"ping"}"#);
    assert_eq!(host.send(&twice).await.json(), json!({ "jsonrpc": "2.0", "id": 2, "result": {} }));
    let site = r#""site_id":"rows-1.example","site_id":"rows-2.example""#;
    let arguments = format!(r#"{{{site},"date_range":"7d","dimension":"event:page"}}"#);
    let params = format!(r#"{{"name":"get_breakdown","arguments":{arguments}}}"#);
    let call = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
    let answer = host.send(&post(call).header("MCP-Protocol-Version", "2025-11-25")).await;
    assert_eq!(answer.json()["result"]["structuredContent"]["results"].as_array().map(Vec::len), Some(2));
    assert_eq!(host.upstream.take_queries()[0]["site_id"], "rows-2.example");
}

#[tokio::test]
async fn text_that_is_no_unicode_is_refused_wherever_it_stands() {
    let host = impatient().await;
    for broken in [
        // Bytes that never occur, a character that is cut off, one that is longer than it need be, a surrogate.
        &b"\"\xFF\""[..],
        b"\"\xE2\x82\"",
        b"\"\xC0\xAF\"",
        b"\"\xED\xA0\x80\"",
        b"{\"\xFF\":1}",
        // The same as escapes.
        br#""\ud800""#,
        br#""\udc00\ud800""#,
        br#""\u12""#,
        // What JSON has no place for.
        b"\"\0\"",
        b"\"\n\"",
        b"\0",
        b"01",
        b"+1",
        b"NaN",
        b"'a'",
        b"1,",
    ] {
        let (before, after) = (&br#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"#[..], &b"}}"[..]);
        refused(&host.send(&post([before, broken, after].concat())).await, -32700);
    }
    let utf_16: Vec<u8> =
        r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    refused(&host.send(&post(utf_16)).await, -32700);
}

#[tokio::test]
async fn values_that_would_swell_in_memory_are_not_read() {
    let host = impatient().await;
    let deep = format!("{}{},", "[".repeat(100), "]".repeat(100));
    for value in ["0,", "[],", "[0],", "{},", "{\"\":0},", &deep] {
        let list = |count: usize| format!("[{}0]", value.repeat(count));
        refused(&host.send(&message(&list(1_000_000 / value.len()))).await, -32600);
        assert_eq!(host.send(&message(&list(200))).await.status, 200, "{value:.20}");
    }
    let members = |count: usize| (0..count).map(|number| format!("\"{number:x}\":0,")).collect::<String>();
    refused(&host.send(&message(&format!("{{{}\"z\":0}}", members(102_000)))).await, -32600);
    assert_eq!(host.send(&message(&format!("{{{}\"z\":0}}", members(40_000)))).await.status, 200);
    let messages = r#"{"jsonrpc":"2.0","method":"a"},"#;
    refused(&host.send(&post(format!("[{}0]", messages.repeat(1_000_000 / messages.len())))).await, -32600);
    still_answers(host.address()).await;
}

#[tokio::test]
async fn a_long_name_is_not_repeated_at_length() {
    let host = impatient().await;
    let long = "x".repeat(300_000);
    let call = |name: &str, arguments: Value| {
        let params = json!({ "name": name, "arguments": arguments });
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params })
    };
    for body in [
        json!({ "jsonrpc": "2.0", "id": 1, "method": &long }),
        json!({ "jsonrpc": "2.0", "id": 1, "method": "ping", (long.as_str()): 1 }),
        call(&long, json!({})),
        call("get_breakdown", json!({ (long.as_str()): 1, "date_range": "7d" })),
        call("get_breakdown", json!({ "date_range": &long, "dimension": &long, "metrics": [&long] })),
    ] {
        let answer = host.send(&post(body.to_string())).await;
        assert!(answer.status < 500 && answer.body.len() < 4000, "{} {} bytes", answer.status, answer.body.len());
    }
    let log = host.log().await;
    assert!(log.lines().all(|line| line.len() < 4000), "a line of the log is long");
}

/// A ping with that value, which is JSON text, among its parameters.
fn message(value: &str) -> Request {
    post(format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{{\"a\":{value}}}}}"))
}

#[track_caller]
fn refused(answer: &Answer, code: i64) {
    assert_eq!((answer.status, answer.error_code()), (400, Some(code)), "{:.200}", answer.text());
}
