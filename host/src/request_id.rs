//! The identifier of a request, which the operator follows through the logs of proxy, host and component. The host draws
//! it, so that the component and what the host says by itself have the same.

use std::hash::{BuildHasher as _, RandomState};

use http::{HeaderMap, HeaderName, HeaderValue};

/// An identifier of 16 to 36 hexadecimal digits and hyphens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId(String);

impl RequestId {
    /// That of a proxy in front, where it is one, else a new one. Only digits and hyphens are taken over: whoever sends
    /// the header chooses it, and a name, an address or a key must not come into the log by it.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut lines = headers.get_all(HEADER).iter();
        let given = lines.next().filter(|_| lines.next().is_none()).and_then(|value| value.to_str().ok());
        given.filter(|id| is_well_formed(id)).map_or_else(Self::new, |id| Self(id.to_owned()))
    }

    /// One that no other request has.
    pub(crate) fn new() -> Self {
        Self((0_u8..2).map(|part| format!("{:016x}", RandomState::new().hash_one(part))).collect())
    }

    /// Tells the component.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::try_from(self.0.as_str()) {
            headers.insert(HEADER, value);
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_well_formed(id: &str) -> bool {
    LENGTHS.contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Shorter ones are not unique; a UUID has 36. The component takes the same.
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=36;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> RequestId {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(HEADER, line.parse().unwrap());
        }
        RequestId::of(&headers)
    }

    #[test]
    fn an_identifier_of_a_proxy_is_kept_and_anything_else_is_not() {
        let uuid = "0e9b2f4c-6d0e-4b57-9f0c-2a8de3c1b7aa";
        assert_eq!(of(&[uuid]).as_str(), uuid);
        for lines in
            [&[][..], &[""], &["ann@example.com"], &["0123456789abcde"], &[uuid, uuid], &["some-key-of-somebody"]]
        {
            let drawn = of(lines);
            assert!(is_well_formed(drawn.as_str()) && !lines.contains(&drawn.as_str()), "{lines:?} {drawn:?}");
            assert_ne!(drawn, of(lines));
        }
        let mut headers = HeaderMap::new();
        headers.append(HEADER, "x".parse().unwrap());
        let drawn = RequestId::of(&headers);
        drawn.write(&mut headers);
        assert_eq!(RequestId::of(&headers), drawn, "the component takes it over");
    }
}
