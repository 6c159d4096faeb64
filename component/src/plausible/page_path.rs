//! Pages as people write them (paths, patterns, pasted addresses) and as Plausible stores them.
//!
//! Plausible keeps a page's path percent-decoded and without white space at its end; in hash mode `#` and the decoded
//! fragment follow (<https://github.com/plausible/analytics>, `lib/plausible/ingestion/request.ex`). Scheme, host and
//! query string are not part of it, and a slash at the end is.

use super::filter::Filter;
use super::pattern::{anchored, escape, page_filter};
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
    /// looks like a domain and is followed by a path.
    pub fn read(text: &str, site: Option<&str>) -> PagePath {
        let text = text.trim();
        let (host, rest) = match address(text, site) {
            Some((host, rest)) => (Some(host_name(host)), rest),
            None => (None, text),
        };
        let (path, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let path = path.split('?').next().unwrap_or_default();
        let path = if path.is_empty() { "/" } else { path };
        let is_hash_route = fragment.starts_with('/') || fragment.starts_with("!/");
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
        self.host.as_deref().filter(|host| !belongs(host, site))
    }
}

/// A part of a page's path as Plausible stores it. What begins like an address loses scheme and host; a query string is
/// left only where nothing else would be.
pub fn page_part(text: &str, site: Option<&str>) -> String {
    let rest = match address(text.trim_start(), site) {
        Some((_, rest)) if !rest.is_empty() => rest,
        _ => text,
    };
    let (path, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let path = path.split('?').next().unwrap_or_default();
    match (path, fragment) {
        ("", "") => decoded(text),
        _ if rest.contains('#') && (path.is_empty() || !fragment.is_empty()) => decoded(&format!("{path}#{fragment}")),
        _ => decoded(path),
    }
}

/// A regular expression over pages, with what was pasted from an address in it: scheme and host at its beginning stand
/// for the beginning of the path, and what is percent-encoded for the character.
pub fn page_expression(expression: &str) -> String {
    let decoded = decoded_by(expression, |character| escape(&character.to_string()));
    let pasted = decoded.strip_prefix('^').unwrap_or(&decoded).replace("\\/", "/");
    let Some(after) = ["https://", "http://", "https?://"].iter().find_map(|scheme| pasted.strip_prefix(scheme)) else {
        return decoded;
    };
    let is_of_a_host = |character: char| character.is_alphanumeric() || matches!(character, '.' | '-' | ':' | '\\');
    let path = after.trim_start_matches(is_of_a_host);
    if path.is_empty() || path.starts_with('/') { format!("^{path}") } else { decoded }
}

/// Host and rest of an address.
fn address<'t>(text: &'t str, site: Option<&str>) -> Option<(&'t str, &'t str)> {
    let divided = |after: &'t str| after.split_at(after.find(['/', '?', '#']).unwrap_or(after.len()));
    let is_of_the_site = |host: &str| site.is_some_and(|site| belongs(&host_name(host), site));
    if let Some((scheme, after)) = text.split_once("://") {
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|character| character.is_ascii_alphanumeric() || "+-.".contains(character));
        return is_scheme.then(|| divided(after));
    }
    if let Some(after) = text.strip_prefix("//") {
        return Some(divided(after)).filter(|(host, _)| is_of_the_site(host));
    }
    let (host, rest) = divided(text);
    let is_address = is_of_the_site(host) || (rest.starts_with('/') && looks_like_a_domain(&host_name(host)));
    is_address.then_some((host, rest))
}

/// The host alone, in lower case: without a user, a port and a dot at the end.
fn host_name(authority: &str) -> String {
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    };
    host.trim_end_matches('.').to_lowercase()
}

/// Whether a host is the site's or that of a subdomain. A site may be a folder of a host.
fn belongs(host: &str, site: &str) -> bool {
    let (host, site) = (site_id::normalized(host), site_id::normalized(site));
    let site = site.split('/').next().unwrap_or_default();
    !site.is_empty() && (host == site || host.strip_suffix(site).is_some_and(|above| above.ends_with('.')))
}

/// Two names or more, the last of letters, and none that files end with.
fn looks_like_a_domain(host: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|character| character.is_alphanumeric() || character == '-')
    };
    let Some((rest, last)) = host.rsplit_once('.') else { return false };
    let is_last = last.chars().count() >= 2 && (last.chars().all(char::is_alphabetic) || last.starts_with("xn--"));
    rest.split('.').all(is_label) && is_last && !FILES.contains(&last)
}

fn decoded_parts(pattern: &str) -> Vec<String> {
    pattern.split('*').map(decoded).collect()
}

/// The text with every percent-encoded character decoded, once.
fn decoded(text: &str) -> String {
    decoded_by(text, |character| character.to_string())
}

/// What is not the encoding of a character stays as it is.
fn decoded_by(text: &str, written: impl Fn(char) -> String) -> String {
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
        ] {
            assert_eq!(PagePath::read(text, Some(site)).foreign_host(site), foreign, "{text}");
        }
    }

    #[test]
    fn a_part_of_a_path_loses_what_is_not_stored() {
        for (text, part) in [
            ("blog", "blog"),
            ("/bl%C3%B8g", "/bløg"),
            ("https://shop.example/blog?x=1", "/blog"),
            ("shop.example/blog", "/blog"),
            ("v1.2/docs", "v1.2/docs"),
            ("https://shop.example", "https://shop.example"),
            ("?x=1", "?x=1"),
            ("#/a", "#/a"),
            ("/app#/a", "/app#/a"),
            ("#", "#"),
            ("/a ", "/a "),
        ] {
            assert_eq!(page_part(text, Some("shop.example")), part, "{text}");
        }
    }

    #[test]
    fn an_expression_keeps_its_meaning() {
        for (expression, read) in [
            ("^/blog", "^/blog"),
            ("^/bl%C3%B8g$", "^/bløg$"),
            ("^/a%2Eb%3F", "^/a\\.b\\?"),
            ("https://shop.example/blog/.*", "^/blog/.*"),
            ("^https?://shop\\.example/blog$", "^/blog$"),
            ("https:\\/\\/shop.example\\/a", "^/a"),
            ("^https://shop.example", "^"),
            ("^/(https://a)?", "^/(https://a)?"),
            ("https://(a|b)/", "https://(a|b)/"),
        ] {
            assert_eq!(page_expression(expression), read, "{expression}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "(https?://|//|[a-z]{1,4}\\.|[/?#*%@: ]|%[0-9A-Fa-f]{2}|.){0,12}", site in "[a-z./]{0,8}") {
            let page = PagePath::read(&text, Some(&site));
            let _ = (page.filter(), page.text(), page_part(&text, Some(&site)), page_expression(&text));
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
