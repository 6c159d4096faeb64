//! The two buckets of every request: one by address, before anything is read or asked, and one by identity.

use std::net::{IpAddr, Ipv6Addr};

use super::request::Request;
use super::response::Refusal;
use crate::config::{ClientIp, Config};
use crate::ports::{Decision, Quota, RateLimit};

/// The buckets of a request.
pub struct Limits<'a, L> {
    limiter: &'a L,
    per_minute: Option<u32>,
    address_key: String,
}

impl<'a, L: RateLimit> Limits<'a, L> {
    /// The buckets of `request`.
    pub fn new(limiter: &'a L, config: &Config, request: &Request) -> Self {
        let address = client_address(request, &config.client_ip);
        Limits { limiter, per_minute: config.rate_limit_per_minute, address_key: format!("address/{address}") }
    }

    /// Takes one from the bucket of the address.
    pub async fn address(&self) -> Result<(), Refusal> {
        self.take(&self.address_key, ADDRESS_FACTOR, 1, "address_limit").await
    }

    /// Makes refused credentials dear: a 401 or 403 costs ten.
    pub async fn charge_for(&self, status: u16) {
        if matches!(status, 401 | 403) {
            // Whether the rest fits does not matter: the request is refused already.
            let _ = self.take(&self.address_key, ADDRESS_FACTOR, REFUSED_CREDENTIAL_COST - 1, "address_limit").await;
        }
    }

    /// Takes one from a bucket of the address that is for one purpose alone.
    pub async fn purpose(&self, purpose: &'static str, per_minute: u32) -> Result<(), u32> {
        if self.per_minute.is_none() {
            return Ok(());
        }
        let quota = Quota { limit: per_minute, window_seconds: 60 };
        match self.limiter.check(&format!("{purpose}/{}", self.address_key), quota, 1).await {
            Decision::Allowed { .. } => Ok(()),
            Decision::Denied { retry_after } => Err(retry_after),
        }
    }

    /// Takes from the bucket of a verified identity.
    pub async fn identity(&self, identity: &str, cost: u32) -> Result<(), Refusal> {
        self.take(&format!("identity/{identity}"), 1, cost, "identity_limit").await
    }

    async fn take(&self, key: &str, factor: u32, cost: u32, reason: &'static str) -> Result<(), Refusal> {
        let Some(per_minute) = self.per_minute else { return Ok(()) };
        let quota = Quota { limit: per_minute.saturating_mul(factor), window_seconds: 60 };
        match self.limiter.check(key, quota, cost).await {
            Decision::Allowed { .. } => Ok(()),
            Decision::Denied { retry_after } => Err(Refusal::too_many_requests(retry_after, reason)),
        }
    }
}

/// The client's address as a key: IPv4 whole, IPv6 by its /64, which one subscriber has to himself.
fn client_address(request: &Request, client_ip: &ClientIp) -> String {
    let text = match &client_ip.header {
        Some(header) => forwarded(request, header, client_ip.hops),
        None => request.headers.values(HOST_ADDRESS_HEADER).last(),
    };
    match text.as_deref().and_then(address) {
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let mut octets = address.octets();
            octets.iter_mut().skip(8).for_each(|octet| *octet = 0);
            format!("{}/64", Ipv6Addr::from(octets))
        }
        None => "unknown".to_owned(),
    }
}

/// The element of the last line of `header` that the outermost trusted proxy wrote. What stands left of it is hearsay.
fn forwarded(request: &Request, header: &str, hops: usize) -> Option<String> {
    let line = request.headers.values(header).last()?;
    line.rsplit(',').nth(hops.checked_sub(1)?).map(|element| element.trim().to_owned())
}

/// An address, with or without a port, in brackets or not; an IPv4 address inside IPv6 is IPv4.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(text, |(inside, _)| inside);
    let parsed = bare.parse::<IpAddr>().ok();
    let address = parsed.or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip()))?;
    Some(address.to_canonical())
}

/// Where our host writes the peer's address, after removing what the peer sent under that name.
const HOST_ADDRESS_HEADER: &str = "plausible-mcp-client-addr";

/// Many people can share one address.
const ADDRESS_FACTOR: u32 = 10;

/// What a request with a refused credential costs its address.
const REFUSED_CREDENTIAL_COST: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::request::Headers;

    #[track_caller]
    fn check(headers: &[(&str, &str)], header: Option<&str>, hops: usize, expected: &str) {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        let request = Request { headers: Headers(headers), ..Request::default() };
        let client_ip = ClientIp { header: header.map(str::to_owned), hops };
        assert_eq!(client_address(&request, &client_ip), expected);
    }

    #[test]
    fn the_address_is_the_hosts_or_the_trusted_proxys() {
        check(&[("plausible-mcp-client-addr", "203.0.113.9")], None, 1, "203.0.113.9");
        check(&[("plausible-mcp-client-addr", "203.0.113.9:4711")], None, 1, "203.0.113.9");
        check(&[("plausible-mcp-client-addr", "2001:db8:1:2:3:4:5:6")], None, 1, "2001:db8:1:2::/64");
        check(&[("plausible-mcp-client-addr", "::ffff:203.0.113.9")], None, 1, "203.0.113.9");
        check(&[], None, 1, "unknown");
        check(&[("x-forwarded-for", "1.1.1.1, 203.0.113.9")], Some("x-forwarded-for"), 1, "203.0.113.9");
        check(&[("x-forwarded-for", "1.1.1.1, 203.0.113.9, 10.0.0.1")], Some("x-forwarded-for"), 2, "203.0.113.9");
        check(
            &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "203.0.113.9")],
            Some("x-forwarded-for"),
            1,
            "203.0.113.9",
        );
        check(&[("x-forwarded-for", "203.0.113.9")], Some("x-forwarded-for"), 2, "unknown");
        check(&[("x-forwarded-for", "rubbish")], Some("x-forwarded-for"), 1, "unknown");
        check(&[("x-forwarded-for", "[2001:db8::1]:443")], Some("x-forwarded-for"), 1, "2001:db8::/64");
    }

    #[test]
    fn of_what_spin_passes_on_the_last_line_counts_and_only_where_the_setting_says_so() {
        let spin = Some("spin-client-addr");
        let made_up = ("spin-client-addr", "6.6.6.6:1");
        check(&[made_up, ("spin-client-addr", "203.0.113.9:4711")], spin, 1, "203.0.113.9");
        check(&[made_up, ("spin-client-addr", "[2001:db8:1:2:3::9]:4711")], spin, 1, "2001:db8:1:2::/64");
        check(&[made_up, ("plausible-mcp-client-addr", "203.0.113.9")], None, 1, "203.0.113.9");
    }
}
