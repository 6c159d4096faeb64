//! `plausible-mcp:host/operator`.

use super::bindings::exports::plausible_mcp::host::operator as wit;
use super::{Component, HostPorts, settings, wait};
use crate::gateway::check::{self, Finding, Level, Origin};

impl wit::Guest for Component {
    fn check() -> Vec<wit::Finding> {
        let findings = wait::until_ready(check::run(&HostPorts, &settings::read().map(|setup| setup.config)));
        findings.into_iter().map(finding).collect()
    }

    fn list_grants(_: wit::Selector, _: Option<String>) -> Result<wit::GrantPage, wit::OperatorError> {
        Err(wit::OperatorError::NotConfigured)
    }

    fn revoke(_: wit::Selector) -> Result<wit::Revocation, wit::OperatorError> {
        Err(wit::OperatorError::NotConfigured)
    }
}

fn finding(finding: Finding) -> wit::Finding {
    wit::Finding {
        level: match finding.level {
            Level::Ok => wit::Level::Ok,
            Level::Warn => wit::Level::Warn,
            Level::Error => wit::Level::Error,
        },
        origin: match finding.origin {
            Origin::Settings => wit::Origin::Settings,
            Origin::Answer => wit::Origin::Answer,
            Origin::Unreachable => wit::Origin::Unreachable,
        },
        setting: finding.setting.to_owned(),
        text: finding.text,
        advice: finding.advice,
    }
}
