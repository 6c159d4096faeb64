//! `secrets` from Spin's variables.

use super::Adapter;
use super::bindings::variables::{self, Error};
use plausible_mcp_adapter_edge::bindings::secrets as wit;
use plausible_mcp_adapter_edge::{log, setting};

impl wit::Guest for Adapter {
    fn get(names: Vec<String>) -> Result<Vec<Option<String>>, wit::Error> {
        let value = |name: &String| match setting::is_name(name) {
            true => variable(&name.to_ascii_lowercase()),
            false => Ok(None),
        };
        // It ends at the first that fails: a provider that does not answer would have to be waited for each time.
        names.iter().map(value).collect::<Result<_, _>>().map_err(|Unreadable| wit::Error::Unavailable)
    }
}

/// The application passes the variable on, and its value cannot be had.
pub(super) struct Unreadable;

/// The value of a variable; `None` when the application does not pass it on, or passes it on empty. One whose provider
/// fails may well have a value, so the log is told, and nobody that it is absent.
pub(super) fn variable(name: &str) -> Result<Option<String>, Unreadable> {
    match variables::get(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(Error::Undefined(_) | Error::InvalidName(_)) => Ok(None),
        Err(Error::Provider(cause) | Error::Other(cause)) => {
            log::error("secret_unavailable", &[("variable", name), ("cause", &cause)]);
            Err(Unreadable)
        }
    }
}
