//! A store of two copies that can be parted: what was answered with success survives a failover to the other copy.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_util::FutureExt;
use proptest::prelude::*;

use super::bed::*;
use crate::oauth::authorize::AuthorizationRequest;
use crate::oauth::bearer::authenticate;
use crate::oauth::code::{RedeemError, redeem};
use crate::oauth::grant::{Approval, Issued, begin};
use crate::oauth::keyring::KeyRing;
use crate::oauth::pkce::CodeChallenge;
use crate::oauth::refresh::{Refresh, RefreshError, refresh};
use crate::oauth::revoke::{Ended, Revoked, revoke, revoke_all};
use crate::oauth::token::Token;
use crate::oauth::vault::Vault;
use crate::ports::{Clock as _, MemoryStore, OauthStore, SeededRandom, StoreError};

/// The first copy is asked, and the second follows in the order of the writes. As `wit/oauth-store.wit` says, a call that
/// can write is answered when the second has what it did or found.
struct Copies {
    first: MemoryStore<Hand>,
    second: MemoryStore<Hand>,
    /// What the second has not been told.
    under_way: RefCell<Vec<Write>>,
    are_parted: Cell<bool>,
    has_failed_over: Cell<bool>,
}

enum Write {
    Put(String, Vec<u8>, u32),
    Create(String, Vec<u8>, u32),
    Replace(String, Vec<u8>, Vec<u8>, Option<u32>),
    Delete(String),
}

impl Write {
    fn apply(&self, copy: &MemoryStore<Hand>) -> Result<bool, StoreError> {
        let done = async {
            match self {
                Write::Put(key, value, ttl) => copy.put(key, value, *ttl).await.map(|()| true),
                Write::Create(key, value, ttl) => copy.create(key, value, *ttl).await,
                Write::Replace(key, expected, new, ttl) => copy.replace(key, expected, new, *ttl).await,
                Write::Delete(key) => copy.delete(key).await.map(|()| true),
            }
        };
        done.now_or_never().expect("memory answers at once")
    }
}

impl Copies {
    fn new(clock: &Hand) -> Copies {
        Copies {
            first: MemoryStore::new(clock.clone()),
            second: MemoryStore::new(clock.clone()),
            under_way: RefCell::default(),
            are_parted: Cell::new(false),
            has_failed_over: Cell::new(false),
        }
    }

    fn part(&self, are_parted: bool) {
        self.are_parted.set(are_parted);
        if !are_parted {
            for write in self.under_way.take() {
                write.apply(&self.second).unwrap();
            }
        }
    }

    /// The second copy is asked from now on, and what it was not told is lost.
    fn fail_over(&self) {
        self.has_failed_over.set(true);
    }

    fn asked(&self) -> &MemoryStore<Hand> {
        if self.has_failed_over.get() { &self.second } else { &self.first }
    }

    fn write(&self, write: Write) -> Result<bool, StoreError> {
        let done = write.apply(self.asked())?;
        if self.has_failed_over.get() {
            return Ok(done);
        }
        self.under_way.borrow_mut().push(write);
        if self.are_parted.get() {
            return Err(StoreError::UnknownOutcome);
        }
        self.part(false);
        Ok(done)
    }
}

impl OauthStore for Copies {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.asked().get(key).await
    }

    async fn put(&self, key: &str, value: &[u8], ttl: u32) -> Result<(), StoreError> {
        self.write(Write::Put(key.to_owned(), value.to_owned(), ttl)).map(drop)
    }

    async fn create(&self, key: &str, value: &[u8], ttl: u32) -> Result<bool, StoreError> {
        self.write(Write::Create(key.to_owned(), value.to_owned(), ttl))
    }

    async fn take(&self, _: &str) -> Result<Option<Vec<u8>>, StoreError> {
        unreachable!("no flow takes a record")
    }

    async fn replace(&self, key: &str, old: &[u8], new: &[u8], ttl: Option<u32>) -> Result<bool, StoreError> {
        self.write(Write::Replace(key.to_owned(), old.to_owned(), new.to_owned(), ttl))
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.write(Write::Delete(key.to_owned())).map(drop)
    }

    async fn keys(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, StoreError> {
        self.asked().keys(prefix, after, limit).await
    }
}

struct Server {
    store: Copies,
    clock: Hand,
    random: SeededRandom,
    ring: KeyRing,
}

impl Server {
    fn new() -> Server {
        let clock = Hand(Rc::new(Cell::new(1_000 * HOUR)));
        let ring = KeyRing::parse(&format!("{:064x}", 7)).unwrap();
        Server { store: Copies::new(&clock), clock, random: SeededRandom::new(1), ring }
    }

    fn vault(&self) -> Vault<'_, Copies, SeededRandom> {
        Vault::new(&self.store, &self.random, &self.ring)
    }

    fn code(&self) -> String {
        let request = AuthorizationRequest {
            client_id: "c1".into(),
            redirect_uri: REDIRECT_URI.into(),
            is_loopback: true,
            challenge: CodeChallenge::parse(CHALLENGE).unwrap(),
            state: None,
        };
        let (url, client) = (resource().url(), Bed::client());
        let approval = Approval { request: &request, client: &client, email: EMAIL, resource: &url };
        alone(begin(&self.vault(), self.clock.now(), approval)).unwrap().0.expose()
    }

    fn redeem(&self, code: &str) -> Result<Issued, RedeemError> {
        alone(redeem(&self.vault(), self.clock.now(), &resource(), &exchange(code), |_| true))
    }

    fn refresh(&self, token: &Token) -> Result<Issued, RefreshError> {
        let token = token.expose();
        let request = Refresh { client_id: "c1", token: &token, resource: None };
        alone(refresh(&self.vault(), self.clock.now(), &resource(), &request, |_| true))
    }

    fn revoke(&self, token: &Token) -> Result<Revoked, StoreError> {
        alone(revoke(&self.vault(), "c1", &token.expose()))
    }

    fn admits(&self, access: &Token) -> bool {
        alone(authenticate(&self.vault(), self.clock.now(), &resource(), &access.expose(), |_| true)).is_ok()
    }

    fn signed_in(&self) -> Issued {
        self.redeem(&self.code()).unwrap()
    }
}

const UNKNOWN: StoreError = StoreError::UnknownOutcome;

#[test]
fn a_revocation_is_acknowledged_only_when_it_is_confirmed() {
    let server = Server::new();
    let issued = server.signed_in();
    server.store.part(true);
    for token in [&issued.access, refresh_token(&issued)] {
        assert_eq!(server.revoke(token), Err(UNKNOWN));
        assert_eq!(server.revoke(token), Err(UNKNOWN), "who asks again is not told of the first copy");
    }
    assert!(!server.admits(&issued.access), "it is refused meanwhile");
    server.store.part(false);
    assert_eq!(server.revoke(&issued.access), Ok(Revoked::Nothing));
    assert!(matches!(server.revoke(refresh_token(&issued)), Ok(Revoked::Grant(_))));
    server.store.fail_over();
    assert!(!server.admits(&issued.access));
    assert_eq!(server.refresh(refresh_token(&issued)), Err(RefreshError::Revoked));
}

#[test]
fn a_token_of_which_only_one_copy_knows_is_not_handed_out() {
    let server = Server::new();
    let (issued, code) = (server.signed_in(), server.code());
    server.store.part(true);
    assert_eq!(server.redeem(&code), Err(RedeemError::Store(UNKNOWN)));
    for _ in 0..3 {
        assert_eq!(server.refresh(refresh_token(&issued)), Err(RefreshError::Store(UNKNOWN)));
    }
    assert!(server.admits(&issued.access), "what was handed out before is good");
    server.store.part(false);
    let next = server.refresh(refresh_token(&issued)).unwrap();
    server.store.fail_over();
    assert!(server.admits(&next.access) && server.refresh(refresh_token(&next)).is_ok());
}

#[test]
fn a_repeat_is_answered_when_what_it_repeats_is_confirmed() {
    let server = Server::new();
    let issued = server.signed_in();
    let next = server.refresh(refresh_token(&issued)).unwrap();
    server.store.part(true);
    assert_eq!(server.refresh(refresh_token(&issued)), Err(RefreshError::Store(UNKNOWN)));
    server.store.part(false);
    assert_eq!(server.refresh(refresh_token(&issued)), Ok(next));
}

#[test]
fn the_operator_is_told_what_is_not_confirmed() {
    let server = Server::new();
    let (one, other) = (server.signed_in(), server.signed_in());
    server.store.part(true);
    let ended = |confirmed, unconfirmed, in_doubt| Ok(Ended { confirmed, unconfirmed, in_doubt });
    assert_eq!(alone(revoke_all(&server.store)), ended(0, 2, true));
    assert!(!server.admits(&one.access) && !server.admits(&other.access));
    assert_eq!(alone(revoke_all(&server.store)), ended(0, 0, true), "none is listed, and none is confirmed");
    server.store.part(false);
    assert_eq!(alone(revoke_all(&server.store)), ended(0, 0, false));
    server.store.fail_over();
    assert!(!server.admits(&one.access) && !server.admits(&other.access));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_answered_with_success_survives_a_failover(actions in prop::collection::vec(0u8..7, 0..16)) {
        let server = Server::new();
        let mut latest = server.signed_in();
        let (mut ended, mut may_have_ended) = (false, false);
        let (mut dead, mut may_be_dead) = (Vec::new(), Vec::new());
        for action in actions {
            match action {
                0 | 1 => server.store.part(action == 0),
                2 => {
                    may_be_dead.push(latest.access.clone());
                    if server.revoke(&latest.access).is_ok() {
                        dead.push(latest.access.clone());
                    }
                }
                3 => {
                    may_have_ended = true;
                    ended |= server.revoke(refresh_token(&latest)).is_ok();
                }
                4 => {
                    may_have_ended = true;
                    ended |= alone(revoke_all(&server.store)).is_ok_and(|ended| ended.unconfirmed == 0 && !ended.in_doubt);
                }
                _ => match server.refresh(refresh_token(&latest)) {
                    Ok(next) => latest = next,
                    Err(RefreshError::Store(error)) => prop_assert_eq!(error, UNKNOWN),
                    Err(error) => prop_assert!(may_have_ended, "{:?}", error),
                },
            }
        }
        server.store.fail_over();
        for access in &dead {
            prop_assert!(!server.admits(access), "a token that was revoked is dead");
        }
        if ended {
            prop_assert!(!server.admits(&latest.access), "a grant that was revoked is dead");
            prop_assert!(server.refresh(refresh_token(&latest)).is_err());
        }
        if !may_have_ended {
            prop_assert!(server.admits(&latest.access) || may_be_dead.contains(&latest.access));
            prop_assert!(server.refresh(refresh_token(&latest)).is_ok(), "nobody is logged out");
        }
    }
}
