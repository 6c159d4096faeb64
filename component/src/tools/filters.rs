//! The filter arguments that every tool takes: `page`, `goal` and `property_filters`.

use serde_json::{Map, Value};

use super::arguments::{Arguments, dimension_problem, kind, quoted};
use super::coercion;
use crate::legible::legible;
use crate::plausible::{
    BeyondRe2, Clauses, Dimension, Filter, Operator, PagePath, PageSearch, beyond_re2, page_expression, page_part,
};

/// Reads `page`, `goal` and `property_filters`, in this order; `site` is the one that they are about.
pub fn read(arguments: &mut Arguments, site: Option<&str>) -> Vec<Filter> {
    let page = page(arguments, site);
    let goal = arguments.name("goal");
    let properties = property_filters(arguments, site);
    for (name, given, dimension) in
        [("page", page.is_some(), Dimension::PAGE), ("goal", goal.is_some(), Dimension::GOAL)]
    {
        if given && properties.iter().any(|filter| targets(filter, &dimension)) {
            arguments.problem(
                name,
                format_args!(
                    "property_filters has an entry for {} too, and both together match \
                 almost nothing; use one of the two",
                    dimension.name()
                ),
            );
        }
    }
    let goal = goal.map(|goal| Filter::Compare {
        operator: Operator::Is,
        dimension: Dimension::GOAL,
        clauses: Clauses::Text(vec![goal]),
    });
    page.as_ref().map(PagePath::filter).into_iter().chain(goal).chain(properties).collect()
}

/// The page or pattern. People paste addresses; Plausible has paths.
fn page(arguments: &mut Arguments, site: Option<&str>) -> Option<PagePath> {
    let text = arguments.text("page")?;
    let page = PagePath::read(&text, site);
    if !page.is_path() {
        let shown = quoted(&page.text());
        let inner = shown.trim_matches('"');
        let instead = format!("write \"/{inner}\", or \"*{inner}*\" for every page with that in its path");
        arguments.problem("page", format_args!("{shown} is no path; {instead}"));
        return None;
    }
    note_page(arguments, "page", &page, site);
    Some(page)
}

/// What an address says that its path does not.
fn note_page(arguments: &mut Arguments, name: &str, page: &PagePath, site: Option<&str>) {
    let path = shown(&page.text());
    note_host(arguments, name, &path, site.and_then(|site| Some((page.foreign_host(site)?, site))));
    if page.is_hash_route {
        arguments.note(format!("{name}: {path} is a page {HASH_ROUTES}."));
    }
}

/// The same of an address that pages are searched by.
fn note_search(arguments: &mut Arguments, name: &str, search: &PageSearch, site: Option<&str>) {
    let text = shown(&search.text);
    note_host(arguments, name, &text, site.and_then(|site| Some((search.foreign_host(site)?, site))));
    if search.is_hash_route() {
        arguments.note(format!("{name}: {text} is in a page's path {HASH_ROUTES}."));
    }
}

fn note_host(arguments: &mut Arguments, name: &str, path: &str, foreign: Option<(&str, &str)>) {
    if let Some((host, site)) = foreign {
        let host = shown(host);
        arguments.note(format!(
            "{name}: {host} is neither {site} nor one of its subdomains. Only the path, {path}, was taken from the address."
        ));
    }
}

/// A text as a note repeats it: cut.
fn shown(text: &str) -> String {
    legible(text).chars().take(MAX_SHOWN).collect()
}

/// Whether a goal has to be met.
pub fn have_goal(filters: &[Filter]) -> bool {
    filters.iter().any(|filter| targets(filter, &Dimension::GOAL))
}

/// Whether any of them has a regular expression of the caller's own; those that pages stand for are anchored.
pub fn have_pattern(filters: &[Filter]) -> bool {
    let is_own = |dimension: &Dimension, clauses: &Clauses| {
        let is_anchored = matches!(clauses, Clauses::Text(texts) if texts.iter().all(|text| text.starts_with('^')));
        *dimension != Dimension::PAGE || !is_anchored
    };
    filters.iter().any(|filter| match filter {
        Filter::Compare { operator: Operator::Matches | Operator::MatchesNot, dimension, clauses } => {
            is_own(dimension, clauses)
        }
        _ => false,
    })
}

fn targets(filter: &Filter, target: &Dimension) -> bool {
    matches!(filter, Filter::Compare { dimension, .. } if dimension == target)
}

fn property_filters(arguments: &mut Arguments, site: Option<&str>) -> Vec<Filter> {
    let entries = match arguments.take("property_filters") {
        None => return Vec::new(),
        Some(Value::String(text)) if text.is_empty() => return Vec::new(),
        Some(value) => coercion::list(value),
    };
    if entries.len() > MAX_FILTERS {
        arguments.problem("property_filters", format_args!("has more than {MAX_FILTERS} entries"));
        return Vec::new();
    }
    let entries: Vec<Value> = entries.into_iter().map(coercion::object).collect();
    let mut filters = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let name = format!("property_filters[{at}]");
        match property_filter(entry) {
            Ok(filter) => filters.push(with_stored_pages(arguments, &name, filter, site)),
            Err(text) => arguments.problem(&name, text),
        }
    }
    arguments.restate("property_filters", Value::Array(entries));
    filters
}

fn property_filter(entry: &Value) -> Result<Filter, String> {
    let Value::Object(entry) = entry else {
        return Err(format!("must be an object with property, operator and values, not {}", kind(entry)));
    };
    if let Some(unknown) = entry.keys().find(|name| !ENTRY.contains(&name.as_str())) {
        return Err(format!("has no member {}; it takes property, operator and values", quoted(unknown)));
    }
    let property = entry.get("property").cloned().map(coercion::single);
    let Some(name) = property.as_ref().and_then(coercion::text) else {
        return Err("needs property, a string: a dimension or the name of a custom property".to_owned());
    };
    let dimension = match Dimension::parse_filtered(&name) {
        Ok(dimension) => dimension,
        Err(_) if name == "time" || name.starts_with("time:") => {
            return Err("time cannot be filtered; use the date range".to_owned());
        }
        Err(error) => return Err(dimension_problem(&name, &error)),
    };
    let operator = operator(entry)?;
    let clauses = clauses(entry, operator, &dimension)?;
    if let Clauses::Text(values) = &clauses {
        check_values(operator, &dimension, values)?;
    }
    Ok(Filter::Compare { operator, dimension, clauses })
}

/// A filter on pages with the pages as Plausible stores them. Any other is as it was.
fn with_stored_pages(arguments: &mut Arguments, name: &str, filter: Filter, site: Option<&str>) -> Filter {
    match filter {
        Filter::Compare { operator, dimension, clauses: Clauses::Text(values) } if dimension.is_path() => {
            let stored = values.iter().map(|value| stored_page(arguments, name, operator, value, site)).collect();
            Filter::Compare { operator, dimension, clauses: Clauses::Text(stored) }
        }
        other => other,
    }
}

fn stored_page(arguments: &mut Arguments, name: &str, operator: Operator, value: &str, site: Option<&str>) -> String {
    match operator {
        Operator::Is | Operator::IsNot => {
            let page = PagePath::read(value, site);
            if value.is_empty() || !page.is_path() {
                return value.to_owned();
            }
            note_page(arguments, name, &page, site);
            page.text()
        }
        Operator::Contains | Operator::ContainsNot => searched(arguments, name, page_part(value, site), site),
        Operator::Matches | Operator::MatchesNot => searched(arguments, name, page_expression(value, site), site),
    }
}

fn searched(arguments: &mut Arguments, name: &str, search: PageSearch, site: Option<&str>) -> String {
    note_search(arguments, name, &search, site);
    search.text
}

/// Refuses values that mean something else to Plausible than to whoever writes them.
fn check_values(operator: Operator, dimension: &Dimension, values: &[String]) -> Result<(), String> {
    let matching = match operator {
        Operator::Is => Operator::Matches,
        Operator::IsNot => Operator::MatchesNot,
        Operator::Contains | Operator::ContainsNot => return Ok(()),
        Operator::Matches | Operator::MatchesNot => return check_patterns(dimension, values),
    };
    match values.iter().find(|value| value.contains('*') && dimension.is_path()) {
        Some(value) => Err(format!(
            "{} compares exactly, and {} has a *; use operator {} with the value {}",
            operator.name(),
            quoted(value),
            matching.name(),
            quoted(&PagePath::read(value, None).regular_expression())
        )),
        None => Ok(()),
    }
}

fn check_patterns(dimension: &Dimension, patterns: &[String]) -> Result<(), String> {
    let Some(beyond) = patterns.iter().find_map(|pattern| beyond_re2(pattern)) else { return Ok(()) };
    let name = match beyond {
        BeyondRe2::Lookahead => "a lookahead",
        BeyondRe2::Lookbehind => "a lookbehind",
        BeyondRe2::Backreference => "a backreference",
    };
    let instead = match beyond {
        BeyondRe2::Backreference => "write it without",
        _ if *dimension == Dimension::GOAL => "name the goals that are meant",
        _ => "use is_not, contains_not or matches_not to leave values out",
    };
    Err(format!("a pattern has {name}, which regular expressions of RE2 do not have; {instead}"))
}

fn operator(entry: &Map<String, Value>) -> Result<Operator, String> {
    let name = match entry.get("operator").cloned().map(coercion::single) {
        None | Some(Value::Null) => return Ok(Operator::Is),
        Some(Value::String(name)) => name,
        Some(other) => return Err(format!("operator must be a string, not {}", kind(&other))),
    };
    Operator::ALL.into_iter().find(|operator| operator.name() == name).ok_or_else(|| {
        let names = Operator::ALL.map(Operator::name).join(", ");
        format!("operator {} is not one of {names}", quoted(&name))
    })
}

fn clauses(entry: &Map<String, Value>, operator: Operator, dimension: &Dimension) -> Result<Clauses, String> {
    let values = match entry.get("values") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => spelled(text, operator),
        Some(values) => coercion::list(values.clone()),
    };
    if values.is_empty() {
        return Err("needs values, a list of at least one string".to_owned());
    }
    if values.len() > MAX_VALUES {
        return Err(format!("has more than {MAX_VALUES} values"));
    }
    if *dimension == Dimension::BuiltIn("visit:city") {
        return cities(&values).ok_or_else(|| {
            "visit:city takes GeoNames ids, which are integers; use visit:city_name for names".to_owned()
        });
    }
    match values.iter().map(coercion::text).collect::<Option<Vec<String>>>() {
        Some(strings) if strings.iter().any(|value| value.chars().count() > MAX_VALUE) => {
            Err(format!("a value has at most {MAX_VALUE} characters"))
        }
        Some(strings) => Ok(Clauses::Text(strings)),
        None => Err("values must be strings".to_owned()),
    }
}

/// The values that a text spells as JSON, or the one that it is: a regular expression may begin with a bracket too, and
/// what a site sends with an event may be JSON.
fn spelled(text: &str, operator: Operator) -> Vec<Value> {
    let is_value = |value: &Value| match operator {
        Operator::Matches | Operator::MatchesNot => value.is_string(),
        _ => coercion::text(value).is_some(),
    };
    let values = coercion::list(Value::String(text.to_owned()));
    if values.iter().all(is_value) { values } else { vec![Value::String(text.to_owned())] }
}

/// City ids, as integers or as strings of digits.
fn cities(values: &[Value]) -> Option<Clauses> {
    let id = |value: &Value| coercion::whole_number(value).and_then(|number| format!("{number:.0}").parse().ok());
    values.iter().map(id).collect::<Option<Vec<_>>>().map(Clauses::Numbers)
}

/// Where fragments are parts of paths.
const HASH_ROUTES: &str = "only where the site counts what follows the # (Plausible's hash-based routing)";

/// How much of an address a note repeats, in characters.
const MAX_SHOWN: usize = 120;

/// The members of an entry.
const ENTRY: [&str; 3] = ["property", "operator", "values"];

/// More filters than a question in words has, few enough for one database query.
const MAX_FILTERS: usize = 20;

/// Enough for a list of pages or countries.
const MAX_VALUES: usize = 100;

/// The longest value of a custom property (<https://plausible.io/docs/custom-props/introduction>).
const MAX_VALUE: usize = 2000;
