//! The command `serve` as a process of its own: the program of these tests, started again as the command.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Stdio};

use clap::Parser as _;
use plausible_mcp_host::{CommandLine, install_log};
use plausible_mcp_tests::harness::simulated;
use plausible_mcp_tests::http_client::{self, Request};
use plausible_mcp_tests::mcp_request::modern;
use plausible_mcp_tests::upstream::Upstream;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::collector::Collector;

/// Holds the command line of the other process.
const LINE: &str = "PLAUSIBLE_MCP_TEST_COMMAND_LINE";

#[test]
#[ignore = "what the other process does"]
fn the_command() {
    let Ok(line) = std::env::var(LINE) else { return };
    install_log();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let ended = runtime.block_on(CommandLine::parse_from(line.split(' ')).run());
    drop(runtime);
    if let Err(error) = ended {
        error.report();
        std::process::exit(1);
    }
}

/// The process. It is killed when it is dropped.
struct Serving {
    process: Child,
    log: Option<BufReader<ChildStderr>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Serving {
    fn start(plausible: &str, variables: &[(&str, &str)]) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "serve::the_command", "--ignored", "--nocapture"])
            .env(LINE, "plausible-mcp serve --listen 127.0.0.1:0 --admin 127.0.0.1:0 --store memory --drain 0")
            .env("XDG_RUNTIME_DIR", "")
            .env("MCP_ALLOWED_HOSTNAMES", "localhost")
            .env("PLAUSIBLE_BASE_URL", plausible)
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("this program starts");
        let log = process.stderr.take().map(BufReader::new);
        Self { process, log }
    }

    /// Where the log says that it listens, under `event`.
    async fn address(&mut self, event: &'static str) -> SocketAddr {
        let mut log = self.log.take().expect("the log is not read elsewhere");
        let (log, address) = spawn_blocking(move || {
            let lines = log.by_ref().lines().map_while(Result::ok);
            let events = lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
            let found = events.into_iter().find(|line| line["event"] == event).expect("the event is logged");
            (log, found["address"].as_str().and_then(|address| address.parse().ok()).expect("an address"))
        })
        .await
        .expect("no panic");
        self.log = Some(log);
        address
    }

    /// Tells it to stop; whether it ends well.
    async fn stopped(mut self) -> bool {
        let told = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        assert!(told.expect("kill is there").success());
        spawn_blocking(move || self.process.wait().expect("it ends").success()).await.expect("no panic")
    }

    /// Everything that it says until it ends.
    async fn said(mut self) -> String {
        let mut log = self.log.take().expect("the log is not read elsewhere");
        spawn_blocking(move || std::io::read_to_string(&mut log).expect("text")).await.expect("no panic")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_where_it_listens_for_whom_and_sends_the_last_spans_before_it_ends() {
    let (collector, plausible) = (Collector::start().await, Upstream::answering(simulated()).await);
    let endpoint = collector.received.base_url();
    let named = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_SERVICE_NAME", "named-by-the-operator")];
    let mut serving = Serving::start(&plausible.base_url(), &named);
    let operator = serving.address("admin_listening").await;
    let clients = serving.address("listening").await;
    for (address, request, status) in [
        (operator, Request::new("GET", "/readyz"), 200),
        (operator, Request::new("GET", "/metrics"), 200),
        (clients, Request::new("GET", "/readyz"), 404),
        (clients, modern("tools/list", json!({})), 200),
    ] {
        let answer = http_client::send(address, &request).await.expect("it is reached").expect("an answer");
        assert_eq!(answer.status, status, "{request:?}");
    }
    assert!(serving.stopped().await);
    let (spans, resource) = collector.spans().await;
    assert!(spans.iter().any(|span| span.name == "POST /mcp"), "{spans:?}");
    assert_eq!(resource.get("service.name").map(String::as_str), Some("named-by-the-operator"));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_not_start_with_a_protocol_that_it_cannot_speak() {
    let named = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
    let said = Serving::start("http://127.0.0.1:9", &named).said().await;
    assert!(said.contains("error: OTEL_EXPORTER_OTLP_PROTOCOL: traces are sent as http/protobuf only"), "{said}");
}
