//! `check`: one line per finding, and the exit code that sums them up.

mod addresses;
mod running;

use std::fmt::Write as _;
use std::io::Write as _;

use super::{CheckArguments, CliError, ServeArguments, Source, failed, traces};
use crate::host::Host;
use crate::operator::{Finding, Level, Origin, json};
use crate::outbound_http::{HttpPolicy, trust_faults};
use crate::settings::{Settings, SettingsError, setting_names};

/// Looks at everything that `serve` with the same flags would use, and stops at nothing that is wrong.
pub(super) async fn run(arguments: CheckArguments) -> Result<(), CliError> {
    let CheckArguments { serving, json: as_json } = arguments;
    let read = serving.source.settings_with_faults()?;
    let mut findings = read.findings;
    let settings = trusted(read.settings, &mut findings)?;
    let looked = serving.store.look(&settings).await;
    let asked = match read.is_whole {
        true => ask(&serving, &settings, looked.store).await?,
        // What is missing then is missing because the file could not be read.
        false => Vec::new(),
    };
    let is_told =
        |found: &Finding| findings.iter().any(|told| told.level == Level::Error && told.setting == found.setting);
    let asked: Vec<Finding> = asked.into_iter().filter(|found| found.level == Level::Ok || !is_told(found)).collect();
    findings.extend(asked);
    findings.extend(looked.findings);
    if let Some((variable, text)) = traces::fault(settings.value(EXTRA_CA_FILE)).await {
        findings.push(error(variable, text, ""));
    }
    findings.extend(addresses::findings(&serving, &settings).await);
    if let Some(running) = running::findings(serving.control.as_deref()).await {
        running::join(&mut findings, running);
    }
    let text = if as_json { format!("{:#}\n", json::findings(&findings)) } else { lines_of(&findings) };
    std::io::stdout().write_all(text.as_bytes()).map_err(failed)?;
    match exit_code(&findings) {
        _ if looked.is_misused => Err(CliError::Reported(USAGE)),
        0 => Ok(()),
        code => Err(CliError::Reported(code)),
    }
}

/// What the component finds with these settings. Without a store of its own it says nothing of one.
async fn ask(
    serving: &ServeArguments,
    settings: &Settings,
    store: Option<std::sync::Arc<dyn crate::oauth_store::OauthStore>>,
) -> Result<Vec<Finding>, CliError> {
    let has_store = store.is_some();
    let limits = serving.limits.over(*settings.limits());
    let policy = HttpPolicy::default().trusting_less();
    let mut builder = Host::builder().settings(settings.clone()).limits(limits).http_policy(policy);
    if let Some(store) = store {
        builder = builder.oauth_store(store);
    }
    let host = serving.source.host_with(builder).await?;
    let mut findings = host.check().await.map_err(failed)?;
    findings.retain(|finding| has_store || !running::is_about_store(finding));
    findings.extend(host.memory().finding());
    Ok(findings)
}

/// The settings without authorities that cannot be read, which are told.
fn trusted(settings: Settings, findings: &mut Vec<Finding>) -> Result<Settings, CliError> {
    let faults = trust_faults(settings.value(EXTRA_CA_FILE));
    let is_extra = faults.iter().any(|fault| fault.setting() == EXTRA_CA_FILE);
    findings.extend(faults.iter().map(|fault| error(fault.setting(), fault.to_string(), "")));
    if is_extra { settings.with(EXTRA_CA_FILE, "").map_err(failed) } else { Ok(settings) }
}

/// What came of reading the settings.
struct Read {
    settings: Settings,
    findings: Vec<Finding>,
    /// Whether the configuration file was read, so that what is missing is missing.
    is_whole: bool,
}

impl Source {
    /// The settings, and everything that keeps `serve` from reading them.
    fn settings_with_faults(&self) -> Result<Read, CliError> {
        let (settings, faults) = Settings::load_with_faults(self.config.as_deref(), self.secrets.as_deref());
        let is_lost = |fault: &SettingsError| fault.setting() == "--config";
        let is_whole = !faults.iter().any(is_lost);
        let mut findings: Vec<Finding> =
            faults.iter().map(|fault| error(&fault.setting(), fault.to_string(), "")).collect();
        findings.extend(settings.strangers_among_secrets().into_iter().map(|name| {
            let text = "is a file in the folder of secrets, and no secret has this name".to_owned();
            warn(&name, text, "look for a slip; settings that are not secret stand in the environment or --config")
        }));
        let variables = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        findings.extend(variables.filter(|name| is_slip(name)).map(|name| {
            let text = "stands in the environment, and there is no setting of this name".to_owned();
            warn(&name, text, "look for a slip, or take it away")
        }));
        Ok(Read { settings: self.with_flags(settings)?, findings, is_whole })
    }
}

/// Whether a variable looks like a setting and is none. A list that is misspelt is no list, and says nothing.
fn is_slip(variable: &str) -> bool {
    let is_like_one = SETTINGS_BEGIN_WITH.iter().any(|start| variable.starts_with(start));
    let is_known = setting_names().iter().any(|setting| setting.name == variable);
    is_like_one && !is_known && !variable.starts_with("PLAUSIBLE_MCP_")
}

fn fine(setting: &str, text: String) -> Finding {
    let (setting, advice) = (setting.to_owned(), String::new());
    Finding { level: Level::Ok, origin: Origin::Settings, setting, text, advice }
}

fn warn(setting: &str, text: String, advice: &str) -> Finding {
    Finding { level: Level::Warn, advice: advice.to_owned(), ..fine(setting, text) }
}

/// Texts that say what to do have no advice.
fn error(setting: &str, text: String, advice: &str) -> Finding {
    Finding { level: Level::Error, ..warn(setting, text, advice) }
}

/// Refuses to serve with settings that do not work. Nobody is asked: what neighbours say is found by [`Host::watch`],
/// which runs beside the server.
pub(super) async fn before_serving(host: &Host) -> Result<(), CliError> {
    let mut wrong = host.check_settings().await.map_err(failed)?;
    wrong.retain(|finding| finding.level == Level::Error);
    for Finding { setting, text, advice, .. } in &wrong {
        tracing::error!(event = "check", setting, text, advice, "a setting is wrong");
    }
    let settings: Vec<_> = wrong.iter().map(|finding| finding.setting.as_str()).collect();
    match settings.as_slice() {
        [] => Ok(()),
        _ => Err(CliError::Failed(format!("not serving with these settings: {}", settings.join(", ")))),
    }
}

/// 1 when something does not work; 3 when that is only an upstream that cannot be reached.
fn exit_code(findings: &[Finding]) -> u8 {
    let unreachable = |finding: &&Finding| finding.origin == Origin::Unreachable && finding.level != Level::Ok;
    let wrong = |finding: &&Finding| finding.origin != Origin::Unreachable && finding.level == Level::Error;
    if findings.iter().any(|finding| wrong(&finding)) {
        1
    } else if findings.iter().any(|finding| unreachable(&finding)) {
        3
    } else {
        0
    }
}

fn lines_of(findings: &[Finding]) -> String {
    let mut lines = String::new();
    for Finding { level, setting, text, advice, .. } in findings {
        let advice = if advice.is_empty() { String::new() } else { format!(" — {advice}") };
        // Writing to a string does not fail.
        let _ = writeln!(lines, "{} {setting} — {text}{advice}", json::level_name(*level));
    }
    lines
}

const EXTRA_CA_FILE: &str = "EXTRA_CA_FILE";
/// What nobody else's variables begin with.
const SETTINGS_BEGIN_WITH: [&str; 4] = ["PLAUSIBLE_", "CF_ACCESS_", "CIMD_", "MCP_ALLOWED_"];
/// The exit code for what was asked in the wrong way.
const USAGE: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(level: Level, origin: Origin) -> Finding {
        Finding { level, origin, setting: "A".into(), text: "b".into(), advice: String::new() }
    }

    #[test]
    fn the_exit_code_is_that_of_the_worst_finding() {
        let fine = finding(Level::Ok, Origin::Settings);
        let warned = finding(Level::Warn, Origin::Answer);
        let away = finding(Level::Error, Origin::Unreachable);
        let wrong = finding(Level::Error, Origin::Settings);
        assert_eq!(exit_code(&[fine.clone(), warned]), 0);
        assert_eq!(exit_code(&[fine, away.clone()]), 3);
        assert_eq!(exit_code(&[away, wrong]), 1);
    }

    #[test]
    fn a_variable_that_is_nearly_a_setting_is_a_slip() {
        for slip in ["PLAUSIBLE_ALOWED_SITES", "CF_ACCESS_AUDIENCE", "CIMD_ALLOWED_HOST", "MCP_ALLOWED_HOSTS"] {
            assert!(is_slip(slip), "{slip}");
        }
        for other in ["PLAUSIBLE_ALLOWED_SITES", "PLAUSIBLE_MCP_STORE", "PATH", "ACCESS", "CF_ACCESS_AUD"] {
            assert!(!is_slip(other), "{other}");
        }
    }

    #[test]
    fn a_line_has_no_advice_when_there_is_none() {
        assert_eq!(lines_of(&[finding(Level::Warn, Origin::Answer)]), "warn A — b\n");
    }
}
