//! What a store holds, for monitoring.

use std::collections::BTreeMap;

/// What a store holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// How many records there are of each of [`RECORD_KINDS`]; all others together are [`OTHER_KIND`]. Some that have
    /// just ended may be among them.
    pub records: BTreeMap<&'static str, u64>,
    /// How large the store is, as far as it knows.
    pub bytes: Option<u64>,
}

/// The kinds of records that the component keeps: what the key of one begins with, before the first slash.
pub const RECORD_KINDS: [&str; 14] = [
    "access",
    "answer",
    "assertion",
    "client",
    "code",
    "discovery",
    "document",
    "form",
    "grant",
    "keys",
    "refresh",
    "telemetry",
    "transaction",
    "unused",
];

/// Stands for every other kind.
pub const OTHER_KIND: &str = "other";

/// The kind of the record under `key`.
pub(super) fn kind_of(key: &str) -> &'static str {
    let kind = key.split('/').next().unwrap_or_default();
    RECORD_KINDS.into_iter().find(|known| *known == kind).unwrap_or(OTHER_KIND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_what_stands_before_the_first_slash() {
        for (key, kind) in
            [("grant/a/b", "grant"), ("telemetry/paused", "telemetry"), ("grants/a", "other"), ("", "other")]
        {
            assert_eq!(kind_of(key), kind, "{key}");
        }
    }
}
