//! `MCP_ALLOWED_ORIGIN_HOSTNAMES`: the pages that may call, by their host or by their whole origin.

use super::url::{host_of, is_host, is_loopback_host};
use super::{ConfigError, list_of};

/// The origin that a browser names for a page (RFC 6454 §6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageOrigin {
    /// `scheme://host[:port]`. Extensions and desktop applications have schemes and hosts of their own.
    Host {
        /// The scheme in lower case.
        scheme: String,
        /// The host in lower case.
        host: String,
        /// The port, where it is not the scheme's own.
        port: Option<u16>,
    },
    /// `null`: a file, a sandboxed frame, what came by a redirect. It tells no page from another.
    Null,
    /// `file://`: what some browsers name for a file.
    File,
}

impl PageOrigin {
    /// Reads the value of `Origin`.
    pub fn parse(text: &str) -> Option<PageOrigin> {
        let text = text.to_ascii_lowercase();
        match text.as_str() {
            "null" => Some(PageOrigin::Null),
            "file://" => Some(PageOrigin::File),
            _ => PageOrigin::with_host(&text),
        }
    }

    fn with_host(text: &str) -> Option<PageOrigin> {
        let (scheme, authority) = text.split_once("://")?;
        let mut bytes = scheme.bytes();
        let starts = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic());
        if !starts || !bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) {
            return None;
        }
        let host = host_of(authority)?;
        let digits = authority.strip_prefix(host.as_str())?.trim_start_matches(':');
        let port = if digits.is_empty() { None } else { Some(digits.parse::<u16>().ok()?) };
        let own = match scheme {
            "http" | "ws" => Some(80),
            "https" | "wss" => Some(443),
            _ => None,
        };
        Some(PageOrigin::Host { scheme: scheme.to_owned(), host, port: port.filter(|port| Some(*port) != own) })
    }

    /// Whether it names no page in particular.
    pub fn is_opaque(&self) -> bool {
        matches!(self, PageOrigin::Null | PageOrigin::File)
    }
}

/// The pages that may call `/internal`, and those of an opaque origin that may call at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedOrigins(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    /// Every page of this host.
    Host(String),
    /// Every page of this origin.
    Whole(PageOrigin),
}

impl AllowedOrigins {
    /// Reads the setting; `claude.ai` where it is absent.
    pub(super) fn read(lookup: impl Fn(&'static str) -> Option<String>) -> Result<AllowedOrigins, ConfigError> {
        let setting = "MCP_ALLOWED_ORIGIN_HOSTNAMES";
        let Some(list) = lookup(setting) else { return Ok(AllowedOrigins(vec![Entry::Host("claude.ai".to_owned())])) };
        let entries: Option<Vec<Entry>> = list_of(&list).iter().map(|entry| Entry::parse(entry)).collect();
        entries.map(AllowedOrigins).ok_or(ConfigError {
            setting,
            problem: "has an entry that is neither a bare host name nor a whole origin",
            advice: "write host names without a port, or origins with their scheme, separated by commas, as \
                     claude.ai,app://obsidian.md",
        })
    }

    /// Whether a page of this origin is on the list, or on this machine.
    pub fn admit(&self, origin: &PageOrigin) -> bool {
        let on_this_machine = matches!(origin, PageOrigin::Host { host, .. } if is_loopback_host(host));
        on_this_machine || self.0.iter().any(|entry| entry.is_of(origin))
    }
}

impl Entry {
    /// Reads an entry in lower case. An origin may have the slash that an address bar shows after it.
    fn parse(entry: &str) -> Option<Entry> {
        match entry {
            "file:///" => Some(Entry::Whole(PageOrigin::File)),
            "null" | "file://" => PageOrigin::parse(entry).map(Entry::Whole),
            _ if entry.contains("://") => PageOrigin::parse(entry.strip_suffix('/').unwrap_or(entry)).map(Entry::Whole),
            _ => is_host(entry).then(|| Entry::Host(entry.to_owned())),
        }
    }

    fn is_of(&self, origin: &PageOrigin) -> bool {
        match (self, origin) {
            (Entry::Whole(whole), origin) => whole == origin,
            (Entry::Host(name), PageOrigin::Host { host, .. }) => name == host,
            (Entry::Host(_), _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn admits(list: &str, origin: &str) -> bool {
        let allowed = AllowedOrigins::read(|_| (!list.is_empty()).then(|| list.to_owned())).unwrap();
        allowed.admit(&PageOrigin::parse(origin).unwrap())
    }

    #[test]
    fn origins_are_a_scheme_and_a_host_or_opaque() {
        for origin in ["https://claude.ai", "http://localhost:6274", "chrome-extension://abcdef", "HTTPS://A.example:1"]
        {
            assert!(PageOrigin::parse(origin).is_some_and(|origin| !origin.is_opaque()), "{origin}");
        }
        for origin in ["null", "file://", "FILE://"] {
            assert!(PageOrigin::parse(origin).is_some_and(|origin| origin.is_opaque()), "{origin}");
        }
        for origin in [
            "not a url",
            "file:///x",
            "https://",
            "https://a b",
            "://a",
            "https://a/path",
            "https://a/",
            "a.example",
            "https://a:70000",
            "https://u@a.example",
            "https://a.example, https://a.example",
            "null, null",
            "",
        ] {
            assert_eq!(PageOrigin::parse(origin), None, "{origin}");
        }
    }

    #[test]
    fn an_entry_is_a_host_or_a_whole_origin() {
        for (list, origin, admitted) in [
            ("", "https://claude.ai", true),
            ("", "https://evil.example", false),
            ("", "http://localhost:6274", true),
            ("", "tauri://localhost", true),
            ("", "null", false),
            ("", "file://", false),
            ("app://obsidian.md", "app://obsidian.md", true),
            ("APP://Obsidian.md/", "app://obsidian.md", true),
            ("app://obsidian.md", "https://obsidian.md", false),
            ("app://obsidian.md", "app://obsidian.md:1", false),
            ("app://obsidian.md", "https://claude.ai", false),
            ("obsidian.md", "app://obsidian.md", true),
            ("obsidian.md", "https://obsidian.md:8443", true),
            ("https://a.example:8443", "https://a.example:8443", true),
            ("https://a.example:8443", "https://a.example", false),
            ("https://a.example", "https://a.example:443", true),
            ("https://a.example:443", "https://a.example", true),
            ("null", "null", true),
            ("null", "file://", false),
            ("file://", "file://", true),
            ("file:///", "file://", true),
            ("file://", "null", false),
            ("claude.ai, null, chrome-extension://abc", "chrome-extension://abc", true),
            ("claude.ai, null, chrome-extension://abc", "chrome-extension://abd", false),
            ("http://[::1]:8080", "http://[::1]:9", true),
        ] {
            assert_eq!(admits(list, origin), admitted, "{list:?} {origin}");
        }
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        for list in [
            "a.example:8443",
            "https://a.example/path",
            "https://a.example//",
            "https://*.example",
            "*",
            "file://x/y",
            "app://",
            "https://u@a.example",
            "a b",
        ] {
            let refused = AllowedOrigins::read(|_| Some(list.to_owned())).map_err(|error| error.setting);
            assert_eq!(refused, Err("MCP_ALLOWED_ORIGIN_HOSTNAMES"), "{list}");
        }
    }
}
