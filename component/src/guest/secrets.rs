//! `plausible-mcp:host/secrets`.

use super::bindings::plausible_mcp::host::secrets;
use crate::ports::Secrets;

/// The host's secrets.
pub struct HostSecrets;

impl Secrets for HostSecrets {
    fn secret(&self, name: &str) -> Option<String> {
        secrets::get(name)
    }
}
