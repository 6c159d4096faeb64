//! What the operator asks about grants: the list, and revocation.

use super::issuer::{self, Issuer, SecretError};
use super::setup::Setup;
use crate::config::ConfigError;
use crate::oauth::client_metadata::DocumentUrl;
use crate::oauth::grants::{self, Listed, Whose};
use crate::oauth::revoke::{Ended, revoke_all, revoke_user};
use crate::ports::{Ports, StoreError};
use crate::telemetry::Act;

/// Whose grants are meant.
#[derive(Clone, PartialEq, Eq)]
pub enum Selector {
    /// Those of the user with this e-mail address.
    User(String),
    /// Everybody's.
    All,
}

/// A grant as the operator sees it. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedGrant {
    /// What the client calls itself, or the host of its id.
    pub client: String,
    /// The id of its user, as the log has it: never an address.
    pub user: String,
    /// When the user signed in.
    pub created: u64,
    /// When tokens were issued last.
    pub last_issued: u64,
    /// When it ends by itself.
    pub expires: u64,
}

/// A page of grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantPage {
    /// The grants.
    pub grants: Vec<ListedGrant>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// What a revocation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// How many grants ended for good.
    pub revoked: u32,
    /// How many ended on this copy of the store alone: a failover may bring them back.
    pub unconfirmed: u32,
    /// Whether everything that the selector means is gone for good, with what ended before.
    pub is_confirmed: bool,
    /// What the operator should know.
    pub notes: Vec<String>,
    /// The id of the user whose grants were meant, as the log has it; `None` for everybody's.
    pub user: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorError {
    /// There is no authorization server here.
    NotConfigured,
    /// The store failed.
    StoreUnavailable,
    /// The server's keys cannot be read at the moment.
    SecretUnavailable,
    /// A newer version wrote a grant.
    NewerRecord,
    /// The cursor or the address is not of the right form.
    InvalidArgument,
}

/// The grants that `selector` means.
pub async fn list_grants<P: Ports>(
    ports: &P,
    setup: &Result<Setup, ConfigError>,
    selector: &Selector,
    cursor: Option<&str>,
) -> Result<GrantPage, OperatorError> {
    let setup = setup.as_ref().map_err(|_| OperatorError::NotConfigured)?;
    let ring = issuer::key_ring(ports.secrets()).map_err(without_keys)?;
    let issuer = Issuer::new(ports, setup, &ring).ok_or(OperatorError::NotConfigured)?;
    let whose = match selector {
        Selector::All => Whose::All,
        Selector::User(email) => Whose::User(ring.user_ids(checked(email)?)),
    };
    let page = grants::list(&issuer.vault, &whose, cursor).await.map_err(|error| match error {
        StoreError::NewerRecord => OperatorError::NewerRecord,
        _ => OperatorError::StoreUnavailable,
    })?;
    let page = page.ok_or(OperatorError::InvalidArgument)?;
    Ok(GrantPage { grants: page.grants.into_iter().map(listed).collect(), next: page.next })
}

/// Ends the grants that `selector` means.
pub async fn revoke<P: Ports>(
    ports: &P,
    setup: &Result<Setup, ConfigError>,
    selector: &Selector,
) -> Result<Revocation, OperatorError> {
    let setup = setup.as_ref().map_err(|_| OperatorError::NotConfigured)?;
    let ring = issuer::key_ring(ports.secrets()).map_err(without_keys)?;
    let issuer = Issuer::new(ports, setup, &ring).ok_or(OperatorError::NotConfigured)?;
    let store = issuer.vault.store;
    let (user, revoked) = match selector {
        Selector::All => (None, revoke_all(store).await),
        Selector::User(email) => {
            let users = ring.user_ids(checked(email)?);
            (users.first().map(|user| user.as_str().to_owned()), revoke_user(store, &users).await)
        }
    };
    let ended = revoked.map_err(|_| OperatorError::StoreUnavailable)?;
    let mut notes = Vec::from_iter(doubt(ended));
    if matches!(selector, Selector::User(_)) {
        notes.push("The user can sign in again. To keep the user out, add the address to DENIED_EMAILS.".to_owned());
    }
    if issuer.sign_in.assertion.is_some() {
        notes.push(
            "Users who come through Cloudflare Access itself have no grants and are not stopped. End their sessions \
             in Access, or add their addresses to DENIED_EMAILS."
                .to_owned(),
        );
    }
    let is_confirmed = ended.unconfirmed == 0 && !ended.in_doubt;
    Ok(Revocation { revoked: ended.confirmed, unconfirmed: ended.unconfirmed, is_confirmed, notes, user })
}

/// What an audit is told about a revocation; nothing where nothing was tried.
pub fn act(selector: &Selector, outcome: &Result<Revocation, OperatorError>) -> Option<Act> {
    match outcome {
        Ok(done) => Some(Act::grants_revoked(done.user.as_deref(), done.revoked, done.unconfirmed)),
        Err(OperatorError::StoreUnavailable) => {
            let is_for_all = *selector == Selector::All;
            Some(Act::grants_not_revoked(is_for_all, StoreError::Unavailable.reason()))
        }
        Err(
            OperatorError::NotConfigured
            | OperatorError::SecretUnavailable
            | OperatorError::NewerRecord
            | OperatorError::InvalidArgument,
        ) => None,
    }
}

fn without_keys(error: SecretError) -> OperatorError {
    match error {
        SecretError::Unavailable(_) => OperatorError::SecretUnavailable,
        // `check` says what is wrong with the setting.
        SecretError::Misconfigured(_) => OperatorError::NotConfigured,
    }
}

/// What the operator has to do about a revocation that is not confirmed.
fn doubt(ended: Ended) -> Option<String> {
    let what = match ended {
        Ended { unconfirmed: 0, in_doubt: false, .. } => return None,
        Ended { unconfirmed: 0, .. } => "Whether what ended before is gone for good is not confirmed".to_owned(),
        Ended { unconfirmed: 1, .. } => "1 more grant ended here, which is not confirmed".to_owned(),
        Ended { unconfirmed, .. } => format!("{unconfirmed} more grants ended here, which is not confirmed"),
    };
    Some(format!(
        "{what}: too few copies of the store answered, and a failover to another copy may bring grants back. Revoke \
         again when the store is whole."
    ))
}

/// One `@` with something on both sides: anything else is a slip, and would find nobody.
fn checked(email: &str) -> Result<&str, OperatorError> {
    let email = email.trim();
    let is_address = email
        .split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'));
    if is_address { Ok(email) } else { Err(OperatorError::InvalidArgument) }
}

fn listed(Listed { user, grant }: Listed) -> ListedGrant {
    let host = || DocumentUrl::parse(&grant.client_id, true).ok().map(|url| url.host().to_owned());
    let name = grant.client_name.clone().filter(|name| !name.trim().is_empty());
    ListedGrant {
        client: name.or_else(host).unwrap_or_else(|| "a client without a name".to_owned()),
        user,
        created: grant.created / 1000,
        last_issued: grant.last_issued / 1000,
        expires: grant.expires / 1000,
    }
}
