//! Draws visits: who comes, from where, and the way through the site.

use jiff::civil::Date;

use super::{
    catalogue::{
        CLIENTS, NEWSLETTER, NEWSLETTER_ORIGIN, ORIGINS, OUTBOUND, OUTBOUND_URLS, PLACES, PURCHASE, PageKind, SIGNUP,
        Site,
    },
    random::{Random, mix},
    traffic,
    visits::{Event, Visit},
};

/// A day while it is being drawn.
pub(super) struct Drawing<'a> {
    site: &'a Site,
    date: Date,
    number: i64,
    day_seconds: u32,
    random: Random,
    pub(super) visits: Vec<Visit>,
    pub(super) events: Vec<Event>,
}

impl<'a> Drawing<'a> {
    /// A day of so many seconds, empty yet.
    pub(super) fn new(site: &'a Site, date: Date, number: i64, day_seconds: u32) -> Self {
        Self {
            site,
            date,
            number,
            day_seconds,
            random: Random::new(mix(site.seed, number.unsigned_abs())),
            visits: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Draws the next visit, the `index`th of the day.
    pub(super) fn visit(&mut self, index: u32) {
        let visitor = self.visitor(index);
        let mut traits = Random::new(mix(self.site.seed, u64::from(visitor)));
        let place = traits.weighted(PLACES.iter().map(|place| place.weight));
        let client = traits.weighted(CLIENTS.iter().map(|client| client.weight));
        let variant = 1 + traits.below(2);
        let origin = self.origin();
        let logged_in = 1 + u32::from(self.random.percent(18));
        let first_event = self.events.len();
        self.journey(origin);
        self.visits.push(Visit {
            visitor,
            origin: row(origin),
            place: row(place),
            client: row(client),
            variant: row(variant),
            logged_in: row(logged_in),
            first_event: u32::try_from(first_event).unwrap_or(u32::MAX),
            end_event: u32::try_from(self.events.len()).unwrap_or(u32::MAX),
        });
    }

    /// New visitors are numbered by day and place in the day; a returning
    /// one is somebody of the last month, or of earlier the same day.
    fn visitor(&mut self, index: u32) -> u32 {
        let (day, index) = match self.random.below(100) {
            0..26 => (self.number - 1 - i64::from(self.random.below(30)), self.random.below(100)),
            26..33 if index > 0 => (self.number, self.random.below(index)),
            _ => (self.number, index),
        };
        let day = u32::try_from(day.rem_euclid(1 << 20)).unwrap_or(0);
        day * VISITORS_PER_DAY + index % VISITORS_PER_DAY
    }

    fn origin(&mut self) -> u32 {
        if traffic::is_newsletter_day(self.date) && self.random.percent(30) {
            return u32::from(NEWSLETTER_ORIGIN);
        }
        self.random.weighted(ORIGINS.iter().map(|origin| origin.weight))
    }

    fn journey(&mut self, origin: u32) {
        let channel = ORIGINS.get(origin as usize).map_or("", |o| o.channel);
        let www = self.random.percent(8);
        let hour = self.random.weighted(HOURS.iter().copied());
        let mut second = (hour * 3600 + self.random.below(3600)).min(self.day_seconds);
        let mut kind = self.kind(entry_weights(channel));
        let mut signed_up = false;
        for _ in 0..MAX_PAGES {
            let page = self.page_of(kind);
            let kind_shown = self.site.pages.get(page as usize).map_or(kind, |p| p.kind);
            let view = self.view(second, page, kind_shown, www);
            self.events.push(view.clone());
            second = (second + u32::from(view.seconds_on_page)).min(self.day_seconds);
            let action = self.action(kind_shown, signed_up);
            signed_up |= action == Some(SIGNUP);
            if let Some(name) = action {
                let event = self.custom_event(name, second, &view);
                self.events.push(event);
                second = (second + 2).min(self.day_seconds);
            }
            let next = match action {
                Some(PURCHASE) => Some(PageKind::Thanks),
                Some(OUTBOUND) => None,
                _ => self.next_kind(kind_shown),
            };
            let Some(next) = next else { return };
            kind = next;
        }
    }

    fn view(&mut self, second: u32, page: u32, kind: PageKind, www: bool) -> Event {
        let hosts = self.site.hostnames.len();
        let hostname = match kind {
            PageKind::Docs if hosts > 2 => 2,
            _ if www && hosts > 1 => 1,
            _ => 0,
        };
        let (scroll, seconds) = match kind {
            PageKind::Article | PageKind::Docs => (45, 70),
            PageKind::Pricing | PageKind::Product => (38, 40),
            _ => (30, 22),
        };
        // The product of two draws makes short stays common and long ones rare.
        let stay = 4 + self.random.below(seconds) + self.random.below(14) * self.random.below(14);
        Event {
            second,
            page: row(page),
            hostname,
            scroll: row((scroll + self.random.below(56)).min(100)),
            seconds_on_page: u16::try_from(stay).unwrap_or(u16::MAX),
            ..Event::default()
        }
    }

    fn action(&mut self, kind: PageKind, signed_up: bool) -> Option<u8> {
        let draw = self.random.below(100);
        match kind {
            PageKind::Pricing if draw < 9 && !signed_up => Some(SIGNUP),
            PageKind::Checkout if draw < 56 => Some(PURCHASE),
            PageKind::Article if draw < 4 => Some(NEWSLETTER),
            PageKind::Article | PageKind::Docs if (4..9).contains(&draw) => Some(OUTBOUND),
            _ => None,
        }
    }

    fn custom_event(&mut self, name: u8, second: u32, view: &Event) -> Event {
        let mut event = Event { second, name, page: view.page, hostname: view.hostname, ..Event::default() };
        match name {
            SIGNUP => event.plan = row(1 + self.random.weighted([70, 22, 8].into_iter())),
            PURCHASE => {
                event.plan = row(1 + self.random.weighted([45, 38, 17].into_iter()));
                event.cents = 1_990 + self.random.below(58) * 500 + self.random.below(8) * 1_000;
            }
            OUTBOUND => event.url = row(1 + self.random.below(OUTBOUND_URLS.len() as u32 - 1)),
            _ => {}
        }
        event
    }

    fn next_kind(&mut self, kind: PageKind) -> Option<PageKind> {
        let (leave, weights) = exits(kind);
        if self.random.percent(leave) {
            return None;
        }
        Some(self.kind(weights))
    }

    fn kind(&mut self, weights: &[(PageKind, u32)]) -> PageKind {
        let pricing = traffic::pricing_percent(self.number);
        let chosen = self.random.weighted(weights.iter().map(|(kind, weight)| {
            let percent = if *kind == PageKind::Pricing { pricing } else { 100 };
            weight * percent
        }));
        weights.get(chosen as usize).map_or(PageKind::Home, |(kind, _)| *kind)
    }

    /// A page of the kind; the home page where a site has none.
    fn page_of(&mut self, kind: PageKind) -> u32 {
        let of_kind = |page: &super::catalogue::Page| page.kind == kind;
        if !self.site.pages.iter().any(of_kind) {
            return 0;
        }
        self.random.weighted(self.site.pages.iter().map(|page| if of_kind(page) { page.weight } else { 0 }))
    }
}

/// Tables have fewer than 256 rows.
fn row(index: u32) -> u8 {
    u8::try_from(index).unwrap_or(0)
}

fn entry_weights(channel: &str) -> &'static [(PageKind, u32)] {
    use PageKind::{Article, Docs, Home, Other, Pricing, Product};
    match channel {
        "Direct" => &[(Home, 48), (Pricing, 12), (Product, 15), (Docs, 12), (Article, 8), (Other, 5)],
        "Organic Search" => &[(Article, 40), (Product, 22), (Docs, 16), (Home, 16), (Pricing, 6)],
        "Paid Search" | "Paid Social" => &[(Product, 50), (Pricing, 25), (Home, 25)],
        "Email" => &[(Product, 45), (Article, 35), (Home, 20)],
        _ => &[(Article, 45), (Home, 30), (Product, 15), (Docs, 10)],
    }
}

/// Percent of visits that end on the page, and where the others go.
fn exits(kind: PageKind) -> (u32, &'static [(PageKind, u32)]) {
    use PageKind::{Article, Cart, Checkout, Docs, Home, Other, Pricing, Product, Thanks};
    match kind {
        Home => (44, &[(Pricing, 18), (Product, 24), (Article, 6), (Docs, 5), (Other, 6)]),
        Pricing => (50, &[(Product, 24), (Docs, 8), (Cart, 10), (Home, 8), (Other, 4)]),
        Product => (46, &[(Product, 22), (Cart, 18), (Pricing, 9), (Home, 7)]),
        Cart => (38, &[(Checkout, 48), (Product, 14)]),
        Checkout => (80, &[(Cart, 12), (Home, 8)]),
        Thanks => (76, &[(Home, 14), (Docs, 10)]),
        Article => (66, &[(Article, 18), (Home, 7), (Product, 8), (Pricing, 2)]),
        Docs => (50, &[(Docs, 36), (Pricing, 5), (Home, 9)]),
        Other => (62, &[(Home, 24), (Pricing, 4), (Article, 10)]),
    }
}

const VISITORS_PER_DAY: u32 = 2_048;
const MAX_PAGES: usize = 14;

/// Visits by hour of the day.
const HOURS: [u32; 24] = [8, 5, 4, 3, 4, 7, 14, 26, 44, 58, 64, 62, 55, 58, 62, 60, 54, 48, 44, 46, 48, 42, 28, 16];
