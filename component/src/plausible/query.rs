//! A query: <https://plausible.io/docs/stats-api#request-structure>.

use serde_json::{Map, Value, json};

use super::date_range::DateRange;
use super::dimension::Dimension;
use super::filter::Filter;
use super::metric::Metric;
use super::rules::{self, Violation};

/// A question to Plausible, built from checked parts; whether the parts go together is what [`Query::check`] tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The site's domain.
    pub site_id: String,
    /// At least one, each once.
    pub metrics: Vec<Metric>,
    /// The time.
    pub date_range: DateRange,
    /// What to group by, in the order of the rows' values.
    pub dimensions: Vec<Dimension>,
    /// All of them must hold.
    pub filters: Vec<Filter>,
    /// The order of the rows; empty for Plausible's own.
    pub order_by: Vec<(OrderKey, Direction)>,
    /// Ask for the labels of all buckets, empty ones too.
    pub time_labels: bool,
    /// Ask for the number of rows of all pages together.
    pub total_rows: bool,
    /// Which rows.
    pub page: Option<Page>,
}

/// What rows are ordered by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderKey {
    /// A queried metric.
    Metric(Metric),
    /// A queried dimension.
    Dimension(Dimension),
}

/// Which end comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The smallest.
    Ascending,
    /// The largest.
    Descending,
}

/// Which rows of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// How many, 1 to 10,000.
    pub limit: u32,
    /// How many to pass over.
    pub offset: u32,
}

/// A query that breaks none of Plausible's rules. Only [`Query::check`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegalQuery(Query);

impl Query {
    /// A query of metrics over time, without anything else.
    pub fn new(site_id: String, metrics: Vec<Metric>, date_range: DateRange) -> Query {
        Query {
            site_id,
            metrics,
            date_range,
            dimensions: Vec::new(),
            filters: Vec::new(),
            order_by: Vec::new(),
            time_labels: false,
            total_rows: false,
            page: None,
        }
    }

    /// Proves the query legal, or names the first rule that it breaks.
    pub fn check(self) -> Result<LegalQuery, Violation> {
        rules::check(&self)?;
        Ok(LegalQuery(self))
    }

    /// The metrics that break no rule in this query; those that a mended query may keep.
    pub fn legal_metrics(&self) -> Vec<Metric> {
        let alone = |metric: &Metric| Query { metrics: vec![*metric], order_by: Vec::new(), ..self.clone() };
        self.metrics.iter().copied().filter(|metric| rules::check(&alone(metric)).is_ok()).collect()
    }
}

impl LegalQuery {
    /// The query.
    pub fn query(&self) -> &Query {
        &self.0
    }

    /// The request's body. Members that say nothing are left out.
    pub fn json(&self) -> Value {
        let query = &self.0;
        let mut body = Map::new();
        body.insert("site_id".to_owned(), json!(query.site_id));
        body.insert("metrics".to_owned(), query.metrics.iter().map(|metric| metric.name()).collect());
        body.insert("date_range".to_owned(), query.date_range.json());
        if !query.dimensions.is_empty() {
            body.insert("dimensions".to_owned(), query.dimensions.iter().map(Dimension::name).collect());
        }
        if !query.filters.is_empty() {
            body.insert("filters".to_owned(), query.filters.iter().map(Filter::json).collect());
        }
        if !query.order_by.is_empty() {
            body.insert("order_by".to_owned(), query.order_by.iter().map(order_json).collect());
        }
        if let Some(include) = include_json(query) {
            body.insert("include".to_owned(), include);
        }
        if let Some(page) = query.page {
            body.insert("pagination".to_owned(), page_json(page));
        }
        Value::Object(body)
    }
}

fn include_json(query: &Query) -> Option<Value> {
    let mut include = Map::new();
    if query.time_labels {
        include.insert("time_labels".to_owned(), json!(true));
    }
    if query.total_rows {
        include.insert("total_rows".to_owned(), json!(true));
    }
    (!include.is_empty()).then_some(Value::Object(include))
}

fn page_json(page: Page) -> Value {
    if page.offset == 0 { json!({"limit": page.limit}) } else { json!({"limit": page.limit, "offset": page.offset}) }
}

fn order_json((key, direction): &(OrderKey, Direction)) -> Value {
    let name = match key {
        OrderKey::Metric(metric) => metric.name().to_owned(),
        OrderKey::Dimension(dimension) => dimension.name(),
    };
    let direction = match direction {
        Direction::Ascending => "asc",
        Direction::Descending => "desc",
    };
    json!([name, direction])
}
