//! Processes that use one store: this test program, started again.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use super::backend::{Store, store};

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Creates [`KEY`] with values of its own, and takes it, again and again.
    CreateAndTake,
    /// Raises the number under [`KEY`] by one, again and again.
    Count,
    /// Creates keys of its own, and takes every other one again; until it is killed.
    Keep,
}

/// What a process has been told that it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    Created(String),
    Taken(String),
    Swapped,
}

/// A running process. It is killed when it is dropped.
pub(super) struct Process {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Runs several until all have ended, and returns what they did.
    pub(super) fn several(role: Role, folder: &Path, count: usize) -> Vec<Event> {
        let running: Vec<_> = (0..count).map(|number| Process::start(role, folder, &format!("{number}-"))).collect();
        let mut events = Vec::new();
        for mut process in running {
            events.extend(process.events());
            assert!(process.child.wait().expect("a child can be waited for").success());
        }
        events
    }

    /// Runs one, kills it when it has done so many things, and returns what it did.
    pub(super) fn killed(role: Role, folder: &Path, name: &str, after: usize) -> Vec<Event> {
        let mut process = Process::start(role, folder, name);
        let mut events: Vec<Event> = process.events().take(after).collect();
        process.child.kill().expect("a child can be killed");
        events.extend(process.events());
        events
    }

    /// Runs one that does not end by itself, and has begun.
    pub(super) fn under_way(role: Role, folder: &Path, name: &str) -> Self {
        let mut process = Process::start(role, folder, name);
        assert!(process.events().next().is_some(), "it ended before it had begun");
        process
    }

    fn start(role: Role, folder: &Path, name: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
        command.args(["faults::one_process", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env(ROLE, format!("{role:?}")).env(FOLDER, folder).env(NAME, name);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("this program can be started");
        let stdout = child.stdout.take().expect("it was piped");
        Process { child, lines: BufReader::new(stdout).lines() }
    }

    fn events(&mut self) -> impl Iterator<Item = Event> {
        self.lines.by_ref().map_while(Result::ok).filter_map(|line| Event::parse(&line))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended needs no end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Event {
    fn parse(line: &str) -> Option<Self> {
        let (word, rest) = line.split_once(' ')?;
        match word {
            "@created" => Some(Event::Created(rest.to_owned())),
            "@taken" => Some(Event::Taken(rest.to_owned())),
            "@swapped" => Some(Event::Swapped),
            _ => None,
        }
    }

    /// Tells the process that waits for it; in one write, so that a line is there or not.
    fn tell(&self) {
        let line = match self {
            Event::Created(what) => format!("\n@created {what}\n"),
            Event::Taken(what) => format!("\n@taken {what}\n"),
            Event::Swapped => "\n@swapped once\n".to_owned(),
        };
        std::io::stdout().write_all(line.as_bytes()).expect("somebody listens");
        std::io::stdout().flush().expect("somebody listens");
    }
}

/// The part of a process.
pub(super) fn run() {
    let variable = |name| std::env::var(name).ok();
    let (Some(role), Some(folder), Some(name)) = (variable(ROLE), variable(FOLDER), variable(NAME)) else { return };
    let store = store(&PathBuf::from(folder));
    match role.as_str() {
        "CreateAndTake" => create_and_take(&store, &name),
        "Count" => count(&store),
        "Keep" => keep(&store, &name),
        other => panic!("there is no role {other}"),
    }
}

fn create_and_take(store: &Store, name: &str) {
    for round in 0..ROUNDS {
        let value = format!("{name}{round}");
        if store.create(KEY, value.as_bytes(), HOUR).expect("a store") {
            Event::Created(value).tell();
        }
        if let Some(value) = store.take(KEY).expect("a store") {
            Event::Taken(String::from_utf8(value).expect("text")).tell();
        }
    }
}

fn count(store: &Store) {
    for _ in 0..ROUNDS {
        loop {
            let found = store.get(KEY).expect("a store").expect("the counter");
            let number: usize = String::from_utf8_lossy(&found).parse().expect("a number");
            let raised = (number + 1).to_string();
            if store.replace(KEY, &found, raised.as_bytes(), None).expect("a store") {
                break;
            }
        }
        Event::Swapped.tell();
    }
}

fn keep(store: &Store, name: &str) {
    let mut event = Event::Created(format!("{name}0"));
    loop {
        match &event {
            Event::Created(key) => assert_eq!(store.create(key, &value(key), HOUR), Ok(true)),
            Event::Taken(key) => assert_eq!(store.take(key), Ok(Some(value(key)))),
            Event::Swapped => panic!("nobody swaps"),
        }
        event.tell();
        event = after(Some(&event));
    }
}

/// What [`Role::Keep`] does after this. Every key with an even number is taken again.
pub(super) fn after(event: Option<&Event>) -> Event {
    let created = match event {
        Some(Event::Created(key)) if number(key).is_multiple_of(2) => return Event::Taken(key.clone()),
        Some(Event::Created(key) | Event::Taken(key)) => key,
        Some(Event::Swapped) | None => panic!("the process did nothing"),
    };
    let (name, _) = created.rsplit_once('-').expect("names end with a hyphen");
    Event::Created(format!("{name}-{}", number(created) + 1))
}

fn number(key: &str) -> usize {
    key.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).expect("keys end with a number")
}

/// What a key holds: long enough for a half-written one to show.
pub(super) fn value(key: &str) -> Vec<u8> {
    key.repeat(4000).into_bytes()
}

/// The one key of the races.
pub(super) const KEY: &str = "race/one";
/// How often each process does its part.
pub(super) const ROUNDS: usize = 60;
const HOUR: Duration = Duration::from_secs(3600);
const ROLE: &str = "FILE_STORE_ROLE";
const FOLDER: &str = "FILE_STORE_FOLDER";
const NAME: &str = "FILE_STORE_NAME";
