//! Answers of Plausible to `/internal`, kept for a short while behind the store, so that a team that asks the same
//! question costs the shared key one query.
//!
//! An answer stands under a MAC of the question and is sealed under a key that takes the server's `answer` subkey and
//! the Plausible key: who reads the store learns neither, and another Plausible key finds and opens nothing.

use crate::oauth::keyring::{KeyRing, Purpose};
use crate::oauth::record::{self, Sealed};
use crate::oauth::secret::{Key, hex, sha256};
use crate::plausible::{Answer, DateRange, Query};
use crate::ports::{OauthStore, Ports, Random, Timestamp};

/// The answers to one Plausible key.
pub struct AnswerCache<'a, P> {
    ports: &'a P,
    ring: &'a KeyRing,
    base_url: &'a str,
    plausible_key: Key,
}

/// An answer as it is kept.
pub struct Remembered {
    /// Until when it holds.
    pub expires: Timestamp,
    /// The answer, as it came.
    pub body: Vec<u8>,
}

impl<'a, P: Ports> AnswerCache<'a, P> {
    /// The answers of the Plausible at `base_url` to `plausible_key`.
    pub fn new(ports: &'a P, ring: &'a KeyRing, base_url: &'a str, plausible_key: &str) -> Self {
        AnswerCache { ports, ring, base_url, plausible_key: Key::new(sha256(plausible_key.as_bytes())) }
    }

    /// Where the answer to a query, as it is sent, stands.
    pub fn store_key(&self, query: &str) -> String {
        let subkey = self.ring.newest().subkey(Purpose::Answer);
        let parts = [self.plausible_key.expose().as_slice(), self.base_url.as_bytes(), query.as_bytes()];
        format!("answer/{}", hex(&subkey.mac(&parts)))
    }

    /// The answer under `store_key`. A store that does not answer, and a record that does not open, are as good as none:
    /// Plausible is asked.
    pub async fn recall(&self, store_key: &str) -> Option<Remembered> {
        let value = self.ports.store().get(store_key).await.ok()??;
        let content = record::open_bytes(self.ring, store_key, Sealed::ByKey(&self.plausible_key), &value).ok()?;
        let (expires, body) = content.split_first_chunk()?;
        Some(Remembered { expires: Timestamp(u64::from_be_bytes(*expires)), body: body.to_vec() })
    }

    /// Keeps an answer that holds for so many seconds, and a small one for a day longer. One that the store would not
    /// take is not kept.
    pub async fn remember(&self, store_key: &str, answer: &[u8], seconds: u32, now: Timestamp) {
        if answer.len() <= MAX_ANSWER {
            let longer = if answer.len() <= MAX_STANDING_IN { STANDING_IN_SECONDS } else { 0 };
            self.keep(store_key, answer, seconds, seconds + longer, now).await;
        }
    }

    /// Notes that Plausible is not to be asked with this key for so many seconds.
    pub async fn ask_to_wait(&self, seconds: u32, now: Timestamp) {
        self.keep(&self.store_key(WAIT), &[], seconds, seconds, now).await;
    }

    /// For how many seconds Plausible is still not to be asked with this key.
    pub async fn asked_to_wait(&self, now: Timestamp) -> Option<u32> {
        let wait = self.recall(&self.store_key(WAIT)).await?;
        let milliseconds = wait.expires.0.checked_sub(now.0)?;
        u32::try_from(milliseconds.div_ceil(1000)).ok().filter(|seconds| *seconds > 0)
    }

    async fn keep(&self, store_key: &str, content: &[u8], holds: u32, lasts: u32, now: Timestamp) {
        let expires = now.0.saturating_add(u64::from(holds) * 1000);
        let content = [&expires.to_be_bytes(), content].concat();
        let nonce = self.ports.random().bytes();
        let value = record::seal_bytes(self.ring, store_key, Sealed::ByKey(&self.plausible_key), nonce, &content);
        // Whether it is kept decides nothing.
        let _ = self.ports.store().put(store_key, &value, lasts).await;
    }
}

impl Remembered {
    /// Whether it is as good as a new one.
    pub fn holds(&self, now: Timestamp) -> bool {
        now < self.expires
    }

    /// Whether it may stand in for a new one while Plausible does not answer.
    pub fn may_stand_in(&self, now: Timestamp) -> bool {
        let over = now.0.saturating_sub(self.expires.0);
        self.body.len() <= MAX_STANDING_IN && over < u64::from(STANDING_IN_SECONDS) * 1000
    }

    /// When Plausible gave the answer. Records say only until when it holds: if it would have held for long already when
    /// that time began, it did.
    pub fn given(&self, query: &Query, answer: &Answer) -> Timestamp {
        let before = |seconds: u32| Timestamp(self.expires.0.saturating_sub(u64::from(seconds) * 1000));
        let earliest = before(SETTLED_LIFETIME_SECONDS);
        before(lifetime(query, answer, earliest))
    }
}

/// How long an answer holds, in seconds: long when it is about days that were over a day ago where the site is, and
/// that the caller named. What "7d" means changes at midnight.
pub fn lifetime(query: &Query, answer: &Answer, now: Timestamp) -> u32 {
    let is_relative = matches!(query.date_range, DateRange::Relative(_));
    let since_end = answer.period.as_ref().and_then(|period| period.seconds_since_end(now));
    match since_end {
        Some(seconds) if !is_relative && seconds > SETTLED_SECONDS => SETTLED_LIFETIME_SECONDS,
        _ => LIFETIME_SECONDS,
    }
}

/// Plausible's own dashboards are no fresher.
const LIFETIME_SECONDS: u32 = 60;

/// Numbers of days that are over change when late events are counted or somebody removes some.
const SETTLED_LIFETIME_SECONDS: u32 = 60 * 60;

/// After so long nothing is counted any more.
const SETTLED_SECONDS: i64 = 24 * 60 * 60;

/// How long an answer that is over may stand in for one that Plausible does not give: traffic of the day before is still
/// worth something, and says of when it is.
const STANDING_IN_SECONDS: u32 = 24 * 60 * 60;

/// The largest answer that is kept for so long: a table that a person reads has a few kilobytes.
const MAX_STANDING_IN: usize = 16 * 1024;

/// What no query is: the name under which it stands how long Plausible asks to wait.
const WAIT: &str = "retry-after";

/// The largest value of the store (`wit/oauth-store.wit`) without what sealing adds.
const MAX_ANSWER: usize = 256 * 1024 - 64;
