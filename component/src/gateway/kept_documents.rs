//! Client metadata documents that are kept: for a while, so that one sign-in needs one fetch, and as last good copies.
//!
//! ```text
//! fetched --> DOCUMENT (11 min to 1 h) --token request--> LAST GOOD COPY (7 d from the fetch)
//! ```
//!
//! The copy is for standing sign-ins alone: a host that answers with an error, a challenge or nothing costs nobody a
//! connection that works. It is kept only for a client that has been given a token, which needs a verified identity.
//!
//! Both are caches: a write that fails fails no request. The copy outlives a change of the server's key: a token request
//! writes it under the newest one.

use serde::{Deserialize, Serialize};

use super::issuer::Issuer;
use crate::oauth::client::Client;
use crate::oauth::record::Sealed;
use crate::oauth::secret::{hex, sha256};
use crate::oauth::vault::Stored;
use crate::ports::{Ports, StoreError};

/// A document that was fetched and found good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeptDocument {
    /// The client that it describes.
    #[serde(flatten)]
    client: Client,
    /// When it was fetched, in milliseconds since 1970.
    #[serde(default)]
    fetched: u64,
}

/// The client that a kept document describes.
pub async fn find<P: Ports>(issuer: &Issuer<'_, P>, client_id: &str) -> Result<Option<Client>, StoreError> {
    Ok(read(issuer, DOCUMENT, client_id).await?.map(|document| document.content.client))
}

/// The client that the last good copy describes.
pub async fn find_last_good<P: Ports>(issuer: &Issuer<'_, P>, client_id: &str) -> Result<Option<Client>, StoreError> {
    Ok(last_good(issuer, client_id).await?.map(|document| document.content.client))
}

/// Keeps a document that was fetched just now for so many seconds. Where there is a last good copy, it takes its place.
pub async fn keep<P: Ports>(issuer: &Issuer<'_, P>, client: &Client, seconds: u32) {
    let document = KeptDocument { client: client.clone(), fetched: issuer.now.0 };
    write(issuer, DOCUMENT, &document, seconds).await;
    if let Ok(Some(_)) = last_good(issuer, &client.id).await {
        write(issuer, LAST_GOOD, &document, LAST_GOOD_SECONDS).await;
    }
}

/// Makes the kept document the last good copy: its client has been given a token. Where none is kept, a copy under an
/// older key is written again.
pub async fn keep_last_good<P: Ports>(issuer: &Issuer<'_, P>, client_id: &str) {
    // What cannot be read is not copied; the next token request does so.
    let Ok(document) = read(issuer, DOCUMENT, client_id).await else { return };
    let Ok(copy) = last_good(issuer, client_id).await else { return };
    let is_under_newest = copy.as_ref().is_some_and(|copy| issuer.vault.is_under_newest(copy));
    let (document, copy) = (document.map(|stored| stored.content), copy.map(|stored| stored.content));
    let fetched = |document: &KeptDocument| document.fetched;
    let (best, is_kept) = match (document, copy) {
        (Some(document), copy) if copy.as_ref().map(fetched) < Some(document.fetched) => (document, false),
        (_, Some(copy)) => (copy, is_under_newest),
        (_, None) => return,
    };
    if !is_kept && let Some(seconds) = best.seconds_left(issuer.now.0) {
        write(issuer, LAST_GOOD, &best, seconds).await;
    }
}

/// Forgets a client whose document is gone for good or breaks a rule.
pub async fn forget<P: Ports>(issuer: &Issuer<'_, P>, client_id: &str) {
    for kind in [DOCUMENT, LAST_GOOD] {
        // Its time ends anyway.
        let _ = issuer.vault.delete(&store_key(kind, client_id)).await;
    }
}

async fn last_good<P: Ports>(
    issuer: &Issuer<'_, P>,
    client_id: &str,
) -> Result<Option<Stored<KeptDocument>>, StoreError> {
    let copy = read(issuer, LAST_GOOD, client_id).await?;
    Ok(copy.filter(|copy| copy.content.seconds_left(issuer.now.0).is_some()))
}

async fn read<P: Ports>(
    issuer: &Issuer<'_, P>,
    kind: &str,
    client_id: &str,
) -> Result<Option<Stored<KeptDocument>>, StoreError> {
    issuer.vault.read_cached::<KeptDocument>(&store_key(kind, client_id), Sealed::ByServer).await
}

async fn write<P: Ports>(issuer: &Issuer<'_, P>, kind: &str, document: &KeptDocument, seconds: u32) {
    // It is fetched again when it is needed.
    let _ = issuer.vault.put(&store_key(kind, &document.client.id), Sealed::ByServer, document, seconds).await;
}

impl KeptDocument {
    /// How long it may be the last good copy; `None` when that time is over.
    fn seconds_left(&self, now: u64) -> Option<u32> {
        let age = now.saturating_sub(self.fetched) / 1000;
        let left = u64::from(LAST_GOOD_SECONDS).checked_sub(age).filter(|left| *left > 0)?;
        u32::try_from(left).ok()
    }
}

fn store_key(kind: &str, client_id: &str) -> String {
    format!("{kind}/{}", hex(&sha256(client_id.as_bytes())))
}

const DOCUMENT: &str = "document";

const LAST_GOOD: &str = "document-copy";

/// How long the last good copy serves, from its fetch: longer than most outages, shorter than anybody wants a client to
/// live on whose maker took it down.
const LAST_GOOD_SECONDS: u32 = 7 * 24 * 60 * 60;
