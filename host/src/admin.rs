//! The operator's listener: `GET /metrics`, `GET /readyz` and `GET /readyz/internal`, and nothing else. It is apart from the one for clients, so
//! that what it says stays inside. A page in the operator's browser could reach it by a name of its own that it lets
//! point here (DNS rebinding), so names are answered only where they are this machine's or the operator lists them.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::host::Host;
use crate::metrics::Metrics;
use crate::refusal::ResponseBody;
use crate::request_id::RequestId;
use crate::server::places::{Activity, Places};
use crate::server::timed_stream::TimedStream;
use crate::server::{ServerError, accept, listen};

/// Metrics and readiness of a host behind a listening socket. HTTP/1.1.
pub struct AdminServer {
    listener: TcpListener,
    address: SocketAddr,
    host: Host,
    names: Vec<String>,
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
        Ok(Self { listener, address, host, names: Vec::new() })
    }

    /// The same, which answers to these host names too. It always does to IP addresses and to names of this machine.
    #[must_use]
    pub fn named(mut self, names: Vec<String>) -> Self {
        self.names = names;
        self
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until the future is dropped, and all its connections with it. It should outlast the server for clients,
    /// so that it can tell that the host drains.
    pub async fn run(self) -> Infallible {
        let places = Places::new(CONNECTIONS, self.host.metrics().clone());
        let names: Arc<[String]> = self.names.into();
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let Some((stream, _)) = accept(&self.listener).await else { continue };
            let place = places.take().await;
            let (host, names) = (self.host.clone(), names.clone());
            connections.spawn(async move {
                tokio::select! {
                    () = serve(stream, host, names, place.activity()) => {}
                    () = place.displaced() => {}
                }
            });
        }
    }
}

async fn serve(stream: TcpStream, host: Host, names: Arc<[String]>, activity: Activity) {
    let stream = TimedStream::new(stream, host.limits(), activity.clone());
    let service = service_fn(move |request| {
        let (host, names) = (host.clone(), names.clone());
        let at_work = activity.request();
        // A body is not waited for.
        at_work.arrived();
        async move {
            let answer = answer(&host, &names, &request).await;
            tell_refusal(&request, answer.status());
            drop(at_work);
            Ok::<_, Infallible>(answer)
        }
    });
    // What a client does wrong on its own connection is no event of ours.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer<B>(host: &Host, names: &[String], request: &Request<B>) -> Response<ResponseBody> {
    if !is_addressed(request, names) {
        return response(StatusCode::FORBIDDEN, TEXT, "ask by an IP address, or list the name in --admin-hosts\n");
    }
    let path = request.uri().path();
    if !matches!(path, METRICS | READINESS | READINESS_OF_INTERNAL) {
        return response(StatusCode::NOT_FOUND, TEXT, "not found\n");
    }
    if request.method() != Method::GET {
        let mut refusal = response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET\n");
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return refusal;
    }
    if path == METRICS {
        host.count_records().await;
        return response(StatusCode::OK, Metrics::CONTENT_TYPE, host.metrics().encode());
    }
    let report = if path == READINESS { host.report().await } else { host.report_for_internal().await };
    response(report.status, JSON, format!("{}\n", report.body))
}

/// The line about a request that is refused. That the host is not ready is an answer, and asked for each second.
fn tell_refusal<B>(request: &Request<B>, status: StatusCode) {
    let reason = match status {
        StatusCode::FORBIDDEN => "admin_host",
        StatusCode::NOT_FOUND => "admin_path",
        StatusCode::METHOD_NOT_ALLOWED => "admin_method",
        _ => return,
    };
    let id = RequestId::of(request.headers());
    let route = [METRICS, READINESS].into_iter().find(|route| *route == request.uri().path()).unwrap_or("other");
    let (request_id, status) = (id.as_str(), status.as_u16());
    tracing::warn!(event = "refused", request_id, route, status, reason, "refused at the listener of --admin");
}

/// Whether the request names this listener by an IP address, a name of this machine, or one of `names`. The address of
/// a request goes before its header (RFC 9112, section 3.2.2). A request of HTTP/1.0 may name nothing, as those of
/// HAProxy's `option httpchk` do; no browser sends one.
fn is_addressed<B>(request: &Request<B>, names: &[String]) -> bool {
    let mut lines = request.headers().get_all(HOST).iter();
    let (line, another) = (lines.next(), lines.next());
    let line = line.filter(|_| another.is_none()).and_then(|line| line.to_str().ok());
    let authority = request.uri().authority().map(http::uri::Authority::as_str).or(line);
    if authority.is_none() && !request.headers().contains_key(HOST) && request.version() == Version::HTTP_10 {
        return true;
    }
    authority.and_then(|authority| authority.parse().ok()).is_some_and(|authority| is_name(&authority, names))
}

fn is_name(authority: &http::uri::Authority, names: &[String]) -> bool {
    let host = authority.host().to_ascii_lowercase();
    // Nothing stands before the host, and nothing but a port behind it.
    let port = authority.as_str().to_ascii_lowercase().strip_prefix(&host).map(str::to_owned);
    let is_port =
        |text: &str| text.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    if !port.is_some_and(|port| port.is_empty() || is_port(&port)) {
        return false;
    }
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let name = host.strip_suffix('.').unwrap_or(&host);
    let is_loopback = name == "localhost" || name.ends_with(".localhost");
    is_loopback || name.parse::<IpAddr>().is_ok() || names.iter().any(|listed| listed.eq_ignore_ascii_case(name))
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
const READINESS_OF_INTERNAL: &str = "/readyz/internal";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
/// A few scrapers and probes. A further one gets the place of the one that has been quiet for the longest time.
const CONNECTIONS: usize = 16;
/// Time for the head of a request, and to stay idle: scrapers come every 15 s to 60 s and keep their connection.
const HEAD_TIME: Duration = Duration::from_secs(90);
/// Scrapers send a few hundred bytes.
const HEAD_BYTES: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, hosts: &[&str]) -> Request<()> {
        let mut request = Request::builder().uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn it_answers_to_addresses_to_names_of_this_machine_and_to_those_that_are_listed() {
        let names = ["metrics.internal".to_owned(), "plausible-mcp".to_owned()];
        for (host, answered) in [
            ("127.0.0.1", true),
            ("10.1.2.3:9090", true),
            ("[::1]:9090", true),
            ("[fd00::7]", true),
            ("localhost", true),
            ("LOCALHOST:9090", true),
            ("localhost.", true),
            ("a.localhost", true),
            ("plausible-mcp:9090", true),
            ("Metrics.Internal", true),
            ("metrics.internal.", true),
            ("evil.example", false),
            ("evil.example:9090", false),
            ("127.0.0.1.evil.example", false),
            ("localhost.evil.example", false),
            ("xlocalhost", false),
            ("metrics.internal.evil.example", false),
            ("2130706433", false),
            ("0x7f.1", false),
            ("127.0.0.1@evil.example", false),
            ("evil.example@127.0.0.1", false),
            ("[::1].evil.example", false),
            ("", false),
        ] {
            assert_eq!(is_addressed(&request("/metrics", &[host]), &names), answered, "{host}");
        }
        assert!(!is_addressed(&request("/metrics", &["plausible-mcp"]), &[]), "it is not listed");
    }

    #[test]
    fn there_is_one_name_and_that_of_the_address_counts() {
        assert!(!is_addressed(&request("/metrics", &[]), &[]));
        assert!(!is_addressed(&request("/metrics", &["localhost", "localhost"]), &[]));
        assert!(!is_addressed(&request("http://evil.example/metrics", &["localhost"]), &[]));
        assert!(is_addressed(&request("http://localhost/metrics", &["localhost"]), &[]));
    }

    #[test]
    fn a_probe_of_http_1_0_need_not_name_it() {
        let of_no_name = Vec::new();
        for (hosts, answered) in
            [(of_no_name, true), (vec!["evil.example"], false), (vec![""], false), (vec!["a", "b"], false)]
        {
            let mut probe = request("/readyz", &hosts);
            *probe.version_mut() = Version::HTTP_10;
            assert_eq!(is_addressed(&probe, &[]), answered, "{hosts:?}");
        }
    }
}
