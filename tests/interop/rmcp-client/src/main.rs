//! The official Rust SDK as a client over HTTP.   usage: rmcp-client modern|auto|legacy
//!
//! Reads `../../expectations.json`, and the endpoint and key from `INTEROP_ENDPOINT` and `INTEROP_KEY`.

use anyhow::{Context, Result, bail, ensure};
use rmcp::{
    ClientLifecycleMode, ClientServiceExt, RoleClient, ServiceError,
    model::{CallToolRequestParams, CallToolResult, ErrorCode, JsonObject, ProtocolVersion},
    service::{ClientInitializeError, RunningService},
    transport::{StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig},
};
use serde::Deserialize;

type Client = RunningService<RoleClient, ()>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Expectations {
    tools: Vec<String>,
    calls: Vec<Call>,
    refused_calls: Vec<Call>,
    unknown_tool: String,
    invalid_params: i32,
    wrong_key: String,
}

#[derive(Clone, Deserialize)]
struct Call {
    name: String,
    arguments: JsonObject,
}

#[tokio::main]
async fn main() -> Result<()> {
    let era = std::env::args().nth(1).context("usage: rmcp-client modern|auto|legacy")?;
    let expected: Expectations = serde_json::from_str(include_str!("../../expectations.json"))?;
    let key = std::env::var("INTEROP_KEY")?;

    let client = connect(&era, Some(&key)).await?;
    server_answers_as_promised(&client, &expected).await?;
    client.cancel().await?;

    let stranger = connect(&era, Some(&expected.wrong_key)).await?;
    let result = call(&stranger, &expected.calls[0]).await?;
    ensure!(result.is_error == Some(true) && text(&result).contains("key"), "{result:?}");
    stranger.cancel().await?;

    let refused = connect(&era, None).await.err().context("a client without a key was let in")?;
    ensure!(refused.is_authorization_required(), "{refused:?}");
    Ok(())
}

async fn connect(era: &str, key: Option<&str>) -> Result<Client, ClientInitializeError> {
    let endpoint = std::env::var("INTEROP_ENDPOINT").expect("`run` sets the endpoint");
    let mut config = StreamableHttpClientTransportConfig::with_uri(endpoint);
    if let Some(key) = key {
        config = config.auth_header(key);
    }
    let modern = vec![ProtocolVersion::V_2026_07_28];
    let lifecycle = match era {
        "modern" => ClientLifecycleMode::Discover { preferred_versions: modern },
        "auto" => ClientLifecycleMode::Auto { preferred_versions: modern, legacy_version: None },
        _ => ClientLifecycleMode::Initialize,
    };
    ().serve_with_lifecycle(StreamableHttpClientTransport::from_config(config), lifecycle).await
}

async fn server_answers_as_promised(client: &Client, expected: &Expectations) -> Result<()> {
    let tools = client.list_all_tools().await?;
    let names: Vec<_> = tools.iter().map(|tool| tool.name.to_string()).collect();
    ensure!(names == expected.tools, "tools: {names:?}");
    ensure!(tools.iter().all(|tool| tool.output_schema.is_some()), "every tool has an output schema");
    for good in &expected.calls {
        let result = call(client, good).await?;
        ensure!(result.is_error != Some(true), "{}: {}", good.name, text(&result));
        ensure!(result.structured_content.is_some_and(|content| content.is_object()), "{}", good.name);
    }
    for refused in &expected.refused_calls {
        let result = call(client, refused).await?;
        ensure!(result.is_error == Some(true) && !text(&result).is_empty(), "{result:?}");
    }
    unknown_tool_is_invalid_params(client, expected).await
}

async fn unknown_tool_is_invalid_params(client: &Client, expected: &Expectations) -> Result<()> {
    let unknown = Call { name: expected.unknown_tool.clone(), arguments: JsonObject::new() };
    match call(client, &unknown).await {
        Err(ServiceError::McpError(error)) if error.code == ErrorCode(expected.invalid_params) => Ok(()),
        other => bail!("an unknown tool was answered with {other:?}"),
    }
}

async fn call(client: &Client, call: &Call) -> Result<CallToolResult, ServiceError> {
    let Call { name, arguments } = call.clone();
    client.call_tool(CallToolRequestParams::new(name).with_arguments(arguments)).await
}

fn text(result: &CallToolResult) -> String {
    result.content.iter().filter_map(|block| block.as_text()).map(|block| block.text.as_str()).collect()
}
