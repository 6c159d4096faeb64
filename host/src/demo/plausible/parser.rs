//! Stage 2: a body that passed the schema becomes a [`Query`]; what the
//! schema could not say is refused here, in Plausible's words.

use serde_json::{Map, Value};

use super::{
    date_range,
    inspect::inspect,
    query::{Comparison, Dimension, Filter, Include, Metric, Operator, OrderKey, Query},
    schema,
};

/// Parses the body; the order of the checks is Plausible's.
pub(super) fn parse(body: &Value) -> Result<Query, String> {
    let date_range = date_range::parse(body.get("date_range").unwrap_or(&Value::Null))?;
    let metrics = list(body, "metrics").iter().map(metric).collect::<Result<_, _>>()?;
    let filters = filters(list(body, "filters"))?;
    let dimensions = dimensions(list(body, "dimensions"))?;
    let order_by = list(body, "order_by").iter().map(order_entry).collect::<Result<_, _>>()?;
    Ok(Query {
        metrics,
        dimensions,
        filters,
        filters_sent: body.get("filters").cloned().unwrap_or_else(|| Value::Array(Vec::new())),
        date_range,
        order_by,
        include: include(body.get("include").and_then(Value::as_object)),
        limit: page_number(body, "limit").unwrap_or(DEFAULT_LIMIT),
        offset: page_number(body, "offset").unwrap_or(0),
    })
}

/// Parses a list of filter trees.
pub(super) fn filters(trees: &[Value]) -> Result<Vec<Filter>, String> {
    trees.iter().map(filter).collect()
}

fn list<'a>(body: &'a Value, key: &str) -> &'a [Value] {
    body.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn metric(value: &Value) -> Result<Metric, String> {
    value.as_str().and_then(Metric::from_name).ok_or_else(|| format!("Unknown metric '{}'.", inspect(value)))
}

fn dimensions(values: &[Value]) -> Result<Vec<Dimension>, String> {
    values
        .iter()
        .map(|value| {
            value
                .as_str()
                .and_then(Dimension::from_name)
                .ok_or_else(|| format!("Invalid dimensions '{}'", inspect(&Value::Array(values.to_vec()))))
        })
        .collect()
}

fn filter(tree: &Value) -> Result<Filter, String> {
    let items = tree.as_array().map_or(&[][..], Vec::as_slice);
    let word = items.first().and_then(Value::as_str).unwrap_or_default();
    let second = items.get(1).unwrap_or(&Value::Null);
    let inner = || filter(second).map(Box::new);
    match word {
        "and" => Ok(Filter::And(filters(trees(second))?)),
        "or" => Ok(Filter::Or(filters(trees(second))?)),
        "not" => Ok(Filter::Not(inner()?)),
        "has_done" => Ok(Filter::HasDone(inner()?)),
        "has_not_done" => Ok(Filter::HasNotDone(inner()?)),
        other => match Operator::from_name(other) {
            Some(operator) => comparison(operator, tree, items).map(Filter::Compare),
            None => Err(format!("Unknown operator for filter '{}'.", inspect(tree))),
        },
    }
}

fn trees(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn comparison(operator: Operator, tree: &Value, items: &[Value]) -> Result<Comparison, String> {
    let invalid = || format!("Invalid filter '{}'.", inspect(tree));
    let dimension = items
        .get(1)
        .and_then(Value::as_str)
        .and_then(Dimension::from_name)
        .filter(|dimension| !dimension.is_time())
        .ok_or_else(invalid)?;
    let values = items.get(2).and_then(Value::as_array).ok_or_else(invalid)?;
    let clauses = clauses(&dimension, values).ok_or_else(invalid)?;
    let is_country = items.get(1).and_then(Value::as_str) == Some("visit:country")
        && matches!(operator, Operator::Is | Operator::IsNot);
    if is_country && clauses.iter().any(|code| code.chars().count() != 2) {
        return Err(COUNTRY_CODE.to_owned());
    }
    Ok(Comparison {
        operator,
        dimension,
        clauses,
        case_sensitive: items
            .get(3)
            .and_then(|modifiers| modifiers.get("case_sensitive"))
            .and_then(Value::as_bool)
            .unwrap_or(true),
    })
}

/// All strings; or all integers where the dimension has numbers. An empty
/// list is both, and legal.
fn clauses(dimension: &Dimension, values: &[Value]) -> Option<Vec<String>> {
    let has_numbers = dimension.name() == "visit:city" || *dimension == Dimension::Segment;
    if has_numbers && values.iter().all(|value| value.is_i64() || value.is_u64()) {
        return Some(values.iter().map(Value::to_string).collect());
    }
    if *dimension == Dimension::Segment {
        return None;
    }
    values.iter().map(|value| value.as_str().map(str::to_owned)).collect()
}

fn order_entry(entry: &Value) -> Result<(OrderKey, bool), String> {
    let invalid = || format!("Invalid order_by entry '{}'.", inspect(entry));
    let name = entry.get(0).and_then(Value::as_str).ok_or_else(invalid)?;
    let key = match (Metric::from_name(name), Dimension::from_name(name)) {
        (Some(metric), _) => OrderKey::Metric(metric),
        (None, Some(dimension)) => OrderKey::Dimension(dimension),
        (None, None) => return Err(invalid()),
    };
    match entry.get(1).and_then(Value::as_str) {
        Some("asc") => Ok((key, false)),
        Some("desc") => Ok((key, true)),
        _ => Err(invalid()),
    }
}

fn include(members: Option<&Map<String, Value>>) -> Include {
    let is_set = |key: &str| members.and_then(|members| members.get(key)).and_then(Value::as_bool).unwrap_or(false);
    Include {
        imports: is_set("imports"),
        time_labels: is_set("time_labels"),
        total_rows: is_set("total_rows"),
        trim_relative_date_range: is_set("trim_relative_date_range"),
    }
}

fn page_number(body: &Value, key: &str) -> Option<usize> {
    let number = body.get("pagination")?.get(key)?.as_u64()?;
    usize::try_from(number).ok()
}

const DEFAULT_LIMIT: usize = schema::MAX_ROWS.unsigned_abs() as usize;

const COUNTRY_CODE: &str = "Invalid visit:country filter, visit:country needs to be a valid 2-letter country code.";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(key: &str, value: Value) -> String {
        let mut body = json!({"site_id": "a", "metrics": ["visitors"], "date_range": "7d"});
        body.as_object_mut().unwrap().insert(key.to_owned(), value);
        parse(&body).err().unwrap_or_default()
    }

    #[test]
    fn every_parser_rule_has_plausibles_text() {
        let table = [
            ("metrics", json!(["baa"]), "Unknown metric '\"baa\"'."),
            ("date_range", json!("0d"), "Invalid date_range \"0d\""),
            (
                "filters",
                json!([["exists", "event:page", []]]),
                "Unknown operator for filter '[\"exists\", \"event:page\", []]'.",
            ),
            (
                "filters",
                json!([["is", "visit:os_version", [123]]]),
                "Invalid filter '[\"is\", \"visit:os_version\", [123]]'.",
            ),
            (
                "filters",
                json!([["is", "visit:city", [1, "2"]]]),
                "Invalid filter '[\"is\", \"visit:city\", [1, \"2\"]]'.",
            ),
            ("filters", json!([["is", "visit:country", ["USA"]]]), COUNTRY_CODE),
            ("order_by", json!([["nope", "asc"]]), "Invalid order_by entry '[\"nope\", \"asc\"]'."),
        ];
        for (key, value, expected) in table {
            assert_eq!(error(key, value), expected);
        }
    }

    #[test]
    fn country_codes_may_be_parts_in_other_operators() {
        assert_eq!(error("filters", json!([["contains", "visit:country", ["D"]]])), "");
        assert_eq!(error("filters", json!([["is", "visit:city", ["2950159"]]])), "");
    }
}
