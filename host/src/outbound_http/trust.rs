//! Which certificate authorities upstreams are checked against.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Why the HTTP client cannot be set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutboundError {
    /// `EXTRA_CA_FILE` cannot be read as PEM; the file and the cause.
    ExtraCaFile(PathBuf, String),
    /// A variable of the environment names authorities that cannot be read; its name, the path and the cause.
    Environment(&'static str, PathBuf, String),
    /// TLS cannot be set up; the cause.
    Tls(String),
}

impl std::fmt::Display for OutboundError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ExtraCaFile(file, cause) => {
                write!(out, "EXTRA_CA_FILE: {} is not a PEM file with certificates ({cause})", file.display())
            }
            Self::Environment(name, path, cause) => {
                write!(out, "{name}: {} has no certificates that can be read ({cause})", path.display())
            }
            Self::Tls(cause) => write!(out, "TLS cannot be set up: {cause}"),
        }
    }
}

impl std::error::Error for OutboundError {}

impl OutboundError {
    /// The setting or variable that it is about.
    pub(crate) fn setting(&self) -> &'static str {
        match self {
            Self::ExtraCaFile(..) | Self::Tls(_) => "EXTRA_CA_FILE",
            Self::Environment(name, ..) => name,
        }
    }
}

/// Everything that is wrong with the authorities that the operator names.
pub(crate) fn trust_faults(extra_ca_file: Option<&str>) -> Vec<OutboundError> {
    let extra = extra_ca_file.and_then(|file| extra_authorities(Path::new(file)).err());
    check_environment().err().into_iter().chain(extra).collect()
}

/// TLS for other clients than the HTTP client, with the same trust.
#[cfg(any(feature = "otlp", feature = "redis"))]
pub(crate) fn client_tls(extra_ca_file: Option<&str>) -> Result<ClientConfig, OutboundError> {
    let extra = extra_ca_file.map(|file| extra_authorities(Path::new(file))).transpose()?;
    tls_configuration(&extra.unwrap_or_default())
}

/// The certificates of the PEM file `file`, at least one.
pub(super) fn extra_authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, OutboundError> {
    let certificates = certificates(file).map_err(|cause| OutboundError::ExtraCaFile(file.to_owned(), cause))?;
    let mut trial = RootCertStore::empty();
    for certificate in &certificates {
        let added = trial.add(certificate.clone());
        added.map_err(|error| OutboundError::ExtraCaFile(file.to_owned(), error.to_string()))?;
    }
    Ok(certificates)
}

/// Checks what the environment names in place of the system's store: where it cannot be read, others would be trusted
/// than the operator means.
pub(super) fn check_environment() -> Result<(), OutboundError> {
    check_named(std::env::var_os(FILE).as_deref(), std::env::var_os(FOLDERS).as_deref())
}

fn check_named(file: Option<&OsStr>, folders: Option<&OsStr>) -> Result<(), OutboundError> {
    if let Some(file) = file.filter(|file| !file.is_empty()).map(Path::new) {
        certificates(file).map_err(|cause| OutboundError::Environment(FILE, file.to_owned(), cause))?;
    }
    for folder in folders.map(std::env::split_paths).into_iter().flatten().filter(|path| !path.as_os_str().is_empty()) {
        let read = std::fs::read_dir(&folder);
        read.map_err(|error| OutboundError::Environment(FOLDERS, folder, error.to_string()))?;
    }
    Ok(())
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = found.map_err(|error| error.to_string())?;
    if found.is_empty() { Err("there is none in it".to_owned()) } else { Ok(found) }
}

/// Trusts the system's store (Mozilla's where there is none) and `extra`. Where `SSL_CERT_FILE` or `SSL_CERT_DIR` is
/// set in the environment, its certificates stand for the system's store.
pub(super) fn tls_configuration(extra: &[CertificateDer<'static>]) -> Result<ClientConfig, OutboundError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots.add_parsable_certificates(extra.iter().cloned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let configuration = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| OutboundError::Tls(error.to_string()))?;
    Ok(configuration.with_root_certificates(roots).with_no_client_auth())
}

/// Where OpenSSL and rustls-native-certs look first.
const FILE: &str = "SSL_CERT_FILE";
const FOLDERS: &str = "SSL_CERT_DIR";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_empty_file_is_named() {
        let missing = extra_authorities(Path::new("/nowhere.pem")).unwrap_err().to_string();
        assert!(missing.starts_with("EXTRA_CA_FILE: /nowhere.pem"), "{missing}");
        assert!(extra_authorities(Path::new("/dev/null")).is_err());
    }

    #[test]
    fn what_the_environment_names_must_be_readable() {
        let named = |file: Option<&str>, folders: Option<&str>| {
            check_named(file.map(OsStr::new), folders.map(OsStr::new)).map_err(|error| error.to_string())
        };
        assert_eq!(named(None, None), Ok(()));
        assert_eq!(named(Some(""), Some("/")), Ok(()));
        for (file, folders, start) in [
            (Some("/nowhere.pem"), None, "SSL_CERT_FILE: /nowhere.pem"),
            (Some("/dev/null"), None, "SSL_CERT_FILE: /dev/null"),
            (None, Some("/:/nowhere"), "SSL_CERT_DIR: /nowhere"),
        ] {
            let error = named(file, folders).unwrap_err();
            assert!(error.starts_with(start), "{error}");
        }
    }

    #[test]
    fn there_is_always_an_authority() {
        assert!(tls_configuration(&[]).is_ok());
    }
}
