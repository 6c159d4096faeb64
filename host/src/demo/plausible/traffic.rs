//! How much traffic a day has, and the events in the calendar that shape
//! it: slow growth, quiet weekends, newsletters and releases.

use jiff::civil::{Date, Weekday};

use super::{
    catalogue::Site,
    random::{Random, mix},
};

/// How many visits a day has.
pub(super) fn volume(site: &Site, date: Date, number: i64) -> u32 {
    let growth = ((number - GROWTH_START) / 5).clamp(0, 180);
    let base = 150 + u32::try_from(growth).unwrap_or(0);
    let weekday = match date.weekday() {
        Weekday::Monday => 108,
        Weekday::Tuesday => 116,
        Weekday::Wednesday => 112,
        Weekday::Thursday => 105,
        Weekday::Friday => 95,
        Weekday::Saturday => 60,
        Weekday::Sunday => 66,
    };
    let newsletter = if is_newsletter_day(date) { 140 } else { 100 };
    let noise = 92 + Random::new(mix(site.seed ^ 0x7e11, number.unsigned_abs())).below(17);
    base * weekday / 100 * newsletter / 100 * noise / 100 * site.traffic_percent / 100
}

/// The first Thursday of a month.
pub(super) fn is_newsletter_day(date: Date) -> bool {
    date.weekday() == Weekday::Thursday && date.day() <= 7
}

/// Weight of the pricing page in percent: alternately strong and weak from
/// one release to the next, so there is always a recent change to find.
pub(super) fn pricing_percent(number: i64) -> u32 {
    if (number - FIRST_RELEASE).div_euclid(14) % 2 == 0 { 170 } else { 60 }
}

/// 2025-01-01, from which on traffic grows.
const GROWTH_START: i64 = 20_089;
/// 2025-01-07, a Tuesday.
const FIRST_RELEASE: i64 = 20_095;

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::{super::zone, *};

    #[test]
    fn releases_are_on_tuesdays_and_always_change_something() {
        let start = zone::day_number(date(2026, 1, 1));
        let changes: Vec<i64> =
            (start..start + 365).filter(|day| pricing_percent(*day) != pricing_percent(day - 1)).collect();
        assert_eq!(changes.len(), 26);
        for day in changes {
            assert_eq!(zone::day_from_number(day).unwrap().weekday(), Weekday::Tuesday);
        }
    }
}
