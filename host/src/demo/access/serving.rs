//! Serves the simulation over HTTP/1.1 on a listener it is given.

use std::sync::Arc;
use std::{convert::Infallible, io};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{Answer, Received, SimulatedAccess};

impl SimulatedAccess {
    /// Serves until the future is dropped, which also ends its connections.
    ///
    /// # Errors
    /// When the listener can no longer accept.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) -> io::Result<()> {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let (stream, _) = accepted?;
                    connections.spawn(connection(Arc::clone(&self), stream));
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

async fn connection(access: Arc<SimulatedAccess>, stream: TcpStream) {
    let service = service_fn(|request| respond(Arc::clone(&access), request));
    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the simulated Access ended early");
    }
}

async fn respond(
    access: Arc<SimulatedAccess>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        return Ok(response(Answer { status: 413, headers: Vec::new(), body: String::new() }));
    };
    let body = body.to_bytes();
    let received = Received {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        authorization: text(&parts.headers, &header::AUTHORIZATION),
        cookie: text(&parts.headers, &header::COOKIE),
        body: &body,
    };
    let now = u64::try_from(Timestamp::now().as_second()).unwrap_or_default();
    Ok(response(access.answer(&received, now)))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().append(HeaderName::from_static(name), value);
        }
    }
    response
}

/// A login form or a token request has a few hundred bytes.
const MAX_BODY: usize = 64 << 10;
