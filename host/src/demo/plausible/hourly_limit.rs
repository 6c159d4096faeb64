//! The hourly limit of an API key, off unless a test asks for it.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

/// Counts requests in the running hour.
#[derive(Debug, Default)]
pub(super) struct HourlyLimit {
    most: Option<u32>,
    /// The hour since 1970, and the requests in it.
    counted: Mutex<(i64, u32)>,
}

impl HourlyLimit {
    pub(super) fn new(most: u32) -> Self {
        Self { most: Some(most), ..Self::default() }
    }

    /// Counts a request; the error is Plausible's text.
    pub(super) fn check(&self, now: Timestamp) -> Result<(), String> {
        let Some(most) = self.most else {
            return Ok(());
        };
        let hour = now.as_second().div_euclid(3600);
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.0 != hour {
            *counted = (hour, 0);
        }
        counted.1 = counted.1.saturating_add(1);
        if counted.1 <= most {
            return Ok(());
        }
        Err(format!(
            "Too many API requests. Your API key is limited to {most} requests per hour. Please contact us to request more capacity."
        ))
    }
}
