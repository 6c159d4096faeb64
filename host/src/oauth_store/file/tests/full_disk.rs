//! What works while the disk is full: reading and removing.

use futures_util::future::join_all;

use super::faults::{TIMING, recovers, store_on, until};
use super::simulated_disk::{Fault, Loss, SimulatedDisk};
use super::*;

/// Adds records until the disk is full; how many there are.
async fn fill(store: &FileStore, bytes: usize) -> usize {
    for number in 0..100_000 {
        match store.create(&key(number), vec![7; bytes], HOUR).await {
            Ok(created) => assert!(created),
            Err(error) => {
                assert_eq!(error, StoreError::Unavailable);
                return number;
            }
        }
    }
    panic!("the disk is never full");
}

/// In another order than they are made in.
fn key(number: usize) -> String {
    format!("grant/{:08x}-{number}", number.wrapping_mul(0x9e37_79b1) & 0xffff_ffff)
}

#[tokio::test]
async fn every_record_can_be_removed_and_stays_so() {
    for bytes in [1, 300, 3000, 20_000] {
        let disk = SimulatedDisk::default();
        let store = store_on(&disk);
        for number in 0..50 {
            store.put(&format!("before/{number}"), vec![7; bytes], HOUR).await.unwrap();
        }
        disk.fails(Some(Fault::Full));
        // The last free pages are used up by what could just be added.
        let count = fill(&store, bytes).await;
        for number in 0..count {
            assert_eq!(store.delete(&key(number)).await, Ok(()), "{number} of {count} of {bytes} bytes");
            if number % 97 == 0 {
                let after = store_on(&disk.after_power_loss(Loss::All));
                assert_eq!(after.get(&key(number)).await, Ok(None), "it is on the disk");
                assert_eq!(store.get("before/7").await, Ok(Some(vec![7; bytes])), "reading goes on");
            }
        }
        assert_eq!(store.keys("grant/", None, 10).await, Ok(Vec::new()));
        disk.fails(None);
        recovers(&store).await;
        assert_eq!(store.keys("before/", None, 100).await.unwrap().len(), 50);
    }
}

#[tokio::test]
async fn many_removals_at_once_fit_into_the_reserve() {
    let disk = SimulatedDisk::default();
    let store = store_on(&disk);
    disk.fails(Some(Fault::FullAt(8 << 20)));
    let count = fill(&store, 700).await;
    assert!(count > 3000, "{count}");
    let removed = join_all((0..count).map(|number| {
        let store = &store;
        async move { store.delete(&key(number)).await }
    }));
    let removed = removed.await;
    assert!(removed.iter().all(Result::is_ok), "{:?}", removed.iter().position(Result::is_err));
    let after = store_on(&disk.after_power_loss(Loss::Half));
    assert_eq!(after.keys("", None, 10).await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_store_that_is_opened_on_a_full_disk_can_be_read_and_removed_from() {
    let disk = SimulatedDisk::default();
    let store = store_on(&disk);
    for number in 0..500 {
        store.put(&key(number), vec![7; 1000], HOUR).await.unwrap();
    }
    drop(store);
    disk.fails(Some(Fault::Full));
    let store = store_on(&disk);
    let count = 500 + fill_on(&store, 500).await;
    for number in 0..count {
        assert_eq!(store.delete(&key(number)).await, Ok(()), "{number}");
    }
    drop(store);
    // As a version left it that took no space ahead.
    disk.fails(None);
    drop(store_on(&disk));
    disk.has_holes();
    disk.fails(Some(Fault::Full));
    let store = store_on(&disk);
    assert_eq!(store.create("a", b"1".to_vec(), HOUR).await, Err(StoreError::Unavailable), "no reserve, no addition");
    assert_eq!(store.get("a").await, Ok(None));
    assert!(!store.condition().can_write);
    disk.fails(None);
    recovers(&store).await;
}

/// The same from `first` on.
async fn fill_on(store: &FileStore, first: usize) -> usize {
    let mut added = 0;
    while store.create(&key(first + added), vec![7; 1000], HOUR).await.is_ok() {
        added += 1;
    }
    added
}

#[tokio::test]
async fn nothing_is_added_at_the_cost_of_the_reserve() {
    let disk = SimulatedDisk::default();
    let store = store_on(&disk);
    disk.fails(Some(Fault::Full));
    let count = fill(&store, 1000).await;
    let condition = store.condition();
    assert!(!condition.can_write && condition.fault.is_some(), "{condition:?}");
    let length = disk.length();
    store.delete(&key(0)).await.unwrap();
    for _ in 0..20 {
        assert_eq!(store.create("more", vec![7; 1000], HOUR).await, Err(StoreError::Unavailable));
        assert_eq!(store.replace(&key(1), &[7; 1000], b"x".to_vec(), None).await, Err(StoreError::Unavailable));
    }
    assert!(disk.length() <= length + (1 << 20));
    assert_eq!(store.get(&key(count - 1)).await, Ok(Some(vec![7; 1000])));
    disk.fails(None);
    until(|| store.condition().can_write).await;
    recovers(&store).await;
    assert_eq!(store.create("more", vec![7; 1000], HOUR).await, Ok(true));
}

#[tokio::test]
async fn a_file_grows_where_there_is_not_room_for_twice_its_length() {
    let disk = SimulatedDisk::default();
    let store = store_on(&disk);
    let limit = 12 << 20;
    disk.fails(Some(Fault::FullAt(limit)));
    fill(&store, 1000).await;
    let length = disk.length();
    assert!(length > limit * 2 / 3, "{length} of {limit} bytes");
}

#[tokio::test]
async fn what_ends_on_a_full_disk_is_swept() {
    let (disk, hand) = (SimulatedDisk::default(), Hand::default());
    let (opened, remembered) = (disk.clone(), Remembered::default());
    let open: Open = Box::new(move || Database::on(opened.clone(), &remembered, Path::new("/simulated")));
    let timing = Timing { sweep: TIMING.look, ..TIMING };
    let store = FileStore::start(Path::new("/simulated"), hand.clock(), open, timing).unwrap();
    disk.fails(Some(Fault::FullAt(6 << 20)));
    let count = fill(&store, 1000).await as u64;
    assert_eq!(store.database.read(records::count_all).unwrap(), (count, count));
    hand.moves(HOUR * 2);
    until(|| store.database.read(records::count_all).is_ok_and(|left| left == (0, 0))).await;
    disk.fails(None);
    recovers(&store).await;
    until(|| store.condition().can_write).await;
}

/// On the file system of the folder `PMCP_DISK`, which is filled by somebody who takes whatever is given back.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it fills a disk"]
async fn a_real_disk_that_is_full_is_removed_from() {
    use std::io::Write as _;
    use std::sync::atomic::AtomicBool;

    let folder = PathBuf::from(std::env::var_os("PMCP_DISK").expect("PMCP_DISK is a folder on a small disk"));
    let path = folder.join("records.redb");
    let store = FileStore::open(&path).unwrap();
    for number in 0..200 {
        store.put(&format!("before/{number}"), vec![7; 500], HOUR).await.unwrap();
    }
    let ended = Arc::new(AtomicBool::new(false));
    let filling = std::thread::spawn({
        let (ended, filler) = (ended.clone(), folder.join("filler"));
        move || {
            let mut file = fs::File::create(filler).unwrap();
            while !ended.load(Ordering::SeqCst) {
                let _ = file.write_all(&[7; 4096]);
            }
        }
    });
    let count = fill(&store, 500).await;
    println!("{count} records were added, {:?}", store.condition());
    for number in 0..count {
        assert_eq!(store.delete(&key(number)).await, Ok(()), "{number} of {count}");
    }
    for number in 0..200 {
        let answer = store.delete(&format!("before/{number}")).await;
        assert_eq!(answer, Ok(()), "{number} {:?}", (store.condition(), store.database.remembered().room()));
        assert_eq!(store.get(&format!("before/{number}")).await, Ok(None));
    }
    println!("{:?}", store.condition());
    drop(store);
    let store = FileStore::open(&path).unwrap();
    assert_eq!(store.keys("", None, 10).await, Ok(Vec::new()));
    ended.store(true, Ordering::SeqCst);
    filling.join().unwrap();
    fs::remove_file(folder.join("filler")).unwrap();
    recovers(&store).await;
}

/// On the file system of the folder `PMCP_DISK`, which root freezes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it freezes a disk"]
async fn a_real_disk_that_is_frozen_is_a_fault_until_it_thaws() {
    let folder = PathBuf::from(std::env::var_os("PMCP_DISK").expect("PMCP_DISK is a folder on a disk of its own"));
    let path = folder.join("records.redb");
    let (opened, was_opened, remembered) = (path.clone(), WasOpened::default(), Remembered::default());
    let open: Open = Box::new(move || Database::at(&opened, &was_opened, &remembered));
    let timing = Timing { patience: Duration::from_secs(2), hang: Duration::from_millis(500), ..TIMING };
    let store = FileStore::start(&path, wall_clock::wall_clock(), open, timing).unwrap();
    store.put("a", b"1".to_vec(), HOUR).await.unwrap();
    let freeze = |how| std::process::Command::new("fsfreeze").args([how]).arg(&folder).status().unwrap().success();
    assert!(freeze("-f"));
    let answer = store.put("a", b"2".to_vec(), HOUR).await;
    let (condition, read) = (store.condition(), store.get("a").await);
    assert!(freeze("-u"));
    assert_eq!((answer, read), (Err(StoreError::UnknownOutcome), Ok(Some(b"1".to_vec()))));
    assert_eq!(condition.fault, Some(super::Fault::Hangs));
    recovers(&store).await;
    until(|| store.condition().can_write).await;
    assert_eq!(store.get("a").await, Ok(Some(b"2".to_vec())), "it was on its way");
}
