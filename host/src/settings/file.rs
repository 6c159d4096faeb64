//! The configuration file: TOML, one key per setting, and the host's own bounds under `[limits]`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use toml::Value;

use super::{SettingsError, table};
use crate::limits::Limits;

type Values = BTreeMap<String, String>;

/// A file that was read once and is read again when it has changed.
#[derive(Debug)]
pub(super) struct ConfigurationFile {
    path: PathBuf,
    latest: Mutex<Latest>,
}

struct Latest {
    version: Version,
    values: Values,
}

/// The values may be secret.
impl std::fmt::Debug for Latest {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Latest").finish_non_exhaustive()
    }
}

/// What tells one version of a file from another.
type Version = Option<(SystemTime, u64)>;

impl ConfigurationFile {
    /// Reads the file, which must be there and be TOML; and what is wrong with its keys, which count as absent.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<SettingsError>), SettingsError> {
        let version = version(path);
        let (values, faults) = read_with_faults(path)?;
        Ok((Self { path: path.to_owned(), latest: Mutex::new(Latest { version, values }) }, faults))
    }

    /// The file's values.
    pub(super) fn values(&self) -> Values {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).values.clone()
    }

    /// The current value of one setting. A file that was made unreadable while the process runs keeps its values.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let now = version(&self.path);
        if now != latest.version {
            match read(&self.path) {
                Ok(values) => *latest = Latest { version: now, values },
                Err(error) => tracing::warn!(event = "config_unreadable", cause = %error, "keeping former values"),
            }
        }
        latest.values.get(name).cloned()
    }
}

fn version(path: &Path) -> Version {
    let about = std::fs::metadata(path).ok()?;
    Some((about.modified().ok()?, about.len()))
}

/// The bounds that the file sets, the defaults in place of the others.
pub(super) fn limits(path: &Path) -> Result<Limits, SettingsError> {
    let wrong = |cause: String| SettingsError::Limit(path.to_owned(), cause);
    let rows = match rows(path)?.remove(LIMITS) {
        Some(Value::Table(rows)) => rows,
        Some(_) => return Err(wrong("limits must be a table: [limits], and a line for each bound".to_owned())),
        None => return Ok(Limits::default()),
    };
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        // Nothing is no bound, and the error says what would be one.
        _ => String::new(),
    };
    Limits::default().with(rows.iter().map(|(key, value)| (key.as_str(), text(value)))).map_err(wrong)
}

fn rows(path: &Path) -> Result<toml::Table, SettingsError> {
    let text =
        std::fs::read_to_string(path).map_err(|error| SettingsError::Unreadable(path.to_owned(), error.to_string()))?;
    // The message of the parser would show the line, and with it perhaps a secret.
    text.parse().map_err(|error: toml::de::Error| SettingsError::NotToml(path.to_owned(), place(&text, &error)))
}

fn read(path: &Path) -> Result<Values, SettingsError> {
    let (values, faults) = read_with_faults(path)?;
    faults.into_iter().next().map_or(Ok(values), Err)
}

fn read_with_faults(path: &Path) -> Result<(Values, Vec<SettingsError>), SettingsError> {
    let (mut values, mut faults) = (Values::new(), Vec::new());
    for (key, value) in rows(path)? {
        if key == LIMITS {
            continue;
        }
        match as_text(&value) {
            _ if table::find(&key).is_none() => faults.push(SettingsError::UnknownKey(path.to_owned(), key)),
            Some(text) if text.trim_end().is_empty() => {}
            Some(text) => drop(values.insert(key, text.trim_end().to_owned())),
            None => faults.push(SettingsError::WrongType(path.to_owned(), key)),
        }
    }
    Ok((values, faults))
}

fn place(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let first_line = error.message().lines().next().unwrap_or_default();
    format!("line {}: {first_line}", before.matches('\n').count() + 1)
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        Value::Array(items) => {
            let texts: Option<Vec<_>> = items.iter().map(Value::as_str).collect();
            Some(texts?.join(","))
        }
        _ => None,
    }
}

/// The table of bounds.
const LIMITS: &str = "limits";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn written(text: &str) -> (PathBuf, Result<Values, SettingsError>) {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("plausible-mcp-{}-{count}.toml", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let values = read(&path);
        (path, values)
    }

    #[test]
    fn every_kind_of_value_becomes_text() {
        let (path, values) = written(
            "PUBLIC_URL = 'https://a.example'\nRATE_LIMIT_PER_MINUTE = 60\nPLAUSIBLE_ALLOW_HTTP = true\n\
             DENIED_EMAILS = ['a@b.c', 'd@e.f']\nLOG_LEVEL = ''\n",
        );
        let values = values.unwrap();
        assert_eq!(values["RATE_LIMIT_PER_MINUTE"], "60");
        assert_eq!(values["PLAUSIBLE_ALLOW_HTTP"], "true");
        assert_eq!(values["DENIED_EMAILS"], "a@b.c,d@e.f");
        assert!(!values.contains_key("LOG_LEVEL"));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn mistakes_are_named_without_values() {
        for (text, named) in [
            ("PUBLIC_URI = 'x-secret'", "PUBLIC_URI"),
            ("[PUBLIC_URL]\na = 'x-secret'", "PUBLIC_URL"),
            ("\nADMIN_TOKEN = x-secret", "line 2"),
        ] {
            let (path, values) = written(text);
            let error = values.unwrap_err().to_string();
            assert!(error.contains(named) && !error.contains("x-secret"), "{error}");
            std::fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn bounds_stand_beside_settings_and_are_none() {
        let (path, values) = written(
            "LOG_LEVEL = 'info'\n[limits]\nconnections = 64\nrequest_time = '20s'\nadmission_time = 0.5\n\
             large_answers_bytes = '64MiB'\n",
        );
        assert_eq!(values.unwrap().keys().collect::<Vec<_>>(), ["LOG_LEVEL"]);
        let expected = Limits {
            connections: 64,
            request_time: Duration::from_secs(20),
            admission_time: Duration::from_millis(500),
            large_answers_bytes: 64 << 20,
            ..Limits::default()
        };
        assert_eq!(limits(&path), Ok(expected));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_bound_that_is_none_is_told_with_what_would_be_one() {
        for (text, told) in [
            ("[limits]\nconection = 1", "the nearest is limits.connections"),
            ("[limits]\nconnections = 'many'", "limits.connections: write a whole number from 1 to "),
            ("[limits]\nconnections = [1]", "limits.connections: write a whole number from 1 to "),
            ("[limits]\nrequest_time = true", "limits.request_time: write seconds"),
            ("[limits.request_time]\nseconds = 1", "limits.request_time: write seconds"),
            ("limits = 3", "limits must be a table"),
        ] {
            let (path, _) = written(text);
            let error = limits(&path).unwrap_err().to_string();
            assert!(error.contains(told) && error.contains(&*path.to_string_lossy()), "{error}");
            std::fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn a_change_is_seen_and_a_broken_file_keeps_its_values() {
        let (path, _) = written("ADMIN_TOKEN = 'one'");
        let (file, faults) = ConfigurationFile::open(&path).unwrap();
        assert_eq!(faults, []);
        std::fs::write(&path, "ADMIN_TOKEN = 'another'").unwrap();
        assert_eq!(file.value("ADMIN_TOKEN").as_deref(), Some("another"));
        std::fs::write(&path, "ADMIN_TOKEN = ").unwrap();
        assert_eq!(file.value("ADMIN_TOKEN").as_deref(), Some("another"));
        std::fs::remove_file(path).unwrap();
    }
}
