//! Where the values of settings come from: flags, environment, configuration file, and for secret ones a folder of
//! files before these. This module knows the settings' names; what a value means is the component's business.

mod file;
mod secret;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::limits::Limits;
use file::ConfigurationFile;
use secret::SecretSources;
pub use table::{SettingName, setting_names};

/// Whether `name` is a setting that the component gets through `secrets` only.
pub(crate) fn is_secret(name: &str) -> bool {
    table::find(name).is_some_and(|setting| setting.secret)
}

/// The values of all settings. Clones share them. `Debug` shows no secret.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    plain: BTreeMap<&'static str, String>,
    secret: Arc<SecretSources>,
    limits: Limits,
}

/// Why the settings cannot be read. No variant carries a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingsError {
    /// The configuration file, or that of a secret, cannot be read; the file and the cause.
    Unreadable(PathBuf, String),
    /// The configuration file is not TOML; the file and the cause.
    NotToml(PathBuf, String),
    /// The configuration file has a key that is no setting; the file and the key.
    UnknownKey(PathBuf, String),
    /// A bound under `[limits]` of the configuration file does not exist or is none; the file, and what is wrong.
    Limit(PathBuf, String),
    /// A value in the configuration file is neither text, a number, a truth value nor a list of texts; file and key.
    WrongType(PathBuf, String),
    /// The folder of secrets cannot be read; the folder and the cause.
    SecretsFolder(PathBuf, String),
    /// An environment variable or flag is not UTF-8, or a flag is not `NAME=VALUE`; its name.
    Malformed(String),
    /// A flag or a pair names something that is no setting; the name.
    UnknownName(String),
    /// A secret was given as a flag, where every user of the machine can read it; its name.
    SecretFlag(String),
}

impl std::fmt::Display for SettingsError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable(file, cause) => write!(out, "cannot read {}: {cause}", file.display()),
            Self::NotToml(file, cause) => write!(out, "{} is not TOML: {cause}", file.display()),
            Self::UnknownKey(file, key) => write!(out, "{}: there is no setting {key}", file.display()),
            Self::Limit(file, cause) => write!(out, "{}: {cause}", file.display()),
            Self::WrongType(file, key) => {
                write!(out, "{}: {key} must be text, a number, true or false, or a list of texts", file.display())
            }
            Self::SecretsFolder(folder, cause) => {
                write!(out, "cannot read the secrets folder {}: {cause}", folder.display())
            }
            Self::Malformed(name) => write!(out, "{name}: the value is not readable text"),
            Self::UnknownName(name) => write!(out, "there is no setting {name}"),
            Self::SecretFlag(name) => write!(
                out,
                "{name} is secret and cannot be given as a flag; use the environment, the configuration file or a \
                 secrets folder"
            ),
        }
    }
}

impl std::error::Error for SettingsError {}

impl SettingsError {
    /// What it is about: a setting by its name, or the flag that names the file or folder.
    pub(crate) fn setting(&self) -> String {
        let of_file = |path: &Path| {
            let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_uppercase());
            name.filter(|name| is_secret(name))
        };
        match self {
            Self::Unreadable(path, _) => of_file(path).unwrap_or_else(|| CONFIG_FLAG.to_owned()),
            Self::NotToml(..) => CONFIG_FLAG.to_owned(),
            Self::Limit(..) => "[limits]".to_owned(),
            Self::SecretsFolder(..) => "--secrets".to_owned(),
            Self::UnknownKey(_, name) | Self::WrongType(_, name) => name.clone(),
            Self::Malformed(name) | Self::UnknownName(name) | Self::SecretFlag(name) => name.clone(),
        }
    }
}

impl Settings {
    /// These values and nothing else, secret ones among them: for tests, demonstrations and embedding. Empty values
    /// are passed over.
    ///
    /// # Errors
    /// When a name is no setting: whoever misspells one would run without it and not know.
    pub fn from_pairs<I, N, V>(pairs: I) -> Result<Self, SettingsError>
    where
        I: IntoIterator<Item = (N, V)>,
        N: Into<String>,
        V: Into<String>,
    {
        let rows: Vec<(String, String)> = pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        if let Some((name, _)) = rows.iter().find(|(name, _)| table::find(name).is_none()) {
            return Err(SettingsError::UnknownName(name.clone()));
        }
        let (plain, secret) = sort(rows.into_iter());
        let secret = Arc::new(SecretSources { values: secret, ..SecretSources::default() });
        Ok(Self { plain, secret, limits: Limits::default() })
    }

    /// The process's environment before the configuration file; secrets from the files of `secrets_folder`
    /// (`PLAUSIBLE_MCP_SECRETS` in the environment where it is `None`) before both.
    ///
    /// # Errors
    /// When the file, the folder or a secret in it cannot be read, or the file names something that is no setting.
    pub fn load(config_file: Option<&Path>, secrets_folder: Option<&Path>) -> Result<Self, SettingsError> {
        let (settings, faults) = Self::load_with_faults(config_file, secrets_folder);
        faults.into_iter().next().map_or(Ok(settings), Err)
    }

    /// The same with every fault. What has one counts as absent.
    pub(crate) fn load_with_faults(
        config_file: Option<&Path>,
        secrets_folder: Option<&Path>,
    ) -> (Self, Vec<SettingsError>) {
        let (mut rows, mut faults) = (BTreeMap::new(), Vec::new());
        let file = match config_file.map(ConfigurationFile::open).transpose() {
            Ok(opened) => opened.map(|(file, of_keys)| {
                faults.extend(of_keys);
                file
            }),
            Err(fault) => {
                faults.push(fault);
                None
            }
        };
        let limits = config_file.filter(|_| file.is_some()).map_or_else(|| Ok(Limits::default()), file::limits);
        let limits = limits.unwrap_or_else(|fault| {
            faults.push(fault);
            Limits::default()
        });
        rows.extend(file.as_ref().map(ConfigurationFile::values).unwrap_or_default());
        let (environment, malformed) = environment_rows();
        faults.extend(malformed);
        rows.extend(environment.clone());
        let folder = match secrets_folder {
            Some(folder) => Some(folder.to_owned()),
            None => std::env::var_os(SECRETS_FOLDER).filter(|folder| !folder.is_empty()).map(PathBuf::from),
        };
        let folder = folder.filter(|folder| match std::fs::read_dir(folder) {
            Ok(_) => true,
            Err(error) => {
                faults.push(SettingsError::SecretsFolder(folder.clone(), error.to_string()));
                false
            }
        });
        let (plain, _) = sort(rows.into_iter());
        let (_, environment) = sort(environment.into_iter());
        let secret = SecretSources { folder, values: environment, file };
        faults.extend(secret.faults());
        (Self { plain, secret: Arc::new(secret), limits }, faults)
    }

    /// The bounds under `[limits]` of the configuration file, the defaults in place of what it does not name. A host has
    /// them when its builder is given them.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The names of files in the folder of secrets that are no secret's.
    pub(crate) fn strangers_among_secrets(&self) -> Vec<String> {
        self.secret.strangers()
    }

    /// The same with one more value, which goes before all others: a flag.
    ///
    /// # Errors
    /// When there is no such setting or it is secret.
    pub fn with(mut self, name: &str, value: &str) -> Result<Self, SettingsError> {
        let setting = table::find(name).ok_or_else(|| SettingsError::UnknownName(name.to_owned()))?;
        if setting.secret {
            return Err(SettingsError::SecretFlag(name.to_owned()));
        }
        match value {
            "" => self.plain.remove(setting.name),
            _ => self.plain.insert(setting.name, value.to_owned()),
        };
        Ok(self)
    }

    /// The value of a setting that is not secret.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.plain.get(name).map(String::as_str)
    }

    /// The current value of a secret setting, read again from where it stands; `None` when it is absent or empty, or no
    /// secret setting.
    ///
    /// # Errors
    /// When its file, or the folder of secrets, has become unreadable.
    pub fn secret(&self, name: &str) -> Result<Option<String>, SettingsError> {
        match table::find(name).filter(|setting| setting.secret) {
            Some(setting) => self.secret.read(setting.name),
            None => Ok(None),
        }
    }

    /// What the component finds in its environment: every value that is not secret.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        self.plain.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }
}

type Rows = BTreeMap<&'static str, String>;

/// Splits rows into those that are not secret and those that are. An empty value is no value.
fn sort(rows: impl Iterator<Item = (String, String)>) -> (Rows, Rows) {
    let (mut plain, mut secret) = (Rows::new(), Rows::new());
    for (name, value) in rows {
        let Some(setting) = table::find(&name) else { continue };
        let value = value.trim_end();
        if value.is_empty() {
            continue;
        }
        let rows = if setting.secret { &mut secret } else { &mut plain };
        rows.insert(setting.name, value.to_owned());
    }
    (plain, secret)
}

/// The settings in the process's environment that are not empty; an empty one does not hide the configuration file's.
/// And those that are not text.
fn environment_rows() -> (BTreeMap<String, String>, Vec<SettingsError>) {
    let (mut rows, mut faults) = (BTreeMap::new(), Vec::new());
    for setting in setting_names() {
        match std::env::var_os(setting.name).map(std::ffi::OsString::into_string) {
            Some(Ok(value)) if !value.trim_end().is_empty() => drop(rows.insert(setting.name.to_owned(), value)),
            Some(Ok(_)) | None => {}
            Some(Err(_)) => faults.push(SettingsError::Malformed(setting.name.to_owned())),
        }
    }
    (rows, faults)
}

/// Names the configuration file.
const CONFIG_FLAG: &str = "--config";
/// Names the folder of secrets where no flag does.
const SECRETS_FOLDER: &str = "PLAUSIBLE_MCP_SECRETS";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_component_finds_everything_but_secrets_in_its_environment() {
        let settings = Settings::from_pairs([
            ("PUBLIC_URL", "https://a.example"),
            ("PLAUSIBLE_API_KEY", "key-1"),
            ("LOG_LEVEL", ""),
        ]);
        let settings = settings.unwrap();
        assert_eq!(settings.environment(), [("PUBLIC_URL".to_owned(), "https://a.example".to_owned())]);
        assert_eq!(settings.secret("PLAUSIBLE_API_KEY"), Ok(Some("key-1".to_owned())));
        assert_eq!(settings.secret("PUBLIC_URL"), Ok(None));
        assert_eq!(settings.value("PLAUSIBLE_API_KEY"), None);
        assert!(!format!("{settings:?}").contains("key-1"));
    }

    #[test]
    fn pairs_with_a_name_that_is_no_setting_are_refused() {
        for name in ["PATH", "PUBLIC_URI", "public_url", "", "PUBLIC_URL "] {
            let error = Settings::from_pairs([("LOG_LEVEL", "info"), (name, "sup3r-s3cret")]).unwrap_err();
            assert_eq!(error, SettingsError::UnknownName(name.to_owned()));
            assert!(!error.to_string().contains("sup3r"), "{error}");
        }
        assert!(Settings::from_pairs([("PUBLIC_URI", "")]).is_err(), "a slip without a value is one too");
        assert!(Settings::from_pairs::<[(&str, &str); 0], _, _>([]).is_ok());
    }

    #[test]
    fn settings_with_a_secret_that_cannot_be_read_are_not_loaded() {
        let folder = std::env::temp_dir().join(format!("plausible-mcp-load-{}", std::process::id()));
        let file = folder.join("admin_token");
        std::fs::create_dir_all(&file).unwrap();
        let error = Settings::load(None, Some(&folder)).unwrap_err();
        assert!(matches!(&error, SettingsError::Unreadable(named, _) if *named == file), "{error}");
        std::fs::remove_dir(&file).unwrap();
        assert!(Settings::load(None, Some(&folder)).is_ok());
        std::fs::remove_dir(folder).unwrap();
    }

    #[test]
    fn all_faults_are_told_and_what_has_none_counts() {
        let folder = std::env::temp_dir().join(format!("plausible-mcp-faults-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("secrets/admin_token")).unwrap();
        std::fs::write(folder.join("secrets/SENTRY_DSN"), b"\xff").unwrap();
        let file = folder.join("config.toml");
        std::fs::write(&file, "PUBLIC_ULR = 'x'\nPUBLIC_URL = 'https://a.example'\nLOG_LEVEL = {}\nTYPO = 1\n")
            .unwrap();
        let (settings, faults) = Settings::load_with_faults(Some(&file), Some(&folder.join("secrets")));
        let mut named: Vec<_> = faults.iter().map(SettingsError::setting).collect();
        named.sort();
        assert_eq!(named, ["ADMIN_TOKEN", "LOG_LEVEL", "PUBLIC_ULR", "SENTRY_DSN", "TYPO"], "{faults:?}");
        assert_eq!(settings.value("PUBLIC_URL"), Some("https://a.example"));
        let (_, faults) = Settings::load_with_faults(Some(&folder.join("none")), Some(&folder.join("nowhere")));
        assert_eq!(faults.iter().map(SettingsError::setting).collect::<Vec<_>>(), ["--config", "--secrets"]);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_flag_goes_first_and_an_empty_one_takes_away() {
        let settings = Settings::from_pairs([("LOG_LEVEL", "info")]).unwrap().with("LOG_LEVEL", "debug").unwrap();
        assert_eq!(settings.value("LOG_LEVEL"), Some("debug"));
        assert_eq!(settings.with("LOG_LEVEL", "").unwrap().value("LOG_LEVEL"), None);
    }

    #[test]
    fn a_flag_is_a_setting_and_not_secret() {
        let refused = |name| Settings::default().with(name, "x").unwrap_err().to_string();
        assert!(refused("PUBLIC_URI").contains("PUBLIC_URI"));
        assert!(refused("ADMIN_TOKEN").contains("secret"));
    }
}
