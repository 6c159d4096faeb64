//! What `plausible-mcp check` finds: every setting that is wrong, and whether the upstreams answer as they must.

mod denied;
mod lookups;
mod plausible;
mod sentry;
mod settings;
mod sign_in;
mod store;

use lookups::Lookups;

use super::setup::Setup;
use crate::config::{self, ConfigError};
use crate::ports::{Ports, SecretUnavailable};

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// It is as it should be.
    Ok,
    /// It works, and the operator should know something.
    Warn,
    /// It does not work.
    Error,
}

/// What a finding was found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The settings alone.
    Settings,
    /// An upstream that answered.
    Answer,
    /// An upstream that did not.
    Unreachable,
}

/// One result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How serious it is.
    pub level: Level,
    /// What it was found by.
    pub origin: Origin,
    /// The setting that it is about.
    pub setting: &'static str,
    /// What is the case.
    pub text: String,
    /// What to do; empty for nothing.
    pub advice: String,
}

/// Checks all settings, then asks each upstream one harmless question whose settings are in order. What cannot be read at
/// the moment is told as such, and nothing is said of what follows from it.
pub async fn run<P: Ports>(ports: &P, setup: &Result<Setup, ConfigError>) -> Vec<Finding> {
    let lookups = Lookups::new(ports);
    let read_now;
    let (setup, faults) = match setup {
        Ok(setup) => (setup, Vec::new()),
        Err(fault) => {
            let (setup, faults) = read_again(&lookups, fault);
            read_now = setup;
            (&read_now, faults)
        }
    };
    let faults = with_idle(&lookups, faults);
    let mut findings: Vec<Finding> = faults.iter().map(malformed).collect();
    findings.extend(settings::run(&lookups, setup));
    findings.extend(sentry::run(ports, &setup.config.telemetry).await);
    findings.extend(sign_in::run(ports, setup).await);
    if !faults.iter().any(|fault| fault.setting == plausible::BASE_URL) {
        findings.extend(plausible::run(ports, &setup.config).await);
    }
    // Secrets that a part of the check needed were told of there.
    let is_told = |setting| findings.iter().any(|found| *found == unreadable(setting));
    let lost: Vec<_> = lookups.unreadable().into_iter().filter(|setting| !is_told(*setting)).collect();
    findings.extend(lost.into_iter().map(unreadable));
    findings
}

/// The settings with all their faults. Whoever meets `fault` meets it until the settings are read again, though it was
/// taken away since.
fn read_again<P: Ports>(lookups: &Lookups<'_, P>, fault: &ConfigError) -> (Setup, Vec<ConfigError>) {
    let (setup, faults) = Setup::read_with_faults(|name| lookups.value(name));
    // Where a setting cannot be read any more, others are found missing that are not.
    let is_known = !faults.is_empty() && !lookups.has_lost_a_vital_one();
    (setup, if is_known { faults } else { vec![fault.clone()] })
}

/// These faults and those of settings that nothing reads, each setting once.
fn with_idle<P: Ports>(lookups: &Lookups<'_, P>, mut faults: Vec<ConfigError>) -> Vec<ConfigError> {
    let mut idle = config::idle(|name| lookups.value(name));
    idle.retain(|idle| !faults.iter().any(|fault| fault.setting == idle.setting));
    faults.extend(idle);
    faults
}

/// What is found where the settings themselves cannot be read: nothing else is known.
pub fn without_settings(_: SecretUnavailable) -> Finding {
    unreadable("SETTINGS")
}

/// Of a secret that cannot be read.
fn unreadable(setting: &'static str) -> Finding {
    let text = "it cannot be read at the moment, so what needs it is answered with 503";
    let advice =
        "look into the host's log, which says what cannot be read and why; on Spin, see to the provider of variables";
    finding(Level::Error, Origin::Unreachable, setting, text, advice)
}

fn malformed(error: &ConfigError) -> Finding {
    finding(Level::Error, Origin::Settings, error.setting, error.problem, error.advice)
}

fn finding(level: Level, origin: Origin, setting: &'static str, text: &str, advice: &str) -> Finding {
    Finding { level, origin, setting, text: text.to_owned(), advice: advice.to_owned() }
}

#[cfg(test)]
mod tests;
