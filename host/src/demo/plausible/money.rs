//! Amounts as Plausible shows them.

use serde_json::{Value, json};

/// `{"short": "€1.2K", "value": 1234.5, "long": "€1,234.50", "currency": "EUR"}`
pub(super) fn value(amount: f64, currency: &str) -> Value {
    let amount = (amount * 1000.0).round() / 1000.0;
    json!({
        "short": short(amount),
        "value": amount,
        "long": long(amount),
        "currency": currency,
    })
}

fn short(amount: f64) -> String {
    let (divisor, unit) = match amount {
        a if a >= 1e9 => (1e9, "B"),
        a if a >= 1e6 => (1e6, "M"),
        a if a >= 1e3 => (1e3, "K"),
        _ => (1.0, ""),
    };
    format!("€{:.1}{unit}", amount / divisor)
}

fn long(amount: f64) -> String {
    let text = format!("{amount:.2}");
    let (whole, cents) = text.split_once('.').unwrap_or((&text, "00"));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("€{grouped}.{cents}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_a_short_and_a_long_form() {
        let shown = value(1_234_567.5, "EUR");
        assert_eq!(shown["short"], "€1.2M");
        assert_eq!(shown["long"], "€1,234,567.50");
        assert_eq!(value(0.0, "EUR")["long"], "€0.00");
    }
}
