//! The HTTP trigger: a socket, and a fresh instance for each request (crates/trigger-http of Spin).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use plausible_mcp_host::compiled_for_tests;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use wasmtime::{Result, format_err};
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use super::artefacts;
use super::instance::{Instance, Shared, engine, linker};
use super::manifest::Manifest;
use super::network::BlockedNetworks;

/// How to start an application.
#[derive(Debug, Clone)]
pub struct SpinOptions {
    /// Where to listen; port 0 is any free one.
    pub listen: SocketAddr,
    /// The settings by their names in the settings table, as `PUBLIC_URL`; each is the variable of that name in lower
    /// case.
    pub settings: Vec<(String, String)>,
    /// The state folder. A start on the same one finds what was there.
    pub state: PathBuf,
    /// `block_networks` of the runtime configuration.
    pub block_networks: Vec<String>,
    /// The variables whose provider does not answer, in lower case; `*` stands for all.
    pub unreadable: Vec<String>,
}

/// A running application. It stops when it is dropped.
pub struct Spin {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

impl SpinOptions {
    /// On a free port, without settings.
    pub fn new(state: &Path) -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let (settings, block_networks, unreadable) = (Vec::new(), Vec::new(), Vec::new());
        SpinOptions { listen, settings, state: state.to_owned(), block_networks, unreadable }
    }

    /// With variables whose provider does not answer.
    pub fn unreadable(mut self, variables: &[&str]) -> Self {
        self.unreadable = variables.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// With further settings.
    pub fn with(mut self, settings: &[(&str, &str)]) -> Self {
        self.settings.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self
    }
}

impl Spin {
    /// Starts what `spin.toml` of this repository describes. The error is a text like Spin's own.
    pub async fn start(options: &SpinOptions) -> Result<Self, String> {
        let shared = Arc::new(Shared::of(options)?);
        let trigger = Arc::new(Trigger { shared: Arc::clone(&shared), component: component()? });
        let listener = bind(options.listen).await.map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        Ok(Spin { address, shared, serving: tokio::spawn(serve(listener, trigger)) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets time go by for the component.
    pub fn pass_time(&self, time: Duration) {
        self.shared.clock.advance(time);
    }

    /// What the component has written to standard output and error.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&self.shared.output.contents()).into_owned()
    }

    /// Stops; what is in flight is cut off.
    pub async fn stop(self) {
        self.serving.abort();
        while !self.serving.is_finished() {
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Spin {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    /// What the file, the settings and the runtime configuration come to.
    pub(super) fn of(options: &SpinOptions) -> Result<Self, String> {
        let manifest = Manifest::read(Path::new(MANIFEST))?;
        let given = options.settings.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        let application = manifest.application(&given.collect())?;
        let networks: Vec<&str> = options.block_networks.iter().map(String::as_str).collect();
        let shared = Shared::new(application, BlockedNetworks::parse(&networks)?, options.state.clone());
        Ok(Shared { unreadable: options.unreadable.clone(), ..shared })
    }
}

/// Listens. The predecessor at the same address may have been dropped a moment ago and not be gone yet.
pub(super) async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    for _ in 0..BIND_ATTEMPTS {
        match TcpListener::bind(address).await {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => tokio::time::sleep(BIND_PAUSE).await,
            bound => return bound,
        }
    }
    TcpListener::bind(address).await
}

/// Compiled once in a process. What Spin does not link makes this fail.
fn component() -> Result<ProxyPre<Instance>, String> {
    static COMPONENT: OnceLock<Result<ProxyPre<Instance>, String>> = OnceLock::new();
    let compile = || {
        let engine = engine();
        let component = compiled_for_tests(&engine, artefacts::composed())?;
        ProxyPre::new(linker(&engine)?.instantiate_pre(&component)?)
    };
    COMPONENT.get_or_init(|| compile().map_err(|error| format!("{error:#}"))).clone()
}

async fn serve(listener: TcpListener, trigger: Arc<Trigger>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, peer)) = listener.accept().await {
        let trigger = Arc::clone(&trigger);
        connections.spawn(async move {
            let service = service_fn(move |request| Arc::clone(&trigger).handle(request, peer));
            let builder = auto::Builder::new(TokioExecutor::new());
            // A broken connection is the client's affair.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

struct Trigger {
    shared: Arc<Shared>,
    component: ProxyPre<Instance>,
}

impl Trigger {
    /// An error closes the connection without an answer.
    async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Result<Response<HyperOutgoingBody>> {
        let request = prepared(request, peer)?;
        match self.respond(request).await {
            Ok(response) => Ok(response),
            Err(_) => {
                let mut failed = Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
                *failed.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                Ok(failed)
            }
        }
    }

    async fn respond(&self, request: Request<Incoming>) -> Result<Response<HyperOutgoingBody>> {
        let mut store = self.shared.store(self.component.engine());
        let (answer, answered) = oneshot::channel();
        let request = store.data_mut().http().new_incoming_request(Scheme::Http, request)?;
        let out = store.data_mut().http().new_response_outparam(answer)?;
        let component = self.component.clone();
        let running = tokio::spawn(async move {
            let proxy = component.instantiate_async(&mut store).await?;
            proxy.wasi_http_incoming_handler().call_handle(&mut store, request, out).await
        });
        match answered.await {
            Ok(answer) => answer.map_err(|code| format_err!("{code:?}")),
            Err(_) => Err(running.await?.err().unwrap_or_else(|| format_err!("the component gave no answer"))),
        }
    }
}

/// The caller's headers and then Spin's own: where both have one of a name, Spin's is the last.
fn prepared(mut request: Request<Incoming>, peer: SocketAddr) -> Result<Request<Incoming>> {
    let host = request.headers().get(::http::header::HOST);
    let authority = request.uri().authority().map(|authority| authority.as_str().to_owned());
    let authority = match (authority, host) {
        (Some(authority), _) => authority,
        (None, Some(host)) => host.to_str()?.to_owned(),
        (None, None) => return Err(format_err!("a request without a host")),
    };
    let full_url = format!("http://{authority}{}", request.uri().path_and_query().map_or("/", |path| path.as_str()));
    let own = [
        ("spin-path-info", request.uri().path().to_owned()),
        ("spin-full-url", full_url),
        ("spin-matched-route", "/...".to_owned()),
        ("spin-base-path", "/".to_owned()),
        ("spin-raw-component-route", "/...".to_owned()),
        ("spin-component-route", String::new()),
        ("spin-client-addr", peer.to_string()),
    ];
    for (name, value) in own {
        request.headers_mut().append(HeaderName::from_static(name), HeaderValue::try_from(value)?);
    }
    Ok(request)
}

const BIND_ATTEMPTS: u32 = 200;
const BIND_PAUSE: Duration = Duration::from_millis(10);
/// The repository's own.
pub(super) const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../spin.toml");
