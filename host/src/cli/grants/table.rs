//! Grants and revocations as text for a terminal.

use std::fmt::Write as _;
use std::sync::LazyLock;

use jiff::Timestamp;
use regex::Regex;

use crate::operator::json::{GrantRow, RevocationAnswer};

/// A line per grant under a line of headings, and their number. Times are UTC. The user's id stands last and whole, so
/// that it can be looked for in the log.
pub(super) fn table(grants: &[GrantRow]) -> String {
    let names: Vec<_> = grants.iter().map(|grant| shortened(&grant.client)).collect();
    let width = names.iter().map(|name| name.chars().count()).chain([CLIENT.len()]).max().unwrap_or_default();
    let mut text = String::new();
    // Writing to a string does not fail.
    if !grants.is_empty() {
        let _ = writeln!(text, "{CLIENT:width$}  CREATED (UTC)     LAST ISSUED       EXPIRES           USER");
    }
    for (name, GrantRow { user, created, last_issued, expires, .. }) in names.iter().zip(grants) {
        let [created, last_issued, expires] = [created, last_issued, expires].map(|time| minute(*time));
        let _ = writeln!(text, "{name:width$}  {created:16}  {last_issued:16}  {expires:16}  {user}");
    }
    let _ = writeln!(text, "{}", counted(grants.len()));
    text
}

/// What a revocation did, and a line per note.
pub(super) fn ended(RevocationAnswer { revoked, notes, .. }: &RevocationAnswer) -> String {
    let mut text = format!("{} ended\n", counted(usize::try_from(*revoked).unwrap_or(usize::MAX)));
    for note in notes {
        let _ = writeln!(text, "{}", printable(note));
    }
    text
}

/// The text without what would steer a terminal or turn its reading direction: control and format characters, and
/// separators of lines and paragraphs.
pub(super) fn printable(text: &str) -> String {
    static STEERING: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]").expect("the pattern is a constant"));
    STEERING.replace_all(text, "").into_owned()
}

fn shortened(name: &str) -> String {
    match name.char_indices().nth(NAME_CHARS) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()),
        None => name.to_owned(),
    }
}

fn counted(grants: usize) -> String {
    match grants {
        0 => "no grants".to_owned(),
        1 => "1 grant".to_owned(),
        _ => format!("{grants} grants"),
    }
}

/// `2026-08-06 10:30`, or a dash for what no calendar has.
fn minute(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(|| "—".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M").to_string())
}

const CLIENT: &str = "CLIENT";
/// With the three times a line of a table fits into a wide terminal.
const NAME_CHARS: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(client: &str) -> GrantRow {
        GrantRow {
            client: client.to_owned(),
            user: "0a1b".to_owned(),
            created: 1_786_012_200,
            last_issued: 1_786_015_800,
            expires: u64::MAX,
        }
    }

    #[test]
    fn columns_are_aligned() {
        let expected = "\
CLIENT       CREATED (UTC)     LAST ISSUED       EXPIRES           USER
Claude       2026-08-06 10:30  2026-08-06 11:30  —                 0a1b
Zoë's agent  2026-08-06 10:30  2026-08-06 11:30  —                 0a1b
2 grants
";
        assert_eq!(table(&[grant("Claude"), grant("Zoë's agent")]), expected);
    }

    #[test]
    fn the_number_is_told() {
        assert_eq!(table(&[]), "no grants\n");
        assert!(table(&[grant("a")]).ends_with("\n1 grant\n"));
        let notes = vec!["a\u{1b}[2Jb".to_owned()];
        let done = RevocationAnswer { revoked: 2, unconfirmed: 0, is_confirmed: true, notes };
        assert_eq!(ended(&done), "2 grants ended\na[2Jb\n");
    }

    #[test]
    fn nothing_steers_the_terminal() {
        for (text, expected) in [
            ("Claude (日本語) – é", "Claude (日本語) – é"),
            ("\u{1b}]0;title\u{7}x", "]0;titlex"),
            ("a\r\nb\tc\u{9b}d\u{85}e", "abcde"),
            ("a\u{202e}b\u{2066}c\u{2069}\u{200f}\u{61c}d", "abcd"),
            ("a\u{200b}b\u{2028}c\u{2029}d\u{feff}e", "abcde"),
        ] {
            assert_eq!(printable(text), expected);
        }
    }

    #[test]
    fn a_long_name_is_cut() {
        assert_eq!(shortened(&"ü".repeat(61)), format!("{}…", "ü".repeat(60)));
        assert_eq!(shortened(&"ü".repeat(60)), "ü".repeat(60));
    }
}
