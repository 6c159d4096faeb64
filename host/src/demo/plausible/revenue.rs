//! When revenue metrics have a value: only a goal with revenue, filtered
//! by at the top level or grouped by, gives them one.

use serde_json::json;

use super::{
    catalogue::{REVENUE_GOAL, Site},
    columns::Column,
    query::{Dimension, Filter, Operator, Query},
};

/// Whether a goal with revenue takes part in the query at all.
pub(super) fn is_matched(query: &Query, site: &Site) -> bool {
    let filters: Vec<_> = query
        .filters
        .iter()
        .filter_map(|filter| match filter {
            Filter::Compare(c) if c.dimension == Dimension::Goal => Some(c),
            _ => None,
        })
        .collect();
    let is_grouped = query.dimensions.contains(&Dimension::Goal);
    let passes = filters.iter().all(|filter| {
        filter.clauses.iter().any(|clause| match filter.operator {
            Operator::Contains => REVENUE_GOAL.contains(clause.as_str()),
            _ => clause == REVENUE_GOAL,
        })
    });
    site.goals.contains(&REVENUE_GOAL) && passes && (is_grouped || !filters.is_empty())
}

/// In a breakdown by goal only the rows of revenue goals have revenue.
pub(super) fn is_earned_by(key: &[u32], query: &Query, site: &Site) -> bool {
    let Some(index) = query.dimensions.iter().position(|d| *d == Dimension::Goal) else {
        return true;
    };
    let column = Column::new(&Dimension::Goal, site);
    key.get(index).is_some_and(|code| column.value(*code) == json!(REVENUE_GOAL))
}
