//! `grants`: asks the running server what clients may do, and ends it. Its store may be open to nobody else.

mod table;

use std::io::Write as _;
use std::path::Path;

use super::{CliError, GrantsAction, GrantsArguments, RevokeArguments, failed};
use crate::control::{self, AskError, ask};
use crate::operator::json::{GrantRow, GrantsAnswer, Question, RevocationAnswer};
use table::{ended, printable, table};

pub(super) async fn run(arguments: GrantsArguments) -> Result<(), CliError> {
    let socket = arguments.control.or_else(control::default_path).ok_or_else(|| {
        CliError::Failed(
            "there is no control socket to ask; start the server with `serve --control PATH` and give the same \
             --control PATH here"
                .to_owned(),
        )
    })?;
    match arguments.action {
        GrantsAction::List { user, json } => list(&socket, user, json).await,
        GrantsAction::Revoke(selection) => revoke(&socket, selection).await,
    }
}

async fn list(socket: &Path, user: Option<String>, as_json: bool) -> Result<(), CliError> {
    let grants = all_pages(socket, user).await.map_err(told)?;
    let text = match as_json {
        true => format!("{:#}\n", serde_json::to_value(&grants).map_err(failed)?),
        false => table(&grants),
    };
    say(&text)
}

async fn revoke(socket: &Path, selection: RevokeArguments) -> Result<(), CliError> {
    let question = Question::Revoke { user: selection.user, all: selection.all };
    let done: RevocationAnswer = ask(socket, &question).await.map_err(told)?;
    say(&ended(&done))
}

async fn all_pages(socket: &Path, user: Option<String>) -> Result<Vec<GrantRow>, AskError> {
    let (mut grants, mut cursor) = (Vec::new(), None);
    loop {
        let question = Question::ListGrants { user: user.clone(), cursor };
        let page: GrantsAnswer = ask(socket, &question).await?;
        // The name is the client's own choice, and a terminal obeys what it is told to print.
        grants.extend(page.grants.into_iter().map(|row| GrantRow { client: printable(&row.client), ..row }));
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(grants),
        }
    }
}

fn told(error: AskError) -> CliError {
    CliError::Failed(printable(&error.to_string()))
}

fn say(text: &str) -> Result<(), CliError> {
    std::io::stdout().write_all(text.as_bytes()).map_err(failed)
}
