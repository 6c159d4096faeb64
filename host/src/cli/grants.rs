//! `grants`: lists and ends grants through the component.

use std::io::Write as _;

use super::{CliError, GrantsAction, Source, failed};
use crate::host::Host;
use crate::operator::{Grant, OperatorError, Selector};

pub(super) async fn run(action: GrantsAction, source: Source) -> Result<(), CliError> {
    let host = source.host(source.settings()?).await?;
    match action {
        GrantsAction::List => list(&host).await,
        GrantsAction::Revoke(revoke) => {
            let selector = revoke.user.map_or(Selector::All, Selector::User);
            let done = host.revoke(&selector).await.map_err(failed)?.map_err(refused)?;
            say(&format!("{} revoked\n", done.revoked))?;
            done.notes.iter().try_for_each(|note| say(&format!("{note}\n")))
        }
    }
}

async fn list(host: &Host) -> Result<(), CliError> {
    let mut cursor = None;
    loop {
        let page = host.list_grants(&Selector::All, cursor.as_deref()).await.map_err(failed)?.map_err(refused)?;
        for Grant { client, created, last_issued, expires } in &page.grants {
            say(&format!("{client}\tcreated {created}\tlast issued {last_issued}\texpires {expires}\n"))?;
        }
        cursor = match page.next {
            Some(next) => Some(next),
            None => return Ok(()),
        };
    }
}

fn refused(error: OperatorError) -> CliError {
    CliError::Failed(match error {
        OperatorError::NotConfigured => "sign-in is not set up, so there are no grants".to_owned(),
        OperatorError::StoreUnavailable => "the store cannot be reached; try again later".to_owned(),
        OperatorError::InvalidArgument => "that is not an e-mail address".to_owned(),
    })
}

fn say(text: &str) -> Result<(), CliError> {
    std::io::stdout().write_all(text.as_bytes()).map_err(failed)
}
