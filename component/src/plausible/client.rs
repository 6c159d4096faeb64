//! Sends a query and makes sense of what comes back.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::answer::Answer;
use super::query::LegalQuery;
use super::retry_after;
use crate::legible::legible;
use crate::ports::{HttpError, HttpMethod, HttpRequest, HttpResponse, OutboundHttp, Reach, Timestamp, Upstream};

/// Answers queries. The tools ask through it, so that the gateway may put something between them and Plausible.
#[expect(async_fn_in_trait, reason = "a component instance is single-threaded: futures need not be Send")]
pub trait StatsApi {
    /// Asks. Futures that are polled together run at the same time.
    async fn query(&self, query: &LegalQuery) -> Result<Answer, QueryError>;
}

/// Plausible, as one key sees it.
pub struct Client<'a, H> {
    http: &'a H,
    base_url: &'a str,
    key: &'a str,
    traceparent: Option<String>,
    now: Option<Timestamp>,
}

/// Why a query has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryError {
    /// 400: the query. Plausible's words.
    Refused(Option<String>),
    /// 401: the key is wrong, or it cannot see the site.
    Unauthorized,
    /// 402: the plan.
    PaymentRequired(Option<String>),
    /// 404: there is no Stats API version 2 at this address.
    NotFound,
    /// 429: too many requests. Plausible's words.
    RateLimited(Option<String>),
    /// 429 or 503 with the header `Retry-After`.
    AskedToWait {
        /// The status.
        status: u16,
        /// Plausible's words.
        words: Option<String>,
        /// The seconds that Plausible asks to wait, at most an hour.
        retry_after: u32,
    },
    /// 3xx: the address is not Plausible's own.
    Redirected,
    /// 5xx: Plausible.
    ServerFault(u16),
    /// Another status. Plausible's words.
    UnexpectedStatus(u16, Option<String>),
    /// A 200 that is not the documented JSON.
    UnexpectedAnswer,
    /// No answer came.
    Unreachable(HttpError),
    /// Nothing was sent: so much was asked already in this hour.
    OverBudget {
        /// Who has asked so much.
        spender: Spender,
        /// The seconds until the next hour.
        retry_after: u32,
    },
}

/// Whose budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spender {
    /// The user's share of it.
    User,
    /// That of everybody together.
    Everybody,
}

impl QueryError {
    /// The seconds after which it is worth to ask again, where that is known.
    pub fn retry_after(&self) -> Option<u32> {
        match self {
            QueryError::AskedToWait { retry_after, .. } | QueryError::OverBudget { retry_after, .. } => {
                Some(*retry_after)
            }
            QueryError::Unreachable(error) => error.retry_after(),
            _ => None,
        }
    }
}

impl<'a, H: OutboundHttp> Client<'a, H> {
    /// Plausible at `base_url`, asked with `key`.
    pub fn new(http: &'a H, base_url: &'a str, key: &'a str) -> Self {
        Client { http, base_url, key, traceparent: None, now: None }
    }

    /// The same, with the header `traceparent` in every request.
    pub fn traced(self, traceparent: String) -> Self {
        Client { traceparent: Some(traceparent), ..self }
    }

    /// The same at a known time, from which dates are counted.
    pub fn at(self, now: Timestamp) -> Self {
        Client { now: Some(now), ..self }
    }

    /// Why the host would not send a query now, where it would not: Plausible does not answer, or has asked to wait.
    pub async fn refusal(&self, query: &LegalQuery) -> Option<QueryError> {
        let refusal = self.http.refusal(&self.request(query.json().to_string())).await;
        refusal.map(QueryError::Unreachable)
    }

    /// Asks, and returns the body of a 200 as it came. A fault of the connection is tried once more: a query changes
    /// nothing. Nothing else is.
    pub async fn body(&self, query: &LegalQuery) -> Result<Vec<u8>, QueryError> {
        let request = self.request(query.json().to_string());
        let response = match self.http.send(request.clone()).await {
            Err(HttpError::ConnectFailed | HttpError::Interrupted) => self.http.send(request).await,
            outcome => outcome,
        };
        body_of(response.map_err(QueryError::Unreachable)?, self.now)
    }

    fn request(&self, body: String) -> HttpRequest {
        let headers = [
            ("authorization", format!("Bearer {}", self.key)),
            ("content-type", "application/json".to_owned()),
            ("accept", "application/json".to_owned()),
            ("user-agent", concat!("plausible-mcp/", env!("CARGO_PKG_VERSION")).to_owned()),
        ];
        let traceparent = self.traceparent.iter().map(|value| ("traceparent", value.clone()));
        HttpRequest {
            upstream: Upstream::Plausible,
            method: HttpMethod::Post,
            url: format!("{}/api/v2/query", self.base_url),
            headers: headers.into_iter().chain(traceparent).map(|(name, value)| (name.to_owned(), value)).collect(),
            coalesce: Some(self.fingerprint(&body)),
            body: Some(body.into_bytes()),
            timeout_milliseconds: TIMEOUT_MILLISECONDS,
            max_response_bytes: MAX_ANSWER_BYTES,
            reach: Reach::Configured,
        }
    }

    /// Everything that distinguishes a query from another, hashed: the host sees no key in it.
    fn fingerprint(&self, body: &str) -> String {
        let digest = Sha256::new()
            .chain_update(self.base_url)
            .chain_update([0])
            .chain_update(self.key)
            .chain_update([0])
            .chain_update(body)
            .finalize();
        URL_SAFE_NO_PAD.encode(digest)
    }
}

impl<H: OutboundHttp> StatsApi for Client<'_, H> {
    async fn query(&self, query: &LegalQuery) -> Result<Answer, QueryError> {
        Answer::read(&self.body(query).await?).ok_or(QueryError::UnexpectedAnswer)
    }
}

fn body_of(response: HttpResponse, now: Option<Timestamp>) -> Result<Vec<u8>, QueryError> {
    if let (status @ (429 | 503), Some(retry_after)) = (response.status, retry_after::seconds(&response, now)) {
        return Err(QueryError::AskedToWait { status, words: words(&response.body), retry_after });
    }
    match response.status {
        200 => Ok(response.body),
        400 => Err(QueryError::Refused(words(&response.body))),
        401 => Err(QueryError::Unauthorized),
        402 => Err(QueryError::PaymentRequired(words(&response.body))),
        404 => Err(QueryError::NotFound),
        429 => Err(QueryError::RateLimited(words(&response.body))),
        300..=399 => Err(QueryError::Redirected),
        status @ 500..=599 => Err(QueryError::ServerFault(status)),
        status => Err(QueryError::UnexpectedStatus(status, words(&response.body))),
    }
}

/// The text of `{"error": …}`, fit to be read.
fn words(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let line = one_line(value.get("error")?.as_str()?);
    (!line.is_empty()).then_some(line)
}

/// Words of Plausible's, on one line, without what is not seen, and cut: they repeat what visitors and callers wrote.
pub(super) fn one_line(text: &str) -> String {
    let line = text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    let line = legible(&line);
    let mut cut: String = line.chars().take(MAX_WORDS).collect();
    if cut.len() < line.len() {
        cut.push('…');
    }
    cut
}

/// Plausible answers within seconds; its slowest queries over years take tens of seconds. Below the request deadline
/// of the host, so that the model is told.
const TIMEOUT_MILLISECONDS: u32 = 25_000;

/// Ten thousand rows of long values are a few megabytes.
const MAX_ANSWER_BYTES: u32 = 8 * 1024 * 1024;

/// How much of Plausible's own text a model gets, in characters: its longest message has about 300.
const MAX_WORDS: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plausible::{DateRange, Metric, Query};
    use crate::ports::ScriptedHttp;
    use futures_util::FutureExt;

    fn ask(http: &ScriptedHttp) -> Result<Answer, QueryError> {
        let query = Query::new("a.example".into(), vec![Metric::Visitors], DateRange::Relative("7d".into()));
        let query = query.check().unwrap();
        Client::new(http, "https://plausible.example", "secret-key").query(&query).now_or_never().unwrap()
    }

    #[test]
    fn a_fault_of_the_connection_is_tried_once_more() {
        for error in [HttpError::ConnectFailed, HttpError::Interrupted] {
            let http = ScriptedHttp::default();
            http.fail(error);
            http.answer(200, r#"{"results":[]}"#);
            assert!(ask(&http).is_ok());
            http.fail(error);
            http.fail(error);
            assert_eq!(ask(&http), Err(QueryError::Unreachable(error)));
            assert_eq!(http.requests.borrow().len(), 4);
        }
    }

    #[test]
    fn nothing_else_is_tried_again() {
        for status in [204, 302, 400, 401, 402, 404, 418, 429, 500, 503] {
            let http = ScriptedHttp::default();
            http.answer(status, r#"{"error":"words"}"#);
            assert!(ask(&http).is_err());
            assert_eq!(http.requests.borrow().len(), 1, "{status}");
        }
        let http = ScriptedHttp::default();
        http.fail(HttpError::TimedOut);
        assert_eq!(ask(&http), Err(QueryError::Unreachable(HttpError::TimedOut)));
        assert_eq!(http.requests.borrow().len(), 1);
    }

    #[test]
    fn the_fingerprint_tells_keys_apart_and_shows_none() {
        let http = ScriptedHttp::default();
        let of = |key| Client::new(&http, "https://p.example", key).fingerprint("{}");
        assert_ne!(of("key-one"), of("key-two"));
        assert_eq!(of("key-one"), of("key-one"));
        assert!(!of("key-one").contains("key"));
    }

    #[test]
    fn plausibles_words_are_cut_and_on_one_line() {
        let long = format!(r#"{{"error":"a\n b\u0007 {}"}}"#, "x".repeat(600));
        let words = words(long.as_bytes()).unwrap();
        assert!(words.starts_with("a b\u{fffd} x"), "{words}");
        assert!(words.ends_with("x…") && words.chars().count() == MAX_WORDS + 1, "{words}");
        let hidden = r#"{"error":"Goal `a\u202eb\udb40\udc41` is not configured"}"#;
        assert_eq!(super::words(hidden.as_bytes()).unwrap(), "Goal `a\u{fffd}b\u{fffd}` is not configured");
        assert_eq!(super::words(b"<html>"), None);
    }
}
