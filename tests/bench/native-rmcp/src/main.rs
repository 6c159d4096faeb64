//! What a Rust developer would write instead: the four tools on the official SDK, served natively by axum.
//!
//! usage: native-rmcp ADDRESS   (with `PLAUSIBLE_BASE_URL`)
//!
//! Stateless, JSON answers, the caller's bearer passed on to the upstream. It is a yardstick for the benchmark and not a
//! product: it checks no query and explains no refusal.

mod arguments;
mod plausible;
mod tools;

use axum::{
    Router,
    http::{Request, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
};
use tokio::net::TcpListener;

use crate::{plausible::Plausible, tools::Tools};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let base_url = std::env::var("PLAUSIBLE_BASE_URL")?;
    let tools = Tools::new(Plausible::new(&base_url));
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false).with_json_response(true);
    let service = StreamableHttpService::new(move || Ok(tools.clone()), NeverSessionManager::default().into(), config);
    let app = Router::new().nest_service("/mcp", service).layer(middleware::from_fn(require_bearer));
    let address = std::env::args().nth(1).ok_or("usage: native-rmcp ADDRESS")?;
    let listener = TcpListener::bind(address).await?;
    axum::serve(listener, app).await?;
    Ok(())
}

async fn require_bearer(request: Request<axum::body::Body>, next: Next) -> Response {
    if request.headers().contains_key(header::AUTHORIZATION) {
        next.run(request).await
    } else {
        StatusCode::UNAUTHORIZED.into_response()
    }
}
