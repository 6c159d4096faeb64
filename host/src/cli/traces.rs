//! Traces of `serve`, where the environment asks for them.

use super::{CliError, failed};
#[cfg(not(feature = "otlp"))]
use crate::component::BUILD_WITH_ALL;
use crate::host::HostBuilder;
#[cfg(feature = "otlp")]
use crate::traces::OtlpTraces;

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

/// Nothing sends traces in this build.
#[cfg(not(feature = "otlp"))]
pub(super) struct Exporter;

#[cfg(not(feature = "otlp"))]
impl Exporter {
    pub(super) fn from_environment(_: Option<&str>) -> Result<Self, CliError> {
        for name in ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] {
            if std::env::var_os(name).is_some_and(|value| !value.is_empty()) {
                return Err(failed(format!(
                    "{name} is set and this build sends no traces; {BUILD_WITH_ALL}, or unset it"
                )));
            }
        }
        Ok(Self)
    }

    pub(super) fn attach(&self, host: HostBuilder) -> HostBuilder {
        host
    }

    pub(super) async fn finish(self) {}
}
