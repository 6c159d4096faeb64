//! `plausible-mcp check`: a line per finding and an exit code.

use serde_json::Value;

use crate::process::run;
use crate::upstream;

const HOSTS: (&str, &str) = ("MCP_ALLOWED_HOSTNAMES", "mcp.example.com");

#[test]
fn all_is_well_is_0() {
    let base_url = upstream::start(upstream::one_row);
    let (code, text) = run(&["check"], &[("PLAUSIBLE_BASE_URL", &base_url), HOSTS]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.lines().any(|line| line.starts_with("ok")), "{text}");
    assert!(!text.lines().any(|line| line.starts_with("error")), "{text}");
}

#[test]
fn a_setting_that_cannot_work_is_1_and_named() {
    let base_url = upstream::start(upstream::one_row);
    let (code, text) = run(&["check"], &[("PLAUSIBLE_BASE_URL", &base_url), HOSTS, ("RATE_LIMIT_PER_MINUTE", "lots")]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.lines().any(|line| line.starts_with("error") && line.contains("RATE_LIMIT_PER_MINUTE")), "{text}");
}

#[test]
fn usage_is_2() {
    let (code, text) = run(&["check", "--nonsense"], &[]);
    assert_eq!(code, Some(2), "{text}");
}

#[test]
fn an_upstream_that_cannot_be_reached_is_3() {
    let (code, text) = run(&["check"], &[("PLAUSIBLE_BASE_URL", "http://127.0.0.1:1"), HOSTS]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("PLAUSIBLE_BASE_URL"), "{text}");
}

#[test]
fn findings_are_json_on_request() {
    let base_url = upstream::start(upstream::one_row);
    let (code, text) = run(&["check", "--json"], &[("PLAUSIBLE_BASE_URL", &base_url), HOSTS]);
    assert_eq!(code, Some(0), "{text}");
    let start = text.find(['[', '{']).unwrap_or_else(|| panic!("no JSON: {text}"));
    let mut values = serde_json::Deserializer::from_str(text.get(start..).unwrap()).into_iter::<Value>();
    let first = values.next().unwrap().unwrap_or_else(|error| panic!("{error}: {text}"));
    let finding = if first.is_array() { first[0].clone() } else { first };
    assert!(["ok", "warn", "error"].contains(&finding["level"].as_str().unwrap_or_default()), "{text}");
    assert!(finding["setting"].is_string() && finding["text"].is_string(), "{text}");
}

#[test]
fn a_key_is_never_shown() {
    let base_url = upstream::start(|_| (401, "{\"error\":\"Invalid API key or site ID.\"}".to_owned()));
    let secret = ("PLAUSIBLE_API_KEY", "secret-key-4711");
    let (_, text) = run(&["check"], &[("PLAUSIBLE_BASE_URL", &base_url), HOSTS, secret]);
    assert!(!text.contains("4711"), "{text}");
}

#[test]
fn authorities_that_cannot_be_read_are_named() {
    let base_url = upstream::start(upstream::one_row);
    let (code, text) =
        run(&["check"], &[("PLAUSIBLE_BASE_URL", &base_url), HOSTS, ("SSL_CERT_FILE", "/nowhere/authority.pem")]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("SSL_CERT_FILE: /nowhere/authority.pem"), "{text}");
}
