//! The secret `SENTRY_DSN`: where reports go, and the key that they are sent with.

use super::url::Url;

/// A DSN, taken apart. It holds a key, so its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct SentryDsn {
    /// The address of the envelope endpoint.
    pub envelope_url: String,
    /// The public key.
    pub public_key: String,
}

impl SentryDsn {
    /// Reads `https://KEY@HOST[:PORT][/PATH]/PROJECT`
    /// (<https://develop.sentry.dev/sdk/foundations/transport/authentication/>). `None` for everything else, secret keys
    /// of old included, and for http outside loopback.
    pub fn parse(text: &str) -> Option<SentryDsn> {
        let (scheme, rest) = text.trim().split_once("://")?;
        let (public_key, address) = rest.split_once('@')?;
        let is_key = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if !(1..=MAX_KEY).contains(&public_key.len()) || !public_key.bytes().all(is_key) {
            return None;
        }
        let url = Url::parse(&format!("{scheme}://{address}")).filter(Url::is_protected)?;
        let (path, project) = url.path.rsplit_once('/')?;
        if !(1..=MAX_PROJECT).contains(&project.len()) || !project.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let envelope_url = format!("{}{path}/api/{project}/envelope/", url.origin());
        Some(SentryDsn { envelope_url, public_key: public_key.to_owned() })
    }
}

impl std::fmt::Debug for SentryDsn {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SentryDsn(…)")
    }
}

/// Sentry's keys have 32 characters.
const MAX_KEY: usize = 64;

/// The digits of 64 bits.
const MAX_PROJECT: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dsn_is_read_as_sentrys_own_client_reads_it() {
        for dsn in [
            "https://0123456789abcdef0123456789abcdef@o1.ingest.sentry.io/42",
            "https://abc@sentry.example:8443/7",
            "https://abc@sentry.example/some/path/7",
            "http://abc@127.0.0.1:9000/7",
        ] {
            let ours = SentryDsn::parse(dsn).unwrap();
            let theirs: sentry_types::Dsn = dsn.parse().unwrap();
            assert_eq!(ours.envelope_url, theirs.envelope_api_url().as_str());
            assert_eq!(ours.public_key, theirs.public_key());
            assert_eq!(format!("{ours:?}"), "SentryDsn(…)");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for dsn in [
            "",
            "42",
            "https://sentry.example/7",
            "https://@sentry.example/7",
            "https://abc:secret@sentry.example/7",
            "https://abc@sentry.example",
            "https://abc@sentry.example/",
            "https://abc@sentry.example/project",
            "https://abc@sentry.example/7/",
            "https://abc@sentry.example/7?x=1",
            "https://abc@sentry.example/7#x",
            "https://a b@sentry.example/7",
            "https://abc@sentry example/7",
            "https://abc@/7",
            "http://abc@sentry.example/7",
            "ftp://abc@sentry.example/7",
            "https://abc@sentry.example/123456789012345678901",
        ] {
            assert_eq!(SentryDsn::parse(dsn), None, "{dsn}");
        }
    }
}
