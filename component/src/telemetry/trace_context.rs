//! W3C Trace Context: <https://www.w3.org/TR/trace-context/>. A caller's `traceparent` is taken over when it is exactly
//! what the recommendation says; otherwise a trace begins here. `tracestate` is not passed on: it is other vendors' text,
//! and Plausible has no use for it.

use std::fmt;

use super::identifiers::{Identifiers, halves};
use crate::ports::Random;

/// Where a request stands in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace_id: TraceId,
    /// The caller's span, where the caller named one.
    pub parent: Option<SpanId>,
    /// The span of this request.
    pub span: SpanId,
    /// Whether the caller may have recorded the trace.
    pub sampled: bool,
}

/// A trace: 32 hexadecimal digits, not all zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId(u128);

/// A span: 16 hexadecimal digits, not all zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanId(u64);

impl TraceContext {
    /// The context of a request with these `traceparent` lines: a span of its own in the caller's trace, or in a new
    /// one ("if the value […] is invalid, the vendor creates a new traceparent header", §4.3).
    pub fn of(mut lines: impl Iterator<Item = String>, identifiers: &Identifiers, random: &impl Random) -> Self {
        let span = SpanId::from_upper_half(identifiers.next(random));
        match (lines.next().as_deref().and_then(parse), lines.next()) {
            (Some((trace_id, parent, sampled)), None) => TraceContext { trace_id, parent: Some(parent), span, sampled },
            _ => TraceContext { trace_id: TraceId(identifiers.next(random)), parent: None, span, sampled: false },
        }
    }

    /// The `traceparent` of a request that is made for this one.
    pub fn header(&self) -> String {
        let flags = u8::from(self.sampled);
        format!("00-{}-{}-{flags:02x}", self.trace_id, self.span)
    }
}

impl TraceId {
    /// Whether the trace is one of those `share` in a hundred that are kept. All parts of a trace get the same answer,
    /// wherever they are looked at.
    pub fn is_among(self, share: u32) -> bool {
        let leading = (self.0 >> 96) * 100;
        leading < u128::from(share) << 32
    }
}

impl SpanId {
    fn from_upper_half(number: u128) -> SpanId {
        let [upper, _] = halves(number);
        SpanId(upper.max(1))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// `version "-" trace-id "-" parent-id "-" trace-flags` (§3.2): lower-case digits only, no zero ids, version `ff` never;
/// version 00 is exactly this long, a later one may go on after another hyphen.
fn parse(line: &str) -> Option<(TraceId, SpanId, bool)> {
    let (known, rest) = line.split_at_checked(KNOWN_LENGTH)?;
    let mut parts = known.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let lengths = [(version, 2), (trace, 32), (parent, 16), (flags, 2)];
    let is_well_formed = lengths.iter().all(|(part, length)| part.len() == *length && is_lower_hex(part));
    let goes_on = if version == "00" { rest.is_empty() } else { rest.is_empty() || rest.starts_with('-') };
    if !is_well_formed || !goes_on || version == "ff" {
        return None;
    }
    let trace = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
    let parent = u64::from_str_radix(parent, 16).ok().filter(|id| *id != 0)?;
    let flags = u8::from_str_radix(flags, 16).ok()?;
    Some((TraceId(trace), SpanId(parent), flags & SAMPLED != 0))
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// The length of version 00 (§3.2.2), which every later version begins with.
const KNOWN_LENGTH: usize = 55;

/// The one flag of version 00 (§3.2.2.5).
const SAMPLED: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::SeededRandom;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn of(lines: &[&str]) -> TraceContext {
        let lines = lines.iter().map(|line| (*line).to_owned());
        TraceContext::of(lines, &Identifiers::default(), &SeededRandom::new(1))
    }

    #[test]
    fn a_callers_trace_goes_on_with_a_span_of_ours() {
        let context = of(&[GOOD]);
        assert_eq!(context.trace_id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.parent.map(|id| id.to_string()).as_deref(), Some("00f067aa0ba902b7"));
        assert_ne!(Some(context.span), context.parent);
        assert_eq!(context.header(), format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", context.span));
        assert_eq!(parse(&context.header()).map(|(_, span, _)| span), Some(context.span));
    }

    #[test]
    fn only_what_the_recommendation_says_is_taken_over() {
        for (line, taken) in [
            (GOOD, true),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", true),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-will-be-like", true),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.what", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", false),
            ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e47-00f067aa0ba902b7ab-01", false),
            ("0-04bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            (" 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-", false),
            ("ann@example.com", false),
            ("", false),
        ] {
            let context = of(&[line]);
            assert_eq!(context.parent.is_some(), taken, "{line}");
            assert_eq!(line.contains(&context.trace_id.to_string()), taken, "{line}");
        }
        assert_eq!(of(&[GOOD, GOOD]).parent, None, "one line only");
    }

    #[test]
    fn a_share_of_all_traces_is_kept() {
        let kept = |digits: &str| TraceId(u128::from_str_radix(digits, 16).unwrap()).is_among(1);
        assert!(kept("028f5c28ffffffffffffffffffffffff"));
        assert!(!kept("028f5c29000000000000000000000000"));
        assert!(!TraceId(1).is_among(0) && TraceId(u128::MAX).is_among(100));
    }

    proptest::proptest! {
        #[test]
        fn no_line_panics(line in "(.{0,70}|[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}.{0,3})") {
            proptest::prop_assert_eq!(of(&[&line]).header().len(), KNOWN_LENGTH);
        }
    }
}
