//! Where settings come from: the environment, then `plausible-mcp:host/secrets`.
//!
//! Under a host that serves several requests with one instance the parsed settings are kept: none of them is secret.

use std::cell::OnceCell;

use super::secrets::HostSecrets;
use crate::gateway::{ConfigError, Setup};
use crate::ports::Secrets;

thread_local! {
    static SETUP: OnceCell<Result<Setup, ConfigError>> = const { OnceCell::new() };
}

/// Calls `use_setup` with the settings.
pub fn with_setup<T>(use_setup: impl FnOnce(&Result<Setup, ConfigError>) -> T) -> T {
    SETUP.with(|setup| use_setup(setup.get_or_init(read)))
}

/// The value of one setting as it is now.
pub fn value(name: &'static str) -> Option<String> {
    let in_environment = std::env::var(name).ok().filter(|value| !value.is_empty());
    in_environment.or_else(|| HostSecrets.secret(name))
}

/// Reads the settings anew.
pub fn read() -> Result<Setup, ConfigError> {
    // All at once: each lookup by the standard library copies the name and the value.
    let environment: Vec<(String, String)> = std::env::vars().filter(|(_, value)| !value.is_empty()).collect();
    let in_environment = |wanted: &str| environment.iter().find(|(name, _)| name == wanted);
    Setup::read(|name| match in_environment(name) {
        Some((_, value)) => Some(value.clone()),
        None => HostSecrets.secret(name),
    })
}
