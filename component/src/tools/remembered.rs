//! How old something is, in words: an answer from memory names its age.

use crate::ports::Timestamp;

/// What to know about an answer that Plausible gave at `given`, and that stands in for one that it does not give since
/// `silent_since`.
pub fn note(given: Timestamp, silent_since: Timestamp, now: Timestamp) -> String {
    let old = age(seconds(given, now));
    format!(
        "Plausible has not answered since {}. This is its answer of {} ({old}), from memory: what happened since is not in \
         it.",
        moment(silent_since),
        moment(given)
    )
}

/// `2026-08-06 10:30 UTC`.
pub(super) fn moment(moment: Timestamp) -> String {
    let iso = moment.iso();
    format!("{} {} UTC", iso.get(..10).unwrap_or(&iso), iso.get(11..16).unwrap_or_default())
}

/// How long ago something was, in the largest unit of which there are two, rounded down.
pub(super) fn age(seconds: u32) -> String {
    let (count, unit) = match seconds {
        0..=119 => (seconds, "second"),
        120..=7199 => (seconds / 60, "minute"),
        _ => (seconds / 3600, "hour"),
    };
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}

fn seconds(from: Timestamp, to: Timestamp) -> u32 {
    u32::try_from(to.0.saturating_sub(from.0) / 1000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_in_a_unit_that_says_enough() {
        for (seconds, words) in [
            (0, "0 seconds ago"),
            (1, "1 second ago"),
            (119, "119 seconds ago"),
            (120, "2 minutes ago"),
            (7199, "119 minutes ago"),
            (7200, "2 hours ago"),
            (86_399, "23 hours ago"),
        ] {
            assert_eq!(age(seconds), words);
        }
    }

    #[test]
    fn a_remembered_answer_says_of_when_it_is_and_since_when_there_is_no_other() {
        let now = Timestamp(1_786_012_200_000);
        let ago = |seconds: u64| Timestamp(now.0 - seconds * 1000);
        let note = note(ago(3 * 3600), ago(300), now);
        for part in ["since 2026-08-06 10:25 UTC", "of 2026-08-06 07:30 UTC (3 hours ago)", "from memory"] {
            assert!(note.contains(part), "{part}: {note}");
        }
    }
}
