//! Sends an envelope: once, within two seconds, and after a failure not at all for a while.
//!
//! That Sentry failed has to outlive the instance, so it stands in the store. The rate limiter would not do: it cannot
//! be asked without taking from it. A pause costs a read per envelope and a write per failure, both after the caller has
//! the answer.

use crate::ports::{
    HttpError, HttpMethod, HttpRequest, HttpResponse, OauthStore, OutboundHttp, Reach, SecretUnavailable, Timestamp,
    Upstream,
};

/// Where envelopes go. It holds the DSN's key, so it has no `Debug`.
pub struct Destination<'a> {
    /// The address of the envelope endpoint.
    pub url: &'a str,
    /// The public key of the DSN.
    pub public_key: &'a str,
}

/// What became of an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Sentry has it.
    Sent,
    /// Sentry failed a while ago, or the host has no place for another report, so nothing was sent.
    Paused,
    /// Sentry refused it with this status; a pause begins.
    Refused(u16),
    /// Sentry did not answer; a pause begins.
    Failed(HttpError),
    /// Where Sentry is cannot be read at the moment, so nothing was sent.
    NoDestination(SecretUnavailable),
}

impl Delivery {
    /// A line for the log when a pause begins or nothing could be sent, without its end.
    pub fn line(self, now: Timestamp) -> Option<String> {
        let what = match self {
            Delivery::Sent | Delivery::Paused => return None,
            Delivery::Refused(status) => format!("\"cause\":\"refused\",\"upstream_status\":{status}"),
            Delivery::Failed(error) => format!("\"cause\":\"{}\"", error.words()),
            Delivery::NoDestination(unavailable) => format!("\"cause\":\"{}\"", unavailable.reason()),
        };
        let ts = now.iso();
        Some(format!(
            "{{\"ts\":\"{ts}\",\"level\":\"warn\",\"event\":\"sentry_paused\",{what},\"setting\":\"SENTRY_DSN\"}}"
        ))
    }
}

/// Sends an envelope unless there is a pause.
pub async fn deliver(
    http: &impl OutboundHttp,
    store: &impl OauthStore,
    destination: &Destination<'_>,
    envelope: String,
) -> Delivery {
    if is_paused(store).await {
        return Delivery::Paused;
    }
    match http.send(request(destination, envelope)).await {
        Ok(HttpResponse { status: 200..=299, .. }) => Delivery::Sent,
        Ok(response) => {
            pause(store, asked_to_wait(&response)).await;
            Delivery::Refused(response.status)
        }
        // That many reports are under way says nothing about Sentry.
        Err(HttpError::Busy { .. }) => Delivery::Paused,
        Err(error) => {
            pause(store, PAUSE_SECONDS).await;
            Delivery::Failed(error)
        }
    }
}

/// Sends an envelope with nothing in it, whatever became of others: it shows in Sentry nowhere, and tells whether the key
/// is right.
pub async fn try_out(http: &impl OutboundHttp, destination: &Destination<'_>) -> Delivery {
    match http.send(request(destination, "{}\n".to_owned())).await {
        Ok(HttpResponse { status: 200..=299, .. }) => Delivery::Sent,
        Ok(response) => Delivery::Refused(response.status),
        Err(error) => Delivery::Failed(error),
    }
}

/// Whether nothing is sent at the moment. A store that does not answer pauses nothing: that is worth a report.
pub async fn is_paused(store: &impl OauthStore) -> bool {
    matches!(store.get(PAUSE_KEY).await, Ok(Some(_)))
}

async fn pause(store: &impl OauthStore, seconds: u32) {
    // Without the mark the next request tries again, within the same two seconds.
    let _ = store.put(PAUSE_KEY, b"1", seconds).await;
}

fn request(destination: &Destination<'_>, envelope: String) -> HttpRequest {
    let key = destination.public_key;
    let authentication = format!("Sentry sentry_version=7, sentry_client={CLIENT}, sentry_key={key}");
    HttpRequest {
        upstream: Upstream::Telemetry,
        method: HttpMethod::Post,
        url: destination.url.to_owned(),
        headers: vec![
            ("content-type".to_owned(), "application/x-sentry-envelope".to_owned()),
            ("user-agent".to_owned(), CLIENT.to_owned()),
            ("x-sentry-auth".to_owned(), authentication),
        ],
        body: Some(envelope.into_bytes()),
        timeout_milliseconds: TIMEOUT_MILLISECONDS,
        max_response_bytes: MAX_ANSWER_BYTES,
        reach: Reach::Configured,
        coalesce: None,
    }
}

/// `Retry-After` in seconds, within bounds (<https://develop.sentry.dev/sdk/foundations/transport/rate-limiting/>).
fn asked_to_wait(response: &HttpResponse) -> u32 {
    let header = response.headers.iter().find(|(name, _)| name == "retry-after");
    let seconds = header.and_then(|(_, value)| value.trim().parse::<u32>().ok());
    seconds.unwrap_or(PAUSE_SECONDS).clamp(PAUSE_SECONDS, MAX_PAUSE_SECONDS)
}

/// The mark of a pause. It says nothing but that it is there.
const PAUSE_KEY: &str = "telemetry/paused";

const CLIENT: &str = concat!("plausible-mcp/", env!("CARGO_PKG_VERSION"));

/// Long enough for another continent; an instance waits for it, though no caller does.
const TIMEOUT_MILLISECONDS: u32 = 2_000;

/// Sentry answers with an id.
const MAX_ANSWER_BYTES: u32 = 16 * 1024;

/// Sentry's SDKs wait as long when they are refused without a word about when to come back.
const PAUSE_SECONDS: u32 = 60;

/// A longer pause would outlast most outages.
const MAX_PAUSE_SECONDS: u32 = 60 * 60;

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::ports::{FixedClock, MemoryStore, ScriptedHttp};

    const DESTINATION: Destination<'static> =
        Destination { url: "https://sentry.example/api/7/envelope/", public_key: "abc" };

    fn send(http: &ScriptedHttp, store: &MemoryStore<FixedClock>) -> Delivery {
        deliver(http, store, &DESTINATION, "{}\n".into()).now_or_never().unwrap()
    }

    #[test]
    fn an_envelope_is_sent_once_and_within_two_seconds() {
        let (http, store) = (ScriptedHttp::default(), MemoryStore::new(FixedClock::default()));
        http.answer(200, "{}");
        assert_eq!(send(&http, &store), Delivery::Sent);
        let requests = http.requests.borrow();
        let [request] = requests.as_slice() else { panic!("{} requests", requests.len()) };
        assert_eq!((request.url.as_str(), request.timeout_milliseconds), (DESTINATION.url, 2_000));
        assert!(request.headers.iter().any(|(_, value)| value.ends_with("sentry_key=abc")));
        assert!(store.dump().is_empty(), "success leaves nothing behind");
    }

    #[test]
    fn a_host_without_a_place_says_nothing_about_sentry() {
        let (http, store) = (ScriptedHttp::default(), MemoryStore::new(FixedClock::default()));
        http.fail(HttpError::Busy { retry_after: 1 });
        assert_eq!(send(&http, &store), Delivery::Paused);
        assert!(store.dump().is_empty(), "no pause begins");
        http.answer(200, "{}");
        assert_eq!(send(&http, &store), Delivery::Sent);
    }

    #[test]
    fn after_a_failure_nothing_is_sent_for_a_while() {
        let refused = |retry_after: &str| {
            let headers = vec![("retry-after".to_owned(), retry_after.to_owned())];
            Ok(HttpResponse { status: 429, headers, body: Vec::new() })
        };
        for (answer, delivery, seconds) in [
            (Err(HttpError::TimedOut), Delivery::Failed(HttpError::TimedOut), 60),
            (Ok(HttpResponse { status: 403, headers: vec![], body: vec![] }), Delivery::Refused(403), 60),
            (refused("300"), Delivery::Refused(429), 300),
            (refused("1"), Delivery::Refused(429), 60),
            (refused("999999"), Delivery::Refused(429), 3600),
            (refused("soon"), Delivery::Refused(429), 60),
        ] {
            let (http, clock) = (ScriptedHttp::default(), FixedClock::default());
            let store = MemoryStore::new(clock.clone());
            http.answers.borrow_mut().push_back(answer);
            assert_eq!(send(&http, &store), delivery);
            clock.advance(seconds - 1);
            assert_eq!(send(&http, &store), Delivery::Paused);
            assert_eq!(http.requests.borrow().len(), 1);
            clock.advance(1);
            http.answer(200, "{}");
            assert_eq!(send(&http, &store), Delivery::Sent);
        }
    }
}
