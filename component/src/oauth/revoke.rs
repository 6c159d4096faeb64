//! Revocation: by a client that holds a token (RFC 7009), and by the operator.

use super::grant::{GrantPointer, TokenRecord};
use super::keyring::UserId;
use super::record::Sealed;
use super::token::{Token, TokenKind};
use super::vault::Vault;
use crate::ports::{OauthStore, Random, StoreError};

/// What a revocation ended. The client is answered the same whatever it is (RFC 7009 §2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revoked {
    /// Nothing: the token is not known, another client's, or a code.
    Nothing,
    /// One access token of this grant.
    AccessToken(GrantPointer),
    /// The grant, and with it every token of its family.
    Grant(GrantPointer),
}

/// What a revocation by the operator ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ended {
    /// The grants that have ended for good.
    pub confirmed: u32,
    /// The grants that have ended here, but not on as many copies as the store needs: a failover may bring them back.
    pub unconfirmed: u32,
    /// Whether the store could not confirm that what ended earlier is gone for good.
    pub in_doubt: bool,
}

/// Revokes what `presented` stands for, if it was issued to `client_id`, which has authenticated. Codes are not revocable
/// here: one that was redeemed would end its grant for a client that does not have the verifier, and one that was not
/// ends in a minute.
///
/// A token that is not found may have been removed by a request that could not confirm it. So it is removed again before
/// this succeeds: who asks a second time learns no more from the first copy than who asks once.
pub async fn revoke<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    client_id: &str,
    presented: &str,
) -> Result<Revoked, StoreError> {
    if let Some(token) = Token::parse(TokenKind::Access, presented) {
        return match find(vault, &token).await? {
            Some(record) if record.client_id != client_id => Ok(Revoked::Nothing),
            found => {
                vault.delete(&token.store_key()).await?;
                Ok(found.map_or(Revoked::Nothing, |record| Revoked::AccessToken(record.grant)))
            }
        };
    }
    let Some(token) = Token::parse(TokenKind::Refresh, presented) else { return Ok(Revoked::Nothing) };
    match find(vault, &token).await? {
        Some(record) if record.client_id == client_id => {
            vault.delete(&record.grant.store_key()).await?;
            Ok(Revoked::Grant(record.grant))
        }
        Some(_) => Ok(Revoked::Nothing),
        None => vault.delete(&token.store_key()).await.map(|()| Revoked::Nothing),
    }
}

/// Revokes every grant of a user, under each identifier that the key ring gives.
pub async fn revoke_user<S: OauthStore>(store: &S, users: &[UserId]) -> Result<Ended, StoreError> {
    let prefixes: Vec<String> = users.iter().map(|user| format!("{GRANTS}{}/", user.as_str())).collect();
    revoke_under(store, &prefixes).await
}

/// Revokes every grant.
pub async fn revoke_all<S: OauthStore>(store: &S) -> Result<Ended, StoreError> {
    revoke_under(store, &[GRANTS.to_owned()]).await
}

/// Grants that ended before without a confirmation are not listed any more. So a write before the listing confirms that
/// what is not listed is gone for good.
async fn revoke_under<S: OauthStore>(store: &S, prefixes: &[String]) -> Result<Ended, StoreError> {
    let mut ended = Ended { in_doubt: !is_removed(store, NO_GRANT).await?, ..Ended::default() };
    let mut unconfirmed = Vec::new();
    for prefix in prefixes {
        let mut last = None::<String>;
        loop {
            let keys = store.keys(prefix, last.as_deref(), PAGE).await?;
            let Some(end) = keys.last() else { break };
            last = Some(end.clone());
            for key in keys {
                match store.delete(&key).await {
                    Ok(()) => ended.confirmed += 1,
                    Err(StoreError::UnknownOutcome) => unconfirmed.push(key),
                    Err(error) => return Err(error),
                }
            }
        }
    }
    ended.unconfirmed = u32::try_from(unconfirmed.len()).unwrap_or(u32::MAX);
    for key in unconfirmed {
        // Where one cannot be confirmed now, the others cannot either, and each try takes its time.
        if !is_removed(store, &key).await? {
            break;
        }
        ended.confirmed += 1;
        ended.unconfirmed -= 1;
    }
    Ok(ended)
}

/// Removes a record, and tells whether that was confirmed.
async fn is_removed<S: OauthStore>(store: &S, key: &str) -> Result<bool, StoreError> {
    let outcome = match store.delete(key).await {
        Err(StoreError::UnknownOutcome) => store.delete(key).await,
        outcome => outcome,
    };
    match outcome {
        Ok(()) => Ok(true),
        Err(StoreError::UnknownOutcome) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn find<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    token: &Token,
) -> Result<Option<TokenRecord>, StoreError> {
    let stored = vault.read::<TokenRecord>(&token.store_key(), Sealed::ByToken(token)).await?;
    Ok(stored.map(|stored| stored.content))
}

const GRANTS: &str = "grant/";

/// A key under which nothing is ever kept: user ids are hexadecimal.
const NO_GRANT: &str = "grant/none";

/// Keys that are listed at a time.
const PAGE: u32 = 500;
