//! The steps in orders that only a race brings about, and what is removed when.

use std::fs::File;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;
use crate::state_folder::SYNCED;
use tempfile::TempDir;

fn state(folder: &TempDir) -> StateFolder {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let state = StateFolder::new(folder.path(), Box::new(now));
    state.prepare().unwrap();
    state
}

fn record(value: &[u8]) -> Record {
    Record { end: u64::MAX, value: value.to_vec() }
}

fn content(value: &[u8]) -> Content {
    Content::Record(record(value))
}

fn head(chains: &Chains<'_>) -> Head {
    chains.head("a/b").unwrap().unwrap()
}

#[test]
fn of_two_that_saw_the_same_one_gets_on() {
    let folder = TempDir::new().unwrap();
    let state = state(&folder);
    let chains = Chains(&state);
    assert_eq!(chains.begin("a/b", record(b"1")), Ok(true));
    assert_eq!(chains.begin("a/b", record(b"2")), Ok(false));
    let (one, other) = (head(&chains), head(&chains));
    assert_eq!(chains.append(&one, &content(b"3")), Ok(true));
    assert_eq!(chains.append(&other, &Content::Seal), Ok(false));
    assert_eq!(head(&chains).content, content(b"3"));
    assert_eq!(names(&folder.path().join("new")).unwrap(), [""; 0], "nothing is left beside");
}

#[test]
fn who_saw_a_chain_that_was_sealed_and_begun_anew_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let state = state(&folder);
    let chains = Chains(&state);
    assert_eq!(chains.begin("a/b", record(b"1")), Ok(true));
    let late = head(&chains);
    assert_eq!(chains.append(&head(&chains), &Content::Seal), Ok(true));
    assert_eq!(chains.append(&late, &content(b"2")), Ok(false), "the seal has the number");
    assert_eq!(chains.begin("a/b", record(b"2")), Ok(false), "a sealed chain still has the place");
    chains.retire("a/b", &late);
    assert_eq!(chains.append(&late, &content(b"2")), Ok(false), "the chain is gone");
    assert_eq!(chains.begin("a/b", record(b"3")), Ok(true));
    assert_eq!(chains.append(&late, &content(b"2")), Ok(false), "another chain is not meant");
    chains.retire("a/b", &late);
    chains.remove_empty("a/b");
    assert_eq!(head(&chains).content, content(b"3"), "nor retired, nor removed");
}

#[test]
fn a_chain_that_may_not_be_on_disk_is_synced_with_its_second_record() {
    let folder = TempDir::new().unwrap();
    let state = state(&folder);
    let chains = Chains(&state);
    let synced = |content: &Content| {
        let head = head(&chains);
        SYNCED.take();
        assert_eq!(chains.append(&head, content), Ok(true));
        (SYNCED.take(), head.chain)
    };
    assert_eq!(chains.begin("a/b", record(b"1")), Ok(true));
    let (second, chain) = synced(&content(b"2"));
    assert_eq!(second, [state.records(), chain], "its beginner may have ended before the sync");
    let (third, chain) = synced(&content(b"3"));
    assert_eq!(third, std::slice::from_ref(&chain), "who wrote the second record has synced it");
    assert_eq!(synced(&Content::Seal).0, [chain]);
    chains.retire("a/b", &head(&chains));
    assert_eq!(chains.begin("a/b", record(b"1")), Ok(true));
    let (seal, chain) = synced(&Content::Seal);
    assert_eq!(seal, [chain], "a seal that is lost with its record does no harm");
}

#[test]
fn a_writer_that_looked_too_long_ago_does_not_write() {
    let folder = TempDir::new().unwrap();
    let state = state(&folder);
    let chains = Chains(&state);
    assert_eq!(chains.begin("a/b", record(b"1")), Ok(true));
    let mut late = head(&chains);
    late.looked = Instant::now().checked_sub(WRITER_TIME + Duration::from_secs(1)).unwrap();
    assert_eq!(chains.append(&late, &content(b"2")), Ok(false));
    assert_eq!(head(&chains).content, content(b"1"));
}

#[test]
fn numbers_are_removed_in_order_and_only_when_nobody_aims_at_them_any_more() {
    let folder = TempDir::new().unwrap();
    let state = state(&folder);
    let chains = Chains(&state);
    assert_eq!(chains.begin("a/b", record(b"1")), Ok(true));
    for value in [b"2", b"3", b"4", b"5"] {
        assert_eq!(chains.append(&head(&chains), &content(value)), Ok(true));
    }
    assert_eq!(head(&chains).numbers, [1, 2, 3, 4, 5], "all are young");
    // The second and the fourth grow old, the third does not.
    for number in [2, 4] {
        let file = File::options().write(true).open(head(&chains).chain.join(file_name(number))).unwrap();
        file.set_modified(SystemTime::now() - WRITER_TIME - Duration::from_secs(1)).unwrap();
    }
    assert_eq!(chains.append(&head(&chains), &content(b"6")), Ok(true));
    assert_eq!(head(&chains).numbers, [2, 3, 4, 5, 6]);
    assert_eq!(head(&chains).content, content(b"6"));
}

#[test]
fn an_empty_folder_of_a_key_is_no_chain() {
    let folder = TempDir::new().unwrap();
    let state = state(&folder);
    let chains = Chains(&state);
    fs::create_dir(chains.place("a/b")).unwrap();
    assert!(chains.head("a/b").unwrap().is_none());
    assert_eq!(chains.begin("a/b", record(b"1")), Ok(true), "it is taken over");
    assert_eq!(head(&chains).content, content(b"1"));
}
