//! plausible-mcp inside an axum application: `/mcp` under a prefix of the application's own, sign-in at the root, and
//! the application's pages beside them.
//!
//! ```sh
//! PLAUSIBLE_BASE_URL=https://plausible.io MCP_ALLOWED_HOSTNAMES=127.0.0.1 cargo run -p plausible-mcp-host --example axum
//! ```

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request};
use axum::middleware::map_request;
use axum::routing::get;
use axum::{Router, serve};
use plausible_mcp_host::oauth_store::MemoryStore;
use plausible_mcp_host::{ClientAddress, Host, Limits, Settings};
use tokio::net::TcpListener;
use tokio::signal::ctrl_c;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let host = Host::builder()
        .settings(Settings::load(None, None)?)
        .oauth_store(Arc::new(MemoryStore::default()))
        .limits(Limits { concurrent_requests: 16, ..Limits::default() })
        .build()
        .await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    eprintln!("MCP is at http://{}/analytics/mcp", listener.local_addr()?);
    host.set_listening();
    let service = application(host.clone()).into_make_service_with_connect_info::<SocketAddr>();
    serve(listener, service).with_graceful_shutdown(told_to_stop(host)).await?;
    Ok(())
}

/// Waits for Ctrl-C. `Host::ready` says then that the requests in flight are the last ones.
async fn told_to_stop(host: Host) {
    ctrl_c().await.expect("a process can wait for signals");
    host.set_draining();
}

fn application(host: Host) -> Router {
    // `nest` takes the prefix away before the host sees the request.
    let prefixed = Router::new().route_service("/mcp", host.clone()).route_service("/mcp/", host.clone());
    let mut application = Router::new().route("/", get(|| async { "the application's own page" }));
    for path in Host::routes() {
        // One slash at the end is the same path.
        let slashed = format!("{path}/");
        application = application.route_service(path, host.clone()).route_service(&slashed, host.clone());
    }
    application.nest("/analytics", prefixed).layer(map_request(name_the_client))
}

/// Limits count by the address of the connection. Behind a proxy, set `CLIENT_IP_HEADER` instead.
async fn name_the_client(ConnectInfo(peer): ConnectInfo<SocketAddr>, mut request: Request) -> Request {
    request.extensions_mut().insert(ClientAddress(peer.ip()));
    request
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::StatusCode;
    use tower::ServiceExt as _;

    use plausible_mcp_host::code_cache_of_tests;

    use super::*;

    async fn answer(path: &str) -> (StatusCode, String) {
        let settings = Settings::from_pairs([("MCP_ALLOWED_HOSTNAMES", "localhost")]).unwrap();
        let host = Host::builder()
            .code_cache(code_cache_of_tests())
            .settings(settings)
            .log(Arc::new(|_| {}))
            .build()
            .await
            .unwrap();
        let peer = ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 1)));
        let request = Request::post(path).header("host", "localhost").extension(peer).body(Body::empty()).unwrap();
        let response = application(host).oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.into()).unwrap())
    }

    #[tokio::test]
    async fn mcp_is_under_the_prefix_and_at_the_root() {
        for path in ["/analytics/mcp", "/analytics/mcp/", "/mcp", "/mcp/"] {
            let (status, body) = answer(path).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{body}");
            assert!(body.contains("Plausible"), "{body}");
        }
    }

    #[tokio::test]
    async fn only_mcp_is_under_the_prefix() {
        assert_eq!(answer("/analytics/internal").await, (StatusCode::NOT_FOUND, String::new()));
    }
}
