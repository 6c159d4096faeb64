//! Settings that are set and that nothing reads, because of what others say. They keep nobody from being served, so a
//! request does not look them up: on some hosts every look-up costs a call. `check` tells them.

use super::sign_in::{allowed_domains, allowed_sites, endpoint, hourly_budget, private_schemes, team_domain};
use super::{ConfigError, Faults, MAX_PROXY_HOPS, host_names, number, public_url, truth};
use crate::ports::SecretUnavailable;

/// The faults of every setting that may stay unread, whether it is read or not.
pub fn idle(lookup: impl Fn(&'static str) -> Option<String>) -> Vec<ConfigError> {
    let lookup = &set(lookup);
    let mut faults = Faults::default();
    faults.or_default(public_url(lookup));
    for setting in TRUTHS {
        faults.or_default(truth(lookup, setting, false));
    }
    for setting in ENDPOINTS {
        faults.or_default(endpoint(lookup, setting));
    }
    faults.or_default(team_domain(lookup));
    faults.or_default(host_names(lookup, "CIMD_ALLOWED_HOSTS"));
    faults.or_default(private_schemes(lookup));
    faults.or_default(allowed_sites(lookup));
    faults.or_default(hourly_budget(lookup));
    faults.or_default(number(lookup, "TRUSTED_PROXY_HOPS", 1, MAX_PROXY_HOPS));
    if lookup("ALLOWED_EMAIL_DOMAIN").is_some() {
        faults.or_default(allowed_domains(lookup));
    }
    faults.into_list()
}

/// The settings that are set without one of those that give them a meaning, and what to do about each. Nothing is said
/// where one that would may be set, and cannot be read.
pub fn without_effect(
    lookup: impl Fn(&'static str) -> Result<Option<String>, SecretUnavailable>,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    let is_set = move |name| lookup(name).map(|value| value.is_some_and(|value| !value.trim().is_empty()));
    NEEDS.into_iter().filter_map(move |(setting, needed, advice)| {
        let is_idle = is_set(setting) == Ok(true) && needed.iter().all(|name| is_set(name) == Ok(false));
        is_idle.then_some((setting, advice))
    })
}

/// An empty value is no value.
fn set(lookup: impl Fn(&'static str) -> Option<String>) -> impl Fn(&'static str) -> Option<String> {
    move |name| lookup(name).filter(|value| !value.trim().is_empty())
}

const TRUTHS: [&str; 5] = [
    "PLAUSIBLE_ALLOW_HTTP",
    "REGISTRATION",
    "CLIENT_METADATA_DOCUMENTS",
    "HOST_BLOCKS_PRIVATE_NETWORKS",
    "ALLOW_LOOPBACK_CLIENT_METADATA",
];

const ENDPOINTS: [&str; 4] = ["ACCESS_ISSUER", "ACCESS_AUTHORIZATION_URL", "ACCESS_TOKEN_URL", "ACCESS_JWKS_URL"];

/// What turns sign-in on, whole or by half.
const SIGN_IN: &[&str] = &["ACCESS_CLIENT_ID", "CF_ACCESS_TEAM_DOMAIN", "CF_ACCESS_AUD"];
const SIGN_IN_ADVICE: &str = "set up sign-in (ACCESS_CLIENT_ID, or CF_ACCESS_AUD), or take it away";
const SERVER: &[&str] = &["ACCESS_CLIENT_ID"];
const SERVER_ADVICE: &str = "set up sign-in of this server's own (ACCESS_CLIENT_ID), or take it away";

/// A setting, those of which one has to be set beside it, and what to do where none is.
const NEEDS: [(&str, &[&str], &str); 16] = [
    ("ALLOWED_EMAIL_DOMAIN", SIGN_IN, SIGN_IN_ADVICE),
    ("DENIED_EMAILS", SIGN_IN, SIGN_IN_ADVICE),
    ("PLAUSIBLE_ALLOWED_SITES", SIGN_IN, SIGN_IN_ADVICE),
    ("PLAUSIBLE_HOURLY_BUDGET", SIGN_IN, SIGN_IN_ADVICE),
    ("COOKIE_ENCRYPTION_KEY", SIGN_IN, SIGN_IN_ADVICE),
    ("TELEMETRY_IDENTITY", SIGN_IN, SIGN_IN_ADVICE),
    ("REGISTRATION", SERVER, SERVER_ADVICE),
    ("CLIENT_METADATA_DOCUMENTS", SERVER, SERVER_ADVICE),
    ("CIMD_ALLOWED_HOSTS", SERVER, SERVER_ADVICE),
    ("HOST_BLOCKS_PRIVATE_NETWORKS", SERVER, SERVER_ADVICE),
    ("PRIVATE_USE_REDIRECT_SCHEMES", SERVER, SERVER_ADVICE),
    ("ALLOW_LOOPBACK_CLIENT_METADATA", SERVER, SERVER_ADVICE),
    ("SENTRY_RELEASE", &["SENTRY_DSN"], "set SENTRY_DSN, or take it away"),
    ("SENTRY_ENVIRONMENT", &["SENTRY_DSN"], "set SENTRY_DSN, or take it away"),
    ("TRUSTED_PROXY_HOPS", &["CLIENT_IP_HEADER"], "set CLIENT_IP_HEADER to the header that your proxy writes"),
    ("PLAUSIBLE_ALLOW_HTTP", &["PLAUSIBLE_BASE_URL"], "set PLAUSIBLE_BASE_URL, or take it away"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_setting_is_told_though_nothing_reads_it() {
        for (setting, value) in [
            ("PUBLIC_URL", "http://mcp.example.com"),
            ("PUBLIC_URL", "https://mcp.example.com/path"),
            ("PLAUSIBLE_ALLOW_HTTP", "yes"),
            ("PLAUSIBLE_ALLOWED_SITES", ","),
            ("ALLOWED_EMAIL_DOMAIN", "*"),
            ("ACCESS_ISSUER", "issuer"),
            ("ACCESS_AUTHORIZATION_URL", "http://a.example"),
            ("ACCESS_TOKEN_URL", "token"),
            ("ACCESS_JWKS_URL", "keys"),
            ("CF_ACCESS_TEAM_DOMAIN", "https://a/b"),
            ("REGISTRATION", "maybe"),
            ("CLIENT_METADATA_DOCUMENTS", "maybe"),
            ("CIMD_ALLOWED_HOSTS", "https://a"),
            ("HOST_BLOCKS_PRIVATE_NETWORKS", "maybe"),
            ("PRIVATE_USE_REDIRECT_SCHEMES", "cursor:"),
            ("ALLOW_LOOPBACK_CLIENT_METADATA", "maybe"),
            ("TRUSTED_PROXY_HOPS", "many"),
            ("PLAUSIBLE_HOURLY_BUDGET", "plenty"),
        ] {
            let faults = idle(|name| (name == setting).then(|| value.to_owned()));
            assert_eq!(faults.iter().map(|fault| fault.setting).collect::<Vec<_>>(), [setting], "{value}");
        }
        assert_eq!(idle(|_| None), []);
        assert_eq!(idle(|_| Some(" ".to_owned())), []);
    }

    #[test]
    fn what_means_nothing_alone_is_told() {
        for (setting, needed, _) in NEEDS {
            let alone = |name| Ok((name == setting).then(|| "x".to_owned()));
            assert_eq!(without_effect(alone).map(|(name, _)| name).collect::<Vec<_>>(), [setting]);
            let with = |name| Ok((name == setting || name == needed[0]).then(|| "x".to_owned()));
            assert_eq!(without_effect(with).count(), 0, "{setting}");
            let unknown = |name| if name == needed[0] { Err(SecretUnavailable) } else { alone(name) };
            assert_eq!(without_effect(unknown).count(), 0, "{setting}");
        }
    }
}
