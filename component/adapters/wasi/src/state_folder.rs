//! The folder in which the adapter keeps what must outlive a request.
//!
//! ```text
//! records/   a folder per key               (store)
//! buckets/   a folder per bucket            (buckets)
//! budgets/   the same for budgets           (buckets)
//! new/       what is being written          for as long as that takes
//! old/       what was taken out of use      until nobody can still hold it open
//! ```
//!
//! Names in `new` and `old` begin with the time at which they were given, so that what a killed process left behind
//! can be told from what is in use.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Tells the time since 1970-01-01T00:00:00Z.
pub type Clock = Box<dyn Fn() -> Duration + Send + Sync>;

/// The folder, and the clock by which things in it age.
pub(crate) struct StateFolder {
    root: PathBuf,
    clock: Clock,
    is_prepared: OnceLock<()>,
}

impl StateFolder {
    /// Does not touch the disk.
    pub(crate) fn new(root: &Path, clock: Clock) -> Self {
        Self { root: root.to_owned(), clock, is_prepared: OnceLock::new() }
    }

    /// Makes the folders inside where they are missing. Fails where the folder itself is.
    ///
    /// Invariant: where `old` is, the others would survive a loss of power, because it is made last, after the sync. So
    /// nobody relies on a folder whose maker ended before he synced it.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        if self.is_prepared.get().is_some() {
            return Ok(());
        }
        let mut one_was_missing = !is_folder(&self.old_things());
        for folder in [self.records(), self.buckets(), self.new_things()] {
            one_was_missing |= make_folder(&folder)?;
        }
        // Older folders have none. Where the disk is too full to make it, records can be read all the same.
        let _ = make_folder(&self.budgets());
        if one_was_missing {
            sync(&self.root)?;
            make_folder(&self.old_things())?;
        }
        let _ = self.is_prepared.set(());
        Ok(())
    }

    pub(crate) fn records(&self) -> PathBuf {
        self.root.join("records")
    }

    pub(crate) fn buckets(&self) -> PathBuf {
        self.root.join("buckets")
    }

    pub(crate) fn budgets(&self) -> PathBuf {
        self.root.join("budgets")
    }

    fn new_things(&self) -> PathBuf {
        self.root.join("new")
    }

    fn old_things(&self) -> PathBuf {
        self.root.join("old")
    }

    /// Milliseconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from((self.clock)().as_millis()).unwrap_or(u64::MAX)
    }

    /// The clock itself.
    pub(crate) fn time(&self) -> Duration {
        (self.clock)()
    }

    /// A path in `new` that nothing has.
    pub(crate) fn new_path(&self) -> io::Result<PathBuf> {
        Ok(self.new_things().join(self.unique_name()?))
    }

    /// A path in `old` that nothing has.
    pub(crate) fn old_path(&self) -> io::Result<PathBuf> {
        Ok(self.old_things().join(self.unique_name()?))
    }

    /// A name that was never given before: the time, and a random number.
    pub(crate) fn unique_name(&self) -> io::Result<String> {
        Ok(format!("{:012x}-{:016x}", self.now(), random()?))
    }

    /// Removes a few things from `new` and `old` that have been there for longer than anybody uses them. Failing is
    /// no failure of what the caller does: the next sweep tries again.
    pub(crate) fn clear(&self) {
        for folder in [self.new_things(), self.old_things()] {
            let names = names(&folder).unwrap_or_default();
            for name in names.iter().filter(|name| self.is_out_of_use(name)).take(CLEARED_AT_ONCE) {
                remove_tree(&folder.join(name));
            }
        }
    }

    fn is_out_of_use(&self, name: &str) -> bool {
        let given = name.split_once('-').and_then(|(time, _)| u64::from_str_radix(time, 16).ok());
        given.is_none_or(|given| self.now().saturating_sub(given) > milliseconds(OUT_OF_USE))
    }
}

/// Makes a folder unless it is there; `true` when it was missing.
fn make_folder(folder: &Path) -> io::Result<bool> {
    let is_missing = !is_folder(folder);
    if is_missing {
        accept(fs::create_dir(folder), &[io::ErrorKind::AlreadyExists])?;
    }
    Ok(is_missing)
}

fn is_folder(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_dir())
}

/// A number that nobody can have drawn before.
pub(crate) fn random() -> io::Result<u64> {
    getrandom::u64().map_err(|error| io::Error::other(error.to_string()))
}

/// The names in a folder, in no order.
///
/// The C library of WASI asks for the inode of each entry while it lists a folder, and an entry that has just gone is
/// an error there, after which a listing cannot go on. It is begun again then: what went away is not in the next one.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] only where the folder itself is missing.
pub(crate) fn names(folder: &Path) -> io::Result<Vec<String>> {
    listed(|| {
        let entries = fs::read_dir(folder)?;
        // A name that is not UTF-8 is none of ours.
        Ok(entries.filter_map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).transpose()))
    })
}

/// The names of the first listing during which nothing goes away; each one is begun by `begin`.
fn listed<E>(begin: impl Fn() -> io::Result<E>) -> io::Result<Vec<String>>
where
    E: Iterator<Item = io::Result<String>>,
{
    let begun = Instant::now();
    for _ in 0..LISTINGS {
        match begin()?.collect() {
            Err(error) if is_gone(&error) && begun.elapsed() < LISTING_TIME => {}
            Err(error) if is_gone(&error) => break,
            names => return names,
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// Whether an entry could not be listed because it is there no more.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// A file that was not there, for writing only: jco opens none for reading and writing at once.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Returns when what was entered into `folder` would survive a loss of power.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()?;
    #[cfg(test)]
    SYNCED.with_borrow_mut(|synced| synced.push(folder.to_owned()));
    Ok(())
}

/// Moves a folder to `place`; `false` when a folder with something in it stands there.
pub(crate) fn move_folder(folder: &Path, place: &Path) -> io::Result<bool> {
    match fs::rename(folder, place) {
        Err(error) if is_occupied(&error) => Ok(false),
        moved => moved.map(|()| true),
    }
}

/// The standard library has no kind for `ENOTEMPTY` of WASI.
fn is_occupied(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty)
        || cfg!(target_family = "wasm") && error.raw_os_error() == Some(WASI_NOT_EMPTY)
}

/// An error of one of these kinds is none: `false` tells that there was one.
pub(crate) fn accept(result: io::Result<()>, kinds: &[io::ErrorKind]) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if kinds.contains(&error.kind()) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes a file, or a folder with what is in it, as far as that goes.
pub(crate) fn remove_tree(path: &Path) {
    if fs::remove_file(path).is_ok() {
        return;
    }
    for name in names(path).unwrap_or_default() {
        remove_tree(&path.join(name));
    }
    let _ = fs::remove_dir(path);
}

pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// `errno.notempty` of WASI, as its C library has it.
const WASI_NOT_EMPTY: i32 = 55;

/// How long a thing may be in use after it was written beside or moved away: ten times the time after which a writer
/// gives up ([`WRITER_TIME`]).
const OUT_OF_USE: Duration = WRITER_TIME.saturating_mul(10);

/// A writer that has looked at something for longer than this does not act on it. Our host ends a request after half
/// of this, proxies commonly after a minute.
pub(crate) const WRITER_TIME: Duration = Duration::from_secs(60);

/// How often a listing is begun at most. Where two out of three meet something that goes away, as in a large folder
/// under load, this many never do.
const LISTINGS: usize = 1000;

/// How long a listing is begun again: well within the time of a request.
const LISTING_TIME: Duration = Duration::from_secs(5);

/// Sweeping is part of somebody's request; this many removals take milliseconds.
const CLEARED_AT_ONCE: usize = 64;

#[cfg(test)]
thread_local! {
    /// The folders that this thread has synced: of a sync nothing else can be seen without a loss of power.
    pub(crate) static SYNCED: std::cell::RefCell<Vec<PathBuf>> = const { std::cell::RefCell::new(Vec::new()) };
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use tempfile::TempDir;

    #[test]
    fn a_missing_folder_is_an_error_and_a_present_one_is_prepared_once() {
        let folder = TempDir::new().unwrap();
        let missing = StateFolder::new(&folder.path().join("missing"), Box::new(|| Duration::ZERO));
        assert_eq!(missing.prepare().map_err(|error| error.kind()), Err(io::ErrorKind::NotFound));
        let state = StateFolder::new(folder.path(), Box::new(|| Duration::ZERO));
        assert!(state.prepare().is_ok() && state.prepare().is_ok());
        assert!(StateFolder::new(folder.path(), Box::new(|| Duration::ZERO)).prepare().is_ok());
    }

    #[test]
    fn folders_that_may_not_be_on_disk_are_synced_before_they_are_used() {
        let folder = TempDir::new().unwrap();
        let synced = || {
            SYNCED.take();
            StateFolder::new(folder.path(), Box::new(|| Duration::ZERO)).prepare().unwrap();
            SYNCED.take()
        };
        assert_eq!(synced(), [folder.path()], "they were made");
        assert!(synced().is_empty(), "they are there, for good");
        fs::remove_dir(folder.path().join("old")).unwrap();
        assert_eq!(synced(), [folder.path()], "who made them may have ended before the sync");
        fs::remove_dir(folder.path().join("records")).unwrap();
        assert_eq!(synced(), [folder.path()], "one was made again");
    }

    /// A listing of these names, of which the `gone`-th went away while it was read.
    fn listing(names: &[&str], gone: Option<usize>) -> impl Iterator<Item = io::Result<String>> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        names.into_iter().enumerate().map(move |(number, name)| {
            if Some(number) == gone { Err(io::ErrorKind::NotFound.into()) } else { Ok(name) }
        })
    }

    #[test]
    fn a_listing_during_which_something_goes_away_is_begun_again() {
        let begun = Cell::new(0);
        let names = listed(|| {
            begun.set(begun.get() + 1);
            Ok(if begun.get() < 4 { listing(&["a", "b", "c"], Some(begun.get() - 1)) } else { listing(&["a"], None) })
        });
        assert_eq!((names.unwrap(), begun.get()), (vec!["a".to_owned()], 4), "and nothing of the others is in it");
    }

    #[test]
    fn a_listing_is_begun_again_only_so_often_and_only_for_what_has_gone() {
        let begun = Cell::new(0);
        let never = listed(|| {
            begun.set(begun.get() + 1);
            Ok(listing(&["a"], Some(0)))
        });
        let error = never.unwrap_err().kind();
        assert_eq!((error, begun.get()), (io::ErrorKind::TimedOut, LISTINGS), "it is no folder that is missing");
        let denied = || Ok(std::iter::once(Err(io::ErrorKind::PermissionDenied.into())));
        assert_eq!(listed(denied).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        let folder = TempDir::new().unwrap();
        assert_eq!(names(&folder.path().join("missing")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn only_what_is_out_of_use_is_cleared() {
        let folder = TempDir::new().unwrap();
        let at = |seconds| StateFolder::new(folder.path(), Box::new(move || Duration::from_secs(seconds)));
        let start = 1_000_000;
        let state = at(start);
        state.prepare().unwrap();
        fs::write(state.new_path().unwrap(), "left behind").unwrap();
        let moved = state.old_path().unwrap();
        fs::create_dir(&moved).unwrap();
        fs::write(moved.join("1"), "").unwrap();
        let left = || names(&state.new_things()).unwrap().len() + names(&state.old_things()).unwrap().len();
        at(start + OUT_OF_USE.as_secs()).clear();
        assert_eq!(left(), 2);
        at(start + OUT_OF_USE.as_secs() + 1).clear();
        assert_eq!(left(), 0);
    }
}
