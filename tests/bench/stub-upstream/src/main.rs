//! An upstream that costs next to nothing: answers every Stats API query with the same rows: twenty, or N for the site
//! `rows-N`.
//!
//! Prints its base URL on the first line of standard output.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, http::header, routing::post};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let answers = Arc::new(Mutex::new(HashMap::new()));
    let app = Router::new().route(
        "/api/v2/query",
        post(move |query: String| {
            let answer = answer(&answers, wanted_rows(&query));
            async move { ([(header::CONTENT_TYPE, "application/json")], answer) }
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, app).await
}

/// The number in `"site_id":"rows-N"`.
fn wanted_rows(query: &str) -> u32 {
    let number = query.split_once("\"rows-").and_then(|(_, rest)| rest.split_once('"'));
    number.and_then(|(number, _)| number.parse().ok()).unwrap_or(20)
}

/// Each answer is made once.
fn answer(answers: &Mutex<HashMap<u32, Bytes>>, rows: u32) -> Bytes {
    let mut answers = answers.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    answers.entry(rows).or_insert_with(|| breakdown(rows).into()).clone()
}

/// A breakdown by source with the metrics visitors, pageviews and bounce rate, in Plausible's shape.
fn breakdown(count: u32) -> String {
    let rows = (0..count)
        .map(|n| {
            let visitors = 180 * (count - n) + 400;
            format!(r#"{{"metrics":[{visitors},{},{}],"dimensions":["Source {n:02}"]}}"#, visitors * 3, 40 + n % 60)
        })
        .collect::<Vec<_>>()
        .join(",");
    format!(
        concat!(
            r#"{{"results":[{}],"meta":{{"total_rows":{}}},"query":{{"site_id":"shop.example","#,
            r#""metrics":["visitors","pageviews","bounce_rate"],"#,
            r#""date_range":["2026-11-16T00:00:00+00:00","2026-11-22T23:59:59+00:00"],"#,
            r#""dimensions":["visit:source"],"filters":[],"order_by":[["visitors","desc"]],"#,
            r#""include":{{"total_rows":true}},"pagination":{{"limit":20,"offset":0}}}}}}"#
        ),
        rows, count
    )
}
