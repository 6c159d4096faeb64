//! Looking after the parts: they are checked when the server starts, and again while one of them is not as it should be,
//! with pauses that grow. So a server that starts while a neighbour is away finds out that it is back, also when nobody
//! asks for what needs it, because a proxy sends such requests elsewhere.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Host;
use crate::operator::{Finding, Level, Origin};
use crate::parts::{Part, State};

/// When the settings were read last.
#[derive(Default)]
pub(super) struct SettingsRead(tokio::sync::Mutex<Option<Instant>>);

impl Host {
    /// Checks settings and neighbours, and again while one of them is not as it should be. What is found is logged, each
    /// finding once, and known to [`Host::ready_for_internal`]. Never ends; `serve` runs it beside the server.
    pub async fn watch(&self) -> Infallible {
        let (mut said, mut pause, mut last) = (BTreeSet::new(), FIRST_PAUSE, Instant::now());
        loop {
            self.look(&mut said).await;
            while self.is_well() {
                self.known().worsened().await;
            }
            if last.elapsed() > LONGEST_PAUSE * 2 {
                pause = FIRST_PAUSE;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            last = Instant::now();
        }
    }

    /// Checks once. `said` is what the log has of the checks before.
    async fn look(&self, said: &mut BTreeSet<(String, String)>) {
        let mut findings = match self.check().await {
            Ok(findings) => findings,
            Err(error) => {
                tracing::error!(event = "check_failed", cause = %error, "the settings could not be checked");
                return;
            }
        };
        self.known().settings_read(wrong_setting(&findings));
        findings.retain(|finding| finding.level != Level::Ok);
        let now: BTreeSet<_> = findings.iter().map(|found| (found.setting.clone(), found.text.clone())).collect();
        for found in findings.iter().filter(|found| !said.contains(&(found.setting.clone(), found.text.clone()))) {
            let Finding { level, setting, text, advice, .. } = found;
            match level {
                Level::Error => tracing::error!(event = "check", setting, text, advice, "something does not work"),
                _ => tracing::warn!(event = "check", setting, text, advice, "something should be known"),
            }
        }
        *said = now;
    }

    /// Reads the settings of sign-in, unless somebody has just done so. Nobody else is asked.
    pub(super) async fn read_settings(&self) {
        let mut read = self.0.settings_read.0.lock().await;
        if read.is_some_and(|read| read.elapsed() < SETTINGS_AGE) {
            return;
        }
        match self.check_settings().await {
            Ok(findings) => self.known().settings_read(wrong_setting(&findings)),
            Err(error) => tracing::warn!(event = "check_failed", cause = %error, "the settings could not be read"),
        }
        *read = Some(Instant::now());
    }

    /// Whether nothing has to be looked after. What only callers notice, they find out again by themselves.
    fn is_well(&self) -> bool {
        let state = |part| self.known().condition(part).state;
        let lets_people_in = self.0.surface.sign_in().is_none() || state(Part::SignIn) == State::Ok;
        !state(Part::Store).is_bad() && lets_people_in && state(Part::Plausible) != State::Away
    }
}

/// The first setting without which `/internal` is not served.
fn wrong_setting(findings: &[Finding]) -> Option<String> {
    let is_wrong = |found: &&Finding| {
        let is_error = (found.level, found.origin) == (Level::Error, Origin::Settings);
        is_error && !OF_OTHERS.contains(&found.setting.as_str())
    };
    findings.iter().find(is_wrong).map(|found| found.setting.clone())
}

/// Settings that `/internal` does without.
const OF_OTHERS: [&str; 2] = ["ADMIN_TOKEN", "SENTRY_DSN"];
/// A neighbour that is started anew is back in a few of these.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// A check asks Plausible one question, of which it answers 600 an hour.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// However often somebody asks, and a secret that was rotated counts soon.
const SETTINGS_AGE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_fault_of_settings_that_sign_in_needs_counts() {
        let found = |level, origin, setting: &str| Finding {
            level,
            origin,
            setting: setting.to_owned(),
            text: String::new(),
            advice: String::new(),
        };
        let others = [
            found(Level::Warn, Origin::Settings, "RATE_LIMIT_PER_MINUTE"),
            found(Level::Error, Origin::Answer, "ACCESS_ISSUER"),
            found(Level::Error, Origin::Unreachable, "STORE"),
            found(Level::Error, Origin::Settings, "ADMIN_TOKEN"),
        ];
        assert_eq!(wrong_setting(&others), None);
        let key = found(Level::Error, Origin::Settings, "COOKIE_ENCRYPTION_KEY");
        assert_eq!(wrong_setting(&[&others[..], &[key]].concat()).as_deref(), Some("COOKIE_ENCRYPTION_KEY"));
    }
}
