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
    let page = async |cursor| ask(socket, &Question::ListGrants { user: user.clone(), cursor }).await;
    let (grants, are_all) = pages(page).await.map_err(told)?;
    let text = match as_json {
        true => format!("{:#}\n", serde_json::to_value(&grants).map_err(failed)?),
        false => table(&grants),
    };
    say(&text)?;
    if are_all {
        return Ok(());
    }
    Err(CliError::Failed(format!(
        "there are more than these {} grants; ask for those of one user with --user EMAIL",
        grants.len()
    )))
}

async fn revoke(socket: &Path, selection: RevokeArguments) -> Result<(), CliError> {
    let question = Question::Revoke { user: selection.user, all: selection.all };
    let done: RevocationAnswer = ask(socket, &question).await.map_err(told)?;
    say(&ended(&done))?;
    // The notes say why, and what to do.
    if done.is_confirmed { Ok(()) } else { Err(CliError::Failed(UNCONFIRMED.to_owned())) }
}

/// The grants of all pages, or of the first ones where there are too many; and whether they are all.
async fn pages(
    page: impl AsyncFn(Option<String>) -> Result<GrantsAnswer, AskError>,
) -> Result<(Vec<GrantRow>, bool), AskError> {
    let (mut grants, mut cursor) = (Vec::new(), None);
    for _ in 0..MAX_PAGES {
        let answer = page(cursor).await?;
        // The name is the client's own choice, and a terminal obeys what it is told to print.
        let shown = |row: GrantRow| GrantRow { client: printable(&row.client), user: printable(&row.user), ..row };
        grants.extend(answer.grants.into_iter().map(shown));
        match answer.next {
            Some(next) => cursor = Some(next),
            None => return Ok((grants, true)),
        }
    }
    Ok((grants, false))
}

fn told(error: AskError) -> CliError {
    CliError::Failed(printable(&error.to_string()))
}

fn say(text: &str) -> Result<(), CliError> {
    std::io::stdout().write_all(text.as_bytes()).map_err(failed)
}

const UNCONFIRMED: &str = "the revocation is not confirmed; repeat it";

/// With 200 grants a page more than a company has, and an end for an answer that goes round in a circle.
const MAX_PAGES: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    fn row(client: &str) -> GrantRow {
        GrantRow { client: client.to_owned(), user: "0a".to_owned(), created: 0, last_issued: 0, expires: 0 }
    }

    #[tokio::test]
    async fn pages_are_read_to_their_end() {
        let page = async |cursor: Option<String>| {
            let next = cursor.is_none().then(|| "second".to_owned());
            Ok(GrantsAnswer { grants: vec![row("a\u{1b}[2J")], next })
        };
        let (grants, are_all) = pages(page).await.unwrap();
        assert_eq!((grants.len(), are_all, grants[1].client.as_str()), (2, true, "a[2J"));
    }

    #[tokio::test]
    async fn pages_without_an_end_have_one() {
        let page = async |_| Ok(GrantsAnswer { grants: vec![row("a")], next: Some("again".to_owned()) });
        let (grants, are_all) = pages(page).await.unwrap();
        assert_eq!((grants.len(), are_all), (MAX_PAGES, false));
    }
}
