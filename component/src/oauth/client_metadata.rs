//! Client ID Metadata Documents (draft-ietf-oauth-client-id-metadata-document-01): which URLs are client ids, and what
//! a document must say. Fetching is the gateway's.

use serde_json::{Map, Value};

use super::client::{AuthMethod, Client};
use super::json_object::{ObjectError, read_object};
use super::registration::{LeftOut, ReadMetadata, RegistrationError, check_keys, choose_method, read_metadata};

/// A client id that is the URL of a document which may be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentUrl {
    text: String,
    host: String,
    port: u16,
}

/// Why a client id is no such URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentUrlError {
    /// It is longer than 500 bytes.
    TooLong,
    /// It does not begin with `https://`.
    Scheme,
    /// It has a character or an escape that needs repair.
    IllegalCharacter,
    /// It has user information, or a host or port that is malformed.
    Authority,
    /// Its port is not 443: what listens elsewhere on a host may be anybody's.
    Port,
    /// Its host is an address, or a name that is not of the public internet.
    HostNotPublic,
    /// It has no path, a dot segment, or a fragment.
    Path,
}

/// A client as its document describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadDocument {
    /// The client.
    pub client: Client,
    /// The redirect URIs that are not for us.
    pub left_out: LeftOut,
}

/// Why a document does not describe a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DocumentError {
    /// The status is not 200 ("MUST use 200").
    Status(u16),
    /// The content type is not JSON.
    MediaType,
    /// It is longer than [`MAX_DOCUMENT_BYTES`].
    TooLong,
    /// It is not one JSON object.
    NotAnObject,
    /// A member of it comes twice.
    RepeatedMember,
    /// Its `client_id` is not the URL it was fetched from, by simple string comparison.
    WrongClientId,
    /// It has no name.
    NoName,
    /// It holds a secret, which everybody could read.
    Secret,
    /// What a registration could not hold either.
    Metadata(RegistrationError),
}

impl DocumentUrlError {
    /// The name of the cause, for the log.
    pub fn reason(self) -> &'static str {
        match self {
            DocumentUrlError::TooLong => "document_url_too_long",
            DocumentUrlError::Scheme => "document_url_scheme",
            DocumentUrlError::IllegalCharacter => "document_url_illegal_character",
            DocumentUrlError::Authority => "document_url_authority",
            DocumentUrlError::Port => "document_url_port",
            DocumentUrlError::HostNotPublic => "document_url_host_not_public",
            DocumentUrlError::Path => "document_url_path",
        }
    }
}

impl DocumentError {
    /// Whether what came is not the document, but what stands in its way: a page of an error, of a challenge, of a
    /// proxy. It says nothing about the client. The status 410 does: the document is gone for good (RFC 9110 §15.5.11).
    pub fn is_elsewhere(&self) -> bool {
        match self {
            DocumentError::Status(_) => !self.is_gone(),
            DocumentError::MediaType | DocumentError::NotAnObject => true,
            _ => false,
        }
    }

    /// Whether it is gone for good.
    pub fn is_gone(&self) -> bool {
        *self == DocumentError::Status(GONE)
    }

    /// Whether the client is no client of ours any more: its document is gone, or breaks a rule. One that bears another
    /// client id is not its document.
    pub fn ends_the_client(&self) -> bool {
        !self.is_elsewhere() && *self != DocumentError::WrongClientId
    }

    /// The name of the cause, for the log.
    pub fn reason(&self) -> &'static str {
        match self {
            DocumentError::Status(GONE) => "document_gone",
            DocumentError::Status(_) => "document_status",
            DocumentError::MediaType => "document_media_type",
            DocumentError::TooLong => "document_too_long",
            DocumentError::NotAnObject => "document_not_an_object",
            DocumentError::RepeatedMember => "document_repeated_member",
            DocumentError::WrongClientId => "document_wrong_client_id",
            DocumentError::NoName => "document_no_name",
            DocumentError::Secret => "document_secret",
            DocumentError::Metadata(error) => error.reason(),
        }
    }

    /// The rule that it breaks, for whoever makes the client.
    pub fn rule(&self) -> String {
        let rule = match self {
            DocumentError::Status(_) => "It must be answered with status 200.",
            DocumentError::MediaType => "Its media type must be application/json.",
            DocumentError::TooLong => "It must not be longer than 5 KiB.",
            DocumentError::NotAnObject => "It must be one JSON object.",
            DocumentError::RepeatedMember => "No member of it may be repeated.",
            DocumentError::WrongClientId => "Its client_id must be the address that it stands at.",
            DocumentError::NoName => "It must have a client_name.",
            DocumentError::Secret => "It must not hold a client_secret: everybody can read it.",
            DocumentError::Metadata(RegistrationError::AuthMethod(methods)) => {
                let asked = match methods.names() {
                    "" => "in another way".to_owned(),
                    names => format!("with {names}"),
                };
                return format!("The app wants to authenticate {asked}. This server takes only none of such an app.");
            }
            DocumentError::Metadata(error) => return error.rule(),
        };
        rule.to_owned()
    }
}

impl DocumentUrl {
    /// Reads a client id. `allows_loopback` (tests and the demo) also takes hosts on this machine, and any port.
    pub fn parse(text: &str, allows_loopback: bool) -> Result<DocumentUrl, DocumentUrlError> {
        if text.len() > MAX_URL_BYTES {
            return Err(DocumentUrlError::TooLong);
        }
        let rest = text.strip_prefix("https://").ok_or(DocumentUrlError::Scheme)?;
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%#".contains(&byte);
        if !text.bytes().all(legal) {
            return Err(DocumentUrlError::IllegalCharacter);
        }
        let path_start = rest.find(['/', '?', '#']).ok_or(DocumentUrlError::Path)?;
        let (authority, path) = rest.split_at_checked(path_start).unwrap_or_default();
        let (host, port) = host_and_port(authority)?;
        if port != HTTPS && !allows_loopback {
            return Err(DocumentUrlError::Port);
        }
        let is_allowed = is_public_name(&host) || (allows_loopback && is_loopback(&host));
        if !is_allowed {
            return Err(DocumentUrlError::HostNotPublic);
        }
        check_path(path)?;
        Ok(DocumentUrl { text: text.to_owned(), host, port })
    }

    /// The URL, which is the client id.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its host in lower case.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// Checks a fetched document.
pub fn read_document(
    url: &DocumentUrl,
    status: u16,
    content_type: Option<&str>,
    body: &[u8],
    private_schemes: &[String],
) -> Result<ReadDocument, DocumentError> {
    if status != 200 {
        return Err(DocumentError::Status(status));
    }
    if !content_type.is_some_and(is_json) {
        return Err(DocumentError::MediaType);
    }
    let members = read_object(body).map_err(|error| match error {
        ObjectError::NotAnObject => DocumentError::NotAnObject,
        ObjectError::Repeated => DocumentError::RepeatedMember,
    })?;
    if members.get("client_id").and_then(Value::as_str) != Some(url.as_str()) {
        return Err(DocumentError::WrongClientId);
    }
    // Asked only now: a long page of an error or a challenge is not the document.
    if body.len() > MAX_DOCUMENT_BYTES {
        return Err(DocumentError::TooLong);
    }
    if members.get("client_name").and_then(Value::as_str).is_none_or(|name| name.trim().is_empty()) {
        return Err(DocumentError::NoName);
    }
    if members.get("client_secret").is_some_and(|secret| !secret.is_null() && secret.as_str() != Some("")) {
        return Err(DocumentError::Secret);
    }
    let ReadMetadata { metadata, left_out } = metadata(&members, private_schemes).map_err(DocumentError::Metadata)?;
    Ok(ReadDocument { client: Client { id: url.text.clone(), metadata, secret_hash: None }, left_out })
}

/// A document is the same for all servers, and says what its client would like at the best of them. What we can agree
/// on is that it authenticates with nothing.
fn metadata(members: &Map<String, Value>, private_schemes: &[String]) -> Result<ReadMetadata, RegistrationError> {
    let method = choose_method(members, &[AuthMethod::None], AuthMethod::None);
    check_keys(members)?;
    read_metadata(members, method.map_err(RegistrationError::AuthMethod)?, private_schemes)
}

fn host_and_port(authority: &str) -> Result<(String, u16), DocumentUrlError> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port = match port {
        None => Some(HTTPS),
        Some(digits) => digits.parse().ok().filter(|_| !digits.starts_with(['0', '+'])),
    };
    match port {
        Some(port) if !host.is_empty() && !host.contains(['@', '%']) => Ok((host.to_ascii_lowercase(), port)),
        _ => Err(DocumentUrlError::Authority),
    }
}

/// A name of at least two labels, the last of which is not a number (an address in any of its spellings would be), and
/// which is not reserved for private use (RFC 6761, RFC 6762, RFC 8375, RFC 7686). The host checks what it resolves to.
fn is_public_name(host: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(legal);
    let Some((_, last)) = host.rsplit_once('.') else { return false };
    let is_number = last.starts_with(|first: char| first.is_ascii_digit());
    let is_reserved = PRIVATE_SUFFIXES.iter().any(|suffix| host.ends_with(suffix));
    host.len() <= MAX_HOST && host.split('.').all(is_label) && !is_number && !is_reserved
}

fn is_loopback(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "[::1]") || host.ends_with(".localhost")
}

fn check_path(path_and_query: &str) -> Result<(), DocumentUrlError> {
    let path = path_and_query.split('?').next().unwrap_or_default();
    let lower = path.to_ascii_lowercase().replace("%2e", ".");
    let has_dots = lower.split('/').any(|segment| segment == "." || segment == "..");
    if !path.starts_with('/') || has_dots || path_and_query.contains('#') {
        return Err(DocumentUrlError::Path);
    }
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let escape = |rest: &str| is_digit(rest.as_bytes().first()) && is_digit(rest.as_bytes().get(1));
    if path.split('%').skip(1).all(escape) { Ok(()) } else { Err(DocumentUrlError::IllegalCharacter) }
}

/// `application/json` or `application/<something>+json`.
fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

/// The draft asks for short URLs.
const MAX_URL_BYTES: usize = 500;

/// The limit that the draft recommends.
pub const MAX_DOCUMENT_BYTES: usize = 5 * 1024;

/// The longest host name (RFC 1035 §2.3.4).
const MAX_HOST: usize = 253;

/// RFC 9110 §4.2.2.
const HTTPS: u16 = 443;

/// RFC 9110 §15.5.11.
const GONE: u16 = 410;

const PRIVATE_SUFFIXES: [&str; 9] =
    [".localhost", ".local", ".internal", ".home.arpa", ".onion", ".lan", ".test", ".invalid", ".alt"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_public_https_urls_with_a_path_are_client_ids() {
        use DocumentUrlError::*;
        let long = format!("https://a.example/{}", "x".repeat(2000));
        for (row, text, error) in [
            ("M02", "https://a.example", Path),
            ("M02", "https://a.example?x", Path),
            ("M03", "https://a.example/a/./b", Path),
            ("M03", "https://a.example/a/../b", Path),
            ("M03", "https://a.example/%2e%2E/b", Path),
            ("M03", "https://a.example/.%2e", Path),
            ("M03", "https://a.example/x#f", Path),
            ("M03", "https://a.example/x?y#f", Path),
            ("M05", "https://user@a.example/x", Authority),
            ("M05", "https://user:pw@a.example/x", Authority),
            ("M05", "https://@a.example/x", Authority),
            ("M06", "https:a.example/x", Scheme),
            ("M06", "https:\\\\a.example\\x", Scheme),
            ("M06", "https://a.exa\tmple/x", IllegalCharacter),
            ("M06", " https://a.example/x", Scheme),
            ("M06", "HTTPS://a.example/x", Scheme),
            ("M08", &long, TooLong),
            ("S01", "https://127.0.0.1/x", HostNotPublic),
            ("S02", "https://LOCALHOST/x", HostNotPublic),
            ("S02", "https://a.localhost/x", HostNotPublic),
            ("S03", "https://example.com./x", HostNotPublic),
            ("S05", "https://2130706433/x", HostNotPublic),
            ("S06", "https://0x7f000001/x", HostNotPublic),
            ("S06", "https://0x7f.0.0.1/x", HostNotPublic),
            ("S08", "https://127.1/x", HostNotPublic),
            ("S09", "https://127.0.0.1%2f@example.com/x", Authority),
            ("S09", "https://example.com%00.evil/x", Authority),
            ("S11", "https://127。0。0。1/x", IllegalCharacter),
            ("S18", "https://metadata.google.internal/x", HostNotPublic),
            ("S26", "https://[::1]/x", HostNotPublic),
            ("S36", "https://[fe80::1%25eth0]/x", Authority),
            ("S48", "https://intranet/x", HostNotPublic),
            ("S48", "https://printer.local/x", HostNotPublic),
            ("S50", "https://a.example:0/x", Authority),
            ("S50", "https://a.example:65536/x", Authority),
            ("S50", "https://a.example:/x", Authority),
            ("S50", "https://a.example:+443/x", Authority),
            ("S50", "https://a.example:0443/x", Authority),
            ("port", "https://a.example:8443/x", Port),
            ("port", "https://a.example:80/x", Port),
            ("S54", "https://ex\u{430}mple.com/x", IllegalCharacter),
            ("S56", "https://a_b.example/x", HostNotPublic),
            ("S56", "https://a..example/x", HostNotPublic),
        ] {
            assert_eq!(DocumentUrl::parse(text, false), Err(error), "{row} {text}");
        }
        for (text, allows_loopback, port) in [
            ("https://A.example/", false, 443),
            ("https://A.example:443/", false, 443),
            ("https://A.example:8443/", true, 8443),
        ] {
            let url = DocumentUrl::parse(text, allows_loopback).unwrap();
            assert_eq!((url.host(), url.port()), ("a.example", port), "{text}");
        }
        assert!(DocumentUrl::parse("https://127.0.0.1:9/client", true).is_ok());
        assert_eq!(DocumentUrl::parse("https://10.0.0.1/x", true), Err(HostNotPublic));
    }

    #[test]
    fn documents_are_refused_by_rule() {
        use DocumentError::*;
        let url = DocumentUrl::parse("https://a.example/client", false).unwrap();
        let good = json!({
            "client_id": "https://a.example/client", "client_name": "A", "redirect_uris": ["https://a.example/cb"],
            "grant_types": ["authorization_code", "refresh_token", "urn:other"],
        });
        let read = |body: &Value| {
            read_document(&url, 200, Some("application/json; charset=utf-8"), body.to_string().as_bytes(), &[])
        };
        let with = |name: &str, value: Value| {
            let mut body = good.clone();
            body[name] = value;
            body
        };
        let none = |cause| Metadata(RegistrationError::NoRedirectUri(LeftOut(vec![cause])));
        assert_eq!(read(&good).unwrap().client.id, url.as_str());
        for (row, body, error) in [
            ("M21", with("client_id", json!("https://a.example/client/")), WrongClientId),
            ("M21", with("client_id", json!("https://A.example/client")), WrongClientId),
            ("M21", with("client_id", json!("https://a.example:443/client")), WrongClientId),
            ("M21", with("client_id", Value::Null), WrongClientId),
            ("M23", with("redirect_uris", json!([])), Metadata(RegistrationError::RedirectUris)),
            ("M23", with("redirect_uris", json!(["data:x"])), none("redirect_uri_scheme")),
            ("M23", with("client_name", json!(" ")), NoName),
            ("M24", with("client_secret", json!("x")), Secret),
            ("M26", with("jwks", json!({"keys": [{"d": "x"}]})), Metadata(RegistrationError::Keys)),
            ("M14", with("pad", json!("x".repeat(5121))), TooLong),
        ] {
            assert_eq!(read(&body), Err(error.clone()), "{row}");
            assert_eq!(error.ends_the_client(), error != WrongClientId, "{row}");
        }
        let body = good.to_string();
        let raw = |status, content_type| read_document(&url, status, content_type, body.as_bytes(), &[]);
        for status in [201, 203, 204, 206, 302, 404, 429, 500] {
            assert_eq!(raw(status, Some("application/json")), Err(Status(status)), "M09 M11");
            assert!(!Status(status).ends_the_client());
        }
        assert!(Status(410).ends_the_client() && !MediaType.ends_the_client() && !NotAnObject.ends_the_client());
        assert_eq!(raw(200, Some("text/html")), Err(MediaType), "M12");
        assert_eq!(raw(200, None), Err(MediaType));
        let twice = body.replacen('{', "{\"client_id\":\"https://evil.example/\",", 1);
        let read = read_document(&url, 200, Some("application/json"), twice.as_bytes(), &[]);
        assert_eq!(read, Err(RepeatedMember), "M20");
        let long_page = format!("<html>{}", "x".repeat(MAX_DOCUMENT_BYTES));
        for page in ["<html>", "", "[]", &long_page] {
            let read = read_document(&url, 200, Some("application/json"), page.as_bytes(), &[]);
            assert_eq!(read, Err(NotAnObject), "M12 {page:.10}");
        }
        let long_error = json!({ "error": "x".repeat(MAX_DOCUMENT_BYTES) }).to_string();
        let read = read_document(&url, 200, Some("application/json"), long_error.as_bytes(), &[]);
        assert_eq!(read, Err(WrongClientId), "it is not the document");
    }

    #[test]
    fn of_what_a_document_asks_for_the_part_that_is_for_us_counts() {
        let url = DocumentUrl::parse("https://a.example/client", false).unwrap();
        let read = |changes: Value| {
            let mut body = json!({ "client_id": url.as_str(), "client_name": "A", "redirect_uris": ["https://a/cb"] });
            body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            read_document(&url, 200, Some("application/json"), body.to_string().as_bytes(), &[])
        };
        for changes in [
            json!({ "token_endpoint_auth_method": "none", "client_secret_expires_at": 0 }),
            json!({ "token_endpoint_auth_method": "", "client_secret": null }),
            json!({ "token_endpoint_auth_methods_supported": ["private_key_jwt", "none"] }),
            json!({
                "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://a.example/keys",
                "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
            }),
            json!({
                "token_endpoint_auth_method": "client_secret_basic",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "none"],
            }),
            json!({ "application_type": "web", "redirect_uris": ["urn:x", "http://127.0.0.1/cb"] }),
        ] {
            assert_eq!(
                read(changes.clone()).map(|read| read.client.metadata.auth_method),
                Ok(AuthMethod::None),
                "{changes}"
            );
        }
        for (changes, words) in [
            (json!({ "token_endpoint_auth_method": "private_key_jwt" }), "with private_key_jwt."),
            (json!({ "token_endpoint_auth_method": "client_secret_post" }), "with client_secret_post."),
            (json!({ "token_endpoint_auth_methods_supported": ["tls_client_auth"] }), "with tls_client_auth."),
            (json!({ "token_endpoint_auth_method": 7 }), "in another way."),
        ] {
            let rule = read(changes.clone()).unwrap_err().rule();
            assert!(rule.contains(words), "M24 {changes}: {rule}");
        }
    }
}
