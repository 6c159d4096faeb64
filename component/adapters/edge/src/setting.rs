//! The names of the settings table. `secrets` answers for these and for nothing else that an environment may hold.

/// All settings.
pub const NAMES: [&str; 36] = [
    "PUBLIC_URL",
    "PLAUSIBLE_BASE_URL",
    "PLAUSIBLE_ALLOW_HTTP",
    "PLAUSIBLE_DEFAULT_SITE_ID",
    "PLAUSIBLE_ALLOWED_SITES",
    "PLAUSIBLE_API_KEY",
    "ALLOWED_EMAIL_DOMAIN",
    "DENIED_EMAILS",
    "ACCESS_CLIENT_ID",
    "ACCESS_CLIENT_SECRET",
    "ACCESS_ISSUER",
    "ACCESS_AUTHORIZATION_URL",
    "ACCESS_TOKEN_URL",
    "ACCESS_JWKS_URL",
    "COOKIE_ENCRYPTION_KEY",
    "CF_ACCESS_TEAM_DOMAIN",
    "CF_ACCESS_AUD",
    "MCP_ALLOWED_HOSTNAMES",
    "MCP_ALLOWED_ORIGIN_HOSTNAMES",
    "REGISTRATION",
    "CLIENT_METADATA_DOCUMENTS",
    "CIMD_ALLOWED_HOSTS",
    "HOST_BLOCKS_PRIVATE_NETWORKS",
    "PRIVATE_USE_REDIRECT_SCHEMES",
    "ALLOW_LOOPBACK_CLIENT_METADATA",
    "RATE_LIMIT_PER_MINUTE",
    "CLIENT_IP_HEADER",
    "TRUSTED_PROXY_HOPS",
    "PLAUSIBLE_HOURLY_BUDGET",
    "EXTRA_CA_FILE",
    "LOG_LEVEL",
    "ADMIN_TOKEN",
    "SENTRY_DSN",
    "SENTRY_RELEASE",
    "SENTRY_ENVIRONMENT",
    "TELEMETRY_IDENTITY",
];

/// Whether the table has a setting of this name.
pub fn is_name(name: &str) -> bool {
    NAMES.contains(&name)
}
