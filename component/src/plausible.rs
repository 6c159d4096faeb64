//! The client of Plausible's Stats API, version 2, and the rules that make a query legal there.
//!
//! A [`Query`] is built from checked parts ([`Metric`], [`Dimension`], [`DateRange`], [`Filter`]), proven legal by
//! [`Query::check`] and only then sent by [`Client`]. It knows no MCP.
//!
//! Documentation: <https://plausible.io/docs/stats-api>.

mod answer;
mod bucket;
mod client;
mod date_range;
mod dimension;
mod filter;
mod metric;
mod page_path;
mod page_search;
mod pattern;
mod punycode;
mod query;
mod retry_after;
mod rules;
mod value;

pub use answer::{Answer, Period, Row};
pub use client::{Client, QueryError, Spender, StatsApi};
pub use date_range::{DateRange, DateRangeError};
pub use dimension::{Dimension, DimensionError, DimensionKind, Granularity};
pub use filter::{Clauses, Filter, Operator};
pub use metric::{Metric, MetricKind};
pub use page_path::PagePath;
pub use page_search::{PageSearch, page_expression, page_part};
pub use pattern::{BeyondRe2, beyond_re2, is_literal};
pub use query::{Direction, LegalQuery, OrderKey, Page, Query};
pub use rules::Violation;
pub use value::{Label, MetricValue};

/// The candidate that `name` is another word for by the table `synonyms`, else the one that is spelled most like it, if
/// any is alike.
fn meant<'a>(
    name: &str,
    synonyms: &[(&str, &'a str)],
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let name = name.chars().take(MAX_COMPARED_NAME).collect::<String>().to_lowercase();
    if let Some((_, meant)) = synonyms.iter().find(|(word, _)| *word == name) {
        return Some(meant);
    }
    candidates
        .into_iter()
        .map(|candidate| (strsim::normalized_damerau_levenshtein(&name, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}

/// How much of two words must be the same for one to be meant by the other.
const ALIKE: f64 = 0.7;

/// How much of a misspelled name is compared, in characters: the comparison is quadratic.
const MAX_COMPARED_NAME: usize = 64;
