//! Stage 3: the rules Plausible checks once a query is parsed, in its order
//! and with its texts. Access rules of a plan are not simulated.

use super::{
    catalogue::{SEGMENTS, Site},
    parser,
    query::{Comparison, Dimension, Filter, Kind, Metric, Operator, OrderKey, Query},
};

/// Replaces segments by their filters, then checks every rule.
pub(super) fn check(query: &mut Query, site: &Site) -> Result<(), String> {
    query.filters = resolve_all(std::mem::take(&mut query.filters))?;
    let leaves = Leaf::all(&query.filters);
    order_by(query)?;
    top_level_dimensions(&leaves)?;
    properties_with_rates(query, &leaves)?;
    behavioural(&leaves)?;
    goals_configured(&leaves, site)?;
    for metric in &query.metrics {
        metric_allowed(*metric, query, &leaves)?;
    }
    tables(query)?;
    time_labels(query)
}

/// A comparison and where in the tree it stands.
struct Leaf<'a> {
    comparison: &'a Comparison,
    /// 0 is the top level.
    depth: usize,
    /// How many has_done or has_not_done enclose it.
    behavioural: usize,
}

impl<'a> Leaf<'a> {
    fn all(filters: &'a [Filter]) -> Vec<Self> {
        let mut leaves = Vec::new();
        for filter in filters {
            Self::collect(filter, 0, 0, &mut leaves);
        }
        leaves
    }

    fn collect(filter: &'a Filter, depth: usize, behavioural: usize, into: &mut Vec<Self>) {
        match filter {
            Filter::Compare(comparison) => into.push(Self { comparison, depth, behavioural }),
            Filter::And(filters) | Filter::Or(filters) => {
                for filter in filters {
                    Self::collect(filter, depth + 1, behavioural, into);
                }
            }
            Filter::Not(filter) => Self::collect(filter, depth + 1, behavioural, into),
            Filter::HasDone(filter) | Filter::HasNotDone(filter) => {
                Self::collect(filter, depth + 1, behavioural + 1, into);
            }
        }
    }

    fn is_on(&self, dimension: &Dimension) -> bool {
        self.comparison.dimension == *dimension
    }
}

fn resolve_all(filters: Vec<Filter>) -> Result<Vec<Filter>, String> {
    let mut resolved = Vec::new();
    for filter in filters {
        match resolve(filter)? {
            // Plausible lifts the parts of an "and" that a segment brought
            // to the top level, so that goals in segments stay legal.
            (Filter::And(parts), true) => resolved.extend(parts),
            (other, _) => resolved.push(other),
        }
    }
    Ok(resolved)
}

/// The filter without segments, and whether it was one itself.
fn resolve(filter: Filter) -> Result<(Filter, bool), String> {
    let plain = |filter: Filter| resolve(filter).map(|(filter, _)| filter);
    let many = |filters: Vec<Filter>| filters.into_iter().map(plain).collect::<Result<_, _>>();
    let resolved = match filter {
        Filter::Compare(comparison) if comparison.dimension == Dimension::Segment => {
            return Ok((segments(&comparison.clauses)?, true));
        }
        Filter::Compare(comparison) => Filter::Compare(comparison),
        Filter::And(filters) => Filter::And(many(filters)?),
        Filter::Or(filters) => Filter::Or(many(filters)?),
        Filter::Not(filter) => Filter::Not(Box::new(plain(*filter)?)),
        Filter::HasDone(filter) => Filter::HasDone(Box::new(plain(*filter)?)),
        Filter::HasNotDone(filter) => Filter::HasNotDone(Box::new(plain(*filter)?)),
    };
    Ok((resolved, false))
}

fn segments(ids: &[String]) -> Result<Filter, String> {
    let mut found = ids
        .iter()
        .map(|id| segment(id))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| "Invalid filters. Some segments don't exist or aren't accessible.".to_owned())?;
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (last, _) => {
            found.extend(last);
            Ok(Filter::Or(found))
        }
    }
}

fn segment(id: &str) -> Option<Filter> {
    let segment = SEGMENTS.iter().find(|segment| segment.id.to_string() == id)?;
    let trees: Vec<serde_json::Value> = serde_json::from_str(segment.filters).ok()?;
    parser::filters(&trees).ok().map(Filter::And)
}

fn order_by(query: &Query) -> Result<(), String> {
    for (key, descending) in &query.order_by {
        let (is_queried, shown) = match key {
            OrderKey::Metric(metric) => (query.metrics.contains(metric), format!(":{}", metric.name())),
            OrderKey::Dimension(dimension) => {
                (query.dimensions.contains(dimension), format!("\"{}\"", dimension.name()))
            }
        };
        if !is_queried {
            let direction = if *descending { ":desc" } else { ":asc" };
            return Err(format!(
                "Invalid order_by entry '{{{shown}, {direction}}}'. Entry is not a queried metric or dimension."
            ));
        }
    }
    Ok(())
}

fn top_level_dimensions(leaves: &[Leaf]) -> Result<(), String> {
    let deep = leaves.iter().find(|leaf| {
        leaf.depth > 0 && leaf.behavioural == 0 && (leaf.is_on(&Dimension::Goal) || leaf.is_on(&Dimension::Hostname))
    });
    refuse_if(deep, |leaf| {
        format!(
            "Invalid filters. Dimension `{}` can only be filtered at the top level.",
            leaf.comparison.dimension.name()
        )
    })
}

fn properties_with_rates(query: &Query, leaves: &[Leaf]) -> Result<(), String> {
    let has_rate = query.metrics.iter().any(|metric| is_rate(*metric));
    let deep = leaves
        .iter()
        .find(|leaf| has_rate && leaf.depth > 0 && matches!(leaf.comparison.dimension, Dimension::Property(_)));
    refuse_if(deep, |_| {
        "Invalid filters. When `conversion_rate` or `group_conversion_rate` metrics are used, custom property filters can only be used on top level.".to_owned()
    })
}

fn behavioural(leaves: &[Leaf]) -> Result<(), String> {
    for leaf in leaves.iter().filter(|leaf| leaf.behavioural > 0) {
        if leaf.behavioural > 1 {
            return Err("Invalid filters. Behavioral filters (has_done, has_not_done) cannot be nested.".to_owned());
        }
        if leaf.comparison.dimension.kind() != Kind::Event {
            return Err(
                "Invalid filters. Behavioral filters (has_done, has_not_done) can only be used with event dimension filters."
                    .to_owned(),
            );
        }
    }
    Ok(())
}

fn goals_configured(leaves: &[Leaf], site: &Site) -> Result<(), String> {
    let unknown = leaves
        .iter()
        .filter(|leaf| leaf.is_on(&Dimension::Goal))
        .filter(|leaf| leaf.comparison.operator == Operator::Is)
        .flat_map(|leaf| &leaf.comparison.clauses)
        .find(|name| !site.goals.contains(&name.as_str()));
    refuse_if(unknown, |name| {
        format!(
            "Invalid filters. The goal `{name}` is not configured for this site. Find out how to configure goals here: https://plausible.io/docs/stats-api#filtering-by-goals"
        )
    })
}

fn metric_allowed(metric: Metric, query: &Query, leaves: &[Leaf]) -> Result<(), String> {
    let grouped = |dimension: &Dimension| query.dimensions.contains(dimension);
    let filtered = |dimension: &Dimension| leaves.iter().any(|leaf| leaf.behavioural == 0 && leaf.is_on(dimension));
    let filtered_at_top = |dimension: &Dimension| leaves.iter().any(|leaf| leaf.depth == 0 && leaf.is_on(dimension));
    let name = metric.name();
    let needs =
        |dimension: &str| Err(format!("Metric `{name}` can only be queried with {dimension} filters or dimensions."));
    match metric {
        _ if is_rate(metric) && !grouped(&Dimension::Goal) && !filtered(&Dimension::Goal) => needs("event:goal"),
        Metric::ScrollDepth if !grouped(&Dimension::Page) && !filtered_at_top(&Dimension::Page) => needs("event:page"),
        Metric::TimeOnPage if !grouped(&Dimension::Page) && !filtered(&Dimension::Page) => needs("event:page"),
        Metric::ViewsPerVisit if filtered(&Dimension::Page) => {
            Err(format!("Metric `{name}` cannot be queried with a filter on `event:page`."))
        }
        Metric::ViewsPerVisit if query.dimensions.iter().any(|dimension| !matches!(dimension, Dimension::Time(_))) => {
            Err(format!("Metric `{name}` cannot be queried with non-time dimensions."))
        }
        _ => Ok(()),
    }
}

/// Session metrics do not go with event dimensions, nor event metrics with
/// session dimensions; `event:page` alone is exempt from both.
fn tables(query: &Query) -> Result<(), String> {
    let metrics = |kind: Kind| {
        let names = query.metrics.iter().filter(|metric| metric.kind() == kind);
        quoted(names.map(|metric| metric.name().to_owned()))
    };
    let dimensions = |kind: Kind| {
        let names = query.dimensions.iter().filter(|d| d.kind() == kind);
        quoted(names.map(Dimension::name))
    };
    let event_dimensions = dimensions(Kind::Event);
    if event_dimensions == "`event:page`" {
        return Ok(());
    }
    let (session_metrics, event_metrics) = (metrics(Kind::Session), metrics(Kind::Event));
    let session_dimensions = dimensions(Kind::Session);
    if !session_metrics.is_empty() && !event_dimensions.is_empty() {
        return Err(format!(
            "Session metric(s) {session_metrics} cannot be queried along with event dimension(s) {event_dimensions}"
        ));
    }
    if !event_metrics.is_empty() && !session_dimensions.is_empty() {
        return Err(format!(
            "Event metric(s) {event_metrics} cannot be queried along with session dimension(s) {session_dimensions}"
        ));
    }
    Ok(())
}

fn time_labels(query: &Query) -> Result<(), String> {
    if query.include.time_labels && !query.dimensions.iter().any(Dimension::is_time) {
        return Err("Invalid include.time_labels: requires a time dimension.".to_owned());
    }
    Ok(())
}

fn is_rate(metric: Metric) -> bool {
    matches!(metric, Metric::ConversionRate | Metric::GroupConversionRate)
}

fn refuse_if<T>(evidence: Option<T>, text: impl FnOnce(T) -> String) -> Result<(), String> {
    evidence.map_or(Ok(()), |evidence| Err(text(evidence)))
}

fn quoted(names: impl Iterator<Item = String>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[path = "rules_table.rs"]
mod tests;
