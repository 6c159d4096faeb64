//! Headers that come more than once, bodies with a coding, and the origins of pages.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::world::*;

const KEY: (&str, &str) = ("authorization", "Bearer test-key-123");
const JSON: (&str, &str) = ("content-type", "application/json");
const ADMIN_TOKEN: &str = "0123456789abcdef0123456789abcdef";

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

/// A call of 2026-07-28 of a tool that there is not: whoever gets to it has every header right.
fn modern_call() -> String {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({ "name": "no_tool", "arguments": {}, "_meta": meta });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string()
}

const MODERN: [(&str, &str); 5] =
    [KEY, JSON, ("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "no_tool")];

/// Path, headers, body, and the status of the answer.
type Sent = (&'static str, Vec<(&'static str, String)>, String, u16);

/// A request to each endpoint that reads a body, with every header that it reads.
fn requests(world: &World) -> Vec<Sent> {
    let owned = |headers: &[(&'static str, &str)]| {
        headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect::<Vec<_>>()
    };
    let access = world.tokens(&world.client())["access_token"].as_str().expect("an access token").to_owned();
    let bearer = format!("Bearer {access}");
    let version = ("mcp-protocol-version", "2025-11-25");
    let metadata = json!({ "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "client_secret_basic" });
    let confidential = json_of(&world.register(&metadata));
    let pair = |name: &str| confidential[name].as_str().expect("a text").to_owned();
    let basic = format!("Basic {}", STANDARD.encode(format!("{}:{}", pair("client_id"), pair("client_secret"))));
    let client = [("authorization", basic.as_str()), ("content-type", FORM)];
    let refused = encode(&[("grant_type", "refresh_token"), ("refresh_token", "unknown")]);
    let admin = format!("Bearer {ADMIN_TOKEN}");
    vec![
        ("/mcp", owned(&MODERN), modern_call(), 200),
        ("/mcp", owned(&[KEY, JSON, version]), PING.to_owned(), 200),
        ("/internal", owned(&[("authorization", &bearer), JSON, version]), PING.to_owned(), 200),
        ("/register", owned(&[JSON]), json!({ "redirect_uris": [REDIRECT_URI] }).to_string(), 201),
        ("/token", owned(&client), refused, 400),
        ("/revoke", owned(&client), encode(&[("token", "unknown")]), 200),
        ("/admin/operator", owned(&[("authorization", &admin), JSON]), r#"{"action":"list-grants"}"#.to_owned(), 200),
    ]
}

fn send(world: &World, path: &str, headers: &[(&'static str, String)], body: &str) -> Response {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    world.send("POST", path, &headers, body)
}

fn replaced(headers: &[(&'static str, String)], name: &str, values: &[&str]) -> Vec<(&'static str, String)> {
    let place = headers.iter().find(|(field, _)| *field == name).expect("the request has the header").0;
    let others = headers.iter().filter(|(field, _)| *field != name).cloned();
    others.chain(values.iter().map(|value| (place, (*value).to_owned()))).collect()
}

#[test]
fn a_header_that_comes_twice_with_one_value_is_that_value_at_every_endpoint() {
    let world = World::with(&[("ADMIN_TOKEN", ADMIN_TOKEN)]);
    for (path, headers, body, status) in requests(&world) {
        let expected = send(&world, path, &headers, &body);
        assert_eq!(expected.status, status, "{path} {}", text(&expected));
        for (name, value) in &headers {
            let joined = format!("{value}, {value}");
            for copies in [&[value.as_str(), value][..], &[&joined], &[value, &joined], &[value, value, value]] {
                let answer = send(&world, path, &replaced(&headers, name, copies), &body);
                assert_eq!(answer.status, status, "{path} {name} {}", text(&answer));
                assert_eq!(error_of(&answer), error_of(&expected), "{path} {name}");
            }
        }
    }
}

#[test]
fn a_header_that_comes_twice_with_two_values_is_refused_by_name_at_every_endpoint() {
    let world = World::with(&[("ADMIN_TOKEN", ADMIN_TOKEN)]);
    for (path, headers, body, _) in requests(&world) {
        for (name, value) in &headers {
            for lines in [[value.as_str(), "other"], ["other", value.as_str()], [value.as_str(), ""]] {
                let answer = send(&world, path, &replaced(&headers, name, &lines), &body);
                assert_eq!(answer.status, 400, "{path} {name} {}", text(&answer));
                assert!(text(&answer).to_ascii_lowercase().contains(name), "{path} {name} {}", text(&answer));
                assert!(!text(&answer).contains(value.as_str()), "{path} {name} {}", text(&answer));
            }
        }
    }
    let form = encode(&[("grant_type", "refresh_token")]);
    let headers = [("content-type", FORM), ("content-type", "text/plain")];
    assert_eq!(error_of(&world.send("POST", "/token", &headers, &form)), "invalid_request");
    let page = world.send("POST", "/authorize", &headers, "");
    assert_eq!((page.status, header(&page, "content-type")), (400, Some("text/html; charset=utf-8")));
}

#[test]
fn a_header_with_two_values_in_one_line_is_judged_by_its_own_rule() {
    let world = World::with(&[("ADMIN_TOKEN", ADMIN_TOKEN)]);
    for (name, value, status) in [
        ("content-type", "application/json, text/plain", 415),
        ("authorization", "Bearer test-key-123, Bearer test-key-456", 200),
        ("mcp-protocol-version", "2026-07-28, 2025-11-25", 400),
        ("mcp-method", "tools/call, tools/list", 400),
        ("mcp-name", "no_tool, other", 400),
    ] {
        let headers = MODERN.map(|(field, good)| (field, if field == name { value } else { good }));
        let answer = world.send("POST", "/mcp", &headers, &modern_call());
        assert_eq!(answer.status, status, "{name} {}", text(&answer));
        assert!(!text(&answer).contains("more than once"), "{name} {}", text(&answer));
    }
}

#[test]
fn accept_is_a_list_whose_lines_may_differ() {
    let world = World::new();
    for lines in [
        &["application/json", "text/event-stream"][..],
        &["application/json, text/event-stream", "*/*"],
        &["text/html", "text/html"],
        &["text/event-stream"],
    ] {
        let accept = lines.iter().map(|line| ("accept", *line));
        let headers: Vec<_> = [KEY, JSON].into_iter().chain(accept).collect();
        assert_eq!(world.send("POST", "/mcp", &headers, PING).status, 200, "{lines:?}");
    }
}

#[test]
fn what_decides_who_asks_and_from_where_keeps_its_rule() {
    let world = World::with_assertions(&[]);
    let origin = ("origin", "https://claude.ai");
    assert_eq!(world.send("POST", "/mcp", &[KEY, JSON, origin], PING).status, 200);
    assert_eq!(world.send("POST", "/mcp", &[KEY, JSON, origin, origin], PING).status, 403);
    let joined = ("origin", "https://claude.ai, https://claude.ai");
    assert_eq!(world.send("POST", "/mcp", &[KEY, JSON, joined], PING).status, 403);
    let assertion = world.provider().assertion("ada@example.com", "tag-1");
    let assertion = ("cf-access-jwt-assertion", assertion.as_str());
    assert_eq!(world.list_tools(&[assertion]).status, 200);
    assert_eq!(world.list_tools(&[assertion, assertion]).status, 403);
    // What an assertion decides is not read otherwise.
    assert_eq!(world.list_tools(&[assertion, ("authorization", "Bearer a"), ("authorization", "Basic b")]).status, 200);
}

#[test]
fn a_body_with_a_coding_is_415_at_every_endpoint() {
    let world = World::with(&[("ADMIN_TOKEN", ADMIN_TOKEN)]);
    for (path, headers, body, status) in requests(&world) {
        for (coding, expected) in [
            ("gzip", 415),
            ("br", 415),
            ("GZIP", 415),
            ("identity, gzip", 415),
            ("gzip, gzip", 415),
            ("unknown", 415),
            ("identity", status),
            ("", status),
        ] {
            let headers = [headers.as_slice(), &[("content-encoding", coding.to_owned())]].concat();
            let answer = send(&world, path, &headers, &body);
            // Whoever registers reads an error of RFC 7591.
            assert_eq!(answer.status, expected, "{path} {coding:?} {}", text(&answer));
            assert_eq!(
                header(&answer, "accept-encoding"),
                (expected == 415).then_some("identity"),
                "{path} {coding:?}"
            );
        }
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_message() {
    let world = World::with(&[("ADMIN_TOKEN", ADMIN_TOKEN)]);
    for (path, headers, body, status) in requests(&world) {
        if headers.iter().any(|(_, value)| value == "application/json") {
            let answer = send(&world, path, &headers, &format!("\u{feff}{body}"));
            assert_eq!(answer.status, status, "{path} {}", text(&answer));
        }
    }
}

#[test]
fn an_opaque_origin_is_let_through_at_mcp_when_it_is_listed() {
    for (listed, origin, status) in [
        ("", "null", 403),
        ("", "file://", 403),
        ("claude.ai", "null", 403),
        ("null", "null", 200),
        ("null", "file://", 403),
        ("file://", "file://", 200),
        ("file://", "null", 403),
        ("null,file://", "file:///x", 403),
        ("null", "not an origin", 403),
        ("null", "app://obsidian.md", 200),
    ] {
        let world = World::with(&[("MCP_ALLOWED_ORIGIN_HOSTNAMES", listed)]);
        let answer = world.send("POST", "/mcp", &[KEY, JSON, ("origin", origin)], PING);
        assert_eq!(answer.status, status, "{listed:?} {origin} {}", text(&answer));
        // The way to tokens is as open as what they are for.
        let form = world.send("POST", "/token", &[("content-type", FORM), ("origin", origin)], "");
        assert_eq!(form.status == 403, status == 403, "{listed:?} {origin} {}", text(&form));
    }
}

#[test]
fn a_listed_origin_may_call_internal_and_an_opaque_one_with_a_bearer_only() {
    let listed = [("MCP_ALLOWED_ORIGIN_HOSTNAMES", "app://obsidian.md, null, file://")];
    for world in [World::with(&listed), World::with_assertions(&listed)] {
        let access = world.tokens(&world.client())["access_token"].as_str().unwrap().to_owned();
        let bearer = format!("Bearer {access}");
        let with = |origin, authorization: &str| {
            world.list_tools(&[("origin", origin), ("authorization", authorization)]).status
        };
        for origin in ["app://obsidian.md", "http://localhost:6274", "null", "file://"] {
            assert_eq!(with(origin, &bearer), 200, "{origin}");
        }
        for origin in ["https://obsidian.md", "app://obsidian.md.evil.example", "https://claude.ai", "file:///x"] {
            assert_eq!(with(origin, &bearer), 403, "{origin}");
        }
        assert_eq!(with("app://obsidian.md", "Bearer unknown"), 401);
        assert_eq!(with("null", "Bearer unknown"), 401, "the token decides");
        for origin in ["null", "file://"] {
            for authorization in ["", "Bearer", "Bearer  ", "Basic dTpw", &access] {
                assert_eq!(with(origin, authorization), 403, "{origin} {authorization}");
            }
            assert_eq!(world.list_tools(&[("origin", origin)]).status, 403, "{origin}");
        }
    }
}

#[test]
fn where_an_assertion_decides_no_opaque_origin_may_call() {
    let listed = [("MCP_ALLOWED_ORIGIN_HOSTNAMES", "app://obsidian.md, null, file://")];
    let world = World::with_assertions(&listed);
    let access = world.tokens(&world.client())["access_token"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {access}");
    let good = world.provider().assertion("ada@example.com", "tag-1");
    for (origin, status) in [("app://obsidian.md", 200), ("null", 403), ("file://", 403)] {
        let headers = [("origin", origin), ("cf-access-jwt-assertion", &good), ("authorization", &bearer)];
        for headers in [&headers[..2], &headers[..]] {
            assert_eq!(world.list_tools(headers).status, status, "{origin}");
        }
    }
    let empty = [("origin", "null"), ("cf-access-jwt-assertion", ""), ("authorization", bearer.as_str())];
    assert_eq!(world.list_tools(&empty).status, 403, "an empty one is one");
    // Without that mode the header is anybody's, and says nothing.
    let world = World::with(&listed);
    let access = world.tokens(&world.client())["access_token"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {access}");
    let headers = [("origin", "null"), ("cf-access-jwt-assertion", &good), ("authorization", &bearer)];
    assert_eq!(world.list_tools(&headers).status, 200);
}

#[test]
fn a_handshake_negotiates_whatever_the_header_says() {
    let world = World::new();
    let params =
        json!({ "protocolVersion": "2099-01-01", "capabilities": {}, "clientInfo": { "name": "x", "version": "1" } });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params }).to_string();
    for version in ["2099-01-01", "2026-07-28", "garbage", "2025-11-25, 2025-11-25"] {
        let answer = world.send("POST", "/mcp", &[KEY, JSON, ("mcp-protocol-version", version)], &body);
        let negotiated = json_of(&answer).pointer("/result/protocolVersion").cloned();
        assert_eq!((answer.status, negotiated), (200, Some(Value::from("2025-11-25"))), "{version}");
    }
}
