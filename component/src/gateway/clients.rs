//! Which client a request is from: registered here, or described by a document at its id.

use super::client_documents::{self, DocumentFailure};
use super::issuer::Issuer;
use super::limits::Limits;
use crate::oauth::client::Client;
use crate::oauth::clients;
use crate::ports::{Ports, StoreError};

/// Why there is no client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoClient {
    /// Nobody has registered under this id, or not any more.
    Unknown,
    /// Its metadata document cannot be used.
    Document(DocumentFailure),
    /// The address asked for too many documents; seconds to wait.
    TooMany(u32),
    /// The store failed.
    Store(StoreError),
}

impl NoClient {
    /// The name of the cause, for the log.
    pub fn reason(self) -> &'static str {
        match self {
            NoClient::Unknown => "unknown_client",
            NoClient::Document(failure) => failure.reason(),
            NoClient::TooMany(_) => "document_limit",
            NoClient::Store(_) => "store",
        }
    }
}

impl NoClient {
    /// What lies behind the reason, for the log.
    pub fn cause(self) -> Option<&'static str> {
        match self {
            NoClient::Document(DocumentFailure::Document(error)) => Some(error.reason()),
            NoClient::Document(DocumentFailure::Fetch(error)) => Some(error.reason()),
            NoClient::Document(DocumentFailure::Store(error)) | NoClient::Store(error) => Some(error.reason()),
            NoClient::Document(_) | NoClient::Unknown | NoClient::TooMany(_) => None,
        }
    }
}

/// Registers a client again that has been evicted since its user was shown the consent page. Where that fails now, the
/// token request does it: nobody's sign-in waits for it.
pub async fn restore<P: Ports>(issuer: &Issuer<'_, P>, client: &Client) {
    if is_registered_here(&client.id) {
        let _ = clients::restore(&issuer.vault, client, issuer.now).await;
    }
}

/// Keeps the client of a token request that succeeded, and registers it again if it has been evicted meanwhile. The
/// tokens are issued: a client that is not kept now is kept by its next request.
pub async fn keep<P: Ports>(issuer: &Issuer<'_, P>, client: &Client) {
    let renewed = clients::renew(&issuer.vault, issuer.now, &client.id).await;
    if renewed == Ok(false) && is_registered_here(&client.id) {
        restore(issuer, client).await;
        let _ = clients::renew(&issuer.vault, issuer.now, &client.id).await;
    }
}

/// A client with a metadata document has a URL for an id.
fn is_registered_here(client_id: &str) -> bool {
    !client_id.contains(':')
}

/// Finds a client by its id. A document is fetched only when none is kept, and only so often for one address.
pub async fn find<P: Ports>(
    issuer: &Issuer<'_, P>,
    limits: &Limits<'_, P::Limiter>,
    client_id: &str,
) -> Result<Client, NoClient> {
    if is_registered_here(client_id) {
        let client = clients::find(&issuer.vault, issuer.now, client_id).await.map_err(NoClient::Store)?;
        return client.ok_or(NoClient::Unknown);
    }
    if let Some(client) = client_documents::kept(issuer, client_id).await.map_err(NoClient::Store)? {
        return Ok(client);
    }
    let url = client_documents::address(issuer, client_id).map_err(NoClient::Document)?;
    limits.purpose("document", DOCUMENTS_PER_MINUTE).await.map_err(NoClient::TooMany)?;
    client_documents::fetch(issuer, &url).await.map_err(|failure| match failure {
        DocumentFailure::Store(error) => NoClient::Store(error),
        failure => NoClient::Document(failure),
    })
}

/// A person connects a few clients; a scanner that makes this server fetch for it meets the limit.
const DOCUMENTS_PER_MINUTE: u32 = 20;
