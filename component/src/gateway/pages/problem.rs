//! The pages where the way ends: nothing is proven that the browser could be sent back to. They repeat nothing of the
//! request.

use super::Page;
use super::escape::escape;
use crate::oauth::transaction::TransactionError;

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// `client_id` is missing, repeated, or of no client.
    ClientUnknown,
    /// The redirect URI is missing, repeated, or not one of the client's.
    RedirectUri,
    /// The request cannot be read.
    Malformed,
    /// The query is too long.
    TooLong,
    /// The transaction's time is over.
    Expired,
    /// There is no such transaction or attempt.
    Unknown,
    /// The page was made before an upgrade, or under a key that is gone.
    Outdated,
    /// The user has not approved.
    NotApproved,
    /// The browser has not the cookie.
    WrongBrowser,
    /// The browser began so many newer ones that it gave up the cookie.
    Superseded,
    /// No page of ours made the form.
    WrongForm,
    /// A page of another site sent the form.
    CrossSite,
    /// The server does not answer for the host that the browser names.
    WrongHost,
    /// The transaction has had its code.
    Done,
    /// The user has denied.
    Denied,
    /// Too many logins were started.
    TooManyAttempts,
    /// The form has no decision, or none that exists.
    Decision,
    /// The store is away.
    Unavailable,
    /// A setting cannot be read at the moment.
    SettingsUnavailable,
    /// The form is too large.
    BodyTooLarge,
    /// The identity provider sent the browser back with what cannot be read.
    UpstreamAnswer,
    /// Too many requests; there is room again after so many seconds.
    TooMany(u32),
    /// The server is set up wrongly: the name of the setting.
    Misconfigured(&'static str),
}

impl Problem {
    /// The page.
    pub fn page(self) -> Page {
        let (title, what) = self.words();
        let content = format!(
            "<h1>{title}</h1>\n<p class=\"lead\">{}</p>\n<h2>What you can do</h2>\n<p>{}</p>",
            escape(&what),
            escape(&self.advice())
        );
        Page::new(self.status(), title, &content).with_retry_after(self.retry_after())
    }

    fn status(self) -> u16 {
        match self {
            Problem::WrongBrowser
            | Problem::Superseded
            | Problem::WrongForm
            | Problem::CrossSite
            | Problem::WrongHost => 403,
            Problem::BodyTooLarge => 413,
            Problem::TooLong => 414,
            Problem::TooMany(_) => 429,
            Problem::Misconfigured(_) => 500,
            Problem::Unavailable | Problem::SettingsUnavailable => 503,
            _ => 400,
        }
    }

    fn retry_after(self) -> Option<u32> {
        match self {
            Problem::Unavailable | Problem::SettingsUnavailable => Some(RETRY_SECONDS),
            Problem::TooMany(seconds) => Some(seconds),
            _ => None,
        }
    }

    /// The title, and what happened.
    fn words(self) -> (&'static str, String) {
        let (title, what) = match self {
            Problem::ClientUnknown => {
                ("This app is not known here", "It is not registered at this server, or its registration has ended.")
            }
            Problem::RedirectUri => (
                "This app asks for an unknown return address",
                "The address that it wants to be answered at is not one that it registered, or not of a kind that is \
                 allowed here. So that nobody else gets the answer, it goes nowhere.",
            ),
            Problem::Malformed => ("This request cannot be read", "It is incomplete or malformed."),
            Problem::TooLong => ("This address is too long", "It is longer than any that this server makes or takes."),
            Problem::Expired => ("This sign-in has expired", "A sign-in has to be finished within ten minutes."),
            Problem::Unknown => ("This sign-in is not known", "It is over, or it never began here."),
            Problem::Outdated => {
                ("This page is out of date", "It was made before this server was updated or was given other keys.")
            }
            Problem::NotApproved => {
                ("This sign-in was not allowed yet", "Nobody has pressed “Allow” for it in this browser.")
            }
            Problem::WrongBrowser => (
                "This sign-in belongs to another browser",
                "It was begun in another browser, or this one does not keep cookies.",
            ),
            Problem::Superseded => (
                "This sign-in gave way to newer ones",
                "A browser keeps five sign-ins at a time, and this was the oldest.",
            ),
            Problem::WrongForm => ("This page is not valid", "It does not belong to the sign-in that it names."),
            Problem::CrossSite => ("This form came from another site", "Only pages of this server may send it."),
            Problem::WrongHost => (
                "This server has another address",
                "It does not answer for the host that stands in your browser’s address bar.",
            ),
            Problem::Done => ("You are already signed in", "This sign-in is finished; it works only once."),
            Problem::Denied => ("You did not allow this", "This sign-in ended when it was denied. Nothing was shared."),
            Problem::TooManyAttempts => ("Too many attempts", "A sign-in can be tried five times."),
            Problem::Decision => ("There was no decision", "The form says neither yes nor no, so nothing happened."),
            Problem::Unavailable => ("This server is busy", "It cannot reach its storage at the moment."),
            Problem::SettingsUnavailable => {
                ("This server is busy", "It cannot read a part of its settings at the moment.")
            }
            Problem::BodyTooLarge => ("This form is too large", "It is larger than any that this server makes."),
            Problem::UpstreamAnswer => {
                ("The sign-in service’s answer cannot be read", "It sent you back without what is needed to go on.")
            }
            Problem::TooMany(_) => ("Too many requests", "More came from your network than this server takes."),
            Problem::Misconfigured(setting) => {
                return ("This server is not set up", format!("Its setting {setting} is missing or malformed."));
            }
        };
        (title, what.to_owned())
    }

    /// How to start again.
    fn advice(self) -> String {
        let advice = match self {
            Problem::ClientUnknown => {
                "Remove the connection in your app, and add it again: the app then registers anew."
            }
            Problem::RedirectUri => {
                "Go back to your app and connect again. If it happens again, tell whoever makes the app."
            }
            Problem::WrongBrowser => {
                "Allow cookies for this server. Then go back to your app and connect again, in one browser."
            }
            Problem::CrossSite | Problem::WrongForm => {
                "Do not trust the page that brought you here. To connect, start from your app."
            }
            Problem::WrongHost => {
                "Go back to your app and connect again. If it happens again, tell whoever runs this server, who lists its \
                 hosts in MCP_ALLOWED_HOSTNAMES."
            }
            Problem::Done => "Go back to your app. If it is not connected, connect again there.",
            Problem::Denied => "You can close this page. If you changed your mind, connect again in your app.",
            Problem::Unavailable | Problem::SettingsUnavailable => "Wait a few seconds, and load this page again.",
            Problem::TooMany(seconds) => {
                return format!("Wait {seconds} seconds. Then go back to your app and connect again.");
            }
            Problem::Misconfigured(_) => "Tell whoever runs this server. There is nothing that you could do.",
            _ => "Go back to your app and connect again.",
        };
        advice.to_owned()
    }
}

impl From<TransactionError> for Problem {
    fn from(error: TransactionError) -> Problem {
        match error {
            TransactionError::Unknown | TransactionError::UnknownAttempt => Problem::Unknown,
            TransactionError::Expired => Problem::Expired,
            TransactionError::WrongBrowser => Problem::WrongBrowser,
            TransactionError::Superseded => Problem::Superseded,
            TransactionError::Outdated => Problem::Outdated,
            TransactionError::WrongCookie | TransactionError::WrongFormToken => Problem::WrongForm,
            TransactionError::TooLarge => Problem::TooLong,
            TransactionError::NotApproved => Problem::NotApproved,
            TransactionError::TooManyAttempts => Problem::TooManyAttempts,
            TransactionError::Denied => Problem::Denied,
            TransactionError::Done => Problem::Done,
            TransactionError::Contended | TransactionError::Store(_) => Problem::Unavailable,
        }
    }
}

/// Long enough for a moment's outage of the store or of what keeps secrets, short enough to wait for.
const RETRY_SECONDS: u32 = 5;
