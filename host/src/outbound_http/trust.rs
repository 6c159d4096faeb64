//! Which certificate authorities upstreams are checked against.

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
    /// TLS cannot be set up; the cause.
    Tls(String),
}

impl std::fmt::Display for OutboundError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ExtraCaFile(file, cause) => {
                write!(out, "EXTRA_CA_FILE: {} is not a PEM file with certificates ({cause})", file.display())
            }
            Self::Tls(cause) => write!(out, "TLS cannot be set up: {cause}"),
        }
    }
}

impl std::error::Error for OutboundError {}

/// TLS for other clients than the HTTP client, with the same trust.
#[cfg(feature = "redis")]
pub(crate) fn client_tls(extra_ca_file: Option<&str>) -> Result<ClientConfig, OutboundError> {
    let extra = extra_ca_file.map(|file| extra_authorities(Path::new(file))).transpose()?;
    tls_configuration(&extra.unwrap_or_default())
}

/// The certificates of the PEM file `file`, at least one.
pub(super) fn extra_authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, OutboundError> {
    let failed = |cause: String| OutboundError::ExtraCaFile(file.to_owned(), cause);
    let certificates: Vec<_> =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect).map_err(|error| failed(error.to_string()))?;
    if certificates.is_empty() {
        return Err(failed("there is none in it".to_owned()));
    }
    let mut trial = RootCertStore::empty();
    for certificate in &certificates {
        trial.add(certificate.clone()).map_err(|error| failed(error.to_string()))?;
    }
    Ok(certificates)
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
    fn there_is_always_an_authority() {
        assert!(tls_configuration(&[]).is_ok());
    }
}
