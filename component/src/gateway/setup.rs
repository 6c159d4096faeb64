//! What is the same for every request: the settings, and what follows from them alone. None of it is secret, so an
//! instance that serves several requests may keep it.

use crate::access::Admission;
use crate::config::{Config, ConfigError};
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
        let config = Config::read(lookup)?;
        let catalogue = match (config.default_site.is_some(), config.telemetry.sentry) {
            (true, true) => catalogue::<true, true>(),
            (true, false) => catalogue::<true, false>(),
            (false, true) => catalogue::<false, true>(),
            (false, false) => catalogue::<false, false>(),
        };
        let admission = config.sign_in.as_ref().map(|sign_in| Admission {
            allowed_domains: sign_in.allowed_domains.clone(),
            denied_emails: sign_in.denied_emails.clone(),
        });
        let server = config.sign_in.as_ref().and_then(|sign_in| sign_in.authorization_server.as_ref());
        let resource = server.map(|server| Resource::of(&server.public_url));
        Ok(Setup {
            catalogue,
            admission: admission.unwrap_or_default(),
            resource,
            config,
            identifiers: Identifiers::default(),
        })
    }
}

fn catalogue<const DEFAULT_SITE: bool, const FEEDBACK: bool>() -> Catalogue {
    Catalogue::new(|| tools::instructions(DEFAULT_SITE, FEEDBACK), || tools::definitions(DEFAULT_SITE, FEEDBACK))
}
