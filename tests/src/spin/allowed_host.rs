//! One entry of `allowed_outbound_hosts`: `scheme://host[:port]` (crates/outbound-networking-config of Spin).

use std::net::IpAddr;
use std::ops::Range;

use ipnet::IpNet;

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHost {
    scheme: Option<String>,
    host: Host,
    /// `None`: any.
    ports: Option<Range<u32>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Any,
    /// With the dot.
    Below(String),
    Itself,
    Network(IpNet),
    Named(String),
}

impl AllowedHost {
    /// Reads an entry; the error says what is wrong with it.
    pub fn parse(entry: &str) -> Result<Self, String> {
        let refuse = |problem: &str| Err(format!("{entry:?} {problem}"));
        let Some((scheme, rest)) = entry.trim().split_once("://") else { return refuse("has no scheme") };
        if scheme != "*" && !scheme.chars().all(char::is_alphabetic) {
            return refuse("has a scheme that is not a word");
        }
        let (host, rest) = rest.rsplit_once(':').unwrap_or((rest, ""));
        let (port, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = Host::parse(host);
        let (Some(host), "") = (host, path) else { return refuse("has a path or a host that is none") };
        let Some(ports) = ports(port, scheme) else { return refuse("has no port, and its scheme no usual one") };
        Ok(AllowedHost { scheme: (scheme != "*").then(|| scheme.to_owned()), host, ports })
    }

    /// Whether a request or connection may go there. Without a port the scheme's own is meant.
    pub fn allows(&self, scheme: &str, host: &str, port: Option<u16>) -> bool {
        let port = port.map(u32::from).or_else(|| usual_port(scheme));
        self.scheme.as_ref().is_none_or(|own| own == scheme)
            && self.host.allows(host)
            && self.ports.as_ref().is_none_or(|ports| port.is_some_and(|port| ports.contains(&port)))
    }

    /// Whether requests without a host, and those to `self.alt`, may go to the application itself.
    pub fn allows_itself(&self) -> bool {
        matches!(self.host, Host::Any | Host::Itself)
    }
}

impl Host {
    fn parse(host: &str) -> Option<Self> {
        if host == "*" {
            return Some(Host::Any);
        }
        if matches!(host, "self" | "self.alt") {
            return Some(Host::Itself);
        }
        if let Some(network) = host.parse().ok().or_else(|| host.parse::<IpAddr>().ok().map(IpNet::from)) {
            return Some(Host::Network(network));
        }
        let host = host.trim_end_matches('/').to_ascii_lowercase();
        if let Some(domain) = host.strip_prefix("*.") {
            return (!domain.contains('*')).then(|| Host::Below(format!(".{domain}")));
        }
        let legal = |character: char| character.is_ascii_alphanumeric() || "-_.[]:".contains(character);
        (!host.is_empty() && host.chars().all(legal)).then_some(Host::Named(host))
    }

    fn allows(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match self {
            Host::Any => true,
            Host::Below(suffix) => host.ends_with(suffix.as_str()),
            Host::Itself => false,
            Host::Network(network) => bare.parse::<IpAddr>().is_ok_and(|address| network.contains(&address)),
            Host::Named(name) => *name == host,
        }
    }
}

/// The ports that an entry names: all (`Some(None)`), some, or nothing that can be understood.
#[expect(clippy::option_option, reason = "absent, any and some are three things")]
fn ports(port: &str, scheme: &str) -> Option<Option<Range<u32>>> {
    if port == "*" {
        return Some(None);
    }
    let (first, end) = match port.split_once("..") {
        Some((first, end)) => (first.parse::<u16>().ok()?.into(), end.parse::<u16>().ok()?.into()),
        None if port.is_empty() => usual_port(scheme).map(|port| (port, port + 1))?,
        None => port.parse::<u16>().ok().map(|port| (port.into(), u32::from(port) + 1))?,
    };
    Some(Some(first..end))
}

fn usual_port(scheme: &str) -> Option<u32> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        "redis" => Some(6379),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_scheme_host_and_port() {
        for entry in ["", "*", "a.example", "https://", "https://a/b", "http://a b", "ht-tp://a", "x://a", "http://a:b"]
        {
            assert!(AllowedHost::parse(entry).is_err(), "{entry}");
        }
        let allows = |entry: &str, scheme: &str, host: &str, port| {
            AllowedHost::parse(entry).expect("an entry").allows(scheme, host, port)
        };
        assert!(allows("https://a.example", "https", "A.example", None));
        assert!(allows("https://a.example/", "https", "a.example", Some(443)));
        assert!(!allows("https://a.example", "http", "a.example", None));
        assert!(!allows("https://a.example", "https", "a.example", Some(8443)));
        assert!(!allows("https://a.example", "https", "b.a.example", None));
        assert!(allows("https://*.example", "https", "b.a.example", None));
        assert!(allows("https://*", "https", "anything.example", None));
        assert!(!allows("https://*", "https", "anything.example", Some(8443)));
        assert!(allows("http://127.0.0.1:*", "http", "127.0.0.1", Some(9)));
        assert!(allows("http://10.0.0.0/8:80", "http", "10.9.9.9", None));
        assert!(allows("http://a:1..3", "http", "a", Some(2)) && !allows("http://a:1..3", "http", "a", Some(3)));
        assert!(allows("redis://cache", "redis", "cache", Some(6379)));
        assert!(AllowedHost::parse("https://*").expect("an entry").allows_itself());
        assert!(!AllowedHost::parse("https://*.example").expect("an entry").allows_itself());
    }
}
