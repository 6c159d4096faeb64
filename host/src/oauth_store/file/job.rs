//! A write on its way through the queue.
//!
//! ```text
//! queued --begins--> in a transaction --> answered
//!    \--gives up--> never happens
//! ```
//! A caller that stops waiting for a write that has not begun takes it back: only what has begun may have happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::records::Records;
use crate::oauth_store::StoreError;

/// A write of a type that only its caller knows.
pub(super) trait Job: Send {
    /// Whether it is to happen. From then on the caller cannot take it back.
    fn begins(&self) -> bool;
    /// Whether it adds nothing. Room is kept for such writes.
    fn only_removes(&self) -> bool;
    /// Does it within a transaction; again, if that was given up.
    fn run(&mut self, records: &mut Records<'_>) -> Result<(), redb::Error>;
    /// Tells the caller how the transaction ended.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

/// The caller's side. Dropping it takes the write back, if it has not begun.
#[derive(Debug, Default)]
pub(super) struct Caller(Arc<AtomicBool>);

impl Caller {
    /// Takes the write back; tells whether it was in time. If not, the write may happen.
    pub(super) fn gives_up(&self) -> bool {
        !self.0.swap(true, Ordering::SeqCst)
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.gives_up();
    }
}

/// A write with its answer.
pub(super) struct Queued<T, F> {
    operation: F,
    only_removes: bool,
    result: Option<T>,
    answer: oneshot::Sender<Result<T, StoreError>>,
    /// Whether it has begun, or was taken back.
    decided: Arc<AtomicBool>,
    _room: OwnedSemaphorePermit,
}

impl<T, F> Queued<T, F> {
    pub(super) fn new(
        operation: F,
        answer: oneshot::Sender<Result<T, StoreError>>,
        caller: &Caller,
        room: OwnedSemaphorePermit,
    ) -> Self {
        Self { operation, only_removes: false, result: None, answer, decided: caller.0.clone(), _room: room }
    }

    /// Says that it adds nothing.
    pub(super) fn that_only_removes(self) -> Self {
        Self { only_removes: true, ..self }
    }
}

impl<T, F> Job for Queued<T, F>
where
    T: Send,
    F: Fn(&mut Records<'_>) -> Result<T, redb::Error> + Send,
{
    fn begins(&self) -> bool {
        !self.decided.swap(true, Ordering::SeqCst)
    }

    fn only_removes(&self) -> bool {
        self.only_removes
    }

    fn run(&mut self, records: &mut Records<'_>) -> Result<(), redb::Error> {
        self.result = Some((self.operation)(records)?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let answer = match (committed, self.result) {
            (Ok(()), Some(result)) => Ok(result),
            (Ok(()), None) => Err(StoreError::Unavailable),
            (Err(error), _) => Err(error),
        };
        // The caller may have gone.
        let _ = self.answer.send(answer);
    }
}
