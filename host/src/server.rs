//! Listens on a socket, keeps clients within their limits, and drains when it is told to stop.
//!
//! ```text
//! accept -> HTTP/1.1 or HTTP/2 by the first bytes -> requests -> Host::handle
//!
//! listening ── leave ──> leaving ── stop ──> stopping ── all answered, or time over ──> gone
//! ```
//! Leaving, it serves as before, is not ready, and asks clients to connect anew. Stopping, it takes the connections that
//! wait in the listener's queue, closes the listener, answers what has arrived or is on its way, closes its half of each
//! connection, and gives the client a moment to close the other.
//!
//! TLS ends at a proxy in front.

mod arriving;
mod bare_answers;
mod connection;
mod departure;
mod http2_streams;
pub(crate) mod places;
pub(crate) mod timed_stream;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::host::Host;
use connection::Connection;
use places::{Place, Places};

/// A connection, and where it comes from.
type Client = (TcpStream, SocketAddr);

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

    /// Answers requests until `shutdown` is ready. Then no connection is accepted any more but those that wait already,
    /// requests that are in flight or on their way finish within `Limits::drain_time`, and it returns: `true` if all of
    /// them did.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> bool {
        self.run_in_steps(shutdown, std::future::ready(())).await
    }

    /// The same in two steps, for a server that is one of several behind a proxy. When `leave` is ready, the host is not
    /// [ready](Host::ready) any more, and nothing else changes but that answers over HTTP/1.1 ask their clients to
    /// connect anew: the proxy has time to find out, and kept connections come to an end. `stop` is asked from then on;
    /// when it is ready, the server stops.
    pub async fn run_in_steps(self, leave: impl Future<Output = ()>, stop: impl Future<Output = ()>) -> bool {
        let Self { listener, host, .. } = self;
        host.set_listening();
        let places = Places::new(host.limits().connections, host.metrics().clone());
        let (sign, stopping) = watch::channel(());
        let told = async {
            leave.await;
            host.set_draining();
            stop.await;
        };
        let waiting = serve_until(told, &listener, &host, &places, &stopping).await;
        let queue = queue_of(listener);
        drop(sign);
        let answering = async {
            for client in waiting.into_iter().chain(queue) {
                if let Some(place) = places.take_free().await {
                    begin(&host, client, place, &stopping);
                }
            }
            places.all_free().await;
        };
        drain(&host, answering).await
    }
}

/// A listener on `address` (port 0: any free one), and where it listens. Connections wait until a [`Server`] has it.
///
/// # Errors
/// When the address is taken or not this machine's.
pub async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServerError> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::AddrInUse => ServerError::AddressTaken(address),
        _ => ServerError::Listen(address, error.to_string()),
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Serves whoever connects until `told` is ready; the client that has a connection then and no place for it.
async fn serve_until(
    told: impl Future<Output = ()>,
    listener: &TcpListener,
    host: &Host,
    places: &Places,
    stopping: &watch::Receiver<()>,
) -> Option<Client> {
    let mut told = std::pin::pin!(told);
    let mut waiting = None;
    loop {
        let place = tokio::select! {
            biased;
            () = &mut told => return waiting,
            place = place_for_next(&mut waiting, listener, places) => place,
        };
        if let Some(client) = waiting.take() {
            begin(host, client, place, stopping);
        }
    }
}

/// A place for the client in `waiting`, who is the next one to connect if nobody is there. Whoever is there stays when
/// this is dropped.
async fn place_for_next(waiting: &mut Option<Client>, listener: &TcpListener, places: &Places) -> Place {
    while waiting.is_none() {
        *waiting = accept(listener).await;
    }
    places.take().await
}

/// Serves a client for as long as it has its place.
fn begin(host: &Host, (stream, peer): Client, place: Place, stopping: &watch::Receiver<()>) {
    let connection = Connection { host: host.clone(), peer: peer.ip(), activity: place.activity() };
    let stopping = stopping.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = connection.serve(stream, stopping) => {}
            () = place.displaced() => {}
        }
    });
}

/// The connections that the system has made and nobody has accepted. Then nobody can connect any more.
fn queue_of(listener: TcpListener) -> Vec<Client> {
    let mut queue = Vec::new();
    // The system is asked, not the runtime, which may not know of the last of them.
    let accepted = listener.into_std().and_then(|listener| {
        loop {
            match listener.accept() {
                Ok((stream, peer)) => {
                    stream.set_nonblocking(true)?;
                    queue.push((without_delay(TcpStream::from_std(stream)?), peer));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                // That client has left.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
    });
    if let Err(error) = accepted {
        tracing::warn!(event = "accept_failed", cause = %error, "connections that waited were not accepted");
    }
    queue
}

/// One connection. `None` when the system cannot give one now.
pub(crate) async fn accept(listener: &TcpListener) -> Option<Client> {
    match listener.accept().await {
        Ok((stream, peer)) => Some((without_delay(stream), peer)),
        Err(error) => {
            tracing::warn!(event = "accept_failed", cause = %error, "no connection was accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Answers are written whole; waiting for more to send would only delay them.
fn without_delay(stream: TcpStream) -> TcpStream {
    let _ = stream.set_nodelay(true);
    stream
}

/// Waits for the connections to be answered, then for what the component still does after its answers.
async fn drain(host: &Host, answering: impl Future<Output = ()>) -> bool {
    let limits = host.limits();
    let end = Instant::now() + limits.drain_time;
    let closed = tokio::time::timeout(limits.drain_time, answering).await.is_ok();
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
