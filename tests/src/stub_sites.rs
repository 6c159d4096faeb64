//! A Plausible that behaves as its site id says, for the golden cases.
//!
//! | site | answer |
//! |---|---|
//! | `rows-N.example` | N rows |
//! | `big-N.example` | one row whose dimension value has N characters |
//! | `strings.example`, `nulls.example`, `bools.example`, `unicode.example` | rows of such values |
//! | `status-N.example` | that status |
//! | `badjson.example`, `html.example`, `noresults.example` | 200 with a body that is not an answer |
//! | `redirect.example` | 302 |
//! | `close.example` | the connection is closed |
//!
//! The keys `bad-key-401` and `limited-key-429` are answered with those statuses. It is always 2026-08-06, and a
//! range that ends later, or before it begins, is a 400.

use serde_json::{Value, json};

use crate::upstream::{Received, Reply};

/// The answer of the stub.
pub fn answer(received: &Received) -> Reply {
    if received.path != "/api/v2/query" {
        return refusal(404);
    }
    match received.header("authorization") {
        Some("Bearer bad-key-401") => return refusal(401),
        Some("Bearer limited-key-429") => return refusal(429),
        _ => {}
    }
    let query = received.query();
    let site = query.get("site_id").and_then(Value::as_str).unwrap_or_default();
    let site = site.strip_suffix(".example").unwrap_or(site);
    let (behaviour, number) = match site.split_once('-') {
        Some((behaviour, number)) => (behaviour, number.parse().unwrap_or(0)),
        None => (site, 0),
    };
    if behaviour == "status" {
        return refusal(u16::try_from(number).unwrap_or(500));
    }
    if !range_is_possible(&query) {
        return refusal(400);
    }
    answer_of(behaviour, number, &query)
}

fn answer_of(behaviour: &str, number: usize, query: &Value) -> Reply {
    let ok = |content_type: &str, body: &str| Reply::Answer {
        status: 200,
        headers: vec![("content-type", content_type.to_owned())],
        body: body.to_owned(),
    };
    match behaviour {
        "rows" => rows(query, number, |row, column| json!(100_000 - 10 * row + 100 * column)),
        "big" => named_rows(query, &["x".repeat(number)]),
        "strings" => rows(query, 2, |row, _| json!(row.to_string())),
        "nulls" => rows(query, 2, |_, _| Value::Null),
        "bools" => rows(query, 2, |_, _| Value::Bool(true)),
        "unicode" => named_rows(query, &UNICODE.map(str::to_owned)),
        "badjson" => ok("application/json", "{\"results\": ["),
        "html" => ok("text/html", "<!doctype html><title>Maintenance</title>"),
        "noresults" => ok("application/json", "{\"meta\":{},\"query\":{}}"),
        "redirect" => Reply::Answer {
            status: 302,
            headers: vec![("location", "/api/v2/query/other".to_owned())],
            body: String::new(),
        },
        "close" => Reply::Close,
        _ => refusal(401),
    }
}

fn refusal(status: u16) -> Reply {
    match status {
        204 | 304 => Reply::Answer { status, headers: Vec::new(), body: String::new() },
        _ => Reply::json(status, json!({ "error": format!("the stub says {status}") }).to_string()),
    }
}

/// Whether an absolute range of dates runs forward and ends today or before.
fn range_is_possible(query: &Value) -> bool {
    let bound = |index| query.pointer(&format!("/date_range/{index}")).and_then(Value::as_str);
    match (bound(0), bound(1)) {
        (Some(from), Some(to)) => from <= to && to <= TODAY,
        _ => true,
    }
}

fn rows(query: &Value, count: usize, metric: impl Fn(usize, usize) -> Value) -> Reply {
    let limit =
        query.pointer("/pagination/limit").and_then(Value::as_u64).and_then(|limit| usize::try_from(limit).ok());
    let count = if list(query, "dimensions").is_empty() { count.min(1) } else { count.min(limit.unwrap_or(count)) };
    let results = (0..count).map(|row| {
        let metrics = list(query, "metrics");
        let metrics = metrics.iter().enumerate().map(|(column, name)| match name.as_str() {
            Some("total_revenue" | "average_revenue") => revenue(row),
            _ => metric(row, column),
        });
        let dimensions = list(query, "dimensions");
        let dimensions = dimensions.iter().map(|name| dimension_value(name.as_str().unwrap_or_default(), row));
        json!({ "metrics": metrics.collect::<Vec<_>>(), "dimensions": dimensions.collect::<Vec<_>>() })
    });
    whole(query, results.collect())
}

fn named_rows(query: &Value, names: &[String]) -> Reply {
    let metrics = vec![json!(7); list(query, "metrics").len()];
    whole(query, names.iter().map(|name| json!({ "metrics": metrics, "dimensions": [name] })).collect())
}

fn whole(query: &Value, results: Vec<Value>) -> Reply {
    let mut meta = json!({});
    if query.pointer("/include/time_labels").and_then(Value::as_bool) == Some(true) {
        meta["time_labels"] = results.iter().filter_map(|row| row.pointer("/dimensions/0").cloned()).collect();
    }
    if query.pointer("/include/total_rows").and_then(Value::as_bool) == Some(true) {
        meta["total_rows"] = json!(results.len());
    }
    let mut echo = query.clone();
    echo["date_range"] = json!(["2026-07-30T00:00:00+00:00", "2026-08-05T23:59:59+00:00"]);
    Reply::json(200, json!({ "results": results, "meta": meta, "query": echo }).to_string())
}

fn list(query: &Value, name: &str) -> Vec<Value> {
    query.get(name).and_then(Value::as_array).cloned().unwrap_or_default()
}

fn revenue(row: usize) -> Value {
    let value = 120 + row;
    json!({ "value": value, "currency": "EUR", "short": format!("€{value}.0"), "long": format!("€{value}.00") })
}

fn dimension_value(dimension: &str, row: usize) -> Value {
    match dimension {
        "visit:city" => json!(2_950_159 + row),
        "time:hour" => json!(format!("2026-07-30 {:02}:00:00", row % 24)),
        _ if dimension.starts_with("time") => json!(format!("2026-07-{:02}", row % 28 + 1)),
        _ => json!(format!("{dimension} {row}")),
    }
}

const TODAY: &str = "2026-08-06";

const UNICODE: [&str; 6] =
    ["/Käse/チーズ", "/\"quoted\"\\back", "/new\nline\ttab", "</script><b>", "🚲 wheel", "a | b \u{0} c"];

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(query: &Value) -> Reply {
        answer(&Received {
            method: "POST".to_owned(),
            path: "/api/v2/query".to_owned(),
            headers: vec![("authorization".to_owned(), "Bearer test-key-123".to_owned())],
            body: query.to_string().into_bytes(),
        })
    }

    #[test]
    fn the_site_decides() {
        let status = |site: &str| match ask(&json!({ "site_id": site, "metrics": ["visitors"] })) {
            Reply::Answer { status, .. } => Some(status),
            Reply::Close => None,
        };
        assert_eq!(status("rows-3.example"), Some(200));
        assert_eq!(status("status-402.example"), Some(402));
        assert_eq!(status("redirect.example"), Some(302));
        assert_eq!(status("close.example"), None);
    }

    #[test]
    fn a_range_after_today_is_refused() {
        let query = json!({ "site_id": "rows-3.example", "metrics": [], "date_range": ["2026-08-06", "2026-08-07"] });
        assert!(matches!(ask(&query), Reply::Answer { status: 400, .. }));
    }
}
