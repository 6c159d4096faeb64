//! Sign-in from end to end: the real component in the real host, the simulated Access, a browser and a client.

use std::collections::BTreeSet;

use plausible_mcp_host::Selector;
use plausible_mcp_tests::http_client::{Answer, Request};
use plausible_mcp_tests::sign_in::{Browser, Client, Deployment, Tokens, sent_back_to};
use serde_json::{Value, json};

const EMAIL: &str = "ada.marked@example.com";

#[tokio::test]
async fn a_user_signs_in_asks_refreshes_and_is_signed_out() {
    let deployment = Deployment::start().await;
    let challenge = deployment.send(deployment.tools_request()).await;
    let header = challenge.header("www-authenticate").unwrap_or_default().to_owned();
    assert_eq!(challenge.status, 401);
    assert!(header.contains("resource_metadata=") && !header.contains("error="), "{header}");
    let client = deployment.client().await;
    let back = deployment.sign_in(&mut Browser::default(), &client, "client-state", EMAIL).await;
    sent_back_to(&back, "client-state", &deployment.public_url());
    let code = back.parameter("code").expect("a code");
    let tokens = Tokens::of(&client.redeem(&code).await);
    let listed = deployment.list_tools(&tokens.access).await;
    assert_eq!(listed.status, 200, "{}", listed.text());
    assert_eq!(listed.json().pointer("/result/cacheScope"), Some(&json!("private")));
    let next = Tokens::of(&client.refresh(&tokens.refresh).await);
    assert_eq!(deployment.list_tools(&next.access).await.status, 200);
    assert_eq!(client.revoke(&next.refresh).await.status, 200);
    for access in [&tokens.access, &next.access] {
        assert_eq!(deployment.list_tools(access).await.status, 401);
    }
}

#[tokio::test]
async fn a_failed_callback_can_be_retried_after_signing_out_of_the_wrong_account() {
    let deployment = Deployment::start().await;
    let (client, mut browser) = (deployment.client().await, Browser::default());
    let refused = deployment.sign_in(&mut browser, &client, "s1", "eve@elsewhere.example").await;
    assert_eq!(refused.answer.status, 403, "{}", refused.answer.text());
    assert!(refused.answer.text().contains("example.com") && !refused.answer.text().contains("eve@"));
    let again = browser.submit(&refused.form().with("decision", "approve")).await;
    assert_eq!(again.answer.status, 403, "the session at Access still has the wrong account");
    let sign_out = refused.link("logout").expect("a link that signs out");
    assert_eq!(browser.visit(&sign_out).await.answer.status, 200);
    let login = browser.submit(&again.form().with("decision", "approve")).await;
    let back = browser.submit(&login.form().with("email", EMAIL)).await;
    sent_back_to(&back, "s1", &deployment.public_url());
}

#[tokio::test]
async fn the_consent_form_cannot_change_the_request() {
    let deployment = Deployment::start().await;
    let (client, mut browser) = (deployment.client().await, Browser::default());
    let consent = browser.visit(&client.authorization_url("s1")).await;
    let form =
        consent.form().with("decision", "deny").with("redirect_uri", "https://evil.example/").with("state", "s2");
    let back = browser.submit(&form).await;
    sent_back_to(&back, "s1", &deployment.public_url());
    assert_eq!(back.parameter("error").as_deref(), Some("access_denied"));
}

#[tokio::test]
async fn a_code_is_redeemed_once_under_fifty_requests_at_once() {
    let deployment = Deployment::start().await;
    let client = deployment.client().await;
    let back = deployment.sign_in(&mut Browser::default(), &client, "s1", EMAIL).await;
    let code = back.parameter("code").expect("a code");
    let answers = at_once(50, || redeem(client.clone(), code.clone())).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 400)));
    let winner = answers.iter().find(|answer| answer.status == 200).expect("one");
    assert_eq!(deployment.list_tools(&Tokens::of(winner).access).await.status, 200);
}

#[tokio::test]
async fn twenty_refreshes_at_once_give_one_pair_of_tokens() {
    let deployment = Deployment::start().await;
    let client = deployment.client().await;
    let tokens = deployment.tokens(&client, EMAIL).await;
    let answers = at_once(20, || refresh(client.clone(), tokens.refresh.clone())).await;
    let pairs: BTreeSet<_> = answers
        .iter()
        .filter(|answer| answer.status == 200)
        .map(|answer| answer.json().get("access_token").and_then(Value::as_str).expect("a token").to_owned())
        .collect();
    assert_eq!(pairs.len(), 1);
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 400)));
    assert_eq!(deployment.list_tools(pairs.first().expect("one")).await.status, 200, "the client stays signed in");
}

#[tokio::test]
async fn the_store_and_the_log_hold_nothing_in_the_clear() {
    let deployment = Deployment::start().await;
    let (client, mut browser) =
        (Client::register(deployment.harness.address(), "client_secret_post").await, Browser::default());
    let back = deployment.sign_in(&mut browser, &client, "marked-client-state", EMAIL).await;
    let code = back.parameter("code").expect("a code");
    let tokens = Tokens::of(&client.redeem(&code).await);
    deployment.list_tools(&tokens.access).await;
    let wrong =
        deployment.sign_in(&mut Browser::default(), &client, "marked-client-state", "marked.eve@x.example").await;
    let records = deployment.records().await.join("\n");
    let log = deployment.harness.log().await;
    assert!(records.contains("grant/") && log.contains("\"route\":\"/callback\""));
    let cookies = browser.cookie_values();
    let secret = client.secret.clone().expect("a secret");
    let marks = [EMAIL, "marked", &code, &tokens.access, &tokens.refresh, &secret, Deployment::ACCESS_SECRET];
    for mark in marks.into_iter().chain(cookies.iter().map(String::as_str)) {
        assert!(!records.contains(mark), "a record shows {mark}");
        assert!(!log.contains(mark), "the log shows {mark}");
    }
    assert!(!wrong.answer.text().contains("marked.eve"), "a page shows an address");
}

#[tokio::test]
async fn no_other_token_passes_for_an_access_token() {
    let deployment = Deployment::start().await;
    let client = deployment.client().await;
    let back = deployment.sign_in(&mut Browser::default(), &client, "s1", EMAIL).await;
    let code = back.parameter("code").expect("a code");
    assert_eq!(deployment.list_tools(&code).await.status, 401);
    let tokens = Tokens::of(&client.redeem(&code).await);
    let [id_token, access_token] = deployment.access_tokens(EMAIL).await;
    for other in [&tokens.refresh, &id_token, &access_token] {
        assert_eq!(deployment.list_tools(other).await.status, 401);
    }
    for ours in [&tokens.access, &tokens.refresh, &code] {
        let request = deployment.tools_request().path("/mcp").bearer(ours);
        assert_eq!(deployment.send(request).await.status, 401, "a token of ours reaches Plausible");
    }
}

#[tokio::test]
async fn an_assertion_is_accepted_and_a_malformed_one_is_403() {
    let deployment = Deployment::start_with_assertions().await;
    let asserted = |assertion: &str| deployment.tools_request().header("Cf-Access-Jwt-Assertion", assertion);
    let good = deployment.assertion(EMAIL, Deployment::AUDIENCE);
    for _ in 0..2 {
        assert_eq!(deployment.send(asserted(&good)).await.status, 200);
    }
    let elsewhere = deployment.assertion("eve@elsewhere.example", Deployment::AUDIENCE);
    let other = deployment.assertion(EMAIL, "another-application");
    for assertion in [elsewhere.as_str(), &other, "x", "a.b.c", "....", "eyJhbGciOiJub25lIn0.e30."] {
        assert_eq!(deployment.send(asserted(assertion)).await.status, 403);
    }
    let tokens = deployment.tokens(&deployment.client().await, EMAIL).await;
    assert_eq!(deployment.send(asserted("x").bearer(&tokens.access)).await.status, 403, "the assertion decides alone");
    assert_eq!(deployment.list_tools(&tokens.access).await.status, 200);
}

#[tokio::test]
async fn the_operator_sees_grants_without_names_and_ends_them_at_once() {
    let deployment = Deployment::start_with_assertions().await;
    let client = deployment.client().await;
    let (ada, bob) = (deployment.tokens(&client, EMAIL).await, deployment.tokens(&client, "bob@example.com").await);
    let host = deployment.harness.host();
    let page = host.list_grants(&Selector::All, None).await.expect("an answer").expect("grants");
    assert_eq!((page.grants.len(), page.next), (2, None));
    assert!(page.grants.iter().all(|grant| grant.client == "Scenario" && grant.expires > grant.created));
    assert!(page.grants.iter().all(|grant| grant.user.len() == 64) && page.grants[0].user != page.grants[1].user);
    let of_ada = Selector::User(EMAIL.to_uppercase());
    let page = host.list_grants(&of_ada, None).await.expect("an answer").expect("grants");
    assert_eq!(page.grants.len(), 1);
    let done = host.revoke(&of_ada).await.expect("an answer").expect("a revocation");
    assert_eq!(done.revoked, 1);
    assert!(done.notes.iter().any(|note| note.contains("Cloudflare Access")), "{:?}", done.notes);
    assert_eq!(deployment.list_tools(&ada.access).await.status, 401);
    assert_eq!(deployment.list_tools(&bob.access).await.status, 200);
    assert_eq!(host.revoke(&Selector::All).await.expect("an answer").expect("a revocation").revoked, 1);
    assert_eq!(deployment.list_tools(&bob.access).await.status, 401);
    let findings = host.check().await.expect("findings");
    assert!(findings.iter().any(|finding| finding.setting == "ACCESS_ISSUER" && finding.text.contains("answers")));
    assert!(findings.iter().any(|finding| finding.text.contains("/callback")));
}

#[tokio::test]
async fn metadata_is_the_same_whatever_host_a_request_claims() {
    let deployment = Deployment::start().await;
    let path = "/.well-known/oauth-authorization-server";
    let document = deployment.get(path).await.json();
    assert_eq!(document.get("issuer"), Some(&json!(deployment.public_url())));
    let forged = Request::new("GET", path).header("X-Forwarded-Host", "evil.example").header("Host", "localhost");
    assert_eq!(deployment.harness.send(&forged).await.json(), document);
    let evil = Request::new("GET", path).header("Host", "evil.example");
    assert_eq!(deployment.harness.send(&evil).await.status, 403);
}

async fn redeem(client: Client, code: String) -> Answer {
    client.redeem(&code).await
}

async fn refresh(client: Client, token: String) -> Answer {
    client.refresh(&token).await
}

async fn at_once<F>(count: usize, request: impl Fn() -> F) -> Vec<Answer>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let tasks: Vec<_> = (0..count).map(|_| tokio::spawn(request())).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.expect("a request does not panic"));
    }
    answers
}
