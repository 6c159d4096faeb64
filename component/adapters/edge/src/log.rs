//! What an adapter has to tell the operator: one JSON object a line on standard error, as the component's own.

use std::fmt::Write as _;
use std::io::Write as _;

/// Writes a line of level `error`: the event, and its members by name. Messages of a host stand in it shortened, and
/// without the characters that a JSON string or a terminal takes for more than text.
pub fn error(event: &str, members: &[(&str, &str)]) {
    let mut line = line(event, members);
    line.push('\n');
    // Nobody can be told that the log is closed.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

fn line(event: &str, members: &[(&str, &str)]) -> String {
    let mut line = format!("{{\"level\":\"error\",\"event\":\"{event}\"");
    for (name, text) in members {
        // Writing to a string does not fail.
        let _ = write!(line, ",\"{name}\":\"{}\"", plain(text));
    }
    line.push('}');
    line
}

fn plain(text: &str) -> String {
    let harmless = |character: char| match character {
        '"' => '\'',
        '\\' => '/',
        ' '..='~' => character,
        _ => '?',
    };
    text.chars().take(LONGEST).map(harmless).collect()
}

/// Longer than what hosts say of a fault, shorter than what a line of a log may be.
const LONGEST: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_host_says_stays_within_its_member() {
        assert_eq!(
            line("secret_unavailable", &[("setting", "PUBLIC_URL"), ("cause", "no \"x\"\n\\ \u{202e}")]),
            r#"{"level":"error","event":"secret_unavailable","setting":"PUBLIC_URL","cause":"no 'x'?/ ?"}"#
        );
        let long = line("x", &[("cause", &"y".repeat(10_000))]);
        assert_eq!(long.matches('y').count(), LONGEST);
    }
}
