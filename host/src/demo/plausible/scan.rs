//! Goes over the visits of a range and groups them, from the events' side
//! and from the visits' side, as Plausible asks its two tables.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    columns::{Column, TimeColumn},
    selection::Selection,
    visits::{Day, Event, Visit},
};

/// The days of a range and its exact ends.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) days: Vec<Arc<Day>>,
    /// Unix time of the first and the last second, inclusive; the last is
    /// never in the future.
    pub(super) first: i64,
    pub(super) last: i64,
}

/// What rows are grouped by.
#[derive(Debug)]
pub(super) enum Axis {
    Time(TimeColumn),
    Table(Column),
}

/// Totals of a group of events.
#[derive(Debug, Default)]
pub(super) struct EventTotals {
    pub(super) visitors: HashSet<u32>,
    pub(super) visits: u64,
    pub(super) pageviews: u64,
    pub(super) events: u64,
    pub(super) scroll: u64,
    pub(super) seconds_on_page: u64,
    pub(super) cents: u64,
    pub(super) paid_events: u64,
    last_visit: Option<(usize, usize)>,
}

/// Totals of a group of visits.
#[derive(Debug, Default)]
pub(super) struct VisitTotals {
    pub(super) visitors: HashSet<u32>,
    pub(super) visits: u64,
    pub(super) pageviews: u64,
    pub(super) seconds: u64,
    /// Visits that count for the bounce rate, and those that bounced.
    pub(super) entered: u64,
    pub(super) bounced: u64,
}

/// Totals by the codes of the axes.
pub(super) type Groups<T> = HashMap<Vec<u32>, T>;

impl Scan {
    /// Groups the events that pass.
    pub(super) fn events(&self, selection: &Selection, axes: &[Axis]) -> Groups<EventTotals> {
        let mut groups = Groups::<EventTotals>::new();
        let mut key = Vec::with_capacity(axes.len());
        for (day_index, day) in self.days.iter().enumerate() {
            for (visit_index, visit) in day.visits.iter().enumerate() {
                for event in self.in_range(day, visit) {
                    if !selection.admits(day, visit, event) || !read(axes, day, visit, event, &mut key) {
                        continue;
                    }
                    group(&mut groups, &key).add(event, visit, (day_index, visit_index));
                }
            }
        }
        groups
    }

    /// Groups the visits that have an event that passes. With `by_entry`
    /// only the first event may pass: pages then stand for entry pages.
    /// `entered` says which visits count for the bounce rate.
    pub(super) fn visits(
        &self,
        selection: &Selection,
        axes: &[Axis],
        by_entry: bool,
        entered: &Selection,
    ) -> Groups<VisitTotals> {
        let mut groups = Groups::<VisitTotals>::new();
        let mut key = Vec::with_capacity(axes.len());
        for day in &self.days {
            for visit in &day.visits {
                let Some(entry) = day.events_of(visit).first() else {
                    continue;
                };
                let considered = if by_entry { 1 } else { usize::MAX };
                let passes = self.contains(day, entry)
                    && self.in_range(day, visit).take(considered).any(|event| selection.admits(day, visit, event));
                if passes && read(axes, day, visit, entry, &mut key) {
                    let counts = entered.admits(day, visit, entry);
                    group(&mut groups, &key).add(visit, self.in_range(day, visit), counts);
                }
            }
        }
        groups
    }

    /// Who has an event that passes.
    pub(super) fn visitors(&self, selection: &Selection) -> HashSet<u32> {
        let mut who = HashSet::new();
        for day in &self.days {
            for visit in &day.visits {
                let did = self.in_range(day, visit).any(|event| selection.admits(day, visit, event));
                if did {
                    who.insert(visit.visitor);
                }
            }
        }
        who
    }

    fn in_range<'a>(&'a self, day: &'a Day, visit: &Visit) -> impl Iterator<Item = &'a Event> {
        day.events_of(visit).iter().filter(move |event| self.contains(day, event))
    }

    fn contains(&self, day: &Day, event: &Event) -> bool {
        let at = day.midnight + i64::from(event.second);
        self.first <= at && at <= self.last
    }
}

impl EventTotals {
    fn add(&mut self, event: &Event, visit: &Visit, visit_id: (usize, usize)) {
        // Events come visit by visit, so a new visit differs from the last.
        if self.last_visit != Some(visit_id) {
            self.last_visit = Some(visit_id);
            self.visits += 1;
            self.visitors.insert(visit.visitor);
        }
        self.events += 1;
        if event.name == 0 {
            self.pageviews += 1;
            self.scroll += u64::from(event.scroll);
            self.seconds_on_page += u64::from(event.seconds_on_page);
        }
        if event.cents > 0 {
            self.cents += u64::from(event.cents);
            self.paid_events += 1;
        }
    }
}

impl VisitTotals {
    fn add<'a>(&mut self, visit: &Visit, events: impl Iterator<Item = &'a Event>, counts: bool) {
        let (mut first, mut last, mut total, mut views) = (None, 0, 0_u64, 0);
        for event in events {
            first = first.or(Some(event.second));
            last = event.second;
            total += 1;
            views += u64::from(event.name == 0);
        }
        self.visitors.insert(visit.visitor);
        self.visits += 1;
        self.pageviews += views;
        self.seconds += u64::from(last.saturating_sub(first.unwrap_or(last)));
        self.entered += u64::from(counts);
        self.bounced += u64::from(counts && total == 1);
    }
}

/// Reads the key of a row; false when it has none.
fn read(axes: &[Axis], day: &Day, visit: &Visit, event: &Event, key: &mut Vec<u32>) -> bool {
    key.clear();
    for axis in axes {
        let code = match axis {
            Axis::Time(time) => time.code(day, event.second),
            Axis::Table(column) => {
                let code = column.code(day, visit, event);
                if column.is_absent(code) {
                    return false;
                }
                code
            }
        };
        key.push(code);
    }
    true
}

fn group<'a, T: Default>(groups: &'a mut Groups<T>, key: &[u32]) -> &'a mut T {
    // Looking up first spares an allocation for each row.
    if !groups.contains_key(key) {
        groups.insert(key.to_vec(), T::default());
    }
    groups.get_mut(key).expect("the group was just inserted")
}
