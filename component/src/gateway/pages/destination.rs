//! Where an answer goes, in words for a person.

use super::escape::host;
use crate::oauth::redirect_uri::RedirectUri;

/// Where an answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination<'a> {
    /// A website, by its host.
    Site(&'a str),
    /// A program that listens on the user's own device, by its host.
    Device(&'a str),
    /// An app on the user's own device that opens addresses of this scheme.
    App(&'a str),
}

impl<'a> Destination<'a> {
    /// Where a redirect URI leads.
    pub fn of(redirect_uri: &'a RedirectUri) -> Destination<'a> {
        match redirect_uri.host() {
            scheme if redirect_uri.is_private_use() => Destination::App(scheme),
            host if redirect_uri.is_loopback() => Destination::Device(host),
            host => Destination::Site(host),
        }
    }

    /// Whether it is on the user's own device, where other programs could take its place (RFC 8252 §8.1, §8.3).
    pub(super) fn is_local(self) -> bool {
        !matches!(self, Destination::Site(_))
    }

    /// Whether it is a website of this host.
    pub(super) fn is_at(self, host: &str) -> bool {
        matches!(self, Destination::Site(site) if site.eq_ignore_ascii_case(host))
    }

    /// What a button that leads there names; HTML.
    pub(super) fn name(self) -> String {
        match self {
            Destination::Site(name) | Destination::Device(name) => format!("<bdi>{}</bdi>", host(name)),
            Destination::App(scheme) => format!("the app that opens <bdi>{}:</bdi>", host(scheme)),
        }
    }

    /// What the consent page says of it; HTML.
    pub(super) fn described(self) -> String {
        match self {
            Destination::Site(_) => self.name(),
            Destination::Device(_) => {
                format!("This device<small>A program that listens at {}.</small>", self.name())
            }
            Destination::App(scheme) => format!(
                "An app on this device<small>The one that opens addresses that begin with <bdi>{}:</bdi>.</small>",
                host(scheme)
            ),
        }
    }
}
