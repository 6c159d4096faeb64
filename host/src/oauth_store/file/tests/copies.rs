//! Backups, and putting them into a store's place.

use super::*;
use crate::oauth_store::file::copy::{CopiedRecord, CopyError, CopyFile, Part, Snapshot, Whole};
use crate::oauth_store::file::restore::{Restore, RestoreError};

/// Copies what `snapshot` has to `place`.
fn copy(snapshot: &Snapshot, place: &Path, replaces: bool, store: &Path) -> Result<Whole, CopyError> {
    let copy = CopyFile::begin(place, replaces, Some(store))?;
    let (mut end, mut failed) = (None, None);
    snapshot
        .parts(|part| {
            match part {
                Part::Begin(_) => {}
                Part::Records(records) => failed = copy.add(&records).err(),
                Part::End(whole) => end = Some(whole),
            }
            failed.is_none()
        })
        .unwrap();
    assert_eq!(failed, None);
    let whole = end.expect("an end");
    copy.finish(whole).map(|()| whole)
}

fn names(folder: &Folder) -> Vec<String> {
    let names = fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

async fn keys(path: &Path) -> Vec<String> {
    FileStore::open(path).unwrap().keys("", None, 10_000).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_of_one_moment_while_others_write() {
    let folder = Folder::new("moment");
    let store = Arc::new(FileStore::open(&folder.store()).unwrap());
    for number in 0..500 {
        store.put(&format!("k/{number:06}"), vec![7; 3000], HOUR).await.unwrap();
    }
    let writing = tokio::spawn({
        let store = store.clone();
        async move {
            for number in 500..100_000 {
                store.put(&format!("k/{number:06}"), vec![7; 3000], HOUR).await.unwrap();
                store.delete(&format!("k/{:06}", number - 500)).await.unwrap();
            }
        }
    });
    for round in 0..5 {
        let place = folder.0.join(format!("copy-{round}"));
        let snapshot = store.snapshot().unwrap();
        let whole = tokio::task::block_in_place(|| copy(&snapshot, &place, false, &folder.store())).unwrap();
        let keys = keys(&place).await;
        let first: usize = keys[0][2..].parse().unwrap();
        let expected: Vec<_> = (first..first + keys.len()).map(|number| format!("k/{number:06}")).collect();
        assert_eq!(keys, expected, "every record between the oldest and the newest");
        assert!((500..=501).contains(&keys.len()) && whole.records == keys.len() as u64, "{}", keys.len());
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o600);
    }
    writing.abort();
    let _ = writing.await;
    assert_eq!(names(&folder).len(), 6, "{:?}", names(&folder));
}

#[tokio::test]
async fn a_copy_has_what_stands_with_its_time() {
    let (folder, hand) = (Folder::new("stands"), Hand::default());
    let store = FileStore::with_clock(&folder.store(), hand.clock()).unwrap();
    for (key, hours) in [("a/1", 1), ("a/2", 2), ("a/3", 3)] {
        store.put(key, vec![7; VALUE_BYTES], HOUR * hours).await.unwrap();
    }
    hand.moves(HOUR);
    let place = folder.0.join("copy");
    let whole = copy(&store.snapshot().unwrap(), &place, false, &folder.store()).unwrap();
    assert_eq!((whole.records, whole.at), (2, 3_600_000));
    hand.moves(HOUR);
    let copied = FileStore::with_clock(&place, hand.clock()).unwrap();
    assert_eq!(copied.get("a/2").await, Ok(None), "its time goes on");
    assert_eq!(copied.get("a/3").await, Ok(Some(vec![7; VALUE_BYTES])));
    assert_eq!(copied.create("a/2", b"new".to_vec(), HOUR).await, Ok(true), "it is a store like any other");
}

#[tokio::test]
async fn a_copy_that_does_not_become_whole_leaves_nothing() {
    let folder = Folder::new("partial");
    let store = FileStore::open(&folder.store()).unwrap();
    store.put("a", b"1".to_vec(), HOUR).await.unwrap();
    let (place, snapshot) = (folder.0.join("copy"), store.snapshot().unwrap());
    let record = CopiedRecord { key: "a".to_owned(), end: u64::MAX, value: b"1".to_vec() };
    let begun = CopyFile::begin(&place, false, None).unwrap();
    begun.add(std::slice::from_ref(&record)).unwrap();
    drop(begun);
    let begun = CopyFile::begin(&place, false, None).unwrap();
    begun.add(&[record]).unwrap();
    let unlike = begun.finish(Whole { records: 2, commits: 1, at: 0 });
    assert!(matches!(unlike, Err(CopyError::Unlike(..))), "{unlike:?}");
    let missing = folder.0.join("missing/copy");
    let unwritten = copy(&snapshot, &missing, false, &folder.store()).unwrap_err();
    assert!(unwritten.to_string().contains("missing does not exist"), "{unwritten}");
    assert_eq!(
        copy(&snapshot, &folder.0, true, &folder.store()).map_err(|error| matches!(error, CopyError::Unwritten(..))),
        Err(true)
    );
    assert_eq!(names(&folder), ["records.redb"]);

    fs::write(&place, "mine").unwrap();
    assert_eq!(copy(&snapshot, &place, false, &folder.store()), Err(CopyError::Exists(place.clone())));
    assert_eq!(fs::read(&place).unwrap(), b"mine");
    copy(&snapshot, &place, true, &folder.store()).unwrap();
    assert_eq!(keys(&place).await, ["a"]);
    let link = folder.0.join("link");
    std::os::unix::fs::symlink("records.redb", &link).unwrap();
    for itself in [folder.store(), link] {
        assert_eq!(copy(&snapshot, &itself, true, &folder.store()), Err(CopyError::IsTheStore(itself.clone())));
    }
    assert_eq!(store.get("a").await, Ok(Some(b"1".to_vec())));
}

#[tokio::test]
async fn a_file_that_a_server_has_is_not_read_past_it() {
    let folder = Folder::new("held");
    assert_eq!(Snapshot::of_file(&folder.store()).err(), Some(CopyError::NoStore(folder.store())));
    let store = FileStore::open(&folder.store()).unwrap();
    let held = CopyError::Source(OpenError::InUse(folder.store()));
    assert_eq!(Snapshot::of_file(&folder.store()).err(), Some(held));
    drop(store);
    assert!(Snapshot::of_file(&folder.store()).is_ok());
}

/// One record of each kind that the component writes.
const KINDS: [&str; 15] = [
    "access/1",
    "answer/1",
    "assertion/1",
    "budget/1/2",
    "check/1",
    "client/1",
    "code/1",
    "discovery/1",
    "document/1",
    "document-copy/1",
    "grant/1/2",
    "keys/1",
    "refresh/1",
    "transaction/1",
    "unused/1",
];

/// A backup of a store with those, and a store that goes on.
async fn backed_up(folder: &Folder) -> (PathBuf, FileStore) {
    let store = FileStore::open(&folder.store()).unwrap();
    for key in KINDS {
        store.put(key, b"1".to_vec(), HOUR).await.unwrap();
    }
    let backup = folder.0.join("backup");
    copy(&store.snapshot().unwrap(), &backup, false, &folder.store()).unwrap();
    store.delete("grant/1/2").await.unwrap();
    store.put("grant/3/4", b"1".to_vec(), HOUR).await.unwrap();
    (backup, store)
}

#[tokio::test]
async fn a_restored_backup_has_no_sign_ins_unless_they_are_kept() {
    for keeps in [false, true] {
        let folder = Folder::new(&format!("restored-{keeps}"));
        let (backup, store) = backed_up(&folder).await;
        let before = fs::read(&backup).unwrap();
        assert_eq!(Restore::prepare(&backup, &folder.store()).err(), Some(RestoreError::InUse(folder.store())));
        drop(store);
        let restore = Restore::prepare(&backup, &folder.store()).unwrap();
        assert_eq!((restore.found().records, restore.found().of_sign_ins), (15, 11));
        assert_eq!(refused(&folder.store()), OpenError::InUse(folder.store()), "no server begins meanwhile");
        restore.finish(keeps).unwrap();
        let expected = if keeps { &KINDS[..] } else { &["client/1", "document-copy/1", "document/1", "unused/1"] };
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(keys(&folder.store()).await, expected);
        assert_eq!(fs::read(&backup).unwrap(), before, "it is only read");
        assert_eq!(names(&folder), ["backup", "records.redb"]);
        let mode = fs::metadata(folder.store()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let store = FileStore::open(&folder.store()).unwrap();
        let (records, ends) = store.database.read(records::count_all).unwrap();
        assert_eq!(records, ends);
        assert_eq!(store.create("grant/5/6", b"1".to_vec(), HOUR).await, Ok(true));
    }
}

#[tokio::test]
async fn giving_up_a_restore_changes_nothing() {
    let folder = Folder::new("given-up");
    let (backup, store) = backed_up(&folder).await;
    drop(store);
    drop(Restore::prepare(&backup, &folder.store()).unwrap());
    assert_eq!(names(&folder), ["backup", "records.redb"]);
    let keys = keys(&folder.store()).await;
    assert!(keys.contains(&"grant/3/4".to_owned()) && !keys.contains(&"grant/1/2".to_owned()));
}

#[tokio::test]
async fn only_a_sound_backup_is_restored() {
    let folder = Folder::new("unsound");
    let (backup, store) = backed_up(&folder).await;
    drop(store);
    let sound = fs::read(&backup).unwrap();
    let newer = {
        let database = redb::Database::create(&backup).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(records::ABOUT).unwrap().insert("format", 2).unwrap();
        transaction.commit().unwrap();
        drop(database);
        fs::read(&backup).unwrap()
    };
    let now = fs::read(folder.store()).unwrap();
    for (content, word) in [
        (Vec::new(), "it is empty"),
        (vec![0; sound.len()], "begins with zeros"),
        (b"some notes".to_vec(), "not a store"),
        (sound[..sound.len() / 2].to_vec(), "damaged"),
        (newer, "newer plausible-mcp"),
    ] {
        fs::write(&backup, &content).unwrap();
        let error = Restore::prepare(&backup, &folder.store()).err().expect(word).to_string();
        assert!(error.contains(word) && error.contains(backup.to_str().unwrap()), "{word}: {error}");
        assert_eq!(fs::read(&backup).unwrap(), content);
    }
    let missing = folder.0.join("missing");
    assert!(matches!(Restore::prepare(&missing, &folder.store()).err(), Some(RestoreError::Backup(..))));
    let itself = Restore::prepare(&folder.store(), &folder.store()).err();
    assert_eq!(itself, Some(RestoreError::IsTheStore(folder.store())));
    assert_eq!(fs::read(folder.store()).unwrap(), now, "the store is as it was");
    assert_eq!(names(&folder), ["backup", "records.redb"]);
}

#[tokio::test]
async fn a_store_that_is_damaged_or_missing_is_replaced() {
    let folder = Folder::new("replaced");
    let (backup, store) = backed_up(&folder).await;
    drop(store);
    for content in [None, Some(&[0; 5000][..]), Some(b"some notes"), Some(b"")] {
        match content {
            Some(content) => fs::write(folder.store(), content).unwrap(),
            None => fs::remove_file(folder.store()).unwrap(),
        }
        Restore::prepare(&backup, &folder.store()).unwrap().finish(false).unwrap();
        assert_eq!(keys(&folder.store()).await.len(), 4);
    }
}

/// A file that was copied while a server wrote it, or after it was killed, is what `cp` makes.
#[tokio::test]
async fn a_file_that_was_copied_by_other_means_is_restored_if_it_is_whole() {
    let folder = Folder::new("copied");
    let (_, store) = backed_up(&folder).await;
    let copied = folder.0.join("copied");
    fs::copy(folder.store(), &copied).unwrap();
    drop(store);
    let restore = Restore::prepare(&copied, &folder.store()).unwrap();
    let since = wall_clock::wall_clock()() - restore.found().at;
    assert!(since < HOUR, "it is as old as its last change");
    restore.finish(true).unwrap();
    assert!(keys(&folder.store()).await.contains(&"grant/3/4".to_owned()));
}
