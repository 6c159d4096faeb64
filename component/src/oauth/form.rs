//! `application/x-www-form-urlencoded` (RFC 6749 Appendix B): queries and bodies, read strictly.

/// Parameters in the order they came. A parameter without a value counts as omitted (RFC 6749 §3.1).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

/// Why a text is not a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormError {
    /// It is longer than the limit.
    TooLong,
    /// It has more than [`MAX_FIELDS`] parameters.
    TooManyFields,
    /// A percent sign is not followed by two hexadecimal digits.
    MalformedPercent,
    /// What it encodes is not UTF-8, or holds NUL.
    NotText,
}

/// A parameter came more than once, which RFC 6749 §3.1 and §3.2 forbid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeated;

impl std::fmt::Debug for Form {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Form {
    /// Reads a query or a body of at most `limit` bytes.
    pub fn parse(text: &[u8], limit: usize) -> Result<Form, FormError> {
        if text.len() > limit {
            return Err(FormError::TooLong);
        }
        let mut fields = Vec::new();
        for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            if fields.len() == MAX_FIELDS {
                return Err(FormError::TooManyFields);
            }
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let (name, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
            fields.push((decode(name)?, decode(value)?));
        }
        fields.retain(|(_, value)| !value.is_empty());
        Ok(Form(fields))
    }

    /// The value of a parameter that may come once.
    pub fn value(&self, name: &str) -> Result<Option<&str>, Repeated> {
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(Repeated),
        }
    }

    /// Whether a parameter is there.
    pub fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// The values of a parameter that may come more than once.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

/// Writes pairs as a query, everything but unreserved characters percent-encoded.
pub fn encode(pairs: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| format!("{}={}", percent_encode(name), percent_encode(value));
    pairs.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// Decodes one name or value: `+` is a space, `%XX` a byte.
pub fn decode(text: &[u8]) -> Result<String, FormError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex_digit(rest.next())? * 16 + hex_digit(rest.next())?,
            other => *other,
        });
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0')).ok_or(FormError::NotText)
}

fn hex_digit(digit: Option<&u8>) -> Result<u8, FormError> {
    let value = digit.and_then(|digit| char::from(*digit).to_digit(16));
    value.and_then(|value| u8::try_from(value).ok()).ok_or(FormError::MalformedPercent)
}

/// Everything but unreserved characters as `%XX` (RFC 3986 §2.3).
pub fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

/// A few times the parameters that OAuth defines for one request.
pub const MAX_FIELDS: usize = 50;

/// The longest query of `/authorize`: what common proxies pass on.
pub const MAX_QUERY_BYTES: usize = 8 * 1024;

/// The longest body of `/token` and `/revoke`.
pub const MAX_FORM_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Result<Form, FormError> {
        Form::parse(text.as_bytes(), 100)
    }

    #[test]
    fn values_are_decoded_once() {
        let form = form("a=1+2%2B3&b=%C3%A4&c=%252e&d=x=y&&e").unwrap();
        for (name, value) in
            [("a", Some("1 2+3")), ("b", Some("ä")), ("c", Some("%2e")), ("d", Some("x=y")), ("e", None)]
        {
            assert_eq!(form.value(name), Ok(value), "{name}");
        }
        assert!(!form.has("e"), "A02: empty is omitted");
    }

    #[test]
    fn a_repeated_parameter_has_no_value() {
        let form = form("a=1&a=1&b=2").unwrap();
        assert_eq!(form.value("a"), Err(Repeated), "A34 A35 B08 C19");
        assert_eq!(form.value("b"), Ok(Some("2")));
    }

    #[test]
    fn malformed_texts_are_refused_by_rule() {
        let fields = "a=1&".repeat(51);
        for (text, error) in [
            ("a=%ZZ", FormError::MalformedPercent),
            ("a=%4", FormError::MalformedPercent),
            ("a=%+1", FormError::MalformedPercent),
            ("a=%C0%AF", FormError::NotText),
            ("a=%00", FormError::NotText),
            ("%FF=1", FormError::NotText),
            (&"x".repeat(101), FormError::TooLong),
        ] {
            assert_eq!(form(text), Err(error), "A52 A53 {text}");
        }
        assert_eq!(Form::parse(fields.as_bytes(), 1000), Err(FormError::TooManyFields));
    }

    proptest::proptest! {
        #[test]
        fn what_is_encoded_is_read_back(name in "[^\0]{1,9}", value in "[^\0]{1,20}", noise: Vec<u8>) {
            let text = encode(&[(&name, &value)]);
            let form = Form::parse(text.as_bytes(), 1000).unwrap();
            proptest::prop_assert_eq!(form.value(&name), Ok(Some(value.as_str())));
            let _ = Form::parse(&noise, 1000);
        }
    }
}
