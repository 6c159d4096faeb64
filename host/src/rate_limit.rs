//! `rate-limit`: the port that every limiter implements, and the adapter that links one to the component.

mod memory;
#[cfg(feature = "redis")]
mod redis;

use std::pin::Pin;
use std::sync::Arc;

use wasmtime::component::{HasData, Linker};

use crate::bindings::rate_limit as wit;
pub use memory::MemoryBuckets;
#[cfg(feature = "redis")]
pub use redis::RedisBuckets;

/// Token buckets that outlive a request.
///
/// Contract: taking is one atomic step. A key that is seen for the first time has a full bucket; a key under another
/// quota is another bucket; a cost above the limit is taken as the limit. What all buckets take together is bounded.
/// An answer always comes, and soon: a limiter that asks another machine decides by itself when that one is silent.
pub trait RateLimit: Send + Sync + 'static {
    /// Takes `cost` from the bucket `key`, or tells how long to wait for it.
    fn check<'a>(
        &'a self,
        key: &'a str,
        quota: Quota,
        cost: u32,
    ) -> Pin<Box<dyn Future<Output = Decision> + Send + 'a>>;
}

/// How much a bucket lets through. Zero is taken as one in both fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The size of the bucket: what one key may spend at once.
    pub limit: u32,
    /// The time in which an empty bucket fills up again, in seconds.
    pub window_seconds: u32,
}

/// What a bucket says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The cost was taken. The value is how much is left, at least.
    Allowed(u32),
    /// Nothing was taken. The value is the number of seconds, at least 1, after which the same cost fits.
    RetryAfter(u32),
}

/// The limiter of the process.
pub struct RateLimitState(Arc<dyn RateLimit>);

/// The limiter as one call of the component sees it.
pub struct RateLimitView<'a>(&'a dyn RateLimit);

impl RateLimitState {
    /// Asks `limiter`.
    pub fn new(limiter: Arc<dyn RateLimit>) -> Self {
        Self(limiter)
    }

    /// For [`add_to_linker`].
    pub fn view(&self) -> RateLimitView<'_> {
        RateLimitView(self.0.as_ref())
    }
}

impl wit::Host for RateLimitView<'_> {
    async fn check(&mut self, key: String, quota: wit::Quota, cost: u32) -> wasmtime::Result<wit::Decision> {
        let quota = Quota { limit: quota.limit, window_seconds: quota.window_seconds };
        Ok(match self.0.check(&key, quota, cost).await {
            Decision::Allowed(remaining) => wit::Decision::Allowed(remaining),
            Decision::RetryAfter(seconds) => wit::Decision::RetryAfter(seconds),
        })
    }
}

struct HasRateLimit;

impl HasData for HasRateLimit {
    type Data<'a> = RateLimitView<'a>;
}

/// Supplies `plausible-mcp:host/rate-limit` from the part of `T` that `view` shows.
///
/// # Errors
/// When the linker has the interface already.
pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> RateLimitView<'_>,
) -> wasmtime::Result<()> {
    wit::add_to_linker::<_, Limiter>(linker, view)
}
