//! Why a transaction does not go on.

use crate::oauth::record::RecordFault;
use crate::ports::StoreError;

/// Why a transaction does not go on. The record stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionError {
    /// There is none: a handle or state that is not ours, or one that is gone.
    Unknown,
    /// Its time is over.
    Expired,
    /// A form from before an upgrade, or under a key that has left the ring.
    Outdated,
    /// The browser does not have the cookie: another one began the transaction, or it keeps no cookies.
    WrongBrowser,
    /// The browser has a cookie of that name with another value.
    WrongCookie,
    /// The same, where the browser has as many newer transactions as it may: this one gave way to them.
    Superseded,
    /// No page of ours made the form.
    WrongFormToken,
    /// The state names no attempt of this transaction.
    UnknownAttempt,
    /// The user has not approved.
    NotApproved,
    /// Five logins were started before.
    TooManyAttempts,
    /// The user has denied.
    Denied,
    /// It has had its code. The grant stays.
    Done,
    /// Request and client together do not fit into a form.
    TooLarge,
    /// Others kept changing the record.
    Contended,
    /// The store failed.
    Store(StoreError),
}

impl TransactionError {
    /// The status of the page that says so.
    pub fn status(self) -> u16 {
        match self {
            TransactionError::WrongBrowser
            | TransactionError::WrongCookie
            | TransactionError::Superseded
            | TransactionError::WrongFormToken => 403,
            TransactionError::TooLarge => 414,
            TransactionError::Contended | TransactionError::Store(_) => 503,
            _ => 400,
        }
    }

    /// The name of the cause, for the log.
    pub fn reason(self) -> &'static str {
        match self {
            TransactionError::Unknown => "transaction_unknown",
            TransactionError::Expired => "transaction_expired",
            TransactionError::Outdated => "transaction_outdated",
            TransactionError::WrongBrowser => "transaction_no_cookie",
            TransactionError::WrongCookie => "transaction_wrong_cookie",
            TransactionError::Superseded => "transaction_superseded",
            TransactionError::WrongFormToken => "transaction_wrong_form",
            TransactionError::UnknownAttempt => "transaction_unknown_attempt",
            TransactionError::NotApproved => "transaction_not_approved",
            TransactionError::TooManyAttempts => "transaction_too_many_attempts",
            TransactionError::Denied => "transaction_denied",
            TransactionError::Done => "transaction_done",
            TransactionError::TooLarge => "transaction_too_large",
            TransactionError::Contended => "transaction_contended",
            TransactionError::Store(error) => error.reason(),
        }
    }
}

/// What is wrong with a sealed form. It comes from a browser, which may write any version into it, so that a newer one is
/// no fault of this server's.
impl From<RecordFault> for TransactionError {
    fn from(fault: RecordFault) -> TransactionError {
        match fault {
            RecordFault::NewerVersion(_)
            | RecordFault::UnknownVersion(_)
            | RecordFault::UnknownKey(_)
            | RecordFault::UnknownContent => TransactionError::Outdated,
            RecordFault::Truncated | RecordFault::NotAuthentic => TransactionError::WrongFormToken,
        }
    }
}

impl From<StoreError> for TransactionError {
    fn from(error: StoreError) -> TransactionError {
        TransactionError::Store(error)
    }
}
