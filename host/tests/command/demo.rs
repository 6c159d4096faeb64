//! `plausible-mcp demo`

use serde_json::json;

use crate::process::{Process, post, run};

#[test]
fn a_demo_needs_nothing_and_says_how_to_connect() {
    let mut demo = Process::start(&["demo", "--listen", "127.0.0.1:0"], &[]);
    let address = demo.address();
    let params = json!({ "name": "get_breakdown", "arguments": { "date_range": "30d", "dimension": "event:page" } });
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let answer = post(address, "demo-plausible-key", &call);
    assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("isError"), "{answer}");
    let refused = post(address, "some-other-key", &call);
    assert!(refused.contains("\"isError\":true"), "{refused}");
    let text = demo.written();
    let endpoint = format!("http://{address}/mcp");
    for expected in [&*endpoint, "demo-plausible-key", "shop.example", "claude mcp add", "inspector", "mcp.json"] {
        assert!(text.contains(expected), "{expected} is missing: {text}");
    }
}

#[test]
fn a_demo_stops_when_it_is_asked_to() {
    let mut demo = Process::start(&["demo", "--listen", "127.0.0.1:0"], &[]);
    demo.address();
    demo.terminate();
    assert_eq!(demo.exit_code(), Some(0), "{}", demo.written());
}

#[test]
fn a_command_that_does_not_exist_is_an_error_of_usage() {
    for arguments in [&["demolish"][..], &["demo", "--nonsense"], &["serve", "--listen", "here"], &[]] {
        let (code, text) = run(arguments, &[]);
        assert_eq!(code, Some(2), "{arguments:?}: {text}");
    }
}
