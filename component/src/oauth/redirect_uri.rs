//! Redirect URIs: which ones a client may register, and which registered one a request means.

use super::form::encode;

/// A redirect URI that a client may have: https, http on loopback, or a private-use scheme that the operator allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectUri {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Web {
        host: String,
    },
    /// The text without its port, which a native client chooses when it starts (RFC 8252 §7.3).
    Loopback {
        host: String,
        without_port: String,
    },
    PrivateUse,
}

/// Why a text is no redirect URI for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedirectUriError {
    /// It is longer than 2,000 bytes.
    TooLong,
    /// It has a character that RFC 3986 does not allow, a malformed escape, or a wildcard.
    IllegalCharacter,
    /// It has a fragment (RFC 6749 §3.1.2: MUST NOT).
    Fragment,
    /// It does not begin with a scheme in lower case that is allowed here.
    Scheme,
    /// It is http and not on loopback.
    NotLoopback,
    /// Its host or port is missing or malformed, or it has user information.
    Authority,
    /// It is https and its host is an IP address, in any spelling: nobody can tell from one whose it is.
    AddressHost,
}

impl RedirectUriError {
    /// The name of the cause, for the log.
    pub fn reason(self) -> &'static str {
        match self {
            RedirectUriError::TooLong => "redirect_uri_too_long",
            RedirectUriError::IllegalCharacter => "redirect_uri_illegal_character",
            RedirectUriError::Fragment => "redirect_uri_fragment",
            RedirectUriError::Scheme => "redirect_uri_scheme",
            RedirectUriError::NotLoopback => "redirect_uri_not_loopback",
            RedirectUriError::Authority => "redirect_uri_authority",
            RedirectUriError::AddressHost => "redirect_uri_address_host",
        }
    }
}

impl RedirectUri {
    /// Reads a URI. `private_schemes` are what `PRIVATE_USE_REDIRECT_SCHEMES` lists, in lower case.
    pub fn parse(text: &str, private_schemes: &[String]) -> Result<RedirectUri, RedirectUriError> {
        check_characters(text)?;
        let (scheme, rest) = text.split_once(':').ok_or(RedirectUriError::Scheme)?;
        let kind = match scheme {
            "https" => web(rest)?,
            "http" => loopback(rest)?,
            _ if is_private_use(scheme, private_schemes) && !rest.is_empty() => Kind::PrivateUse,
            _ => return Err(RedirectUriError::Scheme),
        };
        Ok(RedirectUri { text: text.to_owned(), kind })
    }

    /// The URI as it came.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether this registered URI permits the one of a request: the same text, where the port of a loopback address
    /// does not count (RFC 9700 §2.1).
    pub fn permits(&self, requested: &RedirectUri) -> bool {
        match (&self.kind, &requested.kind) {
            (Kind::Loopback { without_port: one, .. }, Kind::Loopback { without_port: other, .. }) => one == other,
            _ => self.text == requested.text,
        }
    }

    /// Whether it leads to the user's own machine.
    pub fn is_loopback(&self) -> bool {
        matches!(self.kind, Kind::Loopback { .. })
    }

    /// Whether it leads to an app that the user's own machine opens by the scheme (RFC 8252 §7.1).
    pub fn is_private_use(&self) -> bool {
        self.kind == Kind::PrivateUse
    }

    /// What a person should look at: the host, or the scheme of a private-use URI.
    pub fn host(&self) -> &str {
        match &self.kind {
            Kind::Web { host } | Kind::Loopback { host, .. } => host,
            Kind::PrivateUse => self.text.split(':').next().unwrap_or_default(),
        }
    }

    /// The URI with parameters appended; what its query holds is kept (RFC 6749 §3.1.2).
    pub fn with_parameters(&self, pairs: &[(&str, &str)]) -> String {
        let separator = match self.text.split_once('?') {
            None => "?",
            Some((_, "")) => "",
            Some(_) => "&",
        };
        format!("{}{separator}{}", self.text, encode(pairs))
    }
}

fn check_characters(text: &str) -> Result<(), RedirectUriError> {
    if text.len() > MAX_BYTES {
        return Err(RedirectUriError::TooLong);
    }
    if text.contains('#') {
        return Err(RedirectUriError::Fragment);
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()+,;=%".contains(&byte);
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let escape = |rest: &str| is_digit(rest.as_bytes().first()) && is_digit(rest.as_bytes().get(1));
    if !text.bytes().all(legal) || !text.split('%').skip(1).all(escape) {
        return Err(RedirectUriError::IllegalCharacter);
    }
    Ok(())
}

struct Authority {
    host: String,
    after_port: String,
}

/// Reads `//host[:port]` and what follows.
fn split_authority(rest: &str) -> Result<Authority, RedirectUriError> {
    let refuse = RedirectUriError::Authority;
    let rest = rest.strip_prefix("//").ok_or(refuse)?;
    let (authority, after) = rest.split_at_checked(rest.find(['/', '?']).unwrap_or(rest.len())).ok_or(refuse)?;
    let (host, port) = match authority.find(']') {
        Some(end) => authority.split_at_checked(end + 1).ok_or(refuse)?,
        None => authority.split_at_checked(authority.find(':').unwrap_or(authority.len())).ok_or(refuse)?,
    };
    let port_is_valid = match port.strip_prefix(':') {
        None => port.is_empty(),
        Some(digits) => !digits.starts_with(['0', '+']) && digits.parse::<u16>().is_ok(),
    };
    if !is_host(host) || !port_is_valid {
        return Err(refuse);
    }
    Ok(Authority { host: host.to_ascii_lowercase(), after_port: after.to_owned() })
}

fn web(rest: &str) -> Result<Kind, RedirectUriError> {
    let host = split_authority(rest)?.host;
    if is_address(&host) { Err(RedirectUriError::AddressHost) } else { Ok(Kind::Web { host }) }
}

/// Whether browsers take a host for an IP address: one in brackets, and every one whose last label is a number, decimal
/// or hexadecimal (URL Standard, "ends in a number checker").
fn is_address(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_decimal = last.bytes().all(|byte| byte.is_ascii_digit());
    let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    let is_hexadecimal = hexadecimal.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    host.starts_with('[') || is_decimal || is_hexadecimal
}

fn loopback(rest: &str) -> Result<Kind, RedirectUriError> {
    let Authority { host, after_port } = split_authority(rest)?;
    if !LOOPBACK_HOSTS.contains(&host.as_str()) {
        return Err(RedirectUriError::NotLoopback);
    }
    let without_port = format!("{host}{after_port}");
    Ok(Kind::Loopback { host, without_port })
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=63).contains(&label.len()) && label.bytes().all(legal)
    };
    host.len() <= MAX_HOST && host.split('.').all(is_label)
}

/// Whether no redirect URI may have a scheme, whoever lists it.
pub fn is_forbidden_scheme(scheme: &str) -> bool {
    FORBIDDEN_SCHEMES.contains(&scheme)
}

fn is_private_use(scheme: &str, allowed: &[String]) -> bool {
    !is_forbidden_scheme(scheme) && allowed.iter().any(|other| other == scheme)
}

/// The spellings of loopback that clients use (RFC 8252 §7.3, §8.3).
const LOOPBACK_HOSTS: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// Schemes that a browser acts on itself: no list makes them harmless.
const FORBIDDEN_SCHEMES: [&str; 10] =
    ["about", "blob", "data", "file", "ftp", "javascript", "mailto", "vbscript", "view-source", "ws"];

/// What browsers and proxies carry in any case.
const MAX_BYTES: usize = 2000;

/// The longest host name (RFC 1035 §2.3.4).
const MAX_HOST: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<RedirectUri, RedirectUriError> {
        RedirectUri::parse(text, &["cursor".to_owned(), "com.example.app".to_owned(), "javascript".to_owned()])
    }

    #[track_caller]
    fn check(registered: &str, requested: &str, permitted: bool) {
        let requested_uri = parse(requested);
        let found = requested_uri.is_ok_and(|uri| parse(registered).unwrap().permits(&uri));
        assert_eq!(found, permitted, "{registered} against {requested}");
    }

    #[test]
    fn what_is_registered_is_permitted_exactly() {
        check("https://a.example/cb", "https://a.example/cb", true);
        for requested in [
            "https://a.example/cb?x=1",
            "https://a.example/CB",
            "https://a.example/%63b",
            "https://a.example/cb/",
            "https://a.example:443/cb",
            "https://A.example/cb",
            "https://a.example/cb.evil",
            "https://a.example.evil/cb",
            "https://a.example@evil.example/cb",
            "https://a.example%40evil.example/cb",
            "https://evil.example\\@a.example/cb",
            "http://a.example/cb",
            " https://a.example/cb",
        ] {
            check("https://a.example/cb", requested, false);
        }
    }

    #[test]
    fn the_port_of_a_loopback_address_is_free() {
        for host in ["127.0.0.1", "[::1]", "localhost"] {
            for port in ["", ":1", ":65535"] {
                check(&format!("http://{host}:3000/cb"), &format!("http://{host}{port}/cb"), true);
            }
            check(&format!("http://{host}/cb"), &format!("http://{host}:9/other"), false);
            check(&format!("http://{host}/cb"), &format!("http://{host}:9/cb?x"), false);
        }
        for requested in [
            "http://localhost:1/cb",
            "http://127.0.0.1.evil.com/cb",
            "http://127.0.0.1@evil.com/cb",
            "http://127.0.0.1:80@evil.com/cb",
            "http://127.0.0.1:0/cb",
            "http://127.0.0.1:65536/cb",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:+1/cb",
            "http://127.1/cb",
            "https://127.0.0.1/cb",
        ] {
            check("http://127.0.0.1/cb", requested, false);
        }
        check("https://localhost:1/cb", "https://localhost:2/cb", false);
    }

    #[test]
    fn malformed_and_dangerous_uris_are_refused_by_rule() {
        use RedirectUriError::*;
        let long = format!("https://a.example/{}", "x".repeat(10_000));
        for (text, error) in [
            ("https://a.example/cb#f", Fragment),
            ("javascript:alert(1)", Scheme),
            ("JavaScript:alert(1)", Scheme),
            (" javascript:x", IllegalCharacter),
            ("java\tscript:x", IllegalCharacter),
            ("\u{1}javascript:x", IllegalCharacter),
            ("data:text/html,x", Scheme),
            ("vbscript:x", Scheme),
            ("file:///etc/passwd", Scheme),
            ("blob:x", Scheme),
            ("mailto:a", Scheme),
            ("myapp:/cb", Scheme),
            ("HTTPS://a.example/", Scheme),
            ("/cb", Scheme),
            ("", Scheme),
            ("http://a.example/cb", NotLoopback),
            ("http://localhost.evil/cb", NotLoopback),
            ("https:///cb", Authority),
            ("https:a.example", Authority),
            ("https:\\\\a\\cb", IllegalCharacter),
            ("https://*.a.example/cb", IllegalCharacter),
            ("https://a.example/*", IllegalCharacter),
            ("https://a..b/cb", Authority),
            ("https://a@b/cb", Authority),
            ("https://[::g]/cb", Authority),
            ("https://2130706433/cb", AddressHost),
            ("https://127.0.0.1/cb", AddressHost),
            ("https://127.1:8443", AddressHost),
            ("https://8.8.8.8?x", AddressHost),
            ("https://0x7f000001/cb", AddressHost),
            ("https://0X7F.0.0.0X1/cb", AddressHost),
            ("https://1.2.3.0x/cb", AddressHost),
            ("https://017700000001/cb", AddressHost),
            ("https://999.999.999.999/cb", AddressHost),
            ("https://a.example.1/cb", AddressHost),
            ("https://[::1]/cb", AddressHost),
            ("https://[2606:4700::1111]:8443/cb", AddressHost),
            ("https://1.2.3.4./cb", Authority),
            ("http://2130706433/cb", NotLoopback),
            ("http://8.8.8.8/cb", NotLoopback),
            ("https://exämple.com/", IllegalCharacter),
            ("https://a.example/%zz", IllegalCharacter),
            ("https://a.example/%4", IllegalCharacter),
            ("https://a.example/a b", IllegalCharacter),
            (&long, TooLong),
        ] {
            assert_eq!(parse(text), Err(error), "A13 A14 R10 R12 R13 R15 R16 {text}");
        }
    }

    #[test]
    fn a_name_with_digits_is_no_address() {
        for text in ["https://1password.example/cb", "https://4.example/cb", "https://a.3com/cb", "https://0xbad.io/cb"]
        {
            assert_eq!(parse(text).map(|uri| uri.is_loopback()), Ok(false), "{text}");
        }
        for text in ["http://127.0.0.1/cb", "http://[::1]:9/cb"] {
            assert_eq!(parse(text).map(|uri| uri.is_loopback()), Ok(true), "{text}");
        }
    }

    #[test]
    fn private_use_schemes_come_from_the_list() {
        check("cursor://anysphere.cursor/cb", "cursor://anysphere.cursor/cb", true);
        check("com.example.app:/cb", "com.example.app:/cb?x", false);
        assert_eq!(parse("com.example.app:/cb").unwrap().host(), "com.example.app");
        assert_eq!(RedirectUri::parse("cursor://x", &[]), Err(RedirectUriError::Scheme));
    }

    #[test]
    fn parameters_are_appended_to_the_query() {
        let joined = |text: &str| parse(text).unwrap().with_parameters(&[("error", "a b"), ("state", "&=#ä")]);
        assert_eq!(joined("https://a/cb"), "https://a/cb?error=a%20b&state=%26%3D%23%C3%A4");
        assert!(joined("https://a/cb?x=1").starts_with("https://a/cb?x=1&error="), "A61");
        assert!(joined("https://a/cb?").starts_with("https://a/cb?error="));
    }

    proptest::proptest! {
        #[test]
        fn a_web_uri_holds_one_host(text in "(https|http)://[a-z0-9.:@\\\\/\\[\\]%?-]{0,24}") {
            if let Ok(uri) = parse(&text) {
                proptest::prop_assert!(is_host(uri.host()), "{}", uri.host());
            }
        }
    }
}
