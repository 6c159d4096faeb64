//! The spelling of a site's id: <https://github.com/plausible/analytics/blob/master/lib/plausible/site.ex>.

/// The id as Plausible keeps it, from whatever a person writes or pastes: in lower case, without a scheme, without
/// `www.` in front, without slashes and dots at its two ends. A slash inside stays, since `example.com/docs` may be a
/// site; a query string and a fragment do not, since no site has one. Empty when nothing is left.
pub fn normalized(text: &str) -> String {
    let lower = text.trim().to_lowercase();
    let address = lower.split(['?', '#']).next().unwrap_or_default();
    let mut site = address.trim();
    loop {
        let shorter = ["https://", "http://", "www."].into_iter().fold(site, |rest, prefix| {
            rest.strip_prefix(prefix)
                .unwrap_or(rest)
                .trim_matches(|end: char| matches!(end, '/' | '.') || end.is_whitespace())
        });
        if shorter.len() == site.len() {
            return site.to_owned();
        }
        site = shorter;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_spelled_as_plausible_keeps_it() {
        for text in [
            "shop.example",
            "Shop.Example",
            " shop.example\n",
            "www.shop.example",
            "WWW.Shop.example.",
            "https://shop.example",
            "HTTPS://www.shop.example/",
            "http://shop.example./",
            "//shop.example//",
            "https://shop.example/?utm_source=x#top",
            "https://www.www.shop.example",
            "www.https://shop.example",
        ] {
            assert_eq!(normalized(text), "shop.example", "{text:?}");
        }
        for (text, site) in [
            ("https://example.com/Docs/", "example.com/docs"),
            ("wwwshop.example", "wwwshop.example"),
            ("shop.www.example", "shop.www.example"),
            ("BÜCHER.example", "bücher.example"),
            ("localhost:8000", "localhost:8000"),
            ("https://", ""),
            (" . / ", ""),
            ("", ""),
        ] {
            assert_eq!(normalized(text), site, "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn once_is_enough(text in "(https?://|www\\.|[ ./]|[a-zA-ZäÖ?#]{1,3}){0,8}") {
            let site = normalized(&text);
            proptest::prop_assert_eq!(normalized(&site), site);
        }
    }
}
