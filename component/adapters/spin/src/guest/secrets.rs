//! `secrets` from Spin's variables.

use super::Adapter;
use super::bindings::variables::{self, Error};
use plausible_mcp_adapter_edge::bindings::secrets as wit;
use plausible_mcp_adapter_edge::setting;

impl wit::Guest for Adapter {
    fn get(name: String) -> Option<String> {
        if setting::is_name(&name) { variable(&name.to_ascii_lowercase()) } else { None }
    }
}

/// The value of a variable; `None` when the application does not pass it on, or passes it on empty.
///
/// # Panics
/// When a provider of variables fails. The interface has no error, and to take such a setting for absent would let in
/// whom `DENIED_EMAILS` keeps out: the request fails instead.
pub(super) fn variable(name: &str) -> Option<String> {
    match variables::get(name) {
        Ok(value) => Some(value).filter(|value| !value.is_empty()),
        Err(Error::Undefined(_) | Error::InvalidName(_)) => None,
        Err(Error::Provider(_) | Error::Other(_)) => panic!("Spin could not read the variable {name}"),
    }
}
