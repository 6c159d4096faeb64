//! Where a server is, and exchanges with it: in the clear on this machine, by TLS elsewhere.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::http_client::{Answer, Request, exchange_over};

/// Scheme, host and port of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    secure: bool,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of an absolute http or https URL.
    pub fn of(url: &str) -> Option<Self> {
        let (secure, rest) = match url.split_once("://")? {
            ("http", rest) => (false, rest),
            ("https", rest) => (true, rest),
            _ => return None,
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let has_port = authority.rfind(':') > authority.rfind(']');
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if has_port => (host, port.parse().ok()?),
            _ => (authority, default_port(secure)),
        };
        (!host.is_empty()).then(|| Origin { secure, host: host.to_owned(), port })
    }

    /// Host, and port unless it is the scheme's own: what stands in `Host`.
    pub fn authority(&self) -> String {
        let Origin { secure, host, port } = self;
        if *port == default_port(*secure) { host.clone() } else { format!("{host}:{port}") }
    }

    /// Whether the server is on this machine.
    pub fn is_loopback(&self) -> bool {
        let bare = self.host.trim_matches(['[', ']']);
        bare == "localhost" || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }

    /// Sends a request, whose `Host` is this origin's unless it has one, and reads the answer; `None` when the server
    /// closed the connection without one.
    pub async fn send(&self, request: &Request) -> io::Result<Option<Answer>> {
        let bytes = request.clone().header_if_missing("Host", &self.authority()).to_bytes();
        let stream = TcpStream::connect((self.host.trim_matches(['[', ']']), self.port)).await?;
        if !self.secure {
            return exchange_over(stream, bytes).await;
        }
        let name = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
        exchange_over(connector()?.connect(name, stream).await?, bytes).await
    }
}

impl From<SocketAddr> for Origin {
    fn from(address: SocketAddr) -> Self {
        let host = match address.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        Origin { secure: false, host, port: address.port() }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}://{}", if self.secure { "https" } else { "http" }, self.authority())
    }
}

fn connector() -> io::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let configuration = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(configuration)))
}

fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_read_and_written() {
        for (url, text, authority) in [
            ("https://a.example/x?y", "https://a.example", "a.example"),
            ("https://a.example:8443", "https://a.example:8443", "a.example:8443"),
            ("http://[::1]:80/x", "http://[::1]", "[::1]"),
            ("http://[::1]:81?x", "http://[::1]:81", "[::1]:81"),
            ("http://127.0.0.1:3000#x", "http://127.0.0.1:3000", "127.0.0.1:3000"),
        ] {
            let origin = Origin::of(url).expect("an origin");
            assert_eq!((origin.to_string().as_str(), origin.authority().as_str()), (text, authority));
        }
        for none in ["a.example", "ftp://a.example", "https://", "http://a:x"] {
            assert_eq!(Origin::of(none), None, "{none}");
        }
    }

    #[test]
    fn loopback_is_known_by_name_and_by_address() {
        for (url, loopback) in [
            ("http://localhost:1", true),
            ("http://[::1]:1", true),
            ("http://127.9.9.9", true),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(Origin::of(url).expect("an origin").is_loopback(), loopback, "{url}");
        }
    }
}
