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
pub struct SecretsState(Arc<dyn Secrets>);

/// The source as one call of the component sees it.
pub struct SecretsView<'a>(&'a dyn Secrets);

impl SecretsState {
    /// Hands out what `source` has.
    pub fn new(source: Arc<dyn Secrets>) -> Self {
        Self(source)
    }

    /// For [`add_to_linker`].
    pub fn view(&self) -> SecretsView<'_> {
        SecretsView(self.0.as_ref())
    }
}

impl wit::Host for SecretsView<'_> {
    fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        Ok(if settings::is_secret(&name) { self.0.secret(&name).filter(|value| !value.is_empty()) } else { None })
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
    }
}
