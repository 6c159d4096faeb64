//! Room for large answers. What one of them takes is many times its size: as it came from the upstream, in the memory of
//! the instance that reads it and writes it again, and as the answer that the client takes. All that is counted in bytes
//! against one bound, so that many at once take no more memory than the process has. An answer waits for its room a
//! while before it is read, and then again before it is handed to an instance; nothing is begun that has no room.
//!
//! ```text
//! head ──> room for the body ──> read ──> room for the call ──> at work ──> answered ──> taken by the client
//!               └─ none for a while ──────────────┴──> the caller is told to ask for less
//! ```
//! Small answers, which nearly all are, take what every place has for them (`memory`), and wait for nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::limits::Limits;

/// The room of one host.
#[derive(Debug)]
pub(crate) struct LargeAnswers {
    /// For bodies of upstreams, until nobody needs them any more.
    bodies: Room,
    /// For instances at work on them, and for what these answer.
    calls: Room,
    time: Duration,
    instance_bytes: usize,
    answer_bytes: usize,
}

/// A part of a room. Dropped, it is free again.
#[derive(Debug)]
pub(crate) struct Share(OwnedSemaphorePermit);

/// What one call takes of the room. Clones of its holder are of the same call; it is free when they are gone.
#[derive(Debug, Default)]
pub(crate) struct LargeCall(Mutex<Shares>);

#[derive(Debug, Default)]
struct Shares {
    instance: Option<Share>,
    answer: Option<Share>,
}

/// What a text of JSON takes of memory, as far as that can be told without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weight {
    bytes: usize,
    /// At least as many as it has.
    values: usize,
}

/// There is no room, and there was none for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoRoom;

#[derive(Debug)]
struct Room {
    free: Arc<Semaphore>,
    all: u32,
}

/// Bytes that are held as they are for as long as their share.
struct Counted {
    bytes: Bytes,
    _share: Share,
}

impl LargeAnswers {
    pub(crate) fn new(limits: &Limits) -> Self {
        let bodies = limits.large_answers_bytes / BODIES_PART;
        Self {
            bodies: Room::new(bodies),
            calls: Room::new(limits.large_answers_bytes - bodies),
            time: limits.large_answer_time,
            instance_bytes: limits.instance_memory_bytes,
            answer_bytes: limits.response_body_bytes,
        }
    }

    /// Whether something of this size counts while the host has it.
    pub(crate) fn is_large(bytes: usize) -> bool {
        bytes > SMALL_BYTES
    }

    /// Room for a body of this size, or of at most this size.
    pub(crate) async fn body(&self, bytes: usize) -> Result<Share, NoRoom> {
        self.bodies.take(units(bytes), self.time).await
    }

    /// What an instance that reads a text takes at most: it has it whole, its parts, and what it writes of them.
    fn of_instance(&self, Weight { bytes, values }: Weight) -> usize {
        let all = bytes.saturating_mul(MEMORY_OF_BYTE).saturating_add(values.saturating_mul(MEMORY_OF_VALUE));
        all.min(self.instance_bytes)
    }
}

impl Weight {
    pub(crate) fn of(text: &[u8]) -> Self {
        // Each value but the first follows one of these characters.
        let values = text.iter().filter(|byte| matches!(byte, b'[' | b'{' | b',' | b':')).count();
        Self { bytes: text.len(), values }
    }
}

impl LargeCall {
    /// Takes room for the call to read a text of this weight, which an upstream or the client has sent, and to answer. What
    /// it took for others counts.
    pub(crate) async fn reads(&self, weight: Weight, room: &LargeAnswers) -> Result<(), NoRoom> {
        let of_instance = room.of_instance(weight);
        if of_instance <= SMALL_INSTANCE_BYTES {
            return Ok(());
        }
        let (instance, answer) = {
            let shares = self.shares();
            let missing = |share: &Option<Share>, more: usize, most: usize| {
                let has = share.as_ref().map_or(0, Share::units);
                has.saturating_add(units(more)).min(units(most)).saturating_sub(has)
            };
            let answered = weight.bytes.saturating_mul(ANSWER_OF_BYTE);
            (
                missing(&shares.instance, of_instance, room.instance_bytes),
                missing(&shares.answer, answered, room.answer_bytes),
            )
        };
        let mut share = room.calls.take(instance.saturating_add(answer), room.time).await?;
        let of_answer = share.split_off(answer);
        let mut shares = self.shares();
        join(&mut shares.instance, Some(share));
        join(&mut shares.answer, of_answer);
        Ok(())
    }

    /// Whether it took any room.
    pub(crate) fn is_large(&self) -> bool {
        self.shares().instance.is_some()
    }

    /// The answer of the call, which keeps its room until whoever takes it has done so.
    pub(crate) fn answered(&self, bytes: Bytes) -> Bytes {
        let share = self.shares().answer.take().filter(|_| LargeAnswers::is_large(bytes.len()));
        match share {
            Some(mut share) => {
                share.shrink_to(bytes.len());
                Bytes::from_owner(Counted { bytes, _share: share })
            }
            None => bytes,
        }
    }

    fn shares(&self) -> MutexGuard<'_, Shares> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    fn new(bytes: usize) -> Self {
        let all = units(bytes).max(1);
        Self { free: Arc::new(Semaphore::new(usize::try_from(all).unwrap_or(Semaphore::MAX_PERMITS))), all }
    }

    /// Whoever wants more than there is gets all of it.
    async fn take(&self, units: u32, time: Duration) -> Result<Share, NoRoom> {
        let permit = timeout(time, self.free.clone().acquire_many_owned(units.min(self.all))).await;
        // The semaphore is never closed.
        permit.ok().and_then(Result::ok).map(Share).ok_or(NoRoom)
    }
}

impl Share {
    fn units(&self) -> u32 {
        u32::try_from(self.0.num_permits()).unwrap_or(u32::MAX)
    }

    /// Gives back what is beyond `bytes`.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        drop(self.split_off(self.units().saturating_sub(units(bytes))));
    }

    /// A part of it, at most all of it but nothing.
    fn split_off(&mut self, units: u32) -> Option<Share> {
        let units = usize::try_from(units.min(self.units())).unwrap_or_default();
        self.0.split(units).map(Share)
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn join(share: &mut Option<Share>, more: Option<Share>) {
    match (share.as_mut(), more) {
        (Some(share), Some(more)) => share.0.merge(more.0),
        (None, more) => *share = more,
        (Some(_), None) => {}
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

/// In what room is counted.
const UNIT_BYTES: usize = 1 << 10;
/// A hundred rows have a few kilobytes.
const SMALL_BYTES: usize = 64 << 10;
/// What an instance of every place may take for what it reads, beside what it always takes: twice as much as for
/// `SMALL_BYTES` with long values, or for five hundred rows.
const SMALL_INSTANCE_BYTES: usize = 768 << 10;
/// The part of the room that is for bodies of upstreams: one in so many bytes. What is read of them is not even an eighth
/// of what is made of it.
const BODIES_PART: usize = 8;
/// Bytes of an instance for a byte of what it reads: it was seen to take five with long values.
const MEMORY_OF_BYTE: usize = 6;
/// Bytes of an instance for each value in what it reads, beyond those: the smallest object has three, seven bytes, and
/// takes sixty times as many.
const MEMORY_OF_VALUE: usize = 128;
/// An answer has its rows as text and as JSON.
const ANSWER_OF_BYTE: usize = 2;

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    const MIB: usize = 1 << 20;

    fn room(mebibytes: usize) -> LargeAnswers {
        let limits = Limits { large_answers_bytes: mebibytes * MIB, ..Limits::default() };
        LargeAnswers::new(&Limits { large_answer_time: Duration::ZERO, ..limits })
    }

    /// An answer with one long value.
    fn text(mebibytes: usize) -> Weight {
        Weight { bytes: mebibytes * MIB, values: 0 }
    }

    /// What is free for bodies and for calls, in mebibytes.
    fn free(room: &LargeAnswers) -> [usize; 2] {
        [&room.bodies, &room.calls].map(|room| room.free.available_permits() / 1024)
    }

    #[tokio::test]
    async fn small_answers_need_no_room() {
        let room = room(0);
        let call = LargeCall::default();
        let none = room.calls.take(1, Duration::ZERO).await.unwrap();
        let row = r#"{"dimensions":["/a/page"],"metrics":[10,20]},"#;
        for small in ["x".repeat(SMALL_BYTES), row.repeat(500), "[0],".repeat(2000)] {
            assert_eq!(call.reads(Weight::of(small.as_bytes()), &room).await, Ok(()));
        }
        for large in ["x".repeat(2 * SMALL_BYTES + 1), row.repeat(1000), "[0],".repeat(4000)] {
            assert_eq!(call.reads(Weight::of(large.as_bytes()), &room).await, Err(NoRoom));
        }
        assert!(!call.is_large());
        drop(none);
    }

    #[tokio::test]
    async fn a_call_takes_what_its_instance_and_its_answer_may_and_gives_it_back() {
        let room = room(160);
        let call = LargeCall::default();
        assert_eq!(free(&room), [20, 140]);
        assert_eq!(call.reads(text(4), &room).await, Ok(()));
        assert_eq!(free(&room), [20, 140 - 4 * 6 - 4 * 2]);
        assert!(call.is_large());
        drop(call);
        assert_eq!(free(&room), [20, 140]);
    }

    #[tokio::test]
    async fn small_values_take_many_times_their_size_and_no_more_than_an_instance_has() {
        let room = room(160);
        let call = LargeCall::default();
        assert_eq!(call.reads(Weight::of("[0],".repeat(MIB / 4).as_bytes()), &room).await, Ok(()));
        assert_eq!(free(&room)[1], 140 - 64 - 2);
        assert_eq!(call.reads(text(1), &room).await, Ok(()), "its instance has no more");
        assert_eq!(free(&room)[1], 140 - 64 - 4);
    }

    #[tokio::test]
    async fn who_finds_no_room_is_told_and_those_at_work_go_on() {
        let room = room(160);
        let calls: [LargeCall; 3] = Default::default();
        let [first, second, third] = &calls;
        assert_eq!(first.reads(text(8), &room).await, Ok(()));
        assert_eq!(second.reads(text(8), &room).await, Ok(()));
        assert_eq!(third.reads(text(8), &room).await, Err(NoRoom));
        assert_eq!(first.reads(text(8), &room).await, Err(NoRoom));
        drop(calls);
        assert_eq!(free(&room), [20, 140]);
    }

    #[tokio::test]
    async fn an_answer_keeps_its_room_until_it_is_taken() {
        let room = room(160);
        let call = LargeCall::default();
        assert_eq!(call.reads(text(8), &room).await, Ok(()));
        let answer = call.answered(Bytes::from(vec![b'x'; 3 * MIB]));
        drop(call);
        assert_eq!(free(&room)[1], 140 - 3);
        let part = answer.slice(..10);
        drop(answer);
        assert_eq!(free(&room)[1], 140 - 3, "a part of it holds all of it");
        drop(part);
        assert_eq!(free(&room)[1], 140);
    }

    #[tokio::test]
    async fn an_answer_beyond_all_room_comes_alone() {
        let room = room(1);
        let alone = LargeCall::default();
        let body = room.body(8 * MIB).await.expect("there is no other");
        assert_eq!(alone.reads(text(8), &room).await, Ok(()));
        assert_eq!(free(&room), [0, 0]);
        assert!(room.body(MIB).await.is_err() && LargeCall::default().reads(text(1), &room).await.is_err());
        drop((body, alone));
        assert!(room.body(MIB).await.is_ok());
    }

    #[tokio::test]
    async fn room_is_waited_for() {
        let limits =
            Limits { large_answers_bytes: 8 * MIB, large_answer_time: Duration::from_secs(60), ..Limits::default() };
        let room = LargeAnswers::new(&limits);
        let mut first = room.body(MIB).await.unwrap();
        let mut second = Box::pin(room.body(MIB));
        assert!(second.as_mut().now_or_never().is_none());
        first.shrink_to(0);
        assert!(second.now_or_never().expect("it is free").is_ok());
    }
}
