//! The server's key changes under grants and clients that live, and nobody notices.

use super::*;
use crate::oauth::client::{AuthMethod, Client};
use crate::oauth::clients::{register, stands};
use crate::oauth::grants::{Page, Whose, list};

const DAY: u64 = 24 * HOUR;

/// A ring of the keys with these numbers.
fn ring(numbers: &[u64]) -> KeyRing {
    let keys: Vec<_> = numbers.iter().map(|number| format!("{number:064x}")).collect();
    KeyRing::parse(&keys.join(",")).unwrap()
}

impl Bed {
    fn keys(&self, numbers: &[u64]) {
        self.ring.replace(ring(numbers));
    }

    fn grants(&self, whose: &dyn Fn(&KeyRing) -> Whose) -> Page {
        let ring = self.ring.borrow().clone();
        let vault = Vault::new(&self.store, &self.random, &ring);
        alone(list(&vault, &whose(&ring), None)).unwrap().expect("there is no cursor")
    }

    fn revoke_user(&self) -> u32 {
        let users = self.ring.borrow().user_ids(EMAIL);
        alone(revoke_user(&self.store, &users)).unwrap().confirmed
    }
}

fn of_user(ring: &KeyRing) -> Whose {
    Whose::User(ring.user_ids(EMAIL))
}

#[test]
fn a_sign_in_since_the_new_key_outlives_the_old_one() {
    let bed = Bed::new();
    let before = bed.signed_in();
    bed.keys(&[8, 7]);
    let since = bed.signed_in();
    bed.pass(DAY - 1);
    assert!(alone(bed.refresh(refresh_token(&before))).is_ok(), "until its day is over");
    let since = alone(bed.refresh(refresh_token(&since))).unwrap();
    bed.keys(&[8]);
    assert!(bed.is_admitted(&since));
    assert!(alone(bed.refresh(refresh_token(&since))).is_ok());
}

#[test]
fn a_grant_keeps_the_id_that_it_was_made_with() {
    let bed = Bed::new();
    let before = bed.signed_in();
    bed.keys(&[8, 7]);
    let since = bed.signed_in();
    let (old, new) = (ring(&[7]).user_id(EMAIL), ring(&[8]).user_id(EMAIL));
    let user = |issued: &Issued| bed.bearer(&issued.access.expose()).unwrap().user().clone();
    assert_eq!((user(&before), user(&since)), (old.clone(), new.clone()));
    let again = alone(bed.refresh(refresh_token(&before))).unwrap();
    assert_eq!(user(&again), old);
    let mut listed: Vec<_> = bed.grants(&|_| Whose::All).grants.into_iter().map(|listed| listed.user).collect();
    listed.sort();
    let mut users = [old.as_str().to_owned(), new.as_str().to_owned()];
    users.sort();
    assert_eq!(listed, users, "the list has the ids that the log has");
}

#[test]
fn lists_and_revocations_try_every_key() {
    let bed = Bed::new();
    let mut issued = Vec::new();
    for keys in [&[7][..], &[8, 7], &[9, 8, 7], &[7, 9, 8]] {
        bed.keys(keys);
        issued.push(bed.signed_in());
    }
    assert_eq!(bed.grants(&of_user).grants.len(), 4);
    assert!(issued.iter().all(|issued| bed.is_admitted(issued)));
    assert_eq!(bed.revoke_user(), 4);
    assert!(!issued.iter().any(|issued| bed.is_admitted(issued)));
    assert!(bed.grants(&of_user).grants.is_empty());
}

#[test]
fn new_client_ids_come_from_the_newest_key_and_a_client_that_stands_keeps_its_own() {
    let bed = Bed::new();
    let before = bed.registered(1);
    bed.keys(&[8, 7]);
    let since = bed.registered(2);
    assert_eq!(bed.registered(1), before, "who registers again is who it was");
    let vault_ring = ring(&[8, 7]);
    let vault = Vault::new(&bed.store, &bed.random, &vault_ring);
    assert_eq!(alone(stands(&vault, bed.clock.now(), &clients::metadata(1, AuthMethod::None))), Ok(true));
    bed.keys(&[8]);
    assert_eq!(bed.registered(2), since, "the same id without the old key");
    assert_eq!(bed.find(&before), Some(before.clone()), "registering again wrote it under the newest key");
    assert_ne!(bed.registered(1).id, before.id);
}

#[test]
fn a_client_that_was_used_since_the_new_key_outlives_the_old_one() {
    let bed = Bed::new();
    let first = ring(&[7]);
    let vault = Vault::new(&bed.store, &bed.random, &first);
    let (public, unused) = (bed.registered(1), bed.registered(2));
    let secretive = alone(register(&vault, bed.clock.now(), clients::metadata(3, AuthMethod::Post))).unwrap().client;
    for client in [&public, &secretive] {
        alone(bed.renew(client)).unwrap();
    }
    bed.keys(&[8, 7]);
    for client in [&public, &secretive] {
        alone(bed.renew(client)).unwrap();
    }
    bed.keys(&[8]);
    assert_eq!(bed.find(&public), Some(public), "though no time has passed since it was renewed");
    assert_eq!(bed.find(&secretive), Some(secretive));
    assert_eq!(bed.find(&unused), None, "what was not used depends on the old key");
}

#[test]
fn a_client_that_a_clock_ahead_renewed_is_written_under_the_newest_key() {
    let bed = Bed::new();
    let client = bed.registered(1);
    bed.pass(HOUR);
    alone(bed.renew(&client)).unwrap();
    bed.clock.0.set(bed.clock.0.get() - HOUR);
    bed.keys(&[8, 7]);
    alone(bed.renew(&client)).unwrap();
    bed.keys(&[8]);
    bed.pass(90 * DAY - SECOND);
    assert_eq!(bed.find(&client), Some(client));
}

#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    Rotate,
    Drop,
    SignIn,
    Refresh,
    Register(u32),
    Use(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1u64..14).prop_map(|hours| Step::Pass(hours * HOUR)),
        1 => Just(Step::Pass(1)),
        2 => Just(Step::Rotate),
        2 => Just(Step::Drop),
        2 => Just(Step::SignIn),
        2 => Just(Step::Refresh),
        1 => (0u32..2).prop_map(Step::Register),
        2 => (0u32..2).prop_map(Step::Use),
    ]
}

/// A server whose operator keeps to the rule: a key goes when its successor has been in front for a day.
struct Operated {
    bed: Bed,
    /// Number and since when, newest first.
    keys: Vec<(u64, u64)>,
    /// When each sign-in was made, and its newest tokens.
    signed_in: Vec<(u64, Issued)>,
    /// Each client that was registered, and the key that was in front when it was used last.
    clients: [Option<(Client, Option<u64>)>; 2],
}

impl Operated {
    fn new() -> Operated {
        let bed = Bed::new();
        let keys = vec![(7, bed.clock.0.get())];
        Operated { bed, keys, signed_in: Vec::new(), clients: [None, None] }
    }

    fn take(&mut self, step: &Step) {
        let now = self.bed.clock.0.get();
        match step {
            Step::Pass(milliseconds) => self.bed.pass(*milliseconds),
            Step::Rotate if self.keys.len() < 8 => self.keys.insert(0, (self.keys[0].0 + 1, now)),
            Step::Rotate => {}
            Step::Drop => {
                while self.keys.len() > 1 && self.keys[self.keys.len() - 2].1 + DAY <= now {
                    self.keys.pop();
                }
            }
            Step::SignIn => self.signed_in.push((now, self.bed.signed_in())),
            Step::Refresh => self.refresh(),
            Step::Register(name) => {
                let client = self.bed.registered(*name);
                let slot = &mut self.clients[usize::try_from(*name).unwrap()];
                if slot.as_ref().is_none_or(|(known, _)| known.id != client.id) {
                    *slot = Some((client, None));
                }
            }
            Step::Use(name) => {
                if let Some((client, used)) = &mut self.clients[usize::try_from(*name).unwrap()]
                    && self.bed.find(client).is_some()
                {
                    alone(self.bed.renew(client)).unwrap();
                    *used = Some(self.keys[0].0);
                }
            }
        }
        self.bed.keys(&self.keys.iter().map(|(number, _)| *number).collect::<Vec<_>>());
    }

    /// Every sign-in that is not a day old gives new tokens.
    fn refresh(&mut self) {
        let now = self.bed.clock.0.get();
        self.signed_in.retain(|(made, _)| made + DAY > now);
        for (_, issued) in &mut self.signed_in {
            *issued = alone(self.bed.refresh(refresh_token(issued))).expect("the sign-in stands");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whoever_changes_keys_by_the_rule_ends_nothing(steps in prop::collection::vec(step(), 0..50)) {
        let mut operated = Operated::new();
        for step in &steps {
            operated.take(step);
            for (client, used) in operated.clients.iter().flatten() {
                let is_safe = used.is_some_and(|used| operated.keys.iter().any(|(number, _)| *number == used));
                prop_assert!(!is_safe || operated.bed.find(client).is_some(), "a client that was used, {:?}", step);
            }
        }
        operated.refresh();
        let bed = &operated.bed;
        let count = operated.signed_in.len();
        prop_assert_eq!(bed.grants(&of_user).grants.len(), count);
        prop_assert_eq!(usize::try_from(bed.revoke_user()).unwrap(), count);
        prop_assert!(!operated.signed_in.iter().any(|(_, issued)| bed.is_admitted(issued)));
    }

    /// Several processes get the new key one after the other: first each has it behind the old one, then in front.
    #[test]
    fn processes_that_change_keys_one_after_the_other_do_not_part(
        schedule in prop::collection::vec(0usize..4, 0..60),
        unknown in 0u32..14,
    ) {
        let bed = Bed::new();
        bed.keys(&[7, 8]);
        let first = bed.signed_in();
        let client = bed.registered(0);
        bed.store.unknown.set(Some(unknown));
        type Outcome = (Result<Issued, RefreshError>, Client);
        let racers: [Running<Outcome>; 4] = [[7, 8], [8, 7], [7, 8], [8, 7]].map(|keys| {
            let (bed, first, client) = (&bed, &first, &client);
            Box::pin(async move {
                bed.keys(&keys);
                let issued = bed.refresh(refresh_token(first)).await;
                bed.keys(&keys);
                let registered = bed.register(0, 2).await.unwrap().client;
                bed.keys(&keys);
                bed.renew(client).await.unwrap();
                (issued, registered)
            }) as Running<_>
        });
        let outcomes = interleave(racers.into(), &schedule);
        for (issued, registered) in &outcomes {
            prop_assert_eq!(issued, &outcomes[0].0);
            prop_assert_eq!(registered, &client, "one client, whichever key is in front");
        }
        bed.keys(&[8, 7]);
        let issued = outcomes[0].0.clone().unwrap();
        prop_assert!(bed.is_admitted(&issued));
        prop_assert!(alone(bed.refresh(refresh_token(&issued))).is_ok());
        alone(bed.renew(&client)).unwrap();
        bed.keys(&[8]);
        prop_assert!(bed.find(&client).is_some());
    }
}
