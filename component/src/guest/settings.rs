//! Where settings come from: the environment, then `plausible-mcp:host/secrets`.
//!
//! Under a host that serves several requests with one instance the parsed settings are kept: none of them is secret.

use std::cell::OnceCell;

use super::secrets::HostSecrets;
use crate::gateway::{Config, ConfigError};
use crate::ports::Secrets;

thread_local! {
    static CONFIG: OnceCell<Result<Config, ConfigError>> = const { OnceCell::new() };
}

/// Calls `use_config` with the settings.
pub fn with_config<T>(use_config: impl FnOnce(&Result<Config, ConfigError>) -> T) -> T {
    CONFIG.with(|config| use_config(config.get_or_init(read)))
}

/// Reads the settings anew.
pub fn read() -> Result<Config, ConfigError> {
    Config::read(|name| std::env::var(name).ok().filter(|value| !value.is_empty()).or_else(|| HostSecrets.secret(name)))
}
