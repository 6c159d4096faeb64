//! The machine code of components, kept from one start to the next in a folder of the user's own.
//!
//! Compiling the component takes seconds, and what comes out depends on nothing but the component, the engine and the
//! kind of processor. Whoever can write to the folder decides what this process executes. So it is used only where
//! nobody else can write, and a file only where it belongs to the same user; a folder that cannot be used costs time at
//! each start and nothing else.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::hash::{Hash, Hasher};
use std::io::{Error, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::OFlags;
use rustix::process::geteuid;
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// The folder that `environment` names for what may be lost, as systemd and the XDG base directory specification do.
pub(crate) fn default_folder(environment: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = |name: &str| environment(name).map(PathBuf::from).filter(|path| path.is_absolute());
    // systemd separates several folders by colons.
    let systemd = environment("CACHE_DIRECTORY").and_then(|folders| folders.into_string().ok());
    let systemd = systemd.and_then(|folders| folders.split(':').next().map(PathBuf::from));
    systemd
        .filter(|path| path.is_absolute())
        .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join(FOLDER)))
        .or_else(|| folder("HOME").map(|home| home.join(".cache").join(FOLDER)))
}

/// Returns the component in `wasm`, compiled for `engine` now or at an earlier start.
///
/// # Errors
/// When `wasm` is not a component that this engine runs.
pub(crate) fn compiled(engine: &Engine, wasm: &[u8], folder: &Path) -> wasmtime::Result<Component> {
    let cache = match CodeCache::open(folder, engine, wasm) {
        Ok(cache) => cache,
        Err(cause) => {
            warn("the folder cannot be used", folder, &cause);
            return deserialize(engine, &compile(engine, wasm)?);
        }
    };
    if let Some(component) = cache.component(engine) {
        return Ok(component);
    }
    // Whoever comes meanwhile waits for what this process compiles.
    let _turn = cache.turn();
    if let Some(component) = cache.component(engine) {
        return Ok(component);
    }
    let code = compile(engine, wasm)?;
    if let Err(cause) = cache.keep(&code) {
        warn("the compiled component cannot be kept", folder, &cause);
    }
    deserialize(engine, &code)
}

/// Compiles, and says that it does: it takes seconds, on a small machine many.
pub(crate) fn compile(engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Vec<u8>> {
    let begun = Instant::now();
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|threads| {
        threads.spawn(move || {
            while is_done.recv_timeout(SILENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                let seconds = begun.elapsed().as_secs();
                tracing::info!(event = "compiling", seconds, "still compiling the component for this machine");
            }
        });
        tracing::info!(event = "compiling", "compiling the component for this machine");
        let code = engine.precompile_component(wasm);
        drop(done);
        code
    })
}

#[expect(unsafe_code, reason = "machine code has to be trusted; this is what this user compiled")]
fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes are the output of `Engine::precompile_component`, from a moment ago or from a file that nobody
    // but this user could write, whose digest is right.
    unsafe { Component::deserialize(engine, code) }
}

fn warn(what: &str, folder: &Path, cause: &Error) {
    let folder = folder.display().to_string();
    tracing::warn!(event = "code_cache", folder, cause = %cause, "{what}; the component is compiled at each start");
}

/// The place of one component's machine code.
struct CodeCache<'a> {
    folder: &'a Path,
    /// Names component, engine and kind of processor.
    name: String,
}

impl<'a> CodeCache<'a> {
    /// Makes the folder where it is missing.
    fn open(folder: &'a Path, engine: &Engine, wasm: &[u8]) -> std::io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        require_own(&fs::metadata(folder)?)?;
        let mut hash = KeyHasher(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hash);
        hash.0.update(wasm);
        Ok(Self { folder, name: base16ct::lower::encode_string(&hash.0.finalize()) })
    }

    /// What is kept, if it is there and whole.
    fn component(&self, engine: &Engine) -> Option<Component> {
        match self.read() {
            Ok(code) => deserialize(engine, &code).ok(),
            Err(cause) => {
                if cause.kind() != ErrorKind::NotFound {
                    tracing::warn!(event = "code_cache", file = self.name, cause = %cause, "the file is made anew");
                }
                None
            }
        }
    }

    fn read(&self) -> std::io::Result<Vec<u8>> {
        let file = OpenOptions::new().read(true).custom_flags(NO_LINK).open(self.file())?;
        let metadata = file.metadata()?;
        require_own(&metadata)?;
        if !metadata.is_file() || metadata.len() > LARGEST {
            return Err(Error::new(ErrorKind::InvalidData, "it is not a compiled component"));
        }
        // What is used is new: see `forget_old`.
        let _ = file.set_modified(SystemTime::now());
        let mut digest = [0; DIGEST];
        let mut code = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
        (&file).read_exact(&mut digest)?;
        file.take(LARGEST).read_to_end(&mut code)?;
        if Sha256::digest(&code)[..] != digest {
            return Err(Error::new(ErrorKind::InvalidData, "its content has changed"));
        }
        Ok(code)
    }

    /// Under a name of its own first: who reads sees a whole file or none.
    fn keep(&self, code: &[u8]) -> std::io::Result<()> {
        let temporary = self.folder.join(format!("{}.{}", self.name, std::process::id()));
        let written = (|| {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .custom_flags(NO_LINK)
                .open(&temporary)?;
            file.write_all(&Sha256::digest(code))?;
            file.write_all(code)?;
            file.sync_data()?;
            fs::rename(&temporary, self.file())
        })();
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written?;
        self.forget_old()
    }

    /// Components of former versions, or of former changes, take room that nobody would ever free.
    fn forget_old(&self) -> std::io::Result<()> {
        let mut files: Vec<(SystemTime, PathBuf)> = fs::read_dir(self.folder)?
            .filter_map(Result::ok)
            .filter(|entry| entry.path().extension().is_some_and(|extension| extension == EXTENSION))
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        files.sort_by(|a, b| b.cmp(a));
        for (_, old) in files.iter().skip(KEPT) {
            let _ = fs::remove_file(old);
            let _ = fs::remove_file(old.with_extension(LOCK));
        }
        Ok(())
    }

    /// Locked until it is dropped; `None` where that cannot be or takes too long, which is no reason not to start.
    fn turn(&self) -> Option<File> {
        let path = self.file().with_extension(LOCK);
        let open =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).custom_flags(NO_LINK).open(path);
        let lock = open.ok()?;
        let begun = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Some(lock),
                Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
                Err(_) => return None,
            }
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.join(&self.name).with_extension(EXTENSION)
    }
}

/// Whether nobody but this user can have written it.
fn require_own(metadata: &Metadata) -> std::io::Result<()> {
    if metadata.uid() != geteuid().as_raw() {
        return Err(Error::new(ErrorKind::PermissionDenied, "it belongs to another user"));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(Error::new(ErrorKind::PermissionDenied, "others may write to it"));
    }
    Ok(())
}

/// SHA-256 in place of a hash that anybody can find collisions of.
struct KeyHasher(Sha256);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Nobody asks: the key is the whole digest.
    fn finish(&self) -> u64 {
        0
    }
}

const FOLDER: &str = "plausible-mcp";
const EXTENSION: &str = "cwasm";
const LOCK: &str = "lock";
/// A link that another user put there leads elsewhere.
const NO_LINK: i32 = OFlags::NOFOLLOW.bits() as i32;
/// Bytes of SHA-256, before the machine code.
const DIGEST: usize = 32;
/// Bytes. The component's machine code takes 4 MB.
const LARGEST: u64 = 256 << 20;
/// Components whose machine code is kept, 60 MB of ours.
const KEPT: usize = 16;
/// Longer than compiling takes on a small machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);
/// How long nothing is said while the component is compiled.
const SILENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::*;

    /// The smallest component, with a name to tell it from others.
    fn wasm(name: u8) -> Vec<u8> {
        [b"\0asm\x0d\0\x01\0", &[0, 3, 1, b'n', name][..]].concat()
    }

    fn private_folder() -> TempDir {
        let folder = TempDir::new().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        folder
    }

    fn kept(folder: &Path) -> Vec<PathBuf> {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|extension| extension == EXTENSION)).collect()
    }

    #[test]
    fn a_component_is_compiled_once() {
        let (engine, folder) = (Engine::default(), private_folder());
        let inside = folder.path().join("made/where/missing");
        compiled(&engine, &wasm(b'a'), &inside).unwrap();
        let [file] = kept(&inside).try_into().unwrap();
        let first = fs::metadata(&file).unwrap().ino();
        compiled(&engine, &wasm(b'a'), &inside).unwrap();
        assert_eq!(kept(&inside), std::slice::from_ref(&file));
        assert_eq!(fs::metadata(&file).unwrap().ino(), first, "it was written again");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&inside).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn another_component_or_engine_has_a_file_of_its_own() {
        let folder = private_folder();
        compiled(&Engine::default(), &wasm(b'a'), folder.path()).unwrap();
        compiled(&Engine::default(), &wasm(b'b'), folder.path()).unwrap();
        let mut other = wasmtime::Config::new();
        other.epoch_interruption(true);
        compiled(&Engine::new(&other).unwrap(), &wasm(b'a'), folder.path()).unwrap();
        assert_eq!(kept(folder.path()).len(), 3);
    }

    #[test]
    fn a_file_that_is_not_whole_is_made_anew() {
        let (engine, folder) = (Engine::default(), private_folder());
        compiled(&engine, &wasm(b'a'), folder.path()).unwrap();
        let [file] = kept(folder.path()).try_into().unwrap();
        let whole = fs::read(&file).unwrap();
        let mut changed = whole.clone();
        *changed.last_mut().unwrap() ^= 1;
        for broken in [
            &[][..],
            &whole[..20],
            &whole[..whole.len() - 1],
            &changed,
            b"not machine code, and longer than a digest is",
        ] {
            fs::write(&file, broken).unwrap();
            compiled(&engine, &wasm(b'a'), folder.path()).unwrap();
            assert_eq!(fs::read(&file).unwrap(), whole);
        }
    }

    #[test]
    fn what_others_may_write_is_not_executed() {
        let (engine, folder) = (Engine::default(), private_folder());
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        compiled(&engine, &wasm(b'a'), folder.path()).unwrap();
        assert_eq!(kept(folder.path()).len(), 0, "a folder of everybody's is not used");

        fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        compiled(&engine, &wasm(b'a'), folder.path()).unwrap();
        let [file] = kept(folder.path()).try_into().unwrap();
        let cache = CodeCache::open(folder.path(), &engine, &wasm(b'a')).unwrap();
        assert!(cache.read().is_ok());
        fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
        assert_eq!(cache.read().unwrap_err().kind(), ErrorKind::PermissionDenied);

        let elsewhere = folder.path().join("elsewhere");
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        fs::rename(&file, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
        assert!(cache.read().is_err(), "a link is followed");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_no_reason_not_to_start() {
        let (engine, folder) = (Engine::default(), private_folder());
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(compiled(&engine, &wasm(b'a'), &file).is_ok());
        assert!(compiled(&engine, &wasm(b'a'), &file.join("below")).is_ok());
        assert!(compiled(&engine, b"\0asm\x01\0\0\0", folder.path()).is_err(), "a core module is not a component");
    }

    #[test]
    fn those_used_last_are_kept() {
        let (engine, folder) = (Engine::default(), private_folder());
        for name in b'b'..=b'z' {
            compiled(&engine, &wasm(b'a'), folder.path()).unwrap();
            compiled(&engine, &wasm(name), folder.path()).unwrap();
        }
        assert_eq!(kept(folder.path()).len(), KEPT);
        let used = CodeCache::open(folder.path(), &engine, &wasm(b'a')).unwrap();
        assert!(used.component(&engine).is_some(), "the one that was used between all others");
    }

    #[test]
    fn the_default_is_the_cache_folder() {
        let default = |variables: &[(&str, &str)]| {
            default_folder(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
        };
        let all =
            [("CACHE_DIRECTORY", "/var/cache/a:/var/cache/b"), ("XDG_CACHE_HOME", "/cache"), ("HOME", "/home/ann")];
        assert_eq!(default(&all), Some("/var/cache/a".into()));
        assert_eq!(default(&all[1..]), Some("/cache/plausible-mcp".into()));
        assert_eq!(default(&all[2..]), Some("/home/ann/.cache/plausible-mcp".into()));
        assert_eq!(default(&[("CACHE_DIRECTORY", ""), ("XDG_CACHE_HOME", "cache"), all[2]]), default(&all[2..]));
        assert_eq!(default(&[]), None);
    }
}
