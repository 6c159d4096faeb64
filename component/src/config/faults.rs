//! The faults of the settings, gathered while they are read.

use super::ConfigError;

/// What is wrong so far.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<ConfigError>);

impl Faults {
    /// What was read; the default in place of what is missing or malformed, which is noted.
    pub(super) fn or_default<T: Default>(&mut self, read: Result<T, ConfigError>) -> T {
        read.unwrap_or_else(|fault| {
            self.note(fault);
            T::default()
        })
    }

    /// Notes a fault. Several settings are made of one, whose fault each of them meets.
    pub(super) fn note(&mut self, fault: ConfigError) {
        if !self.0.contains(&fault) {
            self.0.push(fault);
        }
    }

    /// Whether nothing is wrong.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in the order in which they were met.
    pub(super) fn into_list(self) -> Vec<ConfigError> {
        self.0
    }
}
