//! The names the simulated sites are made of: pages, goals, origins of
//! traffic, places and devices, each with the weight with which it occurs.
//!
//! Only tables stand here; how visits are drawn from them is `visits`, how
//! they are read as dimensions is `columns`.

/// A site the demo key may query.
#[derive(Debug)]
pub(super) struct Site {
    /// The `site_id`.
    pub(super) domain: &'static str,
    pub(super) pages: &'static [Page],
    pub(super) hostnames: &'static [&'static str],
    /// Display names of the configured goals, in the order of [`GOALS`].
    pub(super) goals: &'static [&'static str],
    /// Traffic relative to the shop, in percent.
    pub(super) traffic_percent: u32,
    /// Makes the sites' random streams differ.
    pub(super) seed: u64,
}

/// What a page is for: it decides where a visit goes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageKind {
    Home,
    Pricing,
    Product,
    Cart,
    Checkout,
    Thanks,
    Article,
    Docs,
    Other,
}

/// A page of a site and its weight among the pages of its kind.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) path: &'static str,
    pub(super) kind: PageKind,
    pub(super) weight: u32,
}

/// Where a visit comes from; empty strings are what Plausible stores when a
/// value is unknown.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) source: &'static str,
    pub(super) referrer: &'static str,
    pub(super) channel: &'static str,
    /// medium, source, campaign, content, term
    pub(super) utm: [&'static str; 5],
    pub(super) weight: u32,
}

/// A city with the region and country it lies in.
#[derive(Debug)]
pub(super) struct Place {
    /// GeoNames id.
    pub(super) city: &'static str,
    pub(super) city_name: &'static str,
    /// ISO 3166-2.
    pub(super) region: &'static str,
    pub(super) region_name: &'static str,
    /// ISO 3166-1 alpha-2.
    pub(super) country: &'static str,
    pub(super) country_name: &'static str,
    pub(super) weight: u32,
}

/// A device with its browser and operating system.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) device: &'static str,
    pub(super) browser: &'static str,
    pub(super) browser_version: &'static str,
    pub(super) os: &'static str,
    pub(super) os_version: &'static str,
    pub(super) weight: u32,
}

/// A saved segment: its id and the filter it stands for.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) id: i64,
    pub(super) filters: &'static str,
}

pub(super) static SITES: &[Site] = &[
    Site {
        domain: "shop.example",
        pages: SHOP_PAGES,
        hostnames: &["shop.example", "www.shop.example", "docs.shop.example"],
        goals: GOALS,
        traffic_percent: 100,
        seed: 0x5157,
    },
    Site {
        domain: "blog.example",
        pages: BLOG_PAGES,
        hostnames: &["blog.example"],
        goals: &["Newsletter", "Outbound Link: Click"],
        traffic_percent: 25,
        seed: 0xb106,
    },
];

/// Event names; the first is a page view, the others are the names of goals.
pub(super) static EVENT_NAMES: &[&str] = &["pageview", "Signup", "Purchase", "Newsletter", "Outbound Link: Click"];
pub(super) const SIGNUP: u8 = 1;
pub(super) const PURCHASE: u8 = 2;
pub(super) const NEWSLETTER: u8 = 3;
pub(super) const OUTBOUND: u8 = 4;

/// Goals by display name: the custom events in the order of
/// [`EVENT_NAMES`], then the page goal.
pub(super) static GOALS: &[&str] = &["Signup", "Purchase", "Newsletter", "Outbound Link: Click", "Visit /thank-you"];
/// Row of the page goal when rows are counted from 1.
pub(super) const VISIT_THANK_YOU_ROW: usize = 5;
/// The only goal with revenue, and its currency.
pub(super) const REVENUE_GOAL: &str = "Purchase";
pub(super) const CURRENCY: &str = "EUR";

/// Values of the custom properties; row 0 is "not set".
pub(super) static PLANS: &[&str] = &["", "free", "pro", "team"];
pub(super) static VARIANTS: &[&str] = &["", "a", "b"];
pub(super) static LOGGED_IN: &[&str] = &["", "false", "true"];
pub(super) static OUTBOUND_URLS: &[&str] =
    &["", "https://github.com/shop-example", "https://status.example.net/", "https://partner.example.org/offers"];

pub(super) static SEGMENTS: &[Segment] = &[
    Segment { id: 1, filters: r#"[["is", "visit:country", ["DE"]], ["is", "visit:device", ["Mobile"]]]"# },
    Segment { id: 2, filters: r#"[["contains", "event:page", ["/blog"]]]"# },
];

const fn page(path: &'static str, kind: PageKind, weight: u32) -> Page {
    Page { path, kind, weight }
}

static SHOP_PAGES: &[Page] = &[
    page("/", PageKind::Home, 100),
    page("/pricing", PageKind::Pricing, 100),
    page("/products", PageKind::Product, 60),
    page("/products/desk-lamp", PageKind::Product, 40),
    page("/products/standing-desk", PageKind::Product, 34),
    page("/products/office-chair", PageKind::Product, 28),
    page("/products/monitor-arm", PageKind::Product, 14),
    page("/products/cable-tray", PageKind::Product, 6),
    page("/cart", PageKind::Cart, 100),
    page("/checkout", PageKind::Checkout, 100),
    page("/thank-you", PageKind::Thanks, 100),
    page("/blog", PageKind::Article, 30),
    page("/blog/how-to-set-up-a-desk", PageKind::Article, 42),
    page("/blog/ergonomics-101", PageKind::Article, 26),
    page("/blog/lighting-guide", PageKind::Article, 17),
    page("/blog/remote-work-2026", PageKind::Article, 12),
    page("/blog/why-standing", PageKind::Article, 7),
    page("/de/blog", PageKind::Article, 9),
    page("/de/blog/schreibtisch-einrichten", PageKind::Article, 11),
    page("/docs", PageKind::Docs, 30),
    page("/docs/getting-started", PageKind::Docs, 36),
    page("/docs/assembly", PageKind::Docs, 22),
    page("/docs/api/orders", PageKind::Docs, 9),
    page("/about", PageKind::Other, 20),
    page("/contact", PageKind::Other, 14),
    page("/careers", PageKind::Other, 8),
    page("/legal/returns", PageKind::Other, 10),
];

static BLOG_PAGES: &[Page] = &[
    page("/", PageKind::Home, 100),
    page("/posts/first-post", PageKind::Article, 20),
    page("/posts/rust-and-wasm", PageKind::Article, 45),
    page("/posts/privacy-first-analytics", PageKind::Article, 35),
    page("/about", PageKind::Other, 20),
];

const NO_UTM: [&str; 5] = [""; 5];

const fn origin(
    source: &'static str,
    referrer: &'static str,
    channel: &'static str,
    utm: [&'static str; 5],
    weight: u32,
) -> Origin {
    Origin { source, referrer, channel, utm, weight }
}

/// Row of [`ORIGINS`] that a newsletter day adds to.
pub(super) const NEWSLETTER_ORIGIN: u8 = 10;

pub(super) static ORIGINS: &[Origin] = &[
    origin("", "", "Direct", NO_UTM, 300),
    origin("Google", "google.com", "Organic Search", NO_UTM, 330),
    origin("Bing", "bing.com", "Organic Search", NO_UTM, 45),
    origin("DuckDuckGo", "duckduckgo.com", "Organic Search", NO_UTM, 40),
    origin("Hacker News", "news.ycombinator.com/item", "Referral", NO_UTM, 30),
    origin("GitHub", "github.com/shop-example/widgets", "Referral", NO_UTM, 35),
    origin("LinkedIn", "linkedin.com/feed", "Organic Social", NO_UTM, 40),
    origin("Reddit", "reddit.com/r/battlestations", "Organic Social", NO_UTM, 35),
    origin("ChatGPT", "chatgpt.com", "AI Assistants", NO_UTM, 25),
    origin("Google", "google.com", "Paid Search", ["cpc", "google", "brand", "ad-1", "standing desk"], 60),
    origin("newsletter", "", "Email", ["email", "newsletter", "monthly-digest", "top-button", ""], 25),
    origin("Facebook", "facebook.com", "Paid Social", ["paid-social", "facebook", "autumn-sale", "carousel", ""], 35),
];

const fn place(
    (city, city_name): (&'static str, &'static str),
    (region, region_name): (&'static str, &'static str),
    (country, country_name): (&'static str, &'static str),
    weight: u32,
) -> Place {
    Place { city, city_name, region, region_name, country, country_name, weight }
}

const GERMANY: (&str, &str) = ("DE", "Germany");
const STATES: (&str, &str) = ("US", "United States");
const KINGDOM: (&str, &str) = ("GB", "United Kingdom");
const ENGLAND: (&str, &str) = ("GB-ENG", "England");

pub(super) static PLACES: &[Place] = &[
    place(("2950159", "Berlin"), ("DE-BE", "Berlin"), GERMANY, 150),
    place(("2867714", "Munich"), ("DE-BY", "Bavaria"), GERMANY, 80),
    place(("2861650", "Nuremberg"), ("DE-BY", "Bavaria"), GERMANY, 25),
    place(("2911298", "Hamburg"), ("DE-HH", "Hamburg"), GERMANY, 70),
    place(("5128581", "New York"), ("US-NY", "New York"), STATES, 90),
    place(("5391959", "San Francisco"), ("US-CA", "California"), STATES, 70),
    place(("5368361", "Los Angeles"), ("US-CA", "California"), STATES, 35),
    place(("4671654", "Austin"), ("US-TX", "Texas"), STATES, 30),
    place(("2643743", "London"), ENGLAND, KINGDOM, 85),
    place(("2643123", "Manchester"), ENGLAND, KINGDOM, 20),
    place(("2988507", "Paris"), ("FR-IDF", "Île-de-France"), ("FR", "France"), 70),
    place(("2761369", "Vienna"), ("AT-9", "Vienna"), ("AT", "Austria"), 55),
    place(("2657896", "Zürich"), ("CH-ZH", "Zurich"), ("CH", "Switzerland"), 45),
    place(("2759794", "Amsterdam"), ("NL-NH", "North Holland"), ("NL", "Netherlands"), 50),
    place(("588409", "Tallinn"), ("EE-37", "Harjumaa"), ("EE", "Estonia"), 15),
    place(("1277333", "Bengaluru"), ("IN-KA", "Karnataka"), ("IN", "India"), 40),
    place(("6167865", "Toronto"), ("CA-ON", "Ontario"), ("CA", "Canada"), 35),
    place(("1850147", "Tokyo"), ("JP-13", "Tokyo"), ("JP", "Japan"), 20),
];

const fn client(
    device: &'static str,
    (browser, browser_version): (&'static str, &'static str),
    (os, os_version): (&'static str, &'static str),
    weight: u32,
) -> Client {
    Client { device, browser, browser_version, os, os_version, weight }
}

pub(super) static CLIENTS: &[Client] = &[
    client("Desktop", ("Chrome", "139.0"), ("Windows", "11"), 220),
    client("Desktop", ("Chrome", "138.0"), ("Windows", "10"), 80),
    client("Desktop", ("Firefox", "141.0"), ("Windows", "11"), 45),
    client("Desktop", ("Microsoft Edge", "139.0"), ("Windows", "11"), 60),
    client("Laptop", ("Safari", "18.5"), ("Mac", "15.5"), 110),
    client("Laptop", ("Chrome", "139.0"), ("Mac", "15.5"), 95),
    client("Laptop", ("Firefox", "141.0"), ("GNU/Linux", ""), 40),
    client("Mobile", ("Safari", "18.5"), ("iOS", "18.5"), 170),
    client("Mobile", ("Chrome", "139.0"), ("Android", "15"), 130),
    client("Mobile", ("Samsung Browser", "28.0"), ("Android", "14"), 25),
    client("Tablet", ("Safari", "18.5"), ("iPadOS", "18.5"), 25),
];
