//! What Plausible answers to the queries of the tools.

use std::collections::BTreeMap;

use plausible_mcp_component::tools;
use serde_json::Value;

use super::super::json;
use super::super::message::{JSON, Sent};
use super::super::world::{PLAUSIBLE, World};

/// Whatever Plausible answers, a call has a result that follows the tool's output schema, or one that says what is
/// wrong; the same question has the same answer when it was remembered.
pub fn plausible_answer(data: &[u8]) {
    let world = World::with_people();
    world.tell(PLAUSIBLE, 200, JSON, data);
    for (tool, arguments) in CALLS {
        call(&world, "/mcp", tool, arguments);
    }
    let (tool, arguments) = CALLS[0];
    let [once, again] = [(); 2].map(|()| call(&world, "/internal", tool, arguments));
    assert_eq!(once, again);
    world.tell(PLAUSIBLE, 400, JSON, data);
    let refused = call(&world, "/mcp", tool, arguments);
    assert_eq!(refused["isError"], true, "{refused}");
}

fn call(world: &World, path: &str, tool: &str, arguments: &str) -> Value {
    let token = if path == "/mcp" { "callers-own-key" } else { world.value("access") };
    let params = format!(r#"{{"name":"{tool}","arguments":{arguments}}}"#);
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
    let sent = Sent::new("POST", path).header("authorization", format!("Bearer {token}"));
    let sent = sent.header("mcp-protocol-version", "2025-11-25").body(JSON, body.as_bytes());
    let response = world.send(&sent);
    assert_eq!(response.status, 200);
    let result = json::read(&response.body)["result"].take();
    check_result(tool, &result);
    result
}

/// What holds for the result of a call.
pub fn check_result(tool: &str, result: &Value) {
    assert!(result["content"][0]["text"].is_string() && result["content"][0]["type"] == "text", "{result}");
    if let Some(structured) = result.get("structuredContent") {
        SCHEMAS.with(|schemas| json::follows(structured, &schemas[tool]));
    }
}

thread_local! {
    static SCHEMAS: BTreeMap<&'static str, Value> = tools::definitions(true, true)
        .into_iter()
        .map(|tool| (tool.name, json::read(tool.output_schema.as_bytes())))
        .collect();
}

/// Every tool, with every kind of dimension and value.
const CALLS: [(&str, &str); 6] = [
    ("get_timeseries", r#"{"date_range":"7d"}"#),
    ("get_timeseries", r#"{"date_range":"day","granularity":"hour","metrics":["pageviews","bounce_rate"]}"#),
    ("get_breakdown", r#"{"dimension":"visit:source","limit":3}"#),
    ("get_breakdown", r#"{"dimension":"event:props:plan","goal":"Buy","metrics":["events","total_revenue"]}"#),
    ("get_conversions", r#"{"breakdown_by_page":true}"#),
    ("compare_periods", r#"{"period_a":"2026-07-01,2026-07-07","period_b":"7d"}"#),
];
