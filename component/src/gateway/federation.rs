//! The identity provider, Cloudflare Access: where a login begins, what its answer proves, and the assertions that Access
//! adds where it stands in front.
//!
//! ```text
//! discovery ──> authorization URL        (approval)
//! discovery ──> token endpoint ──> id_token ── key set ──> VerifiedIdentity   (callback)
//! assertion ──> remembered? ─────> key set ──> VerifiedIdentity               (/internal)
//! ```
//!
//! Discovery, key sets and verified assertions are kept behind the store, sealed, each for its own time; an error is
//! never kept.

mod assertion;
mod discovery;
mod key_sets;
mod token_request;

use crate::access::{Admission, KeySetError, Profile, Rejection, SignedToken, VerifiedIdentity, verify};
use crate::config::{AssertionMode, AuthorizationServer};
use crate::oauth::form::encode;
use crate::oauth::secret::hex;
use crate::oauth::transaction::{Login, Started};
use crate::oauth::vault::Vault;
use crate::ports::{
    HttpError, HttpMethod, HttpRequest, HttpResponse, OutboundHttp, Ports, Random, Reach, StoreError, Timestamp,
    Upstream,
};
pub use discovery::Provider;

/// The identity provider during one request.
pub struct Federation<'a, P: Ports> {
    /// What the host supplies.
    pub ports: &'a P,
    /// Where answers are kept.
    pub vault: &'a Vault<'a, P::Store, P::Random>,
    /// The time of the request.
    pub now: Timestamp,
}

/// Why nobody is identified. None of it repeats what the provider sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FederationError {
    /// The token is not accepted: who holds it is not let in.
    Rejected(Rejection),
    /// The provider refused the login's code.
    ProviderRefused,
    /// The provider refused this server's own secret, which no user can mend.
    SecretRefused,
    /// The provider answered with this status, which says neither yes nor no.
    Answered(u16),
    /// The provider's answer is a page or something else that is no JSON.
    NotJson,
    /// The provider calls itself another issuer than the settings do.
    OtherIssuer,
    /// The provider's answer lacks what OpenID Connect asks for.
    ProviderFailed,
    /// The provider's `token_type` is missing or not `Bearer` (RFC 6749 §7.1: the client MUST NOT use such a token).
    TokenType,
    /// What the provider publishes as its keys is no key set.
    KeySet(KeySetError),
    /// The provider's answer breaks the limits, or is no HTTP.
    Unread(HttpError),
    /// The provider gave no answer.
    Unavailable(HttpError),
    /// The store failed.
    Store(StoreError),
}

impl FederationError {
    /// The status of the page that says so: 502 for what is wrong between this server and the provider, 503 for an
    /// outage.
    pub fn status(&self) -> u16 {
        match self {
            FederationError::Rejected(_) | FederationError::ProviderRefused | FederationError::TokenType => 403,
            FederationError::Answered(_)
            | FederationError::NotJson
            | FederationError::OtherIssuer
            | FederationError::ProviderFailed
            | FederationError::KeySet(_)
            | FederationError::Unread(_)
            | FederationError::SecretRefused => 502,
            FederationError::Unavailable(_) | FederationError::Store(_) => 503,
        }
    }

    /// The name of the cause, for the log.
    pub fn reason(&self) -> &'static str {
        match self {
            FederationError::Rejected(rejection) => rejection.reason(),
            FederationError::ProviderRefused => "provider_refused_code",
            FederationError::SecretRefused => "provider_refused_secret",
            FederationError::Answered(300..=399) => "provider_redirected",
            FederationError::Answered(429) => "provider_too_many_requests",
            FederationError::Answered(500..) => "provider_server_error",
            FederationError::Answered(_) => "provider_unexpected_status",
            FederationError::NotJson => "provider_malformed_answer",
            FederationError::OtherIssuer => "provider_other_issuer",
            FederationError::ProviderFailed => "provider_incomplete_answer",
            FederationError::TokenType => "provider_token_type",
            FederationError::KeySet(error) => error.reason(),
            FederationError::Unavailable(error) | FederationError::Unread(error) => error.reason(),
            FederationError::Store(error) => error.reason(),
        }
    }

    /// The status that the provider answered with, where that is what went wrong.
    pub fn upstream_status(&self) -> Option<u16> {
        match self {
            FederationError::Answered(status) => Some(*status),
            _ => None,
        }
    }
}

impl From<StoreError> for FederationError {
    fn from(error: StoreError) -> FederationError {
        FederationError::Store(error)
    }
}

impl From<Rejection> for FederationError {
    fn from(rejection: Rejection) -> FederationError {
        FederationError::Rejected(rejection)
    }
}

impl<P: Ports> Federation<'_, P> {
    /// The provider's addresses: the operator's, or what discovery says.
    pub async fn provider(&self, server: &AuthorizationServer) -> Result<Provider, FederationError> {
        discovery::provider(self, server).await
    }

    /// Where the browser goes for a login (OpenID Connect Core §3.1.2.1).
    pub async fn authorization_url(
        &self,
        server: &AuthorizationServer,
        started: &Started,
    ) -> Result<String, FederationError> {
        let provider = self.provider(server).await?;
        let redirect_uri = redirect_uri(server);
        let query = encode(&[
            ("response_type", "code"),
            ("client_id", &server.client_id),
            ("redirect_uri", &redirect_uri),
            ("scope", "openid email"),
            ("state", &started.state),
            ("nonce", &started.nonce),
            ("code_challenge", &started.challenge),
            ("code_challenge_method", "S256"),
        ]);
        Ok(format!("{}?{query}", provider.authorization_endpoint))
    }

    /// Exchanges a login's code and verifies the id_token.
    pub async fn identify(
        &self,
        server: &AuthorizationServer,
        client_secret: &str,
        login: &Login,
        code: &str,
        admission: &Admission,
    ) -> Result<VerifiedIdentity, FederationError> {
        let provider = self.provider(server).await?;
        let id_token = token_request::id_token(self, server, &provider, client_secret, &login.verifier, code).await?;
        let token = SignedToken::read(&id_token)?;
        let keys = key_sets::for_token(self, &provider.jwks_uri, &token).await?;
        let profile = Profile::IdToken { issuer: &server.issuer, client_id: &server.client_id, nonce: &login.nonce };
        Ok(verify(&token, &keys, &profile, admission, self.now)?)
    }

    /// Verifies an assertion, or recalls that it was verified moments ago.
    pub async fn authenticate_assertion(
        &self,
        mode: &AssertionMode,
        text: &str,
        admission: &Admission,
    ) -> Result<VerifiedIdentity, FederationError> {
        assertion::authenticate(self, mode, text, admission).await
    }

    /// Asks the provider for its configuration and its keys, whatever is kept: for the operator.
    pub async fn probe(&self, server: &AuthorizationServer) -> Result<Provider, FederationError> {
        let provider = discovery::fetch(self, server).await?;
        key_sets::fetch(self, &provider.jwks_uri).await?;
        Ok(provider)
    }

    /// Asks the provider for a token with a code that it gave nobody: for the operator, who learns by the words of the
    /// refusal whether the secret is right.
    pub async fn probe_secret(
        &self,
        server: &AuthorizationServer,
        provider: &Provider,
        client_secret: &str,
    ) -> Result<(), FederationError> {
        let verifier = hex(&self.ports.random().bytes::<32>());
        let asked = token_request::id_token(self, server, provider, client_secret, &verifier, NO_CODE).await;
        match asked {
            Ok(_) | Err(FederationError::ProviderRefused) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Asks for the keys of a team, whatever is kept: for the operator.
    pub async fn probe_team(&self, mode: &AssertionMode) -> Result<(), FederationError> {
        key_sets::fetch(self, &assertion::keys_url(mode)).await.map(drop)
    }

    /// A document of the provider's: status 200, at most 64 KiB.
    async fn document(&self, url: &str) -> Result<Vec<u8>, FederationError> {
        let request = HttpRequest {
            upstream: Upstream::IdentityProvider,
            method: HttpMethod::Get,
            url: url.to_owned(),
            headers: vec![("accept".to_owned(), "application/json".to_owned())],
            body: None,
            timeout_milliseconds: DOCUMENT_MILLISECONDS,
            max_response_bytes: MAX_DOCUMENT_BYTES,
            reach: Reach::Configured,
            coalesce: Some(format!("provider {url}")),
        };
        let response = self.ports.http().send(request).await.map_err(no_answer)?;
        match response {
            HttpResponse { status: 200, body, .. } => Ok(body),
            HttpResponse { status, .. } => Err(FederationError::Answered(status)),
        }
    }
}

/// Where Access sends the browser back to; the application at Access must list it.
fn redirect_uri(server: &AuthorizationServer) -> String {
    format!("{}/callback", server.public_url)
}

/// An answer that breaks the limits is the provider's fault; none at all is an outage.
fn no_answer(error: HttpError) -> FederationError {
    match error {
        HttpError::ResponseTooLarge | HttpError::MalformedResponse => FederationError::Unread(error),
        error => FederationError::Unavailable(error),
    }
}

/// A code that no provider gives.
const NO_CODE: &str = "plausible-mcp-check";

/// Clients wait ten seconds for a token; two documents fit.
const DOCUMENT_MILLISECONDS: u32 = 4_000;

const MAX_DOCUMENT_BYTES: u32 = 64 * 1024;

#[cfg(any(test, feature = "testing"))]
pub mod simulated_provider;
#[cfg(test)]
mod tests;
