//! The server that runs already, asked through its control socket: its settings may be others than those of whoever runs
//! `check`, and its store is open to nobody else.

use std::path::Path;

use super::{error, warn};
use crate::control::{self, AskError, ask};
use crate::operator::json::{FindingsAnswer, Question};
use crate::operator::{Finding, Level};

/// What it finds; `None` where none runs, or none that could be asked.
pub(super) async fn findings(socket: Option<&Path>) -> Option<Vec<Finding>> {
    let default = control::default_path();
    let socket = socket.or(default.as_deref())?;
    match ask::<FindingsAnswer>(socket, &Question::Check {}).await {
        Ok(answer) => Some(answer.into_findings().map(Finding::of_running_server).collect()),
        Err(AskError::NoServer(_)) => None,
        Err(refused @ AskError::Forbidden(_)) => Some(vec![warn(CONTROL, refused.to_string(), "")]),
        Err(refused) => Some(vec![error(CONTROL, refused.to_string(), "look at the log of that server")]),
    }
}

/// Adds to `own` findings what the running server says besides: all about its store, and whatever is not as it should be.
pub(super) fn join(own: &mut Vec<Finding>, running: Vec<Finding>) {
    let is_known = |found: &Finding, own: &[Finding]| {
        own.iter()
            .any(|own| own.setting == found.setting && own.level == found.level && found.text.ends_with(&own.text))
    };
    for found in running {
        if (found.level != Level::Ok || is_about_store(&found)) && !is_known(&found, own) {
            own.push(found);
        }
    }
}

/// Whether a finding is about where records are.
pub(super) fn is_about_store(finding: &Finding) -> bool {
    ["STORE", crate::oauth_store::STORE_SETTING].contains(&finding.setting.as_str())
}

impl Finding {
    fn of_running_server(self) -> Self {
        Self { text: format!("the running server: {}", self.text), ..self }
    }
}

const CONTROL: &str = "--control";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::Origin;

    fn finding(level: Level, setting: &str, text: &str) -> Finding {
        let (setting, text, advice) = (setting.to_owned(), text.to_owned(), String::new());
        Finding { level, origin: Origin::Answer, setting, text, advice }
    }

    #[test]
    fn what_the_running_server_knows_is_added_once() {
        let mut own = vec![finding(Level::Error, "A", "is wrong"), finding(Level::Ok, "--store", "in use")];
        let running = [
            finding(Level::Error, "A", "is wrong"),
            finding(Level::Ok, "B", "is right"),
            finding(Level::Warn, "C", "is odd"),
            finding(Level::Error, "--store", "the disk is full"),
            finding(Level::Ok, "STORE", "records are kept"),
        ];
        join(&mut own, running.map(Finding::of_running_server).into());
        let told: Vec<_> = own.iter().skip(2).map(|finding| finding.text.as_str()).collect();
        let said = ["is odd", "the disk is full", "records are kept"].map(|text| format!("the running server: {text}"));
        assert_eq!(told, said);
    }
}
