//! The synthetic visits of a day.
//!
//! Invariant: a day's visits are a function of the site and the date alone.
//! Who asks, when and for what changes nothing, so every query over the
//! same days is consistent with every other.
//!
//! The story in the data: traffic grows slowly, weekends are quiet, on the
//! first Thursday of a month a newsletter goes out, and every second
//! Tuesday a release changes how many visitors reach the pricing page.

use jiff::civil::Date;

use super::{catalogue::Site, drawing::Drawing, traffic, zone};

/// A day of visits.
#[derive(Debug)]
pub(super) struct Day {
    pub(super) date: Date,
    /// Unix time of the local midnight.
    pub(super) midnight: i64,
    /// Seconds from UTC to local time, if the same all day.
    pub(super) offset: Option<i64>,
    pub(super) visits: Vec<Visit>,
    /// Of all visits, each visit's in one run.
    pub(super) events: Vec<Event>,
}

/// A visit: rows of the catalogue's tables, and where its events are.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    pub(super) visitor: u32,
    pub(super) origin: u8,
    pub(super) place: u8,
    pub(super) client: u8,
    pub(super) variant: u8,
    pub(super) logged_in: u8,
    pub(super) first_event: u32,
    pub(super) end_event: u32,
}

/// A page view (`name` 0) or a custom event on a page.
#[derive(Debug, Clone, Default)]
pub(super) struct Event {
    /// Since the local midnight.
    pub(super) second: u32,
    pub(super) name: u8,
    pub(super) page: u8,
    pub(super) hostname: u8,
    pub(super) plan: u8,
    pub(super) url: u8,
    /// Percent of the page.
    pub(super) scroll: u8,
    pub(super) seconds_on_page: u16,
    pub(super) cents: u32,
}

impl Day {
    /// Draws the visits of a day.
    pub(super) fn generate(site: &Site, number: i64) -> Option<Self> {
        let date = zone::day_from_number(number)?;
        let midnight = zone::midnight(date)?;
        let last = zone::last_second(date)?;
        let offset = zone::offset_seconds(midnight);
        let day_seconds = u32::try_from(last.as_second() - midnight.as_second()).ok()?;
        let mut drawing = Drawing::new(site, date, number, day_seconds);
        for index in 0..traffic::volume(site, date, number) {
            drawing.visit(index);
        }
        Some(Self {
            date,
            midnight: midnight.as_second(),
            offset: (offset == zone::offset_seconds(last)).then_some(offset),
            visits: drawing.visits,
            events: drawing.events,
        })
    }

    /// The events of a visit, in order; the first is a page view.
    pub(super) fn events_of(&self, visit: &Visit) -> &[Event] {
        let range = visit.first_event as usize..visit.end_event as usize;
        self.events.get(range).unwrap_or_default()
    }
}
