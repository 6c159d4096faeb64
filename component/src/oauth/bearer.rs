//! The bearer check: from an access token to who calls, with two reads.

use super::error::WireError;
use super::grant::{Grant, GrantState, TokenRecord};
use super::keyring::UserId;
use super::record::Sealed;
use super::resource::Resource;
use super::token::{Token, TokenKind};
use super::vault::Vault;
use crate::ports::{OauthStore, Random, StoreError, Timestamp};

/// Who calls. Only [`authenticate`] makes one.
#[derive(Clone, PartialEq, Eq)]
pub struct Principal {
    user: UserId,
    email: String,
    client_id: String,
}

/// Why a token does not admit its bearer. The peer learns `invalid_token` whatever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BearerError {
    /// It is no access token of ours: a code, a refresh token, somebody else's.
    NotOurs,
    /// It is not known, or was revoked.
    Unknown,
    /// Its time is over.
    Expired,
    /// It is for another resource.
    WrongResource,
    /// The user is not admitted any more.
    NotAdmitted,
    /// Its grant was revoked, never became active, or depends on a key that has left the ring.
    Revoked,
    /// The store failed: nothing is known about the token.
    Store(StoreError),
}

/// Checks a bearer token at `resource`. `admits` tells whether an e-mail address is still admitted.
pub async fn authenticate<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    resource: &Resource,
    presented: &str,
    admits: impl Fn(&str) -> bool,
) -> Result<Principal, BearerError> {
    let token = Token::parse(TokenKind::Access, presented).ok_or(BearerError::NotOurs)?;
    let stored = vault.read::<TokenRecord>(&token.store_key(), Sealed::ByToken(&token)).await?;
    let record = stored.ok_or(BearerError::Unknown)?.content;
    if record.expires <= now.0 {
        return Err(BearerError::Expired);
    }
    if record.resource != resource.url() {
        return Err(BearerError::WrongResource);
    }
    if !admits(&record.email) {
        return Err(BearerError::NotAdmitted);
    }
    let user = vault.ring.find_user_id(&record.email, &record.grant.user).ok_or(BearerError::Revoked)?;
    let grant = vault.read::<Grant>(&record.grant.store_key(), Sealed::ByServer).await?;
    let active = |grant: &Grant| grant.state == GrantState::Active && grant.expires > now.0;
    if !grant.is_some_and(|grant| active(&grant.content)) {
        return Err(BearerError::Revoked);
    }
    Ok(Principal { user, email: record.email, client_id: record.client_id })
}

impl BearerError {
    /// What the client is told.
    pub fn wire(self) -> WireError {
        match self {
            BearerError::Store(_) => WireError::TemporarilyUnavailable,
            _ => WireError::InvalidToken,
        }
    }

    /// The name of the cause, for the log.
    pub fn reason(self) -> &'static str {
        match self {
            BearerError::NotOurs => "token_not_ours",
            BearerError::Unknown => "token_unknown",
            BearerError::Expired => "token_expired",
            BearerError::WrongResource => "token_wrong_resource",
            BearerError::NotAdmitted => "token_user_not_admitted",
            BearerError::Revoked => "token_grant_revoked",
            BearerError::Store(error) => error.reason(),
        }
    }
}

impl From<StoreError> for BearerError {
    fn from(error: StoreError) -> BearerError {
        BearerError::Store(error)
    }
}

impl Principal {
    /// The user's identifier.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// The user's e-mail address.
    pub fn email(&self) -> &str {
        &self.email
    }

    /// The client that calls for the user.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }
}

impl std::fmt::Debug for Principal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Principal").field("user", &self.user).finish_non_exhaustive()
    }
}
