//! The store on a real file: the contract, restarts, what is refused.

mod copies;
mod faults;
mod figures;
mod full_disk;
mod killed;
mod place;
mod simulated_disk;

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::FileExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::oauth_store::contract;

/// A folder for one test, which removes it at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("pmcp-store-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn store(&self) -> PathBuf {
        self.0.join("records.redb")
    }

    fn opens(&self) -> Open {
        let (path, was_opened, remembered) = (self.store(), WasOpened::default(), Remembered::default());
        Box::new(move || Database::at(&path, &was_opened, &remembered))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A clock that a test moves.
#[derive(Clone, Default)]
struct Hand(Arc<AtomicU64>);

impl Hand {
    fn moves(&self, time: Duration) {
        self.0.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    fn clock(&self) -> Clock {
        let hand = self.clone();
        Arc::new(move || Duration::from_millis(hand.0.load(Ordering::SeqCst)))
    }
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_what_it_holds_by_kind_and_how_large_it_is() {
    let (folder, hand) = (Folder::new("census"), Hand::default());
    let store = FileStore::with_clock(&folder.store(), hand.clock()).unwrap();
    for (key, hours) in [("grant/a/1", 2), ("grant/b/1", 2), ("grant/b/2", 1), ("client/1", 2), ("made-up", 2)] {
        store.put(key, vec![0; 100], HOUR * hours).await.unwrap();
    }
    hand.moves(HOUR);
    let census = store.census().await.unwrap();
    assert_eq!(census.records.into_iter().collect::<Vec<_>>(), [("client", 1), ("grant", 2), ("other", 1)]);
    assert_eq!(census.bytes, fs::metadata(folder.store()).ok().map(|about| about.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_the_contract() {
    let (folder, hand) = (Folder::new("contract"), Hand::default());
    let store = FileStore::with_clock(&folder.store(), hand.clock()).unwrap();
    let pass = |time: Duration| {
        hand.moves(time);
        std::future::ready(())
    };
    contract::check(Arc::new(store), pass).await;
}

#[tokio::test]
async fn records_and_their_times_survive_a_restart() {
    let (folder, hand) = (Folder::new("restart"), Hand::default());
    let open = || FileStore::with_clock(&folder.store(), hand.clock()).unwrap();
    let store = open();
    store.put("a/1", b"one".to_vec(), HOUR).await.unwrap();
    store.put("a/2", b"two".to_vec(), HOUR * 3).await.unwrap();
    store.put("a/3", b"three".to_vec(), HOUR * 3).await.unwrap();
    assert_eq!(store.take("a/3").await, Ok(Some(b"three".to_vec())));
    drop(store);
    hand.moves(HOUR);
    let store = open();
    assert_eq!(store.keys("a/", None, 10).await, Ok(vec!["a/2".to_owned()]));
    assert_eq!(store.get("a/1").await, Ok(None), "its time went on while the store was closed");
    assert_eq!(store.take("a/2").await, Ok(Some(b"two".to_vec())));
    assert_eq!(store.take("a/3").await, Ok(None), "what was taken stays taken");
}

#[tokio::test]
async fn only_the_owner_can_open_the_file() {
    let folder = Folder::new("mode");
    let store = FileStore::open(&folder.store()).unwrap();
    assert_eq!(fs::metadata(folder.store()).unwrap().permissions().mode() & 0o777, 0o600);
    let level = |findings: Vec<Finding>| findings.into_iter().map(|finding| finding.level).collect::<Vec<_>>();
    assert_eq!(level(store.findings().await), [Level::Ok]);
    assert_eq!(store.keys("", None, 10).await, Ok(Vec::new()), "the self-test leaves nothing");
    fs::set_permissions(folder.store(), Permissions::from_mode(0o640)).unwrap();
    assert_eq!(level(store.findings().await), [Level::Ok, Level::Warn]);
}

#[tokio::test]
async fn a_file_belongs_to_one_process_at_a_time() {
    let folder = Folder::new("lock");
    let first = FileStore::open(&folder.store()).unwrap();
    assert_eq!(refused(&folder.store()), OpenError::InUse(folder.store()));
    drop(first);
    FileStore::open(&folder.store()).unwrap();
}

#[tokio::test]
async fn what_is_no_store_is_refused_and_left_alone() {
    let folder = Folder::new("foreign");
    let path = folder.0.join("text");
    for content in [&b"some notes"[..], b"x", &[7; 4096]] {
        fs::write(&path, content).unwrap();
        assert_eq!(refused(&path), OpenError::NotAStore(path.clone()));
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    assert_eq!(refused(&folder.0), OpenError::NotAStore(folder.0.clone()), "a folder");
    assert_eq!(refused(Path::new("/dev/null")), OpenError::NotAStore("/dev/null".into()));
    let missing = folder.0.join("missing/records.redb");
    assert_eq!(refused(&missing), OpenError::NoFolder(missing.clone()));
    let within = path.join("records.redb");
    assert_eq!(refused(&within), OpenError::NoFolder(within.clone()));
}

#[tokio::test]
async fn somebody_elses_database_is_refused() {
    let folder = Folder::new("database");
    let database = redb::Database::create(folder.store()).unwrap();
    let transaction = database.begin_write().unwrap();
    let table: redb::TableDefinition<&str, &str> = redb::TableDefinition::new("about");
    transaction.open_table(table).unwrap().insert("format", "mine").unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert_eq!(refused(&folder.store()), OpenError::NotAStore(folder.store()));
}

#[tokio::test]
async fn a_version_to_come_is_refused() {
    let folder = Folder::new("version");
    drop(FileStore::open(&folder.store()).unwrap());
    let database = redb::Database::create(folder.store()).unwrap();
    let transaction = database.begin_write().unwrap();
    let about: redb::TableDefinition<&str, u64> = redb::TableDefinition::new("about");
    transaction.open_table(about).unwrap().insert("format", 2).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert_eq!(refused(&folder.store()), OpenError::NewerVersion(folder.store()), "our layout");
    let file = OpenOptions::new().write(true).open(folder.store()).unwrap();
    for (version, refusal) in
        [(99, OpenError::NewerVersion(folder.store())), (2, OpenError::OlderVersion(folder.store()))]
    {
        for slot in COMMIT_SLOTS {
            file.write_all_at(&[version], slot).unwrap();
        }
        assert_eq!(refused(&folder.store()), refusal, "that of the library");
    }
}

#[tokio::test]
async fn a_damaged_file_is_refused() {
    let folder = Folder::new("damaged");
    let store = FileStore::open(&folder.store()).unwrap();
    for number in 0..100 {
        store.put(&format!("a/{number}"), vec![7; 1000], HOUR).await.unwrap();
    }
    drop(store);
    let whole = fs::read(folder.store()).unwrap();
    let mut refusals = 0;
    for page in 0..whole.len() / PAGE {
        let mut damaged = whole.clone();
        let bytes = &mut damaged[page * PAGE..(page + 1) * PAGE];
        let used = bytes.iter().any(|byte| *byte != 0);
        bytes.iter_mut().skip(64).for_each(|byte| *byte ^= 0x55);
        fs::write(folder.store(), &damaged).unwrap();
        match FileStore::open(&folder.store()) {
            Err(OpenError::Damaged(path, _)) => refusals += usize::from(path == folder.store()),
            Err(error) => assert_eq!((page, error), (0, OpenError::NewerVersion(folder.store()))),
            Ok(store) => {
                // Not one of the pages that are in use.
                assert!(page > 0 || !used);
                assert_eq!(store.get("a/99").await, Ok(Some(vec![7; 1000])));
            }
        }
    }
    assert!(refusals > 25, "{refusals}");
    // Behind the records there is room for revocations.
    for length in [whole.len() / 32, PAGE, 100] {
        fs::write(folder.store(), &whole[..length]).unwrap();
        let error = refused(&folder.store());
        assert!(matches!(error, OpenError::Damaged(..)), "{length}: {error:?}");
    }
}

#[tokio::test]
async fn what_a_crash_leaves_of_a_file_is_not_taken_for_a_new_one() {
    let folder = Folder::new("blank");
    drop(FileStore::open(&folder.store()).unwrap());
    let made = fs::read(folder.store()).unwrap();
    let zeros = OpenError::Zeros(folder.store());
    for (left, refusal) in [
        (Vec::new(), OpenError::Empty(folder.store())),
        (vec![0; 1], zeros.clone()),
        (vec![0; 100], zeros.clone()),
        (vec![0; PAGE], zeros.clone()),
        (vec![0; made.len()], zeros.clone()),
        ([&[0; 9], &made[9..]].concat(), zeros.clone()),
        ([&[0; PAGE], &made[PAGE..]].concat(), zeros.clone()),
        (vec![0; 9 << 20], zeros),
    ] {
        fs::write(folder.store(), &left).unwrap();
        assert_eq!(refused(&folder.store()), refusal);
        assert_eq!(fs::read(folder.store()).unwrap(), left, "it is left as it is");
    }
}

#[tokio::test]
async fn making_a_store_leaves_nothing_but_the_store() {
    let folder = Folder::new("made");
    let (link, target) = (folder.0.join("link"), folder.0.join("target"));
    std::os::unix::fs::symlink("target", &link).unwrap();
    for path in [folder.store(), link] {
        let store = FileStore::open(&path).unwrap();
        assert_eq!(store.create("a", b"one".to_vec(), HOUR).await, Ok(true));
    }
    let mut names: Vec<_> = fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["link", "records.redb", "target"]);
    assert!(target.is_file());
}

#[tokio::test]
async fn every_refusal_names_the_file_and_what_to_do() {
    let path = PathBuf::from("/srv/records.redb");
    let cause = "why".to_owned();
    for error in [
        OpenError::InUse(path.clone()),
        OpenError::NotAStore(path.clone()),
        OpenError::Empty(path.clone()),
        OpenError::Zeros(path.clone()),
        OpenError::NewerVersion(path.clone()),
        OpenError::OlderVersion(path.clone()),
        OpenError::Damaged(path.clone(), cause.clone()),
        OpenError::Gone(path.clone()),
        OpenError::Changing(path.clone()),
        OpenError::Outdated(path.clone()),
        OpenError::NoFolder(path.clone()),
        OpenError::Denied(path.clone(), cause.clone()),
        OpenError::Full(path.clone()),
        OpenError::Failed(path, cause),
    ] {
        let text = error.to_string();
        assert!(text.contains("/srv/records.redb") && text.contains("; "), "{text}");
    }
}

#[tokio::test]
async fn what_has_ended_is_swept_in_steps_while_others_work() {
    let (folder, hand) = (Folder::new("sweep"), Hand::default());
    let timing = Timing { sweep: Duration::from_millis(1), ..Timing::default() };
    let store = FileStore::start(&folder.store(), hand.clock(), folder.opens(), timing).unwrap();
    let many = 700;
    let written = (0..many).map(|number| {
        let (store, key) = (&store, format!("short/{number}"));
        async move { store.put(&key, b"x".to_vec(), Duration::from_secs(1)).await }
    });
    assert!(futures_util::future::join_all(written).await.iter().all(Result::is_ok));
    store.put("long", b"x".to_vec(), HOUR).await.unwrap();
    assert_eq!(store.database.read(records::count_all).unwrap(), (many + 1, many + 1));
    hand.moves(Duration::from_secs(2));
    let mut left = None;
    for _ in 0..20_000 {
        assert_eq!(store.get("long").await, Ok(Some(b"x".to_vec())));
        left = store.database.read(records::count_all).ok();
        if left == Some((1, 1)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("{left:?} are left");
}

/// Why the store at `path` cannot be opened.
fn refused(path: &Path) -> OpenError {
    FileStore::open(path).err().expect("it is refused")
}

/// Of redb's file: where the version stands in each of the two commits, and the size of a page.
const COMMIT_SLOTS: [u64; 2] = [64, 192];
const PAGE: usize = 4096;
