//! How limits are written: `128`, `30s`, `64MiB`.

/// A limit as a number: how many, milliseconds, or bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Value(pub(crate) u64);

/// What a limit is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// How many.
    Number,
    /// Milliseconds; without a unit it is written in seconds.
    Time,
    /// Bytes.
    Size,
}

impl Kind {
    /// What `text` says; `None` where it says nothing of this kind.
    pub(crate) fn read(self, text: &str) -> Option<Value> {
        let text = text.trim();
        let end = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(end)?;
        let factor = self.units().iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()))?.1;
        scaled(number, factor).map(Value)
    }

    /// How it is written shortest.
    pub(crate) fn show(self, Value(value): Value) -> String {
        let mut whole = self.shown().iter().filter(|(_, factor)| value.is_multiple_of(*factor));
        match whole.next() {
            _ if value == 0 => if self == Self::Time { "0s" } else { "0" }.to_owned(),
            Some((name, factor)) => format!("{}{name}", value / factor),
            None => value.to_string(),
        }
    }

    /// What is to be written.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Number => "write a whole number",
            Self::Time => "write seconds, or a number with ms, s, m, h or d,",
            Self::Size => "write bytes, or a number with K, M, G or KiB, MiB, GiB,",
        }
    }

    /// What stands for a value in a help text.
    pub(crate) fn placeholder(self) -> &'static str {
        match self {
            Self::Number => "COUNT",
            Self::Time => "TIME",
            Self::Size => "SIZE",
        }
    }

    /// The units that are read; nothing stands for the first.
    fn units(self) -> &'static [(&'static str, u64)] {
        match self {
            Self::Number => &[("", 1)],
            Self::Time => &[("", SECOND), ("ms", 1), ("s", SECOND), ("m", MINUTE), ("h", HOUR), ("d", DAY)],
            Self::Size => &[
                ("", 1),
                ("K", KIB),
                ("KiB", KIB),
                ("M", MIB),
                ("MiB", MIB),
                ("G", GIB),
                ("GiB", GIB),
                ("T", TIB),
                ("TiB", TIB),
            ],
        }
    }

    /// The units that are shown, the largest first.
    fn shown(self) -> &'static [(&'static str, u64)] {
        match self {
            Self::Number => &[],
            Self::Time => &[("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", 1)],
            Self::Size => &[("TiB", TIB), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB), ("", 1)],
        }
    }
}

/// A decimal number of so many units each, where that is whole.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_number = !whole.is_empty() && fraction.len() <= MOST_DIGITS && number.len() > number.matches('.').count();
    let digits = is_number.then(|| format!("{whole}{fraction}"))?.parse::<u64>().ok()?;
    let parts = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let scaled = digits.checked_mul(factor)?;
    (!number.ends_with('.') && scaled.is_multiple_of(parts)).then(|| scaled / parts)
}

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;
/// Digits after the point.
const MOST_DIGITS: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, rows: &[(&str, Option<u64>)]) {
        for (text, value) in rows {
            assert_eq!(kind.read(text), value.map(Value), "{text:?}");
        }
    }

    #[test]
    fn times_are_seconds_or_have_a_unit() {
        let rows = [
            ("30", Some(30_000)),
            ("30s", Some(30_000)),
            ("30 s", Some(30_000)),
            ("0.5", Some(500)),
            ("1.5m", Some(90_000)),
            ("250ms", Some(250)),
            ("2H", Some(7_200_000)),
            ("1d", Some(86_400_000)),
            ("0", Some(0)),
            ("0.5ms", None),
            ("", None),
            ("s", None),
            ("-1", None),
            ("1.", None),
            (".5", None),
            ("1.2.3", None),
            ("1e3", None),
            ("30 seconds", None),
            ("99999999999999999999", None),
            ("18446744073709551615d", None),
        ];
        check(Kind::Time, &rows);
    }

    #[test]
    fn sizes_are_bytes_or_have_a_unit() {
        let rows = [
            ("65536", Some(65_536)),
            ("64K", Some(65_536)),
            ("64KiB", Some(65_536)),
            ("64M", Some(64 << 20)),
            ("64 mib", Some(64 << 20)),
            ("1.5G", Some(3 << 29)),
            ("64MB", None),
            ("64kB", None),
            ("0.1", None),
            ("many", None),
        ];
        check(Kind::Size, &rows);
        check(Kind::Number, &[("128", Some(128)), ("1.0", Some(1)), ("1.5", None), ("1K", None)]);
    }

    #[test]
    fn what_is_shown_is_read_again() {
        for (kind, value, text) in [
            (Kind::Number, 128, "128"),
            (Kind::Number, 0, "0"),
            (Kind::Time, 0, "0s"),
            (Kind::Time, 500, "500ms"),
            (Kind::Time, 30_000, "30s"),
            (Kind::Time, 90_000, "90s"),
            (Kind::Time, 60_000, "1m"),
            (Kind::Size, 64 << 20, "64MiB"),
            (Kind::Size, 1000, "1000"),
            (Kind::Size, 0, "0"),
        ] {
            assert_eq!(kind.show(Value(value)), text);
            assert_eq!(kind.read(text), Some(Value(value)), "{text}");
        }
    }
}
