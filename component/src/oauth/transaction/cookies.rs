//! The two cookies of a transaction: what binds it to one browser.
//!
//! Their names carry an id of the transaction, so that several connects in parallel do not meet. An id begins with the
//! time, so the names alone tell which is the oldest, and the number of pairs in a browser stays bounded.

use super::CookieId;
use crate::oauth::secret::{hex, is_equal, sha256};

/// What a cookie proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CookieKind {
    /// This browser was shown the consent page.
    Consent,
    /// This browser approved.
    Upstream,
}

/// A cookie of a transaction.
#[derive(Clone)]
pub struct Cookie {
    kind: CookieKind,
    id: CookieId,
    value: String,
}

/// The cookies of ours in a request.
#[derive(Clone, Default)]
pub struct Cookies(Vec<(String, String)>);

impl CookieKind {
    /// The name for a transaction. Browsers take the prefix `__Host-` from this very host only, over TLS.
    pub fn name(self, id: &CookieId) -> String {
        format!("{}{}", self.prefix(), id.as_str())
    }

    fn prefix(self) -> &'static str {
        match self {
            CookieKind::Consent => "__Host-consent-",
            CookieKind::Upstream => "__Host-upstream-",
        }
    }
}

impl Cookie {
    pub(super) fn new(kind: CookieKind, id: &CookieId, value: [u8; 32]) -> Cookie {
        Cookie { kind, id: id.clone(), value: hex(&value) }
    }

    /// The header `Set-Cookie`. `Lax`, since the way back from the identity provider comes from another site.
    pub fn header(&self, max_age_seconds: u32) -> String {
        format!("{}={}; Max-Age={max_age_seconds}{ATTRIBUTES}", self.kind.name(&self.id), self.value)
    }

    pub(super) fn value(&self) -> &str {
        &self.value
    }

    /// What the transaction's record keeps of it.
    pub(super) fn hash(&self) -> String {
        hash(&self.value)
    }
}

impl std::fmt::Debug for Cookie {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Cookie({:?}, …)", self.kind)
    }
}

impl Cookies {
    /// Reads the header `Cookie`. Cookies of others are left out. Of a header that is too long nothing is read.
    pub fn read(header: &str) -> Cookies {
        let header = Some(header).filter(|header| header.len() <= MAX_HEADER_BYTES).unwrap_or_default();
        let pairs = header.split(';').filter_map(|pair| pair.trim_matches([' ', '\t']).split_once('='));
        let ours = pairs.filter(|(name, _)| id_of(name).is_some());
        Cookies(ours.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// The value of a cookie; `None` when it is absent, and when there are several (RFC 6265 §4.2.2: servers SHOULD NOT
    /// rely on their order).
    pub(super) fn value(&self, kind: CookieKind, id: &CookieId) -> Option<&str> {
        let name = kind.name(id);
        let mut values = self.0.iter().filter(|(other, _)| *other == name).map(|(_, value)| value.as_str());
        let value = values.next();
        if values.next().is_some() { None } else { value }
    }

    /// Whether the cookie is there and is the one with this hash.
    pub(super) fn has(&self, kind: CookieKind, id: &CookieId, expected_hash: &str) -> bool {
        self.value(kind, id).is_some_and(|value| is_equal(hash(value).as_bytes(), expected_hash.as_bytes()))
    }

    /// The headers `Set-Cookie` that end the oldest transactions' cookies, so that with `newest` there are at most
    /// five pairs.
    pub fn drop_oldest(&self, newest: &CookieId) -> Vec<String> {
        let mut ids: Vec<&str> = self.0.iter().filter_map(|(name, _)| id_of(name)).collect();
        ids.retain(|id| *id != newest.as_str());
        ids.sort_unstable();
        ids.dedup();
        let surplus = ids.len().saturating_sub(MAX_PAIRS - 1);
        let ended = ids.into_iter().take(surplus).filter_map(CookieId::parse);
        ended.flat_map(|id| self.end(&id)).collect()
    }

    /// Whether this browser has no cookie of the transaction and as many newer ones as it may have: it was dropped.
    pub(super) fn have_superseded(&self, id: &CookieId) -> bool {
        let mut ids: Vec<&str> = self.0.iter().filter_map(|(name, _)| id_of(name)).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.len() >= MAX_PAIRS && ids.first().is_some_and(|oldest| *oldest > id.as_str())
    }

    /// The headers `Set-Cookie` that end the cookies of a transaction which this browser has.
    pub fn end(&self, id: &CookieId) -> Vec<String> {
        let names = [CookieKind::Consent, CookieKind::Upstream].map(|kind| kind.name(id));
        let present = names.into_iter().filter(|name| self.0.iter().any(|(other, _)| other == name));
        present.map(|name| format!("{name}=; Max-Age=0{ATTRIBUTES}")).collect()
    }
}

impl std::fmt::Debug for Cookies {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Cookies({})", self.0.len())
    }
}

fn id_of(name: &str) -> Option<&str> {
    let prefixes = [CookieKind::Consent, CookieKind::Upstream].map(CookieKind::prefix);
    let id = prefixes.into_iter().find_map(|prefix| name.strip_prefix(prefix));
    id.filter(|id| CookieId::parse(id).is_some())
}

fn hash(value: &str) -> String {
    hex(&sha256(value.as_bytes()))
}

/// What RFC 6265bis §4.1.3.2 demands of `__Host-`, and no script.
const ATTRIBUTES: &str = "; Path=/; Secure; HttpOnly; SameSite=Lax";

/// Five connects at once are more than anybody starts on purpose; each pair takes about 250 bytes of every request.
const MAX_PAIRS: usize = 5;

/// Browsers keep 180 cookies of 4 KB per site, but servers rarely take headers of more than 64 KB.
const MAX_HEADER_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Timestamp;

    fn id(seconds: u64) -> CookieId {
        CookieId::new(Timestamp(seconds * 1000), [7; 16])
    }

    fn pair(kind: CookieKind, seconds: u64) -> String {
        format!("{}=v{seconds}", kind.name(&id(seconds)))
    }

    #[test]
    fn a_cookie_is_bound_to_the_host_and_hidden_from_scripts() {
        let cookie = Cookie::new(CookieKind::Consent, &id(1), [1; 32]);
        let header = cookie.header(600);
        assert!(header.starts_with(&format!("__Host-consent-{}=0101", id(1).as_str())), "{header}");
        assert!(header.ends_with("01; Max-Age=600; Path=/; Secure; HttpOnly; SameSite=Lax"), "X18 {header}");
        assert_eq!(format!("{cookie:?}"), "Cookie(Consent, …)");
        let sent = header.split(';').next().unwrap();
        assert!(Cookies::read(sent).has(CookieKind::Consent, &id(1), &cookie.hash()));
        assert!(!Cookies::read(sent).has(CookieKind::Upstream, &id(1), &cookie.hash()));
        assert!(!Cookies::read(sent).has(CookieKind::Consent, &id(2), &cookie.hash()));
    }

    #[test]
    fn a_repeated_cookie_is_absent() {
        let one = pair(CookieKind::Consent, 1);
        let value = |header: &str| Cookies::read(header).value(CookieKind::Consent, &id(1)).map(str::to_owned);
        assert_eq!(value(&format!("a=b; {one}")).as_deref(), Some("v1"));
        assert_eq!(value(&format!("{one};{one}")), None, "X16");
        for header in ["", ";;;", "=", "__Host-consent-=x", "__Host-consent-ä=x", &"x=y; ".repeat(20_000)] {
            assert_eq!(value(header), None, "{header:.20}");
        }
        assert_eq!(value(&format!("{one}; x={}", "y".repeat(MAX_HEADER_BYTES))), None);
    }

    #[test]
    fn at_most_five_pairs_stay_and_the_oldest_go() {
        let both = |seconds| [pair(CookieKind::Upstream, seconds), pair(CookieKind::Consent, seconds)].join("; ");
        let header = [both(6), both(2), pair(CookieKind::Consent, 1), both(4), both(3), both(5)].join("; ");
        let ended = Cookies::read(&header).drop_oldest(&id(9));
        let names: Vec<_> = ended.iter().map(|header| header.split('=').next().unwrap()).collect();
        let expected =
            [CookieKind::Consent.name(&id(1)), CookieKind::Consent.name(&id(2)), CookieKind::Upstream.name(&id(2))];
        assert_eq!(names, expected, "C24");
        assert!(ended.iter().all(|header| header.contains("=; Max-Age=0; Path=/; Secure")));
        let four = [both(6), both(4), both(3), both(5)].join("; ");
        assert!(Cookies::read(&four).drop_oldest(&id(9)).is_empty());
        assert!(Cookies::read(&format!("{four}; {}", both(9))).drop_oldest(&id(9)).is_empty());
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_browser_sends_four_others_stay(times in proptest::collection::vec(0u64..50, 0..500)) {
            let pairs: Vec<_> = times.iter().map(|time| pair(CookieKind::Consent, *time)).collect();
            let others: std::collections::BTreeSet<_> = times.iter().filter(|time| **time != 60).collect();
            let ended = Cookies::read(&pairs.join("; ")).drop_oldest(&id(60));
            if pairs.join("; ").len() <= MAX_HEADER_BYTES {
                proptest::prop_assert_eq!(others.len() - ended.len(), others.len().min(4));
            }
        }
    }
}
