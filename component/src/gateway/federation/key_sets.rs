//! Key sets behind the store. When one may be used, and when it is fetched again, is decided in `access`.

use serde::{Deserialize, Serialize};

use super::{Federation, FederationError};
use crate::access::{CachedKeys, KeySet, KeySetStep, Rejection, SignedToken, decide};
use crate::oauth::record::Sealed;
use crate::oauth::secret::{hex, sha256};
use crate::ports::{Ports, Timestamp};

/// A key set as it is kept: the document, when it was fetched, when fetching was tried last. Milliseconds since 1970.
#[derive(Clone, Serialize, Deserialize)]
struct Record {
    document: String,
    fetched: u64,
    tried: u64,
}

/// The keys that `token` is verified with. The token has been read before, so what is malformed costs nobody a request.
pub(super) async fn for_token<P: Ports>(
    federation: &Federation<'_, P>,
    url: &str,
    token: &SignedToken,
) -> Result<KeySet, FederationError> {
    let key = format!("keys/{}", hex(&sha256(url.as_bytes())));
    let record = federation.vault.read_cached::<Record>(&key, Sealed::ByServer).await?.map(|stored| stored.content);
    let cached = record.as_ref().and_then(cached);
    match decide(cached.as_ref(), token.key_id(), federation.now) {
        KeySetStep::Use(keys) => return Ok(keys.clone()),
        KeySetStep::Refuse => return Err(unknown(token)),
        KeySetStep::Fetch => {}
    }
    let now = federation.now.0;
    match fetch(federation, url).await {
        Ok((keys, document)) => {
            let fresh = Record { document, fetched: now, tried: now };
            keep(federation, &key, &fresh).await;
            Ok(keys)
        }
        Err(error) => {
            // A key that is not in a set that is still fresh stays unknown, and is not looked for again at once.
            let Some(record) = record.filter(|_| cached.is_some_and(|cached| is_fresh(&cached, federation.now))) else {
                return Err(error);
            };
            let tried = Record { tried: now, ..record };
            keep(federation, &key, &tried).await;
            Err(unknown(token))
        }
    }
}

/// Whether a set is kept decides nothing: where the store does not take it, the next request fetches it again.
async fn keep<P: Ports>(federation: &Federation<'_, P>, key: &str, record: &Record) {
    let _ = federation.vault.put(key, Sealed::ByServer, record, KEPT_SECONDS).await;
}

/// The key set now, and its document.
pub(super) async fn fetch<P: Ports>(
    federation: &Federation<'_, P>,
    url: &str,
) -> Result<(KeySet, String), FederationError> {
    let document = federation.document(url).await?;
    let keys = KeySet::parse(&document).map_err(FederationError::KeySet)?;
    // JSON is UTF-8, so what was parsed is.
    let document = String::from_utf8(document).map_err(|_| FederationError::NotJson)?;
    Ok((keys, document))
}

fn cached(record: &Record) -> Option<CachedKeys> {
    let keys = KeySet::parse(record.document.as_bytes()).ok()?;
    Some(CachedKeys { keys, fetched: Timestamp(record.fetched), tried: Timestamp(record.tried) })
}

/// Whether `access` would still use the set for a key that it has.
fn is_fresh(cached: &CachedKeys, now: Timestamp) -> bool {
    let tried_now = CachedKeys { tried: now, ..cached.clone() };
    decide(Some(&tried_now), "", now) != KeySetStep::Fetch
}

fn unknown(token: &SignedToken) -> FederationError {
    FederationError::Rejected(Rejection::UnknownKey { key_id: token.key_id().chars().take(MAX_SHOWN).collect() })
}

/// As long as `access` uses a set.
const KEPT_SECONDS: u32 = 5 * 60;

/// So much of a key id goes into a rejection, which is not logged.
const MAX_SHOWN: usize = 128;
