//! Large answers, and clients that do not take theirs: what they hold is bounded, and small answers wait for nothing.

use std::time::Duration;

use plausible_mcp_host::Limits;
use plausible_mcp_tests::http_client::{Answer, Request, parse};
use plausible_mcp_tests::mcp_request::call;
use serde_json::json;
use tokio::io::AsyncReadExt as _;

use crate::connections::{asked_with_a_small_window, large_answer};
use crate::{ends, still_answers, under};

/// Room for one large answer at a time, for which nobody waits.
fn narrow() -> Limits {
    Limits { large_answers_bytes: 1 << 20, large_answer_time: Duration::ZERO, ..Limits::default() }
}

fn small_answer() -> Request {
    call("get_breakdown", json!({ "site_id": "rows-20.example", "date_range": "7d", "dimension": "event:page" }))
}

fn is_error(answer: &Answer) -> bool {
    answer.json()["result"]["isError"] == true
}

#[tokio::test]
async fn who_finds_no_room_for_a_large_answer_is_told_to_ask_for_less() {
    let host = under(narrow()).await;
    let mut held = asked_with_a_small_window(host.address(), &large_answer(0).to_bytes()).await;
    // The beginning of its answer: all of it is at the host.
    let mut received = vec![0; 16];
    ends("an answer", held.read_exact(&mut received)).await.expect("the host answers");
    let told = host.send(&large_answer(1)).await;
    assert!(told.status == 200 && is_error(&told), "{}", told.text());
    assert!(told.text().contains("Ask for fewer rows or a shorter date range"), "{}", told.text());
    assert_eq!(told.header("retry-after"), Some("5"));
    let small = host.send(&small_answer()).await;
    assert!(small.status == 200 && !is_error(&small), "{}", small.text());
    still_answers(host.address()).await;
    ends("the rest of an answer", held.read_to_end(&mut received)).await.expect("the host answers");
    let answer = parse(&received).expect("an answer");
    assert!(answer.body.len() > 4_000_000 && !is_error(&answer), "it is whole");
    drop(held);
    let next = ends("the next answer", async {
        loop {
            let next = host.send(&large_answer(2)).await;
            if !is_error(&next) {
                return next;
            }
        }
    });
    assert!(next.await.body.len() > 4_000_000);
}

#[tokio::test]
async fn large_answers_wait_for_each_other_and_all_are_given() {
    let host = under(Limits { large_answers_bytes: 1 << 20, large_answer_time: crate::PATIENCE, ..Limits::default() });
    let host = host.await;
    let ask = async |number| host.send(&large_answer(number)).await;
    let answers = ends("an answer", async { tokio::join!(ask(0), ask(1), ask(2), ask(3)) }).await;
    for answer in <[Answer; 4]>::from(answers) {
        assert!(answer.body.len() > 4_000_000 && !is_error(&answer), "it is whole");
    }
}

#[tokio::test]
async fn a_large_request_counts_too() {
    let host = under(narrow()).await;
    let mut held = asked_with_a_small_window(host.address(), &large_answer(0).to_bytes()).await;
    ends("an answer", held.read_exact(&mut [0; 16])).await.expect("the host answers");
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping", "params": { "x": "x".repeat(200_000) } });
    let large = plausible_mcp_tests::mcp_request::post(message.to_string());
    let refused = host.send(&large).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{}", refused.text());
    drop(held);
    ends("room", async { while host.send(&large).await.status != 200 {} }).await;
}
