//! Exchanges under way: each runs in a task of its own, is shared by callers with an equal `coalesce`, and is aborted
//! when the last of them has gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::bindings::outbound_http::{Error, Response};
use crate::large_answers::{Share, Weight};

/// How an exchange ended.
pub(super) type Outcome = Result<Arc<Answer>, Error>;

/// An answer, which all callers share.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) response: Response,
    /// That of its body.
    pub(super) weight: Weight,
    /// Its room, where it is large, for as long as it is there.
    pub(super) _share: Option<Share>,
}

/// The same without what belongs to the host.
pub(super) fn response(outcome: &Outcome) -> Result<&Response, &Error> {
    outcome.as_ref().map(|answer| &answer.response)
}

/// The exchanges under way that may be shared, by their `coalesce`.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<String, Weak<Flight>>>);

/// One exchange.
#[derive(Debug)]
pub(super) struct Flight {
    outcome: watch::Receiver<Option<Outcome>>,
    task: AbortHandle,
    shared: Option<(Arc<Flights>, String)>,
}

impl Flights {
    /// Joins the exchange under way with an equal `coalesce`, or starts the one that `begin` makes. The error is that of
    /// `begin`.
    pub(super) fn start<Exchange>(
        self: &Arc<Self>,
        coalesce: Option<String>,
        begin: impl FnOnce() -> Result<Exchange, Error>,
    ) -> Result<Arc<Flight>, Error>
    where
        Exchange: Future<Output = Outcome> + Send + 'static,
    {
        let Some(key) = coalesce else {
            return Ok(Arc::new(launch(begin()?, None)));
        };
        // Declared before the guard, so that it is dropped after it: dropping the last holder of a flight locks again.
        let found;
        let mut flights = self.lock();
        found = flights.get(&key).and_then(Weak::upgrade);
        if let Some(flight) = &found
            && flight.is_under_way()
        {
            return Ok(flight.clone());
        }
        let flight = Arc::new(launch(begin()?, Some((self.clone(), key.clone()))));
        flights.insert(key, Arc::downgrade(&flight));
        Ok(flight)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Weak<Flight>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    /// One that was over before it began.
    pub(super) fn over(outcome: Outcome) -> Arc<Self> {
        Arc::new(launch(std::future::ready(outcome), None))
    }

    /// Waits for the outcome. Every call gets the same one.
    pub(super) async fn outcome(&self) -> Outcome {
        let mut outcome = self.outcome.clone();
        match outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Err(Error::Interrupted)),
            // The task ended without an outcome, which only the end of the runtime does.
            Err(_) => Err(Error::Interrupted),
        }
    }

    fn is_under_way(&self) -> bool {
        self.outcome.borrow().is_none() && self.outcome.has_changed().is_ok()
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.task.abort();
        if let Some((flights, key)) = self.shared.take() {
            let mut flights = flights.lock();
            // A successor may stand under the key already.
            if flights.get(&key).is_some_and(|entry| entry.strong_count() == 0) {
                flights.remove(&key);
            }
        }
    }
}

fn launch(exchange: impl Future<Output = Outcome> + Send + 'static, shared: Option<(Arc<Flights>, String)>) -> Flight {
    let (sender, outcome) = watch::channel(None);
    let task = tokio::spawn(async move {
        let _ = sender.send(Some(exchange.await));
    });
    Flight { outcome, task: task.abort_handle(), shared }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;

    fn answer() -> Outcome {
        let response = Response { status: 200, headers: Vec::new(), body: b"x".to_vec() };
        Ok(Arc::new(Answer { response, weight: Weight::of(b"x"), _share: None }))
    }

    /// Starts two exchanges with these `coalesce` values and counts how many ran.
    async fn exchanges_for(first: Option<&str>, second: Option<&str>) -> u32 {
        let flights = Arc::new(Flights::default());
        let count = Arc::new(AtomicU32::new(0));
        let start = |key: Option<&str>| {
            let count = count.clone();
            let exchange = async move {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
                answer()
            };
            flights.start(key.map(str::to_owned), || Ok(exchange)).unwrap()
        };
        let (first, second) = (start(first), start(second));
        let (one, other) = (first.outcome().await.unwrap(), second.outcome().await.unwrap());
        assert_eq!(one.response.body, other.response.body);
        drop((first, second));
        assert!(flights.lock().is_empty(), "nothing is kept");
        count.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn only_equal_values_share_an_exchange() {
        assert_eq!(exchanges_for(Some("a"), Some("a")).await, 1);
        assert_eq!(exchanges_for(Some("a"), Some("b")).await, 2);
        assert_eq!(exchanges_for(None, None).await, 2);
    }

    #[tokio::test]
    async fn a_finished_exchange_is_not_shared() {
        let flights = Arc::new(Flights::default());
        let first = flights.start(Some("a".into()), || Ok(async { answer() })).unwrap();
        first.outcome().await.unwrap();
        let second = flights.start(Some("a".into()), || Ok(async { Err(Error::ConnectFailed) })).unwrap();
        assert!(second.outcome().await.is_err());
        assert!(first.outcome().await.is_ok(), "a second call returns the same result");
    }

    #[tokio::test]
    async fn one_that_is_under_way_is_joined_also_where_none_can_begin() {
        let flights = Arc::new(Flights::default());
        let none = || Err::<std::future::Ready<Outcome>, _>(Error::Busy(1));
        assert!(flights.start(Some("a".into()), none).is_err() && flights.start(None, none).is_err());
        let first = flights.start(Some("a".into()), || Ok(std::future::pending())).unwrap();
        assert!(Arc::ptr_eq(&first, &flights.start(Some("a".into()), none).unwrap()));
    }

    #[tokio::test]
    async fn dropping_the_last_holder_aborts_the_exchange() {
        let flights = Arc::new(Flights::default());
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        let held = async move {
            let _held = sender;
            std::future::pending().await
        };
        let flight = flights.start(Some("a".into()), || Ok(held)).unwrap();
        let other = flights.start(Some("a".into()), || Ok(async { answer() })).unwrap();
        tokio::task::yield_now().await;
        drop(flight);
        tokio::task::yield_now().await;
        assert!(other.is_under_way());
        drop(other);
        assert!(receiver.await.is_err(), "the task was dropped");
    }
}
