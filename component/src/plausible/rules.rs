//! The rules by which Plausible refuses a query, checked before it is sent.
//!
//! They are those of Plausible's JSON schema, `QueryParser`, `QueryBuilder` and `TableDecider`
//! (<https://github.com/plausible/analytics>, `lib/plausible/stats`), in that order. What needs the site's own
//! configuration (which goals exist, what the plan includes) only Plausible can tell. Pairs on which Plausible's
//! versions differ pass, and Plausible decides: `event:page` together with `event:hostname`, revenue by entry or exit
//! page, `percentage` without a dimension, and `views_per_visit` over time.

mod filters;
#[cfg(test)]
mod tests;
mod violation;

use super::dimension::{Dimension, DimensionKind};
use super::filter::Filter;
use super::metric::{Metric, MetricKind};
use super::query::{OrderKey, Query};
pub use violation::Violation;

/// Checks every rule; the error is the first that is broken.
pub(super) fn check(query: &Query) -> Result<(), Violation> {
    shape(query)?;
    order(query)?;
    filters::check(query)?;
    for metric in &query.metrics {
        goal(query, *metric)?;
        page(query, *metric)?;
        views_per_visit(query, *metric)?;
    }
    tables(query)?;
    time_labels(query)
}

/// JSON schema: at least one metric, nothing twice, and a page within bounds.
fn shape(query: &Query) -> Result<(), Violation> {
    if query.metrics.is_empty() {
        return Err(Violation::NoMetrics);
    }
    if let Some(metric) = repeated(&query.metrics) {
        return Err(Violation::Repeated(metric.name().to_owned()));
    }
    if let Some(dimension) = repeated(&query.dimensions) {
        return Err(Violation::Repeated(dimension.name()));
    }
    match query.page {
        Some(page) if !(1..=MAX_ROWS).contains(&page.limit) => Err(Violation::LimitOutOfRange),
        _ => Ok(()),
    }
}

fn repeated<T: PartialEq>(values: &[T]) -> Option<&T> {
    values
        .iter()
        .enumerate()
        .find(|(at, value)| values.iter().take(*at).any(|earlier| earlier == *value))
        .map(|(_, v)| v)
}

/// An `order_by` entry is a queried metric or dimension; the schema has no `event:goal` there.
fn order(query: &Query) -> Result<(), Violation> {
    for (key, _) in &query.order_by {
        let (queried, name) = match key {
            OrderKey::Metric(metric) => (query.metrics.contains(metric), metric.name().to_owned()),
            OrderKey::Dimension(dimension) => {
                (query.dimensions.contains(dimension) && *dimension != Dimension::GOAL, dimension.name())
            }
        };
        if !queried {
            return Err(Violation::OrderNotQueried(name));
        }
    }
    Ok(())
}

/// Conversion rates need a goal: a dimension, or a filter that is not inside `has_done`.
fn goal(query: &Query, metric: Metric) -> Result<(), Violation> {
    let by_goal = query.dimensions.contains(&Dimension::GOAL) || filters::outside_behaviour(query, &Dimension::GOAL);
    if metric.needs_goal() && !by_goal { Err(Violation::NeedsGoal(metric)) } else { Ok(()) }
}

/// Page metrics need a page: a dimension, or a filter (for `scroll_depth` at the top level, for `time_on_page` not
/// inside `has_done`).
fn page(query: &Query, metric: Metric) -> Result<(), Violation> {
    if query.dimensions.contains(&Dimension::PAGE) {
        return Ok(());
    }
    let filtered = match metric {
        Metric::ScrollDepth => query.filters.iter().any(|filter| filters::compares(filter, &Dimension::PAGE)),
        Metric::TimeOnPage => filters::outside_behaviour(query, &Dimension::PAGE),
        _ => true,
    };
    if filtered { Ok(()) } else { Err(Violation::NeedsPage(metric)) }
}

/// `views_per_visit` has no dimension but time (v3.2.0 and before: none), and no filter on a page anywhere.
fn views_per_visit(query: &Query, metric: Metric) -> Result<(), Violation> {
    if metric != Metric::ViewsPerVisit {
        return Ok(());
    }
    if query.filters.iter().any(|filter| filters::mentions(filter, &Dimension::PAGE)) {
        return Err(Violation::ViewsPerVisitWithPageFilter);
    }
    match query.dimensions.iter().find(|dimension| !matches!(dimension, Dimension::Time(_))) {
        Some(dimension) => Err(Violation::ViewsPerVisitWithDimension(dimension.name())),
        None => Ok(()),
    }
}

/// `TableDecider`: one table must be able to answer. Only dimensions count, and `event:page` alone excepts a query.
fn tables(query: &Query) -> Result<(), Violation> {
    let of_kind = |kind| query.dimensions.iter().find(|dimension| dimension.kind() == kind);
    let events: Vec<&Dimension> =
        query.dimensions.iter().filter(|dimension| dimension.kind() == DimensionKind::Event).collect();
    if events == [&Dimension::PAGE] || left_to_plausible(&events) {
        return Ok(());
    }
    let session_metric = query.metrics.iter().find(|metric| metric.kind() == MetricKind::Session);
    if let (Some(metric), Some(dimension)) = (session_metric, of_kind(DimensionKind::Event)) {
        return Err(Violation::SessionMetricByEvent(*metric, dimension.name()));
    }
    let event_metric = query.metrics.iter().find(|metric| metric.kind() == MetricKind::Event && !metric.is_revenue());
    match (event_metric, of_kind(DimensionKind::Session)) {
        (Some(metric), Some(dimension)) => Err(Violation::EventMetricBySession(*metric, dimension.name())),
        _ => Ok(()),
    }
}

/// The documentation allows `event:hostname` beside `event:page`, the source that was read does not.
fn left_to_plausible(events: &[&Dimension]) -> bool {
    const HOSTNAME: Dimension = Dimension::BuiltIn("event:hostname");
    events.len() == 2 && events.contains(&&Dimension::PAGE) && events.contains(&&HOSTNAME)
}

fn time_labels(query: &Query) -> Result<(), Violation> {
    let by_time = query.dimensions.iter().any(|dimension| matches!(dimension, Dimension::Time(_)));
    if query.time_labels && !by_time { Err(Violation::TimeLabelsWithoutTime) } else { Ok(()) }
}

/// Whether a filter stands for a list of conditions.
fn children(filter: &Filter) -> &[Filter] {
    match filter {
        Filter::And(filters) | Filter::Or(filters) => filters,
        Filter::Not(filter) | Filter::HasDone(filter) | Filter::HasNotDone(filter) => std::slice::from_ref(filter),
        Filter::Compare { .. } | Filter::Segment(_) => &[],
    }
}

/// The most rows of a page (JSON schema, `pagination.limit`).
const MAX_ROWS: u32 = 10_000;
