//! Rows as a compact table. Values come from visitors (anyone can send a referrer or a page path), so they are cleaned:
//! no line breaks, no control characters, no column separators, cut.

use std::borrow::Cow;

use serde_json::Value;

use crate::plausible::{Dimension, Label, MetricValue, Query, Row};

/// The header line and one line per row.
pub fn rows(query: &Query, rows: &[(Row, bool)]) -> String {
    let names = query.dimensions.iter().map(Dimension::name);
    let names: Vec<String> = names.chain(query.metrics.iter().map(|metric| metric.name().to_owned())).collect();
    let mut table = names.join(" | ");
    table.push('\n');
    for (row, partial) in rows {
        let cells = row.dimensions.iter().map(label).chain(row.metrics.iter().map(value));
        for (at, cell) in cells.enumerate() {
            if at > 0 {
                table.push_str(" | ");
            }
            table.push_str(&cell);
        }
        table.push_str(if *partial { " (partial)\n" } else { "\n" });
    }
    table
}

/// A metric's value in a cell.
pub fn value(value: &MetricValue) -> Cow<'_, str> {
    match value {
        MetricValue::Null => Cow::Borrowed("-"),
        MetricValue::Number(number) => Cow::Owned(number.to_string()),
        MetricValue::Money(money) => {
            let amount = money.get("value").map(Value::to_string).unwrap_or_default();
            let currency = money.get("currency").and_then(Value::as_str).unwrap_or_default();
            Cow::Owned(clean(format!("{amount} {currency}").trim()).into_owned())
        }
    }
}

/// A text from outside in a cell.
pub fn clean(text: &str) -> Cow<'_, str> {
    let harmless = |byte: u8| (0x20..0x7f).contains(&byte) && byte != b'|';
    if text.len() <= MAX_CELL && text.bytes().all(harmless) {
        return Cow::Borrowed(text);
    }
    let visible = text.chars().map(|character| match character {
        '|' => '¦',
        character if character.is_control() || is_invisible(character) => ' ',
        character => character,
    });
    let mut cut: String = visible.take(MAX_CELL).collect();
    if text.chars().nth(MAX_CELL).is_some() {
        cut.push('…');
    }
    Cow::Owned(cut)
}

fn label(label: &Label) -> Cow<'_, str> {
    match label {
        Label::Text(text) => clean(text),
        Label::Number(number) => Cow::Owned(number.to_string()),
        Label::Null => Cow::Borrowed("-"),
    }
}

/// Separators and characters that change the direction of text or have no shape (Unicode general category Cf and
/// friends), with which a value could pretend to be something else.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// The longest cell, in characters; page paths and campaign names are shorter.
const MAX_CELL: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_from_visitors_cannot_break_out_of_their_cell() {
        assert_eq!(clean("a|b\nc\u{202e}d\u{1b}[0m"), "a¦b c d [0m");
        assert_eq!(clean(&"x".repeat(300)).chars().count(), MAX_CELL + 1);
    }
}
