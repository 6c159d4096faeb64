//! What `demo` prints: the endpoint, the key, and lines to paste into clients.

use std::net::SocketAddr;

use super::plausible::{DEMO_KEY, DEMO_SITE};

/// The text for a demonstration that listens on `address`, over a simulated Plausible and a simulated Access.
pub fn announcement(address: SocketAddr, plausible: SocketAddr, access: SocketAddr) -> String {
    let url = format!("http://{address}/mcp");
    let internal = format!("http://{address}/internal");
    let header = format!("Authorization: Bearer {DEMO_KEY}");
    let entry = format!(r#""url": "{url}", "headers": {{ "Authorization": "Bearer {DEMO_KEY}" }}"#);
    format!(
        r#"plausible-mcp demo: a simulated Plausible and Access, everything on this machine

  endpoint  {url}
  key       {DEMO_KEY}
  site      {DEMO_SITE}
  sign-in   {internal}
  access    http://{access}
  plausible http://{plausible}

Claude Code
  claude mcp add --transport http plausible {url} --header "{header}"

Claude Code without a key: sign in with any address at example.com
  claude mcp add --transport http plausible-internal {internal}

Cursor, in .cursor/mcp.json
  {{ "mcpServers": {{ "plausible": {{ {entry} }} }} }}

VS Code, in .vscode/mcp.json
  {{ "servers": {{ "plausible": {{ "type": "http", {entry} }} }} }}

MCP Inspector (Node.js 22)
  npx @modelcontextprotocol/inspector@latest --cli {url} --transport http --header "{header}" --method tools/list

curl
  curl {url} -H "{header}" -H "Content-Type: application/json" -H "Accept: application/json, text/event-stream" \
    -d '{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"get_breakdown","arguments":{{"dimension":"event:page","date_range":"7d"}}}}}}'

Ask
  Which pages had the most visitors in the last 30 days?
  How did traffic from Google develop over the last 12 months?
  Compare conversions of this month with last month.

Press Ctrl-C to stop.
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snippets_are_json() {
        let text = announcement(
            "127.0.0.1:8787".parse().unwrap(),
            "127.0.0.1:9000".parse().unwrap(),
            "127.0.0.1:9001".parse().unwrap(),
        );
        let snippets: Vec<_> = text.lines().filter(|line| line.trim_start().starts_with('{')).collect();
        assert_eq!(snippets.len(), 2);
        for snippet in snippets {
            serde_json::from_str::<serde_json::Value>(snippet).unwrap();
        }
    }
}
