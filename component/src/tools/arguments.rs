//! Reads the arguments of a call and collects everything that is wrong with them, so that a model can fix a call in one
//! go. An argument that is null counts as absent, and one that has one meaning only is understood.

use serde_json::{Map, Value};

use super::failure::Failure;
use super::{Sites, coercion, get_breakdown};
use crate::legible::is_invisible;
use crate::plausible::{DateRange, Dimension, DimensionError, Metric};
use crate::site_id;

/// Arguments that are being read.
pub struct Arguments {
    tool: &'static str,
    example: &'static str,
    given: Map<String, Value>,
    left: Map<String, Value>,
    problems: Vec<String>,
    notes: Vec<String>,
}

impl Arguments {
    /// The arguments of a call of `tool`; `example` are arguments of a call that works, as JSON.
    pub fn new(tool: &'static str, example: &'static str, given: Map<String, Value>) -> Self {
        let left = given.iter().filter(|(_, value)| !value.is_null()).map(|(k, v)| (k.clone(), v.clone())).collect();
        Arguments { tool, example, given, left, problems: Vec::new(), notes: Vec::new() }
    }

    /// The arguments as they came, but for those that were [restated](Arguments::restate).
    pub fn given(&self) -> &Map<String, Value> {
        &self.given
    }

    /// Notes what is wrong with the argument `name`.
    pub fn problem(&mut self, name: &str, text: impl std::fmt::Display) {
        self.problems.push(format!("{name}: {text}"));
    }

    /// Notes what the model should know about how an argument was understood; the same once.
    pub fn note(&mut self, text: String) {
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    /// Puts the argument `name` as it was understood in place of what came, for the call that an error offers.
    pub fn restate(&mut self, name: &str, value: Value) {
        self.given.insert(name.to_owned(), value);
    }

    /// Takes an argument out, of whatever type.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.left.remove(name)
    }

    /// A string of at most [`MAX_TEXT`] characters. Empty counts as absent.
    pub fn text(&mut self, name: &str) -> Option<String> {
        match coercion::single(self.take(name)?) {
            Value::String(text) if text.chars().count() > MAX_TEXT => {
                self.problem(name, format_args!("is longer than {MAX_TEXT} characters"));
                None
            }
            Value::String(text) => Some(text).filter(|text| !text.is_empty()),
            other => {
                self.problem(name, format_args!("must be a string, not {}", kind(&other)));
                None
            }
        }
    }

    /// A string that somebody chose for a name, which may be an integer or a truth value: `404` is a goal.
    pub fn name(&mut self, name: &str) -> Option<String> {
        if let Some(value) = self.left.get_mut(name)
            && let Some(text) = coercion::text(&coercion::single(value.clone()))
        {
            *value = Value::String(text);
        }
        self.text(name)
    }

    /// A text of so many characters.
    pub fn words(&mut self, name: &str, length: std::ops::RangeInclusive<usize>) -> Option<String> {
        let value = self.take(name).map(coercion::single);
        let text = value.as_ref().and_then(Value::as_str);
        match text.filter(|text| length.contains(&text.chars().count())) {
            Some(text) => Some(text.to_owned()),
            None => {
                let (least, most) = (length.start(), length.end());
                self.problem(name, format_args!("must be a text of {least} to {most} characters"));
                None
            }
        }
    }

    /// An integer within `range`. An empty text counts as absent.
    pub fn integer(&mut self, name: &str, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
        let value = coercion::single(self.take(name)?);
        if value == "" {
            return None;
        }
        let integer = coercion::whole_number(&value).and_then(|number| format!("{number:.0}").parse().ok());
        match integer.filter(|integer| range.contains(integer)) {
            Some(integer) => Some(integer),
            None => {
                self.problem(name, format_args!("must be an integer from {} to {}", range.start(), range.end()));
                None
            }
        }
    }

    /// A boolean; absent is false, and so is an empty text.
    pub fn flag(&mut self, name: &str) -> bool {
        let Some(value) = self.take(name).map(coercion::single).filter(|value| value != "") else { return false };
        coercion::truth(&value).unwrap_or_else(|| {
            self.problem(name, format_args!("must be true or false, not {}", kind(&value)));
            false
        })
    }

    /// A value out of a table of names.
    pub fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        let chosen = choices.iter().find(|(choice, _)| *choice == text.trim()).map(|(_, value)| *value);
        if chosen.is_none() {
            let names: Vec<_> = choices.iter().map(|(choice, _)| *choice).collect();
            self.problem(name, format_args!("{} is not one of {}", quoted(&text), names.join(", ")));
        }
        chosen
    }

    /// The date range `name`, which is required. Plausible's own form of two ends, a list, is taken too.
    pub fn date_range(&mut self, name: &str) -> Option<DateRange> {
        let known_problems = self.problems.len();
        if let Some(given) = self.left.get_mut(name)
            && let [Value::String(from), Value::String(to)] = coercion::list(given.clone()).as_slice()
        {
            *given = Value::String(format!("{from},{to}"));
        }
        let Some(text) = self.text(name) else {
            if self.problems.len() == known_problems {
                self.problem(name, "is missing; write for example \"7d\" or \"2026-07-01,2026-07-31\"");
            }
            return None;
        };
        DateRange::parse(text.trim())
            .map_err(|error| self.problem(name, format_args!("{} {error}", quoted(&text))))
            .ok()
    }

    /// The metrics, each once; `None` when the caller leaves the choice to the tool.
    pub fn metrics(&mut self) -> Option<Vec<Metric>> {
        let names = self.strings("metrics")?;
        if names.is_empty() {
            self.problem("metrics", "is empty; name at least one metric, or leave it out for the usual ones");
        }
        let mut metrics = Vec::new();
        // No metric has a comma in its name.
        for name in names.iter().flat_map(|names| names.split(',')).map(str::trim) {
            match Metric::parse(name) {
                Ok(metric) if metrics.contains(&metric) => {}
                Ok(metric) => metrics.push(metric),
                Err(meant) => self.problem("metrics", unknown_metric(name, meant)),
            }
        }
        Some(metrics)
    }

    /// A list of strings. An empty text counts as absent.
    pub fn strings(&mut self, name: &str) -> Option<Vec<String>> {
        let values = coercion::list(self.take(name).filter(|value| value != "")?);
        let strings = values.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
        if strings.is_none() {
            self.problem(name, "must be a list of strings");
        }
        strings
    }

    /// The dimension `name`, which is required.
    pub fn dimension(&mut self, name: &str) -> Option<Dimension> {
        let known_problems = self.problems.len();
        let Some(text) = self.text(name).map(|text| text.trim().to_owned()) else {
            if self.problems.len() == known_problems {
                self.problem(name, "is missing; name one, for example \"event:page\" or \"visit:source\"");
            }
            return None;
        };
        if text == "time" || text.starts_with("time:") {
            self.problem(name, "is a time dimension; use get_timeseries for values over time");
            return None;
        }
        Dimension::parse(&text).map_err(|error| self.problem(name, dimension_problem(&text, &error))).ok()
    }

    /// The site: the argument, or the default, as Plausible spells it.
    pub fn site(&mut self, sites: Sites<'_>) -> Option<String> {
        let known_problems = self.problems.len();
        let named = self.text("site_id").or_else(|| sites.default.map(str::to_owned));
        if self.problems.len() > known_problems {
            return None;
        }
        let Some(site) = named.as_deref().map(site_id::normalized).filter(|site| !site.is_empty()) else {
            self.problem(
                "site_id",
                "is missing; name the site by its domain, for example \"example.com\", or ask the user",
            );
            return None;
        };
        if site.contains(|character: char| character.is_whitespace() || is_invisible(character)) {
            let instead = "it is a bare domain, for example \"example.com\"";
            self.problem("site_id", format_args!("{} has blanks in it or what is not seen; {instead}", quoted(&site)));
            return None;
        }
        if !sites.may_ask(&site) {
            let known = sites.known_but(&site).unwrap_or_default();
            self.problem("site_id", format_args!("{} is not available here; use one of {known}", quoted(&site)));
            return None;
        }
        Some(site)
    }

    /// Ends the reading: the problems if there are any, else what the model should know about those that were ignored
    /// and how others were understood. One that was meant to narrow the answer is a problem: without it, the answer would be to another question.
    pub fn finish(&mut self) -> Result<Vec<String>, Failure> {
        let narrowing: Vec<String> = self.left.keys().filter(|name| narrows(name)).take(MAX_IGNORED).cloned().collect();
        for name in narrowing {
            let shown: String = name.chars().take(MAX_SHOWN).collect();
            let tool = self.tool;
            self.problem(&shown, format_args!("is no argument of {tool}; {}", instead_of(&name, tool)));
        }
        if !self.problems.is_empty() {
            let problems = std::mem::take(&mut self.problems);
            return Err(Failure::Arguments { tool: self.tool, problems, example: self.example });
        }
        let ignored = self.left.keys().take(MAX_IGNORED);
        let ignored = ignored.map(|name| format!("{} has no argument {}; it was ignored.", self.tool, quoted(name)));
        Ok(ignored.chain(std::mem::take(&mut self.notes)).collect())
    }
}

impl Arguments {
    /// A required argument is missing although no problem was noted; `finish` should have said so.
    pub fn incomplete(&self) -> Failure {
        let problems = vec!["a required argument is missing".to_owned()];
        Failure::Arguments { tool: self.tool, problems, example: self.example }
    }
}

/// Whether an argument of this name, which no tool has, would filter or divide the answer.
fn narrows(name: &str) -> bool {
    let means = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
    means(&["filter", "dimension", "propert", "segment", "breakdown", "group_by"])
        || Dimension::named(name).is_some()
        || Dimension::parse(name).is_ok()
}

fn instead_of(name: &str, tool: &str) -> &'static str {
    let divides = ["dimension", "breakdown", "group_by"].iter().any(|word| name.starts_with(word));
    match (divides, tool) {
        (true, get_breakdown::NAME) => "write dimension, with one name",
        (true, _) => {
            "call get_breakdown with dimension, and with page, goal and property_filters where needed, once for each \
             period"
        }
        _ => {
            "write page, goal or property_filters, as \
             [{\"property\":\"visit:country_name\",\"operator\":\"is\",\"values\":[\"Germany\"]}]"
        }
    }
}

/// A text as an error repeats it: quoted and cut.
pub fn quoted(text: &str) -> String {
    let cut: String = text.chars().take(MAX_SHOWN).collect();
    format!("{cut:?}")
}

/// The JSON type of a value, as an error names it.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Why `name` is not a dimension, and what to write instead.
pub fn dimension_problem(name: &str, error: &DimensionError) -> String {
    match error {
        DimensionError::Unknown(Some(meant)) => {
            let property = name.strip_prefix("event:").map(|bare| quoted(&format!("event:props:{bare}")));
            let property = property.map(|full| format!(", or {full} for a custom property")).unwrap_or_default();
            format!("{} is not a dimension; did you mean {meant}{property}?", quoted(name))
        }
        DimensionError::Bare(meant) => format!(
            "{} alone would be a custom property of the site; write {meant}, or event:props:{name} if you mean one",
            quoted(name)
        ),
        DimensionError::Unknown(None) => format!(
            "{} is not a dimension; the dimensions are {}, and event:props:<name> for a custom property",
            quoted(name),
            Dimension::BUILT_IN.join(", ")
        ),
        DimensionError::EmptyProperty => {
            "names no custom property; write event:props:<name>, as event:props:plan".to_owned()
        }
        DimensionError::PropertyTooLong => "the name of a custom property has at most 300 characters".to_owned(),
    }
}

fn unknown_metric(name: &str, meant: Option<&str>) -> String {
    match meant {
        Some(meant) => format!("{} is not a metric; did you mean {meant}?", quoted(name)),
        None => {
            let names: Vec<_> = Metric::ALL.into_iter().map(Metric::name).collect();
            format!("{} is not a metric; the metrics are {}", quoted(name), names.join(", "))
        }
    }
}

/// The longest text argument, in characters: the longest page path and goal name that the original takes.
const MAX_TEXT: usize = 1024;

/// How much of an argument an error repeats, in characters.
const MAX_SHOWN: usize = 80;

/// How many ignored arguments are named.
const MAX_IGNORED: usize = 5;
