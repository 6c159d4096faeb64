//! A running `plausible-mcp` and what it writes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A process. It is killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Receiver<String>,
    written: Arc<Mutex<String>>,
    errors: Arc<Mutex<String>>,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// Starts the command with these arguments and no other environment than this. Records are kept in memory, what is
    /// compiled in a folder of the tests, and `serve` stops when it is told to, unless the environment or the arguments
    /// say otherwise.
    pub(crate) fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(COMMAND);
        command.args(arguments);
        Self::start_command(command, environment)
    }

    /// The same, where a file that cannot grow any more is an error and not the end of the process.
    pub(crate) fn start_on_a_disk_that_fills(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", COMMAND]).args(arguments);
        Self::start_command(command, environment)
    }

    /// From now on no file of the process grows, as on a full disk.
    pub(crate) fn fill_disk(&self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let none = rustix::process::Rlimit { current: Some(0), maximum: None };
        rustix::process::prlimit(pid, rustix::process::Resource::Fsize, none).expect("a limit can be lowered");
    }

    /// The same with a command that starts it.
    pub(crate) fn start_command(mut command: Command, environment: &[(&str, &str)]) -> Self {
        let mut child = command
            .env_clear()
            .env("PLAUSIBLE_MCP_STORE", "memory")
            .env("PLAUSIBLE_MCP_DRAIN", "0")
            .env("XDG_CACHE_HOME", concat!(env!("OUT_DIR"), "/cache"))
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let written = Arc::new(Mutex::new(String::new()));
        let (sender, stdout) = channel();
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let copy = Arc::clone(&written);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                append(&copy, &line);
                let _ = sender.send(line);
            }
        });
        let lines = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
        let copy = Arc::clone(&written);
        let errors = Arc::new(Mutex::new(String::new()));
        let errors_alone = Arc::clone(&errors);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                append(&errors_alone, &line);
                append(&copy, &line);
            }
        });
        let stdin = child.stdin.take();
        Process { child, stdin, stdout, written, errors }
    }

    /// What was written to stderr so far.
    pub(crate) fn errors(&self) -> String {
        self.errors.lock().expect("no holder of this lock panics").clone()
    }

    /// Everything that was written to stdout and stderr so far.
    pub(crate) fn written(&self) -> String {
        self.written.lock().expect("no holder of this lock panics").clone()
    }

    /// Waits until `found` finds something in what was written.
    pub(crate) fn wait_for<T>(&mut self, what: &str, found: impl Fn(&str) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(value) = found(&self.written()) {
                return value;
            }
            let ended = self.child.try_wait().expect("the process can be asked");
            assert!(ended.is_none() && Instant::now() < end, "no {what} ({ended:?}): {}", self.written());
            thread::sleep(PAUSE);
        }
    }

    /// Waits for the first loopback address that the process writes and that answers.
    pub(crate) fn address(&mut self) -> SocketAddr {
        self.wait_for("address", |text| loopback_addresses(text).into_iter().find(|at| healthy(*at)))
    }

    /// Writes a line to the process.
    pub(crate) fn write_line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).expect("the process reads");
    }

    /// The next line on stdout.
    pub(crate) fn read_line(&self) -> String {
        self.stdout.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("no line ({error}): {}", self.written()))
    }

    /// Whether a line comes within a moment.
    pub(crate) fn is_silent(&self) -> bool {
        self.stdout.recv_timeout(Duration::from_millis(300)).is_err()
    }

    /// Ends the process's input.
    pub(crate) fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Asks the process to stop.
    pub(crate) fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
    }

    /// Waits for the end; the exit code.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the process can be asked") {
                return status.code();
            }
            assert!(Instant::now() < end, "still running: {}", self.written());
            thread::sleep(PAUSE);
        }
    }
}

/// Runs the command to its end: exit code, and what it wrote.
pub(crate) fn run(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut process = Process::start(arguments, environment);
    process.close_input();
    let code = process.exit_code();
    // The readers end with the process; give them the time to pass on what is left.
    thread::sleep(PAUSE * 4);
    (code, process.written())
}

/// Sends an HTTP/1.1 request; status line, headers and body as text.
pub(crate) fn request(address: SocketAddr, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the server is reached");
    let length = body.len();
    write!(stream, "{head}\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
        .expect("the server reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the server answers");
    answer
}

/// A JSON-RPC message to `/mcp` with a key.
pub(crate) fn post(address: SocketAddr, key: &str, message: &serde_json::Value) -> String {
    let head = format!("POST /mcp HTTP/1.1\r\nContent-Type: application/json\r\nAuthorization: Bearer {key}");
    request(address, &head, &message.to_string())
}

fn append(written: &Mutex<String>, line: &str) {
    let mut written = written.lock().expect("no holder of this lock panics");
    written.push_str(line);
    written.push('\n');
}

fn loopback_addresses(text: &str) -> Vec<SocketAddr> {
    let after = text.split("127.0.0.1:").skip(1);
    let ports = after.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
    ports.filter_map(|port| port.parse().ok()).map(|port: u16| SocketAddr::from(([127, 0, 0, 1], port))).collect()
}

fn healthy(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_ok() && request(address, "GET /healthz HTTP/1.1", "").starts_with("HTTP/1.1 200")
}

const COMMAND: &str = env!("CARGO_BIN_EXE_plausible-mcp");

/// Longer than a debug build takes to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(25);
