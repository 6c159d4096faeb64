//! A Redis or Valkey server: where it is, a connection to it, and what its refusals mean. What is kept there is the
//! business of the store ([`crate::oauth_store`]) and of the limiter ([`crate::rate_limit`]), which share one server.
//!
//! The client library is `redis`, for the protocol and for sign-in alone. Sockets and TLS are opened here, so that TLS
//! trusts what the HTTP client trusts, and a connection is closed at once when it is dropped.

mod address;
mod connection;
mod fault;

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::outbound_http::{OutboundError, client_tls};
pub use address::{RedisAddress, RedisAddressError};
pub(crate) use connection::{Connection, Script, text_of};
pub(crate) use fault::{EVICTS, Fault};

/// A server and how to reach it. Clones are the same server.
#[derive(Clone)]
pub struct RedisServer(Arc<Target>);

struct Target {
    address: RedisAddress,
    tls: Option<TlsConnector>,
}

impl RedisServer {
    /// The server at `address`; nothing is sent yet. `rediss://` trusts the system's certificate authorities and those
    /// in the PEM file `extra_ca_file`.
    ///
    /// # Errors
    /// When TLS is asked for and cannot be set up.
    pub fn new(address: RedisAddress, extra_ca_file: Option<&str>) -> Result<Self, OutboundError> {
        let tls = match address.is_encrypted() {
            true => Some(TlsConnector::from(Arc::new(client_tls(extra_ca_file)?))),
            false => None,
        };
        Ok(Self(Arc::new(Target { address, tls })))
    }

    /// Where it is.
    pub fn address(&self) -> &RedisAddress {
        &self.0.address
    }

    /// A new connection, signed in, that has answered once.
    pub(crate) async fn connect(&self) -> Result<Connection, Fault> {
        let connected = tokio::time::timeout(CONNECT_TIME, self.open()).await;
        connected.unwrap_or_else(|_| Err(Fault::Unreachable("no connection in time".to_owned())))
    }

    async fn open(&self) -> Result<Connection, Fault> {
        let Target { address, tls } = self.0.as_ref();
        let socket = TcpStream::connect((address.host(), address.port())).await.map_err(unreachable)?;
        socket.set_nodelay(true).map_err(unreachable)?;
        let Some(tls) = tls else { return Connection::open(address.sign_in(), socket).await };
        let name = ServerName::try_from(address.host().to_owned()).map_err(unreachable)?;
        let stream = tls.connect(name, socket).await.map_err(unreachable)?;
        Connection::open(address.sign_in(), stream).await
    }
}

fn unreachable(cause: impl std::fmt::Display) -> Fault {
    Fault::Unreachable(cause.to_string())
}

/// Name, socket, TLS and sign-in are four to six round trips: enough between continents.
const CONNECT_TIME: Duration = Duration::from_secs(1);
