//! What `plausible-mcp check` finds: every setting that is wrong, and whether the upstreams answer as they must.

mod plausible;
mod sentry;
mod settings;
mod sign_in;
mod store;

use super::setup::Setup;
use crate::config::{self, ConfigError};
use crate::ports::Ports;

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

/// Checks all settings, then asks each upstream one harmless question whose settings are in order.
pub async fn run<P: Ports>(ports: &P, setup: &Result<Setup, ConfigError>) -> Vec<Finding> {
    let lookup = |name| ports.setting(name);
    let read_now;
    let (setup, mut faults) = match setup {
        Ok(setup) => (setup, Vec::new()),
        Err(fault) => {
            let (setup, faults) = Setup::read_with_faults(lookup);
            read_now = setup;
            // Whoever meets a fault that was taken away since meets it until the settings are read again.
            (&read_now, if faults.is_empty() { vec![fault.clone()] } else { faults })
        }
    };
    let is_told = |faults: &[ConfigError], setting| faults.iter().any(|fault: &ConfigError| fault.setting == setting);
    let idle = config::idle(lookup).into_iter().filter(|fault| !is_told(&faults, fault.setting)).collect::<Vec<_>>();
    faults.extend(idle);
    let mut findings: Vec<Finding> = faults.iter().map(malformed).collect();
    findings.extend(settings::run(ports, setup));
    findings.extend(sentry::run(ports, &setup.config.telemetry).await);
    findings.extend(sign_in::run(ports, setup).await);
    if !is_told(&faults, plausible::BASE_URL) {
        findings.push(plausible::run(ports, &setup.config).await);
    }
    findings
}

fn malformed(error: &ConfigError) -> Finding {
    finding(Level::Error, Origin::Settings, error.setting, error.problem, error.advice)
}

fn finding(level: Level, origin: Origin, setting: &'static str, text: &str, advice: &str) -> Finding {
    Finding { level, origin, setting, text: text.to_owned(), advice: advice.to_owned() }
}

#[cfg(test)]
mod tests;
