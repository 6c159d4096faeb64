//! `get_conversions`: goals, how often they were completed, and by what share of the visitors.

use serde_json::{Map, Value};

use super::arguments::Arguments;
use super::failure::Failure;
use super::report::{self, Report};
use super::schema::{self, Property};
use super::{READS_PLAUSIBLE, Tools, filters};
use crate::mcp::{ToolDefinition, ToolResult};
use crate::plausible::{Dimension, Direction, Metric, OrderKey, Page, Query, StatsApi};

/// The tool's name.
pub const NAME: &str = "get_conversions";

/// What `tools/list` shows.
pub fn definition(has_default_site: bool) -> ToolDefinition {
    let properties = [
        schema::DATE_RANGE,
        schema::GOAL,
        schema::PAGE,
        BREAKDOWN_BY_PAGE,
        schema::PROPERTY_FILTERS,
        LIMIT,
        schema::OFFSET,
    ];
    ToolDefinition {
        name: NAME,
        title: "Goal conversions",
        description: "The goals of a site with unique converting visitors, conversions (events) and conversion rate in \
percent. Use it for signups, purchases and other goals; without goal it lists every goal that was completed in the \
range, which is how to find the names of goals. For a goal over time use get_timeseries with goal; for revenue use \
get_breakdown by event:goal with total_revenue.\n\
With page it counts conversions on that page; with breakdown_by_page it shows on which pages conversions happen; the \
rate is of all visitors of the range.\n\
Example: {\"date_range\":\"30d\",\"goal\":\"Signup\",\"breakdown_by_page\":true}",
        input_schema: schema::arguments(&properties, &["date_range"], has_default_site),
        output_schema: schema::rows(),
        annotations: READS_PLAUSIBLE,
    }
}

/// Calls the tool.
pub async fn call<A: StatsApi>(tools: &Tools<'_, A>, given: Map<String, Value>) -> Result<ToolResult, Failure> {
    let mut arguments = Arguments::new(NAME, EXAMPLE, given);
    let site_id = arguments.site(tools.sites);
    let date_range = arguments.date_range("date_range");
    let filters = filters::read(&mut arguments, site_id.as_deref());
    let by_page = arguments.flag("breakdown_by_page");
    let limit = arguments.integer("limit", 1..=MAX_LIMIT).unwrap_or(DEFAULT_LIMIT);
    let offset = arguments.integer("offset", 0..=schema::MAX_OFFSET).unwrap_or(0);
    let warnings = arguments.finish()?;
    let (Some(site_id), Some(date_range)) = (site_id, date_range) else { return Err(arguments.incomplete()) };
    let page_dimension = by_page.then_some(Dimension::PAGE);
    let query = Query {
        dimensions: [Dimension::GOAL].into_iter().chain(page_dimension).collect(),
        filters,
        order_by: if by_page { by_visitors_and_page() } else { Vec::new() },
        total_rows: true,
        page: Some(Page { limit, offset }),
        ..Query::new(site_id, METRICS.to_vec(), date_range)
    };
    let query = report::legal(query, NAME, &arguments)?;
    let answer = tools.ask(&query).await?;
    Ok(Report::of_page(&query, answer, warnings, tools.now).result())
}

/// So that the next page repeats and misses as few rows as may be: Plausible does not order by goals, so those of one
/// page with as many visitors stand in any order.
fn by_visitors_and_page() -> Vec<(OrderKey, Direction)> {
    vec![
        (OrderKey::Metric(Metric::Visitors), Direction::Descending),
        (OrderKey::Dimension(Dimension::PAGE), Direction::Ascending),
    ]
}

const BREAKDOWN_BY_PAGE: Property = (
    "breakdown_by_page",
    r#"{"type":"boolean","default":false,"description":"One row per goal and page instead of one per goal."}"#,
);

const LIMIT: Property =
    ("limit", r#"{"type":"integer","minimum":1,"maximum":1000,"default":100,"description":"How many rows at most."}"#);

const METRICS: [Metric; 3] = [Metric::Visitors, Metric::Events, Metric::ConversionRate];

/// Few sites have more goals.
const DEFAULT_LIMIT: u32 = 100;

/// As for breakdowns.
const MAX_LIMIT: u32 = 1000;

const EXAMPLE: &str = r#"{"site_id":"example.com","date_range":"30d"}"#;
