//! A grant: what one user let one client do, from one sign-in. Codes and tokens point to it; without it they are void.
//!
//! ```text
//! PENDING --code redeemed--> ACTIVE --refreshed--> ACTIVE (next generation)
//!    |                          |
//!    +---- revoked, or its time is over: no record ----+
//! ```
//!
//! Revoking deletes the record: a `delete` wins over every `replace` that races it, and ids are never used again.

use serde::{Deserialize, Serialize};

use super::authorize::AuthorizationRequest;
use super::client::Client;
use super::code::CodeRecord;
use super::keyring::UserId;
use super::record::Sealed;
use super::secret::hex;
use super::token::{Token, TokenKind};
use super::vault::Vault;
use crate::ports::{OauthStore, Random, StoreError, Timestamp};

/// The record of a grant. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The client.
    pub client_id: String,
    /// What the client calls itself, for the operator's list.
    pub client_name: Option<String>,
    /// The scope.
    pub scope: String,
    /// The resource.
    pub resource: String,
    /// When the user signed in.
    pub created: u64,
    /// When it ends, however often it is refreshed.
    pub expires: u64,
    /// When tokens were issued last.
    pub last_issued: u64,
    /// How many pairs of tokens were issued.
    pub generation: u32,
    /// The id of the server key that the newest pair was derived under.
    pub derived_under: [u8; 4],
    /// Whether its code was redeemed.
    pub state: GrantState,
}

/// Whether the code of a grant was redeemed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum GrantState {
    /// Not yet.
    Pending,
    /// Its tokens are valid.
    Active,
}

/// Where a grant stands: `grant/<user id>/<grant id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantPointer {
    /// The user id.
    pub user: String,
    /// The grant id, which is also the token family.
    pub grant: String,
}

/// What a token's record says, for access and refresh tokens alike. It is sealed by the token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// The grant.
    pub grant: GrantPointer,
    /// The client that it was issued to.
    pub client_id: String,
    /// Who signed in.
    pub email: String,
    /// The resource that it is for.
    pub resource: String,
    /// Which pair of its family it belongs to, from 1.
    pub generation: u32,
    /// When it ends, in milliseconds since 1970.
    pub expires: u64,
}

/// What a token endpoint answers with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The grant that they belong to.
    pub grant: GrantPointer,
    /// The access token.
    pub access: Token,
    /// The refresh token, if the client takes them.
    pub refresh: Option<Token>,
    /// The remaining lifetime of the access token, in seconds.
    pub expires_in: u64,
}

/// A user who signed in for a request that they approved.
pub struct Approval<'a> {
    /// The request.
    pub request: &'a AuthorizationRequest,
    /// The client, as it was when the user was asked.
    pub client: &'a Client,
    /// The verified e-mail address.
    pub email: &'a str,
    /// The resource.
    pub resource: &'a str,
}

/// Writes the pending grant and its code. The code is worth nothing to others than the holder of the verifier; when the
/// transaction turns out to be lost to another request, the caller gives both up with [`abandon`].
pub async fn begin<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    approval: Approval<'_>,
) -> Result<(Token, GrantPointer), StoreError> {
    let user: UserId = vault.ring.user_id(approval.email);
    let pointer = GrantPointer { user: user.as_str().to_owned(), grant: hex(&vault.random.bytes::<16>()) };
    let grant = Grant {
        client_id: approval.request.client_id.clone(),
        client_name: approval.client.metadata.name.clone(),
        scope: super::scope::SCOPE.to_owned(),
        resource: approval.resource.to_owned(),
        created: now.0,
        expires: now.0.saturating_add(GRANT_MILLISECONDS),
        last_issued: now.0,
        generation: 0,
        derived_under: vault.ring.newest().id().0,
        state: GrantState::Pending,
    };
    let code = Token::new(TokenKind::Code, vault.random.bytes());
    let record = CodeRecord::issued(&approval, pointer.clone(), now);
    vault.put(&pointer.store_key(), Sealed::ByServer, &grant, PENDING_SECONDS).await?;
    vault.put(&code.store_key(), Sealed::ByToken(&code), &record, PENDING_SECONDS).await?;
    Ok((code, pointer))
}

/// Removes what [`begin`] wrote.
pub async fn abandon<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    code: &Token,
    pointer: &GrantPointer,
) -> Result<(), StoreError> {
    vault.delete(&pointer.store_key()).await?;
    vault.delete(&code.store_key()).await
}

impl GrantPointer {
    /// The key of the grant's record.
    pub fn store_key(&self) -> String {
        format!("grant/{}/{}", self.user, self.grant)
    }
}

impl Grant {
    /// When an access token that is issued now ends: never after the grant.
    pub fn access_expiry(&self, now: Timestamp) -> u64 {
        now.0.saturating_add(ACCESS_MILLISECONDS).min(self.expires)
    }
}

impl std::fmt::Debug for TokenRecord {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TokenRecord").field("generation", &self.generation).finish_non_exhaustive()
    }
}

/// Whole seconds from `now` to `end`, at least 1: a store takes no other time to live.
pub fn seconds_until(end: u64, now: Timestamp) -> u32 {
    let seconds = end.saturating_sub(now.0).div_ceil(1000);
    u32::try_from(seconds).unwrap_or(u32::MAX).clamp(1, MAX_TTL_SECONDS)
}

/// An access token lives for an hour.
const ACCESS_MILLISECONDS: u64 = 60 * 60 * 1000;

/// A grant ends a day after the sign-in.
const GRANT_MILLISECONDS: u64 = 24 * 60 * 60 * 1000;

/// A grant whose code is not redeemed outlives the code by a minute, so that a redemption at the last moment finds it.
const PENDING_SECONDS: u32 = 120;

/// The longest time to live that a store takes: 90 days.
const MAX_TTL_SECONDS: u32 = 90 * 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_live_is_never_zero_or_negative() {
        for (end, seconds) in [(0, 1), (5000, 1), (5001, 1), (6000, 1), (6001, 2), (u64::MAX, MAX_TTL_SECONDS)] {
            assert_eq!(seconds_until(end, Timestamp(5000)), seconds, "F20 {end}");
        }
    }
}
