//! Runs a checked query against the days and builds the response body.

use jiff::{Timestamp, civil::Date};
use serde_json::{Map, Value, json};

use super::{
    archive::Archive,
    catalogue::Site,
    columns::TimeColumn,
    date_range::Resolved,
    measure::{self, Row},
    order,
    query::{Bucket, Dimension, OrderKey, Query},
    revenue,
    scan::Scan,
    selection::BadPattern,
    zone,
};

/// What Plausible would answer at `now`; `None` inside when the range ends
/// beyond the calendar.
pub(super) fn run(mut query: Query, site: &'static Site, archive: &Archive, now: Timestamp) -> Result<Value, Failure> {
    let start = archive_start(now);
    let trim = query.include.trim_relative_date_range;
    let range = query.date_range.resolve(now, start, trim).ok_or(Failure::RangeBeyondCalendar)?;
    let time = settle_time(&mut query, range);
    let scan = scan(site, archive, range, start, now);
    let rows = measure::rows(&query, site, &scan, time).map_err(|BadPattern| Failure::BadPattern)?;
    let meta = meta(&query, site, range, time, rows.len());
    let page = rows.into_iter().skip(query.offset).take(query.limit);
    Ok(json!({
        "results": page.map(shown).collect::<Vec<_>>(),
        "meta": meta,
        "query": echo(&query, site, range),
    }))
}

/// Why a legal query has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    BadPattern,
    RangeBeyondCalendar,
}

/// First day with data: the first of the month thirteen months ago, so
/// that `12mo` is always full.
pub(super) fn archive_start(now: Timestamp) -> Date {
    let today = zone::local_date(now);
    today.first_of_month().checked_sub(jiff::Span::new().months(13)).unwrap_or(today)
}

/// Replaces `time` by the bucket the range asks for; labels are those of
/// the first time dimension.
fn settle_time(query: &mut Query, range: Resolved) -> TimeColumn {
    let auto = Dimension::Time(Bucket::Auto);
    let settled = Dimension::Time(auto_bucket(range));
    for dimension in query.dimensions.iter_mut().filter(|dimension| **dimension == auto) {
        *dimension = settled.clone();
    }
    for (key, _) in &mut query.order_by {
        if *key == OrderKey::Dimension(auto.clone()) {
            *key = OrderKey::Dimension(settled.clone());
        }
    }
    let bucket = query.dimensions.iter().find_map(|dimension| match dimension {
        Dimension::Time(bucket) => Some(*bucket),
        _ => None,
    });
    TimeColumn { bucket: bucket.unwrap_or(Bucket::Day), first: zone::local_date(range.first) }
}

fn auto_bucket(range: Resolved) -> Bucket {
    let seconds = range.last.duration_since(range.first).as_secs();
    if seconds <= TWO_DAYS {
        Bucket::Hour
    } else if seconds <= FORTY_DAYS {
        Bucket::Day
    } else if seconds <= FIFTY_TWO_WEEKS {
        Bucket::Week
    } else {
        Bucket::Month
    }
}

/// Loads the days of the range that have data.
fn scan(site: &'static Site, archive: &Archive, range: Resolved, start: Date, now: Timestamp) -> Scan {
    let last = range.last.min(now);
    let first_day = zone::day_number(zone::local_date(range.first).max(start));
    let last_day = zone::day_number(zone::local_date(last));
    Scan {
        days: (first_day..=last_day).filter_map(|number| archive.day(site, number)).collect(),
        first: range.first.as_second(),
        last: last.as_second(),
    }
}

fn shown(row: Row) -> Value {
    json!({"metrics": row.metrics, "dimensions": row.dimensions})
}

fn meta(query: &Query, site: &Site, range: Resolved, time: TimeColumn, total_rows: usize) -> Value {
    let mut meta = Map::new();
    if query.include.imports {
        meta.insert("imports_included".to_owned(), json!(false));
        let (reason, warning) = imports_skipped(query);
        meta.insert("imports_skip_reason".to_owned(), json!(reason));
        if let Some(warning) = warning {
            meta.insert("imports_warning".to_owned(), json!(warning));
        }
    }
    if let Some(warnings) = metric_warnings(query, site) {
        meta.insert("metric_warnings".to_owned(), warnings);
    }
    if query.include.time_labels {
        meta.insert("time_labels".to_owned(), json!(time_labels(range, time)));
    }
    if query.include.total_rows {
        meta.insert("total_rows".to_owned(), json!(total_rows));
    }
    Value::Object(meta)
}

/// The sites have no imports; queries that could not use any say why.
fn imports_skipped(query: &Query) -> (&'static str, Option<&'static str>) {
    let is_hourly = query.dimensions.contains(&Dimension::Time(Bucket::Hour));
    let has_property = query.dimensions.iter().any(|dimension| matches!(dimension, Dimension::Property(_)));
    if is_hourly {
        return ("unsupported_interval", Some(UNSUPPORTED_INTERVAL));
    }
    if has_property || query.filters.len() > 1 {
        return ("unsupported_query", Some(UNSUPPORTED_QUERY));
    }
    ("no_imported_data", None)
}

fn metric_warnings(query: &Query, site: &Site) -> Option<Value> {
    let warned: Map<String, Value> = query
        .metrics
        .iter()
        .filter(|metric| metric.is_revenue() && !revenue::is_matched(query, site))
        .map(|metric| {
            let warning = json!({
                "code": "no_revenue_goals_matching",
                "warning": "Revenue metrics are null as there are no matching revenue goals.",
            });
            (metric.name().to_owned(), warning)
        })
        .collect();
    (!warned.is_empty()).then_some(Value::Object(warned))
}

/// Every bucket of the range, those in the future too.
fn time_labels(range: Resolved, time: TimeColumn) -> Vec<String> {
    if time.bucket == Bucket::Hour {
        return hour_labels(range, time);
    }
    let first = zone::day_number(zone::local_date(range.first));
    let last = zone::day_number(zone::local_date(range.last));
    let mut codes: Vec<u32> =
        (first..=last).take(MAX_LABELS).filter_map(|number| time.code_of_day(zone::day_from_number(number)?)).collect();
    codes.dedup();
    codes.into_iter().map(|code| time.label(code)).collect()
}

fn hour_labels(range: Resolved, time: TimeColumn) -> Vec<String> {
    let local = range.first.as_second() + zone::offset_seconds(range.first);
    let first = local.div_euclid(3600);
    let truncated = range.first.as_second() - local.rem_euclid(3600);
    let hours = (range.last.as_second() - truncated).div_euclid(3600);
    (first..=first + hours)
        .take(MAX_LABELS)
        .filter_map(|hour| u32::try_from(hour).ok())
        .map(|hour| time.label(hour))
        .collect()
}

fn echo(query: &Query, site: &Site, range: Resolved) -> Value {
    let order: Vec<Value> = order::effective_order(query)
        .iter()
        .map(|(key, descending)| {
            let name = match key {
                OrderKey::Metric(metric) => metric.name().to_owned(),
                OrderKey::Dimension(dimension) => dimension.name(),
            };
            json!([name, if *descending { "desc" } else { "asc" }])
        })
        .collect();
    json!({
        "site_id": site.domain,
        "metrics": query.metrics.iter().map(|m| m.name()).collect::<Vec<_>>(),
        "date_range": [zone::iso8601(range.first), zone::iso8601(range.last)],
        "filters": query.filters_sent,
        "dimensions": query.dimensions.iter().map(Dimension::name).collect::<Vec<_>>(),
        "order_by": order,
        "include": included(query),
        "pagination": {"offset": query.offset, "limit": query.limit},
    })
}

/// Only what is switched on is echoed.
fn included(query: &Query) -> Value {
    let include = query.include;
    let set = [
        ("imports", include.imports),
        ("time_labels", include.time_labels),
        ("total_rows", include.total_rows),
        ("trim_relative_date_range", include.trim_relative_date_range),
    ];
    set.into_iter()
        .filter(|(_, is_set)| *is_set)
        .map(|(name, _)| (name.to_owned(), json!(true)))
        .collect::<Map<_, _>>()
        .into()
}

/// The longest ranges that `time` shows by hour, day and week.
const TWO_DAYS: i64 = 48 * 3_600;
const FORTY_DAYS: i64 = 40 * 86_400;
const FIFTY_TWO_WEEKS: i64 = 364 * 86_400;

/// A little more than the hours of ten years; Plausible sets no bound.
const MAX_LABELS: usize = 100_000;

const UNSUPPORTED_INTERVAL: &str =
    "Imported stats are not included because the time dimension (i.e. the interval) is too short.";
const UNSUPPORTED_QUERY: &str = "Imported stats are not included in the results because query parameters are not supported. For more information, see: https://plausible.io/docs/stats-api#filtering-imported-stats";
