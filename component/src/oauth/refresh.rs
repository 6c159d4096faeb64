//! Refreshing: each refresh token is used once, and its successors are derived from it, not drawn.
//!
//! A client that lost the answer and asks again within 30 seconds therefore gets the same tokens. A refresh token that
//! is used again later, or after its successor was used, was stolen, or its owner lost it to a thief: the family ends
//! (RFC 9700 §4.14.2).
//!
//! Invariant: of all requests with one refresh token one moves the grant to the next generation; the swap of the grant's
//! record decides. Tokens are written before it, so that a generation that stands has its tokens.

use super::error::WireError;
use super::grant::{Grant, GrantState, Issued, TokenRecord, seconds_until};
use super::keyring::{KeyId, KeyRing, Purpose, ServerKey};
use super::record::Sealed;
use super::resource::Resource;
use super::token::{Token, TokenKind};
use super::vault::Vault;
use crate::ports::{OauthStore, Random, StoreError, Timestamp};

/// A token request with a refresh token. The client has authenticated, and the scope was checked.
pub struct Refresh<'a> {
    /// The client.
    pub client_id: &'a str,
    /// The refresh token, as it came.
    pub token: &'a str,
    /// The resource, as it came.
    pub resource: Option<&'a str>,
}

/// Why there are no new tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefreshError {
    /// It is no refresh token, or none that is known.
    Unknown,
    /// Its time is over.
    Expired,
    /// It was issued to another client.
    WrongClient,
    /// The resource is not the one that was authorized.
    WrongResource,
    /// The user is not admitted any more.
    NotAdmitted,
    /// The grant was revoked, its time is over, or it depends on a key that has left the ring.
    Revoked,
    /// It was used before; the grant is revoked.
    Reused {
        /// The id of the grant.
        grant: String,
    },
    /// The key that its successors were derived under is not in the ring any more, or they were revoked one by one.
    NotRepeatable,
    /// Others kept changing the grant.
    Contended,
    /// The store failed.
    Store(StoreError),
}

impl RefreshError {
    /// What the client is told.
    pub fn wire(&self) -> WireError {
        match self {
            RefreshError::WrongResource => WireError::InvalidTarget,
            RefreshError::Store(_) | RefreshError::Contended => WireError::TemporarilyUnavailable,
            _ => WireError::InvalidGrant,
        }
    }

    /// The name of the cause, for the log.
    pub fn reason(&self) -> &'static str {
        match self {
            RefreshError::Unknown => "refresh_unknown",
            RefreshError::Expired => "refresh_expired",
            RefreshError::WrongClient => "refresh_wrong_client",
            RefreshError::WrongResource => "refresh_wrong_resource",
            RefreshError::NotAdmitted => "refresh_user_not_admitted",
            RefreshError::Revoked => "refresh_grant_revoked",
            RefreshError::Reused { .. } => "refresh_reused",
            RefreshError::NotRepeatable => "refresh_not_repeatable",
            RefreshError::Contended => "refresh_contended",
            RefreshError::Store(error) => error.reason(),
        }
    }

    /// The id of the grant that ended by it.
    pub fn ended_grant(&self) -> Option<&str> {
        match self {
            RefreshError::Reused { grant } => Some(grant),
            _ => None,
        }
    }
}

impl From<StoreError> for RefreshError {
    fn from(error: StoreError) -> RefreshError {
        RefreshError::Store(error)
    }
}

/// Issues the successors of a refresh token. `admits` tells whether an e-mail address is still admitted.
pub async fn refresh<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    resource: &Resource,
    request: &Refresh<'_>,
    admits: impl Fn(&str) -> bool,
) -> Result<Issued, RefreshError> {
    resource.check(request.resource).map_err(|_| RefreshError::WrongResource)?;
    let token = Token::parse(TokenKind::Refresh, request.token).ok_or(RefreshError::Unknown)?;
    let stored = vault.read::<TokenRecord>(&token.store_key(), Sealed::ByToken(&token)).await?;
    let record = stored.ok_or(RefreshError::Unknown)?.content;
    check(&record, now, vault.ring, resource, request, &admits)?;
    let key = record.grant.store_key();
    for _ in 0..MAX_ROUNDS {
        let grant = vault.read::<Grant>(&key, Sealed::ByServer).await?.ok_or(RefreshError::Revoked)?;
        match decide(&record, &grant.content, now) {
            Decision::Refuse(error) => return Err(error),
            Decision::Revoke => {
                vault.delete(&key).await?;
                return Err(RefreshError::Reused { grant: record.grant.grant.clone() });
            }
            // The first request may have been told that its outcome is unknown, and so is this one until it is not.
            Decision::Repeat if !vault.confirm(&key, &grant).await? => continue,
            Decision::Repeat => return repeat(vault, now, &token, &record, &grant.content).await,
            Decision::Rotate => {}
        }
        let server_key = vault.ring.newest();
        let issued = place_successors(vault, now, &token, &record, &grant.content).await?;
        let next = Grant {
            generation: record.generation.saturating_add(1),
            last_issued: now.0,
            derived_under: server_key.id().0,
            ..grant.content.clone()
        };
        if vault.replace(&key, Sealed::ByServer, &grant, &next, None).await? {
            return Ok(issued);
        }
    }
    Err(RefreshError::Contended)
}

fn check(
    record: &TokenRecord,
    now: Timestamp,
    ring: &KeyRing,
    resource: &Resource,
    request: &Refresh,
    admits: &impl Fn(&str) -> bool,
) -> Result<(), RefreshError> {
    if record.client_id != request.client_id {
        return Err(RefreshError::WrongClient);
    }
    if record.resource != resource.url() {
        return Err(RefreshError::WrongResource);
    }
    if record.expires <= now.0 {
        return Err(RefreshError::Expired);
    }
    if !admits(&record.email) {
        return Err(RefreshError::NotAdmitted);
    }
    ring.find_user_id(&record.email, &record.grant.user).map(drop).ok_or(RefreshError::Revoked)
}

#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Rotate,
    Repeat,
    Revoke,
    Refuse(RefreshError),
}

/// What becomes of a refresh token, by the generation that its grant has reached.
fn decide(record: &TokenRecord, grant: &Grant, now: Timestamp) -> Decision {
    if grant.state != GrantState::Active || grant.expires <= now.0 {
        return Decision::Refuse(RefreshError::Revoked);
    }
    match grant.generation.checked_sub(record.generation) {
        // A successor that was written by a request which then lost or broke off: nobody was given it.
        None => Decision::Refuse(RefreshError::Unknown),
        Some(0) => Decision::Rotate,
        Some(1) if now.0.saturating_sub(grant.last_issued) <= REPEAT_MILLISECONDS => Decision::Repeat,
        Some(_) => Decision::Revoke,
    }
}

/// The tokens that follow `presented` in its family: the same for whoever asks.
fn successors(server_key: &ServerKey, presented: &Token, record: &TokenRecord) -> (Token, Token) {
    let key = server_key.subkey(Purpose::Refresh);
    let generation = record.generation.saturating_add(1).to_be_bytes();
    let derive =
        |label: &[u8]| key.mac(&[label, presented.expose().as_bytes(), record.grant.grant.as_bytes(), &generation]);
    (Token::new(TokenKind::Access, derive(b"access")), Token::new(TokenKind::Refresh, derive(b"refresh")))
}

async fn place_successors<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    presented: &Token,
    record: &TokenRecord,
    grant: &Grant,
) -> Result<Issued, StoreError> {
    let (access, refresh) = successors(vault.ring.newest(), presented, record);
    let next = |expires| TokenRecord { generation: record.generation.saturating_add(1), expires, ..record.clone() };
    place(vault, now, &refresh, &next(grant.expires)).await?;
    let expires = place(vault, now, &access, &next(grant.access_expiry(now))).await?;
    let expires_in = expires.saturating_sub(now.0) / 1000;
    Ok(Issued { grant: record.grant.clone(), access, refresh: Some(refresh), expires_in })
}

/// Writes the record unless a racing request has, and returns when the token ends.
async fn place<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    token: &Token,
    record: &TokenRecord,
) -> Result<u64, StoreError> {
    let (key, sealed, ttl) = (token.store_key(), Sealed::ByToken(token), seconds_until(record.expires, now));
    if vault.create(&key, sealed, record, ttl).await? {
        return Ok(record.expires);
    }
    match vault.read::<TokenRecord>(&key, sealed).await? {
        Some(found) if found.content.expires > now.0 => Ok(found.content.expires),
        _ => vault.put(&key, sealed, record, ttl).await.map(|()| record.expires),
    }
}

/// The tokens that the first request got, with what is left of their lifetime.
async fn repeat<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    presented: &Token,
    record: &TokenRecord,
    grant: &Grant,
) -> Result<Issued, RefreshError> {
    let server_key = vault.ring.key(KeyId(grant.derived_under)).ok_or(RefreshError::NotRepeatable)?;
    let (access, refresh) = successors(server_key, presented, record);
    let stored = vault.read::<TokenRecord>(&access.store_key(), Sealed::ByToken(&access)).await?;
    let expires = stored.ok_or(RefreshError::NotRepeatable)?.content.expires;
    let expires_in = expires.saturating_sub(now.0) / 1000;
    Ok(Issued { grant: record.grant.clone(), access, refresh: Some(refresh), expires_in })
}

/// How long an answer may be asked for again.
const REPEAT_MILLISECONDS: u64 = 30 * 1000;

/// The first swap that is lost leaves a generation from which the next round returns.
const MAX_ROUNDS: usize = 3;
