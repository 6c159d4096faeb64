//! The rules for filters alone, and what other rules ask about filters.

use super::children;
use super::violation::Violation;
use crate::plausible::dimension::{Dimension, DimensionKind};
use crate::plausible::filter::{Clauses, Filter, Operator};
use crate::plausible::query::Query;

/// Checks every filter of a query.
pub fn check(query: &Query) -> Result<(), Violation> {
    query.filters.iter().try_for_each(|filter| inspect(query, filter, Place { depth: 0, behaviour: false }))
}

/// Whether a comparison with `dimension` stands anywhere but inside `has_done` and `has_not_done`.
pub fn outside_behaviour(query: &Query, dimension: &Dimension) -> bool {
    fn search(filter: &Filter, dimension: &Dimension) -> bool {
        match filter {
            Filter::HasDone(_) | Filter::HasNotDone(_) => false,
            _ => compares(filter, dimension) || children(filter).iter().any(|child| search(child, dimension)),
        }
    }
    query.filters.iter().any(|filter| search(filter, dimension))
}

/// Whether a comparison with `dimension` stands anywhere in the filter.
pub fn mentions(filter: &Filter, dimension: &Dimension) -> bool {
    compares(filter, dimension) || children(filter).iter().any(|child| mentions(child, dimension))
}

/// Whether the filter itself compares `dimension`.
pub fn compares(filter: &Filter, dimension: &Dimension) -> bool {
    matches!(filter, Filter::Compare { dimension: compared, .. } if compared == dimension)
}

#[derive(Clone, Copy)]
struct Place {
    depth: usize,
    behaviour: bool,
}

fn inspect(query: &Query, filter: &Filter, place: Place) -> Result<(), Violation> {
    let behaviour = matches!(filter, Filter::HasDone(_) | Filter::HasNotDone(_));
    if behaviour && place.behaviour {
        return Err(Violation::NestedBehaviour);
    }
    match filter {
        Filter::Compare { operator, dimension, clauses } => {
            comparison(*operator, dimension, clauses)?;
            position(query, dimension, place)?;
        }
        Filter::And(filters) | Filter::Or(filters) if filters.is_empty() => return Err(Violation::EmptyGroup),
        Filter::Segment(ids) if ids.is_empty() => return Err(Violation::EmptyClauses("segment".to_owned())),
        Filter::Segment(_) if place.behaviour => return Err(Violation::BehaviourOfVisit("segment".to_owned())),
        _ => {}
    }
    let inner = Place { depth: place.depth + 1, behaviour: place.behaviour || behaviour };
    children(filter).iter().try_for_each(|child| inspect(query, child, inner))
}

fn comparison(operator: Operator, dimension: &Dimension, clauses: &Clauses) -> Result<(), Violation> {
    if matches!(dimension, Dimension::Time(_)) {
        return Err(Violation::FilteredTime);
    }
    if clauses.is_empty() {
        return Err(Violation::EmptyClauses(dimension.name()));
    }
    if *dimension == Dimension::GOAL && !matches!(operator, Operator::Is | Operator::Contains) {
        return Err(Violation::GoalOperator(operator.name()));
    }
    match clauses {
        Clauses::Numbers(_) if *dimension != CITY => Err(Violation::NumbersNotCity(dimension.name())),
        Clauses::Text(values) if *dimension == COUNTRY && matches!(operator, Operator::Is | Operator::IsNot) => {
            match values.iter().find(|value| value.chars().count() != 2) {
                Some(value) => Err(Violation::CountryCode(value.clone())),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Goals and hostnames stand at the top level, unless inside `has_done`, which holds event dimensions only; custom
/// properties stand there too when a conversion rate is asked for.
fn position(query: &Query, dimension: &Dimension, place: Place) -> Result<(), Violation> {
    if place.behaviour {
        return match dimension.kind() {
            DimensionKind::Event => Ok(()),
            _ => Err(Violation::BehaviourOfVisit(dimension.name())),
        };
    }
    if place.depth == 0 {
        return Ok(());
    }
    if *dimension == Dimension::GOAL || *dimension == HOSTNAME {
        return Err(Violation::NotAtTopLevel(dimension.name()));
    }
    match query.metrics.iter().find(|metric| metric.needs_goal()) {
        Some(metric) if matches!(dimension, Dimension::Property(_)) => Err(Violation::DeepPropertyWithRate(*metric)),
        _ => Ok(()),
    }
}

const CITY: Dimension = Dimension::BuiltIn("visit:city");
const COUNTRY: Dimension = Dimension::BuiltIn("visit:country");
const HOSTNAME: Dimension = Dimension::BuiltIn("event:hostname");
