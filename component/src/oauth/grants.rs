//! The operator's list of grants: which clients users have let in, and until when. It names no user: who asks for a
//! person's grants says whose, and who asks for all is told user ids, which the log has too.

use super::grant::{Grant, GrantState};
use super::keyring::UserId;
use super::record::Sealed;
use super::vault::Vault;
use crate::ports::{OauthStore, Random, StoreError};

/// A grant in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The id of its user, as it was when the grant was made.
    pub user: String,
    /// Its record.
    pub grant: Grant,
}

/// Some of the grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The grants whose code was redeemed.
    pub grants: Vec<Listed>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<String>,
}

/// Whose grants are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// Everybody's.
    All,
    /// Those of one user, under each identifier that the key ring gives.
    User(Vec<UserId>),
}

/// The grants from `cursor` on, a page at a time. `None` when the cursor is not one of ours.
pub async fn list<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    whose: &Whose,
    cursor: Option<&str>,
) -> Result<Option<Page>, StoreError> {
    if cursor.is_some_and(|cursor| !is_cursor(cursor)) {
        return Ok(None);
    }
    let after = cursor.map(|cursor| format!("{GRANTS}{cursor}"));
    let mut keys = Vec::new();
    for prefix in prefixes(whose) {
        keys.extend(vault.store.keys(&prefix, after.as_deref(), PAGE).await?);
    }
    keys.sort();
    keys.dedup();
    keys.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
    let is_full = keys.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX);
    let next = keys.last().filter(|_| is_full).and_then(|key| key.strip_prefix(GRANTS)).map(str::to_owned);
    let mut grants = Vec::new();
    for key in keys {
        let grant = vault.read::<Grant>(&key, Sealed::ByServer).await?.map(|stored| stored.content);
        let active = grant.filter(|grant| grant.state == GrantState::Active);
        grants.extend(active.map(|grant| Listed { user: user_of(&key).to_owned(), grant }));
    }
    Ok(Some(Page { grants, next }))
}

/// The user id in the key of a grant's record.
fn user_of(key: &str) -> &str {
    let rest = key.strip_prefix(GRANTS).unwrap_or_default();
    rest.split_once('/').map_or(rest, |(user, _)| user)
}

fn prefixes(whose: &Whose) -> Vec<String> {
    match whose {
        Whose::All => vec![GRANTS.to_owned()],
        Whose::User(users) => users.iter().map(|user| format!("{GRANTS}{}/", user.as_str())).collect(),
    }
}

/// A user id and a grant id.
fn is_cursor(cursor: &str) -> bool {
    let is_hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    cursor.len() <= MAX_CURSOR && cursor.split_once('/').is_some_and(|(user, grant)| is_hex(user) && is_hex(grant))
}

const GRANTS: &str = "grant/";

/// Grants in a page.
const PAGE: u32 = 200;

const MAX_CURSOR: usize = 64 + 1 + 32;
