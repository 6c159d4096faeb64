//! The identifier of a request, which the operator follows through the logs of proxy and server.

use std::fmt;

use super::identifiers::Identifiers;
use crate::ports::Random;

/// An identifier of 16 to 36 hexadecimal digits and hyphens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// The header that proxies write it to.
    pub const HEADER: &str = "x-request-id";

    /// The identifier that a proxy gave the request, or a new one. Only digits and hyphens are taken over, as in a UUID:
    /// whoever sends the header chooses it, and a name, an address or a key must not come into the log by it.
    pub fn of(incoming: Option<String>, identifiers: &Identifiers, random: &impl Random) -> RequestId {
        let well_formed = incoming.filter(|id| {
            let legal = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
            (MIN_LENGTH..=MAX_LENGTH).contains(&id.len()) && id.bytes().all(legal)
        });
        RequestId(well_formed.unwrap_or_else(|| format!("{:032x}", identifiers.next(random))))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Shorter ones are not unique.
const MIN_LENGTH: usize = 16;

/// The length of a UUID.
const MAX_LENGTH: usize = 36;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::SeededRandom;

    #[test]
    fn only_identifiers_of_digits_are_taken_over() {
        for (incoming, taken) in [
            ("0e9b2f4c-6d0e-4b57-9f0c-2a8de3c1b7aa", true),
            ("4BF92F3577B34DA6A3CE929D0E0E4736", true),
            ("230b030023ae2822", true),
            ("230b030023ae282", false),
            ("0e9b2f4c-6d0e-4b57-9f0c-2a8de3c1b7aa0", false),
            ("a-secret-key-of-somebody", false),
            ("ann@example.com", false),
            ("", false),
        ] {
            let id = RequestId::of(Some(incoming.to_owned()), &Identifiers::default(), &SeededRandom::new(1));
            assert_eq!(id.to_string() == incoming, taken, "{incoming}");
            assert!(id.to_string().len() >= MIN_LENGTH);
        }
    }
}
