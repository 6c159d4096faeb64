//! Places for requests to one upstream: how many are under way or waited for, in all, with one key and for one client.
//! Nobody waits for a place: who finds none is told at once.
//!
//! Part of them is kept for keys that the upstream has accepted before, and one client gets a small part for others. So
//! keys that somebody makes up keep nobody from an upstream whose key is right, and one address cannot keep new keys of
//! other addresses out. For documents of clients the host that is asked stands in the key's place.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What tells the keys of an upstream apart. It is a hash: nothing here holds a key.
pub(super) type KeyHash = [u8; 32];

/// How many places there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) all: usize,
    /// Of all, those for keys that the upstream has not accepted before.
    pub(super) new: usize,
    pub(super) of_key: usize,
    pub(super) of_client: usize,
    /// Of one client's, those for keys that the upstream has not accepted before.
    pub(super) new_of_client: usize,
}

/// Who wants a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    pub(super) key: KeyHash,
    /// Whether the upstream has not accepted the key before.
    pub(super) is_new: bool,
    /// `None`: whoever embeds the host does not tell clients apart, and none is bounded.
    pub(super) client: Option<Client>,
}

/// For whom a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Client {
    /// An IPv4 address whole, an IPv6 address by its /64.
    Subscriber(IpAddr),
    /// Those whose address is not known count as one.
    Unknown,
}

/// The places of one kind.
#[derive(Debug)]
pub(super) struct Places {
    bounds: Bounds,
    taken: Mutex<Taken>,
}

/// Invariant: no count in a map is zero.
#[derive(Debug, Default)]
struct Taken {
    all: usize,
    new: usize,
    by_key: HashMap<KeyHash, usize>,
    by_client: HashMap<Client, usize>,
    new_by_client: HashMap<Client, usize>,
}

/// A place that is taken for as long as this lives.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    claim: Claim,
}

impl Bounds {
    /// Places that are only counted in all.
    pub(super) fn in_all(all: usize) -> Self {
        Self { all, new: all, of_key: all, of_client: all, new_of_client: all }
    }
}

impl Client {
    pub(super) fn of(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V6(address)) => {
                let network = Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX));
                Self::Subscriber(network.into())
            }
            Some(v4) => Self::Subscriber(v4),
            None => Self::Unknown,
        }
    }
}

impl Places {
    pub(super) fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { bounds, taken: Mutex::default() })
    }

    /// A place, if there is one.
    pub(super) fn take(self: &Arc<Self>, claim: Claim) -> Option<Place> {
        let mut taken = self.taken();
        if taken.has_no_place_for(&claim, &self.bounds) {
            return None;
        }
        taken.all += 1;
        *taken.by_key.entry(claim.key).or_default() += 1;
        if let Some(client) = claim.client {
            *taken.by_client.entry(client).or_default() += 1;
        }
        if claim.is_new {
            taken.new += 1;
            if let Some(client) = claim.client {
                *taken.new_by_client.entry(client).or_default() += 1;
            }
        }
        Some(Place { places: self.clone(), claim })
    }

    /// How many are taken.
    pub(super) fn in_use(&self) -> usize {
        self.taken().all
    }

    /// How many there are.
    pub(super) fn most(&self) -> usize {
        self.bounds.all
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn has_no_place_for(&self, claim: &Claim, bounds: &Bounds) -> bool {
        let of = |counts: &HashMap<Client, usize>| {
            claim.client.and_then(|client| counts.get(&client)).copied().unwrap_or_default()
        };
        let is_crowded_by_new = || self.new >= bounds.new || of(&self.new_by_client) >= bounds.new_of_client;
        self.all >= bounds.all
            || self.by_key.get(&claim.key).copied().unwrap_or_default() >= bounds.of_key
            || of(&self.by_client) >= bounds.of_client
            || (claim.is_new && is_crowded_by_new())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Claim { key, is_new, client } = self.claim;
        let mut taken = self.places.taken();
        taken.all -= 1;
        give_back(&mut taken.by_key, &key);
        if is_new {
            taken.new -= 1;
        }
        if let Some(client) = client {
            give_back(&mut taken.by_client, &client);
            if is_new {
                give_back(&mut taken.new_by_client, &client);
            }
        }
    }
}

fn give_back<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { all: 16, new: 8, of_key: 6, of_client: 4, new_of_client: 2 };

    fn claim(client: u8, key: u8, is_new: bool) -> Claim {
        let client = Some(Client::of(Some(IpAddr::from([192, 0, 2, client]))));
        Claim { key: [key; 32], is_new, client }
    }

    /// Takes all that there is for that.
    fn all_of(places: &Arc<Places>, claim: Claim) -> Vec<Place> {
        std::iter::from_fn(|| places.take(claim)).collect()
    }

    #[test]
    fn one_client_takes_few_places_with_keys_that_nobody_knows() {
        let places = Places::new(BOUNDS);
        let mut held: Vec<Place> = (0..200).filter_map(|key| places.take(claim(1, key, true))).collect();
        assert_eq!(held.len(), BOUNDS.new_of_client);
        held.extend(all_of(&places, claim(1, 201, false)));
        assert_eq!(held.len(), BOUNDS.of_client, "a key that is known is not kept out by those");
        assert!(places.take(claim(2, 202, true)).is_some(), "nor is a new key of another client");
    }

    #[test]
    fn keys_that_nobody_knows_leave_the_other_half_to_those_that_are_known() {
        let places = Places::new(BOUNDS);
        let invented: Vec<Place> = (0..200).filter_map(|number| places.take(claim(number, number, true))).collect();
        assert_eq!(invented.len(), BOUNDS.new);
        let known: Vec<Place> = (0..200).filter_map(|number| places.take(claim(number, number, false))).collect();
        assert_eq!(invented.len() + known.len(), BOUNDS.all);
        drop(invented);
        let more = (0..200).filter_map(|number| places.take(claim(number, 201, false))).collect::<Vec<_>>();
        assert_eq!(more.len(), BOUNDS.of_key, "known ones may take what others leave, each key its part");
    }

    #[test]
    fn one_key_from_many_addresses_is_one_key() {
        let places = Places::new(BOUNDS);
        let held: Vec<Place> = (0..200).filter_map(|client| places.take(claim(client, 7, false))).collect();
        assert_eq!(held.len(), BOUNDS.of_key);
        assert!(places.take(claim(1, 8, false)).is_some(), "another key has places of its own");
    }

    #[test]
    fn a_subscriber_is_one_client_whatever_address_he_takes() {
        let of = |address: &str| Client::of(Some(address.parse().unwrap()));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::2"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn clients_that_nobody_tells_apart_are_bounded_by_keys_alone() {
        let places = Places::new(BOUNDS);
        let untold = |key| Claim { client: None, ..claim(1, key, false) };
        assert_eq!(all_of(&places, untold(1)).len(), BOUNDS.of_key);
        let unknown = Claim { client: Some(Client::Unknown), ..claim(1, 2, false) };
        assert_eq!(all_of(&places, unknown).len(), BOUNDS.of_client, "those without an address are one client");
    }

    #[test]
    fn nothing_is_left_behind() {
        let places = Places::new(BOUNDS);
        for is_new in [true, false] {
            drop((0..200).filter_map(|number| places.take(claim(number, number, is_new))).collect::<Vec<_>>());
        }
        let taken = places.taken();
        assert_eq!((taken.all, taken.new), (0, 0));
        assert!(taken.by_key.is_empty() && taken.by_client.is_empty() && taken.new_by_client.is_empty());
    }
}
