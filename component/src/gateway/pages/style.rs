//! The style sheet of all pages, and the hash by which their policy admits it.
//!
//! Text has a contrast of 4.5 to 1 and more, controls of 3 to 1 and more, in both colour schemes (WCAG 2.2 §1.4.3,
//! §1.4.11).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::oauth::secret::sha256;

/// The hash as a source expression. It is taken of the element's text, to the byte (CSP Level 3 §6.7.3.3).
pub(super) fn source_expression() -> String {
    format!("'sha256-{}'", STANDARD.encode(sha256(STYLE.as_bytes())))
}

/// The text of the style element.
pub(super) const STYLE: &str = "
:root {
  color-scheme: light dark;
  --page: #f3f4f7; --card: #ffffff; --line: #e1e4ea; --text: #171a21; --soft: #555c69;
  --accent: #4338ca; --accent-over: #362da6; --on-accent: #ffffff; --control: #7d8492;
  --well: #f7f8fa; --warn: #fff7e3; --warn-line: #e2b04a; --warn-text: #573b00;
  --shadow: 0 1px 2px rgb(23 26 33 / 6%), 0 12px 32px rgb(23 26 33 / 8%);
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f1116; --card: #181b22; --line: #2b303a; --text: #eceef3; --soft: #a9b0bd;
    --accent: #aab2ff; --accent-over: #c3c8ff; --on-accent: #14162e; --control: #727a89;
    --well: #1f232b; --warn: #2b2413; --warn-line: #97742a; --warn-text: #f5dfa9;
    --shadow: none;
  }
}
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; min-height: 100vh; padding: 1rem; display: grid; align-content: start; justify-content: center;
  grid-template-columns: minmax(0, 30rem); background: var(--page); color: var(--text);
  font: 1rem/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif;
  overflow-wrap: anywhere;
}
main {
  padding: 1.5rem; background: var(--card); border: 1px solid var(--line); border-radius: 1rem;
  box-shadow: var(--shadow);
}
.brand { display: flex; align-items: center; gap: .5rem; margin: 0 0 1.5rem; color: var(--soft); font-size: .875rem; }
.mark { flex: none; width: 1.25rem; height: 1.25rem; fill: var(--accent); }
h1 { margin: 0; font-size: 1.5rem; line-height: 1.25; font-weight: 650; letter-spacing: -.015em; text-wrap: balance; }
h1 bdi { color: var(--accent); }
h1 bdi, dd > bdi { display: inline-block; max-width: 100%; overflow: hidden; vertical-align: bottom; }
h2 { margin: 1.5rem 0 .5rem; font-size: 1rem; line-height: 1.4; font-weight: 650; }
p { margin: .75rem 0 0; }
p, li { text-wrap: pretty; }
dl + p { margin-top: 1.25rem; }
.lead { color: var(--soft); }
strong { font-weight: 600; }
a { color: var(--accent); text-underline-offset: .15em; }
ul { margin: 0; padding: 0; list-style: none; }
li { position: relative; margin-top: .5rem; padding-left: 1.75rem; }
li::before { position: absolute; left: .25rem; font-weight: 700; color: var(--accent); content: '\u{2713}' / ''; }
li.not::before { color: var(--soft); content: '\u{2715}' / ''; }
dl { margin: 1.25rem 0 0; padding: .25rem 1rem; background: var(--well); border: 1px solid var(--line); border-radius: .75rem; }
dl div { padding: .75rem 0; }
dl div + div { border-top: 1px solid var(--line); }
dt { color: var(--soft); font-size: .875rem; }
dd { margin: 0; font-weight: 550; }
dd small { display: block; color: var(--soft); font-size: .875rem; font-weight: 400; }
.warning {
  margin-top: 1.25rem; padding: .875rem 1rem; background: var(--warn); color: var(--warn-text);
  border: 1px solid var(--warn-line); border-left-width: .375rem; border-radius: .75rem;
}
.warning p { margin: .25rem 0 0; }
.warning strong { display: block; }
.actions { display: flex; flex-direction: column; gap: .75rem; margin: 1.75rem 0 0; }
.primary, .secondary {
  display: block; width: 100%; min-height: 3rem; padding: .6875rem 1.25rem; border: 1px solid transparent;
  border-radius: .625rem; font: inherit; font-weight: 600; line-height: 1.4; text-align: center;
  text-decoration: none; cursor: pointer; overflow-wrap: anywhere;
}
.primary { background: var(--accent); color: var(--on-accent); }
.primary:hover { background: var(--accent-over); }
.secondary { background: transparent; border-color: var(--control); color: var(--text); }
.secondary:hover { background: var(--well); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; }
.note { margin-top: 1rem; color: var(--soft); font-size: .875rem; }
code { font: .9375em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
@media (min-width: 36rem) {
  body { padding: 3rem 1.5rem; }
  main { padding: 2.25rem; }
  h1 { font-size: 1.75rem; }
}
@media (min-width: 48rem) {
  body { padding: 1.25rem; grid-template-columns: minmax(0, 44rem); }
  main { padding: 1.25rem 2.25rem 1.5rem; }
  .brand { margin-bottom: .75rem; }
  dl, .warning { margin-top: .875rem; }
  .warning { padding: .625rem 1rem; }
  dl div { display: grid; grid-template-columns: 11rem minmax(0, 1fr); padding: .5rem 0; }
  dt { line-height: 1.75; }
  .abilities { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0 1.5rem; }
  h2 { margin-top: 1rem; }
  li { margin-top: .375rem; }
  .actions { flex-direction: row; margin-top: 1.25rem; }
}
@media (min-height: 50rem) and (min-width: 36rem) { body { align-content: center; } }
@media (forced-colors: active) { .primary { border-color: ButtonText; } .mark { fill: CanvasText; } }
";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The colours of a scheme, by name.
    fn colours(rules: &str) -> BTreeMap<&str, [u8; 3]> {
        let declarations = rules.split(['{', ';']).filter_map(|declaration| declaration.trim().split_once(": #"));
        let colour = |digits: &str| [0, 2, 4].map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap());
        declarations.map(|(name, digits)| (name, colour(digits))).collect()
    }

    /// WCAG 2.2, "relative luminance".
    fn luminance(colour: [u8; 3]) -> f64 {
        let [red, green, blue] = colour.map(|channel| match f64::from(channel) / 255.0 {
            low if low <= 0.04045 => low / 12.92,
            high => ((high + 0.055) / 1.055).powf(2.4),
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// WCAG 2.2, "contrast ratio".
    fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn text_and_controls_have_contrast_in_both_schemes() {
        let (light, rest) = STYLE.split_once("@media (prefers-color-scheme: dark)").unwrap();
        let (dark, _) = rest.split_once("*, *::before").unwrap();
        for (scheme, rules) in [("light", light), ("dark", dark)] {
            let colours = colours(rules);
            for (front, back, least) in [
                ("--text", "--card", 4.5),
                ("--text", "--well", 4.5),
                ("--soft", "--card", 4.5),
                ("--soft", "--well", 4.5),
                ("--accent", "--card", 4.5),
                ("--on-accent", "--accent", 4.5),
                ("--on-accent", "--accent-over", 4.5),
                ("--warn-text", "--warn", 4.5),
                ("--control", "--card", 3.0),
                ("--control", "--well", 3.0),
            ] {
                let ratio = contrast(colours[front], colours[back]);
                assert!(ratio >= least, "{scheme}: {front} on {back} has {ratio:.2}");
            }
        }
    }
}
