//! The list of what we answer differently from the golden cases, each with its reason.
//!
//! A difference names cases and says what our facts are instead. A case that differs and is not listed fails, and
//! so does a listed one that no longer differs.

use std::fs;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::golden;

/// One deliberate difference.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The cases it concerns: ids in which `*` stands for anything.
    pub cases: Vec<String>,
    /// Why we differ.
    pub reason: String,
    /// Members of the answer's facts that are ours. `"absent"` removes a member.
    #[serde(default)]
    pub answer: Map<String, Value>,
    /// What we ask Plausible instead.
    #[serde(default)]
    pub upstream: UpstreamChange,
}

/// How our queries differ.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamChange {
    /// Each query is sent so many times; 0: none is sent.
    #[serde(default)]
    pub times: Option<usize>,
    /// What is sent in place of all recorded queries.
    #[serde(default)]
    pub queries: Option<Vec<Value>>,
    /// Members of every query that are ours.
    #[serde(default)]
    pub set: Map<String, Value>,
    /// Values, anywhere in a query, that are replaced.
    #[serde(default)]
    pub replace: Vec<Replacement>,
}

/// A value that stands for another.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// The recorded value.
    pub from: Value,
    /// Ours.
    pub to: Value,
}

impl Difference {
    /// Whether it concerns the case `id`.
    pub fn concerns(&self, id: &str) -> bool {
        self.cases.iter().any(|pattern| matches(pattern, id))
    }

    fn apply(&self, facts: &mut Value) {
        let Some(facts) = facts.as_object_mut() else { return };
        for (name, value) in &self.answer {
            if value == "absent" {
                facts.remove(name);
            } else {
                facts.insert(name.clone(), value.clone());
            }
        }
        let queries = facts.remove("upstream").and_then(|queries| queries.as_array().cloned()).unwrap_or_default();
        facts.insert("upstream".to_owned(), golden::sorted(self.upstream.apply(queries)));
    }
}

impl UpstreamChange {
    fn apply(&self, recorded: Vec<Value>) -> Vec<Value> {
        let queries = self.queries.clone().unwrap_or(recorded);
        let times = self.times.unwrap_or(1);
        let changed = queries.into_iter().map(|mut query| {
            for (name, value) in &self.set {
                query[name] = value.clone();
            }
            self.replace.iter().for_each(|replacement| replacement.apply(&mut query));
            query
        });
        changed.flat_map(|query| vec![query; times]).collect()
    }
}

impl Replacement {
    fn apply(&self, value: &mut Value) {
        if *value == self.from {
            *value = self.to.clone();
            return;
        }
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.apply(item)),
            Value::Object(members) => members.values_mut().for_each(|member| self.apply(member)),
            _ => {}
        }
    }
}

/// The list of `golden/differences.toml`.
pub fn listed() -> Vec<Difference> {
    #[derive(Deserialize)]
    struct List {
        difference: Vec<Difference>,
    }
    let text = fs::read_to_string(golden::folder().join("differences.toml")).expect("differences.toml is there");
    let list: List = toml::from_str(&text).unwrap_or_else(|error| panic!("differences.toml: {error}"));
    list.difference
}

/// What is wrong with a case: `None` when our facts are the recorded ones with all listed differences, and every
/// difference that concerns the case is needed for that.
pub fn verdict(id: &str, recorded: &Value, ours: &Value, differences: &[Difference]) -> Option<String> {
    let concerned: Vec<_> = differences.iter().filter(|difference| difference.concerns(id)).collect();
    let expected = with_all(recorded, &concerned, None);
    if expected != *ours {
        return Some(format!("{id}\n  expected {expected}\n  got      {ours}"));
    }
    let vanished = concerned
        .iter()
        .enumerate()
        .find(|(index, _)| with_all(recorded, &concerned, Some(*index)) == expected)
        .map(|(_, difference)| &difference.reason);
    vanished.map(|reason| format!("{id}\n  no longer differs, yet is listed: {reason}"))
}

fn with_all(recorded: &Value, differences: &[&Difference], but: Option<usize>) -> Value {
    let mut facts = recorded.clone();
    for (index, difference) in differences.iter().enumerate() {
        if Some(index) != but {
            difference.apply(&mut facts);
        }
    }
    facts
}

fn matches(pattern: &str, id: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == id,
        Some((before, after)) => id.strip_prefix(before).is_some_and(|rest| {
            let ends = rest.char_indices().map(|(index, _)| index).chain([rest.len()]);
            ends.filter_map(|index| rest.get(index..)).any(|rest| matches(after, rest))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn difference(value: Value) -> Difference {
        serde_json::from_value(value).expect("a difference")
    }

    fn recorded() -> Value {
        json!({ "status": 406, "messages": [], "upstream": [{ "metrics": ["visitors"] }] })
    }

    #[test]
    fn a_star_stands_for_anything() {
        assert!(matches("tools/br-*", "tools/br-min"));
        assert!(matches("*/a-*-b", "tools/a-x-b"));
        assert!(!matches("tools/br", "tools/br-min"));
        assert!(!matches("tools/br-*-x", "tools/br-min"));
    }

    #[test]
    fn an_unlisted_difference_fails() {
        let ours = json!({ "status": 200, "messages": [], "upstream": [{ "metrics": ["visitors"] }] });
        assert!(verdict("a", &recorded(), &ours, &[]).is_some());
        assert_eq!(verdict("a", &recorded(), &recorded(), &[]), None);
    }

    #[test]
    fn a_listed_difference_passes_and_fails_once_it_is_gone() {
        let listed = [difference(json!({ "cases": ["a"], "reason": "lenient", "answer": { "status": 200 } }))];
        let ours = json!({ "status": 200, "messages": [], "upstream": [{ "metrics": ["visitors"] }] });
        assert_eq!(verdict("a", &recorded(), &ours, &listed), None);
        assert!(verdict("a", &recorded(), &recorded(), &listed).is_some());
        assert!(verdict("b", &recorded(), &ours, &listed).is_some());
    }

    #[test]
    fn each_of_several_differences_must_be_needed() {
        let one = difference(json!({ "cases": ["*"], "reason": "one", "answer": { "status": 200 } }));
        let two = difference(json!({ "cases": ["*"], "reason": "two", "answer": { "status": 200 } }));
        let ours = json!({ "status": 200, "messages": [], "upstream": [{ "metrics": ["visitors"] }] });
        assert!(verdict("a", &recorded(), &ours, &[one, two]).is_some());
    }

    #[test]
    fn queries_are_changed_as_listed() {
        let change: UpstreamChange = serde_json::from_value(json!({
            "times": 2,
            "set": { "limit": 5 },
            "replace": [{ "from": ["visitors"], "to": ["visits"] }],
        }))
        .expect("a change");
        let query = json!({ "metrics": ["visits"], "limit": 5 });
        assert_eq!(change.apply(vec![json!({ "metrics": ["visitors"] })]), vec![query.clone(), query]);
    }
}
