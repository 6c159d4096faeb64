//! A host that is a program of its own.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Running;
use crate::http_client::{self, Request};

/// The running program. It is killed when it is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts `command`, which will listen on `listen`, with its output in a file of the folder `state`, and waits
    /// until it answers.
    ///
    /// # Errors
    /// With its output, when it cannot be started, ends, or does not answer in time.
    pub async fn start(mut command: Command, listen: SocketAddr, state: &Path) -> Result<Self, String> {
        let log = state.join("log.txt");
        let file = File::options().create(true).append(true).open(&log).map_err(|error| error.to_string())?;
        let copy = file.try_clone().map_err(|error| error.to_string())?;
        command.stdin(Stdio::null()).stdout(file).stderr(copy);
        let child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        let mut program = Program { child, log };
        match program.answers(listen).await {
            true => Ok(program),
            false => Err(format!("it does not answer at {listen}:\n{}", program.log())),
        }
    }

    /// The memory that it takes, in bytes; `None` where the system does not tell.
    pub fn resident_bytes(&self) -> Option<usize> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kibibytes: usize = resident.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kibibytes << 10)
    }

    async fn answers(&mut self, listen: SocketAddr) -> bool {
        let end = Instant::now() + START;
        while Instant::now() < end && matches!(self.child.try_wait(), Ok(None)) {
            let answer = http_client::send(listen, &Request::new("GET", "/healthz")).await;
            if matches!(answer, Ok(Some(answer)) if answer.status == 200) {
                return true;
            }
            tokio::time::sleep(POLL).await;
        }
        false
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running for Program {
    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// A host may compile the component first, on a busy machine.
const START: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(50);
