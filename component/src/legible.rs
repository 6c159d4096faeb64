//! Text from outside, made fit to be read: by people on our pages and in the log, and by models in answers.
//!
//! Anybody can send a page path, a referrer or a name. With characters that have no shape such a text could pretend to
//! be another one, or carry words that nobody sees but a model. There is one table of them, for all that is shown.

use std::borrow::Cow;

/// The text with U+FFFD in place of everything that is not shown, so that a text that had such a character is not the
/// same as one that had none. A joiner within a word stays.
pub fn legible(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Cow::Borrowed(text);
    }
    let mut replaced = String::with_capacity(text.len());
    let mut before = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let stays = !is_invisible(character) || is_within_a_word(before, character, characters.peek().copied());
        replaced.push(if stays { character } else { char::REPLACEMENT_CHARACTER });
        before = Some(character);
    }
    if replaced == text { Cow::Borrowed(text) } else { Cow::Owned(replaced) }
}

/// The same, line by line.
pub fn legible_lines(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte == b'\n' || (0x20..0x7f).contains(&byte)) {
        return Cow::Borrowed(text);
    }
    let lines: Vec<_> = text.split('\n').map(legible).collect();
    Cow::Owned(lines.join("\n"))
}

/// Control characters and ends of lines, those of the Unicode general category Cf (direction, joiners, tags), fillers
/// that look like nothing, and selectors.
pub fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{16fe4}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d159}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Whether a character is a joiner that Persian, Hindi or Sinhala, among others, spell a word with: one alone, between
/// letters, or after the sign that takes a letter's vowel away (RFC 5892, appendices A.1 and A.2).
fn is_within_a_word(before: Option<char>, character: char, after: Option<char>) -> bool {
    let is_letter = |character: char| character.is_alphabetic() && !is_invisible(character);
    matches!(character, '\u{200c}' | '\u{200d}')
        && before.is_some_and(|before| is_letter(before) || is_virama(before))
        && after.is_some_and(is_letter)
}

/// Canonical combining class 9 in the scripts of languages that are written today.
fn is_virama(character: char) -> bool {
    matches!(
        character,
        '\u{94d}'
            | '\u{9cd}'
            | '\u{a4d}'
            | '\u{acd}'
            | '\u{b4d}'
            | '\u{bcd}'
            | '\u{c4d}'
            | '\u{ccd}'
            | '\u{d3b}'
            | '\u{d3c}'
            | '\u{d4d}'
            | '\u{dca}'
            | '\u{e3a}'
            | '\u{eba}'
            | '\u{f84}'
            | '\u{1039}'
            | '\u{103a}'
            | '\u{1714}'
            | '\u{1734}'
            | '\u{17d2}'
            | '\u{1a60}'
            | '\u{1b44}'
            | '\u{1baa}'
            | '\u{1bab}'
            | '\u{a806}'
            | '\u{a8c4}'
            | '\u{a953}'
            | '\u{a9c0}'
            | '\u{aaf6}'
            | '\u{abed}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_shape_is_replaced_one_by_one() {
        for (text, shown) in [
            ("/pricing", "/pricing"),
            ("/Käse/チーズ 🚲", "/Käse/チーズ 🚲"),
            ("a\nb\tc\r\u{0}d\u{7f}e\u{85}f", "a\u{fffd}b\u{fffd}c\u{fffd}\u{fffd}d\u{fffd}e\u{fffd}f"),
            ("a\u{2028}b\u{2029}c", "a\u{fffd}b\u{fffd}c"),
            ("evil\u{202e}moc", "evil\u{fffd}moc"),
            ("a\u{e0041}\u{e007f}b", "a\u{fffd}\u{fffd}b"),
            ("a\u{fe0f}\u{e0101}\u{e01ef}b", "a\u{fffd}\u{fffd}\u{fffd}b"),
            ("\u{115f}\u{1160}\u{3164}\u{ffa0}\u{2800}\u{180e}", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            ("\u{fff9}a\u{fffa}b\u{fffb}", "\u{fffd}a\u{fffd}b\u{fffd}"),
            ("\u{feff}a\u{200b}b\u{2060}c\u{ad}d", "\u{fffd}a\u{fffd}b\u{fffd}c\u{fffd}d"),
            ("already \u{fffd}", "already \u{fffd}"),
        ] {
            assert_eq!(legible(text), shown, "{text:?}");
        }
    }

    #[test]
    fn a_joiner_stays_within_a_word_and_nowhere_else() {
        for text in ["می\u{200c}خواهم", "क्\u{200d}ष", "ශ්\u{200d}රී", "a\u{200d}b"] {
            assert_eq!(legible(text), text, "{text:?}");
        }
        for (text, shown) in [
            ("\u{200c}a", "\u{fffd}a"),
            ("a\u{200d}", "a\u{fffd}"),
            ("a\u{200c}\u{200d}b", "a\u{fffd}\u{fffd}b"),
            ("a\u{200d}/b", "a\u{fffd}/b"),
            ("1\u{200c}2", "1\u{fffd}2"),
            ("a\u{200d}\u{3164}b", "a\u{fffd}\u{fffd}b"),
            ("👩\u{200d}👧", "👩\u{fffd}👧"),
        ] {
            assert_eq!(legible(text), shown, "{text:?}");
        }
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(legible_lines("a\u{200b}\n\tb\n"), "a\u{fffd}\n\u{fffd}b\n");
        assert_eq!(legible_lines("a\nb"), "a\nb");
    }

    proptest::proptest! {
        #[test]
        fn nothing_is_dropped_and_nothing_invisible_is_left_but_joiners(text in "(.|[\u{200b}-\u{200f}\u{e0000}-\u{e01ef}]){0,24}") {
            let shown = legible(&text);
            proptest::prop_assert_eq!(shown.chars().count(), text.chars().count());
            let left = shown.chars().find(|c| is_invisible(*c) && !matches!(c, '\u{200c}' | '\u{200d}'));
            proptest::prop_assert_eq!(left, None);
            proptest::prop_assert_eq!(legible(&shown), shown.as_ref());
        }
    }
}
