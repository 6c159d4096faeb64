//! An upstream that costs next to nothing: answers every Stats API query with the same twenty rows.
//!
//! Prints its base URL on the first line of standard output.

use axum::{Router, http::header, routing::post};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let answer: &'static str = Box::leak(twenty_rows().into_boxed_str());
    let app = Router::new()
        .route("/api/v2/query", post(move || async move { ([(header::CONTENT_TYPE, "application/json")], answer) }));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, app).await
}

/// A breakdown by source with the metrics visitors, pageviews and bounce rate, in Plausible's shape.
fn twenty_rows() -> String {
    let rows = (0..20)
        .map(|n| {
            let visitors = 4_000 - 180 * n;
            format!(r#"{{"metrics":[{visitors},{},{}],"dimensions":["Source {n:02}"]}}"#, visitors * 3, 40 + n)
        })
        .collect::<Vec<_>>()
        .join(",");
    format!(
        concat!(
            r#"{{"results":[{}],"meta":{{"total_rows":20}},"query":{{"site_id":"shop.example","#,
            r#""metrics":["visitors","pageviews","bounce_rate"],"#,
            r#""date_range":["2026-11-16T00:00:00+00:00","2026-11-22T23:59:59+00:00"],"#,
            r#""dimensions":["visit:source"],"filters":[],"order_by":[["visitors","desc"]],"#,
            r#""include":{{"total_rows":true}},"pagination":{{"limit":20,"offset":0}}}}}}"#
        ),
        rows
    )
}
