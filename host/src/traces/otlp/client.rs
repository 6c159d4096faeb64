//! The HTTP client of the exporter, with the trust of the host's other clients.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Handle;

use crate::outbound_http::{OutboundError, client_tls};

/// Sends batches to a collector and says in the log when that begins to fail, and when it works again.
#[derive(Debug)]
pub(super) struct CollectorClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Handle,
    timeout: Duration,
    fails: AtomicBool,
}

impl CollectorClient {
    pub(super) fn new(timeout: Duration, extra_ca_file: Option<&str>) -> Result<Self, OutboundError> {
        let tls = HttpsConnectorBuilder::new().with_tls_config(client_tls(extra_ca_file)?);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(1)
            .build(tls.https_or_http().enable_http1().build());
        Ok(Self { client, runtime: Handle::current(), timeout, fails: AtomicBool::new(false) })
    }

    fn report(&self, answer: &Result<Response<Bytes>, HttpError>) {
        let cause = match answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("status {}", answer.status().as_u16())),
            Err(error) => Some(error.to_string()),
        };
        match (self.fails.swap(cause.is_some(), Ordering::Relaxed), cause) {
            (false, Some(cause)) => {
                tracing::warn!(event = "traces_not_sent", cause, "the collector does not take traces");
            }
            (true, None) => tracing::info!(event = "traces_sent", "the collector takes traces again"),
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for CollectorClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // The exporter has a thread of its own, on which nothing of tokio's works, not even making a timer.
        let (exchange, timeout) = (exchange(self.client.clone(), request), self.timeout);
        let answer = match self.runtime.spawn(async move { tokio::time::timeout(timeout, exchange).await }).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err("it does not answer in time".into()),
            Err(_) => Err("the host has ended".into()),
        };
        self.report(&answer);
        answer
    }
}

async fn exchange(
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    let (head, body) = client.request(request.map(Full::new)).await?.into_parts();
    let body = Limited::new(body, ANSWER_BYTES).collect().await?;
    Ok(Response::from_parts(head, body.to_bytes()))
}

/// An answer says how many spans were refused, and why.
const ANSWER_BYTES: usize = 64 << 10;
