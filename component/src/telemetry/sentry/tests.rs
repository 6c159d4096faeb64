//! Every envelope is read back by the types of Sentry's own client.

use sentry_types::protocol::v7::{Context, Envelope, EnvelopeItem, Event, ItemContainer, Level, Metric, Transaction};
use serde_json::{Value, json};

use super::*;
use crate::ports::{SeededRandom, Timestamp};
use crate::telemetry::{
    ClientFamily, ErrorKind, Identifiers, Outcome, RequestId, RequestRecord, ToolCall, ToolFailure, TraceContext, User,
};

const DEPLOYMENT: Deployment<'static> = Deployment { release: Some("plausible-mcp@1.0"), environment: Some("staging") };

const SENT_AT: Timestamp = Timestamp(1_786_012_201_000);

/// The trace decides whether a handshake is kept: of these two the first is.
const KEPT: &str = "00-000000003577b34da6a3ce929d0e0e47-00f067aa0ba902b7-01";
const DROPPED: &str = "00-fbf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn report(traceparent: &str, method: Option<&'static str>, calls: &[(&'static str, Option<ToolFailure>)]) -> Report {
    let (identifiers, random) = (Identifiers::default(), SeededRandom::new(1));
    let failure = calls.iter().find_map(|(_, failure)| *failure);
    Report {
        record: RequestRecord {
            received: Timestamp(1_786_012_200_042),
            milliseconds: 7,
            request_id: RequestId::of(None, &identifiers, &random),
            trace: TraceContext::of([traceparent.to_owned()].into_iter(), &identifiers, &random),
            route: "/internal",
            method: "POST",
            status: 200,
            outcome: failure.map_or(Outcome::Served, |failure| Outcome::ToolError(Some(failure))),
            causes: Vec::new(),
            ended_grant: None,
            upstream_status: None,
            mcp_method: method,
            tool: calls.first().map(|(tool, _)| *tool),
            client: ClientFamily::of(Some("cursor/1")),
            user: Some(User { id: "ab12".into(), email: None }),
            left_out_redirect_uris: None,
            calls: Vec::new(),
            shared: Default::default(),
            unreadable_records: 0,
        },
        calls: calls.iter().map(|(tool, failure)| ToolCall { tool, failure: *failure }).collect(),
        feedback: None,
        event_id: EventId(0x0123_4567_89ab_cdef),
    }
}

fn failed(kind: ErrorKind, upstream_status: Option<u16>) -> Option<ToolFailure> {
    Some(ToolFailure { kind, cause: "it broke", upstream_status, setting: None })
}

/// What Sentry's client reads. It knows no `feedback` items, whose payload is that of an event: such an item is read as
/// one.
#[derive(Default)]
struct Read {
    event: Option<Event<'static>>,
    transaction: Option<Transaction<'static>>,
    metrics: Vec<Metric>,
}

fn read(report: &Report) -> Read {
    let text = report.envelope(&DEPLOYMENT, SENT_AT);
    let envelope = Envelope::from_slice(text.replace(r#""type":"feedback""#, r#""type":"event""#).as_bytes());
    let envelope = envelope.unwrap_or_else(|error| panic!("{error}: {text}"));
    let mut read = Read::default();
    let mut identifier = None;
    for item in envelope.items() {
        match item {
            EnvelopeItem::Event(event) => {
                identifier = Some(event.event_id);
                read.event = Some((**event).clone());
            }
            EnvelopeItem::Transaction(transaction) => {
                identifier = Some(transaction.event_id);
                read.transaction = Some((**transaction).clone());
            }
            EnvelopeItem::ItemContainer(ItemContainer::Metrics(metrics)) => read.metrics = metrics.clone(),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(envelope.uuid().copied(), identifier, "the header names the event");
    read
}

fn attributes(metric: &Metric) -> Value {
    serde_json::to_value(metric).unwrap()["attributes"].clone()
}

#[test]
fn a_call_is_a_transaction_and_a_count() {
    let read = read(&report(DROPPED, Some("tools/call"), &[("get_breakdown", None)]));
    let transaction = read.transaction.unwrap();
    assert_eq!(transaction.name.as_deref(), Some("tools/call get_breakdown"));
    assert_eq!(transaction.release.as_deref(), Some("plausible-mcp@1.0"));
    assert_eq!(transaction.environment.as_deref(), Some("staging"));
    let user = transaction.user.unwrap();
    assert_eq!((user.id.as_deref(), user.email, user.ip_address), (Some("ab12"), None, None));
    let duration = transaction.timestamp.unwrap().duration_since(transaction.start_timestamp).unwrap();
    assert!((6..=8).contains(&duration.as_millis()), "{duration:?}");
    let Some(Context::Trace(trace)) = transaction.contexts.get("trace") else { panic!("no trace") };
    assert_eq!(trace.trace_id.to_string(), "fbf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(trace.parent_span_id.map(|id| id.to_string()).as_deref(), Some("00f067aa0ba902b7"));
    assert_eq!(trace.data.get("mcp.tool.name"), Some(&json!("get_breakdown")));
    let [metric] = read.metrics.as_slice() else { panic!("{:?}", read.metrics) };
    assert_eq!((metric.name.as_ref(), metric.trace_id), ("app.server.response", trace.trace_id));
    let expected = json!({
        "app.client.family": { "value": "cursor", "type": "string" },
        "app.mcp.request.kind": { "value": "tool_call", "type": "string" },
        "app.response.status_class": { "value": "2xx", "type": "string" },
        "app.route.group": { "value": "internal", "type": "string" },
        "http.request.method": { "value": "POST", "type": "string" },
        "http.response.status_code": { "value": 200, "type": "integer" },
        "http.route": { "value": "/internal", "type": "string" },
        "mcp.method.name": { "value": "tools/call", "type": "string" },
        "sentry.environment": { "value": "staging", "type": "string" },
        "sentry.release": { "value": "plausible-mcp@1.0", "type": "string" },
        "sentry.sdk.name": { "value": "plausible-mcp", "type": "string" },
        "sentry.sdk.version": { "value": env!("CARGO_PKG_VERSION"), "type": "string" },
    });
    assert_eq!(attributes(metric), expected, "and no user");
}

#[test]
fn what_callers_do_wrong_is_counted_and_what_nobody_expects_is_an_error() {
    for (kind, status, is_error) in [
        (ErrorKind::UserInput, None, false),
        (ErrorKind::PlausibleApi, Some(401), false),
        (ErrorKind::PlausibleApi, Some(429), false),
        (ErrorKind::PlausibleApi, Some(503), true),
        (ErrorKind::Unexpected, None, true),
    ] {
        let read = read(&report(DROPPED, Some("tools/call"), &[("get_breakdown", failed(kind, status))]));
        assert_eq!((read.event.is_some(), read.transaction.is_some()), (is_error, !is_error), "{kind:?} {status:?}");
        let [_, metric] = read.metrics.as_slice() else { panic!("{:?}", read.metrics) };
        assert_eq!(metric.name.as_ref(), "mcp.tool.error");
        let attributes = attributes(metric);
        assert_eq!(attributes["error.kind"]["value"], kind.name());
        assert_eq!(attributes["mcp.tool.name"]["value"], "get_breakdown");
        assert_eq!(attributes["http.response.status_code"]["value"].as_u64(), status.map(u64::from));
        if let Some(event) = read.event {
            assert_eq!((event.level, event.exception.len()), (Level::Error, 1));
            assert!(event.exception[0].value.as_ref().unwrap().starts_with("it broke"));
            assert_eq!(event.tags.get("mcp.tool.name").map(String::as_str), Some("get_breakdown"));
            assert!(event.request.is_none());
        }
    }
}

#[test]
fn a_batch_counts_each_of_its_failures() {
    let calls = [
        ("get_breakdown", failed(ErrorKind::UserInput, None)),
        ("get_timeseries", None),
        ("compare_periods", failed(ErrorKind::PlausibleApi, Some(502))),
    ];
    let read = read(&report(DROPPED, None, &calls));
    assert_eq!(read.metrics.len(), 3);
    assert_eq!(read.event.unwrap().tags.get("mcp.tool.name").map(String::as_str), Some("compare_periods"));
}

#[test]
fn handshakes_and_lists_are_sampled_by_the_trace_and_always_counted() {
    for method in ["initialize", "ping", "server/discover", "tools/list"] {
        for (trace, kept) in [(KEPT, true), (DROPPED, false)] {
            let read = read(&report(trace, Some(method), &[]));
            assert_eq!((read.transaction.is_some(), read.metrics.len()), (kept, 1), "{method}");
        }
    }
    for method in [Some("notifications/initialized"), Some("other"), None] {
        let read = read(&report(KEPT, method, &[]));
        assert_eq!((read.transaction.is_some(), read.metrics.len()), (false, 1), "{method:?}");
    }
}

#[test]
fn scanners_tell_nothing_and_failures_of_any_route_do() {
    let at = |route, status, outcome| {
        let mut report = report(KEPT, None, &[]);
        report.record = RequestRecord { route, status, outcome, user: None, ..report.record };
        report
    };
    for route in ["other", "/healthz", "/token", "/authorize"] {
        assert!(!at(route, 404, Outcome::Refused("not_found")).is_worth_sending(), "{route}");
    }
    let failed = at("/token", 503, Outcome::Refused("store"));
    assert!(failed.is_worth_sending());
    let Read { event, metrics, .. } = read(&failed);
    let event = event.unwrap();
    assert_eq!(event.exception[0].value.as_deref(), Some("store"));
    assert!(event.user.is_none() && metrics.is_empty());
    let misconfigured = Outcome::Misconfigured { setting: "PLAUSIBLE_API_KEY", problem: "is missing" };
    let event = read(&at("/internal", 500, misconfigured)).event.unwrap();
    assert_eq!(event.tags.get("setting").map(String::as_str), Some("PLAUSIBLE_API_KEY"));
}

#[test]
fn what_a_user_wrote_is_masked_and_tied_to_nobody() {
    let message = format!("ann@example.com saw 400 with {} at 203.0.113.7", "k3y".repeat(15));
    let mut report = report(KEPT, Some("tools/call"), &[("send_feedback", None)]);
    report.feedback = Some(Feedback { message, category: "bug", tool: Some("get_breakdown") });
    let text = report.envelope(&DEPLOYMENT, SENT_AT);
    assert!(text.contains(r#""type":"feedback""#), "{text}");
    let event = read(&report).event.unwrap();
    let Some(Context::Other(feedback)) = event.contexts.get("feedback") else { panic!("{:?}", event.contexts) };
    assert_eq!(feedback["message"], "[email] saw 400 with [key] at [ip]");
    assert_eq!(event.tags.get("feedback.category").map(String::as_str), Some("bug"));
    assert_eq!(event.tags.get("feedback.tool").map(String::as_str), Some("get_breakdown"));
    assert!(event.user.is_none() && event.request.is_none() && !event.contexts.contains_key("trace"));
    report.feedback = Some(Feedback { message: "a@b ".repeat(1000), category: "bug", tool: None });
    let event = read(&report).event.unwrap();
    let Some(Context::Other(feedback)) = event.contexts.get("feedback") else { panic!("{:?}", event.contexts) };
    assert_eq!(feedback["message"].as_str().map(|message| message.chars().count()), Some(4096));
}

#[test]
fn the_address_is_there_only_where_the_operator_asked_for_it() {
    let mut report = report(DROPPED, Some("tools/call"), &[("get_breakdown", None)]);
    report.record.user = Some(User { id: "ab12".into(), email: Some("ann@example.com".into()) });
    let Read { transaction, metrics, .. } = read(&report);
    assert_eq!(transaction.unwrap().user.unwrap().email.as_deref(), Some("ann@example.com"));
    assert!(metrics.iter().all(|metric| !attributes(metric).to_string().contains("ann")));
}
