//! `secrets`: hands the component the secret settings it asks for, and nothing that is not one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use wasmtime::component::{HasData, Linker};

use crate::bindings::secrets as wit;
use crate::seldom::Seldom;
use crate::settings::{self, Settings};

/// Where the values of secret settings come from. They are read when the component needs them and kept nowhere, so a
/// rotation needs no restart. The call must not block for long: an implementation that asks a vault keeps what it was
/// told for a while.
pub trait Secrets: Send + Sync + 'static {
    /// The current value of the secret setting `name`; `None` when it is absent or empty.
    ///
    /// # Errors
    /// When it is there, or may be, and cannot be read. It must not be told as absent then, nor be an older one from
    /// elsewhere: what needs it is answered with 503 until it can be read.
    fn secret(&self, name: &str) -> Result<Option<String>, SecretUnavailable>;
}

/// A secret cannot be read at the moment; the cause, for the log. It holds no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretUnavailable(pub String);

impl std::fmt::Display for SecretUnavailable {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for SecretUnavailable {}

impl Secrets for Settings {
    fn secret(&self, name: &str) -> Result<Option<String>, SecretUnavailable> {
        Settings::secret(self, name).map_err(|error| SecretUnavailable(error.to_string()))
    }
}

/// The source of the process.
pub struct SecretsState {
    source: Arc<dyn Secrets>,
    control_token: Option<String>,
    /// By the name of the secret: one that is always unreadable must not hide another.
    complaints: Mutex<BTreeMap<String, Seldom>>,
}

/// The source as one call of the component sees it.
pub struct SecretsView<'a>(&'a SecretsState);

impl SecretsState {
    /// Hands out what `source` has.
    pub fn new(source: Arc<dyn Secrets>) -> Self {
        Self { source, control_token: None, complaints: Mutex::default() }
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

    fn value(&self, name: &str) -> Result<Option<String>, wit::Error> {
        match name {
            CONTROL_TOKEN => Ok(self.control_token.clone()),
            name if settings::is_secret(name) => match self.source.secret(name) {
                Ok(value) => Ok(value.filter(|value| !value.is_empty())),
                Err(SecretUnavailable(cause)) => {
                    self.complain(name, &cause);
                    Err(wit::Error::Unavailable)
                }
            },
            _ => Ok(None),
        }
    }

    fn complain(&self, name: &str, cause: &str) {
        if self.is_complaint_due(name) {
            let text = "the secret cannot be read, and what needs it is answered with 503";
            tracing::error!(event = "secret_unreadable", setting = name, cause, "{text}");
        }
    }

    fn is_complaint_due(&self, name: &str) -> bool {
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        complaints.entry(name.to_owned()).or_default().is_due(Instant::now())
    }
}

impl wit::Host for SecretsView<'_> {
    fn get(&mut self, names: Vec<String>) -> wasmtime::Result<Result<Vec<Option<String>>, wit::Error>> {
        Ok(names.iter().map(|name| self.0.value(name)).collect())
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

    /// It has everything but one, which is empty, and one that cannot be read.
    struct Everything;

    impl Secrets for Everything {
        fn secret(&self, name: &str) -> Result<Option<String>, SecretUnavailable> {
            match name {
                "SENTRY_DSN" => Ok(Some(String::new())),
                "COOKIE_ENCRYPTION_KEY" => Err(SecretUnavailable("it is sealed".to_owned())),
                _ => Ok(Some(format!("value of {name}"))),
            }
        }
    }

    fn get(state: &SecretsState, names: &[&str]) -> Result<Vec<Option<String>>, wit::Error> {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        state.view().get(names).expect("nothing traps")
    }

    #[test]
    fn only_secret_settings_are_handed_out_and_an_empty_one_is_none() {
        let state = SecretsState::new(Arc::new(Everything));
        let values = get(&state, &["ADMIN_TOKEN", "PUBLIC_URL", "PATH", "SENTRY_DSN", CONTROL_TOKEN]);
        let admin = Some("value of ADMIN_TOKEN".to_owned());
        assert_eq!(values, Ok(vec![admin, None, None, None, None]), "the token is not looked up");
        assert_eq!(get(&state, &[]), Ok(Vec::new()));
    }

    #[test]
    fn one_that_cannot_be_read_is_not_absent_and_keeps_no_other_from_being_read() {
        let state = SecretsState::new(Arc::new(Everything));
        assert_eq!(get(&state, &["COOKIE_ENCRYPTION_KEY"]), Err(wit::Error::Unavailable));
        assert_eq!(get(&state, &["ADMIN_TOKEN", "COOKIE_ENCRYPTION_KEY"]), Err(wit::Error::Unavailable));
        assert_eq!(get(&state, &["ADMIN_TOKEN"]), Ok(vec![Some("value of ADMIN_TOKEN".to_owned())]));
    }

    #[test]
    fn each_secret_has_complaints_of_its_own() {
        let state = SecretsState::new(Arc::new(Everything));
        assert!(state.is_complaint_due("ADMIN_TOKEN") && state.is_complaint_due("SENTRY_DSN"));
        assert!(!state.is_complaint_due("ADMIN_TOKEN"));
    }

    #[test]
    fn the_hosts_own_token_is_handed_out_only_where_there_is_one() {
        let state = SecretsState::new(Arc::new(Everything)).with_control_token("drawn");
        assert_eq!(get(&state, &[CONTROL_TOKEN]), Ok(vec![Some("drawn".to_owned())]));
        assert!(!settings::is_secret(CONTROL_TOKEN));
    }
}
