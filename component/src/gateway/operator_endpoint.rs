//! `POST /admin/operator`: the operator's questions over HTTP, where a host has no control socket. It exists only when
//! the secret `ADMIN_TOKEN` is set.

use serde_json::{Value, json};

use super::Served;
use super::check::{self, Finding, Level, Origin};
use super::journal::Journal;
use super::limits::Limits;
use super::mcp_endpoint::check_media_type;
use super::operator::{self, GrantPage, OperatorError, Revocation, Selector};
use super::request::{Request, RequestBody};
use super::response::{RETRY_AFTER_SECONDS, Refusal, Response};
use super::setup::Setup;
use crate::config::ConfigError;
use crate::mcp::without_byte_order_mark;
use crate::oauth::secret::{is_equal, sha256};
use crate::ports::{Ports, SecretUnavailable, Secrets, StoreError};

/// Serves a question: existence, method, limit, credential, body, answer.
pub async fn serve<P: Ports, B: RequestBody>(
    ports: &P,
    setup: &Result<Setup, ConfigError>,
    limits: &Limits<'_, P::Limiter>,
    request: &Request,
    body: B,
    journal: &Journal,
) -> Result<Served, Refusal> {
    let secret = ports.secrets().secret("ADMIN_TOKEN").map_err(Refusal::secret_unavailable)?;
    let secret = secret.map(|secret| secret.trim().to_owned());
    let Some(secret) = secret.filter(|secret| secret.len() >= MIN_TOKEN) else { return Err(Refusal::not_found()) };
    if request.method != "POST" {
        return Err(Refusal::method_not_allowed("POST, OPTIONS"));
    }
    let limited = |seconds| Refusal::too_many_requests(seconds, "operator_limit");
    limits.purpose("operator", QUESTIONS_PER_MINUTE).await.map_err(limited)?;
    let authorization = request.headers.single("authorization").map_err(Refusal::conflicting)?.unwrap_or_default();
    if !is_operator(&authorization, &secret) {
        let refusal = Refusal::new(401, "Send the admin token as: Authorization: Bearer <ADMIN_TOKEN>", "admin_token");
        return Err(refusal.with_header("www-authenticate", "Bearer realm=\"plausible-mcp operator\"".to_owned()));
    }
    check_media_type(&request.headers)?;
    let body = body.read(MAX_QUESTION).map_err(|_| malformed())?;
    let question: Value = serde_json::from_slice(without_byte_order_mark(&body)).map_err(|_| malformed())?;
    answer(ports, setup, &question, journal).await.map(|answer| Served::plain(Response::json(200, answer.to_string())))
}

async fn answer<P: Ports>(
    ports: &P,
    setup: &Result<Setup, ConfigError>,
    question: &Value,
    journal: &Journal,
) -> Result<Value, Refusal> {
    let revoke = async |whose: Selector| {
        let outcome = operator::revoke(ports, setup, &whose).await;
        journal.note(operator::act(&whose, &outcome));
        outcome.map_err(refused)
    };
    let text = |name: &str| question.get(name).and_then(Value::as_str);
    let user = text("user").map(|user| Selector::User(user.to_owned()));
    let everybody = question.get("all") == Some(&Value::Bool(true));
    match (text("action"), user, everybody) {
        (Some("check"), ..) => Ok(findings(&check::run(ports, setup).await)),
        (Some("list-grants"), user, _) => {
            let selector = user.unwrap_or(Selector::All);
            operator::list_grants(ports, setup, &selector, text("cursor")).await.map(page).map_err(refused)
        }
        (Some("revoke"), Some(user), false) => done(revoke(user).await?),
        (Some("revoke"), None, true) => done(revoke(Selector::All).await?),
        _ => Err(malformed()),
    }
}

/// Hashes are compared, so that not even the length of the token shows.
pub(super) fn is_operator(authorization: &str, secret: &str) -> bool {
    let (scheme, token) = authorization.split_once(' ').unwrap_or_default();
    let is_equal = is_equal(&sha256(token.trim_matches(' ').as_bytes()), &sha256(secret.as_bytes()));
    scheme.eq_ignore_ascii_case("bearer") && is_equal
}

fn findings(findings: &[Finding]) -> Value {
    let row = |finding: &Finding| {
        let level = match finding.level {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        let origin = match finding.origin {
            Origin::Settings => "settings",
            Origin::Answer => "answer",
            Origin::Unreachable => "unreachable",
        };
        json!({
            "level": level,
            "origin": origin,
            "setting": finding.setting,
            "text": finding.text,
            "advice": finding.advice,
        })
    };
    json!({ "findings": findings.iter().map(row).collect::<Vec<_>>() })
}

fn page(page: GrantPage) -> Value {
    let row = |grant: &operator::ListedGrant| {
        json!({
            "client": grant.client,
            "user": grant.user,
            "created": grant.created,
            "last_issued": grant.last_issued,
            "expires": grant.expires,
        })
    };
    json!({ "grants": page.grants.iter().map(row).collect::<Vec<_>>(), "next": page.next })
}

/// A revocation is acknowledged only when it is confirmed, to who looks at the status alone too.
fn done(revocation: Revocation) -> Result<Value, Refusal> {
    let mut answer = json!({
        "revoked": revocation.revoked,
        "unconfirmed": revocation.unconfirmed,
        "notes": revocation.notes,
    });
    if revocation.is_confirmed {
        return Ok(answer);
    }
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("error".to_owned(), "revocation-unconfirmed".into());
        answer.insert("message".to_owned(), revocation.notes.first().cloned().unwrap_or_default().into());
    }
    let refusal = Refusal::with_response(Response::json(503, answer.to_string()), "operator");
    Err(refusal
        .because(StoreError::UnknownOutcome.reason())
        .with_header("retry-after", RETRY_AFTER_SECONDS.to_string()))
}

fn refused(error: OperatorError) -> Refusal {
    let (status, code, message) = match error {
        OperatorError::NotConfigured => (409, "not-configured", "Sign-in is not set up here, so there are no grants."),
        OperatorError::StoreUnavailable => (503, "store-unavailable", "The store does not answer. Try again."),
        OperatorError::SecretUnavailable => {
            (503, "secret-unavailable", "A secret cannot be read; the host's log says which and why. Try again.")
        }
        OperatorError::NewerRecord => {
            (503, "newer-record", "A newer version of this server wrote some of the grants. Ask that version.")
        }
        OperatorError::InvalidArgument => {
            (400, "invalid-argument", "Write a whole e-mail address, and the cursor as it was given.")
        }
    };
    let cause = match error {
        OperatorError::NewerRecord => Some(StoreError::NewerRecord.reason()),
        OperatorError::StoreUnavailable => Some(StoreError::Unavailable.reason()),
        OperatorError::SecretUnavailable => Some(SecretUnavailable.reason()),
        OperatorError::NotConfigured | OperatorError::InvalidArgument => None,
    };
    let body = json!({ "error": code, "message": message }).to_string();
    Refusal::with_response(Response::json(status, body), "operator").because(cause)
}

fn malformed() -> Refusal {
    let message = "Send {\"action\":\"check\"}, {\"action\":\"list-grants\"} or {\"action\":\"revoke\"} with \
                   \"user\":\"a@example.com\" or \"all\":true.";
    let body = json!({ "error": "invalid-request", "message": message }).to_string();
    Refusal::with_response(Response::json(400, body), "operator")
}

/// A shorter token could be guessed.
pub(super) const MIN_TOKEN: usize = 32;

const QUESTIONS_PER_MINUTE: u32 = 60;

pub(super) const MAX_QUESTION: usize = 16 * 1024;
