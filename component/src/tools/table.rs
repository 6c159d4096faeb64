//! Rows as a compact table. Values come from visitors (anyone can send a referrer or a page path), so they are cleaned:
//! no line breaks, nothing that is not seen, no column separators, cut.

use std::borrow::Cow;

use serde_json::Value;

use crate::legible::legible;
use crate::plausible::{Label, MetricValue, Query, Row};

/// The header line and one line per row.
pub fn rows(query: &Query, rows: &[(Row, bool)]) -> String {
    let names = query.dimensions.iter().map(|dimension| clean(&dimension.name()).into_owned());
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
    let text = legible(text);
    if !text.contains('|') && text.chars().nth(MAX_CELL).is_none() {
        return text;
    }
    let mut cut: String =
        text.chars().map(|character| if character == '|' { '¦' } else { character }).take(MAX_CELL).collect();
    if text.chars().nth(MAX_CELL).is_some() {
        cut.push('…');
    }
    Cow::Owned(cut)
}

/// What to know about values that stand in cells otherwise than they are.
pub fn notes<'r>(rows: impl IntoIterator<Item = &'r Row>) -> Vec<&'static str> {
    let (mut has_bar, mut is_cut) = (false, false);
    for text in texts(rows) {
        has_bar |= text.contains('|');
        is_cut |= text.chars().nth(MAX_CELL).is_some();
    }
    let notes = [
        (has_bar, "In values, ¦ stands for |: write | in a filter."),
        (
            is_cut,
            "A value that ends with … is cut: it cannot be used in a filter as shown, but its beginning with contains.",
        ),
    ];
    notes.into_iter().filter(|(is_true, _)| *is_true).map(|(_, note)| note).collect()
}

/// The values of dimensions that are text.
pub fn texts<'r>(rows: impl IntoIterator<Item = &'r Row>) -> impl Iterator<Item = &'r str> {
    rows.into_iter().flat_map(|row| &row.dimensions).filter_map(|label| match label {
        Label::Text(text) => Some(text.as_str()),
        Label::Number(_) | Label::Null => None,
    })
}

fn label(label: &Label) -> Cow<'_, str> {
    match label {
        Label::Text(text) => clean(text),
        Label::Number(number) => Cow::Owned(number.to_string()),
        Label::Null => Cow::Borrowed("-"),
    }
}

/// The longest cell, in characters; page paths and campaign names are shorter.
const MAX_CELL: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_from_visitors_cannot_break_out_of_their_cell() {
        assert_eq!(clean("a|b\nc\u{202e}d\u{1b}[0m"), "a¦b\u{fffd}c\u{fffd}d\u{fffd}[0m");
        assert_eq!(clean(&"x".repeat(300)).chars().count(), MAX_CELL + 1);
    }
}
