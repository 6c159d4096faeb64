//! `rate-limit`: one bucket per key and quota, in a cache that forgets the least recently used ones.

mod buckets;

use wasmtime::component::{HasData, Linker};

use crate::bindings::rate_limit as wit;
use buckets::Buckets;

/// The buckets of the process.
#[derive(Default)]
pub struct RateLimitState(Buckets);

/// The buckets as one call of the component sees them.
pub struct RateLimitView<'a>(&'a RateLimitState);

impl RateLimitState {
    /// For [`add_to_linker`].
    pub fn view(&self) -> RateLimitView<'_> {
        RateLimitView(self)
    }
}

impl wit::Host for RateLimitView<'_> {
    fn check(&mut self, key: String, quota: wit::Quota, cost: u32) -> wasmtime::Result<wit::Decision> {
        Ok(self.0.0.check(key, quota, cost))
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
    wit::add_to_linker::<_, HasRateLimit>(linker, view)
}
