//! The record of a transaction, and what becomes of it: plain functions on plain data.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::cookies::{Cookie, CookieKind, Cookies};
use super::sealed_form::SealedForm;
use super::{CookieId, Handle, Submission, TransactionError};
use crate::oauth::authorize::AuthorizationRequest;
use crate::oauth::client::Client;
use crate::oauth::keyring::{KeyId, KeyRing, Purpose};
use crate::oauth::record::sealing_key;
use crate::oauth::secret::{Key, hex, is_equal, sha256};
use crate::ports::Timestamp;

/// The record of a transaction. Times are milliseconds since 1970.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// The request, as it was checked.
    pub request: AuthorizationRequest,
    /// The client, as it was when the user was asked.
    pub client: Client,
    pub(super) expires: u64,
    /// The id of the server key that the form token and the cookie of approval come from.
    pub(super) key: [u8; 4],
    pub(super) consent_hash: String,
    pub(super) state: State,
}

/// How far a transaction is. A record is written by the first decision, so none is in `Consent`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    Consent,
    Approved { upstream_hash: String, attempts: Vec<Attempt> },
    Done,
    Denied,
}

/// One login at the identity provider.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attempt {
    state_hash: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
}

/// The transaction with one more attempt. One that stands there already was written by this very request, when the
/// store did not know whether it had.
pub(super) fn approved(
    transaction: &Transaction,
    cookie: &Cookie,
    attempt: &Attempt,
) -> Result<Transaction, TransactionError> {
    let mut attempts = match &transaction.state {
        State::Consent => Vec::new(),
        State::Approved { attempts, .. } => attempts.clone(),
        State::Done => return Err(TransactionError::Done),
        State::Denied => return Err(TransactionError::Denied),
    };
    if !attempts.contains(attempt) {
        if attempts.len() >= MAX_ATTEMPTS {
            return Err(TransactionError::TooManyAttempts);
        }
        attempts.push(attempt.clone());
    }
    let state = State::Approved { upstream_hash: cookie.hash(), attempts };
    Ok(Transaction { state, ..transaction.clone() })
}

/// Whether the transaction takes another attempt.
pub(super) fn check_open(transaction: &Transaction) -> Result<(), TransactionError> {
    match &transaction.state {
        State::Approved { attempts, .. } if attempts.len() >= MAX_ATTEMPTS => Err(TransactionError::TooManyAttempts),
        State::Consent | State::Approved { .. } => Ok(()),
        State::Done => Err(TransactionError::Done),
        State::Denied => Err(TransactionError::Denied),
    }
}

/// The attempt that `state` names, in the browser that approved.
pub(super) fn find_attempt<'a>(
    transaction: &'a Transaction,
    id: &CookieId,
    state: &str,
    cookies: &Cookies,
) -> Result<&'a Attempt, TransactionError> {
    transaction.check_approved()?;
    let State::Approved { upstream_hash, attempts } = &transaction.state else {
        return Err(TransactionError::NotApproved);
    };
    if cookies.value(CookieKind::Upstream, id).is_none() {
        return Err(absent(cookies, id));
    }
    if !cookies.has(CookieKind::Upstream, id, upstream_hash) {
        return Err(TransactionError::WrongCookie);
    }
    let hash = hash(state);
    let attempt = attempts.iter().find(|attempt| is_equal(attempt.state_hash.as_bytes(), hash.as_bytes()));
    attempt.ok_or(TransactionError::UnknownAttempt)
}

/// What a browser is told that does not have the cookie of a transaction: that the sign-in is over, if it is.
pub(super) fn without_cookie(
    stored: Option<&Transaction>,
    id: &CookieId,
    cookies: &Cookies,
    now: Timestamp,
) -> TransactionError {
    match stored.map(|transaction| &transaction.state) {
        Some(State::Done) => TransactionError::Done,
        Some(State::Denied) => TransactionError::Denied,
        _ if id.is_over(now) => TransactionError::Expired,
        _ => absent(cookies, id),
    }
}

/// What a transaction says to a browser that does not have its cookie.
fn absent(cookies: &Cookies, id: &CookieId) -> TransactionError {
    if cookies.have_superseded(id) { TransactionError::Superseded } else { TransactionError::WrongBrowser }
}

impl Transaction {
    /// The transaction that a sealed form begins, in a browser whose consent cookie is `consent`.
    pub(super) fn begun(
        ring: &KeyRing,
        id: &CookieId,
        consent: &str,
        form: &[u8],
    ) -> Result<Transaction, TransactionError> {
        let key = sealing_key(ring, form)?.id().0;
        let SealedForm { client, request, expires } = SealedForm::open(ring, id, consent, form)?;
        Ok(Transaction { request, client, expires, key, consent_hash: hash(consent), state: State::Consent })
    }

    /// Checks that browser and page are ours, and returns the cookie that an approval sets. It is derived, not drawn,
    /// so that of two clicks in a row it does not matter whose answer the browser keeps.
    pub(super) fn check_submission(
        &self,
        ring: &KeyRing,
        handle: &Handle,
        consent: &str,
        submission: &Submission,
    ) -> Result<Cookie, TransactionError> {
        if !is_equal(hash(consent).as_bytes(), self.consent_hash.as_bytes()) {
            return Err(TransactionError::WrongCookie);
        }
        let key = self.key(ring)?;
        let expected = form_token(&key, submission.handle, &self.consent_hash);
        if !is_equal(expected.as_bytes(), submission.token.as_bytes()) {
            return Err(TransactionError::WrongFormToken);
        }
        let id = handle.cookie_id();
        let value = key.mac(&[b"upstream", id.as_str().as_bytes(), consent.as_bytes()]);
        Ok(Cookie::new(CookieKind::Upstream, id, value))
    }

    /// A transaction that ends later than any that begins now was begun by a clock that was wrong.
    pub(super) fn check_time(&self, now: Timestamp) -> Result<(), TransactionError> {
        let latest = now.0.saturating_add(MAX_REMAINING_MILLISECONDS);
        if (now.0.saturating_add(1)..=latest).contains(&self.expires) { Ok(()) } else { Err(TransactionError::Expired) }
    }

    pub(super) fn check_approved(&self) -> Result<(), TransactionError> {
        match self.state {
            State::Consent => Err(TransactionError::NotApproved),
            State::Approved { .. } => Ok(()),
            State::Done => Err(TransactionError::Done),
            State::Denied => Err(TransactionError::Denied),
        }
    }

    /// The subkey that this transaction's form token comes from. Removing its key from the ring ends the transaction.
    pub(super) fn key(&self, ring: &KeyRing) -> Result<Key, TransactionError> {
        let key = ring.key(KeyId(self.key)).ok_or(TransactionError::Outdated)?;
        Ok(key.subkey(Purpose::Form))
    }
}

impl Attempt {
    pub(super) fn new(state: &str, nonce: [u8; 32], verifier: [u8; 32]) -> Attempt {
        Attempt { state_hash: hash(state), nonce: hex(&nonce), verifier: URL_SAFE_NO_PAD.encode(verifier) }
    }

    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(sha256(self.verifier.as_bytes()))
    }
}

/// What a form carries besides the handle.
pub(super) fn form_token(key: &Key, handle: &str, consent_hash: &str) -> String {
    hex(&key.mac(&[b"form", handle.as_bytes(), consent_hash.as_bytes()]))
}

fn hash(text: &str) -> String {
    hex(&sha256(text.as_bytes()))
}

/// Who fails to sign in five times starts again from the client.
const MAX_ATTEMPTS: usize = 5;

/// Ten minutes, and one for clocks that differ: as much longer as the record outlives the form.
const MAX_REMAINING_MILLISECONDS: u64 = 11 * 60 * 1000;
