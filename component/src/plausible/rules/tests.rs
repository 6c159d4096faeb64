//! Each rule, by the smallest query that breaks it and the nearest one that does not.

use super::*;
use crate::plausible::date_range::DateRange;
use crate::plausible::dimension::Granularity;
use crate::plausible::filter::{Clauses, Operator};
use crate::plausible::query::{Direction, Page};

const GOAL: Dimension = Dimension::GOAL;
const PAGE: Dimension = Dimension::PAGE;
const HOSTNAME: Dimension = Dimension::BuiltIn("event:hostname");
const SOURCE: Dimension = Dimension::BuiltIn("visit:source");
const ENTRY: Dimension = Dimension::BuiltIn("visit:entry_page");
const DAY: Dimension = Dimension::Time(Granularity::Day);

fn query(metrics: &[Metric], dimensions: &[Dimension], filters: &[Filter]) -> Query {
    let mut query = Query::new("a.example".into(), metrics.to_vec(), DateRange::Relative("7d".into()));
    query.dimensions = dimensions.to_vec();
    query.filters = filters.to_vec();
    query
}

fn is(dimension: Dimension) -> Filter {
    compare(Operator::Is, dimension, "xx")
}

fn compare(operator: Operator, dimension: Dimension, value: &str) -> Filter {
    Filter::Compare { operator, dimension, clauses: Clauses::Text(vec![value.into()]) }
}

fn plan() -> Dimension {
    Dimension::Property("plan".into())
}

fn done(filter: Filter) -> Filter {
    Filter::HasDone(Box::new(filter))
}

#[track_caller]
fn refused(query: Query, violation: Violation) {
    assert_eq!(check(&query), Err(violation));
}

#[track_caller]
fn legal(query: Query) {
    assert_eq!(check(&query), Ok(()));
}

use Metric::*;

#[test]
fn metrics_and_dimensions_stand_once_and_at_least_one_metric() {
    refused(query(&[], &[], &[]), Violation::NoMetrics);
    refused(query(&[Visitors, Visitors], &[], &[]), Violation::Repeated("visitors".into()));
    refused(query(&[Visitors], &[SOURCE, SOURCE], &[]), Violation::Repeated("visit:source".into()));
    legal(query(&[Visitors, Visits], &[SOURCE, PAGE], &[]));
}

#[test]
fn a_page_has_one_to_ten_thousand_rows() {
    for (limit, expected) in
        [(0, Err(Violation::LimitOutOfRange)), (1, Ok(())), (10_000, Ok(())), (10_001, Err(Violation::LimitOutOfRange))]
    {
        let query = Query { page: Some(Page { limit, offset: 0 }), ..query(&[Visitors], &[SOURCE], &[]) };
        assert_eq!(check(&query), expected, "{limit}");
    }
}

#[test]
fn order_names_what_is_queried() {
    let ordered = |key, dimension: Dimension| Query {
        order_by: vec![(key, Direction::Descending)],
        ..query(&[Visitors], &[dimension], &[])
    };
    legal(ordered(OrderKey::Metric(Visitors), SOURCE));
    legal(ordered(OrderKey::Dimension(SOURCE), SOURCE));
    refused(ordered(OrderKey::Metric(Visits), SOURCE), Violation::OrderNotQueried("visits".into()));
    refused(ordered(OrderKey::Dimension(PAGE), SOURCE), Violation::OrderNotQueried("event:page".into()));
    refused(ordered(OrderKey::Dimension(GOAL), GOAL), Violation::OrderNotQueried("event:goal".into()));
}

#[test]
fn filters_have_values_that_fit_their_dimension() {
    let empty = Filter::Compare { operator: Operator::Is, dimension: SOURCE, clauses: Clauses::Text(vec![]) };
    refused(query(&[Visitors], &[], &[empty]), Violation::EmptyClauses("visit:source".into()));
    refused(query(&[Visitors], &[], &[is(DAY)]), Violation::FilteredTime);
    refused(query(&[Visitors], &[], &[compare(Operator::IsNot, GOAL, "x")]), Violation::GoalOperator("is_not"));
    refused(query(&[Visitors], &[], &[compare(Operator::Matches, GOAL, "x")]), Violation::GoalOperator("matches"));
    legal(query(&[Visitors], &[], &[compare(Operator::Contains, GOAL, "x")]));
    let numbers = |dimension| Filter::Compare { operator: Operator::Is, dimension, clauses: Clauses::Numbers(vec![1]) };
    refused(query(&[Visitors], &[], &[numbers(SOURCE)]), Violation::NumbersNotCity("visit:source".into()));
    legal(query(&[Visitors], &[], &[numbers(Dimension::BuiltIn("visit:city"))]));
    refused(query(&[Visitors], &[], &[Filter::Segment(vec![])]), Violation::EmptyClauses("segment".into()));
    refused(query(&[Visitors], &[], &[Filter::And(vec![])]), Violation::EmptyGroup);
}

#[test]
fn countries_are_two_letter_codes_when_compared_for_equality() {
    let country = Dimension::BuiltIn("visit:country");
    let by = |operator, value| query(&[Visitors], &[], &[compare(operator, country.clone(), value)]);
    refused(by(Operator::Is, "Germany"), Violation::CountryCode("Germany".into()));
    refused(by(Operator::IsNot, "D"), Violation::CountryCode("D".into()));
    legal(by(Operator::Is, "DE"));
    legal(by(Operator::Contains, "D"));
}

#[test]
fn goals_and_hostnames_are_filtered_at_the_top_level_or_inside_has_done() {
    for dimension in [GOAL, HOSTNAME] {
        let nested = Violation::NotAtTopLevel(dimension.name());
        refused(query(&[Visitors], &[], &[Filter::Not(Box::new(is(dimension.clone())))]), nested.clone());
        refused(query(&[Visitors], &[], &[Filter::Or(vec![is(dimension.clone())])]), nested);
        legal(query(&[Visitors], &[], &[is(dimension.clone())]));
        legal(query(&[Visitors], &[], &[Filter::Not(Box::new(done(is(dimension))))]));
    }
}

#[test]
fn properties_are_filtered_at_the_top_level_when_a_rate_is_asked_for() {
    let grouped = Filter::Or(vec![is(plan()), is(SOURCE)]);
    legal(query(&[Visitors], &[GOAL], std::slice::from_ref(&grouped)));
    refused(query(&[ConversionRate], &[GOAL], &[grouped]), Violation::DeepPropertyWithRate(ConversionRate));
    legal(query(&[ConversionRate], &[GOAL], &[is(plan())]));
}

#[test]
fn behaviour_is_not_nested_and_holds_event_dimensions() {
    refused(query(&[Visitors], &[], &[done(done(is(PAGE)))]), Violation::NestedBehaviour);
    refused(query(&[Visitors], &[], &[done(is(SOURCE))]), Violation::BehaviourOfVisit("visit:source".into()));
    refused(query(&[Visitors], &[], &[done(Filter::Segment(vec![1]))]), Violation::BehaviourOfVisit("segment".into()));
    legal(query(&[Visitors], &[], &[done(Filter::And(vec![is(PAGE), is(plan())]))]));
}

#[test]
fn conversion_rates_need_a_goal() {
    for metric in [ConversionRate, GroupConversionRate] {
        refused(query(&[metric], &[SOURCE], &[]), Violation::NeedsGoal(metric));
        refused(query(&[metric], &[], &[done(is(GOAL))]), Violation::NeedsGoal(metric));
        legal(query(&[metric], &[GOAL], &[]));
        legal(query(&[metric], &[SOURCE], &[is(GOAL)]));
    }
}

#[test]
fn page_metrics_need_a_page() {
    for metric in [ScrollDepth, TimeOnPage] {
        refused(query(&[metric], &[SOURCE], &[]), Violation::NeedsPage(metric));
        refused(query(&[metric], &[], &[done(is(PAGE))]), Violation::NeedsPage(metric));
        legal(query(&[metric], &[PAGE], &[]));
        legal(query(&[metric], &[], &[is(PAGE)]));
    }
    let grouped = [Filter::Or(vec![is(PAGE), is(SOURCE)])];
    refused(query(&[ScrollDepth], &[], &grouped), Violation::NeedsPage(ScrollDepth));
    legal(query(&[TimeOnPage], &[], &grouped));
}

#[test]
fn views_per_visit_has_no_dimension_but_time() {
    let by_source = Violation::ViewsPerVisitWithDimension("visit:source".into());
    refused(query(&[ViewsPerVisit], &[SOURCE], &[]), by_source.clone());
    refused(query(&[ViewsPerVisit], &[DAY, SOURCE], &[]), by_source);
    refused(query(&[ViewsPerVisit], &[], &[is(PAGE)]), Violation::ViewsPerVisitWithPageFilter);
    refused(query(&[ViewsPerVisit], &[], &[done(is(PAGE))]), Violation::ViewsPerVisitWithPageFilter);
    legal(query(&[ViewsPerVisit], &[], &[is(SOURCE), is(GOAL)]));
    for granularity in Granularity::ALL {
        legal(query(&[ViewsPerVisit, Visitors], &[Dimension::Time(granularity.1)], &[]));
    }
}

#[test]
fn session_metrics_are_not_broken_down_by_events_but_pages() {
    for metric in [BounceRate, VisitDuration] {
        for dimension in [GOAL, HOSTNAME, plan()] {
            refused(
                query(&[metric], std::slice::from_ref(&dimension), &[]),
                Violation::SessionMetricByEvent(metric, dimension.name()),
            );
        }
        refused(query(&[metric], &[PAGE, GOAL], &[]), Violation::SessionMetricByEvent(metric, "event:page".into()));
        legal(query(&[metric], &[PAGE, SOURCE], &[]));
        legal(query(&[metric], &[DAY], &[is(GOAL), is(plan())]));
    }
}

#[test]
fn event_metrics_are_not_broken_down_by_entry_and_exit_pages() {
    for metric in [Pageviews, Events] {
        refused(query(&[metric], &[ENTRY], &[]), Violation::EventMetricBySession(metric, "visit:entry_page".into()));
        legal(query(&[metric], &[PAGE, ENTRY], &[]));
        legal(query(&[metric], &[SOURCE], &[]));
    }
    legal(query(&[Visitors, Visits, BounceRate], &[ENTRY], &[]));
}

#[test]
fn pairs_on_which_versions_differ_are_left_to_plausible() {
    legal(query(&[BounceRate], &[PAGE, HOSTNAME], &[]));
    legal(query(&[TotalRevenue], &[ENTRY], &[]));
    legal(query(&[Percentage], &[], &[]));
}

#[test]
fn time_labels_need_time() {
    let labelled = |dimension| Query { time_labels: true, ..query(&[Visitors], &[dimension], &[]) };
    refused(labelled(SOURCE), Violation::TimeLabelsWithoutTime);
    legal(labelled(DAY));
}

#[test]
fn every_violation_speaks() {
    let silent: Vec<_> = [
        Violation::NoMetrics,
        Violation::NeedsGoal(ConversionRate),
        Violation::NestedBehaviour,
        Violation::ViewsPerVisitWithPageFilter,
        Violation::TimeLabelsWithoutTime,
    ]
    .into_iter()
    .filter(|violation| violation.to_string().is_empty())
    .collect();
    assert_eq!(silent, []);
}
