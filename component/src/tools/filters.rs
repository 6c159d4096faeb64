//! The filter arguments that every tool takes: `page`, `goal` and `property_filters`.

use serde_json::{Map, Value};

use super::arguments::{Arguments, dimension_problem, kind, quoted};
use crate::plausible::{BeyondRe2, Clauses, Dimension, Filter, Operator, anchored, beyond_re2, page_filter};

/// Reads `page`, `goal` and `property_filters`, in this order.
pub fn read(arguments: &mut Arguments) -> Vec<Filter> {
    let page = page(arguments);
    let goal = arguments.text("goal");
    let properties = property_filters(arguments);
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
    page.as_deref().map(page_filter).into_iter().chain(goal).chain(properties).collect()
}

/// The page path or pattern. People paste addresses; Plausible has paths.
fn page(arguments: &mut Arguments) -> Option<String> {
    let text = arguments.text("page")?;
    let address = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let path = match address {
        None => text.as_str(),
        Some(address) => {
            let path = address.find('/').and_then(|at| address.get(at..)).unwrap_or("/");
            path.split(['?', '#']).next().unwrap_or(path)
        }
    };
    if !path.starts_with(['/', '*']) {
        let shown = quoted(path);
        let inner = shown.trim_matches('"');
        let instead = format!("write \"/{inner}\", or \"*{inner}*\" for every page with that in its path");
        arguments.problem("page", format_args!("{shown} is no path; {instead}"));
        return None;
    }
    Some(path.to_owned())
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

fn property_filters(arguments: &mut Arguments) -> Vec<Filter> {
    let entries = match arguments.take("property_filters") {
        None => return Vec::new(),
        Some(Value::Array(entries)) => entries,
        Some(other) => {
            arguments.problem("property_filters", format_args!("must be a list, not {}", kind(&other)));
            return Vec::new();
        }
    };
    if entries.len() > MAX_FILTERS {
        arguments.problem("property_filters", format_args!("has more than {MAX_FILTERS} entries"));
        return Vec::new();
    }
    let mut filters = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        match property_filter(entry) {
            Ok(filter) => filters.push(filter),
            Err(text) => arguments.problem(&format!("property_filters[{at}]"), text),
        }
    }
    filters
}

fn property_filter(entry: &Value) -> Result<Filter, String> {
    let Value::Object(entry) = entry else {
        return Err(format!("must be an object with property, operator and values, not {}", kind(entry)));
    };
    if let Some(unknown) = entry.keys().find(|name| !ENTRY.contains(&name.as_str())) {
        return Err(format!("has no member {}; it takes property, operator and values", quoted(unknown)));
    }
    let Some(name) = entry.get("property").and_then(Value::as_str) else {
        return Err("needs property, a string: a dimension or the name of a custom property".to_owned());
    };
    let dimension = match Dimension::parse_filtered(name) {
        Ok(dimension) => dimension,
        Err(_) if name == "time" || name.starts_with("time:") => {
            return Err("time cannot be filtered; use the date range".to_owned());
        }
        Err(error) => return Err(dimension_problem(name, &error)),
    };
    let operator = operator(entry)?;
    let clauses = clauses(entry, &dimension)?;
    if let Clauses::Text(values) = &clauses {
        check_values(operator, &dimension, values)?;
    }
    Ok(Filter::Compare { operator, dimension, clauses })
}

/// Refuses values that mean something else to Plausible than to whoever writes them.
fn check_values(operator: Operator, dimension: &Dimension, values: &[String]) -> Result<(), String> {
    let matching = match operator {
        Operator::Is => Operator::Matches,
        Operator::IsNot => Operator::MatchesNot,
        Operator::Contains | Operator::ContainsNot => return Ok(()),
        Operator::Matches | Operator::MatchesNot => return check_patterns(dimension, values),
    };
    match values.iter().find(|value| value.contains('*') && is_path(dimension)) {
        Some(value) => Err(format!(
            "{} compares exactly, and {} has a *; use operator {} with the value {}",
            operator.name(),
            quoted(value),
            matching.name(),
            quoted(&anchored(value))
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

/// Whether a dimension's values are paths of pages, which have no `*`.
fn is_path(dimension: &Dimension) -> bool {
    matches!(dimension, Dimension::BuiltIn("event:page" | "visit:entry_page" | "visit:exit_page"))
}

fn operator(entry: &Map<String, Value>) -> Result<Operator, String> {
    let name = match entry.get("operator") {
        None | Some(Value::Null) => return Ok(Operator::Is),
        Some(Value::String(name)) => name,
        Some(other) => return Err(format!("operator must be a string, not {}", kind(other))),
    };
    Operator::ALL.into_iter().find(|operator| operator.name() == name).ok_or_else(|| {
        let names = Operator::ALL.map(Operator::name).join(", ");
        format!("operator {} is not one of {names}", quoted(name))
    })
}

fn clauses(entry: &Map<String, Value>, dimension: &Dimension) -> Result<Clauses, String> {
    let values = match entry.get("values") {
        Some(Value::Array(values)) if !values.is_empty() => values,
        _ => return Err("needs values, a list of at least one string".to_owned()),
    };
    if values.len() > MAX_VALUES {
        return Err(format!("has more than {MAX_VALUES} values"));
    }
    if *dimension == Dimension::BuiltIn("visit:city") {
        return cities(values).ok_or_else(|| {
            "visit:city takes GeoNames ids, which are integers; use visit:city_name for names".to_owned()
        });
    }
    let strings: Option<Vec<String>> = values.iter().map(|value| value.as_str().map(str::to_owned)).collect();
    match strings {
        Some(strings) if strings.iter().any(|value| value.chars().count() > MAX_VALUE) => {
            Err(format!("a value has at most {MAX_VALUE} characters"))
        }
        Some(strings) => Ok(Clauses::Text(strings)),
        None => Err("values must be strings".to_owned()),
    }
}

/// City ids, as integers or as strings of digits.
fn cities(values: &[Value]) -> Option<Clauses> {
    let id = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
    values.iter().map(id).collect::<Option<Vec<_>>>().map(Clauses::Numbers)
}

/// The members of an entry.
const ENTRY: [&str; 3] = ["property", "operator", "values"];

/// More filters than a question in words has, few enough for one database query.
const MAX_FILTERS: usize = 20;

/// Enough for a list of pages or countries.
const MAX_VALUES: usize = 100;

/// The longest value of a custom property (<https://plausible.io/docs/custom-props/introduction>).
const MAX_VALUE: usize = 2000;
