//! The real Spin, where a `spin` binary is on the PATH.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};

use super::manifest::Manifest;
use super::serving::{MANIFEST, SpinOptions};

/// `spin up`. It ends when it is dropped.
pub struct RealSpin {
    address: SocketAddr,
    process: Child,
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
        for (name, value) in &options.settings {
            command.arg("--variable").arg(format!("{}={value}", name.to_ascii_lowercase()));
        }
        if let Some(file) = runtime_configuration(options) {
            command.arg("--runtime-config-file").arg(file);
        }
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("spin starts");
        let mut spin = RealSpin { address, process };
        spin.wait_until_it_listens().await;
        Some(spin)
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
        // A process that has ended already needs no end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("spin")).find(|file| file.is_file())
}

/// The repository's file with the paths of the files that are there.
fn manifest_in(state: &Path) -> PathBuf {
    let text = std::fs::read_to_string(MANIFEST).expect("spin.toml can be read");
    let manifest = Manifest::read(Path::new(MANIFEST)).expect("spin.toml is a manifest");
    let [core, adapter] = manifest.wasm_files().expect("spin.toml names two files");
    let text = text.replace(core, plausible_mcp_host::EMBEDDED_WASM_FILE);
    let text = text.replace(adapter, plausible_mcp_host::SPIN_ADAPTER_WASM_FILE);
    let file = state.join("spin.toml");
    std::fs::write(&file, text).expect("the state folder can be written to");
    file
}

fn runtime_configuration(options: &SpinOptions) -> Option<PathBuf> {
    if options.block_networks.is_empty() {
        return None;
    }
    let file = options.state.join("runtime-config.toml");
    let text = format!("[outbound_networking]\nblock_networks = {:?}\n", options.block_networks);
    std::fs::write(&file, text).expect("the state folder can be written to");
    Some(file)
}

/// Spin has to be told its port.
async fn free_address(wanted: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind(wanted).await.expect("an address of this machine");
    listener.local_addr().expect("a bound listener has an address")
}

/// Spin compiles the component at every start.
const START_TIME: Duration = Duration::from_secs(60);
