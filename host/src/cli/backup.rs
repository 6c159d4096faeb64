//! `backup`: a copy of the records in a file, while the server runs or not.
//!
//! ```text
//! --control, or a server at the default socket ──> control::copy_of ──┐
//! a file that no server has                    ──> Snapshot           ├──> CopyFile ──> FILE
//! ```

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{block_in_place, spawn_blocking};
use tokio::time::Instant;

use super::run::told_to_stop;
use super::store::StoreArgument;
use super::{BackupArguments, CliError, failed};
use crate::control::{self, AskError};
use crate::oauth_store::{CopyError, CopyFile, OpenError, Part, Snapshot, Whole};

pub(super) async fn run(arguments: BackupArguments) -> Result<(), CliError> {
    let BackupArguments { file, store, control, overwrite } = arguments;
    let stop = told_to_stop()?;
    let path = match &control {
        // Where that server's records are, it knows itself.
        Some(_) => None,
        None => store.file()?,
    };
    let copy = CopyFile::begin(&file, overwrite, path.as_deref()).map_err(failed)?;
    let (sender, parts) = mpsc::channel(PARTS);
    let read = read(control, &store, path, sender);
    let written = tokio::select! {
        (read, written) = async { tokio::join!(read, write(copy, parts)) } => read.and(written)?,
        () = stop => return Err(CliError::Failed("stopped; there is no backup".to_owned())),
    };
    let done = format!("{} records as of {} are in {}\n", written.records, moment(written.at), file.display());
    std::io::stdout().write_all(done.as_bytes()).map_err(failed)
}

/// Reads the records from the server that has them, or from the file where none has.
async fn read(
    control: Option<PathBuf>,
    store: &StoreArgument,
    path: Option<PathBuf>,
    parts: mpsc::Sender<Part>,
) -> Result<(), CliError> {
    if let Some(socket) = control {
        return control::copy_of(&socket, parts).await.map_err(failed);
    }
    let default = control::default_path();
    if !store.is_written()
        && let Some(socket) = &default
    {
        match control::copy_of(socket, parts.clone()).await {
            Err(AskError::NoServer(_)) => {}
            answered => return answered.map_err(failed),
        }
    }
    let path = path.ok_or_else(|| CliError::Failed(NOTHING.to_owned()))?;
    let sender = parts.clone();
    let copied = spawn_blocking(move || copy_file(&path, &sender)).await.map_err(failed)?;
    match (copied, default) {
        // The server that has it may answer at the default path.
        (Err(CopyError::Source(OpenError::InUse(path))), Some(socket)) => {
            control::copy_of(&socket, parts).await.map_err(|error| match error {
                AskError::NoServer(_) => in_use(&path),
                error => failed(error),
            })
        }
        (Err(CopyError::Source(OpenError::InUse(path))), None) => Err(in_use(&path)),
        (copied, _) => copied.map_err(failed),
    }
}

fn copy_file(path: &Path, parts: &mpsc::Sender<Part>) -> Result<(), CopyError> {
    let snapshot = Snapshot::of_file(path)?;
    let read = snapshot.parts(|part| parts.blocking_send(part).is_ok());
    read.map_err(|error| CopyError::Source(OpenError::Damaged(path.to_owned(), error.to_string())))
}

/// Writes what comes into the copy, and puts that in its place when it is whole.
async fn write(copy: CopyFile, mut parts: mpsc::Receiver<Part>) -> Result<Whole, CliError> {
    let mut progress = Progress::default();
    while let Some(part) = parts.recv().await {
        match part {
            Part::Begin(records) => progress.all = records,
            Part::Records(records) => {
                block_in_place(|| copy.add(&records)).map_err(failed)?;
                progress.goes_on(records.len());
            }
            Part::End(whole) => {
                block_in_place(|| copy.finish(whole)).map_err(failed)?;
                return Ok(whole);
            }
        }
    }
    Err(CliError::Failed("the copy broke off; there is no backup. The server's log says why".to_owned()))
}

/// What is said meanwhile, to a person.
#[derive(Default)]
struct Progress {
    all: u64,
    done: usize,
    said: Option<Instant>,
}

impl Progress {
    fn goes_on(&mut self, records: usize) {
        self.done += records;
        let since = self.said.get_or_insert_with(Instant::now);
        if since.elapsed() >= PROGRESS_PAUSE && std::io::stderr().is_terminal() {
            eprintln!("{} of {} records", self.done, self.all);
            self.said = Some(Instant::now());
        }
    }
}

fn in_use(path: &Path) -> CliError {
    CliError::Failed(format!(
        "a server uses the store {} and does not answer at the default control socket; give the path that it was \
         started with as --control PATH, or stop it",
        path.display()
    ))
}

/// A moment in milliseconds since 1970, as people write it.
pub(super) fn moment(milliseconds: u64) -> String {
    let moment = i64::try_from(milliseconds / 1000).ok().and_then(|at| jiff::Timestamp::from_second(at).ok());
    moment.map_or_else(|| "an unknown time".to_owned(), |moment| moment.to_string())
}

const NOTHING: &str = "there is no file to back up: Redis has its own backup, and what is in memory has none; say where \
                       the file is with --store file:PATH, or ask a running server with --control PATH";
/// Batches on their way.
const PARTS: usize = 2;
const PROGRESS_PAUSE: Duration = Duration::from_secs(1);
