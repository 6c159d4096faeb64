//! Text from outside as HTML. What these functions return is safe in an element and in a quoted attribute.

use crate::legible::is_invisible;

/// Any text, whole.
pub(super) fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            character => html.push(character),
        }
    }
    html
}

/// The name that a client gave itself: visible characters on one line, no more than fit a heading. `None` if nothing
/// is left of it.
pub(super) fn client_name(name: &str) -> Option<String> {
    let name = one_line(name);
    let mut cut: String = name.chars().take(MAX_NAME).collect();
    if name.chars().nth(MAX_NAME).is_some() {
        cut.truncate(cut.trim_end().len());
        cut.push('…');
    }
    (!cut.is_empty()).then(|| escape(&cut))
}

/// A host. It is cut in front if at all: what a host belongs to stands at its end.
pub(super) fn host(host: &str) -> String {
    let host = one_line(host);
    let surplus = host.chars().count().saturating_sub(MAX_HOST);
    let end: String = host.chars().skip(surplus).collect();
    let mark = if surplus > 0 { "…" } else { "" };
    escape(&format!("{mark}{end}"))
}

/// Domains of e-mail addresses: `@a.example or @b.example`.
pub(super) fn domains(domains: &[String]) -> String {
    let named: Vec<String> = domains.iter().map(|domain| format!("<strong>@{}</strong>", host(domain))).collect();
    match named.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((only, _)) => only.clone(),
        None => "company".to_owned(),
    }
}

/// Without characters that have no shape, and with one space wherever there was white space.
fn one_line(text: &str) -> String {
    let visible: String =
        text.chars().filter(|character| character.is_whitespace() || !is_invisible(*character)).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The longest name that is shown, in characters; two lines of a heading on a phone.
const MAX_NAME: usize = 60;

/// The longest host that is shown, in characters (RFC 1035 §2.3.4).
const MAX_HOST: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_leaves_its_element_or_attribute() {
        for (text, html) in [
            ("</title><script>", "&lt;/title&gt;&lt;script&gt;"),
            ("\" autofocus x='", "&quot; autofocus x=&#39;"),
            ("a&lt;b", "a&amp;lt;b"),
            ("Zoë 分析", "Zoë 分析"),
        ] {
            assert_eq!(escape(text), html);
        }
    }

    #[test]
    fn a_name_is_one_short_visible_line() {
        for (name, shown) in [
            ("Claude", Some("Claude")),
            ("  Claude \n\t Code\u{a0} ", Some("Claude Code")),
            ("evil\u{202e}moc.elpmaxe", Some("evilmoc.elpmaxe")),
            ("a\u{200b}b\u{feff}c\u{0}d\u{1b}e\u{ad}f\u{e0041}g\u{fe0f}h", Some("abcdefgh")),
            ("line\u{2028}separator", Some("line separator")),
            ("", None),
            (" \n ", None),
            ("\u{200b}\u{2800}\u{3164}", None),
            ("<b>", Some("&lt;b&gt;")),
        ] {
            assert_eq!(client_name(name).as_deref(), shown, "{name:?}");
        }
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let exact = "ä".repeat(MAX_NAME);
        assert_eq!(client_name(&exact), Some(exact.clone()));
        assert_eq!(client_name(&format!("{exact}ä")), Some(format!("{exact}…")));
        assert_eq!(client_name(&"&".repeat(10_000)), Some(format!("{}…", "&amp;".repeat(MAX_NAME))));
        assert_eq!(client_name(&format!("{} end", "x".repeat(MAX_NAME - 1))), Some(format!("{}…", "x".repeat(59))));
    }

    #[test]
    fn a_long_host_keeps_its_end() {
        let shown = host(&format!("{}.evil.example", "bank.example.".repeat(800)));
        assert!(shown.starts_with('…') && shown.ends_with(".evil.example"), "{shown}");
        assert_eq!(shown.chars().count(), MAX_HOST + 1);
    }

    #[test]
    fn domains_read_as_a_list() {
        let list = |names: &[&str]| domains(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(list(&["a.example"]), "<strong>@a.example</strong>");
        assert_eq!(list(&["a", "b", "c"]), "<strong>@a</strong>, <strong>@b</strong> or <strong>@c</strong>");
    }
}
