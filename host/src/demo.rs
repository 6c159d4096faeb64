//! Everything on this machine and without accounts: a simulated Plausible and a host that is set up for it.

mod announcement;
pub mod plausible;

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::host::{Host, HostError, HostOptions};
use crate::server::{Server, ServerError};
use crate::settings::Settings;
pub use announcement::announcement;
use plausible::{DEMO_SITE, SimulatedPlausible};

/// A demonstration that is ready to run. Dropping it ends the simulation.
pub struct Demo {
    server: Server,
    plausible: SocketAddr,
    upstream: JoinHandle<std::io::Result<()>>,
}

/// Why the demonstration cannot start.
#[derive(Debug, PartialEq, Eq)]
pub enum DemoError {
    /// The simulated Plausible cannot listen; the cause.
    Simulation(String),
    /// The host cannot start.
    Host(HostError),
    /// The server cannot listen.
    Server(ServerError),
}

impl std::fmt::Display for DemoError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Simulation(cause) => write!(out, "the simulated Plausible cannot listen: {cause}"),
            Self::Host(error) => error.fmt(out),
            Self::Server(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for DemoError {}

impl Demo {
    /// Listens on `listen` for MCP and on a free loopback port for the simulated Plausible.
    ///
    /// # Errors
    /// When an address is taken or the host cannot start.
    pub async fn start(listen: SocketAddr) -> Result<Self, DemoError> {
        let failed = |error: std::io::Error| DemoError::Simulation(error.to_string());
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let plausible = listener.local_addr().map_err(failed)?;
        let upstream = tokio::spawn(SimulatedPlausible::new().serve(listener));
        // The port is known only once it is taken, and the host has to know it: hence a server without connections.
        let address = free_address(listen).await.map_err(DemoError::Server)?;
        let host = Host::new(HostOptions::new(settings(address, plausible))).await.map_err(DemoError::Host)?;
        let server = Server::bind(address, host).await.map_err(DemoError::Server)?;
        Ok(Self { server, plausible, upstream })
    }

    /// The address of the server.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The address of the simulated Plausible.
    pub fn plausible(&self) -> SocketAddr {
        self.plausible
    }

    /// Answers until `shutdown` is ready and requests in flight have finished.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        self.server.run(shutdown).await;
        self.upstream.abort();
    }
}

/// `listen` with a port: its own, or a free one where it is 0.
async fn free_address(listen: SocketAddr) -> Result<SocketAddr, ServerError> {
    if listen.port() != 0 {
        return Ok(listen);
    }
    let failed = |error: std::io::Error| ServerError::Listen(listen, error.to_string());
    TcpListener::bind(listen).await.and_then(|listener| listener.local_addr()).map_err(failed)
}

fn settings(address: SocketAddr, plausible: SocketAddr) -> Settings {
    Settings::from_pairs([
        ("PUBLIC_URL", format!("http://{address}")),
        ("MCP_ALLOWED_HOSTNAMES", "localhost,127.0.0.1,[::1]".to_owned()),
        ("PLAUSIBLE_BASE_URL", format!("http://{plausible}")),
        ("PLAUSIBLE_DEFAULT_SITE_ID", DEMO_SITE.to_owned()),
        ("RATE_LIMIT_PER_MINUTE", "6000".to_owned()),
    ])
}
