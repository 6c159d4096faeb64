//! Records and buckets in Redis or Valkey: one command of a Lua script per operation.
//!
//! The layout and the scripts are those of the host (`host/src/oauth_store/redis.rs`), so that machines under Spin and
//! under the host may share one server; a test compares the scripts. Redis ends records by its own clock. What it may
//! forget in a restart or a failover depends on how it runs; the adapter neither waits for replicas nor asks how it
//! runs.

mod buckets;
mod records;

pub use buckets::RedisBuckets;
pub use records::RedisRecords;

/// A server that runs a script. Its answer may take any time: Spin's client has no timeout, and nothing here can give
/// up a call that blocks. [`watch`](crate::watch) sees to it that few such calls are begun.
pub trait Server {
    /// Runs `script` as one step and returns its answer, arrays within arrays as one list.
    fn eval(&self, script: &str, keys: &[&str], arguments: &[&[u8]]) -> Result<Vec<Reply>, Fault>;
}

/// One value of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Nothing.
    Nil,
    /// A whole number.
    Integer(i64),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// Why a script has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// There is no connection, or the server refused to begin. Nothing was changed.
    Refused,
    /// The script may or may not have run.
    Unknown,
}

impl Fault {
    /// What an error's text says about the outcome: a server that refuses says so in a code of capitals.
    pub fn of_message(message: &str) -> Self {
        let mut words = message.split(|character: char| !character.is_ascii_uppercase());
        if words.any(|word| REFUSALS.contains(&word)) { Fault::Refused } else { Fault::Unknown }
    }
}

/// The codes with which a server says that it did not begin, also for a script: it checks memory, disk, replicas and
/// its role before the first write only. `NOPERM` is not among them, which a script meets at any of its commands, and
/// neither are `BUSY` and `ASK`, which are words of other errors too.
const REFUSALS: [&str; 12] = [
    "CLUSTERDOWN",
    "CROSSSLOT",
    "DENIED",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "MOVED",
    "NOAUTH",
    "NOREPLICAS",
    "OOM",
    "READONLY",
    "WRONGPASS",
];

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A server that gives prepared answers.
    #[derive(Default)]
    pub(super) struct Prepared {
        pub(super) answers: std::cell::RefCell<VecDeque<Result<Vec<Reply>, Fault>>>,
        pub(super) asked: std::cell::RefCell<Vec<Asked>>,
    }

    /// Keys and values of one call.
    type Asked = (Vec<String>, Vec<Vec<u8>>);

    impl Prepared {
        pub(super) fn new(answers: impl IntoIterator<Item = Result<Vec<Reply>, Fault>>) -> Self {
            Prepared { answers: std::cell::RefCell::new(answers.into_iter().collect()), ..Prepared::default() }
        }
    }

    impl Server for Prepared {
        fn eval(&self, _: &str, keys: &[&str], arguments: &[&[u8]]) -> Result<Vec<Reply>, Fault> {
            let keys = keys.iter().map(|key| (*key).to_owned()).collect();
            self.asked.borrow_mut().push((keys, arguments.iter().map(|argument| argument.to_vec()).collect()));
            self.answers.borrow_mut().pop_front().expect("an answer is prepared")
        }
    }

    #[test]
    fn only_a_code_that_excludes_a_change_is_a_refusal() {
        for message in [
            "READONLY: You can't write against a read only replica.",
            "An error was signalled by the server - OutOfMemory: OOM command not allowed",
            "LOADING Redis is loading the dataset in memory",
        ] {
            assert_eq!(Fault::of_message(message), Fault::Refused, "{message}");
        }
        for message in ["broken pipe", "NOPERM this user has no permissions", "ERR user_script:9", "BLOOM", ""] {
            assert_eq!(Fault::of_message(message), Fault::Unknown, "{message}");
        }
    }

    #[test]
    fn the_scripts_are_those_of_the_host() {
        let host = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../host/src/");
        for (script, file) in records::SCRIPT_FILES.iter().chain(&[buckets::SCRIPT_FILE]) {
            let of_host = std::fs::read_to_string(format!("{host}{file}")).expect("a script of the host");
            assert_eq!(*script, of_host, "{file}");
        }
    }
}
