//! Which requests leave the machine.

use std::net::IpAddr;
use std::sync::Arc;

use http::Uri;

use super::resolver::PublicAddresses;
use crate::settings::Settings;

/// Where the component's requests may go. By default: to every upstream that the settings name, and to globally
/// routable addresses where an outsider chose the URL.
#[derive(Clone, Default)]
pub struct HttpPolicy {
    public: PublicAddresses,
    admits: Option<Admits>,
    trusts_less: bool,
}

type Admits = Arc<dyn Fn(&Uri) -> bool + Send + Sync>;

impl std::fmt::Debug for HttpPolicy {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("HttpPolicy").field("public", &self.public).finish_non_exhaustive()
    }
}

impl HttpPolicy {
    /// The policy of a server on `listen`: the setting `ALLOW_LOOPBACK_CLIENT_METADATA` counts where only this machine
    /// reaches the server.
    pub fn for_listener(settings: &Settings, listen: IpAddr) -> Self {
        let asked = settings.value("ALLOW_LOOPBACK_CLIENT_METADATA") == Some("true");
        if asked && listen.to_canonical().is_loopback() {
            Self::default().with_public_loopback()
        } else {
            Self::default()
        }
    }

    /// Lets a URL that an outsider chose lead to this machine's loopback addresses too. Only for tests and
    /// demonstrations of which every client is on this machine: anybody else could reach what listens here.
    pub fn with_public_loopback(mut self) -> Self {
        self.public = PublicAddresses::GlobalAndLoopback;
        self
    }

    /// Sends though the environment names authorities that cannot be read, and trusts those that can: for who has told
    /// so already.
    pub(crate) fn trusting_less(mut self) -> Self {
        self.trusts_less = true;
        self
    }

    /// Whether authorities that the environment names may be missing.
    pub(super) fn trusts_less(&self) -> bool {
        self.trusts_less
    }

    /// Sends only where `admits` says yes to the URL, whoever chose it; everything else is answered with
    /// `address-refused` before a name is resolved.
    pub fn admitting(mut self, admits: impl Fn(&Uri) -> bool + Send + Sync + 'static) -> Self {
        self.admits = Some(Arc::new(admits));
        self
    }

    /// Whether URLs of outsiders may lead to loopback addresses.
    pub fn has_public_loopback(&self) -> bool {
        self.public == PublicAddresses::GlobalAndLoopback
    }

    pub(super) fn public(&self) -> PublicAddresses {
        self.public
    }

    pub(super) fn admits(&self, uri: &Uri) -> bool {
        self.admits.as_ref().is_none_or(|admits| admits(uri))
    }
}
