//! `--store`: where the commands keep records, and what `check` can say of the place.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::{CliError, failed};
use crate::oauth_store::{LocationError, OauthStore, OpenError, Opened, STORE_SETTING, StoreLocation};
use crate::operator::{Finding, Level, Origin};
use crate::settings::Settings;

/// Where records live.
#[derive(Debug, Args)]
pub(super) struct StoreArgument {
    /// Where records live: memory, file:PATH or redis://…[?replicas=N] [default: records.redb in the state folder]
    #[arg(long, value_name = "STORE", env = "PLAUSIBLE_MCP_STORE", hide_env_values = true)]
    store: Option<Written>,
}

/// What the user wrote. It may hold a password, so it has no `Debug` and no error shows it.
#[derive(Clone)]
struct Written(String);

impl From<String> for Written {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Debug for Written {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Written(…)")
    }
}

/// What `check` found of a store.
pub(super) struct Looked {
    /// The store; `None` where it cannot be opened now, or should not be.
    pub(super) store: Option<Arc<dyn OauthStore>>,
    /// What the store does not say itself.
    pub(super) finding: Option<Finding>,
}

impl StoreArgument {
    /// Begins to open the store, and to make it where it is missing.
    pub(super) fn begin(&self, settings: &Settings) -> Result<Opened, CliError> {
        match self.location() {
            Ok(location) => location.begin(settings.value(EXTRA_CA_FILE)).map_err(failed),
            Err(error) => Err(refusal(&error)),
        }
    }

    /// Looks at the store and makes nothing: what `check` makes would belong to the user who runs `check`.
    pub(super) async fn look(&self, settings: &Settings) -> Result<Looked, CliError> {
        let location = match self.location() {
            Ok(location) => location,
            Err(error @ LocationError::NoDefault) => return Ok(Looked::found(Level::Error, error.to_string())),
            Err(error) => return Err(refusal(&error)),
        };
        if let Some(path) = location.path()
            && !path.exists()
        {
            let folder_is_made = matches!(location, StoreLocation::StateFolder(_));
            return Ok(before_the_first_start(&path, folder_is_made));
        }
        Ok(match location.open(settings.value(EXTRA_CA_FILE)).await {
            Ok(opened) => Looked { store: Some(opened.store), finding: None },
            Err(LocationError::File(OpenError::InUse(path))) => {
                let text = format!("records are kept in {}, which a running server uses now", path.display());
                Looked::found(Level::Ok, text)
            }
            Err(error) => Looked::found(Level::Error, error.to_string()),
        })
    }

    /// Whether the user says where the store is.
    pub(super) fn is_written(&self) -> bool {
        self.store.as_ref().is_some_and(|written| !written.0.trim().is_empty())
    }

    /// The file of the store, which need not be there. `None` where records are not kept in one.
    pub(super) fn file(&self) -> Result<Option<PathBuf>, CliError> {
        match self.location() {
            Ok(location) => Ok(location.path()),
            Err(LocationError::NoDefault) if !self.is_written() => Ok(None),
            Err(error) => Err(refusal(&error)),
        }
    }

    /// Makes the folder of the store where that is this program's own.
    pub(super) fn make_folder(&self) -> Result<(), CliError> {
        self.location().map_err(|error| refusal(&error))?.make_folder().map_err(failed)
    }

    fn location(&self) -> Result<StoreLocation, LocationError> {
        match self.store.as_ref().map(|written| written.0.trim()).filter(|text| !text.is_empty()) {
            Some(text) => StoreLocation::parse(text),
            None => StoreLocation::default_in(|name| std::env::var_os(name)),
        }
    }
}

impl Looked {
    fn found(level: Level, text: String) -> Self {
        let (setting, advice) = (STORE_SETTING.to_owned(), String::new());
        Self { store: None, finding: Some(Finding { level, origin: Origin::Settings, setting, text, advice }) }
    }
}

/// Whether the file could be made.
fn before_the_first_start(path: &Path, folder_is_made: bool) -> Looked {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let probe = folder.join(format!(".plausible-mcp-{}", std::process::id()));
    match OpenOptions::new().write(true).create_new(true).open(&probe) {
        Ok(_) => {
            // It may stay where files can be made and not removed; it is empty.
            let _ = fs::remove_file(&probe);
        }
        Err(_) if folder_is_made && !folder.exists() => {}
        Err(error) => return Looked::found(Level::Error, OpenError::of_system(path, &error).to_string()),
    }
    Looked::found(Level::Ok, format!("records will be kept in {}, which the first start makes", path.display()))
}

fn refusal(error: &LocationError) -> CliError {
    match error {
        LocationError::Unknown | LocationError::NoPath | LocationError::RedisUrl(_) => {
            CliError::Usage(error.to_string())
        }
        _ => failed(error),
    }
}

const EXTRA_CA_FILE: &str = "EXTRA_CA_FILE";
