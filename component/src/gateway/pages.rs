//! The pages that a browser is shown on the way to a token. They are pure: what they show is their argument.
//!
//! - [`Consent`] asks the user before anything else happens.
//! - [`SignInFailed`] offers another try after a login that let nobody in.
//! - [`ReturnToClient`] stands between an error and the client, so that nobody is redirected without a click.
//! - [`UnusableClient`] is for an app whose document cannot be fetched or used.
//! - [`Problem`] is where the way ends.
//!
//! No page has a script or loads anything; the one style sheet is admitted by its hash. Invariant: every value on a
//! page went through `escape`. The policy has no `form-action`: browsers hold it against every redirect that follows a
//! form, and clients go on to apps of any scheme. No markup from outside is on a page, and the token of a form guards
//! what it sends.

mod consent;
mod destination;
mod escape;
mod layout;
mod problem;
mod return_to_client;
mod sign_in_failed;
mod style;
mod unusable_client;

pub use self::consent::Consent;
pub use self::destination::Destination;
pub use self::problem::Problem;
pub use self::return_to_client::ReturnToClient;
pub use self::sign_in_failed::{FailedLogin, SignInFailed};
pub use self::unusable_client::{DocumentFault, UnusableClient};
use super::response::Response;

/// A page before it is a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The status code.
    pub status: u16,
    /// The document.
    pub html: String,
    /// After how many seconds it is worth another try.
    retry_after: Option<u32>,
}

impl Page {
    /// A page. `title` is text, `content` is HTML.
    fn new(status: u16, title: &str, content: &str) -> Page {
        Page { status, html: layout::document(title, content), retry_after: None }
    }

    fn with_retry_after(mut self, seconds: Option<u32>) -> Page {
        self.retry_after = seconds;
        self
    }

    /// The response, with the policy of the page.
    pub fn into_response(self) -> Response {
        let mut headers = vec![
            ("content-type", "text/html; charset=utf-8".to_owned()),
            ("content-security-policy", content_security_policy()),
        ];
        headers.extend(self.retry_after.map(|seconds| ("retry-after", seconds.to_string())));
        Response { status: self.status, headers, body: self.html.into_bytes() }
    }
}

fn content_security_policy() -> String {
    let style = style::source_expression();
    format!("default-src 'none'; style-src {style}; frame-ancestors 'none'; base-uri 'none'")
}

#[cfg(test)]
mod tests;
