//! The settings as a host has them: what its environment holds, and for the rest what it answers when it is asked.

use std::cell::{Cell, OnceCell};

use super::setup::Setup;
use crate::config::{ConfigError, GROUPS, Group};
use crate::ports::{SecretUnavailable, Secrets};

/// The settings of a host at one moment.
#[derive(Debug)]
pub struct HostSettings {
    /// What they come to.
    pub setup: Result<Setup, ConfigError>,
    /// Whether all of them could be read. If not, telemetry is off, and who keeps settings must not keep these.
    pub is_whole: bool,
}

/// What was asked for so far.
struct Answers<'a, S> {
    environment: &'a [(String, String)],
    secrets: &'a S,
    groups: [OnceCell<Values>; GROUPS.len()],
    unavailable: Cell<Option<SecretUnavailable>>,
    is_whole: Cell<bool>,
}

type Values = Vec<(&'static str, Option<String>)>;

impl HostSettings {
    /// Reads the settings: each from `environment`, where it is there, else from `secrets`.
    ///
    /// # Errors
    /// When one that is vital cannot be read: what comes of the others is not to be acted on.
    pub fn read(environment: &[(String, String)], secrets: &impl Secrets) -> Result<HostSettings, SecretUnavailable> {
        let answers = Answers {
            environment,
            secrets,
            groups: Default::default(),
            unavailable: Cell::new(None),
            is_whole: Cell::new(true),
        };
        let setup = Setup::read(|name| answers.value(name));
        match answers.unavailable.get() {
            Some(unavailable) => Err(unavailable),
            None => Ok(HostSettings { setup, is_whole: answers.is_whole.get() }),
        }
    }
}

impl<S: Secrets> Answers<'_, S> {
    fn value(&self, name: &'static str) -> Option<String> {
        if let Some(value) = self.in_environment(name) {
            return Some(value.to_owned());
        }
        let (group, kept) = GROUPS.iter().zip(&self.groups).find(|(group, _)| group.names.contains(&name))?;
        // After one that is vital nothing counts any more, and whoever does not answer is not asked again.
        if self.unavailable.get().is_some() {
            return None;
        }
        let values = kept.get_or_init(|| self.ask(group));
        values.iter().find(|(known, _)| *known == name)?.1.clone()
    }

    fn ask(&self, group: &Group) -> Values {
        let names: Vec<&'static str> =
            group.names.iter().copied().filter(|name| self.in_environment(name).is_none()).collect();
        match self.secrets.values(&names) {
            Ok(values) => names.into_iter().zip(values).collect(),
            Err(unavailable) => {
                self.is_whole.set(false);
                if group.is_vital {
                    self.unavailable.set(Some(unavailable));
                }
                Values::new()
            }
        }
    }

    fn in_environment(&self, name: &str) -> Option<&str> {
        self.environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    use super::*;
    use crate::ports::FixedSecrets;

    const SIGN_IN: [(&str, &str); 8] = [
        ("PUBLIC_URL", "https://mcp.example.com"),
        ("ACCESS_CLIENT_ID", "client-1"),
        ("ACCESS_ISSUER", "https://team.example/issuer"),
        ("ALLOWED_EMAIL_DOMAIN", "example.com"),
        ("DENIED_EMAILS", "eve@example.com"),
        ("PLAUSIBLE_BASE_URL", "https://plausible.example"),
        ("SENTRY_DSN", "https://abc@sentry.example/7"),
        ("TELEMETRY_IDENTITY", "email"),
    ];

    /// A host without an environment, which counts what it is asked.
    struct Asked {
        values: FixedSecrets,
        calls: RefCell<Vec<Vec<String>>>,
    }

    impl Secrets for Asked {
        fn values(&self, names: &[&str]) -> Result<Vec<Option<String>>, SecretUnavailable> {
            self.calls.borrow_mut().push(names.iter().map(|name| (*name).to_owned()).collect());
            self.values.values(names)
        }
    }

    fn asked(changes: &[(&str, &str)]) -> Asked {
        let values = SIGN_IN.iter().chain(changes).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Asked { values: FixedSecrets(values.collect()), calls: RefCell::default() }
    }

    #[test]
    fn a_setting_that_cannot_be_read_is_never_absent() {
        let secrets = asked(&[]);
        let read = HostSettings::read(&[], &secrets).unwrap();
        assert_eq!(read.setup.unwrap().admission.denied_emails, ["eve@example.com"]);
        for vital in GROUPS.iter().filter(|group| group.is_vital).flat_map(|group| group.names) {
            let secrets = asked(&[(vital, FixedSecrets::UNREADABLE)]);
            assert_eq!(HostSettings::read(&[], &secrets).err(), Some(SecretUnavailable), "{vital}");
        }
    }

    #[test]
    fn what_telemetry_needs_keeps_nobody_from_being_served_and_is_not_kept() {
        for name in ["SENTRY_DSN", "TELEMETRY_IDENTITY"] {
            let read = HostSettings::read(&[], &asked(&[(name, FixedSecrets::UNREADABLE)])).unwrap();
            let telemetry = read.setup.unwrap().config.telemetry;
            assert_eq!((read.is_whole, telemetry.sentry, telemetry.names_users), (false, false, false), "{name}");
        }
        let read = HostSettings::read(&[], &asked(&[])).unwrap();
        let telemetry = read.setup.unwrap().config.telemetry;
        assert_eq!((read.is_whole, telemetry.sentry, telemetry.names_users), (true, true, true));
    }

    #[test]
    fn a_host_is_asked_once_for_each_group_that_is_needed() {
        let secrets = asked(&[]);
        HostSettings::read(&[], &secrets).unwrap().setup.unwrap();
        assert_eq!(secrets.calls.borrow().len(), 3, "{:?}", secrets.calls);
        let away = asked(&[("PUBLIC_URL", FixedSecrets::UNREADABLE)]);
        HostSettings::read(&[], &away).unwrap_err();
        assert_eq!(away.calls.borrow().len(), 1, "whoever does not answer is not asked again");
    }

    #[test]
    fn what_stands_in_the_environment_is_not_asked_for() {
        let environment = SIGN_IN.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let secrets = asked(&[("DENIED_EMAILS", FixedSecrets::UNREADABLE)]);
        let read = HostSettings::read(&environment, &secrets).unwrap();
        assert_eq!(read.setup.unwrap().admission.denied_emails, ["eve@example.com"]);
        assert!(secrets.calls.borrow().iter().flatten().all(|name| name != "DENIED_EMAILS"));
    }

    #[test]
    fn every_setting_that_is_looked_up_stands_in_one_group() {
        let grouped: Vec<_> = GROUPS.iter().flat_map(|group| group.names).copied().collect();
        let looked_up = RefCell::new(BTreeSet::new());
        for settings in [&SIGN_IN[..], &SIGN_IN[..1], &[("CF_ACCESS_AUD", "tag"), ("CF_ACCESS_TEAM_DOMAIN", "team")]] {
            let _ = Setup::read(|name| {
                looked_up.borrow_mut().insert(name);
                settings.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            });
        }
        assert_eq!(*looked_up.borrow(), grouped.iter().copied().collect());
        assert_eq!(grouped.len(), looked_up.borrow().len(), "each stands in one group");
    }
}
