//! `--store`: where records live, as the operator writes it.
//!
//! ```text
//! memory | file:PATH | redis://…[?replicas=N] | rediss://…[?replicas=N]
//! ```

mod redis_url;

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::{FileStore, MemoryStore, OauthStore, OpenError, OpeningStore};
use crate::component::BUILD_WITH_ALL;
use crate::outbound_http::OutboundError;
use crate::rate_limit::{MemoryBuckets, RateLimit};
pub use redis_url::RedisUrl;

/// Where records live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreLocation {
    /// In this process: a restart forgets them.
    Memory,
    /// In a file. Its folder must exist.
    File(PathBuf),
    /// In the file `records.redb` of a folder that is made where it is missing: the default.
    StateFolder(PathBuf),
    /// In Redis or Valkey.
    Redis(RedisUrl),
}

/// What is at a location.
pub struct Opened {
    /// The records.
    pub store: Arc<dyn OauthStore>,
    /// The limiter that goes with it: what several machines share their records through, they limit through.
    pub rate_limit: Arc<dyn RateLimit>,
    /// What opens the store, where that may take time.
    pub opening: Option<Arc<OpeningStore>>,
}

/// Why there is no such location, or no store at it. The texts say what to do, and show nothing of what was written,
/// which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocationError {
    /// It is none of the forms.
    Unknown,
    /// There is no path after `file:`.
    NoPath,
    /// Nothing was written, and the environment names no folder for the default.
    NoDefault,
    /// The state folder cannot be made; path and cause.
    NoStateFolder(PathBuf, String),
    /// The file cannot be opened.
    File(OpenError),
    /// The URL of a Redis server is not well formed; the cause.
    RedisUrl(String),
    /// TLS to a Redis server cannot be set up.
    RedisTls(OutboundError),
    /// This build has no Redis.
    NotInThisBuild,
}

impl StoreLocation {
    /// What `text` says.
    ///
    /// # Errors
    /// [`LocationError::Unknown`], [`LocationError::NoPath`], [`LocationError::RedisUrl`].
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        match text.split_once(':') {
            None if text == "memory" => Ok(Self::Memory),
            Some(("file", "")) => Err(LocationError::NoPath),
            Some(("file", path)) => Ok(Self::File(path.into())),
            Some(("redis" | "rediss", rest)) if rest.starts_with("//") => RedisUrl::parse(text).map(Self::Redis),
            _ => Err(LocationError::Unknown),
        }
    }

    /// Where records live when the operator says nothing: in the state folder that `environment` names, as systemd and
    /// the XDG base directory specification do.
    ///
    /// # Errors
    /// [`LocationError::NoDefault`].
    pub fn default_in(environment: impl Fn(&str) -> Option<OsString>) -> Result<Self, LocationError> {
        let folder = |name: &str| environment(name).map(PathBuf::from).filter(|path| path.is_absolute());
        // systemd separates several folders by colons.
        let systemd = environment("STATE_DIRECTORY").and_then(|folders| folders.into_string().ok());
        let systemd = systemd.and_then(|folders| folders.split(':').next().map(PathBuf::from));
        systemd
            .filter(|path| path.is_absolute())
            .or_else(|| folder("XDG_STATE_HOME").map(|state| state.join(FOLDER)))
            .or_else(|| folder("HOME").map(|home| home.join(".local/state").join(FOLDER)))
            .map(Self::StateFolder)
            .ok_or(LocationError::NoDefault)
    }

    /// Opens the store, and makes what is missing of it. A Redis server need not answer now; TLS to it trusts the
    /// certificates in the PEM file `extra_ca_file` besides the public ones.
    ///
    /// # Errors
    /// When it cannot be used as it is now.
    pub async fn open(&self, extra_ca_file: Option<&str>) -> Result<Opened, LocationError> {
        let Some(path) = self.path() else { return self.open_without_file(extra_ca_file) };
        let (location, shown) = (self.clone(), path.clone());
        let opened = spawn_blocking(move || location.open_file(&path)).await;
        // What a thread panicked with is in no text of ours; the log has the place.
        let failed = OpenError::Failed(shown, "the thread that opened it failed".to_owned());
        let store = opened.map_err(|_| LocationError::File(failed)).and_then(|store| store)?;
        Ok(Opened { store, rate_limit: Arc::new(MemoryBuckets::default()), opening: None })
    }

    /// The same for a server that starts whatever its neighbours do: a file is opened while the store is used already,
    /// and tried again while another process holds it, or its disk is full or broken. Must be called within a tokio
    /// runtime.
    ///
    /// # Errors
    /// When the location cannot be used as it is written. [`OpeningStore::tried`] tells of a file that cannot be used.
    pub fn begin(&self, extra_ca_file: Option<&str>) -> Result<Opened, LocationError> {
        let Some(path) = self.path() else { return self.open_without_file(extra_ca_file) };
        let (location, file) = (self.clone(), path.clone());
        let opening = Arc::new(OpeningStore::begin(path, Arc::new(move || location.open_file(&file))));
        Ok(Opened { store: opening.clone(), rate_limit: Arc::new(MemoryBuckets::default()), opening: Some(opening) })
    }

    fn open_without_file(&self, extra_ca_file: Option<&str>) -> Result<Opened, LocationError> {
        if let Self::Redis(url) = self {
            return url.open(extra_ca_file);
        }
        let (store, rate_limit) = (Arc::new(MemoryStore::default()), Arc::new(MemoryBuckets::default()));
        Ok(Opened { store, rate_limit, opening: None })
    }

    /// Opens the file at `path`, in the folder that is made where it is this program's own. Blocks.
    fn open_file(&self, path: &Path) -> Result<Arc<dyn OauthStore>, LocationError> {
        self.make_folder()?;
        Ok(Arc::new(FileStore::open(path).map_err(LocationError::File)?))
    }

    /// Makes the state folder, where it is one that is made.
    pub(crate) fn make_folder(&self) -> Result<(), LocationError> {
        let Self::StateFolder(folder) = self else { return Ok(()) };
        let made = DirBuilder::new().recursive(true).mode(OWNER_ONLY).create(folder);
        made.map_err(|error| match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                LocationError::File(OpenError::Full(folder.join(FILE)))
            }
            _ => LocationError::NoStateFolder(folder.clone(), error.to_string()),
        })
    }

    /// The file, where there is one or will be.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        match self {
            Self::File(path) => Some(path.clone()),
            Self::StateFolder(folder) => Some(folder.join(FILE)),
            Self::Memory | Self::Redis(_) => None,
        }
    }
}

impl LocationError {
    /// Whether it is a fault of what the operator has set up, and does not pass by itself.
    pub fn is_of_settings(&self) -> bool {
        match self {
            Self::File(error) => error.is_of_settings(),
            _ => true,
        }
    }

    /// The name of the cause, for the log.
    pub(crate) fn cause(&self) -> &'static str {
        match self {
            Self::File(error) => error.cause(),
            Self::NoStateFolder(..) => "store_no_folder",
            _ => "misconfigured",
        }
    }
}

impl std::fmt::Display for LocationError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown => out.write_str("--store is memory, file:PATH, redis://… or rediss://…"),
            Self::NoPath => out.write_str("--store file: has no path; write file:PATH"),
            Self::NoDefault => out.write_str(
                "there is no folder for records: neither STATE_DIRECTORY nor XDG_STATE_HOME nor HOME is set; say where \
                 they live with --store file:PATH, or --store memory to forget them at a restart",
            ),
            Self::NoStateFolder(path, cause) => write!(
                out,
                "the folder for records {} cannot be made ({cause}); make it, or choose another place with --store \
                 file:PATH",
                path.display()
            ),
            Self::File(error) => error.fmt(out),
            Self::RedisUrl(cause) => write!(out, "--store: {cause}"),
            Self::RedisTls(error) => error.fmt(out),
            Self::NotInThisBuild => {
                write!(out, "this build has no Redis for --store; {BUILD_WITH_ALL}, or use --store file:PATH")
            }
        }
    }
}

impl std::error::Error for LocationError {}

const FOLDER: &str = "plausible-mcp";
const FILE: &str = "records.redb";
/// Only the owner may enter the folder.
const OWNER_ONLY: u32 = 0o700;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_one_of_four() {
        let redis = |url: &str| RedisUrl::parse(url).map(StoreLocation::Redis);
        for (text, location) in [
            ("memory", Ok(StoreLocation::Memory)),
            ("file:records.redb", Ok(StoreLocation::File("records.redb".into()))),
            ("file:/srv/a:b", Ok(StoreLocation::File("/srv/a:b".into()))),
            ("file:", Err(LocationError::NoPath)),
            ("redis://localhost", redis("redis://localhost")),
            ("rediss://user:secret@r.example:6380/1", redis("rediss://user:secret@r.example:6380/1")),
            ("redis://localhost/1?replicas=1", redis("redis://localhost/1?replicas=1")),
            ("redis:localhost", Err(LocationError::Unknown)),
            ("memory:", Err(LocationError::Unknown)),
            ("Memory", Err(LocationError::Unknown)),
            ("/srv/records.redb", Err(LocationError::Unknown)),
            ("https://user:secret@r.example", Err(LocationError::Unknown)),
            ("", Err(LocationError::Unknown)),
        ] {
            assert_eq!(StoreLocation::parse(text), location, "{text}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let location = StoreLocation::parse("rediss://user:secret@r.example").unwrap();
        assert!(!format!("{location:?}").contains("secret"));
    }

    #[test]
    fn the_default_is_the_state_folder() {
        let default = |variables: &[(&str, &str)]| {
            StoreLocation::default_in(|name| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
            })
        };
        let all = [("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"), ("XDG_STATE_HOME", "/state"), ("HOME", "/home/ann")];
        let folder = |path: &str| Ok(StoreLocation::StateFolder(path.into()));
        assert_eq!(default(&all), folder("/var/lib/a"));
        assert_eq!(default(&all[1..]), folder("/state/plausible-mcp"));
        assert_eq!(default(&all[2..]), folder("/home/ann/.local/state/plausible-mcp"));
        assert_eq!(default(&[("STATE_DIRECTORY", ""), ("XDG_STATE_HOME", "state"), all[2]]), default(&all[2..]));
        assert_eq!(default(&[]), Err(LocationError::NoDefault));
        assert!(LocationError::NoDefault.to_string().contains("--store"));
    }
}
