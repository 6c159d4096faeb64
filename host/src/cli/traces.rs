//! Traces of `serve`, where the environment asks for them.

use super::{CliError, failed};
#[cfg(not(feature = "otlp"))]
use crate::component::BUILD_WITH_ALL;
use crate::host::HostBuilder;
#[cfg(feature = "otlp")]
use crate::traces::OtlpTraces;

/// What is wrong with the variables about traces, and the one that is; `serve` ends with it.
#[cfg(feature = "otlp")]
pub(super) async fn fault(extra_ca_file: Option<&str>) -> Option<(&'static str, String)> {
    match OtlpTraces::from_environment(extra_ca_file) {
        Ok(traces) => {
            if let Some(traces) = traces {
                traces.shut_down().await;
            }
            None
        }
        Err(error) => Some((error.variable(), error.to_string())),
    }
}

/// What is wrong with the variables about traces, and the one that is; `serve` ends with it.
#[cfg(not(feature = "otlp"))]
pub(super) async fn fault(_: Option<&str>) -> Option<(&'static str, String)> {
    unserved()
}

/// What sends traces, if anything does.
#[cfg(feature = "otlp")]
pub(super) struct Exporter(Option<std::sync::Arc<OtlpTraces>>);

#[cfg(feature = "otlp")]
impl Exporter {
    pub(super) fn from_environment(extra_ca_file: Option<&str>) -> Result<Self, CliError> {
        let traces = OtlpTraces::from_environment(extra_ca_file).map_err(failed)?;
        if traces.is_some() {
            tracing::info!(event = "traces", "traces are sent over OTLP");
        }
        Ok(Self(traces.map(std::sync::Arc::new)))
    }

    pub(super) fn attach(&self, host: HostBuilder) -> HostBuilder {
        match &self.0 {
            Some(traces) => host.traces(traces.clone()),
            None => host,
        }
    }

    /// Sends what is left.
    pub(super) async fn finish(self) {
        if let Some(traces) = self.0 {
            traces.shut_down().await;
        }
    }
}

/// The variable that asks for traces, which this build does not send.
#[cfg(not(feature = "otlp"))]
fn unserved() -> Option<(&'static str, String)> {
    let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let name = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"].into_iter().find(is_set)?;
    Some((name, format!("{name} is set and this build sends no traces; {BUILD_WITH_ALL}, or unset it")))
}

/// Nothing sends traces in this build.
#[cfg(not(feature = "otlp"))]
pub(super) struct Exporter;

#[cfg(not(feature = "otlp"))]
impl Exporter {
    pub(super) fn from_environment(_: Option<&str>) -> Result<Self, CliError> {
        unserved().map_or(Ok(Self), |(_, text)| Err(failed(text)))
    }

    pub(super) fn attach(&self, host: HostBuilder) -> HostBuilder {
        host
    }

    pub(super) async fn finish(self) {}
}
