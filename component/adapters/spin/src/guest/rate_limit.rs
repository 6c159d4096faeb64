//! `rate-limit`.

use super::{Adapter, backend};
use crate::bucket::{Decision, Quota};
use plausible_mcp_adapter_edge::bindings::rate_limit as wit;

impl wit::Guest for Adapter {
    fn check(key: String, quota: wit::Quota, cost: u32) -> wit::Decision {
        let quota = Quota::new(quota.limit, quota.window_seconds);
        match backend::check_bucket(&key, quota, cost) {
            Decision::Allowed(remaining) => wit::Decision::Allowed(remaining),
            Decision::RetryAfter(seconds) => wit::Decision::RetryAfter(seconds),
        }
    }
}
