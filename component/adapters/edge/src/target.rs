//! Where a request goes, and what can be told about that from its URL alone.
//!
//! `wasi:http` resolves names itself and tells nobody to what, so over it the promise of `public-internet` cannot be
//! kept. An adapter answers `reach-unsupported`, and the component may ask again with `configured` where the operator
//! has vouched for the host or the network. What a URL shows to be local is refused before that, in every spelling.

use http::Uri;
use http::uri::Scheme;

use crate::address::is_global;

/// An absolute URL that a request may be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Whether the scheme is `https`; otherwise it is `http`.
    pub is_https: bool,
    /// Host and port, as they stand in the URL.
    pub authority: String,
    /// Path and query, at least `/`.
    pub path_with_query: String,
    host: String,
}

/// The URL is not an absolute `https:` or `http:` URL of at most 8 KiB, or has user information or a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidUrl;

impl Target {
    /// Reads a URL.
    ///
    /// # Errors
    /// See [`InvalidUrl`].
    pub fn parse(url: &str) -> Result<Self, InvalidUrl> {
        if url.len() > URL_BYTES || url.contains('#') {
            return Err(InvalidUrl);
        }
        let uri: Uri = url.parse().map_err(|_| InvalidUrl)?;
        let is_https = uri.scheme() == Some(&Scheme::HTTPS);
        let authority = uri.authority().ok_or(InvalidUrl)?;
        let is_web = is_https || uri.scheme() == Some(&Scheme::HTTP);
        if !is_web || authority.host().is_empty() || authority.as_str().contains('@') {
            return Err(InvalidUrl);
        }
        Ok(Self {
            is_https,
            authority: authority.to_string(),
            path_with_query: uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            host: authority.host().to_ascii_lowercase(),
        })
    }

    /// Whether the URL shows that it does not lead to the public internet: by an address that is not global, in
    /// brackets or not, or by a name that is reserved for a machine or a site. In doubt it does not.
    ///
    /// `false` says nothing about what the name resolves to.
    pub fn is_local(&self) -> bool {
        if let Some(inner) = self.host.strip_prefix('[') {
            let address = inner.strip_suffix(']').and_then(|inner| inner.parse().ok());
            return address.is_none_or(|address| !is_global(address));
        }
        let name = self.host.strip_suffix('.').unwrap_or(&self.host);
        let Some((_, last)) = name.rsplit_once('.') else { return true };
        // Resolvers read addresses in decimal, octal and hexadecimal, with one to four parts. No top-level domain
        // begins with a digit, so what does is an address; only the plain spelling is looked at further.
        if last.starts_with(|first: char| first.is_ascii_digit()) {
            return name.parse().map_or(true, |address| !is_global(address));
        }
        !name.split('.').all(is_label) || LOCAL_DOMAINS.iter().any(|domain| is_within(name, domain))
    }
}

fn is_label(label: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=63).contains(&label.len()) && label.bytes().all(is_legal)
}

fn is_within(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Servers commonly accept 8 KiB.
const URL_BYTES: usize = 8 << 10;

/// Domains that no public server may have: RFC 6761, RFC 6762 with its appendix G, RFC 8375, `internal` by resolution
/// of ICANN's board (2024-07-29), and the name that Linux distributions give this machine.
const LOCAL_DOMAINS: [&str; 10] =
    ["localhost", "local", "internal", "home.arpa", "localdomain", "intranet", "private", "corp", "home", "lan"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_web_addresses_are_sent_to() {
        for url in
            ["", "/p", "ftp://a/", "https://", "https://u@a/", "https://a/#f", "file:///e", "a:80", "http://a b/"]
        {
            assert_eq!(Target::parse(url), Err(InvalidUrl), "{url}");
        }
        let long = format!("https://a/{}", "x".repeat(URL_BYTES));
        assert_eq!(Target::parse(&long), Err(InvalidUrl));
        let target = Target::parse("http://A.example:8443/b?c").unwrap();
        assert!(!target.is_https);
        assert_eq!((target.authority.as_str(), target.path_with_query.as_str()), ("A.example:8443", "/b?c"));
        assert_eq!(Target::parse("https://a.example").unwrap().path_with_query, "/");
    }

    #[test]
    fn what_is_local_is_refused_in_every_spelling() {
        for host in [
            // Names of this machine or site.
            "localhost",
            "LOCALHOST",
            "localhost.",
            "a.localhost",
            "printer.local",
            "metadata.google.internal",
            "Metadata.Google.Internal.",
            "self.alt",
            "plausible-mcp.spin.internal",
            "router.home.arpa",
            "localhost.localdomain",
            "wiki.corp",
            "plausible",
            "plausible.",
            "a..local",
            "localhost..",
            ".",
            "..",
            // Not a name of the public internet in any case.
            "a.loc~al",
            // IPv4 in its spellings.
            "127.0.0.1",
            "127.0.0.1.",
            "10.0.0.1",
            "169.254.169.254",
            "192.0.2.1",
            "2130706433",
            "0x7f000001",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "127.1",
            "127.0.1",
            "1.1.1.1.1",
            "8.8.8.08",
            "a.1",
            // IPv6, also with IPv4 in it.
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:8.8.8.8]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::1]",
            "[fe80::1]",
            "[fd00::1]",
        ] {
            for url in [format!("https://{host}/"), format!("https://{host}:8443/x")] {
                assert!(Target::parse(&url).is_ok_and(|target| target.is_local()), "{url}");
            }
        }
        for host in ["[fe80::1%25eth0]", "a.exa%6dple", "ⓛocalhost", "1。0。0。127"] {
            let target = Target::parse(&format!("https://{host}/"));
            assert!(target.map_or(true, |target| target.is_local()), "{host}");
        }
    }

    #[test]
    fn what_may_be_public_is_not_local() {
        for host in [
            "client.example",
            "client.example.",
            "a.b-c.example.org",
            "mylocal.example",
            "notinternal",
            "1.example",
            "8.8.8.8",
            "[2606:4700::1111]",
            "xn--bcher-kva.example",
        ] {
            let target = Target::parse(&format!("https://{host}/")).unwrap();
            assert_eq!(target.is_local(), host == "notinternal", "{host}");
        }
    }
}
