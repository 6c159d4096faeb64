//! The four tools, as the SDK's macros want them.

use std::collections::BTreeMap;

use axum::http::{header, request::Parts};
use rmcp::{
    ErrorData, Json, ServerHandler,
    handler::server::{router::tool::ToolRouter, tool::Extension, wrapper::Parameters},
    model::{ServerCapabilities, ServerConfig},
    tool, tool_handler, tool_router,
};

use crate::{
    arguments::{
        BreakdownArguments, CompareArguments, Comparison, ConversionsArguments, Delta, Period, Row, Rows,
        TimeseriesArguments,
    },
    plausible::{Pagination, Plausible, Query, filters},
};

#[derive(Clone)]
pub struct Tools {
    plausible: Plausible,
    tool_router: ToolRouter<Self>,
}

#[tool_router]
impl Tools {
    pub fn new(plausible: Plausible) -> Self {
        Self { plausible, tool_router: Self::tool_router() }
    }

    /// Traffic over time: one row per hour, day, week or month of the range. Use it for trends and for the
    /// shape of a period, for example {"date_range": "30d", "granularity": "day"}.
    #[tool(annotations(read_only_hint = true, open_world_hint = true, title = "Traffic over time"))]
    async fn get_timeseries(
        &self,
        Extension(parts): Extension<Parts>,
        Parameters(asked): Parameters<TimeseriesArguments>,
    ) -> Result<Json<Rows>, ErrorData> {
        let granularity = asked.granularity.as_deref().unwrap_or("day");
        let query = Query {
            site_id: asked.site_id,
            metrics: asked.metrics.unwrap_or_else(traffic_metrics),
            date_range: asked.date_range,
            dimensions: vec![format!("time:{granularity}")],
            filters: filters(asked.page, asked.goal, asked.property_filters),
            pagination: None,
        };
        self.rows(&parts, query).await
    }

    /// The top values of one dimension: sources, pages, countries, devices, custom properties. Use it for
    /// "where from" and "what", for example {"dimension": "visit:source", "date_range": "7d"}.
    #[tool(annotations(read_only_hint = true, open_world_hint = true, title = "Top values of a dimension"))]
    async fn get_breakdown(
        &self,
        Extension(parts): Extension<Parts>,
        Parameters(asked): Parameters<BreakdownArguments>,
    ) -> Result<Json<Rows>, ErrorData> {
        let query = Query {
            site_id: asked.site_id,
            metrics: asked.metrics.unwrap_or_else(|| names(&["visitors", "pageviews", "bounce_rate"])),
            date_range: asked.date_range,
            dimensions: vec![asked.dimension],
            filters: filters(asked.page, None, asked.property_filters),
            pagination: Some(Pagination { limit: asked.limit.unwrap_or(20) }),
        };
        self.rows(&parts, query).await
    }

    /// Goals and how often they were completed, optionally split by page. Use it for sign-ups, purchases and
    /// downloads, for example {"date_range": "28d", "goal": "Signup"}.
    #[tool(annotations(read_only_hint = true, open_world_hint = true, title = "Goal conversions"))]
    async fn get_conversions(
        &self,
        Extension(parts): Extension<Parts>,
        Parameters(asked): Parameters<ConversionsArguments>,
    ) -> Result<Json<Rows>, ErrorData> {
        let by_page = asked.breakdown_by_page.then_some("event:page");
        let query = Query {
            site_id: asked.site_id,
            metrics: names(&["visitors", "events", "conversion_rate"]),
            date_range: asked.date_range,
            dimensions: ["event:goal"].into_iter().chain(by_page).map(str::to_owned).collect(),
            filters: filters(asked.page, asked.goal, asked.property_filters),
            pagination: None,
        };
        self.rows(&parts, query).await
    }

    /// Two periods side by side with the change of each metric. Use it for "this week against last", for
    /// example {"period_a": "2026-07-01,2026-07-07", "period_b": "2026-07-08,2026-07-14"}.
    #[tool(annotations(read_only_hint = true, open_world_hint = true, title = "Compare two periods"))]
    async fn compare_periods(
        &self,
        Extension(parts): Extension<Parts>,
        Parameters(asked): Parameters<CompareArguments>,
    ) -> Result<Json<Comparison>, ErrorData> {
        let metrics = asked.metrics.unwrap_or_else(traffic_metrics);
        let filters = filters(asked.page, asked.goal, asked.property_filters);
        let query = |range: &str| Query {
            site_id: asked.site_id.clone(),
            metrics: metrics.clone(),
            date_range: range.to_owned(),
            filters: filters.clone(),
            ..Query::default()
        };
        let (query_a, query_b) = (query(&asked.period_a), query(&asked.period_b));
        let (a, b) = tokio::try_join!(self.rows(&parts, query_a), self.rows(&parts, query_b))?;
        Ok(Json(compare(period(asked.period_a, a.0), period(asked.period_b, b.0))))
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_instructions(include_str!("instructions.txt"))
    }
}

impl Tools {
    async fn rows(&self, parts: &Parts, query: Query) -> Result<Json<Rows>, ErrorData> {
        let authorization = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .ok_or_else(|| ErrorData::invalid_request("no bearer", None))?;
        let answer = self.plausible.query(authorization, &query).await?;
        let results =
            answer.results.into_iter().map(|row| Row { dimensions: row.dimensions, metrics: row.metrics }).collect();
        Ok(Json(Rows { metrics: query.metrics, dimensions: query.dimensions, results }))
    }
}

fn period(range: String, rows: Rows) -> Period {
    let values = rows.results.into_iter().next().map(|row| row.metrics).unwrap_or_default();
    Period { range, metrics: rows.metrics.into_iter().zip(values).collect() }
}

fn compare(period_a: Period, period_b: Period) -> Comparison {
    let deltas: BTreeMap<String, Delta> = period_a
        .metrics
        .iter()
        .map(|(metric, a)| (metric.clone(), delta(*a, period_b.metrics.get(metric).copied().flatten())))
        .collect();
    Comparison { period_a, period_b, deltas }
}

fn delta(a: Option<f64>, b: Option<f64>) -> Delta {
    let absolute = a.zip(b).map(|(a, b)| b - a);
    let percent = a.zip(absolute).filter(|(a, _)| *a != 0.0).map(|(a, change)| change / a * 100.0);
    Delta { absolute, percent }
}

fn traffic_metrics() -> Vec<String> {
    names(&["visitors", "pageviews", "bounce_rate", "visit_duration"])
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}
