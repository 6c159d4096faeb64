//! Whether somebody still waits for the answer to a request. Both ends are made together: whoever waits holds the one,
//! the worker the other.
//!
//! ```text
//! waiting ── answered ──> the guest goes on as long as it likes
//!    └────── dropped ───> left: the guest is stopped
//! ```

use tokio::sync::oneshot;

/// Held by whoever waits. Dropped before the answer is there, it says that nobody waits any more.
pub(crate) struct Waiting(oneshot::Sender<()>);

/// Tells when whoever waited has left.
pub(crate) struct Left(oneshot::Receiver<()>);

/// Both ends.
pub(crate) fn waiting() -> (Waiting, Left) {
    let (sender, receiver) = oneshot::channel();
    (Waiting(sender), Left(receiver))
}

impl Waiting {
    /// Nothing is waited for any more, and nobody has left.
    pub(crate) fn answered(self) {
        // A worker that is done has no use for it.
        let _ = self.0.send(());
    }
}

impl Left {
    /// Waits until whoever waited has left. Never ready when there was an answer before.
    pub(crate) async fn left(self) {
        if self.0.await.is_ok() {
            std::future::pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn whoever_drops_his_end_has_left_unless_he_was_answered() {
        let (waits, left) = waiting();
        let mut left = Box::pin(left.left());
        assert!(left.as_mut().now_or_never().is_none());
        drop(waits);
        assert!(left.now_or_never().is_some());
        let (waits, left) = waiting();
        waits.answered();
        assert!(left.left().now_or_never().is_none());
    }
}
