//! The order of the rows: the one asked for, or Plausible's default.

use std::cmp::Ordering;

use serde_json::Value;

use super::{
    measure::Row,
    query::{OrderKey, Query},
};

/// The order that applies: the one asked for, or Plausible's default.
pub(super) fn effective_order(query: &Query) -> Vec<(OrderKey, bool)> {
    if !query.order_by.is_empty() {
        return query.order_by.clone();
    }
    let time = query.dimensions.iter().find(|dimension| dimension.is_time());
    let mut order: Vec<_> = time.map(|time| (OrderKey::Dimension(time.clone()), false)).into_iter().collect();
    order.extend(query.metrics.first().map(|m| (OrderKey::Metric(*m), true)));
    order
}

/// Orders the rows of a query.
pub(super) fn sort(rows: &mut [Row], query: &Query) {
    let order: Vec<(Position, bool)> = effective_order(query)
        .iter()
        .filter_map(|(key, descending)| Some((position(key, query)?, *descending)))
        .collect();
    rows.sort_by(|left, right| {
        let by_key = order.iter().map(|(position, descending)| {
            let ordering = compare(position.of(left), position.of(right));
            if *descending { ordering.reverse() } else { ordering }
        });
        // Plausible leaves ties open; here the dimensions decide, so that
        // pages of a result never overlap.
        let by_dimensions =
            left.dimensions.iter().zip(&right.dimensions).map(|(left, right)| compare(Some(left), Some(right)));
        by_key.chain(by_dimensions).find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
    });
}

/// Where the value to order by stands in a row.
enum Position {
    Metric(usize),
    Dimension(usize),
}

impl Position {
    fn of<'a>(&self, row: &'a Row) -> Option<&'a Value> {
        match self {
            Self::Metric(index) => row.metrics.get(*index),
            Self::Dimension(index) => row.dimensions.get(*index),
        }
    }
}

fn position(key: &OrderKey, query: &Query) -> Option<Position> {
    match key {
        OrderKey::Metric(metric) => {
            let index = query.metrics.iter().position(|m| m == metric)?;
            Some(Position::Metric(index))
        }
        OrderKey::Dimension(dimension) => {
            let index = query.dimensions.iter().position(|d| d == dimension)?;
            Some(Position::Dimension(index))
        }
    }
}

/// Nulls come first, amounts are compared by their value.
fn compare(left: Option<&Value>, right: Option<&Value>) -> Ordering {
    let number = |value: Option<&Value>| {
        let value = value?;
        value.as_f64().or_else(|| value.get("value")?.as_f64())
    };
    match (left.and_then(Value::as_str), right.and_then(Value::as_str)) {
        (Some(left), Some(right)) => left.cmp(right),
        _ => {
            let (left, right) = (number(left), number(right));
            left.partial_cmp(&right).unwrap_or(Ordering::Equal)
        }
    }
}
