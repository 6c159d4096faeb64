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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::super::DEMO_KEY;
    use super::*;

    #[tokio::test]
    async fn it_is_served_over_http_until_dropped() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(SimulatedPlausible::new().serve(listener));
        let mut stream = TcpStream::connect(address).await.unwrap();
        let body = r#"{"site_id":"shop.example","metrics":["visitors"],"date_range":"7d"}"#;
        let request = format!(
            "POST /api/v2/query HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {DEMO_KEY}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 15];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        server.abort();
        let mut rest = Vec::new();
        // The connection ends with the server: reading comes to an end.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(5), stream.read_to_end(&mut rest)).await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }
}
