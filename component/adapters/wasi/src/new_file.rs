//! Files that were not there before, with what stands in them.
//!
//! Under WASI they are opened through `wasi:filesystem` itself: wasi-libc asks for `mutate-directory` whenever it opens
//! a file for writing, and jco (preview2-shim 0.26.1, `Descriptor.openAt`) answers that with `unsupported`.

#[cfg(not(target_family = "wasm"))]
pub(crate) use native::write_new;
#[cfg(target_family = "wasm")]
pub(crate) use wasi::write_new;

#[cfg(not(target_family = "wasm"))]
mod native {
    use std::fs::File;
    use std::io::{self, Write as _};
    use std::path::Path;

    /// A file that was written.
    pub(crate) struct NewFile(File);

    /// Makes a file with these bytes; fails when there is one.
    pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<NewFile> {
        let mut file = File::create_new(path)?;
        file.write_all(bytes)?;
        Ok(NewFile(file))
    }

    impl NewFile {
        /// Returns when the bytes would survive a loss of power.
        pub(crate) fn sync(&self) -> io::Result<()> {
            self.0.sync_all()
        }
    }
}

#[cfg(target_family = "wasm")]
mod wasi {
    use std::io::{self, ErrorKind};
    use std::path::Path;

    use super::bindings::wasi::filesystem::preopens::get_directories;
    use super::bindings::wasi::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags};
    use crate::STATE_FOLDER;

    thread_local! {
        static FOLDER: Option<Descriptor> =
            get_directories().into_iter().find(|(_, path)| path == STATE_FOLDER).map(|(folder, _)| folder);
    }

    /// A file that was written.
    pub(crate) struct NewFile(Descriptor);

    /// Makes a file with these bytes; fails when there is one.
    pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<NewFile> {
        let relative = path.strip_prefix(STATE_FOLDER).ok().and_then(Path::to_str).ok_or(ErrorKind::InvalidInput)?;
        let flags = OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
        let file = FOLDER.with(|folder| {
            let folder = folder.as_ref().ok_or(ErrorKind::NotFound)?;
            folder.open_at(PathFlags::empty(), relative, flags, DescriptorFlags::WRITE).map_err(error)
        })?;
        let mut rest = bytes;
        let mut offset = 0;
        while !rest.is_empty() {
            let written = file.write(rest, offset).map_err(error)?;
            offset += written;
            rest = usize::try_from(written)
                .ok()
                .filter(|written| *written > 0)
                .and_then(|written| rest.get(written..))
                .ok_or(ErrorKind::WriteZero)?;
        }
        Ok(NewFile(file))
    }

    impl NewFile {
        /// Returns when the bytes would survive a loss of power.
        pub(crate) fn sync(&self) -> io::Result<()> {
            self.0.sync().map_err(error)
        }
    }

    fn error(code: ErrorCode) -> io::Error {
        let kind = match code {
            ErrorCode::Access | ErrorCode::NotPermitted => ErrorKind::PermissionDenied,
            ErrorCode::Exist => ErrorKind::AlreadyExists,
            ErrorCode::NoEntry => ErrorKind::NotFound,
            ErrorCode::InsufficientSpace => ErrorKind::StorageFull,
            ErrorCode::Quota => ErrorKind::QuotaExceeded,
            ErrorCode::ReadOnly => ErrorKind::ReadOnlyFilesystem,
            ErrorCode::Unsupported => ErrorKind::Unsupported,
            _ => ErrorKind::Other,
        };
        kind.into()
    }
}

#[cfg(target_family = "wasm")]
mod bindings {
    //! The bindings that wit-bindgen generates for files. Nothing but re-exports.

    wit_bindgen::generate!({
        path: "../../../wit",
        inline: "
            package plausible-mcp:files;
            world files {
                import wasi:filesystem/preopens@0.2.12;
            }
        ",
        world: "plausible-mcp:files/files",
        generate_all,
    });
}
