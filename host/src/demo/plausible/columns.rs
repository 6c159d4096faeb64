//! Reads a dimension of a visit or an event as a small code, and a code as
//! the value Plausible shows for it.
//!
//! Groups and filters work on codes; texts are met once per table row.

use jiff::civil::Date;
use serde_json::{Value, json};

use super::{
    catalogue::{
        CLIENTS, Client, EVENT_NAMES, GOALS, LOGGED_IN, ORIGINS, OUTBOUND_URLS, Origin, PLACES, PLANS, PageKind, Place,
        Site, VARIANTS, VISIT_THANK_YOU_ROW,
    },
    query::{Bucket, Dimension, VisitField},
    visits::{Day, Event, Visit},
    zone,
};

/// A dimension of a site, ready to be read.
#[derive(Debug)]
pub(super) struct Column {
    source: Source,
    /// Distinct values; a code is an index into them.
    labels: Vec<&'static str>,
    /// The code of each row of the table.
    code_of_row: Vec<u32>,
    /// Whether values are shown as integers.
    is_number: bool,
}

/// Where the row of the table stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Origin,
    Place,
    Client,
    Page,
    Hostname,
    EntryPage,
    EntryHostname,
    ExitPage,
    ExitHostname,
    Name,
    Goal { thank_you: Option<u8> },
    Plan,
    Variant,
    LoggedIn,
    Url,
    Unset,
}

impl Column {
    /// Time dimensions have no table; see [`TimeColumn`].
    pub(super) fn new(dimension: &Dimension, site: &Site) -> Self {
        match dimension {
            Dimension::Goal => Self::goals(site),
            Dimension::EventName => Self::of(Source::Name, EVENT_NAMES, |name| name),
            Dimension::Page => Self::of(Source::Page, site.pages, |page| page.path),
            Dimension::Hostname => Self::of(Source::Hostname, site.hostnames, |name| name),
            Dimension::Property(name) => Self::property(name),
            Dimension::Visit(field) => Self::visit(*field, site),
            Dimension::Time(_) | Dimension::Segment => Self::of(Source::Unset, &[""], |_| ""),
        }
    }

    /// The code of an event; visit dimensions look at the visit alone.
    pub(super) fn code(&self, day: &Day, visit: &Visit, event: &Event) -> u32 {
        let row = usize::from(self.row(day, visit, event));
        self.code_of_row.get(row).copied().unwrap_or(0)
    }

    /// Every code with its text.
    pub(super) fn labels(&self) -> &[&'static str] {
        &self.labels
    }

    /// What Plausible shows for a code.
    pub(super) fn value(&self, code: u32) -> Value {
        let text = self.labels.get(code as usize).copied().unwrap_or_default();
        match text.parse::<i64>() {
            Ok(number) if self.is_number => json!(number),
            _ => json!(text),
        }
    }

    /// Whether the code stands for "no value", which has no group.
    pub(super) fn is_absent(&self, code: u32) -> bool {
        matches!(self.source, Source::Goal { .. })
            && self.labels.get(code as usize).is_none_or(|label| label.is_empty())
    }

    fn of<T>(source: Source, rows: &[T], label: impl Fn(&T) -> &'static str) -> Self {
        let mut labels: Vec<&'static str> = Vec::new();
        let mut code_of_row = Vec::new();
        for row in rows {
            let label = label(row);
            let code = labels.iter().position(|known| *known == label);
            let code = code.unwrap_or_else(|| {
                labels.push(label);
                labels.len() - 1
            });
            code_of_row.push(u32::try_from(code).unwrap_or(0));
        }
        Self { source, labels, code_of_row, is_number: false }
    }

    /// Row 0 is "no goal"; goals a site has not configured count as none.
    fn goals(site: &Site) -> Self {
        let thank_you = site.pages.iter().position(|page| page.kind == PageKind::Thanks);
        let source = Source::Goal { thank_you: thank_you.and_then(|row| u8::try_from(row).ok()) };
        let mut rows = vec![""];
        rows.extend(GOALS);
        Self::of(source, &rows, |goal| if site.goals.contains(goal) { goal } else { "" })
    }

    fn property(name: &str) -> Self {
        let (source, rows) = match name {
            "plan" => (Source::Plan, PLANS),
            "variant" => (Source::Variant, VARIANTS),
            "logged_in" => (Source::LoggedIn, LOGGED_IN),
            "url" => (Source::Url, OUTBOUND_URLS),
            _ => (Source::Unset, &[""][..]),
        };
        Self::of(source, rows, |value| or(value, "(none)"))
    }

    fn visit(field: VisitField, site: &Site) -> Self {
        let origin = |label: fn(&Origin) -> &'static str| Self::of(Source::Origin, ORIGINS, label);
        let place = |label: fn(&Place) -> &'static str| Self::of(Source::Place, PLACES, label);
        let client = |label: fn(&Client) -> &'static str| Self::of(Source::Client, CLIENTS, label);
        let page = |source| Self::of(source, site.pages, |page| page.path);
        let hostname = |source| Self::of(source, site.hostnames, |name| name);
        match field {
            VisitField::Source => origin(|o| or(o.source, "Direct / None")),
            VisitField::Referrer => origin(|o| or(o.referrer, "Direct / None")),
            VisitField::Channel => origin(|o| or(o.channel, "Direct")),
            VisitField::UtmMedium => origin(|o| or(o.utm[0], "(not set)")),
            VisitField::UtmSource => origin(|o| or(o.utm[1], "(not set)")),
            VisitField::UtmCampaign => origin(|o| or(o.utm[2], "(not set)")),
            VisitField::UtmContent => origin(|o| or(o.utm[3], "(not set)")),
            VisitField::UtmTerm => origin(|o| or(o.utm[4], "(not set)")),
            VisitField::Device => client(|c| c.device),
            VisitField::Browser => client(|c| c.browser),
            VisitField::BrowserVersion => client(|c| c.browser_version),
            VisitField::Os => client(|c| c.os),
            VisitField::OsVersion => client(|c| or(c.os_version, "(not set)")),
            VisitField::Country => place(|p| p.country),
            VisitField::Region => place(|p| p.region),
            VisitField::City => Self { is_number: true, ..place(|p| p.city) },
            VisitField::CountryName => place(|p| p.country_name),
            VisitField::RegionName => place(|p| p.region_name),
            VisitField::CityName => place(|p| p.city_name),
            VisitField::EntryPage => page(Source::EntryPage),
            VisitField::ExitPage => page(Source::ExitPage),
            VisitField::EntryPageHostname => hostname(Source::EntryHostname),
            VisitField::ExitPageHostname => hostname(Source::ExitHostname),
        }
    }

    fn row(&self, day: &Day, visit: &Visit, event: &Event) -> u8 {
        match self.source {
            Source::Origin => visit.origin,
            Source::Place => visit.place,
            Source::Client => visit.client,
            Source::Variant => visit.variant,
            Source::LoggedIn => visit.logged_in,
            Source::Page => event.page,
            Source::Hostname => event.hostname,
            Source::Name => event.name,
            Source::Plan => event.plan,
            Source::Url => event.url,
            Source::Goal { thank_you } if event.name == 0 && thank_you == Some(event.page) => {
                u8::try_from(VISIT_THANK_YOU_ROW).unwrap_or(0)
            }
            Source::Goal { .. } => event.name,
            Source::EntryPage => day.events_of(visit).first().map_or(0, |e| e.page),
            Source::EntryHostname => day.events_of(visit).first().map_or(0, |e| e.hostname),
            Source::ExitPage => last_view(day, visit).map_or(0, |e| e.page),
            Source::ExitHostname => last_view(day, visit).map_or(0, |e| e.hostname),
            Source::Unset => 0,
        }
    }
}

fn last_view<'a>(day: &'a Day, visit: &Visit) -> Option<&'a Event> {
    day.events_of(visit).iter().rfind(|event| event.name == 0)
}

fn or(text: &'static str, instead: &'static str) -> &'static str {
    if text.is_empty() { instead } else { text }
}

/// A time dimension: codes are hours or days since 1970-01-01, local time.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeColumn {
    pub(super) bucket: Bucket,
    /// First day of the range: weeks do not begin before it.
    pub(super) first: Date,
}

impl TimeColumn {
    /// The bucket of a whole day; `None` where days are not whole buckets.
    pub(super) fn code_of_day(&self, date: Date) -> Option<u32> {
        let date = match self.bucket {
            Bucket::Hour => return None,
            Bucket::Day | Bucket::Auto => date,
            Bucket::Week => {
                let since_monday = i64::from(date.weekday().to_monday_zero_offset());
                let monday = zone::day_from_number(zone::day_number(date) - since_monday)?;
                monday.max(self.first)
            }
            Bucket::Month => date.first_of_month(),
        };
        u32::try_from(zone::day_number(date)).ok()
    }

    /// The bucket of a second of a day.
    pub(super) fn code(&self, day: &Day, second: u32) -> u32 {
        if let Some(code) = self.code_of_day(day.date) {
            return code;
        }
        let at = day.midnight + i64::from(second);
        let offset = day.offset.unwrap_or_else(|| jiff::Timestamp::from_second(at).map_or(0, zone::offset_seconds));
        u32::try_from((at + offset) / 3600).unwrap_or(0)
    }

    /// `2026-07-01`, or `2026-07-01 13:00:00`.
    pub(super) fn label(&self, code: u32) -> String {
        let code = i64::from(code);
        let (day, hour) = match self.bucket {
            Bucket::Hour => (code / 24, Some(code % 24)),
            _ => (code, None),
        };
        let date = zone::day_from_number(day).unwrap_or_default();
        hour.map_or_else(|| date.to_string(), |hour| format!("{date} {hour:02}:00:00"))
    }
}
