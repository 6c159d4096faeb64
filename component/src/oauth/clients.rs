//! Registered clients in the store: for how long, how many, and which make room.
//!
//! ```text
//! NEVER USED (24 h) --successful token request--> USED (90 d, from each token request anew)
//!    |      ^
//!    |      +--approval and redemption of a sign-in that began before--+
//!    +--the oldest of more than 1,000--> EVICTED (a tombstone for a second, equal to no record)
//! ```
//!
//! A registration that stands is answered without a write while more than half of its time is left, so that any number
//! of requests that register the same at once need one write.
//!
//! A client keeps the id that it was given when the server's key changes, and its record is written under the newest key
//! by whatever uses it: a token request, an approval, the same registration again. The key of before can then go.
//!
//! Anyone can register, so what was never used is bounded in number and time. `unused/<time>-<random>-<hash of the id>`
//! lists the clients that were never used by age. An entry is written before the record that names it and removed after
//! that is replaced: the list may be too long, never too short.
//!
//! Invariant: a client that was used is never evicted. Both are swaps from the same bytes, so one of them loses.

use serde::{Deserialize, Serialize};

use super::client::{Client, ClientMetadata, is_document, store_key};
use super::grant::{Grant, seconds_until};
use super::record::Sealed;
use super::registration;
use super::secret::hex;
use super::token::Token;
use super::vault::{Stored, Vault};
use crate::ports::{OauthStore, Random, StoreError, Timestamp};

/// A client that is registered now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The client.
    pub client: Client,
    /// Its secret, if it has one: this is the only time that it is known.
    pub secret: Option<Token>,
    /// When it was registered first.
    pub issued: Timestamp,
}

/// Why a registration is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientsError {
    /// Others kept changing the record.
    Contended,
    /// The store failed.
    Store(StoreError),
}

impl ClientsError {
    /// The name of the cause, for the log.
    pub fn reason(self) -> &'static str {
        match self {
            ClientsError::Contended => "client_contended",
            ClientsError::Store(error) => error.reason(),
        }
    }
}

impl From<StoreError> for ClientsError {
    fn from(error: StoreError) -> ClientsError {
        ClientsError::Store(error)
    }
}

/// The record of a client. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ClientRecord {
    client: Client,
    issued: u64,
    /// Where it is listed until it is used.
    entry: String,
    expires: u64,
    state: ClientState,
}

/// Whether a client counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum ClientState {
    NeverUsed,
    Used,
    Evicted,
}

/// Registers a client. A public one that is registered already stays the same; what is written then is its time, once
/// half of it is over. One whose record does not open any more is registered anew.
pub async fn register<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    metadata: ClientMetadata,
) -> Result<Registered, ClientsError> {
    register_within(vault, now, metadata, MAX_NEVER_USED).await
}

/// [`register`] with another ceiling.
pub(super) async fn register_within<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    metadata: ClientMetadata,
    ceiling: usize,
) -> Result<Registered, ClientsError> {
    let (client, secret) = match standing_id(vault, now, &metadata).await? {
        Some(id) => (Client { id, metadata, secret_hash: None }, None),
        None => registration::register(vault.ring, metadata, (vault.random.bytes(), vault.random.bytes())),
    };
    let issued = keep(vault, now, &client, ceiling).await?;
    Ok(Registered { client, secret, issued })
}

/// Whether `metadata` is that of a public client that is registered: to register it again adds nothing.
pub async fn stands<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    metadata: &ClientMetadata,
) -> Result<bool, StoreError> {
    Ok(standing_id(vault, now, metadata).await?.is_some())
}

/// The id under which a public client of this metadata is registered now, whichever key it comes from.
async fn standing_id<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    metadata: &ClientMetadata,
) -> Result<Option<String>, StoreError> {
    for id in registration::public_ids(vault.ring, metadata) {
        if find(vault, now, &id).await?.is_some() {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// Writes a client again that was evicted, or whose time ended, while its user signed in. Nothing happens where it
/// stands, and to a client with a metadata document, which is never registered. The caller vouches for `client`: it
/// comes from what this server sealed when the sign-in began.
pub async fn restore<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    client: &Client,
) -> Result<(), ClientsError> {
    restore_within(vault, now, client, MAX_NEVER_USED).await
}

/// [`restore`] with another ceiling.
pub(super) async fn restore_within<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    client: &Client,
    ceiling: usize,
) -> Result<(), ClientsError> {
    if is_document(&client.id) {
        return Ok(());
    }
    keep(vault, now, client, ceiling).await.map(|_| ())
}

/// Sees to it that a client is registered, and returns when it was registered first.
async fn keep<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    client: &Client,
    ceiling: usize,
) -> Result<Timestamp, ClientsError> {
    let key = store_key(&client.id);
    for _ in 0..MAX_ROUNDS {
        let stored = vault.find::<ClientRecord>(&key, Sealed::ByServer).await?;
        let found = stored.as_ref().and_then(|stored| stored.content.as_ref());
        let is_current = stored.as_ref().is_some_and(|stored| vault.is_under_newest(stored));
        if let Some(record) = found.filter(|record| is_current && record.lasts(now)) {
            return Ok(Timestamp(record.issued));
        }
        let entry = entry(&key, now, vault.random.bytes());
        let next = registered(found, client, &entry, now);
        if next.state == ClientState::NeverUsed {
            vault.put(&entry, Sealed::ByServer, &(), UNUSED_SECONDS).await?;
        }
        if write(vault, now, stored.as_ref(), &next).await? {
            unlist(vault, stored.and_then(|stored| stored.content)).await?;
            make_room(vault, now, ceiling).await?;
            return Ok(Timestamp(next.issued));
        }
        if next.state == ClientState::NeverUsed {
            // The record that would have named it was not written.
            vault.delete(&entry).await?;
        }
    }
    Err(ClientsError::Contended)
}

/// Writes a record where `stored` stands, and tells whether that still was so.
async fn write<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    stored: Option<&Stored<Option<ClientRecord>>>,
    next: &ClientRecord,
) -> Result<bool, StoreError> {
    let (key, ttl) = (store_key(&next.client.id), seconds_until(next.expires, now));
    match stored {
        None => vault.create(&key, Sealed::ByServer, next, ttl).await,
        Some(stored) => vault.replace(&key, Sealed::ByServer, stored, next, Some(ttl)).await,
    }
}

/// The client with this id, if it is registered.
pub async fn find<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    client_id: &str,
) -> Result<Option<Client>, StoreError> {
    let stored = vault.read::<ClientRecord>(&store_key(client_id), Sealed::ByServer).await?;
    Ok(stored.map(|stored| stored.content).filter(|record| record.is_registered(now)).map(|record| record.client))
}

/// Keeps a client for another 90 days, under the newest key, after a successful token request. One that was evicted
/// since it proved who it is is written again. A client with a metadata document is never registered: nothing happens to
/// it here.
pub async fn renew<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    client: &Client,
) -> Result<(), ClientsError> {
    if is_document(&client.id) {
        return Ok(());
    }
    let expires = now.0.saturating_add(USED_MILLISECONDS);
    for _ in 0..MAX_ROUNDS {
        let stored = vault.find::<ClientRecord>(&store_key(&client.id), Sealed::ByServer).await?;
        let found = stored.as_ref().and_then(|stored| stored.content.as_ref());
        let found = found.filter(|record| record.is_registered(now));
        let is_current = stored.as_ref().is_some_and(|stored| vault.is_under_newest(stored));
        if found.is_some_and(|record| is_current && record.is_used_until(expires)) {
            return Ok(());
        }
        let next = used(found, client, expires, now);
        if write(vault, now, stored.as_ref(), &next).await? {
            unlist(vault, stored.and_then(|stored| stored.content)).await?;
            return Ok(());
        }
    }
    Err(ClientsError::Contended)
}

/// Deletes a client and every grant of its users, and returns how many grants there were. A code that is issued while
/// this runs finds no client at the token endpoint.
pub async fn delete<S: OauthStore, R: Random>(vault: &Vault<'_, S, R>, client_id: &str) -> Result<u32, StoreError> {
    let key = store_key(client_id);
    let stored = vault.read::<ClientRecord>(&key, Sealed::ByServer).await?;
    vault.delete(&key).await?;
    unlist(vault, stored.map(|stored| stored.content)).await?;
    let mut count = 0;
    for grant_key in list(vault.store, "grant/").await? {
        let grant = vault.read::<Grant>(&grant_key, Sealed::ByServer).await?;
        if grant.is_some_and(|grant| grant.content.client_id == client_id) {
            vault.delete(&grant_key).await?;
            count += 1;
        }
    }
    Ok(count)
}

/// What is written when `client` is registered where `found` stands.
fn registered(found: Option<&ClientRecord>, client: &Client, entry: &str, now: Timestamp) -> ClientRecord {
    let found = found.filter(|record| record.is_registered(now));
    let state = found.map_or(ClientState::NeverUsed, |record| record.state);
    ClientRecord {
        client: client.clone(),
        issued: found.map_or(now.0, |record| record.issued),
        entry: entry.to_owned(),
        expires: now.0.saturating_add(state.lifetime()),
        state,
    }
}

/// What is written when `client` is given tokens where `found` stands. Another process may have renewed it for longer.
fn used(found: Option<&ClientRecord>, client: &Client, expires: u64, now: Timestamp) -> ClientRecord {
    let fresh =
        ClientRecord { client: client.clone(), issued: now.0, entry: String::new(), expires, state: ClientState::Used };
    let again = |record: &ClientRecord| ClientRecord {
        state: ClientState::Used,
        expires: if record.is_used_until(expires) { record.expires } else { expires },
        ..record.clone()
    };
    found.map_or(fresh, again)
}

/// Evicts the oldest of the clients that were never used until no more than `ceiling` are left.
async fn make_room<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    ceiling: usize,
) -> Result<(), StoreError> {
    let listed = list(vault.store, LIST).await?;
    let surplus = listed.len().saturating_sub(ceiling);
    for list_key in listed.into_iter().take(surplus) {
        evict(vault, now, &list_key).await?;
    }
    Ok(())
}

/// Evicts the client that `entry` stands for, unless it was used or registered again, and removes the entry. One that
/// no record names may be a registration under way; after a minute it is a leftover. What a newer version wrote is left
/// to that version.
async fn evict<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    entry: &str,
) -> Result<(), StoreError> {
    let Some((listed, id)) = read_entry(entry) else { return vault.delete(entry).await };
    let key = format!("{CLIENTS}{id}");
    let stored = match vault.read::<ClientRecord>(&key, Sealed::ByServer).await {
        Err(StoreError::NewerRecord) => return Ok(()),
        read => read?,
    };
    let named = stored.filter(|stored| stored.content.entry == entry && stored.content.state == ClientState::NeverUsed);
    let Some(stored) = named else {
        let is_leftover = now.0.saturating_sub(listed) > UNDER_WAY_MILLISECONDS;
        return if is_leftover { vault.delete(entry).await } else { Ok(()) };
    };
    let next = ClientRecord { state: ClientState::Evicted, expires: now.0, ..stored.content.clone() };
    vault.replace(&key, Sealed::ByServer, &stored, &next, Some(TOMBSTONE_SECONDS)).await?;
    vault.delete(entry).await
}

/// Removes the entry of a record that was replaced or deleted.
async fn unlist<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    gone: Option<ClientRecord>,
) -> Result<(), StoreError> {
    match gone.filter(|record| record.state == ClientState::NeverUsed) {
        Some(record) => vault.delete(&record.entry).await,
        None => Ok(()),
    }
}

async fn list<S: OauthStore>(store: &S, prefix: &str) -> Result<Vec<String>, StoreError> {
    let mut all: Vec<String> = Vec::new();
    loop {
        let page = store.keys(prefix, all.last().map(String::as_str), PAGE).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// An entry for the client under `key`. The width of the time makes the order of the entries that of their ages; the
/// random part gives each version of a record an entry of its own, so that nobody removes what another has written.
fn entry(key: &str, now: Timestamp, random: [u8; 8]) -> String {
    format!("{LIST}{:016x}-{}-{}", now.0, hex(&random), key.strip_prefix(CLIENTS).unwrap_or(key))
}

/// When an entry was written, and the hash of the client's id.
fn read_entry(entry: &str) -> Option<(u64, &str)> {
    let (time, rest) = entry.strip_prefix(LIST)?.split_once('-')?;
    Some((u64::from_str_radix(time, 16).ok()?, rest.split_once('-')?.1))
}

impl ClientRecord {
    fn is_registered(&self, now: Timestamp) -> bool {
        self.state != ClientState::Evicted && self.expires > now.0
    }

    /// Whether it was used and ends no sooner than at `end`.
    fn is_used_until(&self, end: u64) -> bool {
        self.state == ClientState::Used && self.expires >= end
    }

    /// Whether it is registered and more than half of its time is left.
    fn lasts(&self, now: Timestamp) -> bool {
        self.is_registered(now) && self.expires.saturating_sub(now.0) > self.state.lifetime() / 2
    }
}

impl ClientState {
    /// How long a record of this state lives, in milliseconds.
    fn lifetime(self) -> u64 {
        match self {
            ClientState::NeverUsed => u64::from(UNUSED_SECONDS) * 1000,
            ClientState::Used => USED_MILLISECONDS,
            ClientState::Evicted => 0,
        }
    }
}

const CLIENTS: &str = "client/";

const LIST: &str = "unused/";

/// A registration that nobody uses lives for a day.
const UNUSED_SECONDS: u32 = 24 * 60 * 60;

/// One that was used lives for 90 days, which is the longest that a store takes.
const USED_MILLISECONDS: u64 = 90 * 24 * 60 * 60 * 1000;

/// The registrations that wait for their first use. A company has a few dozen clients.
const MAX_NEVER_USED: usize = 1000;

/// No request takes longer.
const UNDER_WAY_MILLISECONDS: u64 = 60 * 1000;

/// The shortest that a store takes.
const TOMBSTONE_SECONDS: u32 = 1;

/// A record changes as often as requests of one client race: nobody loses that often by chance.
const MAX_ROUNDS: usize = 10;

/// Keys that are listed at a time.
const PAGE: u32 = 500;
