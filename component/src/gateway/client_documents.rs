//! Client ID Metadata Documents: fetched over the public internet, and kept for a while behind the store.
//!
//! What a document must say is decided in [`crate::oauth::client_metadata`]. An error is never kept, and nothing but
//! the document itself is ever requested.

use crate::config::{AuthorizationServer, ClientDocuments};
use crate::oauth::client::Client;
use crate::oauth::client_metadata::{DocumentError, DocumentUrl, DocumentUrlError, MAX_DOCUMENT_BYTES, read_document};
use crate::oauth::record::Sealed;
use crate::oauth::secret::{hex, sha256};
use crate::ports::{HttpError, HttpMethod, HttpRequest, HttpResponse, OutboundHttp, Ports, Reach, StoreError};

use super::issuer::Issuer;

/// Why a client id that is a URL is no client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentFailure {
    /// It is no URL that may be fetched.
    Url(DocumentUrlError),
    /// The operator's list does not have its host.
    HostNotAllowed,
    /// There is no answer.
    Fetch(HttpError),
    /// The answer describes no client.
    Document(DocumentError),
    /// The store failed.
    Store(StoreError),
}

impl DocumentFailure {
    /// Whether it may be over in a moment, so that it says nothing about the client: there is no answer, or one that
    /// says that the document's host is busy or at fault.
    pub fn is_momentary(self) -> bool {
        match self {
            DocumentFailure::Fetch(error) => matches!(
                error,
                HttpError::NameNotResolved | HttpError::ConnectFailed | HttpError::Interrupted | HttpError::TimedOut
            ),
            DocumentFailure::Document(DocumentError::Status(status)) => status == 429 || status >= 500,
            _ => false,
        }
    }

    /// The name of the cause, for the log.
    pub fn reason(self) -> &'static str {
        match self {
            DocumentFailure::Url(_) => "document_url",
            DocumentFailure::HostNotAllowed => "document_host",
            DocumentFailure::Fetch(_) => "document_fetch",
            DocumentFailure::Document(_) => "document_content",
            DocumentFailure::Store(_) => "store",
        }
    }
}

/// Whether documents can be fetched safely here: the host checks resolved addresses, or the operator names the hosts
/// or vouches for the network. The name that is asked for never resolves (RFC 6761, section 6.4), so a host that checks
/// what names resolve to answers that, and one that cannot says so; nothing is sent. An address would not do: a host
/// may refuse addresses without being able to check names.
pub async fn are_supported<P: Ports>(ports: &P, server: &AuthorizationServer) -> bool {
    let documents = &server.documents;
    if documents.allowed_hosts.is_some() || documents.network_is_guarded {
        return true;
    }
    let probe = request(PROBE.to_owned(), Reach::PublicInternet);
    ports.http().send(probe).await != Err(HttpError::ReachUnsupported)
}

/// The client that a kept document describes.
pub async fn kept<P: Ports>(issuer: &Issuer<'_, P>, client_id: &str) -> Result<Option<Client>, StoreError> {
    let stored = issuer.vault.read::<Client>(&store_key(client_id), Sealed::ByServer).await?;
    Ok(stored.map(|stored| stored.content))
}

/// The address of a document that may be fetched. What is none costs nobody a request.
pub fn address<P: Ports>(issuer: &Issuer<'_, P>, client_id: &str) -> Result<DocumentUrl, DocumentFailure> {
    let documents = &issuer.server.documents;
    let url = DocumentUrl::parse(client_id, documents.loopback).map_err(DocumentFailure::Url)?;
    if documents.allowed_hosts.as_ref().is_some_and(|hosts| !hosts.iter().any(|host| host == url.host())) {
        return Err(DocumentFailure::HostNotAllowed);
    }
    Ok(url)
}

/// Fetches a document and keeps it.
pub async fn fetch<P: Ports>(issuer: &Issuer<'_, P>, url: &DocumentUrl) -> Result<Client, DocumentFailure> {
    let documents = &issuer.server.documents;
    let response = get(issuer.ports.http(), documents, url).await.map_err(DocumentFailure::Fetch)?;
    let header = |name: &str| response.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
    let schemes = &issuer.server.private_schemes;
    let client = read_document(url, response.status, header("content-type"), &response.body, schemes)
        .map_err(DocumentFailure::Document)?;
    let seconds = kept_seconds(header("cache-control"));
    issuer
        .vault
        .put(&store_key(url.as_str()), Sealed::ByServer, &client, seconds)
        .await
        .map_err(DocumentFailure::Store)?;
    Ok(client)
}

/// A host that cannot check addresses is asked again without the check only where the operator has taken that over.
async fn get<H: OutboundHttp>(
    http: &H,
    documents: &ClientDocuments,
    url: &DocumentUrl,
) -> Result<HttpResponse, HttpError> {
    let answer = http.send(request(url.as_str().to_owned(), Reach::PublicInternet)).await;
    let vouched = documents.allowed_hosts.is_some() || documents.network_is_guarded;
    if answer == Err(HttpError::ReachUnsupported) && vouched {
        return http.send(request(url.as_str().to_owned(), Reach::Configured)).await;
    }
    answer
}

fn request(url: String, reach: Reach) -> HttpRequest {
    HttpRequest {
        method: HttpMethod::Get,
        coalesce: Some(format!("document/{}", hex(&sha256(url.as_bytes())))),
        url,
        headers: vec![("accept".to_owned(), "application/json".to_owned())],
        body: None,
        timeout_milliseconds: TIMEOUT_MILLISECONDS,
        max_response_bytes: u32::try_from(MAX_DOCUMENT_BYTES).unwrap_or(u32::MAX),
        reach,
    }
}

fn store_key(client_id: &str) -> String {
    format!("document/{}", hex(&sha256(client_id.as_bytes())))
}

/// `max-age` within our bounds: long enough for the token request that follows, short enough that a change is seen.
fn kept_seconds(cache_control: Option<&str>) -> u32 {
    let directives = cache_control.unwrap_or_default().split(',').map(str::trim);
    let age = directives.filter_map(|directive| directive.strip_prefix("max-age=")).find_map(|age| age.parse().ok());
    age.unwrap_or(DEFAULT_SECONDS).clamp(MIN_SECONDS, MAX_SECONDS)
}

const PROBE: &str = "https://plausible-mcp.invalid/";

/// The draft's example of a limit; clients of ours wait ten seconds in all.
const TIMEOUT_MILLISECONDS: u32 = 5_000;

/// A little longer than the least.
const DEFAULT_SECONDS: u32 = 15 * 60;

/// As long as a transaction may take, ten minutes, and then its code, one: the token request finds the document that
/// consent was given to.
const MIN_SECONDS: u32 = 11 * 60;

const MAX_SECONDS: u32 = 60 * 60;

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::gateway::setup::Setup;
    use crate::ports::MemoryPorts;

    #[test]
    fn documents_are_supported_where_the_host_checks_names_or_the_operator_vouches() {
        for (setting, answer, supported) in [
            ("LOG_LEVEL=info", HttpError::NameNotResolved, true),
            ("LOG_LEVEL=info", HttpError::AddressRefused, true),
            ("LOG_LEVEL=info", HttpError::ReachUnsupported, false),
            ("CIMD_ALLOWED_HOSTS=host.example", HttpError::ReachUnsupported, true),
            ("HOST_BLOCKS_PRIVATE_NETWORKS=true", HttpError::ReachUnsupported, true),
        ] {
            let setup = setup(setting);
            let sign_in = setup.config.sign_in.as_ref().unwrap();
            let ports = MemoryPorts::default();
            ports.http.fail(answer);
            let found = are_supported(&ports, sign_in.authorization_server.as_ref().unwrap()).now_or_never();
            assert_eq!(found, Some(supported), "{setting} {answer:?}");
            let asked = ports.http.requests.borrow();
            assert!(asked.iter().all(|request| request.url == PROBE && request.reach == Reach::PublicInternet));
        }
    }

    /// A server with sign-in and one setting more.
    fn setup(setting: &str) -> Setup {
        let own = setting.split_once('=').unwrap();
        let settings = [
            ("PUBLIC_URL", "https://mcp.example.com"),
            ("ACCESS_CLIENT_ID", "client-1"),
            ("ACCESS_ISSUER", "https://team.example/issuer"),
            ("ALLOWED_EMAIL_DOMAIN", "example.com"),
            own,
        ];
        let lookup =
            |name: &str| settings.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Setup::read(lookup).unwrap()
    }

    #[test]
    fn what_may_be_over_in_a_moment_is_told_from_what_the_client_does_wrong() {
        use DocumentFailure::*;
        for (failure, is_momentary) in [
            (Fetch(HttpError::NameNotResolved), true),
            (Fetch(HttpError::ConnectFailed), true),
            (Fetch(HttpError::Interrupted), true),
            (Fetch(HttpError::TimedOut), true),
            (Document(DocumentError::Status(429)), true),
            (Document(DocumentError::Status(500)), true),
            (Document(DocumentError::Status(503)), true),
            (Fetch(HttpError::AddressRefused), false),
            (Fetch(HttpError::TlsFailed), false),
            (Fetch(HttpError::ResponseTooLarge), false),
            (Document(DocumentError::Status(302)), false),
            (Document(DocumentError::Status(404)), false),
            (Document(DocumentError::MediaType), false),
            (Url(DocumentUrlError::Path), false),
            (HostNotAllowed, false),
        ] {
            assert_eq!(failure.is_momentary(), is_momentary, "M09 M11 M18 {failure:?}");
        }
    }

    #[test]
    fn a_document_is_kept_within_bounds() {
        for (cache_control, seconds) in [
            (None, 900),
            (Some("max-age=700"), 700),
            (Some("public, max-age=99999999"), 3600),
            (Some("max-age=0"), 660),
            (Some("no-store"), 900),
            (Some("max-age=soon"), 900),
        ] {
            assert_eq!(kept_seconds(cache_control), seconds, "{cache_control:?}");
        }
    }
}
