//! A request as it came.

use std::borrow::Cow;

/// Everything but the body.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The method, as it came.
    pub method: String,
    /// The path without the query, as it came.
    pub path: String,
    /// The query without its question mark, as it came; empty when there is none.
    pub query: String,
    /// What the request is addressed to: the `Host` header or `:authority`.
    pub authority: Option<String>,
    /// The headers.
    pub headers: Headers,
}

/// Header fields in the order they came, names in lower case.
#[derive(Clone, Default)]
pub struct Headers(pub Vec<(String, Vec<u8>)>);

impl std::fmt::Debug for Headers {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Lines of a field that has one value say different things: the field's name as it is usually written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conflict(pub &'static str);

impl std::fmt::Display for Conflict {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "The header {} came more than once, with different values. Send it once.", self.0)
    }
}

impl Request {
    /// The request with one copy of each of `SINGLE_FIELDS` whose copies all say the same.
    pub fn without_copies(&self) -> Cow<'_, Request> {
        if !self.headers.may_have_copies() {
            return Cow::Borrowed(self);
        }
        let mut request = self.clone();
        let lines = &mut request.headers.0;
        for (name, _) in SINGLE_FIELDS {
            if let Ok(Some(value)) = self.headers.single_bytes(name) {
                lines.retain(|(field, _)| field != name);
                lines.push((name.to_owned(), value.to_owned()));
            }
        }
        Cow::Owned(request)
    }

    /// Whether the path has a slash at its end.
    pub fn has_final_slash(&self) -> bool {
        self.path.ends_with('/')
    }
}

impl Headers {
    /// The value of one of `SINGLE_FIELDS`: copies that say the same, in lines or between commas, count once.
    pub fn single(&self, name: &str) -> Result<Option<String>, Conflict> {
        let value = self.single_bytes(name)?;
        Ok(value.map(|value| String::from_utf8_lossy(value).into_owned()))
    }

    fn single_bytes(&self, name: &str) -> Result<Option<&[u8]>, Conflict> {
        let fields = self.0.iter().filter(|(field, _)| field == name);
        let mut values = fields.map(|(_, value)| copied_once(value));
        let Some(first) = values.next() else { return Ok(None) };
        if values.all(|value| value == first) {
            return Ok(Some(first));
        }
        let shown = SINGLE_FIELDS.iter().find(|(field, _)| *field == name).map(|(_, shown)| *shown);
        Err(Conflict(shown.unwrap_or("of this name")))
    }

    fn may_have_copies(&self) -> bool {
        SINGLE_FIELDS.iter().any(|(name, _)| {
            let mut lines = self.0.iter().filter(|(field, _)| field == name).map(|(_, value)| value);
            lines.next().is_some_and(|value| value.contains(&b',')) || lines.next().is_some()
        })
    }

    /// The value of a field; of several, all joined by `, ` (RFC 9110 §5.3). Bytes that are not UTF-8 are replaced.
    pub fn value(&self, name: &str) -> Option<String> {
        let mut values = self.values(name);
        let first = values.next()?;
        Some(values.fold(first, |joined, value| joined + ", " + &value))
    }

    /// The values of a field, one per line.
    pub fn values(&self, name: &str) -> impl Iterator<Item = String> {
        let fields = self.0.iter().filter(move |(field, _)| field == name);
        fields.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }
}

/// What stands between the commas of a value, where that is the same everywhere: clients and proxies that set a field
/// twice are joined so on their way (RFC 9110 §5.3). Any other value is left whole.
fn copied_once(value: &[u8]) -> &[u8] {
    let mut parts = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let first = parts.next().unwrap_or_default();
    if parts.all(|part| part == first) { first } else { value.trim_ascii() }
}

/// The body, which is read only when everything before it was in order.
pub trait RequestBody {
    /// Reads the body to its end.
    fn read(self, limit: usize) -> Result<Vec<u8>, BodyError>;
}

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// It is larger than the limit.
    TooLarge,
    /// The connection broke, or the host's own limits cut it off.
    Interrupted,
}

impl RequestBody for &[u8] {
    fn read(self, limit: usize) -> Result<Vec<u8>, BodyError> {
        if self.len() > limit { Err(BodyError::TooLarge) } else { Ok(self.to_vec()) }
    }
}

/// The fields that have one value, in lower case and as they are usually written. `Accept` is a list. `Host`, `Origin`,
/// `Cookie`, the assertion of Access and the client's address are not among them: what decides who asks, and from
/// where, is read as strictly as it ever was.
const SINGLE_FIELDS: [(&str, &str); 7] = [
    ("authorization", "Authorization"),
    ("content-type", "Content-Type"),
    ("mcp-method", "Mcp-Method"),
    ("mcp-name", "Mcp-Name"),
    ("mcp-protocol-version", "MCP-Protocol-Version"),
    ("sec-fetch-site", "Sec-Fetch-Site"),
    ("x-request-id", "X-Request-Id"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> Headers {
        Headers(lines.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect())
    }

    #[test]
    fn copies_that_say_the_same_are_one_value() {
        for (lines, value) in [
            (&["a"][..], "a"),
            (&["a", "a"], "a"),
            (&["a, a"], "a"),
            (&["a,a ,\ta"], "a"),
            (&["a, a", " a"], "a"),
            // Other values with commas are left whole.
            (&["a, b"], "a, b"),
            (&["a, b", "a, b"], "a, b"),
            (&["a,"], "a,"),
            (&["a, A"], "a, A"),
            (&["Bearer a,a"], "Bearer a,a"),
            (&["", ""], ""),
        ] {
            let lines: Vec<_> = lines.iter().map(|line| ("authorization", *line)).collect();
            assert_eq!(headers(&lines).single("authorization"), Ok(Some(value.to_owned())), "{lines:?}");
        }
        assert_eq!(headers(&[]).single("authorization"), Ok(None));
    }

    #[test]
    fn lines_that_differ_are_no_value_and_the_field_is_named() {
        for lines in [&["a", "b"][..], &["a", "A"], &["a", ""], &["a, b", "a"], &["a", "a", "b"]] {
            let lines: Vec<_> = lines.iter().map(|line| ("mcp-name", *line)).collect();
            let conflict = headers(&lines).single("mcp-name").unwrap_err();
            assert!(conflict.to_string().contains("Mcp-Name"), "{conflict}");
        }
    }

    #[test]
    fn a_request_keeps_one_copy_and_everything_else() {
        let lines = [
            ("mcp-method", "ping, ping"),
            ("origin", "https://a.example"),
            ("origin", "https://a.example"),
            ("accept", "text/html, text/html"),
            ("content-type", "application/json"),
            ("content-type", "application/json"),
            ("authorization", "Bearer a"),
            ("authorization", "Bearer b"),
        ];
        let request = Request { headers: headers(&lines), ..Request::default() };
        let once = request.without_copies();
        let lines = |name: &str| once.headers.values(name).collect::<Vec<_>>();
        assert_eq!(lines("mcp-method"), ["ping"]);
        assert_eq!(lines("content-type"), ["application/json"]);
        assert_eq!(lines("authorization"), ["Bearer a", "Bearer b"]);
        assert_eq!(lines("origin").len(), 2);
        assert_eq!(lines("accept"), ["text/html, text/html"]);
        let plain = Request { headers: headers(&[("accept", "a, b"), ("content-type", "a")]), ..Request::default() };
        assert!(matches!(plain.without_copies(), Cow::Borrowed(_)));
    }
}
