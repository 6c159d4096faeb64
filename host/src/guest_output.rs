//! The component's standard output and standard error: forwarded to a sink line by line, so that lines of instances
//! that run at the same time never mix.

use std::io::Write as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::log::{self, Form};

/// Receives each complete line, without its line feed.
pub type LineSink = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// Writes each line to the process's standard error, as JSON: one that is none is told by its length. A line that cannot
/// be written is lost: there is nowhere to report it.
pub fn standard_error() -> LineSink {
    Arc::new(|line| {
        let mut whole = match is_json(line) {
            true => Vec::with_capacity(line.len() + 1),
            false => return write(wrapped(Form::Json, line).as_bytes()),
        };
        whole.extend_from_slice(line);
        whole.push(b'\n');
        write(&whole);
    })
}

/// The same as lines of text.
#[cfg(feature = "demo")]
pub(crate) fn text_for_people() -> LineSink {
    Arc::new(|line| match serde_json::from_slice(line) {
        Ok(fields) => write(Form::Text.line(&fields).as_bytes()),
        Err(_) => write(wrapped(Form::Text, line).as_bytes()),
    })
}

fn write(bytes: &[u8]) {
    let _ = std::io::stderr().lock().write_all(bytes);
}

fn is_json(line: &[u8]) -> bool {
    line.starts_with(b"{") && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}

/// What stands for a line that a guest did not mean for the log: what its runtime says of a panic, and what a component
/// of somebody else's prints. Its words may hold what a caller sent; only the place of a panic is told. Nothing stands
/// for an empty line.
fn wrapped(form: Form, line: &[u8]) -> String {
    if line.trim_ascii().is_empty() {
        return String::new();
    }
    let bytes = line.len().to_string();
    match place_of_panic(line) {
        Some(place) => log::written(form, "error", &[("event", "guest_panic"), ("place", place)]),
        None => log::written(form, "warn", &[("event", "guest_output"), ("bytes", &bytes)]),
    }
}

/// `FILE:LINE:COLUMN` in `thread '…' panicked at FILE:LINE:COLUMN:`.
fn place_of_panic(line: &[u8]) -> Option<&str> {
    let (_, place) = std::str::from_utf8(line).ok()?.trim_end().split_once(" panicked at ")?;
    let place = place.trim_end_matches(':');
    let (file, numbers) = place.split_once(".rs:")?;
    let is_file = file.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
    let are_numbers = numbers.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    (is_file && are_numbers).then_some(place)
}

/// One instance's output. Clones share the unfinished line.
#[derive(Clone)]
pub(crate) struct GuestOutput {
    sink: LineSink,
    unfinished: Arc<Mutex<Vec<u8>>>,
}

impl GuestOutput {
    pub(crate) fn new(sink: LineSink) -> Self {
        Self { sink, unfinished: Arc::default() }
    }

    fn accept(&self, bytes: &[u8]) {
        let mut unfinished = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            unfinished.extend_from_slice(text);
            if ends || unfinished.len() >= LINE_BYTES {
                (self.sink)(&unfinished);
                unfinished.clear();
            }
        }
    }
}

impl IsTerminal for GuestOutput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestOutput {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for GuestOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.accept(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(LINE_BYTES)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for GuestOutput {
    async fn ready(&mut self) {}
}

impl AsyncWrite for GuestOutput {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.accept(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A longer line is passed on in pieces of this size, so that a guest that never ends a line holds no more.
const LINE_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(pieces: &[&str]) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = lines.clone();
        let output = GuestOutput::new(Arc::new(move |line: &[u8]| {
            kept.lock().unwrap().push(String::from_utf8_lossy(line).into_owned());
        }));
        for piece in pieces {
            output.clone().accept(piece.as_bytes());
        }
        let lines = lines.lock().unwrap();
        lines.clone()
    }

    #[test]
    fn what_is_no_json_is_told_without_its_words() {
        for line in [&b"{\"a\":1}"[..], b"{}"] {
            assert!(is_json(line));
        }
        let secret = "index of some-secret-key is out of bounds";
        for (line, part) in [
            ("thread '<unnamed>' panicked at component/src/mcp.rs:12:5:", "component/src/mcp.rs:12:5"),
            ("thread 'x' panicked at some-secret-key", "guest_output"),
            ("thread 'x' panicked at a b.rs:1:2:", "guest_output"),
            (secret, "guest_output"),
            ("{\"a\":some-secret-key", "guest_output"),
            ("[1]", "guest_output"),
        ] {
            assert!(!is_json(line.as_bytes()), "{line}");
            let told = wrapped(Form::Json, line.as_bytes());
            assert!(
                is_json(told.trim_end().as_bytes()) && told.contains(part) && !told.contains("some-secret"),
                "{told}"
            );
        }
        assert_eq!(wrapped(Form::Json, b" "), "");
    }

    #[test]
    fn pieces_of_a_line_are_joined_and_lines_are_parted() {
        assert_eq!(lines_of(&["a", "b\nc", "\n\nd"]), ["ab", "c", ""]);
    }

    #[test]
    fn an_endless_line_is_passed_on_in_pieces() {
        assert_eq!(lines_of(&["x".repeat(LINE_BYTES).as_str(), "y\n"]).len(), 2);
    }
}
