//! What is the same for every request: the settings, and what follows from them alone. None of it is secret, so an
//! instance that serves several requests may keep it.

use crate::config::{Config, ConfigError};
use crate::mcp::Catalogue;
use crate::tools;

/// The settings and what follows from them.
#[derive(Debug)]
pub struct Setup {
    /// The settings.
    pub config: Config,
    /// What is said about the tools.
    pub catalogue: Catalogue,
}

impl Setup {
    /// Reads the settings by name; see [`Config::read`].
    pub fn read(lookup: impl Fn(&'static str) -> Option<String>) -> Result<Setup, ConfigError> {
        let config = Config::read(lookup)?;
        let catalogue = match config.default_site {
            Some(_) => Catalogue::new(|| tools::instructions(true), || tools::definitions(true)),
            None => Catalogue::new(|| tools::instructions(false), || tools::definitions(false)),
        };
        Ok(Setup { config, catalogue })
    }
}
