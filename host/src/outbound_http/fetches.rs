//! How many requests to addresses that an outsider chose are under way, and how many callers wait for them: several may
//! share one. Such an address may never answer, and whoever asks for it waits meanwhile. Both are bounded in all and for
//! one client, and part of each is kept for hosts that have answered before, so that made-up addresses keep nobody from
//! a document that is there.
//!
//! ```text
//! begin ──> under way ── dropped
//!   └─ no place: told at once, nobody waits for a place
//! ```

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

/// The places of one process.
pub(super) struct Fetches {
    under_way: Arc<Places>,
    waiting: Arc<Places>,
    /// The hosts that have answered, those asked for last.
    answered: Cache<String, ()>,
}

/// Places of one kind.
struct Places {
    all: usize,
    /// Of these, the ones that only hosts that have answered before may take.
    for_answered: usize,
    of_client: usize,
    taken: Mutex<Taken>,
}

/// Invariant: no count is zero.
#[derive(Default)]
struct Taken {
    all: usize,
    /// Those for hosts that have not answered before.
    new: usize,
    by_client: HashMap<Option<IpAddr>, usize>,
}

/// A place that is taken for as long as this lives.
pub(super) struct Place {
    places: Arc<Places>,
    client: Option<IpAddr>,
    is_new: bool,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Place").field("is_new", &self.is_new).finish_non_exhaustive()
    }
}

impl Default for Fetches {
    fn default() -> Self {
        let answered = Cache::builder().max_capacity(ANSWERED_HOSTS).eviction_policy(EvictionPolicy::lru()).build();
        let under_way = Places::new(FETCHES, FETCHES_FOR_ANSWERED, FETCHES_OF_CLIENT);
        let waiting = Places::new(WAITS, WAITS_FOR_ANSWERED, WAITS_OF_CLIENT);
        Self { under_way: Arc::new(under_way), waiting: Arc::new(waiting), answered }
    }
}

impl Fetches {
    /// A place for a request to `host` on behalf of `client`, if there is one. Requests of which no client is known
    /// count as those of one.
    pub(super) fn begin(&self, client: Option<IpAddr>, host: &str) -> Option<Place> {
        self.under_way.take(client, self.is_new(host))
    }

    /// A place for a caller who waits for such a request, of its own or of another caller.
    pub(super) fn wait(&self, client: Option<IpAddr>, host: &str) -> Option<Place> {
        self.waiting.take(client, self.is_new(host))
    }

    /// `host` has given what it was asked for.
    pub(super) fn answered(&self, host: &str) {
        self.answered.insert(host.to_ascii_lowercase(), ());
    }

    fn is_new(&self, host: &str) -> bool {
        self.answered.get(&host.to_ascii_lowercase()).is_none()
    }
}

impl Places {
    fn new(all: usize, for_answered: usize, of_client: usize) -> Self {
        Self { all, for_answered, of_client, taken: Mutex::default() }
    }

    fn take(self: &Arc<Self>, client: Option<IpAddr>, is_new: bool) -> Option<Place> {
        let client = client.map(subscriber);
        let mut taken = self.taken();
        let of_client = taken.by_client.get(&client).copied().unwrap_or_default();
        let is_full = taken.all >= self.all
            || of_client >= self.of_client
            || (is_new && taken.new >= self.all - self.for_answered);
        if is_full {
            return None;
        }
        taken.all += 1;
        taken.new += usize::from(is_new);
        taken.by_client.insert(client, of_client + 1);
        Some(Place { places: self.clone(), client, is_new })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        taken.new -= usize::from(self.is_new);
        if let Some(of_client) = taken.by_client.get_mut(&self.client) {
            *of_client -= 1;
            if *of_client == 0 {
                taken.by_client.remove(&self.client);
            }
        }
    }
}

/// An IPv4 address whole, an IPv6 address by its /64, which one subscriber has to himself.
fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

/// An eighth of what the component works on at a time.
pub(crate) const FETCHES: usize = 16;
/// Half of them: a flood of made-up addresses takes the other half.
const FETCHES_FOR_ANSWERED: usize = 8;
/// So that eight clients at least are served at a time.
const FETCHES_OF_CLIENT: usize = 2;
/// Callers that wait, each with an instance beside those of other requests: four for each request under way.
pub(crate) const WAITS: usize = 64;
/// Half of them, as of the requests.
const WAITS_FOR_ANSWERED: usize = 32;
/// As many as the component lets one address ask for in a minute.
const WAITS_OF_CLIENT: usize = 20;
/// Far more hosts than publish documents of clients that one company uses.
const ANSWERED_HOSTS: u64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    /// The client with this number.
    fn client(number: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, number]))
    }

    /// Takes all that one client after the other gets for `host`.
    fn taken(fetches: &Fetches, clients: std::ops::Range<u8>, host: &str) -> Vec<Place> {
        clients.flat_map(|number| std::iter::from_fn(move || fetches.begin(client(number), host))).collect()
    }

    #[test]
    fn a_client_gets_two_places_and_all_together_half_for_hosts_that_never_answered() {
        let fetches = Fetches::default();
        let one = taken(&fetches, 0..1, "silent.example");
        assert_eq!(one.len(), FETCHES_OF_CLIENT);
        let others = taken(&fetches, 1..100, "silent.example");
        assert_eq!(one.len() + others.len(), FETCHES - FETCHES_FOR_ANSWERED);
        assert!(fetches.begin(client(200), "another.example").is_none(), "whichever host it is");
        drop(one);
        assert!(fetches.begin(client(200), "another.example").is_some());
    }

    #[test]
    fn hosts_that_have_answered_keep_their_half() {
        let fetches = Fetches::default();
        fetches.answered("Known.example");
        let silent = taken(&fetches, 0..100, "silent.example");
        let known = taken(&fetches, 100..200, "known.EXAMPLE");
        assert_eq!(silent.len() + known.len(), FETCHES);
        assert!(fetches.begin(client(250), "known.example").is_none(), "there is no more");
        drop(silent);
        let known_too = taken(&fetches, 200..250, "known.example");
        assert_eq!(known.len() + known_too.len(), FETCHES, "they may take what others leave");
    }

    #[test]
    fn a_client_with_two_places_gets_no_third_for_any_host() {
        let fetches = Fetches::default();
        fetches.answered("known.example");
        let two = taken(&fetches, 0..1, "silent.example");
        assert!(fetches.begin(client(0), "known.example").is_none());
        drop(two);
        assert_eq!(taken(&fetches, 0..1, "known.example").len(), FETCHES_OF_CLIENT);
    }

    #[test]
    fn a_subscriber_is_one_client_whatever_address_he_takes() {
        let fetches = Fetches::default();
        let begin = |address: &str| fetches.begin(Some(address.parse().unwrap()), "a.example");
        let held = [begin("2001:db8:1:2::1"), begin("2001:db8:1:2:ffff::2")];
        assert!(held.iter().all(Option::is_some) && begin("2001:db8:1:2:3::3").is_none());
        assert!(begin("2001:db8:1:3::1").is_some(), "another subscriber");
        let held = [begin("192.0.2.1"), begin("::ffff:192.0.2.1")];
        assert!(held.iter().all(Option::is_some) && begin("192.0.2.1").is_none());
    }

    #[test]
    fn what_is_remembered_is_bounded_and_nothing_is_left_behind() {
        let fetches = Fetches::default();
        for number in 0..5000 {
            fetches.answered(&format!("host-{number}.example"));
        }
        fetches.answered.run_pending_tasks();
        assert!(fetches.answered.entry_count() <= ANSWERED_HOSTS);
        drop(taken(&fetches, 0..100, "silent.example"));
        let taken = fetches.under_way.taken();
        assert_eq!((taken.all, taken.new, taken.by_client.len()), (0, 0, 0));
    }
    #[test]
    fn those_who_wait_are_bounded_as_well_whatever_they_wait_for() {
        let fetches = Fetches::default();
        fetches.answered("known.example");
        let wait = |numbers: std::ops::Range<u8>, host: &str| -> Vec<Place> {
            numbers
                .flat_map(|number| std::iter::from_fn(|| fetches.wait(client(number), host)).collect::<Vec<_>>())
                .collect()
        };
        assert_eq!(wait(0..1, "known.example").len(), WAITS_OF_CLIENT);
        let silent = wait(0..100, "silent.example");
        let known = wait(100..200, "known.example");
        assert_eq!((silent.len(), known.len()), (WAITS - WAITS_FOR_ANSWERED, WAITS_FOR_ANSWERED));
        assert!(fetches.begin(client(1), "silent.example").is_some(), "who waits for another's request begins none");
    }
}
