//! Several processes at one store, processes that are killed in the middle, and folders that cannot be used. The store
//! is that of `backend`.

use std::collections::BTreeSet;
use std::time::Duration;

use tempfile::TempDir;

use super::backend::{KILLS, StoreError, store};
use super::process::{self, Event, Process, Role};

#[test]
fn of_several_processes_one_creates_and_one_takes() {
    let folder = TempDir::new().expect("a folder");
    let events = Process::several(Role::CreateAndTake, folder.path(), PROCESSES);
    let (mut created, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for event in events {
        match event {
            Event::Created(value) => assert!(created.insert(value)),
            Event::Taken(value) => assert!(taken.insert(value.clone()), "{value} was taken twice"),
            Event::Swapped => panic!("nobody swaps"),
        }
    }
    assert!(created.len() > PROCESSES, "{} rounds are no race", created.len());
    let left = store(folder.path()).take(process::KEY).expect("a store");
    taken.extend(left.map(|value| String::from_utf8(value).expect("text")));
    assert_eq!(created, taken, "what was created was taken, and nothing else");
}

#[test]
fn what_several_processes_swap_adds_up() {
    let folder = TempDir::new().expect("a folder");
    let store = store(folder.path());
    assert_eq!(store.create(process::KEY, b"0", HOUR), Ok(true));
    let events = Process::several(Role::Count, folder.path(), PROCESSES);
    let count = store.get(process::KEY).expect("a store").expect("the counter");
    assert_eq!(String::from_utf8(count).expect("text"), events.len().to_string());
    assert_eq!(events.len(), PROCESSES * process::ROUNDS);
}

#[test]
fn what_was_acknowledged_outlives_a_kill_and_nothing_half_done_is_seen() {
    let folder = TempDir::new().expect("a folder");
    for round in 0..KILLS {
        let begun = format!("{round}-");
        let events = Process::killed(Role::Keep, folder.path(), &begun, 1 + round * 7);
        let store = store(folder.path());
        let mut standing = BTreeSet::new();
        for event in &events {
            match event {
                Event::Created(key) => assert!(standing.insert(key.as_str())),
                Event::Taken(key) => assert!(standing.remove(key.as_str())),
                Event::Swapped => panic!("nobody swaps"),
            }
        }
        // The operation after the last that was acknowledged may or may not have taken effect.
        let next = process::after(events.last());
        for key in standing.iter().filter(|key| next != Event::Taken((**key).to_owned())) {
            assert_eq!(store.get(key), Ok(Some(process::value(key))), "{key} is lost");
        }
        let expected = |key: &str| standing.contains(key) || next == Event::Created(key.to_owned());
        for key in store.keys(&begun, None, 1000).expect("a listing") {
            assert!(expected(&key), "{key} came back");
            assert_eq!(store.take(&key), Ok(Some(process::value(&key))), "{key} is not whole");
        }
        assert_eq!(store.keys(&begun, None, 1000), Ok(Vec::new()));
    }
}

#[test]
fn records_that_go_away_fail_no_listing() {
    let folder = TempDir::new().expect("a folder");
    let store = store(folder.path());
    let standing: Vec<String> = (0..STANDING).map(|number| format!("standing/{number:02}")).collect();
    for key in &standing {
        assert_eq!(store.create(key, b"x", HOUR), Ok(true));
    }
    let names = ["going-1-", "going-2-", "going-3-"];
    let going: Vec<_> = names.map(|name| Process::under_way(Role::Keep, folder.path(), name)).into();
    for listing in 0..LISTINGS {
        assert_eq!(store.keys("standing/", None, 1000), Ok(standing.clone()), "listing {listing}");
        // Writers list as well, when they sweep, and whoever reads a key lists its folder.
        assert!(store.keys("going-", None, 1000).is_ok(), "listing {listing}");
        assert_eq!(store.get("standing/00"), Ok(Some(b"x".to_vec())), "listing {listing}");
    }
    drop(going);
}

#[test]
fn a_missing_or_spoilt_folder_is_unavailable() {
    let folder = TempDir::new().expect("a folder");
    let missing = store(&folder.path().join("missing"));
    assert_eq!(missing.get("a"), Err(StoreError::Unavailable));
    assert_eq!(missing.create("a", b"x", HOUR), Err(StoreError::Unavailable));
    assert_eq!(missing.keys("", None, 1), Err(StoreError::Unavailable));

    let store = store(folder.path());
    assert_eq!(store.create("a", b"x", HOUR), Ok(true));
    let key = folder.path().join("records/a=");
    let chain = std::fs::read_dir(&key).expect("a key").next().expect("a chain").expect("an entry").path();
    let file = std::fs::read_dir(&chain).expect("a chain").next().expect("a file").expect("an entry").path();
    std::fs::write(&file, b"").expect("a file can be spoilt");
    assert_eq!(store.get("a"), Err(StoreError::Unavailable), "half a file is no record");
    assert_eq!(store.take("a"), Err(StoreError::Unavailable));
    assert_eq!(store.create("b", b"x", HOUR), Ok(true), "other keys go on");
}

/// A helper of the others: what one process does. Alone it does nothing.
#[test]
#[ignore = "it is started by the other tests, as a process of its own"]
fn one_process() {
    process::run();
}

const HOUR: Duration = Duration::from_secs(3600);
const PROCESSES: usize = 4;
/// Records that stand while others go away.
const STANDING: usize = 40;
/// Without a new beginning every fourth of these fails in a WebAssembly host.
const LISTINGS: usize = 15;
