//! The metrics of the Stats API: <https://plausible.io/docs/stats-api#metrics>.

use super::meant;

/// A metric that Plausible's public API knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Unique visitors. Not additive over time or over dimension values.
    Visitors,
    /// Sessions.
    Visits,
    /// Pageview events.
    Pageviews,
    /// Pageviews per session.
    ViewsPerVisit,
    /// Share of sessions with one pageview, in percent.
    BounceRate,
    /// Average session length, in seconds.
    VisitDuration,
    /// Events of every kind; with a goal, its conversions.
    Events,
    /// How far visitors scroll, in percent.
    ScrollDepth,
    /// Share of the total, in percent.
    Percentage,
    /// Share of all visitors of the range who converted, in percent, whatever the row.
    ConversionRate,
    /// Share of the row's visitors who converted, in percent.
    GroupConversionRate,
    /// Average revenue of a conversion: an object.
    AverageRevenue,
    /// Sum of revenue: an object.
    TotalRevenue,
    /// Average time on the page, in seconds.
    TimeOnPage,
}

/// Which of Plausible's tables a metric can be counted from (`TableDecider`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Needs the events table.
    Event,
    /// Needs the sessions table.
    Session,
    /// Either will do.
    Either,
}

impl Metric {
    /// Every metric, in the order of Plausible's documentation.
    pub const ALL: [Metric; 14] = [
        Metric::Visitors,
        Metric::Visits,
        Metric::Pageviews,
        Metric::ViewsPerVisit,
        Metric::BounceRate,
        Metric::VisitDuration,
        Metric::Events,
        Metric::ScrollDepth,
        Metric::Percentage,
        Metric::ConversionRate,
        Metric::GroupConversionRate,
        Metric::AverageRevenue,
        Metric::TotalRevenue,
        Metric::TimeOnPage,
    ];

    /// The metric of that name; otherwise the name that was probably meant.
    pub fn parse(name: &str) -> Result<Metric, Option<&'static str>> {
        Self::ALL
            .into_iter()
            .find(|metric| metric.name() == name)
            .ok_or_else(|| meant(name, &SYNONYMS, Self::ALL.into_iter().map(Metric::name)))
    }

    /// The name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Visitors => "visitors",
            Metric::Visits => "visits",
            Metric::Pageviews => "pageviews",
            Metric::ViewsPerVisit => "views_per_visit",
            Metric::BounceRate => "bounce_rate",
            Metric::VisitDuration => "visit_duration",
            Metric::Events => "events",
            Metric::ScrollDepth => "scroll_depth",
            Metric::Percentage => "percentage",
            Metric::ConversionRate => "conversion_rate",
            Metric::GroupConversionRate => "group_conversion_rate",
            Metric::AverageRevenue => "average_revenue",
            Metric::TotalRevenue => "total_revenue",
            Metric::TimeOnPage => "time_on_page",
        }
    }

    /// Which table it is counted from.
    pub fn kind(self) -> MetricKind {
        match self {
            Metric::Visitors
            | Metric::Visits
            | Metric::Percentage
            | Metric::ConversionRate
            | Metric::GroupConversionRate => MetricKind::Either,
            Metric::ViewsPerVisit | Metric::BounceRate | Metric::VisitDuration => MetricKind::Session,
            Metric::Pageviews
            | Metric::Events
            | Metric::ScrollDepth
            | Metric::AverageRevenue
            | Metric::TotalRevenue
            | Metric::TimeOnPage => MetricKind::Event,
        }
    }

    /// Whether it counts things, so that nothing there means 0. Rates, averages and revenue are then unknown.
    pub fn is_count(self) -> bool {
        matches!(self, Metric::Visitors | Metric::Visits | Metric::Pageviews | Metric::Events)
    }

    /// Whether rows add up to the total: events belong to one bucket and one value each, visitors and visits do not.
    pub fn is_additive(self) -> bool {
        matches!(self, Metric::Pageviews | Metric::Events)
    }

    /// Whether it needs a goal, by dimension or filter.
    pub fn needs_goal(self) -> bool {
        matches!(self, Metric::ConversionRate | Metric::GroupConversionRate)
    }

    /// Whether it is money.
    pub fn is_revenue(self) -> bool {
        matches!(self, Metric::AverageRevenue | Metric::TotalRevenue)
    }
}

/// What other products call them, and what people do.
const SYNONYMS: [(&str, &str); 13] = [
    ("users", "visitors"),
    ("unique_visitors", "visitors"),
    ("uniques", "visitors"),
    ("sessions", "visits"),
    ("views", "pageviews"),
    ("page_views", "pageviews"),
    ("conversions", "events"),
    ("total_events", "events"),
    ("total_conversions", "events"),
    ("time_on_site", "visit_duration"),
    ("session_duration", "visit_duration"),
    ("cr", "conversion_rate"),
    ("revenue", "total_revenue"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_word_for_a_metric_leads_to_it() {
        for (word, meant) in SYNONYMS.into_iter().chain([("Visitor", "visitors"), ("bouncerate", "bounce_rate")]) {
            assert_eq!(Metric::parse(word), Err(Some(meant)), "{word}");
            assert!(Metric::parse(meant).is_ok());
        }
        assert_eq!(Metric::parse("weather"), Err(None));
    }
}
