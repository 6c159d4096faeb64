//! The dimensions of the Stats API: <https://plausible.io/docs/stats-api#dimensions>.

use super::meant;

/// A dimension that Plausible's public API knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dimension {
    /// One of [`Dimension::BUILT_IN`].
    BuiltIn(&'static str),
    /// A custom event property: `event:props:<name>`, the name non-empty and at most 300 characters.
    Property(String),
    /// Time, in buckets.
    Time(Granularity),
}

/// The size of a bucket of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granularity {
    /// Plausible chooses by the length of the range.
    Auto,
    /// Hours.
    Hour,
    /// Days.
    Day,
    /// Weeks, which begin on Monday.
    Week,
    /// Months.
    Month,
}

/// Which of Plausible's tables a dimension needs (`TableDecider`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DimensionKind {
    /// `event:*`
    Event,
    /// Entry and exit pages and their hostnames.
    Session,
    /// Every other `visit:*`, and time.
    Either,
}

/// Why a name is not a dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DimensionError {
    /// There is none of that name; the one that was probably meant.
    Unknown(Option<&'static str>),
    /// The bare name of a built-in one, where it would mean a custom property; the one that was probably meant.
    Bare(&'static str),
    /// `event:props:` without a name.
    EmptyProperty,
    /// The property's name is longer than 300 characters.
    PropertyTooLong,
}

impl Dimension {
    /// The dimensions that are neither time nor custom properties.
    pub const BUILT_IN: [&str; 28] = [
        "event:page",
        "event:goal",
        "event:hostname",
        "visit:entry_page",
        "visit:entry_page_hostname",
        "visit:exit_page",
        "visit:exit_page_hostname",
        "visit:source",
        "visit:referrer",
        "visit:channel",
        "visit:utm_medium",
        "visit:utm_source",
        "visit:utm_campaign",
        "visit:utm_content",
        "visit:utm_term",
        "visit:device",
        "visit:browser",
        "visit:browser_version",
        "visit:os",
        "visit:os_version",
        "visit:country",
        "visit:region",
        "visit:city",
        "visit:country_name",
        "visit:region_name",
        "visit:city_name",
        "visit:screen",
        "event:name",
    ];

    /// Reads a dimension other than time.
    pub fn parse(name: &str) -> Result<Dimension, DimensionError> {
        if let Some(property) = name.strip_prefix(PROPERTY_PREFIX) {
            return Self::property(property);
        }
        Self::BUILT_IN.into_iter().find(|known| *known == name).map(Dimension::BuiltIn).ok_or_else(|| {
            let word = meant(bare(name), &SYNONYMS, Self::BUILT_IN.into_iter().map(bare));
            DimensionError::Unknown(word.and_then(Self::named))
        })
    }

    /// The full name of the built-in dimension that is called `word` without its prefix. Places are meant by name.
    pub fn named(word: &str) -> Option<&'static str> {
        let is_place = matches!(word, "country" | "region" | "city");
        let is_meant =
            |known: &&str| bare(known) == word || (is_place && bare(known).strip_suffix("_name") == Some(word));
        // `event:name` is not documented, and a property may well be called name.
        Self::BUILT_IN.into_iter().filter(|known| *known != "event:name").rfind(is_meant)
    }

    /// Reads what a filter targets: a dimension, or the bare name of a custom property that is none of a dimension too.
    pub fn parse_filtered(name: &str) -> Result<Dimension, DimensionError> {
        let prefixed = name.starts_with("event:") || name.starts_with("visit:") || name.starts_with("time:");
        match Self::named(name) {
            _ if prefixed || name == "time" => Self::parse(name),
            Some(known) => Err(DimensionError::Bare(known)),
            None => Self::property(name),
        }
    }

    fn property(name: &str) -> Result<Dimension, DimensionError> {
        if name.is_empty() {
            return Err(DimensionError::EmptyProperty);
        }
        if name.chars().count() > MAX_PROPERTY_NAME {
            return Err(DimensionError::PropertyTooLong);
        }
        Ok(Dimension::Property(name.to_owned()))
    }

    /// The goal dimension.
    pub const GOAL: Dimension = Dimension::BuiltIn("event:goal");

    /// The page dimension.
    pub const PAGE: Dimension = Dimension::BuiltIn("event:page");

    /// Whether its values are paths of pages, which have no `*`.
    pub fn is_path(&self) -> bool {
        matches!(self, Dimension::BuiltIn("event:page" | "visit:entry_page" | "visit:exit_page"))
    }

    /// The name in the API.
    pub fn name(&self) -> String {
        match self {
            Dimension::BuiltIn(name) => (*name).to_owned(),
            Dimension::Property(name) => format!("{PROPERTY_PREFIX}{name}"),
            Dimension::Time(granularity) => granularity.dimension().to_owned(),
        }
    }

    /// Which table it needs.
    pub fn kind(&self) -> DimensionKind {
        match self {
            Dimension::Property(_) => DimensionKind::Event,
            Dimension::Time(_) => DimensionKind::Either,
            Dimension::BuiltIn(name) if name.starts_with("event:") => DimensionKind::Event,
            Dimension::BuiltIn(
                "visit:entry_page" | "visit:entry_page_hostname" | "visit:exit_page" | "visit:exit_page_hostname",
            ) => DimensionKind::Session,
            Dimension::BuiltIn(_) => DimensionKind::Either,
        }
    }

    /// Whether every event has exactly one value, so that counts of events add up over the rows. An event can meet
    /// several goals.
    pub fn partitions_events(&self) -> bool {
        *self != Dimension::GOAL
    }
}

impl Granularity {
    /// Every granularity, by its name in the tools.
    pub const ALL: [(&'static str, Granularity); 5] = [
        ("auto", Granularity::Auto),
        ("hour", Granularity::Hour),
        ("day", Granularity::Day),
        ("week", Granularity::Week),
        ("month", Granularity::Month),
    ];

    /// The dimension in the API.
    pub fn dimension(self) -> &'static str {
        match self {
            Granularity::Auto => "time",
            Granularity::Hour => "time:hour",
            Granularity::Day => "time:day",
            Granularity::Week => "time:week",
            Granularity::Month => "time:month",
        }
    }
}

/// A dimension's name without `event:` or `visit:`.
fn bare(name: &str) -> &str {
    name.split_once(':').map_or(name, |(_, bare)| bare)
}

/// What other products call them, without prefixes.
const SYNONYMS: [(&str, &str); 8] = [
    ("url", "page"),
    ("path", "page"),
    ("landing_page", "entry_page"),
    ("state", "region"),
    ("campaign", "utm_campaign"),
    ("medium", "utm_medium"),
    ("referer", "referrer"),
    ("domain", "hostname"),
];

/// How the name of a custom property begins as a dimension.
const PROPERTY_PREFIX: &str = "event:props:";

/// Plausible's limit for the name of a custom property, in characters
/// (<https://plausible.io/docs/custom-props/introduction>).
const MAX_PROPERTY_NAME: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_word_for_a_dimension_leads_to_it() {
        for (name, meant) in [
            ("visit:chanel", Some("visit:channel")),
            ("visit:landing_page", Some("visit:entry_page")),
            ("visit:state", Some("visit:region_name")),
            ("visit:goal", Some("event:goal")),
            ("page", Some("event:page")),
            ("country", Some("visit:country_name")),
            ("event:url", Some("event:page")),
            ("event:plan", None),
            ("weather", None),
        ] {
            assert_eq!(Dimension::parse(name), Err(DimensionError::Unknown(meant)), "{name}");
        }
    }

    #[test]
    fn a_bare_name_in_a_filter_is_a_property_unless_a_dimension_has_it() {
        assert_eq!(Dimension::parse_filtered("plan"), Ok(Dimension::Property("plan".to_owned())));
        assert_eq!(Dimension::parse_filtered("name"), Ok(Dimension::Property("name".to_owned())));
        assert_eq!(Dimension::parse_filtered("event:props:source"), Ok(Dimension::Property("source".to_owned())));
        for (name, meant) in [("source", "visit:source"), ("city", "visit:city_name"), ("page", "event:page")] {
            assert_eq!(Dimension::parse_filtered(name), Err(DimensionError::Bare(meant)));
        }
    }
}
