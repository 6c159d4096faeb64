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

/// Reads the settings anew.
pub fn read() -> Result<Setup, ConfigError> {
    Setup::read(|name| std::env::var(name).ok().filter(|value| !value.is_empty()).or_else(|| HostSecrets.secret(name)))
}
