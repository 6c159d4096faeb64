//! The tools: what they are called, what they take, what they answer. One file each.
//!
//! A call is: arguments → a query that Plausible will take → rows → words for the model and structured content for
//! programs. Whatever goes wrong on the way is a result that says what to do instead.

mod arguments;
mod buckets;
mod compare_periods;
mod failure;
mod filters;
mod get_breakdown;
mod get_conversions;
mod get_timeseries;
mod instructions;
mod report;
mod schema;
mod table;

use serde_json::{Map, Value};

use crate::mcp::{Annotations, ToolDefinition, ToolResult, ToolSet};
use crate::plausible::{Answer, Client, LegalQuery, QueryError};
use crate::ports::{OutboundHttp, Timestamp};
use failure::Failure;
pub use failure::reason;
pub use instructions::text as instructions;

/// The tools, as one caller may use them.
pub struct Tools<'a, H> {
    /// Plausible with the caller's key.
    pub client: Client<'a, H>,
    /// What the operator set.
    pub sites: Sites<'a>,
    /// The time of the call.
    pub now: Timestamp,
}

/// Which sites a call may be about.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sites<'a> {
    /// The site of a call that names none.
    pub default: Option<&'a str>,
    /// The sites that may be queried; `None` for all that the key can see.
    pub allowed: Option<&'a [String]>,
}

impl<H: OutboundHttp> ToolSet for Tools<'_, H> {
    async fn call(&self, name: &str, arguments: Map<String, Value>) -> Option<ToolResult> {
        let outcome = match name {
            get_timeseries::NAME => get_timeseries::call(self, arguments).await,
            get_breakdown::NAME => get_breakdown::call(self, arguments).await,
            get_conversions::NAME => get_conversions::call(self, arguments).await,
            compare_periods::NAME => compare_periods::call(self, arguments).await,
            _ => return None,
        };
        Some(outcome.unwrap_or_else(|failure| ToolResult {
            text: failure.to_string(),
            structured: None,
            is_error: true,
        }))
    }
}

impl<H: OutboundHttp> Tools<'_, H> {
    async fn ask(&self, query: &LegalQuery) -> Result<Answer, Failure> {
        self.client.query(query).await.map_err(|error| self.failed(query, error))
    }

    fn failed(&self, query: &LegalQuery, error: QueryError) -> Failure {
        Failure::Plausible { site_id: query.query().site_id.clone(), error }
    }
}

/// The definitions in the order of `tools/list`. Without a default site, `site_id` is required.
pub fn definitions(has_default_site: bool) -> Vec<ToolDefinition> {
    vec![
        get_timeseries::definition(has_default_site),
        get_breakdown::definition(has_default_site),
        get_conversions::definition(has_default_site),
        compare_periods::definition(has_default_site),
    ]
}

/// The names of the tools, in the order of `tools/list`.
pub const NAMES: [&str; 4] = [get_timeseries::NAME, get_breakdown::NAME, get_conversions::NAME, compare_periods::NAME];

/// Every tool reads from Plausible and changes nothing.
const READS_PLAUSIBLE: Annotations =
    Annotations { read_only: true, destructive: false, idempotent: true, open_world: true };

#[cfg(test)]
mod tests;
