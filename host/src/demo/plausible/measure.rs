//! Answers a checked query: decides which table each metric comes from,
//! scans, and turns totals into the rows of the response.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};

use super::{
    catalogue::{CURRENCY, Site},
    columns::{Column, TimeColumn},
    money, order,
    query::{Dimension, Filter, Kind, Metric, Query, VisitField},
    revenue,
    scan::{Axis, EventTotals, Groups, Scan, VisitTotals},
    selection::{BadPattern, Selection},
};

/// A row of the response.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) dimensions: Vec<Value>,
    pub(super) metrics: Vec<Value>,
}

/// All rows of a query, ordered but not yet cut to a page.
pub(super) fn rows(query: &Query, site: &Site, scan: &Scan, time: TimeColumn) -> Result<Vec<Row>, BadPattern> {
    let tables = Tables::scan(query, site, scan, time)?;
    let axes = axes(&query.dimensions, site, time, false);
    let mut keys: BTreeSet<&Vec<u32>> = tables.events.keys().collect();
    if tables.visits_have_keys {
        keys.extend(tables.visits.keys());
    }
    let nothing = Vec::new();
    if query.dimensions.is_empty() {
        keys.insert(&nothing);
    }
    let mut rows: Vec<Row> = keys
        .into_iter()
        .map(|key| Row {
            dimensions: key.iter().zip(&axes).map(|(code, axis)| shown(axis, *code)).collect(),
            metrics: query.metrics.iter().map(|metric| tables.value(*metric, key, query, site)).collect(),
        })
        .collect();
    order::sort(&mut rows, query);
    Ok(rows)
}

/// Everything a row's metrics are computed from.
struct Tables {
    events: Groups<EventTotals>,
    visits: Groups<VisitTotals>,
    /// Whether rows come from the visits as well.
    visits_have_keys: bool,
    /// Whether visitors and visits are counted on the visits' side.
    either_on_visits: bool,
    /// Visitors of all groups, for `percentage`.
    all_visitors: usize,
    /// The same without goal and property filters, for conversion rates.
    unconverted: usize,
    /// …by the dimensions that are neither goals nor properties.
    unconverted_groups: HashMap<Vec<u32>, usize>,
    /// Which parts of a key those dimensions are.
    shared: Vec<usize>,
}

impl Tables {
    fn scan(query: &Query, site: &Site, scan: &Scan, time: TimeColumn) -> Result<Self, BadPattern> {
        let selection = Selection::all(&query.filters, site, scan)?;
        let either_on_visits = either_on_visits(query);
        let has_session_metrics = query.metrics.iter().any(|m| m.kind() == Kind::Session);
        let event_axes = axes(&query.dimensions, site, time, false);
        let events = if either_on_visits { Groups::new() } else { scan.events(&selection, &event_axes) };
        let visits = if either_on_visits || has_session_metrics {
            let by_entry = query.dimensions.contains(&Dimension::Page);
            let entered = Selection::all(&page_filters(&query.filters), site, scan)?;
            let visit_axes = axes(&query.dimensions, site, time, true);
            scan.visits(&selection, &visit_axes, by_entry, &entered)
        } else {
            Groups::new()
        };
        let mut tables = Self {
            events,
            visits,
            visits_have_keys: either_on_visits,
            either_on_visits,
            all_visitors: 0,
            unconverted: 0,
            unconverted_groups: HashMap::new(),
            shared: Vec::new(),
        };
        tables.scan_denominators(query, site, scan, time, &selection)?;
        Ok(tables)
    }

    fn scan_denominators(
        &mut self,
        query: &Query,
        site: &Site,
        scan: &Scan,
        time: TimeColumn,
        selection: &Selection,
    ) -> Result<(), BadPattern> {
        if query.metrics.contains(&Metric::Percentage) {
            self.all_visitors = scan.visitors(selection).len();
        }
        let unconverted = Selection::all(&without_goals(&query.filters), site, scan)?;
        if query.metrics.contains(&Metric::ConversionRate) {
            self.unconverted = scan.visitors(&unconverted).len();
        }
        if query.metrics.contains(&Metric::GroupConversionRate) {
            let (shared, dimensions): (Vec<_>, Vec<_>) = query
                .dimensions
                .iter()
                .cloned()
                .enumerate()
                .filter(|(_, d)| !matches!(d, Dimension::Goal | Dimension::Property(_)))
                .unzip();
            self.shared = shared;
            self.unconverted_groups = scan
                .events(&unconverted, &axes(&dimensions, site, time, false))
                .into_iter()
                .map(|(key, totals)| (key, totals.visitors.len()))
                .collect();
        }
        Ok(())
    }

    fn value(&self, metric: Metric, key: &Vec<u32>, query: &Query, site: &Site) -> Value {
        let event = self.events.get(key);
        let visit = self.visits.get(key);
        match metric {
            Metric::Visitors => json!(self.visitors(key)),
            Metric::Visits if self.either_on_visits => json!(visit.map_or(0, |v| v.visits)),
            Metric::Visits => json!(event.map_or(0, |e| e.visits)),
            Metric::Pageviews => json!(event.map_or(0, |e| e.pageviews)),
            Metric::Events => json!(event.map_or(0, |e| e.events)),
            Metric::Percentage => rate(self.visitors(key), self.all_visitors),
            Metric::ConversionRate => rate(self.visitors(key), self.unconverted),
            Metric::GroupConversionRate => {
                let part: Vec<u32> = self.shared.iter().filter_map(|i| key.get(*i).copied()).collect();
                let of = self.unconverted_groups.get(&part).copied().unwrap_or(0);
                rate(self.visitors(key), of)
            }
            Metric::ScrollDepth => event.map_or(Value::Null, |e| mean(e.scroll, e.pageviews)),
            Metric::TimeOnPage => event.map_or(Value::Null, |e| mean(e.seconds_on_page, e.pageviews)),
            Metric::BounceRate => {
                let share = visit.map_or(Value::Null, |v| mean(v.bounced * 100, v.entered));
                if share.is_null() { json!(0) } else { share }
            }
            Metric::VisitDuration => visit.map_or(Value::Null, |v| mean(v.seconds, v.visits)),
            Metric::ViewsPerVisit => {
                json!(visit.map_or(0.0, |v| hundredths(v.pageviews as f64 / v.visits as f64)))
            }
            Metric::TotalRevenue | Metric::AverageRevenue => self.revenue(metric, key, query, site),
        }
    }

    fn visitors(&self, key: &Vec<u32>) -> usize {
        if self.either_on_visits {
            self.visits.get(key).map_or(0, |v| v.visitors.len())
        } else {
            self.events.get(key).map_or(0, |e| e.visitors.len())
        }
    }

    /// Null where no revenue goal takes part, else an amount, maybe zero.
    fn revenue(&self, metric: Metric, key: &[u32], query: &Query, site: &Site) -> Value {
        if !revenue::is_matched(query, site) || !revenue::is_earned_by(key, query, site) {
            return Value::Null;
        }
        let (cents, count) = self.events.get(key).map_or((0, 0), |e| (e.cents, e.paid_events));
        let amount = match metric {
            Metric::AverageRevenue if count > 0 => cents as f64 / count as f64,
            Metric::AverageRevenue => 0.0,
            _ => cents as f64,
        };
        money::value(amount / 100.0, CURRENCY)
    }
}

/// Plausible's choice of the table that counts visitors and visits.
fn either_on_visits(query: &Query) -> bool {
    let metrics = |kind| query.metrics.iter().any(|m| m.kind() == kind);
    let dimensions = |kind| query.dimensions.iter().any(|d| d.kind() == kind);
    let filters = |kind| query.filters.iter().any(|f| uses(f, kind));
    if metrics(Kind::Event) || dimensions(Kind::Event) {
        return false;
    }
    let any_session = metrics(Kind::Session) || dimensions(Kind::Session) || filters(Kind::Session);
    !filters(Kind::Event) || any_session
}

fn uses(filter: &Filter, kind: Kind) -> bool {
    match filter {
        Filter::Compare(comparison) => comparison.dimension.kind() == kind,
        Filter::And(parts) | Filter::Or(parts) => parts.iter().any(|part| uses(part, kind)),
        Filter::Not(part) | Filter::HasDone(part) | Filter::HasNotDone(part) => uses(part, kind),
    }
}

/// On the visits' side a page dimension means the page of entry.
fn axes(dimensions: &[Dimension], site: &Site, time: TimeColumn, entry: bool) -> Vec<Axis> {
    dimensions
        .iter()
        .map(|dimension| match dimension {
            Dimension::Time(bucket) => Axis::Time(TimeColumn { bucket: *bucket, ..time }),
            Dimension::Page if entry => Axis::Table(Column::new(&Dimension::Visit(VisitField::EntryPage), site)),
            other => Axis::Table(Column::new(other, site)),
        })
        .collect()
}

fn shown(axis: &Axis, code: u32) -> Value {
    match axis {
        Axis::Time(time) => json!(time.label(code)),
        Axis::Table(column) => column.value(code),
    }
}

/// The top-level page filters: with them only visits that began on such a
/// page count for the bounce rate.
fn page_filters(filters: &[Filter]) -> Vec<Filter> {
    filters
        .iter()
        .filter(|filter| matches!(filter, Filter::Compare(c) if c.dimension == Dimension::Page))
        .cloned()
        .collect()
}

fn without_goals(filters: &[Filter]) -> Vec<Filter> {
    let converts = |filter: &Filter| {
        matches!(
            filter,
            Filter::Compare(c) if matches!(c.dimension, Dimension::Goal | Dimension::Property(_))
        )
    };
    filters.iter().filter(|f| !converts(f)).cloned().collect()
}

fn rate(part: usize, whole: usize) -> Value {
    if whole == 0 {
        return json!(0.0);
    }
    json!(hundredths(part as f64 * 100.0 / whole as f64))
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// The rounded mean; null of nothing.
fn mean(sum: u64, count: u64) -> Value {
    if count == 0 {
        return Value::Null;
    }
    json!((sum as f64 / count as f64).round() as u64)
}
