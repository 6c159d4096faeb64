//! `plausible-mcp health`

use crate::process::{Process, run};

#[test]
fn the_exit_code_tells_whether_a_server_is_alive() {
    let mut server = Process::start(&["demo", "--listen", "127.0.0.1:0"], &[]);
    let url = format!("http://{}/healthz", server.address());
    assert_eq!(run(&["health", &url], &[]).0, Some(0));
    let elsewhere = url.replace("/healthz", "/nowhere");
    let (code, written) = run(&["health", &elsewhere], &[]);
    assert_eq!(code, Some(1));
    assert!(written.contains("404"), "{written}");
    server.terminate();
    server.exit_code();
    let (code, written) = run(&["health", &url], &[]);
    assert_eq!(code, Some(1));
    assert!(written.contains("does not answer"), "{written}");
    assert_eq!(run(&["health", "https://a.example"], &[]).0, Some(2));
}
