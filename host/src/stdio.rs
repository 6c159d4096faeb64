//! MCP over standard input and output: each line is posted to `/mcp` of a host in this process.
//!
//! ```text
//! line -> message::Message -> headers -> Host::handle -> one line
//! ```
//! Only what the headers need is read of a message; what it means is the component's business. Requests run at the
//! same time; `notifications/cancelled` drops one; the end of the input lets the rest finish.

mod lines;
mod message;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};

use crate::host::Host;
use lines::{Line, next_line};
use message::{Message, error_line};

/// Serves `host` with `key` as the bearer until `input` ends and every answer is written to `output`.
///
/// # Errors
/// When `input` or `output` breaks.
pub async fn serve<R, W>(host: Host, key: &str, input: R, output: W) -> std::io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let (answers, written) = mpsc::channel(ANSWERS);
    let writer = tokio::spawn(write_lines(written, output));
    let bearer = HeaderValue::try_from(format!("Bearer {key}")).map_err(std::io::Error::other)?;
    let session =
        Session { host, bearer, answers, negotiated: Arc::default(), slots: Arc::new(Semaphore::new(REQUESTS)) };
    let read = session.read_all(BufReader::new(input)).await;
    // Invariant: every sender is gone by now, so the writer ends after the last answer.
    drop(session);
    writer.await.map_err(std::io::Error::other)??;
    read
}

/// One run of the bridge. Clones belong to its requests.
#[derive(Clone)]
struct Session {
    host: Host,
    bearer: HeaderValue,
    answers: mpsc::Sender<Bytes>,
    negotiated: Arc<Mutex<Option<String>>>,
    slots: Arc<Semaphore>,
}

impl Session {
    async fn read_all<R: AsyncRead + Unpin>(&self, mut input: BufReader<R>) -> std::io::Result<()> {
        let mut running = JoinSet::new();
        let mut by_id: HashMap<String, AbortHandle> = HashMap::new();
        loop {
            while running.try_join_next().is_some() {}
            by_id.retain(|_, task| !task.is_finished());
            let line = match next_line(&mut input, LINE_BYTES).await? {
                Line::End => break,
                Line::TooLong => {
                    self.answer(error_line(None, INVALID_REQUEST, "The message is too long.")).await;
                    continue;
                }
                Line::Text(line) => line,
            };
            let Some(message) = Message::read(&line) else {
                self.answer(error_line(None, PARSE_ERROR, "Parse error: the line is not JSON.")).await;
                continue;
            };
            if let Some(cancelled) = message.cancelled() {
                if let Some(task) = by_id.remove(&cancelled) {
                    task.abort();
                }
                continue;
            }
            if message.is_initialize() {
                // What comes next needs the version that this negotiates.
                self.clone().exchange(message, line).await;
                continue;
            }
            let Ok(slot) = self.slots.clone().acquire_owned().await else { break };
            let (session, id) = (self.clone(), message.id_text());
            let task = running.spawn(async move {
                session.exchange(message, line).await;
                drop(slot);
            });
            if let Some(id) = id {
                by_id.insert(id, task);
            }
        }
        while running.join_next().await.is_some() {}
        Ok(())
    }

    /// Posts one message and writes what comes back, if anything has to.
    async fn exchange(self, message: Message, line: Bytes) {
        let response = match self.request(&message, line) {
            Ok(request) => self.host.handle(request).await,
            Err(_) => {
                let refused = "The message cannot be sent: its method, name or version is not text for a header.";
                return self.answer_error(&message, refused).await;
            }
        };
        let status = response.status();
        let body = match response.into_body().collect().await {
            Ok(body) => body.to_bytes(),
            Err(never) => match never {},
        };
        if message.is_initialize() {
            self.keep_negotiated(&body);
        }
        match message::one_line(&body) {
            _ if !message.wants_answer() => {}
            Some(line) => self.answer(line).await,
            None if status == StatusCode::ACCEPTED => {}
            None => self.answer_error(&message, &message::http_failure(status, &body)).await,
        }
    }

    fn request(&self, message: &Message, line: Bytes) -> http::Result<Request<Full<Bytes>>> {
        let version = message.version().or_else(|| self.negotiated());
        let mut request = Request::builder()
            .method(Method::POST)
            .uri("/mcp")
            .header(HOST, "localhost")
            .header(AUTHORIZATION, self.bearer.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream");
        let described = [
            ("mcp-protocol-version", version.filter(|_| !message.is_initialize())),
            ("mcp-method", message.method().map(message::header_text)),
            ("mcp-name", message.name().map(message::header_text)),
        ];
        for (name, value) in described {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        request.body(Full::new(line))
    }

    fn negotiated(&self) -> Option<String> {
        self.negotiated.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep_negotiated(&self, body: &[u8]) {
        if let Some(version) = message::negotiated_version(body) {
            *self.negotiated.lock().unwrap_or_else(PoisonError::into_inner) = Some(version);
        }
    }

    /// An error for a message that wants an answer; a notification gets none.
    async fn answer_error(&self, message: &Message, text: &str) {
        if message.wants_answer() {
            self.answer(error_line(message.id(), SERVER_ERROR, text)).await;
        }
    }

    async fn answer(&self, line: Bytes) {
        // The writer is gone only when the output is closed, and then nobody reads answers.
        let _ = self.answers.send(line).await;
    }
}

async fn write_lines<W: AsyncWrite + Unpin>(mut lines: mpsc::Receiver<Bytes>, mut output: W) -> std::io::Result<()> {
    while let Some(line) = lines.recv().await {
        output.write_all(&line).await?;
        output.write_all(b"\n").await?;
        output.flush().await?;
    }
    Ok(())
}

/// The body limit of `/mcp`; the same message over HTTP would be refused too.
const LINE_BYTES: usize = 1 << 20;
/// Requests under way at a time; the next line is read when there is room.
const REQUESTS: usize = 32;
/// Answers that wait for a slow reader.
const ANSWERS: usize = 32;
/// JSON-RPC 2.0, section 5.1.
const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
/// First of the range that JSON-RPC leaves to servers.
const SERVER_ERROR: i32 = -32000;

#[cfg(test)]
mod tests;
