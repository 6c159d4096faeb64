//! The authorization server as one request meets it: its settings, its records and the time.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::client_documents::Notes;
use super::response::Refusal;
use super::setup::Setup;
use crate::access::Admission;
use crate::config::{AuthorizationServer, ConfigError, SignIn};
use crate::oauth::keyring::{KeyRing, KeyRingError};
use crate::oauth::resource::Resource;
use crate::oauth::vault::{Unreadable, Vault};
use crate::ports::{Clock, OauthStore, Ports, Random, SecretUnavailable, Secrets, Timestamp};
use crate::telemetry::Act;

/// The authorization server during one request.
pub struct Issuer<'a, P: Ports> {
    /// What the host supplies.
    pub ports: &'a P,
    /// Who may sign in.
    pub sign_in: &'a SignIn,
    /// Its settings.
    pub server: &'a AuthorizationServer,
    /// The operator's rule about e-mail addresses.
    pub admission: &'a Admission,
    /// What its tokens are for.
    pub resource: &'a Resource,
    /// Its records.
    pub vault: Vault<'a, P::Store, P::Random>,
    /// The host names that requests may be addressed to, in lower case.
    pub hostnames: &'a [String],
    /// What the request leaves to say and to do about documents of clients.
    pub notes: RefCell<Notes>,
    /// What the request does that an audit asks about.
    pub acts: RefCell<Vec<Act>>,
    /// When the request came.
    pub now: Timestamp,
}

impl<'a, P: Ports> Issuer<'a, P> {
    /// The authorization server that `setup` describes; `None` when there is none.
    pub fn new(ports: &'a P, setup: &'a Setup, ring: &'a KeyRing) -> Option<Self> {
        let sign_in = setup.config.sign_in.as_ref()?;
        Some(Issuer {
            ports,
            sign_in,
            server: sign_in.authorization_server.as_ref()?,
            admission: &setup.admission,
            resource: setup.resource.as_ref()?,
            vault: Vault::new(ports.store(), ports.random(), ring),
            hostnames: &setup.config.allowed_hostnames,
            notes: RefCell::default(),
            acts: RefCell::default(),
            now: ports.clock().now(),
        })
    }

    /// Notes what an audit asks about.
    pub fn note(&self, act: Act) {
        self.acts.borrow_mut().push(act);
    }

    /// Whether an e-mail address is admitted now.
    pub fn admits(&self, email: &str) -> bool {
        self.admission.admit(email).is_ok()
    }
}

/// The records that did not decode while one request was answered.
#[derive(Debug, Default)]
pub struct UnreadableRecords(RefCell<Vec<Unreadable>>);

impl UnreadableRecords {
    /// Counts what a vault has met.
    pub fn count<S: OauthStore, R: Random>(&self, vault: &Vault<'_, S, R>) {
        self.0.borrow_mut().extend(vault.unreadable());
    }

    /// How many so far.
    pub fn so_far(&self) -> usize {
        self.0.borrow().len()
    }

    /// Why they did not, each cause once.
    pub fn causes(&self) -> BTreeSet<&'static str> {
        self.0.borrow().iter().map(|unreadable| unreadable.fault.reason()).collect()
    }
}

/// Why a secret cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretError {
    /// It cannot be read at the moment: nobody may go on as if it were absent.
    Unavailable(SecretUnavailable),
    /// It is missing or malformed.
    Misconfigured(ConfigError),
}

impl From<SecretUnavailable> for SecretError {
    fn from(unavailable: SecretUnavailable) -> SecretError {
        SecretError::Unavailable(unavailable)
    }
}

/// The server's keys, read anew for every request so that a rotation needs no restart.
pub fn key_ring<S: Secrets>(secrets: &S) -> Result<KeyRing, SecretError> {
    let setting = required(secrets, "COOKIE_ENCRYPTION_KEY", "make one with: openssl rand -hex 32")?;
    KeyRing::parse(&setting).map_err(|error| SecretError::Misconfigured(no_ring(error)))
}

/// Each fault in words of its own: whoever reads that a key of 64 digits has not 64 digits looks in the wrong place.
fn no_ring(error: KeyRingError) -> ConfigError {
    let make_one = "make one with: openssl rand -hex 32";
    let (problem, advice) = match error {
        KeyRingError::Missing => ("has no key", make_one),
        KeyRingError::NotHexadecimal => (
            "has a key that is not 64 hexadecimal digits",
            "make keys with: openssl rand -hex 32, and separate them by commas",
        ),
        KeyRingError::Guessable => ("has a key that is the same over and over, which anybody can guess", make_one),
        KeyRingError::Repeated => ("has the same key twice", "write each key once, the newest first"),
        KeyRingError::TooMany => ("has more than 8 keys", "remove the oldest, which stand last"),
    };
    ConfigError { setting: "COOKIE_ENCRYPTION_KEY", problem, advice }
}

/// A secret that sign-in cannot do without.
pub fn required<S: Secrets>(secrets: &S, setting: &'static str, advice: &'static str) -> Result<String, SecretError> {
    let value = secrets.secret(setting)?.filter(|value| !value.trim().is_empty());
    value.ok_or(SecretError::Misconfigured(ConfigError { setting, problem: "is missing", advice }))
}

/// The refusal for a secret that cannot be read, is missing or malformed.
pub fn without_secret(error: &SecretError) -> Refusal {
    match error {
        SecretError::Unavailable(unavailable) => Refusal::secret_unavailable(*unavailable),
        SecretError::Misconfigured(error) => Refusal::misconfigured(error, Some(super::route::Route::Internal)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::keyring::MAX_KEYS;

    #[test]
    fn each_fault_of_the_servers_key_has_words_of_its_own() {
        let faults = [
            KeyRingError::Missing,
            KeyRingError::NotHexadecimal,
            KeyRingError::Guessable,
            KeyRingError::Repeated,
            KeyRingError::TooMany,
        ];
        let words: std::collections::BTreeSet<_> = faults.map(|fault| no_ring(fault).problem).into();
        assert_eq!(words.len(), faults.len(), "{words:?}");
        assert!(no_ring(KeyRingError::TooMany).problem.contains(&MAX_KEYS.to_string()));
        assert!(!no_ring(KeyRingError::Guessable).problem.contains("hexadecimal"));
    }
}
