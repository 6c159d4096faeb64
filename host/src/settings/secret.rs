//! Secret values: a folder with one file per secret (as Docker and Kubernetes mount them), then the environment, then
//! the configuration file. Files are read when the value is needed, so that a rotation needs no restart.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::file::ConfigurationFile;

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
    /// The current value of `name`, or `None` where it is absent everywhere.
    pub(super) fn read(&self, name: &'static str) -> Option<String> {
        let in_folder = || self.folder.as_deref().and_then(|folder| from_folder(folder, name));
        let in_file = || self.file.as_ref().and_then(|file| file.value(name));
        in_folder().or_else(|| self.values.get(name).cloned()).or_else(in_file)
    }
}

/// The content of the file `name`, or of the file with that name in lower case, as is customary with Docker.
fn from_folder(folder: &Path, name: &str) -> Option<String> {
    content(&folder.join(name)).or_else(|| content(&folder.join(name.to_ascii_lowercase())))
}

fn content(file: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    std::fs::File::open(file).ok()?.take(SECRET_BYTES).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let value = text.trim_end();
    (!value.is_empty()).then(|| value.to_owned())
}

/// Kubernetes keeps no larger secrets than 1 MiB, and no setting is anywhere near.
const SECRET_BYTES: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_goes_first_and_is_read_again() {
        let folder = std::env::temp_dir().join(format!("plausible-mcp-secrets-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let sources = SecretSources {
            folder: Some(folder.clone()),
            values: BTreeMap::from([("ADMIN_TOKEN", "environment".to_owned())]),
            file: None,
        };
        assert_eq!(sources.read("ADMIN_TOKEN").as_deref(), Some("environment"));
        std::fs::write(folder.join("admin_token"), "lower\n").unwrap();
        assert_eq!(sources.read("ADMIN_TOKEN").as_deref(), Some("lower"));
        std::fs::write(folder.join("ADMIN_TOKEN"), "file \r\n").unwrap();
        assert_eq!(sources.read("ADMIN_TOKEN").as_deref(), Some("file"));
        std::fs::write(folder.join("ADMIN_TOKEN"), "rotated").unwrap();
        assert_eq!(sources.read("ADMIN_TOKEN").as_deref(), Some("rotated"));
        assert_eq!(sources.read("SENTRY_DSN"), None);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
