//! What the flows stand on in tests: a clock set by hand, a store that gives way, and who goes when.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::oauth::authorize::AuthorizationRequest;
use crate::oauth::bearer::{BearerError, Principal, authenticate};
use crate::oauth::client::{AuthMethod, Client, ClientMetadata};
use crate::oauth::code::{Exchange, RedeemError, redeem};
use crate::oauth::grant::{Approval, Issued, begin};
use crate::oauth::keyring::KeyRing;
use crate::oauth::pkce::CodeChallenge;
use crate::oauth::refresh::{Refresh, RefreshError, refresh};
use crate::oauth::resource::Resource;
use crate::oauth::revoke::{Revoked, revoke};
use crate::oauth::token::Token;
use crate::oauth::vault::Vault;
use crate::ports::{Clock, MemoryStore, OauthStore, SeededRandom, StoreError, Timestamp};

// RFC 7636, Appendix B.
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(super) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(super) const REDIRECT_URI: &str = "http://127.0.0.1:5000/cb";
pub(super) const EMAIL: &str = "Ann.Secret@example.com";
pub(super) const SECOND: u64 = 1000;
pub(super) const HOUR: u64 = 3600 * SECOND;

#[derive(Clone)]
pub(super) struct Hand(pub(super) Rc<Cell<u64>>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.get())
    }
}

/// Everything around the flows. The store gives way before each operation, so that a schedule decides who goes first.
pub(super) struct Bed {
    pub(super) clock: Hand,
    pub(super) store: GivingWay,
    pub(super) random: SeededRandom,
    pub(super) ring: RefCell<KeyRing>,
    pub(super) admitted: Cell<bool>,
}

pub(super) struct GivingWay {
    pub(super) records: MemoryStore<Hand>,
    pub(super) operations: Cell<u32>,
    /// The operation, counted from now, that takes effect and is reported as unknown.
    pub(super) unknown: Cell<Option<u32>>,
}

#[derive(Default)]
struct Turn(bool);

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl GivingWay {
    async fn turn(&self) {
        self.operations.set(self.operations.get() + 1);
        Turn::default().await;
    }

    fn report<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        match self.unknown.get() {
            Some(0) => {
                self.unknown.set(None);
                Err(StoreError::UnknownOutcome)
            }
            left => {
                self.unknown.set(left.map(|left| left - 1));
                outcome
            }
        }
    }
}

impl OauthStore for GivingWay {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.turn().await;
        self.records.get(key).await
    }

    async fn put(&self, key: &str, value: &[u8], ttl: u32) -> Result<(), StoreError> {
        self.turn().await;
        self.report(self.records.put(key, value, ttl).await)
    }

    async fn create(&self, key: &str, value: &[u8], ttl: u32) -> Result<bool, StoreError> {
        self.turn().await;
        self.report(self.records.create(key, value, ttl).await)
    }

    async fn take(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.turn().await;
        self.records.take(key).await
    }

    async fn replace(&self, key: &str, old: &[u8], new: &[u8], ttl: Option<u32>) -> Result<bool, StoreError> {
        self.turn().await;
        self.report(self.records.replace(key, old, new, ttl).await)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.turn().await;
        self.report(self.records.delete(key).await)
    }

    async fn keys(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, StoreError> {
        self.turn().await;
        self.records.keys(prefix, after, limit).await
    }
}

/// Polls the futures in the order of `schedule`, then in turn, until all are done.
pub(super) fn interleave<'a, T>(futures: Vec<Pin<Box<dyn Future<Output = T> + 'a>>>, schedule: &[usize]) -> Vec<T> {
    let mut running: Vec<_> = futures.into_iter().map(Some).collect();
    let mut done: Vec<Option<T>> = running.iter().map(|_| None).collect();
    let mut context = Context::from_waker(Waker::noop());
    let count = running.len();
    let order = schedule.iter().map(|index| index % count).chain((0..count).cycle());
    for index in order {
        if let Some(future) = &mut running[index]
            && let Poll::Ready(output) = future.as_mut().poll(&mut context)
        {
            (done[index], running[index]) = (Some(output), None);
        }
        if running.iter().all(Option::is_none) {
            break;
        }
    }
    done.into_iter().map(|output| output.expect("all are done")).collect()
}

pub(super) fn alone<'a, T>(future: impl Future<Output = T> + 'a) -> T {
    interleave(vec![Box::pin(future)], &[]).pop().unwrap()
}

pub(super) fn exchange(code: &str) -> Exchange<'_> {
    Exchange { client_id: "c1", code, redirect_uri: None, verifier: Some(VERIFIER), resource: None }
}

pub(super) fn resource() -> Resource {
    Resource::of("https://mcp.example.com")
}

impl Bed {
    pub(super) fn new() -> Bed {
        let clock = Hand(Rc::new(Cell::new(1_000 * HOUR)));
        let records = MemoryStore::new(clock.clone());
        let store = GivingWay { records, operations: Cell::new(0), unknown: Cell::new(None) };
        let ring = RefCell::new(KeyRing::parse(&format!("{:064x}", 7)).unwrap());
        Bed { clock, store, random: SeededRandom::new(1), ring, admitted: Cell::new(true) }
    }

    pub(super) fn pass(&self, milliseconds: u64) {
        self.clock.0.set(self.clock.0.get() + milliseconds);
    }

    pub(super) fn client() -> Client {
        let metadata = ClientMetadata {
            name: Some("A client".into()),
            redirect_uris: vec![REDIRECT_URI.into()],
            auth_method: AuthMethod::None,
            may_refresh: true,
        };
        Client { id: "c1".into(), metadata, secret_hash: None }
    }

    pub(super) fn code(&self) -> String {
        let request = AuthorizationRequest {
            client_id: "c1".into(),
            redirect_uri: REDIRECT_URI.into(),
            is_loopback: true,
            challenge: CodeChallenge::parse(CHALLENGE).unwrap(),
            state: Some("client-state".into()),
        };
        let (url, client) = (resource().url(), Bed::client());
        let approval = Approval { request: &request, client: &client, email: EMAIL, resource: &url };
        let ring = self.ring.borrow().clone();
        let vault = Vault::new(&self.store, &self.random, &ring);
        alone(begin(&vault, self.clock.now(), approval)).unwrap().0.expose()
    }

    pub(super) async fn redeem(&self, exchange: Exchange<'_>) -> Result<Issued, RedeemError> {
        let ring = self.ring.borrow().clone();
        let vault = Vault::new(&self.store, &self.random, &ring);
        redeem(&vault, self.clock.now(), &resource(), &exchange, |_| self.admitted.get()).await
    }

    pub(super) async fn refresh(&self, token: &Token) -> Result<Issued, RefreshError> {
        self.refresh_as(&token.expose(), "c1", None).await
    }

    pub(super) async fn refresh_as(
        &self,
        token: &str,
        client_id: &str,
        target: Option<&str>,
    ) -> Result<Issued, RefreshError> {
        let ring = self.ring.borrow().clone();
        let vault = Vault::new(&self.store, &self.random, &ring);
        let request = Refresh { client_id, token, resource: target };
        refresh(&vault, self.clock.now(), &resource(), &request, |email| email == EMAIL && self.admitted.get()).await
    }

    pub(super) fn bearer(&self, token: &str) -> Result<Principal, BearerError> {
        let ring = self.ring.borrow().clone();
        let vault = Vault::new(&self.store, &self.random, &ring);
        alone(authenticate(&vault, self.clock.now(), &resource(), token, |_| self.admitted.get()))
    }

    pub(super) fn revoke(&self, token: &str, client_id: &str) -> Revoked {
        let ring = self.ring.borrow().clone();
        alone(revoke(&Vault::new(&self.store, &self.random, &ring), client_id, token)).unwrap()
    }

    /// The id of the one grant there is.
    pub(super) fn grant_id(&self) -> String {
        let keys = self.store.records.dump().into_iter().map(|(key, _)| key);
        let mut ids = keys.filter_map(|key| Some(key.strip_prefix("grant/")?.split_once('/')?.1.to_owned()));
        let id = ids.next().expect("there is a grant");
        assert_eq!(ids.next(), None, "there is one grant only");
        id
    }

    pub(super) fn signed_in(&self) -> Issued {
        let code = self.code();
        alone(self.redeem(exchange(&code))).unwrap()
    }

    pub(super) fn is_admitted(&self, issued: &Issued) -> bool {
        self.bearer(&issued.access.expose()).is_ok()
    }
}

pub(super) fn refresh_token(issued: &Issued) -> &Token {
    issued.refresh.as_ref().expect("the client takes refresh tokens")
}
