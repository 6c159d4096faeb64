//! The form of a consent page: the checked request and its client, sealed, so that nothing is stored for somebody who
//! has only looked at the page.
//!
//! The consent cookie is associated data: the form opens in the browser that was shown the page, and in no other.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::CookieId;
use super::cookies::Cookie;
use crate::oauth::authorize::AuthorizationRequest;
use crate::oauth::client::Client;
use crate::oauth::keyring::KeyRing;
use crate::oauth::record::{self, NONCE_BYTES, RecordFault, Sealed};

/// What a form holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SealedForm {
    pub(super) client: Client,
    pub(super) request: AuthorizationRequest,
    /// Milliseconds since 1970.
    pub(super) expires: u64,
}

/// The same as it is written. A state may be any text, and JSON would write each control character as six.
#[derive(Serialize, Deserialize)]
struct Written {
    client: Client,
    request: AuthorizationRequest,
    state: Option<String>,
    expires: u64,
}

impl SealedForm {
    /// The form for the browser that is given `cookie`.
    pub(super) fn seal(self, ring: &KeyRing, id: &CookieId, cookie: &Cookie, nonce: [u8; NONCE_BYTES]) -> Vec<u8> {
        let state = self.request.state.as_ref().map(|state| URL_SAFE_NO_PAD.encode(state));
        let request = AuthorizationRequest { state: None, ..self.request };
        let written = Written { client: self.client, request, state, expires: self.expires };
        record::seal(ring, &place(id, cookie.value()), Sealed::AsForm, nonce, &written)
    }

    /// Opens a form in a browser whose consent cookie is `cookie`.
    pub(super) fn open(ring: &KeyRing, id: &CookieId, cookie: &str, form: &[u8]) -> Result<SealedForm, RecordFault> {
        let written: Written = record::open(ring, &place(id, cookie), Sealed::AsForm, form)?;
        let decode = |state: String| {
            let bytes = URL_SAFE_NO_PAD.decode(state).ok()?;
            String::from_utf8(bytes).ok()
        };
        let state = match written.state {
            Some(state) => Some(decode(state).ok_or(RecordFault::UnknownContent)?),
            None => None,
        };
        let request = AuthorizationRequest { state, ..written.request };
        Ok(SealedForm { client: written.client, request, expires: written.expires })
    }
}

/// The associated data.
fn place(id: &CookieId, cookie: &str) -> String {
    format!("form/{}/{cookie}", id.as_str())
}
