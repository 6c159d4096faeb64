//! Client ID Metadata Documents: which may be fetched, and the fetch over the public internet.
//!
//! What a document must say is decided in [`crate::oauth::client_metadata`], and what is kept of it in
//! [`super::kept_documents`]. An error is never kept, and nothing but the document itself is ever requested.

use crate::config::url::Url;
use crate::config::{AuthorizationServer, ClientDocuments};
use crate::oauth::client::Client;
use crate::oauth::client_metadata::{DocumentError, DocumentUrl, DocumentUrlError, ReadDocument, read_document};
use crate::oauth::registration::{LeftOut, RegistrationError};
use crate::oauth::secret::{hex, sha256};
use crate::ports::{HttpError, HttpMethod, HttpRequest, HttpResponse, OutboundHttp, Ports, Reach, Upstream};

use super::issuer::Issuer;
use super::kept_documents;

/// Why a client id that is a URL is no client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DocumentFailure {
    /// The operator has turned documents off.
    Off,
    /// It is no URL that may be fetched.
    Url(DocumentUrlError),
    /// The operator's list does not have its host.
    HostNotAllowed,
    /// Its host is this server's own.
    OwnHost,
    /// There is no answer.
    Fetch(HttpError),
    /// The answer describes no client.
    Document(DocumentError),
}

/// What a request leaves to say and to do about documents of clients.
#[derive(Debug, Default)]
pub struct Notes {
    /// The redirect URIs that were left out, of a document or a registration.
    pub left_out: LeftOut,
    /// The document to be fetched anew once the answer is out.
    pub stale: Option<StaleDocument>,
}

/// A document whose last good copy served a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleDocument(pub(super) DocumentUrl);

impl DocumentFailure {
    /// Whether the document cannot be had now, which says nothing about the client: there is no answer, or one that is
    /// not the document.
    pub fn is_away(&self) -> bool {
        match self {
            DocumentFailure::Fetch(HttpError::InvalidRequest | HttpError::ReachUnsupported) => false,
            DocumentFailure::Fetch(_) => true,
            DocumentFailure::Document(error) => error.is_elsewhere(),
            _ => false,
        }
    }

    /// Whether it is no reason for a client to throw its tokens away: the document is away, or what came in its place is
    /// the document of another client, or of none.
    pub fn keeps_the_client(&self) -> bool {
        self.is_away() || *self == DocumentFailure::Document(DocumentError::WrongClientId)
    }

    /// The name of what failed, for the log.
    pub fn reason(&self) -> &'static str {
        match self {
            DocumentFailure::Off => "document_off",
            DocumentFailure::Url(_) => "document_url",
            DocumentFailure::HostNotAllowed => "document_host",
            DocumentFailure::OwnHost => "document_own_host",
            DocumentFailure::Fetch(_) => "document_fetch",
            DocumentFailure::Document(_) => "document_content",
        }
    }

    /// What lies behind the reason, for the log.
    pub fn cause(&self) -> Option<&'static str> {
        match self {
            DocumentFailure::Url(error) => Some(error.reason()),
            DocumentFailure::Fetch(error) => Some(error.reason()),
            DocumentFailure::Document(error) => Some(error.reason()),
            DocumentFailure::Off | DocumentFailure::HostNotAllowed | DocumentFailure::OwnHost => None,
        }
    }
}

/// Whether documents can be fetched safely here: the host checks resolved addresses, or the operator names the hosts
/// or vouches for the network. The name that is asked for never resolves (RFC 6761, section 6.4), so a host that checks
/// what names resolve to answers that, and one that cannot says so; nothing is sent. An address would not do: a host
/// may refuse addresses without being able to check names.
pub async fn are_supported<P: Ports>(ports: &P, server: &AuthorizationServer) -> bool {
    let documents = &server.documents;
    if !documents.are_on {
        return false;
    }
    if documents.allowed_hosts.is_some() || documents.network_is_guarded {
        return true;
    }
    let probe = request(PROBE.to_owned(), Reach::PublicInternet);
    ports.http().send(probe).await != Err(HttpError::ReachUnsupported)
}

/// The address of a document that may be used, kept or not. What is none costs nobody a request.
pub fn address<P: Ports>(issuer: &Issuer<'_, P>, client_id: &str) -> Result<DocumentUrl, DocumentFailure> {
    let documents = &issuer.server.documents;
    if !documents.are_on {
        return Err(DocumentFailure::Off);
    }
    let url = DocumentUrl::parse(client_id, documents.loopback).map_err(DocumentFailure::Url)?;
    if is_own_host(issuer, &url) {
        return Err(DocumentFailure::OwnHost);
    }
    if documents.allowed_hosts.as_ref().is_some_and(|hosts| !hosts.iter().any(|host| host == url.host())) {
        return Err(DocumentFailure::HostNotAllowed);
    }
    Ok(url)
}

/// Whether a document would stand on this server, which serves none: the request would come back here. On loopback, in
/// tests and the demo, other servers have the same name.
fn is_own_host<P: Ports>(issuer: &Issuer<'_, P>, url: &DocumentUrl) -> bool {
    let public = Url::parse(&issuer.server.public_url);
    let own = public.as_ref().map(|public| public.host.as_str());
    let is_named = own == Some(url.host()) || issuer.hostnames.iter().any(|host| host == url.host());
    let own_port = public.as_ref().map_or(443, |public| public.port.unwrap_or(if public.is_https { 443 } else { 80 }));
    is_named && (!issuer.server.documents.loopback || own_port == url.port())
}

/// Fetches a document and keeps it. A client whose document is gone for good, or breaks a rule, is forgotten.
pub async fn fetch<P: Ports>(issuer: &Issuer<'_, P>, url: &DocumentUrl) -> Result<Client, DocumentFailure> {
    let response = get(issuer.ports.http(), &issuer.server.documents, url).await.map_err(DocumentFailure::Fetch)?;
    let media_type = lines(&response, "content-type").next();
    match read_document(url, response.status, media_type, &response.body, &issuer.server.private_schemes) {
        Ok(ReadDocument { client, left_out }) => {
            kept_documents::keep(issuer, &client, kept_seconds(lines(&response, "cache-control"))).await;
            issuer.notes.borrow_mut().left_out = left_out;
            Ok(client)
        }
        Err(error) => {
            if let DocumentError::Metadata(RegistrationError::NoRedirectUri(left_out)) = &error {
                issuer.notes.borrow_mut().left_out = left_out.clone();
            }
            if error.ends_the_client() {
                kept_documents::forget(issuer, url.as_str()).await;
            }
            Err(DocumentFailure::Document(error))
        }
    }
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
        upstream: Upstream::ClientDocument,
        method: HttpMethod::Get,
        coalesce: Some(format!("document/{}", hex(&sha256(url.as_bytes())))),
        url,
        headers: vec![("accept".to_owned(), "application/json".to_owned())],
        body: None,
        timeout_milliseconds: TIMEOUT_MILLISECONDS,
        max_response_bytes: MAX_RESPONSE_BYTES,
        reach,
    }
}

fn lines<'a>(response: &'a HttpResponse, name: &'static str) -> impl Iterator<Item = &'a str> {
    response.headers.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
}

/// `max-age` within our bounds: long enough for the token request that follows, short enough that a change is seen.
/// `no-store` and `no-cache` ask for the least of it.
fn kept_seconds<'a>(lines: impl Iterator<Item = &'a str>) -> u32 {
    let directives: Vec<String> =
        lines.flat_map(|line| line.split(',')).map(|directive| directive.trim().to_ascii_lowercase()).collect();
    if directives.iter().any(|directive| directive == "no-store" || directive.starts_with("no-cache")) {
        return MIN_SECONDS;
    }
    let ages = directives.iter().filter_map(|directive| directive.strip_prefix("max-age="));
    let age = ages.map(|age| age.trim_matches('"')).find_map(|age| age.parse().ok());
    age.unwrap_or(DEFAULT_SECONDS).clamp(MIN_SECONDS, MAX_SECONDS)
}

const PROBE: &str = "https://plausible-mcp.invalid/";

/// The draft's example of a limit; clients of ours wait ten seconds in all.
const TIMEOUT_MILLISECONDS: u32 = 5_000;

/// More than a document may have, so that a page of an error is told from a document that is too long: of an answer
/// that is longer still, not even the status is known.
const MAX_RESPONSE_BYTES: u32 = 64 * 1024;

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
            ("CLIENT_METADATA_DOCUMENTS=off", HttpError::NameNotResolved, false),
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
    fn what_cannot_be_had_now_is_told_from_what_the_client_does_wrong() {
        use DocumentFailure::*;
        for (failure, is_away) in [
            (Fetch(HttpError::NameNotResolved), true),
            (Fetch(HttpError::AddressRefused), true),
            (Fetch(HttpError::NotAllowed), true),
            (Fetch(HttpError::ConnectFailed), true),
            (Fetch(HttpError::TlsFailed), true),
            (Fetch(HttpError::Interrupted), true),
            (Fetch(HttpError::TimedOut), true),
            (Fetch(HttpError::ResponseTooLarge), true),
            (Fetch(HttpError::NoRoom { retry_after: 5 }), true),
            (Fetch(HttpError::MalformedResponse), true),
            (Fetch(HttpError::Busy { retry_after: 1 }), true),
            (Document(DocumentError::Status(201)), true),
            (Document(DocumentError::Status(302)), true),
            (Document(DocumentError::Status(403)), true),
            (Document(DocumentError::Status(404)), true),
            (Document(DocumentError::Status(429)), true),
            (Document(DocumentError::Status(503)), true),
            (Document(DocumentError::MediaType), true),
            (Document(DocumentError::NotAnObject), true),
            (Document(DocumentError::Status(410)), false),
            (Document(DocumentError::TooLong), false),
            (Document(DocumentError::WrongClientId), false),
            (Fetch(HttpError::InvalidRequest), false),
            (Fetch(HttpError::ReachUnsupported), false),
            (Url(DocumentUrlError::Path), false),
            (HostNotAllowed, false),
            (OwnHost, false),
            (Off, false),
        ] {
            assert_eq!(failure.is_away(), is_away, "M09 M11 M18 {failure:?}");
            let is_anothers = failure == Document(DocumentError::WrongClientId);
            assert_eq!(failure.keeps_the_client(), is_away || is_anothers, "M21 {failure:?}");
        }
    }

    #[test]
    fn a_document_is_kept_within_bounds() {
        for (cache_control, seconds) in [
            (&[][..], 900),
            (&["max-age=700"], 700),
            (&["public, Max-Age=\"700\""], 700),
            (&["public, max-age=99999999"], 3600),
            (&["max-age=0"], 660),
            (&["no-store"], 660),
            (&["No-Store, max-age=3600"], 660),
            (&["max-age=3600", "no-store"], 660),
            (&["no-cache"], 660),
            (&["max-age=soon"], 900),
            (&["no-storey"], 900),
        ] {
            assert_eq!(kept_seconds(cache_control.iter().copied()), seconds, "{cache_control:?}");
        }
    }
}
