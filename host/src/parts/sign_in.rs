//! What the exchanges with it tell about the identity provider. It has several addresses, and is there when all of them
//! that were asked lately answer: a provider whose discovery works and whose keys cannot be had lets nobody in.

use std::time::{Duration, Instant};

use super::exchange::Observation;
use super::{Fault, State};

/// What its addresses came to last. Few: they come from the settings and from the provider's own description.
#[derive(Debug, Default)]
pub(super) struct Addresses(Vec<Address>);

#[derive(Debug)]
struct Address {
    url: String,
    /// Whether it is one that says where the others are.
    is_discovery: bool,
    /// Whether documents are fetched from it.
    is_document: bool,
    asked: Instant,
    was_there: bool,
    failed: Option<(State, Fault)>,
}

/// An exchange with the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Where, without a query.
    pub(super) url: String,
    /// Whether a document was fetched; else a code was exchanged.
    pub(super) is_document: bool,
}

impl Addresses {
    pub(super) fn learn(&mut self, observation: Observation, now: Instant) {
        let (asked, failed) = match observation {
            Observation::Answered(Some(asked)) => (asked, None),
            Observation::Failed { asked: Some(asked), state, fault } => (asked, Some((state, fault))),
            _ => return,
        };
        let known = self.0.iter().position(|address| address.url == asked.url);
        let was_there = known.map(|at| self.0.remove(at)).is_some_and(|address| address.was_there);
        if self.0.len() >= ADDRESSES {
            self.0.remove(0);
        }
        self.0.push(Address {
            is_discovery: asked.url.ends_with(DISCOVERY),
            is_document: asked.is_document,
            url: asked.url,
            asked: now,
            was_there: was_there || failed.is_none(),
            failed,
        });
        // What nobody has asked for so long is no address of the provider's any more.
        self.0.retain(|address| address.failed.is_none() || now.duration_since(address.asked) < FORGOTTEN);
    }

    /// Whether the keys of its tokens were ever there.
    pub(super) fn keys_were_there(&self) -> bool {
        let mut keys = self.0.iter().filter(|address| address.is_document && !address.is_discovery).peekable();
        keys.peek().is_some() && keys.all(|address| address.was_there)
    }

    pub(super) fn verdict(&self) -> (State, Option<Fault>) {
        if self.0.is_empty() {
            return (State::Unknown, None);
        }
        // The one that was asked last tells why.
        let failed = self.0.iter().rev().find_map(|address| address.failed);
        failed.map_or((State::Ok, None), |(state, fault)| (state, Some(fault)))
    }
}

/// <https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig>.
const DISCOVERY: &str = "/.well-known/openid-configuration";
/// Discovery, a token endpoint and key sets of two modes, twice.
const ADDRESSES: usize = 8;
/// Many times as long as pass between two looks at a provider that is away.
const FORGOTTEN: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(url: &str, is_document: bool) -> Option<Asked> {
        Some(Asked { url: url.to_owned(), is_document })
    }

    fn answered(url: &str) -> Observation {
        Observation::Answered(asked(url, true))
    }

    fn failed(url: &str) -> Observation {
        Observation::Failed { asked: asked(url, true), state: State::Away, fault: Fault::ProviderStatus(500) }
    }

    const DISCOVERED: &str = "https://team.example/.well-known/openid-configuration";
    const KEYS: &str = "https://team.example/certs";

    #[test]
    fn a_provider_is_there_when_all_its_addresses_are() {
        let (mut addresses, now) = (Addresses::default(), Instant::now());
        assert_eq!(addresses.verdict().0, State::Unknown);
        addresses.learn(answered(DISCOVERED), now);
        assert_eq!((addresses.verdict().0, addresses.keys_were_there()), (State::Ok, false));
        addresses.learn(failed(KEYS), now);
        addresses.learn(answered(DISCOVERED), now);
        assert_eq!((addresses.verdict().0, addresses.keys_were_there()), (State::Away, false));
        addresses.learn(answered(KEYS), now);
        assert_eq!((addresses.verdict().0, addresses.keys_were_there()), (State::Ok, true));
        addresses.learn(failed(KEYS), now);
        assert_eq!((addresses.verdict().0, addresses.keys_were_there()), (State::Away, true), "they were there");
    }

    #[test]
    fn the_keys_of_every_mode_have_to_have_been_there() {
        let (mut addresses, now) = (Addresses::default(), Instant::now());
        addresses.learn(answered(KEYS), now);
        addresses.learn(failed("https://other.example/certs"), now);
        assert!(!addresses.keys_were_there());
    }

    #[test]
    fn an_address_that_nobody_asks_any_more_is_forgotten() {
        let (mut addresses, now) = (Addresses::default(), Instant::now());
        addresses.learn(failed("https://former.example/certs"), now);
        addresses.learn(answered(KEYS), now + FORGOTTEN);
        assert_eq!(addresses.verdict(), (State::Ok, None));
    }

    #[test]
    fn a_code_that_is_exchanged_says_nothing_about_keys() {
        let (mut addresses, now) = (Addresses::default(), Instant::now());
        addresses.learn(Observation::Answered(asked("https://team.example/token", false)), now);
        assert_eq!((addresses.verdict().0, addresses.keys_were_there()), (State::Ok, false));
    }
}
