//! Filters: <https://plausible.io/docs/stats-api#filters->.

use serde_json::{Value, json};

use super::dimension::Dimension;

/// A tree of conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// The dimension's value compares with one of the clauses.
    Compare {
        /// How.
        operator: Operator,
        /// What.
        dimension: Dimension,
        /// With what; any of them.
        clauses: Clauses,
    },
    /// All of them.
    And(Vec<Filter>),
    /// Any of them.
    Or(Vec<Filter>),
    /// Not.
    Not(Box<Filter>),
    /// The visitor did it at some time of the session.
    HasDone(Box<Filter>),
    /// The visitor did not.
    HasNotDone(Box<Filter>),
    /// The visit belongs to one of these saved segments.
    Segment(Vec<u64>),
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Equal to one of the clauses.
    Is,
    /// Equal to none.
    IsNot,
    /// Contains one of the clauses.
    Contains,
    /// Contains none.
    ContainsNot,
    /// Matches one of the clauses, which are regular expressions (RE2).
    Matches,
    /// Matches none.
    MatchesNot,
}

/// What a value is compared with. Plausible takes no mixed lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clauses {
    /// Strings.
    Text(Vec<String>),
    /// Integers: GeoNames ids of `visit:city`.
    Numbers(Vec<u64>),
}

impl Operator {
    /// Every operator.
    pub const ALL: [Operator; 6] = [
        Operator::Is,
        Operator::IsNot,
        Operator::Contains,
        Operator::ContainsNot,
        Operator::Matches,
        Operator::MatchesNot,
    ];

    /// The name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Operator::Is => "is",
            Operator::IsNot => "is_not",
            Operator::Contains => "contains",
            Operator::ContainsNot => "contains_not",
            Operator::Matches => "matches",
            Operator::MatchesNot => "matches_not",
        }
    }
}

impl Filter {
    /// The filter in the API's form.
    pub fn json(&self) -> Value {
        match self {
            Filter::Compare { operator, dimension, clauses } => {
                json!([operator.name(), dimension.name(), clauses.json()])
            }
            Filter::And(filters) => json!(["and", filters.iter().map(Filter::json).collect::<Vec<_>>()]),
            Filter::Or(filters) => json!(["or", filters.iter().map(Filter::json).collect::<Vec<_>>()]),
            Filter::Not(filter) => json!(["not", filter.json()]),
            Filter::HasDone(filter) => json!(["has_done", filter.json()]),
            Filter::HasNotDone(filter) => json!(["has_not_done", filter.json()]),
            Filter::Segment(ids) => json!(["is", "segment", ids]),
        }
    }

    /// The filter for a person, as in `event:page is /pricing`.
    pub fn describe(&self) -> String {
        match self {
            Filter::Compare { operator, dimension, clauses } => {
                format!("{} {} {}", dimension.name(), operator.name(), clauses.describe())
            }
            other => other.json().to_string(),
        }
    }
}

impl Clauses {
    fn json(&self) -> Value {
        match self {
            Clauses::Text(values) => json!(values),
            Clauses::Numbers(values) => json!(values),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        match self {
            Clauses::Text(values) => values.is_empty(),
            Clauses::Numbers(values) => values.is_empty(),
        }
    }

    fn describe(&self) -> String {
        match self {
            Clauses::Text(values) => values.join(" or "),
            Clauses::Numbers(values) => values.iter().map(u64::to_string).collect::<Vec<_>>().join(" or "),
        }
    }
}
