//! The breakers of one process: one for each upstream and origin, and one for each key with which Plausible had a fault
//! of its own. Documents of clients have none: outsiders choose where they are.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::breaker::{Breaker, Caller, Outage};
use super::places::KeyHash;
use super::upstream::{Asked, Upstream};
use crate::bindings::outbound_http::{Error, Response};

#[derive(Debug, Default)]
pub(super) struct Breakers {
    of_origin: HashMap<(Upstream, String), Breaker>,
    /// Those that are not as new.
    of_key: HashMap<KeyHash, Breaker>,
}

/// Which of the breakers that a request meets it probes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Probes {
    origin: bool,
    key: bool,
}

/// What the end of a request tells about the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    /// It answers.
    Answer,
    /// It does not, whoever asks.
    Failure,
    /// It failed on what this caller asked.
    Fault,
    /// It did not answer this caller in time.
    Silence,
    /// Nothing.
    None,
}

impl Evidence {
    pub(super) fn of(outcome: Result<&Response, &Error>, has_body: bool) -> Self {
        match outcome {
            // A query that Plausible cannot cope with is answered so.
            Ok(Response { status: 500, .. }) if has_body => Self::Fault,
            Ok(Response { status: 500..=599, .. }) => Self::Failure,
            Ok(_) | Err(Error::ResponseTooLarge) => Self::Answer,
            Err(
                Error::NameNotResolved
                | Error::ConnectFailed
                | Error::TlsFailed
                | Error::Interrupted
                | Error::MalformedResponse,
            ) => Self::Failure,
            Err(Error::TimedOut) => Self::Silence,
            Err(
                Error::InvalidRequest
                | Error::ReachUnsupported
                | Error::AddressRefused
                | Error::NotAllowed
                | Error::Busy(_)
                | Error::OutOfService(_)
                | Error::AskedToWait(_),
            ) => Self::None,
        }
    }
}

impl Breakers {
    /// Why nothing is sent, if nothing is.
    pub(super) fn refusal(&self, asked: &Asked, now: Instant) -> Option<Outage> {
        let of_origin = self.of_origin.get(&(asked.upstream, asked.origin.clone()));
        let of_key = self.of_key.get(&asked.key);
        of_origin.into_iter().chain(of_key).find_map(|breaker| breaker.refusal(now))
    }

    /// A request is sent that was not refused.
    pub(super) fn begin(&mut self, asked: &Asked) -> Probes {
        let origin = self.of_origin.get_mut(&(asked.upstream, asked.origin.clone())).is_some_and(Breaker::begin);
        let key = self.of_key.get_mut(&asked.key).is_some_and(Breaker::begin);
        Probes { origin, key }
    }

    /// A request that was sent at `started` has ended.
    pub(super) fn ended(&mut self, asked: &Asked, probes: Probes, evidence: Evidence, started: Instant, now: Instant) {
        self.key_ended(asked, probes, evidence, now);
        let Some(breaker) = self.origin(asked) else { return };
        match evidence {
            Evidence::Answer => breaker.answered(now),
            Evidence::Failure => breaker.failed(probes.origin, now),
            Evidence::Fault | Evidence::Silence => breaker.doubted(caller(asked), started, probes.origin, now),
            Evidence::None if probes.origin => breaker.given_up(),
            Evidence::None => {}
        }
    }

    /// For how long requests to an upstream have not been sent; `None` while they are.
    pub(super) fn open_for(&self, upstream: Upstream, now: Instant) -> Option<Duration> {
        let of_upstream = self.of_origin.iter().filter(|((known, _), _)| *known == upstream);
        of_upstream.filter_map(|(_, breaker)| breaker.open_for(now)).max()
    }

    /// Everybody at `/internal` shares a key, and everybody who signs in the one of the provider: only at Plausible, and
    /// only by what nobody else asks, a key comes to harm alone.
    fn key_ended(&mut self, asked: &Asked, probes: Probes, evidence: Evidence, now: Instant) {
        match evidence {
            Evidence::Answer => {
                self.of_key.remove(&asked.key);
            }
            Evidence::Fault if asked.upstream == Upstream::Plausible => {
                if self.of_key.len() >= MOST_KEYS && !self.of_key.contains_key(&asked.key) {
                    self.of_key.retain(|_, breaker| breaker.open_for(now).is_some());
                }
                if self.of_key.len() < MOST_KEYS || self.of_key.contains_key(&asked.key) {
                    self.of_key.entry(asked.key).or_default().failed(probes.key, now);
                }
            }
            _ => {
                let Some(breaker) = self.of_key.get_mut(&asked.key).filter(|_| probes.key) else { return };
                if evidence == Evidence::None { breaker.given_up() } else { breaker.failed(true, now) }
            }
        }
    }

    fn origin(&mut self, asked: &Asked) -> Option<&mut Breaker> {
        let key = (asked.upstream, asked.origin.clone());
        let has_one = asked.upstream != Upstream::ClientDocument
            && (self.of_origin.len() < MOST_ORIGINS || self.of_origin.contains_key(&key));
        has_one.then(|| self.of_origin.entry(key).or_default())
    }
}

/// Where requests have no key of their callers', callers are told apart by their addresses.
fn caller(asked: &Asked) -> Caller {
    match asked.upstream {
        Upstream::Plausible => Caller::Key(asked.key),
        _ => Caller::Client(asked.client),
    }
}

/// Operators name a handful; a provider's own documents name as many again.
const MOST_ORIGINS: usize = 64;
/// Keys that Plausible knows and has a fault with, which it has with hardly any.
const MOST_KEYS: usize = 1000;

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::super::places::Client;
    use super::*;

    fn asked(upstream: Upstream, key: u8) -> Asked {
        let client = Some(Client::of(Some(IpAddr::from([192, 0, 2, key]))));
        Asked { upstream, origin: "https://a.example".to_owned(), key: [key; 32], client, has_body: true }
    }

    fn answer(status: u16) -> Result<Response, Error> {
        Ok(Response { status, headers: Vec::new(), body: Vec::new() })
    }

    /// What becomes of so many requests of each of `keys` that all end so.
    fn after(upstream: Upstream, keys: std::ops::Range<u8>, times: u32, outcome: &Result<Response, Error>) -> Breakers {
        let (mut breakers, now) = (Breakers::default(), Instant::now());
        for _ in 0..times {
            for key in keys.clone() {
                let asked = asked(upstream, key);
                if breakers.refusal(&asked, now).is_none() {
                    let probes = breakers.begin(&asked);
                    breakers.ended(&asked, probes, Evidence::of(outcome.as_ref(), true), now, now);
                }
            }
        }
        breakers
    }

    fn is_open_for(breakers: &Breakers, upstream: Upstream, key: u8) -> bool {
        breakers.refusal(&asked(upstream, key), Instant::now()).is_some()
    }

    #[test]
    fn connections_that_fail_and_gateways_that_do_open_it_for_everybody() {
        let failures = [
            Err(Error::NameNotResolved),
            Err(Error::ConnectFailed),
            Err(Error::TlsFailed),
            Err(Error::Interrupted),
            Err(Error::MalformedResponse),
            answer(502),
            answer(503),
            answer(504),
            answer(520),
        ];
        for outcome in &failures {
            let breakers = after(Upstream::Plausible, 1..2, 5, outcome);
            assert!(is_open_for(&breakers, Upstream::Plausible, 9), "{outcome:?}");
            assert!(breakers.open_for(Upstream::Plausible, Instant::now()).is_some());
            assert!(!is_open_for(&breakers, Upstream::IdentityProvider, 9), "another upstream at the same address");
            assert!(!is_open_for(&after(Upstream::Plausible, 1..2, 4, outcome), Upstream::Plausible, 1));
        }
    }

    #[test]
    fn no_caller_opens_it_for_others() {
        for outcome in [answer(400), answer(401), answer(404), answer(429), answer(302), Err(Error::ResponseTooLarge)] {
            let breakers = after(Upstream::Plausible, 0..200, 5, &outcome);
            assert!(!is_open_for(&breakers, Upstream::Plausible, 1), "{outcome:?}");
        }
        for outcome in [answer(500), Err(Error::TimedOut)] {
            let breakers = after(Upstream::Plausible, 1..3, 50, &outcome);
            assert!(!is_open_for(&breakers, Upstream::Plausible, 9), "two keys: {outcome:?}");
            let breakers = after(Upstream::Plausible, 1..4, 1, &outcome);
            assert!(is_open_for(&breakers, Upstream::Plausible, 9), "three keys: {outcome:?}");
        }
        let faults = after(Upstream::Plausible, 1..2, 5, &answer(500));
        assert!(is_open_for(&faults, Upstream::Plausible, 1), "a key that does so harms itself");
        let faults = after(Upstream::IdentityProvider, 1..2, 50, &answer(500));
        assert!(!is_open_for(&faults, Upstream::IdentityProvider, 1), "codes that are made up");
    }

    #[test]
    fn what_no_caller_has_a_part_in_counts_whoever_asks() {
        let document = |status| Evidence::of(answer(status).as_ref(), false);
        assert_eq!((document(500), document(404)), (Evidence::Failure, Evidence::Answer));
    }

    #[test]
    fn documents_of_clients_have_no_breaker() {
        for outcome in [Err(Error::ConnectFailed), answer(503), Err(Error::TimedOut)] {
            let breakers = after(Upstream::ClientDocument, 0..200, 50, &outcome);
            assert!(!is_open_for(&breakers, Upstream::ClientDocument, 1), "{outcome:?}");
            assert!(breakers.of_origin.is_empty() && breakers.of_key.is_empty(), "nothing is kept of them");
        }
    }

    #[test]
    fn what_was_not_sent_ends_a_probe_without_a_verdict() {
        let mut breakers = after(Upstream::Plausible, 1..2, 5, &Err(Error::ConnectFailed));
        let (asked, later) = (asked(Upstream::Plausible, 1), Instant::now() + Duration::from_secs(10));
        let probes = breakers.begin(&asked);
        assert!(breakers.refusal(&asked, later).is_some());
        breakers.ended(&asked, probes, Evidence::None, later, later);
        assert!(breakers.refusal(&asked, later).is_none());
        let probes = breakers.begin(&asked);
        breakers.ended(&asked, probes, Evidence::Answer, later, later);
        assert_eq!(breakers.open_for(Upstream::Plausible, later), None);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let (mut breakers, now) = (Breakers::default(), Instant::now());
        for number in 0..5000_u32 {
            let mut asked = asked(Upstream::Plausible, 1);
            asked.key[..4].copy_from_slice(&number.to_be_bytes());
            asked.origin = format!("https://{number}.example");
            breakers.ended(&asked, Probes::default(), Evidence::Fault, now, now);
        }
        assert!(breakers.of_key.len() <= MOST_KEYS && breakers.of_origin.len() <= MOST_ORIGINS);
    }
}
