//! `wasi:http/outgoing-handler` (crates/factor-outbound-http of Spin), without TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::http::header::HOST;
use ::http::{HeaderValue, Request, Response, Uri};
use http_body_util::BodyExt as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::instance::Shared;

/// Sends what an instance sends.
pub(super) struct Outgoing(pub(super) Arc<Shared>);

type Done = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Done,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Done), Error>> + Send> {
        let shared = Arc::clone(&self.0);
        Box::new(async move {
            let response = send(&shared, request, options).await?;
            Ok((response, Box::new(std::future::ready(Ok(()))) as Done))
        })
    }
}

async fn send(
    shared: &Shared,
    mut request: Request<WasiBody>,
    options: Option<RequestOptions>,
) -> Result<Response<WasiBody>, Error> {
    let first_byte = options.and_then(|options| options.first_byte_timeout).unwrap_or(DEFAULT_TIMEOUT);
    let connecting = options.and_then(|options| options.connect_timeout).unwrap_or(DEFAULT_TIMEOUT);
    let address = address(shared, request.uri()).await?;
    let stream = timeout(connecting, TcpStream::connect(address)).await.map_err(|_| Error::ConnectionTimeout)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream.map_err(Error::Connect)?)).await?;
    tokio::spawn(connection);
    let host = request.uri().authority().map(|authority| HeaderValue::try_from(authority.as_str()));
    request.headers_mut().insert(HOST, host.and_then(Result::ok).ok_or(Error::HttpRequestUriInvalid)?);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse().map_err(|_| Error::HttpRequestUriInvalid)?;
    let response = timeout(first_byte, sender.send_request(request)).await;
    let response = response.map_err(|_| Error::ConnectionReadTimeout)??;
    Ok(response.map(|body| body.map_err(Error::from).boxed_unsync()))
}

/// The first address of the host that a connection may lead to.
async fn address(shared: &Shared, uri: &Uri) -> Result<SocketAddr, Error> {
    let (scheme, host) = (uri.scheme_str().unwrap_or("https"), uri.host().unwrap_or_default());
    if !shared.application.allows(scheme, host, uri.port_u16()) {
        return Err(Error::HttpRequestDenied);
    }
    let target = format!("{host}:{}", uri.port_u16().unwrap_or(if scheme == "http" { 80 } else { 443 }));
    let unresolved = |_| Error::DnsError { rcode: None, info_code: None };
    let found: Vec<SocketAddr> = tokio::net::lookup_host(target).await.map_err(unresolved)?.collect();
    let allowed = found.iter().find(|address| !shared.blocked.prohibits(address.ip()));
    match allowed {
        Some(_) if scheme != "http" => Err(Error::TlsProtocolError),
        Some(address) => Ok(*address),
        None if found.is_empty() => Err(Error::DestinationNotFound),
        None => Err(Error::DestinationIpProhibited),
    }
}

/// Spin's own.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);
