//! A request as it came.

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

impl Headers {
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
