//! Every limit of the host in one place, each with the reason for its number. A limit that protects a parser stands
//! with that parser.

pub(crate) mod table;
mod value;

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::outbound_http::Upstream;
use table::Bound;
pub(crate) use value::Value;

/// What one host admits. `Limits::default()` is what the command line uses; tests lower single fields.
///
/// What is above its bound counts as the bound, so that `Duration::MAX` and `usize::MAX` may stand for no limit: any
/// time is at most a year; there are at most 4,096 `concurrent_requests` and as many `finishing_requests`, 1,024
/// `plausible_calls`, 512 `provider_calls`, 128 `document_calls` and 512 `telemetry_calls`, 4 GiB of
/// `instance_memory_bytes`, 1,048,576 `connections`, as many `request_head_bytes` and 10,000 `request_header_fields`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests inside the component at one time, without those that wait for an upstream; one more waits. Each may hold
    /// an instance.
    pub concurrent_requests: u32,
    /// Time that a request waits to be let in; 503 after it.
    pub admission_time: Duration,
    /// Requests whose answer is complete while the component still works on something that nobody waits for, as a
    /// report. Further ones count among `concurrent_requests` until they are done. Each holds an instance.
    pub finishing_requests: u32,
    /// Requests to Plausible under way at one time; calls that ask the same with one key share one. Half of them are
    /// kept for keys that Plausible has accepted. One more is refused at once, as it is for each of the bounds that
    /// follow. Twice as many calls may wait for them, each with an instance.
    pub plausible_calls: u32,
    /// Of these, for one key.
    pub plausible_calls_of_key: u32,
    /// Of these, for one address of a client; with keys that Plausible has not accepted yet, at most three
    /// eighths of all.
    pub plausible_calls_of_client: u32,
    /// Requests to the identity provider under way at one time, half of them for one address of a client. Twice as many
    /// requests may wait for them, each with an instance.
    pub provider_calls: u32,
    /// Documents of clients that are fetched at one time, an eighth of them for one address of a client, and half of
    /// them kept for hosts that have answered. Four times as many requests may wait for them, each with an instance.
    pub document_calls: u32,
    /// Reports to Sentry under way at one time; one more is not sent. Each holds an instance.
    pub telemetry_calls: u32,
    /// Largest request body, in bytes; a larger one is answered 413.
    pub request_body_bytes: usize,
    /// Time for the whole request body to arrive; a slower one is answered 408.
    pub request_body_time: Duration,
    /// Size of all request bodies together, from their first bytes to their answers, a quarter of it for small bodies
    /// alone; beyond it the body that has been arriving for the longest time is answered 503.
    pub request_bodies_bytes: usize,
    /// Largest response body the component may produce, in bytes.
    pub response_body_bytes: usize,
    /// Memory for answers of upstreams that are larger than 64 KiB, and for what is made of them, in bytes. Of what one
    /// of a mebibyte takes, an instance has six or more, its answer two, and itself one. One that would take more than
    /// all of it comes alone.
    pub large_answers_bytes: usize,
    /// Time that such an answer waits for its room before it is read, and again before an instance gets it; its caller
    /// is told to ask for less after it.
    pub large_answer_time: Duration,
    /// Time from the complete request to the complete response, by the wall clock and by epochs; 503 after it.
    pub request_time: Duration,
    /// Largest linear memory of an instance, in bytes; an allocation beyond it traps.
    pub instance_memory_bytes: usize,
    /// Requests that one instance answers before it is replaced; 1 gives every request an instance of its own.
    pub instance_requests: NonZeroUsize,
    /// How long an instance waits for its next request before it is dropped.
    pub instance_idle_time: Duration,
    /// TCP connections at one time. A further one gets the place of the one that has been quiet for the longest time;
    /// while the component is at work for all of them, it waits, but for a few more that are answered at `/healthz`.
    pub connections: usize,
    /// Time for the head of a request to arrive, and for a connection to stay without requests.
    pub request_head_time: Duration,
    /// Size of the head of a request, in bytes; a larger one is answered 431.
    pub request_head_bytes: usize,
    /// Header fields in a request; more are answered 431.
    pub request_header_fields: usize,
    /// Time in which a client has to take some more of its answer; of an answer over HTTP/2, all of it.
    pub response_write_time: Duration,
    /// Time that a client gets to close its connection after the server has closed its half; and, once the server stops,
    /// time for a request that is on its way to arrive.
    pub closing_time: Duration,
    /// Time that requests in flight get to finish after a signal to stop.
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrent_requests: CONCURRENT_REQUESTS,
            admission_time: ADMISSION_TIME,
            finishing_requests: FINISHING_REQUESTS,
            plausible_calls: PLAUSIBLE_CALLS,
            plausible_calls_of_key: PLAUSIBLE_CALLS_OF_KEY,
            plausible_calls_of_client: PLAUSIBLE_CALLS_OF_CLIENT,
            provider_calls: PROVIDER_CALLS,
            document_calls: DOCUMENT_CALLS,
            telemetry_calls: TELEMETRY_CALLS,
            request_body_bytes: REQUEST_BODY_BYTES,
            request_body_time: REQUEST_BODY_TIME,
            request_bodies_bytes: REQUEST_BODIES_BYTES,
            response_body_bytes: RESPONSE_BODY_BYTES,
            large_answers_bytes: LARGE_ANSWERS_BYTES,
            large_answer_time: LARGE_ANSWER_TIME,
            request_time: REQUEST_TIME,
            instance_memory_bytes: INSTANCE_MEMORY_BYTES,
            instance_requests: const { NonZeroUsize::new(INSTANCE_REQUESTS).expect("more than 0") },
            instance_idle_time: INSTANCE_IDLE_TIME,
            connections: CONNECTIONS,
            request_head_time: REQUEST_HEAD_TIME,
            request_head_bytes: REQUEST_HEAD_BYTES,
            request_header_fields: REQUEST_HEADER_FIELDS,
            response_write_time: RESPONSE_WRITE_TIME,
            closing_time: CLOSING_TIME,
            drain_time: DRAIN_TIME,
        }
    }
}

impl Limits {
    /// The same with what a file says under `[limits]`: keys and values as text. The error says what is wrong.
    pub(crate) fn with<'a>(mut self, rows: impl IntoIterator<Item = (&'a str, String)>) -> Result<Self, String> {
        for (key, text) in rows {
            let bound = table::bounds().iter().find(|bound| bound.key() == key).ok_or_else(|| unknown(key))?;
            let value = bound.read(&text).map_err(|allowed| format!("limits.{key}: {allowed}"))?;
            bound.set(&mut self, value);
        }
        Ok(self)
    }

    /// The same with nothing above its bound.
    pub(crate) fn within_bounds(mut self) -> Self {
        for time in [
            &mut self.admission_time,
            &mut self.request_body_time,
            &mut self.large_answer_time,
            &mut self.request_time,
            &mut self.instance_idle_time,
            &mut self.request_head_time,
            &mut self.response_write_time,
            &mut self.closing_time,
            &mut self.drain_time,
        ] {
            *time = (*time).min(LONGEST_TIME);
        }
        self.concurrent_requests = self.concurrent_requests.min(MOST_REQUESTS);
        self.finishing_requests = self.finishing_requests.min(MOST_REQUESTS);
        self.plausible_calls = self.plausible_calls.min(MOST_PLAUSIBLE_CALLS);
        self.plausible_calls_of_key = self.plausible_calls_of_key.min(self.plausible_calls);
        self.plausible_calls_of_client = self.plausible_calls_of_client.min(self.plausible_calls);
        self.provider_calls = self.provider_calls.min(MOST_PROVIDER_CALLS);
        self.document_calls = self.document_calls.min(MOST_DOCUMENT_CALLS);
        self.telemetry_calls = self.telemetry_calls.min(MOST_TELEMETRY_CALLS);
        self.instance_memory_bytes = self.instance_memory_bytes.min(MOST_INSTANCE_MEMORY_BYTES);
        self.connections = self.connections.min(MOST_CONNECTIONS);
        self.request_head_bytes = self.request_head_bytes.min(MOST_HEAD_BYTES);
        self.request_header_fields = self.request_header_fields.min(MOST_HEADER_FIELDS);
        self
    }

    /// How many requests may wait for an upstream at one time.
    pub(crate) fn waiting(&self, upstream: Upstream) -> u32 {
        let under_way = match upstream {
            Upstream::Plausible => self.plausible_calls,
            Upstream::IdentityProvider => self.provider_calls,
            Upstream::ClientDocument => self.document_calls,
            Upstream::Telemetry => self.telemetry_calls,
        };
        under_way.saturating_mul(Self::waiting_for_each(upstream))
    }

    /// How many may wait for each request under way, which several can share.
    pub(crate) fn waiting_for_each(upstream: Upstream) -> u32 {
        match upstream {
            Upstream::Plausible | Upstream::IdentityProvider => 2,
            Upstream::ClientDocument => 4,
            Upstream::Telemetry => 1,
        }
    }

    /// How many requests there may be that wait for an upstream or that the component works on. Each holds an instance.
    pub(crate) fn instances(&self) -> u32 {
        let waiting = Upstream::ALL.map(|upstream| self.waiting(upstream));
        let working = [self.concurrent_requests, self.finishing_requests];
        waiting.into_iter().chain(working).fold(0, u32::saturating_add)
    }
}

/// A key that is none, and the one that may have been meant.
fn unknown(key: &str) -> String {
    let near = |bound: &Bound| strsim::damerau_levenshtein(&bound.key(), key);
    let nearest = table::bounds().iter().min_by_key(|bound| near(bound)).map(Bound::key).unwrap_or_default();
    format!("there is no bound limits.{key}; the nearest is limits.{nearest}")
}

/// What is answered without an upstream takes milliseconds: a burst of a hundred requests is worked on at once.
const CONCURRENT_REQUESTS: u32 = 128;

/// A burst of a thousand small requests is over in less; who waits longer had better come back later.
const ADMISSION_TIME: Duration = Duration::from_secs(1);
/// A report takes a tenth of a second: enough for 300 of them a second.
const FINISHING_REQUESTS: u32 = 32;
/// As many as wait for an upstream without hurting it: at half a second a query this is 250 queries a second.
const PLAUSIBLE_CALLS: u32 = 128;
/// Plausible answers 600 queries an hour with one key: ten times what it allows, even where each takes half a minute.
const PLAUSIBLE_CALLS_OF_KEY: u32 = 64;
/// A whole company may come from one address; two such addresses are served at a time.
const PLAUSIBLE_CALLS_OF_CLIENT: u32 = 64;
/// A sign-in has one at a time, of a second or less: thirty people a second.
const PROVIDER_CALLS: u32 = 32;
/// An eighth of what the component works on at a time.
const DOCUMENT_CALLS: u32 = 16;
/// As many as there are requests that are answered and still report.
const TELEMETRY_CALLS: u32 = 32;
/// What the component reads at most, at `/mcp`; everywhere else it reads less.
const REQUEST_BODY_BYTES: usize = 1 << 20;
/// The largest body comes in this time over a megabit a second; usual ones have a kilobyte.
const REQUEST_BODY_TIME: Duration = Duration::from_secs(10);
/// A third of the concurrent requests with the largest body, and beside them all connections with a small one each.
const REQUEST_BODIES_BYTES: usize = 64 << 20;
/// Twice what is read of an upstream: a tool's answer has its rows as text and as JSON.
const RESPONSE_BODY_BYTES: usize = 16 << 20;
/// For two answers of seven megabytes at a time, which keep two processors busy.
const LARGE_ANSWERS_BYTES: usize = 128 << 20;
/// With the 25 seconds for which the component waits for Plausible, less than the time of a request.
const LARGE_ANSWER_TIME: Duration = Duration::from_secs(4);
/// More than the 25 seconds for which the component waits for Plausible, so that it can tell its caller.
const REQUEST_TIME: Duration = Duration::from_secs(30);
/// Room for the largest answer of Plausible as it came, as it is read, and as it is written again.
const INSTANCE_MEMORY_BYTES: usize = 64 << 20;
/// Starting an instance costs about as much as a request: one in a thousand does not show.
const INSTANCE_REQUESTS: usize = 1000;
/// Long enough for the next call of a conversation; what a burst needed is gone soon after it.
const INSTANCE_IDLE_TIME: Duration = Duration::from_secs(10);
/// A proxy in front keeps a few hundred. Each takes a file descriptor.
const CONNECTIONS: usize = 1024;
/// What hyper waits by default.
const REQUEST_HEAD_TIME: Duration = Duration::from_secs(30);
/// What nginx takes by default: browsers bring cookies, and proxies their tokens.
const REQUEST_HEAD_BYTES: usize = 32 << 10;
/// What Apache takes by default.
const REQUEST_HEADER_FIELDS: usize = 100;
/// The largest answer goes in this time over three megabits a second, a usual one over a modem.
const RESPONSE_WRITE_TIME: Duration = Duration::from_secs(60);
/// A few round trips to the far side of the world. A client closes as soon as it sees that the server has.
const CLOSING_TIME: Duration = Duration::from_secs(1);
/// As long as a request may take that came just before the signal.
const DRAIN_TIME: Duration = Duration::from_secs(30);
/// A year: nothing waits for longer, and a few of them can be added to any moment without an overflow.
const LONGEST_TIME: Duration = Duration::from_secs(365 * 24 * 3600);
/// The pool keeps a little more than 4 GiB of addresses for the memory of each request: both kinds together, and those
/// that wait for an upstream, take three eighths of the 47 bits that a process has, and as much of the mappings that
/// Linux lets it have for their stacks.
const MOST_REQUESTS: u32 = 4096;
/// With twice as many that wait for them, and the most of the other three, as many as either kind of requests.
const MOST_PLAUSIBLE_CALLS: u32 = 1024;
/// A quarter of the rest.
const MOST_PROVIDER_CALLS: u32 = 512;
/// With four times as many that wait for them, another quarter.
const MOST_DOCUMENT_CALLS: u32 = 128;
/// The last.
const MOST_TELEMETRY_CALLS: u32 = 512;
/// All that 32 bits can address: what the engine reserves of addresses, and no more may be allowed.
const MOST_INSTANCE_MEMORY_BYTES: usize = 4 << 30;
/// As many descriptors as Linux lets a process have (`fs.nr_open`).
const MOST_CONNECTIONS: usize = 1 << 20;
/// Far more than any client sends; hyper keeps twice as much of a connection in memory.
const MOST_HEAD_BYTES: usize = 1 << 20;
/// hyper takes twice as many, and panics when a request has more names than the 24,576 that a `HeaderMap` holds.
const MOST_HEADER_FIELDS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_sets_what_it_names() {
        let rows = [("concurrent_requests", "64"), ("request_time", "20s"), ("large_answers_bytes", "1GiB")];
        let limits = Limits::default().with(rows.map(|(key, text)| (key, text.to_owned()))).unwrap();
        let expected = Limits {
            concurrent_requests: 64,
            request_time: Duration::from_secs(20),
            large_answers_bytes: 1 << 30,
            ..Limits::default()
        };
        assert_eq!(limits, expected);
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_right() {
        let told = |key, text: &str| Limits::default().with([(key, text.to_owned())]).unwrap_err();
        assert_eq!(
            told("concurent_request", "1"),
            "there is no bound limits.concurent_request; the nearest is limits.concurrent_requests"
        );
        assert!(told("request-time", "30").ends_with("the nearest is limits.request_time"));
        assert!(told("connections", "none").starts_with("limits.connections: write a whole number from 1 to "));
    }
}
