//! One authorization under way: from the consent page to the code, in one browser, within ten minutes.
//!
//! ```text
//! CONSENT --approve--> APPROVED (attempts 1..5) --a login is verified--> DONE
//!    |                    |   ^
//!    |                    |   +--approve again: one more attempt, as after a login that failed
//!    +-------deny---------+--> DENIED
//! ```
//!
//! A login that fails changes nothing, so it can be tried again. The consent page's cookie is required for every
//! decision, the one that approval sets for every login: a link that was prepared in another browser leads nowhere.
//!
//! Invariant: of all logins that are verified, one gets a code; a denied transaction gets none. The swap to DONE from
//! the very bytes that were read decides, and who loses it gives its grant up.

pub mod cookies;
mod handle;
mod state;

use self::cookies::{Cookie, CookieKind, Cookies};
pub use self::handle::Handle;
pub use self::state::Transaction;
use self::state::{Attempt, State, approved, check_open, find_attempt, form_token};
use super::authorize::AuthorizationRequest;
use super::client::Client;
use super::grant::{Approval, abandon, begin, seconds_until};
use super::keyring::Purpose;
use super::record::Sealed;
use super::resource::Resource;
use super::secret::hex;
use super::token::Token;
use super::vault::{Stored, Vault};
use crate::ports::{OauthStore, Random, StoreError, Timestamp};

/// What a page's form carries.
#[derive(Clone, PartialEq, Eq)]
pub struct FormFields {
    /// The transaction.
    pub handle: Handle,
    /// Proves that a page of ours made the form.
    pub token: String,
}

/// A transaction that was begun.
pub struct Opened {
    /// For the form of the consent page.
    pub form: FormFields,
    /// Set with the consent page.
    pub cookie: Cookie,
    /// How long the cookie lives, in seconds.
    pub cookie_seconds: u32,
}

/// A decision, as it came with a POST.
pub struct Submission<'a> {
    /// The field with the handle.
    pub handle: &'a str,
    /// The field with the form token.
    pub token: &'a str,
    /// The request's cookies.
    pub cookies: &'a Cookies,
}

/// A login that was started: what goes into the request to the identity provider.
pub struct Started {
    /// The `state`.
    pub state: String,
    /// The `nonce`.
    pub nonce: String,
    /// The `code_challenge`, by `S256`.
    pub challenge: String,
    /// Set with the redirect.
    pub cookie: Cookie,
    /// How long the cookie lives, in seconds.
    pub cookie_seconds: u32,
}

/// A login on its way back, in the browser that approved. Only [`returned`] makes one.
pub struct Login {
    /// For the form that tries again.
    pub form: FormFields,
    /// What is authorized, and for whom.
    pub transaction: Transaction,
    /// The nonce that the identity must carry.
    pub nonce: String,
    /// The `code_verifier` for the identity provider's token endpoint.
    pub verifier: String,
}

/// Why a transaction does not go on. The record stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionError {
    /// There is none: a handle or state that is not ours, or one that is gone.
    Unknown,
    /// Its time is over.
    Expired,
    /// The browser does not have the cookie: another one began the transaction, or it keeps no cookies.
    WrongBrowser,
    /// The same, where the browser has as many newer transactions as it may: this one gave way to them.
    Superseded,
    /// No page of ours made the form.
    WrongFormToken,
    /// The state names no attempt of this transaction.
    UnknownAttempt,
    /// The user has not approved.
    NotApproved,
    /// Five logins were started before.
    TooManyAttempts,
    /// The user has denied.
    Denied,
    /// It has had its code. The grant stays.
    Done,
    /// Others kept changing the record.
    Contended,
    /// The store failed.
    Store(StoreError),
}

impl TransactionError {
    /// The status of the page that says so.
    pub fn status(self) -> u16 {
        match self {
            TransactionError::WrongBrowser | TransactionError::Superseded | TransactionError::WrongFormToken => 403,
            TransactionError::Contended | TransactionError::Store(_) => 503,
            _ => 400,
        }
    }
}

impl From<StoreError> for TransactionError {
    fn from(error: StoreError) -> TransactionError {
        TransactionError::Store(error)
    }
}

/// Begins the transaction of a request that was checked for `client`.
pub async fn open<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    client: &Client,
    request: AuthorizationRequest,
) -> Result<Opened, StoreError> {
    let handle = Handle::new(now, vault.random.bytes());
    let cookie = Cookie::new(CookieKind::Consent, &handle, vault.random.bytes());
    let server_key = vault.ring.newest();
    let transaction = Transaction {
        request,
        client_name: client.metadata.name.clone(),
        may_refresh: client.metadata.may_refresh,
        expires: now.0.saturating_add(u64::from(TRANSACTION_SECONDS) * 1000),
        key: server_key.id().0,
        consent_hash: cookie.hash(),
        state: State::Consent,
    };
    let token = form_token(&server_key.subkey(Purpose::Form), &handle, &transaction.consent_hash);
    vault.put(&handle.store_key(), Sealed::ByServer, &transaction, TRANSACTION_SECONDS).await?;
    Ok(Opened { form: FormFields { handle, token }, cookie, cookie_seconds: TRANSACTION_SECONDS })
}

/// Approves, and starts a login: the first one, or one more after a login that failed.
pub async fn approve<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    submission: &Submission<'_>,
) -> Result<Started, TransactionError> {
    let handle = Handle::parse(submission.handle).ok_or(TransactionError::Unknown)?;
    let state = format!("{}.{}", handle.as_str(), hex(&vault.random.bytes::<32>()));
    let attempt = Attempt::new(&state, vault.random.bytes(), vault.random.bytes());
    for _ in 0..MAX_ROUNDS {
        let stored = read(vault, now, &handle).await?;
        let cookie = stored.content.check_submission(vault.ring, &handle, submission)?;
        let next = approved(&stored.content, &cookie, &attempt)?;
        if vault.replace(&handle.store_key(), Sealed::ByServer, &stored, &next, None).await? {
            let (challenge, nonce) = (attempt.challenge(), attempt.nonce);
            let cookie_seconds = seconds_until(next.expires, now);
            return Ok(Started { state, nonce, challenge, cookie, cookie_seconds });
        }
    }
    Err(TransactionError::Contended)
}

/// Finds what a submission is about if it can still be decided: for a page that shows the form again. Nothing is changed.
pub async fn submitted<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    submission: &Submission<'_>,
) -> Result<(FormFields, AuthorizationRequest), TransactionError> {
    let handle = Handle::parse(submission.handle).ok_or(TransactionError::Unknown)?;
    let transaction = read(vault, now, &handle).await?.content;
    transaction.check_submission(vault.ring, &handle, submission)?;
    check_open(&transaction)?;
    Ok((FormFields { handle, token: submission.token.to_owned() }, transaction.request))
}

/// Denies, and returns the request whose client is to be told. Until the transaction is done the user may still deny;
/// doing so again changes nothing.
pub async fn deny<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    submission: &Submission<'_>,
) -> Result<AuthorizationRequest, TransactionError> {
    let handle = Handle::parse(submission.handle).ok_or(TransactionError::Unknown)?;
    for _ in 0..MAX_ROUNDS {
        let stored = read(vault, now, &handle).await?;
        stored.content.check_submission(vault.ring, &handle, submission)?;
        match stored.content.state {
            State::Denied => return Ok(stored.content.request),
            State::Done => return Err(TransactionError::Done),
            State::Consent | State::Approved { .. } => {}
        }
        let next = Transaction { state: State::Denied, ..stored.content.clone() };
        if vault.replace(&handle.store_key(), Sealed::ByServer, &stored, &next, None).await? {
            return Ok(next.request);
        }
    }
    Err(TransactionError::Contended)
}

/// Finds the login that came back with `state`. Nothing is changed: whatever the identity provider says, the same state
/// may come again until the transaction is done.
pub async fn returned<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    state: &str,
    cookies: &Cookies,
) -> Result<Login, TransactionError> {
    let handle =
        state.split_once('.').and_then(|(handle, _)| Handle::parse(handle)).ok_or(TransactionError::Unknown)?;
    let transaction = read(vault, now, &handle).await?.content;
    let attempt = find_attempt(&transaction, &handle, state, cookies)?;
    let (nonce, verifier) = (attempt.nonce.clone(), attempt.verifier.clone());
    let token = form_token(&transaction.key(vault.ring)?, &handle, &transaction.consent_hash);
    Ok(Login { form: FormFields { handle, token }, transaction, nonce, verifier })
}

/// Gives the code to a login whose e-mail address was verified. Of several at once one gets it; for the others nothing
/// of what was written for them stays.
pub async fn complete<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    resource: &Resource,
    login: &Login,
    email: &str,
) -> Result<Token, TransactionError> {
    read(vault, now, &login.form.handle).await?.content.check_approved()?;
    let url = resource.url();
    let approval = Approval {
        request: &login.transaction.request,
        client_name: login.transaction.client_name.as_deref(),
        may_refresh: login.transaction.may_refresh,
        email,
        resource: &url,
    };
    let (code, grant) = begin(vault, now, approval).await?;
    let finished = finish(vault, now, &login.form.handle).await;
    if finished.is_err() {
        // What cannot be removed now is void for want of a holder, and goes with its time.
        let _ = abandon(vault, &code, &grant).await;
    }
    finished.map(|()| code)
}

/// Swaps APPROVED for DONE. Who finds another state has lost; another attempt in between is no loss.
async fn finish<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    handle: &Handle,
) -> Result<(), TransactionError> {
    for _ in 0..MAX_ROUNDS {
        let stored = read(vault, now, handle).await?;
        stored.content.check_approved()?;
        let next = Transaction { state: State::Done, ..stored.content.clone() };
        if vault.replace(&handle.store_key(), Sealed::ByServer, &stored, &next, None).await? {
            return Ok(());
        }
    }
    Err(TransactionError::Contended)
}

async fn read<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    handle: &Handle,
) -> Result<Stored<Transaction>, TransactionError> {
    let stored = vault.read::<Transaction>(&handle.store_key(), Sealed::ByServer).await?;
    let stored = stored.ok_or(TransactionError::Unknown)?;
    if stored.content.expires <= now.0 { Err(TransactionError::Expired) } else { Ok(stored) }
}

/// A transaction lives for ten minutes (MCP security best practices, "OAuth State Parameter Validation").
const TRANSACTION_SECONDS: u32 = 600;

/// A record changes at most six times: five attempts, and an end.
const MAX_ROUNDS: usize = 7;
