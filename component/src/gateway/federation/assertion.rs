//! The assertions of Access. A verified one is remembered, so that the requests that follow cost no signature.

use serde::{Deserialize, Serialize};

use super::{Federation, FederationError, key_sets};
use crate::access::{Admission, Profile, SignedToken, VerifiedIdentity, verify};
use crate::config::AssertionMode;
use crate::oauth::record::Sealed;
use crate::oauth::secret::{hex, sha256};
use crate::ports::{Ports, Timestamp};

/// What was verified. It is sealed under the server's key and the hash of the assertion.
#[derive(Serialize, Deserialize)]
struct Remembered {
    email: String,
    expires: u64,
}

pub(super) async fn authenticate<P: Ports>(
    federation: &Federation<'_, P>,
    mode: &AssertionMode,
    text: &str,
    admission: &Admission,
) -> Result<VerifiedIdentity, FederationError> {
    let key = store_key(mode, text);
    if let Some(stored) = federation.vault.read_cached::<Remembered>(&key, Sealed::ByServer).await? {
        let Remembered { email, expires } = stored.content;
        return Ok(VerifiedIdentity::recall(&email, Timestamp(expires), admission, federation.now)?);
    }
    let token = SignedToken::read(text)?;
    let keys = key_sets::for_token(federation, &keys_url(mode), &token).await?;
    let profile = Profile::Assertion { team_domain: &mode.team_domain, audience: &mode.audience };
    let identity = verify(&token, &keys, &profile, admission, federation.now)?;
    remember(federation, &key, &identity).await;
    Ok(identity)
}

/// Where a team's keys stand
/// (<https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/authorization-cookie/validating-json/>).
pub(super) fn keys_url(mode: &AssertionMode) -> String {
    format!("{}/cdn-cgi/access/certs", mode.team_domain)
}

/// Whether it is remembered decides nothing: where the store does not take it, the next request verifies it again.
async fn remember<P: Ports>(federation: &Federation<'_, P>, key: &str, identity: &VerifiedIdentity) {
    let seconds = identity.remembered_seconds(federation.now).and_then(|seconds| u32::try_from(seconds).ok());
    let Some(seconds) = seconds else { return };
    let record = Remembered { email: identity.email().to_owned(), expires: identity.expires().0 };
    let _ = federation.vault.put(key, Sealed::ByServer, &record, seconds).await;
}

/// An assertion counts for the team and application that it was verified for: other settings, another record.
fn store_key(mode: &AssertionMode, text: &str) -> String {
    let parts = [mode.team_domain.as_bytes(), b"\n", mode.audience.as_bytes(), b"\n", text.as_bytes()];
    format!("assertion/{}", hex(&sha256(&parts.concat())))
}
