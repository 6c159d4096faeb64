//! Revocation: by a client that holds a token (RFC 7009), and by the operator.

use super::grant::TokenRecord;
use super::keyring::UserId;
use super::record::Sealed;
use super::token::{Token, TokenKind};
use super::vault::Vault;
use crate::ports::{OauthStore, Random, StoreError};

/// What a revocation ended. The client is answered the same whatever it is (RFC 7009 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// Nothing: the token is not known, another client's, or a code.
    Nothing,
    /// One access token.
    AccessToken,
    /// The grant, and with it every token of its family.
    Grant,
}

/// Revokes what `presented` stands for, if it was issued to `client_id`, which has authenticated. Codes are not revocable
/// here: one that was redeemed would end its grant for a client that does not have the verifier, and one that was not
/// ends in a minute.
pub async fn revoke<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    client_id: &str,
    presented: &str,
) -> Result<Revoked, StoreError> {
    if let Some(token) = Token::parse(TokenKind::Access, presented) {
        let Some(_) = owned_token(vault, client_id, &token).await? else { return Ok(Revoked::Nothing) };
        vault.delete(&token.store_key()).await?;
        return Ok(Revoked::AccessToken);
    }
    let Some(token) = Token::parse(TokenKind::Refresh, presented) else { return Ok(Revoked::Nothing) };
    let Some(record) = owned_token(vault, client_id, &token).await? else { return Ok(Revoked::Nothing) };
    vault.delete(&record.grant.store_key()).await?;
    Ok(Revoked::Grant)
}

/// Revokes every grant of a user, under each identifier that the key ring gives, and returns how many there were.
pub async fn revoke_user<S: OauthStore>(store: &S, users: &[UserId]) -> Result<u32, StoreError> {
    let mut count = 0;
    for user in users {
        count += revoke_under(store, &format!("grant/{}/", user.as_str())).await?;
    }
    Ok(count)
}

/// Revokes every grant, and returns how many there were.
pub async fn revoke_all<S: OauthStore>(store: &S) -> Result<u32, StoreError> {
    revoke_under(store, "grant/").await
}

async fn revoke_under<S: OauthStore>(store: &S, prefix: &str) -> Result<u32, StoreError> {
    let (mut count, mut last) = (0, None::<String>);
    loop {
        let keys = store.keys(prefix, last.as_deref(), PAGE).await?;
        let Some(end) = keys.last() else { return Ok(count) };
        last = Some(end.clone());
        for key in keys {
            store.delete(&key).await?;
            count += 1;
        }
    }
}

async fn owned_token<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    client_id: &str,
    token: &Token,
) -> Result<Option<TokenRecord>, StoreError> {
    let stored = vault.read::<TokenRecord>(&token.store_key(), Sealed::ByToken(token)).await?;
    Ok(stored.map(|stored| stored.content).filter(|record| record.client_id == client_id))
}

/// Keys that are listed at a time.
const PAGE: u32 = 500;
