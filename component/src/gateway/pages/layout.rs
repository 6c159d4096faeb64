//! What all pages have around their content, and the form that two of them share.

use super::escape::escape;
use super::style::STYLE;

/// A whole document. `title` is text, `content` is HTML.
pub(super) fn document(title: &str, content: &str) -> String {
    let title = escape(title);
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<title>{title} – Plausible MCP server</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<p class="brand">{MARK}Plausible MCP server</p>
{content}
</main>
</body>
</html>
"#
    )
}

/// The form of a decision: what it proves itself with, and two buttons.
pub(super) struct DecisionForm<'a> {
    /// Says which transaction it is about.
    pub handle: &'a str,
    /// Proves that a page of ours made the form.
    pub token: &'a str,
    /// What the button that goes on says; words of ours.
    pub approve: &'static str,
    /// What the button that ends it says; HTML, because it may name a host.
    pub deny: &'a str,
}

impl DecisionForm<'_> {
    pub(super) fn html(&self) -> String {
        let (handle, token) = (escape(self.handle), escape(self.token));
        let DecisionForm { approve, deny, .. } = self;
        format!(
            r#"<form class="actions" method="post" action="/authorize">
<input type="hidden" name="handle" value="{handle}">
<input type="hidden" name="token" value="{token}">
<button class="primary" name="decision" value="approve">{approve}</button>
<button class="secondary" name="decision" value="deny">{deny}</button>
</form>"#
        )
    }
}

/// Three bars. The words beside them say what it is.
const MARK: &str = concat!(
    r#"<svg class="mark" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" focusable="false">"#,
    r#"<rect x="3" y="12" width="4.5" height="9" rx="1.5"/><rect x="9.75" y="7" width="4.5" height="14" rx="1.5"/>"#,
    r#"<rect x="16.5" y="3" width="4.5" height="18" rx="1.5"/></svg>"#
);
