//! `secrets`: hands the component the secret settings it asks for, and nothing that is not one.

use std::sync::Arc;

use wasmtime::component::{HasData, Linker};

use crate::bindings::secrets as wit;
use crate::settings::{self, Settings};

/// Where the values of secret settings come from. They are read when the component needs them and kept nowhere, so a
/// rotation needs no restart. The call must not block for long: an implementation that asks a vault keeps what it was
/// told for a while.
pub trait Secrets: Send + Sync + 'static {
    /// The current value of the secret setting `name`; `None` when it is absent or empty. One that is there and cannot
    /// be read is `None` too, which the implementation tells in its own log: it must not be an older one from elsewhere.
    fn secret(&self, name: &str) -> Option<String>;
}

impl Secrets for Settings {
    fn secret(&self, name: &str) -> Option<String> {
        Settings::secret(self, name)
    }
}

/// The source of the process.
pub struct SecretsState {
    source: Arc<dyn Secrets>,
    control_token: Option<String>,
}

/// The source as one call of the component sees it.
pub struct SecretsView<'a>(&'a SecretsState);

impl SecretsState {
    /// Hands out what `source` has.
    pub fn new(source: Arc<dyn Secrets>) -> Self {
        Self { source, control_token: None }
    }

    /// The same with a token by which the component knows requests of the host's own. It is no setting: `source` is not
    /// asked for it.
    pub(crate) fn with_control_token(mut self, token: &str) -> Self {
        self.control_token = Some(token.to_owned());
        self
    }

    /// For [`add_to_linker`].
    pub fn view(&self) -> SecretsView<'_> {
        SecretsView(self)
    }
}

impl wit::Host for SecretsView<'_> {
    fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        let SecretsState { source, control_token } = self.0;
        Ok(match name.as_str() {
            CONTROL_TOKEN => control_token.clone(),
            name if settings::is_secret(name) => source.secret(name).filter(|value| !value.is_empty()),
            _ => None,
        })
    }
}

struct HasSecrets;

impl HasData for HasSecrets {
    type Data<'a> = SecretsView<'a>;
}

/// Supplies `plausible-mcp:host/secrets` from the part of `T` that `view` shows.
///
/// # Errors
/// When the linker has the interface already.
pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> SecretsView<'_>,
) -> wasmtime::Result<()> {
    wit::add_to_linker::<_, HasSecrets>(linker, view)
}

/// A name that no setting has.
const CONTROL_TOKEN: &str = "CONTROL_TOKEN";

#[cfg(test)]
mod tests {
    use wit::Host as _;

    use super::*;

    struct Everything;

    impl Secrets for Everything {
        fn secret(&self, name: &str) -> Option<String> {
            Some(if name == "SENTRY_DSN" { String::new() } else { format!("value of {name}") })
        }
    }

    #[test]
    fn only_secret_settings_are_handed_out_and_an_empty_one_is_none() {
        let state = SecretsState::new(Arc::new(Everything));
        let get = |name: &str| state.view().get(name.to_owned()).unwrap();
        assert_eq!(get("ADMIN_TOKEN").as_deref(), Some("value of ADMIN_TOKEN"));
        assert_eq!(get("PUBLIC_URL"), None);
        assert_eq!(get("PATH"), None);
        assert_eq!(get("SENTRY_DSN"), None);
        assert_eq!(get(CONTROL_TOKEN), None, "it is not looked up");
    }

    #[test]
    fn the_hosts_own_token_is_handed_out_only_where_there_is_one() {
        let state = SecretsState::new(Arc::new(Everything)).with_control_token("drawn");
        assert_eq!(state.view().get(CONTROL_TOKEN.to_owned()).unwrap().as_deref(), Some("drawn"));
        assert!(!settings::is_secret(CONTROL_TOKEN));
    }
}
