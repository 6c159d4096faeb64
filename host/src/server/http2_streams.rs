//! The streams of one HTTP/2 connection. hyper runs each as a future of its own, to its end: here it gets a limit of
//! time, which a client that makes no room for its answer would hold up otherwise, and it is counted, so that a
//! connection without any can be ended.

use std::time::Duration;

use hyper::rt::Executor;
use tokio::sync::watch;

/// Runs streams. Clones count together.
#[derive(Clone)]
pub(super) struct Http2Streams {
    time: Duration,
    open: watch::Sender<Open>,
}

#[derive(Clone, Copy, Default)]
struct Open {
    now: usize,
    ever: u64,
}

/// A stream that is open for as long as this lives.
struct Counted(watch::Sender<Open>);

impl Http2Streams {
    /// Each may take so long, from its head to the last byte of its answer.
    pub(super) fn new(time: Duration) -> Self {
        Self { time, open: watch::Sender::new(Open::default()) }
    }

    /// Waits until no stream has been open for `time`.
    pub(super) async fn idle(&self, time: Duration) {
        let mut open = self.open.subscribe();
        loop {
            // The sender is `self`'s: waiting cannot fail.
            let Ok(ever) = open.wait_for(|open| open.now == 0).await.map(|open| open.ever) else { return };
            let opened = tokio::time::timeout(time, open.wait_for(|open| open.ever != ever)).await.is_ok();
            if !opened {
                return;
            }
        }
    }
}

impl<S> Executor<S> for Http2Streams
where
    S: Future + Send + 'static,
    S::Output: Send,
{
    fn execute(&self, stream: S) {
        let (time, counted) = (self.time, Counted::new(self.open.clone()));
        tokio::spawn(async move {
            // What is given up is reset.
            let _ = tokio::time::timeout(time, stream).await;
            drop(counted);
        });
    }
}

impl Counted {
    fn new(open: watch::Sender<Open>) -> Self {
        open.send_modify(|open| {
            open.now += 1;
            open.ever += 1;
        });
        Self(open)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|open| open.now -= 1);
    }
}
