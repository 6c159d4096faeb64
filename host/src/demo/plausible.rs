//! A simulated Plausible: the real query rules with Plausible's own
//! messages, answered from deterministic data.
//!
//! A query passes the stages of the real server: `schema` (the JSON
//! schema), `parser`, `rules`; then `response` runs it over the synthetic
//! `visits`. Not simulated: plans and their limits, bursts, imports,
//! the older API and the Sites API.

mod archive;
mod catalogue;
mod columns;
mod date_range;
mod drawing;
mod hourly_limit;
mod inspect;
mod measure;
mod money;
mod order;
mod parser;
mod query;
mod random;
mod response;
mod revenue;
mod rules;
mod scan;
mod schema;
mod selection;
mod serving;
mod traffic;
mod visits;
mod zone;

use jiff::Timestamp;
use serde_json::{Value, json};

use archive::Archive;
use catalogue::{SITES, Site};
use hourly_limit::HourlyLimit;
use response::Failure;

/// The only key the simulation accepts.
pub const DEMO_KEY: &str = "demo-plausible-key";

/// The site `demo` is set up for; `blog.example` is there too.
pub const DEMO_SITE: &str = "shop.example";

/// Plausible, with the days it has drawn so far.
#[derive(Debug, Default)]
pub struct SimulatedPlausible {
    archive: Archive,
    limit: HourlyLimit,
}

impl SimulatedPlausible {
    /// Without a rate limit.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a limit of requests an hour, after which the answer is 429.
    pub fn limited(requests_per_hour: u32) -> Self {
        Self { limit: HourlyLimit::new(requests_per_hour), ..Self::default() }
    }

    /// Answers a request with an HTTP status and a JSON body.
    ///
    /// Decides on plain data: `now` is passed in, and the same arguments
    /// always have the same answer, but for a rate limit. `path` may carry a query string;
    /// `authorization` is the header's value.
    pub fn answer(
        &self,
        method: &str,
        path: &str,
        authorization: Option<&str>,
        body: &[u8],
        now: Timestamp,
    ) -> (u16, String) {
        let path = path.split('?').next().unwrap_or(path);
        let answered = match (path, method) {
            ("/api/v2/query", "POST") => self.query(authorization, body, now),
            ("/api/docs/query/schema.json", "GET") => Ok(schema_document()),
            ("/api/health", "GET") => Ok(json!({"clickhouse": "ok", "postgres": "ok", "sites_cache": "ok"})),
            ("/api/v2/query" | "/api/docs/query/schema.json" | "/api/health", _) => {
                Err(Refusal::new(405, "Method not allowed"))
            }
            _ => Err(Refusal::new(404, "Not found")),
        };
        match answered {
            Ok(body) => (200, body.to_string()),
            Err(refusal) => (refusal.status, json!({"error": refusal.text}).to_string()),
        }
    }

    fn query(&self, authorization: Option<&str>, body: &[u8], now: Timestamp) -> Result<Value, Refusal> {
        let body: Value =
            serde_json::from_slice(body).map_err(|_| Refusal::new(400, "The request body is not valid JSON."))?;
        authorize(authorization)?;
        self.limit.check(now).map_err(|text| Refusal { status: 429, text })?;
        let site = site(&body)?;
        schema::check(&body).map_err(Refusal::invalid)?;
        let mut query = parser::parse(&body).map_err(Refusal::invalid)?;
        rules::check(&mut query, site).map_err(Refusal::invalid)?;
        response::run(query, site, &self.archive, now).map_err(|failure| match failure {
            // The database refuses the pattern, not the query's rules.
            Failure::BadPattern => Refusal::new(500, "Internal server error"),
            Failure::RangeBeyondCalendar => Refusal::invalid(format!(
                "Invalid date_range {}",
                inspect::inspect(body.get("date_range").unwrap_or(&Value::Null))
            )),
        })
    }
}

/// An error response.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    status: u16,
    text: String,
}

impl Refusal {
    fn new(status: u16, text: &str) -> Self {
        Self { status, text: text.to_owned() }
    }

    fn invalid(text: String) -> Self {
        Self { status: 400, text }
    }
}

fn authorize(authorization: Option<&str>) -> Result<(), Refusal> {
    match authorization.and_then(|value| value.strip_prefix("Bearer ")) {
        None => Err(Refusal::new(401, MISSING_KEY)),
        Some(key) if key.trim() == DEMO_KEY => Ok(()),
        Some(_) => Err(Refusal::new(401, NO_ACCESS)),
    }
}

/// A site the key may not see and one that does not exist look the same.
fn site(body: &Value) -> Result<&'static Site, Refusal> {
    let domain = match body.get("site_id") {
        None | Some(Value::Null) => return Err(Refusal::new(400, MISSING_SITE)),
        Some(value) => value.as_str().unwrap_or_default(),
    };
    SITES.iter().find(|site| site.domain == domain).ok_or_else(|| Refusal::new(401, NO_ACCESS))
}

/// Enough of the published schema to see which API this is.
fn schema_document() -> Value {
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "required": ["site_id", "metrics", "date_range"],
        "additionalProperties": false,
    })
}

const MISSING_KEY: &str = "Missing API key. Please use a valid Plausible API key as a Bearer Token.";
const MISSING_SITE: &str = "Missing site ID. Please provide the required site_id parameter with your request.";
const NO_ACCESS: &str = "Invalid API key or site ID. Please make sure you're using a valid API key with access to the site you've requested.";

#[cfg(test)]
mod tests;
