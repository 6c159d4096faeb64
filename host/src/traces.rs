//! The port through which an operator's tracing gets spans: one of each request, and within it one of each call to an
//! upstream. `OtlpTraces` sends them to a collector; an application that embeds the host may take them elsewhere.
//!
//! What a span is told is from fixed sets. No path, query, header or body of a request gets here, and of a call only
//! the host name of an upstream that the operator chose.

#[cfg(feature = "otlp")]
mod otlp;

use std::sync::Arc;

use http::StatusCode;

#[cfg(feature = "otlp")]
pub use otlp::{OtlpError, OtlpTraces};

/// Where spans go. Everything here happens on the way of a request, so nothing may wait.
pub trait Traces: Send + Sync + 'static {
    /// A request has arrived.
    fn request(&self, request: &TracedRequest<'_>) -> Arc<dyn RequestSpan>;
}

/// The span of a request, open until [`RequestSpan::ended`].
pub trait RequestSpan: Send + Sync {
    /// The `traceparent` of what is done for this request, as W3C Trace Context says it; with this span as the parent.
    fn traceparent(&self) -> String;
    /// A call to an upstream begins. It may begin, or end, after the request has ended.
    fn call(&self, call: &TracedCall<'_>) -> Box<dyn CallSpan>;
    /// The request has its answer, or its client went away before (`None`). Called once.
    fn ended(&self, status: Option<StatusCode>);
}

/// The span of a call to an upstream. Dropped without [`CallSpan::ended`], the call was given up.
pub trait CallSpan: Send {
    /// The `traceparent` that the upstream gets where the component sends one.
    fn traceparent(&self) -> String;
    /// The call has ended, with a status or with the name of an error.
    fn ended(self: Box<Self>, outcome: Result<u16, &'static str>);
}

/// What is told of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TracedRequest<'a> {
    /// The method, if it is a common one.
    pub method: Option<&'static str>,
    /// The route, if the component serves it.
    pub route: Option<&'static str>,
    /// The caller's `traceparent`, as it was sent, if there was exactly one.
    pub traceparent: Option<&'a str>,
}

/// What is told of a call to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TracedCall<'a> {
    /// The method.
    pub method: &'static str,
    /// Host name and port, if the operator's settings name them.
    pub server: Option<(&'a str, u16)>,
}
