//! Page patterns: a page path in which `*` stands for any characters.

use super::dimension::Dimension;
use super::filter::{Clauses, Filter, Operator};

/// The filter that a page or a page pattern means, by what stands between its stars: equality, or an anchored regular
/// expression. `/blog*` means pages that begin with `/blog`, not pages that contain it.
pub fn page_filter(parts: &[String]) -> Filter {
    let (operator, clause) = match parts {
        [page] => (Operator::Is, page.clone()),
        _ => (Operator::Matches, anchored(parts)),
    };
    Filter::Compare { operator, dimension: Dimension::PAGE, clauses: Clauses::Text(vec![clause]) }
}

/// Whether a text means itself as a regular expression.
pub fn is_literal(text: &str) -> bool {
    !text.contains(|character| METACHARACTERS.contains(character))
}

/// What RE2 does not have by design (<https://github.com/google/re2/wiki/Syntax>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BeyondRe2 {
    /// `(?=` or `(?!`.
    Lookahead,
    /// `(?<=` or `(?<!`.
    Lookbehind,
    /// `\1` to `\9`.
    Backreference,
}

/// What a pattern uses that RE2 does not have: Plausible's database answers it with a fault of its own. Other faults of
/// a pattern are left to Plausible.
pub fn beyond_re2(pattern: &str) -> Option<BeyondRe2> {
    let mut rest = pattern;
    let mut is_in_class = false;
    while let Some(character) = rest.chars().next() {
        let after = rest.strip_prefix(character).unwrap_or_default();
        let found = BEYOND_RE2.iter().find(|(start, _)| !is_in_class && rest.starts_with(start));
        if let Some((_, beyond)) = found {
            return Some(*beyond);
        }
        match character {
            '\\' if !is_in_class && after.starts_with(|digit: char| ('1'..='9').contains(&digit)) => {
                return Some(BeyondRe2::Backreference);
            }
            '[' => is_in_class = true,
            ']' => is_in_class = false,
            _ => {}
        }
        let escaped = after.chars().next().filter(|_| character == '\\');
        rest = escaped.and_then(|escaped| after.strip_prefix(escaped)).unwrap_or(after);
    }
    None
}

/// The regular expression that a page pattern means, by what stands between its stars.
pub fn anchored(parts: &[String]) -> String {
    let named = parts.iter().rposition(|part| !part.is_empty()).map_or(1, |last| last + 1);
    let end = if named < parts.len() { "" } else { "$" };
    let escaped: Vec<String> = parts.iter().take(named).map(|part| escape(part)).collect();
    format!("^{}{end}", escaped.join(".*"))
}

/// Escapes the metacharacters of RE2 (<https://github.com/google/re2/wiki/Syntax>).
pub fn escape(literal: &str) -> String {
    let mut escaped = String::with_capacity(literal.len());
    for character in literal.chars() {
        if METACHARACTERS.contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// How groups begin that look around.
const BEYOND_RE2: [(&str, BeyondRe2); 4] = [
    ("(?=", BeyondRe2::Lookahead),
    ("(?!", BeyondRe2::Lookahead),
    ("(?<=", BeyondRe2::Lookbehind),
    ("(?<!", BeyondRe2::Lookbehind),
];

const METACHARACTERS: &str = "\\.+*?()|[]{}^$";

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(pattern: &str) -> Vec<String> {
        pattern.split('*').map(str::to_owned).collect()
    }

    #[track_caller]
    fn check(pattern: &str, operator: &str, clause: &str) {
        assert_eq!(
            page_filter(&parts(pattern)).json(),
            serde_json::json!([operator, "event:page", [clause]]),
            "{pattern}"
        );
    }

    #[test]
    fn wildcards_are_anchored_and_everything_else_is_literal() {
        check("/pricing", "is", "/pricing");
        check("/blog*", "matches", "^/blog");
        check("/blog/**", "matches", "^/blog/");
        check("*", "matches", "^");
        check("/blog/*/comments", "matches", "^/blog/.*/comments$");
        check("*/comments", "matches", "^.*/comments$");
        check("/a.b+c(d)[e]{f}|g^$\\?*", "matches", "^/a\\.b\\+c\\(d\\)\\[e\\]\\{f\\}\\|g\\^\\$\\\\\\?");
        check("/über*", "matches", "^/über");
    }

    #[test]
    fn what_re2_does_not_have_is_found_where_it_means_that() {
        for (pattern, found) in [
            ("^/(?!blog)", Some(BeyondRe2::Lookahead)),
            ("(?=x)", Some(BeyondRe2::Lookahead)),
            ("x(?<!y)", Some(BeyondRe2::Lookbehind)),
            ("(?<=y)", Some(BeyondRe2::Lookbehind)),
            ("(a)\\1", Some(BeyondRe2::Backreference)),
            ("\\\\1", None),
            ("\\(?!", None),
            ("[(?!]", None),
            ("(?i)(?P<a>b)(?<c>d)(?:e)", None),
            ("\\d\\0", None),
            ("\\", None),
            ("[", None),
        ] {
            assert_eq!(beyond_re2(pattern), found, "{pattern}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_pattern_matches_what_it_spells_and_nothing_before_it(start in "[^*\\n]{0,12}", rest in "[^\\n]{0,12}", before in "[a-z]{1,4}") {
            let Filter::Compare { clauses: Clauses::Text(clauses), .. } = page_filter(&parts(&format!("{start}*"))) else { panic!() };
            let regex = regex::Regex::new(&clauses[0]).expect("RE2 syntax");
            let page = format!("{start}{rest}");
            let moved = format!("{before}{page}");
            proptest::prop_assert!(regex.is_match(&page));
            proptest::prop_assert_eq!(regex.is_match(&moved), moved.starts_with(&start));
        }
    }
}
