//! The life of an authorization over a store: sequences, and interleavings of requests that race.

mod bed;
mod clients;
mod copies;
mod rotation;
mod sealed_form;
mod transaction;

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bed::*;
use futures_util::FutureExt;
use proptest::prelude::*;

use super::authorize::AuthorizationRequest;
use super::bearer::{BearerError, authenticate};
use super::code::{Exchange, RedeemError};
use super::grant::{Approval, Issued, abandon, begin};
use super::keyring::KeyRing;
use super::pkce::CodeChallenge;
use super::refresh::RefreshError;
use super::revoke::{Ended, Revoked, revoke_all, revoke_user};
use super::token::Token;
use super::vault::Vault;
use crate::ports::{Clock as _, OauthStore, StoreError};

#[test]
fn a_code_redeems_once_and_its_tokens_admit_the_user() {
    let bed = Bed::new();
    let code = bed.code();
    let sent = Exchange { redirect_uri: Some(REDIRECT_URI), ..exchange(&code) };
    let issued = alone(bed.redeem(sent)).unwrap();
    assert_eq!(issued.expires_in, 3600);
    let principal = bed.bearer(&issued.access.expose()).unwrap();
    assert_eq!(principal.user(), &bed.ring.borrow().user_id("ann.secret@EXAMPLE.com"));
    assert_eq!(alone(bed.redeem(exchange(&code))), Err(RedeemError::Repeated));
    assert!(bed.is_admitted(&issued), "a retry within ten seconds is refused only");
    bed.pass(11 * SECOND);
    assert_eq!(
        alone(bed.redeem(Exchange { verifier: Some(CHALLENGE), ..exchange(&code) })),
        Err(RedeemError::WrongVerifier)
    );
    assert!(bed.is_admitted(&issued), "D26: who has no verifier revokes nothing");
    bed.pass(2 * 60 * SECOND);
    let grant = bed.grant_id();
    let replayed = Err(RedeemError::Replayed { grant });
    assert_eq!(alone(bed.redeem(exchange(&code))), replayed, "the tombstone outlives the code");
    assert_eq!(bed.bearer(&issued.access.expose()), Err(BearerError::Revoked), "D29");
    assert_eq!(alone(bed.refresh(refresh_token(&issued))), Err(RefreshError::Revoked));
}

#[test]
fn wrong_parameters_neither_burn_nor_revoke_until_the_fifth_time() {
    fn wrong(code: &str) -> [(&'static str, Exchange<'_>, RedeemError); 5] {
        let other_port = "http://127.0.0.1:5001/cb";
        [
            ("D27", Exchange { client_id: "c2", ..exchange(code) }, RedeemError::WrongClient),
            ("D35", Exchange { redirect_uri: Some(other_port), ..exchange(code) }, RedeemError::WrongRedirectUri),
            ("D36", Exchange { verifier: None, ..exchange(code) }, RedeemError::WrongVerifier),
            ("D38", Exchange { verifier: Some(CHALLENGE), ..exchange(code) }, RedeemError::WrongVerifier),
            ("D39", Exchange { verifier: Some("short"), ..exchange(code) }, RedeemError::WrongVerifier),
        ]
    }
    for tries in [4, 5] {
        let bed = Bed::new();
        let code = bed.code();
        for (row, sent, error) in wrong(&code).into_iter().take(tries) {
            assert_eq!(alone(bed.redeem(sent)), Err(error), "{row}");
        }
        let last = alone(bed.redeem(exchange(&code)));
        assert_eq!(last.err(), (tries == 5).then_some(RedeemError::Dead), "{tries}");
    }
    let bed = Bed::new();
    let code = bed.code();
    for _ in 0..9 {
        let sent = Exchange { resource: Some("https://other.example/"), ..exchange(&code) };
        assert_eq!(alone(bed.redeem(sent)), Err(RedeemError::WrongResource), "D42");
    }
    bed.admitted.set(false);
    assert_eq!(alone(bed.redeem(exchange(&code))), Err(RedeemError::NotAdmitted), "D48");
    bed.admitted.set(true);
    bed.pass(59 * SECOND);
    assert!(alone(bed.redeem(exchange(&code))).is_ok());
}

#[test]
fn a_code_expires_and_nothing_else_passes_for_one() {
    let bed = Bed::new();
    let code = bed.code();
    bed.pass(60 * SECOND);
    assert_eq!(alone(bed.redeem(exchange(&code))), Err(RedeemError::Expired));
    let issued = bed.signed_in();
    let (access, refresh) = (issued.access.expose(), refresh_token(&issued).expose());
    for other in [access.as_str(), &refresh, "", "pmcp_c_", &"x".repeat(100_000)] {
        assert_eq!(alone(bed.redeem(exchange(other))), Err(RedeemError::Unknown), "D32");
    }
    for other in [refresh.as_str(), &bed.code(), "eyJ.e.s", ""] {
        assert_eq!(bed.bearer(other), Err(BearerError::NotOurs), "I17 I18 I20");
    }
    for other in [access.as_str(), "", "x"] {
        assert_eq!(alone(bed.refresh_as(other, "c1", None)), Err(RefreshError::Unknown), "F02 F19");
    }
}

#[test]
fn a_lost_answer_can_be_asked_for_again_for_thirty_seconds() {
    let bed = Bed::new();
    let first = bed.signed_in();
    bed.pass(10 * SECOND);
    let second = alone(bed.refresh(refresh_token(&first))).unwrap();
    bed.pass(30 * SECOND);
    let again = alone(bed.refresh(refresh_token(&first))).unwrap();
    assert_eq!((&again.access, &again.refresh), (&second.access, &second.refresh), "F11");
    assert_eq!(again.expires_in, 3570);
    bed.pass(1);
    let grant = bed.grant_id();
    assert_eq!(alone(bed.refresh(refresh_token(&first))), Err(RefreshError::Reused { grant }), "F07");
    assert!(!bed.is_admitted(&second) && !bed.is_admitted(&first));
    assert_eq!(alone(bed.refresh(refresh_token(&second))), Err(RefreshError::Revoked));
}

#[test]
fn a_used_successor_ends_the_window() {
    let bed = Bed::new();
    let first = bed.signed_in();
    let second = alone(bed.refresh(refresh_token(&first))).unwrap();
    let third = alone(bed.refresh(refresh_token(&second))).unwrap();
    assert!(bed.is_admitted(&first) && bed.is_admitted(&second) && bed.is_admitted(&third));
    let grant = bed.grant_id();
    assert_eq!(alone(bed.refresh(refresh_token(&first))), Err(RefreshError::Reused { grant }), "F08");
    assert!(!bed.is_admitted(&third));
}

#[test]
fn a_refused_refresh_changes_nothing() {
    let bed = Bed::new();
    let issued = bed.signed_in();
    let token = refresh_token(&issued).expose();
    assert_eq!(alone(bed.refresh_as(&token, "c2", None)), Err(RefreshError::WrongClient), "F04");
    let other = Some("https://mcp.example.com/mcp");
    assert_eq!(alone(bed.refresh_as(&token, "c1", other)), Err(RefreshError::WrongResource), "F14");
    bed.admitted.set(false);
    assert_eq!(alone(bed.refresh_as(&token, "c1", None)), Err(RefreshError::NotAdmitted), "F17");
    assert_eq!(bed.bearer(&issued.access.expose()), Err(BearerError::NotAdmitted));
    bed.admitted.set(true);
    bed.pass(HOUR);
    assert!(alone(bed.refresh_as(&token, "c1", None)).is_ok());
}

#[test]
fn nothing_outlives_a_day_from_the_sign_in() {
    let bed = Bed::new();
    let mut issued = bed.signed_in();
    for _ in 0..23 {
        bed.pass(HOUR);
        issued = alone(bed.refresh(refresh_token(&issued))).unwrap();
    }
    bed.pass(HOUR / 2);
    issued = alone(bed.refresh(refresh_token(&issued))).unwrap();
    assert_eq!(issued.expires_in, 1800);
    bed.pass(HOUR / 2);
    assert!(!bed.is_admitted(&issued));
    assert!(alone(bed.refresh(refresh_token(&issued))).is_err(), "F05");
    assert!(bed.store.records.dump().is_empty(), "every record has its time");
}

#[test]
fn a_clock_that_jumps_back_breaks_nothing() {
    let bed = Bed::new();
    let code = bed.code();
    bed.clock.0.set(bed.clock.0.get() - HOUR);
    let first = alone(bed.redeem(exchange(&code))).unwrap();
    let second = alone(bed.refresh(refresh_token(&first))).unwrap();
    bed.clock.0.set(bed.clock.0.get() - HOUR);
    assert_eq!(alone(bed.refresh(refresh_token(&first))).unwrap().access, second.access, "F20");
}

#[test]
fn a_bearer_costs_two_reads() {
    let bed = Bed::new();
    let issued = bed.signed_in();
    bed.store.operations.set(0);
    assert!(bed.is_admitted(&issued));
    assert_eq!(bed.store.operations.get(), 2);
    bed.pass(HOUR);
    assert!(!bed.is_admitted(&issued), "I14");
}

#[test]
fn a_client_revokes_its_own_tokens_only() {
    let bed = Bed::new();
    let issued = bed.signed_in();
    let (access, token) = (issued.access.expose(), refresh_token(&issued).expose());
    assert_eq!(bed.revoke("unknown", "c1"), Revoked::Nothing, "V02");
    assert_eq!(bed.revoke(&access, "c2"), Revoked::Nothing, "V03");
    assert_eq!(bed.revoke(&token, "c2"), Revoked::Nothing, "V03");
    assert!(bed.is_admitted(&issued));
    assert!(matches!(bed.revoke(&access, "c1"), Revoked::AccessToken(_)));
    assert!(!bed.is_admitted(&issued));
    let next = alone(bed.refresh(refresh_token(&issued))).unwrap();
    assert!(bed.is_admitted(&next), "V06: only that token");
    assert!(matches!(bed.revoke(&token, "c1"), Revoked::Grant(_)));
    assert!(!bed.is_admitted(&next));
}

#[test]
fn codes_are_not_revocable() {
    let bed = Bed::new();
    let code = bed.code();
    assert_eq!(bed.revoke(&code, "c1"), Revoked::Nothing, "V08");
    let issued = alone(bed.redeem(exchange(&code))).unwrap();
    assert_eq!(bed.revoke(&code, "c1"), Revoked::Nothing, "V08: nor is one that was redeemed");
    assert!(bed.is_admitted(&issued));
    assert!(alone(bed.refresh(refresh_token(&issued))).is_ok());
}

#[test]
fn a_code_carries_its_client_until_it_is_redeemed() {
    let bed = Bed::new();
    let code = bed.code();
    let client = |code: &str, id: &str| {
        let ring = bed.ring.borrow().clone();
        let vault = Vault::new(&bed.store, &bed.random, &ring);
        alone(super::code::client(&vault, bed.clock.now(), code, id)).unwrap()
    };
    assert_eq!(client(&code, "c1"), Some(Bed::client()));
    assert_eq!((client(&code, "c2"), client("", "c1"), client(&bed.code()[1..], "c1")), (None, None, None));
    let expired = bed.code();
    alone(bed.redeem(exchange(&code))).unwrap();
    assert_eq!(client(&code, "c1"), None, "a tombstone is small");
    bed.pass(60 * SECOND);
    assert_eq!(client(&expired, "c1"), None);
}

fn ended(confirmed: u32) -> Result<Ended, StoreError> {
    Ok(Ended { confirmed, ..Ended::default() })
}

#[test]
fn the_operator_ends_grants_by_user_and_all_at_once() {
    let bed = Bed::new();
    let issued = bed.signed_in();
    let ring = bed.ring.borrow().clone();
    assert_eq!(alone(revoke_user(&bed.store, &ring.user_ids("other@example.com"))), ended(0));
    assert!(bed.is_admitted(&issued));
    assert_eq!(alone(revoke_user(&bed.store, &ring.user_ids("ANN.secret@example.com"))), ended(1));
    assert!(!bed.is_admitted(&issued));
    let (one, other) = (bed.signed_in(), bed.signed_in());
    assert_eq!(alone(revoke_all(&bed.store)), ended(2));
    assert!(!bed.is_admitted(&one) && !bed.is_admitted(&other));
}

#[test]
fn keys_rotate_under_living_grants() {
    let (old, new) = (format!("{:064x}", 7), format!("{:064x}", 8));
    let bed = Bed::new();
    let (first, code) = (bed.signed_in(), bed.code());
    let second = alone(bed.refresh(refresh_token(&first))).unwrap();
    bed.ring.replace(KeyRing::parse(&format!("{new},{old}")).unwrap());
    assert_eq!(
        alone(bed.refresh(refresh_token(&first))).unwrap().refresh,
        second.refresh,
        "a repeat across a rotation"
    );
    assert!(bed.is_admitted(&second));
    assert!(alone(bed.redeem(exchange(&code))).is_ok());
    let third = alone(bed.refresh(refresh_token(&second))).unwrap();
    bed.ring.replace(KeyRing::parse(&old).unwrap());
    let late = bed.code();
    bed.ring.replace(KeyRing::parse(&format!("{new},{old}")).unwrap());
    let mistaken = Exchange { verifier: Some(CHALLENGE), ..exchange(&late) };
    assert_eq!(alone(bed.redeem(mistaken)), Err(RedeemError::WrongVerifier), "it is written under the new key");
    bed.ring.replace(KeyRing::parse(&new).unwrap());
    assert_eq!(alone(bed.redeem(exchange(&late))), Err(RedeemError::Revoked), "a code gives nothing that is of no use");
    assert_eq!(bed.bearer(&first.access.expose()), Err(BearerError::Unknown), "removing a key ends what depends on it");
    assert_eq!(bed.bearer(&third.access.expose()), Err(BearerError::Revoked), "its user id too, under which it stands");
    assert_eq!(alone(bed.refresh(refresh_token(&third))), Err(RefreshError::Revoked));
    let again = bed.signed_in();
    assert!(bed.is_admitted(&again));
    let ring = bed.ring.borrow().clone();
    assert_eq!(alone(revoke_user(&bed.store, &ring.user_ids("ann.secret@example.com"))), ended(1));
    assert!(!bed.is_admitted(&again), "whoever is admitted can be revoked");
}

#[test]
fn a_code_that_lost_its_transaction_is_given_up() {
    let bed = Bed::new();
    let request = AuthorizationRequest {
        client_id: "c1".into(),
        redirect_uri: REDIRECT_URI.into(),
        is_loopback: true,
        challenge: CodeChallenge::parse(CHALLENGE).unwrap(),
        state: None,
    };
    let ring = bed.ring.borrow().clone();
    let vault = Vault::new(&bed.store, &bed.random, &ring);
    let client = Bed::client();
    let approval = Approval { request: &request, client: &client, email: EMAIL, resource: "r" };
    let (code, pointer) = alone(begin(&vault, bed.clock.now(), approval)).unwrap();
    alone(abandon(&vault, &code, &pointer)).unwrap();
    assert!(bed.store.records.dump().is_empty());
}

#[test]
fn a_dump_of_the_store_names_nobody() {
    let bed = Bed::new();
    let code = bed.code();
    let issued = alone(bed.redeem(exchange(&code))).unwrap();
    let next = alone(bed.refresh(refresh_token(&issued))).unwrap();
    let secrets =
        [code, issued.access.expose(), refresh_token(&issued).expose(), next.access.expose(), EMAIL.to_owned()];
    for (key, value) in bed.store.records.dump() {
        let shown = format!("{key}{}", String::from_utf8_lossy(&value));
        for secret in secrets.iter().map(String::as_str).chain(["Ann", "example", VERIFIER, CHALLENGE, "127.0.0.1"]) {
            assert!(!shown.contains(secret), "{key}");
        }
    }
}

#[test]
fn a_store_that_is_down_is_no_verdict() {
    let bed = Bed::new();
    let issued = bed.signed_in();
    struct Down;
    impl OauthStore for Down {
        async fn get(&self, _: &str) -> Result<Option<Vec<u8>>, StoreError> {
            Err(StoreError::Unavailable)
        }
        async fn put(&self, _: &str, _: &[u8], _: u32) -> Result<(), StoreError> {
            Err(StoreError::Unavailable)
        }
        async fn create(&self, _: &str, _: &[u8], _: u32) -> Result<bool, StoreError> {
            Err(StoreError::Unavailable)
        }
        async fn take(&self, _: &str) -> Result<Option<Vec<u8>>, StoreError> {
            Err(StoreError::Unavailable)
        }
        async fn replace(&self, _: &str, _: &[u8], _: &[u8], _: Option<u32>) -> Result<bool, StoreError> {
            Err(StoreError::Unavailable)
        }
        async fn delete(&self, _: &str) -> Result<(), StoreError> {
            Err(StoreError::Unavailable)
        }
        async fn keys(&self, _: &str, _: Option<&str>, _: u32) -> Result<Vec<String>, StoreError> {
            Err(StoreError::Unavailable)
        }
    }
    let ring = bed.ring.borrow().clone();
    let vault = Vault::new(&Down, &bed.random, &ring);
    let (resource, token) = (resource(), issued.access.expose());
    let found = authenticate(&vault, bed.clock.now(), &resource, &token, |_| true).now_or_never();
    let error = found.unwrap().unwrap_err();
    assert_eq!((error, error.wire().status()), (BearerError::Store(StoreError::Unavailable), 503), "I26");
}

type Running<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn of_racing_redemptions_one_wins(schedule in prop::collection::vec(0usize..4, 0..60), unknown in 0u32..12) {
        let bed = Bed::new();
        let code = bed.code();
        bed.store.unknown.set(Some(unknown));
        let racers = (0..4).map(|_| Box::pin(bed.redeem(exchange(&code))) as Running<_>).collect();
        let outcomes = interleave(racers, &schedule);
        let won: Vec<_> = outcomes.iter().flatten().collect();
        prop_assert_eq!(won.len(), 1, "D30: {:?}", outcomes);
        prop_assert!(bed.is_admitted(won[0]));
    }

    #[test]
    fn no_guess_succeeds_after_five_failures(schedule in prop::collection::vec(0usize..7, 0..90)) {
        let bed = Bed::new();
        let code = bed.code();
        let sent = |index| if index == 6 { exchange(&code) } else { Exchange { verifier: Some(CHALLENGE), ..exchange(&code) } };
        let racers = (0..7).map(|index| Box::pin(bed.redeem(sent(index))) as Running<_>).collect();
        let outcomes = interleave(racers, &schedule);
        let failed = outcomes.iter().filter(|outcome| matches!(outcome, Err(RedeemError::WrongVerifier))).count();
        match &outcomes[6] {
            Ok(issued) => prop_assert!(bed.is_admitted(issued)),
            Err(error) => prop_assert_eq!((error, failed), (&RedeemError::Dead, 5)),
        }
        prop_assert!(!outcomes.iter().any(|outcome| matches!(outcome, Err(RedeemError::Contended))));
    }

    #[test]
    fn racing_refreshes_get_one_pair(schedule in prop::collection::vec(0usize..4, 0..60), unknown in 0u32..14) {
        let bed = Bed::new();
        let first = bed.signed_in();
        bed.store.unknown.set(Some(unknown));
        let racers = (0..4).map(|_| Box::pin(bed.refresh(refresh_token(&first))) as Running<_>).collect();
        let outcomes = interleave(racers, &schedule);
        let issued: Vec<_> = outcomes.into_iter().collect::<Result<_, _>>().unwrap();
        prop_assert!(issued.iter().all(|other| *other == issued[0]), "F10");
        prop_assert!(bed.is_admitted(&issued[0]));
        let next = alone(bed.refresh(refresh_token(&issued[0])));
        prop_assert!(next.is_ok(), "nobody is logged out: {:?}", next);
    }

    #[test]
    fn a_revocation_wins_whatever_it_races(schedule in prop::collection::vec(0usize..3, 0..40)) {
        let bed = Bed::new();
        let (first, code) = (bed.signed_in(), bed.code());
        let racers: Vec<Running<Option<Issued>>> = vec![
            Box::pin(async { bed.refresh(refresh_token(&first)).await.ok() }),
            Box::pin(async { bed.redeem(exchange(&code)).await.ok() }),
            Box::pin(async { revoke_all(&bed.store).await.unwrap(); None }),
        ];
        for issued in interleave(racers, &schedule).into_iter().flatten().chain([first]) {
            prop_assert!(!bed.is_admitted(&issued));
            prop_assert!(alone(bed.refresh(refresh_token(&issued))).is_err());
        }
    }

    #[test]
    fn a_request_that_breaks_off_anywhere_spends_nothing_twice(stop in 0usize..12) {
        let bed = Bed::new();
        let code = bed.code();
        let mut context = Context::from_waker(Waker::noop());
        let mut broken = Box::pin(bed.redeem(exchange(&code)));
        let early = (0..stop).find_map(|_| match broken.as_mut().poll(&mut context) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        });
        drop(broken);
        let again = alone(bed.redeem(exchange(&code)));
        prop_assert!(!(early.is_some_and(|outcome| outcome.is_ok()) && again.is_ok()), "X07");
        bed.pass(24 * HOUR);
        prop_assert!(bed.store.records.dump().is_empty());
    }
}
