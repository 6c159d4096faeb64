//! The JSON Schemas of arguments and structured content, as text: they are constants of the program, and putting text
//! together costs a thousandth of building and printing a tree for every `tools/list`.
//!
//! No schema uses `anyOf` or the like: several clients cannot show such a tool.

/// A schema property: its name and its schema.
pub type Property = (&'static str, &'static str);

/// An object schema of arguments. `site_id` is added in front, required when there is no default site.
pub fn arguments(properties: &[Property], required: &[&str], has_default_site: bool) -> String {
    let site = if has_default_site { SITE_ID_WITH_DEFAULT } else { SITE_ID };
    let mut all = vec![("site_id", site)];
    all.extend_from_slice(properties);
    let mut needed: Vec<&str> = if has_default_site { vec![] } else { vec!["site_id"] };
    needed.extend_from_slice(required);
    object(&all, &needed)
}

/// An object schema with nothing but these properties.
pub fn object(properties: &[Property], required: &[&str]) -> String {
    let mut json = String::with_capacity(OBJECT_BYTES);
    json.push_str(r#"{"type":"object","properties":{"#);
    for (index, (name, schema)) in properties.iter().enumerate() {
        json.extend([if index == 0 { "\"" } else { ",\"" }, name, "\":", schema]);
    }
    json.push_str(r#"},"required":["#);
    for (index, name) in required.iter().enumerate() {
        json.extend([if index == 0 { "\"" } else { ",\"" }, name, "\""]);
    }
    json.push_str(r#"],"additionalProperties":false}"#);
    json
}

/// The structured content of the tools that answer with rows.
pub fn rows() -> String {
    object(
        &[
            ("site_id", SITE_ANSWERED),
            ("date_range", PERIOD),
            ("metrics", METRICS_ANSWERED),
            ("dimensions", DIMENSIONS_ANSWERED),
            ("filters", FILTERS_ANSWERED),
            ("results", RESULTS),
            ("totals", TOTALS),
            ("truncated", TRUNCATED),
            ("next_offset", NEXT_OFFSET),
            ("total_rows", TOTAL_ROWS),
            ("warnings", WARNINGS),
        ],
        &["site_id", "metrics", "dimensions", "filters", "results", "truncated", "warnings"],
    )
}

/// Two days or a name.
pub const DATE_RANGE: Property = (
    "date_range",
    r#"{"type":"string","description":"\"day\" (today), \"1d\" (yesterday), \"24h\", \"7d\" or another number of days up to yesterday, \"month\" (this month), \"1mo\" (last month), \"6mo\" or another number of whole months before this one, \"year\", \"all\", or two days, both included: \"2026-07-01,2026-07-31\".","examples":["7d","2026-07-01,2026-07-31"]}"#,
);

/// Metrics.
pub const METRICS: Property = (
    "metrics",
    r#"{"type":"array","minItems":1,"items":{"type":"string","enum":["visitors","visits","pageviews","views_per_visit","bounce_rate","visit_duration","events","scroll_depth","percentage","conversion_rate","group_conversion_rate","average_revenue","total_revenue","time_on_page"]},"description":"What to measure. Leave it out for metrics that fit the call."}"#,
);

/// A page or a pattern.
pub const PAGE: Property = (
    "page",
    r#"{"type":"string","maxLength":1024,"description":"Only this page path. With * for any characters: \"/blog*\" means pages that begin with /blog.","examples":["/pricing","/blog*"]}"#,
);

/// A goal.
pub const GOAL: Property = (
    "goal",
    r#"{"type":"string","maxLength":1024,"description":"Only visitors who completed this goal, by its display name exactly as get_conversions lists it."}"#,
);

/// Filters by dimension or property.
pub const PROPERTY_FILTERS: Property = (
    "property_filters",
    r#"{"type":"array","maxItems":20,"description":"Filters that must all hold, by any dimension or custom property.","items":{"type":"object","properties":{"property":{"type":"string","description":"A dimension such as visit:source, visit:channel, visit:country_name, event:page, or the bare name of a custom property such as plan."},"operator":{"type":"string","enum":["is","is_not","contains","contains_not","matches","matches_not"],"default":"is","description":"matches takes regular expressions (RE2). event:goal knows only is and contains."},"values":{"type":"array","minItems":1,"items":{"type":"string"},"description":"Any of these values, exactly as Plausible has them: Mobile, Google, United States."}},"required":["property","values"],"additionalProperties":false}}"#,
);

/// How many rows to pass over.
pub const OFFSET: Property = (
    "offset",
    r#"{"type":"integer","minimum":0,"maximum":1000000,"default":0,"description":"How many rows to pass over: the next_offset of a truncated answer."}"#,
);

/// The largest `offset`, as its schema says.
pub const MAX_OFFSET: u32 = 1_000_000;

/// Words about the metrics of an answer.
pub const METRICS_ANSWERED: &str =
    r#"{"type":"array","items":{"type":"string"},"description":"The order of the values in results[].metrics."}"#;

/// The site of an answer.
pub const SITE_ANSWERED: &str = r#"{"type":"string"}"#;

/// A resolved range.
pub const PERIOD: &str = r#"{"type":"object","description":"The range as Plausible resolved it, in the site's time zone.","properties":{"from":{"type":"string"},"to":{"type":"string"}},"required":["from","to"],"additionalProperties":false}"#;

/// Filters of an answer.
pub const FILTERS_ANSWERED: &str = r#"{"type":"array","items":{"type":"string"}}"#;

/// Warnings of an answer.
pub const WARNINGS: &str = r#"{"type":"array","items":{"type":"string"}}"#;

/// Room for one schema, so that it is not moved while it grows.
const OBJECT_BYTES: usize = 8 * 1024;

const SITE_ID: &str = r#"{"type":"string","maxLength":1024,"description":"The site's domain as in Plausible, for example \"example.com\"."}"#;

const SITE_ID_WITH_DEFAULT: &str = r#"{"type":"string","maxLength":1024,"description":"The site's domain as in Plausible, for example \"example.com\". Leave it out for the default site."}"#;

const DIMENSIONS_ANSWERED: &str =
    r#"{"type":"array","items":{"type":"string"},"description":"The order of the values in results[].dimensions."}"#;

const RESULTS: &str = r#"{"type":"array","items":{"type":"object","properties":{"dimensions":{"type":"array","items":{"type":["string","number","null"]}},"metrics":{"type":"array","items":{"type":["number","null","object"]},"description":"Numbers; null where there is no value; revenue is an object with value, currency, short and long."},"partial":{"type":"boolean","description":"Only a part of the bucket: it is still running, or an end of the range cuts it."}},"required":["dimensions","metrics"],"additionalProperties":false}}"#;

const TOTALS: &str = r#"{"type":"object","additionalProperties":{"type":"number"},"description":"Sums of the metrics that add up. Visitors and visits do not: compare_periods gives them for a whole range."}"#;

const TRUNCATED: &str = r#"{"type":"boolean","description":"There are more rows than these."}"#;

const NEXT_OFFSET: &str = r#"{"type":"integer","description":"The offset of the next rows."}"#;

const TOTAL_ROWS: &str = r#"{"type":"integer"}"#;
