//! The operator's listener of a host, and what asks it.

use std::net::SocketAddr;
use std::time::Duration;

use plausible_mcp_host::{AdminServer, Host};
use plausible_mcp_tests::http_client::{self, Answer, Request};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// The listener. It stops when it is dropped.
pub(crate) struct Operator {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Operator {
    /// Listens on a free port.
    pub(crate) async fn of(host: &Host) -> Self {
        let server = AdminServer::bind(SocketAddr::from(([127, 0, 0, 1], 0)), host.clone()).await.expect("a free port");
        let address = server.address();
        let serving = tokio::spawn(async move { match server.run().await {} });
        Self { address, serving }
    }

    /// A connection over which these bytes come and nothing else, or as many of them as the listener takes.
    pub(crate) async fn holding(&self, bytes: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.expect("the listener is reached");
        let _ = stream.write_all(bytes.as_bytes()).await;
        stream
    }

    /// The answer to these bytes.
    pub(crate) async fn ask_bytes(&self, bytes: &str) -> Answer {
        let answer = http_client::send_bytes(self.address, bytes.into()).await;
        answer.expect("the listener is reached").expect("the listener answers")
    }

    pub(crate) async fn ask(&self, method: &str, path: &str) -> Answer {
        let answer = http_client::send(self.address, &Request::new(method, path)).await;
        answer.expect("the listener is reached").expect("the listener answers")
    }

    /// All metrics.
    pub(crate) async fn metrics(&self) -> String {
        let answer = self.ask("GET", "/metrics").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        answer.text()
    }

    /// The value of one metric with its labels; 0 where it is not there.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        value(&self.metrics().await, name)
    }

    /// Status of the readiness, and its word in the body.
    pub(crate) async fn readiness(&self) -> (u16, String) {
        let (status, body) = self.report("/readyz").await;
        (status, body["status"].as_str().expect("a word").to_owned())
    }

    /// Status and body of the answer at `/readyz` or `/readyz/internal`.
    pub(crate) async fn report(&self, path: &str) -> (u16, Value) {
        let answer = self.ask("GET", path).await;
        assert_eq!(answer.header("content-type"), Some("application/json"));
        (answer.status, answer.json())
    }

    /// State and cause of a part, as `/readyz` tells them.
    pub(crate) async fn part(&self, name: &str) -> (String, Option<String>) {
        let (_, body) = self.report("/readyz").await;
        let text = |member: &str| body[name][member].as_str().map(str::to_owned);
        (text("state").expect("a state"), text("cause"))
    }

    /// Waits until `/readyz` or `/readyz/internal` is answered with `status`; the body of that answer.
    pub(crate) async fn until(&self, path: &str, status: u16) -> Value {
        let soon = async {
            loop {
                match self.report(path).await {
                    (found, body) if found == status => return body,
                    _ => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, soon).await.unwrap_or_else(|_| panic!("{path} is not {status}"))
    }
}

/// The value of one metric with its labels among `metrics`; 0 where it is not there.
pub(crate) fn value(metrics: &str, name: &str) -> f64 {
    let rest = |line: &'_ str| line.strip_prefix("plausible_mcp_")?.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
    metrics.lines().find_map(rest).unwrap_or(0.0)
}

/// Longer than a busy machine takes to find out.
const PATIENCE: Duration = Duration::from_secs(60);
