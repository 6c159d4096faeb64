//! Whether a host should be sent requests now, and how the parts are that it depends on.
//!
//! ```text
//! NotListening ── set_listening ──> listening ── set_draining ──> Draining
//! ```
//! A [`Server`](crate::Server) goes these steps by itself; an application that routes requests to the host says them.
//! No neighbour makes a host unready: `/mcp` needs none of them to say what is the matter. For whoever routes `/internal`
//! apart there is an answer of its own.

mod report;

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use super::Host;
use crate::parts::{Part, Parts, State};
use crate::surface::SignIn;
pub(crate) use report::Report;

/// Why a host should not be sent requests now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotReady {
    /// Nobody accepts connections for it yet.
    NotListening,
    /// It finishes what is in flight and takes no more.
    Draining,
    /// As many requests as it takes are under way.
    Busy,
    /// There is no sign-in here, so `/internal` is not served.
    NotConfigured,
    /// The store of `/internal` cannot be read, or must not be used as it is.
    Store,
    /// The settings of sign-in are wrong, or the identity provider has never given its keys.
    SignIn,
}

impl NotReady {
    /// Its name in `/readyz`.
    fn name(self) -> &'static str {
        match self {
            Self::NotListening => "not_listening",
            Self::Draining => "draining",
            Self::Busy => "busy",
            Self::NotConfigured => "not_configured",
            Self::Store => "store",
            Self::SignIn => "sign_in",
        }
    }
}

impl std::fmt::Display for NotReady {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::NotListening => "not listening yet",
            Self::Draining => "draining",
            Self::Busy => "no place is free",
            Self::NotConfigured => "sign-in is not set up",
            Self::Store => "the store does not answer",
            Self::SignIn => "nobody can sign in",
        })
    }
}

impl std::error::Error for NotReady {}

/// How far whoever accepts connections for the host is.
#[derive(Debug, Default)]
pub(super) struct Stage(AtomicU8);

impl Host {
    /// Whether the host should be sent requests now: connections are accepted for it, it is not draining, and there is a
    /// place for another request. The store and other servers play no part in it.
    ///
    /// # Errors
    /// The first of these that does not hold.
    pub fn ready(&self) -> Result<(), NotReady> {
        match self.0.stage.0.load(Ordering::Relaxed) {
            LISTENING => {}
            DRAINING => return Err(NotReady::Draining),
            _ => return Err(NotReady::NotListening),
        }
        if self.0.permits.has_place() { Ok(()) } else { Err(NotReady::Busy) }
    }

    /// Whether the host should be sent requests for `/internal` now. Asks the store, for half a second at most, and reads
    /// the settings of sign-in. The identity provider is not asked: what is known of it was found by requests and by
    /// [`Host::watch`].
    ///
    /// # Errors
    /// The first reason that holds.
    pub async fn ready_for_internal(&self) -> Result<(), NotReady> {
        self.ready()?;
        let Some(sign_in) = self.0.surface.sign_in() else { return Err(NotReady::NotConfigured) };
        tokio::join!(self.0.probe.ask(&self.0.services), self.read_settings());
        served_internally(self.known(), sign_in)
    }

    /// What `/readyz` tells. Asks the store, for half a second at most.
    pub(crate) async fn report(&self) -> Report {
        self.0.probe.ask(&self.0.services).await;
        Report::of(self.ready(), self.known())
    }

    /// What `/readyz/internal` tells.
    pub(crate) async fn report_for_internal(&self) -> Report {
        let ready = self.ready_for_internal().await;
        Report::of(ready, self.known())
    }

    /// What is known about the parts.
    pub(crate) fn known(&self) -> &Parts {
        &self.0.services.parts
    }

    /// Says that connections are accepted for the host from now on. A [`Server`](crate::Server) says so when it runs;
    /// an application that routes requests to the host calls this, or the host never is [ready](Self::ready).
    pub fn set_listening(&self) {
        self.0.stage.0.store(LISTENING, Ordering::Relaxed);
    }

    /// Says that the host finishes what is in flight and should be sent no more. It still answers what comes. A
    /// [`Server`](crate::Server) says so as the first thing when it is told to stop.
    pub fn set_draining(&self) {
        self.0.stage.0.store(DRAINING, Ordering::Relaxed);
    }

    /// Whether that was said.
    pub(crate) fn is_draining(&self) -> bool {
        self.0.stage.0.load(Ordering::Relaxed) == DRAINING
    }
}

/// A store that can be read and not written serves those who are signed in, and so does a provider that was there once:
/// its keys are needed for new sign-ins, unless each request brings an assertion of its own.
fn served_internally(parts: &Parts, sign_in: SignIn) -> Result<(), NotReady> {
    if matches!(parts.condition(Part::Store).state, State::Away | State::Unknown) {
        return Err(NotReady::Store);
    }
    let provider = parts.condition(Part::SignIn);
    let lacks_keys = sign_in == SignIn::Assertions
        && provider.state == State::Away
        && jiff::Timestamp::now().duration_since(provider.since).unsigned_abs() > KEYS_ARE_KEPT;
    if parts.wrong_setting().is_some() || !parts.provider_was_there() || lacks_keys {
        return Err(NotReady::SignIn);
    }
    Ok(())
}

const LISTENING: u8 = 1;
const DRAINING: u8 = 2;
/// As long as the component uses a key set.
const KEYS_ARE_KEPT: Duration = Duration::from_secs(5 * 60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::outbound_http as wit;
    use crate::metrics::Metrics;
    use crate::parts::{Access, Exchange};

    /// What the provider's keys come to.
    fn asked_for_keys(parts: &Parts, status: u16) {
        let request = wit::Request {
            upstream: wit::Upstream::IdentityProvider,
            method: wit::Method::Get,
            url: "https://team.example/certs".to_owned(),
            headers: Vec::new(),
            body: None,
            timeout_milliseconds: 1000,
            max_response_bytes: 1000,
            reach: wit::Reach::Configured,
            coalesce: None,
        };
        let outcome = Ok(wit::Response { status, headers: Vec::new(), body: b"{}".to_vec() });
        parts.ended(&Exchange::of(&request), &outcome);
    }

    #[test]
    fn internal_needs_a_store_that_is_read_settings_and_keys_once() {
        let parts = Parts::new(Metrics::new());
        let served = || served_internally(&parts, SignIn::Tokens);
        assert_eq!(served(), Err(NotReady::Store), "nobody has asked it");
        parts.store_answered(Access::Reads, None);
        assert_eq!(served(), Err(NotReady::SignIn));
        asked_for_keys(&parts, 500);
        assert_eq!(served(), Err(NotReady::SignIn));
        asked_for_keys(&parts, 200);
        assert_eq!(served(), Ok(()));
        asked_for_keys(&parts, 500);
        assert_eq!(served(), Ok(()), "those who are signed in are served");
        parts.store_answered(Access::Writes, Some("store_full"));
        assert_eq!(served(), Ok(()), "so they are");
        parts.store_answered(Access::Reads, Some("store_evicts"));
        assert_eq!(served(), Err(NotReady::Store));
        parts.store_answered(Access::Writes, None);
        parts.settings_read(Some("COOKIE_ENCRYPTION_KEY".to_owned()));
        assert_eq!(served(), Err(NotReady::SignIn));
        parts.settings_read(None);
        assert_eq!(served(), Ok(()));
    }
}
