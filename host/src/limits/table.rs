//! Every limit as an operator sets it: by a flag of `serve`, or by a key under `[limits]` of the configuration file. The
//! flags, the keys, the help and the table of `docs/operate.md` all come from here.

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::value::{Kind, Value};
use super::{
    LONGEST_TIME, Limits, MOST_CONNECTIONS, MOST_DOCUMENT_CALLS, MOST_HEAD_BYTES, MOST_HEADER_FIELDS,
    MOST_INSTANCE_MEMORY_BYTES, MOST_PLAUSIBLE_CALLS, MOST_PROVIDER_CALLS, MOST_REQUESTS, MOST_TELEMETRY_CALLS,
};

/// One limit.
#[derive(Debug)]
pub(crate) struct Bound {
    /// The flag, without the hyphens in front. The key in the file has underscores in their place.
    pub(crate) flag: &'static str,
    /// What it bounds.
    pub(crate) what: &'static str,
    /// Why the default is what it is.
    pub(crate) reason: &'static str,
    pub(crate) kind: Kind,
    /// In units of the kind.
    allowed: RangeInclusive<u64>,
    field: fn(&mut Limits) -> Field<'_>,
}

/// Where a limit stands.
enum Field<'a> {
    Number(&'a mut u32),
    Size(&'a mut usize),
    NotZero(&'a mut NonZeroUsize),
    Time(&'a mut Duration),
}

/// All of them, in the order of [`Limits`].
pub(crate) fn bounds() -> &'static [Bound] {
    &TABLE
}

impl Bound {
    /// The key under `[limits]`.
    pub(crate) fn key(&self) -> String {
        self.flag.replace('-', "_")
    }

    /// The limit that `text` says. The error says what is allowed, and gives an example.
    pub(crate) fn read(&self, text: &str) -> Result<Value, String> {
        let value = self.kind.read(text).filter(|value| self.allowed.contains(&value.0));
        value.ok_or_else(|| {
            let [least, most] = [*self.allowed.start(), *self.allowed.end()].map(|end| self.kind.show(Value(end)));
            let example = self.kind.show(self.of(Limits::default()));
            format!("{} from {least} to {most}, for example {example}", self.kind.words())
        })
    }

    /// Sets it to a value that was read.
    pub(crate) fn set(&self, limits: &mut Limits, value: Value) {
        let size = || usize::try_from(value.0).unwrap_or(usize::MAX);
        match (self.field)(limits) {
            Field::Number(number) => *number = u32::try_from(value.0).unwrap_or(u32::MAX),
            Field::Size(field) => *field = size(),
            Field::NotZero(field) => *field = NonZeroUsize::new(size()).unwrap_or(NonZeroUsize::MIN),
            Field::Time(time) => *time = Duration::from_millis(value.0),
        }
    }

    /// What `limits` have.
    pub(crate) fn of(&self, mut limits: Limits) -> Value {
        let size = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
        Value(match (self.field)(&mut limits) {
            Field::Number(number) => (*number).into(),
            Field::Size(field) => size(*field),
            Field::NotZero(field) => size(field.get()),
            Field::Time(time) => u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
        })
    }
}

const fn number(flag: &'static str, most: u64, field: fn(&mut Limits) -> Field<'_>, said: [&'static str; 2]) -> Bound {
    let [what, reason] = said;
    Bound { flag, what, reason, kind: Kind::Number, allowed: 1..=most, field }
}

const fn size(flag: &'static str, most: u64, field: fn(&mut Limits) -> Field<'_>, said: [&'static str; 2]) -> Bound {
    let [what, reason] = said;
    Bound { flag, what, reason, kind: Kind::Size, allowed: LEAST_SIZE..=most, field }
}

const fn time(flag: &'static str, field: fn(&mut Limits) -> Field<'_>, said: [&'static str; 2]) -> Bound {
    let [what, reason] = said;
    Bound { flag, what, reason, kind: Kind::Time, allowed: 0..=LONGEST_TIME.as_secs() * 1000, field }
}

static TABLE: [Bound; 26] = [
    number(
        "concurrent-requests",
        MOST_REQUESTS as u64,
        |limits| Field::Number(&mut limits.concurrent_requests),
        [
            "Requests that the component works on at a time, without those that wait for an upstream; one more waits",
            "what is answered without an upstream takes milliseconds: a burst of a hundred is worked on at once",
        ],
    ),
    time(
        "admission-time",
        |limits| Field::Time(&mut limits.admission_time),
        [
            "Time that a request waits to be let in; 503 after it",
            "a burst of a thousand small requests is over in less",
        ],
    ),
    number(
        "finishing-requests",
        MOST_REQUESTS as u64,
        |limits| Field::Number(&mut limits.finishing_requests),
        [
            "Requests that are answered while the component still sends a report; further ones count as worked on",
            "a report takes a tenth of a second: enough for 300 a second",
        ],
    ),
    number(
        "plausible-calls",
        MOST_PLAUSIBLE_CALLS as u64,
        |limits| Field::Number(&mut limits.plausible_calls),
        [
            "Requests to Plausible under way at a time, half of them kept for keys that it has accepted; twice as many \
             calls may wait for them",
            "as many as it answers without being hurt: at half a second a query, 250 queries a second",
        ],
    ),
    number(
        "plausible-calls-of-key",
        MOST_PLAUSIBLE_CALLS as u64,
        |limits| Field::Number(&mut limits.plausible_calls_of_key),
        [
            "Of these, for one key",
            "Plausible answers 600 queries an hour with one: ten times that, even where each takes half a minute",
        ],
    ),
    number(
        "plausible-calls-of-client",
        MOST_PLAUSIBLE_CALLS as u64,
        |limits| Field::Number(&mut limits.plausible_calls_of_client),
        [
            "Of these, for one address of a client",
            "a whole company may come from one: two such addresses are served at a time",
        ],
    ),
    number(
        "provider-calls",
        MOST_PROVIDER_CALLS as u64,
        |limits| Field::Number(&mut limits.provider_calls),
        [
            "Requests to the identity provider under way at a time, half of them for one address of a client; twice as \
             many requests may wait for them",
            "a sign-in has one at a time, of a second or less: thirty people a second",
        ],
    ),
    number(
        "document-calls",
        MOST_DOCUMENT_CALLS as u64,
        |limits| Field::Number(&mut limits.document_calls),
        [
            "Documents of clients that are fetched at a time, an eighth of them for one address of a client; four times \
             as many requests may wait for them",
            "an eighth of what the component works on at a time",
        ],
    ),
    number(
        "telemetry-calls",
        MOST_TELEMETRY_CALLS as u64,
        |limits| Field::Number(&mut limits.telemetry_calls),
        [
            "Reports to Sentry under way at a time; one more is not sent",
            "as many as there are requests that are answered and still report",
        ],
    ),
    size(
        "request-body-bytes",
        MOST_BYTES,
        |limits| Field::Size(&mut limits.request_body_bytes),
        ["Body of a request; a larger one is 413", "what the component reads at most"],
    ),
    time(
        "request-body-time",
        |limits| Field::Time(&mut limits.request_body_time),
        ["Time for the body of a request to arrive; a slower one is 408", "the largest body over a megabit a second"],
    ),
    size(
        "request-bodies-bytes",
        MOST_BYTES,
        |limits| Field::Size(&mut limits.request_bodies_bytes),
        [
            "Bodies of all requests together; beyond it the one that has been arriving longest is 503",
            "half of the requests with the largest body, and all connections with a small one",
        ],
    ),
    size(
        "response-body-bytes",
        MOST_BYTES,
        |limits| Field::Size(&mut limits.response_body_bytes),
        ["Body of an answer", "twice what is read of Plausible: rows as text and as JSON"],
    ),
    size(
        "large-answers-bytes",
        MOST_BYTES,
        |limits| Field::Size(&mut limits.large_answers_bytes),
        [
            "Memory for answers of Plausible above 64 KiB and what is made of them; one that finds no room waits",
            "two answers of seven megabytes at a time, which keep two processors busy",
        ],
    ),
    time(
        "large-answer-time",
        |limits| Field::Time(&mut limits.large_answer_time),
        [
            "Time that such an answer waits for its room before it is read, and again before it is worked on",
            "with the 25 seconds that Plausible has, less than the time of a request",
        ],
    ),
    time(
        "request-time",
        |limits| Field::Time(&mut limits.request_time),
        [
            "Time from the complete request to the complete answer; 503 after it",
            "more than the 25 seconds for which Plausible is waited for, so that the caller is told",
        ],
    ),
    size(
        "instance-memory-bytes",
        MOST_INSTANCE_MEMORY_BYTES as u64,
        |limits| Field::Size(&mut limits.instance_memory_bytes),
        [
            "Memory of an instance of the component",
            "the largest answer as it came, as it is read, and as it is written again",
        ],
    ),
    number(
        "instance-requests",
        MOST_BYTES,
        |limits| Field::NotZero(&mut limits.instance_requests),
        [
            "Requests that an instance answers before a new one takes its place; 1 gives every request one of its own",
            "starting one costs as much as a request: one in a thousand does not show",
        ],
    ),
    time(
        "instance-idle-time",
        |limits| Field::Time(&mut limits.instance_idle_time),
        [
            "Time that an instance waits for its next request",
            "the next call of a conversation comes sooner; what a burst needed is gone soon after it",
        ],
    ),
    number(
        "connections",
        MOST_CONNECTIONS as u64,
        |limits| Field::Size(&mut limits.connections),
        [
            "Connections at a time; a further one takes the place of the one that was quiet for longest",
            "a proxy keeps a few hundred; each takes a descriptor",
        ],
    ),
    time(
        "request-head-time",
        |limits| Field::Time(&mut limits.request_head_time),
        [
            "Time for the head of a request, and for a connection without requests",
            "what the HTTP library waits by default",
        ],
    ),
    size(
        "request-head-bytes",
        MOST_HEAD_BYTES as u64,
        |limits| Field::Size(&mut limits.request_head_bytes),
        ["Head of a request; a larger one is 431", "what nginx takes by default"],
    ),
    number(
        "request-header-fields",
        MOST_HEADER_FIELDS as u64,
        |limits| Field::Size(&mut limits.request_header_fields),
        ["Header fields of a request; more are 431", "what Apache takes by default"],
    ),
    time(
        "response-write-time",
        |limits| Field::Time(&mut limits.response_write_time),
        [
            "Time in which a client takes some more of its answer; over HTTP/2, all of it",
            "the largest answer over three megabits a second",
        ],
    ),
    time(
        "closing-time",
        |limits| Field::Time(&mut limits.closing_time),
        [
            "Time for a client to close after the server, and for a request that is on its way when the server stops",
            "a few round trips to the far side of the world",
        ],
    ),
    time(
        "drain-time",
        |limits| Field::Time(&mut limits.drain_time),
        ["Time for requests in flight after the time to drain", "as long as a request may take that came just before"],
    ),
];

/// What is smaller could hold nothing.
const LEAST_SIZE: u64 = 1024;
/// A tebibyte: more than there is.
const MOST_BYTES: u64 = 1 << 40;

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the operator's guide.
    fn page() -> String {
        let rows = TABLE.iter().map(|bound| {
            let default = bound.kind.show(bound.of(Limits::default()));
            format!("| `--{}` | `{}` | {} | {default} | {} |\n", bound.flag, bound.key(), bound.what, bound.reason)
        });
        let head = "| flag of `serve` | key | what | default | because |\n|---|---|---|---|---|\n";
        std::iter::once(head.to_owned()).chain(rows).collect()
    }

    #[test]
    fn the_guide_has_every_bound() {
        const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operate.md");
        let guide = std::fs::read_to_string(GUIDE).unwrap();
        let (before, rest) = guide.split_once("<!-- bounds -->\n").expect("the guide says where they stand");
        let (stands, after) = rest.split_once("<!-- end of bounds -->").expect("the guide says where they end");
        if std::env::var_os("UPDATE_GOLDENS").is_some() {
            std::fs::write(GUIDE, format!("{before}<!-- bounds -->\n{}<!-- end of bounds -->{after}", page())).unwrap();
        } else {
            assert!(stands == page(), "docs/operate.md is stale: run this test with UPDATE_GOLDENS=1");
        }
    }

    #[test]
    fn every_limit_is_in_the_table() {
        let text = format!("{:?}", Limits::default());
        let fields: Vec<_> = text.split(['{', ',']).filter_map(|part| part.split_once(':')).collect();
        let fields: Vec<_> = fields.iter().map(|(name, _)| name.trim()).collect();
        let keys: Vec<_> = TABLE.iter().map(Bound::key).collect();
        assert_eq!(keys, fields);
    }

    #[test]
    fn every_bound_sets_its_own_field() {
        let default = Limits::default();
        for bound in &TABLE {
            assert_eq!(bound.read(&bound.kind.show(bound.of(default))), Ok(bound.of(default)), "{}", bound.flag);
            let other = Value(bound.of(default).0 + 1);
            let mut limits = default;
            bound.set(&mut limits, other);
            assert_eq!(bound.of(limits), other, "{}", bound.flag);
            let changed = TABLE.iter().filter(|bound| bound.of(limits) != bound.of(default)).count();
            assert_eq!(changed, 1, "{}", bound.flag);
            assert_eq!(limits.within_bounds(), limits, "{}: what may be set is kept", bound.flag);
        }
    }

    #[test]
    fn the_ends_are_kept_by_the_host_too() {
        for bound in &TABLE {
            // Those for one key or client are parts of all.
            let mut limits = Limits { plausible_calls: MOST_PLAUSIBLE_CALLS, ..Limits::default() };
            bound.set(&mut limits, Value(*bound.allowed.end()));
            assert_eq!(limits.within_bounds(), limits, "{}", bound.flag);
        }
    }

    #[test]
    fn what_is_out_of_range_is_told_with_what_is_allowed() {
        let told =
            |flag: &str, text: &str| TABLE.iter().find(|bound| bound.flag == flag).unwrap().read(text).unwrap_err();
        assert_eq!(told("concurrent-requests", "0"), "write a whole number from 1 to 4096, for example 128");
        assert_eq!(told("concurrent-requests", "4097"), "write a whole number from 1 to 4096, for example 128");
        let times = told("request-time", "soon");
        assert!(times.starts_with("write seconds, or a number with ms, s, m, h or d, from 0s to 365d"), "{times}");
        assert!(times.ends_with("for example 30s"), "{times}");
        let sizes = told("large-answers-bytes", "1MB");
        assert!(sizes.starts_with("write bytes, or a number with K, M, G or KiB, MiB, GiB, from 1KiB"), "{sizes}");
        assert!(sizes.ends_with("for example 128MiB"), "{sizes}");
    }
}
