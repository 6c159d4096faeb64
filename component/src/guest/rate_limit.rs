//! `plausible-mcp:host/rate-limit`.

use super::bindings::plausible_mcp::host::rate_limit as host;
use crate::ports::{Decision, Quota, RateLimit};

/// The host's buckets.
pub struct HostLimiter;

impl RateLimit for HostLimiter {
    async fn check(&self, key: &str, quota: Quota, cost: u32) -> Decision {
        match host::check(key, host::Quota { limit: quota.limit, window_seconds: quota.window_seconds }, cost) {
            host::Decision::Allowed(remaining) => Decision::Allowed { remaining },
            host::Decision::RetryAfter(retry_after) => Decision::Denied { retry_after },
        }
    }
}
