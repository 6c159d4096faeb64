//! Asks a running server through its control socket.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::connection::PATH;
use super::copy::{self, Decoder};
use crate::oauth_store::Part;
use crate::operator::json::{ErrorAnswer, Question};

/// Why there is no answer. The texts say what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AskError {
    /// No server listens at the path.
    NoServer(PathBuf),
    /// The socket belongs to another user.
    Forbidden(PathBuf),
    /// The connection broke, or what answered is not this program; path and cause.
    Broken(PathBuf, String),
    /// The server answered with this error; its message.
    Refused(String),
}

impl std::fmt::Display for AskError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoServer(path) => write!(
                out,
                "no server answers at the control socket {}; start it with `serve --control PATH` and give the same \
                 PATH here",
                path.display()
            ),
            Self::Forbidden(path) => write!(
                out,
                "the control socket {} belongs to another user; run this as the user that runs the server",
                path.display()
            ),
            Self::Broken(path, cause) => {
                write!(out, "the control socket {} gave no answer: {cause}", path.display())
            }
            Self::Refused(message) => out.write_str(message),
        }
    }
}

impl std::error::Error for AskError {}

/// The answer of the server behind `socket`.
pub(crate) async fn ask<A: DeserializeOwned>(socket: &Path, question: &Question) -> Result<A, AskError> {
    let broken = |cause: String| AskError::Broken(socket.to_owned(), cause);
    let stream = connect(socket).await?;
    let exchange = tokio::time::timeout(ANSWER_TIME, exchange(stream, request(question))).await;
    let (status, body) = exchange.map_err(|_| broken(TOO_LONG.to_owned()))?.map_err(broken)?;
    if status == StatusCode::OK {
        return serde_json::from_slice(&body).map_err(|_| broken(UNKNOWN_ANSWER.to_owned()));
    }
    Err(refusal(socket, &body))
}

/// Sends the parts of a copy of the records of the server behind `socket` to `parts`, as they come.
pub(crate) async fn copy(socket: &Path, parts: mpsc::Sender<Part>) -> Result<(), AskError> {
    let broken = |cause: String| AskError::Broken(socket.to_owned(), cause);
    let stream = connect(socket).await?;
    let handshake = http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| broken(error.to_string()))?;
    let connection = AbortOnDrop(tokio::spawn(connection));
    let mut asked = Request::new(Full::default());
    *asked.method_mut() = Method::POST;
    *asked.uri_mut() = Uri::from_static(copy::PATH);
    asked.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
    let response = timeout(ANSWER_TIME, sender.send_request(asked)).await;
    let response = response.map_err(|_| broken(TOO_LONG.to_owned()))?.map_err(|error| broken(error.to_string()))?;
    let is_copy = response.status() == StatusCode::OK;
    let mut body = response.into_body();
    if !is_copy {
        let body = Limited::new(body, ANSWER_BYTES).collect().await.map_err(|error| broken(error.to_string()))?;
        return Err(refusal(socket, &body.to_bytes()));
    }
    let mut decoder = Decoder::default();
    while let Some(frame) = timeout(ANSWER_TIME, body.frame()).await.map_err(|_| broken(TOO_LONG.to_owned()))? {
        let frame = frame.map_err(|error| broken(error.to_string()))?;
        let Ok(bytes) = frame.into_data() else { continue };
        for part in decoder.decode(&bytes).ok_or_else(|| broken(UNKNOWN_ANSWER.to_owned()))? {
            // Whoever takes no more has a reason of its own.
            if parts.send(part).await.is_err() {
                return Ok(());
            }
        }
    }
    drop(connection);
    Ok(())
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn connect(socket: &Path) -> Result<UnixStream, AskError> {
    UnixStream::connect(socket).await.map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => AskError::NoServer(socket.to_owned()),
        ErrorKind::PermissionDenied => AskError::Forbidden(socket.to_owned()),
        _ => AskError::Broken(socket.to_owned(), error.to_string()),
    })
}

fn refusal(socket: &Path, body: &[u8]) -> AskError {
    match serde_json::from_slice::<ErrorAnswer>(body) {
        Ok(answer) => AskError::Refused(answer.message),
        Err(_) => AskError::Broken(socket.to_owned(), UNKNOWN_ANSWER.to_owned()),
    }
}

fn request(question: &Question) -> Request<Full<Bytes>> {
    let text = serde_json::to_vec(question).expect("a question is text and truth values");
    let mut request = Request::new(Full::from(text));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static(PATH);
    request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request
}

async fn exchange(stream: UnixStream, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), String> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await.map_err(|error| error.to_string())?;
    connection.abort();
    Ok((status, body.to_bytes()))
}

const TOO_LONG: &str = "it took too long";
const UNKNOWN_ANSWER: &str = "what answers there is not this version of plausible-mcp";
/// Longer than the server takes at most with its default limits.
const ANSWER_TIME: Duration = Duration::from_secs(90);
/// Pages of grants are far smaller; this bounds what something else at the path may send.
const ANSWER_BYTES: usize = 4 << 20;
