//! The spans, with names and attributes of OpenTelemetry's conventions for HTTP:
//! <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>. Of the attributes that they ask for, those that say
//! what a caller wrote (`url.path`, `url.query`, addresses, the user agent) are left out.

use std::borrow::Cow;
use std::sync::Arc;

use http::StatusCode;
use opentelemetry::trace::{SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;

use super::trace_parent;
use crate::traces::{CallSpan, RequestSpan, TracedCall, TracedRequest};

struct Request {
    tracer: SdkTracer,
    context: Context,
}

struct Call {
    context: Context,
    outcome: Result<u16, &'static str>,
}

/// A server span, in the caller's trace or in a new one.
pub(super) fn of_request(tracer: &SdkTracer, request: &TracedRequest<'_>) -> Arc<dyn RequestSpan> {
    let parent = match request.traceparent.and_then(trace_parent::parse) {
        Some(caller) => Context::new().with_remote_span_context(caller),
        None => Context::new(),
    };
    let mut attributes = vec![KeyValue::new(METHOD, request.method.unwrap_or("_OTHER"))];
    attributes.extend(request.route.map(|route| KeyValue::new("http.route", route)));
    let builder = SpanBuilder::from_name(name(request)).with_kind(SpanKind::Server).with_attributes(attributes);
    let span = tracer.build_with_context(builder, &parent);
    Arc::new(Request { tracer: tracer.clone(), context: parent.with_span(span) })
}

fn name(request: &TracedRequest<'_>) -> Cow<'static, str> {
    let method = request.method.unwrap_or("HTTP");
    match request.route {
        Some(route) => format!("{method} {route}").into(),
        None => method.into(),
    }
}

impl RequestSpan for Request {
    fn traceparent(&self) -> String {
        trace_parent::line(self.context.span().span_context())
    }

    fn call(&self, call: &TracedCall<'_>) -> Box<dyn CallSpan> {
        let mut attributes = vec![KeyValue::new(METHOD, call.method)];
        if let Some((address, port)) = call.server {
            attributes.push(KeyValue::new("server.address", address.to_owned()));
            attributes.push(KeyValue::new("server.port", i64::from(port)));
        }
        let builder = SpanBuilder::from_name(call.method).with_kind(SpanKind::Client).with_attributes(attributes);
        let span = self.tracer.build_with_context(builder, &self.context);
        Box::new(Call { context: self.context.with_span(span), outcome: Err(ABANDONED) })
    }

    fn ended(&self, status: Option<StatusCode>) {
        let outcome = status.map(|status| status.as_u16()).ok_or(ABANDONED);
        // What a caller did wrong is no error of the server's.
        end(&self.context, outcome, matches!(outcome, Ok(500..) | Err(_)));
    }
}

impl CallSpan for Call {
    fn traceparent(&self) -> String {
        trace_parent::line(self.context.span().span_context())
    }

    fn ended(mut self: Box<Self>, outcome: Result<u16, &'static str>) {
        self.outcome = outcome;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        end(&self.context, self.outcome, matches!(self.outcome, Ok(400..) | Err(_)));
    }
}

fn end(context: &Context, outcome: Result<u16, &'static str>, is_error: bool) {
    let span = context.span();
    match outcome {
        Ok(status) => span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status))),
        Err(name) => span.set_attribute(KeyValue::new(ERROR, name)),
    }
    if is_error {
        if let Ok(status) = outcome {
            span.set_attribute(KeyValue::new(ERROR, status.to_string()));
        }
        span.set_status(Status::error(""));
    }
    span.end();
}

const METHOD: &str = "http.request.method";
const ERROR: &str = "error.type";
const ABANDONED: &str = "abandoned";
