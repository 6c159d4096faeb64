//! What `check` finds where the host does not let the component connect: nothing is wrong with the upstream then, nor
//! with the network, and what helps is a setting of the host's.

use super::{Finding, Level, Origin, finding};

/// An upstream that the operator names, and how a host is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// The Stats API.
    Plausible,
    /// The identity provider, or the keys of a team.
    Access,
    /// Where reports go.
    Sentry,
}

impl Denied {
    /// The finding about `setting`, which names the upstream's address. Spin calls the list `allowed_outbound_hosts`.
    pub fn finding(self, setting: &'static str) -> Finding {
        let (name, variable, value) = match self {
            Denied::Plausible => ("Plausible", "plausible_base_url", "Plausible's address, without a path"),
            Denied::Access => ("Access", "access_host", "scheme and host of the issuer, or of the team's domain"),
            Denied::Sentry => ("Sentry", "sentry_host", "scheme and host of the DSN, without its key"),
        };
        let text = format!("this host does not let the component connect to {name}: not among allowed_outbound_hosts");
        let advice = format!("set {variable} to {value} (a variable of spin.toml), or add it to what your host allows");
        finding(Level::Error, Origin::Settings, setting, &text, &advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_upstream_has_its_variable() {
        for (denied, variable) in [
            (Denied::Plausible, "set plausible_base_url "),
            (Denied::Access, "set access_host "),
            (Denied::Sentry, "set sentry_host "),
        ] {
            let finding = denied.finding("X");
            assert_eq!((finding.level, finding.origin, finding.setting), (Level::Error, Origin::Settings, "X"));
            assert!(finding.advice.contains(variable), "{}", finding.advice);
            let manifest = include_str!("../../../../spin.toml");
            let name = variable.trim_start_matches("set ").trim();
            assert!(manifest.contains(&format!("\"{{{{ {name} }}}}\",")), "{name} stands in allowed_outbound_hosts");
        }
    }
}
