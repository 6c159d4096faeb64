//! Names of hosts as people read them (RFC 3492): browsers copy `xn--bcher-kva.example` where they show
//! `bücher.example`, and a site may be kept in Plausible in either way.

/// The host with every label decoded that is encoded.
pub fn unicode(host: &str) -> String {
    let label = |label: &str| label.strip_prefix("xn--").and_then(decoded).unwrap_or_else(|| label.to_owned());
    host.split('.').map(label).collect::<Vec<_>>().join(".")
}

/// A label without its prefix, decoded (RFC 3492 §6.2). `None` when it is not the encoding of any.
fn decoded(label: &str) -> Option<String> {
    if label.len() > MAX_LABEL {
        return None;
    }
    let (basic, encoded) = label.rsplit_once('-').unwrap_or(("", label));
    let mut decoded: Vec<char> = basic.chars().collect();
    let (mut code_point, mut position, mut bias) = (INITIAL_CODE_POINT, 0_u32, INITIAL_BIAS);
    let mut digits = encoded.bytes().peekable();
    while digits.peek().is_some() {
        let before = position;
        position = before.checked_add(delta(&mut digits, bias)?)?;
        let length = u32::try_from(decoded.len()).ok()? + 1;
        bias = adapted(position - before, length, before == 0);
        code_point = code_point.checked_add(position / length)?;
        position %= length;
        decoded.insert(usize::try_from(position).ok()?, char::from_u32(code_point)?);
        position += 1;
    }
    Some(decoded.into_iter().collect())
}

/// The next of the numbers, each of which ends with a digit below its threshold.
fn delta(digits: &mut impl Iterator<Item = u8>, bias: u32) -> Option<u32> {
    let (mut delta, mut weight, mut place) = (0_u32, 1_u32, BASE);
    loop {
        let digit = char::from(digits.next()?).to_digit(BASE)?;
        // Letters come before digits there.
        let digit = if digit < DIGITS { digit + LETTERS } else { digit - DIGITS };
        delta = delta.checked_add(digit.checked_mul(weight)?)?;
        let threshold = place.saturating_sub(bias).clamp(1, LETTERS);
        if digit < threshold {
            return Some(delta);
        }
        weight = weight.checked_mul(BASE - threshold)?;
        place += BASE;
    }
}

/// RFC 3492 §6.1.
fn adapted(delta: u32, length: u32, is_first: bool) -> u32 {
    let mut delta = if is_first { delta / DAMP } else { delta / 2 };
    delta += delta / length;
    let mut bias = 0;
    while delta > (BASE - 1) * LETTERS / 2 {
        delta /= BASE - 1;
        bias += BASE;
    }
    bias + BASE * delta / (delta + SKEW)
}

/// The longest label of a host (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;

// The parameters of Punycode (RFC 3492 §5). Its digits are letters and digits; so many letters is its largest threshold.
const BASE: u32 = 36;
const DIGITS: u32 = 10;
const LETTERS: u32 = 26;
const SKEW: u32 = 38;
const DAMP: u32 = 700;
const INITIAL_BIAS: u32 = 72;
const INITIAL_CODE_POINT: u32 = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_labels_are_read() {
        for (host, read) in [
            ("shop.example", "shop.example"),
            ("xn--bcher-kva.example", "bücher.example"),
            ("blog.xn--mnchen-3ya.example", "blog.münchen.example"),
            ("xn--fiqs8s", "中国"),
            ("xn--e1afmkfd.xn--p1ai", "пример.рф"),
            // RFC 3492 §7.1 (L).
            ("xn--3B-ww4c5e180e575a65lsy2b", "3年B組金八先生"),
            ("xn--", ""),
            ("xn--a-", "a"),
            ("xn--99999999999", "xn--99999999999"),
        ] {
            assert_eq!(unicode(host), read, "{host}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_host_panics(host in "(xn--[a-z0-9-]{0,70}|.{0,8}|\\.){0,4}") {
            let _ = unicode(&host);
        }
    }
}
