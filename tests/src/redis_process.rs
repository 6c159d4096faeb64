//! A Redis or Valkey of a test's own: a process on a free loopback port, with a folder of its own.
//!
//! Which one is taken: the program that `REDIS_SERVER` names, else `redis-server` or `valkey-server` on the `PATH`.
//! Where there is none, a test says that it is skipped, or fails if `REDIS_TESTS` is `required`.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use plausible_mcp_host::RedisServer;
use redis::FromRedisValue;
use tokio::time::{Instant, sleep};

/// A running server. It is killed, and its folder removed, when it is dropped.
pub struct RedisProcess {
    child: Child,
    program: PathBuf,
    folder: PathBuf,
    address: SocketAddr,
    arguments: Vec<String>,
}

impl Drop for RedisProcess {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl RedisProcess {
    /// Starts a server that keeps nothing on disk unless `arguments` say otherwise. `None`: there is no such program.
    pub async fn start(arguments: &[&str]) -> Option<Self> {
        let program = program()?;
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("plausible-mcp-redis-{}-{number}", std::process::id()));
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        // Somebody else may take the port before the server does.
        for _ in 0..ATTEMPTS {
            std::fs::create_dir_all(&folder).expect("a temporary folder");
            let address = free_address();
            let child = spawn(&program, &folder, address, &arguments);
            let (program, folder, arguments) = (program.clone(), folder.clone(), arguments.clone());
            let mut server = Self { child, program, folder, address, arguments };
            if server.is_up().await {
                return Some(server);
            }
        }
        panic!("{} does not start with {arguments:?}", program.display());
    }

    /// Ends the server at once, as a power failure does.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts the server again at the same address with the same folder, and waits until it answers, if only that it
    /// is loading.
    pub async fn restart(&mut self) {
        self.kill();
        self.child = spawn(&self.program, &self.folder, self.address, &self.arguments);
        assert!(self.is_up().await, "the server does not start again: {}", log_in(&self.folder));
    }

    /// Sends the process a signal, as `STOP`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the server keeps its files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The server as the host knows it.
    pub fn server(&self) -> RedisServer {
        server_at(self.address)
    }

    /// Asks the server directly.
    pub async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_ask(words).await.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// The same where it may refuse.
    pub async fn try_ask<T: FromRedisValue>(&self, words: &[&str]) -> Result<T, redis::RedisError> {
        let client = redis::Client::open(format!("redis://{}", self.address)).expect("an address");
        let mut connection = client.get_multiplexed_async_connection().await?;
        let (name, arguments) = words.split_first().expect("a command has a name");
        redis::cmd(name).arg(arguments).query_async(&mut connection).await
    }

    /// Waits until an answer is as expected.
    pub async fn until<T: FromRedisValue>(&self, words: &[&str], expected: impl Fn(&T) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !self.try_ask(words).await.is_ok_and(|answer| expected(&answer)) {
            assert!(Instant::now() < end, "{words:?} is not answered as expected: {}", log_in(&self.folder));
            sleep(PAUSE).await;
        }
    }

    async fn is_up(&mut self) -> bool {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.try_ask::<String>(&["PING"]).await {
                Ok(_) => return true,
                Err(error) if error.code().is_some() => return true,
                Err(_) => {}
            }
            if self.child.try_wait().expect("the process can be asked").is_some() || Instant::now() > end {
                return false;
            }
            sleep(PAUSE).await;
        }
    }
}

/// The server at `address` as the host knows it, without TLS and password.
pub fn server_at(address: SocketAddr) -> RedisServer {
    RedisServer::new(format!("redis://{address}").parse().expect("an address"), None).expect("no TLS is needed")
}

/// An address with a port that was free a moment ago.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    listener.local_addr().expect("a bound listener has an address")
}

fn spawn(program: &Path, folder: &Path, address: SocketAddr, arguments: &[String]) -> Child {
    Command::new(program)
        .args(["--bind", "127.0.0.1", "--port", &address.port().to_string(), "--save", "", "--loglevel", "warning"])
        .args(["--logfile", "log", "--repl-diskless-sync-delay", "0", "--dir"])
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}

fn log_in(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default()
}

fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("REDIS_SERVER") {
        return Some(PathBuf::from(named));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .flat_map(|folder| [folder.join("redis-server"), folder.join("valkey-server")])
        .find(|program| program.is_file());
    if found.is_none() {
        let required = std::env::var_os("REDIS_TESTS").is_some_and(|wish| wish == "required");
        assert!(!required, "redis-server is not on the PATH, and REDIS_TESTS says that it must be");
        eprintln!("skipped: redis-server is not on the PATH; install it, or name it in REDIS_SERVER");
    }
    found
}

const ATTEMPTS: u32 = 5;
/// Longer than a server takes to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);
