//! The answers that hyper gives by itself to what is no request, or is larger than it reads. It writes a bare head; in
//! its place a whole refusal goes out, with the headers that the path has.

use http::header::{CONNECTION, CONTENT_LENGTH};

use crate::host::Host;
use crate::refusal::Refusal;

/// Knows hyper's answers on one connection from ours.
pub(super) struct BareAnswers {
    host: Host,
    /// The first bytes since something was written: where a request begins, if its client waits for answers.
    beginning: Vec<u8>,
}

impl BareAnswers {
    pub(super) fn new(host: Host) -> Self {
        Self { host, beginning: Vec::new() }
    }

    /// These bytes came from the client.
    pub(super) fn received(&mut self, bytes: &[u8]) {
        let room = BEGINNING_BYTES - self.beginning.len().min(BEGINNING_BYTES);
        self.beginning.extend(bytes.iter().take(room));
    }

    /// Something goes out: what comes next is the beginning of another request.
    pub(super) fn sent(&mut self) {
        self.beginning.clear();
    }

    /// What goes out instead of `bytes`, where they are an answer of hyper's own.
    pub(super) fn whole(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let head = bare_head(bytes)?;
        let refusal = match head.get(STATUS)? {
            "400" => Refusal::Malformed,
            "414" => Refusal::LargeTarget,
            "431" => Refusal::LargeHeader,
            _ => return None,
        };
        Some(self.written(head, refusal))
    }

    /// The lines of hyper's head (status and date), those of the refusal, and its body.
    fn written(&self, head: &str, refusal: Refusal) -> Vec<u8> {
        let path = path_of(&self.beginning);
        let response = self.host.refuse_unread(path, refusal);
        let text = refusal.text(self.host.answers(path));
        let kept = head.split("\r\n").filter(|line| {
            let name = line.split(':').next().unwrap_or_default();
            !line.is_empty()
                && ![CONTENT_LENGTH, CONNECTION].iter().any(|ours| name.eq_ignore_ascii_case(ours.as_str()))
        });
        let mut written = Vec::new();
        for line in kept {
            written.extend([line.as_bytes(), b"\r\n"].concat());
        }
        for (name, value) in response.headers().iter().filter(|(name, _)| *name != CONNECTION) {
            written.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        written.extend(format!("connection: close\r\ncontent-length: {}\r\n\r\n{text}", text.len()).into_bytes());
        written
    }
}

/// The head of an answer without a body that is not ours: each of ours has [`MARK`].
fn bare_head(bytes: &[u8]) -> Option<&str> {
    if bytes.len() > BARE_BYTES || !bytes.starts_with(b"HTTP/1.") {
        return None;
    }
    let head = std::str::from_utf8(bytes).ok()?;
    let is_all = head.find("\r\n\r\n")? + 4 == head.len();
    let has = |field: &str| head.to_ascii_lowercase().contains(field);
    (is_all && has("content-length: 0\r\n") && !has(MARK)).then_some(head)
}

/// The path in the first line of a request, as far as there is one.
fn path_of(beginning: &[u8]) -> &str {
    let line = beginning.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let target = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    let path = target.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
    std::str::from_utf8(path).unwrap_or_default()
}

/// Where the status stands in a head.
const STATUS: std::ops::Range<usize> = 9..12;
/// A header that no answer of ours goes without.
const MARK: &str = "x-content-type-options";
/// hyper's has a status, a length and a date.
const BARE_BYTES: usize = 512;
/// The longest path that is served has 47 bytes.
const BEGINNING_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bare_head_is_taken_for_hypers() {
        let bare = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        assert_eq!(bare_head(bare.as_bytes()), Some(bare));
        for other in [
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\nx-content-type-options: nosniff\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
            "{\"a\":\"HTTP/1.1 400\"}",
            "",
        ] {
            assert_eq!(bare_head(other.as_bytes()), None, "{other:?}");
        }
    }

    #[test]
    fn the_path_is_that_of_the_first_line() {
        for (beginning, path) in [
            ("POST /mcp HTTP/1.1\r\nHost: a\r\n", "/mcp"),
            ("GET /token?a=/b HTTP/1.1\r\n", "/token"),
            ("GET /authorize", "/authorize"),
            ("GET", ""),
            ("", ""),
            ("\r\nGET /mcp", ""),
            ("\u{fc} \u{fc} x", "\u{fc}"),
        ] {
            assert_eq!(path_of(beginning.as_bytes()), path, "{beginning:?}");
        }
    }
}
