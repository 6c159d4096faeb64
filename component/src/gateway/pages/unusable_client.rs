//! The page of an app whose metadata document is of no use: it says whose fault that is, and whether waiting helps.

use super::Page;
use super::escape::{escape, host};

/// An app that cannot be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnusableClient<'a> {
    /// The host of its document; `None` where its client id is no address of one.
    pub host: Option<&'a str>,
    /// What is wrong.
    pub fault: DocumentFault<'a>,
}

/// What is wrong with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentFault<'a> {
    /// It could not be fetched; it may be there again in a while.
    NotFetched,
    /// It could not be fetched from where this server may fetch.
    OutOfReach,
    /// Too many documents are being fetched.
    Busy,
    /// It is gone for good.
    Gone,
    /// It cannot stand at such an address.
    Address,
    /// The operator does not take documents from its host.
    HostNotAllowed,
    /// This server takes no documents.
    Off,
    /// It breaks a rule: in words.
    Rule(&'a str),
}

impl UnusableClient<'_> {
    /// The page.
    pub fn page(&self) -> Page {
        let (title, what, advice) = self.words();
        let content = format!(
            "<h1>{title}</h1>\n<p class=\"lead\">{what}</p>\n<h2>What you can do</h2>\n<p>{}</p>",
            escape(advice)
        );
        let (status, retry_after) = match self.fault {
            DocumentFault::NotFetched | DocumentFault::Busy => (503, Some(RETRY_SECONDS)),
            _ => (400, None),
        };
        Page::new(status, title, &content).with_retry_after(retry_after)
    }

    /// The title, what happened as HTML, and the advice.
    fn words(&self) -> (&'static str, String, &'static str) {
        let document = match self.host {
            Some(name) => format!("The document at <bdi>{}</bdi> that describes this app", host(name)),
            None => "The document that describes this app".to_owned(),
        };
        match self.fault {
            DocumentFault::NotFetched | DocumentFault::OutOfReach => (
                "This app’s document could not be fetched",
                format!("{document} could not be fetched: its host did not answer, or answered with something else."),
                "Wait a minute, and load this page again. If it happens again, tell whoever runs this server: it may \
                 not be able to reach the internet.",
            ),
            DocumentFault::Busy => (
                "This server is busy",
                format!("{document} was not fetched: too many of other apps are being fetched."),
                "Wait a few seconds, and load this page again.",
            ),
            DocumentFault::Gone => (
                "This app’s document is gone",
                format!("{document} was taken away for good."),
                "Remove the connection in your app, and add it again. If it happens again, tell whoever makes the app.",
            ),
            DocumentFault::Address => (
                "This app cannot be checked",
                "The address of the document that describes it is none that this server fetches from.".to_owned(),
                MAKER,
            ),
            DocumentFault::HostNotAllowed => (
                "This app is not allowed here",
                format!("{document} stands at a host that this server does not take apps from."),
                "Tell whoever runs this server, who lists such hosts in CIMD_ALLOWED_HOSTS.",
            ),
            DocumentFault::Off => (
                "This server takes no apps by document",
                "The app has to register itself here instead.".to_owned(),
                "Remove the connection in your app, and add it again: the app may then register. If it happens again, \
                 tell whoever runs this server.",
            ),
            DocumentFault::Rule(rule) => (
                "This app’s document breaks a rule",
                format!("{document} cannot be used here. {}", escape(rule)),
                MAKER,
            ),
        }
    }
}

const MAKER: &str = "Go back to your app and connect again. If it happens again, tell whoever makes the app.";

/// Long enough for a moment's outage, short enough to wait for.
const RETRY_SECONDS: u32 = 10;
