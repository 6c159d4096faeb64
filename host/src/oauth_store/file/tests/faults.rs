//! What the store does when its disk fails, and when it is well again.

use futures_util::future::join_all;

use super::simulated_disk::{Fault, Loss, SimulatedDisk};
use super::*;

/// A store on a simulated disk, with a hand that moves its clock.
pub(super) fn store_on(disk: &SimulatedDisk) -> FileStore {
    try_store_on(disk, TIMING).expect("the store opens")
}

pub(super) fn try_store_on(disk: &SimulatedDisk, timing: Timing) -> Result<FileStore, OpenError> {
    let (disk, remembered) = (disk.clone(), Remembered::default());
    let path = Path::new("/simulated");
    let open: Open = Box::new(move || Database::on(disk.clone(), &remembered, path));
    FileStore::start(path, wall_clock::wall_clock(), open, timing)
}

/// Writes until it works.
pub(super) async fn recovers(store: &FileStore) {
    for _ in 0..PATIENCE {
        if store.put("recovered", b"x".to_vec(), HOUR).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let room = store.database.remembered().room();
    panic!("the store does not recover: {:?} {room:?}", store.condition());
}

#[tokio::test]
async fn a_failing_disk_is_survived_without_a_restart() {
    for fault in [Fault::Full, Fault::ReadOnly, Fault::Writes, Fault::Syncs, Fault::Reads] {
        let disk = SimulatedDisk::default();
        let store = store_on(&disk);
        store.put("before", b"1".to_vec(), HOUR).await.unwrap();
        disk.fails(Some(fault));
        for number in 0..20 {
            let answer = store.create(&format!("during/{number}"), vec![7; VALUE_BYTES], HOUR).await;
            let expected = matches!(answer, Err(StoreError::Unavailable | StoreError::UnknownOutcome));
            assert!(expected || fault == Fault::Reads, "{fault:?}: {answer:?}");
        }
        disk.fails(None);
        recovers(&store).await;
        assert_eq!(store.get("before").await, Ok(Some(b"1".to_vec())), "{fault:?}");
        assert_eq!(store.create("before", Vec::new(), HOUR).await, Ok(false), "{fault:?}");
        assert_eq!(store.take("before").await, Ok(Some(b"1".to_vec())), "{fault:?}");
    }
}

#[tokio::test]
async fn a_full_disk_changes_nothing_and_can_be_read() {
    let disk = SimulatedDisk::default();
    let store = store_on(&disk);
    store.put("a", b"1".to_vec(), HOUR).await.unwrap();
    disk.fails(Some(Fault::Full));
    for number in 0..50 {
        assert_eq!(store.get("a").await, Ok(Some(b"1".to_vec())), "{number}");
        let answer = store.create(&format!("b/{number}"), vec![7; VALUE_BYTES], HOUR).await;
        assert_eq!(answer, Err(StoreError::Unavailable), "{number}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let findings = store.findings().await;
    assert!(findings[0].level == Level::Error && findings[0].text.contains("the disk is full"), "{findings:?}");
    disk.fails(None);
    recovers(&store).await;
    assert_eq!(store.keys("b/", None, 100).await, Ok(Vec::new()), "nothing was changed");
    assert_eq!(store.create("b/0", b"2".to_vec(), HOUR).await, Ok(true));
}

#[tokio::test]
async fn a_sick_disk_is_left_alone_for_a_while() {
    let disk = SimulatedDisk::default();
    let store = try_store_on(&disk, Timing { rest: HOUR, ..TIMING }).unwrap();
    store.put("a", b"1".to_vec(), HOUR).await.unwrap();
    disk.fails(Some(Fault::Full));
    assert_eq!(store.put("b", vec![7; VALUE_BYTES], HOUR).await, Err(StoreError::Unavailable));
    let calls = disk.calls();
    for _ in 0..20 {
        assert_eq!(store.put("b", vec![7; VALUE_BYTES], HOUR).await, Err(StoreError::Unavailable));
        assert_eq!(store.get("a").await, Ok(Some(b"1".to_vec())));
    }
    assert_eq!(disk.calls(), calls, "nothing is written");
}

#[tokio::test]
async fn a_read_only_disk_refuses_to_open() {
    let disk = SimulatedDisk::default();
    drop(store_on(&disk));
    disk.fails(Some(Fault::ReadOnly));
    assert!(matches!(try_store_on(&disk, TIMING), Err(OpenError::Denied(..))));
}

/// Whichever call fails: a write that is refused as unavailable did not happen, one that is acknowledged did, and a
/// power loss changes nothing about either.
#[tokio::test]
async fn an_answer_is_true_whichever_call_fails() {
    let mut refused = Vec::new();
    for fault in [Fault::From, Fault::Once] {
        for failing in 1..=CALLS {
            let disk = SimulatedDisk::default();
            let store = store_on(&disk);
            store.put("a", b"1".to_vec(), HOUR).await.unwrap();
            let failing = disk.calls() + failing;
            disk.fails(Some(fault(failing)));
            let answer = store.replace("a", b"1", b"2".to_vec(), None).await;
            let all_worked = disk.calls() < failing;
            disk.fails(None);
            recovers(&store).await;
            let now = store.get("a").await.unwrap().unwrap();
            match answer {
                Ok(swapped) => assert!(swapped && now == b"2", "call {failing}"),
                Err(StoreError::Unavailable) => assert_eq!(now, b"1", "call {failing}"),
                Err(error) => assert_eq!(error, StoreError::UnknownOutcome, "call {failing}"),
            }
            for loss in [Loss::All, Loss::Half] {
                let after = store_on(&disk.after_power_loss(loss));
                assert_eq!(after.get("a").await, Ok(Some(now.clone())), "call {failing}, {loss:?}");
            }
            if all_worked {
                break;
            }
            refused.extend(answer.err());
        }
    }
    assert!(refused.contains(&StoreError::Unavailable) && refused.contains(&StoreError::UnknownOutcome), "{refused:?}");
}

#[tokio::test]
async fn a_power_loss_takes_nothing_that_was_acknowledged() {
    let disk = SimulatedDisk::default();
    let store = store_on(&disk);
    for round in 0..30_u8 {
        let written = (0..8).map(|key| {
            let (store, key) = (&store, format!("k/{key}"));
            async move { store.put(&key, vec![round; 100], HOUR).await }
        });
        assert!(join_all(written).await.iter().all(Result::is_ok));
        for loss in [Loss::All, Loss::Half] {
            let after = store_on(&disk.after_power_loss(loss));
            for key in 0..8 {
                assert_eq!(after.get(&format!("k/{key}")).await, Ok(Some(vec![round; 100])), "{round} {loss:?}");
            }
        }
    }
}

/// The pages of a failed sync are lost for later syncs, so the store has to write them again.
#[tokio::test]
async fn a_failed_sync_loses_nothing_later() {
    let disk = SimulatedDisk::default();
    let store = store_on(&disk);
    for round in 0..10_u8 {
        disk.fails(Some(Fault::Syncs));
        assert!(store.put("a", vec![round; 5000], HOUR).await.is_err());
        disk.fails(None);
        recovers(&store).await;
        let now = store.get("a").await.unwrap();
        let after = store_on(&disk.after_power_loss(Loss::All));
        assert_eq!(after.get("a").await, Ok(now), "{round}");
    }
}

#[tokio::test]
async fn a_file_that_is_gone_is_not_begun_anew_and_a_backup_takes_its_place() {
    let folder = Folder::new("gone");
    let path = folder.store();
    let store = FileStore::start(&path, wall_clock::wall_clock(), folder.opens(), TIMING).unwrap();
    store.put("a", b"1".to_vec(), HOUR).await.unwrap();
    let aside = folder.0.join("aside");
    fs::rename(&path, &aside).unwrap();
    let broken = store.read(|_, _| Err::<(), _>(redb::Error::Io(std::io::Error::other("EIO")))).await;
    assert_eq!(broken, Err(StoreError::Unavailable));
    stays_closed(&store, &OpenError::Gone(path.clone())).await;
    assert!(!path.exists());
    // Another file with the same content.
    let backup = folder.0.join("backup");
    fs::copy(&aside, &backup).unwrap();
    fs::rename(&backup, &path).unwrap();
    recovers(&store).await;
    assert_eq!(store.get("a").await, Ok(Some(b"1".to_vec())));
}

#[test]
fn a_file_that_was_emptied_is_not_begun_anew() {
    let folder = Folder::new("emptied");
    let opens = folder.opens();
    drop(opens().unwrap());
    fs::write(folder.store(), b"").unwrap();
    assert_eq!(opens().err(), Some(OpenError::Empty(folder.store())));
    assert_eq!(fs::metadata(folder.store()).unwrap().len(), 0);
}

/// Waits until the database is closed because of `cause`, and asks while it is tried again several times.
async fn stays_closed(store: &FileStore, cause: &OpenError) {
    let cause = Some(super::Fault::NotOpened(cause.clone()));
    for _ in 0..PATIENCE {
        if store.database.last_failure() == cause {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for _ in 0..20 {
        assert_eq!(store.put("b", b"2".to_vec(), HOUR).await, Err(StoreError::Unavailable));
        assert_eq!(store.get("a").await, Err(StoreError::Unavailable));
        tokio::time::sleep(TIMING.rest).await;
    }
    assert_eq!(store.database.last_failure(), cause);
}

#[tokio::test]
async fn callers_at_the_same_time_share_a_sync() {
    let disk = SimulatedDisk::default();
    let store = store_on(&disk);
    let before = disk.syncs();
    let written = (0..200).map(|number| {
        let (store, key) = (&store, format!("k/{number}"));
        async move { store.put(&key, b"x".to_vec(), HOUR).await }
    });
    assert!(join_all(written).await.iter().all(Result::is_ok));
    let syncs = disk.syncs() - before;
    assert!((1..100).contains(&syncs), "{syncs} syncs for 200 writes");
    let before = disk.syncs();
    assert_eq!(store.take("missing").await, Ok(None));
    assert_eq!(store.create("k/1", Vec::new(), HOUR).await, Ok(false));
    assert_eq!(disk.syncs(), before, "what changes nothing is not written");
}

#[tokio::test]
async fn a_disk_that_hangs_does_not_hold_up_its_callers() {
    let disk = SimulatedDisk::default();
    let timing = Timing { patience: Duration::from_millis(100), ..TIMING };
    let store = try_store_on(&disk, timing).unwrap();
    store.put("a", b"1".to_vec(), HOUR).await.unwrap();
    let hanging = disk.hangs();
    let arrivals = disk.arrivals();
    let begun = store.put("a", b"2".to_vec(), HOUR);
    let queued = async {
        for _ in 0..PATIENCE {
            if disk.arrivals() > arrivals {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        store.put("b", b"2".to_vec(), HOUR).await
    };
    let (begun, queued) = tokio::join!(begun, queued);
    assert_eq!(begun, Err(StoreError::UnknownOutcome), "it was on its way to the disk");
    assert_eq!(queued, Err(StoreError::Unavailable), "it never began");
    drop(hanging);
    recovers(&store).await;
    assert_eq!(store.get("a").await, Ok(Some(b"2".to_vec())));
    assert_eq!(store.get("b").await, Ok(None), "what was given up never happens");
}

#[tokio::test]
async fn a_disk_that_hangs_is_a_fault_until_it_answers() {
    let disk = SimulatedDisk::default();
    let timing = Timing { patience: Duration::from_millis(100), hang: Duration::from_millis(20), ..TIMING };
    let store = try_store_on(&disk, timing).unwrap();
    assert_eq!(store.condition().fault, None);
    let hanging = disk.hangs();
    assert_eq!(store.put("a", b"1".to_vec(), HOUR).await, Err(StoreError::UnknownOutcome));
    until(|| store.condition().fault == Some(super::Fault::Hangs)).await;
    assert!(!store.condition().can_write);
    assert_eq!(store.cause(), Some("store_disk_hangs"));
    drop(hanging);
    recovers(&store).await;
    until(|| store.condition().can_write).await;
}

#[tokio::test]
async fn a_fault_is_over_when_a_write_works_whether_or_not_anybody_writes() {
    let disk = SimulatedDisk::default();
    let store = store_on(&disk);
    disk.fails(Some(Fault::Syncs));
    assert!(store.put("a", b"1".to_vec(), HOUR).await.is_err());
    assert!(!store.condition().can_write && store.condition().fault.is_some());
    disk.fails(None);
    until(|| store.condition().can_write).await;
}

/// Waits until `holds`.
pub(super) async fn until(holds: impl Fn() -> bool) {
    for _ in 0..PATIENCE {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it never is so");
}

/// More calls than a write takes.
const CALLS: u64 = 50;
/// Milliseconds, for a busy machine.
pub(super) const PATIENCE: u32 = 20_000;
pub(super) const TIMING: Timing = Timing {
    sweep: Duration::from_secs(5),
    rest: Duration::from_millis(2),
    patience: Duration::from_secs(10),
    look: Duration::from_millis(2),
    hang: Duration::from_secs(60),
};
