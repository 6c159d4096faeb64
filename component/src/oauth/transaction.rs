//! One authorization under way: from the consent page to the code, in one browser, within ten minutes.
//!
//! ```text
//! a sealed form, in the browser
//!    |  first decision: the record is created
//!    +--approve--> APPROVED (attempts 1..5) --a login is verified--> DONE
//!    |                |   ^
//!    |                |   +--approve again: one more attempt, as after a login that failed
//!    +-----deny-------+--> DENIED
//! ```
//!
//! Nothing is stored for a page that somebody has looked at: its form carries the checked request, sealed. A login that
//! fails changes nothing, so it can be tried again. The consent page's cookie is required for every decision, the one
//! that approval sets for every login: a link that was prepared in another browser leads nowhere.
//!
//! Invariant: of all forms that are the same one begins one transaction, because its record stands under a keyed hash of
//! the form and is made by `create`. Of all logins that are verified, one gets a code; a denied transaction gets none.
//! The swap to DONE from the very bytes that were read decides, and who loses it gives its grant up.

pub mod cookies;
mod error;
mod handle;
mod sealed_form;
mod state;

use self::cookies::{Cookie, CookieKind, Cookies};
pub use self::error::TransactionError;
pub use self::handle::{CookieId, Handle};
use self::sealed_form::SealedForm;
pub use self::state::Transaction;
use self::state::{Attempt, State, approved, check_open, find_attempt, form_token, without_cookie};
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
    /// Says which transaction it is about ([`Handle`]).
    pub handle: String,
    /// Proves that a page of ours made the form.
    pub token: String,
}

/// A consent page that was made. Nothing is stored for it.
pub struct Opened {
    /// For the form of the page.
    pub form: FormFields,
    /// Names the cookies.
    pub id: CookieId,
    /// Set with the page.
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
    /// The client, which may have been evicted since the page was shown.
    pub client: Client,
    /// Set with the redirect.
    pub cookie: Cookie,
    /// How long the cookie lives, in seconds.
    pub cookie_seconds: u32,
}

/// A denial that counts.
#[derive(Debug, PartialEq, Eq)]
pub struct Denial {
    /// The request whose client is to be told.
    pub request: AuthorizationRequest,
    /// Names the cookies that have ended.
    pub id: CookieId,
}

/// A login on its way back, in the browser that approved. Only [`returned`] makes one.
pub struct Login {
    /// For the form that tries again.
    pub form: FormFields,
    /// Which transaction it belongs to.
    pub handle: Handle,
    /// What is authorized, and for whom.
    pub transaction: Transaction,
    /// The nonce that the identity must carry.
    pub nonce: String,
    /// The `code_verifier` for the identity provider's token endpoint.
    pub verifier: String,
}

/// What a submission decides about.
struct Found {
    handle: Handle,
    store_key: String,
    /// The transaction as it stands, or as the form begins it.
    transaction: Transaction,
    stored: Option<Stored<Transaction>>,
    /// What an approval sets.
    cookie: Cookie,
}

/// Makes the form of a consent page for a request that was checked for `client`.
pub fn open<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    client: &Client,
    request: AuthorizationRequest,
) -> Result<Opened, TransactionError> {
    let id = CookieId::new(now, vault.random.bytes());
    let cookie = Cookie::new(CookieKind::Consent, &id, vault.random.bytes());
    let expires = now.0.saturating_add(u64::from(TRANSACTION_SECONDS) * 1000);
    let form = SealedForm { client: client.clone(), request, expires };
    let sealed = form.seal(vault.ring, &id, &cookie, vault.random.bytes());
    let handle = Handle::sealed(id.clone(), sealed).text();
    if handle.len() > MAX_HANDLE_BYTES {
        return Err(TransactionError::TooLarge);
    }
    let token = form_token(&vault.ring.newest().subkey(Purpose::Form), &handle, &cookie.hash());
    Ok(Opened { form: FormFields { handle, token }, id, cookie, cookie_seconds: TRANSACTION_SECONDS })
}

/// Approves, and starts a login: the first one, or one more after a login that failed.
pub async fn approve<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    submission: &Submission<'_>,
) -> Result<Started, TransactionError> {
    let short = Handle::parse(submission.handle)?.stored(vault.ring)?;
    let state = format!("{}.{}", short.text(), hex(&vault.random.bytes::<32>()));
    let attempt = Attempt::new(&state, vault.random.bytes(), vault.random.bytes());
    for _ in 0..MAX_ROUNDS {
        let found = find(vault, now, submission).await?;
        let next = approved(&found.transaction, &found.cookie, &attempt)?;
        if write(vault, now, &found, &next).await? {
            let (challenge, nonce) = (attempt.challenge(), attempt.nonce);
            let cookie_seconds = seconds_until(next.expires, now);
            let (cookie, client) = (found.cookie, next.client);
            return Ok(Started { state, nonce, challenge, client, cookie, cookie_seconds });
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
    let found = find(vault, now, submission).await?;
    check_open(&found.transaction)?;
    let form = FormFields { handle: found.handle.text(), token: submission.token.to_owned() };
    Ok((form, found.transaction.request))
}

/// Denies. Until the transaction is done the user may still deny; doing so again changes nothing.
pub async fn deny<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    submission: &Submission<'_>,
) -> Result<Denial, TransactionError> {
    for _ in 0..MAX_ROUNDS {
        let found = find(vault, now, submission).await?;
        let id = found.handle.cookie_id().clone();
        match found.transaction.state {
            State::Denied => match &found.stored {
                // The first denial may have been told that its outcome is unknown.
                Some(stored) if !vault.confirm(&found.store_key, stored).await? => continue,
                _ => return Ok(Denial { request: found.transaction.request, id }),
            },
            State::Done => return Err(TransactionError::Done),
            State::Consent | State::Approved { .. } => {}
        }
        let next = Transaction { state: State::Denied, ..found.transaction.clone() };
        if write(vault, now, &found, &next).await? {
            return Ok(Denial { request: next.request, id });
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
    let (handle, _) = state.split_once('.').ok_or(TransactionError::Unknown)?;
    let handle = Handle::parse(handle)?;
    let transaction = read(vault, now, &handle).await?.content;
    let attempt = find_attempt(&transaction, handle.cookie_id(), state, cookies)?;
    let (nonce, verifier) = (attempt.nonce.clone(), attempt.verifier.clone());
    let text = handle.text();
    let token = form_token(&transaction.key(vault.ring)?, &text, &transaction.consent_hash);
    Ok(Login { form: FormFields { handle: text, token }, handle, transaction, nonce, verifier })
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
    read(vault, now, &login.handle).await?.content.check_approved()?;
    let url = resource.url();
    let approval =
        Approval { request: &login.transaction.request, client: &login.transaction.client, email, resource: &url };
    let (code, grant) = begin(vault, now, approval).await?;
    let finished = finish(vault, now, &login.handle).await;
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
        if vault.replace(&handle.store_key(vault.ring)?, Sealed::ByServer, &stored, &next, None).await? {
            return Ok(());
        }
    }
    Err(TransactionError::Contended)
}

/// Finds what a submission is about, in the browser and from the page that may decide.
async fn find<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    submission: &Submission<'_>,
) -> Result<Found, TransactionError> {
    let handle = Handle::parse(submission.handle)?;
    let (id, cookies) = (handle.cookie_id(), submission.cookies);
    let store_key = handle.store_key(vault.ring)?;
    let stored = vault.read::<Transaction>(&store_key, Sealed::ByServer).await?;
    let Some(consent) = cookies.value(CookieKind::Consent, id) else {
        return Err(without_cookie(stored.as_ref().map(|stored| &stored.content), id, cookies, now));
    };
    let transaction = match (&stored, handle.form()) {
        (Some(stored), _) => stored.content.clone(),
        (None, Some(form)) => Transaction::begun(vault.ring, id, consent, form)?,
        (None, None) if id.is_over(now) => return Err(TransactionError::Expired),
        (None, None) => return Err(TransactionError::Unknown),
    };
    let cookie = transaction.check_submission(vault.ring, &handle, consent, submission)?;
    transaction.check_time(now)?;
    Ok(Found { handle, store_key, transaction, stored, cookie })
}

/// Writes what was decided, unless somebody else has decided since, and tells whether it did.
async fn write<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    found: &Found,
    next: &Transaction,
) -> Result<bool, StoreError> {
    let (key, sealed) = (&found.store_key, Sealed::ByServer);
    match &found.stored {
        Some(stored) => vault.replace(key, sealed, stored, next, None).await,
        None => {
            let seconds = seconds_until(next.expires, now).saturating_add(AFTERLIFE_SECONDS);
            vault.create(key, sealed, next, seconds).await
        }
    }
}

async fn read<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    handle: &Handle,
) -> Result<Stored<Transaction>, TransactionError> {
    let stored = vault.read::<Transaction>(&handle.store_key(vault.ring)?, Sealed::ByServer).await?;
    match stored {
        Some(stored) => {
            stored.content.check_time(now)?;
            Ok(stored)
        }
        None if handle.cookie_id().is_over(now) => Err(TransactionError::Expired),
        None => Err(TransactionError::Unknown),
    }
}

/// A transaction lives for ten minutes (MCP security best practices, "OAuth State Parameter Validation").
const TRANSACTION_SECONDS: u32 = 600;

/// So much longer the record stands than the form can be sent, so that no process whose clock is late begins a second
/// transaction from it.
const AFTERLIFE_SECONDS: u32 = 60;

/// The longest handle: with the token and the decision it fits into the form that the decision endpoint reads (32 KiB).
const MAX_HANDLE_BYTES: usize = 31 * 1024;

/// A record changes at most six times: five attempts, and an end.
const MAX_ROUNDS: usize = 7;
