//! Every limit of the host in one place, each with the reason for its number. A limit that protects a parser stands
//! with that parser.

use std::num::NonZeroUsize;
use std::time::Duration;

/// What one host admits. `Limits::default()` is what the command line uses; tests lower single fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests inside the component at one time; one more is answered 503. Each may hold an instance.
    pub concurrent_requests: u32,
    /// Requests whose answer is complete while the component still works on something that nobody waits for, as a
    /// report. Further ones count among `concurrent_requests` until they are done. Each holds an instance.
    pub finishing_requests: u32,
    /// Largest request body, in bytes; a larger one is answered 413.
    pub request_body_bytes: usize,
    /// Time for the whole request body to arrive; a slower one is answered 408.
    pub request_body_time: Duration,
    /// Largest response body the component may produce, in bytes.
    pub response_body_bytes: usize,
    /// Time from the complete request to the complete response, by the wall clock and by epochs; 503 after it.
    pub request_time: Duration,
    /// Largest linear memory of an instance, in bytes; an allocation beyond it traps.
    pub instance_memory_bytes: usize,
    /// Requests that one instance answers before it is replaced; 1 gives every request an instance of its own.
    pub instance_requests: NonZeroUsize,
    /// How long an instance waits for its next request before it is dropped.
    pub instance_idle_time: Duration,
    /// TCP connections at one time; further ones wait in the listener's backlog.
    pub connections: usize,
    /// Time for the head of a request to arrive, and to stay idle between requests.
    pub request_head_time: Duration,
    /// Size of the head of a request, in bytes; a larger one is answered 431.
    pub request_head_bytes: usize,
    /// Header fields in a request; more are answered 431.
    pub request_header_fields: usize,
    /// Time that requests in flight get to finish after a signal to stop.
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrent_requests: CONCURRENT_REQUESTS,
            finishing_requests: FINISHING_REQUESTS,
            request_body_bytes: 1 << 20,
            request_body_time: Duration::from_secs(10),
            response_body_bytes: 16 << 20,
            request_time: Duration::from_secs(30),
            instance_memory_bytes: 64 << 20,
            instance_requests: INSTANCE_REQUESTS,
            instance_idle_time: Duration::from_secs(10),
            connections: 1024,
            request_head_time: Duration::from_secs(30),
            request_head_bytes: 32 << 10,
            request_header_fields: 100,
            drain_time: Duration::from_secs(30),
        }
    }
}

/// As many as wait for an upstream without hurting it: at half a second a query this is 250 queries a second.
const CONCURRENT_REQUESTS: u32 = 128;

/// A report takes a tenth of a second: enough for 300 of them a second.
const FINISHING_REQUESTS: u32 = 32;

/// So many that starting an instance costs a request nothing, so few that whatever one gathers goes soon.
const INSTANCE_REQUESTS: NonZeroUsize = NonZeroUsize::new(1000).expect("more than 0");
