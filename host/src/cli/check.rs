//! `check`: one line per finding, and the exit code that sums them up.

use std::fmt::Write as _;
use std::io::Write as _;

use super::{CliError, Source, StoreArgument, failed};
use crate::host::Host;
use crate::operator::{Finding, Level, Origin, json};

pub(super) async fn run(source: Source, store: &StoreArgument, as_json: bool) -> Result<(), CliError> {
    let settings = source.settings()?;
    let looked = store.look(&settings).await?;
    let limits = *settings.limits();
    let mut builder = Host::builder().settings(settings).limits(limits);
    if let Some(store) = looked.store {
        builder = builder.oauth_store(store);
    }
    let host = source.host_with(builder).await?;
    let mut findings = host.check().await.map_err(failed)?;
    findings.extend(looked.finding);
    findings.extend(host.memory().finding());
    let text = if as_json { format!("{:#}\n", json::findings(&findings)) } else { lines_of(&findings) };
    std::io::stdout().write_all(text.as_bytes()).map_err(failed)?;
    match exit_code(&findings) {
        0 => Ok(()),
        code => Err(CliError::Reported(code)),
    }
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
    fn a_line_has_no_advice_when_there_is_none() {
        assert_eq!(lines_of(&[finding(Level::Warn, Origin::Answer)]), "warn A — b\n");
    }
}
