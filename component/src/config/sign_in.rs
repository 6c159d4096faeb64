//! The settings of `/internal`: who may sign in, and where they prove who they are.
//!
//! Two modes, alone or together: the component's own authorization server (`ACCESS_CLIENT_ID`), and the assertions that
//! Cloudflare Access adds where it stands in front (`CF_ACCESS_AUD`). With neither, there is no `/internal`. A mode that
//! is half set up is an error: guessing the other half would let the wrong people in, or nobody.

use super::url::{Url, is_host, is_loopback_host};
use super::{ConfigError, DEFAULT_HOURLY_BUDGET, Faults, MAX_HOURLY_BUDGET, list_of, number, public_url, truth};
use crate::site_id;

/// How people sign in at `/internal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// The domains whose addresses are let in, in lower case. Never empty.
    pub allowed_domains: Vec<String>,
    /// The addresses that are not let in nevertheless, in lower case.
    pub denied_emails: Vec<String>,
    /// The sites that may be queried; `None` for all that the shared key can see.
    pub allowed_sites: Option<Vec<String>>,
    /// How many queries may be sent to Plausible in an hour; `None` when there is no limit.
    pub hourly_budget: Option<u32>,
    /// The component's own authorization server, if it is on.
    pub authorization_server: Option<AuthorizationServer>,
    /// The assertions of Cloudflare Access, if they are accepted.
    pub assertion: Option<AssertionMode>,
}

/// The settings of the component's own authorization server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationServer {
    /// `PUBLIC_URL`: the issuer, in lower case and without a slash at the end.
    pub public_url: String,
    /// The client id of this server at Access.
    pub client_id: String,
    /// The OpenID Connect issuer, as its tokens spell it.
    pub issuer: String,
    /// What discovery is not asked for.
    pub endpoints: EndpointOverrides,
    /// Whether clients may register themselves (RFC 7591).
    pub registration: bool,
    /// Which client ids may be URLs of metadata documents.
    pub documents: ClientDocuments,
    /// The private-use schemes that redirect URIs may have, in lower case.
    pub private_schemes: Vec<String>,
}

/// Addresses at the identity provider that go before what discovery says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointOverrides {
    /// `ACCESS_AUTHORIZATION_URL`
    pub authorization: Option<String>,
    /// `ACCESS_TOKEN_URL`
    pub token: Option<String>,
    /// `ACCESS_JWKS_URL`
    pub keys: Option<String>,
}

/// Which client metadata documents may be fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientDocuments {
    /// Whether any is; without it the others say nothing.
    pub are_on: bool,
    /// The hosts that they may come from; `None` for any host of the public internet.
    pub allowed_hosts: Option<Vec<String>>,
    /// Whether the operator vouches that the host's network blocks private addresses.
    pub network_is_guarded: bool,
    /// Whether they may come from this machine: for tests and the demo.
    pub loopback: bool,
}

/// Which assertions of Cloudflare Access are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssertionMode {
    /// The team domain with its scheme, without a slash at the end.
    pub team_domain: String,
    /// The application's AUD tag.
    pub audience: String,
}

impl SignIn {
    /// Reads the settings by name; `None` when no mode is on. What is missing or malformed is noted in `faults`, and
    /// something stands in its place that must not be used.
    pub(super) fn read(lookup: &impl Fn(&'static str) -> Option<String>, faults: &mut Faults) -> Option<SignIn> {
        let authorization_server = authorization_server(lookup, faults);
        let assertion = faults.or_default(assertion(lookup, authorization_server.is_some()));
        if authorization_server.is_none() && assertion.is_none() && faults.is_empty() {
            return None;
        }
        Some(SignIn {
            allowed_domains: faults.or_default(allowed_domains(lookup)),
            denied_emails: lookup("DENIED_EMAILS").map(|list| list_of(&list)).unwrap_or_default(),
            allowed_sites: faults.or_default(allowed_sites(lookup)),
            hourly_budget: faults.or_default(hourly_budget(lookup)),
            authorization_server,
            assertion,
        })
    }
}

/// A list of nothing is a slip: read as no list, it would open all sites that the key can see.
pub(super) fn allowed_sites(
    lookup: &impl Fn(&'static str) -> Option<String>,
) -> Result<Option<Vec<String>>, ConfigError> {
    let setting = "PLAUSIBLE_ALLOWED_SITES";
    match lookup(setting).map(|sites| sites_of(&sites)) {
        Some(sites) if sites.is_empty() => Err(ConfigError {
            setting,
            problem: "names no site",
            advice: "write sites as example.com, separated by commas, or leave it out for all that the key can see",
        }),
        sites => Ok(sites),
    }
}

/// The entries of a list, as Plausible spells sites, each once.
fn sites_of(list: &str) -> Vec<String> {
    let mut sites: Vec<String> = Vec::new();
    for site in list.split(',').map(site_id::normalized).filter(|site| !site.is_empty()) {
        if !sites.contains(&site) {
            sites.push(site);
        }
    }
    sites
}

pub(super) fn hourly_budget(lookup: &impl Fn(&'static str) -> Option<String>) -> Result<Option<u32>, ConfigError> {
    let budget = number(lookup, "PLAUSIBLE_HOURLY_BUDGET", DEFAULT_HOURLY_BUDGET, MAX_HOURLY_BUDGET)?;
    Ok((budget > 0).then_some(budget))
}

fn authorization_server(
    lookup: &impl Fn(&'static str) -> Option<String>,
    faults: &mut Faults,
) -> Option<AuthorizationServer> {
    let client_id = client_id(lookup, faults)?;
    let public = match public_url(lookup) {
        Ok(Some(public)) => Some(public),
        Ok(None) => {
            faults.note(missing("PUBLIC_URL", "sign-in needs the address that users see, as https://mcp.example.com"));
            None
        }
        Err(fault) => {
            faults.note(fault);
            None
        }
    };
    let documents = ClientDocuments {
        are_on: faults.or_default(truth(lookup, "CLIENT_METADATA_DOCUMENTS", true)),
        allowed_hosts: faults.or_default(super::host_names(lookup, "CIMD_ALLOWED_HOSTS")),
        network_is_guarded: faults.or_default(truth(lookup, "HOST_BLOCKS_PRIVATE_NETWORKS", false)),
        loopback: faults.or_default(loopback_documents(lookup, public.as_ref())),
    };
    Some(AuthorizationServer {
        issuer: faults.or_default(issuer(lookup, &client_id)),
        client_id,
        public_url: public.map(|public| public.origin()).unwrap_or_default(),
        endpoints: EndpointOverrides {
            authorization: faults.or_default(endpoint(lookup, "ACCESS_AUTHORIZATION_URL")),
            token: faults.or_default(endpoint(lookup, "ACCESS_TOKEN_URL")),
            keys: faults.or_default(endpoint(lookup, "ACCESS_JWKS_URL")),
        },
        registration: faults.or_default(truth(lookup, "REGISTRATION", true)),
        documents,
        private_schemes: faults.or_default(private_schemes(lookup)),
    })
}

/// The client id, which turns the authorization server on; an empty one where other settings say that it was meant.
fn client_id(lookup: &impl Fn(&'static str) -> Option<String>, faults: &mut Faults) -> Option<String> {
    let setting = "ACCESS_CLIENT_ID";
    let Some(client_id) = lookup(setting).map(|id| id.trim().to_owned()) else {
        ONLY_WITH_CLIENT_ID.into_iter().find(|name| lookup(name).is_some())?;
        faults.note(missing(setting, "set it to the client id of the Access application"));
        return Some(String::new());
    };
    // What a URL can hold is more than any provider uses.
    if !client_id.bytes().all(|byte| byte.is_ascii_graphic()) {
        let problem = "is not a client id: it has blanks, or characters that are not ASCII";
        faults.note(ConfigError { setting, problem, advice: "copy it from the Access application" });
    }
    Some(client_id)
}

/// Documents from this machine are for tests: a server that the world reaches never fetches them.
fn loopback_documents(
    lookup: &impl Fn(&'static str) -> Option<String>,
    public: Option<&Url>,
) -> Result<bool, ConfigError> {
    let wanted = truth(lookup, "ALLOW_LOOPBACK_CLIENT_METADATA", false)?;
    if wanted && public.is_some_and(|public| !is_loopback_host(&public.host)) {
        return Err(ConfigError {
            setting: "ALLOW_LOOPBACK_CLIENT_METADATA",
            problem: "is true, but PUBLIC_URL is not on loopback",
            advice: "leave it out; it is for tests on one machine",
        });
    }
    Ok(wanted)
}

/// The issuer of an Access application stands under the team's domain
/// (<https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/saas-apps/generic-oidc-saas/>).
fn issuer(lookup: &impl Fn(&'static str) -> Option<String>, client_id: &str) -> Result<String, ConfigError> {
    if let Some(issuer) = endpoint(lookup, "ACCESS_ISSUER")? {
        return Ok(issuer);
    }
    match team_domain(lookup)? {
        Some(team) => of_team(&team, client_id),
        None => Err(missing(
            "ACCESS_ISSUER",
            "set it to the issuer of the Access application, or set CF_ACCESS_TEAM_DOMAIN",
        )),
    }
}

/// The issuer of the application `client_id` of a team.
fn of_team(team: &str, client_id: &str) -> Result<String, ConfigError> {
    let issuer = format!("{team}/cdn-cgi/access/sso/oidc/{client_id}");
    // One with blanks is told on its own.
    if Url::parse(&issuer).is_some() || !client_id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(issuer);
    }
    let problem = "cannot stand in the URL of an issuer, as the client id of an Access application does";
    Err(ConfigError { setting: "ACCESS_CLIENT_ID", problem, advice: "copy it from the Access application" })
}

fn assertion(
    lookup: &impl Fn(&'static str) -> Option<String>,
    has_authorization_server: bool,
) -> Result<Option<AssertionMode>, ConfigError> {
    match (team_domain(lookup)?, lookup("CF_ACCESS_AUD")) {
        (Some(team_domain), Some(audience)) => {
            Ok(Some(AssertionMode { team_domain, audience: audience.trim().to_owned() }))
        }
        (None, Some(_)) => Err(missing("CF_ACCESS_TEAM_DOMAIN", "write it as https://team.cloudflareaccess.com")),
        (Some(_), None) if !has_authorization_server => {
            Err(missing("CF_ACCESS_AUD", "set it to the AUD tag of the Access application, or set ACCESS_CLIENT_ID"))
        }
        (_, None) => Ok(None),
    }
}

/// `CF_ACCESS_TEAM_DOMAIN` with its scheme: a team's bare name or host is completed.
pub(super) fn team_domain(lookup: &impl Fn(&'static str) -> Option<String>) -> Result<Option<String>, ConfigError> {
    let Some(text) = lookup("CF_ACCESS_TEAM_DOMAIN") else { return Ok(None) };
    let text = text.trim().trim_end_matches('/');
    let full = match (text.contains("://"), text.contains('.')) {
        (true, _) => text.to_owned(),
        (false, true) => format!("https://{text}"),
        (false, false) => format!("https://{text}.cloudflareaccess.com"),
    };
    let url = Url::parse(&full).filter(|url| url.path.is_empty() && url.is_protected());
    url.map(|url| Some(url.origin())).ok_or(ConfigError {
        setting: "CF_ACCESS_TEAM_DOMAIN",
        problem: "is not the domain of a team",
        advice: "write it as https://team.cloudflareaccess.com",
    })
}

/// The URL of something at the identity provider, as it stands.
pub(super) fn endpoint(
    lookup: &impl Fn(&'static str) -> Option<String>,
    setting: &'static str,
) -> Result<Option<String>, ConfigError> {
    let Some(text) = lookup(setting) else { return Ok(None) };
    let text = text.trim().to_owned();
    if Url::parse(&text).is_some_and(|url| url.is_protected()) {
        return Ok(Some(text));
    }
    Err(ConfigError {
        setting,
        problem: "is not an https URL",
        advice: "write it as Access shows it; http is for loopback only",
    })
}

/// At least one domain, each with a dot inside: an entry such as `*` or `com` would let in strangers.
pub(super) fn allowed_domains(lookup: &impl Fn(&'static str) -> Option<String>) -> Result<Vec<String>, ConfigError> {
    let setting = "ALLOWED_EMAIL_DOMAIN";
    let text = lookup(setting).ok_or_else(|| missing(setting, "write the domain of your company, as example.com"))?;
    let domains: Vec<String> =
        list_of(&text).into_iter().map(|domain| domain.strip_prefix('@').unwrap_or(&domain).to_owned()).collect();
    let is_domain = |domain: &String| {
        is_host(domain) && domain.split('.').count() > 1 && domain.split('.').all(|label| !label.is_empty())
    };
    if domains.is_empty() || !domains.iter().all(is_domain) {
        return Err(ConfigError {
            setting,
            problem: "has an entry that is not a whole domain",
            advice: "write domains as example.com, separated by commas; there are no wildcards",
        });
    }
    Ok(domains)
}

pub(super) fn private_schemes(lookup: &impl Fn(&'static str) -> Option<String>) -> Result<Vec<String>, ConfigError> {
    let setting = "PRIVATE_USE_REDIRECT_SCHEMES";
    let schemes = lookup(setting).map(|list| list_of(&list)).unwrap_or_default();
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    let is_scheme =
        |scheme: &String| scheme.starts_with(|first: char| first.is_ascii_lowercase()) && scheme.bytes().all(legal);
    if schemes.iter().all(is_scheme) {
        return Ok(schemes);
    }
    Err(ConfigError {
        setting,
        problem: "has an entry that is not a URI scheme",
        advice: "write schemes without a colon, separated by commas, as cursor,vscode",
    })
}

fn missing(setting: &'static str, advice: &'static str) -> ConfigError {
    ConfigError { setting, problem: "is missing", advice }
}

/// What means nothing without `ACCESS_CLIENT_ID`.
const ONLY_WITH_CLIENT_ID: [&str; 5] =
    ["ACCESS_CLIENT_SECRET", "ACCESS_ISSUER", "ACCESS_AUTHORIZATION_URL", "ACCESS_TOKEN_URL", "ACCESS_JWKS_URL"];

#[cfg(test)]
mod tests {
    use super::*;

    type Settings<'a> = &'a [(&'static str, &'a str)];

    const OWN: Settings<'static> = &[
        ("PUBLIC_URL", "https://MCP.example.com/"),
        ("ACCESS_CLIENT_ID", "client-1"),
        ("ACCESS_CLIENT_SECRET", "secret"),
        ("CF_ACCESS_TEAM_DOMAIN", "team"),
        ("ALLOWED_EMAIL_DOMAIN", "example.com"),
    ];

    fn read(settings: Settings, changes: Settings) -> Result<Option<SignIn>, ConfigError> {
        let settings = [settings, changes].concat();
        let value = |name| settings.iter().rev().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let mut faults = Faults::default();
        let sign_in = SignIn::read(&|name| value(name).filter(|value| !value.is_empty()), &mut faults);
        faults.into_list().into_iter().next().map_or(Ok(sign_in), Err)
    }

    #[track_caller]
    fn refused(settings: Settings, changes: Settings, setting: &str) {
        assert_eq!(read(settings, changes).map_err(|error| error.setting), Err(setting), "{changes:?}");
    }

    #[test]
    fn without_any_setting_there_is_no_sign_in() {
        assert_eq!(read(&[], &[]), Ok(None));
    }

    #[test]
    fn the_issuer_defaults_to_that_of_the_team() {
        let server = read(OWN, &[]).unwrap().unwrap().authorization_server.unwrap();
        assert_eq!(server.issuer, "https://team.cloudflareaccess.com/cdn-cgi/access/sso/oidc/client-1");
        assert_eq!(server.public_url, "https://mcp.example.com");
        let server = read(OWN, &[("ACCESS_ISSUER", "http://127.0.0.1:9/x")]).unwrap().unwrap();
        assert_eq!(server.authorization_server.unwrap().issuer, "http://127.0.0.1:9/x");
    }

    #[test]
    fn client_metadata_documents_are_on_unless_they_are_turned_off() {
        for (setting, are_on) in [("", true), ("on", true), ("true", true), ("off", false), ("false", false)] {
            let server = read(OWN, &[("CLIENT_METADATA_DOCUMENTS", setting)]).unwrap().unwrap().authorization_server;
            assert_eq!(server.unwrap().documents.are_on, are_on, "{setting}");
        }
    }

    #[test]
    fn a_team_is_a_name_a_host_or_a_url() {
        for team in ["team", "team.cloudflareaccess.com", "https://team.cloudflareaccess.com/"] {
            let sign_in = read(
                &[("CF_ACCESS_AUD", "tag"), ("ALLOWED_EMAIL_DOMAIN", "example.com")],
                &[("CF_ACCESS_TEAM_DOMAIN", team)],
            );
            let mode = sign_in.unwrap().unwrap().assertion.unwrap();
            assert_eq!(mode.team_domain, "https://team.cloudflareaccess.com", "{team}");
        }
    }

    #[test]
    fn a_mode_that_is_half_set_up_names_what_is_missing() {
        for name in ["PUBLIC_URL", "ALLOWED_EMAIL_DOMAIN", "ACCESS_CLIENT_ID"] {
            refused(OWN, &[(name, "")], name);
        }
        refused(OWN, &[("CF_ACCESS_TEAM_DOMAIN", "")], "ACCESS_ISSUER");
        refused(&[], &[("ACCESS_JWKS_URL", "https://a.example")], "ACCESS_CLIENT_ID");
        refused(&[], &[("CF_ACCESS_AUD", "tag")], "CF_ACCESS_TEAM_DOMAIN");
        refused(&[], &[("CF_ACCESS_TEAM_DOMAIN", "team")], "CF_ACCESS_AUD");
    }

    #[test]
    fn the_budget_leaves_plausibles_limit_some_room_and_can_be_off() {
        for (setting, budget) in [("", Some(540)), ("300", Some(300)), ("0", None)] {
            let sign_in = read(OWN, &[("PLAUSIBLE_HOURLY_BUDGET", setting)]).unwrap().unwrap();
            assert_eq!(sign_in.hourly_budget, budget, "{setting}");
        }
    }

    #[test]
    fn domains_are_whole_and_without_wildcards() {
        for (list, domains) in [
            ("sentry.io,", &["sentry.io"][..]),
            ("SENTRY.IO", &["sentry.io"]),
            ("@sentry.io", &["sentry.io"]),
            ("a.example, b.example", &["a.example", "b.example"]),
        ] {
            let sign_in = read(OWN, &[("ALLOWED_EMAIL_DOMAIN", list)]).unwrap().unwrap();
            assert_eq!(sign_in.allowed_domains, domains, "E33 {list:?}");
        }
        for list in [" ", "@", "*", ".io", "io", "*.example.com", "a@b.example", "a..b", "example.com,*"] {
            refused(OWN, &[("ALLOWED_EMAIL_DOMAIN", list)], "ALLOWED_EMAIL_DOMAIN");
        }
    }

    #[test]
    fn a_list_of_sites_names_at_least_one() {
        let named = |sites: &[&str]| Some(sites.iter().map(|site| (*site).to_owned()).collect());
        for (list, sites) in [
            ("", None),
            ("a.example,", named(&["a.example"])),
            (
                "https://www.A.example/, b.example., a.example, c.example/docs",
                named(&["a.example", "b.example", "c.example/docs"]),
            ),
        ] {
            let sign_in = read(OWN, &[("PLAUSIBLE_ALLOWED_SITES", list)]).unwrap().unwrap();
            assert_eq!(sign_in.allowed_sites, sites, "{list:?}");
        }
        for list in [" , ", "https://, /"] {
            refused(OWN, &[("PLAUSIBLE_ALLOWED_SITES", list)], "PLAUSIBLE_ALLOWED_SITES");
        }
    }

    #[test]
    fn malformed_settings_are_named() {
        refused(OWN, &[("PUBLIC_URL", "http://mcp.example.com")], "PUBLIC_URL");
        refused(OWN, &[("ACCESS_ISSUER", "http://access.example")], "ACCESS_ISSUER");
        refused(OWN, &[("ACCESS_TOKEN_URL", "token")], "ACCESS_TOKEN_URL");
        refused(OWN, &[("CF_ACCESS_TEAM_DOMAIN", "https://a/b")], "CF_ACCESS_TEAM_DOMAIN");
        refused(OWN, &[("REGISTRATION", "maybe")], "REGISTRATION");
        refused(OWN, &[("CLIENT_METADATA_DOCUMENTS", "maybe")], "CLIENT_METADATA_DOCUMENTS");
        refused(OWN, &[("PLAUSIBLE_HOURLY_BUDGET", "plenty")], "PLAUSIBLE_HOURLY_BUDGET");
        refused(OWN, &[("CIMD_ALLOWED_HOSTS", "https://a")], "CIMD_ALLOWED_HOSTS");
        refused(OWN, &[("CIMD_ALLOWED_HOSTS", ",")], "CIMD_ALLOWED_HOSTS");
        for client_id in ["client 1", "client-\u{e4}", "client\n1", "a@b", "https://a/?b"] {
            refused(OWN, &[("ACCESS_CLIENT_ID", client_id)], "ACCESS_CLIENT_ID");
        }
        refused(OWN, &[("PRIVATE_USE_REDIRECT_SCHEMES", "cursor:")], "PRIVATE_USE_REDIRECT_SCHEMES");
        refused(OWN, &[("ALLOW_LOOPBACK_CLIENT_METADATA", "true")], "ALLOW_LOOPBACK_CLIENT_METADATA");
    }
}
