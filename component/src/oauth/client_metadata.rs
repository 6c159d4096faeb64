//! Client ID Metadata Documents (draft-ietf-oauth-client-id-metadata-document-01): which URLs are client ids, and what
//! a document must say. Fetching is the gateway's.

use serde_json::Value;

use super::client::{AuthMethod, Client};
use super::json_object::read_object;
use super::registration::{RegistrationError, check_keys, read_metadata};

/// A client id that is the URL of a document which may be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentUrl {
    text: String,
    host: String,
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
    /// Its host is an address, or a name that is not of the public internet.
    HostNotPublic,
    /// It has no path, a dot segment, or a fragment.
    Path,
}

/// Why a document does not describe a client; all are `invalid_client`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentError {
    /// The status is not 200 ("MUST use 200").
    Status(u16),
    /// The content type is not JSON.
    MediaType,
    /// It is longer than [`MAX_DOCUMENT_BYTES`].
    TooLong,
    /// It is not one JSON object without repeated members.
    NotAnObject,
    /// Its `client_id` is not the URL it was fetched from, by simple string comparison.
    WrongClientId,
    /// It has no name.
    NoName,
    /// It holds a secret, or demands to authenticate with something else than nothing.
    AuthMethod,
    /// What a registration could not hold either.
    Metadata(RegistrationError),
}

impl DocumentError {
    /// The name of the cause, for the log.
    pub fn reason(self) -> &'static str {
        match self {
            DocumentError::Status(_) => "document_status",
            DocumentError::MediaType => "document_media_type",
            DocumentError::TooLong => "document_too_long",
            DocumentError::NotAnObject => "document_not_an_object",
            DocumentError::WrongClientId => "document_wrong_client_id",
            DocumentError::NoName => "document_no_name",
            DocumentError::AuthMethod => "document_auth_method",
            DocumentError::Metadata(_) => "document_metadata",
        }
    }
}

impl DocumentUrl {
    /// Reads a client id. `allows_loopback` (tests and the demo) also takes hosts on this machine.
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
        let host = host(authority)?;
        let is_allowed = is_public_name(&host) || (allows_loopback && is_loopback(&host));
        if !is_allowed {
            return Err(DocumentUrlError::HostNotPublic);
        }
        check_path(path)?;
        Ok(DocumentUrl { text: text.to_owned(), host })
    }

    /// The URL, which is the client id.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its host in lower case.
    pub fn host(&self) -> &str {
        &self.host
    }
}

/// Checks a fetched document.
pub fn read_document(
    url: &DocumentUrl,
    status: u16,
    content_type: Option<&str>,
    body: &[u8],
    private_schemes: &[String],
) -> Result<Client, DocumentError> {
    if status != 200 {
        return Err(DocumentError::Status(status));
    }
    if !content_type.is_some_and(is_json) {
        return Err(DocumentError::MediaType);
    }
    if body.len() > MAX_DOCUMENT_BYTES {
        return Err(DocumentError::TooLong);
    }
    let members = read_object(body).ok_or(DocumentError::NotAnObject)?;
    if members.get("client_id").and_then(Value::as_str) != Some(url.as_str()) {
        return Err(DocumentError::WrongClientId);
    }
    if members.get("client_name").and_then(Value::as_str).is_none_or(|name| name.trim().is_empty()) {
        return Err(DocumentError::NoName);
    }
    let method = members.get("token_endpoint_auth_method").filter(|value| !value.is_null());
    let has_secret = members.contains_key("client_secret") || members.contains_key("client_secret_expires_at");
    if has_secret || method.is_some_and(|method| method.as_str() != Some("none")) {
        return Err(DocumentError::AuthMethod);
    }
    check_keys(&members).map_err(DocumentError::Metadata)?;
    let metadata = read_metadata(&members, AuthMethod::None, private_schemes).map_err(DocumentError::Metadata)?;
    Ok(Client { id: url.text.clone(), metadata, secret_hash: None })
}

fn host(authority: &str) -> Result<String, DocumentUrlError> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port_is_valid = port.is_none_or(|port| !port.starts_with(['0', '+']) && port.parse::<u16>().is_ok());
    if !port_is_valid || host.is_empty() || host.contains(['@', '%']) {
        return Err(DocumentUrlError::Authority);
    }
    Ok(host.to_ascii_lowercase())
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
            ("S54", "https://ex\u{430}mple.com/x", IllegalCharacter),
            ("S56", "https://a_b.example/x", HostNotPublic),
            ("S56", "https://a..example/x", HostNotPublic),
        ] {
            assert_eq!(DocumentUrl::parse(text, false), Err(error), "{row} {text}");
        }
        assert_eq!(DocumentUrl::parse("https://A.example:8443/", false).unwrap().host(), "a.example");
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
        assert_eq!(read(&good).unwrap().id, url.as_str());
        for (row, body, error) in [
            ("M21", with("client_id", json!("https://a.example/client/")), WrongClientId),
            ("M21", with("client_id", json!("https://A.example/client")), WrongClientId),
            ("M21", with("client_id", json!("https://a.example:443/client")), WrongClientId),
            ("M21", with("client_id", Value::Null), WrongClientId),
            ("M23", with("redirect_uris", json!([])), Metadata(RegistrationError::RedirectUris)),
            ("M23", with("redirect_uris", json!(["data:x"])), Metadata(RegistrationError::RedirectUris)),
            ("M23", with("client_name", json!(" ")), NoName),
            ("M24", with("token_endpoint_auth_method", json!("client_secret_post")), AuthMethod),
            ("M24", with("token_endpoint_auth_method", json!("private_key_jwt")), AuthMethod),
            ("M24", with("client_secret", json!("x")), AuthMethod),
            ("M26", with("jwks", json!({"keys": [{"d": "x"}]})), Metadata(RegistrationError::Keys)),
            ("M14", with("pad", json!("x".repeat(5121))), TooLong),
        ] {
            assert_eq!(read(&body), Err(error), "{row}");
        }
        let body = good.to_string();
        let raw = |status, content_type| read_document(&url, status, content_type, body.as_bytes(), &[]);
        for status in [201, 203, 204, 206, 302, 404, 429, 500] {
            assert_eq!(raw(status, Some("application/json")), Err(Status(status)), "M09 M11");
        }
        assert_eq!(raw(200, Some("text/html")), Err(MediaType), "M12");
        assert_eq!(raw(200, None), Err(MediaType));
        let twice = body.replacen('{', "{\"client_id\":\"https://evil.example/\",", 1);
        let read = read_document(&url, 200, Some("application/json"), twice.as_bytes(), &[]);
        assert_eq!(read, Err(NotAnObject), "M20");
    }
}
