//! What a server that is told to stop still does for its clients.

use tokio::net::UnixStream;
use tokio::task::yield_now;

use super::*;
use crate::host::NotReady;

/// A server that goes its last steps as it is told.
struct InSteps {
    host: Host,
    running: Running,
    leave: oneshot::Sender<()>,
    stop: oneshot::Sender<()>,
}

async fn in_steps(limits: Limits) -> InSteps {
    let server = server(limits).await;
    let (host, address) = (server.host.clone(), server.address());
    let ((leave, told_to_leave), (stop, told_to_stop)) = (oneshot::channel(), oneshot::channel());
    let steps = server.run_in_steps(async move { drop(told_to_leave.await) }, async move { drop(told_to_stop.await) });
    let running = Running { address, ended: tokio::spawn(steps) };
    InSteps { host, running, leave, stop }
}

/// The same in one step.
async fn until_told(limits: Limits) -> (Running, oneshot::Sender<()>) {
    let (stop, stopped) = oneshot::channel();
    (start_until(limits, async { drop(stopped.await) }).await, stop)
}

/// A server that waits for its clients for longer than a test takes.
fn patient() -> Limits {
    let time = Duration::from_secs(3600);
    Limits { closing_time: time, drain_time: time, ..Limits::default() }
}

/// A request over a connection that stays open.
fn kept() -> String {
    HEALTH.replace("close", "keep-alive")
}

/// Sends `request` over `stream`, and reads until the server closes its half.
async fn last_answer(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn is_last(answer: &str) -> bool {
    answer.starts_with("HTTP/1.1 200") && answer.contains("\r\nconnection: close\r\n")
}

/// Waits until nobody can connect to `address`.
async fn closed(address: SocketAddr) {
    while TcpStream::connect(address).await.is_ok() {
        yield_now().await;
    }
}

#[tokio::test]
async fn it_answers_and_drains() {
    let (stop, stopped) = oneshot::channel();
    let running = start_until(Limits::default(), async { drop(stopped.await) }).await;
    assert!(exchange(running.address, HEALTH.as_bytes()).await.starts_with("HTTP/1.1 200"));
    let mut idle = Vec::new();
    for beginning in ["", "GET /healthz HT"] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        idle.push(stream);
    }
    // The beginnings have been read when this one has been served.
    assert!(exchange(running.address, HEALTH.as_bytes()).await.starts_with("HTTP/1.1 200"));
    stop.send(()).unwrap();
    let ended = tokio::time::timeout(Limits::default().request_head_time / 2, running.ended).await;
    assert!(ended.expect("idle connections do not hold it up").unwrap());
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn a_request_that_arrives_together_with_the_sign_to_stop_is_answered() {
    let (stop, mut told) = UnixStream::pair().unwrap();
    let running = start_until(Limits::default(), async move {
        let _ = told.read(&mut [0]).await;
    })
    .await;
    let kept = kept();
    let mut streams = Vec::new();
    for number in 0..40 {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        // Half of them have been asked something before.
        if number % 2 == 0 {
            answered(&mut stream, &kept).await;
        }
        streams.push(stream);
    }
    // All connections have been accepted when this one has been served.
    assert!(exchange(running.address, HEALTH.as_bytes()).await.starts_with("HTTP/1.1 200"));
    // Nothing is waited for in between: the server finds all of it at once, though the requests were there first.
    for stream in &streams {
        assert_eq!(stream.try_write(kept.as_bytes()).unwrap(), kept.len());
    }
    assert_eq!(stop.try_write(b"x").unwrap(), 1);
    for stream in &mut streams {
        let mut answer = [0; 4096];
        let count = stream.read(&mut answer).await.unwrap();
        assert!(answer[..count].starts_with(b"HTTP/1.1 200"));
    }
    assert!(running.ended.await.unwrap());
}

#[tokio::test]
async fn a_server_that_leaves_is_not_ready_serves_on_and_asks_clients_to_connect_anew() {
    let InSteps { host, running, leave, stop } = in_steps(patient()).await;
    let mut before = TcpStream::connect(running.address).await.unwrap();
    answered(&mut before, &kept()).await;
    assert_eq!(host.ready(), Ok(()));
    leave.send(()).unwrap();
    while host.ready() != Err(NotReady::Draining) {
        yield_now().await;
    }
    let mut anew = TcpStream::connect(running.address).await.unwrap();
    for stream in [&mut before, &mut anew] {
        let answer = last_answer(stream, &kept()).await;
        assert!(is_last(&answer), "{answer}");
    }
    let refused = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "a: b\r\n".repeat(101));
    let mut refused_anew = TcpStream::connect(running.address).await.unwrap();
    let answer = last_answer(&mut refused_anew, &refused).await;
    assert!(answer.starts_with("HTTP/1.1 431") && answer.contains("connection: close"), "{answer}");
    drop((before, anew, refused_anew));
    assert!(!running.ended.is_finished(), "it has not been told to stop");
    stop.send(()).unwrap();
    assert!(running.ended.await.unwrap());
}

#[tokio::test]
async fn answers_keep_their_connection_until_the_server_leaves() {
    let InSteps { running, leave, stop, .. } = in_steps(patient()).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    for _ in 0..2 {
        stream.write_all(kept().as_bytes()).await.unwrap();
        let mut answer = [0; 4096];
        let count = stream.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..count]);
        assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("connection: close"), "{answer}");
    }
    drop(stream);
    // The second sign is not asked for before the first.
    stop.send(()).unwrap();
    assert!(exchange(running.address, HEALTH.as_bytes()).await.starts_with("HTTP/1.1 200"));
    assert!(!running.ended.is_finished());
    leave.send(()).unwrap();
    assert!(running.ended.await.unwrap());
}

#[tokio::test]
async fn whoever_waits_in_the_queue_of_the_listener_is_answered() {
    use std::io::Write as _;
    for connections in [1, 1024] {
        let (running, stop) = until_told(Limits { connections, ..Limits::default() }).await;
        assert!(exchange(running.address, HEALTH.as_bytes()).await.starts_with("HTTP/1.1 200"));
        let mut queue = Vec::new();
        // The server has no moment to accept them: nothing is waited for in between.
        for number in 0..20 {
            let mut stream = std::net::TcpStream::connect(running.address).unwrap();
            let request = if number % 2 == 0 { kept() } else { HEALTH.to_owned() };
            stream.write_all(request.as_bytes()).unwrap();
            queue.push(stream);
        }
        stop.send(()).unwrap();
        for stream in queue {
            stream.set_nonblocking(true).unwrap();
            let mut stream = TcpStream::from_std(stream).unwrap();
            let answer = last_answer(&mut stream, "").await;
            assert!(is_last(&answer), "{connections} connections: {answer}");
        }
        assert!(running.ended.await.unwrap());
        assert!(TcpStream::connect(running.address).await.is_err());
    }
}

#[tokio::test]
async fn a_request_that_is_on_its_way_when_the_server_stops_is_answered() {
    let (running, stop) = until_told(patient()).await;
    let (kept, mut on_their_way) = (kept(), Vec::new());
    for (served_before, arrived) in [(false, 0), (false, 2), (false, 14), (true, 14), (true, kept.len() - 1)] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        if served_before {
            answered(&mut stream, &kept).await;
        }
        stream.write_all(&kept.as_bytes()[..arrived]).await.unwrap();
        on_their_way.push((stream, &kept[arrived..]));
    }
    // All of that has arrived when this one has been served.
    assert!(exchange(running.address, HEALTH.as_bytes()).await.starts_with("HTTP/1.1 200"));
    stop.send(()).unwrap();
    closed(running.address).await;
    assert!(!running.ended.is_finished());
    for (mut stream, rest) in on_their_way {
        let answer = last_answer(&mut stream, rest).await;
        assert!(is_last(&answer), "{rest:?}: {answer}");
    }
    assert!(running.ended.await.unwrap());
}

#[tokio::test]
async fn a_request_that_does_not_come_is_not_waited_for_until_the_end() {
    let closing_time = Duration::from_millis(50);
    let limits = Limits { closing_time, request_head_time: Duration::from_secs(3600), ..patient() };
    let (running, stop) = until_told(limits).await;
    let mut held = Vec::new();
    for beginning in ["", "GET /healthz HT", "PRI * HT"] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        held.push(stream);
    }
    assert!(exchange(running.address, HEALTH.as_bytes()).await.starts_with("HTTP/1.1 200"));
    stop.send(()).unwrap();
    assert!(running.ended.await.unwrap(), "the clients have closed nothing");
    drop(held);
}

#[tokio::test]
async fn an_idle_connection_is_closed_by_half_and_its_client_closes_the_other() {
    let (running, stop) = until_told(patient()).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    answered(&mut stream, &kept()).await;
    stop.send(()).unwrap();
    assert_eq!(last_answer(&mut stream, "").await, "");
    // A closed socket would answer the first of these with a reset, at which the second fails.
    for _ in 0..2 {
        stream.write_all(kept().as_bytes()).await.unwrap();
        for _ in 0..10 {
            yield_now().await;
        }
    }
    assert!(!running.ended.is_finished(), "the client is waited for");
    drop(stream);
    assert!(running.ended.await.unwrap());
}

#[tokio::test]
async fn what_a_client_sends_after_its_last_request_does_not_cost_it_the_answer() {
    let running = start(patient()).await;
    for rest in [100, 1 << 20] {
        let stream = TcpStream::connect(running.address).await.unwrap();
        let (mut reader, mut writer) = stream.into_split();
        let sent = format!("{HEALTH}{}", "x".repeat(rest));
        let (sent, answer) = tokio::join!(
            async move {
                writer.write_all(sent.as_bytes()).await.unwrap();
                writer
            },
            async {
                let mut answer = String::new();
                reader.read_to_string(&mut answer).await.map(|_| answer)
            }
        );
        assert!(answer.expect("no reset").starts_with("HTTP/1.1 200"));
        drop(sent);
    }
}
