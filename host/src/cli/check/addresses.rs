//! Where `serve` would listen with the same flags: clients, the operator, and the control socket.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::SocketAddr as SocketPath;
use std::path::Path;

use super::{error, fine, warn};
use crate::admin::AdminError;
use crate::cli::ServeArguments;
use crate::cli::health::text_at;
use crate::cli::run::{loopback_documents, require_two_addresses};
use crate::cli::store::make_and_remove;
use crate::control::ControlError;
use crate::operator::Finding;
use crate::server::{ServerError, listen};
use crate::settings::Settings;

/// What keeps `serve` from listening. Addresses that a running server uses are as they should be.
pub(super) async fn findings(arguments: &ServeArguments, settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(require_two_addresses(arguments).err().map(|text| error("--admin", text, "")));
    findings.extend(
        loopback_documents(settings, arguments.listen)
            .err()
            .map(|text| error("ALLOW_LOOPBACK_CLIENT_METADATA", text, "")),
    );
    findings.extend(of_clients(arguments.listen).await);
    if let Some(admin) = arguments.admin.0 {
        findings.extend(of_operator(admin).await);
    }
    findings.extend(arguments.control.as_deref().and_then(control_socket));
    findings
}

/// Where nobody said where, another program at the usual address is no error: `serve` may be given another.
async fn of_clients(address: SocketAddr) -> Option<Finding> {
    let refused = listen(address).await.err()?;
    let text = refused.to_string();
    match refused {
        ServerError::AddressTaken(_) if is_ours(address, "/healthz", "\"status\":\"ok\"").await => {
            Some(fine("--listen", format!("a running server listens on {address}")))
        }
        ServerError::AddressTaken(_) if address == SocketAddr::from(DEFAULT) => {
            Some(warn("--listen", text, "give check the flags of serve"))
        }
        _ => Some(error("--listen", text, "")),
    }
}

async fn of_operator(address: SocketAddr) -> Option<Finding> {
    let refused = AdminError(listen(address).await.err()?);
    match refused.0 {
        ServerError::AddressTaken(_) if is_ours(address, "/metrics", "plausible_mcp_").await => {
            Some(fine("--admin", format!("a running server listens on {address} for /metrics and /readyz")))
        }
        _ => Some(error("--admin", refused.to_string(), "")),
    }
}

/// Whether what listens at `address` says at `path` what this program says there.
async fn is_ours(address: SocketAddr, path: &str, part: &str) -> bool {
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let Ok(url) = format!("http://{}{path}", SocketAddr::new(host, address.port())).parse() else { return false };
    text_at(url).await.is_some_and(|text| text.contains(part))
}

/// What keeps a socket from being made at `path`. Nothing is made there: it would be in the way of a server that starts.
fn control_socket(path: &Path) -> Option<Finding> {
    let unusable =
        |cause: String| Some(error("--control", ControlError::Unusable(path.to_owned(), cause).to_string(), ""));
    if let Err(cause) = SocketPath::from_pathname(path) {
        return unusable(cause.to_string());
    }
    match std::fs::symlink_metadata(path) {
        Ok(about) if about.file_type().is_socket() => None,
        Ok(_) => Some(error("--control", ControlError::NotASocket(path.to_owned()).to_string(), "")),
        Err(_) => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            make_and_remove(folder).err().and_then(|cause| unusable(cause.to_string()))
        }
    }
}

/// Where `serve` listens when it is told nothing.
const DEFAULT: ([u8; 4], u16) = ([127, 0, 0, 1], 8080);
