//! `health`: whether a server is alive, for containers, whose image has no other program to ask with.

use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use super::CliError;

pub(super) async fn run(url: &Uri) -> Result<(), CliError> {
    if url.scheme_str() != Some("http") || url.host().is_none() {
        return Err(CliError::Usage(format!("{url} is not an http URL, as http://127.0.0.1:8080/healthz")));
    }
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    match tokio::time::timeout(PATIENCE, client.get(url.clone())).await {
        Ok(Ok(answer)) if answer.status() == StatusCode::OK => Ok(()),
        Ok(Ok(answer)) => Err(CliError::Failed(format!("{url} answers with status {}", answer.status().as_u16()))),
        Ok(Err(error)) => Err(CliError::Failed(format!("{url} does not answer: {error}"))),
        Err(_) => Err(CliError::Failed(format!("{url} does not answer in {} s", PATIENCE.as_secs()))),
    }
}

/// What answers at `url`, where something does with status 200.
pub(super) async fn text_at(url: Uri) -> Option<String> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let asked = async {
        let answer = client.get(url).await.ok().filter(|answer| answer.status() == StatusCode::OK)?;
        let body = Limited::new(answer.into_body(), TEXT_BYTES).collect().await.ok()?;
        String::from_utf8(body.to_bytes().to_vec()).ok()
    };
    tokio::time::timeout(PATIENCE, asked).await.ok().flatten()
}

/// Metrics are the longest of what is asked for.
const TEXT_BYTES: usize = 4 << 20;
/// Liveness costs the server less than a millisecond; what orchestrators wait by default is a second or more.
const PATIENCE: Duration = Duration::from_secs(2);
