//! What `check` finds about telemetry. What is wrong there is only warned about: it keeps nobody from being served.

use super::denied::Denied;
use super::{Finding, Level, Origin, finding, malformed, unreadable};
use crate::config::{SentryDsn, TelemetrySettings};
use crate::ports::{HttpError, Ports, Secrets};
use crate::telemetry::sentry::{Delivery, Destination, try_out};

/// What is malformed, and whether Sentry takes the key.
pub async fn run<P: Ports>(ports: &P, settings: &TelemetrySettings) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        settings.problems.iter().map(|problem| Finding { level: Level::Warn, ..malformed(problem) }).collect();
    let dsn = match ports.secrets().secret(DSN) {
        Ok(dsn) => dsn.and_then(|dsn| SentryDsn::parse(&dsn)),
        Err(_) => {
            findings.push(unreadable(DSN));
            return findings;
        }
    };
    let Some(dsn) = dsn.filter(|_| settings.sentry) else { return findings };
    let destination = Destination { url: &dsn.envelope_url, public_key: &dsn.public_key };
    findings.push(match try_out(ports.http(), &destination).await {
        Delivery::Sent | Delivery::Paused => {
            let text = "Sentry answers: errors, counters and tool calls are reported, and send_feedback is offered";
            finding(Level::Ok, Origin::Answer, DSN, text, "")
        }
        Delivery::Refused(status @ (429 | 500..)) => {
            let text = format!("Sentry answers with status {status}, so reports are lost");
            finding(Level::Warn, Origin::Answer, DSN, &text, "look at Sentry's own status, and at your quota there")
        }
        Delivery::Refused(status) => {
            let text = format!("Sentry refuses reports with status {status}, so they are lost");
            finding(Level::Warn, Origin::Answer, DSN, &text, "copy the DSN anew from the project's settings in Sentry")
        }
        // It keeps nobody from being served.
        Delivery::Failed(HttpError::NotAllowed) => Finding { level: Level::Warn, ..Denied::Sentry.finding(DSN) },
        Delivery::NoDestination(_) => unreadable(DSN),
        Delivery::Failed(error) => {
            let text = format!("Sentry could not be reached: {}; reports are lost", error.words());
            let advice = "check the DSN's host, the network and the certificate (EXTRA_CA_FILE)";
            finding(Level::Warn, Origin::Unreachable, DSN, &text, advice)
        }
    });
    findings
}

const DSN: &str = "SENTRY_DSN";
