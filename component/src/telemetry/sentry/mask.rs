//! Takes out of a text what is shaped like an e-mail address, a key or an IP address. The text is one that a user wrote
//! for the operator; what is masked too much is a word that can be asked for again.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The text with `[email]`, `[key]` and `[ip]` in the place of such parts.
pub fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut after_scheme = false;
    for piece in text.split_inclusive(|c: char| c.is_whitespace() || c.is_control() || QUOTES.contains(&c)) {
        let end = piece.char_indices().next_back().map_or(0, |(at, _)| at);
        let is_separator =
            piece.chars().next_back().is_some_and(|c| c.is_whitespace() || c.is_control() || QUOTES.contains(&c));
        let (word, separator) = piece.split_at(if is_separator { end } else { piece.len() });
        masked.push_str(&mask_word(word, after_scheme));
        masked.push_str(separator);
        if !word.is_empty() {
            after_scheme = SCHEMES.contains(&word.trim_end_matches(':').to_ascii_lowercase().as_str());
        }
    }
    masked
}

/// A word without blanks. What follows the name of an authentication scheme is a credential whatever it looks like.
fn mask_word(word: &str, after_scheme: bool) -> String {
    if after_scheme && word.len() >= MIN_CREDENTIAL {
        return "[key]".to_owned();
    }
    if is_address(word) {
        return "[email]".to_owned();
    }
    if has_ipv6(word) {
        return "[ip]".to_owned();
    }
    let mut masked = String::with_capacity(word.len());
    let mut rest = word;
    while !rest.is_empty() {
        let length = rest.find(|c: char| !is_of_a_key(c)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(length);
        masked.push_str(mask_run(run));
        let other = after.find(is_of_a_key).unwrap_or(after.len());
        let (between, next) = after.split_at(other);
        masked.push_str(between);
        rest = next;
    }
    masked
}

/// Something on both sides of an at sign, in one of the ways to write it.
fn is_address(word: &str) -> bool {
    AT_SIGNS.iter().any(|at| word.split_once(at).is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty()))
}

/// An IPv6 address anywhere in the word, in brackets or not, also beside colons that are none of its own: a label's or
/// a port's. Its own part it into three to nine. One that ends like IPv4 is found by what precedes that, or as IPv4.
fn has_ipv6(word: &str) -> bool {
    word.split(|c: char| !c.is_ascii_hexdigit() && c != ':').any(|run| {
        let parts: Vec<&str> = run.split(':').collect();
        (3..=9).any(|count| parts.windows(count).any(|some| some.join(":").parse::<Ipv6Addr>().is_ok()))
    })
}

/// An IPv4 address anywhere in a run: a version number of four parts is taken for one, and one of three is not.
fn has_ipv4(run: &str) -> bool {
    run.split(|c: char| !c.is_ascii_digit() && c != '.').any(|piece| {
        let parts: Vec<&str> = piece.split('.').collect();
        parts.windows(4).any(|four| four.join(".").parse::<Ipv4Addr>().is_ok())
    })
}

/// A run of the characters that keys consist of.
fn mask_run(run: &str) -> &str {
    if has_ipv4(run) {
        return "[ip]";
    }
    if is_key(run) || run.split(['.', '=']).any(is_key) { "[key]" } else { run }
}

/// A known prefix, a long run of letters and digits, or a very long one of anything.
fn is_key(run: &str) -> bool {
    let has = |test: fn(&u8) -> bool| run.bytes().any(|byte| test(&byte));
    let known = KEY_PREFIXES.iter().any(|prefix| run.starts_with(prefix)) && run.len() >= MIN_CREDENTIAL;
    let mixed = has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic) && run.len() >= MIN_MIXED_KEY;
    known || mixed || run.len() >= MIN_KEY
}

/// Letters, digits, and what Base64 and its relatives add; without the slash, which paths have.
fn is_of_a_key(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_-+=.~".contains(character)
}

/// What ends a word besides blanks.
const QUOTES: [char; 14] = ['"', '\'', '`', '<', '>', '(', ')', '{', '}', ',', ';', '|', '“', '”'];

/// At signs: plain, in a URL, and full-width.
const AT_SIGNS: [&str; 4] = ["@", "%40", "＠", "﹫"];

/// Words before a credential.
const SCHEMES: [&str; 9] =
    ["bearer", "basic", "token", "key", "password", "secret", "api-key", "api_key", "authorization"];

/// How keys and tokens are known to begin: ours, JWTs, and those of other services that people paste.
const KEY_PREFIXES: [&str; 9] = ["pmcp_", "eyJ", "sk-", "sk_", "ghp_", "gho_", "xox", "AKIA", "plausible-"];

/// A shorter word after "key" or "token" belongs to the sentence.
const MIN_CREDENTIAL: usize = 8;

/// Shorter runs of letters and digits are names of pages and campaigns.
const MIN_MIXED_KEY: usize = 20;

/// No word is as long as this; Plausible's keys have 64 characters.
const MIN_KEY: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_keys_and_ips_are_masked_and_words_are_not() {
        let key = "Zk3pT0q".repeat(9);
        for (text, masked) in [
            ("get_breakdown said 400 for tomorrow", "get_breakdown said 400 for tomorrow"),
            ("ask ann@example.com, please", "ask [email], please"),
            ("<Ann.O'Neil+tag@sub.example.com>", "<Ann.O'[email]>"),
            ("mailto:ann%40example.com", "[email]"),
            ("ann＠example.com", "[email]"),
            ("thanks @team", "thanks @team"),
            ("from 203.0.113.7:8080 and 10.0.0.1.", "from [ip]:8080 and [ip]"),
            ("at [2001:db8::1]:443 or fe80::1", "at [ip] or [ip]"),
            ("ip=203.0.113.7", "[ip]"),
            ("https://shop.example/?ip=203.0.113.7&x=1", "https://shop.example/?[ip]&x=1"),
            ("203.0.113.7-203.0.113.20 or 203.0.113.7..203.0.113.20", "[ip] or [ip]"),
            ("ip-203.0.113.7 and 203.0.113.7.443", "[ip] and [ip]"),
            ("peer:2001:db8::1", "[ip]"),
            ("from 2001:db8::1: times out", "from [ip] times out"),
            ("2001:db8:0:0:0:0:0:1:443 or 0:0:0:0:0:ffff:203.0.113.7", "[ip] or 0:0:0:0:0:ffff:[ip]"),
            ("it took 12:30:45 and 1.5", "it took 12:30:45 and 1.5"),
            ("v1.2.3-rc.1 at 2026-08-06T12:30:45.042Z", "v1.2.3-rc.1 at 2026-08-06T12:30:45.042Z"),
            ("version=1.2.3, 300.1.2.3", "version=1.2.3, 300.1.2.3"),
            ("Authorization: Bearer abcd-efgh", "Authorization: Bearer [key]"),
            ("Bearer abcdefghij", "Bearer [key]"),
            ("the key is wrong", "the key is wrong"),
            ("key=abcdefgh12345678ijkl", "[key]"),
            ("key=sk-abc12345", "[key]"),
            ("pmcp_a_AAAA", "[key]"),
            ("eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "[key]"),
            (
                "https://shop.example/blog/2026/08/a-post-about-x?page=2",
                "https://shop.example/blog/2026/08/a-post-about-x?page=2",
            ),
            ("event:props:plan on shop.example", "event:props:plan on shop.example"),
            ("", ""),
            ("ünïcode ✓ stays", "ünïcode ✓ stays"),
        ] {
            assert_eq!(mask(text), masked, "{text}");
        }
        assert_eq!(mask(&format!("my key \"{key}\"!")), "my key \"[key]\"!");
        assert_eq!(mask(&format!("url?k={key}&x")), "url?[key]&x");
    }

    proptest::proptest! {
        #[test]
        fn no_address_or_key_survives(before in "[ a-zA-Z,.:;/(\"]{0,12}", after in "[ ,;)\"]{0,3}", local in "[a-z0-9.+_-]{1,12}", key in "[A-Za-z0-9_-]{40,64}") {
            let text = format!("{before} {local}@mark.example{after} {before}{key}{after}");
            let masked = mask(&text);
            proptest::prop_assert!(!masked.contains("@mark.example"), "{masked}");
            proptest::prop_assert!(!masked.contains(&key), "{masked}");
        }

        #[test]
        fn no_ip_survives(
            before in "[ a-zA-Z=:/?&_-]{0,12}[ =:/?&_-]",
            v4 in proptest::arbitrary::any::<Ipv4Addr>(),
            v6 in proptest::arbitrary::any::<Ipv6Addr>(),
            after in "[ ,:&/-]{0,3}",
        ) {
            let masked = mask(&format!("{before}{v4}{after} {before}{v6}{after}"));
            proptest::prop_assert!(!masked.contains(&v4.to_string()), "{masked}");
            proptest::prop_assert!(!masked.contains(&v6.to_string()), "{masked}");
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = mask(&text);
        }
    }
}
