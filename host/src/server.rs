//! Listens on a socket, keeps clients within their limits, and drains when it is told to stop.
//!
//! ```text
//! accept -> HTTP/1.1 or HTTP/2 by the first bytes -> requests -> Host::handle
//! ```
//! TLS ends at a proxy in front.

mod arriving;
mod bare_answers;
mod connection;
mod http2_streams;
mod places;
mod timed_stream;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::host::Host;
use connection::Connection;
use places::{Place, Places};

/// A host behind a listening socket.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    host: Host,
}

/// Why a server cannot listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerError {
    /// Another process listens there.
    AddressTaken(SocketAddr),
    /// The address cannot be listened on; the cause.
    Listen(SocketAddr, String),
}

impl std::fmt::Display for ServerError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AddressTaken(address) => {
                write!(out, "{address} is in use by another process; choose another address with --listen")
            }
            Self::Listen(address, cause) => write!(out, "cannot listen on {address}: {cause}"),
        }
    }
}

impl std::error::Error for ServerError {}

impl Server {
    /// Listens on `address` (port 0: any free one). Connections are answered once `run` is called.
    ///
    /// # Errors
    /// When the address is taken or not this machine's.
    pub async fn bind(address: SocketAddr, host: Host) -> Result<Self, ServerError> {
        let (listener, address) = listen(address).await?;
        Ok(Self { listener, address, host })
    }

    /// The same with a listener from [`listen`], for a host that has to know its address before it is made.
    pub fn over((listener, address): (TcpListener, SocketAddr), host: Host) -> Self {
        Self { listener, address, host }
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until `shutdown` is ready. Then no connection is accepted any more, requests in flight finish
    /// within `Limits::drain_time`, and it returns: `true` if all of them did.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> bool {
        self.host.set_listening();
        let places = Places::new(self.host.limits().connections, self.host.metrics().clone());
        let (stop, stopping) = watch::channel(());
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                accepted = accept_in(&self.listener, &places) => accepted,
            };
            let Some((stream, peer, place)) = accepted else { continue };
            let connection = Connection { host: self.host.clone(), peer: peer.ip(), activity: place.activity() };
            let stopping = stopping.clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = connection.serve(stream, stopping) => {}
                    () = place.displaced() => {}
                }
            });
        }
        self.host.set_draining();
        drop(self.listener);
        drop(stop);
        drain(&self.host, &places).await
    }
}

/// A listener on `address` (port 0: any free one), and where it listens. Connections wait until a [`Server`] has it.
///
/// # Errors
/// When the address is taken or not this machine's.
pub async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServerError> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AddrInUse => ServerError::AddressTaken(address),
        _ => ServerError::Listen(address, error.to_string()),
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// One connection, and a place for it. `None` when the system cannot give one now.
async fn accept_in(listener: &TcpListener, places: &Places) -> Option<(TcpStream, SocketAddr, Place)> {
    let (stream, peer) = accept(listener).await?;
    Some((stream, peer, places.take().await))
}

/// One connection. `None` when the system cannot give one now.
pub(crate) async fn accept(listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Answers are written whole; waiting for more to send would only delay them.
            let _ = stream.set_nodelay(true);
            Some((stream, peer))
        }
        Err(error) => {
            tracing::warn!(event = "accept_failed", cause = %error, "no connection was accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Waits for the connections, then for what the component still does after its answers.
async fn drain(host: &Host, places: &Places) -> bool {
    let limits = host.limits();
    let end = Instant::now() + limits.drain_time;
    let closed = tokio::time::timeout(limits.drain_time, places.all_free()).await.is_ok();
    let drained = closed && host.drained(end.saturating_duration_since(Instant::now())).await;
    if !drained {
        tracing::warn!(event = "drain_ended", "requests were still in flight when the time to drain was over");
    }
    drained
}

/// Out of file descriptors: some connection has to end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests;
