//! Whatever bytes arrive, the server answers with less than 500 or closes the connection.

use std::sync::LazyLock;

use plausible_mcp_tests::harness::Harness;
use plausible_mcp_tests::http_client::{self, Answer, Request};
use plausible_mcp_tests::mcp_request::{call, modern, post};
use plausible_mcp_tests::stub_sites;
use plausible_mcp_tests::upstream::Upstream;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

static HOST: LazyLock<(Runtime, Harness)> = LazyLock::new(|| {
    let runtime = Runtime::new().expect("a runtime");
    let host = runtime.block_on(async { Harness::start(Upstream::answering(stub_sites::answer).await, &[]).await });
    (runtime, host)
});

fn send(request: &Request) -> Option<Answer> {
    let (runtime, host) = &*HOST;
    runtime.block_on(http_client::send(host.address(), request)).expect("the host is reached")
}

fn send_bytes(bytes: Vec<u8>) -> Option<Answer> {
    let (runtime, host) = &*HOST;
    runtime.block_on(http_client::send_bytes(host.address(), bytes)).expect("the host is reached")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_body_is_answered(body in vec(any::<u8>(), 0..400)) {
        prop_assert!(send(&post(body)).is_some_and(|answer| answer.status < 500));
    }

    #[test]
    fn any_json_is_answered(body in any_json()) {
        prop_assert!(send(&post(body.to_string())).is_some_and(|answer| answer.status < 500));
    }

    #[test]
    fn any_message_is_answered(message in near_message()) {
        prop_assert!(send(&post(message.to_string())).is_some_and(|answer| answer.status < 500));
        let method = message["method"].as_str().filter(|method| !method.contains(['\r', '\n', '\0'])).unwrap_or("x");
        let request = post(message.to_string()).header("MCP-Protocol-Version", "2026-07-28").header("Mcp-Method", method);
        prop_assert!(send(&request).is_some_and(|answer| answer.status < 500));
    }

    #[test]
    fn any_header_value_is_answered(name in select(&READ_HEADERS[..]), value in vec(any::<u8>(), 0..60)) {
        let request = modern("server/discover", json!({})).without(name).raw_header(name.as_bytes(), &value);
        prop_assert!(below_500(send(&request)));
    }

    #[test]
    fn any_path_is_answered(path in vec(any::<u8>(), 0..60)) {
        let path = [b"/".to_vec(), path].concat();
        prop_assert!(below_500(send(&Request::to_raw_path("POST", &path))));
    }

    #[test]
    fn any_bytes_are_answered(bytes in vec(any::<u8>(), 1..300)) {
        // The end of a head lets the server decide at once.
        prop_assert!(below_500(send_bytes([bytes, b"\r\n\r\n".to_vec()].concat())));
    }

    #[test]
    fn any_arguments_are_answered(tool in select(&TOOLS[..]), arguments in near_arguments()) {
        let answer = send(&call(tool, arguments)).expect("an answer");
        prop_assert_eq!(answer.status, 200);
        prop_assert!(answer.json().pointer("/result/content/0/text").is_some(), "{}", answer.text());
    }

    #[test]
    fn any_date_range_is_answered(range in "[0-9a-z,:TZ+ -]{0,40}|\\PC{0,20}|[0-9]{1,12}(d|mo|h)|[0-9]{4}-[0-9]{2}-[0-9]{2},[0-9]{4}-[0-9]{2}-[0-9]{2}") {
        let arguments = json!({ "site_id": "rows-1.example", "date_range": range, "dimension": "event:page" });
        let answer = send(&call("get_breakdown", arguments)).expect("an answer");
        prop_assert_eq!(answer.status, 200);
    }
}

/// A broken head may be answered by closing the connection.
fn below_500(answer: Option<Answer>) -> bool {
    answer.is_none_or(|answer| answer.status < 500)
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        select(&WORDS[..]).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((select(&WORDS[..]), inner), 0..4).prop_map(object),
        ]
    })
}

/// Something that is nearly a JSON-RPC request.
fn near_message() -> impl Strategy<Value = Value> {
    let method = prop_oneof![select(&METHODS[..]).prop_map(Value::from), any_json()];
    let id = prop_oneof![Just(json!(1)), any_json()];
    let envelope = Just(json!({ "_meta": plausible_mcp_tests::mcp_request::envelope() }));
    let params = prop_oneof![envelope, any_json()];
    (id, method, params)
        .prop_map(|(id, method, params)| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
}

/// Arguments of which each is right, nearly right, or anything.
fn near_arguments() -> impl Strategy<Value = Value> {
    let value = prop_oneof![select(&WORDS[..]).prop_map(Value::from), any_json()];
    vec((select(&PARAMETERS[..]), value), 0..6).prop_map(|members| {
        let mut arguments = object(members);
        let complete = [("site_id", "rows-3.example"), ("date_range", "7d"), ("dimension", "event:page")];
        for (name, value) in complete.into_iter().chain([("period_a", "7d"), ("period_b", "30d")]) {
            if arguments.get(name).is_none() {
                arguments[name] = json!(value);
            }
        }
        arguments
    })
}

fn object(members: Vec<(&'static str, Value)>) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}

const TOOLS: [&str; 4] = ["get_timeseries", "get_breakdown", "get_conversions", "compare_periods"];

const METHODS: [&str; 6] = ["initialize", "ping", "tools/list", "tools/call", "server/discover", "notifications/x"];

const PARAMETERS: [&str; 12] = [
    "site_id",
    "date_range",
    "metrics",
    "page",
    "goal",
    "property_filters",
    "granularity",
    "dimension",
    "limit",
    "period_a",
    "period_b",
    "offset",
];

const READ_HEADERS: [&str; 11] = [
    "Host",
    "Origin",
    "Authorization",
    "Content-Type",
    "Accept",
    "MCP-Protocol-Version",
    "Mcp-Method",
    "Mcp-Name",
    "X-Forwarded-For",
    "plausible-mcp-client-addr",
    "Cookie",
];

const WORDS: [&str; 30] = [
    "jsonrpc",
    "id",
    "method",
    "params",
    "_meta",
    "name",
    "arguments",
    "cursor",
    "io.modelcontextprotocol/protocolVersion",
    "2026-07-28",
    "get_breakdown",
    "visitors",
    "total_revenue",
    "bounce_rate",
    "views_per_visit",
    "event:page",
    "event:goal",
    "visit:exit_page",
    "visit:country",
    "event:props:plan",
    "property",
    "operator",
    "values",
    "is",
    "contains_not",
    "/blog*",
    "*",
    "hour",
    "auto",
    "24h",
];
