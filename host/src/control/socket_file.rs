//! The socket's file: made so that nobody else can ever open it, and never in the place of something that is in use.
//!
//! ```text
//! private folder (0700) -> bind inside it -> chmod 0600 -> link to the path -> remove the folder
//! ```
//! Between `bind` and `chmod` the mode depends on the umask; in the private folder nobody can make use of that. A link
//! fails where anything is at the path already, so nothing is ever overwritten, as `rename` would.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use super::ControlError;

/// The file of a socket that listens. Dropping it removes the file.
pub(super) struct SocketFile {
    path: PathBuf,
    identity: Option<Identity>,
}

/// Device and number of a file.
type Identity = (u64, u64);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Somebody may have removed the file and another server put its own there: that one stays.
        if self.identity.is_some() && identity(&self.path) == self.identity {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens at `path`.
pub(super) fn create(path: &Path) -> Result<(UnixListener, SocketFile), ControlError> {
    let unusable = |error: Error| ControlError::Unusable(path.to_owned(), error.to_string());
    // Nobody could connect to a longer path than an address can hold.
    SocketAddr::from_pathname(path).map_err(unusable)?;
    let folder = PrivateFolder::beside(path).map_err(unusable)?;
    let (listener, made) = listen_in(&folder).map_err(unusable)?;
    match fs::hard_link(&made, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            remove_if_stale(path)?;
            fs::hard_link(&made, path).map_err(unusable)?;
        }
        linked => linked.map_err(unusable)?,
    }
    Ok((listener, SocketFile { path: path.to_owned(), identity: identity(&made) }))
}

fn listen_in(folder: &PrivateFolder) -> std::io::Result<(UnixListener, PathBuf)> {
    let made = folder.0.join("s");
    let listener = UnixListener::bind(&made)?;
    fs::set_permissions(&made, Permissions::from_mode(OWNER_ONLY))?;
    // A file system without permissions takes the call and does nothing.
    if fs::symlink_metadata(&made)?.mode() & 0o777 != OWNER_ONLY {
        return Err(Error::other("the file system cannot keep other users out"));
    }
    Ok((listener, made))
}

/// Removes a socket's file that nobody listens behind, and nothing else.
fn remove_if_stale(path: &Path) -> Result<(), ControlError> {
    let unusable = |error: Error| ControlError::Unusable(path.to_owned(), error.to_string());
    if !fs::symlink_metadata(path).map_err(unusable)?.file_type().is_socket() {
        return Err(ControlError::NotASocket(path.to_owned()));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(unusable),
        // A full backlog: somebody is there.
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(ControlError::Taken(path.to_owned())),
        Err(error) => Err(unusable(error)),
        Ok(_) => Err(ControlError::Taken(path.to_owned())),
    }
}

fn identity(path: &Path) -> Option<Identity> {
    let about = fs::symlink_metadata(path).ok()?;
    Some((about.dev(), about.ino()))
}

/// A folder that only this user can enter, on the file system of the path. Dropping it removes it and what is in it.
struct PrivateFolder(PathBuf);

impl PrivateFolder {
    fn beside(path: &Path) -> std::io::Result<Self> {
        // Short, because the length of a socket's address is limited; new, because making an existing folder fails.
        let name = format!(".{:x}-{:x}", std::process::id(), jiff::Timestamp::now().subsec_nanosecond());
        let folder = path.parent().unwrap_or(Path::new("")).join(name);
        DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Read and write for the owner. Connecting takes the right to write.
const OWNER_ONLY: u32 = 0o600;
