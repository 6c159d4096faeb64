//! Refusals of rate limits, counted around the limiter.

use std::pin::Pin;
use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::Metrics;
use crate::rate_limit::{Decision, Quota, RateLimit};

/// The counter.
pub(crate) struct Refusals(Counter);

/// A limiter whose refusals are counted.
pub(crate) struct CountedRateLimit {
    limiter: Arc<dyn RateLimit>,
    metrics: Metrics,
}

impl Refusals {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let counter = Counter::default();
        registry.register("rate_limit_refusals", "Times that a rate limit said to wait", counter.clone());
        Self(counter)
    }
}

impl CountedRateLimit {
    pub(crate) fn new(limiter: Arc<dyn RateLimit>, metrics: Metrics) -> Self {
        Self { limiter, metrics }
    }
}

impl RateLimit for CountedRateLimit {
    fn check<'a>(
        &'a self,
        key: &'a str,
        quota: Quota,
        cost: u32,
    ) -> Pin<Box<dyn Future<Output = Decision> + Send + 'a>> {
        let decision = self.limiter.check(key, quota, cost);
        Box::pin(async move {
            let decision = decision.await;
            if matches!(decision, Decision::RetryAfter(_)) {
                self.metrics.rate_limit().0.inc();
            }
            decision
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate_limit::MemoryBuckets;

    #[tokio::test]
    async fn only_refusals_count() {
        let metrics = Metrics::new();
        let limiter = CountedRateLimit::new(Arc::new(MemoryBuckets::default()), metrics.clone());
        let quota = Quota { limit: 1, window_seconds: 3600 };
        assert!(matches!(limiter.check("a", quota, 1).await, Decision::Allowed(_)));
        assert!(metrics.encode().contains("plausible_mcp_rate_limit_refusals_total 0\n"));
        assert!(matches!(limiter.check("a", quota, 1).await, Decision::RetryAfter(_)));
        assert!(metrics.encode().contains("plausible_mcp_rate_limit_refusals_total 1\n"));
    }
}
