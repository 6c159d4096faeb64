//! The real Spin, where a `spin` binary is on the PATH.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use plausible_mcp_host::embedded_component;
use tokio::net::TcpStream;

use super::artefacts;
use super::manifest::Manifest;
use super::serving::{MANIFEST, SpinOptions, bind};

/// `spin up`. It ends when it is dropped.
pub struct RealSpin {
    address: SocketAddr,
    process: Child,
    state: PathBuf,
}

impl RealSpin {
    /// Starts what `spin.toml` describes with the files that were built for the stand-in. `None` where there is no
    /// `spin` to start.
    pub async fn start(options: &SpinOptions) -> Option<Self> {
        let program = program()?;
        let address = free_address(options.listen).await;
        let manifest = manifest_in(&options.state);
        let mut command = Command::new(program);
        command.args(["up", "--quiet", "--listen", &address.to_string()]);
        command.arg("--from").arg(manifest).arg("--state-dir").arg(&options.state);
        command.arg("--log-dir").arg(options.state.join("logs"));
        for (name, value) in &options.settings {
            command.arg("--variable").arg(format!("{}={value}", name.to_ascii_lowercase()));
        }
        if let Some(file) = runtime_configuration(options) {
            command.arg("--runtime-config-file").arg(file);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
        let process = command.spawn().expect("spin starts");
        let mut spin = RealSpin { address, process, state: options.state.clone() };
        spin.wait_until_it_listens().await;
        Some(spin)
    }

    /// Whether there is a `spin` to start.
    pub fn is_there() -> bool {
        program().is_some()
    }

    /// What the component has written to standard output and error.
    pub fn output(&self) -> String {
        let logs = self.state.join("logs");
        let files = ["plausible-mcp_stdout.txt", "plausible-mcp_stderr.txt"];
        files.map(|file| std::fs::read_to_string(logs.join(file)).unwrap_or_default()).concat()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    async fn wait_until_it_listens(&mut self) {
        let start = Instant::now();
        while TcpStream::connect(self.address).await.is_err() {
            let ended = self.process.try_wait().expect("the process is ours");
            assert!(ended.is_none(), "spin ended: {ended:?}");
            assert!(start.elapsed() < START_TIME, "spin does not listen");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for RealSpin {
    fn drop(&mut self) {
        // What listens is a child of the process that was started. A group that has ended already needs no end.
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.process.id())]).status();
        let _ = self.process.wait();
    }
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("spin")).find(|file| file.is_file())
}

/// The repository's file, beside the files that it then names.
fn manifest_in(state: &Path) -> PathBuf {
    let text = std::fs::read_to_string(MANIFEST).expect("spin.toml can be read");
    let manifest = Manifest::read(Path::new(MANIFEST)).expect("spin.toml is a manifest");
    let [core, adapter] = manifest.wasm_files().expect("spin.toml names two files");
    write(state, "core.wasm", embedded_component());
    write(state, "adapter.wasm", artefacts::adapter());
    write(state, "spin.toml", text.replace(core, "core.wasm").replace(adapter, "adapter.wasm").as_bytes())
}

fn runtime_configuration(options: &SpinOptions) -> Option<PathBuf> {
    if options.block_networks.is_empty() {
        return None;
    }
    let text = format!("[outbound_networking]\nblock_networks = {:?}\n", options.block_networks);
    Some(write(&options.state, "runtime-config.toml", text.as_bytes()))
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, bytes).expect("the state folder can be written to");
    file
}

/// Spin has to be told its port.
async fn free_address(wanted: SocketAddr) -> SocketAddr {
    let listener = bind(wanted).await.expect("an address of this machine");
    listener.local_addr().expect("a bound listener has an address")
}

/// Spin compiles the component at every start.
const START_TIME: Duration = Duration::from_secs(60);
