//! Who somebody is, as far as Cloudflare Access vouches for it.

use super::admission::Admission;
use super::rejection::Rejection;
use crate::ports::Timestamp;

/// Somebody whom Access has authenticated and the operator lets in. Only [`verify`](super::verify) makes it, and
/// [`VerifiedIdentity::recall`] from what it made before. Its `Debug` shows no e-mail.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifiedIdentity {
    email: String,
    expires: Timestamp,
}

impl VerifiedIdentity {
    pub(super) fn new(email: String, expires: Timestamp) -> VerifiedIdentity {
        VerifiedIdentity { email, expires }
    }

    /// The identity of an assertion that was verified before and remembered.
    ///
    /// `email` and `expires` must come from a record that this server has sealed: nothing else proves them. The
    /// operator's rule is asked again, since it may have changed.
    pub fn recall(
        email: &str,
        expires: Timestamp,
        admission: &Admission,
        now: Timestamp,
    ) -> Result<VerifiedIdentity, Rejection> {
        if now >= expires {
            return Err(Rejection::Expired { at: expires });
        }
        Ok(VerifiedIdentity::new(admission.admit(email)?, expires))
    }

    /// The e-mail address in lower case. Personal data: never for a log or telemetry.
    pub fn email(&self) -> &str {
        &self.email
    }

    /// When the token that proved it expires; for a moment after that it may have been accepted nevertheless, since
    /// clocks differ.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// For how long a verified assertion may be remembered, in whole seconds: until it expires, and 5 minutes at most.
    /// `None` when that is less than a second.
    pub fn remembered_seconds(&self, now: Timestamp) -> Option<u64> {
        let left = self.expires.0.saturating_sub(now.0) / 1000;
        (left > 0).then_some(left.min(MAX_REMEMBERED))
    }
}

impl std::fmt::Debug for VerifiedIdentity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("VerifiedIdentity").field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// The longest that a verified assertion is remembered, in seconds: as long as a withdrawn key may still be in use.
const MAX_REMEMBERED: u64 = 5 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_786_012_200_000);

    fn expiring_in(milliseconds: i64) -> VerifiedIdentity {
        let expires = Timestamp(NOW.0.checked_add_signed(milliseconds).unwrap());
        VerifiedIdentity::new("a@example.com".into(), expires)
    }

    #[test]
    fn an_assertion_is_remembered_until_it_expires_and_five_minutes_at_most() {
        for (milliseconds, seconds) in [
            (-1000, None),
            (0, None),
            (999, None),
            (1000, Some(1)),
            (1999, Some(1)),
            (299_999, Some(299)),
            (300_000, Some(300)),
            (86_400_000, Some(300)),
        ] {
            assert_eq!(expiring_in(milliseconds).remembered_seconds(NOW), seconds, "{milliseconds}");
        }
    }

    #[test]
    fn a_remembered_identity_is_checked_against_the_clock_and_the_rule() {
        let rule = |domain: &str| Admission { allowed_domains: vec![domain.into()], denied_emails: vec![] };
        let recall = |milliseconds, domain| {
            let identity = expiring_in(milliseconds);
            VerifiedIdentity::recall(identity.email(), identity.expires(), &rule(domain), NOW)
        };
        assert_eq!(recall(1, "example.com"), Ok(expiring_in(1)));
        assert_eq!(recall(0, "example.com"), Err(Rejection::Expired { at: NOW }));
        assert_eq!(recall(1, "example.net"), Err(Rejection::Domain));
    }

    #[test]
    fn an_address_shows_in_no_debug_output() {
        assert_eq!(format!("{:?}", expiring_in(0)), "VerifiedIdentity { expires: Timestamp(1786012200000), .. }");
    }
}
