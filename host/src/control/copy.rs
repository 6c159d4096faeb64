//! A copy of the records over the control socket: `POST /backup`, answered by the host itself, because the server that
//! runs has its file locked. The command that asks writes the file, so the server needs no right to the place.
//!
//! ```text
//! part:   kind (1 byte) ‖ length (4) ‖ content
//! 'b'     how many records there may be (8)
//! 'r'     end (8) ‖ length of the key (2) ‖ key ‖ value
//! 'e'     records (8) ‖ commits (8) ‖ moment (8): the copy is whole
//! ```
//! Numbers have their first byte first.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http_body::{Body, Frame};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::oauth_store::{CopiedRecord, Part, Snapshot, Whole};

/// The parts of a copy as a body. It ends without an end part when something went wrong.
pub(super) struct Parts(mpsc::Receiver<Bytes>);

impl Parts {
    /// Those of `snapshot`, read while they are sent.
    pub(super) fn of(snapshot: Snapshot) -> Self {
        let (sender, receiver) = mpsc::channel(PARTS);
        let runtime = Handle::current();
        spawn_blocking(move || {
            // A reader that has gone, or does not go on, must not hold what the store could free.
            let send = |part: Part| {
                let bytes = encode(&part);
                matches!(runtime.block_on(timeout(READER_TIME, sender.send(bytes))), Ok(Ok(())))
            };
            match snapshot.parts(send) {
                Ok(()) => tracing::info!(event = "backup", "the records were copied"),
                Err(error) => tracing::error!(event = "backup_failed", cause = %error, "the records were not copied"),
            }
        });
        Self(receiver)
    }
}

impl Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.get_mut().0.poll_recv(context).map(|part| part.map(|part| Ok(Frame::data(part))))
    }
}

fn encode(part: &Part) -> Bytes {
    let mut out = BytesMut::new();
    match part {
        Part::Begin(records) => put(&mut out, BEGIN, &[&records.to_be_bytes()]),
        Part::Records(records) => {
            for CopiedRecord { key, end, value } in records {
                let length = u16::try_from(key.len()).expect("a key has at most 200 bytes");
                put(&mut out, RECORD, &[&end.to_be_bytes(), &length.to_be_bytes(), key.as_bytes(), value]);
            }
        }
        Part::End(Whole { records, commits, at }) => {
            put(&mut out, END, &[&records.to_be_bytes(), &commits.to_be_bytes(), &at.to_be_bytes()]);
        }
    }
    out.freeze()
}

fn put(out: &mut BytesMut, kind: u8, content: &[&[u8]]) {
    let length = content.iter().map(|part| part.len()).sum::<usize>();
    out.put_u8(kind);
    out.put_u32(u32::try_from(length).expect("a record has at most 256 KiB"));
    for part in content {
        out.put_slice(part);
    }
}

/// Turns what comes over the socket into parts.
#[derive(Debug, Default)]
pub(super) struct Decoder(BytesMut);

impl Decoder {
    /// The parts that are whole with these bytes. Records that come together are one part. `None` for what is no copy.
    pub(super) fn decode(&mut self, bytes: &[u8]) -> Option<Vec<Part>> {
        self.0.put_slice(bytes);
        let (mut parts, mut records) = (Vec::new(), Vec::new());
        while let Some((kind, mut content)) = self.whole()? {
            match kind {
                BEGIN => parts.push(Part::Begin(content.try_get_u64().ok()?)),
                RECORD => records.push(record(content)?),
                END => {
                    parts.push(Part::Records(std::mem::take(&mut records)));
                    let mut number = || content.try_get_u64().ok();
                    parts.push(Part::End(Whole { records: number()?, commits: number()?, at: number()? }));
                }
                _ => return None,
            }
        }
        if !records.is_empty() {
            parts.push(Part::Records(records));
        }
        Some(parts)
    }

    /// The next part that is there as a whole. The outer `None` is for one that is too large.
    fn whole(&mut self) -> Option<Option<(u8, Bytes)>> {
        let mut head = self.0.as_ref();
        let (Ok(kind), Ok(length)) = (head.try_get_u8(), head.try_get_u32()) else { return Some(None) };
        let length = usize::try_from(length).ok().filter(|length| *length <= PART_BYTES)?;
        if head.len() < length {
            return Some(None);
        }
        self.0.advance(HEAD_BYTES);
        Some(Some((kind, self.0.split_to(length).freeze())))
    }
}

fn record(mut content: Bytes) -> Option<CopiedRecord> {
    let end = content.try_get_u64().ok()?;
    let length = usize::from(content.try_get_u16().ok()?);
    if content.len() < length {
        return None;
    }
    let key = String::from_utf8(content.split_to(length).to_vec()).ok()?;
    Some(CopiedRecord { key, end, value: content.to_vec() })
}

pub(super) const PATH: &str = "/backup";
const BEGIN: u8 = b'b';
const RECORD: u8 = b'r';
const END: u8 = b'e';
/// Kind and length.
const HEAD_BYTES: usize = 5;
/// More than the largest record.
const PART_BYTES: usize = 1 << 20;
/// What may wait for the reader, each of about a megabyte.
const PARTS: usize = 2;
/// How long a reader may stand still.
const READER_TIME: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> Vec<Part> {
        let record = |number: u8| CopiedRecord {
            key: format!("grant/{number}"),
            end: u64::MAX - u64::from(number),
            value: vec![number; usize::from(number) * 100],
        };
        vec![
            Part::Begin(3),
            Part::Records((0..3).map(record).collect()),
            Part::End(Whole { records: 3, commits: 9, at: 1_700_000_000_000 }),
        ]
    }

    #[test]
    fn parts_read_back_however_they_are_cut() {
        let sent: Vec<u8> = parts().iter().flat_map(encode).collect();
        for size in [1, 2, 7, 100, sent.len()] {
            let (mut decoder, mut read) = (Decoder::default(), Vec::new());
            for bytes in sent.chunks(size) {
                read.extend(decoder.decode(bytes).expect("it is a copy"));
            }
            let records = |parts: &[Part]| {
                let records = parts.iter().filter_map(|part| match part {
                    Part::Records(records) => Some(records.clone()),
                    _ => None,
                });
                records.flatten().collect::<Vec<_>>()
            };
            assert_eq!(records(&read), records(&parts()), "{size}");
            assert_eq!((read.first(), read.last()), (parts().first(), parts().last()), "{size}");
        }
    }

    #[test]
    fn what_is_no_copy_is_refused() {
        for bytes in [&b"HTTP/1.1 200 OK"[..], b"x\0\0\0\0", b"r\0\0\0\x01a", b"r\xff\xff\xff\xff", b"e\0\0\0\0"] {
            assert_eq!(Decoder::default().decode(bytes), None, "{bytes:?}");
        }
        assert_eq!(Decoder::default().decode(b"r\0\0"), Some(Vec::new()), "there may be more to come");
    }
}
