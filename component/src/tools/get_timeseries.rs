//! `get_timeseries`: metrics in buckets of time.

use serde_json::{Map, Value};

use super::arguments::Arguments;
use super::failure::Failure;
use super::report::{self, Report};
use super::schema::{self, Property};
use super::{READS_PLAUSIBLE, Tools, buckets, filters};
use crate::mcp::{ToolDefinition, ToolResult};
use crate::plausible::{
    Answer, Dimension, Direction, Filter, Granularity, LegalQuery, Metric, OrderKey, Query, StatsApi,
};

/// The tool's name.
pub const NAME: &str = "get_timeseries";

/// What `tools/list` shows.
pub fn definition(has_default_site: bool) -> ToolDefinition {
    let properties =
        [schema::DATE_RANGE, GRANULARITY, schema::METRICS, schema::PAGE, schema::GOAL, schema::PROPERTY_FILTERS];
    ToolDefinition {
        name: NAME,
        title: "Traffic over time",
        description: "How traffic or conversions of a site develop over time: metrics per hour, day, week or month. Use \
it for trends, for the day on which something changed, and for one page or goal over time. For a ranking use \
get_breakdown, for two periods side by side compare_periods.\n\
Metrics: visitors, visits, pageviews, events, bounce_rate, visit_duration; views_per_visit without page (older \
self-hosted Plausibles refuse it); scroll_depth and time_on_page with page; group_conversion_rate (of the bucket's own \
visitors) with goal.\n\
Empty buckets are filled in, buckets after now are left out, and those that are still running or that an end of the \
range cuts are marked partial.\n\
Example: {\"date_range\":\"30d\",\"granularity\":\"day\",\"page\":\"/pricing\",\"metrics\":[\"visitors\",\"pageviews\"]}",
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
    let granularity = arguments.choice("granularity", &Granularity::ALL).unwrap_or(Granularity::Day);
    let metrics = arguments.metrics();
    let filters = filters::read(&mut arguments, site_id.as_deref());
    let warnings = arguments.finish()?;
    let (Some(site_id), Some(date_range)) = (site_id, date_range) else { return Err(arguments.incomplete()) };
    let metrics = metrics.unwrap_or_else(|| default_metrics(&filters).to_vec());
    let query = Query {
        dimensions: vec![Dimension::Time(granularity)],
        filters,
        order_by: order(granularity),
        time_labels: true,
        ..Query::new(site_id, metrics, date_range)
    };
    let query = report::legal(query, NAME, &arguments)?;
    let answer = tools.ask(&query).await?;
    Ok(series(tools, &query, answer, warnings).result())
}

/// The metrics of a call that names none. A goal that is no page view has only those of its conversions.
fn default_metrics(filters: &[Filter]) -> &'static [Metric] {
    if filters::have_goal(filters) {
        &[Metric::Visitors, Metric::Events, Metric::GroupConversionRate]
    } else {
        &[Metric::Visitors, Metric::Pageviews, Metric::BounceRate, Metric::VisitDuration]
    }
}

/// Plausible returns 10,000 rows at most and the oldest first, which only hours come to: of those the newest are shown,
/// so they are asked for.
fn order(granularity: Granularity) -> Vec<(OrderKey, Direction)> {
    match granularity {
        Granularity::Hour => vec![(OrderKey::Dimension(Dimension::Time(granularity)), Direction::Descending)],
        _ => Vec::new(),
    }
}

fn series<'a, H>(tools: &Tools<'_, H>, query: &'a LegalQuery, answer: Answer, mut warnings: Vec<String>) -> Report<'a> {
    let query = query.query();
    let series = buckets::complete(&answer, query, answer.counted_until(tools.now));
    if series.to_come > 0 {
        warnings.push(format!("{} buckets that begin after now are left out.", series.to_come));
    }
    let mut rows = series.rows;
    let surplus = rows.len().saturating_sub(MAX_BUCKETS);
    if surplus > 0 {
        rows.drain(..surplus);
        warnings.push(format!(
            "The earliest {surplus} buckets are left out. Ask for a shorter date range or a coarser granularity."
        ));
    }
    warnings.extend(answer.warnings);
    warnings.extend(report::nothing_found(&query.filters, rows.iter().map(|(row, _)| row)));
    warnings.extend(report::replaced(rows.iter().map(|(row, _)| row)));
    Report { query, period: answer.period, rows, total_rows: None, truncated: surplus > 0, warnings }
}

const GRANULARITY: Property = (
    "granularity",
    r#"{"type":"string","enum":["auto","hour","day","week","month"],"default":"day","description":"The size of a bucket. auto lets Plausible choose by the length of the range."}"#,
);

const EXAMPLE: &str = r#"{"site_id":"example.com","date_range":"7d","granularity":"day"}"#;

/// Forty days of hours, or almost three years of days: more than a model reads.
const MAX_BUCKETS: usize = 1000;
