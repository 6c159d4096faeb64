//! A secret that cannot be read is 503 wherever it is needed, in a running host too, and nothing else suffers.

use std::sync::Arc;
use std::sync::Mutex;

use plausible_mcp_host::HostBuilder;
use plausible_mcp_host::secrets::{SecretUnavailable, Secrets};
use plausible_mcp_tests::harness::{Harness, simulated};
use plausible_mcp_tests::http_client::Request;
use plausible_mcp_tests::mcp_request::{DEMO_SITE, call};
use plausible_mcp_tests::upstream::Upstream;
use serde_json::json;

/// A vault from which one secret cannot be had, if any.
#[derive(Clone, Default)]
struct Vault(Arc<Mutex<Option<&'static str>>>);

impl Vault {
    fn hides(&self, name: Option<&'static str>) {
        *self.0.lock().expect("nobody panics") = name;
    }
}

impl Secrets for Vault {
    fn secret(&self, name: &str) -> Result<Option<String>, SecretUnavailable> {
        if *self.0.lock().expect("nobody panics") == Some(name) {
            return Err(SecretUnavailable("the vault is sealed".to_owned()));
        }
        let values = [
            ("PLAUSIBLE_API_KEY", "shared-key"),
            ("COOKIE_ENCRYPTION_KEY", "00112233445566778899aabbccddeeff0f1e2d3c4b5a69788796a5b4c3d2e1f0"),
            ("ADMIN_TOKEN", TOKEN),
            ("SENTRY_DSN", "http://abc@127.0.0.1:1/7"),
        ];
        Ok(values.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }
}

const TOKEN: &str = "an-administrator-token-of-at-least-32-bytes";

#[tokio::test]
async fn what_needs_a_secret_that_cannot_be_read_is_503_until_it_can() {
    let vault = Vault::default();
    let settings = [
        ("CF_ACCESS_TEAM_DOMAIN", "https://team.example"),
        ("CF_ACCESS_AUD", "tag-1"),
        ("ALLOWED_EMAIL_DOMAIN", "example.com"),
    ];
    let secrets: Arc<dyn Secrets> = Arc::new(vault.clone());
    let upstream = Upstream::answering(simulated()).await;
    let host = Harness::try_start_as(|host: HostBuilder| host.secrets(secrets), upstream, &settings).await;
    let host = host.expect("the host starts");
    let tool = call("get_breakdown", json!({ "site_id": DEMO_SITE, "date_range": "7d", "dimension": "event:page" }));
    let internal = tool.clone().path("/internal");
    let operator = Request::new("POST", "/admin/operator").bearer("x").header("Content-Type", "application/json");
    for (hidden, of_mcp, of_internal, of_operator) in [
        (None, 200, 403, 401),
        (Some("COOKIE_ENCRYPTION_KEY"), 200, 503, 401),
        (Some("ADMIN_TOKEN"), 200, 403, 503),
        (Some("SENTRY_DSN"), 200, 403, 401),
        (None, 200, 403, 401),
    ] {
        vault.hides(hidden);
        for (request, status) in [(&tool, of_mcp), (&internal, of_internal), (&operator, of_operator)] {
            let answer = host.send(request).await;
            assert_eq!(answer.status, status, "{hidden:?}: {}", answer.text());
            assert_eq!(answer.header("retry-after").is_some(), status == 503, "{hidden:?}");
        }
    }
}
