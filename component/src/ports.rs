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
pub use outbound_http::{
    HttpError, HttpMethod, HttpRequest, HttpResponse, OutboundHttp, Reach, ScriptedHttp, Upstream,
};
pub use random::{Random, SeededRandom};
pub use rate_limit::{CountingLimiter, Decision, Quota, RateLimit};
pub use secrets::{FixedSecrets, SecretUnavailable, Secrets};

/// All ports together, as the gateway takes them.
pub trait Ports {
    /// Requests to upstreams.
    type Http: OutboundHttp;
    /// Buckets that outlive a request.
    type Limiter: RateLimit;
    /// Records that outlive a request.
    type Store: OauthStore;
    /// Secret settings.
    type Secrets: Secrets;
    /// Randomness.
    type Random: Random;
    /// The time.
    type Clock: Clock;

    /// Requests to upstreams.
    fn http(&self) -> &Self::Http;
    /// Buckets that outlive a request.
    fn limiter(&self) -> &Self::Limiter;
    /// Records that outlive a request.
    fn store(&self) -> &Self::Store;
    /// Secret settings.
    fn secrets(&self) -> &Self::Secrets;
    /// Randomness.
    fn random(&self) -> &Self::Random;
    /// The time.
    fn clock(&self) -> &Self::Clock;
    /// The value of a setting as it is now, secret or not, wherever it stands: for the operator, who asks about settings
    /// that requests do not need.
    ///
    /// # Errors
    /// When it cannot be read. Nobody may take that for absent.
    fn setting(&self, name: &'static str) -> Result<Option<String>, SecretUnavailable>;
}

/// In-memory ports for tests and examples.
#[derive(Debug)]
pub struct MemoryPorts<H = ScriptedHttp> {
    /// Answers requests, from a script unless a test brings its own upstreams.
    pub http: H,
    /// Counts, and refuses above a limit.
    pub limiter: CountingLimiter,
    /// Records that are forgotten by `clock`.
    pub store: MemoryStore<FixedClock>,
    /// A fixed table, in which a test may put settings that are not secret too.
    pub secrets: FixedSecrets,
    /// The same draws in every run.
    pub random: SeededRandom,
    /// A clock that stands still until it is set.
    pub clock: FixedClock,
}

impl<H> MemoryPorts<H> {
    /// Empty ports, with `http` for the upstreams.
    pub fn with_http(http: H) -> MemoryPorts<H> {
        let clock = FixedClock::default();
        MemoryPorts {
            http,
            limiter: CountingLimiter::default(),
            store: MemoryStore::new(clock.clone()),
            secrets: FixedSecrets::default(),
            random: SeededRandom::default(),
            clock,
        }
    }
}

impl Default for MemoryPorts {
    fn default() -> Self {
        MemoryPorts::with_http(ScriptedHttp::default())
    }
}

impl<H: OutboundHttp> Ports for MemoryPorts<H> {
    type Http = H;
    type Limiter = CountingLimiter;
    type Store = MemoryStore<FixedClock>;
    type Secrets = FixedSecrets;
    type Random = SeededRandom;
    type Clock = FixedClock;

    fn http(&self) -> &H {
        &self.http
    }

    fn limiter(&self) -> &CountingLimiter {
        &self.limiter
    }

    fn store(&self) -> &MemoryStore<FixedClock> {
        &self.store
    }

    fn secrets(&self) -> &FixedSecrets {
        &self.secrets
    }

    fn random(&self) -> &SeededRandom {
        &self.random
    }

    fn clock(&self) -> &FixedClock {
        &self.clock
    }

    fn setting(&self, name: &'static str) -> Result<Option<String>, SecretUnavailable> {
        self.secrets.secret(name)
    }
}
