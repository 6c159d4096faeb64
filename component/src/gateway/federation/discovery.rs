//! Discovery (OpenID Connect Discovery 1.0 §4), kept for an hour.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Federation, FederationError};
use crate::config::AuthorizationServer;
use crate::config::url::Url;
use crate::oauth::record::Sealed;
use crate::oauth::secret::{hex, sha256};
use crate::ports::Ports;

/// What is known about the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// Where a login begins.
    pub authorization_endpoint: String,
    /// Where its code is exchanged.
    pub token_endpoint: String,
    /// Where the keys of its tokens stand.
    pub jwks_uri: String,
    /// Whether the token endpoint takes the client's secret in the body only.
    pub secret_in_body: bool,
    /// Whether the provider promises `iss` with every answer (RFC 9207 §3).
    pub iss_parameter_supported: bool,
}

/// The provider, from the settings where they say everything, else from discovery.
pub(super) async fn provider<P: Ports>(
    federation: &Federation<'_, P>,
    server: &AuthorizationServer,
) -> Result<Provider, FederationError> {
    if let Some(provider) = configured(server) {
        return Ok(provider);
    }
    let key = format!("discovery/{}", hex(&sha256(server.issuer.as_bytes())));
    if let Some(stored) = federation.vault.read_cached::<Provider>(&key, Sealed::ByServer).await? {
        return Ok(overridden(stored.content, server));
    }
    let discovered = discover(federation, server).await?;
    // Whether it is kept decides nothing: where the store does not take it, the next request asks again.
    let _ = federation.vault.put(&key, Sealed::ByServer, &discovered, KEPT_SECONDS).await;
    Ok(overridden(discovered, server))
}

/// The provider as it describes itself now.
pub(super) async fn fetch<P: Ports>(
    federation: &Federation<'_, P>,
    server: &AuthorizationServer,
) -> Result<Provider, FederationError> {
    match configured(server) {
        Some(provider) => Ok(provider),
        None => Ok(overridden(discover(federation, server).await?, server)),
    }
}

async fn discover<P: Ports>(
    federation: &Federation<'_, P>,
    server: &AuthorizationServer,
) -> Result<Provider, FederationError> {
    let url = format!("{}/.well-known/openid-configuration", server.issuer.trim_end_matches('/'));
    let document = federation.document(&url).await?;
    read(&document, &server.issuer)
}

/// "The issuer value returned MUST be identical to the Issuer URL that was used as the prefix" (§4.3).
fn read(document: &[u8], issuer: &str) -> Result<Provider, FederationError> {
    // Where in a page JSON would have begun, nobody asks.
    let document: Value = serde_json::from_slice(document).map_err(|_| FederationError::NotJson)?;
    match document.get("issuer").and_then(Value::as_str) {
        Some(named) if named == issuer => endpoints(&document, issuer).ok_or(FederationError::ProviderFailed),
        Some(_) => Err(FederationError::OtherIssuer),
        None => Err(FederationError::ProviderFailed),
    }
}

fn endpoints(document: &Value, issuer: &str) -> Option<Provider> {
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    // Only a provider on this machine, which tests and trials have, may do without TLS.
    let is_local = Url::parse(issuer).is_some_and(|url| !url.is_https);
    let is_protected = |url: Url| url.is_https || (is_local && url.is_protected());
    let address = |name: &str| {
        let address = text(name).filter(|address| Url::parse(address).is_some_and(is_protected));
        address.map(str::to_owned)
    };
    let methods = document.get("token_endpoint_auth_methods_supported").and_then(Value::as_array);
    let takes = |name: &str| methods.is_some_and(|methods| methods.iter().any(|method| method == name));
    Some(Provider {
        authorization_endpoint: address("authorization_endpoint")?,
        token_endpoint: address("token_endpoint")?,
        jwks_uri: address("jwks_uri")?,
        secret_in_body: takes("client_secret_post") && !takes("client_secret_basic"),
        iss_parameter_supported: document.get("authorization_response_iss_parameter_supported")
            == Some(&Value::Bool(true)),
    })
}

fn configured(server: &AuthorizationServer) -> Option<Provider> {
    let endpoints = &server.endpoints;
    Some(Provider {
        authorization_endpoint: endpoints.authorization.clone()?,
        token_endpoint: endpoints.token.clone()?,
        jwks_uri: endpoints.keys.clone()?,
        secret_in_body: false,
        iss_parameter_supported: false,
    })
}

fn overridden(provider: Provider, server: &AuthorizationServer) -> Provider {
    let endpoints = &server.endpoints;
    Provider {
        authorization_endpoint: endpoints.authorization.clone().unwrap_or(provider.authorization_endpoint),
        token_endpoint: endpoints.token.clone().unwrap_or(provider.token_endpoint),
        jwks_uri: endpoints.keys.clone().unwrap_or(provider.jwks_uri),
        ..provider
    }
}

/// Addresses change once in years.
const KEPT_SECONDS: u32 = 60 * 60;
