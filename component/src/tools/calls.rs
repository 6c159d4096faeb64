//! What the calls of one request came to, for the operator: names of this program and numbers, nothing that a caller or
//! Plausible wrote.

use std::cell::RefCell;

use super::failure::Failure;
use crate::plausible::QueryError;
use crate::ports::HttpError;

/// The calls of one request, in the order they ended.
#[derive(Debug, Default)]
pub struct Calls(RefCell<Vec<Call>>);

/// One call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The tool.
    pub tool: &'static str,
    /// How it failed; `None` when it did not.
    pub fault: Option<Fault>,
    /// The seconds after which it is worth to call again, where that is known.
    pub retry_after: Option<u32>,
}

/// How a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The arguments are not right, or do not go together.
    Arguments,
    /// Plausible answered with this status.
    Plausible(u16),
    /// The hour's budget is used up.
    OverBudget,
    /// Nothing was sent to Plausible, for now: a few words.
    NotAsked(&'static str),
    /// The host has no room for another large answer.
    NoRoom,
    /// Nobody expects it: a few words, and the setting that may mend it.
    Unexpected(&'static str, Option<&'static str>),
}

impl Calls {
    /// Those so far.
    pub fn so_far(&self) -> Vec<Call> {
        self.0.borrow().clone()
    }

    /// Notes a call that ended.
    pub(super) fn note(&self, tool: &'static str, failure: Option<&Failure>) {
        let retry_after = failure.and_then(Failure::retry_after);
        self.0.borrow_mut().push(Call { tool, fault: failure.map(Failure::fault), retry_after });
    }
}

impl Failure {
    /// What the operator is told about it.
    fn fault(&self) -> Fault {
        match self {
            Failure::Arguments { .. } | Failure::Illegal { .. } => Fault::Arguments,
            Failure::Plausible { error, .. } => of_query(error),
            Failure::FeedbackClosed => Fault::Unexpected("Sentry does not answer", Some("SENTRY_DSN")),
        }
    }

    fn retry_after(&self) -> Option<u32> {
        match self {
            Failure::Plausible { error, .. } => error.retry_after(),
            _ => None,
        }
    }
}

fn of_query(error: &QueryError) -> Fault {
    match error {
        QueryError::Refused(_) => Fault::Plausible(400),
        QueryError::Unauthorized => Fault::Plausible(401),
        QueryError::PaymentRequired(_) => Fault::Plausible(402),
        QueryError::NotFound => Fault::Plausible(404),
        QueryError::RateLimited(_) => Fault::Plausible(429),
        QueryError::ServerFault(status) | QueryError::UnexpectedStatus(status, _) => Fault::Plausible(*status),
        QueryError::Redirected => Fault::Unexpected("it redirects", Some("PLAUSIBLE_BASE_URL")),
        QueryError::UnexpectedAnswer => Fault::Unexpected("its answer is not the documented JSON", None),
        QueryError::OverBudget { .. } => Fault::OverBudget,
        QueryError::AskedToWait { status, .. } => Fault::Plausible(*status),
        QueryError::Unreachable(HttpError::NoRoom { .. }) => Fault::NoRoom,
        QueryError::Unreachable(error) if error.retry_after().is_some() => Fault::NotAsked(error.words()),
        QueryError::Unreachable(error) => Fault::Unexpected(error.words(), None),
    }
}
