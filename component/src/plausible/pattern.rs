//! Page patterns: a page path in which `*` stands for any characters.

use super::dimension::Dimension;
use super::filter::{Clauses, Filter, Operator};

/// The filter that a page or a page pattern means: equality, or an anchored regular expression. `/blog*` means pages
/// that begin with `/blog`, not pages that contain it.
pub fn page_filter(pattern: &str) -> Filter {
    let (operator, clause) =
        if pattern.contains('*') { (Operator::Matches, anchored(pattern)) } else { (Operator::Is, pattern.to_owned()) };
    Filter::Compare { operator, dimension: Dimension::PAGE, clauses: Clauses::Text(vec![clause]) }
}

fn anchored(pattern: &str) -> String {
    let body = pattern.trim_end_matches('*');
    let parts: Vec<String> = body.split('*').map(escape).collect();
    let end = if body.len() == pattern.len() { "$" } else { "" };
    format!("^{}{end}", parts.join(".*"))
}

/// Escapes the metacharacters of RE2 (<https://github.com/google/re2/wiki/Syntax>).
fn escape(literal: &str) -> String {
    let mut escaped = String::with_capacity(literal.len());
    for character in literal.chars() {
        if METACHARACTERS.contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

const METACHARACTERS: &str = "\\.+*?()|[]{}^$";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, operator: &str, clause: &str) {
        assert_eq!(page_filter(pattern).json(), serde_json::json!([operator, "event:page", [clause]]), "{pattern}");
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

    proptest::proptest! {
        #[test]
        fn a_pattern_matches_what_it_spells_and_nothing_before_it(start in "[^*\\n]{0,12}", rest in "[^\\n]{0,12}", before in "[a-z]{1,4}") {
            let Filter::Compare { clauses: Clauses::Text(clauses), .. } = page_filter(&format!("{start}*")) else { panic!() };
            let regex = regex::Regex::new(&clauses[0]).expect("RE2 syntax");
            let page = format!("{start}{rest}");
            let moved = format!("{before}{page}");
            proptest::prop_assert!(regex.is_match(&page));
            proptest::prop_assert_eq!(regex.is_match(&moved), moved.starts_with(&start));
        }
    }
}
