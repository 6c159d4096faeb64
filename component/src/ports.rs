//! What the component needs from its surroundings, as traits: one per WIT interface, and the clock.
//!
//! A port decides nothing. Every trait comes with an in-memory implementation that tests share.

mod clock;
mod oauth_store;
mod outbound_http;
mod random;
mod rate_limit;
mod secrets;

pub use clock::{Clock, FixedClock, Timestamp};
pub use oauth_store::{MemoryStore, OauthStore, StoreError};
pub use outbound_http::{HttpError, HttpMethod, HttpRequest, HttpResponse, OutboundHttp, Reach, ScriptedHttp};
pub use random::{Random, SeededRandom};
pub use rate_limit::{CountingLimiter, Decision, Quota, RateLimit};
pub use secrets::{FixedSecrets, Secrets};

/// All ports together, as the gateway takes them.
pub trait Ports {
    /// Requests to upstreams.
    type Http: OutboundHttp;
    /// Buckets that outlive a request.
    type Limiter: RateLimit;
    /// Secret settings.
    type Secrets: Secrets;
    /// The time.
    type Clock: Clock;

    /// Requests to upstreams.
    fn http(&self) -> &Self::Http;
    /// Buckets that outlive a request.
    fn limiter(&self) -> &Self::Limiter;
    /// Secret settings.
    fn secrets(&self) -> &Self::Secrets;
    /// The time.
    fn clock(&self) -> &Self::Clock;
}

/// In-memory ports for tests and examples.
#[derive(Debug, Default)]
pub struct MemoryPorts {
    /// Answers requests from a script.
    pub http: ScriptedHttp,
    /// Counts, and refuses above a limit.
    pub limiter: CountingLimiter,
    /// A fixed table.
    pub secrets: FixedSecrets,
    /// A clock that stands still.
    pub clock: FixedClock,
}

impl Ports for MemoryPorts {
    type Http = ScriptedHttp;
    type Limiter = CountingLimiter;
    type Secrets = FixedSecrets;
    type Clock = FixedClock;

    fn http(&self) -> &ScriptedHttp {
        &self.http
    }

    fn limiter(&self) -> &CountingLimiter {
        &self.limiter
    }

    fn secrets(&self) -> &FixedSecrets {
        &self.secrets
    }

    fn clock(&self) -> &FixedClock {
        &self.clock
    }
}
