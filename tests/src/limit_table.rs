//! The table of every limit. The constants are read from the sources; what each of them limits stands in
//! `golden/limits.toml`, which names every constant whose type is a number or a span of time, as a limit or with an
//! excuse.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::iter::Peekable;
use std::path::Path;
use std::str::Chars;

use serde::Deserialize;

use crate::layers;

/// A constant whose type is a number, a range of numbers or a span of time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Constant {
    /// The file, relative to the repository.
    pub file: String,
    /// Its name.
    pub name: String,
    /// Its type, without the path.
    pub kind: String,
    /// Its value, as it is written.
    pub expression: String,
}

/// What is said about the constants.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    limits: BTreeMap<String, BTreeMap<String, Limited>>,
    excused: BTreeMap<String, BTreeMap<String, String>>,
}

/// What a constant limits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Limited {
    /// Name or type of the constant tell the unit, or there is none.
    Plain(String),
    /// The unit is the second.
    InUnit(String, String),
}

/// A folder of sources with limits.
#[derive(Debug, Clone, Copy)]
pub struct Area {
    /// The heading over its table.
    pub title: &'static str,
    /// The folder, relative to the repository.
    pub folder: &'static str,
    /// The folder as the page links to it.
    pub link: &'static str,
}

/// The folders, in the order of the page `component/docs/limits.md`.
pub const AREAS: [Area; 3] = [
    Area { title: "The component", folder: "component/src", link: "../src" },
    Area { title: "Our own host", folder: "host/src", link: "../../host/src" },
    Area { title: "The adapters for other hosts", folder: "component/adapters", link: "../adapters" },
];

/// The constants of all areas, without those of tests and of the simulated servers.
pub fn constants(repository: &Path) -> Vec<Constant> {
    let mut found = Vec::new();
    for area in AREAS {
        let mut paths = layers::source_files(&repository.join(area.folder));
        paths.sort();
        for path in paths {
            let file = path.strip_prefix(repository).expect("a file of the repository").to_string_lossy().into_owned();
            if !file.split('/').any(|part| NOT_SHIPPED.contains(&part)) {
                found.extend(constants_of(&file, &fs::read_to_string(path).expect("a source file can be read")));
            }
        }
    }
    found
}

/// The constants of one file, in their order.
pub fn constants_of(file: &str, text: &str) -> Vec<Constant> {
    let shipped = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code = layers::code_only(shipped);
    code.split("const ").skip(1).filter_map(|declaration| constant(file, declaration)).collect()
}

fn constant(file: &str, declaration: &str) -> Option<Constant> {
    let (name, rest) = declaration.split_once(':')?;
    let (kind, rest) = rest.split_once('=')?;
    let (expression, _) = rest.split_once(';')?;
    let kind = kind.trim().rsplit("::").next()?;
    let is_name = |character: char| character.is_ascii_uppercase() || character.is_ascii_digit() || character == '_';
    let counts = NUMBERS.contains(&kind) || kind == "Duration" || kind.starts_with("RangeInclusive<");
    (counts && name.chars().all(is_name)).then(|| Constant {
        file: file.to_owned(),
        name: name.to_owned(),
        kind: kind.to_owned(),
        expression: expression.split_whitespace().collect::<Vec<_>>().join(" "),
    })
}

impl List {
    /// Reads `golden/limits.toml`.
    pub fn read(repository: &Path) -> Self {
        let text = fs::read_to_string(repository.join("tests/golden/limits.toml")).expect("limits.toml can be read");
        toml::from_str(&text).unwrap_or_else(|error| panic!("limits.toml: {error}"))
    }

    /// Files and names that it has.
    pub fn names(&self) -> BTreeSet<(&str, &str)> {
        fn pairs<T>(files: &BTreeMap<String, BTreeMap<String, T>>) -> impl Iterator<Item = (&str, &str)> {
            files.iter().flat_map(|(file, names)| names.keys().map(move |name| (file.as_str(), name.as_str())))
        }
        pairs(&self.limits).chain(pairs(&self.excused)).collect()
    }

    /// The headings and tables of the page.
    pub fn tables(&self, constants: &[Constant]) -> String {
        let mut page = String::new();
        for area in AREAS {
            page.push_str(&format!(
                "## {}\n\n| what is limited | limit | constant | in |\n|---|---|---|---|\n",
                area.title
            ));
            for constant in constants {
                page.extend(self.row(area, constant));
            }
            page.push('\n');
        }
        page
    }

    fn row(&self, area: Area, constant: &Constant) -> Option<String> {
        let path = constant.file.strip_prefix(area.folder)?.strip_prefix('/')?;
        let limited = self.limits.get(&constant.file)?.get(&constant.name)?;
        let (what, unit) = match limited {
            Limited::Plain(what) => (what, unit_of(constant)),
            Limited::InUnit(what, unit) => (what, unit.as_str()),
        };
        let link = format!("[`{path}`]({}/{path})", area.link);
        Some(format!("| {what} | {} | `{}` | {link} |\n", shown(constant, unit), constant.name))
    }
}

fn unit_of(constant: &Constant) -> &'static str {
    if constant.kind == "Duration" {
        return "milliseconds";
    }
    let unit = UNITS.iter().find(|(ending, _)| constant.name.ends_with(ending));
    unit.map_or("", |(_, unit)| *unit)
}

/// The value in its unit. What cannot be worked out here is shown as it is written.
fn shown(constant: &Constant, unit: &str) -> String {
    let Some(value) = value_of(&constant.expression) else { return format!("`{}`", constant.expression) };
    match unit {
        "bytes" => in_largest(value, &SIZES),
        "milliseconds" => in_largest(value, &TIMES),
        "seconds" => in_largest(value * 1000, &TIMES),
        _ => format!("{} {unit}", grouped(value)).trim_end().to_owned(),
    }
}

/// In the largest of these units that makes a whole number of it.
fn in_largest(value: u128, units: &[(u128, &str)]) -> String {
    let largest = units.iter().find(|(size, _)| value != 0 && value.is_multiple_of(*size));
    largest.map_or_else(|| grouped(value), |(size, unit)| format!("{} {unit}", grouped(value / size)))
}

fn grouped(value: u128) -> String {
    let digits = value.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// The value of an expression without names; of a span of time, its milliseconds.
fn value_of(expression: &str) -> Option<u128> {
    let span = |from: &str| expression.strip_prefix(from)?.strip_suffix(')');
    if let Some(seconds) = span("Duration::from_secs(") {
        return Some(value_of(seconds)? * 1000);
    }
    if let Some(milliseconds) = span("Duration::from_millis(") {
        return value_of(milliseconds);
    }
    let text: String = expression.chars().filter(|character| !character.is_whitespace() && *character != '_').collect();
    let mut rest = text.chars().peekable();
    let value = shift(&mut rest)?;
    rest.next().is_none().then_some(value)
}

/// `<<` binds least, `*` most, as in Rust.
fn shift(rest: &mut Peekable<Chars<'_>>) -> Option<u128> {
    let mut value = sum(rest)?;
    while rest.next_if_eq(&'<').is_some() {
        rest.next_if_eq(&'<')?;
        value = value.checked_shl(u32::try_from(sum(rest)?).ok()?)?;
    }
    Some(value)
}

fn sum(rest: &mut Peekable<Chars<'_>>) -> Option<u128> {
    let mut value = product(rest)?;
    while let Some(operator) = rest.next_if(|character| matches!(character, '+' | '-')) {
        let other = product(rest)?;
        value = if operator == '+' { value.checked_add(other)? } else { value.checked_sub(other)? };
    }
    Some(value)
}

fn product(rest: &mut Peekable<Chars<'_>>) -> Option<u128> {
    let mut value = atom(rest)?;
    while rest.next_if_eq(&'*').is_some() {
        value = value.checked_mul(atom(rest)?)?;
    }
    Some(value)
}

fn atom(rest: &mut Peekable<Chars<'_>>) -> Option<u128> {
    if rest.next_if_eq(&'(').is_some() {
        let value = shift(rest)?;
        rest.next_if_eq(&')')?;
        return Some(value);
    }
    let mut digits = String::new();
    while let Some(digit) = rest.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    digits.parse().ok()
}

/// Parts of paths with code that no deployment runs, or that limits none.
const NOT_SHIPPED: [&str; 9] = [
    "tests",
    "tests.rs",
    "testing.rs",
    "test_tokens.rs",
    "simulated_provider.rs",
    "contract",
    "contract.rs",
    "demo",
    "demo.rs",
];

const NUMBERS: [&str; 14] =
    ["usize", "u8", "u16", "u32", "u64", "u128", "isize", "i8", "i16", "i32", "i64", "i128", "f32", "f64"];

/// Endings of names that tell a unit. The first that fits counts.
const UNITS: [(&str, &str); 8] = [
    ("BYTES", "bytes"),
    ("MILLISECONDS", "milliseconds"),
    ("_MS", "milliseconds"),
    ("SECONDS", "seconds"),
    ("_BITS", "bits"),
    ("_CHARS", "characters"),
    ("_PERCENT", "%"),
    ("_PER_MINUTE", "a minute"),
];

const SIZES: [(u128, &str); 3] = [(1 << 20, "MiB"), (1 << 10, "KiB"), (1, "bytes")];

const TIMES: [(u128, &str); 5] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"), (1, "ms")];

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, String)> {
        constants_of("a.rs", text).into_iter().map(|constant| (constant.name, constant.expression)).collect()
    }

    #[test]
    fn constants_that_count_are_found_wherever_they_stand() {
        let text = "
            /// const NO: usize = 1;
            const A: usize = 64 * 1024;
            pub(crate) const B_2: std::time::Duration = Duration::from_secs(5);
            const TEXT: &str = \"const NO: usize = 1;\";
            const LIST: [usize; 2] = [1, 2];
            const fn f(x: usize) -> usize { x }
            impl X { pub const C: u32 =
                1 << 20; }
            const D: RangeInclusive<u64> = 1..=2;\n#[cfg(test)]\nmod tests {\n    const NO: usize = 1;\n}
        ";
        let expected = [("A", "64 * 1024"), ("B_2", "Duration::from_secs(5)"), ("C", "1 << 20"), ("D", "1..=2")];
        assert_eq!(found(text), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn expressions_are_worked_out_as_rust_does() {
        for (expression, value) in [
            ("5_000", Some(5000)),
            ("2 * 3 + 4", Some(10)),
            ("2 + 3 * 4 - 1", Some(13)),
            ("1 << 4 + 6", Some(1024)),
            ("(1 << 53) - 1", Some(9_007_199_254_740_991)),
            ("Duration::from_millis(300)", Some(300)),
            ("Duration::from_secs(2 * 60)", Some(120_000)),
            ("OTHER", None),
            ("1..=2", None),
            ("1 <", None),
        ] {
            assert_eq!(value_of(expression), value, "{expression}");
        }
    }

    #[test]
    fn values_are_shown_in_the_unit_that_suits_them() {
        let constant = |name: &str, kind: &str, expression: &str| Constant {
            file: String::new(),
            name: name.to_owned(),
            kind: kind.to_owned(),
            expression: expression.to_owned(),
        };
        for (name, kind, expression, expected) in [
            ("MAX_BYTES", "usize", "64 * 1024", "64 KiB"),
            ("MAX_BYTES", "usize", "256 * 1024 - 64", "262,080 bytes"),
            ("A_SECONDS", "u32", "90 * 24 * 60 * 60", "90 d"),
            ("A_MILLISECONDS", "u64", "30 * 1000", "30 s"),
            ("A", "Duration", "Duration::from_millis(1500)", "1,500 ms"),
            ("MAX_KEYS", "usize", "1000", "1,000"),
            ("A_PER_MINUTE", "u32", "10", "10 a minute"),
            ("A", "usize", "B", "`B`"),
        ] {
            let constant = constant(name, kind, expression);
            assert_eq!(shown(&constant, unit_of(&constant)), expected);
        }
    }
}
