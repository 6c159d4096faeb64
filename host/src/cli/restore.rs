//! `restore`: puts a backup into the place of the store, while no server has it.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;

use tokio::task::spawn_blocking;

use super::backup::moment;
use super::{CliError, RestoreArguments, failed};
use crate::oauth_store::{Found, Restore};

pub(super) async fn run(arguments: RestoreArguments) -> Result<(), CliError> {
    let RestoreArguments { file, store, keep_sign_ins, yes } = arguments;
    if !yes && !std::io::stdin().is_terminal() {
        return Err(CliError::Usage(
            "restore asks before it replaces the records; without a terminal, say --yes".to_owned(),
        ));
    }
    let path = store.file()?.ok_or_else(|| CliError::Usage(NO_FILE.to_owned()))?;
    store.make_folder()?;
    let (backup, place) = (file.clone(), path.clone());
    let restore = spawn_blocking(move || Restore::prepare(&backup, &place)).await.map_err(failed)?.map_err(failed)?;
    let found = restore.found();
    say(&plan(&file, &path, found, keep_sign_ins))?;
    if !yes && !is_confirmed()? {
        return Err(CliError::Failed("nothing was changed".to_owned()));
    }
    spawn_blocking(move || restore.finish(keep_sign_ins)).await.map_err(failed)?.map_err(failed)?;
    say(&format!("{} is in place; start the server\n", path.display()))
}

/// What will happen.
fn plan(backup: &Path, store: &Path, found: Found, keeps_sign_ins: bool) -> String {
    let at = moment(u64::try_from(found.at.as_millis()).unwrap_or(u64::MAX));
    let Found { records, of_sign_ins, .. } = found;
    let (backup, store) = (backup.display(), store.display());
    let sign_ins = if keeps_sign_ins {
        format!(
            "Revocations since {at} are lost: sign-ins that were ended since then live again until their time is \
             over, and people who refreshed since then may have to sign in again.\n"
        )
    } else {
        let clients = records - of_sign_ins;
        format!(
            "Every sign-in ends: {of_sign_ins} records are left out, and {clients} of clients stay, so that people \
             sign in again without adding the connection anew. --keep-sign-ins keeps the sign-ins of that time.\n"
        )
    };
    format!("{backup} is of {at} and has {records} records. It replaces {store}.\n{sign_ins}")
}

fn is_confirmed() -> Result<bool, CliError> {
    say("Go on? [yes/no] ")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}

fn say(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(failed)
}

const NO_FILE: &str = "there is no file to restore: Redis has its own backup, and what is in memory has none; say where \
                       the file is with --store file:PATH";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_lost_is_said_beforehand() {
        let found = Found { records: 7, of_sign_ins: 5, at: Duration::from_secs(1_700_000_000) };
        let text = |keeps| plan(Path::new("/b"), Path::new("/s"), found, keeps);
        assert!(text(true).contains("Revocations since 2023-11-14T22:13:20Z are lost"), "{}", text(true));
        assert!(text(false).contains("Every sign-in ends: 5 records are left out, and 2 of clients stay"));
    }
}
