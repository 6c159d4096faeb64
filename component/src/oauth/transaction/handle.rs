//! The name of a transaction.

use crate::oauth::secret::{hex, sha256};
use crate::ports::Timestamp;

/// The name of a transaction in forms, cookies and upstream states: the time and 16 random bytes in hexadecimal digits.
/// It opens nothing without the cookies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handle(String);

impl Handle {
    pub(super) fn new(now: Timestamp, random: [u8; 16]) -> Handle {
        Handle(format!("{:0width$x}{}", now.seconds() & MAX_TIME, hex(&random), width = TIME_DIGITS))
    }

    /// Reads a handle; `None` for what cannot be one.
    pub fn parse(text: &str) -> Option<Handle> {
        let legal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == HANDLE_DIGITS && text.bytes().all(legal)).then(|| Handle(text.to_owned()))
    }

    /// The handle as it stands in a form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn store_key(&self) -> String {
        format!("transaction/{}", hex(&sha256(self.0.as_bytes())))
    }
}

/// Seconds since 1970 in as many digits as are enough for 34,000 years.
const TIME_DIGITS: usize = 10;
const MAX_TIME: u64 = (1 << (4 * TIME_DIGITS)) - 1;

const HANDLE_DIGITS: usize = TIME_DIGITS + 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_sort_by_age_and_have_one_spelling() {
        let handle = |milliseconds| Handle::new(Timestamp(milliseconds), [0xab; 16]);
        assert!(handle(0).as_str() < handle(1_786_012_200_000).as_str());
        let text = handle(u64::MAX).as_str().to_owned();
        assert_eq!(Handle::parse(&text), Some(handle(u64::MAX)));
        for wrong in ["", "x", &text[1..], &format!("{text}0"), &text.to_uppercase(), &text.replace("ab", "/.")] {
            assert_eq!(Handle::parse(wrong), None, "{wrong}");
        }
    }
}
