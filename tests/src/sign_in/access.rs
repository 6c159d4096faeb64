//! The simulated Cloudflare Access behind a socket, and the settings with which a host signs in there.

use std::net::SocketAddr;
use std::sync::Arc;

use plausible_mcp_host::demo::access::{Application, SimulatedAccess};
use tokio::task::JoinHandle;

use crate::harness::listening;
use crate::mcp_request::{DEMO_KEY, DEMO_SITE};

/// The provider. It stops when it is dropped.
pub struct Access {
    /// What it is made of.
    pub provider: Arc<SimulatedAccess>,
    /// Where it listens.
    pub address: SocketAddr,
    host: SocketAddr,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Drop for Access {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Access {
    /// A provider for a host that listens at `host`.
    pub async fn start_for(host: SocketAddr) -> Self {
        let (listener, address) = listening(SocketAddr::from(([127, 0, 0, 1], 0))).await;
        let application = Application {
            client_id: APPLICATION.to_owned(),
            client_secret: ACCESS_SECRET.to_owned(),
            redirect_uri: format!("http://{host}/callback"),
        };
        // Drawing keys is computing: it must not hold up the other tasks of the test.
        let made = tokio::task::spawn_blocking(move || SimulatedAccess::new(format!("http://{address}"), application));
        let made = made.await.expect("drawing keys does not panic");
        let provider = Arc::new(made.unwrap_or_else(|error| panic!("keys can be drawn: {error}")));
        let serving = tokio::spawn(Arc::clone(&provider).serve(listener));
        Access { provider, address, host, serving }
    }

    /// What the host is set up with, secrets included: addresses at `example.com` are let in.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        settings_at(&self.provider, self.host)
    }
}

/// What a host that listens at `host` is set up with to sign in at `provider`.
pub(super) fn settings_at(provider: &SimulatedAccess, host: SocketAddr) -> Vec<(&'static str, String)> {
    vec![
        ("PUBLIC_URL", format!("http://{host}")),
        ("ACCESS_CLIENT_ID", APPLICATION.to_owned()),
        ("ACCESS_CLIENT_SECRET", ACCESS_SECRET.to_owned()),
        ("ACCESS_ISSUER", provider.issuer()),
        ("CF_ACCESS_TEAM_DOMAIN", provider.team_domain().to_owned()),
        ("COOKIE_ENCRYPTION_KEY", SERVER_KEY.to_owned()),
        ("ALLOWED_EMAIL_DOMAIN", "example.com".to_owned()),
        ("PLAUSIBLE_API_KEY", DEMO_KEY.to_owned()),
        ("PLAUSIBLE_DEFAULT_SITE_ID", DEMO_SITE.to_owned()),
        ("LOG_LEVEL", "debug".to_owned()),
    ]
}

/// The application at Access that stands for the host.
pub(super) const APPLICATION: &str = "plausible-mcp";
/// Its secret.
pub(super) const ACCESS_SECRET: &str = "marked-application-secret";
const SERVER_KEY: &str = "00112233445566778899aabbccddeeff0f1e2d3c4b5a69788796a5b4c3d2e1f0";
