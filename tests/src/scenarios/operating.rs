//! Liveness, and what the operator asks through `/admin/operator`.

use serde_json::{Value, json};

use crate::http_client::{Answer, Request};
use crate::site::Site;

pub(super) async fn the_deployment_is_alive(site: Site) {
    let answer = site.get("/healthz").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "{\"status\":\"ok\"}"));
}

pub(super) async fn the_operator_sees_no_error(site: Site) {
    let refused = Request::new("POST", "/admin/operator").header("Content-Type", "application/json");
    assert_eq!(site.send(refused.body(r#"{"action":"check"}"#)).await.status, 401, "anybody may ask");
    let answer = ask(&site, &json!({ "action": "check" })).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let document = answer.json();
    let findings = document.get("findings").or(Some(&document)).and_then(Value::as_array).cloned().unwrap_or_default();
    assert!(!findings.is_empty(), "there is no finding: {}", answer.text());
    let errors: Vec<_> = findings.iter().filter(|finding| finding.get("level") == Some(&json!("error"))).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

pub(super) async fn the_operator_ends_grants_at_once(site: Site) {
    let email = site.email.clone().expect("the scenario needs a simulated Access");
    let tokens = site.tokens(&site.client().await).await;
    let answer = ask(&site, &json!({ "action": "list-grants", "user": email })).await;
    let grants = answer.json().get("grants").and_then(Value::as_array).cloned().unwrap_or_default();
    let has_user = |grant: &Value| grant.get("user").and_then(Value::as_str).is_some_and(|user| user.len() == 64);
    assert!(!grants.is_empty() && grants.iter().all(has_user), "{}", answer.text());
    assert!(!answer.text().contains(&email), "the list names a user");
    let answer = ask(&site, &json!({ "action": "revoke", "user": email })).await;
    assert!(answer.json().get("revoked").and_then(Value::as_u64).is_some_and(|count| count > 0), "{}", answer.text());
    assert_eq!(site.list_tools(&tokens.access).await.status, 401, "a revoked token is taken");
}

async fn ask(site: &Site, question: &Value) -> Answer {
    let token = site.admin_token.as_deref().expect("the scenario needs the admin token");
    let request = Request::new("POST", "/admin/operator").header("Content-Type", "application/json");
    site.send(request.bearer(token).body(question.to_string())).await
}
