//! Exchanges with a server that says exactly what a test wants.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::limits::Limits;

/// Answers every connection with `answer`, then leaves it open or closes it. Returns the base address.
async fn upstream(answer: &'static str, close: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = [0; 4096];
                let _ = connection.read(&mut head).await;
                let _ = connection.write_all(answer.as_bytes()).await;
                if !close {
                    std::future::pending::<()>().await;
                }
            });
        }
    });
    format!("http://{address}")
}

fn request(url: String, reach: wit::Reach) -> wit::Request {
    wit::Request {
        upstream: wit::Upstream::Plausible,
        method: wit::Method::Get,
        url,
        headers: Vec::new(),
        body: None,
        timeout_milliseconds: 500,
        max_response_bytes: 10,
        reach,
        coalesce: None,
    }
}

async fn outcome(url: String, reach: wit::Reach) -> Result<wit::Response, wit::Error> {
    outcome_under(HttpPolicy::default(), url, reach).await
}

async fn outcome_under(policy: HttpPolicy, url: String, reach: wit::Reach) -> Result<wit::Response, wit::Error> {
    let exchanged = Clients::new(None, policy).unwrap().exchange(request(url, reach), &room(1 << 20)).await;
    exchanged.map(|answer| answer.response.clone())
}

/// Room for large answers that nobody waits for.
fn room(bytes: usize) -> LargeAnswers {
    let limits = Limits { large_answers_bytes: bytes, large_answer_time: Duration::ZERO, ..Limits::default() };
    LargeAnswers::new(&limits)
}

async fn answered(answer: &'static str, close: bool) -> Result<wit::Response, wit::Error> {
    outcome(upstream(answer, close).await, wit::Reach::Configured).await
}

#[tokio::test]
async fn an_answer_is_read_whole() {
    let response =
        answered("HTTP/1.1 200 OK\r\nX-A: 1\r\nx-b: \u{fc}\r\ncontent-length: 3\r\n\r\nabc", false).await.unwrap();
    assert_eq!((response.status, response.body.as_slice()), (200, b"abc".as_slice()));
    assert!(response.headers.contains(&("x-a".into(), "1".into())));
}

#[tokio::test]
async fn a_large_answer_is_read_only_where_there_is_room() {
    let (announced, body) = ("content-length: 100000", "x".repeat(100_000));
    let (chunked, chunk) = ("transfer-encoding: chunked", format!("186a0\r\n{body}\r\n0\r\n\r\n"));
    for (framing, body) in [(announced, body), (chunked, chunk)] {
        let answer = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{body}").leak();
        let url = upstream(answer, true).await;
        let (clients, room) = (Clients::new(None, HttpPolicy::default()).unwrap(), room(8 * 150_000));
        let ask = || async {
            let request = request(url.clone(), wit::Reach::Configured);
            let request = wit::Request { max_response_bytes: 120_000, timeout_milliseconds: 60_000, ..request };
            clients.exchange(request, &room).await
        };
        let first = ask().await.expect("there is room for one");
        assert_eq!(first.response.body.len(), 100_000, "{framing}");
        assert_eq!(ask().await.err(), Some(wit::Error::NoRoom(5)), "{framing}");
        drop(first);
        assert!(ask().await.is_ok(), "{framing}: it was given back");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let response =
        answered("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", false).await;
    assert_eq!(response.unwrap().status, 302);
}

#[tokio::test]
async fn a_large_answer_is_refused_announced_or_not() {
    let announced = "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n";
    assert_eq!(answered(announced, false).await.err(), Some(wit::Error::ResponseTooLarge));
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nabcdef\r\n6\r\nabcdef\r\n";
    assert_eq!(answered(chunked, false).await.err(), Some(wit::Error::ResponseTooLarge));
}

#[tokio::test]
async fn an_answer_that_stops_is_timed_out_and_one_that_breaks_off_interrupted() {
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc";
    assert_eq!(answered(half, false).await.err(), Some(wit::Error::TimedOut));
    assert_eq!(answered(half, true).await.err(), Some(wit::Error::Interrupted));
    assert_eq!(answered("", true).await.err(), Some(wit::Error::Interrupted));
}

#[tokio::test]
async fn what_is_not_http_is_malformed() {
    assert_eq!(answered("SSH-2.0-OpenSSH\r\n\r\n", false).await.err(), Some(wit::Error::MalformedResponse));
}

#[tokio::test]
async fn failures_to_connect_are_told_apart() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let at = |url: String| outcome(url, wit::Reach::Configured);
    assert_eq!(at(format!("http://{closed}/")).await.err(), Some(wit::Error::ConnectFailed));
    assert_eq!(at("http://nowhere.invalid/".into()).await.err(), Some(wit::Error::NameNotResolved));
    let plain = upstream("HTTP/1.1 400 Bad Request\r\n\r\n", true).await.replace("http:", "https:");
    assert_eq!(at(plain).await.err(), Some(wit::Error::TlsFailed));
}

#[tokio::test]
async fn the_public_internet_does_not_reach_this_machine() {
    let url = upstream("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false).await;
    let port = url.rsplit(':').next().unwrap().to_owned();
    for host in ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]", "2130706433"] {
        let refused = outcome(format!("http://{host}:{port}/"), wit::Reach::PublicInternet).await.err();
        let expected = [Some(wit::Error::AddressRefused), Some(wit::Error::NameNotResolved)];
        assert!(expected.contains(&refused), "{host}: {refused:?}");
    }
    assert_eq!(outcome(url, wit::Reach::Configured).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_switch_opens_loopback_to_the_public_reach_and_nothing_else() {
    let url = upstream("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false).await;
    let port = url.rsplit(':').next().unwrap().to_owned();
    let ask = |host: &str| {
        let url = format!("http://{host}:{port}/");
        outcome_under(HttpPolicy::default().with_public_loopback(), url, wit::Reach::PublicInternet)
    };
    for host in ["127.0.0.1", "localhost"] {
        assert_eq!(ask(host).await.unwrap().status, 200, "{host}");
    }
    for host in ["10.0.0.1", "0.0.0.0", "169.254.169.254", "[::ffff:127.0.0.1]", "[fd00::1]"] {
        assert_eq!(ask(host).await.err(), Some(wit::Error::AddressRefused), "{host}");
    }
}
