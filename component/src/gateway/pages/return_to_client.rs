//! The page between an error and the client while no user has decided.
//!
//! Anyone can register a client. If its errors redirected by themselves, this server would send whoever follows a link
//! to it anywhere (RFC 9700 §4.11.2). Behind a button that names the host it is the user who goes.

use super::escape::escape;
use super::{Destination, Page};

/// What the page shows.
#[derive(Debug, Clone, Copy)]
pub struct ReturnToClient<'a> {
    /// The error code of OAuth.
    pub error: &'a str,
    /// Where the button leads.
    pub destination: Destination<'a>,
    /// The redirect URI with the error.
    pub location: &'a str,
    /// The resource that tokens are issued for.
    pub resource: &'a str,
}

impl ReturnToClient<'_> {
    /// The page.
    pub fn page(&self) -> Page {
        let (error, destination, location) = (escape(self.error), self.destination.name(), escape(self.location));
        let content = format!(
            "<h1>The app’s request cannot be granted</h1>\n<p class=\"lead\">{}</p>\n\
             <p>You were not signed in, and nothing was shared.</p>\n\
             <p class=\"actions\"><a class=\"primary\" href=\"{location}\" rel=\"noreferrer\">Return to \
             {destination}</a></p>\n\
             <p class=\"note\">The button takes the error <code>{error}</code> to that address, and nothing about you. Is it \
             not an address that you expect? Then close this page.</p>",
            self.explanation()
        );
        Page::new(400, "The app’s request cannot be granted", &content)
    }

    fn explanation(&self) -> String {
        let text = match self.error {
            "invalid_target" => {
                let resource = escape(self.resource);
                return format!(
                    "This server issues tokens only for <code>{resource}</code>. Set up the app to connect to that \
                     address."
                );
            }
            "invalid_scope" => "It asks for permissions in a form that this server cannot read.",
            "unauthorized_client" => "It is not registered for this way of signing in.",
            "unsupported_response_type" => "It asks for a kind of answer that this server does not give.",
            "request_not_supported" | "request_uri_not_supported" => {
                "It sends its request in a form that this server does not take."
            }
            "login_required" => {
                "It asks to be let in without asking you, and this server always asks. Connect again in the app."
            }
            "access_denied" => "Access was denied.",
            "temporarily_unavailable" | "server_error" => {
                "This server cannot serve it at the moment. Connect again in a few seconds."
            }
            _ => "It is incomplete or malformed. An update of the app may help.",
        };
        text.to_owned()
    }
}
