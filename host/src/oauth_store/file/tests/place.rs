//! A file that is not in its place any more while the store is open.

use std::os::unix::fs::symlink;

use redb::StorageBackend as _;

use super::faults::{TIMING, recovers, until};
use super::*;
use crate::oauth_store::file::disk::Storage as _;
use crate::oauth_store::file::locked_file::LockedFile;

fn store_in(folder: &Folder) -> FileStore {
    FileStore::start(&folder.store(), wall_clock::wall_clock(), folder.opens(), TIMING).unwrap()
}

/// What may happen to a file, by the word for it.
type Change = (&'static str, fn(&Folder));

fn backup(folder: &Folder) -> PathBuf {
    folder.0.join("backup")
}

/// Each leaves something else, or nothing, in the place of a store whose copy is beside it.
const CHANGES: [Change; 7] = [
    ("moved away or deleted", |folder| fs::remove_file(folder.store()).unwrap()),
    ("moved away or deleted", |folder| fs::rename(folder.store(), folder.0.join("aside")).unwrap()),
    ("another file", |folder| fs::rename(backup(folder), folder.store()).unwrap()),
    ("another file", |folder| {
        fs::remove_file(folder.store()).unwrap();
        symlink("backup", folder.store()).unwrap();
    }),
    ("cut off", |folder| fs::write(folder.store(), b"").unwrap()),
    ("cut off", |folder| {
        OpenOptions::new().write(true).open(folder.store()).unwrap().set_len(5000).unwrap();
    }),
    // Copied over it: the same file with another content.
    ("wrote to the file", |folder| {
        let old = fs::read(backup(folder)).unwrap();
        let file = OpenOptions::new().write(true).open(folder.store()).unwrap();
        file.write_all_at(&old, 0).unwrap();
    }),
];

/// A store with a record that its copy beside it lacks.
async fn with_a_backup(folder: &Folder) -> FileStore {
    let store = store_in(folder);
    store.put("old", b"1".to_vec(), HOUR).await.unwrap();
    drop(store);
    fs::copy(folder.store(), backup(folder)).unwrap();
    let store = store_in(folder);
    store.put("new", b"1".to_vec(), HOUR).await.unwrap();
    store.delete("old").await.unwrap();
    store
}

#[tokio::test]
async fn nothing_is_acknowledged_into_a_file_that_is_not_in_its_place() {
    for (number, (_, change)) in CHANGES.into_iter().enumerate() {
        let folder = Folder::new(&format!("lost-{number}"));
        let store = with_a_backup(&folder).await;
        change(&folder);
        let left = fs::read(folder.store()).ok();
        for round in 0..20 {
            let answers = [
                store.put("a", b"1".to_vec(), HOUR).await.is_ok(),
                store.delete("new").await.is_ok(),
                store.replace("new", b"1", b"2".to_vec(), None).await.is_ok(),
            ];
            assert_eq!(answers, [false; 3], "{number}, {round}");
            tokio::time::sleep(TIMING.rest).await;
        }
        drop(store);
        if number != 4 && number != 5 {
            // What is there is a store of its own and was not written to, but for its own repair.
            assert_eq!(left.is_some(), folder.store().exists(), "{number}");
        }
        if let Ok(store) = FileStore::open(&folder.store()) {
            assert_eq!(store.get("old").await, Ok(Some(b"1".to_vec())).map(|one| one.filter(|_| left.is_some())));
        }
    }
}

#[tokio::test]
async fn a_quiet_server_notices_and_says_what_happened() {
    for (number, (word, change)) in CHANGES.into_iter().enumerate() {
        let folder = Folder::new(&format!("noticed-{number}"));
        let store = with_a_backup(&folder).await;
        let before = store.condition();
        assert!(before.can_write && before.free_bytes.is_some(), "{before:?}");
        change(&folder);
        until(|| !store.condition().can_write).await;
        let fault = store.condition().fault.expect("a fault");
        assert_eq!(store.cause(), Some(fault.cause()));
        let fault = fault.to_string();
        assert!(fault.contains(word) || fault.contains(folder.store().to_str().unwrap()), "{number}: {fault}");
    }
}

#[test]
fn the_loss_of_a_file_is_told_by_its_own_word() {
    for (number, (word, change)) in CHANGES.into_iter().enumerate() {
        let folder = Folder::new(&format!("word-{number}"));
        drop(folder.opens()().unwrap());
        fs::copy(folder.store(), backup(&folder)).unwrap();
        let file = LockedFile::open(&folder.store(), &WasOpened::default()).unwrap();
        file.require_in_place().unwrap();
        // Every commit writes at the beginning.
        let mut head = vec![0; 320];
        file.read(0, &mut head).unwrap();
        file.write(0, &[&head[..319], &[7]].concat()).unwrap();
        file.sync_data().unwrap();
        change(&folder);
        let left = fs::read(folder.store()).ok();
        let lost = file.sync_data().unwrap_err().to_string();
        assert!(lost.contains(word), "{number}: {lost}");
        for failed in [file.write(0, &head), file.write(4096, &[1]), file.set_len(1 << 20), file.sync_data()] {
            assert_eq!(failed.unwrap_err().to_string(), lost, "nothing is written to it any more");
        }
        assert_eq!(fs::read(folder.store()).ok(), left);
    }
}

#[tokio::test]
async fn a_file_that_lacks_what_was_acknowledged_is_not_taken() {
    for is_copied in [false, true] {
        let folder = Folder::new(&format!("outdated-{is_copied}"));
        let store = with_a_backup(&folder).await;
        let current = folder.0.join("current");
        if is_copied {
            fs::copy(folder.store(), &current).unwrap();
            fs::copy(backup(&folder), folder.store()).unwrap();
        } else {
            fs::rename(folder.store(), &current).unwrap();
            fs::rename(backup(&folder), folder.store()).unwrap();
        }
        let outdated = Fault::NotOpened(OpenError::Outdated(folder.store()));
        until(|| store.condition().fault.as_ref() == Some(&outdated)).await;
        assert_eq!(store.get("old").await, Err(StoreError::Unavailable), "it was revoked");
        fs::rename(&current, folder.store()).unwrap();
        recovers(&store).await;
        until(|| store.condition().can_write).await;
        assert_eq!(store.get("old").await, Ok(None));
        assert_eq!(store.get("new").await, Ok(Some(b"1".to_vec())));
    }
}

#[tokio::test]
async fn a_folder_that_is_moved_takes_the_store_out_of_its_place() {
    let folder = Folder::new("folder");
    let within = folder.0.join("within");
    fs::create_dir(&within).unwrap();
    let path = within.join("records.redb");
    let (opened, was_opened, remembered) = (path.clone(), WasOpened::default(), Remembered::default());
    let open: Open = Box::new(move || Database::at(&opened, &was_opened, &remembered));
    let store = FileStore::start(&path, wall_clock::wall_clock(), open, TIMING).unwrap();
    store.put("a", b"1".to_vec(), HOUR).await.unwrap();
    let moved = folder.0.join("moved");
    fs::rename(&within, &moved).unwrap();
    assert!(store.put("a", b"2".to_vec(), HOUR).await.is_err());
    until(|| !store.condition().can_write).await;
    fs::rename(&moved, &within).unwrap();
    recovers(&store).await;
    assert_eq!(store.get("a").await, Ok(Some(b"1".to_vec())));
}

#[tokio::test]
async fn a_file_that_was_put_in_place_while_it_was_locked_is_the_one_that_is_opened() {
    let folder = Folder::new("raced");
    drop(FileStore::open(&folder.store()).unwrap());
    fs::copy(folder.store(), backup(&folder)).unwrap();
    let old = LockedFile::open(&folder.store(), &WasOpened::default()).unwrap();
    fs::rename(backup(&folder), folder.store()).unwrap();
    let store = FileStore::open(&folder.store()).unwrap();
    assert_eq!(store.create("a", b"1".to_vec(), HOUR).await, Ok(true));
    assert!(old.sync_data().is_err());
}
