//! What is the same for every request: the settings, and what follows from them alone. None of it is secret, so an
//! instance that serves several requests may keep it.

use crate::access::Admission;
use crate::config::{Config, ConfigError, SignIn};
use crate::mcp::Catalogue;
use crate::oauth::resource::Resource;
use crate::telemetry::Identifiers;
use crate::tools;

/// The settings and what follows from them.
#[derive(Debug)]
pub struct Setup {
    /// The settings.
    pub config: Config,
    /// What is said about the tools.
    pub catalogue: Catalogue,
    /// Whom the operator lets in at `/internal`; nobody without sign-in.
    pub admission: Admission,
    /// What tokens are for, where the component issues them.
    pub resource: Option<Resource>,
    /// Names requests and traces.
    pub identifiers: Identifiers,
}

impl Setup {
    /// Reads the settings by name; see [`Config::read`].
    pub fn read(lookup: impl Fn(&'static str) -> Option<String>) -> Result<Setup, ConfigError> {
        let (setup, faults) = Setup::read_with_faults(lookup);
        match faults.into_iter().next() {
            None => Ok(setup),
            Some(fault) => Err(fault),
        }
    }

    /// The same with every fault; see [`Config::read_with_faults`].
    pub fn read_with_faults(lookup: impl Fn(&'static str) -> Option<String>) -> (Setup, Vec<ConfigError>) {
        let (mut config, mut faults) = Config::read_with_faults(lookup);
        let catalogue = match (config.default_site.is_some(), config.telemetry.sentry) {
            (true, true) => catalogue::<true, true>(),
            (true, false) => catalogue::<true, false>(),
            (false, true) => catalogue::<false, true>(),
            (false, false) => catalogue::<false, false>(),
        };
        let admission = config.sign_in.as_ref().map(admission).transpose().unwrap_or_else(|fault| {
            faults.push(fault);
            config.sign_in = None;
            None
        });
        let server = config.sign_in.as_ref().and_then(|sign_in| sign_in.authorization_server.as_ref());
        let resource = server.map(|server| Resource::of(&server.public_url));
        let setup = Setup {
            catalogue,
            admission: admission.unwrap_or_default(),
            resource,
            config,
            identifiers: Identifiers::default(),
        };
        (setup, faults)
    }
}

/// A denied address that is misspelt would let in whom the operator wants out.
fn admission(sign_in: &SignIn) -> Result<Admission, ConfigError> {
    let admission =
        Admission { allowed_domains: sign_in.allowed_domains.clone(), denied_emails: sign_in.denied_emails.clone() };
    if admission.denies_addresses_only() {
        return Ok(admission);
    }
    Err(ConfigError {
        setting: "DENIED_EMAILS",
        problem: "has an entry that is not a plain e-mail address",
        advice: "write addresses as ann@example.com, separated by commas",
    })
}

fn catalogue<const DEFAULT_SITE: bool, const FEEDBACK: bool>() -> Catalogue {
    Catalogue::new(|| tools::instructions(DEFAULT_SITE, FEEDBACK), || tools::definitions(DEFAULT_SITE, FEEDBACK))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The settings of a server that denies these addresses.
    fn denying(list: &str) -> Result<Setup, ConfigError> {
        let settings = [
            ("PUBLIC_URL", "https://mcp.example.com"),
            ("CF_ACCESS_TEAM_DOMAIN", "team"),
            ("CF_ACCESS_AUD", "tag"),
            ("ALLOWED_EMAIL_DOMAIN", "example.com"),
            ("DENIED_EMAILS", list),
        ];
        Setup::read(|name| settings.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn a_denied_address_that_nobody_can_have_is_refused() {
        let setup = denying("Bob@example.com, eve@example.com,").unwrap();
        assert_eq!(setup.admission.denied_emails, ["bob@example.com", "eve@example.com"]);
        assert!(denying("").unwrap().admission.denied_emails.is_empty());
        for list in ["bob", "bob@example.com; eve@example.com", "Bob <bob@example.com>", "eve@example.com,@example.com"]
        {
            let error = denying(list).unwrap_err();
            assert_eq!(error.setting, "DENIED_EMAILS", "{list}");
            assert!(!error.to_string().contains(list), "{error}");
        }
    }
}
