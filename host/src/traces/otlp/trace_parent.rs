//! `traceparent` of W3C Trace Context, <https://www.w3.org/TR/trace-context/#traceparent-header>. `tracestate` is not
//! read: it is text of a caller's, which would end up in the collector.

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// The caller's span, where `line` is exactly what the recommendation says (§3.2).
pub(super) fn parse(line: &str) -> Option<SpanContext> {
    let (known, rest) = line.split_at_checked(KNOWN_LENGTH)?;
    let mut parts = known.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let lengths = [(version, 2), (trace, 32), (parent, 16), (flags, 2)];
    let is_well_formed = lengths.iter().all(|(part, length)| part.len() == *length && is_lower_hex(part));
    // Version 00 is exactly this long, a later one may go on after another hyphen.
    let goes_on = rest.is_empty() || (version != "00" && rest.starts_with('-'));
    if !is_well_formed || !goes_on || version == "ff" {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let (trace, parent) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(parent).ok()?);
    let context = SpanContext::new(trace, parent, flags, true, TraceState::NONE);
    context.is_valid().then_some(context)
}

/// The line for what is done within `span`.
pub(super) fn line(span: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8())
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// The length of version 00 (§3.2.2), which every later version begins with.
const KNOWN_LENGTH: usize = 55;

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_line_is_read_and_written() {
        let context = parse(GOOD).unwrap();
        assert!(context.is_sampled() && context.is_remote());
        assert_eq!(line(&context), GOOD);
        let unsampled = GOOD.replace("-01", "-00");
        assert_eq!(line(&parse(&unsampled).unwrap()), unsampled);
    }

    #[test]
    fn only_what_the_recommendation_says_is_taken() {
        for (line, taken) in [
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-will-be-like", true),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.what", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-", false),
            ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false),
            ("00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("ann@example.com", false),
            ("", false),
        ] {
            assert_eq!(parse(line).is_some(), taken, "{line}");
        }
    }
}
