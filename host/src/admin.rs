//! The operator's listener: `GET /metrics` and `GET /readyz`, and nothing else. It is apart from the one for clients, so
//! that what it says stays inside.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::host::Host;
use crate::metrics::Metrics;
use crate::refusal::ResponseBody;
use crate::server::{ServerError, accept, listen};

/// Metrics and readiness of a host behind a listening socket. HTTP/1.1.
pub struct AdminServer {
    listener: TcpListener,
    address: SocketAddr,
    host: Host,
}

/// Why the operator's listener cannot listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminError(pub ServerError);

impl std::fmt::Display for AdminError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            ServerError::AddressTaken(address) => {
                write!(out, "{address} is in use by another process; choose another address with --admin")
            }
            ServerError::Listen(address, cause) => write!(out, "--admin: cannot listen on {address}: {cause}"),
        }
    }
}

impl std::error::Error for AdminError {}

impl AdminServer {
    /// Listens on `address` (port 0: any free one). Connections are answered once `run` is called.
    ///
    /// # Errors
    /// When the address is taken or not this machine's.
    pub async fn bind(address: SocketAddr, host: Host) -> Result<Self, AdminError> {
        let (listener, address) = listen(address).await.map_err(AdminError)?;
        Ok(Self { listener, address, host })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until the future is dropped, and all its connections with it. It should outlast the server for clients,
    /// so that it can tell that the host drains.
    pub async fn run(self) -> Infallible {
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            // The semaphore is never closed.
            let slot = slots.clone().acquire_owned().await.ok();
            let Some((stream, _)) = accept(&self.listener).await else { continue };
            let host = self.host.clone();
            connections.spawn(async move {
                serve(stream, host).await;
                drop(slot);
            });
        }
    }
}

async fn serve(stream: TcpStream, host: Host) {
    let service = service_fn(move |request| {
        let host = host.clone();
        async move { Ok::<_, Infallible>(answer(&host, &request).await) }
    });
    // What a client does wrong on its own connection is no event of ours.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer<B>(host: &Host, request: &Request<B>) -> Response<ResponseBody> {
    let path = request.uri().path();
    if !matches!(path, METRICS | READINESS) {
        return response(StatusCode::NOT_FOUND, TEXT, "not found\n");
    }
    if request.method() != Method::GET {
        let mut refusal = response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET\n");
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return refusal;
    }
    if path == METRICS {
        return response(StatusCode::OK, Metrics::CONTENT_TYPE, host.metrics().encode());
    }
    match host.ready().await {
        Ok(()) => response(StatusCode::OK, TEXT, "ready\n"),
        Err(reason) => response(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{reason}\n")),
    }
}

fn response(status: StatusCode, content_type: &'static str, text: impl Into<String>) -> Response<ResponseBody> {
    let mut response = Response::new(Full::from(text.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

const METRICS: &str = "/metrics";
const READINESS: &str = "/readyz";
const TEXT: &str = "text/plain; charset=utf-8";
/// A few scrapers and probes; others wait.
const CONNECTIONS: usize = 16;
/// Time for the head of a request, and to stay idle: scrapers come every 15 s to 60 s and keep their connection.
const HEAD_TIME: Duration = Duration::from_secs(90);
/// Scrapers send a few hundred bytes.
const HEAD_BYTES: usize = 16 << 10;
