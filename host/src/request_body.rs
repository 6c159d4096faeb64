//! Reads a request's body before the component sees the request: a slow or endless client holds a connection, never
//! an instance.
//!
//! What bodies take together is bounded. Small ones have a room of their own, so that large ones keep none of them out;
//! where a room is full, the body that has been arriving for the longest time gives way to the next.
//!
//! ```text
//! arriving ── last byte ──> whole ── answered ──> gone
//!    └─ longest, and its part of the room is needed: refused
//! ```

mod room;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt as _;

use crate::refusal::Refusal;
pub(crate) use room::{BodyRoom, Part};

/// What is read of a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// The largest body that the component wants, in bytes. Of a larger one no more is read than shows that it is: of
    /// one that declares its length, nothing.
    pub(crate) wanted: usize,
    /// The largest body that is not refused here.
    pub(crate) largest: usize,
    /// The time for all of it to arrive.
    pub(crate) time: Duration,
}

/// A body, as far as it was read.
#[derive(Debug)]
pub(crate) struct ReadBody {
    pub(crate) bytes: Bytes,
    /// Whether that is all of it.
    pub(crate) is_whole: bool,
    /// Its part of the room, to be kept for as long as the bytes are.
    pub(crate) part: Option<Part>,
}

/// The whole body, if the component wants it, it is complete in time, and there is room for it.
pub(crate) async fn read<B>(body: B, bounds: Bounds, room: &BodyRoom) -> Result<ReadBody, Refusal>
where
    B: Body<Data = Bytes>,
{
    let nothing = |is_whole| Ok(ReadBody { bytes: Bytes::new(), is_whole, part: None });
    if body.is_end_stream() {
        return nothing(true);
    }
    if bounds.wanted == 0 {
        return nothing(false);
    }
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if declared > bounds.largest {
        return Err(Refusal::LargeBody);
    }
    if declared > bounds.wanted {
        return nothing(false);
    }
    match tokio::time::timeout(bounds.time, collect(body, bounds, room)).await {
        Ok(read) => read,
        Err(_) => Err(Refusal::SlowBody),
    }
}

/// Most bodies arrive in one frame, which is then passed on without a copy. Room is taken for what has arrived and not
/// for what is announced: announcing costs a client nothing.
async fn collect<B>(body: B, bounds: Bounds, room: &BodyRoom) -> Result<ReadBody, Refusal>
where
    B: Body<Data = Bytes>,
{
    let mut body = std::pin::pin!(body);
    let mut part = room.part();
    let mut only = None;
    let mut joined = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = tokio::select! {
        // In this order: what has to go does not grow before.
        biased;
        () = part.gives_way() => return Err(Refusal::Crowded),
        frame = body.frame() => frame,
    } {
        let frame = frame.map_err(|_| Refusal::BrokenBody)?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length > bounds.largest {
            return Err(Refusal::LargeBody);
        }
        part.grow(length)?;
        if length == data.len() {
            only = Some(data);
        } else {
            if let Some(first) = only.take() {
                joined.extend_from_slice(&first);
            }
            joined.extend_from_slice(&data);
        }
        if length > bounds.wanted {
            break;
        }
    }
    part.arrived()?;
    let bytes = only.unwrap_or_else(|| joined.freeze());
    Ok(ReadBody { bytes, is_whole: length <= bounds.wanted, part: Some(part) })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::FutureExt as _;
    use http_body::Frame;
    use http_body_util::{Empty, Full, StreamBody};

    use super::*;

    const BOUNDS: Bounds = Bounds { wanted: 3, largest: 5, time: Duration::from_secs(5) };

    /// A body that arrives in `pieces`.
    fn in_pieces(pieces: &[&'static str]) -> impl Body<Data = Bytes, Error = Infallible> {
        let frames: Vec<_> = pieces.iter().map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))).collect();
        StreamBody::new(futures_util::stream::iter(frames))
    }

    /// A body of which `first` arrives and then nothing more.
    fn halting(first: Vec<u8>) -> impl Body<Data = Bytes, Error = Infallible> {
        use futures_util::StreamExt as _;
        let first = futures_util::stream::iter([Ok(Frame::data(Bytes::from(first)))]);
        StreamBody::new(first.chain(futures_util::stream::pending()))
    }

    /// What is read, and whether it is all.
    async fn outcome(body: impl Body<Data = Bytes>) -> Result<(Bytes, bool), Refusal> {
        read(body, BOUNDS, &BodyRoom::new(1 << 20)).await.map(|read| (read.bytes, read.is_whole))
    }

    fn whole(text: &'static str) -> Result<(Bytes, bool), Refusal> {
        Ok((Bytes::from_static(text.as_bytes()), true))
    }

    #[tokio::test]
    async fn pieces_are_joined_in_order() {
        assert_eq!(outcome(in_pieces(&["a", "", "b", "c"])).await, whole("abc"));
        assert_eq!(outcome(in_pieces(&["abc"])).await, whole("abc"));
        assert_eq!(outcome(Empty::new()).await, whole(""));
    }

    #[tokio::test]
    async fn a_body_beyond_the_limit_is_refused_however_it_arrives() {
        assert_eq!(outcome(in_pieces(&["ab", "cdef"])).await, Err(Refusal::LargeBody));
        assert_eq!(outcome(Full::from("abcdef")).await, Err(Refusal::LargeBody));
    }

    #[tokio::test]
    async fn of_a_body_that_is_larger_than_wanted_no_more_is_read_than_shows_it() {
        assert_eq!(outcome(Full::from("abcd")).await, Ok((Bytes::new(), false)), "it says so by itself");
        assert_eq!(outcome(in_pieces(&["ab", "cd", "e"])).await, Ok((Bytes::from("abcd"), false)));
        assert_eq!(outcome(halting(b"abcd".to_vec())).await, Ok((Bytes::from("abcd"), false)), "nobody waits for more");
    }

    #[tokio::test]
    async fn nothing_is_read_of_a_body_that_nobody_wants() {
        let unwanted = Bounds { wanted: 0, ..BOUNDS };
        for large in [false, true] {
            let body = if large { vec![0; 100] } else { vec![0] };
            let read = read(Full::from(body), unwanted, &BodyRoom::new(0)).await.unwrap();
            assert!(read.bytes.is_empty() && !read.is_whole && read.part.is_none());
        }
        let never = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>());
        assert!(read(never, unwanted, &BodyRoom::new(0)).now_or_never().is_some(), "nor is it waited for");
        let empty = read(Empty::<Bytes>::new(), unwanted, &BodyRoom::new(0)).await.unwrap();
        assert!(empty.is_whole, "of nothing nothing is left");
    }

    #[tokio::test]
    async fn a_body_that_stops_arriving_is_refused() {
        let never = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>());
        let short = Bounds { time: Duration::from_millis(20), ..BOUNDS };
        assert_eq!(read(never, short, &BodyRoom::new(1 << 20)).await.err(), Some(Refusal::SlowBody));
    }

    #[tokio::test]
    async fn the_body_that_has_been_arriving_longest_gives_way() {
        let bounds = Bounds { wanted: 1 << 20, largest: 1 << 20, time: Duration::from_secs(5) };
        let room = BodyRoom::new(4 << 20);
        let half = || halting(vec![b'x'; 1 << 19]);
        // Of four mebibytes large bodies have three: six halves.
        let mut arriving: Vec<_> = (0..6).map(|_| Box::pin(read(half(), bounds, &room))).collect();
        assert!(arriving.iter_mut().all(|body| body.as_mut().now_or_never().is_none()));
        let next = read(Full::from(vec![b'x'; 1 << 19]), bounds, &room).now_or_never();
        assert!(next.expect("nothing is waited for").is_ok());
        let outcomes: Vec<_> = arriving.iter_mut().map(|body| body.as_mut().now_or_never()).collect();
        let refused: Vec<_> = outcomes.iter().map(|outcome| matches!(outcome, Some(Err(Refusal::Crowded)))).collect();
        assert_eq!(refused, [true, false, false, false, false, false]);
    }

    #[tokio::test]
    async fn large_bodies_keep_no_small_one_out() {
        let bounds = Bounds { wanted: 1 << 20, largest: 1 << 20, time: Duration::from_secs(5) };
        let room = BodyRoom::new(4 << 20);
        let mut held = Vec::new();
        while let Ok(read) = read(Full::from(vec![b'x'; 1 << 20]), bounds, &room).await {
            held.push(read);
        }
        assert_eq!(held.len(), 3, "they are whole, so none of them gives way");
        for _ in 0..20 {
            held.push(read(Full::from(vec![b'x'; 1000]), bounds, &room).await.expect("small ones have their own"));
        }
        drop(held);
        assert!(read(Full::from(vec![b'x'; 1 << 20]), bounds, &room).await.is_ok(), "it was all given back");
    }
}
