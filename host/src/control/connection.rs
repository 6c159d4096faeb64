//! One connection to the control socket: one question and its answer.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use serde_json::json;
use tokio::net::UnixStream;

use super::copy::{self, Parts};
use crate::host::{Host, HostError};
use crate::operator::OperatorError;
use crate::operator::json::{self, ErrorAnswer, GrantsAnswer, Question, RevocationAnswer};
use crate::request_body::{self, BodyRoom, Bounds};

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// Answers one request. A client that leaves early ends its question; asking again is harmless.
pub(super) async fn serve(host: Host, stream: UnixStream) {
    // The component is instantiated and asked, each within the time of a request.
    let time = CLIENT_TIME * 3 + host.limits().request_time * 2;
    let copies = Arc::new(AtomicBool::new(false));
    let begun = copies.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (host, begun) = (host.clone(), begun.clone());
        async move {
            if request.uri().path() == copy::PATH && request.method() == Method::POST {
                begun.store(true, Ordering::Relaxed);
                return Ok::<_, Infallible>(copied(&host));
            }
            Ok(answer(&host, request).await)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(CLIENT_TIME)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    // What a client does wrong on its own connection is no event of ours.
    let ended = tokio::time::timeout(time, connection.as_mut()).await;
    if ended.is_err() && copies.load(Ordering::Relaxed) {
        let _ = tokio::time::timeout(COPY_TIME, connection).await;
    }
}

/// The records, where they are in a file of this process.
fn copied(host: &Host) -> Answer {
    let Some(store) = host.store().file_store() else {
        return match host.store().file() {
            // It could not be opened yet.
            Some(_) => unreadable(),
            None => refuse(StatusCode::CONFLICT, "no-file", NO_FILE),
        };
    };
    match store.snapshot() {
        Ok(snapshot) => Response::new(Parts::of(snapshot).boxed_unsync()),
        Err(_) => unreadable(),
    }
}

fn unreadable() -> Answer {
    refuse(StatusCode::SERVICE_UNAVAILABLE, "store-unavailable", "The store cannot be read. See the log.")
}

async fn answer(host: &Host, request: Request<Incoming>) -> Answer {
    if request.uri().path() != PATH {
        return refuse(StatusCode::NOT_FOUND, "not-found", "There is only /operator.");
    }
    if request.method() != Method::POST {
        let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Ask with POST.");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    // Each connection has its own, in which one body fits whatever part of it is for such bodies.
    let room = BodyRoom::new(4 * BODY_BYTES);
    let bounds = Bounds { wanted: BODY_BYTES, largest: BODY_BYTES, time: CLIENT_TIME };
    let body = match request_body::read(request.into_body(), bounds, &room).await {
        Ok(read) => read.bytes,
        Err(refusal) => return refuse(refusal.status(), "invalid-body", "The question is too large or incomplete."),
    };
    match Question::parse(&body) {
        Some(question) => ask(host, question).await,
        None => refuse(StatusCode::BAD_REQUEST, json::INVALID_ARGUMENT, "Ask check, list-grants or revoke, as JSON."),
    }
}

async fn ask(host: &Host, question: Question) -> Answer {
    match question {
        Question::Check {} => match host.check().await {
            Ok(findings) => respond(StatusCode::OK, &json!({ "findings": json::findings(&findings) })),
            Err(error) => broken(&error),
        },
        Question::ListGrants { user, cursor } => {
            outcome::<_, GrantsAnswer>(host.list_grants(&json::selector(user), cursor.as_deref()).await)
        }
        Question::Revoke { user, .. } => outcome::<_, RevocationAnswer>(host.revoke(&json::selector(user)).await),
    }
}

fn outcome<T, A: From<T> + Serialize>(outcome: Result<Result<T, OperatorError>, HostError>) -> Answer {
    let error = match outcome {
        Ok(Ok(answer)) => return respond(StatusCode::OK, &A::from(answer)),
        Ok(Err(error)) => error,
        Err(error) => return broken(&error),
    };
    let status = match error {
        OperatorError::NotConfigured => StatusCode::CONFLICT,
        OperatorError::StoreUnavailable | OperatorError::SecretUnavailable | OperatorError::NewerRecord => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        OperatorError::InvalidArgument => StatusCode::BAD_REQUEST,
    };
    let (code, message) = json::error_text(error);
    refuse(status, code, message)
}

fn broken(error: &HostError) -> Answer {
    tracing::error!(event = "operator_failed", cause = %error, "the operator's question has no answer");
    refuse(StatusCode::SERVICE_UNAVAILABLE, "component-failed", "The component failed; the server's log says how.")
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Answer {
    respond(status, &ErrorAnswer { error: code.to_owned(), message: message.to_owned() })
}

fn respond(status: StatusCode, answer: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(answer).expect("text, numbers and lists of them are JSON");
    let mut response = Response::new(Full::from(text).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The only route.
pub(super) const PATH: &str = "/operator";
/// A question is an e-mail address or a cursor and little else.
pub(super) const BODY_BYTES: usize = 16 << 10;
/// hyper's smallest buffer; the client of this program sends far less.
const HEAD_BYTES: usize = 8 << 10;
/// For a client on this machine to send the head, to send the body, and to read the answer; also how long a silent
/// one holds up a shutdown.
const CLIENT_TIME: Duration = Duration::from_secs(2);
/// A copy goes on for as long as its reader does; this is for one that reads byte by byte.
const COPY_TIME: Duration = Duration::from_secs(4 * 60 * 60);
const NO_FILE: &str =
    "This server keeps no records in a file. Redis has its own backup, and what is in memory has none.";
