//! Name resolution for `public-internet`: whatever a name resolves to is checked, and the connector is given the
//! checked addresses and nothing else. A second look-up between check and connection does not happen.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::dns::Name;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tower_service::Service;

use super::address::is_global;

/// Which addresses count as the public internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum PublicAddresses {
    /// Global ones.
    #[default]
    Global,
    /// Global ones and those of this machine's loopback interface.
    GlobalAndLoopback,
}

/// Resolves by the system and refuses a name of which any address is not public.
#[derive(Debug, Clone, Copy)]
pub(super) struct PublicResolver(pub(super) PublicAddresses);

/// Why a name gave no addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResolveError {
    /// There is no such name, or no resolver.
    NotResolved,
    /// One of its addresses is not public.
    AddressRefused,
    /// As many names as may be are being looked up.
    Busy,
}

impl std::fmt::Display for ResolveError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::NotResolved => "the name does not resolve",
            Self::AddressRefused => "the name resolves to an address that is not public",
            Self::Busy => "too many names are being looked up",
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
        let public = self.0;
        Box::pin(async move {
            if is_invalid(name.as_str()) {
                return Err(ResolveError::NotResolved);
            }
            public.checked(look_up(name.as_str().to_owned(), &LOOKUPS).await?).map(Vec::into_iter)
        })
    }
}

/// What the system resolves `name` to. A look-up cannot be given up: where nobody waits for it any more it goes on, on a
/// thread of the pool that files need too, until the system's own time is over. So it keeps its place until then.
async fn look_up(name: String, places: &'static Semaphore) -> Result<Vec<SocketAddr>, ResolveError> {
    let Ok(place) = places.try_acquire() else { return Err(ResolveError::Busy) };
    let found = spawn_blocking(move || {
        let found = (name.as_str(), 0).to_socket_addrs();
        drop(place);
        found
    });
    // Of the system's error nobody can make more than that, and a thread ends early only with the process.
    let Ok(Ok(found)) = found.await else { return Err(ResolveError::NotResolved) };
    Ok(found.collect())
}

/// Invariant: a name that never answers holds at most these threads, whatever becomes of those who asked for it.
static LOOKUPS: Semaphore = Semaphore::const_new(LOOKUPS_AT_A_TIME);
/// Twice as many as wait for one at a time by default; the pool has 512 threads.
const LOOKUPS_AT_A_TIME: usize = 32;

/// Names under `invalid` never resolve, and a resolver "SHOULD always return immediate negative responses" (RFC 6761,
/// section 6.4). The component asks for one to learn whether this host checks addresses.
pub(super) fn is_invalid(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("invalid"))
}

impl PublicAddresses {
    /// A connector takes an address in a URL as it is, without asking the resolver; so it is checked here, before.
    /// `true` for names.
    pub(super) fn admit_literal(self, uri: &Uri) -> bool {
        let host = uri.host().unwrap_or_default();
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        bare.parse().map_or(true, |address| self.admit(address))
    }

    fn checked(self, addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, ResolveError> {
        if addresses.is_empty() {
            return Err(ResolveError::NotResolved);
        }
        if addresses.iter().all(|address| self.admit(address.ip())) {
            return Ok(addresses);
        }
        Err(ResolveError::AddressRefused)
    }

    fn admit(self, address: IpAddr) -> bool {
        is_global(address) || (self == Self::GlobalAndLoopback && address.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::PublicAddresses::{Global, GlobalAndLoopback};
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect()
    }

    #[test]
    fn one_private_address_spoils_the_name() {
        for public in [Global, GlobalAndLoopback] {
            assert!(public.checked(addresses(&["1.1.1.1", "2606:4700::1111"])).is_ok());
            let mixed = public.checked(addresses(&["1.1.1.1", "10.0.0.1"]));
            assert_eq!(mixed, Err(ResolveError::AddressRefused), "S44");
            assert_eq!(public.checked(addresses(&[])), Err(ResolveError::NotResolved));
        }
    }

    #[test]
    fn addresses_in_the_url_are_checked_too() {
        for (url, global, or_loopback) in [
            ("https://example.org/", true, true),
            ("https://1.1.1.1/", true, true),
            ("https://[2606:4700::1111]/", true, true),
            ("https://127.0.0.1:8443/", false, true),
            ("https://127.255.255.254/", false, true),
            ("https://[::1]/", false, true),
            ("https://[::ffff:127.0.0.1]/", false, false),
            ("https://[::ffff:10.0.0.1]/", false, false),
            ("https://0.0.0.0/", false, false),
            ("https://10.0.0.1/", false, false),
            ("https://169.254.169.254/", false, false),
        ] {
            let uri = url.parse().unwrap();
            assert_eq!(Global.admit_literal(&uri), global, "{url}");
            assert_eq!(GlobalAndLoopback.admit_literal(&uri), or_loopback, "{url}");
        }
    }

    #[test]
    fn loopback_is_admitted_where_it_is_switched_on_and_brings_no_other_address_in() {
        for (found, or_loopback) in [
            (&["127.0.0.1", "::1"][..], true),
            (&["127.0.0.1", "1.1.1.1"], true),
            (&["127.0.0.1", "10.0.0.1"], false),
            (&["::1", "fe80::1"], false),
            (&["192.168.0.1"], false),
        ] {
            assert_eq!(Global.checked(addresses(found)), Err(ResolveError::AddressRefused), "{found:?}");
            assert_eq!(GlobalAndLoopback.checked(addresses(found)).is_ok(), or_loopback, "{found:?}");
        }
    }

    #[tokio::test]
    async fn names_that_never_resolve_are_not_looked_up() {
        for name in ["invalid", "plausible-mcp.invalid", "A.INVALID."] {
            assert!(is_invalid(name), "{name}");
            let found = PublicResolver(Global).call(name.parse().unwrap()).await;
            assert_eq!(found.err(), Some(ResolveError::NotResolved), "{name}");
        }
        assert!(!is_invalid("invalid.example") && !is_invalid("notinvalid"));
    }

    #[tokio::test]
    async fn look_ups_beyond_their_number_are_refused_at_once() {
        static ONE: Semaphore = Semaphore::const_new(1);
        let held = ONE.acquire().await.unwrap();
        assert_eq!(look_up("localhost".to_owned(), &ONE).await, Err(ResolveError::Busy));
        drop(held);
        assert!(look_up("localhost".to_owned(), &ONE).await.is_ok());
        assert_eq!(ONE.available_permits(), 1);
    }

    #[tokio::test]
    async fn loopback_by_name_or_by_odd_notation_is_refused() {
        for name in ["localhost", "2130706433", "0x7f.1", "127.1"] {
            let found = PublicResolver(Global).call(name.parse().unwrap()).await;
            assert!(found.is_err(), "S47 {name}: what a name stands for counts, not its spelling");
        }
        assert!(PublicResolver(GlobalAndLoopback).call("localhost".parse().unwrap()).await.is_ok());
    }
}
