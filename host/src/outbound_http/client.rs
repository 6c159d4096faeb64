//! One exchange with an upstream: pooled connections, and limits that are enforced while the answer streams in.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::GaiResolver;
use hyper_util::client::legacy::{Builder, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;

use super::failure;
use super::flight::{Answer, Outcome};
use super::policy::HttpPolicy;
use super::request::{self, Outgoing};
use super::resolver::{PublicAddresses, PublicResolver};
use super::trust::{OutboundError, check_environment, extra_authorities, tls_configuration};
use crate::bindings::outbound_http as wit;
use crate::large_answers::{LargeAnswers, NoRoom, Weight};

type Plain<R> = Client<HttpConnector<R>, Full<Bytes>>;
type Secure<R> = Client<HttpsConnector<HttpConnector<R>>, Full<Bytes>>;

/// The connections of the process. Those to addresses that an outsider chose are never those to configured ones.
#[derive(Debug)]
pub(super) struct Clients {
    configured: Plain<GaiResolver>,
    public: Plain<PublicResolver>,
    policy: HttpPolicy,
    extra_authorities: Vec<CertificateDer<'static>>,
    /// Made for the first `https` request: reading the system's certificates takes longer than the rest of a start.
    secure: OnceLock<SecureClients>,
}

#[derive(Debug)]
struct SecureClients {
    configured: Secure<GaiResolver>,
    public: Secure<PublicResolver>,
}

impl Clients {
    pub(super) fn new(extra_ca_file: Option<&str>, policy: HttpPolicy) -> Result<Self, OutboundError> {
        if !policy.trusts_less() {
            check_environment()?;
        }
        let extra_authorities = match extra_ca_file {
            Some(file) => extra_authorities(Path::new(file))?,
            None => Vec::new(),
        };
        Ok(Self {
            configured: pool().build(connector(GaiResolver::new())),
            public: pool().build(connector(PublicResolver(policy.public()))),
            policy,
            extra_authorities,
            secure: OnceLock::new(),
        })
    }

    /// Sends `request` and reads its answer to the end, within the request's own limits of time and size, and where it is
    /// large once there is `room` for it.
    pub(super) async fn exchange(&self, request: wit::Request, room: &LargeAnswers) -> Outcome {
        let time = Duration::from_millis(request.timeout_milliseconds.into());
        let largest = usize::try_from(request.max_response_bytes).unwrap_or(usize::MAX);
        let reach = request.reach;
        let exchange = async {
            let response = self.send(request::parse(request)?, reach).await?;
            read(response, largest, room).await.map(Arc::new)
        };
        tokio::time::timeout(time, exchange).await.unwrap_or(Err(wit::Error::TimedOut))
    }

    async fn send(&self, request: Outgoing, reach: wit::Reach) -> Result<Response<Incoming>, wit::Error> {
        if !self.policy.admits(request.uri()) {
            return Err(wit::Error::AddressRefused);
        }
        let secure = request.uri().scheme() == Some(&http::uri::Scheme::HTTPS);
        let answer = match (reach, secure) {
            (wit::Reach::Configured, false) => self.configured.request(request).await,
            (wit::Reach::Configured, true) => self.secure()?.configured.request(request).await,
            (wit::Reach::PublicInternet, _) if !self.policy.public().admit_literal(request.uri()) => {
                return Err(wit::Error::AddressRefused);
            }
            (wit::Reach::PublicInternet, false) => self.public.request(request).await,
            (wit::Reach::PublicInternet, true) => self.secure()?.public.request(request).await,
        };
        answer.map_err(|error| failure::of_request(&error))
    }

    fn secure(&self) -> Result<&SecureClients, wit::Error> {
        if let Some(clients) = self.secure.get() {
            return Ok(clients);
        }
        let clients = SecureClients::new(&self.extra_authorities, self.policy.public()).map_err(|error| {
            tracing::error!(event = "tls_unavailable", cause = %error, "no TLS to upstreams");
            wit::Error::TlsFailed
        })?;
        Ok(self.secure.get_or_init(|| clients))
    }
}

impl SecureClients {
    fn new(extra: &[CertificateDer<'static>], public_addresses: PublicAddresses) -> Result<Self, OutboundError> {
        let tls = || {
            let builder = HttpsConnectorBuilder::new().with_tls_config(tls_configuration(extra)?);
            Ok(builder.https_only().enable_http1())
        };
        Ok(Self {
            configured: pool().build(tls()?.wrap_connector(connector(GaiResolver::new()))),
            public: pool().build(tls()?.wrap_connector(connector(PublicResolver(public_addresses)))),
        })
    }
}

fn pool() -> Builder {
    let mut pool = Client::builder(TokioExecutor::new());
    pool.pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .http1_max_buf_size(HTTP1_BUFFER_BYTES);
    pool
}

fn connector<R>(resolver: R) -> HttpConnector<R> {
    let mut connector = HttpConnector::new_with_resolver(resolver);
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIME));
    connector
}

async fn read(response: Response<Incoming>, largest: usize, room: &LargeAnswers) -> Result<Answer, wit::Error> {
    let (head, mut body) = response.into_parts();
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > largest {
        return Err(wit::Error::ResponseTooLarge);
    }
    let mut share = match LargeAnswers::is_large(announced) {
        true => Some(room.body(announced).await?),
        false => None,
    };
    let mut bytes = Vec::with_capacity(announced);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| failure::of_transfer(&error))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > largest {
            return Err(wit::Error::ResponseTooLarge);
        }
        if share.is_none() && LargeAnswers::is_large(bytes.len() + data.len()) {
            // How large it will be is not known: two that wait for more room would wait for each other.
            share = Some(room.body(largest).await?);
        }
        bytes.extend_from_slice(&data);
    }
    if let Some(share) = &mut share {
        bytes.shrink_to_fit();
        share.shrink_to(bytes.len());
    }
    let weight = Weight::of(&bytes);
    let response = wit::Response { status: head.status.as_u16(), headers: text_headers(&head.headers), body: bytes };
    Ok(Answer { response, weight, _share: share })
}

impl From<NoRoom> for wit::Error {
    fn from(_: NoRoom) -> Self {
        Self::NoRoom(NO_ROOM_SECONDS)
    }
}

/// Values that are not UTF-8 are left out, as the interface says.
fn text_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| std::str::from_utf8(value.as_bytes()).ok().map(str::to_owned);
    headers.iter().filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value)?))).collect()
}

/// Those that are worked on take a second or two each.
const NO_ROOM_SECONDS: u32 = 5;
/// Shorter than the idle time of usual servers, so that a pooled connection is rarely one that the peer just closed.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);
/// As many as requests may be under way at a time to one upstream in normal use.
const IDLE_CONNECTIONS: usize = 64;
/// Bounds the head of a response; bodies have the request's own limit.
const HTTP1_BUFFER_BYTES: usize = 64 << 10;
/// A host that does not answer a SYN within this is not there.
const CONNECT_TIME: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
