//! What the environment says about sending traces, as the OpenTelemetry specification of exporters defines it. The rest
//! of its variables is read by the SDK.

use std::time::Duration;

use http::Uri;

use super::OtlpError;

/// Where traces go.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Configuration {
    pub(super) endpoint: Uri,
    /// For one try to send a batch, and for all of them together.
    pub(super) timeout: Duration,
}

impl Configuration {
    /// What `environment` asks for; `None` where it asks for nothing. An empty variable counts as absent.
    pub(super) fn read(environment: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, OtlpError> {
        let variable = |name: &'static str| {
            let value = environment(name).map(|value| value.trim().to_owned());
            value.filter(|value| !value.is_empty()).map(|value| (name, value))
        };
        let off = variable("OTEL_SDK_DISABLED").is_some_and(|(_, value)| value.eq_ignore_ascii_case("true"))
            || variable("OTEL_TRACES_EXPORTER").is_some_and(|(_, value)| value == "none");
        let endpoint = match (variable(TRACES_ENDPOINT), variable(ENDPOINT)) {
            _ if off => return Ok(None),
            (Some((name, url)), _) => parse(&url, name)?,
            (None, Some((name, base))) => parse(&format!("{}/v1/traces", base.trim_end_matches('/')), name)?,
            (None, None) => return Ok(None),
        };
        let protocol = variable("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL").or(variable("OTEL_EXPORTER_OTLP_PROTOCOL"));
        if let Some((name, _)) = protocol.filter(|(_, value)| value != "http/protobuf") {
            return Err(OtlpError::Protocol(name));
        }
        let timeout = match variable("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT").or(variable("OTEL_EXPORTER_OTLP_TIMEOUT")) {
            Some((name, value)) => Duration::from_millis(value.parse().map_err(|_| OtlpError::Timeout(name))?),
            None => TIMEOUT,
        };
        Ok(Some(Self { endpoint, timeout }))
    }

    /// The endpoint that is given, and defaults.
    pub(super) fn to(endpoint: &str) -> Result<Self, OtlpError> {
        Ok(Self { endpoint: parse(endpoint, "the endpoint")?, timeout: TIMEOUT })
    }
}

fn parse(url: &str, name: &'static str) -> Result<Uri, OtlpError> {
    let uri: Uri = url.parse().map_err(|_| OtlpError::Endpoint(name))?;
    let is_web = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty());
    if is_web { Ok(uri) } else { Err(OtlpError::Endpoint(name)) }
}

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
/// The specification's default.
const TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<(String, Duration)>, OtlpError> {
        let value =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let read = Configuration::read(value)?;
        Ok(read.map(|configuration| (configuration.endpoint.to_string(), configuration.timeout)))
    }

    #[test]
    fn nothing_is_sent_unless_an_endpoint_is_named() {
        let named = (ENDPOINT, "http://collector:4318");
        for variables in [
            &[][..],
            &[(ENDPOINT, "")],
            &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
            &[named, ("OTEL_SDK_DISABLED", "true")],
            &[named, ("OTEL_TRACES_EXPORTER", "none")],
        ] {
            assert_eq!(read(variables), Ok(None), "{variables:?}");
        }
    }

    #[test]
    fn the_path_is_added_to_the_general_endpoint_only() {
        for (variables, endpoint) in [
            (&[(ENDPOINT, "http://collector:4318")][..], "http://collector:4318/v1/traces"),
            (&[(ENDPOINT, "https://collector/otlp/")], "https://collector/otlp/v1/traces"),
            (&[(ENDPOINT, "http://other"), (TRACES_ENDPOINT, "http://collector/in")], "http://collector/in"),
        ] {
            assert_eq!(read(variables), Ok(Some((endpoint.to_owned(), TIMEOUT))), "{variables:?}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_named_without_its_value() {
        let named = (ENDPOINT, "http://collector:4318");
        for (variables, error) in [
            (&[(ENDPOINT, "collector:4318")][..], OtlpError::Endpoint(ENDPOINT)),
            (&[(TRACES_ENDPOINT, "ftp://secret")], OtlpError::Endpoint(TRACES_ENDPOINT)),
            (&[named, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], OtlpError::Protocol("OTEL_EXPORTER_OTLP_PROTOCOL")),
            (
                &[
                    named,
                    ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
                    ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
                ],
                OtlpError::Protocol("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"),
            ),
            (&[named, ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s")], OtlpError::Timeout("OTEL_EXPORTER_OTLP_TIMEOUT")),
        ] {
            assert!(!error.to_string().contains("secret"));
            assert_eq!(read(variables), Err(error), "{variables:?}");
        }
    }

    #[test]
    fn the_time_for_traces_goes_before_the_general_one() {
        let variables = [
            (ENDPOINT, "http://collector"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "250"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ];
        let timeout = read(&variables).unwrap().map(|(_, timeout)| timeout);
        assert_eq!(timeout, Some(Duration::from_millis(250)));
    }
}
