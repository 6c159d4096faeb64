//! The pages that a browser is shown on the way to a token. They are pure: what they show is their argument.
//!
//! - [`Consent`] asks the user before anything else happens.
//! - [`SignInFailed`] offers another try after a login that let nobody in.
//! - [`ReturnToClient`] stands between an error and the client, so that nobody is redirected without a click.
//! - [`UnusableClient`] is for an app whose document cannot be fetched or used.
//! - [`Problem`] is where the way ends.
//!
//! No page has a script or loads anything; the one style sheet is admitted by its hash. Invariant: every value on a
//! page went through `escape`, and a page can send forms only where its policy says.

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
    /// What `form-action` lists; empty for a page without a form.
    form_targets: Vec<String>,
    /// After how many seconds it is worth another try.
    retry_after: Option<u32>,
}

impl Page {
    /// A page without a form. `title` is text, `content` is HTML.
    fn new(status: u16, title: &str, content: &str) -> Page {
        Page { status, html: layout::document(title, content), form_targets: Vec::new(), retry_after: None }
    }

    /// Lets the page send its form to this server, and on to `targets` when the answer redirects there. Browsers check
    /// `form-action` for redirects too (CSP Level 3 §6.4.1.1).
    fn with_form(mut self, targets: &[String]) -> Page {
        let legal = targets.iter().filter_map(|target| source_expression(target)).map(str::to_owned);
        self.form_targets = std::iter::once("'self'".to_owned()).chain(legal).collect();
        self
    }

    fn with_retry_after(mut self, seconds: Option<u32>) -> Page {
        self.retry_after = seconds;
        self
    }

    /// The response, with the policy of the page.
    pub fn into_response(self) -> Response {
        let mut headers = vec![
            ("content-type", "text/html; charset=utf-8".to_owned()),
            ("content-security-policy", self.content_security_policy()),
        ];
        headers.extend(self.retry_after.map(|seconds| ("retry-after", seconds.to_string())));
        Response { status: self.status, headers, body: self.html.into_bytes() }
    }

    fn content_security_policy(&self) -> String {
        let form_action = match self.form_targets.as_slice() {
            [] => "'none'".to_owned(),
            targets => targets.join(" "),
        };
        let style = style::source_expression();
        format!(
            "default-src 'none'; style-src {style}; form-action {form_action}; frame-ancestors 'none'; base-uri 'none'"
        )
    }
}

/// The target as one source expression. With a separator in it, it could add to the policy: then it is none; keywords and
/// wildcards are none of ours. An IPv6 address cannot be written as a host (CSP Level 3 §2.3.1) and browsers ignore it,
/// so that a client at `[::1]` would never be answered: all that can be named is its scheme.
fn source_expression(target: &str) -> Option<&str> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/[]%+".contains(&byte);
    if target.is_empty() || !target.bytes().all(is_legal) {
        return None;
    }
    match target.split_once("//[") {
        Some((scheme, _)) => Some(scheme),
        None => Some(target),
    }
}

#[cfg(test)]
mod tests;
