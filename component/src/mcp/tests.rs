//! The protocol, revision by revision, with a tool that only echoes.

use futures_util::FutureExt;
use serde_json::{Map, Value, json};

use super::*;

struct Echo;

impl ToolSet for Echo {
    async fn call(&self, name: &str, arguments: Map<String, Value>) -> Option<ToolResult> {
        let is_error = arguments.contains_key("fail");
        (name == "echo").then(|| ToolResult {
            text: "said".to_owned(),
            structured: Some(Value::Object(arguments).to_string()),
            is_error,
        })
    }
}

fn definitions() -> Vec<ToolDefinition> {
    vec![ToolDefinition {
        name: "echo",
        title: "Echo",
        description: "says it \"again\"",
        input_schema: r#"{"type":"object"}"#.to_owned(),
        output_schema: r#"{"type":"object"}"#.to_owned(),
        annotations: Annotations { read_only: true, destructive: false, idempotent: true, open_world: false },
    }]
}

fn send(body: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let header = |name| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let headers = ProtocolHeaders {
        protocol_version: header("version"),
        method: header("method"),
        name: header("name"),
        conflicting: None,
    };
    let catalogue = Catalogue::new(|| "use it".to_owned(), definitions);
    let server = Server { tools: &Echo, catalogue: &catalogue, cache_scope: CacheScope::Private };
    let reply = match read(body.as_bytes(), headers) {
        Ok(incoming) => server.answer(incoming).now_or_never().expect("nothing waits"),
        Err(reply) => reply,
    };
    (reply.status, reply.body.map_or(Value::Null, |body| serde_json::from_str(&body).expect("JSON")))
}

fn meta(version: &str) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {}
    })
}

fn modern(method: &str, mut params: Value, headers: &[(&str, &str)]) -> (u16, Value) {
    params["_meta"] = meta("2026-07-28");
    let all = [headers, &[("version", "2026-07-28"), ("method", method)]].concat();
    send(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string(), &all)
}

fn legacy(version: Option<&str>, method: &str, params: Value) -> (u16, Value) {
    let headers: Vec<_> = version.map(|version| ("version", version)).into_iter().collect();
    send(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string(), &headers)
}

#[track_caller]
fn fails((status, body): (u16, Value), expected_status: u16, code: i64) {
    assert_eq!((status, body["error"]["code"].as_i64()), (expected_status, Some(code)), "{body}");
    assert_ne!(body.get("id"), Some(&Value::Null), "an id is never null");
}

#[test]
fn bodies_that_are_not_messages_are_refused() {
    for (body, code) in [
        ("", -32700),
        ("not json", -32700),
        ("{\"jsonrpc\":\"2.0\"", -32700),
        ("{}garbage", -32700),
        ("\u{feff}", -32700),
        ("\u{feff}\u{feff}{}", -32700),
        ("\u{feff}{}", -32600),
        ("\"x\"", -32600),
        ("null", -32600),
        ("{}", -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":9007199254740992,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1e300,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":5}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":"x"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"extra":1}"#, -32600),
        ("[]", -32600),
        ("[1]", -32600),
    ] {
        fails(send(body, &[]), 400, code);
    }
    fails(send(&"[".repeat(100_000), &[]), 400, -32700);
}

#[test]
fn ids_are_echoed_as_they_came() {
    for (id, echoed) in [
        ("1", json!(1)),
        ("-5", json!(-5)),
        ("1e3", json!(1000)),
        ("\"a\\\"b\"", json!("a\"b")),
        ("9007199254740991", json!(9_007_199_254_740_991_i64)),
    ] {
        let (status, body) = send(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#), &[]);
        assert_eq!((status, &body), (200, &json!({"jsonrpc": "2.0", "id": echoed, "result": {}})));
    }
    let (_, body) = send(r#"{"jsonrpc":"2.0","id":"x","method":"nope"}"#, &[]);
    assert_eq!(body["id"], "x");
}

#[test]
fn a_modern_result_says_that_it_is_complete_and_who_made_it() {
    for (method, params) in
        [("server/discover", json!({})), ("tools/list", json!({})), ("tools/call", json!({"name": "echo"}))]
    {
        let (status, body) = modern(method, params, &[("name", "echo")]);
        assert_eq!(status, 200, "{body}");
        assert_eq!(body["result"]["resultType"], "complete");
        assert_eq!(body["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "plausible-mcp");
    }
}

#[test]
fn lists_say_how_long_and_by_whom_they_may_be_kept() {
    for (method, scope) in [("server/discover", "public"), ("tools/list", "private")] {
        let (_, body) = modern(method, json!({}), &[]);
        assert!(body["result"]["ttlMs"].is_u64());
        assert_eq!(body["result"]["cacheScope"], scope);
    }
    assert_eq!(modern("tools/call", json!({"name": "echo"}), &[("name", "echo")]).1["result"].get("ttlMs"), None);
}

#[test]
fn discovery_lists_every_revision_newest_first() {
    let (_, body) = modern("server/discover", json!({}), &[]);
    let expected = json!(["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]);
    assert_eq!(body["result"]["supportedVersions"], expected);
    assert_eq!(body["result"]["capabilities"], json!({"tools": {}}));
}

#[test]
fn the_header_is_checked_against_the_body_before_anything_else() {
    let body =
        |version| json!({"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":meta(version)}}).to_string();
    fails(send(&body("2026-07-28"), &[("method", "tools/list")]), 400, -32020);
    fails(send(&body("2026-07-28"), &[("version", "2025-11-25"), ("method", "tools/list")]), 400, -32020);
    fails(send(&body("v999"), &[("version", "2026-07-28"), ("method", "tools/list")]), 400, -32020);
    let (status, answer) = send(&body("v999"), &[("version", "v999"), ("method", "tools/list")]);
    assert_eq!((status, &answer["error"]["code"]), (400, &json!(-32022)));
    assert_eq!(answer["error"]["data"]["requested"], "v999");
    assert_eq!(send(&body("2026-07-28"), &[("version", " 2026-07-28\t"), ("method", "tools/list")]).0, 200);
}

#[test]
fn required_meta_is_required_and_optional_meta_is_checked() {
    let with = |meta: Value| {
        let body = json!({"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":meta}}).to_string();
        send(&body, &[("version", "2026-07-28"), ("method", "tools/list")])
    };
    let change = |key: &str, value: Value| {
        let mut meta = meta("2026-07-28");
        meta[format!("io.modelcontextprotocol/{key}")] = value;
        meta
    };
    fails(with(json!({})), 400, -32602);
    fails(with(json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"})), 400, -32602);
    fails(with(change("protocolVersion", json!(20260728))), 400, -32602);
    fails(with(change("clientCapabilities", json!([]))), 400, -32602);
    fails(with(change("clientInfo", json!("x"))), 400, -32602);
    fails(with(change("clientInfo", json!({"name": "x"}))), 400, -32602);
    fails(with(change("logLevel", json!("loud"))), 400, -32602);
    assert_eq!(with(change("logLevel", json!("debug"))).0, 200);
    let mut anonymous = meta("2026-07-28");
    anonymous.as_object_mut().unwrap().remove("io.modelcontextprotocol/clientInfo");
    assert_eq!(with(anonymous).0, 200);
}

#[test]
fn headers_repeat_method_and_name() {
    let call = |headers: &[(&str, &str)]| {
        let body =
            json!({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","_meta":meta("2026-07-28")}});
        send(&body.to_string(), &[headers, &[("version", "2026-07-28")]].concat())
    };
    fails(call(&[("name", "echo")]), 400, -32020);
    fails(call(&[("method", "TOOLS/CALL"), ("name", "echo")]), 400, -32020);
    fails(call(&[("method", "tools/call")]), 400, -32020);
    fails(call(&[("method", "tools/call"), ("name", "Echo")]), 400, -32020);
    fails(call(&[("method", "tools/call"), ("name", "=?base64?ZWNobw?=")]), 400, -32020);
    fails(call(&[("method", "tools/call"), ("name", "=?base64?!!!!?=")]), 400, -32020);
    fails(call(&[("method", "tools/call"), ("name", "=?BASE64?ZWNobw==?=")]), 400, -32020);
    fails(call(&[("method", "tools/call"), ("name", "echö")]), 400, -32020);
    for name in ["echo", " echo ", "=?base64?ZWNobw==?="] {
        assert_eq!(call(&[("method", "tools/call"), ("name", name)]).0, 200, "{name}");
    }
}

#[test]
fn a_modern_client_finds_no_handshake_and_nothing_unadvertised() {
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "subscriptions/listen",
        "prompts/list",
        "tools/unknown",
        "",
    ] {
        fails(modern(method, json!({}), &[]), 404, -32601);
    }
}

#[test]
fn a_modern_header_without_meta_is_never_served_as_legacy() {
    for method in ["tools/list", "ping", "server/discover"] {
        fails(legacy(Some("2026-07-28"), method, json!({})), 400, -32602);
    }
}

#[test]
fn a_legacy_revision_named_in_meta_gets_its_own_shapes() {
    let body = json!({"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":meta("2025-11-25")}}).to_string();
    let (status, answer) = send(&body, &[("version", "2025-11-25")]);
    assert_eq!(status, 200);
    assert_eq!(answer["result"].get("resultType"), None);
}

#[test]
fn the_handshake_echoes_what_is_known_and_offers_the_latest_otherwise() {
    let handshake = |version: &str| {
        legacy(
            None,
            "initialize",
            json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name":"x","version":"1"}}),
        )
    };
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        assert_eq!(handshake(version).1["result"]["protocolVersion"], version);
    }
    for version in ["2026-07-28", "1999-01-01", "2024-10-07"] {
        assert_eq!(handshake(version).1["result"]["protocolVersion"], "2025-11-25");
    }
    for params in [json!({}), json!({"protocolVersion": 1}), json!({"protocolVersion": "2025-11-25"})] {
        fails(legacy(None, "initialize", params), 200, -32602);
    }
}

#[test]
fn the_header_binds_after_the_handshake() {
    let params = |meta: Value| json!({"protocolVersion": "2026-07-28", "capabilities": {}, "clientInfo": {"name":"x","version":"1"}, "_meta": meta});
    for header in ["2026-07-28", "2099-01-01", "1999-01-01", "v999", "", "2025-06-18", "2025-11-25, 2025-06-18"] {
        for meta in [
            Value::Null,
            json!({}),
            json!({"progressToken": 1}),
            json!({"io.modelcontextprotocol/protocolVersion": null}),
            json!({"io.modelcontextprotocol/protocolVersion": 7}),
            json!({"io.modelcontextprotocol/protocolVersion": "2025-06-18"}),
        ] {
            let (status, body) = legacy(Some(header), "initialize", params(meta.clone()));
            let negotiated = &body["result"]["protocolVersion"];
            assert_eq!((status, negotiated), (200, &json!("2025-11-25")), "{header:?} {meta} {body}");
        }
        let bound = legacy(Some(header), "tools/list", json!({}));
        assert_eq!(bound.0 == 200, header == "2025-06-18", "{header:?}");
    }
    // One that describes itself by a revision without a handshake is none.
    fails(legacy(Some("v999"), "initialize", params(meta("v999"))), 400, -32022);
    fails(legacy(None, "initialize", params(meta("2026-07-28"))), 400, -32020);
}

#[test]
fn null_is_absent() {
    for body in [
        json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": null}),
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": null}),
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"cursor": null, "_meta": null}}),
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo", "arguments": null}}),
        json!([{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": null}]),
    ] {
        let (status, answer) = send(&body.to_string(), &[]);
        assert_eq!(status, 200, "{body}");
        assert!(!answer.to_string().contains("error"), "{body} {answer}");
    }
    let notification = r#"{"jsonrpc":"2.0","method":"notifications/initialized","params":null}"#;
    assert_eq!(send(notification, &[]).0, 202);
    for response in [
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":null}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":null,"error":{"code":1,"message":"x"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":null,"params":null,"result":{},"error":null}"#,
    ] {
        assert_eq!(send(response, &[]).0, 202, "{response}");
    }
    let mut meta = meta("2026-07-28");
    meta["io.modelcontextprotocol/clientInfo"] = Value::Null;
    meta["io.modelcontextprotocol/logLevel"] = Value::Null;
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"cursor": null, "_meta": meta}});
    let headers = [("version", "2026-07-28"), ("method", "tools/list")];
    assert_eq!(send(&body.to_string(), &headers).0, 200);
    // What is required is not there when it is null.
    let unnamed = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": null});
    fails(send(&unnamed.to_string(), &headers), 400, -32602);
}

#[test]
fn members_that_nobody_knows_are_passed_over() {
    for extra in ["extra", "__proto__", "result", "error", "_meta", "auth"] {
        let message = |value: Value| {
            let mut message = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
            message[extra] = value;
            message
        };
        for value in [json!(1), json!({"a": 1}), Value::Null] {
            let one = message(value);
            let (status, answer) = send(&one.to_string(), &[]);
            assert_eq!((status, &answer["result"]), (200, &json!({})), "{one}");
            assert_eq!(send(&json!([one]).to_string(), &[]).1[0]["result"], json!({}), "{one}");
        }
    }
    let notification = r#"{"jsonrpc":"2.0","method":"notifications/initialized","extra":1}"#;
    assert_eq!(send(notification, &[]).0, 202);
    assert_eq!(send(r#"{"jsonrpc":"2.0","id":1,"result":{},"extra":1}"#, &[]).0, 202);
}

#[test]
fn a_byte_order_mark_is_skipped() {
    for body in [r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, r#" [{"jsonrpc":"2.0","id":1,"method":"ping"}]"#] {
        assert_eq!(send(&format!("\u{feff}{body}"), &[]).0, 200, "{body}");
    }
}

#[test]
fn a_header_with_two_values_is_refused_in_every_era_and_named() {
    let send = |body: &str, version: Option<&str>| {
        let headers = ProtocolHeaders {
            protocol_version: version.map(str::to_owned),
            conflicting: Some("Mcp-Name"),
            ..ProtocolHeaders::default()
        };
        let reply = read(body.as_bytes(), headers).unwrap_err();
        (reply.status, serde_json::from_str::<Value>(&reply.body.unwrap()).unwrap())
    };
    for version in [None, Some("2025-11-25"), Some("2026-07-28")] {
        let (status, answer) = send(r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#, version);
        assert_eq!((status, &answer["error"]["code"], &answer["id"]), (400, &json!(-32020), &json!(7)));
        assert!(answer["error"]["message"].as_str().unwrap().contains("Mcp-Name"), "{answer}");
    }
    for body in [r#"[{"jsonrpc":"2.0","id":7,"method":"ping"}]"#, r#"{"jsonrpc":"2.0","method":"notifications/x"}"#] {
        fails(send(body, None), 400, -32020);
    }
}

#[test]
fn legacy_clients_get_the_members_of_their_revision() {
    let tool = |version| legacy(Some(version), "tools/list", json!({})).1["result"]["tools"][0].clone();
    assert_eq!(tool("2024-11-05").get("annotations"), None);
    assert!(tool("2025-03-26")["annotations"].is_object());
    assert_eq!(tool("2025-03-26").get("outputSchema"), None);
    assert!(tool("2025-06-18")["outputSchema"].is_object());
    let call = |version| {
        legacy(Some(version), "tools/call", json!({"name": "echo", "arguments": {"a": 1}})).1["result"].clone()
    };
    assert_eq!(call("2025-03-26").get("structuredContent"), None);
    assert_eq!(call("2025-06-18")["structuredContent"], json!({"a": 1}));
    assert_eq!(call("2025-11-25").get("resultType"), None);
}

#[test]
fn legacy_errors_are_in_band_and_unknown_revisions_are_not_served() {
    for method in ["resources/read", "server/discover", "logging/setLevel", "tasks/list"] {
        fails(legacy(Some("2025-11-25"), method, json!({})), 200, -32601);
    }
    for version in ["1999-01-01", "garbage", ""] {
        fails(legacy(Some(version), "ping", json!({})), 400, -32022);
    }
}

#[test]
fn notifications_and_posted_responses_are_accepted_or_refused_without_an_answer() {
    for (body, headers, status) in [
        (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, None, 202),
        (r#"{"jsonrpc":"2.0","method":"tools/list"}"#, None, 202),
        (r#"{"jsonrpc":"2.0","method":"notifications/x"}"#, Some("2026-07-28"), 202),
        (r#"{"jsonrpc":"2.0","method":"notifications/x"}"#, Some("1999-01-01"), 400),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, None, 202),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}"#, Some("2025-11-25"), 202),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, Some("2026-07-28"), 400),
    ] {
        let headers: Vec<_> = headers.map(|version| ("version", version)).into_iter().collect();
        let (answered, answer) = send(body, &headers);
        assert_eq!(answered, status, "{body}");
        assert_eq!(answer.is_null(), status == 202);
    }
}

#[test]
fn batches_belong_to_their_revision_and_are_bounded() {
    let ping = |id: usize| json!({"jsonrpc": "2.0", "id": id, "method": "ping"});
    let batch = |count: usize| Value::Array((0..count).map(ping).collect()).to_string();
    for headers in [&[][..], &[("version", "2025-03-26")]] {
        let (status, body) = send(&batch(20), headers);
        assert_eq!(status, 200);
        let ids: Vec<_> = body.as_array().unwrap().iter().map(|answer| answer["id"].as_u64().unwrap()).collect();
        assert_eq!(ids, (0..20).collect::<Vec<_>>());
        fails(send(&batch(21), headers), 400, -32600);
    }
    for version in ["2025-06-18", "2025-11-25", "2026-07-28", "x"] {
        fails(send(&batch(1), &[("version", version)]), 400, -32600);
    }
    let notification = r#"[{"jsonrpc":"2.0","method":"notifications/initialized"}]"#;
    assert_eq!(send(notification, &[]), (202, Value::Null));
    let modern = json!([{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":meta("2026-07-28")}}]);
    fails(send(&modern.to_string(), &[]), 400, -32600);
    let handshake = json!([ping(1), {"jsonrpc":"2.0","id":2,"method":"initialize","params":{}}]);
    fails(send(&handshake.to_string(), &[]), 400, -32600);
}

#[test]
fn cursors_are_nobodys() {
    assert_eq!(modern("tools/list", json!({"cursor": ""}), &[]).0, 200);
    fails(modern("tools/list", json!({"cursor": "abc"}), &[]), 200, -32602);
    fails(modern("tools/list", json!({"cursor": 5}), &[]), 200, -32602);
}

#[test]
fn malformed_calls_are_protocol_errors_and_failed_calls_are_results() {
    fails(modern("tools/call", json!({}), &[]), 200, -32602);
    fails(modern("tools/call", json!({"name": 5}), &[]), 200, -32602);
    fails(modern("tools/call", json!({"name": "nope"}), &[("name", "nope")]), 200, -32602);
    fails(modern("tools/call", json!({"name": "echo", "arguments": []}), &[("name", "echo")]), 200, -32602);
    let (status, body) = modern("tools/call", json!({"name": "echo", "arguments": {"fail": 1}}), &[("name", "echo")]);
    assert_eq!((status, &body["result"]["isError"]), (200, &json!(true)));
    let (_, body) = modern("tools/call", json!({"name": "echo"}), &[("name", "echo")]);
    assert_eq!(body["result"].get("isError"), None);
}

proptest::proptest! {
    #[test]
    fn no_body_and_no_header_panics_or_is_our_fault(body: Vec<u8>, version: Option<String>, method: Option<String>, name: Option<String>) {
        let headers = ProtocolHeaders { protocol_version: version, method, name, conflicting: None };
        if let Err(reply) = read(&body, headers) {
            proptest::prop_assert!((400..500).contains(&reply.status));
        }
    }

    #[test]
    fn no_message_panics_or_is_our_fault(method in "[a-z/]{0,12}", params: Vec<(String, String)>, version in "(2026-07-28|2025-11-25|.{0,12})", name: Option<String>) {
        let params: Map<String, Value> = params.into_iter().map(|(key, value)| (key, Value::from(value))).collect();
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let name = name.unwrap_or_default();
        let (status, _) = send(&body, &[("version", &version), ("method", &method), ("name", &name)]);
        proptest::prop_assert!(status < 500);
    }
}
