//! Secret settings, read when they are needed.

use std::collections::BTreeMap;

/// Looks secret settings up. The contract stands in `wit/secrets.wit`: a value is kept no longer than the request
/// that asked for it.
pub trait Secrets {
    /// The current value of the setting `name`; `None` when it is absent or empty.
    fn secret(&self, name: &str) -> Option<String>;
}

/// A fixed table of settings.
#[derive(Debug, Default, Clone)]
pub struct FixedSecrets(pub BTreeMap<String, String>);

impl Secrets for FixedSecrets {
    fn secret(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }
}
