//! The page that asks, shown at every authorization.
//!
//! Anyone can register a client with any name. So the page shows what is proven beside what is claimed: the host that
//! vouches for the client, if one does, and where the answer goes (MCP security best practices, "Per-Client Consent").

use super::escape::{client_name, domains, escape, host};
use super::layout::DecisionForm;
use super::{Destination, Page};

/// What the consent page shows.
#[derive(Debug, Clone)]
pub struct Consent<'a> {
    /// The name that the client gave itself.
    pub client_name: Option<&'a str>,
    /// The host whose document describes the client; `None` if it registered itself.
    pub client_host: Option<&'a str>,
    /// Where the answer goes.
    pub destination: Destination<'a>,
    /// The sites that may be queried; `None` for all that the shared key can see.
    pub sites: Option<&'a [String]>,
    /// The domains whose addresses are let in.
    pub domains: &'a [String],
    /// Says which transaction the form is about.
    pub handle: &'a str,
    /// The form's proof.
    pub token: &'a str,
}

impl Consent<'_> {
    /// The page.
    pub fn page(&self) -> Page {
        let (approve, deny) = ("Allow and sign in", "Do not allow");
        let form = DecisionForm { handle: self.handle, token: self.token, approve, deny };
        let content = format!(
            "<h1>{} wants to read website statistics</h1>\n{}{}{}\n{}",
            self.name(),
            self.facts(),
            self.warning(),
            self.abilities(),
            form.html()
        );
        Page::new(200, "Allow access to website statistics?", &content)
    }

    fn name(&self) -> String {
        match self.client_name.and_then(client_name) {
            Some(name) => format!("<bdi>{name}</bdi>"),
            None => "An app without a name".to_owned(),
        }
    }

    fn facts(&self) -> String {
        let client = match self.client_host {
            Some(client) => format!("<bdi>{}</bdi><small>This address vouches for the app.</small>", host(client)),
            None => format!("{}<small>It registered itself; its name is not verified.</small>", self.name()),
        };
        let answer = self.destination.described();
        let account = domains(self.domains);
        format!(
            "<dl>\n<div><dt>Who asks</dt><dd>{client}</dd></div>\n\
             <div><dt>Where the answer goes</dt><dd>{answer}</dd></div>\n\
             <div><dt>How you sign in</dt><dd>With your {account} account</dd></div>\n</dl>\n"
        )
    }

    /// Any local program can use the name and the client id of a local client (MCP authorization, "Localhost Redirect
    /// URI Impersonation"), and anybody can register an app of any name that answers to an address of theirs. The host
    /// that vouches for an app vouches for what stands on it, not for another that the answer goes to.
    fn warning(&self) -> &'static str {
        match (self.destination.is_local(), self.client_host) {
            (true, _) => {
                "<div class=\"warning\"><strong>Did you start this yourself?</strong>\
                 <p>Any program on this device could use this name. Go on only if you have just started this yourself.\
                 </p></div>\n"
            }
            (false, None) => {
                "<div class=\"warning\"><strong>Did you start this yourself?</strong>\
                 <p>Anybody can give an app this name. Go on only if you have just connected an app and know the \
                 address that the answer goes to.</p></div>\n"
            }
            (false, Some(client)) if !self.destination.is_at(client) => {
                "<div class=\"warning\"><strong>Is this where the answer should go?</strong>\
                 <p>The address that the answer goes to is not the one that vouches for the app. Go on only if you \
                 know both.</p></div>\n"
            }
            (false, Some(_)) => "",
        }
    }

    fn abilities(&self) -> String {
        let sites = match self.sites {
            Some(sites) => {
                let sites: Vec<String> = sites.iter().map(|site| format!("<bdi>{}</bdi>", escape(site))).collect();
                format!("Read the statistics of {}", sites.join(", "))
            }
            None => "Read the statistics of all sites that this server’s Plausible key can see".to_owned(),
        };
        format!(
            "<div class=\"abilities\">\n<div>\n<h2>If you allow it, it can</h2>\n<ul>\n<li>{sites}</li>\n\
             <li>Do so for up to 24 hours, then it must ask again</li>\n</ul>\n</div>\n\
             <div>\n<h2>It can never</h2>\n<ul>\n<li class=\"not\">Change anything</li>\n\
             <li class=\"not\">See your password or a Plausible key</li>\n</ul>\n</div>\n</div>"
        )
    }
}
