//! What surrounds a deployment: a simulated Access, a simulated Plausible, a free address, and a folder.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use plausible_mcp_host::demo::access::{Application, SimulatedAccess};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::Launch;
use crate::harness::simulated;
use crate::mcp_request::{DEMO_KEY, DEMO_SITE};
use crate::site::Site;
use crate::upstream::Upstream;

/// The surroundings. They end, and the folder goes, when this is dropped.
pub struct Stage {
    address: SocketAddr,
    access: Arc<SimulatedAccess>,
    upstream: Upstream,
    folder: PathBuf,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.serving.abort();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Stage {
    /// New surroundings.
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let access_address = listener.local_addr().expect("a bound listener has an address");
        let address = free_address().await;
        let application = Application {
            client_id: APPLICATION.to_owned(),
            client_secret: SECRET.to_owned(),
            redirect_uri: format!("http://{address}/callback"),
        };
        let made =
            tokio::task::spawn_blocking(move || SimulatedAccess::new(format!("http://{access_address}"), application));
        let access = Arc::new(made.await.expect("no panic").unwrap_or_else(|_| panic!("keys can be drawn")));
        let serving = tokio::spawn(Arc::clone(&access).serve(listener));
        Stage { address, access, upstream: Upstream::answering(simulated()).await, folder: new_folder(), serving }
    }

    /// What a host is told, with further settings in place of these or beside them.
    pub fn launch(&self, own: &[(&str, &str)]) -> Launch {
        let (public_url, issuer, plausible) =
            (format!("http://{}", self.address), self.access.issuer(), self.upstream.base_url());
        let general = [
            ("PUBLIC_URL", &*public_url),
            ("PLAUSIBLE_BASE_URL", &plausible),
            ("PLAUSIBLE_DEFAULT_SITE_ID", DEMO_SITE),
            ("PLAUSIBLE_API_KEY", DEMO_KEY),
            ("ALLOWED_EMAIL_DOMAIN", "example.com"),
            ("ACCESS_CLIENT_ID", APPLICATION),
            ("ACCESS_CLIENT_SECRET", SECRET),
            ("ACCESS_ISSUER", &issuer),
            ("COOKIE_ENCRYPTION_KEY", SERVER_KEY),
            ("ADMIN_TOKEN", ADMIN_TOKEN),
            ("RATE_LIMIT_PER_MINUTE", "6000"),
        ];
        let replaced = |name: &str| own.iter().any(|(known, _)| *known == name);
        let settings = general.iter().filter(|(name, _)| !replaced(name)).chain(own);
        let settings = settings.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Launch { listen: self.address, settings, state: self.folder.clone() }
    }

    /// The deployment as its clients see it.
    pub fn site(&self) -> Site {
        Site {
            plausible_key: Some(DEMO_KEY.to_owned()),
            email: Some("ada@example.com".to_owned()),
            admin_token: Some(ADMIN_TOKEN.to_owned()),
            ..Site::at(self.address)
        }
    }

    /// The folder that outlives the deployment.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// An address with a port that was free a moment ago. `PUBLIC_URL` has to name the port before the host takes it.
async fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    listener.local_addr().expect("a bound listener has an address")
}

fn new_folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("plausible-mcp-stage-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).expect("a folder for what outlives a host");
    folder
}

const APPLICATION: &str = "plausible-mcp";
const SECRET: &str = "secret-of-the-application";
const SERVER_KEY: &str = "00112233445566778899aabbccddeeff0f1e2d3c4b5a69788796a5b4c3d2e1f0";
const ADMIN_TOKEN: &str = "an-admin-token-of-at-least-thirty-two-bytes";
