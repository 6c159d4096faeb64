//! What is found with which settings, and what each upstream answers.

use futures_util::FutureExt;

use super::*;
use crate::gateway::federation::simulated_provider::{Fault, SimulatedProvider, TEAM};
use crate::ports::{FixedSecrets, HttpError, HttpRequest, HttpResponse, MemoryPorts, OutboundHttp};

type Settings<'a> = &'a [(&'static str, &'a str)];

/// What is said of one setting.
type Found = (Level, Origin, &'static str);

fn looked<H: OutboundHttp>(settings: Settings<'_>, ports: &mut MemoryPorts<H>) -> Vec<Finding> {
    let set = settings.iter().filter(|(_, value)| !value.is_empty());
    ports.secrets = FixedSecrets(set.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
    let setup = Setup::read(|name| ports.setting(name).ok().flatten());
    let findings = run(ports, &setup).now_or_never().expect("nothing waits");
    assert!(!findings.is_empty() && findings.iter().all(|finding| !format!("{finding:?}").contains("the-secret")));
    findings
}

/// What is found when nothing can be sent, for this reason.
fn failing(settings: Settings<'_>, error: HttpError) -> Vec<Finding> {
    let mut ports = MemoryPorts::default();
    (0..4).for_each(|_| ports.http.fail(error));
    looked(&[&[("MCP_ALLOWED_HOSTNAMES", "localhost,mcp.example.com")], settings].concat(), &mut ports)
}

fn found(settings: Settings<'_>, answers: &[(u16, &str)]) -> Vec<Found> {
    let mut ports = MemoryPorts::default();
    answers.iter().for_each(|(status, body)| ports.http.answer(*status, body));
    let settings = [&[("MCP_ALLOWED_HOSTNAMES", "localhost")], settings].concat();
    all(&looked(&settings, &mut ports))
}

fn all(findings: &[Finding]) -> Vec<Found> {
    findings.iter().map(|finding| (finding.level, finding.origin, finding.setting)).collect()
}

fn last(settings: Settings<'_>, answers: &[(u16, &str)]) -> Found {
    *found(settings, answers).last().expect("a finding about Plausible")
}

const MISSING_SITE: &str = r#"{"error":"Missing site ID. Please provide the required site_id parameter."}"#;
const MISSING_KEY: &str = r#"{"error":"Missing API key. Please use a valid Plausible API key as a Bearer Token."}"#;
const WRONG_KEY: &str = r#"{"error":"Invalid API key or site ID."}"#;
const ROWS: &str = r#"{"results":[]}"#;

#[test]
fn without_a_key_a_plausible_has_to_answer() {
    let (ok, warn, error) = (Level::Ok, Level::Warn, Level::Error);
    for (status, body, level) in [
        (401, MISSING_KEY, ok),
        (200, ROWS, ok),
        (429, "{}", ok),
        (503, "{}", warn),
        (404, r#"{"error":"Not found"}"#, error),
        (404, "<html>", error),
        (200, "<html>", error),
        (200, "{}", error),
        (401, "<html>", error),
        (403, "{}", error),
        (405, "", error),
        (302, "", error),
    ] {
        assert_eq!(last(&[], &[(status, body)]), (level, Origin::Answer, "PLAUSIBLE_BASE_URL"), "{status} {body}");
    }
    // Nothing is in the script, so nobody answers.
    assert_eq!(last(&[], &[]), (Level::Error, Origin::Unreachable, "PLAUSIBLE_BASE_URL"));
}

const KEY: (&str, &str) = ("PLAUSIBLE_API_KEY", "the-secret-key");

#[test]
fn a_key_is_tried_on_the_default_site() {
    let with_site = &[KEY, ("PLAUSIBLE_DEFAULT_SITE_ID", "a.example")];
    for (answers, level, setting) in [
        (&[(200, ROWS)][..], Level::Ok, "PLAUSIBLE_API_KEY"),
        (&[(401, WRONG_KEY), (401, WRONG_KEY)], Level::Error, "PLAUSIBLE_API_KEY"),
        (&[(401, WRONG_KEY), (400, MISSING_SITE)], Level::Error, "PLAUSIBLE_DEFAULT_SITE_ID"),
        (&[(401, WRONG_KEY), (500, "")], Level::Error, "PLAUSIBLE_API_KEY"),
        (&[(401, "<html>"), (401, "<html>")], Level::Error, "PLAUSIBLE_BASE_URL"),
        (&[(402, "{}")], Level::Error, "PLAUSIBLE_API_KEY"),
        (&[(429, "{}")], Level::Warn, "PLAUSIBLE_API_KEY"),
        (&[(503, "{}")], Level::Warn, "PLAUSIBLE_BASE_URL"),
        (&[(404, "{}")], Level::Error, "PLAUSIBLE_BASE_URL"),
        (&[(301, "")], Level::Error, "PLAUSIBLE_BASE_URL"),
        (&[(200, "<html>")], Level::Error, "PLAUSIBLE_BASE_URL"),
    ] {
        assert_eq!(last(with_site, answers), (level, Origin::Answer, setting), "{answers:?}");
    }
}

#[test]
fn a_key_is_tried_without_a_site_where_no_setting_names_one() {
    for (status, body, level, setting) in [
        (400, MISSING_SITE, Level::Ok, "PLAUSIBLE_API_KEY"),
        (401, WRONG_KEY, Level::Error, "PLAUSIBLE_API_KEY"),
        (402, "{}", Level::Error, "PLAUSIBLE_API_KEY"),
        (400, r#"{"error":"Bad request"}"#, Level::Error, "PLAUSIBLE_BASE_URL"),
        (404, "{}", Level::Error, "PLAUSIBLE_BASE_URL"),
    ] {
        assert_eq!(last(&[KEY], &[(status, body)]), (level, Origin::Answer, setting), "{status} {body}");
    }
}

#[test]
fn a_key_that_no_header_carries_is_told_as_such() {
    let mut ports = MemoryPorts::default();
    ports.http.fail(HttpError::InvalidRequest);
    let findings = looked(&[("MCP_ALLOWED_HOSTNAMES", "localhost"), ("PLAUSIBLE_API_KEY", "a\nb")], &mut ports);
    assert_eq!(all(&findings).last(), Some(&(Level::Error, Origin::Answer, "PLAUSIBLE_API_KEY")));
}

#[test]
fn what_the_host_does_not_allow_is_named_with_the_variable_that_allows_it() {
    let dsn = ("SENTRY_DSN", "https://abc@sentry.example/7");
    for (settings, level, setting, variable) in [
        (&[][..], Level::Error, "PLAUSIBLE_BASE_URL", "plausible_base_url"),
        (&[KEY], Level::Error, "PLAUSIBLE_BASE_URL", "plausible_base_url"),
        (&[dsn], Level::Warn, "SENTRY_DSN", "sentry_host"),
        (SIGN_IN, Level::Error, "ACCESS_ISSUER", "access_host"),
        (SIGN_IN, Level::Error, "CF_ACCESS_TEAM_DOMAIN", "access_host"),
    ] {
        let findings = failing(settings, HttpError::NotAllowed);
        let is_it = |found: &&Finding| (found.level, found.origin, found.setting) == (level, Origin::Settings, setting);
        let told =
            findings.iter().find(|found| is_it(found) && found.text.contains("not among allowed_outbound_hosts"));
        let told = told.unwrap_or_else(|| panic!("{setting} {findings:?}"));
        assert!(told.advice.contains(&format!("set {variable} to ")), "{told:?}");
    }
}

#[test]
fn an_upstream_that_the_host_did_not_ask_is_no_fault_of_the_settings() {
    for error in [
        HttpError::NameNotResolved,
        HttpError::Busy { retry_after: 1 },
        HttpError::OutOfService { since: 60, retry_after: 5 },
        HttpError::AskedToWait { retry_after: 5 },
    ] {
        for settings in [SIGN_IN, &[KEY], &[]] {
            let findings = failing(settings, error);
            let is_fault = |found: &Finding| (found.level, found.origin) == (Level::Error, Origin::Settings);
            assert!(!findings.iter().any(is_fault), "{error:?} {findings:?}");
        }
    }
}

#[test]
fn a_plausible_that_asks_to_wait_is_told_by_its_status() {
    let of = |status, retry_after: &str| {
        let headers = vec![("retry-after".to_owned(), retry_after.to_owned())];
        let mut ports = MemoryPorts::default();
        ports.http.answers.borrow_mut().push_back(Ok(HttpResponse { status, headers, body: b"{}".to_vec() }));
        let settings = [("MCP_ALLOWED_HOSTNAMES", "localhost"), KEY, ("PLAUSIBLE_DEFAULT_SITE_ID", "a.example")];
        all(&looked(&settings, &mut ports)).last().copied()
    };
    assert_eq!(of(429, "30"), Some((Level::Warn, Origin::Answer, "PLAUSIBLE_API_KEY")));
    assert_eq!(of(503, "30"), Some((Level::Warn, Origin::Answer, "PLAUSIBLE_BASE_URL")));
}

#[test]
fn a_key_that_cannot_be_read_is_no_missing_key() {
    let findings = found(&[("PLAUSIBLE_API_KEY", FixedSecrets::UNREADABLE)], &[(401, MISSING_KEY)]);
    assert!(findings.contains(&(Level::Error, Origin::Unreachable, "PLAUSIBLE_API_KEY")));
    assert!(
        findings.contains(&(Level::Ok, Origin::Answer, "PLAUSIBLE_BASE_URL")),
        "Plausible is asked without one: {findings:?}"
    );
}

#[test]
fn what_cannot_be_read_is_told_once_and_never_as_missing() {
    for setting in [
        "PLAUSIBLE_API_KEY",
        "COOKIE_ENCRYPTION_KEY",
        "ACCESS_CLIENT_SECRET",
        "ADMIN_TOKEN",
        "SENTRY_DSN",
        "SENTRY_RELEASE",
        "PUBLIC_URL",
    ] {
        let mut ports = MemoryPorts::with_http(Upstreams(SimulatedProvider::new(TEAM, Default::default())));
        let values = SIGN_IN.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        ports.secrets = FixedSecrets(values.collect());
        let setup = Setup::read(|name| ports.setting(name).ok().flatten());
        assert!(setup.is_ok(), "{setup:?}");
        ports.secrets.0.insert(setting.to_owned(), FixedSecrets::UNREADABLE.to_owned());
        let findings = run(&ports, &setup).now_or_never().expect("nothing waits");
        let about: Vec<_> =
            findings.iter().filter(|found| found.setting == setting && found.level != Level::Ok).collect();
        assert!(matches!(about.as_slice(), [one] if **one == unreadable(setting)), "{setting} {about:?}");
    }
}

#[test]
fn settings_that_became_unreadable_add_no_faults_to_the_known_one() {
    let mut ports = MemoryPorts::default();
    let set = [("PUBLIC_URL", "https://mcp.example.com"), ("LOG_LEVEL", "loud")];
    ports.secrets = FixedSecrets(set.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    let setup = Setup::read(|name| ports.setting(name).ok().flatten());
    ports.secrets.0.insert("PUBLIC_URL".to_owned(), FixedSecrets::UNREADABLE.to_owned());
    ports.http.answer(401, MISSING_KEY);
    let findings = all(&run(&ports, &setup).now_or_never().expect("nothing waits"));
    assert!(findings.contains(&(Level::Error, Origin::Settings, "LOG_LEVEL")), "{findings:?}");
    assert!(findings.contains(&(Level::Error, Origin::Unreachable, "PUBLIC_URL")), "{findings:?}");
    assert!(!findings.iter().any(|(_, _, setting)| *setting == "MCP_ALLOWED_HOSTNAMES"), "{findings:?}");
}

#[test]
fn all_faults_are_told_at_once_and_plausible_is_asked_all_the_same() {
    let settings = [
        ("PUBLIC_URL", "http://mcp.example.com/path"),
        ("RATE_LIMIT_PER_MINUTE", "many"),
        ("LOG_LEVEL", "loud"),
        ("REGISTRATION", "maybe"),
        ("ADMIN_TOKEN", "short"),
        KEY,
    ];
    let findings = found(&settings, &[(401, WRONG_KEY)]);
    for setting in ["PUBLIC_URL", "RATE_LIMIT_PER_MINUTE", "LOG_LEVEL", "REGISTRATION", "ADMIN_TOKEN"] {
        let told = findings.iter().filter(|finding| **finding == (Level::Error, Origin::Settings, setting));
        assert_eq!(told.count(), 1, "{setting} {findings:?}");
    }
    assert_eq!(findings.last(), Some(&(Level::Error, Origin::Answer, "PLAUSIBLE_API_KEY")));
}

#[test]
fn an_address_that_is_none_is_not_asked() {
    let findings = found(&[("PLAUSIBLE_BASE_URL", "nonsense")], &[(401, MISSING_KEY)]);
    let about: Vec<_> = findings.iter().filter(|(_, _, setting)| *setting == "PLAUSIBLE_BASE_URL").collect();
    assert_eq!(about, [&(Level::Error, Origin::Settings, "PLAUSIBLE_BASE_URL")]);
}

#[test]
fn sentry_is_asked_and_its_dsn_not_shown() {
    let dsn = [("SENTRY_DSN", "https://abc@sentry.example/7")];
    for (status, level) in
        [(200, Level::Ok), (401, Level::Warn), (403, Level::Warn), (429, Level::Warn), (503, Level::Warn)]
    {
        let findings = found(&dsn, &[(status, "{}"), (401, MISSING_KEY)]);
        assert!(findings.contains(&(level, Origin::Answer, "SENTRY_DSN")), "{status} {findings:?}");
    }
    assert!(found(&dsn, &[]).contains(&(Level::Warn, Origin::Unreachable, "SENTRY_DSN")));
    let malformed = found(&[("SENTRY_DSN", "the-secret-key")], &[(401, MISSING_KEY)]);
    assert!(malformed.contains(&(Level::Warn, Origin::Settings, "SENTRY_DSN")));
}

/// The provider, and a Plausible that takes every key.
struct Upstreams(SimulatedProvider);

impl OutboundHttp for Upstreams {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if request.url.contains("/api/v2/query") {
            return Ok(HttpResponse { status: 200, headers: Vec::new(), body: ROWS.as_bytes().to_vec() });
        }
        self.0.send(request).await
    }
}

/// Settings of both modes with which nothing is wrong.
const SIGN_IN: Settings<'static> = &[
    ("PUBLIC_URL", "https://mcp.example.com"),
    ("ACCESS_CLIENT_ID", "client-1"),
    ("ACCESS_CLIENT_SECRET", "the-secret-of-the-application"),
    ("ACCESS_ISSUER", "https://team.cloudflareaccess.com/cdn-cgi/access/sso/oidc/client-1"),
    ("CF_ACCESS_TEAM_DOMAIN", TEAM),
    ("CF_ACCESS_AUD", "4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2"),
    ("ALLOWED_EMAIL_DOMAIN", "example.com"),
    ("COOKIE_ENCRYPTION_KEY", "0707070707070707070707070707070707070707070707070707070707070701"),
    ("PLAUSIBLE_DEFAULT_SITE_ID", "a.example"),
    KEY,
];

/// What is said with some settings changed, an empty value taking one away, and the provider as `prepare` leaves it.
fn signing_in(changes: Settings<'_>, prepare: impl FnOnce(&SimulatedProvider)) -> Vec<Finding> {
    let mut ports = MemoryPorts::with_http(Upstreams(SimulatedProvider::new(TEAM, Default::default())));
    prepare(&ports.http.0);
    let mut settings = SIGN_IN.to_vec();
    settings.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    looked(&[&settings, changes].concat(), &mut ports)
}

#[test]
fn sound_settings_have_no_error() {
    let findings = signing_in(&[], |_| {});
    assert!(findings.iter().all(|finding| finding.level != Level::Error), "{findings:?}");
    let warned: Vec<_> = findings.iter().filter(|finding| finding.level == Level::Warn).collect();
    // The client id of the simulation is short.
    assert!(matches!(warned.as_slice(), [one] if one.setting == "ACCESS_CLIENT_ID"), "{warned:?}");
}

#[test]
fn settings_that_do_not_go_together_are_named() {
    let (warn, error) = (Level::Warn, Level::Error);
    let other = "https://other.cloudflareaccess.com/cdn-cgi/access/sso/oidc/client-1/token";
    for (level, setting, changes) in [
        (error, "MCP_ALLOWED_HOSTNAMES", &[("MCP_ALLOWED_HOSTNAMES", "other.example")][..]),
        (error, "ADMIN_TOKEN", &[("ADMIN_TOKEN", "0123456789abcdef0123456789abcde")]),
        (error, "ADMIN_TOKEN", &[("ADMIN_TOKEN", "0123456789abcdef 0123456789abcdef")]),
        (error, "CF_ACCESS_AUD", &[("CF_ACCESS_AUD", "tag-1")]),
        (
            error,
            "CF_ACCESS_AUD",
            &[("CF_ACCESS_AUD", "4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6fg")],
        ),
        (error, "ACCESS_CLIENT_ID", &[("ACCESS_CLIENT_ID", "client 1")]),
        (error, "PLAUSIBLE_DEFAULT_SITE_ID", &[("PLAUSIBLE_ALLOWED_SITES", "b.example,c.example")]),
        (error, "ACCESS_TOKEN_URL", &[("ACCESS_TOKEN_URL", other)]),
        (error, "CF_ACCESS_TEAM_DOMAIN", &[("CF_ACCESS_TEAM_DOMAIN", "other")]),
        (error, "PRIVATE_USE_REDIRECT_SCHEMES", &[("PRIVATE_USE_REDIRECT_SCHEMES", "cursor,javascript")]),
        (error, "CLIENT_IP_HEADER", &[("CLIENT_IP_HEADER", "Forwarded")]),
        (error, "TRUSTED_PROXY_HOPS", &[("CLIENT_IP_HEADER", "X-Real-IP"), ("TRUSTED_PROXY_HOPS", "0")]),
        (error, "DENIED_EMAILS", &[("DENIED_EMAILS", "bob")]),
        (error, "PLAUSIBLE_API_KEY", &[("PLAUSIBLE_API_KEY", "")]),
        (error, "ACCESS_CLIENT_SECRET", &[("ACCESS_CLIENT_SECRET", "")]),
        (error, "COOKIE_ENCRYPTION_KEY", &[("COOKIE_ENCRYPTION_KEY", "abc")]),
        (warn, "ACCESS_JWKS_URL", &[("ACCESS_JWKS_URL", "https://keys.example/jwks")]),
        (warn, "DENIED_EMAILS", &[("DENIED_EMAILS", "bob@example.com,eve@exmaple.com")]),
        (warn, "TRUSTED_PROXY_HOPS", &[("TRUSTED_PROXY_HOPS", "2")]),
        (warn, "PLAUSIBLE_HOURLY_BUDGET", &[("PLAUSIBLE_HOURLY_BUDGET", "601")]),
        (warn, "PLAUSIBLE_HOURLY_BUDGET", &[("PLAUSIBLE_HOURLY_BUDGET", "0")]),
        (warn, "RATE_LIMIT_PER_MINUTE", &[("RATE_LIMIT_PER_MINUTE", "0")]),
        (warn, "SENTRY_RELEASE", &[("SENTRY_RELEASE", "1.0")]),
        (warn, "CIMD_ALLOWED_HOSTS", &[("CIMD_ALLOWED_HOSTS", "app.example,10.0.0.1")]),
        (warn, "CIMD_ALLOWED_HOSTS", &[("CIMD_ALLOWED_HOSTS", "app.example"), ("CLIENT_METADATA_DOCUMENTS", "off")]),
        (warn, "CLIENT_METADATA_DOCUMENTS", &[("CLIENT_METADATA_DOCUMENTS", "off"), ("REGISTRATION", "off")]),
        (warn, "PRIVATE_USE_REDIRECT_SCHEMES", &[("PRIVATE_USE_REDIRECT_SCHEMES", "https")]),
        (
            warn,
            "PLAUSIBLE_BASE_URL",
            &[("PLAUSIBLE_BASE_URL", "http://plausible.example"), ("PLAUSIBLE_ALLOW_HTTP", "true")],
        ),
    ] {
        let findings = signing_in(changes, |_| {});
        let is_told = |finding: &&Finding| finding.level == level && finding.setting == setting;
        let told = findings.iter().find(is_told).unwrap_or_else(|| panic!("{setting} {changes:?} {findings:?}"));
        assert!(!told.advice.is_empty(), "{told:?}");
    }
    let alone = found(&[("DENIED_EMAILS", "bob"), ("PLAUSIBLE_ALLOWED_SITES", "a.example")], &[(401, MISSING_KEY)]);
    assert!(alone.contains(&(error, Origin::Settings, "DENIED_EMAILS")), "{alone:?}");
    assert!(alone.contains(&(warn, Origin::Settings, "PLAUSIBLE_ALLOWED_SITES")), "{alone:?}");
}

#[test]
fn what_the_provider_does_is_named_and_an_outage_told_from_a_wrong_address() {
    let page = || Fault::Answer(200, "<html>".to_owned());
    for (part, fault, origin, setting, words) in [
        ("openid-configuration", Fault::Silence, Origin::Unreachable, "ACCESS_ISSUER", "it took too long"),
        ("openid-configuration", Fault::Answer(429, "{}".into()), Origin::Unreachable, "ACCESS_ISSUER", "429"),
        ("openid-configuration", Fault::Answer(500, "{}".into()), Origin::Unreachable, "ACCESS_ISSUER", "500"),
        ("openid-configuration", Fault::Answer(404, "{}".into()), Origin::Answer, "ACCESS_ISSUER", "404"),
        ("openid-configuration", page(), Origin::Answer, "ACCESS_ISSUER", "a page answers"),
        ("/jwks", page(), Origin::Answer, "ACCESS_ISSUER", "key_set_malformed"),
        ("/token", Fault::Answer(401, "{}".into()), Origin::Answer, "ACCESS_CLIENT_SECRET", "refuses it"),
        ("/token", Fault::Answer(503, "{}".into()), Origin::Unreachable, "ACCESS_ISSUER", "503"),
        ("/token", page(), Origin::Answer, "ACCESS_ISSUER", "a page answers"),
        ("/certs", Fault::Silence, Origin::Unreachable, "CF_ACCESS_TEAM_DOMAIN", "it took too long"),
        ("/certs", Fault::Answer(429, "{}".into()), Origin::Unreachable, "CF_ACCESS_TEAM_DOMAIN", "429"),
        ("/certs", page(), Origin::Answer, "CF_ACCESS_TEAM_DOMAIN", "key_set_malformed"),
    ] {
        let findings = signing_in(&[], |provider| provider.fail(part, fault.clone()));
        let errors: Vec<_> = findings.iter().filter(|finding| finding.level == Level::Error).collect();
        let [error] = errors.as_slice() else { panic!("{part} {fault:?} {findings:?}") };
        assert_eq!((error.origin, error.setting), (origin, setting), "{part} {fault:?} {error:?}");
        assert!(error.text.contains(words), "{part} {fault:?} {error:?}");
    }
    let refused = Fault::Answer(400, r#"{"error":"invalid_grant"}"#.to_owned());
    let findings = signing_in(&[], |provider| provider.fail("/token", refused));
    assert!(findings.iter().all(|finding| finding.level != Level::Error), "the secret is right: {findings:?}");
}

#[test]
fn missing_secrets_do_not_keep_the_provider_from_being_asked() {
    let changes = [("COOKIE_ENCRYPTION_KEY", "abc"), ("ACCESS_CLIENT_SECRET", ""), ("PLAUSIBLE_API_KEY", "")];
    let findings = signing_in(&changes, |provider| provider.fail("/jwks", Fault::Answer(200, "{}".to_owned())));
    for setting in ["COOKIE_ENCRYPTION_KEY", "ACCESS_CLIENT_SECRET", "PLAUSIBLE_API_KEY", "ACCESS_ISSUER"] {
        let is_told = |finding: &Finding| finding.level == Level::Error && finding.setting == setting;
        assert!(findings.iter().any(is_told), "{setting} {findings:?}");
    }
}
