//! What the four tools take and return; the SDK derives the JSON schemas.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A condition on a property or a visit dimension.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct PropertyFilter {
    /// A custom property (`event:props:plan`) or a dimension such as `visit:source` or `visit:country`.
    pub property: String,
    /// One of `is`, `is_not`, `contains`, `contains_not`. Default `is`.
    pub operator: Option<String>,
    /// The values to compare with; any one of them is enough.
    pub values: Vec<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub struct TimeseriesArguments {
    /// The site's domain as registered in Plausible. Optional when the server has a default site.
    pub site_id: Option<String>,
    /// `day`, `24h`, `7d`, `28d`, `30d`, `91d`, `month`, `6mo`, `12mo`, `year`, `all`, or `YYYY-MM-DD,YYYY-MM-DD`.
    pub date_range: String,
    /// `hour`, `day`, `week` or `month`. Chosen from the range when absent.
    pub granularity: Option<String>,
    /// Metrics to return. Default visitors, pageviews, bounce_rate, visit_duration.
    pub metrics: Option<Vec<String>>,
    /// Only this page; `/blog*` means pages that begin with `/blog`.
    pub page: Option<String>,
    /// Only visitors who completed this goal.
    pub goal: Option<String>,
    /// Further conditions, all of which must hold.
    #[serde(default)]
    pub property_filters: Vec<PropertyFilter>,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub struct BreakdownArguments {
    /// The site's domain as registered in Plausible. Optional when the server has a default site.
    pub site_id: Option<String>,
    /// `day`, `24h`, `7d`, `28d`, `30d`, `91d`, `month`, `6mo`, `12mo`, `year`, `all`, or `YYYY-MM-DD,YYYY-MM-DD`.
    pub date_range: String,
    /// What to group by, for example `visit:source`, `event:page`, `visit:country`, `event:props:plan`.
    pub dimension: String,
    /// Metrics to return. Default visitors, pageviews, bounce_rate.
    pub metrics: Option<Vec<String>>,
    /// How many rows, at most 1000. Default 20.
    pub limit: Option<u32>,
    /// Only this page; `/blog*` means pages that begin with `/blog`.
    pub page: Option<String>,
    /// Further conditions, all of which must hold.
    #[serde(default)]
    pub property_filters: Vec<PropertyFilter>,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub struct ConversionsArguments {
    /// The site's domain as registered in Plausible. Optional when the server has a default site.
    pub site_id: Option<String>,
    /// `day`, `24h`, `7d`, `28d`, `30d`, `91d`, `month`, `6mo`, `12mo`, `year`, `all`, or `YYYY-MM-DD,YYYY-MM-DD`.
    pub date_range: String,
    /// Only this goal. All goals when absent.
    pub goal: Option<String>,
    /// Only this page; `/blog*` means pages that begin with `/blog`.
    pub page: Option<String>,
    /// Whether to split each goal by the page it happened on.
    #[serde(default)]
    pub breakdown_by_page: bool,
    /// Further conditions, all of which must hold.
    #[serde(default)]
    pub property_filters: Vec<PropertyFilter>,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub struct CompareArguments {
    /// The site's domain as registered in Plausible. Optional when the server has a default site.
    pub site_id: Option<String>,
    /// The earlier period, in the forms that `date_range` takes elsewhere.
    pub period_a: String,
    /// The later period, in the same forms.
    pub period_b: String,
    /// Metrics to compare. Default visitors, pageviews, bounce_rate, visit_duration.
    pub metrics: Option<Vec<String>>,
    /// Only this page; `/blog*` means pages that begin with `/blog`.
    pub page: Option<String>,
    /// Only visitors who completed this goal.
    pub goal: Option<String>,
    /// Further conditions, all of which must hold.
    #[serde(default)]
    pub property_filters: Vec<PropertyFilter>,
}

/// Rows of a query: the values stand in the order of `dimensions` and `metrics`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Rows {
    /// The metrics of each row, in this order.
    pub metrics: Vec<String>,
    /// The dimensions of each row, in this order.
    pub dimensions: Vec<String>,
    /// The rows.
    pub results: Vec<Row>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Row {
    /// Values of the dimensions.
    pub dimensions: Vec<String>,
    /// Values of the metrics; null where Plausible has none.
    pub metrics: Vec<Option<f64>>,
}

/// Two periods side by side.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Comparison {
    pub period_a: Period,
    pub period_b: Period,
    /// The change of each metric from a to b.
    pub deltas: BTreeMap<String, Delta>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Period {
    /// The range that was asked for.
    pub range: String,
    /// The metrics by name.
    pub metrics: BTreeMap<String, Option<f64>>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Delta {
    /// b − a.
    pub absolute: Option<f64>,
    /// The change in percent of a; null when a is 0.
    pub percent: Option<f64>,
}
