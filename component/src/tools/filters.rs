//! The filter arguments that every tool takes: `page`, `goal` and `property_filters`, and the metrics that fit them.

use serde_json::{Map, Value};

use super::arguments::{Arguments, dimension_problem, kind, quoted};
use crate::plausible::{Clauses, Dimension, Filter, Metric, Operator, beyond_re2, page_filter};

/// Reads `page`, `goal` and `property_filters`, in this order.
pub fn read(arguments: &mut Arguments) -> Vec<Filter> {
    let page = arguments.text("page");
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

/// The metrics of a call without a dimension that names none: with a goal those of its conversions, for which a goal
/// that is no page view has no others.
pub fn default_metrics(filters: &[Filter]) -> &'static [Metric] {
    if filters.iter().any(|filter| targets(filter, &Dimension::GOAL)) {
        &[Metric::Visitors, Metric::Events, Metric::ConversionRate]
    } else {
        &[Metric::Visitors, Metric::Pageviews, Metric::BounceRate, Metric::VisitDuration]
    }
}

/// Whether any of them has a regular expression.
pub fn have_pattern(filters: &[Filter]) -> bool {
    let is_pattern = |operator: &Operator| matches!(operator, Operator::Matches | Operator::MatchesNot);
    filters.iter().any(|filter| matches!(filter, Filter::Compare { operator, .. } if is_pattern(operator)))
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
    if let (Operator::Matches | Operator::MatchesNot, Clauses::Text(patterns)) = (operator, &clauses)
        && let Some(beyond) = patterns.iter().find_map(|pattern| beyond_re2(pattern))
    {
        return Err(format!(
            "a pattern has {beyond}, which regular expressions of RE2 do not have; use is_not, contains_not or \
             matches_not to leave values out"
        ));
    }
    Ok(Filter::Compare { operator, dimension, clauses })
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

/// More filters than a question in words has, few enough for one database query.
const MAX_FILTERS: usize = 20;

/// Enough for a list of pages or countries.
const MAX_VALUES: usize = 100;

/// The longest value of a custom property (<https://plausible.io/docs/custom-props/introduction>).
const MAX_VALUE: usize = 2000;
