//! The page after a login that let nobody in. The transaction is still open, so the user can try again or end it.

use super::escape::{domains, escape};
use super::layout::DecisionForm;
use super::{Destination, Page};

/// Why nobody was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailedLogin {
    /// The identity provider says that the user, or its policy, refused.
    Cancelled,
    /// The account is not one that is let in.
    WrongAccount,
    /// The identity provider's answer is an error, or cannot be verified.
    ProviderFailed,
    /// The identity provider does not answer.
    ProviderUnavailable,
    /// The identity provider does not accept this server's own secret.
    ServerRefused,
}

/// What the page shows.
#[derive(Debug, Clone)]
pub struct SignInFailed<'a> {
    /// Why.
    pub reason: FailedLogin,
    /// The domains whose addresses are let in.
    pub domains: &'a [String],
    /// Where the user returns to.
    pub destination: Destination<'a>,
    /// Where a session at the identity provider ends.
    pub sign_out_url: Option<&'a str>,
    /// Says which transaction the form is about.
    pub handle: &'a str,
    /// The form's proof.
    pub token: &'a str,
}

impl SignInFailed<'_> {
    /// The page.
    pub fn page(&self) -> Page {
        let (status, title, text) = self.reason.words();
        let deny = format!("Cancel and return to {}", self.destination.name());
        let form = DecisionForm { handle: self.handle, token: self.token, approve: "Try again", deny: &deny };
        let content = format!(
            "<h1>{title}</h1>\n<p class=\"lead\">{text}</p>\n\
             <dl>\n<div><dt>Who is let in</dt><dd>People with an {} account</dd></div>\n</dl>\n{}{}",
            domains(self.domains),
            self.sign_out(),
            form.html()
        );
        let retry_after = (self.reason == FailedLogin::ProviderUnavailable).then_some(RETRY_SECONDS);
        Page::new(status, title, &content).with_retry_after(retry_after)
    }

    /// While its session lasts, the identity provider may answer with the same account again, without a question.
    fn sign_out(&self) -> String {
        let may_help = !matches!(self.reason, FailedLogin::ProviderUnavailable | FailedLogin::ServerRefused);
        let Some(url) = self.sign_out_url.filter(|_| may_help) else { return String::new() };
        format!(
            "<p>To use another account, first <a href=\"{}\" target=\"_blank\" rel=\"noopener noreferrer\">sign out \
             (opens a new tab)</a>. Then come back to this page and try again.</p>\n",
            escape(url)
        )
    }
}

impl FailedLogin {
    fn words(self) -> (u16, &'static str, &'static str) {
        match self {
            FailedLogin::Cancelled => {
                (403, "You are not signed in", "The sign-in was cancelled or refused. Nothing was shared with the app.")
            }
            FailedLogin::WrongAccount => (
                403,
                "This account is not let in",
                "You signed in, but with an account that may not use this server. Nothing was shared with the app.",
            ),
            FailedLogin::ProviderFailed => (
                502,
                "The sign-in could not be verified",
                "The sign-in service gave an answer that this server cannot accept. That is not your fault: try again, \
                 and tell whoever runs this server if it stays so.",
            ),
            FailedLogin::ProviderUnavailable => (
                503,
                "The sign-in service does not answer",
                "It may be back in a moment. Wait a few seconds and try again.",
            ),
            FailedLogin::ServerRefused => (
                502,
                "The sign-in service refuses this server",
                "It does not accept the secret that this server is set up with. That is not your fault: tell whoever \
                 runs this server, who has to fix it before anybody can sign in.",
            ),
        }
    }
}

/// Long enough for a moment's outage, short enough to wait for.
const RETRY_SECONDS: u32 = 10;
