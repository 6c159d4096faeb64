//! The tools: what they are called, what they take, what they answer. One file each.
//!
//! A call is: arguments → a query that Plausible will take → rows → words for the model and structured content for
//! programs. Whatever goes wrong on the way is a result that says what to do instead.

mod arguments;
mod buckets;
mod calls;
mod coercion;
mod compare_periods;
mod failure;
mod filters;
mod get_breakdown;
mod get_conversions;
mod get_timeseries;
mod instructions;
mod remembered;
mod report;
mod schema;
mod send_feedback;
mod table;

use serde_json::{Map, Value};

use crate::legible::legible_lines;
use crate::mcp::{Annotations, ToolDefinition, ToolResult, ToolSet};
use crate::plausible::{Answer, LegalQuery, QueryError, StatsApi};
use crate::ports::Timestamp;
pub use calls::{Call, Calls, Fault};
use failure::{Failure, Instead};
pub use instructions::text as instructions;
pub use remembered::note as remembered_note;
pub use send_feedback::{Feedback, NAME as SEND_FEEDBACK, Outbox};

/// The tools, as one caller may use them.
pub struct Tools<'a, A> {
    /// Plausible with the caller's key.
    pub stats: &'a A,
    /// What the operator set.
    pub sites: Sites<'a>,
    /// The time of the call.
    pub now: Timestamp,
    /// Where calls are noted for the operator.
    pub calls: &'a Calls,
    /// Where `send_feedback` leaves its words; `None` where there is no such tool.
    pub outbox: Option<&'a Outbox>,
}

/// Which sites a call may be about.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sites<'a> {
    /// The site of a call that names none.
    pub default: Option<&'a str>,
    /// The sites that may be queried; `None` for all that the key can see.
    pub allowed: Option<&'a [String]>,
}

impl<A: StatsApi> ToolSet for Tools<'_, A> {
    async fn call(&self, name: &str, arguments: Map<String, Value>) -> Option<ToolResult> {
        let name = NAMES.into_iter().find(|known| *known == name)?;
        let outcome = match name {
            get_timeseries::NAME => get_timeseries::call(self, arguments).await,
            get_breakdown::NAME => get_breakdown::call(self, arguments).await,
            get_conversions::NAME => get_conversions::call(self, arguments).await,
            compare_periods::NAME => compare_periods::call(self, arguments).await,
            _ => send_feedback::call(self.outbox?, arguments),
        };
        self.calls.note(name, outcome.as_ref().err());
        let result = outcome.unwrap_or_else(|failure| ToolResult {
            text: failure.to_string(),
            structured: None,
            is_error: true,
        });
        // Each part was cleaned where it was put in; no part that is added later can be forgotten.
        Some(ToolResult { text: legible_lines(&result.text).into_owned(), ..result })
    }
}

impl<A: StatsApi> Tools<'_, A> {
    async fn ask(&self, query: &LegalQuery) -> Result<Answer, Failure> {
        self.stats.query(query).await.map_err(|error| self.failed(query, error))
    }

    fn failed(&self, query: &LegalQuery, error: QueryError) -> Failure {
        let query = query.query();
        Failure::Plausible {
            site_id: query.site_id.clone(),
            has_pattern: filters::have_pattern(&query.filters),
            instead: self.sites.instead_of(&query.site_id),
            error,
            now: self.now,
        }
    }
}

impl Sites<'_> {
    /// Whether a site may be asked about.
    fn may_ask(&self, site: &str) -> bool {
        self.allowed.is_none_or(|allowed| allowed.iter().any(|known| known == site))
    }

    /// The allowed sites but one, as a list in words; `None` where there is no other, or no list.
    fn known_but(&self, site: &str) -> Option<String> {
        let others: Vec<&str> = self.allowed?.iter().map(String::as_str).filter(|known| *known != site).collect();
        let more = others.len().saturating_sub(MAX_NAMED_SITES);
        let mut named = others.iter().take(MAX_NAMED_SITES).copied().collect::<Vec<_>>().join(", ");
        if more > 0 {
            named.push_str(&format!(" and {more} more"));
        }
        (!named.is_empty()).then_some(named)
    }

    /// What to ask about where Plausible does not let the key see `site`. Only what the operator told this caller is
    /// named, never what another one asked about.
    fn instead_of(&self, site: &str) -> Instead {
        match (self.known_but(site), self.allowed, self.default) {
            (Some(known), ..) => Instead::OneOf(known),
            (None, None, Some(default)) if default != site => Instead::Default(default.to_owned()),
            (None, None, None) => Instead::Nothing,
            _ => Instead::NoOther,
        }
    }
}

/// The definitions in the order of `tools/list`. Without a default site, `site_id` is required.
pub fn definitions(has_default_site: bool, has_feedback: bool) -> Vec<ToolDefinition> {
    let mut definitions = vec![
        get_timeseries::definition(has_default_site),
        get_breakdown::definition(has_default_site),
        get_conversions::definition(has_default_site),
        compare_periods::definition(has_default_site),
    ];
    if has_feedback {
        definitions.push(send_feedback::definition());
    }
    definitions
}

/// The names of the tools, in the order of `tools/list`.
pub const NAMES: [&str; 5] =
    [get_timeseries::NAME, get_breakdown::NAME, get_conversions::NAME, compare_periods::NAME, send_feedback::NAME];

/// How many sites an error names; more are not read.
const MAX_NAMED_SITES: usize = 25;

/// Every tool but `send_feedback` reads from Plausible and changes nothing.
const READS_PLAUSIBLE: Annotations =
    Annotations { read_only: true, destructive: false, idempotent: true, open_world: true };

#[cfg(test)]
mod tests;
