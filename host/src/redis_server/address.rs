//! The address of a server, as `redis://` and `rediss://` say it.

use std::net::IpAddr;
use std::str::FromStr;

use redis::{ConnectionAddr, ConnectionInfo, ProtocolVersion, RedisConnectionInfo};

/// Where a server is, and as whom to sign in. `Debug` and `Display` show neither user nor password.
#[derive(Clone)]
pub struct RedisAddress {
    host: String,
    port: u16,
    encrypted: bool,
    sign_in: RedisConnectionInfo,
    replicas: Option<usize>,
}

/// Why a text is no address. Never carries any of the text, which may contain a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisAddressError {
    /// It begins with neither `redis://` nor `rediss://`.
    Scheme,
    /// It has a fragment, or a query that is not `replicas` with a number from 0 to 9: there is no other parameter.
    Parameters,
    /// It is not of the form `redis://user:password@host:port/database`; the cause.
    Malformed(String),
}

impl std::fmt::Display for RedisAddressError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Scheme => write!(out, "the address of a Redis begins with redis:// or, for TLS, rediss://"),
            Self::Parameters => write!(
                out,
                "the address of a Redis may end in ?replicas=N, with N from 0 to 9, and has no other ? and no #; in a user \
                 name or password write them as %3F and %23"
            ),
            Self::Malformed(cause) => {
                write!(out, "the address of a Redis is redis://user:password@host:port/database ({cause})")
            }
        }
    }
}

impl std::error::Error for RedisAddressError {}

impl RedisAddress {
    /// The server's name or IP address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the connection is TLS.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Whether the server is on this machine.
    pub fn is_loopback(&self) -> bool {
        let address = self.host.parse::<IpAddr>();
        address.map_or(self.host == "localhost", |address| address.to_canonical().is_loopback())
    }

    /// How many replicas a write needs, where the address says so: `?replicas=1`.
    pub fn replicas(&self) -> Option<usize> {
        self.replicas
    }

    pub(super) fn sign_in(&self) -> &RedisConnectionInfo {
        &self.sign_in
    }
}

impl FromStr for RedisAddress {
    type Err = RedisAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.starts_with("redis://") && !text.starts_with("rediss://") {
            return Err(RedisAddressError::Scheme);
        }
        let (address, query) = text.split_once('?').map_or((text, None), |(address, query)| (address, Some(query)));
        if address.contains('#') {
            return Err(RedisAddressError::Parameters);
        }
        let replicas = query.map(replicas_in).transpose()?;
        let malformed = |cause: &str| RedisAddressError::Malformed(cause.to_owned());
        let parsed: ConnectionInfo =
            address.parse().map_err(|error: redis::RedisError| malformed(&error.to_string()))?;
        let (host, port, encrypted) = match parsed.addr() {
            ConnectionAddr::Tcp(host, port) => (host.clone(), *port, false),
            ConnectionAddr::TcpTls { host, port, .. } => (host.clone(), *port, true),
            _ => return Err(RedisAddressError::Scheme),
        };
        let sign_in = parsed.redis_settings().clone();
        if sign_in.username().is_some() && sign_in.password().is_none() {
            return Err(malformed("there is a user without a password"));
        }
        let sign_in = sign_in.set_protocol(ProtocolVersion::RESP2).set_lib_name(env!("CARGO_PKG_NAME"), VERSION);
        Ok(Self { host, port, encrypted, sign_in, replicas })
    }
}

/// The number in a query. One digit: nobody runs ten replicas that every write waits for.
fn replicas_in(query: &str) -> Result<usize, RedisAddressError> {
    let digits = query.strip_prefix("replicas=").filter(|digits| digits.len() == 1);
    digits.and_then(|digits| digits.parse().ok()).ok_or(RedisAddressError::Parameters)
}

impl std::fmt::Display for RedisAddress {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.encrypted { "rediss" } else { "redis" };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(out, "{scheme}://{open}{}{close}:{}/{}", self.host, self.port, self.sign_in.db())
    }
}

impl std::fmt::Debug for RedisAddress {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, out)
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, shown: &str, user: Option<&str>, password: Option<&str>) {
        let address: RedisAddress = text.parse().unwrap();
        assert_eq!(address.to_string(), shown);
        assert_eq!(format!("{address:?}"), shown);
        assert_eq!((address.sign_in.username(), address.sign_in.password()), (user, password), "{text}");
    }

    #[test]
    fn user_password_and_database_are_read_and_not_shown() {
        check("redis://localhost", "redis://localhost:6379/0", None, None);
        check("rediss://:p%40ss@redis.example:6380/3", "rediss://redis.example:6380/3", None, Some("p@ss"));
        check("redis://app:s3cret@[::1]:7000/", "redis://[::1]:7000/0", Some("app"), Some("s3cret"));
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        let refused = |text: &str| text.parse::<RedisAddress>().unwrap_err();
        for text in ["", "memory", "http://h", "redis:h", "unix:///s", "redis+unix:///s", "valkey://h"] {
            assert_eq!(refused(text), RedisAddressError::Scheme, "{text}");
        }
        for text in [
            "rediss://h#insecure",
            "redis://h?protocol=3",
            "redis://:s3cret#1@h",
            "redis://:s3cret?1@h",
            "redis://h?",
            "redis://h?replicas",
            "redis://h?replicas=",
            "redis://h?replicas=-1",
            "redis://h?replicas=10",
            "redis://h?replicas=one",
            "redis://h?replicas=1&replicas=1",
            "redis://h?replicas=1#1",
            "redis://h?Replicas=1",
        ] {
            assert_eq!(refused(text), RedisAddressError::Parameters, "{text}");
        }
        for text in
            ["redis://", "redis://s3cret@h", "redis://:s3cret@h/zero", "redis://:s3cret@h:port", "redis://0.0.0.0"]
        {
            let error = refused(text);
            assert!(matches!(error, RedisAddressError::Malformed(_)), "{text}: {error:?}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn how_many_replicas_a_write_needs_is_read() {
        let replicas = |text: &str| text.parse::<RedisAddress>().map(|address| address.replicas());
        assert_eq!(replicas("redis://h"), Ok(None));
        assert_eq!(replicas("redis://h?replicas=0"), Ok(Some(0)));
        assert_eq!(replicas("rediss://app:s3cret@h:6380/1?replicas=1"), Ok(Some(1)));
        assert_eq!(replicas("redis://[::1]:7000/?replicas=9"), Ok(Some(9)));
    }

    #[test]
    fn only_this_machine_is_loopback() {
        let loopback = |text: &str| text.parse::<RedisAddress>().unwrap().is_loopback();
        assert!(loopback("redis://localhost") && loopback("redis://127.0.0.9") && loopback("redis://[::1]"));
        assert!(!loopback("redis://10.0.0.1") && !loopback("redis://redis") && !loopback("redis://localhost.example"));
    }
}
