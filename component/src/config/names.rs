//! The names of the settings that [`Config`](super::Config) reads, in the groups in which a host is asked for them: each
//! group by one call, when the first of its settings is looked up.

/// Settings that are asked for together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// Their names.
    pub names: &'static [&'static str],
    /// Whether nobody is served where one of them cannot be read.
    pub is_vital: bool,
}

/// All groups. What is read for one purpose only, such as `PLAUSIBLE_API_KEY`, stands in none.
pub const GROUPS: [Group; 4] = [
    Group { names: &GENERAL, is_vital: true },
    Group { names: &SIGN_IN, is_vital: true },
    // It keeps nobody from being served, whatever is wrong with it.
    Group { names: &TELEMETRY, is_vital: false },
    // Looked at here only to say that `ACCESS_CLIENT_ID` was forgotten beside it. Who needs its value asks for it.
    Group { names: &["ACCESS_CLIENT_SECRET"], is_vital: false },
];

/// What every request needs, and what tells whether there is sign-in.
const GENERAL: [&str; 17] = [
    "PUBLIC_URL",
    "PLAUSIBLE_BASE_URL",
    "PLAUSIBLE_ALLOW_HTTP",
    "PLAUSIBLE_DEFAULT_SITE_ID",
    "MCP_ALLOWED_HOSTNAMES",
    "MCP_ALLOWED_ORIGIN_HOSTNAMES",
    "RATE_LIMIT_PER_MINUTE",
    "CLIENT_IP_HEADER",
    "TRUSTED_PROXY_HOPS",
    "LOG_LEVEL",
    "ACCESS_CLIENT_ID",
    "ACCESS_ISSUER",
    "ACCESS_AUTHORIZATION_URL",
    "ACCESS_TOKEN_URL",
    "ACCESS_JWKS_URL",
    "CF_ACCESS_TEAM_DOMAIN",
    "CF_ACCESS_AUD",
];

const SIGN_IN: [&str; 10] = [
    "ALLOWED_EMAIL_DOMAIN",
    "DENIED_EMAILS",
    "PLAUSIBLE_ALLOWED_SITES",
    "PLAUSIBLE_HOURLY_BUDGET",
    "REGISTRATION",
    "CLIENT_METADATA_DOCUMENTS",
    "CIMD_ALLOWED_HOSTS",
    "HOST_BLOCKS_PRIVATE_NETWORKS",
    "PRIVATE_USE_REDIRECT_SCHEMES",
    "ALLOW_LOOPBACK_CLIENT_METADATA",
];

const TELEMETRY: [&str; 4] = ["SENTRY_DSN", "SENTRY_RELEASE", "SENTRY_ENVIRONMENT", "TELEMETRY_IDENTITY"];
