//! What writes records runs to its end, whether or not anybody waits for the answer.

use std::sync::Arc;
use std::time::Duration;

use plausible_mcp_host::oauth_store::{Answer, MemoryStore, OauthStore};
use plausible_mcp_tests::http_client::Request;
use plausible_mcp_tests::sign_in::{Browser, Deployment, VERIFIER};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::{ends, metric, reaches};

const EMAIL: &str = "ada@example.com";
const ADMIN_TOKEN: &str = "an-admin-token-of-32-bytes-or-more";

/// Records in memory, whose operations wait while it is closed.
struct Gate {
    memory: MemoryStore,
    state: watch::Sender<State>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    is_closed: bool,
    waiting: usize,
}

impl Gate {
    fn new() -> Arc<Self> {
        Arc::new(Self { memory: MemoryStore::default(), state: watch::Sender::default() })
    }

    fn behind<'a, T: Send + 'a>(&'a self, operation: Answer<'a, T>) -> Answer<'a, T> {
        Box::pin(async move {
            self.state.send_modify(|state| state.waiting += 1);
            self.state.subscribe().wait_for(|state| !state.is_closed).await.expect("it is ours");
            self.state.send_modify(|state| state.waiting -= 1);
            operation.await
        })
    }

    fn close(&self) {
        self.state.send_modify(|state| state.is_closed = true);
    }

    /// Waits until an operation waits.
    async fn arrived(&self) {
        let mut state = self.state.subscribe();
        ends("an operation of the store", state.wait_for(|state| state.waiting > 0)).await.expect("it is ours");
    }

    /// Lets the operations go that wait, and all that come.
    fn open(&self) {
        self.state.send_modify(|state| state.is_closed = false);
    }
}

impl OauthStore for Gate {
    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        self.behind(self.memory.get(key))
    }

    fn put<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration) -> Answer<'a, ()> {
        self.behind(self.memory.put(key, value, ttl))
    }

    fn create<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration) -> Answer<'a, bool> {
        self.behind(self.memory.create(key, value, ttl))
    }

    fn take<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        self.behind(self.memory.take(key))
    }

    fn replace<'a>(
        &'a self,
        key: &'a str,
        expected: &'a [u8],
        new: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Answer<'a, bool> {
        self.behind(self.memory.replace(key, expected, new, ttl))
    }

    fn delete<'a>(&'a self, key: &'a str) -> Answer<'a, ()> {
        self.behind(self.memory.delete(key))
    }

    fn keys<'a>(&'a self, prefix: &'a str, after: Option<&'a str>, limit: usize) -> Answer<'a, Vec<String>> {
        self.behind(self.memory.keys(prefix, after, limit))
    }
}

/// Sends `request`, leaves while the store has it, and returns what the component says that it came to.
async fn left(deployment: &Deployment, gate: &Gate, request: Request) -> (String, u64) {
    let address = deployment.harness.address();
    let request = request.header("Host", &address.to_string());
    let metrics = deployment.harness.host().metrics();
    gate.close();
    let mut stream = TcpStream::connect(address).await.expect("the host is reached");
    stream.write_all(&request.to_bytes()).await.expect("the host reads");
    gate.arrived().await;
    let in_flight = "http_requests_in_flight";
    assert_eq!(metric(metrics, in_flight), 1);
    let abandoned = abandoned(deployment);
    drop(stream);
    ends("the client's leave", async {
        while self::abandoned(deployment) == abandoned {
            tokio::time::sleep(crate::PAUSE).await;
        }
    })
    .await;
    assert_eq!(metric(metrics, in_flight), 1, "it holds its place, though nobody waits");
    gate.open();
    let log = deployment.harness.log().await;
    reaches(metrics, in_flight, 0).await;
    assert_eq!(metric(metrics, "instances_dropped_total{reason=\"left\"}"), 0);
    let line: Value = serde_json::from_str(log.lines().last().expect("a line")).expect("JSON");
    (line["route"].as_str().unwrap_or_default().to_owned(), line["status"].as_u64().unwrap_or_default())
}

/// How many clients have left so far.
fn abandoned(deployment: &Deployment) -> usize {
    let text = deployment.harness.host().metrics().encode();
    let counts = text.lines().filter(|line| line.starts_with("plausible_mcp_http_requests_abandoned_total{"));
    counts.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).sum()
}

fn form(path: &str, fields: &[(&str, &str)]) -> Request {
    let body: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", value.replace(':', "%3A"))).collect();
    let request = Request::new("POST", path).header("Content-Type", "application/x-www-form-urlencoded");
    request.body(body.join("&"))
}

#[tokio::test]
async fn every_step_of_a_sign_in_is_finished_without_its_client() {
    let gate = Gate::new();
    let deployment = Deployment::start_on(gate.clone(), &[("ADMIN_TOKEN", ADMIN_TOKEN)]).await;

    let metadata = json!({ "client_name": "Leaver", "redirect_uris": ["https://leaver.example/"] }).to_string();
    let request = Request::new("POST", "/register").header("Content-Type", "application/json").body(metadata);
    assert_eq!(left(&deployment, &gate, request).await, ("/register".to_owned(), 201));

    let client = deployment.client().await;
    let callback = format!("{}/callback", deployment.public_url());
    let mut browser = Browser::stopping_before(&callback);
    let consent = browser.visit(&client.authorization_url("some-state")).await;
    let approval = browser.submitting(&consent.form().with("decision", "approve"));
    assert_eq!(left(&deployment, &gate, approval).await, ("/authorize".to_owned(), 303));

    let login = browser.submit(&consent.form().with("decision", "approve")).await;
    let back = browser.submit(&login.form().with("email", EMAIL)).await;
    assert_eq!(left(&deployment, &gate, browser.opening(&back.url)).await, ("/callback".to_owned(), 303));

    let back = deployment.sign_in(&mut Browser::default(), &client, "another-state", EMAIL).await;
    let code = back.parameter("code").expect("a code");
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", &client.id),
        ("code", &code),
        ("redirect_uri", "https://client.example/callback"),
        ("code_verifier", VERIFIER),
    ];
    assert_eq!(left(&deployment, &gate, form("/token", &fields)).await, ("/token".to_owned(), 200));

    let tokens = deployment.tokens(&client, EMAIL).await;
    let fields = [("token", tokens.refresh.as_str()), ("client_id", &client.id)];
    assert_eq!(left(&deployment, &gate, form("/revoke", &fields)).await, ("/revoke".to_owned(), 200));
    assert_eq!(deployment.list_tools(&tokens.access).await.status, 401, "it is revoked");

    let tokens = deployment.tokens(&client, EMAIL).await;
    let request = Request::new("POST", "/admin/operator").header("Content-Type", "application/json");
    let request = request.bearer(ADMIN_TOKEN).body(json!({ "action": "revoke", "all": true }).to_string());
    assert_eq!(left(&deployment, &gate, request).await, ("/admin/operator".to_owned(), 200));
    assert_eq!(deployment.list_tools(&tokens.access).await.status, 401, "all are revoked");
}
