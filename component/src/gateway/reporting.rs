//! What a request leaves for Sentry, and its sending when the caller has the answer.

use super::journal::Journal;
use super::setup::Setup;
use crate::config::SentryDsn;
use crate::mcp::Incoming;
use crate::ports::{Clock, OauthStore, Ports, Secrets};
use crate::telemetry::RequestRecord;
use crate::telemetry::sentry::{Delivery, Deployment, Destination, Report, deliver, is_paused};
use crate::tools::{Outbox, SEND_FEEDBACK};

/// The report of a request; `None` where nothing goes to Sentry, or there is nothing to tell.
pub fn report(setup: &Setup, record: &RequestRecord, journal: &Journal) -> Option<Report> {
    if !setup.config.telemetry.sentry {
        return None;
    }
    let report = Report {
        record: record.clone(),
        calls: journal.tool_calls(),
        feedback: journal.feedback(),
        event_id: journal.event_id,
    };
    report.is_worth_sending().then_some(report)
}

/// Sends a report; `None` when the DSN is gone since the settings were read.
pub async fn send<P: Ports>(ports: &P, setup: &Setup, report: &Report) -> Option<Delivery> {
    let dsn = match ports.secrets().secret("SENTRY_DSN") {
        Ok(dsn) => SentryDsn::parse(&dsn?)?,
        Err(unavailable) => return Some(Delivery::NoDestination(unavailable)),
    };
    let telemetry = &setup.config.telemetry;
    let deployment =
        Deployment { release: telemetry.release.as_deref(), environment: telemetry.environment.as_deref() };
    let envelope = report.envelope(&deployment, ports.clock().now());
    let destination = Destination { url: &dsn.envelope_url, public_key: &dsn.public_key };
    Some(deliver(ports.http(), ports.store(), &destination, envelope).await)
}

/// Where `send_feedback` leaves its words: made only for a request that calls it, because it asks the store.
pub async fn outbox<'a, S: OauthStore>(
    setup: &Setup,
    store: &S,
    incoming: &Incoming,
    journal: &'a Journal,
) -> Option<&'a Outbox> {
    if !setup.config.telemetry.sentry || !incoming.calls(SEND_FEEDBACK) {
        return None;
    }
    let is_open = !is_paused(store).await;
    Some(journal.open_outbox(is_open))
}
