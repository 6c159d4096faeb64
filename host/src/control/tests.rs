//! The socket on paths of its own, and its answers over a real connection.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::component::code_cache_of_tests;
use crate::operator::json::{GrantsAnswer, Question};
use crate::settings::Settings;

/// A folder that goes with the test. Every user can write to it, as to `/tmp`.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("pmcp-control-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn only_the_owner_may_use_it_and_nothing_else_is_left() {
    let folder = Folder::new();
    let socket = ControlSocket::bind(&folder.socket()).unwrap();
    assert_eq!(std::fs::metadata(folder.socket()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(folder.names(), ["control.sock"]);
    drop(socket);
    assert_eq!(folder.names(), [""; 0]);
}

#[tokio::test]
async fn a_path_in_use_is_taken_and_stays_in_use() {
    let folder = Folder::new();
    let first = ControlSocket::bind(&folder.socket()).unwrap();
    assert_eq!(ControlSocket::bind(&folder.socket()).err(), Some(ControlError::Taken(folder.socket())));
    assert!(UnixStream::connect(folder.socket()).await.is_ok());
    assert_eq!(folder.names(), ["control.sock"]);
    drop(first);
}

#[tokio::test]
async fn a_socket_that_nobody_listens_behind_is_replaced() {
    let folder = Folder::new();
    drop(std::os::unix::net::UnixListener::bind(folder.socket()).unwrap());
    let _socket = ControlSocket::bind(&folder.socket()).unwrap();
    assert!(UnixStream::connect(folder.socket()).await.is_ok());
}

#[tokio::test]
async fn what_is_no_socket_is_left_alone() {
    let folder = Folder::new();
    std::fs::write(folder.socket(), "mine").unwrap();
    assert_eq!(ControlSocket::bind(&folder.socket()).err(), Some(ControlError::NotASocket(folder.socket())));
    assert_eq!(std::fs::read_to_string(folder.socket()).unwrap(), "mine");
    std::fs::remove_file(folder.socket()).unwrap();
    std::os::unix::fs::symlink("/nowhere", folder.socket()).unwrap();
    assert_eq!(ControlSocket::bind(&folder.socket()).err(), Some(ControlError::NotASocket(folder.socket())));
}

#[tokio::test]
async fn a_successors_file_is_not_removed() {
    let folder = Folder::new();
    let first = ControlSocket::bind(&folder.socket()).unwrap();
    std::fs::remove_file(folder.socket()).unwrap();
    let _second = ControlSocket::bind(&folder.socket()).unwrap();
    let number = std::fs::metadata(folder.socket()).unwrap().ino();
    drop(first);
    assert_eq!(std::fs::metadata(folder.socket()).unwrap().ino(), number);
}

#[tokio::test]
async fn a_path_that_cannot_be_used_is_named() {
    for path in [PathBuf::from("/nowhere/control.sock"), std::env::temp_dir().join("x".repeat(200))] {
        let error = ControlSocket::bind(&path).err().unwrap();
        assert!(matches!(&error, ControlError::Unusable(named, _) if *named == path), "{error}");
    }
}

async fn start(path: &Path) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let settings = Settings::from_pairs([("MCP_ALLOWED_HOSTNAMES", "localhost")]).unwrap();
    let host = Host::builder()
        .code_cache(code_cache_of_tests())
        .settings(settings)
        .log(Arc::new(|_| {}))
        .build()
        .await
        .unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let socket = ControlSocket::bind(path).unwrap();
    let running = tokio::spawn(socket.run(host, async move { drop(stopped.await) }));
    (stop, running)
}

async fn exchange(path: &Path, head: &str, body: &str) -> String {
    let mut stream = UnixStream::connect(path).await.unwrap();
    let request = format!("{head} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn questions_are_answered_and_everything_else_is_refused() {
    let folder = Folder::new();
    let (stop, running) = start(&folder.socket()).await;
    let large = format!(r#"{{"action":"list-grants","user":"{}"}}"#, "x".repeat(connection::BODY_BYTES));
    for (head, body, status, part) in [
        ("POST /operator", r#"{"action":"check"}"#, "200", r#""findings":[{"level":"#),
        ("POST /operator", r#"{"action":"list-grants"}"#, "409", r#""error":"not-configured""#),
        ("POST /operator", r#"{"action":"revoke","all":true}"#, "409", r#""error":"not-configured""#),
        ("POST /operator", r#"{"action":"revoke"}"#, "400", r#""error":"invalid-argument""#),
        ("POST /operator", &large, "413", r#""error":"invalid-body""#),
        ("GET /operator", "", "405", "allow: POST"),
        ("POST /", "{}", "404", r#""error":"not-found""#),
    ] {
        let answer = exchange(&folder.socket(), head, body).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(part), "{head}: {answer}");
    }
    stop.send(()).unwrap();
    running.await.unwrap();
    assert_eq!(folder.names(), [""; 0], "the file goes with the server");
}

#[tokio::test]
async fn who_asks_is_told_why_there_is_no_answer() {
    let folder = Folder::new();
    let question = Question::ListGrants { user: None, cursor: None };
    let error = ask::<GrantsAnswer>(&folder.socket(), &question).await.err();
    assert_eq!(error, Some(AskError::NoServer(folder.socket())));
    let _running = start(&folder.socket()).await;
    let error = ask::<GrantsAnswer>(&folder.socket(), &question).await.err();
    assert!(matches!(&error, Some(AskError::Refused(text)) if text.starts_with("Sign-in is not set up")), "{error:?}");
}
