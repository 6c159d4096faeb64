//! `plausible-mcp grants` against the grants of people who signed in at a running `plausible-mcp serve`.

use std::net::{SocketAddr, TcpListener};

use plausible_mcp_tests::http_client::{self, Request};
use plausible_mcp_tests::mcp_request::modern;
use plausible_mcp_tests::sign_in::{Access, Browser, Client, Tokens};
use serde_json::{Value, json};

use crate::folder::Folder;
use crate::process::{Process, run};
use crate::upstream;

/// A server with a control socket, and the provider at which people sign in to it.
pub(crate) struct Served {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) folder: Folder,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    _access: Access,
}

impl Served {
    async fn start(name: &str) -> Self {
        Self::with_store(name, |_| "memory".to_owned()).await
    }

    /// A server with the store that is said of its folder.
    pub(crate) async fn with_store(name: &str, store: impl FnOnce(&Folder) -> String) -> Self {
        let (folder, address) = (Folder::new(name), free_address());
        let access = Access::start_for(address).await;
        let base_url = upstream::start(upstream::one_row);
        let mut settings = access.settings();
        settings.extend([("PLAUSIBLE_BASE_URL", base_url), ("RATE_LIMIT_PER_MINUTE", "0".to_owned())]);
        let environment: Vec<_> = settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let (listen, socket, store) = (address.to_string(), folder.file("socket"), store(&folder));
        let arguments = ["serve", "--store", &store, "--listen", &listen, "--control", &socket];
        let arguments = arguments.map(str::to_owned).to_vec();
        let process = listening(arguments.clone(), environment.clone()).await;
        Served { process, address, folder, arguments, environment, _access: access }
    }

    /// Starts the server again, which has been stopped.
    pub(crate) async fn start_again(&mut self) {
        self.process = listening(self.arguments.clone(), self.environment.clone()).await;
    }

    /// Stops the server.
    pub(crate) async fn stop(&mut self) {
        self.process.terminate();
        tokio::task::block_in_place(|| assert_eq!(self.process.exit_code(), Some(0), "{}", self.process.written()));
    }

    /// Signs somebody in for a client of theirs.
    pub(crate) async fn sign_in(&self, client: &Client, email: &str) -> Tokens {
        let mut browser = Browser::default();
        let consent = browser.visit(&client.authorization_url("s")).await;
        let login = browser.submit(&consent.form().with("decision", "approve")).await;
        let back = browser.submit(&login.form().with("email", email)).await;
        Tokens::of(&client.redeem(&back.parameter("code").expect("a code")).await)
    }

    pub(crate) async fn status(&self, tokens: &Tokens) -> u16 {
        let request = modern("tools/list", json!({})).path("/internal").bearer(&tokens.access);
        let request: Request = request.header("Host", &self.address.to_string());
        http_client::send(self.address, &request).await.expect("it is reached").expect("it answers").status
    }

    /// Runs `plausible-mcp grants`: exit code and what it wrote.
    pub(crate) async fn grants(&self, action: &[&str]) -> (Option<i32>, String) {
        let socket = self.folder.file("socket");
        command(&[&["grants"], action, &["--control", &socket]].concat()).await
    }
}

/// Runs `plausible-mcp` while this thread is left to the provider: exit code and what it wrote.
pub(crate) async fn command(arguments: &[&str]) -> (Option<i32>, String) {
    let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let ran = tokio::task::spawn_blocking(move || run(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), &[]));
    ran.await.expect("the command ends")
}

/// A process that listens. It asks the provider before it does, so the waiting must leave this thread to the provider.
async fn listening(arguments: Vec<String>, environment: Vec<(String, String)>) -> Process {
    let process = tokio::task::spawn_blocking(move || {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let environment: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut process = Process::start(&arguments, &environment);
        process.wait_for("listener", |text| text.contains("\"listening\"").then_some(()));
        process
    });
    process.await.expect("the server listens")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_lists_and_ends_grants_from_the_command_line() {
    let mut served = Served::start("operate").await;
    assert_eq!(served.grants(&["list"]).await, (Some(0), "no grants\n".to_owned()));
    let client = Client::register(served.address, "none").await;
    let (ada, bob) = (served.sign_in(&client, ADA).await, served.sign_in(&client, BOB).await);

    let (code, listed) = served.grants(&["list"]).await;
    let lines: Vec<_> = listed.lines().collect();
    assert_eq!((code, lines.len(), lines.last()), (Some(0), 4, Some(&"2 grants")), "{listed}");
    assert!(lines[0].starts_with("CLIENT") && lines[1].starts_with("Scenario") && lines[2].starts_with("Scenario"));
    let users = [lines[1], lines[2]].map(|line| line.rsplit(' ').next().expect("a user id").to_owned());
    let is_id = |user: &String| user.len() == 64 && user.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(lines[0].ends_with("USER") && users.iter().all(is_id) && users[0] != users[1], "{listed}");
    let (code, of_ada) = served.grants(&["list", "--user", "ADA@Example.com"]).await;
    assert!(code == Some(0) && of_ada.ends_with("\n1 grant\n"), "{of_ada}");
    let hers: Vec<_> = users.iter().filter(|user| of_ada.contains(user.as_str())).collect();
    assert_eq!((served.status(&ada).await, hers.len()), (200, 1), "{of_ada}");
    served
        .process
        .wait_for("her id in the log", |text| text.contains(&format!("\"user\":\"{}\"", hers[0])).then_some(()));
    assert_eq!(served.grants(&["list", "--user", "eve@example.com"]).await, (Some(0), "no grants\n".to_owned()));
    let (code, text) = served.grants(&["list", "--json"]).await;
    let rows: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, rows.len()), (Some(0), 2), "{text}");
    let times = |row: &Value| ["created", "last_issued", "expires"].map(|name| row[name].as_u64().expect("a time"));
    for row in &rows {
        let [created, last_issued, expires] = times(row);
        assert!(row["client"] == "Scenario" && created <= last_issued && expires == created + 24 * 3600, "{row}");
        assert!(users.iter().any(|user| row["user"] == **user), "{row}");
    }

    let (code, ended) = served.grants(&["revoke", "--user", ADA]).await;
    assert!(code == Some(0) && ended.starts_with("1 grant ended\n") && ended.contains("DENIED_EMAILS"), "{ended}");
    served.process.wait_for("the audit", |text| {
        let told = text.lines().find(|line| line.contains("\"event\":\"grants_revoked\""))?;
        (told.contains(hers[0].as_str()) && told.contains("\"revoked\":1")).then_some(())
    });
    assert_eq!((served.status(&ada).await, served.status(&bob).await), (401, 200), "hers ends at once, his does not");
    assert_ne!(client.refresh(&ada.refresh).await.status, 200);
    assert_eq!(served.grants(&["revoke", "--all"]).await, (Some(0), "1 grant ended\n".to_owned()));
    assert_eq!(served.status(&bob).await, 401);
    assert_eq!(served.grants(&["list"]).await, (Some(0), "no grants\n".to_owned()));

    for text in [&listed, &of_ada, &text, &ended, &served.process.written()] {
        assert!(!text.to_lowercase().contains("ada@") && !text.to_lowercase().contains("bob@"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_address_finds_nobody_and_ends_nothing() {
    let served = Served::start("slips").await;
    let client = Client::register(served.address, "none").await;
    let ada = served.sign_in(&client, ADA).await;
    for action in [&["revoke", "--user", "ada"][..], &["list", "--user", "ada"]] {
        let (code, text) = served.grants(action).await;
        assert!(code == Some(1) && text.contains("not an e-mail address"), "{text}");
    }
    for action in [&["revoke"][..], &["revoke", "--all", "--user", ADA], &["revoke", "everybody"], &["list", "--all"]] {
        assert_eq!(served.grants(action).await.0, Some(2), "{action:?}");
    }
    let (code, text) = served.grants(&["revoke", "--user", "eve@example.com"]).await;
    assert!(code == Some(0) && text.starts_with("no grants ended\n"), "{text}");
    assert_eq!(served.status(&ada).await, 200);
}

/// An address with a port that was free a moment ago: `PUBLIC_URL` has to name the port before the process takes it.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    listener.local_addr().expect("a bound listener has an address")
}

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";
