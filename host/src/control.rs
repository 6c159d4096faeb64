//! The control socket: a Unix socket through which the operator's commands ask a running server. Records in memory or
//! in a file are open to the process that serves and to nobody else, so `grants` has to ask it.
//!
//! ```text
//! grants -> client::ask  -> socket -> connection::serve -> Host::{check, list_grants, revoke}
//! backup -> client::copy ---------------^------------------> the store in its file
//! ```
//! It speaks HTTP/1.1: `POST /operator` with the JSON of `operator::json`, and `POST /backup`, of which `copy` tells. Who may open the socket file may do
//! everything: the file belongs to the user that runs the server, mode 0600, and there is no further credential.

mod client;
mod connection;
mod copy;
mod socket_file;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::host::Host;
pub(crate) use client::{AskError, ask, copy as copy_of};
use socket_file::SocketFile;

/// A control socket that is in place. Dropping it removes the file.
pub(crate) struct ControlSocket {
    listener: UnixListener,
    file: SocketFile,
}

/// Why there is no control socket. The texts say what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ControlError {
    /// A running server answers at the path.
    Taken(PathBuf),
    /// Something that is no socket is at the path; it is left alone.
    NotASocket(PathBuf),
    /// The socket cannot be made; path and cause.
    Unusable(PathBuf, String),
}

impl std::fmt::Display for ControlError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Taken(path) => write!(
                out,
                "another server uses the control socket {}; stop it or choose another path with --control",
                path.display()
            ),
            Self::NotASocket(path) => write!(
                out,
                "{} is not a socket and is left as it is; choose another path with --control",
                path.display()
            ),
            Self::Unusable(path, cause) => write!(out, "no control socket at {}: {cause}", path.display()),
        }
    }
}

impl std::error::Error for ControlError {}

impl ControlSocket {
    /// Opens the socket at `path`; a file of a server that is no longer there is replaced.
    ///
    /// # Errors
    /// When anything else is at the path, or no socket can be made there.
    pub(crate) fn bind(path: &Path) -> Result<Self, ControlError> {
        let (listener, file) = socket_file::create(path)?;
        let listener = listener.set_nonblocking(true).and_then(|()| UnixListener::from_std(listener));
        let listener = listener.map_err(|error| ControlError::Unusable(path.to_owned(), error.to_string()))?;
        Ok(Self { listener, file })
    }

    /// Answers with `host` until `shutdown` is ready. Then the file is removed at once, so that a successor can take
    /// the path, and questions under way finish within `Limits::drain_time`.
    pub(crate) async fn run(self, host: Host, shutdown: impl Future<Output = ()>) {
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                accepted = accept(&self.listener, &slots) => accepted,
            };
            let Some((stream, slot)) = accepted else { continue };
            let host = host.clone();
            tokio::spawn(async move {
                connection::serve(host, stream).await;
                drop(slot);
            });
        }
        drop(self.file);
        let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
        // Whatever is not done by then is given up with the process.
        let _ = tokio::time::timeout(host.limits().drain_time, slots.acquire_many(all)).await;
    }
}

/// `plausible-mcp.sock` in the user's runtime folder, which no other user can enter; none where there is no such folder.
pub(crate) fn default_path() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR")?);
    // XDG Base Directory Specification: a relative path is to be ignored.
    folder.is_absolute().then(|| folder.join("plausible-mcp.sock"))
}

async fn accept(listener: &UnixListener, slots: &Arc<Semaphore>) -> Option<(UnixStream, OwnedSemaphorePermit)> {
    let slot = slots.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, slot)),
        Err(error) => {
            tracing::warn!(event = "control_accept_failed", cause = %error, "a connection was not accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// One operator asks one question at a time. Each may hold an instance, of which the engine keeps a few more for the
/// operator than requests can take.
const CONNECTIONS: usize = 4;
/// Out of file descriptors: some connection has to end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests;
