//! What only the component knows of a request: tools, sign-ins, the shared Plausible key. It says so in the line that
//! each request leaves in the log, and they are counted where these lines pass ([`counting`]).
//!
//! A label is never what a line says, but a word that is known or was seen before: a component that made words up could
//! make a bounded number of them.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use serde::Deserialize;

use super::Metrics;
use crate::guest_output::LineSink;

/// The counters.
pub(crate) struct RequestLines {
    tools: Family<ToolLabels, Counter>,
    sign_ins: Family<SignInLabels, Counter>,
    causes: Words,
    answers: Family<AnswerLabels, Counter>,
    budget: Budget,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ToolLabels {
    tool: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SignInLabels {
    step: &'static str,
    outcome: &'static str,
    cause: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AnswerLabels {
    source: &'static str,
}

/// What of a line is looked at.
#[derive(Debug, Default, Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    event: Cow<'a, str>,
    #[serde(borrow, default)]
    level: Cow<'a, str>,
    #[serde(borrow, default)]
    route: Cow<'a, str>,
    #[serde(default)]
    status: u16,
    #[serde(borrow, default)]
    outcome: Cow<'a, str>,
    #[serde(borrow, default)]
    reason: Cow<'a, str>,
    #[serde(borrow, default)]
    cause: Cow<'a, str>,
    #[serde(borrow, default)]
    calls: Cow<'a, str>,
    #[serde(default)]
    remembered: u32,
    #[serde(default)]
    asked: u32,
    budget_left: Option<u32>,
    budget: Option<u32>,
}

/// A sink that counts the lines of requests, and passes on to `log` every line but those that `level`, the value of
/// `LOG_LEVEL`, leaves out.
/// So the component can be told to write every line, and nothing is uncounted because nobody wants to read it.
pub(crate) fn counting(metrics: &Metrics, level: Option<&str>, log: LineSink) -> LineSink {
    let (metrics, least) = (metrics.clone(), severity(level.unwrap_or_default()));
    Arc::new(move |text| {
        // A line of another form is passed on as it is.
        let line = serde_json::from_slice::<Line<'_>>(text).unwrap_or_default();
        if line.event == "request" {
            metrics.request_lines().count(&line);
        }
        // What the component writes whatever the level is stays.
        if severity(&line.level) >= least || !LEVELLED.contains(&&*line.event) {
            log(text);
        }
    })
}

/// What the component is told of the level, so that it leaves no line out: a level of ours is kept here, and anything
/// else is the component's to complain about.
pub(crate) fn level_for_component(level: &str) -> Option<&'static str> {
    matches!(level.trim(), "warn" | "error").then_some("info")
}

fn severity(level: &str) -> u8 {
    match level.trim() {
        "error" => 2,
        "warn" => 1,
        _ => 0,
    }
}

impl RequestLines {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let lines = Self {
            tools: Family::default(),
            sign_ins: Family::default(),
            causes: Words::default(),
            answers: Family::default(),
            budget: Budget::default(),
        };
        for tool in TOOLS {
            lines.tools.get_or_create_owned(&ToolLabels { tool, outcome: SERVED });
        }
        for step in STEPS.iter().filter(|(route, _)| *route != INTERNAL).map(|(_, step)| *step) {
            lines.sign_ins.get_or_create_owned(&SignInLabels { step, outcome: SERVED, cause: NO_CAUSE.to_owned() });
        }
        for (step, cause) in ALERTED {
            let cause = lines.causes.known(cause);
            lines.sign_ins.get_or_create_owned(&SignInLabels { step, outcome: "refused", cause });
        }
        for source in [REMEMBERED, PLAUSIBLE] {
            lines.answers.get_or_create_owned(&AnswerLabels { source });
        }
        registry.register("tool_calls", "Calls of tools, by how they ended", lines.tools.clone());
        registry.register(
            "sign_ins",
            "Requests of each step of signing in, by how they ended and why",
            lines.sign_ins.clone(),
        );
        registry.register("shared_answers", "Answers at /internal, by where they came from", lines.answers.clone());
        registry.register_collector(Box::new(lines.budget.clone()));
        lines
    }

    fn count(&self, line: &Line<'_>) {
        for (tool, outcome) in line.calls.split(", ").filter_map(|call| call.split_once(' ')).take(CALLS) {
            let labels = ToolLabels { tool: known(&TOOLS, tool), outcome: known(&OUTCOMES_OF_TOOLS, outcome) };
            self.tools.get_or_create(&labels).inc();
        }
        self.count_sign_in(line);
        for (source, count) in [(REMEMBERED, line.remembered), (PLAUSIBLE, line.asked)] {
            self.answers.get_or_create(&AnswerLabels { source }).inc_by(count.into());
        }
        if let (Some(left), Some(hourly)) = (line.budget_left, line.budget) {
            self.budget.told(Told { left, hourly, hour: this_hour() });
        }
    }

    fn count_sign_in(&self, line: &Line<'_>) {
        let Some((route, step)) = STEPS.iter().find(|(route, _)| *route == line.route) else { return };
        // At `/internal` only who is not let in, or cannot be asked who it is: what is served there is no sign-in.
        if *route == INTERNAL && !matches!(line.status, 401 | 403 | 503) {
            return;
        }
        let outcome = known(&OUTCOMES, &line.outcome);
        let first = line.cause.split(',').next().filter(|cause| !cause.is_empty()).unwrap_or(&line.reason);
        let cause = match outcome {
            SERVED => NO_CAUSE.to_owned(),
            _ => self.causes.known(first),
        };
        self.sign_ins.get_or_create(&SignInLabels { step, outcome, cause }).inc();
    }
}

/// `word`, if it is one of these.
fn known(words: &[&'static str], word: &str) -> &'static str {
    words.iter().find(|known| **known == word).copied().unwrap_or(OTHER)
}

/// Words that were seen: so many and no more, each short and of letters, digits and `_`.
#[derive(Default)]
struct Words(Mutex<BTreeSet<String>>);

impl Words {
    fn known(&self, word: &str) -> String {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if word.is_empty() || word.len() > WORD_BYTES || !word.bytes().all(legal) {
            return OTHER.to_owned();
        }
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains(word) || seen.len() < WORDS && seen.insert(word.to_owned()) {
            return word.to_owned();
        }
        OTHER.to_owned()
    }
}

/// The hour's budget as it was told last. It is whole again when the hour is over, though nobody says so.
#[derive(Debug, Clone, Default)]
struct Budget(Arc<Mutex<Option<Told>>>);

#[derive(Debug, Clone, Copy)]
struct Told {
    left: u32,
    hourly: u32,
    hour: u64,
}

impl Budget {
    /// Lines of requests that ran at the same time may pass in any order: what is left in an hour only shrinks, but for
    /// the little that flows back.
    fn told(&self, told: Told) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(match *last {
            Some(last) if last.hour == told.hour && last.hourly == told.hourly => {
                Told { left: told.left.min(last.left.saturating_add(1)), ..told }
            }
            _ => told,
        });
    }

    fn at(&self, hour: u64) -> Option<(u32, u32)> {
        let told = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        let left = if told.hour == hour { told.left } else { told.hourly };
        Some((left, told.hourly))
    }
}

impl Collector for Budget {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let Some((left, hourly)) = self.at(this_hour()) else { return Ok(()) };
        let gauges = [
            ("budget_left", "Queries that may still be sent to Plausible for /internal in this hour", left),
            ("budget_limit", "Queries that may be sent to Plausible for /internal in an hour", hourly),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::from(value));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

/// Budgets are by the hour of the clock.
fn this_hour() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs() / 3600
}

/// The events whose lines the component itself leaves out below the level.
const LEVELLED: [&str; 2] = ["request", "sentry_paused"];
/// The tools that the component may have; a test compares them with those that it has.
const TOOLS: [&str; 5] = ["get_breakdown", "get_timeseries", "get_conversions", "compare_periods", "send_feedback"];
const OUTCOMES_OF_TOOLS: [&str; 7] =
    [SERVED, "user_input", "plausible_api", "budget", "not_asked", "no_room", "unexpected"];
const OUTCOMES: [&str; 4] = [SERVED, "refused", "misconfigured", "tool_error"];
const STEPS: [(&str, &str); 6] = [
    ("/authorize", "authorize"),
    ("/callback", "callback"),
    ("/token", "token"),
    ("/register", "register"),
    ("/revoke", "revoke"),
    (INTERNAL, "bearer"),
];
/// What an alert is about must be there before it happens for the first time, or its first time is no increase.
const ALERTED: [(&str, &str); 8] = [
    ("token", "code_replayed"),
    ("token", "refresh_reused"),
    ("authorize", UNREADABLE),
    ("callback", UNREADABLE),
    ("token", UNREADABLE),
    ("register", UNREADABLE),
    ("revoke", UNREADABLE),
    ("bearer", UNREADABLE),
];
const UNREADABLE: &str = "secret_unavailable";
const INTERNAL: &str = "/internal";
const SERVED: &str = "served";
const OTHER: &str = "other";
const NO_CAUSE: &str = "none";
const REMEMBERED: &str = "remembered";
const PLAUSIBLE: &str = "plausible";
/// More than the operator's guide lists causes.
const WORDS: usize = 200;
/// Longer than any of them.
const WORD_BYTES: usize = 64;
/// As many as a batch has members.
const CALLS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(level: Option<&str>, lines: &[&str]) -> (String, Vec<String>) {
        let (metrics, kept) = (Metrics::new(), Arc::new(Mutex::new(Vec::new())));
        let log: LineSink = {
            let kept = kept.clone();
            Arc::new(move |line: &[u8]| kept.lock().unwrap().push(String::from_utf8_lossy(line).into_owned()))
        };
        let sink = counting(&metrics, level, log);
        lines.iter().for_each(|line| sink(line.as_bytes()));
        let kept = kept.lock().unwrap().clone();
        (metrics.encode(), kept)
    }

    #[track_caller]
    fn has(text: &str, lines: &[&str]) {
        for line in lines {
            assert!(text.lines().any(|known| known == format!("plausible_mcp_{line}")), "{line}\n{text}");
        }
    }

    const CALL: &str = r#"{"level":"info","event":"request","route":"/internal","status":200,"outcome":"tool_error","calls":"get_breakdown served, get_timeseries budget","remembered":1,"asked":2,"budget_left":7,"budget":540}"#;

    #[test]
    fn tools_answers_and_the_budget_are_counted_from_the_lines_of_requests() {
        let (text, _) = passed(None, &[CALL, CALL]);
        has(
            &text,
            &[
                r#"tool_calls_total{tool="get_breakdown",outcome="served"} 2"#,
                r#"tool_calls_total{tool="get_timeseries",outcome="budget"} 2"#,
                r#"tool_calls_total{tool="send_feedback",outcome="served"} 0"#,
                r#"shared_answers_total{source="remembered"} 2"#,
                r#"shared_answers_total{source="plausible"} 4"#,
                "budget_left 7",
                "budget_limit 540",
            ],
        );
    }

    #[test]
    fn sign_ins_count_by_step_outcome_and_first_cause() {
        let line = |route: &str, status: u16, rest: &str| {
            format!(r#"{{"event":"request","route":"{route}","status":{status},{rest}}}"#)
        };
        let served = r#""outcome":"served""#;
        let refused = r#""outcome":"refused","reason":"code","cause":"code_replayed, record_truncated""#;
        let lines = [
            line("/callback", 303, served),
            line("/token", 400, refused),
            line("/token", 400, r#""outcome":"refused","reason":"rate_limit""#),
            line("/internal", 401, r#""outcome":"refused","reason":"bad_credential","cause":"token_expired""#),
            line("/internal", 200, served),
            line("/mcp", 401, r#""outcome":"refused","reason":"no_credential""#),
            line("/authorize", 500, r#""outcome":"misconfigured","cause":"is missing","setting":"PUBLIC_URL""#),
        ];
        let (text, _) = passed(None, &lines.each_ref().map(String::as_str));
        has(
            &text,
            &[
                r#"sign_ins_total{step="callback",outcome="served",cause="none"} 1"#,
                r#"sign_ins_total{step="token",outcome="refused",cause="code_replayed"} 1"#,
                r#"sign_ins_total{step="token",outcome="refused",cause="rate_limit"} 1"#,
                r#"sign_ins_total{step="bearer",outcome="refused",cause="token_expired"} 1"#,
                r#"sign_ins_total{step="authorize",outcome="misconfigured",cause="other"} 1"#,
                r#"sign_ins_total{step="revoke",outcome="served",cause="none"} 0"#,
                r#"sign_ins_total{step="token",outcome="refused",cause="refresh_reused"} 0"#,
            ],
        );
        assert!(!text.contains("no_credential") && !text.contains(r#"step="bearer",outcome="served""#), "{text}");
    }

    #[test]
    fn a_component_makes_no_labels_without_bound() {
        let lines: Vec<String> = (0..10_000)
            .map(|number| {
                format!(
                    r#"{{"event":"request","route":"/token","outcome":"made_up_{number}","cause":"cause_{number}","calls":"tool_{number} outcome_{number}"}}"#
                )
            })
            .collect();
        let (text, _) = passed(None, &lines.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(text.lines().filter(|line| line.contains("\"cause_")).count() <= WORDS, "{text}");
        has(&text, &[r#"tool_calls_total{tool="other",outcome="other"} 10000"#]);
        let (text, _) = passed(
            None,
            &[
                r#"{"event":"request","route":"/token","outcome":"refused","cause":"ann@example.com"}"#,
                r#"{"event":"request","route":"/token","outcome":"refused","cause":"a\"b\nc"}"#,
            ],
        );
        has(&text, &[r#"sign_ins_total{step="token",outcome="refused",cause="other"} 2"#]);
    }

    #[test]
    fn what_is_below_the_level_is_counted_and_not_written() {
        let lines = [
            CALL,
            r#"{"level":"error","event":"request"}"#,
            r#"{"level":"warn","event":"sentry_paused"}"#,
            r#"{"level":"info","event":"of an audit"}"#,
            "no JSON",
        ];
        for (level, kept) in [(None, 5), (Some("info"), 5), (Some("warn"), 4), (Some("error"), 3)] {
            let (text, written) = passed(level, &lines);
            assert_eq!(written.len(), kept, "{level:?} {written:?}");
            has(&text, &[r#"tool_calls_total{tool="get_breakdown",outcome="served"} 1"#]);
        }
        assert_eq!([level_for_component("warn"), level_for_component("loud")], [Some("info"), None]);
    }

    #[test]
    fn a_budget_is_whole_again_in_the_next_hour() {
        let budget = Budget::default();
        assert_eq!(budget.at(7), None);
        budget.told(Told { left: 3, hourly: 10, hour: 7 });
        assert_eq!((budget.at(7), budget.at(8)), (Some((3, 10)), Some((10, 10))));
        budget.told(Told { left: 5, hourly: 10, hour: 7 });
        assert_eq!(budget.at(7), Some((4, 10)), "it comes from before");
        budget.told(Told { left: 9, hourly: 10, hour: 8 });
        assert_eq!(budget.at(8), Some((9, 10)));
    }
}
