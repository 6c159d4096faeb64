//! Whom a request is addressed to, and which page it comes from: the guards against DNS rebinding (MCP transports,
//! "Security warning": servers MUST validate the `Origin` header).

use super::pages::Problem;
use super::request::Request;
use super::response::Refusal;
use crate::config::Config;
use crate::config::url::{host_of, is_host, is_loopback_host};

/// The host must be one of the allowed names. The port is ignored, case too.
pub fn check_host(request: &Request, config: &Config) -> Result<(), Refusal> {
    let host = request.authority.as_deref().and_then(host_of);
    match host {
        Some(host) if config.allowed_hostnames.contains(&host) => Ok(()),
        _ => Err(Refusal::json_rpc(
            403,
            "This server does not answer for the host that the request names. Its operator lists the hosts in \
             MCP_ALLOWED_HOSTNAMES.",
            "host",
        )
        .shown_as(Problem::WrongHost)),
    }
}

/// A page's origin must be well-formed and not opaque. No origin, or an empty one, means that no page sent it.
pub fn check_origin(request: &Request) -> Result<(), Refusal> {
    match request.headers.value("origin") {
        Some(origin) if !origin.is_empty() && !is_origin(&origin) => Err(Refusal::json_rpc(
            403,
            "The header Origin is opaque or malformed. Send the origin of the page, or none.",
            "origin",
        )),
        _ => Ok(()),
    }
}

/// At `/internal` a page must be on the operator's list, or on this machine.
pub fn check_listed_origin(request: &Request, config: &Config) -> Result<(), Refusal> {
    let Some(origin) = request.headers.value("origin").filter(|origin| !origin.is_empty()) else { return Ok(()) };
    let host = origin.split_once("://").and_then(|(_, authority)| host_of(authority));
    match host {
        Some(host) if is_loopback_host(&host) || config.allowed_origin_hostnames.contains(&host) => Ok(()),
        _ => Err(Refusal::json_rpc(
            403,
            "Pages of this origin may not call /internal. The operator lists the hosts in \
             MCP_ALLOWED_ORIGIN_HOSTNAMES.",
            "origin",
        )),
    }
}

/// `scheme://host[:port]` (RFC 6454 §6.1). Extensions of browsers have schemes and hosts of their own.
fn is_origin(origin: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let mut bytes = scheme.bytes();
    let starts = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic());
    let legal = bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    starts && legal && host_of(authority).is_some_and(|host| is_host(&host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_a_scheme_and_a_host() {
        for origin in ["https://claude.ai", "http://localhost:6274", "chrome-extension://abcdef", "HTTPS://A.example:1"]
        {
            assert!(is_origin(origin), "{origin}");
        }
        for origin in
            ["null", "not a url", "file:///x", "https://", "https://a b", "://a", "https://a/path", "a.example"]
        {
            assert!(!is_origin(origin), "{origin}");
        }
    }
}
