//! Reads a request's body before the component sees the request: a slow or endless client holds a connection, never
//! an instance.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::refusal::Refusal;

/// The memory that the bodies of all requests take together.
pub(crate) struct BodyRoom(Arc<Semaphore>);

/// A whole body.
#[derive(Debug)]
pub(crate) struct ReadBody {
    pub(crate) bytes: Bytes,
    /// Its part of the room, to be kept for as long as the bytes are.
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

impl BodyRoom {
    /// Room for so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / UNIT_BYTES).min(Semaphore::MAX_PERMITS))))
    }

    /// Takes as much as a body needs beyond the part that it has.
    fn take(&self, part: &mut Option<OwnedSemaphorePermit>, length: usize) -> Result<(), Refusal> {
        let has = part.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = length.div_ceil(UNIT_BYTES).saturating_sub(has);
        if missing == 0 {
            return Ok(());
        }
        let missing = u32::try_from(missing).unwrap_or(u32::MAX);
        let taken = self.0.clone().try_acquire_many_owned(missing).map_err(|_| Refusal::Crowded)?;
        match part {
            Some(part) => part.merge(taken),
            None => *part = Some(taken),
        }
        Ok(())
    }
}

/// The whole body, if it is at most `largest` bytes long, complete within `time`, and there is room for it.
pub(crate) async fn read<B>(body: B, largest: usize, time: Duration, room: &BodyRoom) -> Result<ReadBody, Refusal>
where
    B: Body<Data = Bytes>,
{
    if body.is_end_stream() {
        return Ok(ReadBody { bytes: Bytes::new(), room: None });
    }
    if body.size_hint().lower() > u64::try_from(largest).unwrap_or(u64::MAX) {
        return Err(Refusal::LargeBody);
    }
    match tokio::time::timeout(time, collect(body, largest, room)).await {
        Ok(read) => read,
        Err(_) => Err(Refusal::SlowBody),
    }
}

/// Most bodies arrive in one frame, which is then passed on without a copy. Room is taken for what has arrived and not
/// for what is announced: announcing costs a client nothing.
async fn collect<B>(body: B, largest: usize, room: &BodyRoom) -> Result<ReadBody, Refusal>
where
    B: Body<Data = Bytes>,
{
    let mut body = std::pin::pin!(body);
    let mut only = None;
    let mut joined = BytesMut::new();
    let mut length = 0;
    let mut part = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::BrokenBody)?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length > largest {
            return Err(Refusal::LargeBody);
        }
        room.take(&mut part, length)?;
        if length == data.len() {
            only = Some(data);
            continue;
        }
        if let Some(first) = only.take() {
            joined.extend_from_slice(&first);
        }
        joined.extend_from_slice(&data);
    }
    Ok(ReadBody { bytes: only.unwrap_or_else(|| joined.freeze()), room: part })
}

/// In what room is counted.
const UNIT_BYTES: usize = 1 << 10;

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body::Frame;
    use http_body_util::{Empty, Full, StreamBody};

    use super::*;

    const TIME: Duration = Duration::from_secs(5);

    /// A body that arrives in `pieces`.
    fn in_pieces(pieces: &[&'static str]) -> impl Body<Data = Bytes, Error = Infallible> {
        let frames: Vec<_> = pieces.iter().map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))).collect();
        StreamBody::new(futures_util::stream::iter(frames))
    }

    async fn outcome(body: impl Body<Data = Bytes>) -> Result<Bytes, Refusal> {
        read(body, 3, TIME, &BodyRoom::new(1 << 20)).await.map(|read| read.bytes)
    }

    #[tokio::test]
    async fn pieces_are_joined_in_order() {
        assert_eq!(outcome(in_pieces(&["a", "", "b", "c"])).await.unwrap(), "abc");
        assert_eq!(outcome(in_pieces(&["abc"])).await.unwrap(), "abc");
        assert_eq!(outcome(Empty::new()).await.unwrap(), "");
    }

    #[tokio::test]
    async fn a_body_beyond_the_limit_is_refused_however_it_arrives() {
        assert_eq!(outcome(in_pieces(&["ab", "cd"])).await, Err(Refusal::LargeBody));
        assert_eq!(outcome(Full::from("abcd")).await, Err(Refusal::LargeBody));
    }

    #[tokio::test]
    async fn a_body_that_stops_arriving_is_refused() {
        let never = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>());
        let room = BodyRoom::new(1 << 20);
        assert_eq!(read(never, 3, Duration::from_millis(20), &room).await.err(), Some(Refusal::SlowBody));
    }

    #[tokio::test]
    async fn bodies_share_the_room_and_give_it_back() {
        let room = BodyRoom::new(2 * UNIT_BYTES);
        let two = || in_pieces(&["a", "b"]);
        let first = read(two(), 3, TIME, &room).await.unwrap();
        let second = read(two(), 3, TIME, &room).await.unwrap();
        assert_eq!(read(two(), 3, TIME, &room).await.err(), Some(Refusal::Crowded));
        assert!(read(Empty::new(), 3, TIME, &room).await.is_ok(), "nothing needs no room");
        drop(first);
        assert!(read(two(), 3, TIME, &room).await.is_ok());
        drop(second);
        let large = Full::from(vec![b'x'; 2 * UNIT_BYTES]);
        assert!(read(large, 4 * UNIT_BYTES, TIME, &room).await.is_ok());
        let larger = Full::from(vec![b'x'; 2 * UNIT_BYTES + 1]);
        assert_eq!(read(larger, 4 * UNIT_BYTES, TIME, &room).await.err(), Some(Refusal::Crowded));
    }
}
