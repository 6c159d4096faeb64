//! Keeps drawn days, since drawing one costs more than reading it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{catalogue::Site, visits::Day};

/// Days by site and number, at most [`MAX_DAYS`] of them.
#[derive(Debug, Default)]
pub(super) struct Archive {
    days: Mutex<BTreeMap<(&'static str, i64), Arc<Day>>>,
}

impl Archive {
    /// The day, drawn when it is not there; `None` beyond the calendar.
    pub(super) fn day(&self, site: &'static Site, number: i64) -> Option<Arc<Day>> {
        let key = (site.domain, number);
        // Days are never changed, so a poisoned lock guards good data.
        let known = self.days.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(day) = known.get(&key) {
            return Some(Arc::clone(day));
        }
        drop(known);
        let day = Arc::new(Day::generate(site, number)?);
        let mut days = self.days.lock().unwrap_or_else(PoisonError::into_inner);
        while days.len() >= MAX_DAYS {
            days.pop_first();
        }
        days.insert(key, Arc::clone(&day));
        Some(day)
    }
}

/// Two sites of fourteen months; some 15 MB when full.
const MAX_DAYS: usize = 900;
