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

    /// The answer under `store_key`, as it came. A store that does not answer, and a record that does not open, are as
    /// good as none: Plausible is asked.
    pub async fn recall(&self, store_key: &str, now: Timestamp) -> Option<Vec<u8>> {
        let value = self.ports.store().get(store_key).await.ok()??;
        let content = record::open_bytes(self.ring, store_key, Sealed::ByKey(&self.plausible_key), &value).ok()?;
        let (expires, answer) = content.split_first_chunk()?;
        (now.0 < u64::from_be_bytes(*expires)).then(|| answer.to_vec())
    }

    /// Keeps an answer for so many seconds. One that the store would not take is not kept.
    pub async fn remember(&self, store_key: &str, answer: &[u8], seconds: u32, now: Timestamp) {
        if answer.len() > MAX_ANSWER {
            return;
        }
        let expires = now.0.saturating_add(u64::from(seconds) * 1000);
        let content = [&expires.to_be_bytes(), answer].concat();
        let nonce = self.ports.random().bytes();
        let value = record::seal_bytes(self.ring, store_key, Sealed::ByKey(&self.plausible_key), nonce, &content);
        // Whether it is kept decides nothing.
        let _ = self.ports.store().put(store_key, &value, seconds).await;
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

/// The largest value of the store (`wit/oauth-store.wit`) without what sealing adds.
const MAX_ANSWER: usize = 256 * 1024 - 64;
