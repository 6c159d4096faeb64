//! What `check` finds in settings that are well-formed one by one: those that do not go together, those that nothing
//! reads, and those with which the server does something else than it says.

use super::lookups::Lookups;
use super::{Finding, Level, Origin, finding};
use crate::access::Admission;
use crate::config::url::{Url, is_loopback_host};
use crate::config::{self, Config, SignIn};
use crate::gateway::operator_endpoint::MIN_TOKEN;
use crate::gateway::setup::Setup;
use crate::oauth::client_metadata::DocumentUrl;
use crate::oauth::redirect_uri::is_forbidden_scheme;
use crate::ports::Ports;

/// Looks at the settings alone, and asks nobody.
pub fn run<P: Ports>(lookups: &Lookups<'_, P>, setup: &Setup) -> Vec<Finding> {
    let (config, lookup) = (&setup.config, |name| lookups.value(name));
    let mut findings = Vec::new();
    findings.extend(host_names(config, lookup("PUBLIC_URL").as_deref()));
    findings.push(rate_limit(config));
    findings.extend(base_url(config));
    findings.extend(client_address(config));
    findings.extend(default_site(config));
    findings.extend(operators_token(lookup("ADMIN_TOKEN").as_deref()));
    match &config.sign_in {
        Some(sign_in) => {
            findings.extend(admission(sign_in));
            findings.extend(budget(config, sign_in));
            findings.extend(identifiers(sign_in));
            findings.extend(teams(sign_in, lookup("CF_ACCESS_TEAM_DOMAIN").as_deref()));
            findings.extend(clients(sign_in));
        }
        None => findings.extend(denied_without_sign_in(lookup("DENIED_EMAILS").as_deref())),
    }
    let idle = config::without_effect(|name| lookups.read(name));
    findings.extend(idle.map(|(setting, advice)| warn(setting, "has no effect as the other settings are", advice)));
    findings
}

/// A name that is not in the list is refused with 403 before anything else, that of `PUBLIC_URL` as well.
fn host_names(config: &Config, public_url: Option<&str>) -> Vec<Finding> {
    let (setting, names) = ("MCP_ALLOWED_HOSTNAMES", &config.allowed_hostnames);
    if names.is_empty() {
        return Vec::new();
    }
    let taken = ok(setting, &format!("requests are taken for {}", names.join(", ")));
    let public = public_url.and_then(|url| Url::parse(url.trim())).map(|url| url.host);
    match public.filter(|host| !names.contains(host)) {
        None => vec![taken],
        Some(host) => {
            let text = format!("does not list {host}, the host of PUBLIC_URL: requests to it are refused with 403");
            vec![taken, error(setting, &text, &format!("add {host}, or leave the list out"))]
        }
    }
}

fn rate_limit(config: &Config) -> Finding {
    let setting = "RATE_LIMIT_PER_MINUTE";
    match config.rate_limit_per_minute {
        Some(limit) => ok(setting, &format!("{limit} requests a minute for one key")),
        None => warn(setting, "limits are off", "set it to 60, unless something in front limits requests"),
    }
}

fn base_url(config: &Config) -> Option<Finding> {
    let is_open = Url::parse(&config.plausible_base_url).is_some_and(|url| !url.is_protected());
    is_open.then(|| {
        let text = "API keys travel to Plausible unencrypted, as PLAUSIBLE_ALLOW_HTTP says";
        warn("PLAUSIBLE_BASE_URL", text, "use https, or keep the way there to yourself")
    })
}

fn client_address(config: &Config) -> Option<Finding> {
    let setting = "CLIENT_IP_HEADER";
    let header = config.client_ip.header.as_deref()?;
    if header == "forwarded" {
        let text = "names Forwarded, whose elements are no addresses: all callers share one limit";
        return Some(error(setting, text, "let the proxy write X-Forwarded-For or a header of its own, and name that"));
    }
    let element = match config.client_ip.hops {
        1 => "the last element".to_owned(),
        hops => format!("element {hops} from the right"),
    };
    let text = format!("the client's address is {element} of {header}, which a proxy in front has to write");
    Some(ok(setting, &text))
}

fn default_site(config: &Config) -> Option<Finding> {
    let default = config.default_site.as_ref()?;
    let allowed = config.sign_in.as_ref()?.allowed_sites.as_ref()?;
    (!allowed.contains(default)).then(|| {
        let text = "is not among PLAUSIBLE_ALLOWED_SITES: calls at /internal that name no site are refused";
        error("PLAUSIBLE_DEFAULT_SITE_ID", text, "add it there, or name one of those")
    })
}

/// One that is too short counts as absent, and the route is 404 without a word.
fn operators_token(token: Option<&str>) -> Option<Finding> {
    let setting = "ADMIN_TOKEN";
    let token = token.map(str::trim).filter(|token| !token.is_empty())?;
    let advice = "make one with: openssl rand -hex 32";
    if token.len() < MIN_TOKEN {
        let text = format!("has fewer than {MIN_TOKEN} bytes, so /admin/operator is off");
        return Some(error(setting, &text, advice));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let text = "has blanks, or characters that are not ASCII, which no header carries as they are";
        return Some(error(setting, text, advice));
    }
    Some(ok(setting, "/admin/operator is on"))
}

fn admission(sign_in: &SignIn) -> Vec<Finding> {
    let domains = &sign_in.allowed_domains;
    let mut findings = vec![ok("ALLOWED_EMAIL_DOMAIN", &format!("users of {} are let in", domains.join(", ")))];
    let is_outside = |email: &&String| {
        email.rsplit_once('@').is_some_and(|(_, domain)| !domains.iter().any(|allowed| allowed == domain))
    };
    match sign_in.denied_emails.iter().filter(is_outside).count() {
        0 => {}
        count => {
            let text = format!(
                "{count} of its addresses are of domains that ALLOWED_EMAIL_DOMAIN does not list, so they deny nobody"
            );
            findings.push(warn("DENIED_EMAILS", &text, "look for a slip in their domains"));
        }
    }
    findings
}

/// With sign-in the settings are refused over it; without, nothing reads it.
fn denied_without_sign_in(denied: Option<&str>) -> Option<Finding> {
    let entries = denied?.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let admission = Admission { allowed_domains: Vec::new(), denied_emails: entries.map(str::to_owned).collect() };
    (!admission.denies_addresses_only()).then(|| {
        let text = "has an entry that is not a plain e-mail address";
        error("DENIED_EMAILS", text, "write addresses as ann@example.com, separated by commas")
    })
}

/// What plausible.io allows, unless more was agreed.
fn budget(config: &Config, sign_in: &SignIn) -> Option<Finding> {
    let is_cloud = Url::parse(&config.plausible_base_url).is_some_and(|url| url.host == "plausible.io");
    let is_more = sign_in.hourly_budget.is_none_or(|budget| budget > CLOUD_LIMIT);
    (is_cloud && is_more).then(|| {
        let text =
            format!("is more than the {CLOUD_LIMIT} queries an hour that plausible.io answers a team by default");
        warn("PLAUSIBLE_HOURLY_BUDGET", &text, "leave it out, unless Plausible has agreed to more")
    })
}

/// Access hands out 64 hexadecimal digits for both. Something else is a slip at its team domains, and only worth a word
/// where a simulation stands in its place.
fn identifiers(sign_in: &SignIn) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_tag = |text: &str| text.len() == TAG_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if let Some(mode) = &sign_in.assertion
        && !is_tag(&mode.audience)
    {
        let is_local = Url::parse(&mode.team_domain).is_some_and(|url| is_loopback_host(&url.host));
        let level = if is_local { Level::Warn } else { Level::Error };
        let text = format!("is not {TAG_DIGITS} hexadecimal digits, as the AUD tag of an Access application is");
        let advice = "copy the Application Audience (AUD) Tag from the application's page at Access";
        findings.push(finding(level, Origin::Settings, "CF_ACCESS_AUD", &text, advice));
    }
    if let Some(server) = &sign_in.authorization_server
        && team_of(&server.issuer).is_some()
        && !is_tag(&server.client_id)
    {
        let text = format!("is not {TAG_DIGITS} hexadecimal digits, as the client ids of Access are");
        findings.push(warn("ACCESS_CLIENT_ID", &text, "copy the client id from the application's page at Access"));
    }
    findings
}

/// Addresses of different teams never go together; those of different hosts do at some providers.
fn teams(sign_in: &SignIn, team_domain: Option<&str>) -> Vec<Finding> {
    let Some(server) = &sign_in.authorization_server else { return Vec::new() };
    let Some(issuer) = Url::parse(&server.issuer) else { return Vec::new() };
    let endpoints = &server.endpoints;
    let mut findings = Vec::new();
    for (setting, address) in [
        ("ACCESS_AUTHORIZATION_URL", &endpoints.authorization),
        ("ACCESS_TOKEN_URL", &endpoints.token),
        ("ACCESS_JWKS_URL", &endpoints.keys),
    ] {
        let Some(address) = address.as_deref() else { continue };
        let host = Url::parse(address).map(|url| url.host).unwrap_or_default();
        let text = "is at another host than ACCESS_ISSUER";
        match (team_of(&server.issuer), team_of(address)) {
            (Some(one), Some(other)) if one != other => {
                let text = "is at another team of Access than ACCESS_ISSUER";
                findings.push(error(setting, text, "take both from the same application's page at Access"));
            }
            _ if host != issuer.host => {
                findings.push(warn(setting, text, "leave it out unless the provider's documentation has it so"));
            }
            _ => {}
        }
    }
    let named = team_domain.map(|team| team.trim().trim_end_matches('/').to_ascii_lowercase());
    let named = named.map(|team| team.rsplit("://").next().unwrap_or_default().to_owned());
    let named = named.as_deref().map(|team| team.strip_suffix(TEAMS).unwrap_or(team));
    if let (Some(of_issuer), Some(named)) = (team_of(&server.issuer), named)
        && of_issuer != named
    {
        let text = "is another team of Access than that of ACCESS_ISSUER";
        findings.push(error("CF_ACCESS_TEAM_DOMAIN", text, "leave one of the two out, or write the same team in both"));
    }
    findings
}

/// The team in an address of Access.
fn team_of(address: &str) -> Option<String> {
    Url::parse(address)?.host.strip_suffix(TEAMS).map(str::to_owned)
}

/// Lists about clients that let in nobody.
fn clients(sign_in: &SignIn) -> Vec<Finding> {
    let Some(server) = &sign_in.authorization_server else { return Vec::new() };
    let mut findings = Vec::new();
    for scheme in &server.private_schemes {
        let setting = "PRIVATE_USE_REDIRECT_SCHEMES";
        if is_forbidden_scheme(scheme) {
            let text = format!("lists {scheme}, which no redirect URI may have");
            findings.push(error(setting, &text, "take it out"));
        } else if matches!(scheme.as_str(), "http" | "https") {
            let text = format!("lists {scheme}, which has no effect there");
            findings.push(warn(setting, &text, "take it out; https and http on loopback need no entry"));
        }
    }
    let documents = &server.documents;
    for host in documents.allowed_hosts.iter().flatten().filter(|_| documents.are_on) {
        if DocumentUrl::parse(&format!("https://{host}/client"), documents.loopback).is_err() {
            let text = format!("lists {host}, from which no document can come: it is no public host name");
            findings.push(warn("CIMD_ALLOWED_HOSTS", &text, "take it out"));
        }
    }
    if !documents.are_on && documents.allowed_hosts.is_some() {
        let text = "has no effect: CLIENT_METADATA_DOCUMENTS is off";
        findings.push(warn("CIMD_ALLOWED_HOSTS", text, "take one of the two away"));
    }
    findings
}

fn ok(setting: &'static str, text: &str) -> Finding {
    finding(Level::Ok, Origin::Settings, setting, text, "")
}

fn warn(setting: &'static str, text: &str, advice: &str) -> Finding {
    finding(Level::Warn, Origin::Settings, setting, text, advice)
}

fn error(setting: &'static str, text: &str, advice: &str) -> Finding {
    finding(Level::Error, Origin::Settings, setting, text, advice)
}

/// Where the teams of Access are
/// (<https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/authorization-cookie/>).
const TEAMS: &str = ".cloudflareaccess.com";

const TAG_DIGITS: usize = 64;

/// <https://plausible.io/docs/stats-api#rate-limits>
const CLOUD_LIMIT: u32 = 600;
