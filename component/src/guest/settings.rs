//! Where settings come from: the environment, then `plausible-mcp:host/secrets`.
//!
//! Under a host that serves several requests with one instance the parsed settings are kept: none of them is secret.

use std::cell::OnceCell;

use super::secrets::HostSecrets;
use crate::gateway::{ConfigError, HostSettings, Setup};
use crate::ports::{SecretUnavailable, Secrets};

thread_local! {
    static SETUP: OnceCell<Result<Setup, ConfigError>> = const { OnceCell::new() };
}

/// Calls `use_setup` with the settings; `Err` where the host cannot read them at the moment.
pub fn with_setup<T>(use_setup: impl FnOnce(Result<&Result<Setup, ConfigError>, SecretUnavailable>) -> T) -> T {
    SETUP.with(|kept| {
        if let Some(setup) = kept.get() {
            return use_setup(Ok(setup));
        }
        match read() {
            Ok(HostSettings { setup, is_whole: true }) => use_setup(Ok(kept.get_or_init(|| setup))),
            Ok(HostSettings { setup, is_whole: false }) => use_setup(Ok(&setup)),
            Err(unavailable) => use_setup(Err(unavailable)),
        }
    })
}

/// The value of one setting as it is now; `Err` where the host cannot read it at the moment.
pub fn value(name: &'static str) -> Result<Option<String>, SecretUnavailable> {
    match std::env::var(name).ok().filter(|value| !value.is_empty()) {
        Some(value) => Ok(Some(value)),
        None => HostSecrets.secret(name),
    }
}

/// Reads the settings anew.
pub fn read() -> Result<HostSettings, SecretUnavailable> {
    // All at once: each lookup by the standard library copies the name and the value.
    let environment: Vec<(String, String)> = std::env::vars().filter(|(_, value)| !value.is_empty()).collect();
    HostSettings::read(&environment, &HostSecrets)
}
