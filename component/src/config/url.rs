//! Just enough of a URL for settings and for the `Host` and `Origin` headers: scheme, host, port, path.

/// An absolute http or https URL without user information, query or fragment.
#[derive(Debug, PartialEq, Eq)]
pub struct Url {
    /// Whether the scheme is https; otherwise it is http.
    pub is_https: bool,
    /// The host in lower case, an IPv6 address in brackets.
    pub host: String,
    /// The port, where it is not the scheme's own.
    pub port: Option<u16>,
    /// The path, possibly empty.
    pub path: String,
}

impl Url {
    /// Reads a URL.
    pub fn parse(text: &str) -> Option<Url> {
        let (scheme, rest) = text.split_once("://")?;
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        if !rest.bytes().all(is_legal) {
            return None;
        }
        let (authority, path) = rest.split_at_checked(rest.find('/').unwrap_or(rest.len()))?;
        let digits = authority.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.ends_with(']'));
        let port = digits.filter(|digits| !digits.is_empty()).map(str::parse::<u16>).transpose().ok()?;
        let port = port.filter(|port| *port != if is_https { 443 } else { 80 });
        Some(Url { is_https, host: host_of(authority)?, port, path: path.to_owned() })
    }

    /// `scheme://host[:port]` in its one normal form.
    pub fn origin(&self) -> String {
        let scheme = if self.is_https { "https" } else { "http" };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{scheme}://{}{port}", self.host)
    }

    /// Whether what is sent there is safe from others: https, or this machine.
    pub fn is_protected(&self) -> bool {
        self.is_https || is_loopback_host(&self.host)
    }
}

/// Whether a byte may stand in the authority or path of a URL (RFC 3986 §3.2, §3.3). Whatever passes may be sent in a
/// header. `@` is refused in the path too: people read it as the end of user information.
fn is_legal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:/[]".contains(&byte)
}

/// The host of `host[:port]`, in lower case (RFC 3986 §3.2.2, §3.2.3).
pub fn host_of(authority: &str) -> Option<String> {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.find(']')) {
        Some(end) => authority.split_at_checked(end + 2)?,
        None => authority.split_at_checked(authority.find(':').unwrap_or(authority.len()))?,
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => "",
        None => return None,
        Some(digits) => digits,
    };
    if port.len() > 5 || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let host = host.to_ascii_lowercase();
    is_host(&host).then_some(host)
}

/// Whether a text is a host name, an IPv4 address, or an IPv6 address in brackets.
pub fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !host.is_empty() && host.len() <= MAX_HOST && host.bytes().all(legal)
}

/// Whether a host is this machine: 127.0.0.0/8, `[::1]`, `localhost`, `*.localhost` (RFC 6761 §6.3).
pub fn is_loopback_host(host: &str) -> bool {
    let is_v4 = host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    is_v4 || host == "[::1]" || host == "localhost" || host.ends_with(".localhost")
}

/// The longest host name (RFC 1035 §2.3.4).
const MAX_HOST: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_one_normal_form() {
        for (text, origin) in [
            ("HTTPS://MCP.Example.com", "https://mcp.example.com"),
            ("https://mcp.example.com:443/", "https://mcp.example.com"),
            ("https://mcp.example.com:8443", "https://mcp.example.com:8443"),
            ("http://127.0.0.1:80", "http://127.0.0.1"),
            ("http://[::1]:8787/x", "http://[::1]:8787"),
            ("http://[::1]", "http://[::1]"),
        ] {
            assert_eq!(Url::parse(text).map(|url| url.origin()).as_deref(), Some(origin), "{text}");
        }
        assert_eq!(Url::parse("https://mcp.example.com:70000"), None);
    }

    #[test]
    fn what_a_header_cannot_carry_is_no_url() {
        for text in
            ["https://a.example/ä", "https://a.example/a b", "https://a.example/\u{7f}", "https://a.example/\"<{|}>"]
        {
            assert_eq!(Url::parse(text), None, "{text:?}");
        }
        assert!(Url::parse("https://a.example/%C3%A4/-._~!$&'()*+,;=:").is_some());
    }

    #[test]
    fn hosts_are_read_strictly() {
        for (authority, host) in [
            ("Example.com", Some("example.com")),
            ("example.com:8443", Some("example.com")),
            ("[::1]:80", Some("[::1]")),
            ("[::1]", Some("[::1]")),
            ("127.0.0.1:1", Some("127.0.0.1")),
            ("example.com:", Some("example.com")),
            ("", None),
            (":80", None),
            ("a b", None),
            ("user@example.com", None),
            ("example.com:80:90", None),
            ("example.com:http", None),
            ("example.com:999999", None),
            ("[::1", None),
            ("[::1]x", None),
            ("[zz]", None),
            ("exämple.com", None),
        ] {
            assert_eq!(host_of(authority).as_deref(), host, "{authority:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_and_a_host_never_holds_more_than_a_host(text in "(.{0,24}|https?://[a-zA-Z0-9.:@/\\[\\]_-]{0,32})") {
            for host in [host_of(&text), Url::parse(&text).map(|url| url.host)].into_iter().flatten() {
                proptest::prop_assert!(is_host(&host), "{}", host);
                proptest::prop_assert!(!host.contains(['@', '/', ' ']));
            }
        }
    }
}
