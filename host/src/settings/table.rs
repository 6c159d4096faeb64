//! The names of the settings.

/// One row of the settings table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettingName {
    /// Its name in the environment, in a configuration file and as a file in a folder of secrets.
    pub name: &'static str,
    /// Whether the component gets it through `secrets` only.
    pub secret: bool,
}

/// All settings.
pub fn setting_names() -> &'static [SettingName] {
    &TABLE
}

/// The setting of this name.
pub(super) fn find(name: &str) -> Option<&'static SettingName> {
    TABLE.iter().find(|setting| setting.name == name)
}

const fn plain(name: &'static str) -> SettingName {
    SettingName { name, secret: false }
}

const fn secret(name: &'static str) -> SettingName {
    SettingName { name, secret: true }
}

static TABLE: [SettingName; 36] = [
    plain("PUBLIC_URL"),
    plain("PLAUSIBLE_BASE_URL"),
    plain("PLAUSIBLE_ALLOW_HTTP"),
    plain("PLAUSIBLE_DEFAULT_SITE_ID"),
    plain("PLAUSIBLE_ALLOWED_SITES"),
    secret("PLAUSIBLE_API_KEY"),
    plain("ALLOWED_EMAIL_DOMAIN"),
    plain("DENIED_EMAILS"),
    plain("ACCESS_CLIENT_ID"),
    secret("ACCESS_CLIENT_SECRET"),
    plain("ACCESS_ISSUER"),
    plain("ACCESS_AUTHORIZATION_URL"),
    plain("ACCESS_TOKEN_URL"),
    plain("ACCESS_JWKS_URL"),
    secret("COOKIE_ENCRYPTION_KEY"),
    plain("CF_ACCESS_TEAM_DOMAIN"),
    plain("CF_ACCESS_AUD"),
    plain("MCP_ALLOWED_HOSTNAMES"),
    plain("MCP_ALLOWED_ORIGIN_HOSTNAMES"),
    plain("REGISTRATION"),
    plain("CLIENT_METADATA_DOCUMENTS"),
    plain("CIMD_ALLOWED_HOSTS"),
    plain("HOST_BLOCKS_PRIVATE_NETWORKS"),
    plain("PRIVATE_USE_REDIRECT_SCHEMES"),
    plain("ALLOW_LOOPBACK_CLIENT_METADATA"),
    plain("RATE_LIMIT_PER_MINUTE"),
    plain("CLIENT_IP_HEADER"),
    plain("TRUSTED_PROXY_HOPS"),
    plain("PLAUSIBLE_HOURLY_BUDGET"),
    plain("EXTRA_CA_FILE"),
    plain("LOG_LEVEL"),
    secret("ADMIN_TOKEN"),
    secret("SENTRY_DSN"),
    plain("SENTRY_RELEASE"),
    plain("SENTRY_ENVIRONMENT"),
    plain("TELEMETRY_IDENTITY"),
];
