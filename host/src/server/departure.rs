//! Whether the client of a request over HTTP/1.1 is still there while the component works on it. (hyper tells of streams
//! of HTTP/2 that are reset.)
//!
//! ```text
//! connected ── end of what it sends ──> asked by an interim answer ── reset ──> left
//!     └─────────────────────────────── reset ──────────────────────────────────┘
//! ```
//! TCP tells that a client sends no more, and not whether it still reads: one that has closed its connection looks like
//! one that has closed its half and waits for the answer. What arrives at the former is reset (RFC 9293, section 3.10.7.1),
//! so it is sent an interim answer, `100 Continue`, which a client of HTTP/1.1 has to be able to read at any time before
//! the final one (RFC 9110, section 15.2). One of HTTP/1.0 must not be sent any.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Version;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

use super::places::Activity;

/// The client of a connection over HTTP/1.
#[derive(Clone)]
pub(super) struct Client {
    half: Arc<OwnedReadHalf>,
    activity: Activity,
}

impl Client {
    pub(super) fn new(half: Arc<OwnedReadHalf>, activity: Activity) -> Self {
        Self { half, activity }
    }

    /// Waits until nobody is there to read the answer to a request of this version. Where that cannot be told from a
    /// client that has only stopped to send, the latter is believed in unless the request may be given up.
    pub(super) async fn left(&self, version: Version, may_be_given_up: bool) {
        // An error says that the connection has ended.
        if self.sends_no_more().await.is_err() {
            return;
        }
        if version < Version::HTTP_11 {
            if may_be_given_up {
                return;
            }
        } else if !self.is_asked() {
            return;
        }
        let _ = self.stream().ready(Interest::ERROR).await;
    }

    /// Waits until the client has closed its half of the connection; an error when it has reset it.
    async fn sends_no_more(&self) -> io::Result<()> {
        let (stream, mut next) = (self.stream(), [0]);
        loop {
            if stream.ready(Interest::READABLE).await?.is_read_closed() || stream.peek(&mut next).await? == 0 {
                return stream.take_error()?.map_or(Ok(()), Err);
            }
            // What has arrived is the next request, which nobody reads before this one is answered; the end may come after.
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// Sends the client something that it resets the connection over, unless it is there. Whether that could be done.
    fn is_asked(&self) -> bool {
        // What is still to be sent of another answer does the same, and nothing may come in between.
        if self.activity.is_sending() {
            return true;
        }
        // A part of it would spoil the answer. There is no room only where a client has taken nothing for long.
        matches!(self.stream().try_write(INTERIM_ANSWER), Ok(written) if written == INTERIM_ANSWER.len())
    }

    fn stream(&self) -> &TcpStream {
        (*self.half).as_ref()
    }
}

const INTERIM_ANSWER: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// A call ends within a tenth of a second after its client has left; few send a request before they have the answer to
/// the one before.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
