//! The operator's settings, parsed once into what the component acts on. A missing or malformed setting is named,
//! never its value.

mod faults;
mod idle;
mod names;
mod origins;
mod sentry_dsn;
mod sign_in;
mod telemetry;
pub mod url;

use std::fmt;

use faults::Faults;
pub use idle::{idle, without_effect};
pub use names::{GROUPS, Group};
pub use origins::{AllowedOrigins, PageOrigin};
pub use sentry_dsn::SentryDsn;
pub use sign_in::{AssertionMode, AuthorizationServer, ClientDocuments, EndpointOverrides, SignIn};
pub use telemetry::TelemetrySettings;
pub use url::is_loopback_host;

use crate::site_id;

/// Settings that are not secret, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Plausible's address without a slash at the end.
    pub plausible_base_url: String,
    /// The site of a call that names none.
    pub default_site: Option<String>,
    /// The host names that requests may be addressed to, in lower case and without ports. Never empty.
    pub allowed_hostnames: Vec<String>,
    /// The pages that may call `/internal`, besides those on this machine.
    pub allowed_origins: AllowedOrigins,
    /// How people sign in at `/internal`; `None` when nothing is set up for it.
    pub sign_in: Option<SignIn>,
    /// Requests a minute for one identity; `None` when limits are off.
    pub rate_limit_per_minute: Option<u32>,
    /// Where the client's address stands when a proxy is in front.
    pub client_ip: ClientIp,
    /// Which requests are written to the log.
    pub log_level: LogLevel,
    /// What else the operator wants to learn about them.
    pub telemetry: TelemetrySettings,
}

/// Where the client's address stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIp {
    /// The header that a proxy in front sets, in lower case; `None`: the host's own.
    pub header: Option<String>,
    /// Which element from the right is the client's: 1 is the last.
    pub hops: usize,
}

/// Which requests are written to the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Only those that this server failed.
    Error,
    /// Those that were refused, too.
    Warn,
    /// All.
    #[default]
    Info,
}

/// A setting that is missing or malformed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Its name.
    pub setting: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
    /// What to write.
    pub advice: &'static str,
}

impl Config {
    /// Reads the settings by name. `lookup` returns `None` for what is absent or empty.
    pub fn read(lookup: impl Fn(&'static str) -> Option<String>) -> Result<Config, ConfigError> {
        let (config, faults) = Config::read_with_faults(lookup);
        match faults.into_iter().next() {
            None => Ok(config),
            Some(fault) => Err(fault),
        }
    }

    /// The same with every fault, each once, and the default in place of what is missing or malformed. Without them it
    /// is the settings; with them it serves nobody, and tells `check` what may be looked at further. There is no sign-in
    /// in it where one of the faults is in the settings of that.
    pub fn read_with_faults(lookup: impl Fn(&'static str) -> Option<String>) -> (Config, Vec<ConfigError>) {
        let lookup = &|name| lookup(name).filter(|value: &String| !value.trim().is_empty());
        let mut faults = Faults::default();
        let sign_in = SignIn::read(lookup, &mut faults).filter(|_| faults.is_empty());
        let config = Config {
            telemetry: TelemetrySettings::read(lookup, sign_in.is_some()),
            plausible_base_url: faults.or_default(plausible_base_url(lookup)),
            default_site: faults.or_default(default_site(lookup)),
            allowed_hostnames: faults.or_default(allowed_hostnames(lookup)),
            allowed_origins: faults.or_default(AllowedOrigins::read(lookup)),
            sign_in,
            rate_limit_per_minute: faults.or_default(rate_limit(lookup)),
            client_ip: client_ip(lookup, &mut faults),
            log_level: faults.or_default(log_level(lookup)),
        };
        (config, faults.into_list())
    }
}

/// The default site, as Plausible spells it.
fn default_site(lookup: impl Fn(&'static str) -> Option<String>) -> Result<Option<String>, ConfigError> {
    let setting = "PLAUSIBLE_DEFAULT_SITE_ID";
    match lookup(setting).map(|site| site_id::normalized(&site)) {
        Some(site) if site.is_empty() => Err(ConfigError {
            setting,
            problem: "names no site",
            advice: "write the site's domain as example.com, or leave it out",
        }),
        site => Ok(site),
    }
}

fn plausible_base_url(lookup: impl Fn(&'static str) -> Option<String>) -> Result<String, ConfigError> {
    let Some(text) = lookup("PLAUSIBLE_BASE_URL") else { return Ok("https://plausible.io".to_owned()) };
    let refuse = |problem, advice| Err(ConfigError { setting: "PLAUSIBLE_BASE_URL", problem, advice });
    let Some(url) = url::Url::parse(text.trim()) else {
        return refuse("is not an absolute http or https URL", "write it as https://plausible.example.com");
    };
    let plain_allowed = truth(&lookup, "PLAUSIBLE_ALLOW_HTTP", false)?;
    if !url.is_protected() && !plain_allowed {
        return refuse(
            "is http: API keys would travel unencrypted",
            "use https, or set PLAUSIBLE_ALLOW_HTTP=true for a trusted network",
        );
    }
    Ok(text.trim().trim_end_matches('/').to_owned())
}

fn allowed_hostnames(lookup: impl Fn(&'static str) -> Option<String>) -> Result<Vec<String>, ConfigError> {
    if let Some(names) = host_names(&lookup, "MCP_ALLOWED_HOSTNAMES")? {
        return Ok(names);
    }
    match public_url(&lookup)? {
        Some(url) => Ok(vec![url.host]),
        None => Err(ConfigError {
            setting: "MCP_ALLOWED_HOSTNAMES",
            problem: "is missing, and so is PUBLIC_URL",
            advice: "write the host names that clients use, as mcp.example.com, or set PUBLIC_URL",
        }),
    }
}

/// A list of bare host names, in lower case, at least one; `None` when the setting is absent.
fn host_names(
    lookup: impl Fn(&'static str) -> Option<String>,
    setting: &'static str,
) -> Result<Option<Vec<String>>, ConfigError> {
    let Some(names) = lookup(setting).map(|list| list_of(&list)) else { return Ok(None) };
    let advice = "write host names without scheme and port, separated by commas, as mcp.example.com,localhost";
    if names.is_empty() {
        return Err(ConfigError { setting, problem: "names no host", advice });
    }
    // A name with a dot at an end, or two in a row, is none that a request has in `Host`.
    let is_name =
        |name: &String| url::is_host(name) && (name.starts_with('[') || name.split('.').all(|l| !l.is_empty()));
    if names.iter().all(is_name) {
        return Ok(Some(names));
    }
    Err(ConfigError { setting, problem: "has an entry that is not a bare host name", advice })
}

/// The entries of a comma-separated list in lower case.
fn list_of(list: &str) -> Vec<String> {
    list.split(',').map(|entry| entry.trim().to_ascii_lowercase()).filter(|entry| !entry.is_empty()).collect()
}

/// `PUBLIC_URL`, if it is set: `scheme://host[:port]`, http on loopback only.
fn public_url(lookup: impl Fn(&'static str) -> Option<String>) -> Result<Option<url::Url>, ConfigError> {
    let Some(text) = lookup("PUBLIC_URL") else { return Ok(None) };
    let refuse = |problem, advice| Err(ConfigError { setting: "PUBLIC_URL", problem, advice });
    match url::Url::parse(text.trim()).filter(|url| url.path.is_empty() || url.path == "/") {
        Some(url) if url.is_protected() => Ok(Some(url)),
        Some(_) => refuse("is http", "write it with https; http is for loopback only"),
        None => refuse("is not scheme://host[:port]", "write it as https://mcp.example.com, without a path"),
    }
}

/// A setting that is `true` or `false`.
fn truth(
    lookup: impl Fn(&'static str) -> Option<String>,
    setting: &'static str,
    default: bool,
) -> Result<bool, ConfigError> {
    match lookup(setting).as_deref().map(str::trim) {
        None => Ok(default),
        Some("true" | "on") => Ok(true),
        Some("false" | "off") => Ok(false),
        Some(_) => Err(ConfigError {
            setting,
            problem: "is neither true nor false",
            advice: "write true or false, or leave it out",
        }),
    }
}

fn rate_limit(lookup: impl Fn(&'static str) -> Option<String>) -> Result<Option<u32>, ConfigError> {
    let number = number(lookup, "RATE_LIMIT_PER_MINUTE", DEFAULT_RATE_LIMIT, MAX_RATE_LIMIT)?;
    Ok((number > 0).then_some(number))
}

fn client_ip(lookup: impl Fn(&'static str) -> Option<String>, faults: &mut Faults) -> ClientIp {
    ClientIp { header: faults.or_default(client_ip_header(&lookup)), hops: faults.or_default(proxy_hops(&lookup)) }
}

fn client_ip_header(lookup: impl Fn(&'static str) -> Option<String>) -> Result<Option<String>, ConfigError> {
    let header = lookup("CLIENT_IP_HEADER").map(|name| name.trim().to_ascii_lowercase());
    let is_token = |name: &String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if header.as_ref().is_some_and(|name| !is_token(name)) {
        return Err(ConfigError {
            setting: "CLIENT_IP_HEADER",
            problem: "is not the name of a header",
            advice: "write the header that your proxy sets, as X-Forwarded-For",
        });
    }
    Ok(header)
}

fn proxy_hops(lookup: impl Fn(&'static str) -> Option<String>) -> Result<usize, ConfigError> {
    let hops = number(lookup, "TRUSTED_PROXY_HOPS", 1, MAX_PROXY_HOPS)?;
    match usize::try_from(hops) {
        Ok(hops) if hops > 0 => Ok(hops),
        _ => Err(ConfigError {
            setting: "TRUSTED_PROXY_HOPS",
            problem: "is 0, which is no element of the header",
            advice: "write 1 for the last element, or how many proxies of yours a request passes",
        }),
    }
}

fn log_level(lookup: impl Fn(&'static str) -> Option<String>) -> Result<LogLevel, ConfigError> {
    match lookup("LOG_LEVEL").as_deref().map(str::trim) {
        None | Some("info" | "debug" | "trace") => Ok(LogLevel::Info),
        Some("warn") => Ok(LogLevel::Warn),
        Some("error") => Ok(LogLevel::Error),
        Some(_) => Err(ConfigError {
            setting: "LOG_LEVEL",
            problem: "is not a level",
            advice: "write error, warn, info, debug or trace",
        }),
    }
}

fn number(
    lookup: impl Fn(&'static str) -> Option<String>,
    setting: &'static str,
    default: u32,
    most: u32,
) -> Result<u32, ConfigError> {
    let Some(text) = lookup(setting) else { return Ok(default) };
    text.trim().parse().ok().filter(|number| *number <= most).ok_or(ConfigError {
        setting,
        problem: "is not a whole number within its bounds",
        advice: "write a number, or leave it out for the default",
    })
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}; {}", self.setting, self.problem, self.advice)
    }
}

/// One request a second is what a busy conversation makes.
const DEFAULT_RATE_LIMIT: u32 = 60;

/// Ten times as much, the limit by address, still fits 32 bits.
const MAX_RATE_LIMIT: u32 = 100_000_000;

/// Plausible allows 600; a tenth is left to dashboards and other keys of the same team, which count too.
const DEFAULT_HOURLY_BUDGET: u32 = 540;

/// More than Plausible grants anybody.
const MAX_HOURLY_BUDGET: u32 = 10_000_000;

/// Longer chains of proxies were not seen.
const MAX_PROXY_HOPS: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&'static str, &str)]) -> Result<Config, ConfigError> {
        Config::read(|name| settings.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[track_caller]
    fn refused(settings: &[(&'static str, &str)], setting: &str) {
        let with_host = [settings, &[("MCP_ALLOWED_HOSTNAMES", "localhost")]].concat();
        let error = read(&with_host).or_else(|error| if settings.is_empty() { read(&[]) } else { Err(error) });
        assert_eq!(error.map_err(|error| error.setting), Err(setting));
    }

    #[test]
    fn the_host_names_default_to_that_of_the_public_url() {
        assert_eq!(
            read(&[("PUBLIC_URL", "https://MCP.example.com:8443/")]).unwrap().allowed_hostnames,
            ["mcp.example.com"]
        );
        assert_eq!(read(&[("PUBLIC_URL", "http://[::1]:8787")]).unwrap().allowed_hostnames, ["[::1]"]);
        assert_eq!(read(&[]).unwrap_err().setting, "MCP_ALLOWED_HOSTNAMES");
        assert_eq!(read(&[("PUBLIC_URL", "http://mcp.example.com")]).unwrap_err().setting, "PUBLIC_URL");
        assert_eq!(read(&[("PUBLIC_URL", "https://mcp.example.com/path")]).unwrap_err().setting, "PUBLIC_URL");
        for list in ["https://a.example", "a.example:8080", "a.example.", ".a.example", "a..example", ",", "*"] {
            let error = read(&[("MCP_ALLOWED_HOSTNAMES", list), ("PUBLIC_URL", "https://a.example")]).unwrap_err();
            assert_eq!(error.setting, "MCP_ALLOWED_HOSTNAMES", "{list}");
        }
    }

    #[test]
    fn every_fault_is_told_once() {
        let settings = [
            ("ACCESS_CLIENT_ID", "client 1"),
            ("PUBLIC_URL", "http://mcp.example.com"),
            ("ACCESS_TOKEN_URL", "token"),
            ("REGISTRATION", "maybe"),
            ("PLAUSIBLE_BASE_URL", "plausible.io"),
            ("RATE_LIMIT_PER_MINUTE", "many"),
            ("CLIENT_IP_HEADER", "x forwarded for"),
            ("TRUSTED_PROXY_HOPS", "0"),
            ("LOG_LEVEL", "loud"),
        ];
        let value = |name| settings.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let (config, faults) = Config::read_with_faults(value);
        let mut named: Vec<_> = faults.iter().map(|fault| fault.setting).collect();
        named.sort_unstable();
        let mut expected: Vec<_> = settings.iter().map(|(name, _)| *name).collect();
        expected.extend(["ACCESS_ISSUER", "ALLOWED_EMAIL_DOMAIN"]);
        expected.sort_unstable();
        assert_eq!(named, expected);
        assert_eq!((config.sign_in, config.client_ip.header), (None, None));
        assert_eq!(Config::read(value).unwrap_err(), faults[0]);
    }

    #[test]
    fn plain_http_to_plausible_needs_loopback_or_consent() {
        let base = |settings: &[(&'static str, &str)]| {
            let with_host = [settings, &[("MCP_ALLOWED_HOSTNAMES", "localhost")]].concat();
            read(&with_host).map(|config| config.plausible_base_url)
        };
        assert_eq!(base(&[]).unwrap(), "https://plausible.io");
        assert_eq!(base(&[("PLAUSIBLE_BASE_URL", "https://p.example/")]).unwrap(), "https://p.example");
        for loopback in
            ["http://127.0.0.1:9", "http://127.9.9.9", "http://localhost:8000", "http://a.localhost", "http://[::1]:1"]
        {
            assert_eq!(base(&[("PLAUSIBLE_BASE_URL", loopback)]).unwrap(), loopback);
        }
        let plain = ("PLAUSIBLE_BASE_URL", "http://p.internal");
        assert!(base(&[plain]).is_err());
        assert!(base(&[plain, ("PLAUSIBLE_ALLOW_HTTP", "true")]).is_ok());
    }

    #[test]
    fn the_default_site_is_spelled_as_plausible_does() {
        let site = |text: &str| read(&[("MCP_ALLOWED_HOSTNAMES", "localhost"), ("PLAUSIBLE_DEFAULT_SITE_ID", text)]);
        for text in ["shop.example", "https://www.Shop.example/", " shop.example. "] {
            assert_eq!(site(text).unwrap().default_site.as_deref(), Some("shop.example"), "{text}");
        }
        assert_eq!(site(" ").unwrap().default_site, None);
    }

    #[test]
    fn malformed_settings_are_named() {
        refused(&[("PLAUSIBLE_DEFAULT_SITE_ID", "https://")], "PLAUSIBLE_DEFAULT_SITE_ID");
        refused(&[("PLAUSIBLE_BASE_URL", "plausible.io")], "PLAUSIBLE_BASE_URL");
        refused(&[("PLAUSIBLE_BASE_URL", "ftp://plausible.io")], "PLAUSIBLE_BASE_URL");
        refused(&[("PLAUSIBLE_BASE_URL", "https://user@plausible.io")], "PLAUSIBLE_BASE_URL");
        refused(&[("PLAUSIBLE_BASE_URL", "http://127.0.0.1.evil.example")], "PLAUSIBLE_BASE_URL");
        refused(&[("PLAUSIBLE_BASE_URL", "http://a.example"), ("PLAUSIBLE_ALLOW_HTTP", "yes")], "PLAUSIBLE_ALLOW_HTTP");
        refused(&[("RATE_LIMIT_PER_MINUTE", "many")], "RATE_LIMIT_PER_MINUTE");
        refused(&[("CLIENT_IP_HEADER", "x forwarded for")], "CLIENT_IP_HEADER");
        refused(&[("TRUSTED_PROXY_HOPS", "-1")], "TRUSTED_PROXY_HOPS");
        refused(&[("TRUSTED_PROXY_HOPS", "0")], "TRUSTED_PROXY_HOPS");
        refused(&[("LOG_LEVEL", "loud")], "LOG_LEVEL");
    }
}
