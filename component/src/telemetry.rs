//! What the operator learns about requests: a line in the log for each, and what [`sentry`] is sent.
//!
//! Invariant: nothing here holds a tool argument, a result, a credential or an address. Every field is a number, a name
//! from this program, an identifier of digits, or a word that was checked to be harmless. The one exception is the
//! e-mail address of a user of `/internal`, where the operator asked for it.

mod audit;
mod client_family;
mod identifiers;
mod request_id;
mod request_record;
pub mod sentry;
mod shared_use;
mod tool_call;
mod trace_context;
pub mod vocabulary;

pub use audit::Act;
pub use client_family::ClientFamily;
pub use identifiers::Identifiers;
pub use request_id::RequestId;
pub use request_record::{Outcome, RequestRecord, Severity, User};
pub use shared_use::{SharedTally, SharedUse};
pub use tool_call::{ErrorKind, ToolCall, ToolFailure};
pub use trace_context::{SpanId, TraceContext, TraceId};
