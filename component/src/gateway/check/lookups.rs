//! How `check` looks settings up: what cannot be read at the moment is noted, and is never taken for missing.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::config::GROUPS;
use crate::ports::{Ports, SecretUnavailable};

/// The settings as they are now, and the names of those that could not be read.
pub struct Lookups<'a, P> {
    ports: &'a P,
    unreadable: RefCell<BTreeSet<&'static str>>,
}

impl<'a, P: Ports> Lookups<'a, P> {
    /// Nothing was looked up yet.
    pub fn new(ports: &'a P) -> Self {
        Lookups { ports, unreadable: RefCell::default() }
    }

    /// The value of a setting, secret or not; `None` where it is absent, or noted as unreadable.
    pub fn value(&self, name: &'static str) -> Option<String> {
        self.read(name).ok().flatten()
    }

    /// The same for who must tell both apart.
    ///
    /// # Errors
    /// When it cannot be read, which is noted.
    pub fn read(&self, name: &'static str) -> Result<Option<String>, SecretUnavailable> {
        let read = self.ports.setting(name);
        if read.is_err() {
            self.unreadable.borrow_mut().insert(name);
        }
        read
    }

    /// Whether one could not be read without which nothing is known of the others.
    pub fn has_lost_a_vital_one(&self) -> bool {
        let unreadable = self.unreadable.borrow();
        GROUPS
            .iter()
            .filter(|group| group.is_vital)
            .any(|group| group.names.iter().any(|name| unreadable.contains(name)))
    }

    /// The names of those that could not be read.
    pub fn unreadable(&self) -> BTreeSet<&'static str> {
        self.unreadable.borrow().clone()
    }
}
