//! What a browser is shown when a login let nobody in, or could not be started. The transaction stays open, and the page
//! offers another try.

use super::authorize_endpoint::{redirect_uri, refuse_page};
use super::federation::FederationError;
use super::issuer::Issuer;
use super::pages::{Destination, FailedLogin, SignInFailed};
use super::response::Refusal;
use crate::access::Rejection;
use crate::config::url::Url;
use crate::oauth::authorize::AuthorizationRequest;
use crate::oauth::transaction::FormFields;
use crate::ports::Ports;

/// The page for what went wrong with the provider.
pub fn of_provider<P: Ports>(
    issuer: &Issuer<'_, P>,
    form: &FormFields,
    request: &AuthorizationRequest,
    error: &FederationError,
) -> Refusal {
    let (reason, name) = match error {
        FederationError::Rejected(rejection) if is_about_the_account(rejection) => {
            (FailedLogin::WrongAccount, rejection.reason())
        }
        FederationError::Rejected(rejection) => (FailedLogin::ProviderFailed, rejection.reason()),
        FederationError::SecretRefused => (FailedLogin::ServerRefused, "access_client_secret"),
        FederationError::Unavailable(_) | FederationError::Store(_) => (FailedLogin::ProviderUnavailable, "provider"),
        FederationError::ProviderRefused
        | FederationError::Answered(_)
        | FederationError::NotJson
        | FederationError::OtherIssuer
        | FederationError::ProviderFailed
        | FederationError::Unread(_)
        | FederationError::TokenType
        | FederationError::KeySet(_) => (FailedLogin::ProviderFailed, "provider"),
    };
    page(issuer, form, request, reason, error.status(), name)
        .because(error.reason())
        .with_upstream_status(error.upstream_status())
}

/// The page for `reason`. `name` is the cause in the log.
pub fn page<P: Ports>(
    issuer: &Issuer<'_, P>,
    form: &FormFields,
    request: &AuthorizationRequest,
    reason: FailedLogin,
    status: u16,
    name: &'static str,
) -> Refusal {
    let redirect_uri = match redirect_uri(issuer, request) {
        Ok(redirect_uri) => redirect_uri,
        Err(refusal) => return refusal,
    };
    let sign_out = Url::parse(&issuer.server.issuer).map(|url| format!("{}{SIGN_OUT_PATH}", url.origin()));
    let page = SignInFailed {
        reason,
        domains: &issuer.sign_in.allowed_domains,
        destination: Destination::of(&redirect_uri),
        sign_out_url: sign_out.as_deref(),
        handle: &form.handle,
        token: &form.token,
    };
    let mut page = page.page();
    page.status = status;
    refuse_page(page, name)
}

/// Whether another account may help.
fn is_about_the_account(rejection: &Rejection) -> bool {
    matches!(
        rejection,
        Rejection::NoEmail | Rejection::EmailUnverified | Rejection::EmailForm | Rejection::Domain | Rejection::Denied
    )
}

/// Where a session at Access ends (<https://developers.cloudflare.com/cloudflare-one/access-controls/>).
const SIGN_OUT_PATH: &str = "/cdn-cgi/access/logout";
