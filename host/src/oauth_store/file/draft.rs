//! A file that is made beside its place, and then is there as a whole or not at all.
//!
//! ```text
//! made beside (0600) -> filled -> synced -> linked or renamed to its place -> the folder synced
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{Error, ErrorKind, Result as IoResult};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;

/// A file on its way. Dropping it before it is placed removes it.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    place: PathBuf,
    file: File,
}

impl Draft {
    /// An empty file for `place`, which only its owner can open.
    pub(super) fn for_place(place: &Path) -> IoResult<Self> {
        let place = behind_links(place)?;
        let name = place.file_name().ok_or(Error::from(ErrorKind::IsADirectory))?.to_string_lossy();
        let number = jiff::Timestamp::now().subsec_nanosecond();
        let path = folder_of(&place).join(format!(".{name}.{}-{number:x}", std::process::id()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(OWNER_ONLY).open(&path)?;
        Ok(Self { path, place, file })
    }

    /// Another handle of the file.
    pub(super) fn file(&self) -> IoResult<File> {
        self.file.try_clone()
    }

    /// A new database in the file. It has to be closed before the file is placed.
    pub(super) fn database(&self) -> Result<redb::Database, redb::Error> {
        let backend = FileBackend::new(self.file.try_clone()?)?;
        Ok(redb::Builder::new().create_with_backend(backend)?)
    }

    /// Puts the file in its place. Fails with [`ErrorKind::AlreadyExists`] where something is there, unless it is to be
    /// replaced.
    pub(super) fn place(self, replaces: bool) -> IoResult<()> {
        self.file.sync_all()?;
        if replaces {
            fs::rename(&self.path, &self.place)?;
        } else {
            // Unlike a rename, a link never takes another file's place. Dropping removes the first name.
            fs::hard_link(&self.path, &self.place)?;
        }
        // The name has to be on disk too.
        File::open(folder_of(&self.place))?.sync_all()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a rename there is nothing under this name.
        let _ = fs::remove_file(&self.path);
    }
}

/// The folder that `path` is in.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Where `path` leads, which need not exist: a link stays a link when its file is made or replaced.
fn behind_links(path: &Path) -> IoResult<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = folder_of(&path).join(target),
            // No link, or nothing at all.
            Err(_) => return Ok(path),
        }
    }
    Err(Error::from(ErrorKind::InvalidInput))
}

/// Read and write for the owner.
pub(super) const OWNER_ONLY: u32 = 0o600;
/// As many links in a row as Linux follows.
const LINKS: usize = 40;

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use tempfile::TempDir;

    use super::*;

    fn names(folder: &TempDir) -> Vec<String> {
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn it_is_there_as_a_whole_or_not_at_all() {
        let folder = TempDir::new().unwrap();
        let place = folder.path().join("a");
        let mut draft = Draft::for_place(&place).unwrap();
        draft.file.write_all(b"one").unwrap();
        assert!(!place.exists());
        draft.place(false).unwrap();
        assert_eq!((fs::read(&place).unwrap(), names(&folder)), (b"one".to_vec(), vec!["a".to_owned()]));
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, OWNER_ONLY);
        drop(Draft::for_place(&place).unwrap());
        assert_eq!(names(&folder), ["a"], "what was given up leaves nothing");
    }

    #[test]
    fn nothing_is_replaced_unless_it_is_to_be() {
        let folder = TempDir::new().unwrap();
        let place = folder.path().join("a");
        fs::write(&place, "old").unwrap();
        let refused = Draft::for_place(&place).unwrap().place(false).unwrap_err();
        assert_eq!((refused.kind(), fs::read(&place).unwrap()), (ErrorKind::AlreadyExists, b"old".to_vec()));
        Draft::for_place(&place).unwrap().place(true).unwrap();
        assert_eq!((fs::read(&place).unwrap(), names(&folder)), (Vec::new(), vec!["a".to_owned()]));
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = TempDir::new().unwrap();
        let (link, target) = (folder.path().join("link"), folder.path().join("target"));
        symlink("target", &link).unwrap();
        for replaces in [false, true] {
            Draft::for_place(&link).unwrap().place(replaces).unwrap();
            assert!(target.is_file() && fs::symlink_metadata(&link).unwrap().is_symlink());
        }
        let round = folder.path().join("round");
        symlink("round", &round).unwrap();
        assert!(Draft::for_place(&round).is_err());
    }
}
