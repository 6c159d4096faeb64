//! `/internal`: discovery, registration, consent, tokens, and single use when many ask at once.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::at_once;
use crate::http_client::{Answer, Request};
use crate::mcp_request::modern;
use crate::sign_in::{Browser, Client, Tokens};
use crate::site::Site;

pub(super) async fn metadata_names_this_deployment(site: Site) {
    let origin = site.origin.to_string();
    let server = site.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(server.get("issuer"), Some(&json!(origin)));
    for endpoint in ["authorization_endpoint", "token_endpoint", "revocation_endpoint"] {
        let address = server.get(endpoint).and_then(Value::as_str).unwrap_or_default();
        assert!(address.starts_with(&origin), "{endpoint} is {address:?}");
    }
    let resource = site.get("/.well-known/oauth-protected-resource/internal").await.json();
    assert_eq!(resource.get("resource"), Some(&json!(format!("{origin}/internal"))));
    let slashed = site.get("/.well-known/oauth-protected-resource/internal/").await.json();
    assert_eq!(slashed.get("resource"), Some(&json!(format!("{origin}/internal/"))));
    let other = site.get("/.well-known/oauth-protected-resource/mcp").await.json();
    assert_eq!(other.get("resource"), Some(&json!(format!("{origin}/mcp"))));
    assert_eq!(other.get("authorization_servers"), None, "nobody signs in for /mcp");
}

pub(super) async fn internal_is_challenged_with_its_metadata(site: Site) {
    let answer = site.send(modern("tools/list", json!({})).path("/internal").without("Authorization")).await;
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    assert_eq!(answer.status, 401, "{}", answer.text());
    let metadata = format!("{}/.well-known/oauth-protected-resource/internal", site.origin);
    assert!(challenge.contains(&metadata) && !challenge.contains("error="), "the challenge is {challenge:?}");
    for other in ["pmcp_r_", "pmcp_c_", "pmcp_a_"] {
        let answer = site.list_tools(&format!("{other}{}", "A".repeat(43))).await;
        assert_eq!(answer.status, 401, "{}", answer.text());
    }
}

pub(super) async fn a_client_that_registers_twice_is_one_client(site: Site) {
    let mut registrations = Vec::new();
    for _ in 0..REGISTRATIONS {
        let site = site.clone();
        registrations.push(tokio::spawn(async move { site.client().await.id }));
    }
    let mut ids = BTreeSet::new();
    for registration in registrations {
        ids.insert(registration.await.expect("a registration does not panic"));
    }
    assert_eq!(ids.len(), 1, "one client has {} ids", ids.len());
}

pub(super) async fn a_denied_request_is_over(site: Site) {
    let (client, mut browser) = (site.client().await, Browser::default());
    let consent = browser.visit(&client.authorization_url("s1")).await;
    assert_eq!(consent.answer.status, 200, "{}", consent.answer.text());
    let policy = consent.answer.header("content-security-policy").unwrap_or_default().to_owned();
    assert!(policy.contains("frame-ancestors 'none'"), "the policy is {policy:?}");
    let denied = browser.submit(&consent.form().with("decision", "deny")).await;
    assert_eq!(denied.parameter("error").as_deref(), Some("access_denied"), "at {}", denied.url);
    let again = browser.submit(&consent.form().with("decision", "approve")).await;
    assert!(again.answer.status >= 400, "a denied request is approved: {}", again.url);
}

pub(super) async fn a_user_signs_in_asks_refreshes_and_leaves(site: Site) {
    let client = site.client().await;
    let tokens = site.tokens(&client).await;
    let answer = site.call_internal(&tokens.access, "get_timeseries", json!({ "date_range": "7d" })).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json().pointer("/result/isError").unwrap_or(&Value::Null), &Value::Null, "{}", answer.text());
    let next = Tokens::of(&client.refresh(&tokens.refresh).await);
    assert_eq!(site.list_tools(&next.access).await.status, 200);
    assert_eq!(site.list_tools(&next.refresh).await.status, 401, "a refresh token is taken for an access token");
    assert_eq!(client.revoke(&next.refresh).await.status, 200);
    for token in [&tokens.access, &next.access] {
        assert_eq!(site.list_tools(token).await.status, 401, "a revoked token is taken");
    }
}

pub(super) async fn a_code_is_redeemed_once_under_many_requests(site: Site) {
    let client = site.client().await;
    for _ in 0..ROUNDS {
        let code = site.code(&client).await;
        let answers = at_once(AT_ONCE, || redeem(client.clone(), code.clone())).await;
        let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(won.len(), 1, "{:?}", statuses(&answers));
        assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 400 | 503)), "{:?}", statuses(&answers));
        let token = won.first().map(|answer| Tokens::of(answer)).expect("one");
        assert_eq!(site.list_tools(&token.access).await.status, 200);
    }
}

pub(super) async fn refreshes_at_once_give_one_pair_of_tokens(site: Site) {
    let client = site.client().await;
    let tokens = site.tokens(&client).await;
    let answers = at_once(AT_ONCE, || refresh(client.clone(), tokens.refresh.clone())).await;
    let won = answers.iter().filter(|answer| answer.status == 200);
    let pairs: BTreeSet<_> = won.map(|answer| Tokens::of(answer).access).collect();
    assert_eq!(pairs.len(), 1, "{:?}", statuses(&answers));
    assert_eq!(site.list_tools(pairs.first().expect("one")).await.status, 200, "the client is signed out");
}

/// Records of a sign-in outlive the process: a token and a refresh token still work after `restart`, and nothing that
/// was used before can be used again.
pub async fn records_outlive_a_restart(site: &Site, restart: impl AsyncFnOnce()) {
    let client = site.client().await;
    let code = site.code(&client).await;
    let tokens = Tokens::of(&client.redeem(&code).await);
    restart().await;
    assert_eq!(site.list_tools(&tokens.access).await.status, 200, "the token is gone");
    let again = client.redeem(&code).await;
    assert_eq!(again.status, 400, "a code was redeemed before and after the restart: {}", again.text());
    let other = site.tokens(&client).await;
    let next = Tokens::of(&client.refresh(&other.refresh).await);
    assert_eq!(site.list_tools(&next.access).await.status, 200, "the refreshed token is not taken");
}

/// Where no record can be kept, that is said, and to come back later.
pub async fn nobody_registers_without_records(site: &Site) {
    let metadata =
        json!({ "redirect_uris": ["https://client.example/callback"], "token_endpoint_auth_method": "none" });
    let request = Request::new("POST", "/register").header("Content-Type", "application/json");
    let answer = site.send(request.body(metadata.to_string())).await;
    assert_eq!(answer.status, 503, "records can be kept, so every scenario should run: {}", answer.text());
    assert!(answer.header("retry-after").is_some());
}

async fn redeem(client: Client, code: String) -> Answer {
    client.redeem(&code).await
}

async fn refresh(client: Client, token: String) -> Answer {
    client.refresh(&token).await
}

fn statuses(answers: &[Answer]) -> Vec<u16> {
    answers.iter().map(|answer| answer.status).collect()
}

/// Fewer than the ten registrations a minute that an address may make.
const REGISTRATIONS: usize = 4;
/// As in the trials of the stores of hosts.
const AT_ONCE: usize = 20;
const ROUNDS: usize = 2;
