//! `plausible-mcp:host/secrets`.

use super::bindings::plausible_mcp::host::secrets;
use crate::ports::{SecretUnavailable, Secrets};

/// The host's secrets.
pub struct HostSecrets;

impl Secrets for HostSecrets {
    fn values(&self, names: &[&str]) -> Result<Vec<Option<String>>, SecretUnavailable> {
        let asked: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let values = secrets::get(&asked).map_err(|secrets::Error::Unavailable| SecretUnavailable)?;
        // A host that tells fewer than it was asked for has not said of any that it is absent.
        if values.len() == names.len() { Ok(values) } else { Err(SecretUnavailable) }
    }
}
