//! What HTTP sees of the server: routes, the order of checks, credentials, and the headers of every answer.

use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use plausible_mcp_tests::harness::Harness;
use plausible_mcp_tests::http_client::{self, Request};
use plausible_mcp_tests::mcp_request::{call, legacy, modern, post};
use plausible_mcp_tests::stub_sites;
use plausible_mcp_tests::upstream::Upstream;
use serde_json::json;

fn ping() -> Request {
    legacy(Some("2025-11-25"), "ping", json!({}))
}

#[tokio::test]
async fn without_a_key_that_can_be_one_there_is_a_challenge() {
    let host = Harness::demo().await;
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJlc2lnbmF0dXJl";
    let ours = format!("pmcp_a_{}", "A".repeat(43));
    for (authorization, error) in [
        (None, "invalid_request"),
        (Some(String::new()), "invalid_request"),
        (Some("Bearer".to_owned()), "invalid_request"),
        (Some("Bearer ".to_owned()), "invalid_request"),
        (Some("Basic dXNlcjpzZWNyZXQtcGFzcw==".to_owned()), "invalid_request"),
        (Some("demo-plausible-key".to_owned()), "invalid_request"),
        (Some("Bearer 1234567".to_owned()), "invalid_token"),
        (Some(format!("Bearer {jwt}")), "invalid_token"),
        (Some(format!("Bearer {ours}")), "invalid_token"),
    ] {
        let mut request = ping().without("Authorization");
        if let Some(value) = &authorization {
            request = request.header("Authorization", value);
        }
        let answer = host.send(&request).await;
        assert_eq!(answer.status, 401, "{authorization:?}");
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        assert!(challenge.starts_with("Bearer realm=\"plausible-mcp\""), "{challenge}");
        assert!(challenge.contains(&format!("error=\"{error}\"")), "{authorization:?}: {challenge}");
        let secret = authorization.as_deref().and_then(|value| value.split(' ').nth(1)).filter(|key| key.len() > 6);
        assert!(!secret.is_some_and(|secret| answer.everything().contains(secret)), "{authorization:?}");
    }
    assert!(host.upstream.take().is_empty());
}

#[tokio::test]
async fn the_scheme_is_read_in_any_case() {
    let host = Harness::demo().await;
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let answer = host.send(&ping().header("Authorization", &format!("{scheme} demo-plausible-key"))).await;
        assert_eq!(answer.status, 200, "{scheme}");
    }
}

#[tokio::test]
async fn the_key_goes_to_plausible_and_nowhere_else() {
    let host = Harness::demo().await;
    let key = "wrong-key-4711-abcdef";
    let request = call("get_breakdown", json!({ "date_range": "7d", "dimension": "event:page" })).bearer(key);
    let answer = host.send(&request).await;
    let received = host.upstream.take();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].header("authorization"), Some("Bearer wrong-key-4711-abcdef"));
    assert!(!answer.everything().contains(key));
    let log = host.log().await;
    assert!(!log.contains(key));
    assert!(!log.contains("shop.example"), "an argument is in the log");
}

#[tokio::test]
async fn callers_that_ask_at_the_same_time_keep_their_own_keys() {
    let host = Harness::start(Upstream::answering(stub_sites::answer).await, &[]).await;
    let requests = (1..=24).map(|number| {
        let site = format!("rows-{number}.example");
        let arguments = json!({ "site_id": site, "date_range": "7d", "dimension": "event:page" });
        (number, call("get_breakdown", arguments).bearer(&format!("key-of-caller-{number}")))
    });
    let mut sending = tokio::task::JoinSet::new();
    for (number, request) in requests {
        let address = host.address();
        sending.spawn(async move { (number, http_client::send(address, &request).await) });
    }
    for (number, answer) in sending.join_all().await {
        let answer = answer.expect("the host is reached").expect("an answer").json();
        let rows = answer["result"]["structuredContent"]["results"].as_array().map(Vec::len);
        assert_eq!(rows, Some(number.min(20)), "{number}");
    }
    for received in host.upstream.take() {
        let site = received.query()["site_id"].as_str().unwrap_or_default().replace(".example", "");
        let expected = format!("Bearer key-of-caller-{}", site.replace("rows-", ""));
        assert_eq!(received.header("authorization"), Some(&*expected));
    }
}

#[tokio::test]
async fn every_request_leaves_one_line_of_json_in_the_log() {
    let host = Harness::demo().await;
    host.send(&call("get_breakdown", json!({ "date_range": "7d", "dimension": "event:page" }))).await;
    let log = host.log().await;
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).expect("the log is JSON")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    for (member, value) in [("route", json!("/mcp")), ("status", json!(200)), ("tool", json!("get_breakdown"))] {
        assert_eq!(lines[0][member], value, "{log}");
    }
}

#[tokio::test]
async fn only_allowed_hosts_are_served() {
    let host = Harness::demo_with(&[("MCP_ALLOWED_HOSTNAMES", "localhost,mcp.example.com")]).await;
    for allowed in ["localhost", "LOCALHOST", "localhost:8787", "mcp.example.com", "MCP.example.com:443"] {
        assert_eq!(host.send(&ping().header("Host", allowed)).await.status, 200, "{allowed}");
    }
    for refused in
        ["evil.example", "evil.example:8787", "mcp.example.com.evil.example", "xmcp.example.com", "127.0.0.1"]
    {
        assert_eq!(host.send(&ping().header("Host", refused)).await.status, 403, "{refused}");
    }
    for malformed in ["localhost@evil.example", "localhost/x", "local host", ""] {
        let status = host.send(&ping().header("Host", malformed)).await.status;
        assert!((400..500).contains(&status), "{malformed}: {status}");
    }
}

#[tokio::test]
async fn any_well_formed_origin_may_call_mcp() {
    let host = Harness::demo().await;
    for allowed in
        ["https://claude.ai", "https://browser.example", "http://localhost:6274", "chrome-extension://abcdef"]
    {
        assert_eq!(host.send(&ping().header("Origin", allowed)).await.status, 200, "{allowed}");
    }
    for refused in ["null", "file://", "not a url", "file:///x", "https://", "://x"] {
        assert_eq!(host.send(&ping().header("Origin", refused)).await.status, 403, "{refused}");
    }
    let host = Harness::demo_with(&[("MCP_ALLOWED_ORIGIN_HOSTNAMES", "null,file://,app://obsidian.md")]).await;
    for listed in ["null", "file://", "app://obsidian.md"] {
        assert_eq!(host.send(&ping().header("Origin", listed)).await.status, 200, "{listed}");
    }
}

#[tokio::test]
async fn the_checks_come_in_their_order() {
    let host = Harness::demo().await;
    let preflight = Request::new("OPTIONS", "/mcp").header("Host", "evil.example").header("Origin", "null");
    let bare_post = || post("not json").without("Authorization").header("Content-Type", "text/plain");
    for (what, request, status) in [
        ("OPTIONS before Host", preflight, 204),
        ("Host before Origin", bare_post().header("Host", "evil.example").header("Origin", "null"), 403),
        ("Origin before method", Request::new("GET", "/mcp").header("Origin", "null"), 403),
        ("method before credential", Request::new("GET", "/mcp"), 405),
        ("credential before media type", bare_post(), 401),
        ("media type before body", bare_post().bearer("demo-plausible-key"), 415),
        ("body last", post("not json"), 400),
    ] {
        let answer = host.send(&request).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
    }
}

#[tokio::test]
async fn what_is_not_a_route_is_not_found() {
    let host = Harness::demo().await;
    for path in ["/", "/nope", "/mcp//", "/mcp/x", "/mcpx", "//mcp", "/MCP", "/%6dcp", "/mcp%2f", "/.env", "/internal"]
    {
        let answer = host.send(&ping().path(path)).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    for path in ["/mcp?key=value", "/mcp/", "/mcp/?key=value"] {
        assert_eq!(host.send(&ping().path(path)).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_header_that_comes_twice_with_one_value_is_that_value() {
    let host = Harness::demo().await;
    let call = || call("get_breakdown", json!({ "date_range": "7d", "dimension": "event:page" }));
    let listed = || modern("tools/list", json!({}));
    for (name, value) in [
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/list"),
        ("Content-Type", "application/json"),
        ("Authorization", "Bearer demo-plausible-key"),
    ] {
        let joined = listed().header(name, &format!("{value}, {value}"));
        let lines = listed().header(name, value).raw_header(name.as_bytes(), value.as_bytes());
        for request in [joined, lines] {
            let answer = host.send(&request).await;
            assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        }
        let differing = host.send(&listed().header(name, value).raw_header(name.as_bytes(), b"other")).await;
        assert_eq!(differing.status, 400, "{name}: {}", differing.text());
        assert!(differing.text().contains(name), "{name}: {}", differing.text());
    }
    let named = host.send(&call().header("Mcp-Name", "get_breakdown, get_breakdown")).await;
    assert_eq!(named.status, 200, "{}", named.text());
    let accept = listed().header("Accept", "application/json").raw_header(b"Accept", b"text/event-stream");
    assert_eq!(host.send(&accept).await.status, 200);
}

#[tokio::test]
async fn a_compressed_body_is_not_read() {
    let host = Harness::demo().await;
    let answer = host.send(&ping().header("Content-Encoding", "gzip")).await;
    assert_eq!((answer.status, answer.header("accept-encoding")), (415, Some("identity")));
}

#[tokio::test]
async fn liveness_needs_no_credential_and_no_host_name() {
    let host = Harness::demo().await;
    let answer = host.send(&Request::new("GET", "/healthz").header("Host", "10.0.0.7")).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.everything().contains(env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn other_methods_are_told_which_one_is_served() {
    let host = Harness::demo().await;
    for method in ["GET", "DELETE", "PUT", "PATCH", "HEAD", "TRACE", "BREW"] {
        let answer = host.send(&ping().method(method).body("")).await;
        assert_eq!(answer.status, 405, "{method}");
        let allow = answer.header("allow").unwrap_or_default();
        assert!(allow.split(", ").any(|allowed| allowed == "POST"), "{method}: {allow}");
    }
}

#[tokio::test]
async fn the_body_must_be_declared_as_json() {
    let host = Harness::demo().await;
    for accepted in ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/json;x=y"]
    {
        assert_eq!(host.send(&ping().header("Content-Type", accepted)).await.status, 200, "{accepted}");
    }
    for refused in ["text/plain", "application/json5", "application/vnd.api+json", "application/json, text/plain", ""] {
        assert_eq!(host.send(&ping().header("Content-Type", refused)).await.status, 415, "{refused}");
    }
    assert_eq!(host.send(&ping().without("Content-Type")).await.status, 415);
}

#[tokio::test]
async fn any_accept_is_answered_with_json() {
    let host = Harness::demo().await;
    for accept in [Some("*/*"), Some("application/json"), Some("text/event-stream"), Some("text/html"), None] {
        let mut request = ping().without("Accept");
        if let Some(accept) = accept {
            request = request.header("Accept", accept);
        }
        let answer = host.send(&request).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{accept:?}");
    }
}

#[tokio::test]
async fn a_mebibyte_is_read_and_more_is_not() {
    let host = Harness::demo().await;
    let sized = |size: usize| {
        let (head, tail) = ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{\"x\":\"", "\"}}");
        format!("{head}{}{tail}", "y".repeat(size - head.len() - tail.len()))
    };
    assert_eq!(host.send(&post(sized(MEBIBYTE))).await.status, 200);
    assert_eq!(host.send(&post(sized(MEBIBYTE + 1))).await.status, 413);
    // Without a length the host has to count.
    let body = sized(MEBIBYTE + 1);
    let chunked = post(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())).header("Transfer-Encoding", "chunked");
    assert_eq!(host.send(&chunked).await.status, 413);
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let host = Harness::demo_with(&[("RATE_LIMIT_PER_MINUTE", "60")]).await;
    let bad_query = json!({ "date_range": "never", "dimension": "event:page" });
    for (status, request) in [
        (200, ping()),
        (200, modern("tools/list", json!({}))),
        (200, call("get_breakdown", bad_query)),
        (200, Request::new("GET", "/healthz")),
        (202, post("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}")),
        (204, Request::new("OPTIONS", "/mcp")),
        (400, post("not json")),
        (401, ping().without("Authorization")),
        (403, ping().header("Host", "evil.example")),
        (403, ping().header("Origin", "null")),
        (404, ping().path("/nope")),
        (404, modern("ping", json!({}))),
        (405, ping().method("GET").body("")),
        (413, post(vec![b' '; MEBIBYTE + 1])),
        (415, ping().header("Content-Type", "text/plain")),
    ] {
        let answer = host.send(&request).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("cache-control", "no-store"),
            ("referrer-policy", ""),
            ("strict-transport-security", "max-age=31536000"),
        ] {
            let sent = answer.header(name);
            assert!(sent.is_some_and(|sent| sent.starts_with(value)), "{status}: {name} is {sent:?}");
        }
    }
}

#[tokio::test]
async fn browsers_may_call_mcp_from_elsewhere() {
    let host = Harness::demo().await;
    let preflight = Request::new("OPTIONS", "/mcp")
        .header("Origin", "https://browser.example")
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "authorization,content-type,mcp-method");
    let answer = host.send(&preflight).await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let list = |name: &str| answer.header(name).unwrap_or_default().to_lowercase();
    assert!(list("access-control-allow-methods").contains("post"));
    for name in ["content-type", "authorization", "accept", "mcp-method", "mcp-name", "mcp-protocol-version"] {
        assert!(list("access-control-allow-headers").contains(name), "{name}");
    }
    for request in
        [ping(), ping().without("Authorization"), post("not json"), ping().header("Content-Type", "text/plain")]
    {
        let answer = host.send(&request.header("Origin", "https://browser.example")).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{}", answer.status);
        let exposed = answer.header("access-control-expose-headers").unwrap_or_default().to_lowercase();
        assert!(exposed.contains("www-authenticate"), "{}", answer.status);
    }
}

#[tokio::test]
async fn http_2_is_spoken_without_tls() {
    let host = Harness::demo().await;
    let stream = tokio::net::TcpStream::connect(host.address()).await.expect("the host is reached");
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.expect("HTTP/2 is spoken");
    tokio::spawn(connection);
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }).to_string();
    let request = http::Request::post("http://localhost/mcp")
        .header("content-type", "application/json")
        .header("authorization", "Bearer demo-plausible-key")
        .body(Full::<bytes::Bytes>::from(message))
        .expect("a request");
    let response = sender.send_request(request).await.expect("an answer");
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    let message: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(message, json!({ "jsonrpc": "2.0", "id": 1, "result": {} }));
}

const MEBIBYTE: usize = 1 << 20;

#[tokio::test]
async fn a_body_whose_length_is_ambiguous_is_refused_and_smuggles_nothing() {
    let host = Harness::demo().await;
    let smuggled = "0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let length = smuggled.len();
    for lengths in [
        format!("Content-Length: 0\r\nContent-Length: {length}\r\n"),
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
        "Content-Length: 0x10\r\n".to_owned(),
        "Content-Length: +5\r\n".to_owned(),
        "Transfer-Encoding: xchunked\r\n".to_owned(),
    ] {
        let bytes = format!("POST /token HTTP/1.1\r\nHost: localhost\r\n{lengths}\r\n{smuggled}");
        let answer = http_client::send_bytes(host.address(), bytes.into_bytes()).await.expect("the host is reached");
        let answer = answer.expect("the host answers");
        // RFC 9112 §6.3: of a length and a transfer encoding the latter counts, and the connection ends.
        assert!(matches!(answer.status, 400 | 404), "X12 {lengths:?} {}", answer.status);
        assert!(!answer.text().contains("HTTP/1.1"), "X12 {lengths:?} {}", answer.text());
    }
}

#[tokio::test]
async fn unreadable_and_too_many_header_fields_are_refused() {
    let host = Harness::demo().await;
    let many = (0..200).fold(ping(), |request, number| request.raw_header(format!("x-{number}").as_bytes(), b"x"));
    for (request, statuses) in [
        (ping().raw_header(b"x-bytes", b"\xff\xfe"), [200, 400]),
        (ping().raw_header(b"Authorization", b"Bearer \xff\xfe\xfd\xfc\xfb\xfa\xf9"), [400, 401]),
        (ping().raw_header(b"x-nul", b"a\0b"), [400, 400]),
        (many, [431, 400]),
        (ping().raw_header(b"x-long", &[b'x'; 64 * 1024]), [431, 400]),
    ] {
        let status = host.send(&request).await.status;
        assert!(statuses.contains(&status), "X15 {status}, not {statuses:?}");
    }
}
