//! The settings of telemetry. Whatever is wrong with them is told by `check` and never keeps a request from being
//! served: the part that is malformed counts as absent.

use super::ConfigError;

/// What the operator wants to learn about requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TelemetrySettings {
    /// Whether users of `/internal` are named by their e-mail address besides their id.
    pub names_users: bool,
    /// What is malformed, for `check`.
    pub problems: Vec<ConfigError>,
}

impl TelemetrySettings {
    /// Reads the settings by name. Those about users are looked up only where there are any (`has_users`).
    pub(super) fn read(lookup: &impl Fn(&'static str) -> Option<String>, has_users: bool) -> TelemetrySettings {
        let mut settings = TelemetrySettings::default();
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
}
