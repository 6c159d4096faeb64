//! Whom the operator lets in: e-mail addresses of certain domains, but for certain addresses.

use super::rejection::Rejection;

/// The operator's rule. Names are compared without regard to ASCII case; nobody is let in by an empty list of domains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admission {
    /// The domains whose addresses are let in, each matched as a whole: a subdomain is another domain.
    pub allowed_domains: Vec<String>,
    /// The addresses that are not let in nevertheless.
    pub denied_emails: Vec<String>,
}

impl Admission {
    /// Checks an address and gives it in lower case.
    ///
    /// Only ASCII is accepted, before anything is compared or lower-cased: under Unicode's rules `K` (the Kelvin sign)
    /// becomes `k`, and one person's address another's.
    pub fn admit(&self, email: &str) -> Result<String, Rejection> {
        let domain = domain_of(email).ok_or(Rejection::EmailForm)?;
        if !self.allowed_domains.iter().any(|allowed| allowed.eq_ignore_ascii_case(domain)) {
            return Err(Rejection::Domain);
        }
        if self.denied_emails.iter().any(|denied| denied.eq_ignore_ascii_case(email)) {
            return Err(Rejection::Denied);
        }
        Ok(email.to_ascii_lowercase())
    }

    /// Whether each denied entry is of the form that [`Admission::admit`] demands: another one would keep nobody out.
    pub fn denies_addresses_only(&self) -> bool {
        self.denied_emails.iter().all(|denied| domain_of(denied).is_some())
    }
}

/// The domain of a plain address; `None` for everything else.
fn domain_of(email: &str) -> Option<&str> {
    let (local, domain) = email.split_once('@')?;
    let is_plain = email.len() <= MAX_EMAIL && is_local_part(local) && is_domain(domain);
    is_plain.then_some(domain)
}

/// A dot-string (RFC 5321 §4.1.2) without the characters of source routes: no quotes, comments, blanks or controls.
fn is_local_part(local: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"#$&'*+-/=?^_`{|}~.".contains(&byte);
    !local.is_empty() && local.bytes().all(legal)
}

/// A host name of ASCII letters, digits and hyphens; above all, no second `@`.
fn is_domain(domain: &str) -> bool {
    !domain.is_empty() && domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
}

/// The longest address (RFC 5321 §4.5.3.1.3, less the angle brackets), in bytes.
const MAX_EMAIL: usize = 254;

#[cfg(test)]
mod tests {
    use super::*;

    fn admission() -> Admission {
        Admission {
            allowed_domains: vec!["example.com".into(), "Example.NET".into()],
            denied_emails: vec!["Former@example.com".into()],
        }
    }

    #[track_caller]
    fn check(email: &str, expected: Result<&str, Rejection>) {
        assert_eq!(admission().admit(email), expected.map(str::to_owned), "{email:?}");
    }

    #[test]
    fn addresses_of_allowed_domains_are_let_in_in_lower_case() {
        check("a@example.com", Ok("a@example.com"));
        check("A@EXAMPLE.COM", Ok("a@example.com"));
        check("First.Last+tag@example.net", Ok("first.last+tag@example.net"));
        check("o'neill_{x}@example.com", Ok("o'neill_{x}@example.com"));
    }

    #[test]
    fn other_domains_are_not() {
        for email in [
            "a@example.com.evil.test",
            "a@sub.example.com",
            "a@example.com.",
            "a@.example.com",
            "a@notexample.com",
            "a@com",
            "a@xn--exmple-cua.com",
            "a@evil.test",
        ] {
            check(email, Err(Rejection::Domain));
        }
    }

    #[test]
    fn denied_addresses_are_not_in_any_case() {
        check("former@example.com", Err(Rejection::Denied));
        check("FORMER@EXAMPLE.COM", Err(Rejection::Denied));
        check("former@example.net", Ok("former@example.net"));
    }

    #[test]
    fn only_what_an_address_can_be_is_worth_denying() {
        let denies = |denied: &[&str]| {
            let denied_emails = denied.iter().map(|entry| (*entry).to_owned()).collect();
            Admission { denied_emails, ..admission() }.denies_addresses_only()
        };
        assert!(denies(&[]) && denies(&["Former@example.com", "a+b@elsewhere.example"]));
        for entry in ["bob", "@example.com", "bob <bob@example.com>", "a@example.com; b@example.com"] {
            assert!(!denies(&["a@example.com", entry]), "{entry}");
        }
    }

    #[test]
    fn what_is_no_plain_address_is_refused() {
        for email in [
            "",
            "a",
            "@",
            "example.com",
            "@example.com",
            "a@",
            "a@@example.com",
            "a@evil.test@example.com",
            "a@example.com@evil.test",
            "\"a@example.com\"@evil.test",
            "\"a b\"@example.com",
            "<a@example.com>",
            "a@evil.test,b@example.com",
            "a@evil.test;b@example.com",
            "a@evil.test b@example.com",
            "a,b@example.com",
            " a@example.com",
            "a@example.com ",
            "a@example.com\n",
            "a@example.com\r\n",
            "a\t@example.com",
            "a@example.com\0",
            "a@example.com\0.evil.test",
            "a(comment)@example.com",
            "a@(c)example.com",
            "a%40evil.test@example.com",
            "a%evil.test@example.com",
            "evil.test!a@example.com",
            "a@example\u{3002}com",
            "a@example\u{ff0e}com",
            "a@\u{435}xample.com",
            "a@EXAMPLE.\u{130}O",
            "\u{212a}@example.com",
            "ä@example.com",
            "a@example.com?x",
            "a@example.com/",
            "a@example.com#",
            "a@example.com:25",
            "a@[127.0.0.1]",
            "a\u{202e}@example.com",
        ] {
            check(email, Err(Rejection::EmailForm));
        }
        let longest = format!("{}@example.com", "a".repeat(MAX_EMAIL - "@example.com".len()));
        check(&longest, Ok(&longest));
        check(&format!("a{longest}"), Err(Rejection::EmailForm));
    }

    #[test]
    fn an_empty_rule_lets_nobody_in() {
        assert_eq!(Admission::default().admit("a@example.com"), Err(Rejection::Domain));
        let blank = Admission { allowed_domains: vec![String::new(), "*".into(), "@".into()], denied_emails: vec![] };
        assert_eq!(blank.admit("a@"), Err(Rejection::EmailForm));
        assert_eq!(blank.admit("a@example.com"), Err(Rejection::Domain));
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_let_in_ends_in_an_allowed_domain(email in "(.{0,20}|[a-zA-Z.@%!]{0,8}@?(example\\.com|EXAMPLE\\.net)?.?)") {
            if let Ok(admitted) = admission().admit(&email) {
                let (local, domain) = admitted.split_once('@').unwrap();
                proptest::prop_assert!(!local.is_empty() && ["example.com", "example.net"].contains(&domain));
                proptest::prop_assert!(admitted.eq_ignore_ascii_case(&email));
                proptest::prop_assert_eq!(admission().admit(&admitted), Ok(admitted));
            }
        }
    }
}
