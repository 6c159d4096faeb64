//! Reads a request's body before the component sees the request: a slow or endless client holds a connection, never
//! an instance.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt as _;

use crate::refusal::Refusal;

/// The whole body, if it is at most `largest` bytes long and complete within `time`.
pub(crate) async fn read<B>(body: B, largest: usize, time: Duration) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes>,
{
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    if body.size_hint().lower() > u64::try_from(largest).unwrap_or(u64::MAX) {
        return Err(Refusal::LargeBody);
    }
    match tokio::time::timeout(time, collect(body, largest)).await {
        Ok(read) => read,
        Err(_) => Err(Refusal::SlowBody),
    }
}

/// Most bodies arrive in one frame, which is then passed on without a copy.
async fn collect<B>(body: B, largest: usize) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes>,
{
    let mut body = std::pin::pin!(body);
    let mut only = None;
    let mut joined = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::BrokenBody)?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length > largest {
            return Err(Refusal::LargeBody);
        }
        if length == data.len() {
            only = Some(data);
            continue;
        }
        if let Some(first) = only.take() {
            joined.extend_from_slice(&first);
        }
        joined.extend_from_slice(&data);
    }
    Ok(only.unwrap_or_else(|| joined.freeze()))
}

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

    #[tokio::test]
    async fn pieces_are_joined_in_order() {
        assert_eq!(read(in_pieces(&["a", "", "b", "c"]), 3, TIME).await.unwrap(), "abc");
        assert_eq!(read(in_pieces(&["abc"]), 3, TIME).await.unwrap(), "abc");
        assert_eq!(read(Empty::new(), 3, TIME).await.unwrap(), "");
    }

    #[tokio::test]
    async fn a_body_beyond_the_limit_is_refused_however_it_arrives() {
        assert_eq!(read(in_pieces(&["ab", "cd"]), 3, TIME).await, Err(Refusal::LargeBody));
        assert_eq!(read(Full::from("abcd"), 3, TIME).await, Err(Refusal::LargeBody));
    }

    #[tokio::test]
    async fn a_body_that_stops_arriving_is_refused() {
        let never = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>());
        assert_eq!(read(never, 3, Duration::from_millis(20)).await, Err(Refusal::SlowBody));
    }
}
