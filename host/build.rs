//! Has `component/compile` build the component, and the adapters for the feature `compose`, and leaves them in `OUT_DIR`
//! for `src/component.rs` and `src/compose.rs` to embed. With the feature `precompiled` the component's machine code too.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

#[cfg(feature = "precompiled")]
#[path = "build/ahead.rs"]
mod ahead;

fn main() -> Result<()> {
    let out = PathBuf::from(env::var("OUT_DIR").context("OUT_DIR is not set")?);
    let root = workspace_root()?;
    for watched in WATCHED {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=src/engine_configuration.rs");

    let adapters: &[&str] = if env::var_os("CARGO_FEATURE_COMPOSE").is_some() { &ADAPTERS } else { &[] };
    let folder = component_folder(&out)?;
    compile(&root, &folder, adapters)?;
    let built = folder.join("wasm32-wasip2/component");
    for adapter in adapters {
        let file = format!("plausible_mcp_adapter_{adapter}.wasm");
        copy(&built.join(file), &out.join(format!("adapter-{adapter}.wasm")))?;
    }
    let component = out.join("component.wasm");
    copy(&built.join("plausible_mcp_component.wasm"), &component)?;
    #[cfg(feature = "precompiled")]
    ahead::compile(&component, &out.join("component.cwasm"))?;
    Ok(())
}

fn workspace_root() -> Result<PathBuf> {
    let host = PathBuf::from(env::var("CARGO_MANIFEST_DIR").context("CARGO_MANIFEST_DIR is not set")?);
    let root = host.parent().context("the host crate has no parent folder")?;
    Ok(root.to_owned())
}

/// One folder for the component, whatever the profile of the host: it is the same component.
fn component_folder(out: &Path) -> Result<PathBuf> {
    let profile = out.ancestors().find(|folder| folder.ends_with("build")).and_then(Path::parent);
    let target = profile.and_then(Path::parent).context("OUT_DIR is not in a target folder")?;
    Ok(target.join("component"))
}

/// Runs the script in a target folder of its own: cargo, which waits for this build script, holds the lock of the other.
fn compile(root: &Path, folder: &Path, adapters: &[&str]) -> Result<()> {
    let mut command = Command::new(root.join("component/compile"));
    command.arg("--target-dir").arg(folder).args(adapters).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut script = command.spawn().context("cannot run component/compile; it needs a POSIX shell at /bin/sh")?;
    let messages = script.stderr.take().context("the script has a standard error")?;
    let said = Progress::begin().follow(&mut script, &lines(messages))?;
    let status = script.wait().context("cannot wait for component/compile")?;
    if status.success() {
        return Ok(());
    }
    // What cargo shows of a build script that failed is what it wrote: everything, and the reason last.
    eprintln!("{said}");
    let reason = said.lines().rev().find_map(|line| line.strip_prefix("error: ")).unwrap_or("its messages stand above");
    bail!("component/compile ended with {status}: {reason}")
}

fn lines(messages: ChildStderr) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(messages).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}

/// What the terminal is told meanwhile. cargo shows what a build script says when it has ended, which is minutes later
/// on a small machine, so this goes around cargo; without a terminal nothing is told.
struct Progress {
    terminal: Option<fs::File>,
    begun: Instant,
}

impl Progress {
    fn begin() -> Self {
        let terminal = OpenOptions::new().write(true).open("/dev/tty").ok();
        Self { terminal, begun: Instant::now() }
    }

    /// Returns all that the script said, once it has closed its standard error.
    fn follow(mut self, script: &mut Child, lines: &Receiver<String>) -> Result<String> {
        let (mut said, mut crates, mut last) = (String::new(), 0, Instant::now());
        loop {
            match lines.recv_timeout(PAUSE) {
                Ok(line) => {
                    crates += usize::from(line.trim_start().starts_with("Compiling "));
                    if line.starts_with("adding ") {
                        self.tell(&line);
                    }
                    said.push_str(&line);
                    said.push('\n');
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(said),
                // A grandchild that outlives the script may hold its standard error open.
                Err(RecvTimeoutError::Timeout) if script.try_wait()?.is_some() => return Ok(said),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if last.elapsed() >= PAUSE {
                last = Instant::now();
                let seconds = self.begun.elapsed().as_secs();
                self.tell(&format!("building the WebAssembly component: {crates} crates in {seconds} s"));
            }
        }
    }

    fn tell(&mut self, text: &str) {
        if let Some(terminal) = &mut self.terminal {
            // cargo's progress bar stands in the line, without an end: it is overwritten, and drawn anew below.
            let _ = write!(terminal, "\r\x1b[K    {text}\n");
        }
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = fs::copy(from, to);
    copied.with_context(|| format!("cannot copy {} to {}; is the disk full?", from.display(), to.display()))?;
    Ok(())
}

const ADAPTERS: [&str; 2] = ["spin", "wasi"];
/// How long the terminal is silent at most.
const PAUSE: Duration = Duration::from_secs(10);
/// What the components are made of, relative to the workspace.
const WATCHED: [&str; 9] = [
    "component/src",
    "component/build.rs",
    "component/compile",
    "component/Cargo.toml",
    "component/adapters",
    "wit",
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
];
