//! A host with the embedded component on a free port, and an upstream for it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use plausible_mcp_host::demo::plausible::SimulatedPlausible;
use plausible_mcp_host::oauth_store::{MemoryStore, OauthStore};
use plausible_mcp_host::{Host, HostBuilder, Server, Settings, code_cache_of_tests};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::http_client::{self, Answer, Request};
use crate::mcp_request::DEMO_SITE;
use crate::upstream::{Received, Reply, Upstream};

/// A running host. It stops when it is dropped.
pub struct Harness {
    /// What stands in Plausible's place.
    pub upstream: Upstream,
    host: Host,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<bool>,
}

impl Harness {
    /// A host over the simulated Plausible, with its site as the default.
    pub async fn demo() -> Self {
        Harness::demo_with(&[]).await
    }

    /// The same with further settings; an empty value takes a setting away.
    pub async fn demo_with(settings: &[(&str, &str)]) -> Self {
        let upstream = Upstream::answering(simulated()).await;
        let named = settings.iter().any(|(name, _)| *name == "PLAUSIBLE_DEFAULT_SITE_ID");
        let site = [("PLAUSIBLE_DEFAULT_SITE_ID", DEMO_SITE)];
        let settings: Vec<_> = site.iter().filter(|_| !named).chain(settings).copied().collect();
        Harness::start(upstream, &settings).await
    }

    /// A host over `upstream`; rate limits are off unless `settings` say otherwise.
    pub async fn start(upstream: Upstream, settings: &[(&str, &str)]) -> Self {
        Harness::try_start(upstream, settings).await.expect("the host starts")
    }

    /// The same for settings with which the host may refuse to start; the error is its text.
    pub async fn try_start(upstream: Upstream, settings: &[(&str, &str)]) -> Result<Self, String> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Harness::try_start_at(listening(any).await, Arc::new(MemoryStore::default()), upstream, settings).await
    }

    /// The same over a listener of one's own and with one's own store of sign-in records.
    pub async fn try_start_at(
        listener: (TcpListener, SocketAddr),
        store: Arc<dyn OauthStore>,
        upstream: Upstream,
        settings: &[(&str, &str)],
    ) -> Result<Self, String> {
        let settings =
            Settings::from_pairs(pairs(&upstream.base_url(), settings)).map_err(|error| error.to_string())?;
        Harness::serve(
            listener,
            Host::builder().code_cache(code_cache_of_tests()).settings(settings).oauth_store(store),
            upstream,
        )
        .await
    }

    /// The same on a free port with options of one's own.
    pub async fn try_start_as(
        choose: impl FnOnce(HostBuilder) -> HostBuilder,
        upstream: Upstream,
        settings: &[(&str, &str)],
    ) -> Result<Self, String> {
        let settings =
            Settings::from_pairs(pairs(&upstream.base_url(), settings)).map_err(|error| error.to_string())?;
        let listener = listening(SocketAddr::from(([127, 0, 0, 1], 0))).await;
        Harness::serve(listener, choose(Host::builder().code_cache(code_cache_of_tests()).settings(settings)), upstream)
            .await
    }

    /// The same with all options of one's own, the log excepted, which the harness keeps.
    pub async fn serve(
        listener: (TcpListener, SocketAddr),
        host: HostBuilder,
        upstream: Upstream,
    ) -> Result<Self, String> {
        let log = Arc::new(Mutex::new(String::new()));
        let lines = Arc::clone(&log);
        let host = host.log(Arc::new(move |line: &[u8]| {
            let mut log = lines.lock().expect("no holder of this lock panics");
            log.push_str(&String::from_utf8_lossy(line));
            log.push('\n');
        }));
        let host = host.build().await.map_err(|error| error.to_string())?;
        let server = Server::over(listener, host.clone());
        let address = server.address();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Ok(Harness { upstream, host, address, log, stop: Some(stop), serving })
    }

    /// Where the host listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The host, for what an operator asks it.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Sends a request and returns the answer.
    pub async fn send(&self, request: &Request) -> Answer {
        let answer = http_client::send(self.address, request).await.expect("the host is reached");
        answer.expect("the host answers")
    }

    /// What the component has logged, once it has done with the requests that it was sent: a line may come after its
    /// answer.
    pub async fn log(&self) -> String {
        assert!(self.host.drained(PATIENCE).await, "the component is still at work");
        self.log.lock().expect("no holder of this lock panics").clone()
    }

    /// Tells the host to stop; it finishes what is in flight.
    pub fn begin_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Tells the host to stop, if nobody has, and waits for it; whether everything in flight was finished.
    pub async fn stopped(mut self) -> bool {
        self.begin_stop();
        (&mut self.serving).await.expect("the server does not panic")
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A listener on `address`, port 0 for any free one.
pub async fn listening(address: SocketAddr) -> (TcpListener, SocketAddr) {
    plausible_mcp_host::listen(address).await.expect("the address is free")
}

/// The simulated Plausible as a behaviour of an upstream.
pub fn simulated() -> impl Fn(&Received) -> Reply + Send + Sync + 'static {
    let plausible = SimulatedPlausible::new();
    move |received| {
        let authorization = received.header("authorization");
        let now = jiff::Timestamp::now();
        let (status, body) = plausible.answer(&received.method, &received.path, authorization, &received.body, now);
        Reply::json(status, body)
    }
}

/// The settings of every host here, those of `own` in their place.
fn pairs(base_url: &str, own: &[(&str, &str)]) -> Vec<(String, String)> {
    let general = [
        ("PLAUSIBLE_BASE_URL", base_url),
        ("MCP_ALLOWED_HOSTNAMES", "localhost,127.0.0.1"),
        ("RATE_LIMIT_PER_MINUTE", "0"),
        ("PLAUSIBLE_HOURLY_BUDGET", "0"),
    ];
    let replaced = |name: &str| own.iter().any(|(known, _)| *known == name);
    let general = general.iter().filter(|(name, _)| !replaced(name));
    general
        .chain(own)
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Longer than the host lets a request take.
const PATIENCE: Duration = Duration::from_secs(60);
