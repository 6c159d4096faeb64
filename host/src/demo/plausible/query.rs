//! A query as Plausible understands it once it is parsed: metrics,
//! dimensions, filter trees, order and paging, each a closed type.

use serde_json::Value;

use super::date_range::DateRange;

/// A metric of the public API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metric {
    Visitors,
    Visits,
    Pageviews,
    Events,
    ViewsPerVisit,
    BounceRate,
    VisitDuration,
    ScrollDepth,
    TimeOnPage,
    Percentage,
    ConversionRate,
    GroupConversionRate,
    AverageRevenue,
    TotalRevenue,
}

/// Which table Plausible answers a metric or a dimension from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Event,
    Session,
    Either,
}

impl Metric {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        METRICS.iter().find(|(_, n)| *n == name).map(|(m, _)| *m)
    }

    pub(super) fn name(self) -> &'static str {
        METRICS.iter().find(|(m, _)| *m == self).map_or("", |(_, name)| name)
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Pageviews
            | Self::Events
            | Self::ScrollDepth
            | Self::TimeOnPage
            | Self::AverageRevenue
            | Self::TotalRevenue => Kind::Event,
            Self::ViewsPerVisit | Self::BounceRate | Self::VisitDuration => Kind::Session,
            _ => Kind::Either,
        }
    }

    pub(super) fn is_revenue(self) -> bool {
        matches!(self, Self::AverageRevenue | Self::TotalRevenue)
    }
}

/// The size of a time bucket; `Auto` until the range is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bucket {
    Auto,
    Hour,
    Day,
    Week,
    Month,
}

/// A property of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VisitField {
    Source,
    Referrer,
    Channel,
    UtmMedium,
    UtmSource,
    UtmCampaign,
    UtmContent,
    UtmTerm,
    Device,
    Browser,
    BrowserVersion,
    Os,
    OsVersion,
    Country,
    Region,
    City,
    CountryName,
    RegionName,
    CityName,
    EntryPage,
    ExitPage,
    EntryPageHostname,
    ExitPageHostname,
}

/// What results are grouped or filtered by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dimension {
    Time(Bucket),
    Goal,
    EventName,
    Page,
    Hostname,
    Property(String),
    Visit(VisitField),
    /// Only in filters.
    Segment,
}

impl Dimension {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        if let Some(property) = name.strip_prefix("event:props:") {
            let fits = !property.is_empty() && property.chars().count() <= MAX_PROPERTY_CHARS;
            return fits.then(|| Self::Property(property.to_owned()));
        }
        if let Some((dimension, _)) = PLAIN_DIMENSIONS.iter().find(|(_, n)| *n == name) {
            return Some(dimension.clone());
        }
        let field = name.strip_prefix("visit:")?;
        VISIT_FIELDS.iter().find(|(_, n)| *n == field).map(|(field, _)| Self::Visit(*field))
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::Property(name) => format!("event:props:{name}"),
            Self::Visit(field) => VISIT_FIELDS
                .iter()
                .find(|(f, _)| f == field)
                .map_or_else(String::new, |(_, name)| format!("visit:{name}")),
            other => PLAIN_DIMENSIONS
                .iter()
                .find(|(d, _)| d == other)
                .map_or_else(String::new, |(_, name)| (*name).to_owned()),
        }
    }

    pub(super) fn is_time(&self) -> bool {
        matches!(self, Self::Time(_))
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Goal | Self::EventName | Self::Page | Self::Hostname | Self::Property(_) => Kind::Event,
            Self::Visit(
                VisitField::EntryPage
                | VisitField::ExitPage
                | VisitField::EntryPageHostname
                | VisitField::ExitPageHostname,
            ) => Kind::Session,
            _ => Kind::Either,
        }
    }
}

/// How a value is compared with the clauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Is,
    IsNot,
    Contains,
    ContainsNot,
    Matches,
    MatchesNot,
}

impl Operator {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "is" => Self::Is,
            "is_not" => Self::IsNot,
            "contains" => Self::Contains,
            "contains_not" => Self::ContainsNot,
            "matches" => Self::Matches,
            "matches_not" => Self::MatchesNot,
            _ => return None,
        })
    }

    pub(super) fn is_negative(self) -> bool {
        matches!(self, Self::IsNot | Self::ContainsNot | Self::MatchesNot)
    }
}

/// One comparison; clauses are alternatives, numbers are kept as text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Comparison {
    pub(super) operator: Operator,
    pub(super) dimension: Dimension,
    pub(super) clauses: Vec<String>,
    pub(super) case_sensitive: bool,
}

/// A filter tree.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Filter {
    Compare(Comparison),
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    HasDone(Box<Filter>),
    HasNotDone(Box<Filter>),
}

/// What results are ordered by.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum OrderKey {
    Metric(Metric),
    Dimension(Dimension),
}

/// A parsed query.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Query {
    pub(super) metrics: Vec<Metric>,
    pub(super) dimensions: Vec<Dimension>,
    /// All must hold.
    pub(super) filters: Vec<Filter>,
    /// The filters as they were sent, for the echo.
    pub(super) filters_sent: Value,
    pub(super) date_range: DateRange,
    /// Key and whether descending; empty when nothing was asked for.
    pub(super) order_by: Vec<(OrderKey, bool)>,
    pub(super) include: Include,
    pub(super) limit: usize,
    pub(super) offset: usize,
}

/// What the response shall carry beside the rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Include {
    pub(super) imports: bool,
    pub(super) time_labels: bool,
    pub(super) total_rows: bool,
    pub(super) trim_relative_date_range: bool,
}

/// Plausible's bound on the length of a property name.
const MAX_PROPERTY_CHARS: usize = 300;

const METRICS: &[(Metric, &str)] = &[
    (Metric::Visitors, "visitors"),
    (Metric::Visits, "visits"),
    (Metric::Pageviews, "pageviews"),
    (Metric::Events, "events"),
    (Metric::ViewsPerVisit, "views_per_visit"),
    (Metric::BounceRate, "bounce_rate"),
    (Metric::VisitDuration, "visit_duration"),
    (Metric::ScrollDepth, "scroll_depth"),
    (Metric::TimeOnPage, "time_on_page"),
    (Metric::Percentage, "percentage"),
    (Metric::ConversionRate, "conversion_rate"),
    (Metric::GroupConversionRate, "group_conversion_rate"),
    (Metric::AverageRevenue, "average_revenue"),
    (Metric::TotalRevenue, "total_revenue"),
];

const PLAIN_DIMENSIONS: &[(Dimension, &str)] = &[
    (Dimension::Time(Bucket::Auto), "time"),
    (Dimension::Time(Bucket::Hour), "time:hour"),
    (Dimension::Time(Bucket::Day), "time:day"),
    (Dimension::Time(Bucket::Week), "time:week"),
    (Dimension::Time(Bucket::Month), "time:month"),
    (Dimension::Goal, "event:goal"),
    (Dimension::EventName, "event:name"),
    (Dimension::Page, "event:page"),
    (Dimension::Hostname, "event:hostname"),
    (Dimension::Segment, "segment"),
];

/// `screen` is Plausible's older name of `device`; it comes last so that a
/// field is echoed under its current name.
const VISIT_FIELDS: &[(VisitField, &str)] = &[
    (VisitField::Source, "source"),
    (VisitField::Referrer, "referrer"),
    (VisitField::Channel, "channel"),
    (VisitField::UtmMedium, "utm_medium"),
    (VisitField::UtmSource, "utm_source"),
    (VisitField::UtmCampaign, "utm_campaign"),
    (VisitField::UtmContent, "utm_content"),
    (VisitField::UtmTerm, "utm_term"),
    (VisitField::Device, "device"),
    (VisitField::Browser, "browser"),
    (VisitField::BrowserVersion, "browser_version"),
    (VisitField::Os, "os"),
    (VisitField::OsVersion, "os_version"),
    (VisitField::Country, "country"),
    (VisitField::Region, "region"),
    (VisitField::City, "city"),
    (VisitField::CountryName, "country_name"),
    (VisitField::RegionName, "region_name"),
    (VisitField::CityName, "city_name"),
    (VisitField::EntryPage, "entry_page"),
    (VisitField::ExitPage, "exit_page"),
    (VisitField::EntryPageHostname, "entry_page_hostname"),
    (VisitField::ExitPageHostname, "exit_page_hostname"),
    (VisitField::Device, "screen"),
];
