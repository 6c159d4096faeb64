//! Every protocol revision on one endpoint: which revision a request speaks, what it is answered, and in which shape.

use plausible_mcp_tests::harness::Harness;
use plausible_mcp_tests::http_client::{Answer, Request};
use plausible_mcp_tests::mcp_request::{
    LEGACY, MODERN, call, envelope, initialize, legacy, legacy_message, modern, post,
};
use serde_json::{Value, json};

#[tokio::test]
async fn the_handshake_echoes_a_legacy_revision_and_offers_the_latest_for_any_other() {
    let host = Harness::demo().await;
    for version in LEGACY {
        let answer = host.send(&initialize(version)).await;
        assert_eq!(at(&answer, "/result/protocolVersion"), version);
    }
    for version in [MODERN, "2024-10-07", "1999-01-01", ""] {
        let answer = host.send(&initialize(version)).await;
        assert_eq!(at(&answer, "/result/protocolVersion"), "2025-11-25", "{version}");
    }
}

#[tokio::test]
async fn the_handshake_tells_who_answers_and_what_it_can_do() {
    let host = Harness::demo().await;
    let answer = host.send(&initialize("2025-11-25")).await;
    assert_eq!(at(&answer, "/result/serverInfo/name"), "plausible-mcp");
    assert_eq!(at(&answer, "/result/capabilities"), json!({ "tools": {} }));
    assert!(at(&answer, "/result/instructions").as_str().is_some_and(|text| text.contains("get_breakdown")));
    assert_eq!(answer.header("mcp-session-id"), None);
}

#[tokio::test]
async fn a_handshake_without_its_parameters_is_invalid() {
    let host = Harness::demo().await;
    let info = json!({ "name": "a", "version": "1" });
    for params in [
        json!({}),
        json!({ "capabilities": {}, "clientInfo": info }),
        json!({ "protocolVersion": "2025-11-25", "clientInfo": info }),
        json!({ "protocolVersion": 20251125, "capabilities": {}, "clientInfo": info }),
    ] {
        let answer = host.send(&legacy(None, "initialize", params.clone())).await;
        assert_eq!((answer.status, answer.error_code()), (200, Some(-32602)), "{params}");
    }
}

#[tokio::test]
async fn discovery_lists_every_revision_and_may_be_kept_by_anybody() {
    let host = Harness::demo().await;
    let answer = host.send(&modern("server/discover", json!({}))).await;
    let supported = at(&answer, "/result/supportedVersions");
    assert_eq!(supported, json!([MODERN, LEGACY[0], LEGACY[1], LEGACY[2], LEGACY[3]]));
    assert_eq!(at(&answer, "/result/capabilities"), json!({ "tools": {} }));
    assert_eq!(at(&answer, "/result/cacheScope"), "public");
    assert!(at(&answer, "/result/ttlMs").is_u64());
}

#[tokio::test]
async fn results_have_the_members_of_their_revision() {
    let host = Harness::demo().await;
    let list = host.send(&modern("tools/list", json!({}))).await;
    assert_eq!(at(&list, "/result/resultType"), "complete");
    assert_eq!(at(&list, "/result/_meta/io.modelcontextprotocol~1serverInfo/name"), "plausible-mcp");
    assert!(at(&list, "/result/ttlMs").is_u64());
    assert_eq!(at(&list, "/result/cacheScope"), "public");

    let called = host.send(&call("get_breakdown", json!({ "date_range": "7d", "dimension": "event:page" }))).await;
    assert_eq!(at(&called, "/result/resultType"), "complete");
    assert!(at(&called, "/result/structuredContent").is_object());
    assert!(at(&called, "/result/ttlMs").is_null());

    for version in LEGACY {
        let answer = host.send(&legacy(Some(version), "tools/list", json!({}))).await;
        let first = at(&answer, "/result/tools/0");
        assert_eq!(first.get("annotations").is_some(), version >= "2025-03-26", "{version}");
        assert_eq!(first.get("outputSchema").is_some(), version >= "2025-06-18", "{version}");
        assert_eq!(first.get("title").is_some(), version >= "2025-06-18", "{version}");
        for modern_only in ["resultType", "ttlMs", "cacheScope", "_meta"] {
            assert!(at(&answer, "/result").get(modern_only).is_none(), "{version} {modern_only}");
        }
    }
}

#[tokio::test]
async fn structured_content_came_with_2025_06_18() {
    let host = Harness::demo().await;
    let params = json!({ "name": "get_breakdown", "arguments": { "date_range": "7d", "dimension": "event:page" } });
    for version in LEGACY {
        let answer = host.send(&legacy(Some(version), "tools/call", params.clone())).await;
        let structured = at(&answer, "/result/structuredContent");
        assert_eq!(structured.is_object(), version >= "2025-06-18", "{version}");
        assert_eq!(at(&answer, "/result/content/0/type"), "text", "{version}");
    }
}

#[tokio::test]
async fn the_revision_of_a_request_is_found_or_refused() {
    let host = Harness::demo().await;
    let list = || modern("tools/list", json!({}));
    let with_meta = |meta: Value| modern("tools/list", json!({ "_meta": meta }));
    let without = |member: &str| {
        let mut meta = envelope();
        meta.as_object_mut().expect("an object").remove(member);
        meta
    };
    let naming = |version: &str| {
        let mut meta = envelope();
        meta["io.modelcontextprotocol/protocolVersion"] = json!(version);
        with_meta(meta).header("MCP-Protocol-Version", version)
    };
    let table: Vec<(&str, Request, u16, Option<i64>)> = vec![
        ("header equals body", list(), 200, None),
        ("white space around the header", list().header("MCP-Protocol-Version", " 2026-07-28 "), 200, None),
        ("header missing", list().without("MCP-Protocol-Version"), 400, Some(-32020)),
        ("header of a legacy revision", list().header("MCP-Protocol-Version", "2025-11-25"), 400, Some(-32020)),
        ("header of no revision", list().header("MCP-Protocol-Version", "v999"), 400, Some(-32020)),
        ("a revision that nobody knows", naming("v999"), 400, Some(-32022)),
        ("a legacy revision, named in the body", naming("2025-11-25"), 200, None),
        ("body names none", with_meta(without("io.modelcontextprotocol/protocolVersion")), 400, Some(-32602)),
        ("no capabilities", with_meta(without("io.modelcontextprotocol/clientCapabilities")), 400, Some(-32602)),
        ("no client info", with_meta(without("io.modelcontextprotocol/clientInfo")), 200, None),
        ("no _meta", legacy(Some(MODERN), "tools/list", json!({})), 400, Some(-32602)),
        (
            "handshake under the modern header",
            initialize("2025-11-25").header("MCP-Protocol-Version", MODERN),
            200,
            None,
        ),
        (
            "handshake under a header of no revision",
            initialize("2099-01-01").header("MCP-Protocol-Version", "2099-01-01"),
            200,
            None,
        ),
        ("the same header after it", legacy(Some("2099-01-01"), "tools/list", json!({})), 400, Some(-32022)),
        ("legacy without a header", legacy(None, "tools/list", json!({})), 200, None),
        ("legacy with no revision we know", legacy(Some("1999-01-01"), "ping", json!({})), 400, Some(-32022)),
    ];
    for (what, request, status, code) in table {
        let answer = host.send(&request).await;
        assert_eq!((answer.status, answer.error_code()), (status, code), "{what}: {}", answer.text());
        assert_eq!(at(&answer, "/id"), 1, "{what}");
    }
}

#[tokio::test]
async fn an_unsupported_revision_is_told_which_ones_are() {
    let host = Harness::demo().await;
    let discovered = at(&host.send(&modern("server/discover", json!({}))).await, "/result/supportedVersions");
    let mut meta = envelope();
    meta["io.modelcontextprotocol/protocolVersion"] = json!("v999");
    let request = modern("tools/list", json!({ "_meta": meta })).header("MCP-Protocol-Version", "v999");
    let answer = host.send(&request).await;
    assert_eq!(at(&answer, "/error/data/requested"), "v999");
    assert_eq!(at(&answer, "/error/data/supported"), discovered);
}

#[tokio::test]
async fn modern_headers_repeat_the_body() {
    let host = Harness::demo().await;
    let list = || modern("tools/list", json!({}));
    let page = || call("get_breakdown", json!({ "date_range": "7d", "dimension": "event:page" }));
    let table: Vec<(&str, Request, u16, Option<i64>)> = vec![
        ("method missing", list().without("Mcp-Method"), 400, Some(-32020)),
        ("method of another case", list().header("Mcp-Method", "TOOLS/LIST"), 400, Some(-32020)),
        ("another method", list().header("Mcp-Method", "tools/call"), 400, Some(-32020)),
        ("method with white space", list().header("Mcp-Method", "  tools/list "), 200, None),
        ("header names in any case", list().without("Mcp-Method").header("mCp-mEtHoD", "tools/list"), 200, None),
        ("name missing", page().without("Mcp-Name"), 400, Some(-32020)),
        ("another name", page().header("Mcp-Name", "get_timeseries"), 400, Some(-32020)),
        ("name of another case", page().header("Mcp-Name", "GET_BREAKDOWN"), 400, Some(-32020)),
        ("name in Base64", page().header("Mcp-Name", "=?base64?Z2V0X2JyZWFrZG93bg==?="), 200, None),
        ("Base64 without padding", page().header("Mcp-Name", "=?base64?Z2V0X2JyZWFrZG93bg?="), 400, Some(-32020)),
        ("Base64 of other characters", page().header("Mcp-Name", "=?base64?!!!?="), 400, Some(-32020)),
        ("marker of another case", page().header("Mcp-Name", "=?BASE64?Z2V0X2JyZWFrZG93bg==?="), 400, Some(-32020)),
        ("a name where none belongs", list().header("Mcp-Name", "foo"), 200, None),
    ];
    for (what, request, status, code) in table {
        let answer = host.send(&request).await;
        assert_eq!((answer.status, answer.error_code()), (status, code), "{what}: {}", answer.text());
    }
}

#[tokio::test]
async fn legacy_requests_need_no_such_headers() {
    let host = Harness::demo().await;
    let request =
        legacy(Some("2025-11-25"), "ping", json!({})).header("Mcp-Method", "tools/call").header("Mcp-Name", "x");
    assert_eq!(at(&host.send(&request).await, "/result"), json!({}));
}

#[tokio::test]
async fn a_method_that_is_not_there_is_not_found_in_the_way_of_its_era() {
    let host = Harness::demo().await;
    let modern_only = ["ping", "initialize", "logging/setLevel", "resources/subscribe"];
    let both = ["resources/list", "prompts/list", "completion/complete", "subscriptions/listen", "tools/unknown", ""];
    for method in modern_only.iter().chain(&both) {
        let answer = host.send(&modern(method, json!({}))).await;
        assert_eq!((answer.status, answer.error_code()), (404, Some(-32601)), "{method}");
        assert_eq!(at(&answer, "/id"), 1, "{method}");
    }
    for method in both.iter().chain(&["server/discover", "tasks/list"]) {
        let answer = host.send(&legacy(Some("2025-11-25"), method, json!({}))).await;
        assert_eq!((answer.status, answer.error_code()), (200, Some(-32601)), "{method}");
    }
}

#[tokio::test]
async fn notifications_are_accepted_without_a_body() {
    let host = Harness::demo().await;
    let notification = |method: &str| json!({ "jsonrpc": "2.0", "method": method });
    for version in [None, Some("2025-11-25"), Some("2025-03-26"), Some(MODERN)] {
        for method in ["notifications/initialized", "notifications/cancelled", "notifications/unheard-of"] {
            let answer = host.send(&legacy_message(version, &notification(method))).await;
            assert_eq!((answer.status, answer.body.len()), (202, 0), "{version:?} {method}");
        }
    }
}

#[tokio::test]
async fn a_posted_response_is_accepted_from_legacy_clients_only() {
    let host = Harness::demo().await;
    let response = json!({ "jsonrpc": "2.0", "id": 1, "result": {} });
    assert_eq!(host.send(&legacy_message(Some("2025-11-25"), &response)).await.status, 202);
    let answer = host.send(&legacy_message(Some(MODERN), &response)).await;
    assert_eq!((answer.status, answer.error_code()), (400, Some(-32600)));
}

#[tokio::test]
async fn batches_belong_to_2025_03_26() {
    let host = Harness::demo().await;
    let ping = |id: usize| json!({ "jsonrpc": "2.0", "id": id, "method": "ping" });
    let notification = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let handshake = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {} });
    let described = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": { "_meta": envelope() } });
    let pings = |count: usize| Value::Array((1..=count).map(ping).collect());
    for (what, version, batch, status, code) in [
        ("no version", None, pings(2), 200, None),
        ("2025-03-26", Some("2025-03-26"), pings(20), 200, None),
        ("too many", Some("2025-03-26"), pings(21), 400, Some(-32600)),
        ("none", None, json!([]), 400, Some(-32600)),
        ("2025-06-18", Some("2025-06-18"), pings(2), 400, Some(-32600)),
        ("2025-11-25", Some("2025-11-25"), pings(2), 400, Some(-32600)),
        ("modern", Some(MODERN), pings(2), 400, Some(-32600)),
        ("with a handshake", None, json!([handshake, ping(2)]), 400, Some(-32600)),
        ("with a modern member", None, json!([described, ping(2)]), 400, Some(-32600)),
        ("with no message", None, json!([ping(1), 5]), 400, Some(-32600)),
        ("notifications only", None, json!([notification, notification]), 202, None),
    ] {
        let answer = host.send(&legacy_message(version, &batch)).await;
        assert_eq!((answer.status, answer.error_code()), (status, code), "{what}: {}", answer.text());
    }
    let mixed = json!([ping(1), notification, ping(2), { "jsonrpc": "2.0", "id": "x", "method": "nope" }]);
    let answer = host.send(&legacy_message(None, &mixed)).await.json();
    let ids: Vec<_> = answer.as_array().expect("a batch").iter().map(|member| member["id"].clone()).collect();
    assert_eq!(ids, [json!(1), json!(2), json!("x")]);
}

#[tokio::test]
async fn the_id_comes_back_as_it_was() {
    let host = Harness::demo().await;
    for id in ["1", "-5", "0", "9007199254740991", "\"\"", "\"req-1\"", "\"\u{1F6B2}\""] {
        let answer = host.send(&post(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\"}}"))).await;
        assert_eq!(at(&answer, "/id").to_string(), id);
    }
    for id in ["null", "true", "[]", "{}", "1.5"] {
        let answer = host.send(&post(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\"}}"))).await;
        assert_eq!((answer.status, answer.error_code()), (400, Some(-32600)), "{id}");
        assert_eq!(answer.json().get("id"), None, "{id}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_message_is_refused_without_an_id() {
    let host = Harness::demo().await;
    for (body, code) in [
        (&b""[..], -32700),
        (b"not json", -32700),
        (b"\xFF\xFE", -32700),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"", -32700),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}x", -32700),
        (b"null", -32600),
        (b"\"x\"", -32600),
        (b"{}", -32600),
        // A byte order mark is passed over: what follows is JSON and no message.
        (b"\xEF\xBB\xBF{}", -32600),
    ] {
        let answer = host.send(&post(body)).await;
        assert_eq!((answer.status, answer.error_code()), (400, Some(code)), "{}", String::from_utf8_lossy(body));
        assert_eq!(answer.json().get("id"), None);
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}

#[tokio::test]
async fn nothing_is_kept_between_requests() {
    let host = Harness::demo().await;
    let request = legacy(Some("2025-06-18"), "ping", json!({}))
        .header("Mcp-Session-Id", "left-over")
        .header("Last-Event-ID", "7");
    let answer = host.send(&request).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("mcp-session-id"), None);
    assert!(!answer.everything().contains("left-over"));
}

#[tokio::test]
async fn the_list_of_tools_is_always_the_same_and_has_one_page() {
    let host = Harness::demo().await;
    let list = modern("tools/list", json!({}));
    let (first, second) = (host.send(&list).await, host.send(&list).await);
    assert_eq!(first.body, second.body);
    let tools = at(&first, "/result/tools");
    let names: Vec<_> = tools.as_array().expect("a list").iter().map(|tool| tool["name"].clone()).collect();
    assert_eq!(names, ["get_timeseries", "get_breakdown", "get_conversions", "compare_periods"]);
    assert!(at(&first, "/result/nextCursor").is_null());
    for cursor in [json!("elsewhere"), json!(5)] {
        let answer = host.send(&modern("tools/list", json!({ "cursor": cursor }))).await;
        assert_eq!(answer.error_code(), Some(-32602));
    }
}

fn at(answer: &Answer, pointer: &str) -> Value {
    answer.json().pointer(pointer).cloned().unwrap_or_default()
}
