//! Which client a request is from: registered here, or described by a document at its id.

use super::client_documents::{self, DocumentFailure, StaleDocument};
use super::issuer::Issuer;
use super::kept_documents;
use super::limits::Limits;
use crate::oauth::client::{Client, is_document};
use crate::oauth::client_metadata::DocumentUrl;
use crate::oauth::clients;
use crate::ports::{Ports, StoreError};

/// Why there is no client.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// The name of what failed, for the log.
    pub fn reason(&self) -> &'static str {
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
    pub fn cause(&self) -> Option<&'static str> {
        match self {
            NoClient::Document(failure) => failure.cause(),
            NoClient::Store(error) => Some(error.reason()),
            NoClient::Unknown | NoClient::TooMany(_) => None,
        }
    }
}

/// Registers a client again that has been evicted since its user was shown the consent page. Where that fails now, the
/// token request does it: nobody's sign-in waits for it.
pub async fn restore<P: Ports>(issuer: &Issuer<'_, P>, client: &Client) {
    let _ = clients::restore(&issuer.vault, issuer.now, client).await;
}

/// Finds the client that asks for a sign-in. A document is fetched only when none is kept, and only so often for one
/// address.
pub async fn find<P: Ports>(
    issuer: &Issuer<'_, P>,
    limits: &Limits<'_, P::Limiter>,
    client_id: &str,
) -> Result<Client, NoClient> {
    if !is_document(client_id) {
        return find_registered(issuer, client_id).await;
    }
    let url = client_documents::address(issuer, client_id).map_err(NoClient::Document)?;
    match kept_documents::find(issuer, client_id).await.map_err(NoClient::Store)? {
        Some(client) => Ok(client),
        None => fetch(issuer, limits, &url).await,
    }
}

/// Finds the client of a sign-in that stands. Where no document is kept, the last good copy serves, and the document is
/// fetched anew when the answer is out.
pub async fn find_standing<P: Ports>(
    issuer: &Issuer<'_, P>,
    limits: &Limits<'_, P::Limiter>,
    client_id: &str,
) -> Result<Client, NoClient> {
    if !is_document(client_id) {
        return find_registered(issuer, client_id).await;
    }
    let url = client_documents::address(issuer, client_id).map_err(NoClient::Document)?;
    if let Some(client) = kept_documents::find(issuer, client_id).await.map_err(NoClient::Store)? {
        return Ok(client);
    }
    let Some(client) = kept_documents::find_last_good(issuer, client_id).await.map_err(NoClient::Store)? else {
        return fetch(issuer, limits, &url).await;
    };
    if limits.purpose(DOCUMENT, DOCUMENTS_PER_MINUTE).await.is_ok() {
        issuer.notes.borrow_mut().stale = Some(StaleDocument(url));
    }
    Ok(client)
}

/// Notes that a client has been given a token.
pub async fn renew<P: Ports>(issuer: &Issuer<'_, P>, client: &Client) {
    if is_document(&client.id) {
        return kept_documents::keep_last_good(issuer, &client.id).await;
    }
    // The tokens are issued: a client that is not renewed now is renewed by its next request.
    let _ = clients::renew(&issuer.vault, issuer.now, client).await;
}

async fn find_registered<P: Ports>(issuer: &Issuer<'_, P>, client_id: &str) -> Result<Client, NoClient> {
    let client = clients::find(&issuer.vault, issuer.now, client_id).await.map_err(NoClient::Store)?;
    client.ok_or(NoClient::Unknown)
}

async fn fetch<P: Ports>(
    issuer: &Issuer<'_, P>,
    limits: &Limits<'_, P::Limiter>,
    url: &DocumentUrl,
) -> Result<Client, NoClient> {
    limits.purpose(DOCUMENT, DOCUMENTS_PER_MINUTE).await.map_err(NoClient::TooMany)?;
    client_documents::fetch(issuer, url).await.map_err(NoClient::Document)
}

const DOCUMENT: &str = "document";

/// A person connects a few clients; a scanner that makes this server fetch for it meets the limit.
const DOCUMENTS_PER_MINUTE: u32 = 20;
