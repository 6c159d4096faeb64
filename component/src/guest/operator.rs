//! `plausible-mcp:host/operator`.

use super::bindings::exports::plausible_mcp::host::operator as wit;
use super::incoming_handler::write_log;
use super::{Component, HostPorts, settings, wait};
use crate::gateway::check::{self, Finding, Level, Origin};
use crate::gateway::operator::{self, ListedGrant, OperatorError, Selector};
use crate::ports::{Clock, Ports};

impl wit::Guest for Component {
    fn check() -> Vec<wit::Finding> {
        let findings = match settings::read() {
            Ok(settings) => wait::until_ready(check::run(&HostPorts, &settings.setup)),
            Err(unavailable) => vec![check::without_settings(unavailable)],
        };
        findings.into_iter().map(finding).collect()
    }

    fn list_grants(whose: wit::Selector, cursor: Option<String>) -> Result<wit::GrantPage, wit::OperatorError> {
        let setup = settings::read().map_err(|_| wit::OperatorError::SecretUnavailable)?.setup;
        let whose = selector(whose);
        let page = operator::list_grants(&HostPorts, &setup, &whose, cursor.as_deref());
        let page = wait::until_ready(page).map_err(error)?;
        Ok(wit::GrantPage { grants: page.grants.into_iter().map(grant).collect(), next: page.next })
    }

    fn revoke(whose: wit::Selector) -> Result<wit::Revocation, wit::OperatorError> {
        let setup = settings::read().map_err(|_| wit::OperatorError::SecretUnavailable)?.setup;
        let whose = selector(whose);
        let outcome = wait::until_ready(operator::revoke(&HostPorts, &setup, &whose));
        if let Some(act) = operator::act(&whose, &outcome) {
            write_log(act.line(HostPorts.clock().now(), None));
        }
        let revoked = outcome.map_err(error)?;
        Ok(wit::Revocation {
            revoked: revoked.revoked,
            unconfirmed: revoked.unconfirmed,
            is_confirmed: revoked.is_confirmed,
            notes: revoked.notes,
        })
    }
}

fn selector(selector: wit::Selector) -> Selector {
    match selector {
        wit::Selector::User(email) => Selector::User(email),
        wit::Selector::All => Selector::All,
    }
}

fn grant(grant: ListedGrant) -> wit::Grant {
    wit::Grant {
        client: grant.client,
        user: grant.user,
        created: grant.created,
        last_issued: grant.last_issued,
        expires: grant.expires,
    }
}

fn error(error: OperatorError) -> wit::OperatorError {
    match error {
        OperatorError::NotConfigured => wit::OperatorError::NotConfigured,
        OperatorError::StoreUnavailable => wit::OperatorError::StoreUnavailable,
        OperatorError::SecretUnavailable => wit::OperatorError::SecretUnavailable,
        OperatorError::NewerRecord => wit::OperatorError::NewerRecord,
        OperatorError::InvalidArgument => wit::OperatorError::InvalidArgument,
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
