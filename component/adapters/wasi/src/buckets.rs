//! `rate-limit` in files.
//!
//! ```text
//! buckets/HASH/FULL
//! budgets/HASH/FULL    those whose key begins with `budget/`
//! ```
//!
//! A bucket is an empty file in a folder of its own, and its name is the time at which the bucket is full again. Taking
//! from it *renames* the file to a later time: that fails when somebody else has taken meanwhile, since then the old
//! name is gone. A new bucket is made beside and its folder renamed into place, which fails when there is one.
//!
//! Invariant: the folder of a bucket holds one file or, for a moment, none; and a name never comes back, because time
//! in it only grows.
//!
//! Invariant: a key that nobody has proven pushes out no counter of a budget, because too many in one folder take none
//! from the other.
//!
//! Nothing is synced: after a loss of power buckets are fuller than they should be. Where the folder cannot be used,
//! everything is let through, because the interface has no error; `operator.check` reports the folder.

mod cell;

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::state_folder::{Clock, StateFolder, accept, create_new, move_folder, names, random, remove_tree};
pub use cell::{Decision, Quota};

/// Buckets in a folder that several processes may use at the same time.
pub struct Buckets(StateFolder);

impl Buckets {
    /// Buckets in the folder `root`, by `clock`. Does not touch the disk.
    pub fn new(root: &Path, clock: Clock) -> Self {
        Self(StateFolder::new(root, clock))
    }

    /// Takes `cost` from the bucket `key` under `quota`. A bucket under another quota is another bucket.
    pub fn check(&self, key: &str, quota: Quota, cost: u32) -> Decision {
        self.try_check(key, quota, cost).unwrap_or(Decision::Allowed(0))
    }

    fn try_check(&self, key: &str, quota: Quota, cost: u32) -> io::Result<Decision> {
        self.0.prepare()?;
        let bucket = self.folder_of(key).join(folder_name(key, quota));
        for _ in 0..ATTEMPTS {
            let found = full_time(&bucket)?;
            let (after, decision) = quota.take(found.unwrap_or_default(), self.now(), cost);
            let is_done = match (found, decision) {
                (_, Decision::RetryAfter(_)) => true,
                (Some(full), _) if full == after => true,
                (Some(full), _) => {
                    accept(fs::rename(bucket.join(file_name(full)), bucket.join(file_name(after))), &GONE)?
                }
                (None, _) => self.begin(&bucket, after)?,
            };
            if is_done {
                return Ok(decision);
            }
        }
        Err(ErrorKind::TimedOut.into())
    }

    fn begin(&self, bucket: &Path, full: u64) -> io::Result<bool> {
        let draft = self.0.new_path()?;
        fs::create_dir(&draft)?;
        create_new(&draft.join(file_name(full)))?;
        let moved = move_folder(&draft, bucket);
        if moved.as_ref().is_ok_and(|is_done| *is_done) {
            self.sweep_sometimes();
        } else {
            remove_tree(&draft);
        }
        moved
    }

    fn sweep_sometimes(&self) {
        match random() {
            Ok(drawn) if drawn.is_multiple_of(NEW_PER_SWEEP) => self.sweep(drawn / NEW_PER_SWEEP),
            _ => {}
        }
    }

    /// Where the bucket of `key` is, apart for a budget (`wit/rate-limit.wit`).
    fn folder_of(&self, key: &str) -> PathBuf {
        if key.starts_with(BUDGET) { self.0.budgets() } else { self.0.buckets() }
    }

    fn sweep(&self, drawn: u64) {
        self.0.clear();
        self.sweep_folder(&self.0.buckets(), drawn);
        self.sweep_folder(&self.0.budgets(), drawn);
    }

    /// Removes some buckets that are full, from the `drawn`-th on, and any where there are too many.
    fn sweep_folder(&self, folder: &Path, drawn: u64) {
        let mut names = names(folder).unwrap_or_default();
        let are_too_many = names.len() > BUCKETS;
        let first = usize::try_from(drawn).unwrap_or_default().checked_rem(names.len()).unwrap_or_default();
        names.rotate_left(first);
        for bucket in names.iter().take(BUCKETS_PER_SWEEP).map(|name| folder.join(name)) {
            let full = full_time(&bucket).unwrap_or_default();
            if let Some(full) = full.filter(|full| are_too_many || *full <= self.now()) {
                let _ = fs::remove_file(bucket.join(file_name(full)));
            }
            // Fails, as it must, unless it is empty.
            let _ = fs::remove_dir(&bucket);
        }
    }

    /// Nanoseconds since 1970.
    fn now(&self) -> u64 {
        u64::try_from(self.0.time().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The time at which a bucket is full again; `None` when there is no such bucket.
fn full_time(bucket: &Path) -> io::Result<Option<u64>> {
    let names = match names(bucket) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        names => names?,
    };
    // While a file is being renamed, its folder may be read with both names.
    Ok(names.iter().filter_map(|name| u64::from_str_radix(name, 16).ok()).max())
}

fn folder_name(key: &str, quota: Quota) -> PathBuf {
    let text = format!("{}/{}/{key}", quota.limit, quota.window_seconds);
    let mut hash = base16ct::lower::encode_string(&Sha256::digest(text.as_bytes()));
    hash.truncate(2 * NAME_BYTES);
    hash.into()
}

fn file_name(full: u64) -> String {
    format!("{full:016x}")
}

/// The bucket was taken from, or swept, since it was looked at.
const GONE: [ErrorKind; 1] = [ErrorKind::NotFound];

/// How the keys of a budget's counters begin.
const BUDGET: &str = "budget/";

/// How often a bucket is tried that others take from at the same time. Each time one of them was served.
const ATTEMPTS: usize = 100;

/// So many that nobody finds another key with the same name.
const NAME_BYTES: usize = 16;

/// Bounds what the buckets of one folder take together: each is a folder with an empty file, about 8 KiB on common file systems.
const BUCKETS: usize = 20_000;

/// A sweep looks at many more buckets than were made since the last one, so that full ones stay few.
const NEW_PER_SWEEP: u64 = 16;
const BUCKETS_PER_SWEEP: usize = 256;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;
    use tempfile::TempDir;

    const QUOTA: Quota = Quota { limit: 3, window_seconds: 60 };

    fn at(folder: &TempDir, seconds: u64) -> Buckets {
        Buckets::new(folder.path(), Box::new(move || Duration::from_secs(1_700_000_000 + seconds)))
    }

    #[test]
    fn a_bucket_outlives_the_instance_that_took_from_it() {
        let folder = TempDir::new().unwrap();
        let take = |seconds, key, cost| at(&folder, seconds).check(key, QUOTA, cost);
        assert_eq!(take(0, "a", 2), Decision::Allowed(1));
        assert_eq!(take(0, "a", 2), Decision::RetryAfter(20));
        assert_eq!(take(0, "a", 1), Decision::Allowed(0));
        assert_eq!(take(0, "b", 1), Decision::Allowed(2), "another key");
        assert_eq!(at(&folder, 0).check("a", Quota { limit: 4, ..QUOTA }, 1), Decision::Allowed(3), "another quota");
        assert_eq!(take(19, "a", 1), Decision::RetryAfter(1));
        assert_eq!(take(20, "a", 1), Decision::Allowed(0));
        assert_eq!(take(20, "a", 0), Decision::Allowed(0), "nothing can always be taken");
    }

    #[test]
    fn what_many_take_at_once_adds_up() {
        let folder = TempDir::new().unwrap();
        let quota = Quota { limit: 50, window_seconds: 3600 };
        let allowed = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let decision = at(&folder, 0).check("a", quota, 1);
                        allowed.fetch_add(u64::from(matches!(decision, Decision::Allowed(_))), Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(allowed.into_inner(), 50);
    }

    #[test]
    fn full_buckets_are_swept_and_the_number_of_all_is_bounded() {
        let folder = TempDir::new().unwrap();
        let clock = Arc::new(AtomicU64::new(1_700_000_000));
        let seconds = clock.clone();
        let clocked = move || Duration::from_secs(seconds.load(Ordering::SeqCst));
        let buckets = Buckets::new(folder.path(), Box::new(clocked));
        for number in 0..100 {
            buckets.check(&format!("address/{number}"), QUOTA, 1);
        }
        let left = || names(&buckets.0.buckets()).unwrap().len();
        buckets.sweep(7);
        assert_eq!(left(), 100, "none is full");
        clock.fetch_add(20, Ordering::SeqCst);
        buckets.sweep(7);
        assert_eq!(left(), 0);
        assert_eq!(buckets.check("address/7", QUOTA, 3), Decision::Allowed(0), "as if it were new");
    }

    #[test]
    fn keys_that_nobody_has_proven_are_counted_apart_from_budgets() {
        let folder = TempDir::new().unwrap();
        let day = Quota { limit: 2, window_seconds: 24 * 3600 };
        let buckets = at(&folder, 0);
        for key in ["budget/7", "budget/7/ada"] {
            assert_eq!(buckets.check(key, day, 2), Decision::Allowed(0), "{key}");
        }
        for key in ["address/192.0.2.1", "identity/ada", "budget", "registration/address/192.0.2.1"] {
            buckets.check(key, QUOTA, 1);
        }
        let counted = [buckets.0.budgets(), buckets.0.buckets()].map(|folder| names(&folder).unwrap().len());
        assert_eq!(counted, [2, 4], "only those of one folder are too many together");
        buckets.sweep(0);
        for key in ["budget/7", "budget/7/ada"] {
            assert!(matches!(at(&folder, 1).check(key, day, 1), Decision::RetryAfter(_)), "{key} is forgotten");
        }
    }

    #[test]
    fn without_a_folder_everything_is_let_through() {
        let folder = TempDir::new().unwrap();
        let buckets = Buckets::new(&folder.path().join("missing"), Box::new(|| Duration::from_secs(1)));
        for _ in 0..5 {
            assert_eq!(buckets.check("a", QUOTA, 3), Decision::Allowed(0));
        }
    }
}
