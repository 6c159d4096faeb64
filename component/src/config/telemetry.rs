//! The settings of telemetry. Whatever is wrong with them is told by `check` and never keeps a request from being
//! served: the part that is malformed counts as absent.

use super::ConfigError;
use super::sentry_dsn::SentryDsn;

/// What the operator wants to learn about requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TelemetrySettings {
    /// Whether reports go to Sentry: there is a `SENTRY_DSN`, and it is one. The DSN itself is secret, so it is read
    /// when a report is sent.
    pub sentry: bool,
    /// What the operator calls this version of the server.
    pub release: Option<String>,
    /// Where this server runs, as `staging`.
    pub environment: Option<String>,
    /// Whether users of `/internal` are named by their e-mail address besides their id.
    pub names_users: bool,
    /// What is malformed, for `check`.
    pub problems: Vec<ConfigError>,
}

impl TelemetrySettings {
    /// Reads the settings by name. What means nothing without Sentry or without users (`has_users`) is not looked up:
    /// on some hosts every look-up costs a call.
    pub(super) fn read(lookup: &impl Fn(&'static str) -> Option<String>, has_users: bool) -> TelemetrySettings {
        let mut settings = TelemetrySettings::default();
        match lookup("SENTRY_DSN").map(|dsn| SentryDsn::parse(&dsn).is_some()) {
            None => {}
            Some(true) => {
                settings.sentry = true;
                settings.release = settings.name(lookup, "SENTRY_RELEASE", MAX_RELEASE);
                settings.environment = settings.name(lookup, "SENTRY_ENVIRONMENT", MAX_ENVIRONMENT);
            }
            Some(false) => settings.problems.push(ConfigError {
                setting: "SENTRY_DSN",
                problem: "is not a DSN, so nothing goes to Sentry",
                advice: "copy it from Sentry, as https://key@host/project; http is for loopback only",
            }),
        }
        if has_users {
            settings.read_identity(lookup);
        }
        settings
    }

    fn read_identity(&mut self, lookup: &impl Fn(&'static str) -> Option<String>) {
        match lookup("TELEMETRY_IDENTITY").as_deref().map(str::trim) {
            None | Some("id") => {}
            Some("email") => self.names_users = true,
            Some(_) => self.problems.push(ConfigError {
                setting: "TELEMETRY_IDENTITY",
                problem: "is neither id nor email, so users are named by their id",
                advice: "write email to name users by their address, or leave it out",
            }),
        }
    }

    /// A name that Sentry takes: printable, without blanks and slashes.
    fn name(
        &mut self,
        lookup: &impl Fn(&'static str) -> Option<String>,
        setting: &'static str,
        longest: usize,
    ) -> Option<String> {
        let name = lookup(setting)?.trim().to_owned();
        let legal = |byte: u8| byte.is_ascii_graphic() && !b"/\\".contains(&byte);
        if name.len() <= longest && name.bytes().all(legal) {
            return Some(name);
        }
        self.problems.push(ConfigError {
            setting,
            problem: "is not a name that Sentry takes, so it is left out",
            advice: "write letters, digits and punctuation without blanks and slashes, as 1.2.0 or production",
        });
        None
    }
}

/// <https://docs.sentry.io/product/releases/naming-releases/>
const MAX_RELEASE: usize = 200;

/// <https://docs.sentry.io/concepts/key-terms/environments/>
const MAX_ENVIRONMENT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&'static str, &str)]) -> TelemetrySettings {
        let value = |name| settings.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        TelemetrySettings::read(&value, true)
    }

    const DSN: (&str, &str) = ("SENTRY_DSN", "https://abc@sentry.example/7");

    #[test]
    fn without_a_dsn_nothing_goes_to_sentry() {
        assert_eq!(read(&[("SENTRY_RELEASE", "1.0"), ("TELEMETRY_IDENTITY", "id")]), TelemetrySettings::default());
        let settings = read(&[DSN, ("SENTRY_RELEASE", "shop@1.0"), ("SENTRY_ENVIRONMENT", "staging")]);
        assert!(settings.sentry && settings.problems.is_empty());
        assert_eq!((settings.release.as_deref(), settings.environment.as_deref()), (Some("shop@1.0"), Some("staging")));
    }

    #[test]
    fn what_is_malformed_counts_as_absent_and_is_told() {
        let long = "x".repeat(65);
        for (setting, value) in [
            ("SENTRY_DSN", "https://sentry.example/7"),
            ("SENTRY_RELEASE", "a b"),
            ("SENTRY_ENVIRONMENT", "a/b"),
            ("SENTRY_ENVIRONMENT", &long),
            ("TELEMETRY_IDENTITY", "mail"),
        ] {
            let settings = if setting == DSN.0 { read(&[(setting, value)]) } else { read(&[DSN, (setting, value)]) };
            let [problem] = settings.problems.as_slice() else { panic!("{:?}", settings.problems) };
            assert_eq!(problem.setting, setting);
            assert_eq!((settings.release, settings.environment, settings.names_users), (None, None, false));
            assert_eq!(settings.sentry, setting != DSN.0);
        }
    }
}
