//! Replays the golden cases against the real component in the real host.

use std::collections::BTreeMap;

use plausible_mcp_tests::differences::{self, Difference};
use plausible_mcp_tests::golden::{self, Case};
use plausible_mcp_tests::harness::Harness;
use plausible_mcp_tests::stub_sites;
use plausible_mcp_tests::upstream::Upstream;
use serde_json::{Value, json};

#[tokio::test]
async fn every_case_is_answered_as_recorded_or_as_listed() {
    let listed = differences::listed();
    let mut wrong = Vec::new();
    for (setup, cases) in by_setup() {
        let host = start(&setup).await;
        for case in &cases {
            let ours = replay(&host, case).await;
            wrong.extend(differences::verdict(&case.id, &case.facts(), &ours, &listed));
        }
    }
    assert!(wrong.is_empty(), "{} cases\n\n{}", wrong.len(), wrong.join("\n\n"));
}

#[test]
fn every_listed_difference_concerns_a_case_and_says_why() {
    let cases = golden::cases();
    for Difference { cases: patterns, reason, .. } in differences::listed() {
        assert!(reason.len() > 20, "no reason: {patterns:?}");
        for pattern in patterns {
            let one = Difference { cases: vec![pattern.clone()], reason: String::new(), ..Difference::default() };
            assert!(cases.iter().any(|case| one.concerns(&case.id)), "no case: {pattern}");
        }
    }
}

fn by_setup() -> BTreeMap<String, Vec<Case>> {
    let mut groups: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for case in golden::cases() {
        groups.entry(case.setup.clone().unwrap_or_default()).or_default().push(case);
    }
    groups
}

/// A host as a setup describes it, or why it does not start.
async fn start(setup: &str) -> Result<Harness, String> {
    let upstream = Upstream::answering(stub_sites::answer).await;
    let own: &[(&str, &str)] = match setup {
        "" => &[],
        "default-site" => &[("PLAUSIBLE_DEFAULT_SITE_ID", "rows-1.example")],
        "no-hosts" => &[("MCP_ALLOWED_HOSTNAMES", "")],
        "bad-base" => &[("PLAUSIBLE_BASE_URL", "http://plausible.example")],
        "rate-limit" => &[("RATE_LIMIT_PER_MINUTE", "60")],
        other => panic!("no such setup: {other}"),
    };
    let mut settings = vec![("MCP_ALLOWED_HOSTNAMES", "localhost,127.0.0.1,mcp.example.com")];
    settings.retain(|(name, _)| !own.iter().any(|(known, _)| known == name));
    settings.extend(own);
    Harness::try_start(upstream, &settings).await
}

async fn replay(host: &Result<Harness, String>, case: &Case) -> Value {
    let Ok(host) = host else { return json!({ "starts": false, "messages": [], "upstream": [] }) };
    let request = case.request.to_request();
    for _ in 0..case.sent_before {
        host.send(&request).await;
    }
    host.upstream.take();
    let answer = host.send(&request).await;
    golden::facts(&answer, &host.upstream.take())
}
