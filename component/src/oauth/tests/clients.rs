//! Registered clients over a store: their time, their number, and registrations that race.

use super::*;
use crate::oauth::client::{AuthMethod, Client, ClientMetadata, store_key};
use crate::oauth::clients::{
    ClientsError, Registered, delete, find, register, register_within, renew, restore, restore_within, stands,
};

const DAY: u64 = 24 * HOUR;

pub(super) fn metadata(name: u32, auth_method: AuthMethod) -> ClientMetadata {
    let redirect_uris = vec![REDIRECT_URI.into()];
    ClientMetadata { name: Some(name.to_string()), redirect_uris, auth_method, may_refresh: true }
}

impl Bed {
    pub(super) async fn register(&self, name: u32, ceiling: usize) -> Result<Registered, ClientsError> {
        let ring = self.ring.borrow().clone();
        let vault = Vault::new(&self.store, &self.random, &ring);
        register_within(&vault, self.clock.now(), metadata(name, AuthMethod::None), ceiling).await
    }

    pub(super) fn registered(&self, name: u32) -> Client {
        alone(self.register(name, 1000)).unwrap().client
    }

    pub(super) fn find(&self, client: &Client) -> Option<Client> {
        let ring = self.ring.borrow().clone();
        alone(find(&Vault::new(&self.store, &self.random, &ring), self.clock.now(), &client.id)).unwrap()
    }

    pub(super) async fn renew(&self, client: &Client) -> Result<(), ClientsError> {
        let ring = self.ring.borrow().clone();
        renew(&Vault::new(&self.store, &self.random, &ring), self.clock.now(), client).await
    }

    async fn restore(&self, client: &Client, ceiling: usize) -> Result<(), ClientsError> {
        let ring = self.ring.borrow().clone();
        restore_within(&Vault::new(&self.store, &self.random, &ring), self.clock.now(), client, ceiling).await
    }

    fn delete(&self, client_id: &str) -> u32 {
        let ring = self.ring.borrow().clone();
        alone(delete(&Vault::new(&self.store, &self.random, &ring), client_id)).unwrap()
    }

    fn count(&self, folder: &str) -> usize {
        self.store.records.dump().iter().filter(|(key, _)| key.starts_with(folder)).count()
    }
}

#[test]
fn a_registration_lives_for_a_day_and_a_used_one_for_ninety() {
    let bed = Bed::new();
    let (unused, used) = (bed.registered(1), bed.registered(2));
    bed.pass(DAY - SECOND);
    assert_eq!(bed.find(&unused), Some(unused.clone()));
    assert_eq!(alone(bed.renew(&used)), Ok(()));
    bed.pass(SECOND);
    assert_eq!(bed.find(&unused), None, "A59");
    bed.pass(89 * DAY);
    assert_eq!(alone(bed.renew(&used)), Ok(()), "each token request renews it");
    bed.pass(90 * DAY - SECOND);
    assert!(bed.find(&used).is_some());
    bed.pass(SECOND);
    assert!(bed.find(&used).is_none());
    assert!(bed.store.records.dump().is_empty());
}

#[test]
fn a_public_client_that_registers_again_stays_the_same() {
    let bed = Bed::new();
    let first = alone(bed.register(1, 1000)).unwrap();
    bed.pass(23 * HOUR);
    let again = alone(bed.register(1, 1000)).unwrap();
    assert_eq!((&again, bed.count("client/"), bed.count("unused/")), (&first, 1, 1));
    bed.pass(23 * HOUR);
    assert!(bed.find(&first.client).is_some(), "the day began anew");
    assert_eq!(alone(bed.renew(&first.client)), Ok(()));
    assert_eq!(bed.count("unused/"), 0);
    alone(bed.register(1, 1000)).unwrap();
    assert_eq!(bed.count("unused/"), 0, "a used client stays used");
    bed.pass(89 * DAY);
    assert!(bed.find(&first.client).is_some());
}

#[test]
fn a_registration_that_stands_is_answered_without_a_write() {
    let bed = Bed::new();
    let first = alone(bed.register(1, 1000)).unwrap();
    let records = bed.store.records.dump();
    bed.pass(12 * HOUR - SECOND);
    assert_eq!(alone(bed.register(1, 1000)).unwrap(), first);
    assert_eq!(bed.store.records.dump(), records, "more than half of its day is left");
    bed.pass(SECOND);
    assert_eq!(alone(bed.register(1, 1000)).unwrap(), first);
    bed.pass(DAY - SECOND);
    assert!(bed.find(&first.client).is_some(), "its day began anew");
    alone(bed.renew(&first.client)).unwrap();
    let records = bed.store.records.dump();
    bed.pass(45 * DAY - SECOND);
    alone(bed.register(1, 1000)).unwrap();
    assert_eq!(bed.store.records.dump(), records, "more than half of its ninety days is left");
    bed.pass(SECOND);
    alone(bed.register(1, 1000)).unwrap();
    bed.pass(90 * DAY - SECOND);
    assert!(bed.find(&first.client).is_some());
}

#[test]
fn only_a_public_client_that_is_registered_stands() {
    let bed = Bed::new();
    let ring = bed.ring.borrow().clone();
    let vault = Vault::new(&bed.store, &bed.random, &ring);
    let asked = |name, method| alone(stands(&vault, bed.clock.now(), &metadata(name, method))).unwrap();
    bed.registered(1);
    alone(register(&vault, bed.clock.now(), metadata(2, AuthMethod::Post))).unwrap();
    assert!(asked(1, AuthMethod::None));
    assert!(!asked(2, AuthMethod::None) && !asked(2, AuthMethod::Post));
    bed.pass(DAY);
    assert!(!asked(1, AuthMethod::None));
}

#[test]
fn a_client_that_a_newer_version_wrote_is_neither_absent_nor_written_over() {
    let bed = Bed::new();
    let (client, next) = (bed.registered(1), bed.registered(2));
    let key = store_key(&client.id);
    let mut value = alone(bed.store.get(&key)).unwrap().unwrap();
    value[0] = 2;
    alone(bed.store.put(&key, &value, 9000)).unwrap();
    let records = bed.store.records.dump();
    let newer = Err(ClientsError::Store(StoreError::NewerRecord));
    assert_eq!(alone(bed.register(1, 1000)), Err(ClientsError::Store(StoreError::NewerRecord)));
    assert_eq!((alone(bed.renew(&client)), alone(bed.restore(&client, 1000))), (newer, newer));
    assert_eq!(bed.store.records.dump(), records);
    bed.pass(SECOND);
    assert!(alone(bed.register(3, 1)).is_ok(), "others register: what makes room is not that client");
    assert_eq!((alone(bed.store.get(&key)), bed.find(&next)), (Ok(Some(value)), None));
}

#[test]
fn a_client_that_was_evicted_during_a_sign_in_comes_back() {
    let bed = Bed::new();
    let client = bed.registered(0);
    bed.pass(SECOND);
    alone(bed.register(1, 1)).unwrap();
    assert_eq!(bed.find(&client), None);
    alone(bed.restore(&client, 1)).unwrap();
    assert_eq!(bed.find(&client), Some(client.clone()));
    assert_eq!(bed.count("unused/"), 1, "another made room");
    let records = bed.store.records.dump();
    alone(bed.restore(&client, 1)).unwrap();
    assert_eq!(bed.store.records.dump(), records, "where it stands, nothing is written");
    bed.pass(SECOND);
    alone(bed.register(2, 1)).unwrap();
    assert_eq!((bed.find(&client), alone(bed.renew(&client))), (None, Ok(())));
    bed.pass(89 * DAY);
    assert_eq!(bed.find(&client), Some(client), "who is given a token is used");
}

#[test]
fn a_client_with_a_secret_is_restored_with_it_and_one_with_a_document_never_registered() {
    let bed = Bed::new();
    let ring = bed.ring.borrow().clone();
    let vault = Vault::new(&bed.store, &bed.random, &ring);
    let confidential = alone(register(&vault, bed.clock.now(), metadata(1, AuthMethod::Post))).unwrap().client;
    bed.pass(DAY);
    assert_eq!(bed.find(&confidential), None);
    alone(restore(&vault, bed.clock.now(), &confidential)).unwrap();
    assert_eq!(bed.find(&confidential), Some(confidential));
    bed.pass(DAY);
    let id = "https://app.example/client".to_owned();
    let document = Client { id, metadata: metadata(2, AuthMethod::None), secret_hash: None };
    alone(restore(&vault, bed.clock.now(), &document)).unwrap();
    alone(renew(&vault, bed.clock.now(), &document)).unwrap();
    assert!(bed.store.records.dump().is_empty());
}

#[test]
fn a_client_whose_record_does_not_open_registers_anew() {
    let bed = Bed::new();
    let client = bed.registered(1);
    alone(bed.store.put(&store_key(&client.id), b"garbage", 9000)).unwrap();
    assert_eq!(bed.find(&client), None);
    assert_eq!(bed.registered(1), client);
    assert_eq!(bed.find(&client), Some(client.clone()));
    assert_eq!(bed.count("unused/"), 2, "its entry, and that of the record which was lost");
    bed.pass(2 * DAY);
    assert!(bed.store.records.dump().is_empty());
}

#[test]
fn a_confidential_client_is_always_new() {
    let bed = Bed::new();
    let ring = bed.ring.borrow().clone();
    let vault = Vault::new(&bed.store, &bed.random, &ring);
    let one = alone(register(&vault, bed.clock.now(), metadata(1, AuthMethod::Post))).unwrap();
    let other = alone(register(&vault, bed.clock.now(), metadata(1, AuthMethod::Post))).unwrap();
    assert_ne!(one.client.id, other.client.id);
    assert!(one.secret.is_some() && one.secret != other.secret);
    assert_eq!(bed.find(&one.client), Some(one.client.clone()));
    for (key, value) in bed.store.records.dump() {
        let shown = format!("{key}{}", String::from_utf8_lossy(&value));
        assert!(!shown.contains(&one.secret.as_ref().unwrap().expose()) && !shown.contains("127.0.0.1"));
    }
}

#[test]
fn the_oldest_that_was_never_used_makes_room() {
    let bed = Bed::new();
    let mut clients = Vec::new();
    for name in 0..5 {
        clients.push(alone(bed.register(name, 4)).unwrap().client);
        bed.pass(SECOND);
        if name == 0 {
            alone(bed.renew(&clients[0])).unwrap();
        }
        if name == 3 {
            bed.pass(12 * HOUR);
            alone(bed.register(1, 4)).unwrap();
        }
    }
    alone(bed.register(5, 4)).unwrap();
    let found: Vec<_> = clients.iter().map(|client| bed.find(client).is_some()).collect();
    assert_eq!(found, [true, true, false, true, true], "0 was used, 1 registered again when half of its day was over");
    assert_eq!(alone(bed.register(2, 4)).unwrap().client, clients[2], "who was evicted comes back");
    assert!(bed.find(&clients[2]).is_some() && bed.find(&clients[3]).is_none());
    assert_eq!(bed.count("unused/"), 4);
}

#[test]
fn a_thousand_wait_for_their_first_use() {
    let bed = Bed::new();
    let first = bed.registered(0);
    let entry = |number: u32| format!("unused/{:016x}-0-{number}", bed.clock.now().0 + u64::from(number));
    for number in 1..1000 {
        alone(bed.store.put(&entry(number), b"", 9000)).unwrap();
    }
    assert!(bed.find(&first).is_some());
    bed.pass(2 * HOUR);
    let ring = bed.ring.borrow().clone();
    let vault = Vault::new(&bed.store, &bed.random, &ring);
    alone(register(&vault, bed.clock.now(), metadata(1, AuthMethod::None))).unwrap();
    assert_eq!((bed.find(&first), bed.count("unused/")), (None, 1000));
}

#[test]
fn deleting_a_client_ends_its_grants_and_no_others() {
    let bed = Bed::new();
    let issued = bed.signed_in();
    let other = bed.registered(1);
    assert_eq!(bed.delete(&other.id), 0);
    assert!(bed.find(&other).is_none() && bed.is_admitted(&issued));
    assert_eq!(bed.count("unused/"), 0);
    assert_eq!(bed.delete("c1"), 1);
    assert!(!bed.is_admitted(&issued));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_client_that_was_used_is_never_evicted(
        schedule in prop::collection::vec(0usize..4, 0..80),
        unknown in 0u32..16,
    ) {
        let bed = Bed::new();
        let client = alone(bed.register(0, 2)).unwrap().client;
        bed.pass(1);
        bed.store.unknown.set(Some(unknown));
        let racers: Vec<Running<Option<bool>>> = vec![
            Box::pin(async { bed.renew(&client).await.unwrap(); Some(true) }),
            Box::pin(async { bed.register(1, 1).await.unwrap(); None }),
            Box::pin(async { bed.register(2, 1).await.unwrap(); None }),
            Box::pin(async { bed.register(0, 2).await.unwrap(); None }),
        ];
        let outcomes = interleave(racers, &schedule);
        if outcomes.contains(&Some(true)) {
            bed.pass(2 * DAY);
            prop_assert!(bed.find(&client).is_some());
        }
    }

    #[test]
    fn racing_registrations_stay_below_the_ceiling(
        schedule in prop::collection::vec(0usize..6, 0..120),
        unknown in 0u32..24,
    ) {
        let bed = Bed::new();
        bed.store.unknown.set(Some(unknown));
        let names = [0, 0, 1, 1, 2, 3];
        let register = |name: &u32| Box::pin(bed.register(*name, 2)) as Running<Result<Registered, _>>;
        let racers = names.iter().map(register).collect();
        let outcomes = interleave(racers, &schedule);
        prop_assert!(outcomes.iter().all(Result::is_ok), "{:?}", outcomes);
        let clients: Vec<_> = outcomes.into_iter().flatten().map(|registered| registered.client).collect();
        prop_assert_eq!(&clients[0], &clients[1]);
        let alive = [0_usize, 2, 4, 5].into_iter().filter(|index| bed.find(&clients[*index]).is_some()).count();
        // Who does not learn that a swap happened leaves the entry of what it replaced.
        let entries = bed.count("unused/");
        prop_assert!((alive..=alive + 1).contains(&entries), "{} entries of {}: a lost round leaves none", entries, alive);
        bed.pass(120 * SECOND);
        let last = alone(bed.register(9, 2)).unwrap().client;
        let kept = clients[1..3].iter().chain(&clients[4..]).filter(|client| bed.find(client).is_some()).count();
        prop_assert!(bed.find(&last).is_some());
        prop_assert!(kept <= 1, "{} and the last", kept);
    }
}
