//! Whom a request is addressed to, and which page it comes from: the guards against DNS rebinding (MCP transports,
//! "Security warning": servers MUST validate the `Origin` header).

use super::pages::Problem;
use super::request::Request;
use super::response::Refusal;
use crate::config::url::host_of;
use crate::config::{Config, PageOrigin};

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

/// A page's origin must be well-formed; one that names no page in particular must be on the operator's list, and the
/// credential is in a header or in the body. No origin, or an empty one, means that no page sent it.
pub fn check_origin(request: &Request, config: &Config) -> Result<(), Refusal> {
    let Some(origin) = origin_of(request)? else { return Ok(()) };
    if !origin.is_opaque() || config.allowed_origins.admit(&origin) {
        return Ok(());
    }
    let text = "The header Origin is opaque: it names no page. The operator lists null or file:// in \
                MCP_ALLOWED_ORIGIN_HOSTNAMES where such pages may call.";
    Err(Refusal::json_rpc(403, text, "origin"))
}

/// At `/internal` a page must be on the operator's list, or on this machine. `has_own_credential` says that the request
/// is decided by a bearer token, which a page has to know. Where an assertion decides, the browser's own cookie makes
/// it, and an opaque origin would let any page use it.
pub fn check_listed_origin(request: &Request, config: &Config, has_own_credential: bool) -> Result<(), Refusal> {
    let Some(origin) = origin_of(request)? else { return Ok(()) };
    let text = match config.allowed_origins.admit(&origin) {
        true if has_own_credential || !origin.is_opaque() => return Ok(()),
        true => "Pages of an opaque origin may call /internal with a bearer token only.",
        false => {
            "Pages of this origin may not call /internal. The operator lists hosts and origins in \
             MCP_ALLOWED_ORIGIN_HOSTNAMES."
        }
    };
    Err(Refusal::json_rpc(403, text, "origin"))
}

fn origin_of(request: &Request) -> Result<Option<PageOrigin>, Refusal> {
    let Some(text) = request.headers.value("origin").filter(|origin| !origin.is_empty()) else { return Ok(None) };
    let malformed = "The header Origin is malformed. Send the origin of the page once, or none.";
    PageOrigin::parse(&text).map(Some).ok_or_else(|| Refusal::json_rpc(403, malformed, "origin"))
}
