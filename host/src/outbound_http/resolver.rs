//! Name resolution for `public-internet`: whatever a name resolves to is checked, and the connector is given the
//! checked addresses and nothing else. A second look-up between check and connection does not happen.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

use super::address::is_global;

/// Resolves by the system and refuses a name of which any address is not global.
#[derive(Debug, Clone, Copy)]
pub(super) struct PublicResolver;

/// Why a name gave no addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResolveError {
    /// There is no such name, or no resolver.
    NotResolved,
    /// One of its addresses is not global.
    AddressRefused,
}

impl std::fmt::Display for ResolveError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::NotResolved => "the name does not resolve",
            Self::AddressRefused => "the name resolves to an address that is not public",
        })
    }
}

impl std::error::Error for ResolveError {}

impl Service<Name> for PublicResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = ResolveError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ResolveError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ResolveError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let addresses: Vec<_> = found.map_err(|_| ResolveError::NotResolved)?.collect();
            checked(addresses).map(Vec::into_iter)
        })
    }
}

/// A connector takes an address in a URL as it is, without asking the resolver; so it is checked here, before.
/// `true` for names.
pub(super) fn literal_is_public(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().map_or(true, is_global)
}

fn checked(addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, ResolveError> {
    if addresses.is_empty() {
        return Err(ResolveError::NotResolved);
    }
    if addresses.iter().all(|address| is_global(address.ip())) {
        return Ok(addresses);
    }
    Err(ResolveError::AddressRefused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect()
    }

    #[test]
    fn one_private_address_spoils_the_name() {
        assert!(checked(addresses(&["1.1.1.1", "2606:4700::1111"])).is_ok());
        assert_eq!(checked(addresses(&["1.1.1.1", "10.0.0.1"])), Err(ResolveError::AddressRefused));
        assert_eq!(checked(addresses(&[])), Err(ResolveError::NotResolved));
    }

    #[test]
    fn addresses_in_the_url_are_checked_too() {
        for (url, public) in [
            ("https://example.org/", true),
            ("https://1.1.1.1/", true),
            ("https://127.0.0.1:8443/", false),
            ("https://[::1]/", false),
            ("https://[::ffff:10.0.0.1]/", false),
            ("https://[2606:4700::1111]/", true),
        ] {
            assert_eq!(literal_is_public(&url.parse().unwrap()), public, "{url}");
        }
    }

    #[tokio::test]
    async fn loopback_by_name_or_by_odd_notation_is_refused() {
        for name in ["localhost", "2130706433", "0x7f.1", "127.1"] {
            let found = PublicResolver.call(name.parse().unwrap()).await;
            assert!(found.is_err(), "{name}");
        }
    }
}
