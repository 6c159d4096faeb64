//! What can be wrong with a query, in words.

use std::fmt;

use crate::plausible::metric::Metric;

/// A rule that a query breaks. The display says what is wrong and what the rule is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// The list of metrics is empty.
    NoMetrics,
    /// A metric or dimension stands twice in its list.
    Repeated(String),
    /// The limit is not within 1 to 10,000.
    LimitOutOfRange,
    /// `order_by` names something that is not queried.
    OrderNotQueried(String),
    /// A filter has nothing to compare with.
    EmptyClauses(String),
    /// `and` or `or` has no members.
    EmptyGroup,
    /// Time cannot be filtered.
    FilteredTime,
    /// `event:goal` is compared other than by `is` and `contains`.
    GoalOperator(&'static str),
    /// Numbers are compared with something other than `visit:city`.
    NumbersNotCity(String),
    /// A country is not a two-letter code.
    CountryCode(String),
    /// A goal or hostname filter stands inside `and`, `or` or `not`.
    NotAtTopLevel(String),
    /// A property filter stands inside a group while a conversion rate is queried.
    DeepPropertyWithRate(Metric),
    /// `has_done` inside `has_done`.
    NestedBehaviour,
    /// `has_done` around a dimension that is not an event's.
    BehaviourOfVisit(String),
    /// A conversion rate without a goal.
    NeedsGoal(Metric),
    /// A page metric without a page.
    NeedsPage(Metric),
    /// `views_per_visit` with a page filter.
    ViewsPerVisitWithPageFilter,
    /// `views_per_visit` with a dimension that is not time.
    ViewsPerVisitWithDimension(String),
    /// A session metric by an event dimension.
    SessionMetricByEvent(Metric, String),
    /// An event metric by a session dimension.
    EventMetricBySession(Metric, String),
    /// Time labels without a time dimension.
    TimeLabelsWithoutTime,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::NoMetrics => write!(formatter, "The list of metrics is empty. A query needs at least one."),
            Violation::Repeated(name) => write!(formatter, "{name} is asked for twice. Name it once."),
            Violation::LimitOutOfRange => write!(formatter, "A page has 1 to 10,000 rows."),
            Violation::OrderNotQueried(name) => {
                write!(formatter, "Rows cannot be ordered by {name}: it is not a queried metric or dimension.")
            }
            Violation::TimeLabelsWithoutTime => write!(formatter, "Time labels need a time dimension."),
            _ => self.filter(formatter).unwrap_or_else(|| self.combination(formatter)),
        }
    }
}

impl Violation {
    fn filter(&self, formatter: &mut fmt::Formatter<'_>) -> Option<fmt::Result> {
        Some(match self {
            Violation::EmptyClauses(name) => {
                write!(formatter, "The filter on {name} has no values. Give at least one.")
            }
            Violation::EmptyGroup => write!(formatter, "A group of filters is empty. Give it at least one."),
            Violation::FilteredTime => write!(formatter, "Time cannot be filtered. Use the date range."),
            Violation::GoalOperator(operator) => {
                let why = "Plausible knows only is and contains there";
                let instead = if operator.ends_with("_not") {
                    ", so those who did not complete a goal cannot be asked for; take those who did from all"
                } else {
                    ""
                };
                write!(formatter, "A filter on event:goal cannot use {operator}. {why}{instead}.")
            }
            Violation::NumbersNotCity(name) => {
                write!(formatter, "The filter on {name} compares with numbers. Only visit:city takes them.")
            }
            Violation::CountryCode(value) => write!(
                formatter,
                "{value:?} is not a country code. visit:country takes two-letter codes (ISO 3166-1, as DE); \
                 visit:country_name takes names."
            ),
            Violation::NotAtTopLevel(name) => {
                write!(formatter, "The filter on {name} is inside a group. Plausible takes it at the top level only.")
            }
            Violation::DeepPropertyWithRate(metric) => write!(
                formatter,
                "A filter on a custom property is inside a group. With {} Plausible takes it at the top level only.",
                metric.name()
            ),
            Violation::NestedBehaviour => write!(formatter, "has_done and has_not_done cannot be nested."),
            Violation::BehaviourOfVisit(name) => {
                write!(formatter, "has_done cannot hold a filter on {name}. It holds filters on event dimensions.")
            }
            _ => return None,
        })
    }

    fn combination(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::NeedsGoal(metric) => write!(
                formatter,
                "{} needs a goal. Plausible computes it with an event:goal filter or dimension only: add goal, with a \
                 name that get_conversions lists.",
                metric.name()
            ),
            Violation::NeedsPage(metric) => write!(
                formatter,
                "{} needs a page. Plausible computes it with an event:page filter or dimension only: add page.",
                metric.name()
            ),
            Violation::ViewsPerVisitWithPageFilter => write!(
                formatter,
                "views_per_visit cannot be combined with a page filter. Plausible computes it over whole visits only."
            ),
            Violation::ViewsPerVisitWithDimension(name) => write!(
                formatter,
                "views_per_visit cannot be broken down by {name}. Plausible computes it for whole ranges and over time only."
            ),
            Violation::SessionMetricByEvent(metric, name) => write!(
                formatter,
                "{} cannot be broken down by {name}. Plausible has bounce_rate, visit_duration and views_per_visit per \
                 visit, not per event; event:page is the one exception.",
                metric.name()
            ),
            Violation::EventMetricBySession(metric, name) => write!(
                formatter,
                "{} cannot be broken down by {name}. Entry and exit pages belong to visits, and Plausible counts {} per \
                 event.",
                metric.name(),
                metric.name()
            ),
            _ => Ok(()),
        }
    }
}
