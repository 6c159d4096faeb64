//! The line in the log: who is named in it, and which trace it belongs to.

use futures_util::FutureExt;
use serde_json::Value;

use super::super::*;
use super::world::*;
use crate::ports::{HttpError, MemoryPorts};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_breakdown","arguments":{"site_id":"a.example","date_range":"7d","dimension":"event:page"}}}"#;

fn line(ports: &impl Ports, setup: &Result<Setup, ConfigError>, path: &str, headers: &[(&str, &str)]) -> Value {
    let json = [("content-type", "application/json"), ("user-agent", "claude-code/2.1 (somebody's)")];
    let headers = json.iter().chain(headers);
    let request = Request {
        method: "POST".into(),
        path: path.into(),
        authority: Some("mcp.example.com".into()),
        headers: Headers(headers.map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()),
        ..Request::default()
    };
    let answered = Gateway::new(ports, setup).handle(&request, CALL.as_bytes()).now_or_never().unwrap();
    serde_json::from_str(&answered.record.unwrap().json()).unwrap()
}

fn setup() -> Result<Setup, ConfigError> {
    Setup::read(|name| (name == "MCP_ALLOWED_HOSTNAMES").then(|| "mcp.example.com".to_owned()))
}

#[test]
fn a_callers_trace_goes_on_to_plausible() {
    let ports = MemoryPorts::default();
    let traceparent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let headers = [("authorization", "Bearer test-key-123"), ("traceparent", traceparent.as_str())];
    let read = line(&ports, &setup(), "/mcp", &headers);
    assert_eq!((&read["trace_id"], &read["client"]), (&TRACE.into(), &"claude-code".into()));
    let requests = ports.http.requests.borrow();
    let sent = requests[0].headers.iter().find(|(name, _)| name == "traceparent").map(|(_, value)| value).unwrap();
    assert!(sent.starts_with(&format!("00-{TRACE}-")) && !sent.contains("00f067aa0ba902b7"), "{sent}");
}

#[test]
fn a_request_without_identifiers_gets_new_ones() {
    let (ports, setup) = (MemoryPorts::default(), setup());
    let headers = [("authorization", "Bearer test-key-123"), ("traceparent", "ann@example.com")];
    let [one, other] = [(); 2].map(|()| line(&ports, &setup, "/mcp", &headers));
    for name in ["request_id", "trace_id"] {
        assert_eq!(one[name].as_str().map(str::len), Some(32), "{one}");
        assert_ne!(one[name], other[name]);
    }
    let given = [("authorization", "Bearer test-key-123"), ("x-request-id", "230b030023ae2822")];
    assert_eq!(line(&ports, &setup, "/mcp", &given)["request_id"], "230b030023ae2822");
}

#[test]
fn a_failed_call_has_its_cause_and_a_refused_one_its_reason() {
    let key = [("authorization", "Bearer test-key-123")];
    let ports = MemoryPorts::default();
    ports.http.answer(503, "{}");
    let read = line(&ports, &setup(), "/mcp", &key);
    assert_eq!((&read["cause"], &read["upstream_status"]), (&"Plausible failed".into(), &503.into()));
    assert_eq!((&read["level"], &read["outcome"]), (&"warn".into(), &"tool_error".into()));
    ports.http.fail(HttpError::TimedOut);
    assert_eq!(line(&ports, &setup(), "/mcp", &key)["cause"], "it took too long");
    assert_eq!(line(&ports, &setup(), "/mcp", &[])["reason"], "no_credential");
    let wrong = Setup::read(|name| (name == "PUBLIC_URL").then(|| "nonsense".to_owned()));
    let read = line(&ports, &wrong, "/mcp", &key);
    assert_eq!((&read["level"], &read["setting"]), (&"error".into(), &"PUBLIC_URL".into()));
    assert!(read["cause"].is_string() && !read.to_string().contains("nonsense"), "{read}");
}

#[test]
fn a_user_is_named_by_a_hash_and_by_the_address_only_where_the_operator_asked_for_it() {
    for (identity, named) in [("", false), ("id", false), ("email", true), ("e-mail", false)] {
        let world = World::with_assertions(&[("TELEMETRY_IDENTITY", identity)]);
        let tokens = world.tokens(&world.client());
        let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
        let assertion = world.provider().assertion("ada@example.com", "tag-1");
        let last = |path: &str, credential: (&str, &str)| {
            world.send("POST", path, &[("content-type", "application/json"), credential], CALL);
            serde_json::from_str::<Value>(world.log().lines().last().unwrap()).unwrap()
        };
        for credential in [("authorization", bearer.as_str()), ("cf-access-jwt-assertion", &assertion)] {
            let read = last("/internal", credential);
            assert_eq!(read["user"].as_str().map(str::len), Some(64), "{read}");
            assert_eq!(read["email"].as_str(), named.then_some("ada@example.com"), "{identity} {read}");
            assert!(named || !read.to_string().contains("ada"), "{read}");
        }
        let read = last("/mcp", ("authorization", "Bearer test-key-123"));
        assert!(read["user"].is_null() && read["email"].is_null(), "{read}");
    }
}
