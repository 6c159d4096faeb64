//! What pages are searched by in filters, with what was pasted from an address in it.

use super::page_path::{address, belongs, decoded, decoded_by, foreign, host_name, is_route, named_host};
use super::pattern::escape;

/// What pages are searched by: a part of their paths, or a regular expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageSearch {
    /// The part or the expression, as it fits what Plausible stores.
    pub text: String,
    /// The host of a pasted address, as in [`PagePath`](super::PagePath).
    pub host: Option<String>,
}

impl PageSearch {
    /// The host of an address elsewhere, as in [`PagePath::foreign_host`](super::PagePath::foreign_host).
    pub fn foreign_host(&self, site: &str) -> Option<&str> {
        foreign(self.host.as_deref(), site)
    }

    /// Whether a fragment is a part of it.
    pub fn is_hash_route(&self) -> bool {
        self.text.split_once('#').is_some_and(|(_, fragment)| is_route(fragment))
    }
}

/// A part of a page's path as Plausible stores it. What begins like an address loses scheme and host; a query string is
/// left only where nothing else would be.
pub fn page_part(text: &str, site: Option<&str>) -> PageSearch {
    let (host, rest) = match address(text.trim(), site) {
        Some((host, rest)) if !rest.is_empty() => (named_host(host), rest),
        _ => (None, text),
    };
    let (path, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let path = path.split('?').next().unwrap_or_default();
    let has_fragment = rest.contains('#');
    // What follows the # of an address is a place on the page, unless it is a route; a part may be of either.
    let is_kept = if host.is_some() { is_route(fragment) } else { path.is_empty() || !fragment.is_empty() };
    let part = match (path, fragment) {
        ("", "") => decoded(text),
        _ if has_fragment && is_kept => decoded(&format!("{path}#{fragment}")),
        _ => decoded(path),
    };
    PageSearch { text: part, host }
}

/// A regular expression over pages, with what was pasted from an address in it: scheme and host at the beginning of an
/// alternative stand for the beginning of the path, and what is percent-encoded for the character.
pub fn page_expression(expression: &str, site: Option<&str>) -> PageSearch {
    let alternatives: Vec<PageSearch> = if expression.contains(['(', '[', '\\']) {
        vec![alternative(expression, site)]
    } else {
        expression.split('|').map(|part| alternative(part, site)).collect()
    };
    let texts: Vec<&str> = alternatives.iter().map(|alternative| alternative.text.as_str()).collect();
    let text = texts.join("|");
    PageSearch { text, host: alternatives.into_iter().find_map(|alternative| alternative.host) }
}

fn alternative(expression: &str, site: Option<&str>) -> PageSearch {
    let decoded = decoded_by(expression, |character| escape(&character.to_string()));
    let pasted = decoded.strip_prefix('^').unwrap_or(&decoded).replace("\\/", "/");
    let after_scheme = SCHEME_EXPRESSIONS.iter().find_map(|scheme| pasted.strip_prefix(scheme));
    let after = after_scheme.unwrap_or(&pasted);
    let (host, path) = host_expression(after);
    let host = host_name(&host.replace('\\', ""));
    let is_address = after_scheme.is_some() && (path.is_empty() || path == "$" || path.starts_with('/'));
    let is_of_the_site = path.starts_with('/') && site.is_some_and(|site| belongs(&host, site));
    if !(is_address || is_of_the_site) {
        return PageSearch { text: decoded, host: None };
    }
    let root = if path == "$" { "/" } else { "" };
    PageSearch { text: format!("^{root}{path}"), host: Some(host).filter(|host| !host.is_empty()) }
}

/// Divides an expression after its host. One that matches any host is none.
fn host_expression(after: &str) -> (&str, &str) {
    let any = ANY_HOST.iter().find_map(|any| after.strip_prefix(any)).filter(|path| path.starts_with('/'));
    if let Some(path) = any {
        return ("", path);
    }
    let named = ANY_SUBDOMAIN.iter().find_map(|any| after.strip_prefix(any)).unwrap_or(after);
    let is_of_a_host = |character: char| character.is_alphanumeric() || matches!(character, '.' | '-' | ':' | '\\');
    named.split_at(named.find(|character| !is_of_a_host(character)).unwrap_or(named.len()))
}

/// How expressions of addresses begin.
const SCHEME_EXPRESSIONS: [&str; 4] = ["https://", "http://", "https?://", "http(s)?://"];

/// How expressions say that any host will do.
const ANY_HOST: [&str; 4] = ["[^/]+", "[^/]*", ".*", ".+"];

/// How expressions say that any subdomain will do, or none.
const ANY_SUBDOMAIN: [&str; 6] = ["(www\\.)?", "(?:www\\.)?", "(www.)?", ".*\\.", "[^/]+\\.", "[^/]*\\."];

#[cfg(test)]
mod tests {
    use super::*;

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
            (" https://shop.example/blog ", "/blog"),
            ("https://shop.example/about#team", "/about"),
            ("https://shop.example/#/about", "/#/about"),
            ("shop.example/go?to=https://other.example/", "/go"),
            ("about#team", "about#team"),
        ] {
            assert_eq!(page_part(text, Some("shop.example")).text, part, "{text}");
        }
        for (text, host) in [("https://other.example/a", Some("other.example")), ("shop.example/a", None), ("/a", None)]
        {
            assert_eq!(page_part(text, Some("shop.example")).foreign_host("shop.example"), host, "{text}");
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
            ("^https://shop\\.example$", "^/$"),
            ("^https?://(www\\.)?shop\\.example/blog", "^/blog"),
            ("^https?://.*\\.shop\\.example/blog", "^/blog"),
            ("^https?://[^/]+/blog", "^/blog"),
            ("https://.*/blog", "^/blog"),
            ("https://shop.example.*blog", "https://shop.example.*blog"),
            ("^shop\\.example/blog", "^/blog"),
            ("shop.example:8443/blog", "^/blog"),
            ("other.example/blog", "other.example/blog"),
            ("shop\\.example", "shop\\.example"),
            (".*/blog", ".*/blog"),
            ("https://shop.example/a|https://shop.example/b", "^/a|^/b"),
            ("^/a$|/b", "^/a$|/b"),
        ] {
            assert_eq!(page_expression(expression, Some("shop.example")).text, read, "{expression}");
        }
        let elsewhere = page_expression("^https://other\\.example/blog", Some("shop.example"));
        assert_eq!(elsewhere.foreign_host("shop.example"), Some("other.example"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "(https?://|//|\\[\\^/\\]\\+|[a-z]{1,4}\\.|[/?#*%@:|^$ ]|%[0-9A-Fa-f]{2}|.){0,12}", site in "[a-z./]{0,8}") {
            let _ = (page_part(&text, Some(&site)), page_expression(&text, Some(&site)));
        }
    }
}
