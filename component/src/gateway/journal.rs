//! What becomes known about a request while it is answered, for the log and for Sentry.

use std::cell::{OnceCell, RefCell};

use super::client_documents::{Notes, StaleDocument};
use super::issuer::UnreadableRecords;
use super::request::Request;
use crate::config::Config;
use crate::oauth::keyring::UserId;
use crate::ports::{Random, Timestamp};
use crate::telemetry::sentry::{EventId, Feedback};
use crate::telemetry::{
    Act, ClientFamily, ErrorKind, Identifiers, RequestId, SharedTally, ToolCall, ToolFailure, TraceContext, User,
};
use crate::tools::{Call, Calls, Fault, Outbox};

/// The journal of one request.
#[derive(Debug)]
pub struct Journal {
    /// The request's identifier.
    pub request_id: RequestId,
    /// Where the request stands in a trace.
    pub trace: TraceContext,
    /// What kind of client sent it.
    pub client: ClientFamily,
    /// The records that did not decode.
    pub unreadable: UnreadableRecords,
    /// The tool calls.
    pub calls: Calls,
    /// What was asked with the shared key.
    pub shared: SharedTally,
    /// The identifier of whatever is reported about the request.
    pub event_id: EventId,
    user: RefCell<Option<User>>,
    notes: RefCell<Notes>,
    acts: RefCell<Vec<Act>>,
    outbox: OnceCell<Outbox>,
}

impl Journal {
    /// The journal of a request that came just now.
    pub fn of(request: &Request, identifiers: &Identifiers, random: &impl Random) -> Journal {
        let headers = &request.headers;
        Journal {
            request_id: RequestId::of(headers.value(RequestId::HEADER), identifiers, random),
            trace: TraceContext::of(headers.values("traceparent"), identifiers, random),
            client: ClientFamily::of(headers.value("user-agent").as_deref()),
            unreadable: UnreadableRecords::default(),
            calls: Calls::default(),
            shared: SharedTally::default(),
            event_id: EventId(identifiers.next(random)),
            user: RefCell::default(),
            notes: RefCell::default(),
            acts: RefCell::default(),
            outbox: OnceCell::new(),
        }
    }

    /// Notes who sent the request; the address only where the operator asked for it.
    pub fn identify(&self, user: &UserId, email: &str, config: &Config) {
        let email = config.telemetry.names_users.then(|| email.to_owned());
        *self.user.borrow_mut() = Some(User { id: user.as_str().to_owned(), email });
    }

    /// Who sent it, as far as that is known.
    pub fn user(&self) -> Option<User> {
        self.user.borrow().clone()
    }

    /// Notes what is to say and to do about documents of clients.
    pub fn take(&self, notes: Notes) {
        *self.notes.borrow_mut() = notes;
    }

    /// Notes what an audit asks about.
    pub fn note(&self, acts: impl IntoIterator<Item = Act>) {
        self.acts.borrow_mut().extend(acts);
    }

    /// The lines for the audit, in the order in which things happened.
    pub fn audit(&self, now: Timestamp) -> Vec<String> {
        self.acts.borrow().iter().map(|act| act.line(now, Some(&self.request_id))).collect()
    }

    /// Which redirect URIs of a client were left out; `None` when none was.
    pub fn left_out(&self) -> Option<String> {
        let notes = self.notes.borrow();
        (!notes.left_out.is_empty()).then(|| notes.left_out.to_string())
    }

    /// The document that is to be fetched anew.
    pub fn stale_document(&self) -> Option<StaleDocument> {
        self.notes.borrow_mut().stale.take()
    }

    /// The place where `send_feedback` leaves its words.
    pub fn open_outbox(&self, is_open: bool) -> &Outbox {
        let id = self.event_id.to_string();
        self.outbox.get_or_init(|| Outbox { id, is_open, feedback: RefCell::default() })
    }

    /// What a user wrote, as telemetry names it.
    pub fn feedback(&self) -> Option<Feedback> {
        let feedback = self.outbox.get()?.feedback.borrow().clone()?;
        Some(Feedback { message: feedback.message, category: feedback.category, tool: feedback.tool })
    }

    /// After how many seconds all of the calls that were not answered now are worth to be tried again, where that is
    /// known.
    pub fn retry_after(&self) -> Option<u32> {
        self.calls.so_far().into_iter().filter_map(|call| call.retry_after).max()
    }

    /// The tool calls, as telemetry names them.
    pub fn tool_calls(&self) -> Vec<ToolCall> {
        let of = |call: Call| ToolCall { tool: call.tool, failure: call.fault.map(failure) };
        self.calls.so_far().into_iter().map(of).collect()
    }
}

fn failure(fault: Fault) -> ToolFailure {
    let plain = ToolFailure { kind: ErrorKind::UserInput, cause: "arguments", upstream_status: None, setting: None };
    match fault {
        Fault::Arguments => plain,
        Fault::Plausible(status) => ToolFailure {
            kind: ErrorKind::PlausibleApi,
            cause: if status >= 500 { "Plausible failed" } else { "Plausible refused" },
            upstream_status: Some(status),
            setting: (status == 404).then_some("PLAUSIBLE_BASE_URL"),
        },
        Fault::OverBudget => {
            ToolFailure { kind: ErrorKind::Budget, cause: "budget", setting: Some("PLAUSIBLE_HOURLY_BUDGET"), ..plain }
        }
        Fault::NotAsked(cause) => ToolFailure { kind: ErrorKind::NotAsked, cause, ..plain },
        Fault::NoRoom => ToolFailure { kind: ErrorKind::NoRoom, cause: "no room for a large answer", ..plain },
        Fault::Unexpected(cause, setting) => ToolFailure { kind: ErrorKind::Unexpected, cause, setting, ..plain },
    }
}
