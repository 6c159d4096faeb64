//! `get_breakdown`: metrics by the values of a dimension.

use serde_json::{Map, Value};

use super::arguments::Arguments;
use super::failure::Failure;
use super::report::{self, Report};
use super::schema::{self, Property};
use super::{READS_PLAUSIBLE, Tools, filters};
use crate::mcp::{ToolDefinition, ToolResult};
use crate::plausible::{Dimension, DimensionKind, Direction, Filter, Metric, OrderKey, Page, Query, StatsApi};

/// The tool's name.
pub const NAME: &str = "get_breakdown";

/// What `tools/list` shows.
pub fn definition(has_default_site: bool) -> ToolDefinition {
    let properties = [
        schema::DATE_RANGE,
        DIMENSION,
        schema::METRICS,
        schema::PAGE,
        schema::GOAL,
        schema::PROPERTY_FILTERS,
        LIMIT,
        schema::OFFSET,
    ];
    ToolDefinition {
        name: NAME,
        title: "Breakdown by dimension",
        description: "Ranks the values of a dimension: top pages, sources, channels, countries, devices, campaigns, or \
the values of a custom property. Use it to see where traffic comes from or goes to, and with goal where conversions \
come from. Rows come largest first by the first of metrics: put the one to rank by first. For goals use get_conversions, \
for values over time get_timeseries.\n\
Good pairs: event:page with visitors, pageviews, bounce_rate, time_on_page, scroll_depth; visit:* with visitors, visits, \
pageviews, bounce_rate, visit_duration; entry and exit pages with visitors, visits, bounce_rate; event:goal with \
visitors, events, conversion_rate; event:props:<name> with visitors, pageviews, events. With goal: visitors, events, \
group_conversion_rate.\n\
Names of custom properties differ by site; if you do not know them, ask the user. Plausible's own goals have url (Outbound \
Link: Click, File Download) and path (404).\n\
Example: {\"date_range\":\"30d\",\"dimension\":\"visit:source\",\"page\":\"/pricing\",\"limit\":10}",
        input_schema: schema::arguments(&properties, &["date_range", "dimension"], has_default_site),
        output_schema: schema::rows(),
        annotations: READS_PLAUSIBLE,
    }
}

/// Calls the tool.
pub async fn call<A: StatsApi>(tools: &Tools<'_, A>, given: Map<String, Value>) -> Result<ToolResult, Failure> {
    let mut arguments = Arguments::new(NAME, EXAMPLE, given);
    let site_id = arguments.site(tools.sites);
    let date_range = arguments.date_range("date_range");
    let dimension = arguments.dimension("dimension");
    let metrics = arguments.metrics();
    let filters = filters::read(&mut arguments, site_id.as_deref());
    let limit = arguments.integer("limit", 1..=MAX_LIMIT).unwrap_or(DEFAULT_LIMIT);
    let offset = arguments.integer("offset", 0..=schema::MAX_OFFSET).unwrap_or(0);
    let warnings = arguments.finish()?;
    let (Some(site_id), Some(date_range), Some(dimension)) = (site_id, date_range, dimension) else {
        return Err(arguments.incomplete());
    };
    let metrics = metrics.unwrap_or_else(|| default_metrics(&dimension, &filters).to_vec());
    let query = Query {
        order_by: order(&metrics, &dimension),
        dimensions: vec![dimension],
        filters,
        total_rows: true,
        page: Some(Page { limit, offset }),
        ..Query::new(site_id, metrics, date_range)
    };
    let query = report::legal(query, NAME, &arguments)?;
    let answer = tools.ask(&query).await?;
    Ok(Report::of_page(&query, answer, warnings, tools.now).result())
}

/// The metrics of a call that names none: legal for the dimension, and what people ask for first. A goal that is no page
/// view has only those of its conversions.
fn default_metrics(dimension: &Dimension, filters: &[Filter]) -> &'static [Metric] {
    let is_by_goal = *dimension != Dimension::GOAL && filters::have_goal(filters);
    match (dimension, dimension.kind()) {
        (_, DimensionKind::Session) if is_by_goal => &[Metric::Visitors, Metric::GroupConversionRate],
        _ if is_by_goal => &[Metric::Visitors, Metric::Events, Metric::GroupConversionRate],
        (Dimension::BuiltIn("event:page"), _) | (_, DimensionKind::Either) => {
            &[Metric::Visitors, Metric::Pageviews, Metric::BounceRate]
        }
        (Dimension::BuiltIn("event:goal"), _) => &[Metric::Visitors, Metric::Events, Metric::ConversionRate],
        (_, DimensionKind::Event) => &[Metric::Visitors, Metric::Pageviews, Metric::Events],
        (_, DimensionKind::Session) => &[Metric::Visitors, Metric::Visits, Metric::BounceRate],
    }
}

/// By the first metric, then by the dimension, so that pages neither repeat nor miss rows. Plausible does not order by
/// goals.
pub fn order(metrics: &[Metric], dimension: &Dimension) -> Vec<(OrderKey, Direction)> {
    match metrics.first() {
        Some(first) if *dimension != Dimension::GOAL => vec![
            (OrderKey::Metric(*first), Direction::Descending),
            (OrderKey::Dimension(dimension.clone()), Direction::Ascending),
        ],
        _ => Vec::new(),
    }
}

const DIMENSION: Property = (
    "dimension",
    r#"{"type":"string","maxLength":312,"description":"What to rank: event:page, event:goal, event:hostname, visit:entry_page, visit:exit_page, visit:source, visit:referrer, visit:channel, visit:utm_source, visit:utm_medium, visit:utm_campaign, visit:utm_content, visit:utm_term, visit:device, visit:browser, visit:browser_version, visit:os, visit:os_version, visit:country_name, visit:region_name, visit:city_name (visit:country, visit:region, visit:city for codes), or event:props:<name> for a custom property.","examples":["event:page","visit:source","event:props:plan"]}"#,
);

const LIMIT: Property =
    ("limit", r#"{"type":"integer","minimum":1,"maximum":1000,"default":20,"description":"How many rows at most."}"#);

/// As in the original: a model seldom needs more than the top of a ranking.
const DEFAULT_LIMIT: u32 = 20;

/// As in the original; more is had with `offset`.
const MAX_LIMIT: u32 = 1000;

const EXAMPLE: &str = r#"{"site_id":"example.com","date_range":"7d","dimension":"event:page"}"#;
