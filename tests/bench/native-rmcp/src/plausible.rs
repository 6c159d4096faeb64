//! The Stats API client: one pooled connection set, one query per call.

use rmcp::ErrorData;
use serde::{Deserialize, Serialize};

use crate::arguments::PropertyFilter;

#[derive(Clone)]
pub struct Plausible {
    http: reqwest::Client,
    query_url: String,
}

#[derive(Debug, Default, Serialize)]
pub struct Query {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site_id: Option<String>,
    pub metrics: Vec<String>,
    pub date_range: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dimensions: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<(String, String, Vec<String>)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pagination: Option<Pagination>,
}

#[derive(Debug, Serialize)]
pub struct Pagination {
    pub limit: u32,
}

#[derive(Debug, Deserialize)]
pub struct Answer {
    pub results: Vec<AnswerRow>,
}

#[derive(Debug, Deserialize)]
pub struct AnswerRow {
    pub dimensions: Vec<String>,
    pub metrics: Vec<Option<f64>>,
}

impl Plausible {
    pub fn new(base_url: &str) -> Self {
        Self { http: reqwest::Client::new(), query_url: format!("{base_url}/api/v2/query") }
    }

    pub async fn query(&self, authorization: &str, query: &Query) -> Result<Answer, ErrorData> {
        let response = self
            .http
            .post(&self.query_url)
            .header("authorization", authorization)
            .json(query)
            .send()
            .await
            .map_err(failed)?;
        response.error_for_status().map_err(failed)?.json().await.map_err(failed)
    }
}

/// The filters of a call in Plausible's notation.
pub fn filters(
    page: Option<String>,
    goal: Option<String>,
    properties: Vec<PropertyFilter>,
) -> Vec<(String, String, Vec<String>)> {
    let is = |dimension: &str, value: String| ("is".to_owned(), dimension.to_owned(), vec![value]);
    let page = page.map(|page| is("event:page", page));
    let goal = goal.map(|goal| is("event:goal", goal));
    let properties = properties.into_iter().map(|filter| {
        let operator = filter.operator.unwrap_or_else(|| "is".to_owned());
        (operator, filter.property, filter.values)
    });
    page.into_iter().chain(goal).chain(properties).collect()
}

fn failed(error: reqwest::Error) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}
