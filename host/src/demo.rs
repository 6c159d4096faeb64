//! Everything on this machine and without accounts: a simulated Plausible, a simulated Cloudflare Access, and a host
//! that is set up for them.

pub mod access;
mod announcement;
pub mod plausible;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::host::{HostBuilder, HostError};
use crate::outbound_http::HttpPolicy;
use crate::server::{self, Server, ServerError};
use crate::settings::Settings;
use access::{Application, SimulatedAccess};
pub use announcement::announcement;
use plausible::{DEMO_KEY, DEMO_SITE, SimulatedPlausible};

/// A demonstration that is ready to run. Dropping it ends the simulation.
pub struct Demo {
    server: Server,
    plausible: SocketAddr,
    access: SocketAddr,
    upstreams: [JoinHandle<std::io::Result<()>>; 2],
}

/// Why the demonstration cannot start.
#[derive(Debug, PartialEq, Eq)]
pub enum DemoError {
    /// A simulation cannot start; the cause.
    Simulation(String),
    /// The host cannot start.
    Host(HostError),
    /// The server cannot listen.
    Server(ServerError),
}

impl std::fmt::Display for DemoError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Simulation(cause) => write!(out, "a simulation cannot start: {cause}"),
            Self::Host(error) => error.fmt(out),
            Self::Server(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for DemoError {}

impl Demo {
    /// Listens on `listen` for MCP and on free loopback ports for the simulations. Settings and policy of `host` are
    /// replaced by those of the demonstration.
    ///
    /// # Errors
    /// When an address is taken or the host cannot start.
    pub async fn start(listen: SocketAddr, host: HostBuilder) -> Result<Self, DemoError> {
        let failed = |error: std::io::Error| DemoError::Simulation(error.to_string());
        let plausible_listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let plausible = plausible_listener.local_addr().map_err(failed)?;
        let upstream = tokio::spawn(SimulatedPlausible::new().serve(plausible_listener));
        let access_listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let access = access_listener.local_addr().map_err(failed)?;
        // The host has to know its port, which is known once it is taken.
        let (listener, address) = server::listen(listen).await.map_err(DemoError::Server)?;
        let simulated = simulated_access(access, address).await?;
        let settings = settings(address, plausible, &simulated);
        let provider = tokio::spawn(Arc::new(simulated).serve(access_listener));
        let policy = HttpPolicy::for_listener(&settings, address.ip());
        let host = host.settings(settings).http_policy(policy).build().await.map_err(DemoError::Host)?;
        let server = Server::over((listener, address), host);
        Ok(Self { server, plausible, access, upstreams: [upstream, provider] })
    }

    /// The address of the server.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The address of the simulated Plausible.
    pub fn plausible(&self) -> SocketAddr {
        self.plausible
    }

    /// The address of the simulated Access.
    pub fn access(&self) -> SocketAddr {
        self.access
    }

    /// Answers until `shutdown` is ready and requests in flight have finished.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        self.server.run(shutdown).await;
        self.upstreams.iter().for_each(JoinHandle::abort);
    }
}

/// Making keys takes a moment of computing, so it happens on a thread of its own.
async fn simulated_access(access: SocketAddr, address: SocketAddr) -> Result<SimulatedAccess, DemoError> {
    let application = Application {
        client_id: "demo-plausible-mcp".to_owned(),
        client_secret: base16ct::lower::encode_string(&access::random_bytes()),
        redirect_uri: format!("{}/callback", public_url(address)),
    };
    let made = tokio::task::spawn_blocking(move || SimulatedAccess::new(format!("http://{access}"), application)).await;
    match made {
        Ok(made) => made.map_err(|error| DemoError::Simulation(error.to_string())),
        Err(error) => Err(DemoError::Simulation(error.to_string())),
    }
}

fn settings(address: SocketAddr, plausible: SocketAddr, access: &SimulatedAccess) -> Settings {
    let application = access.application();
    let mut pairs = vec![
        ("PUBLIC_URL", public_url(address)),
        ("MCP_ALLOWED_HOSTNAMES", "localhost,127.0.0.1,[::1]".to_owned()),
        ("PLAUSIBLE_BASE_URL", format!("http://{plausible}")),
        ("PLAUSIBLE_DEFAULT_SITE_ID", DEMO_SITE.to_owned()),
        ("RATE_LIMIT_PER_MINUTE", "6000".to_owned()),
        ("PLAUSIBLE_API_KEY", DEMO_KEY.to_owned()),
        ("ALLOWED_EMAIL_DOMAIN", "example.com".to_owned()),
        ("ACCESS_CLIENT_ID", application.client_id.clone()),
        ("ACCESS_CLIENT_SECRET", application.client_secret.clone()),
        ("ACCESS_ISSUER", access.issuer()),
        ("COOKIE_ENCRYPTION_KEY", base16ct::lower::encode_string(&access::random_bytes())),
    ];
    if address.ip().is_loopback() {
        pairs.push(("ALLOW_LOOPBACK_CLIENT_METADATA", "true".to_owned()));
    }
    Settings::from_pairs(pairs).expect("the demonstration names settings that there are")
}

/// How a browser on this machine reaches the server: http is for loopback only, whatever else it listens on.
fn public_url(address: SocketAddr) -> String {
    let ip = if address.ip().is_loopback() { address.ip() } else { IpAddr::V4(Ipv4Addr::LOCALHOST) };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}
