//! What `plausible-mcp check` finds: every setting that is wrong, and whether Plausible answers.

mod denied;
mod sign_in;
mod store;

use denied::Denied;

use super::setup::Setup;
use crate::config::{Config, ConfigError, TelemetrySettings};
use crate::plausible::{Client, DateRange, Metric, Query, QueryError, StatsApi};
use crate::ports::{
    HttpError, HttpMethod, HttpRequest, OutboundHttp, Ports, Reach, SecretUnavailable, Secrets, Upstream,
};

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// It is as it should be.
    Ok,
    /// It works, and the operator should know something.
    Warn,
    /// It does not work.
    Error,
}

/// What a finding was found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The settings alone.
    Settings,
    /// An upstream that answered.
    Answer,
    /// An upstream that did not.
    Unreachable,
}

/// One result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How serious it is.
    pub level: Level,
    /// What it was found by.
    pub origin: Origin,
    /// The setting that it is about.
    pub setting: &'static str,
    /// What is the case.
    pub text: String,
    /// What to do; empty for nothing.
    pub advice: String,
}

/// Checks the settings, then asks each upstream one harmless question.
pub async fn run<P: Ports>(ports: &P, setup: &Result<Setup, ConfigError>) -> Vec<Finding> {
    let setup = match setup {
        Ok(setup) => setup,
        Err(error) => return vec![malformed(error)],
    };
    let config = &setup.config;
    let mut findings = settings(config);
    findings.extend(telemetry(&config.telemetry));
    findings.extend(sign_in::run(ports, setup).await);
    match ports.secrets().secret(KEY) {
        Ok(Some(key)) => findings.push(ask_with_key(ports, config, &key).await),
        Ok(None) => findings.push(ask_without_key(ports, config).await),
        Err(_) => findings.extend([unreadable(KEY), ask_without_key(ports, config).await]),
    }
    findings.extend(unreadable_secrets(ports.secrets(), config));
    findings
}

/// What is found where the settings themselves cannot be read: nothing else is known.
pub fn without_settings(_: SecretUnavailable) -> Finding {
    unreadable("SETTINGS")
}

/// Of a secret that cannot be read.
fn unreadable(setting: &'static str) -> Finding {
    let text = "it cannot be read at the moment, so what needs it is answered with 503";
    let advice =
        "look into the host's log, which says what cannot be read and why; on Spin, see to the provider of variables";
    finding(Level::Error, Origin::Unreachable, setting, text, advice)
}

/// Those of the secrets that nothing else of a check asks for.
fn unreadable_secrets<S: Secrets>(secrets: &S, config: &Config) -> Vec<Finding> {
    let mut names = vec!["ADMIN_TOKEN"];
    // A DSN that could be read was told of already.
    names.extend((!config.telemetry.sentry).then_some("SENTRY_DSN"));
    names.into_iter().filter(|name| secrets.secret(name).is_err()).map(unreadable).collect()
}

fn malformed(error: &ConfigError) -> Finding {
    finding(Level::Error, Origin::Settings, error.setting, error.problem, error.advice)
}

fn settings(config: &Config) -> Vec<Finding> {
    let hosts = format!("requests are taken for {}", config.allowed_hostnames.join(", "));
    let limit = match config.rate_limit_per_minute {
        Some(limit) => {
            finding(Level::Ok, Origin::Settings, RATE_LIMIT, &format!("{limit} requests a minute for one key"), "")
        }
        None => finding(
            Level::Warn,
            Origin::Settings,
            RATE_LIMIT,
            "limits are off",
            "set it to 60, unless something in front limits requests",
        ),
    };
    vec![finding(Level::Ok, Origin::Settings, "MCP_ALLOWED_HOSTNAMES", &hosts, ""), limit]
}

/// What is malformed there is only warned about: it keeps nobody from being served.
fn telemetry(settings: &TelemetrySettings) -> Vec<Finding> {
    let warning = |problem: &ConfigError| Finding { level: Level::Warn, ..malformed(problem) };
    let mut findings: Vec<Finding> = settings.problems.iter().map(warning).collect();
    if settings.sentry {
        let text = "errors, counters and tool calls are reported to Sentry, and send_feedback is offered";
        findings.push(finding(Level::Ok, Origin::Settings, "SENTRY_DSN", text, ""));
    }
    findings
}

/// Without a key there is nothing to query with; that Plausible answers is all that can be told.
async fn ask_without_key<P: Ports>(ports: &P, config: &Config) -> Finding {
    let request = HttpRequest {
        upstream: Upstream::Plausible,
        method: HttpMethod::Get,
        url: format!("{}/api/health", config.plausible_base_url),
        headers: vec![("accept".to_owned(), "application/json".to_owned())],
        body: None,
        timeout_milliseconds: TIMEOUT_MILLISECONDS,
        max_response_bytes: MAX_ANSWER_BYTES,
        reach: Reach::Configured,
        coalesce: None,
    };
    match ports.http().send(request).await {
        Ok(response) if response.status < 500 => finding(Level::Ok, Origin::Answer, BASE_URL, "Plausible answers", ""),
        Ok(response) => {
            let text = format!("Plausible answers with status {}", response.status);
            finding(Level::Warn, Origin::Answer, BASE_URL, &text, "look at Plausible's own status")
        }
        Err(error) => unreachable(error),
    }
}

async fn ask_with_key<P: Ports>(ports: &P, config: &Config, key: &str) -> Finding {
    let Some(site) = config.default_site.clone() else { return ask_without_key(ports, config).await };
    let query = Query::new(site, vec![Metric::Visitors], DateRange::Relative("day".to_owned()));
    let Ok(query) = query.check() else { return ask_without_key(ports, config).await };
    let outcome = Client::new(ports.http(), &config.plausible_base_url, key).query(&query).await;
    let answered = |level, setting, text: &str, advice| finding(level, Origin::Answer, setting, text, advice);
    match outcome {
        Ok(_) => answered(Level::Ok, KEY, "Plausible answers a query about the default site", ""),
        Err(QueryError::Unauthorized) => answered(
            Level::Error,
            KEY,
            "Plausible rejects the key, or the key cannot see PLAUSIBLE_DEFAULT_SITE_ID",
            "make a key in Plausible under Settings, API keys, with access to the site",
        ),
        Err(QueryError::PaymentRequired(_)) => answered(
            Level::Error,
            KEY,
            "the plan of the site's owner has no Stats API",
            "the Stats API needs Plausible's Business plan",
        ),
        Err(QueryError::RateLimited(_) | QueryError::AskedToWait { status: 429, .. }) => {
            answered(Level::Warn, KEY, "Plausible answers no more queries for now", "try again in an hour")
        }
        Err(QueryError::Unreachable(error)) => unreachable(error),
        Err(_) => answered(
            Level::Error,
            BASE_URL,
            "Plausible does not answer as the Stats API, version 2, does",
            "check the address; a self-hosted Plausible may be too old",
        ),
    }
}

fn unreachable(error: HttpError) -> Finding {
    if error == HttpError::NotAllowed {
        return Denied::Plausible.finding(BASE_URL);
    }
    let text = format!("Plausible could not be reached: {}", error.words());
    let advice = "check the address, the network and the certificate (EXTRA_CA_FILE)";
    finding(Level::Error, Origin::Unreachable, BASE_URL, &text, advice)
}

fn finding(level: Level, origin: Origin, setting: &'static str, text: &str, advice: &str) -> Finding {
    Finding { level, origin, setting, text: text.to_owned(), advice: advice.to_owned() }
}

const BASE_URL: &str = "PLAUSIBLE_BASE_URL";
const KEY: &str = "PLAUSIBLE_API_KEY";
const RATE_LIMIT: &str = "RATE_LIMIT_PER_MINUTE";

/// Long enough for a far host, short enough to wait for at a prompt.
const TIMEOUT_MILLISECONDS: u32 = 10_000;

/// `/api/health` answers with a few hundred bytes; a page of an error is larger.
const MAX_ANSWER_BYTES: u32 = 256 * 1024;

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::ports::{FixedSecrets, MemoryPorts};

    fn found(
        settings: &[(&'static str, &str)],
        answer: impl FnOnce(&MemoryPorts),
    ) -> Vec<(Level, Origin, &'static str)> {
        let settings = [&[("MCP_ALLOWED_HOSTNAMES", "localhost")], settings].concat();
        let lookup = |name: &str| settings.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let secrets =
            lookup("PLAUSIBLE_API_KEY").map(|key| ("PLAUSIBLE_API_KEY".to_owned(), key)).into_iter().collect();
        let ports = MemoryPorts { secrets: FixedSecrets(secrets), ..MemoryPorts::default() };
        answer(&ports);
        let findings = run(&ports, &Setup::read(lookup)).now_or_never().expect("nothing waits");
        assert!(findings.iter().all(|finding| !format!("{finding:?}").contains("the-secret-key")));
        findings.into_iter().map(|finding| (finding.level, finding.origin, finding.setting)).collect()
    }

    const WITH_KEY: &[(&str, &str)] =
        &[("PLAUSIBLE_API_KEY", "the-secret-key"), ("PLAUSIBLE_DEFAULT_SITE_ID", "a.example")];

    #[test]
    fn a_malformed_setting_is_the_only_finding() {
        let findings = found(&[("PLAUSIBLE_BASE_URL", "nonsense")], |_| {});
        assert_eq!(findings, [(Level::Error, Origin::Settings, "PLAUSIBLE_BASE_URL")]);
    }

    #[test]
    fn without_a_key_plausible_only_has_to_answer() {
        for (status, level) in [(200, Level::Ok), (404, Level::Ok), (503, Level::Warn)] {
            let findings = found(&[], |ports| ports.http.answer(status, "{}"));
            assert_eq!(findings.last(), Some(&(level, Origin::Answer, "PLAUSIBLE_BASE_URL")), "{status}");
        }
        let findings = found(&[], |ports| ports.http.fail(HttpError::ConnectFailed));
        assert_eq!(findings.last(), Some(&(Level::Error, Origin::Unreachable, "PLAUSIBLE_BASE_URL")));
    }

    #[test]
    fn what_the_host_does_not_allow_is_named_with_the_variable_that_allows_it() {
        let lookup = |name: &str| (name == "MCP_ALLOWED_HOSTNAMES").then(|| "localhost".to_owned());
        let ports = MemoryPorts::default();
        ports.http.fail(HttpError::NotAllowed);
        let findings = run(&ports, &Setup::read(lookup)).now_or_never().expect("nothing waits");
        let last = findings.last().unwrap();
        assert_eq!((last.level, last.origin, last.setting), (Level::Error, Origin::Settings, BASE_URL));
        assert!(last.text.contains("not among allowed_outbound_hosts"), "{}", last.text);
        assert!(last.advice.contains("set plausible_base_url"), "{}", last.advice);
    }

    #[test]
    fn a_key_that_cannot_be_read_is_no_missing_key() {
        let findings = found(&[("PLAUSIBLE_API_KEY", FixedSecrets::UNREADABLE)], |ports| ports.http.answer(200, "{}"));
        assert!(findings.contains(&(Level::Error, Origin::Unreachable, "PLAUSIBLE_API_KEY")));
        assert!(
            findings.contains(&(Level::Ok, Origin::Answer, "PLAUSIBLE_BASE_URL")),
            "Plausible is asked without one"
        );
    }

    #[test]
    fn a_key_is_tried_on_the_default_site() {
        for (status, body, level, setting) in [
            (200, r#"{"results":[]}"#, Level::Ok, "PLAUSIBLE_API_KEY"),
            (401, "{}", Level::Error, "PLAUSIBLE_API_KEY"),
            (402, "{}", Level::Error, "PLAUSIBLE_API_KEY"),
            (429, "{}", Level::Warn, "PLAUSIBLE_API_KEY"),
            (404, "{}", Level::Error, "PLAUSIBLE_BASE_URL"),
            (200, "<html>", Level::Error, "PLAUSIBLE_BASE_URL"),
        ] {
            let findings = found(WITH_KEY, |ports| ports.http.answer(status, body));
            assert_eq!(findings.last(), Some(&(level, Origin::Answer, setting)), "{status}");
        }
    }

    #[test]
    fn a_malformed_dsn_is_warned_about_and_not_shown() {
        for (dsn, level) in [("https://abc@sentry.example/7", Level::Ok), ("the-secret-key", Level::Warn)] {
            let findings = found(&[("SENTRY_DSN", dsn)], |ports| ports.http.answer(200, "{}"));
            assert!(findings.contains(&(level, Origin::Settings, "SENTRY_DSN")), "{dsn}");
        }
    }

    #[test]
    fn limits_that_are_off_are_warned_about() {
        let findings = found(&[("RATE_LIMIT_PER_MINUTE", "0")], |ports| ports.http.answer(200, "{}"));
        assert!(findings.contains(&(Level::Warn, Origin::Settings, "RATE_LIMIT_PER_MINUTE")));
    }
}
