//! What the process writes to standard error: the host's own log and its errors. Where a program reads it, each line is a
//! JSON object in the form of the component's; a person who gave a command reads plain lines.
//!
//! Invariant: with [`install_log`], whatever is written is JSON: events of ours and of libraries, panics, and what guests
//! print ([`guest_output`](crate::guest_output)). A panic is told by its place alone: its words may hold what a caller
//! sent.

use std::fmt::{Debug, Write as _};
use std::io::Write as _;
use std::panic::PanicHookInfo;
use std::sync::OnceLock;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Installs the log of JSON lines for the process, panics among them, at the level of `LOG_LEVEL` in the environment
/// (default `info`). A second call does nothing.
pub fn install_log() {
    install(Form::Json);
}

/// Installs the log for a command that a person gave: lines of text, panics among them.
pub fn install_log_for_people() {
    install(Form::Text);
}

/// Sets the level by the setting `LOG_LEVEL`, which may stand elsewhere than in the environment.
pub(crate) fn set_level(level: Option<&str>) {
    if let (Some(set), Some(level)) = (SET_LEVEL.get(), level) {
        set(filter(Some(level)));
    }
}

fn install(form: Form) {
    let level = std::env::var("LOG_LEVEL").ok();
    let builder = tracing_subscriber::fmt()
        .event_format(Lines(form))
        .with_writer(std::io::stderr)
        .with_env_filter(filter(level.as_deref()))
        .with_filter_reloading();
    let handle = builder.reload_handle();
    if builder.try_init().is_ok() {
        // The subscriber lives as long as the process, so it is there.
        let _ = SET_LEVEL.set(Box::new(move |filter| drop(handle.reload(filter))));
        std::panic::set_hook(Box::new(move |panic| tell_panic(form, panic)));
    }
}

fn filter(level: Option<&str>) -> EnvFilter {
    let level = level.map(str::trim).filter(|level| LEVELS.contains(level)).unwrap_or("info");
    EnvFilter::new(format!("warn,plausible_mcp_host={level}"))
}

/// Neither the words of the panic nor a backtrace, whatever `RUST_BACKTRACE` says. It goes past the subscriber, in which
/// the panic may have happened.
fn tell_panic(form: Form, panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
    let line = written(form, "error", &[("event", "panic"), ("place", &place), ("thread", &thread)]);
    // There is nowhere to tell that it could not be told.
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// A line with these members, after its time, and with its end.
pub(crate) fn written(form: Form, level: &str, members: &[(&str, &str)]) -> String {
    let mut fields = Map::new();
    fields.insert("ts".to_owned(), now().into());
    fields.insert("level".to_owned(), level.into());
    fields.extend(members.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))));
    form.line(&fields)
}

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// For programs.
    Json,
    /// For people.
    Text,
}

impl Form {
    /// The line of an event, with its end.
    pub(crate) fn line(self, fields: &Map<String, Value>) -> String {
        match self {
            Self::Json => format!("{}\n", serde_json::to_string(fields).unwrap_or_default()),
            Self::Text => text_of(fields) + "\n",
        }
    }
}

/// `level: message (name: value, …)`. A terminal obeys what it is told to print, so what is not printed is left out.
fn text_of(fields: &Map<String, Value>) -> String {
    let word = |name: &str| fields.get(name).and_then(Value::as_str);
    let mut line =
        format!("{}: {}", word("level").unwrap_or("info"), word("message").or(word("event")).unwrap_or_default());
    let rest = fields.iter().filter(|(name, _)| !["ts", "level", "event", "message"].contains(&name.as_str()));
    let rest: Vec<String> = rest
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name}: {text}"),
            value => format!("{name}: {value}"),
        })
        .collect();
    if !rest.is_empty() {
        line.push_str(&format!(" ({})", rest.join(", ")));
    }
    line.chars().map(|shown| if shown.is_control() { ' ' } else { shown }).collect()
}

/// One line per event: `ts`, `level`, then the event's own fields.
struct Lines(Form);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> std::fmt::Result {
        let mut fields = Fields(Map::new());
        fields.0.insert("ts".to_owned(), now().into());
        fields.0.insert("level".to_owned(), event.metadata().level().as_str().to_ascii_lowercase().into());
        event.record(&mut fields);
        out.write_str(&self.0.line(&fields.0))
    }
}

fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = write!(text, "{value:?}");
        self.0.insert(field.name().to_owned(), text.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

type SetLevel = Box<dyn Fn(EnvFilter) + Send + Sync>;

/// Sets the level of the log that is installed.
static SET_LEVEL: OnceLock<SetLevel> = OnceLock::new();

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::refusal::Refusal;

    #[test]
    fn a_line_is_json_or_text_without_control_characters() {
        let members = [("event", "x"), ("message", "it \u{1b}[2J failed"), ("cause", "a \"b\"\nc")];
        let json = written(Form::Json, "warn", &members);
        let read: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            (&read["level"], &read["cause"], json.matches('\n').count()),
            (&"warn".into(), &"a \"b\"\nc".into(), 1)
        );
        assert_eq!(written(Form::Text, "warn", &members), "warn: it  [2J failed (cause: a \"b\" c)\n");
        assert_eq!(written(Form::Text, "info", &[("event", "stopped")]), "info: stopped\n");
    }

    #[test]
    fn the_operators_guide_has_every_event_of_the_host_and_every_refusal() {
        let host = Path::new(env!("CARGO_MANIFEST_DIR"));
        let guide = std::fs::read_to_string(host.join("../docs/operate.md")).expect("the guide");
        let (_, section) = guide.split_once("\n### The host's own lines\n").expect("a section on the host's lines");
        let section = section.split("\n## ").next().unwrap_or_default();
        let rows = section.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once("` |")?.0));
        let listed: BTreeSet<&str> = rows.flat_map(|events| events.split("`, `")).collect();
        let mut said = BTreeSet::from(["panic".to_owned()]);
        events_below(&host.join("src"), &mut said);
        assert!(said.len() > 25, "{said:?}");
        said.extend(Refusal::ALL.map(|refusal| refusal.name().to_owned()));
        let missing: Vec<_> = said.iter().filter(|event| !listed.contains(event.as_str())).collect();
        assert!(missing.is_empty(), "docs/operate.md, The host's own lines, does not say what to do about {missing:?}");
    }

    /// Ran by the test below, in a process of its own.
    #[test]
    #[ignore = "it panics; another test runs it"]
    fn a_process_that_panics() {
        install_log();
        let panicked = std::thread::Builder::new().name("worker".to_owned()).spawn(|| panic!("some-secret-key"));
        assert!(panicked.unwrap().join().is_err());
        tracing::warn!(event = "after", "it goes on");
    }

    #[test]
    fn a_panic_is_one_line_without_its_words_whatever_the_environment_says() {
        let this = std::env::current_exe().unwrap();
        let test = ["log::tests::a_process_that_panics", "--exact", "--ignored", "--nocapture"];
        for backtrace in ["0", "1", "full"] {
            let mut child = std::process::Command::new(&this);
            let child = child.args(test).env("RUST_BACKTRACE", backtrace).env("RUST_LIB_BACKTRACE", backtrace);
            let output = child.output().unwrap();
            let written = String::from_utf8(output.stderr).unwrap();
            let lines: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
            let [panic, after] = lines.as_slice() else { panic!("{written}") };
            assert_eq!(
                (&panic["event"], &panic["level"], &after["event"]),
                (&"panic".into(), &"error".into(), &"after".into())
            );
            assert_eq!(panic["thread"], "worker");
            assert!(panic["place"].as_str().unwrap().contains("log.rs:") && panic["ts"].is_string(), "{panic}");
            assert!(!written.contains("some-secret"), "{written}");
        }
    }

    /// The names of the events in the sources below a folder: each is a literal after `event = ` or `"event", `.
    fn events_below(folder: &Path, said: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                events_below(&entry, said);
            } else if entry.extension().is_some_and(|extension| extension == "rs") && !entry.ends_with("src/log.rs") {
                let text = std::fs::read_to_string(&entry).expect("a source file");
                for start in ["event = \"", "(\"event\", \""] {
                    let names = text.split(start).skip(1).filter_map(|rest| rest.split('"').next());
                    said.extend(names.map(str::to_owned));
                }
                let logged =
                    ["error", "warn", "info"].map(|level| text.matches(&format!("tracing::{level}!(")).count());
                let named = text.matches("event = \"").count();
                assert!(logged.iter().sum::<usize>() <= named, "{}: an event without a name", entry.display());
            }
        }
    }
}
