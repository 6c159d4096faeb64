//! Secret values: a folder with one file per secret (as Docker and Kubernetes mount them), then the environment, then
//! the configuration file. Files are read when the value is needed, so that a rotation needs no restart. A file that is
//! there and cannot be read is a mistake, and no reason to take the value from elsewhere, where an old one may stand.
//! So is a folder that is no longer there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Error, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use super::file::ConfigurationFile;
use super::{SettingsError, setting_names};

/// Where secrets stand, first match wins.
#[derive(Default)]
pub(super) struct SecretSources {
    pub(super) folder: Option<PathBuf>,
    pub(super) values: BTreeMap<&'static str, String>,
    pub(super) file: Option<ConfigurationFile>,
}

/// Names only.
impl std::fmt::Debug for SecretSources {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("SecretSources").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl SecretSources {
    /// Reads every file once, for the mistakes: each of them, but a folder that is gone once.
    pub(super) fn faults(&self) -> Vec<SettingsError> {
        let secrets = setting_names().iter().filter(|setting| setting.secret);
        let mut faults: Vec<_> = secrets.filter_map(|setting| self.in_folder(setting.name).err()).collect();
        faults.dedup();
        faults
    }

    /// The names of files that no secret has: an operator may take them for settings that count.
    pub(super) fn strangers(&self) -> Vec<String> {
        let entries = self.folder.as_ref().and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let is_known = |name: &str| setting_names().iter().any(|known| known.secret && known.name == name);
        let mut strangers: Vec<_> =
            names.filter(|name| !name.starts_with('.') && !is_known(&name.to_ascii_uppercase())).collect();
        strangers.sort();
        strangers
    }

    /// The current value of `name`, or `None` where it is absent everywhere.
    pub(super) fn read(&self, name: &'static str) -> Result<Option<String>, SettingsError> {
        let elsewhere = || self.values.get(name).cloned().or_else(|| self.file.as_ref()?.value(name));
        Ok(self.in_folder(name)?.or_else(elsewhere))
    }

    /// The content of the file `name`, or of the file with that name in lower case, as is customary with Docker.
    fn in_folder(&self, name: &str) -> Result<Option<String>, SettingsError> {
        let Some(folder) = &self.folder else { return Ok(None) };
        for file in [folder.join(name), folder.join(name.to_ascii_lowercase())] {
            if let Some(value) = content(&file)? {
                return Ok(Some(value));
            }
        }
        // In a folder that is gone no secret is known to be absent.
        let about = fs::metadata(folder);
        about.map_err(|error| SettingsError::SecretsFolder(folder.clone(), error.to_string()))?;
        Ok(None)
    }
}

/// The text in a file; `None` where there is no file or nothing in it. A link that leads nowhere is there.
fn content(file: &Path) -> Result<Option<String>, SettingsError> {
    let unreadable = |cause: String| SettingsError::Unreadable(file.to_owned(), cause);
    let failed = |error: Error| unreadable(error.to_string());
    if fs::symlink_metadata(file).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Ok(None);
    }
    // Opening a pipe would wait for its other end.
    if !fs::metadata(file).map_err(failed)?.is_file() {
        return Err(unreadable("it is not a file".to_owned()));
    }
    let mut bytes = Vec::new();
    File::open(file).and_then(|file| file.take(SECRET_BYTES + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > SECRET_BYTES) {
        return Err(unreadable(format!("a secret has at most {SECRET_BYTES} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8".to_owned()))?;
    let value = text.trim_end();
    Ok((!value.is_empty()).then(|| value.to_owned()))
}

/// Kubernetes keeps no larger secrets than 1 MiB, and no setting is anywhere near.
const SECRET_BYTES: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    /// An empty folder, and another value in the environment.
    fn sources(folder: &Path) -> SecretSources {
        fs::create_dir_all(folder).unwrap();
        let values = BTreeMap::from([("ADMIN_TOKEN", "environment".to_owned())]);
        SecretSources { folder: Some(folder.to_owned()), values, ..SecretSources::default() }
    }

    fn value(sources: &SecretSources) -> Option<String> {
        sources.read("ADMIN_TOKEN").expect("it can be read")
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told_and_no_other_value_takes_its_place() {
        let folder = std::env::temp_dir().join(format!("plausible-mcp-unreadable-{}", std::process::id()));
        let sources = sources(&folder);
        let file = folder.join("ADMIN_TOKEN");
        let check = |cause: &str| {
            let error = sources.faults().remove(0).to_string();
            assert!(error.contains(&*file.to_string_lossy()) && error.contains(cause), "{error}");
            assert!(!error.contains("xxx"), "{error}");
            assert_eq!(sources.read("ADMIN_TOKEN").unwrap_err().to_string(), error, "it is not absent");
        };
        fs::write(&file, b"xxx\xff").unwrap();
        check("UTF-8");
        fs::write(&file, "x".repeat((64 << 10) + 1)).unwrap();
        check("at most 65536 bytes");
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        check("not a file");
        fs::remove_dir(&file).unwrap();
        // As a pipe, which only a system call makes.
        let _socket = UnixListener::bind(&file).unwrap();
        check("not a file");
        fs::remove_file(&file).unwrap();
        symlink("nowhere", &file).unwrap();
        check("No such file");
        fs::remove_file(&file).unwrap();
        fs::write(&file, "\n").unwrap();
        assert_eq!(sources.faults(), []);
        assert_eq!(value(&sources).as_deref(), Some("environment"), "an empty file is none");
        fs::write(&file, "x".repeat(64 << 10)).unwrap();
        assert_eq!(value(&sources).map(|value| value.len()), Some(64 << 10));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_a_folder_held_that_is_gone_is_taken_from_nowhere_else() {
        let folder = std::env::temp_dir().join(format!("plausible-mcp-gone-{}", std::process::id()));
        let sources = sources(&folder);
        assert_eq!(sources.faults(), []);
        fs::remove_dir(&folder).unwrap();
        let faults = sources.faults();
        assert!(matches!(&*faults, [SettingsError::SecretsFolder(named, _)] if *named == folder), "{faults:?}");
        assert!(matches!(sources.read("ADMIN_TOKEN"), Err(SettingsError::SecretsFolder(named, _)) if named == folder));
    }

    #[test]
    fn a_folder_as_kubernetes_mounts_it_is_read() {
        let folder = std::env::temp_dir().join(format!("plausible-mcp-kubernetes-{}", std::process::id()));
        let sources = sources(&folder);
        fs::create_dir(folder.join("..2026")).unwrap();
        fs::write(folder.join("..2026/ADMIN_TOKEN"), "mounted").unwrap();
        symlink("..2026", folder.join("..data")).unwrap();
        symlink("..data/ADMIN_TOKEN", folder.join("ADMIN_TOKEN")).unwrap();
        assert_eq!(value(&sources).as_deref(), Some("mounted"));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn files_that_are_no_secrets_are_told() {
        let folder = std::env::temp_dir().join(format!("plausible-mcp-strangers-{}", std::process::id()));
        let sources = sources(&folder);
        for name in ["ADMIN_TOKEN", "sentry_dsn", "PUBLIC_URL", "PLAUSIBLE_APIKEY", "..data"] {
            fs::write(folder.join(name), "x").unwrap();
        }
        assert_eq!(sources.strangers(), ["PLAUSIBLE_APIKEY", "PUBLIC_URL"]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_folder_goes_first_and_is_read_again() {
        let folder = std::env::temp_dir().join(format!("plausible-mcp-secrets-{}", std::process::id()));
        let sources = sources(&folder);
        assert_eq!(value(&sources).as_deref(), Some("environment"));
        fs::write(folder.join("admin_token"), "lower\n").unwrap();
        assert_eq!(value(&sources).as_deref(), Some("lower"));
        fs::write(folder.join("ADMIN_TOKEN"), "file \r\n").unwrap();
        assert_eq!(value(&sources).as_deref(), Some("file"));
        fs::write(folder.join("ADMIN_TOKEN"), "rotated").unwrap();
        assert_eq!(value(&sources).as_deref(), Some("rotated"));
        assert_eq!(sources.read("SENTRY_DSN"), Ok(None));
        fs::remove_dir_all(folder).unwrap();
    }
}
