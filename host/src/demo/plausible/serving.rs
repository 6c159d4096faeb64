//! Serves the simulation over HTTP/1.1 on a listener it is given.

use std::{convert::Infallible, io, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::SimulatedPlausible;

impl SimulatedPlausible {
    /// Serves until the future is dropped, which also ends its connections.
    ///
    /// # Errors
    /// When the listener can no longer accept.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        let plausible = Arc::new(self);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let (stream, _) = accepted?;
                    connections.spawn(connection(Arc::clone(&plausible), stream));
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

async fn connection(plausible: Arc<SimulatedPlausible>, stream: TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was not set");
    }
    let service = service_fn(|request| respond(Arc::clone(&plausible), request));
    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the simulated Plausible ended early");
    }
}

async fn respond(
    plausible: Arc<SimulatedPlausible>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let (status, body) = match Limited::new(body, MAX_BODY).collect().await {
        Err(_) => (413, r#"{"error":"Request too large"}"#.to_owned()),
        Ok(body) => plausible.answer(
            parts.method.as_str(),
            parts.uri.path(),
            parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()),
            &body.to_bytes(),
            Timestamp::now(),
        ),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json; charset=utf-8"));
    Ok(response)
}

/// Plausible's own bound on a JSON body is of this order.
const MAX_BODY: usize = 1 << 20;
