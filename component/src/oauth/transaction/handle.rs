//! The names of a transaction: in cookies, in forms and in upstream states.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{TRANSACTION_SECONDS, TransactionError};
use crate::oauth::keyring::{KeyRing, Purpose};
use crate::oauth::record::{RecordFault, sealing_key};
use crate::oauth::secret::hex;
use crate::ports::Timestamp;

/// The name of a transaction's cookies: the time and 16 random bytes in hexadecimal digits. It opens nothing by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieId(String);

/// A form's field that says which transaction the form is about.
///
/// ```text
/// <cookie id>.<base64url of the sealed form>      on the consent page: nothing is stored yet
/// <cookie id>-<digest>                            after approval: the record stands under the digest
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Handle {
    id: CookieId,
    subject: Subject,
}

#[derive(Clone, PartialEq, Eq)]
enum Subject {
    Sealed(Vec<u8>),
    Stored(String),
}

impl CookieId {
    pub(super) fn new(now: Timestamp, random: [u8; 16]) -> CookieId {
        CookieId(format!("{:0width$x}{}", now.seconds() & MAX_TIME, hex(&random), width = TIME_DIGITS))
    }

    /// Reads an id; `None` for what cannot be one.
    pub fn parse(text: &str) -> Option<CookieId> {
        (text.len() == ID_DIGITS && is_hex(text)).then(|| CookieId(text.to_owned()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a transaction that began at the time in the id has ended. The time may be made up, so this only chooses
    /// the words for somebody who gets no further anyway.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        let begun = self.0.get(..TIME_DIGITS).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        begun.is_some_and(|begun| now.seconds() >= begun.saturating_add(u64::from(TRANSACTION_SECONDS)))
    }
}

impl Handle {
    /// The handle of a form that nothing is stored for.
    pub(super) fn sealed(id: CookieId, form: Vec<u8>) -> Handle {
        Handle { id, subject: Subject::Sealed(form) }
    }

    /// Reads a handle. Servers before this one gave out bare ids.
    pub fn parse(text: &str) -> Result<Handle, TransactionError> {
        if CookieId::parse(text).is_some() {
            return Err(TransactionError::Outdated);
        }
        Handle::split(text).ok_or(TransactionError::Unknown)
    }

    fn split(text: &str) -> Option<Handle> {
        let (id, rest) = text.split_at_checked(ID_DIGITS)?;
        let id = CookieId::parse(id)?;
        let subject = match (rest.strip_prefix('.'), rest.strip_prefix('-')) {
            (Some(form), _) => Subject::Sealed(URL_SAFE_NO_PAD.decode(form).ok()?),
            (_, Some(digest)) if digest.len() == DIGEST_DIGITS && is_hex(digest) => Subject::Stored(digest.to_owned()),
            _ => return None,
        };
        Some(Handle { id, subject })
    }

    /// The handle as it stands in a form.
    pub fn text(&self) -> String {
        match &self.subject {
            Subject::Sealed(form) => format!("{}.{}", self.id.0, URL_SAFE_NO_PAD.encode(form)),
            Subject::Stored(digest) => format!("{}-{digest}", self.id.0),
        }
    }

    /// What the transaction's cookies are named after.
    pub fn cookie_id(&self) -> &CookieId {
        &self.id
    }

    /// The sealed form, if the handle carries one.
    pub(super) fn form(&self) -> Option<&[u8]> {
        match &self.subject {
            Subject::Sealed(form) => Some(form),
            Subject::Stored(_) => None,
        }
    }

    /// The short handle of the same transaction, for states and for forms after approval.
    pub(super) fn stored(&self, ring: &KeyRing) -> Result<Handle, RecordFault> {
        let subject = Subject::Stored(self.digest(ring)?);
        Ok(Handle { id: self.id.clone(), subject })
    }

    /// Where the transaction's record stands, or will.
    pub(super) fn store_key(&self, ring: &KeyRing) -> Result<String, RecordFault> {
        Ok(format!("transaction/{}", self.digest(ring)?))
    }

    /// The keyed hash of the sealed form, so that one form leads to one record.
    fn digest(&self, ring: &KeyRing) -> Result<String, RecordFault> {
        match &self.subject {
            Subject::Sealed(form) => {
                let key = sealing_key(ring, form)?.subkey(Purpose::Form);
                Ok(hex(&key.mac(&[b"transaction", form])))
            }
            Subject::Stored(digest) => Ok(digest.clone()),
        }
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Handle({}, …)", self.id.0)
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Seconds since 1970 in as many digits as are enough for 34,000 years.
const TIME_DIGITS: usize = 10;
const MAX_TIME: u64 = (1 << (4 * TIME_DIGITS)) - 1;

const ID_DIGITS: usize = TIME_DIGITS + 32;

/// A SHA-256 in hexadecimal digits.
const DIGEST_DIGITS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_age_and_have_one_spelling() {
        let id = |milliseconds| CookieId::new(Timestamp(milliseconds), [0xab; 16]);
        assert!(id(0).as_str() < id(1_786_012_200_000).as_str());
        let text = id(u64::MAX).as_str().to_owned();
        assert_eq!(CookieId::parse(&text), Some(id(u64::MAX)));
        for wrong in ["", "x", &text[1..], &format!("{text}0"), &text.to_uppercase(), &text.replace("ab", "/.")] {
            assert_eq!(CookieId::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_id_tells_when_its_transaction_is_over() {
        let id = CookieId::new(Timestamp(5_000_000), [0; 16]);
        for (now, is_over) in [(0, false), (5_599_999, false), (5_600_000, true), (u64::MAX, true)] {
            assert_eq!(id.is_over(Timestamp(now)), is_over, "{now}");
        }
    }

    #[test]
    fn a_handle_is_read_back_as_it_was_written() {
        let ring = KeyRing::parse(&format!("{:064x}", 7)).unwrap();
        let id = CookieId::new(Timestamp(1000), [0xab; 16]);
        let form = [&[1], ring.newest().id().0.as_slice(), &[9; 60]].concat();
        let sealed = Handle::sealed(id.clone(), form);
        let stored = sealed.stored(&ring).unwrap();
        for handle in [&sealed, &stored] {
            assert!(Handle::parse(&handle.text()).as_ref() == Ok(handle));
            assert_eq!(handle.store_key(&ring), sealed.store_key(&ring));
            assert_eq!(handle.cookie_id(), &id);
        }
        assert_eq!(Handle::parse(id.as_str()).err(), Some(TransactionError::Outdated));
        let (short, long) = (stored.text(), sealed.text());
        for wrong in ["", "x", "zz", &short[1..], &short[..short.len() - 1], &format!("{long}="), &format!("{short}0")]
        {
            assert_eq!(Handle::parse(wrong).err(), Some(TransactionError::Unknown), "{wrong}");
        }
    }
}
