//! Date ranges: <https://plausible.io/docs/stats-api#date_range>.

use serde_json::{Value, json};
use time::{Date, Month};

/// A date range in one of the documented forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DateRange {
    /// A name or a count, such as `day`, `24h`, `7d`, `12mo`, `all`.
    Relative(String),
    /// Two days, both inclusive, in the site's time zone.
    Days(Date, Date),
    /// Two points in time, to the second, with an offset: `YYYY-MM-DDThh:mm:ssZ` or `YYYY-MM-DDThh:mm:ss+hh:mm`.
    Times(String, String),
}

/// Why a text is not a date range. The display says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DateRangeError {
    /// The text has none of the forms.
    UnknownForm,
    /// Hours other than 24.
    HoursOtherThan24,
    /// The count of days or months is zero or above Plausible's limit.
    CountOutOfRange,
    /// There is no such day, or the point in time is malformed.
    NoSuchDate,
    /// One day alone.
    SingleDay(String),
    /// One end is a day and the other a point in time.
    MixedEnds,
    /// The range ends before it begins.
    Reversed,
}

impl DateRange {
    /// Reads a range. Two ends are separated by a comma.
    pub fn parse(text: &str) -> Result<DateRange, DateRangeError> {
        if NAMES.contains(&text) {
            return Ok(DateRange::Relative(text.to_owned()));
        }
        if let Some((from, to)) = text.split_once(',') {
            return absolute(from.trim(), to.trim());
        }
        if date(text).is_some() {
            return Err(DateRangeError::SingleDay(text.to_owned()));
        }
        counted(text)
    }

    /// Whether it consists of whole days of the site's clock, however long they are.
    pub fn is_of_days(&self) -> bool {
        match self {
            DateRange::Relative(name) => name != LAST_HOURS,
            DateRange::Days(..) => true,
            DateRange::Times(..) => false,
        }
    }

    /// The range in the API's form.
    pub fn json(&self) -> Value {
        match self {
            DateRange::Relative(name) => json!(name),
            DateRange::Days(from, to) => json!([day_text(*from), day_text(*to)]),
            DateRange::Times(from, to) => json!([from, to]),
        }
    }
}

fn counted(text: &str) -> Result<DateRange, DateRangeError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at_checked(digits).ok_or(DateRangeError::UnknownForm)?;
    if count.is_empty() {
        return Err(DateRangeError::UnknownForm);
    }
    let limit = match unit {
        "d" => MAX_DAYS,
        "mo" => MAX_MONTHS,
        "h" if count == "24" => return Ok(DateRange::Relative(text.to_owned())),
        "h" => return Err(DateRangeError::HoursOtherThan24),
        _ => return Err(DateRangeError::UnknownForm),
    };
    match count.parse::<u32>() {
        Ok(count) if (1..=limit).contains(&count) => Ok(DateRange::Relative(format!("{count}{unit}"))),
        _ => Err(DateRangeError::CountOutOfRange),
    }
}

fn absolute(from: &str, to: &str) -> Result<DateRange, DateRangeError> {
    match (date(from), date(to)) {
        (Some(first), Some(last)) if last < first => Err(DateRangeError::Reversed),
        (Some(first), Some(last)) => Ok(DateRange::Days(first, last)),
        (None, None) => match (instant(from), instant(to)) {
            (Some(start), Some(end)) if end < start => Err(DateRangeError::Reversed),
            (Some(_), Some(_)) => Ok(DateRange::Times(whole_second(from), whole_second(to))),
            _ => Err(DateRangeError::NoSuchDate),
        },
        (Some(_), None) if instant(to).is_some() => Err(DateRangeError::MixedEnds),
        (None, Some(_)) if instant(from).is_some() => Err(DateRangeError::MixedEnds),
        _ => Err(DateRangeError::NoSuchDate),
    }
}

/// A day, `YYYY-MM-DD`, that exists.
pub(super) fn date(text: &str) -> Option<Date> {
    let (year, month, day) = (text.get(0..4)?, text.get(5..7)?, text.get(8..10)?);
    let shaped = text.len() == 10 && text.get(4..5) == Some("-") && text.get(7..8) == Some("-");
    if !shaped {
        return None;
    }
    let month = Month::try_from(number::<u8>(month)?).ok()?;
    Date::from_calendar_date(i32::from(number::<u16>(year)?), month, number(day)?).ok()
}

/// A point in time, `YYYY-MM-DDThh:mm[:ss[.f]]` with `Z` or an offset, in seconds since 1970.
pub(super) fn instant(text: &str) -> Option<i64> {
    let (local, offset) = local_and_offset(text)?;
    Some(local - offset)
}

/// A point in time as Plausible takes it: seconds written out, without a fraction, and no offset of minus zero, which
/// ISO 8601 does not have.
fn whole_second(instant: &str) -> String {
    let (day, rest) = instant.split_once(['T', ' ']).unwrap_or((instant, ""));
    let (clock, zone) = rest.split_at_checked(rest.find(['Z', '+', '-']).unwrap_or(rest.len())).unwrap_or((rest, ""));
    let minutes = clock.get(..5).unwrap_or(clock);
    let seconds = clock.get(5..8).unwrap_or(":00");
    let zone = if zone == "-00:00" { "Z" } else { zone };
    format!("{day}T{minutes}{seconds}{zone}")
}

/// The local time in seconds since 1970-01-01T00:00 local time, and the offset from UTC in seconds.
pub(super) fn local_and_offset(text: &str) -> Option<(i64, i64)> {
    let (day, rest) = text.split_once(['T', ' '])?;
    let at = rest.find(['Z', '+', '-'])?;
    let (clock, zone) = rest.split_at_checked(at)?;
    let seconds = time_of_day(clock)?;
    Some((midnight(date(day)?) + seconds, offset(zone)?))
}

/// When a day begins, in seconds since 1970-01-01T00:00 local time.
pub(super) fn midnight(day: Date) -> i64 {
    (i64::from(day.to_julian_day()) - UNIX_EPOCH_JULIAN_DAY) * DAY_SECONDS
}

/// A time of day, `hh:mm[:ss[.f]]`, in seconds since midnight.
pub(super) fn time_of_day(clock: &str) -> Option<i64> {
    let mut parts = clock.split(':');
    let hour: u8 = two_digits(parts.next()?)?;
    let minute: u8 = two_digits(parts.next()?)?;
    let second: u8 = match parts.next() {
        None => 0,
        Some(second) => whole_part(second).and_then(two_digits)?,
    };
    let legal = hour < 24 && minute < 60 && second < 60 && parts.next().is_none();
    legal.then(|| i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second))
}

/// What stands before the fraction, if that has digits only.
fn whole_part(second: &str) -> Option<&str> {
    let Some((whole, fraction)) = second.split_once('.') else { return Some(second) };
    let is_digits = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then_some(whole)
}

fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let (hours, minutes): (u8, u8) = (two_digits(hours)?, two_digits(minutes)?);
    (hours < 24 && minutes < 60).then(|| sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60))
}

fn two_digits(text: &str) -> Option<u8> {
    if text.len() == 2 { number(text) } else { None }
}

fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn day_text(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
}

impl std::fmt::Display for DateRangeError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DateRangeError::UnknownForm => write!(
                formatter,
                "is not a date range; write \"day\" (today), \"1d\" (yesterday), \"24h\", \"7d\" (the 7 days up to \
                 yesterday), \"month\" (this one), \"1mo\" (the last one), \"6mo\", \"year\", \"all\", or two days as \
                 \"2026-07-01,2026-07-31\""
            ),
            DateRangeError::HoursOtherThan24 => {
                write!(
                    formatter,
                    "counts hours, and Plausible knows only \"24h\"; use it, \"day\", or two points in \
                     time as \"2026-07-01T08:00:00+02:00,2026-07-01T12:00:00+02:00\""
                )
            }
            DateRangeError::CountOutOfRange => {
                write!(
                    formatter,
                    "is out of range; Plausible takes \"1d\" to \"{MAX_DAYS}d\" and \"1mo\" to \
                     \"{MAX_MONTHS}mo\", or \"all\""
                )
            }
            DateRangeError::NoSuchDate => write!(
                formatter,
                "has an end that does not exist; write two days as \"2026-07-01,2026-07-31\" or two points in time \
                 with an offset as \"2026-07-01T08:00:00+02:00,2026-07-01T12:00:00+02:00\""
            ),
            DateRangeError::SingleDay(day) => {
                write!(formatter, "is one day; a range has two ends, so write \"{day},{day}\"")
            }
            DateRangeError::MixedEnds => {
                write!(formatter, "mixes a day with a point in time; both ends must have the same form")
            }
            DateRangeError::Reversed => write!(formatter, "ends before it begins; swap its two ends"),
        }
    }
}

/// The names that stand for themselves.
const NAMES: [&str; 4] = ["day", "month", "year", "all"];

/// The one name that is no number of days.
const LAST_HOURS: &str = "24h";

/// The most days that Plausible's parser takes.
const MAX_DAYS: u32 = 5000;

/// The most months that Plausible's parser takes.
const MAX_MONTHS: u32 = 100;

/// A day of the clock has as many seconds where no time is put forward or back.
pub(super) const DAY_SECONDS: i64 = 24 * 60 * 60;

/// 1970-01-01 as a Julian day.
const UNIX_EPOCH_JULIAN_DAY: i64 = 2_440_588;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn accepts(text: &str, expected: Value) {
        assert_eq!(DateRange::parse(text).map(|range| range.json()), Ok(expected), "{text}");
    }

    #[test]
    fn documented_forms_are_accepted() {
        for name in
            ["day", "24h", "7d", "28d", "30d", "91d", "1d", "5000d", "month", "6mo", "12mo", "100mo", "year", "all"]
        {
            accepts(name, json!(name));
        }
        accepts("2026-07-01,2026-07-31", json!(["2026-07-01", "2026-07-31"]));
        accepts("2026-07-01, 2026-07-01", json!(["2026-07-01", "2026-07-01"]));
        accepts(
            "2026-07-01T08:00:00+02:00,2026-07-01T08:00:00Z",
            json!(["2026-07-01T08:00:00+02:00", "2026-07-01T08:00:00Z"]),
        );
    }

    #[test]
    fn ranges_are_of_days_but_for_points_in_time_and_the_last_hours() {
        for (text, is_of_days) in [
            ("day", true),
            ("7d", true),
            ("year", true),
            ("2026-07-01,2026-07-01", true),
            ("24h", false),
            ("2026-07-01T08:00:00Z,2026-07-01T09:00:00Z", false),
        ] {
            assert_eq!(DateRange::parse(text).unwrap().is_of_days(), is_of_days, "{text}");
        }
    }

    #[test]
    fn points_in_time_are_sent_to_the_second_and_in_one_form() {
        accepts(
            "2026-07-01T08:00+02:00,2026-07-01T12:00:30.25-00:00",
            json!(["2026-07-01T08:00:00+02:00", "2026-07-01T12:00:30Z"]),
        );
        accepts("2026-07-01 08:00Z,2026-07-01 09:00Z", json!(["2026-07-01T08:00:00Z", "2026-07-01T09:00:00Z"]));
    }

    #[test]
    fn anything_else_is_refused_for_its_own_reason() {
        use DateRangeError::*;
        for (text, error) in [
            ("", UnknownForm),
            ("7", UnknownForm),
            ("7days", UnknownForm),
            ("-7d", UnknownForm),
            (" 7d", UnknownForm),
            ("yesterday", UnknownForm),
            ("realtime", UnknownForm),
            ("30m", UnknownForm),
            ("12h", HoursOtherThan24),
            ("0d", CountOutOfRange),
            ("5001d", CountOutOfRange),
            ("99999999999d", CountOutOfRange),
            ("101mo", CountOutOfRange),
            ("2026-07-01", SingleDay("2026-07-01".to_owned())),
            ("2026-02-30,2026-03-01", NoSuchDate),
            ("2026-07-01,", NoSuchDate),
            ("2026-7-1,2026-7-2", NoSuchDate),
            ("2026-07-01T08:00:00,2026-07-01T09:00:00", NoSuchDate),
            ("2026-07-01T08:00:60Z,2026-07-01T09:00:00Z", NoSuchDate),
            ("2026-07-01T08:00:00.Z,2026-07-01T09:00:00Z", NoSuchDate),
            ("2026-07-01,2026-07-01T09:00:00Z", MixedEnds),
            ("2026-07-10,2026-07-01", Reversed),
            ("2026-07-01T08:00:00+02:00,2026-07-01T05:59:59Z", Reversed),
        ] {
            assert_eq!(DateRange::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn offsets_are_taken_off() {
        assert_eq!(instant("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(instant("1970-01-02T01:00:00+01:00"), Some(86_400));
        assert_eq!(instant("1970-01-01T00:00:00.25-00:30"), Some(1800));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_and_what_is_accepted_is_accepted_again(text in "(.{0,24}|[0-9]{0,12}(d|mo|h)|[0-9T:+,Z-]{0,40})") {
            if let Ok(range) = DateRange::parse(&text) {
                let again = match range.json() {
                    Value::String(name) => name,
                    ends => ends.as_array().unwrap().iter().map(|end| end.as_str().unwrap()).collect::<Vec<_>>().join(","),
                };
                proptest::prop_assert_eq!(DateRange::parse(&again), Ok(range));
            }
        }
    }
}
