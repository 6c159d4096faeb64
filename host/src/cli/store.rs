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
    pub(super) findings: Vec<Finding>,
    /// Whether the flag or variable is none of the forms.
    pub(super) is_misused: bool,
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
    pub(super) async fn look(&self, settings: &Settings) -> Looked {
        let location = match self.location() {
            Ok(location) => location,
            Err(error) => {
                let is_misused = matches!(refusal(&error), CliError::Usage(_));
                return Looked { is_misused, ..Looked::found(Level::Error, error.to_string()) };
            }
        };
        let path = location.path();
        let mut looked = match path.as_deref().filter(|path| !path.exists()) {
            Some(path) => before_the_first_start(path, matches!(location, StoreLocation::StateFolder(_))),
            None => open_to_look(&location, settings).await,
        };
        looked.findings.extend(path.as_deref().and_then(room_finding));
        looked
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

async fn open_to_look(location: &StoreLocation, settings: &Settings) -> Looked {
    match location.open(settings.value(EXTRA_CA_FILE)).await {
        Ok(opened) => Looked { store: Some(opened.store), findings: Vec::new(), is_misused: false },
        Err(LocationError::File(OpenError::InUse(path))) => {
            let text = format!("records are kept in {}, which a running server uses now", path.display());
            Looked::found(Level::Ok, text)
        }
        Err(error) => Looked::found(Level::Error, error.to_string()),
    }
}

impl Looked {
    fn found(level: Level, text: String) -> Self {
        let (setting, advice) = (STORE_SETTING.to_owned(), String::new());
        let finding = Finding { level, origin: Origin::Settings, setting, text, advice };
        Self { store: None, findings: vec![finding], is_misused: false }
    }
}

/// What is said of the room on the disk of `path`, where it is short.
fn room_finding(path: &Path) -> Option<Finding> {
    let mut folders = path.ancestors().skip(1).map(|folder| match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    });
    let room = rustix::fs::statvfs(folders.find(|folder| folder.exists())?).ok()?;
    of_room(path, room.f_bavail.saturating_mul(room.f_frsize))
}

fn of_room(path: &Path, bytes: u64) -> Option<Finding> {
    let level = match bytes {
        0..LEAST_ROOM => Level::Error,
        LEAST_ROOM..LITTLE_ROOM => Level::Warn,
        _ => return None,
    };
    let text = format!("the disk of {} has room for {} KiB", path.display(), bytes / 1024);
    let advice = "make room there; when it is full, nobody can sign in, refresh or register".to_owned();
    Some(Finding { level, origin: Origin::Answer, setting: STORE_SETTING.to_owned(), text, advice })
}

/// Whether the file could be made.
fn before_the_first_start(path: &Path, folder_is_made: bool) -> Looked {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match make_and_remove(folder) {
        Ok(()) => {}
        Err(_) if folder_is_made && !folder.exists() => {}
        Err(error) => return Looked::found(Level::Error, OpenError::of_system(path, &error).to_string()),
    }
    Looked::found(Level::Ok, format!("records will be kept in {}, which the first start makes", path.display()))
}

/// Whether files can be made in `folder`.
pub(super) fn make_and_remove(folder: &Path) -> std::io::Result<()> {
    let probe = folder.join(format!(".plausible-mcp-{}", std::process::id()));
    OpenOptions::new().write(true).create_new(true).open(&probe)?;
    // It may stay where files can be made and not removed; it is empty.
    let _ = fs::remove_file(&probe);
    Ok(())
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
/// A commit takes some pages of a file that is made larger by as much as it has.
const LEAST_ROOM: u64 = 4 << 20;
/// Ten thousand sign-ins fit; there is time to make room.
const LITTLE_ROOM: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_without_room_is_told_before_it_is_full() {
        let level = |bytes| of_room(Path::new("/srv/records.redb"), bytes).map(|finding| finding.level);
        assert_eq!(level(0), Some(Level::Error));
        assert_eq!(level(LEAST_ROOM), Some(Level::Warn));
        assert_eq!(level(LITTLE_ROOM), None);
        assert!(rustix::fs::statvfs(".").is_ok(), "the system tells");
    }
}
