//! The header `Retry-After` (RFC 9110 §10.2.3): seconds, or the date at which they are over.

use time::{Date, Month};

use super::date_range::{midnight, time_of_day};
use crate::ports::{HttpResponse, Timestamp};

/// The seconds that an answer asks to wait, by its first line that can be read; at most an hour. A date counts from
/// `now`, and not at all where the time is not known.
pub(super) fn seconds(response: &HttpResponse, now: Option<Timestamp>) -> Option<u32> {
    let lines = response.headers.iter().filter(|(name, _)| name == "retry-after").map(|(_, value)| value.trim());
    let seconds = lines.into_iter().find_map(|value| delay(value, now))?;
    Some(seconds.min(LONGEST_SECONDS)).filter(|seconds| *seconds > 0)
}

fn delay(value: &str, now: Option<Timestamp>) -> Option<u32> {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(value.parse().unwrap_or(LONGEST_SECONDS));
    }
    let left = date(value)? - i64::try_from(now?.seconds()).ok()?;
    Some(u32::try_from(left.max(0)).unwrap_or(LONGEST_SECONDS))
}

/// The three forms of RFC 9110 §5.6.7, all of which a recipient MUST accept, in seconds since 1970.
fn date(value: &str) -> Option<i64> {
    let words: Vec<&str> = value.split([' ', '-']).filter(|word| !word.is_empty()).collect();
    let (day, month, year, clock) = match words.as_slice() {
        [_, day, month, year, clock, "GMT"] => (day, month, year, clock),
        [_, month, day, clock, year] => (day, month, year, clock),
        _ => return None,
    };
    let year: i32 = year.parse().ok()?;
    // "MUST interpret a timestamp that appears to be more than 50 years in the future as representing the most recent
    // year in the past that had the same last two digits".
    let year = match year {
        0..70 => 2000 + year,
        70..100 => 1900 + year,
        year => year,
    };
    let date = Date::from_calendar_date(year, month_of(month)?, day.parse().ok()?).ok()?;
    Some(midnight(date) + time_of_day(clock)?)
}

fn month_of(name: &str) -> Option<Month> {
    let number = MONTHS.iter().position(|month| *month == name)? + 1;
    Month::try_from(u8::try_from(number).ok()?).ok()
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Plausible counts by the hour; what asks for more is a mistake, or meant for robots.
const LONGEST_SECONDS: u32 = 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_header_are_read_and_bounded() {
        // 1994-11-06T08:49:00Z, a little before the date of the specification's examples.
        let now = Timestamp(784_111_740_000);
        for (value, expected) in [
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(37)),
            ("Sun Nov  6 08:49:37 1994", Some(37)),
            ("Sun, 06 Nov 1994 18:49:37 GMT", Some(3600)),
            ("99999999999999999999999", Some(3600)),
            ("0", None),
            ("Sun, 06 Nov 1994 08:48:00 GMT", None),
            ("Sun, 36 Nov 1994 08:49:37 GMT", None),
            ("", None),
            ("-1", None),
            ("soon", None),
        ] {
            let headers = vec![("retry-after".to_owned(), value.to_owned())];
            let response = HttpResponse { status: 429, headers, body: Vec::new() };
            assert_eq!(seconds(&response, Some(now)), expected, "{value:?}");
            if value.contains("GMT") {
                assert_eq!(seconds(&response, None), None, "no time to count from");
            }
        }
        let none = HttpResponse { status: 429, headers: Vec::new(), body: Vec::new() };
        assert_eq!(seconds(&none, Some(now)), None);
    }
}
