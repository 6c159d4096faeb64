//! What is asked of the provider, how often, and what its failures become.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures_util::FutureExt;
use serde_json::json;

use super::simulated_provider::{Fault, SimulatedProvider, TEAM};
use super::*;
use crate::config::{ClientDocuments, EndpointOverrides};
use crate::oauth::keyring::KeyRing;
use crate::ports::{Clock, FixedClock, MemoryPorts};

struct World {
    ports: MemoryPorts<SimulatedProvider>,
    ring: KeyRing,
    server: AuthorizationServer,
    mode: AssertionMode,
    admission: Admission,
}

fn world() -> World {
    let mut ports = MemoryPorts::with_http(SimulatedProvider::new(TEAM, FixedClock::default()));
    ports.http = SimulatedProvider::new(TEAM, ports.clock.clone());
    let issuer = ports.http.issuer();
    World {
        ports,
        ring: KeyRing::parse(&format!("{:064x}", 7)).unwrap(),
        server: AuthorizationServer {
            public_url: "https://mcp.example.com".into(),
            client_id: "client-1".into(),
            issuer,
            endpoints: EndpointOverrides::default(),
            registration: true,
            documents: ClientDocuments::default(),
            private_schemes: Vec::new(),
        },
        mode: AssertionMode { team_domain: TEAM.into(), audience: "tag-1".into() },
        admission: Admission { allowed_domains: vec!["example.com".into()], denied_emails: Vec::new() },
    }
}

impl World {
    fn assert(&self, text: &str) -> Result<String, FederationError> {
        let vault = Vault::new(&self.ports.store, &self.ports.random, &self.ring);
        let federation = Federation { ports: &self.ports, vault: &vault, now: self.ports.clock.now() };
        let outcome = federation.authenticate_assertion(&self.mode, text, &self.admission);
        outcome.now_or_never().unwrap().map(|identity| identity.email().to_owned())
    }

    fn provider(&self) -> Result<Provider, FederationError> {
        let vault = Vault::new(&self.ports.store, &self.ports.random, &self.ring);
        let federation = Federation { ports: &self.ports, vault: &vault, now: self.ports.clock.now() };
        federation.provider(&self.server).now_or_never().unwrap()
    }
}

#[test]
fn discovery_is_asked_once_an_hour() {
    let world = world();
    assert_eq!(world.provider().unwrap().token_endpoint, format!("{}/token", world.server.issuer));
    world.provider().unwrap();
    assert_eq!(world.ports.http.count("openid-configuration"), 1);
    world.ports.clock.advance(3600);
    world.provider().unwrap();
    assert_eq!(world.ports.http.count("openid-configuration"), 2);
}

#[test]
fn a_configuration_that_is_not_the_issuers_is_refused_and_not_kept() {
    let other = json!({
        "issuer": "https://other.example", "authorization_endpoint": "https://a.example/a",
        "token_endpoint": "https://a.example/t", "jwks_uri": "https://a.example/k",
    });
    let with_endpoint = |endpoint: &str| {
        let configuration = json!({
            "issuer": world().server.issuer, "authorization_endpoint": endpoint,
            "token_endpoint": "https://a.example/t", "jwks_uri": "https://a.example/k",
        });
        Fault::Answer(200, configuration.to_string())
    };
    for (answer, error) in [
        (Fault::Answer(200, other.to_string()), FederationError::OtherIssuer),
        (with_endpoint("http://a.example/a"), FederationError::ProviderFailed),
        (with_endpoint("http://127.0.0.1/a"), FederationError::ProviderFailed),
        (Fault::Answer(200, "<html>".to_owned()), FederationError::NotJson),
        (Fault::Answer(200, "{}".to_owned()), FederationError::ProviderFailed),
        (Fault::Answer(429, "{}".to_owned()), FederationError::Answered(429)),
        (Fault::Answer(500, "{}".to_owned()), FederationError::Answered(500)),
        (Fault::Flood, FederationError::Unread(HttpError::ResponseTooLarge)),
        (Fault::Silence, FederationError::Unavailable(HttpError::TimedOut)),
    ] {
        let world = world();
        world.ports.http.fail("openid-configuration", answer.clone());
        assert_eq!(world.provider(), Err(error), "{answer:?}");
        world.ports.http.mend();
        assert!(world.provider().is_ok(), "an error was kept");
    }
}

#[test]
fn an_assertion_is_verified_once_and_then_remembered_for_five_minutes() {
    let world = world();
    let assertion = world.ports.http.assertion("Ada@example.com", "tag-1");
    assert_eq!(world.assert(&assertion), Ok("ada@example.com".into()));
    world.ports.http.fail("certs", Fault::Closed);
    world.ports.clock.advance(299);
    assert_eq!(world.assert(&assertion), Ok("ada@example.com".into()));
    world.ports.clock.advance(1);
    assert_eq!(world.assert(&assertion), Err(FederationError::Unavailable(HttpError::Interrupted)), "B34 K19");
}

#[test]
fn a_cache_that_cannot_be_written_fails_no_request() {
    let world = world();
    world.ports.store.fill(true);
    let assertion = world.ports.http.assertion("ada@example.com", "tag-1");
    for asked in 1..4 {
        assert_eq!(world.assert(&assertion), Ok("ada@example.com".into()));
        assert!(world.provider().is_ok());
        assert_eq!((world.ports.http.count("certs"), world.ports.http.count("openid-configuration")), (asked, asked));
    }
    assert!(world.ports.store.dump().is_empty());
    world.ports.store.fill(false);
    assert!(world.assert(&assertion).is_ok() && world.provider().is_ok());
    world.ports.clock.advance(31);
    world.ports.store.fill(true);
    world.ports.http.name_key("made-up");
    let unknown = world.ports.http.assertion("ada@example.com", "tag-1");
    world.ports.http.fail("certs", Fault::Closed);
    let refused = world.assert(&unknown);
    assert!(matches!(refused, Err(FederationError::Rejected(Rejection::UnknownKey { .. }))), "J29 {refused:?}");
}

#[test]
fn what_cannot_be_read_is_an_outage_all_the_same() {
    let world = world();
    world.ports.store.refuse(true);
    let assertion = world.ports.http.assertion("ada@example.com", "tag-1");
    assert_eq!(world.assert(&assertion), Err(FederationError::Store(StoreError::Unavailable)), "I26");
}

/// The provider by way of a host that lets requests which are under way share one answer, and makes everybody wait.
struct Sharing {
    provider: SimulatedProvider,
    under_way: RefCell<BTreeMap<String, SharedAnswer>>,
}

/// An answer that several requests wait for.
type SharedAnswer = Rc<OnceCell<Result<HttpResponse, HttpError>>>;

impl OutboundHttp for Sharing {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let Some(key) = request.coalesce.clone() else { return self.provider.send(request).await };
        let joined = self.under_way.borrow().get(&key).cloned();
        if let Some(answer) = joined {
            return std::future::poll_fn(|_| answer.get().cloned().map_or(Poll::Pending, Poll::Ready)).await;
        }
        let answer = Rc::new(OnceCell::new());
        self.under_way.borrow_mut().insert(key.clone(), answer.clone());
        let mut polls = 0;
        std::future::poll_fn(|_| {
            polls += 1;
            if polls > WAITING { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        self.under_way.borrow_mut().remove(&key);
        let outcome = self.provider.send(request).await;
        answer.get_or_init(|| outcome).clone()
    }
}

/// So often the first request is polled in vain, while others come.
const WAITING: usize = 3;

#[test]
fn a_cold_key_set_is_fetched_once_for_all_that_wait_for_it() {
    let World { ring, server, mode, admission, .. } = world();
    let provider = SimulatedProvider::new(TEAM, FixedClock::default());
    let ports = MemoryPorts::with_http(Sharing { provider, under_way: RefCell::default() });
    let assertion = ports.http.provider.assertion("ada@example.com", "tag-1");
    let vault = Vault::new(&ports.store, &ports.random, &ring);
    let federation = Federation { ports: &ports, vault: &vault, now: ports.clock.now() };
    let ask = |_| async {
        let provider = federation.provider(&server).await;
        let identity = federation.authenticate_assertion(&mode, &assertion, &admission).await;
        provider.is_ok() && identity.is_ok_and(|identity| identity.email() == "ada@example.com")
    };
    let mut all = Box::pin(futures_util::future::join_all((0..20).map(ask)));
    let mut context = Context::from_waker(Waker::noop());
    let mut rounds = 0..100;
    let answers = rounds.find_map(|_| match all.as_mut().poll(&mut context) {
        Poll::Ready(answers) => Some(answers),
        Poll::Pending => None,
    });
    assert!(answers.expect("nobody waits for ever").into_iter().all(|is_answered| is_answered));
    let count = |part: &str| ports.http.provider.count(part);
    assert_eq!((count("certs"), count("openid-configuration")), (1, 1));
}

#[test]
fn who_is_denied_later_is_not_recalled() {
    let mut world = world();
    let assertion = world.ports.http.assertion("ada@example.com", "tag-1");
    assert!(world.assert(&assertion).is_ok());
    world.admission.denied_emails.push("ada@example.com".into());
    assert_eq!(world.assert(&assertion), Err(FederationError::Rejected(Rejection::Denied)));
}

#[test]
fn an_assertion_for_another_application_is_rejected_whatever_is_remembered() {
    let mut world = world();
    let assertion = world.ports.http.assertion("ada@example.com", "tag-1");
    assert!(world.assert(&assertion).is_ok());
    world.mode.audience = "tag-2".into();
    assert!(matches!(world.assert(&assertion), Err(FederationError::Rejected(Rejection::Audience { .. }))), "L18");
}

#[test]
fn malformed_assertions_cause_no_request() {
    let world = world();
    for text in ["", "a.b.c", "....", &"x".repeat(1 << 20), "eyJhbGciOiJub25lIn0.e30."] {
        assert!(matches!(world.assert(text), Err(FederationError::Rejected(_))), "I29 J06 J17 J35");
    }
    assert!(world.ports.http.asked().is_empty());
}

#[test]
fn a_thousand_unknown_keys_cause_one_more_fetch_in_thirty_seconds() {
    let world = world();
    assert!(world.assert(&world.ports.http.assertion("ada@example.com", "tag-1")).is_ok());
    world.ports.clock.advance(31);
    for number in 0..20 {
        world.ports.http.name_key(&format!("made-up-{number}"));
        let assertion = world.ports.http.assertion("ada@example.com", "tag-1");
        world.ports.http.name_key("key-1");
        assert!(matches!(world.assert(&assertion), Err(FederationError::Rejected(_))), "J29 J30");
    }
    assert_eq!(world.ports.http.count("certs"), 2);
}

#[test]
fn a_provider_that_is_away_is_not_asked_for_every_unknown_key() {
    let world = world();
    assert!(world.assert(&world.ports.http.assertion("ada@example.com", "tag-1")).is_ok());
    world.ports.clock.advance(31);
    world.ports.http.fail("certs", Fault::Closed);
    for number in 0..20 {
        world.ports.http.name_key(&format!("made-up-{number}"));
        let assertion = world.ports.http.assertion("ada@example.com", "tag-1");
        assert!(matches!(world.assert(&assertion), Err(FederationError::Rejected(_))));
    }
    assert_eq!(world.ports.http.count("certs"), 2);
}

#[test]
fn a_new_key_is_accepted_after_one_fetch() {
    let world = world();
    assert!(world.assert(&world.ports.http.assertion("ada@example.com", "tag-1")).is_ok());
    world.ports.clock.advance(31);
    world.ports.http.name_key("key-2");
    assert!(world.assert(&world.ports.http.assertion("ada@example.com", "tag-1")).is_ok(), "K20");
    assert_eq!(world.ports.http.count("certs"), 2);
}

#[test]
fn key_sets_that_are_none_are_the_providers_fault() {
    for (answer, status) in [
        (Fault::Answer(200, "{}".to_owned()), 502),
        (Fault::Answer(200, "<html>".to_owned()), 502),
        (Fault::Answer(200, r#"{"keys":[]}"#.to_owned()), 502),
        (Fault::Answer(500, String::new()), 502),
        (Fault::Silence, 503),
        (Fault::Flood, 502),
    ] {
        let world = world();
        world.ports.http.fail("certs", answer.clone());
        let error = world.assert(&world.ports.http.assertion("ada@example.com", "tag-1")).unwrap_err();
        assert_eq!(error.status(), status, "K01 K02 {answer:?}");
    }
}

#[test]
fn nothing_of_a_remembered_assertion_is_in_the_clear() {
    let world = world();
    let assertion = world.ports.http.assertion("ada@example.com", "tag-1");
    world.assert(&assertion).unwrap();
    for (key, value) in world.ports.store.dump() {
        let shown = format!("{key} {}", String::from_utf8_lossy(&value));
        assert!(!shown.contains("ada@") && !shown.contains("eyJ"), "{shown}");
    }
}
