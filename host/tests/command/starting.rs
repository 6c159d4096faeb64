//! `plausible-mcp serve` while its neighbours are away: it starts, says so, serves what it can, and uses them without a
//! restart when they are back.

use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use plausible_mcp_tests::redis_process::RedisProcess;
use plausible_mcp_tests::sign_in::{Browser, Client, Mood, MoodyAccess, Tokens};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::folder::Folder;
use crate::process::{Process, post, request, run};
use crate::upstream;

/// A server, and where its operator asks it.
struct Served {
    process: Process,
    address: SocketAddr,
    admin: SocketAddr,
}

impl Served {
    /// Starts it at `address`, whatever is away.
    fn start(address: SocketAddr, environment: &[(&str, &str)]) -> Self {
        let arguments = ["serve", "--listen", &address.to_string(), "--admin", "127.0.0.1:0"];
        Self::of(Process::start(&arguments, environment))
    }

    fn of(mut process: Process) -> Self {
        let mut address_of = |event: &str| {
            process.wait_for(event, |text| {
                let line = text.lines().find(|line| line.contains(&format!("\"{event}\"")))?;
                serde_json::from_str::<Value>(line).ok()?["address"].as_str()?.parse().ok()
            })
        };
        let (admin, address) = (address_of("admin_listening"), address_of("listening"));
        Self { process, address, admin }
    }

    /// Status and body at a path of the operator's listener.
    fn report(&self, path: &str) -> (u16, Value) {
        let answer = request(self.admin, &format!("GET {path} HTTP/1.1"), "");
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        (status, serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}")))
    }

    /// Waits until a part is in a state for a cause.
    fn until(&mut self, part: &str, state: &str, cause: Option<&str>) {
        let end = Instant::now() + PATIENCE;
        loop {
            let (status, body) = self.report("/readyz");
            assert_eq!(status, 200, "no neighbour makes it unready: {body}");
            if body[part]["state"] == state && body[part]["cause"].as_str() == cause {
                return;
            }
            assert!(Instant::now() < end, "{part} is not {state} for {cause:?}: {body}\n{}", self.process.written());
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits until `/readyz/internal` is answered with this status.
    fn until_internal(&self, status: u16) {
        let end = Instant::now() + PATIENCE;
        while self.report("/readyz/internal").0 != status {
            let told = self.report("/readyz/internal").1;
            assert!(Instant::now() < end, "not {status}: {told}\n{}", self.process.written());
            std::thread::sleep(PAUSE);
        }
    }

    /// `/mcp` needs no neighbour but Plausible.
    fn serves_mcp(&self) {
        let answer = post(self.address, "some-plausible-key", &list());
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("get_breakdown"), "{answer}");
    }

    /// The lines of the log with this event.
    fn lines(&self, event: &str) -> Vec<Value> {
        let written = self.process.written();
        let lines = written.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["event"] == event).collect()
    }
}

fn list() -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" })
}

/// An address with a port that was free a moment ago.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    listener.local_addr().expect("a bound listener has an address")
}

/// Settings with which nobody signs in.
fn without_sign_in(base_url: &str) -> [(&str, &str); 2] {
    [("PLAUSIBLE_BASE_URL", base_url), ("MCP_ALLOWED_HOSTNAMES", "127.0.0.1")]
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_whatever_access_answers_and_signs_people_in_when_access_is_back() {
    let address = free_address();
    let access = MoodyAccess::start_for(address, Mood::Hangs).await;
    let base_url = upstream::start(upstream::one_row);
    for (mood, cause, status) in [
        (Mood::Hangs, "http_timed_out", None),
        (Mood::Status(500), "provider_server_error", Some(500)),
        (Mood::Status(429), "provider_too_many_requests", Some(429)),
        (Mood::Page, "provider_malformed_answer", None),
    ] {
        access.set(mood);
        let mut settings = access.settings();
        settings.extend([("PLAUSIBLE_BASE_URL", base_url.clone()), ("RATE_LIMIT_PER_MINUTE", "0".to_owned())]);
        let served = spawn_blocking(move || {
            let environment: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let mut served = Served::start(address, &environment);
            served.serves_mcp();
            assert_eq!(served.report("/readyz/internal").0, 503, "{}", served.process.written());
            served.until("sign_in", "away", Some(cause));
            assert_eq!(served.report("/readyz").1["sign_in"]["status"], json!(status));
            served.process.wait_for("finding", |text| {
                let is_finding = |line: &str| line.contains("\"event\":\"check\"") && line.contains("ACCESS_ISSUER");
                text.lines().any(is_finding).then_some(())
            });
            served
        });
        let served = served.await.expect("the server starts");
        let told = served.lines("part_fails");
        let told: Vec<_> = told.iter().filter(|line| line["part"] == "sign_in").collect();
        assert_eq!((told.len(), &told[0]["cause"]), (1, &json!(cause)), "one line says so: {told:?}");
        access.set(Mood::Well);
        let served = spawn_blocking(move || {
            served.until_internal(200);
            served
        });
        let served = served.await.expect("it is used again");
        if mood == Mood::Page {
            let client = Client::register(address, "none").await;
            let mut browser = Browser::default();
            let consent = browser.visit(&client.authorization_url("s")).await;
            let login = browser.submit(&consent.form().with("decision", "approve")).await;
            let back = browser.submit(&login.form().with("email", "ada@example.com")).await;
            let tokens = Tokens::of(&client.redeem(&back.parameter("code").expect("a code")).await);
            assert!(!tokens.access.is_empty());
        }
        served.process.terminate();
        let ended = spawn_blocking(move || {
            let mut served = served;
            (served.process.exit_code(), served.process.written())
        });
        let (code, written) = ended.await.expect("it ends");
        assert_eq!(code, Some(0), "{written}");
    }
}

#[test]
fn a_setting_that_is_wrong_refuses_to_start_while_neighbours_are_away() {
    let away = "http://127.0.0.1:1";
    let settings = [
        ("PLAUSIBLE_BASE_URL", away),
        ("PUBLIC_URL", "http://127.0.0.1:8080"),
        ("ACCESS_CLIENT_ID", "client"),
        ("ACCESS_CLIENT_SECRET", "secret-4711"),
        ("ACCESS_ISSUER", away),
        ("ALLOWED_EMAIL_DOMAIN", "example.com"),
        ("PLAUSIBLE_API_KEY", "some-plausible-key"),
        ("PLAUSIBLE_MCP_STORE", "redis://127.0.0.1:1"),
        ("COOKIE_ENCRYPTION_KEY", "not-a-key-4711"),
    ];
    let (code, text) = run(&["serve", "--listen", "127.0.0.1:0"], &settings);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("COOKIE_ENCRYPTION_KEY") && !text.contains("4711"), "{text}");
}

#[test]
fn a_plausible_that_is_away_is_told_and_found_again() {
    let address = free_address();
    let base_url = format!("http://{address}");
    let mut served = Served::start(free_address(), &without_sign_in(&base_url));
    served.serves_mcp();
    served.until("plausible", "away", Some("http_connect_failed"));
    upstream::start_at(address, upstream::one_row);
    served.until("plausible", "ok", None);
    assert_eq!(served.report("/readyz/internal").0, 404);
}

#[test]
fn a_file_that_another_process_holds_is_waited_for() {
    let folder = Folder::new("held");
    let (store, base_url) = (format!("file:{}", folder.file("records.redb")), upstream::start(upstream::one_row));
    let environment = [&without_sign_in(&base_url)[..], &[("PLAUSIBLE_MCP_STORE", store.as_str())]].concat();
    let mut holder = Served::start(free_address(), &environment);
    holder.until("store", "ok", None);
    let mut waiting = Served::start(free_address(), &environment);
    waiting.serves_mcp();
    waiting.until("store", "away", Some("store_in_use"));
    let told = waiting.lines("store_not_open");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0]["text"].as_str().is_some_and(|text| text.contains("in use by another process")), "{told:?}");
    holder.process.terminate();
    assert_eq!(holder.process.exit_code(), Some(0));
    waiting.until("store", "ok", None);
    assert_eq!(waiting.lines("store_opened").len(), 1);
}

#[test]
fn a_full_disk_does_not_keep_it_from_starting() {
    let folder = Folder::new("full");
    let base_url = upstream::start(upstream::one_row);
    let (disk, go) = (folder.file("disk"), folder.file("go"));
    std::fs::create_dir_all(&disk).unwrap();
    // A small file system of the process's own, which is full until the file `go` is there.
    let script = format!(
        "mount -t tmpfs -o size=16m tmpfs {disk} || exit 77; head -c 32m /dev/zero > {disk}/filler; \
         (for _ in $(seq 1800); do if [ -e {go} ]; then rm {disk}/filler; exit; fi; sleep 0.05; done) & exec \"$0\" \"$@\""
    );
    let unshared = |script: &str| {
        let mut command = Command::new("/usr/bin/unshare");
        command.args(["--map-root-user", "--mount", "/bin/sh", "-c", script]);
        command
    };
    let tried = unshared(&format!("mount -t tmpfs tmpfs {disk}")).stderr(Stdio::null()).status();
    if !tried.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this system lets nobody mount a file system of their own");
        return;
    }
    let mut command = unshared(&script);
    command.arg(env!("CARGO_BIN_EXE_plausible-mcp"));
    let listen = free_address().to_string();
    command.args(["serve", "--listen", &listen, "--admin", "127.0.0.1:0", "--store"]);
    command.arg(format!("file:{disk}/records.redb"));
    let mut served = Served::of(Process::start_command(command, &without_sign_in(&base_url)));
    served.serves_mcp();
    served.until("store", "away", Some("store_full"));
    assert_eq!(served.report("/readyz").1["disk"]["cause"], "disk_full");
    assert_eq!(served.report("/readyz").1["disk"]["is_enough"], false);
    std::fs::write(&go, "").unwrap();
    served.until("store", "ok", None);
    served.until("disk", "degraded", Some("disk_low"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_of_no_use_does_not_keep_it_from_starting() {
    let Some(server) = RedisProcess::start(&[]).await else { return };
    let base_url = upstream::start(upstream::one_row);
    let address = server.address().to_string();
    for (user, wrong, right, state, cause) in [
        ("", &["CONFIG", "SET", "maxmemory", "1"][..], &["CONFIG", "SET", "maxmemory", "0"][..], "ok", None),
        ("", &["REPLICAOF", "127.0.0.1", "1"], &["REPLICAOF", "NO", "ONE"], "away", Some("store_is_replica")),
        (
            "",
            &["CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru"],
            &["CONFIG", "SET", "maxmemory-policy", "noeviction"],
            "away",
            Some("store_evicts"),
        ),
        (
            "app:wr0ng@",
            &["ACL", "SETUSER", "app", "on", ">right", "~*", "+@all"],
            &["ACL", "SETUSER", "app", ">wr0ng"],
            "away",
            Some("store_sign_in"),
        ),
    ] {
        server.ask::<()>(wrong).await;
        let (location, base_url) = (format!("redis://{user}{address}"), base_url.clone());
        let served = spawn_blocking(move || {
            let store = [("PLAUSIBLE_MCP_STORE", location.as_str())];
            let environment = [&without_sign_in(&base_url)[..], &store].concat();
            let mut served = Served::start(free_address(), &environment);
            served.serves_mcp();
            served.until("store", state, cause);
            served
        });
        let mut served = served.await.unwrap_or_else(|error| panic!("{wrong:?}: {error}"));
        server.ask::<()>(right).await;
        let used = spawn_blocking(move || {
            served.until("store", "ok", None);
            served.process.written()
        });
        let written = used.await.unwrap_or_else(|error| panic!("{right:?}: {error}"));
        assert!(!written.contains("wr0ng"), "{written}");
    }
}

/// Longer than a debug build takes to find out on a busy machine, and than the pauses between two looks.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(25);
