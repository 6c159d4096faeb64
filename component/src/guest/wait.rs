//! Runs a future in a component of WASI 0.2, which has no executor: host calls block the instance, and the host runs
//! other instances meanwhile.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Polls a future until it is ready. Every wait inside is a host call that blocks, so polling never spins: a future is
/// pending only to let others start ([`for_the_others`]).
pub fn until_ready<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

/// Is pending once, so that futures that are polled together all start before the first of them blocks.
pub async fn for_the_others() {
    let mut waited = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
