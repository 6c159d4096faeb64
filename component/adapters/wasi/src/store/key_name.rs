//! Keys as names of folders, and back.
//!
//! A key is 1 to 200 bytes of `[a-z0-9/_-]`. A file name cannot hold `/`, so `.` stands for it, which no key has and
//! which sorts among these bytes as `/` does; and `=` ends the name, so that no key becomes `.` or `..`.

/// Whether `key` is one that the interface allows.
pub(super) fn is_key(key: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"/_-".contains(&byte);
    (1..=KEY_BYTES).contains(&key.len()) && key.bytes().all(is_legal)
}

/// The name of the folder of a key.
pub(super) fn encode(key: &str) -> String {
    let mut name = key.replace('/', ".");
    name.push(END);
    name
}

/// The key of a folder of this name; `None` when no key has it.
pub(super) fn decode(name: &str) -> Option<String> {
    let key = name.strip_suffix(END)?.replace('.', "/");
    is_key(&key).then_some(key)
}

/// The bound of `wit/oauth-store.wit`.
const KEY_BYTES: usize = 200;

const END: char = '=';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_name_of_its_own_and_names_sort_as_keys_do() {
        let mut keys = vec!["/", "//", "a", "a/", "a/b", "a-b", "a_b", "a0", "a-/", "-", "_", "grant/0f/1-2", "z"];
        keys.sort_unstable();
        for key in &keys {
            let name = encode(key);
            assert_eq!(decode(&name).as_deref(), Some(*key));
            assert!(name != "." && name != ".." && !name.contains('/') && name.len() < 255, "{name}");
        }
        let longest = "z".repeat(KEY_BYTES);
        assert_eq!(decode(&encode(&longest)), Some(longest));
    }

    #[test]
    fn other_names_are_nobodys() {
        for name in ["", "=", "a", "A=", "a b=", "é="] {
            assert!(decode(name).is_none_or(|key| encode(&key) == name), "{name}");
        }
        assert_eq!(decode("lost+found"), None);
        assert!(!is_key("") && !is_key("A") && !is_key("a.b") && !is_key(&"z".repeat(KEY_BYTES + 1)));
    }
}
