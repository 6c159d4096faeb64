//! A process that uses a store is killed in the middle of its work, again and again on the same file.
//!
//! The process says on standard error what it calls and what it is answered, before and after, line by line. What it
//! said until it was killed, all lives together, has to be linearizable: then what was acknowledged is there, nothing
//! is there by half, and nothing was taken, created or replaced twice.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use super::*;
use crate::oauth_store::contract::history::{Event, Operation, Seen};
use crate::oauth_store::contract::load::{self, Histories, Plan};

#[tokio::test]
async fn nothing_is_lost_or_done_twice_when_the_process_is_killed() {
    let folder = Folder::new("killed");
    let mut told = Told::default();
    for life in 0..LIVES {
        let mut process = Process::start(&folder.store(), life);
        let lines = BufReader::new(process.0.stderr.take().unwrap()).lines();
        let mut lines = lines.map(Result::unwrap);
        // Another moment in every life.
        for _ in 0..LINES + life * 7 {
            let line = lines.next().unwrap_or_else(|| panic!("life {life} ended by itself"));
            told.line(&line);
        }
        process.0.kill().unwrap();
        lines.for_each(|line| told.line(&line));
        process.0.wait().unwrap();
        told.was_killed();
    }
    let (answered, cut_off) = (told.answered, told.cut_off);
    assert!(answered > LIVES * 50 && cut_off > LIVES, "{answered} answered, {cut_off} cut off");
    let store = FileStore::open(&folder.store()).unwrap();
    for key in store.keys("", None, 1000).await.unwrap() {
        let seen = load::run(&store, &key, Operation::Get).await.unwrap();
        let now = told.now();
        told.histories.push(&key, Event { begun: now, ended: now, operation: Operation::Get, answer: Some(seen) });
    }
    told.histories.check();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the process that the other test kills"]
async fn the_process_that_is_killed() {
    let Some(path) = std::env::var_os(STORE) else { return };
    let life = std::env::var(LIFE).unwrap().parse().unwrap();
    let store = Arc::new(FileStore::open(Path::new(&path)).unwrap());
    let callers: Vec<_> = (0..CALLERS).map(|caller| tokio::spawn(work(store.clone(), life, caller))).collect();
    for caller in callers {
        caller.await.unwrap();
    }
}

/// Works until the process is killed.
async fn work(store: Arc<FileStore>, life: u64, caller: u64) {
    let (mut plan, mut read) = (Plan::new(life, caller), BTreeMap::new());
    loop {
        let (key, operation) = plan.next(&read);
        let (name, old, new) = match operation {
            Operation::Get => ("get", 0, 0),
            Operation::Put(new) => ("put", 0, new),
            Operation::Create(new) => ("create", 0, new),
            Operation::Take => ("take", 0, 0),
            Operation::Replace(old, new) => ("replace", old, new),
            Operation::Delete => ("delete", 0, 0),
        };
        say(&format!("{caller} calls {key} {name} {old} {new}\n"));
        let seen = load::run(store.as_ref(), &key, operation).await.unwrap();
        say(&match seen {
            Seen::Wrote(wrote) => format!("{caller} wrote {}\n", u64::from(wrote)),
            Seen::Value(None) => format!("{caller} nothing 0\n"),
            Seen::Value(Some(value)) => format!("{caller} value {value}\n"),
        });
        load::remember(&mut read, key, operation, seen);
    }
}

/// Writes a line in one piece: whoever reads it gets all of it or nothing.
fn say(line: &str) {
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// A process that works on the store. It is killed when it is dropped.
struct Process(Child);

impl Process {
    fn start(path: &Path, life: u64) -> Self {
        let (_, module) = module_path!().split_once("::").unwrap();
        let test = format!("{module}::the_process_that_is_killed");
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &test, "--ignored", "--nocapture"]).env(STORE, path).env(LIFE, life.to_string());
        Self(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the processes said.
#[derive(Default)]
struct Told {
    histories: Histories,
    lines: u64,
    /// By caller: since when it waits, under which key and for what.
    waiting: BTreeMap<String, (u64, String, Operation)>,
    answered: u64,
    cut_off: u64,
}

impl Told {
    fn now(&mut self) -> u64 {
        self.lines += 1;
        self.lines
    }

    fn line(&mut self, line: &str) {
        let now = self.now();
        let words: Vec<&str> = line.split(' ').collect();
        let number = |text: &str| text.parse::<u64>().unwrap_or_else(|_| panic!("what is said is understood: {line}"));
        if let [caller, "calls", key, name, old, new] = words[..] {
            let operation = match name {
                "get" => Operation::Get,
                "put" => Operation::Put(number(new)),
                "create" => Operation::Create(number(new)),
                "take" => Operation::Take,
                "replace" => Operation::Replace(number(old), number(new)),
                _ => Operation::Delete,
            };
            self.waiting.insert(caller.to_owned(), (now, key.to_owned(), operation));
        } else if let [caller, kind, value] = words[..] {
            let (begun, key, operation) = self.waiting.remove(caller).expect("who is answered has called");
            let answer = match kind {
                "wrote" => Seen::Wrote(number(value) == 1),
                "nothing" => Seen::Value(None),
                _ => Seen::Value(Some(number(value))),
            };
            self.histories.push(&key, Event { begun, ended: now, operation, answer: Some(answer) });
            self.answered += 1;
        } else {
            panic!("what is said is understood: {line}");
        }
    }

    /// What was called and not answered may have happened until now.
    fn was_killed(&mut self) {
        let ended = self.now();
        for (begun, key, operation) in std::mem::take(&mut self.waiting).into_values() {
            if operation != Operation::Get {
                self.histories.push(&key, Event { begun, ended, operation, answer: None });
                self.cut_off += 1;
            }
        }
    }
}

const STORE: &str = "PMCP_TEST_STORE";
const LIFE: &str = "PMCP_TEST_LIFE";
const LIVES: u64 = 12;
const CALLERS: u64 = 8;
/// What a life says at least.
const LINES: u64 = 300;
