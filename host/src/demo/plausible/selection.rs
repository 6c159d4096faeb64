//! Filters, compiled for a site: for each comparison the set of codes it
//! lets through, so that a scan only looks codes up.

use std::collections::HashSet;

use regex::RegexBuilder;

use super::{
    catalogue::Site,
    columns::Column,
    query::{Comparison, Dimension, Filter, Operator},
    scan::Scan,
    visits::{Day, Event, Visit},
};

/// A compiled filter tree.
#[derive(Debug)]
pub(super) enum Selection {
    Codes {
        column: Column,
        allowed: Vec<bool>,
    },
    All(Vec<Selection>),
    Any(Vec<Selection>),
    Not(Box<Selection>),
    /// Visitors of the range who did something, or did not.
    Visitors {
        who: HashSet<u32>,
        did: bool,
    },
}

/// A pattern that is not a regular expression.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadPattern;

impl Selection {
    /// Compiles filters that must all hold. Behavioural filters look for
    /// their visitors in `scan`.
    pub(super) fn all(filters: &[Filter], site: &Site, scan: &Scan) -> Result<Self, BadPattern> {
        let parts = filters.iter().map(|filter| Self::one(filter, site, scan));
        parts.collect::<Result<_, _>>().map(Self::All)
    }

    /// Whether an event of a visit passes.
    pub(super) fn admits(&self, day: &Day, visit: &Visit, event: &Event) -> bool {
        match self {
            Self::Codes { column, allowed } => {
                let code = column.code(day, visit, event) as usize;
                allowed.get(code).copied().unwrap_or(false)
            }
            Self::All(parts) => parts.iter().all(|part| part.admits(day, visit, event)),
            Self::Any(parts) => parts.iter().any(|part| part.admits(day, visit, event)),
            Self::Not(part) => !part.admits(day, visit, event),
            Self::Visitors { who, did } => who.contains(&visit.visitor) == *did,
        }
    }

    fn one(filter: &Filter, site: &Site, scan: &Scan) -> Result<Self, BadPattern> {
        let boxed = |filter: &Filter| Self::one(filter, site, scan).map(Box::new);
        Ok(match filter {
            Filter::Compare(comparison) => codes(comparison, site)?,
            Filter::And(filters) => Self::all(filters, site, scan)?,
            Filter::Or(filters) => {
                let parts = filters.iter().map(|filter| Self::one(filter, site, scan));
                Self::Any(parts.collect::<Result<_, _>>()?)
            }
            Filter::Not(filter) => Self::Not(boxed(filter)?),
            Filter::HasDone(filter) => Self::Visitors { who: scan.visitors(&*boxed(filter)?), did: true },
            Filter::HasNotDone(filter) => Self::Visitors { who: scan.visitors(&*boxed(filter)?), did: false },
        })
    }
}

fn codes(comparison: &Comparison, site: &Site) -> Result<Selection, BadPattern> {
    let column = Column::new(&comparison.dimension, site);
    let accepts = predicate(comparison)?;
    let is_goal = comparison.dimension == Dimension::Goal;
    let allowed = column.labels().iter().map(|label| !(is_goal && label.is_empty()) && accepts(label)).collect();
    Ok(Selection::Codes { column, allowed })
}

/// The comparison as a function of the text that is shown.
fn predicate(comparison: &Comparison) -> Result<impl Fn(&str) -> bool, BadPattern> {
    let fold = |text: &str| {
        if comparison.case_sensitive { text.to_owned() } else { text.to_lowercase() }
    };
    let is_pattern = matches!(comparison.operator, Operator::Matches | Operator::MatchesNot);
    let patterns = comparison
        .clauses
        .iter()
        .filter(|_| is_pattern)
        .map(|clause| pattern(clause))
        .collect::<Result<Vec<_>, _>>()?;
    let clauses: Vec<String> = comparison.clauses.iter().map(|clause| fold(clause)).collect();
    Ok(move |label: &str| {
        let label = fold(label);
        let holds = match comparison.operator {
            Operator::Is | Operator::IsNot => clauses.contains(&label),
            Operator::Contains | Operator::ContainsNot => clauses.iter().any(|clause| label.contains(clause.as_str())),
            Operator::Matches | Operator::MatchesNot => patterns.iter().any(|pattern| pattern.is_match(&label)),
        };
        holds != comparison.operator.is_negative()
    })
}

fn pattern(text: &str) -> Result<regex::Regex, BadPattern> {
    RegexBuilder::new(text).size_limit(MAX_PATTERN_BYTES).build().map_err(|_| BadPattern)
}

/// What one compiled pattern may take.
const MAX_PATTERN_BYTES: usize = 1 << 20;
