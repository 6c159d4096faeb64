//! Settings that the host is asked for when they are needed.

use std::collections::BTreeMap;

/// Looks settings up. The contract stands in `wit/secrets.wit`: a value is kept no longer than the request that asked
/// for it.
pub trait Secrets {
    /// The current values of the settings `names`, in their order; `None` for each that is absent or empty.
    ///
    /// # Errors
    /// When one of them cannot be read. Nobody may take that for absent.
    fn values(&self, names: &[&str]) -> Result<Vec<Option<String>>, SecretUnavailable>;

    /// The current value of one setting.
    ///
    /// # Errors
    /// When it cannot be read.
    fn secret(&self, name: &str) -> Result<Option<String>, SecretUnavailable> {
        Ok(self.values(&[name])?.into_iter().next().flatten())
    }
}

/// A setting that may be set cannot be read at the moment. The host's log says which and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretUnavailable;

impl SecretUnavailable {
    /// The name of the cause, for the log.
    pub fn reason(self) -> &'static str {
        "secret_unavailable"
    }
}

/// A fixed table of settings.
#[derive(Debug, Default, Clone)]
pub struct FixedSecrets(pub BTreeMap<String, String>);

impl FixedSecrets {
    /// The value that stands for a setting which cannot be read.
    pub const UNREADABLE: &str = "\0unreadable";
}

impl Secrets for FixedSecrets {
    fn values(&self, names: &[&str]) -> Result<Vec<Option<String>>, SecretUnavailable> {
        let value = |name: &&str| match self.0.get(*name) {
            Some(value) if value == FixedSecrets::UNREADABLE => Err(SecretUnavailable),
            value => Ok(value.cloned()),
        };
        names.iter().map(value).collect()
    }
}
