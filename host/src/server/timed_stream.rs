//! The socket of a client, with limits of time for what is sent to it and for its end.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::Sleep;

use super::bare_answers::BareAnswers;
use super::departure::Client;
use super::places::Activity;
use crate::limits::Limits;

/// A write fails when the client has taken nothing for a while. To shut it down is to close our half and to wait until
/// the client has closed its own. For reading there are limits elsewhere.
pub(crate) struct TimedStream {
    /// Shared with whoever looks whether the client is still there.
    reading: Arc<OwnedReadHalf>,
    writing: OwnedWriteHalf,
    time: Duration,
    closing_time: Duration,
    activity: Activity,
    /// Runs once our half is closed.
    closing: Option<Pin<Box<Sleep>>>,
    /// Runs while a write waits for the client.
    waiting: Option<Pin<Box<Sleep>>>,
    bare_answers: Option<BareAnswers>,
    instead: Option<Instead>,
}

/// What is written in place of something else.
struct Instead {
    bytes: Vec<u8>,
    written: usize,
    /// How many bytes it stands for.
    of: usize,
}

impl TimedStream {
    pub(crate) fn new(stream: TcpStream, limits: &Limits, activity: Activity) -> Self {
        let (reading, writing) = stream.into_split();
        Self {
            reading: Arc::new(reading),
            writing,
            time: limits.response_write_time,
            closing_time: limits.closing_time,
            activity,
            closing: None,
            waiting: None,
            bare_answers: None,
            instead: None,
        }
    }

    /// Who is at the other end.
    pub(super) fn client(&self) -> Client {
        Client::new(self.reading.clone(), self.activity.clone())
    }

    /// The same, where hyper's own answers go out as `bare_answers` says.
    pub(super) fn completing(mut self, bare_answers: BareAnswers) -> Self {
        self.bare_answers = Some(bare_answers);
        self
    }

    /// What has to be written in place of `bytes`, if anything.
    fn instead_of(&mut self, bytes: &[u8]) -> Option<&mut Instead> {
        if let (None, Some(bare_answers)) = (&self.instead, &mut self.bare_answers) {
            self.instead = bare_answers.whole(bytes).map(|whole| Instead { bytes: whole, written: 0, of: bytes.len() });
            bare_answers.sent();
        }
        self.instead.as_mut()
    }

    /// Writes what stands for other bytes to its end; then those count as written.
    fn poll_instead(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        while let Some(Instead { bytes, written, of }) = &mut self.instead {
            let (rest, of) = (bytes.get(*written..).unwrap_or_default(), *of);
            if rest.is_empty() {
                self.instead = None;
                return Poll::Ready(Ok(of));
            }
            let done = Pin::new(&mut self.writing).poll_write(context, rest);
            match ready!(self.in_time(context, done))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                more => self.instead.iter_mut().for_each(|instead| instead.written += more),
            }
        }
        Poll::Ready(Ok(0))
    }

    fn in_time(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.waiting = None;
            self.activity.sent();
            return written;
        }
        let time = self.time;
        self.activity.sending();
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(time)));
        waiting.as_mut().poll(context).map(|()| Err(ErrorKind::TimedOut.into()))
    }
}

/// Ready when the client has closed its half too, or when its time is over. What it still sends is thrown away: a socket
/// that is closed with unread bytes is reset, and the client may lose the answer that is under way to it (RFC 9112,
/// section 9.6).
fn poll_left(stream: &OwnedReadHalf, closing: Pin<&mut Sleep>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
    if closing.poll(context).is_ready() {
        return Poll::Ready(Ok(()));
    }
    let mut thrown_away = [0; 4096];
    loop {
        let mut buffer = ReadBuf::new(&mut thrown_away);
        let read = ready!(poll_read(stream, context, &mut buffer));
        // A client that has reset the connection is gone as well.
        if read.is_err() || buffer.filled().is_empty() {
            return Poll::Ready(Ok(()));
        }
    }
}

/// Reads from a half that is shared: nobody else does.
fn poll_read(half: &OwnedReadHalf, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
    let stream: &TcpStream = half.as_ref();
    loop {
        ready!(stream.poll_read_ready(context))?;
        match stream.try_read_buf(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            read => return Poll::Ready(read.map(drop)),
        }
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let had = buffer.filled().len();
        ready!(poll_read(&this.reading, context, buffer))?;
        let bytes = buffer.filled().get(had..).unwrap_or_default();
        if bytes.is_empty() {
            return Poll::Ready(Ok(()));
        }
        this.activity.received();
        if let Some(bare_answers) = &mut this.bare_answers {
            bare_answers.received(bytes);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.instead_of(bytes).is_some() {
            return this.poll_instead(context);
        }
        let written = Pin::new(&mut this.writing).poll_write(context, bytes);
        this.in_time(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let only = pieces.iter().find(|piece| !piece.is_empty()).map_or(&[][..], |piece| &**piece);
        let is_only = pieces.iter().map(|piece| piece.len()).sum::<usize>() == only.len();
        if this.instead_of(if is_only { only } else { &[] }).is_some() {
            return this.poll_instead(context);
        }
        let written = Pin::new(&mut this.writing).poll_write_vectored(context, pieces);
        this.in_time(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.writing.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().writing).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.closing.is_none() {
            ready!(Pin::new(&mut this.writing).poll_shutdown(context))?;
        }
        let time = this.closing_time;
        let closing = this.closing.get_or_insert_with(|| Box::pin(tokio::time::sleep(time)));
        poll_left(&this.reading, closing.as_mut(), context)
    }
}
