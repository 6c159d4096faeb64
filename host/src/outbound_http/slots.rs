//! The places of one upstream: those of requests under way, and those of callers who wait for one, of their own or of
//! another caller. How many there are follows from [`Limits`].

use std::sync::Arc;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::places::{Bounds, Claim, Client, KeyHash, Place, Places};
use super::upstream::Upstream;
use crate::limits::Limits;

#[derive(Debug)]
pub(super) struct Slots {
    under_way: Arc<Places>,
    waiting: Arc<Places>,
    /// The keys that were accepted, those used last.
    accepted: Cache<KeyHash, ()>,
}

impl Slots {
    pub(super) fn new(upstream: Upstream, limits: &Limits) -> Self {
        let under_way = under_way(upstream, limits);
        let accepted = Cache::builder().max_capacity(ACCEPTED_KEYS).eviction_policy(EvictionPolicy::lru()).build();
        let waiting = Places::new(waiting(upstream, under_way));
        Self { under_way: Places::new(under_way), waiting, accepted }
    }

    /// A place for a request, if there is one.
    pub(super) fn begin(&self, key: KeyHash, client: Option<Client>) -> Option<Place> {
        self.under_way.take(self.claim(key, client))
    }

    /// A place for a caller who waits for a request, if there is one.
    pub(super) fn wait(&self, key: KeyHash, client: Option<Client>) -> Option<Place> {
        self.waiting.take(self.claim(key, client))
    }

    /// The upstream has given what it was asked for with `key`.
    pub(super) fn accepted(&self, key: KeyHash) {
        self.accepted.insert(key, ());
    }

    pub(super) fn in_flight(&self) -> usize {
        self.under_way.in_use()
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.in_use()
    }

    /// How many requests may be under way.
    pub(super) fn most(&self) -> usize {
        self.under_way.most()
    }

    fn claim(&self, key: KeyHash, client: Option<Client>) -> Claim {
        Claim { key, is_new: self.accepted.get(&key).is_none(), client }
    }
}

fn under_way(upstream: Upstream, limits: &Limits) -> Bounds {
    match upstream {
        Upstream::Plausible => {
            let all = places(limits.plausible_calls);
            Bounds {
                all,
                new: half(all),
                of_key: places(limits.plausible_calls_of_key),
                of_client: places(limits.plausible_calls_of_client),
                new_of_client: (half(all) * 3).div_ceil(4).min(places(limits.plausible_calls_of_client)),
            }
        }
        Upstream::IdentityProvider => {
            let all = places(limits.provider_calls);
            Bounds { of_client: half(all), new_of_client: half(all), ..Bounds::in_all(all) }
        }
        Upstream::ClientDocument => {
            let all = places(limits.document_calls);
            let of_client = all.div_ceil(CLIENTS_FOR_DOCUMENTS);
            Bounds { all, new: half(all), of_key: all, of_client, new_of_client: of_client }
        }
        Upstream::Telemetry => Bounds::in_all(places(limits.telemetry_calls)),
    }
}

/// As many times the bounds of what is under way as `Limits` has it.
fn waiting(upstream: Upstream, under_way: Bounds) -> Bounds {
    let times = places(Limits::waiting_for_each(upstream));
    let Bounds { all, new, of_key, of_client, new_of_client } = under_way;
    let waiting = Bounds {
        all: all * times,
        new: new * times,
        of_key: of_key * times,
        of_client: of_client * times,
        new_of_client: new_of_client * times,
    };
    match upstream {
        // As many as the component lets one address ask for in a minute.
        Upstream::ClientDocument => Bounds {
            of_client: waiting.of_client.max(DOCUMENT_WAITS_OF_CLIENT),
            new_of_client: waiting.new_of_client.max(DOCUMENT_WAITS_OF_CLIENT),
            ..waiting
        },
        // The key set that everybody needs at once is fetched once, also where everybody comes through one proxy.
        Upstream::IdentityProvider => Bounds::in_all(waiting.all),
        Upstream::Plausible | Upstream::Telemetry => waiting,
    }
}

fn places(bound: u32) -> usize {
    usize::try_from(bound).unwrap_or(usize::MAX)
}

/// Rounded up, so that one place can be had.
fn half(all: usize) -> usize {
    all.div_ceil(2)
}

/// So many clients at least can have documents fetched at a time.
const CLIENTS_FOR_DOCUMENTS: usize = 8;
/// What the component lets one address ask for in a minute.
const DOCUMENT_WAITS_OF_CLIENT: usize = 20;
/// Far more keys, and far more hosts that publish documents of clients, than one server has to do with.
const ACCEPTED_KEYS: u64 = 1000;

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn client(number: u8) -> Option<Client> {
        Some(Client::of(Some(IpAddr::from([192, 0, 2, number]))))
    }

    fn key(number: u8) -> KeyHash {
        [number; 32]
    }

    fn slots(upstream: Upstream) -> Slots {
        Slots::new(upstream, &Limits::default())
    }

    #[test]
    fn invented_keys_of_one_address_leave_places_for_everybody_else() {
        let slots = slots(Upstream::Plausible);
        let held: Vec<Place> = (0..=255).filter_map(|number| slots.begin(key(number), client(1))).collect();
        assert_eq!(held.len(), 48);
        assert!(slots.begin(key(1), client(2)).is_some(), "a new key of another address");
        slots.accepted(key(200));
        assert!(slots.begin(key(200), client(1)).is_some(), "a key that counts, from the same address");
        assert_eq!(slots.in_flight(), held.len());
    }

    #[test]
    fn invented_keys_of_all_addresses_leave_half_to_keys_that_count() {
        let slots = slots(Upstream::Plausible);
        (0..4).for_each(|number| slots.accepted(key(number)));
        let invented: Vec<Place> = (4..=255).filter_map(|number| slots.begin(key(number), client(number))).collect();
        let known: Vec<Place> = (0..=255).filter_map(|number| slots.begin(key(number % 4), client(number))).collect();
        assert_eq!((invented.len(), known.len()), (64, 64));
    }

    #[test]
    fn documents_are_bounded_by_client_and_hosts_that_answered_keep_half() {
        let slots = slots(Upstream::ClientDocument);
        slots.accepted(key(1));
        let taken = |clients: std::ops::Range<u8>, of: u8| -> Vec<Place> {
            let of_client = |number| std::iter::from_fn(|| slots.begin(key(of), client(number))).collect::<Vec<_>>();
            clients.flat_map(of_client).collect()
        };
        let one = taken(0..1, 9);
        assert_eq!(one.len(), 2, "a client");
        assert!(slots.begin(key(1), client(0)).is_none(), "whichever host it is");
        let silent = taken(1..100, 9);
        assert_eq!(one.len() + silent.len(), 8);
        assert_eq!(taken(100..200, 1).len(), 8, "for hosts that have answered");
        drop(silent);
        let known = taken(100..250, 1);
        assert_eq!(one.len() + known.len(), 16, "they may take what others leave");
    }

    #[test]
    fn those_who_wait_are_bounded_as_well_whatever_they_wait_for() {
        for (upstream, all, of_client) in [
            (Upstream::Plausible, 256, 128),
            (Upstream::IdentityProvider, 64, 64),
            (Upstream::ClientDocument, 64, 20),
            (Upstream::Telemetry, 32, 32),
        ] {
            let slots = slots(upstream);
            (0..=255).for_each(|number| slots.accepted(key(number)));
            let of_one: Vec<Place> = (0..=255).filter_map(|number| slots.wait(key(number), client(1))).collect();
            assert_eq!(of_one.len(), of_client, "{upstream:?}");
            let more = (0..=255).filter_map(|number| slots.wait(key(number), client(number))).collect::<Vec<_>>();
            assert_eq!(of_one.len() + more.len(), all, "{upstream:?}");
            assert_eq!(u32::try_from(all).unwrap(), Limits::default().waiting(upstream), "{upstream:?}");
            assert_eq!(slots.in_flight(), 0, "who waits for another's request begins none");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let slots = slots(Upstream::ClientDocument);
        for number in 0..5000_u32 {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&number.to_be_bytes());
            slots.accepted(key);
        }
        slots.accepted.run_pending_tasks();
        assert!(slots.accepted.entry_count() <= ACCEPTED_KEYS);
    }

    #[test]
    fn a_bound_of_one_is_one_and_none_is_none() {
        let limits = Limits {
            plausible_calls: 1,
            plausible_calls_of_key: 1,
            plausible_calls_of_client: 1,
            provider_calls: 1,
            document_calls: 1,
            telemetry_calls: 0,
            ..Limits::default()
        };
        for (upstream, count) in [
            (Upstream::Plausible, 1),
            (Upstream::IdentityProvider, 1),
            (Upstream::ClientDocument, 1),
            (Upstream::Telemetry, 0),
        ] {
            let slots = Slots::new(upstream, &limits);
            let held: Vec<Place> = (0..9).filter_map(|number| slots.begin(key(number), client(1))).collect();
            assert_eq!(held.len(), count, "{upstream:?}");
        }
    }
}
