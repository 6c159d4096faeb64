//! Pages as people write them (paths, patterns, pasted addresses) and as Plausible stores them.
//!
//! Plausible keeps a page's path percent-decoded and without white space at its end; in hash mode `#` and the decoded
//! fragment follow (<https://github.com/plausible/analytics>, `lib/plausible/ingestion/request.ex`). Scheme, host and
//! query string are not part of it, and a slash at the end is.

use std::borrow::Cow;
use std::net::Ipv4Addr;

use super::filter::Filter;
use super::pattern::{anchored, page_filter};
use super::punycode;
use crate::site_id;

/// A page or a pattern of pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PagePath {
    /// What stands between the stars, as Plausible stores it: a star that was percent-encoded is no star of a pattern.
    parts: Vec<String>,
    /// The host of a pasted address, in lower case and without a port.
    pub host: Option<String>,
    /// Whether the fragment of an address became a part of the path.
    pub is_hash_route: bool,
}

impl PagePath {
    /// Reads a path, a pattern or an address; one without a scheme is known by its host: that of `site`, or one that
    /// looks like a domain and is followed by a path. It may stand in quotes or brackets, or be encoded as a whole.
    pub fn read(text: &str, site: Option<&str>) -> PagePath {
        let text = unwrapped(text.trim());
        let text = if is_encoded_address(text) { Cow::Owned(decoded(text)) } else { Cow::Borrowed(text) };
        let (host, rest) = match address(&text, site) {
            Some((host, rest)) => (named_host(host), rest),
            None => (None, text.as_ref()),
        };
        let (path, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let path = path.split('?').next().unwrap_or_default();
        let path = if path.is_empty() { "/" } else { path };
        let is_hash_route = is_route(fragment);
        let mut parts = decoded_parts(path);
        if let Some(end) = parts.last_mut() {
            end.truncate(end.trim_end().len());
        }
        if is_hash_route {
            let mut of_fragment = decoded_parts(fragment).into_iter();
            if let (Some(end), Some(first)) = (parts.last_mut(), of_fragment.next()) {
                end.push('#');
                end.push_str(&first);
            }
            parts.extend(of_fragment);
        }
        PagePath { parts, host, is_hash_route }
    }

    /// Whether it is one: it begins with a slash, or with any characters.
    pub fn is_path(&self) -> bool {
        let (first, is_pattern) = (self.parts.first().map_or("", String::as_str), self.parts.len() > 1);
        first.starts_with('/') || (first.is_empty() && is_pattern)
    }

    /// The filter that it means.
    pub fn filter(&self) -> Filter {
        page_filter(&self.parts)
    }

    /// The page, or the pattern with its stars.
    pub fn text(&self) -> String {
        self.parts.join("*")
    }

    /// The regular expression that it means.
    pub fn regular_expression(&self) -> String {
        anchored(&self.parts)
    }

    /// The host of an address elsewhere: neither the site's nor that of one of its subdomains.
    pub fn foreign_host(&self, site: &str) -> Option<&str> {
        foreign(self.host.as_deref(), site)
    }
}

/// Host and rest of an address.
pub(super) fn address<'t>(text: &'t str, site: Option<&str>) -> Option<(&'t str, &'t str)> {
    if let Some((scheme, after)) = text.split_once("://")
        && is_scheme(scheme)
    {
        return Some(divided(after));
    }
    let (host, rest) = divided(text.strip_prefix("//").unwrap_or(text));
    let name = host_name(host);
    let is_of_the_site = site.is_some_and(|site| belongs(&name, site));
    let is_address = match (host.starts_with('*'), rest.starts_with('/')) {
        (true, has_path) => is_of_the_site && has_path,
        (false, true) => is_of_the_site || looks_like_a_domain(&name) || is_of_a_network(&name),
        (false, false) => is_of_the_site,
    };
    is_address.then_some((host, rest))
}

/// Whether a text is the name of a scheme; one of patterns may stand for any.
fn is_scheme(text: &str) -> bool {
    let is_of_a_scheme = |character: char| character.is_ascii_alphanumeric() || "+-.".contains(character);
    text == "*" || (text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.chars().all(is_of_a_scheme))
}

/// Divides what follows a scheme after the host. Stars at the host's end stand for a path too, unless they are all of it.
fn divided(after: &str) -> (&str, &str) {
    let end = after.find(['/', '?', '#']).unwrap_or(after.len());
    let authority = after.get(..end).unwrap_or_default();
    let host = authority.trim_end_matches('*');
    let is_all_stars = host.is_empty() && end < after.len();
    after.split_at(if is_all_stars { end } else { host.len() })
}

/// The host alone, in lower case: without a user, a port, a dot at the end and stars for subdomains.
pub(super) fn host_name(authority: &str) -> String {
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    };
    decoded(host).trim_start_matches('*').trim_matches('.').to_lowercase()
}

pub(super) fn named_host(authority: &str) -> Option<String> {
    Some(host_name(authority)).filter(|host| !host.is_empty())
}

/// Whether a host is the site's or that of a subdomain. A site may be a folder of a host.
pub(super) fn belongs(host: &str, site: &str) -> bool {
    let (host, site) = (site_id::normalized(host), site_id::normalized(site));
    let site = host_name(site.split('/').next().unwrap_or_default());
    let (host, site) = (punycode::unicode(&host), punycode::unicode(&site));
    !site.is_empty() && (host == site || host.strip_suffix(&site).is_some_and(|above| above.ends_with('.')))
}

/// The host, where it is neither the site's nor that of one of its subdomains.
pub(super) fn foreign<'h>(host: Option<&'h str>, site: &str) -> Option<&'h str> {
    host.filter(|host| !belongs(host, site))
}

/// Whether a fragment is a route of a page that is made in the browser.
pub(super) fn is_route(fragment: &str) -> bool {
    fragment.starts_with('/') || fragment.starts_with("!/")
}

/// Whether an address was encoded to stand in another one.
fn is_encoded_address(text: &str) -> bool {
    let start: String = text.chars().take(ENCODED_SCHEME).collect::<String>().to_ascii_lowercase();
    start.starts_with("https%3a%2f%2f") || start.starts_with("http%3a%2f%2f")
}

/// The text without what people put around an address. No path begins so.
fn unwrapped(text: &str) -> &str {
    let within = |(open, close): &(char, char)| text.strip_prefix(*open)?.strip_suffix(*close);
    WRAPPINGS.iter().find_map(within).map_or(text, str::trim)
}

/// This machine, or an address of version 4.
fn is_of_a_network(host: &str) -> bool {
    host == "localhost" || host.parse::<Ipv4Addr>().is_ok()
}

/// Two names or more, the last of letters, and none that files end with.
fn looks_like_a_domain(host: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.chars().all(|character| character.is_alphanumeric() || character == '-' || character == '_')
    };
    let Some((rest, last)) = host.rsplit_once('.') else { return false };
    let is_last = last.chars().count() >= 2 && (last.chars().all(char::is_alphabetic) || last.starts_with("xn--"));
    rest.split('.').all(is_label) && is_last && !FILES.contains(&last)
}

fn decoded_parts(pattern: &str) -> Vec<String> {
    pattern.split('*').map(decoded).collect()
}

/// The text with every percent-encoded character decoded, once.
pub(super) fn decoded(text: &str) -> String {
    decoded_by(text, |character| character.to_string())
}

/// What is not the encoding of a character stays as it is.
pub(super) fn decoded_by(text: &str, written: impl Fn(char) -> String) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let (before, encoded) = rest.split_at(at);
        decoded.push_str(before);
        let bytes = encoded_bytes(encoded);
        let valid = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        // A byte that is no part of a character, or a percent sign that stands for itself.
        let taken = if valid.is_empty() { 1 } else { valid.len() * ENCODED_BYTE };
        if valid.is_empty() {
            decoded.push('%');
        }
        decoded.extend(valid.chars().map(&written));
        rest = encoded.get(taken..).unwrap_or_default();
    }
    decoded.push_str(rest);
    decoded
}

/// The bytes of the `%XX` that the text begins with, one after the other.
fn encoded_bytes(text: &str) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |chunk: &[u8]| match chunk {
        [b'%', high, low] => Some(digit(high)? * 16 + digit(low)?),
        _ => None,
    };
    text.as_bytes().chunks(ENCODED_BYTE).map_while(byte).collect()
}

/// Endings of files that paths are made of, none of which is a top-level domain.
const FILES: [&str; 10] = ["html", "htm", "php", "asp", "aspx", "jsp", "xml", "json", "txt", "pdf"];

/// The length of `%XX`.
const ENCODED_BYTE: usize = 3;

/// The length of `https%3A%2F%2F`.
const ENCODED_SCHEME: usize = 14;

/// What addresses stand in where they are pasted from.
const WRAPPINGS: [(char, char); 5] = [('<', '>'), ('"', '"'), ('\'', '\''), ('`', '`'), ('“', '”')];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(text: &str, operator: &str, clause: &str) {
        let page = PagePath::read(text, Some("shop.example"));
        assert!(page.is_path(), "{text}");
        assert_eq!(page.filter().json(), json!([operator, "event:page", [clause]]), "{text}");
    }

    #[test]
    fn an_address_is_the_page_that_plausible_stores() {
        for (text, page) in [
            ("/pricing", "/pricing"),
            ("https://shop.example/bl%C3%B8g", "/bløg"),
            ("/bl%C3%B8g", "/bløg"),
            ("/bl%c3%b8g", "/bløg"),
            ("/bløg", "/bløg"),
            ("https://shop.example/pricing?plan=pro#a", "/pricing"),
            ("HTTPS://Shop.Example/Pricing", "/Pricing"),
            ("http://shop.example", "/"),
            ("https://shop.example?x=1", "/"),
            ("https://shop.example:8443/a", "/a"),
            ("https://ann@shop.example/a", "/a"),
            ("app://localhost/a", "/a"),
            ("shop.example/pricing", "/pricing"),
            ("www.shop.example/pricing", "/pricing"),
            ("blog.shop.example/a", "/a"),
            ("shop.example", "/"),
            ("shop.example/", "/"),
            ("shop.example?x=1", "/"),
            ("other.example/pricing", "/pricing"),
            ("//shop.example/a", "/a"),
            ("//a/b", "//a/b"),
            ("/about", "/about"),
            ("/about/", "/about/"),
            ("https://shop.example/about/", "/about/"),
            ("/about?x=1", "/about"),
            ("/about/?x=https://a.example/", "/about/"),
            (" /about \n", "/about"),
            ("/about%20", "/about"),
            ("/a%20b", "/a b"),
            ("/a%2520b", "/a%20b"),
            ("/a+b", "/a+b"),
            ("/100%", "/100%"),
            ("/100%zz%4", "/100%zz%4"),
            ("/%ff%C3", "/%ff%C3"),
            ("/%C3%B8%ff", "/ø%ff"),
            ("/%E4%B8%AD文", "/中文"),
            ("/what%3F%23x", "/what?#x"),
            ("/a%2Ab", "/a*b"),
            ("%2Fabout", "/about"),
            ("/docs/https://a.example/x", "/docs/https://a.example/x"),
            ("shop.example/go?to=https://other.example/", "/go"),
            ("other.example/go?to=https://shop.example/", "/go"),
            ("//shop.example/go?to=https://other.example/", "/go"),
            ("//other.example/pricing", "/pricing"),
            ("//other.example:8443/pricing?x=1#a", "/pricing"),
            ("//index.php/a", "//index.php/a"),
            ("other.example:8443/pricing", "/pricing"),
            ("ann:secret@shop.example:8443/a", "/a"),
            ("shop.example:8443", "/"),
            ("https://shop.example:/a", "/a"),
            ("https:///a", "/a"),
            ("localhost:3000/a", "/a"),
            ("127.0.0.1:3000/a", "/a"),
            ("https://[2001:db8::1]:8443/a", "/a"),
            ("https://bücher.example/a", "/a"),
            ("bücher.example/a", "/a"),
            ("my_shop.example/a", "/a"),
            ("<https://shop.example/a>", "/a"),
            ("\"https://shop.example/a\"", "/a"),
            ("\"/a\"", "/a"),
            ("`shop.example/a`", "/a"),
            ("https%3A%2F%2Fshop.example%2Fbl%25C3%25B8g%3Fx%3D1", "/bløg"),
            ("http%3a%2f%2fshop.example", "/"),
        ] {
            check(text, "is", page);
        }
    }

    #[test]
    fn a_fragment_is_kept_where_it_is_a_route() {
        for (text, page) in [
            ("https://shop.example/#/about", "/#/about"),
            ("https://shop.example#/about", "/#/about"),
            ("shop.example/app#!/a", "/app#!/a"),
            ("/#/about", "/#/about"),
            ("#/about", "/#/about"),
            ("/?x=1#/bl%C3%B8g?tab=1", "/#/bløg?tab=1"),
            ("/app%20#/a", "/app#/a"),
            ("/about#team", "/about"),
            ("/about#", "/about"),
        ] {
            check(text, "is", page);
            assert_eq!(PagePath::read(text, None).is_hash_route, page.contains('#'), "{text}");
        }
        check("https://shop.example/#/blog/*", "matches", "^/#/blog/");
    }

    #[test]
    fn a_pattern_is_read_like_a_page() {
        for (text, expression) in [
            ("https://shop.example/bl%C3%B8g*", "^/bløg"),
            ("shop.example/*/comments?x=1", "^/.*/comments$"),
            ("*/comments", "^.*/comments$"),
            ("/a%2A*", "^/a\\*"),
            ("/a%20*", "^/a "),
            ("/a.b*", "^/a\\.b"),
            ("https://shop.example*", "^"),
            ("shop.example*", "^"),
            ("https://shop.example*/pricing", "^.*/pricing$"),
            ("https://*.shop.example/blog*", "^/blog"),
            ("*.shop.example/blog*", "^/blog"),
            ("*shop.example/blog*", "^/blog"),
            ("*://shop.example/blog*", "^/blog"),
            ("*://*/blog*", "^/blog"),
            ("https://*", "^"),
            ("*shop.example*", "^.*shop\\.example"),
            ("/blog*?utm_source=*", "^/blog"),
            ("*.html/a*", "^.*\\.html/a"),
        ] {
            check(text, "matches", expression);
        }
    }

    #[test]
    fn what_is_no_path_is_told_from_one() {
        for text in
            ["pricing", "pricing.html", "index.php/a", "v1.2/docs", "docs/intro", "a b.example/x", "1://x/y", ""]
        {
            let is_path = PagePath::read(text, Some("shop.example")).is_path();
            assert_eq!(is_path, text.is_empty(), "{text}");
        }
    }

    #[test]
    fn a_host_elsewhere_is_named() {
        for (text, site, foreign) in [
            ("https://other.example:8080/a", "shop.example", Some("other.example")),
            ("https://notshop.example/a", "shop.example", Some("notshop.example")),
            ("https://www.shop.example/a", "shop.example", None),
            ("https://blog.shop.example/a", "shop.example", None),
            ("https://example.com/docs/a", "example.com/docs", None),
            ("/a", "shop.example", None),
            ("https:///a", "shop.example", None),
            ("https://*/a", "shop.example", None),
            ("https://*.shop.example/a", "shop.example", None),
            ("https://shop.example*", "shop.example", None),
            ("localhost:3000/a", "localhost:8000", None),
            ("https://b%C3%BCcher.example/a", "bücher.example", None),
            ("https://xn--bcher-kva.example/a", "bücher.example", None),
            ("https://BÜCHER.example/a", "xn--bcher-kva.example", None),
            ("https://xn--bcher-kva.example/a", "bucher.example", Some("xn--bcher-kva.example")),
        ] {
            assert_eq!(PagePath::read(text, Some(site)).foreign_host(site), foreign, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "(https?://|//|[a-z]{1,4}\\.|[/?#*%@: ]|%[0-9A-Fa-f]{2}|.){0,12}", site in "[a-z./]{0,8}") {
            let page = PagePath::read(&text, Some(&site));
            let _ = (page.filter(), page.text(), page.foreign_host(&site));
        }

        #[test]
        fn what_plausible_stores_is_found_by_its_address(path in "/[^*%#?\\s]{0,8}(/[^*%#?\\s]{0,4})?") {
            let encoded: String = path.bytes().map(|byte| match byte {
                b'/' | b'a'..=b'z' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            }).collect();
            let address = format!("https://shop.example{encoded}?q=%C3%B8#top");
            proptest::prop_assert_eq!(PagePath::read(&address, Some("shop.example")).text(), path);
        }
    }
}
