//! Traces over OTLP, as protobuf in HTTP requests. The environment variables that OpenTelemetry defines say where and
//! how: endpoint, headers, timeout, service name, resource attributes, sampler, sizes of batches and queue.
//!
//! ```text
//! request ─> span ─> queue of bounded size ─> a thread that sends batches ─> collector
//! ```
//! When the queue is full, spans are lost: a collector that is down or slow costs no request anything.

mod client;
mod configuration;
mod span;
mod trace_parent;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::task::spawn_blocking;

use super::{RequestSpan, TracedRequest, Traces};
use crate::outbound_http::OutboundError;
use client::CollectorClient;
use configuration::Configuration;

/// Sends spans to an OpenTelemetry collector.
pub struct OtlpTraces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// Why traces cannot be sent. No variant carries a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OtlpError {
    /// The endpoint is not an http or https URL; where it was read.
    Endpoint(&'static str),
    /// The protocol is not `http/protobuf`; the variable.
    Protocol(&'static str),
    /// The time is no number of milliseconds; the variable.
    Timeout(&'static str),
    /// TLS cannot be set up.
    Tls(OutboundError),
    /// The exporter refuses its configuration; the cause.
    Exporter(String),
}

impl std::fmt::Display for OtlpError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Endpoint(name) => write!(out, "{name} is not an http or https URL, as http://127.0.0.1:4318"),
            Self::Protocol(name) => write!(
                out,
                "{name}: traces are sent as http/protobuf only; take the variable away, and name the collector's port \
                 for HTTP (4318) in the endpoint"
            ),
            Self::Timeout(name) => write!(out, "{name} is not a number of milliseconds"),
            Self::Tls(error) => write!(out, "traces cannot be sent: {error}"),
            Self::Exporter(cause) => write!(out, "traces cannot be sent: {cause}"),
        }
    }
}

impl std::error::Error for OtlpError {}

impl OtlpError {
    /// The variable that it is about.
    pub(crate) fn variable(&self) -> &'static str {
        match self {
            Self::Endpoint(name) | Self::Protocol(name) | Self::Timeout(name) => name,
            Self::Tls(error) => error.setting(),
            Self::Exporter(_) => "OTEL_EXPORTER_OTLP_ENDPOINT",
        }
    }
}

impl OtlpTraces {
    /// What the environment asks for; `None` where it names no endpoint. TLS trusts the certificates in the PEM file
    /// `extra_ca_file` besides the public ones.
    ///
    /// # Errors
    /// When a variable cannot be understood.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn from_environment(extra_ca_file: Option<&str>) -> Result<Option<Self>, OtlpError> {
        let variable = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        match Configuration::read(variable)? {
            Some(configuration) => Self::start(&configuration, extra_ca_file).map(Some),
            None => Ok(None),
        }
    }

    /// Sends to `endpoint`, whose path is part of it, as `http://127.0.0.1:4318/v1/traces`. For the rest the
    /// environment counts.
    ///
    /// # Errors
    /// When `endpoint` or a variable cannot be understood.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn to(endpoint: &str, extra_ca_file: Option<&str>) -> Result<Self, OtlpError> {
        Self::start(&Configuration::to(endpoint)?, extra_ca_file)
    }

    /// Sends what has ended so far; whether the collector took it within two seconds.
    pub async fn flush(&self) -> bool {
        let provider = self.provider.clone();
        let flushed = spawn_blocking(move || provider.force_flush().is_ok());
        matches!(tokio::time::timeout(FLUSH_TIME, flushed).await, Ok(Ok(true)))
    }

    /// Sends what has ended, for at most two seconds, and nothing after that.
    pub async fn shut_down(&self) -> bool {
        let provider = self.provider.clone();
        let ended = spawn_blocking(move || provider.shutdown_with_timeout(FLUSH_TIME).is_ok());
        matches!(ended.await, Ok(true))
    }

    fn start(configuration: &Configuration, extra_ca_file: Option<&str>) -> Result<Self, OtlpError> {
        let client = CollectorClient::new(configuration.timeout, extra_ca_file).map_err(OtlpError::Tls)?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(configuration.endpoint.to_string())
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(configuration.timeout)
            .build()
            .map_err(|error| OtlpError::Exporter(error.to_string()))?;
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource()).build();
        let tracer = provider.tracer("plausible-mcp");
        Ok(Self { provider, tracer })
    }
}

impl Drop for OtlpTraces {
    fn drop(&mut self) {
        let provider = self.provider.clone();
        // The provider shuts down with its last clone and waits for that, which must not be on a thread that the
        // sending needs. Where it was shut down already, this does nothing.
        std::thread::spawn(move || provider.shutdown_with_timeout(FLUSH_TIME));
    }
}

impl Traces for OtlpTraces {
    fn request(&self, request: &TracedRequest<'_>) -> Arc<dyn RequestSpan> {
        span::of_request(&self.tracer, request)
    }
}

/// What the environment says, with our name where it says none.
fn resource() -> Resource {
    let read = Resource::builder().build();
    let name = read.get(&Key::new("service.name")).map(|name| name.to_string());
    let mut resource = Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if name.is_none_or(|name| name.starts_with("unknown_service")) {
        resource = resource.with_service_name("plausible-mcp");
    }
    resource.build()
}

/// Longer than a collector that is well takes, and short enough for whoever waits for the process to end.
const FLUSH_TIME: Duration = Duration::from_secs(2);
