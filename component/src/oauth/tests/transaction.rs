//! Transactions over a store: sequences, and decisions and logins that race.

use super::*;
use crate::oauth::client::Client;
use crate::oauth::transaction::cookies::Cookies;
use crate::oauth::transaction::{
    Denial, FormFields, Login, Opened, Started, Submission, TransactionError, approve, complete, deny, open, returned,
    submitted,
};

pub(super) fn request() -> AuthorizationRequest {
    AuthorizationRequest {
        client_id: "c1".into(),
        redirect_uri: REDIRECT_URI.into(),
        is_loopback: true,
        challenge: CodeChallenge::parse(CHALLENGE).unwrap(),
        state: Some("client-state".into()),
    }
}

/// The part of a header `Set-Cookie` that a browser sends back.
fn sent(header: &str) -> String {
    header.split(';').next().unwrap().to_owned()
}

pub(super) fn consent(opened: &Opened) -> Cookies {
    Cookies::read(&sent(&opened.cookie.header(opened.cookie_seconds)))
}

fn upstream(started: &Started) -> Cookies {
    Cookies::read(&sent(&started.cookie.header(started.cookie_seconds)))
}

impl Bed {
    pub(super) fn opened(&self) -> Opened {
        self.opened_for(&Bed::client(), request()).unwrap()
    }

    pub(super) fn opened_for(
        &self,
        client: &Client,
        request: AuthorizationRequest,
    ) -> Result<Opened, TransactionError> {
        let ring = self.ring.borrow().clone();
        open(&Vault::new(&self.store, &self.random, &ring), self.clock.now(), client, request)
    }

    pub(super) async fn submitted(
        &self,
        form: &FormFields,
        cookies: &Cookies,
    ) -> Result<AuthorizationRequest, TransactionError> {
        let ring = self.ring.borrow().clone();
        let vault = Vault::new(&self.store, &self.random, &ring);
        let submission = Submission { handle: &form.handle, token: &form.token, cookies };
        submitted(&vault, self.clock.now(), &submission).await.map(|(_, request)| request)
    }

    pub(super) async fn approve(&self, form: &FormFields, cookies: &Cookies) -> Result<Started, TransactionError> {
        let ring = self.ring.borrow().clone();
        let vault = Vault::new(&self.store, &self.random, &ring);
        let submission = Submission { handle: &form.handle, token: &form.token, cookies };
        approve(&vault, self.clock.now(), &submission).await
    }

    pub(super) async fn deny(&self, form: &FormFields, cookies: &Cookies) -> Result<Denial, TransactionError> {
        let ring = self.ring.borrow().clone();
        let vault = Vault::new(&self.store, &self.random, &ring);
        let submission = Submission { handle: &form.handle, token: &form.token, cookies };
        deny(&vault, self.clock.now(), &submission).await
    }

    async fn returned(&self, state: &str, cookies: &Cookies) -> Result<Login, TransactionError> {
        let ring = self.ring.borrow().clone();
        returned(&Vault::new(&self.store, &self.random, &ring), self.clock.now(), state, cookies).await
    }

    async fn complete(&self, login: &Login) -> Result<Token, TransactionError> {
        let ring = self.ring.borrow().clone();
        let vault = Vault::new(&self.store, &self.random, &ring);
        complete(&vault, self.clock.now(), &resource(), login, EMAIL).await
    }

    /// A login from the way back to the code.
    pub(super) async fn log_in(&self, started: &Started) -> Result<Token, TransactionError> {
        let login = self.returned(&started.state, &upstream(started)).await?;
        self.complete(&login).await
    }

    pub(super) fn kinds(&self) -> Vec<String> {
        let keys = self.store.records.dump().into_iter();
        keys.map(|(key, _)| key.split('/').next().unwrap().to_owned()).collect()
    }
}

pub(super) fn started(bed: &Bed, opened: &Opened) -> Started {
    alone(bed.approve(&opened.form, &consent(opened))).expect("it can be approved")
}

#[test]
fn a_transaction_leads_from_consent_to_a_code_once() {
    let bed = Bed::new();
    let opened = bed.opened();
    let first = started(&bed, &opened);
    let login = alone(bed.returned(&first.state, &upstream(&first))).ok().unwrap();
    assert_eq!((&login.nonce, &login.transaction.client), (&first.nonce, &Bed::client()));
    let challenge = CodeChallenge::parse(&first.challenge).unwrap();
    assert!(challenge.is_answered_by(&crate::oauth::pkce::CodeVerifier::parse(&login.verifier).unwrap()));
    let code = alone(bed.complete(&login)).unwrap();
    let issued = alone(bed.redeem(exchange(&code.expose()))).unwrap();
    for again in [alone(bed.complete(&login)), alone(bed.log_in(&first))] {
        assert_eq!(again, Err(TransactionError::Done), "B29");
    }
    assert_eq!(alone(bed.approve(&opened.form, &consent(&opened))).err(), Some(TransactionError::Done), "C06");
    assert_eq!(alone(bed.deny(&opened.form, &consent(&opened))), Err(TransactionError::Done));
    assert!(bed.is_admitted(&issued), "B29: the grant stays");
}

#[test]
fn a_decision_needs_the_browser_and_the_form_of_its_transaction() {
    let bed = Bed::new();
    let (opened, other) = (bed.opened(), bed.opened());
    let form = |handle: &Opened, token: &str| FormFields { handle: handle.form.handle.clone(), token: token.into() };
    let own = opened.form.token.as_str();
    for (row, form, cookies, error) in [
        ("C01", form(&opened, own), Cookies::default(), TransactionError::WrongBrowser),
        ("C03", form(&opened, own), consent(&other), TransactionError::WrongBrowser),
        ("C04", form(&opened, ""), consent(&opened), TransactionError::WrongFormToken),
        ("C04", form(&opened, &own[1..]), consent(&opened), TransactionError::WrongFormToken),
        ("C04", form(&opened, &other.form.token), consent(&opened), TransactionError::WrongFormToken),
    ] {
        assert_eq!(alone(bed.approve(&form, &cookies)).err(), Some(error), "{row}");
        assert_eq!(alone(bed.deny(&form, &cookies)).err(), Some(error), "{row}");
        assert_eq!(error.status(), 403, "{row}");
    }
    assert!(alone(bed.approve(&opened.form, &consent(&opened))).is_ok(), "nothing was consumed");
}

#[test]
fn a_login_needs_the_browser_that_approved() {
    let bed = Bed::new();
    let opened = bed.opened();
    let (first, other) = (started(&bed, &opened), started(&bed, &bed.opened()));
    let handle = |started: &Started| started.state.split('.').next().unwrap().to_owned();
    let fabricated = format!("{}.x", handle(&first));
    let unapproved = format!("{}-{}.x", bed.opened().id.as_str(), "0".repeat(64));
    let (name, _) = first.cookie.header(1).split_once('=').map(|(name, rest)| (name.to_owned(), rest.len())).unwrap();
    let forged = Cookies::read(&format!("{name}=00"));
    for (row, state, cookies, error) in [
        ("B01", "", upstream(&first), TransactionError::Unknown),
        ("B02", "x.y", upstream(&first), TransactionError::Unknown),
        ("B02", &opened.form.handle, upstream(&first), TransactionError::Outdated),
        ("B07", &unapproved, upstream(&first), TransactionError::Unknown),
        ("B04", &first.state, forged, TransactionError::WrongCookie),
        ("B04", &first.state, Cookies::default(), TransactionError::WrongBrowser),
        ("B04", &first.state, consent(&opened), TransactionError::WrongBrowser),
        ("B05", &first.state, upstream(&other), TransactionError::WrongBrowser),
        ("B05", &fabricated, upstream(&first), TransactionError::UnknownAttempt),
    ] {
        assert_eq!(alone(bed.returned(state, &cookies)).err(), Some(error), "{row}");
    }
    assert!(alone(bed.log_in(&first)).is_ok(), "nothing was consumed");
    assert!(alone(bed.log_in(&other)).is_ok(), "parallel connects do not meet");
}

#[test]
fn a_failed_login_is_tried_again_four_times() {
    let bed = Bed::new();
    let opened = bed.opened();
    let mut last = started(&bed, &opened);
    let first = last.state.clone();
    for _ in 1..5 {
        bed.pass(60 * SECOND);
        let login = alone(bed.returned(&last.state, &upstream(&last))).expect("the state is still usable");
        let next = alone(bed.approve(&login.form, &consent(&opened))).expect("B25");
        assert!(next.state != last.state && next.nonce != last.nonce && next.challenge != last.challenge);
        assert_eq!(upstream(&next).end(&opened.id).len(), 1);
        last = next;
    }
    let sixth = alone(bed.approve(&opened.form, &consent(&opened))).err();
    assert_eq!(sixth, Some(TransactionError::TooManyAttempts), "B26");
    assert!(alone(bed.returned(&first, &upstream(&last))).is_ok(), "the cookie serves every attempt");
    assert_eq!(last.cookie_seconds, 360, "the time does not begin anew");
    assert!(alone(bed.log_in(&last)).is_ok(), "B25");
}

#[test]
fn a_denied_transaction_is_closed() {
    let bed = Bed::new();
    let opened = bed.opened();
    let first = started(&bed, &opened);
    let login = alone(bed.returned(&first.state, &upstream(&first))).ok().unwrap();
    for _ in 0..2 {
        let denial = alone(bed.deny(&opened.form, &consent(&opened))).unwrap();
        assert_eq!((denial.request, denial.id), (request(), opened.id.clone()), "C13");
    }
    assert_eq!(alone(bed.complete(&login)), Err(TransactionError::Denied));
    assert_eq!(alone(bed.log_in(&first)), Err(TransactionError::Denied));
    assert_eq!(alone(bed.approve(&opened.form, &consent(&opened))).err(), Some(TransactionError::Denied));
    assert_eq!(bed.kinds(), ["transaction"], "nothing else is remembered");
}

#[test]
fn a_transaction_lives_for_ten_minutes() {
    let bed = Bed::new();
    let opened = bed.opened();
    bed.pass(599 * SECOND);
    let late = started(&bed, &opened);
    assert_eq!((opened.cookie_seconds, late.cookie_seconds), (600, 1));
    bed.pass(SECOND);
    for _ in 0..2 {
        assert_eq!(alone(bed.log_in(&late)), Err(TransactionError::Expired));
        let again = alone(bed.approve(&opened.form, &consent(&opened))).err();
        assert_eq!(again, Some(TransactionError::Expired), "C10");
        let without = alone(bed.approve(&opened.form, &Cookies::default())).err();
        assert_eq!(without, Some(TransactionError::Expired), "C10: the cookie has gone with its time");
        bed.pass(60 * SECOND);
    }
    assert!(bed.store.records.dump().is_empty());
}

#[test]
fn transactions_outlive_a_new_key_and_end_with_the_old_one() {
    let (old, new) = (format!("{:064x}", 7), format!("{:064x}", 8));
    let bed = Bed::new();
    let opened = bed.opened();
    bed.ring.replace(KeyRing::parse(&format!("{new},{old}")).unwrap());
    let first = started(&bed, &opened);
    assert!(alone(bed.returned(&first.state, &upstream(&first))).is_ok());
    bed.ring.replace(KeyRing::parse(&new).unwrap());
    assert_eq!(alone(bed.log_in(&first)), Err(TransactionError::Outdated), "X09");
    for form in [&opened.form, &bed_form_under(&old)] {
        let again = alone(bed.approve(form, &consent(&opened))).err();
        assert_eq!(again, Some(TransactionError::Outdated), "X09: the page says how to begin again");
    }
}

/// A form of a server with another key.
fn bed_form_under(key: &str) -> FormFields {
    let bed = Bed::new();
    bed.ring.replace(KeyRing::parse(key).unwrap());
    bed.opened().form
}

#[test]
fn a_dump_shows_nothing_of_a_transaction() {
    let bed = Bed::new();
    let opened = bed.opened();
    let first = started(&bed, &opened);
    let login = alone(bed.returned(&first.state, &upstream(&first))).ok().unwrap();
    let cookies = [opened.cookie.header(1), first.cookie.header(1)].map(|header| sent(&header));
    let values = cookies.iter().map(|pair| pair.split_once('=').unwrap().1);
    let secrets = [&opened.form.token, &first.state, &first.nonce, &login.verifier].map(String::as_str);
    let secrets: Vec<_> = secrets.into_iter().chain(values).chain(["client-state", "127.0.0.1", "A client"]).collect();
    for (key, value) in bed.store.records.dump() {
        let shown = format!("{key}{}", String::from_utf8_lossy(&value));
        assert!(secrets.iter().all(|secret| !shown.contains(secret)), "{key}");
        assert!(!shown.contains(opened.form.handle.as_str()), "{key}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn of_racing_logins_one_gets_a_code(
        schedule in prop::collection::vec(0usize..4, 0..90),
        unknown in 0u32..16,
    ) {
        let bed = Bed::new();
        let opened = bed.opened();
        let (first, second) = (started(&bed, &opened), started(&bed, &opened));
        bed.store.unknown.set(Some(unknown));
        let racers: Vec<Running<Option<Result<Token, TransactionError>>>> = vec![
            Box::pin(async { Some(bed.log_in(&first).await) }),
            Box::pin(async { Some(bed.log_in(&first).await) }),
            Box::pin(async { Some(bed.log_in(&second).await) }),
            Box::pin(async { bed.approve(&opened.form, &consent(&opened)).await.err().map(Err) }),
        ];
        let outcomes: Vec<_> = interleave(racers, &schedule).into_iter().flatten().collect();
        let codes: Vec<_> = outcomes.iter().flatten().collect();
        prop_assert_eq!(codes.len(), 1, "B28: {:?}", outcomes);
        let lost = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
        prop_assert!(lost.clone().all(|error| *error == TransactionError::Done), "{:?}", outcomes);
        prop_assert_eq!(bed.kinds(), ["code", "grant", "transaction"], "what the losers wrote is gone");
        let issued = alone(bed.redeem(exchange(&codes[0].expose()))).unwrap();
        prop_assert!(bed.is_admitted(&issued));
    }

    #[test]
    fn a_denial_and_a_code_exclude_each_other(
        schedule in prop::collection::vec(0usize..3, 0..60),
        unknown in 0u32..12,
    ) {
        let bed = Bed::new();
        let opened = bed.opened();
        let first = started(&bed, &opened);
        bed.store.unknown.set(Some(unknown));
        let cookies = consent(&opened);
        let racers: Vec<Running<Option<bool>>> = vec![
            Box::pin(async { bed.log_in(&first).await.ok().map(|_| true) }),
            Box::pin(async { bed.deny(&opened.form, &cookies).await.ok().map(|_| false) }),
            Box::pin(async { bed.approve(&opened.form, &cookies).await.ok(); None }),
        ];
        let won: Vec<_> = interleave(racers, &schedule).into_iter().flatten().collect();
        prop_assert_eq!(won.len(), 1, "C07");
        let codes = bed.kinds().iter().filter(|kind| *kind == "code").count();
        prop_assert_eq!(codes, usize::from(won[0]));
    }

    #[test]
    fn of_racing_approvals_five_start_a_login(
        schedule in prop::collection::vec(0usize..7, 0..60),
        unknown in 0u32..14,
    ) {
        let bed = Bed::new();
        let opened = bed.opened();
        let cookies = consent(&opened);
        bed.store.unknown.set(Some(unknown));
        let approve = |_| Box::pin(bed.approve(&opened.form, &cookies)) as Running<Result<Started, _>>;
        let racers = (0..7).map(approve).collect();
        let outcomes = interleave(racers, &schedule);
        let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        prop_assert_eq!(won.len(), 5, "B26");
        prop_assert!(lost.into_iter().all(|outcome| outcome.err() == Some(TransactionError::TooManyAttempts)));
        for started in won.into_iter().flatten() {
            prop_assert!(alone(bed.returned(&started.state, &upstream(&started))).is_ok());
        }
    }

    #[test]
    fn one_form_leads_to_at_most_one_grant_whoever_decides_when(
        schedule in prop::collection::vec(0usize..5, 0..120),
        unknown in 0u32..24,
        denials in 0usize..3,
    ) {
        let bed = Bed::new();
        let opened = bed.opened();
        let cookies = consent(&opened);
        bed.store.unknown.set(Some(unknown));
        let sign_in = || async {
            let started = bed.approve(&opened.form, &cookies).await.ok()?;
            bed.log_in(&started).await.ok().map(|_| true)
        };
        let deny = || async { bed.deny(&opened.form, &cookies).await.ok().map(|_| false) };
        let racers: Vec<Running<Option<bool>>> = (0..5)
            .map(|index| if index < denials { Box::pin(deny()) as Running<_> } else { Box::pin(sign_in()) })
            .collect();
        let won: Vec<_> = interleave(racers, &schedule).into_iter().flatten().collect();
        let codes = won.iter().filter(|is_code| **is_code).count();
        prop_assert!(codes <= 1, "C06: {:?}", won);
        prop_assert!(!won.is_empty(), "somebody's decision counts");
        prop_assert!(won.iter().all(|is_code| *is_code == won[0]), "C07: {:?}", won);
        let count = |kind: &str| bed.kinds().iter().filter(|found| *found == kind).count();
        prop_assert_eq!((count("transaction"), count("grant"), count("code")), (1, codes, codes), "C06 C13");
        let late = alone(bed.approve(&opened.form, &cookies)).err();
        let expected = if codes == 1 { TransactionError::Done } else { TransactionError::Denied };
        prop_assert_eq!(late, Some(expected), "C06 C13");
    }

    #[test]
    fn of_a_first_approval_and_a_first_denial_one_makes_the_record(
        schedule in prop::collection::vec(0usize..2, 0..30),
        unknown in 0u32..6,
    ) {
        let bed = Bed::new();
        let opened = bed.opened();
        let cookies = consent(&opened);
        bed.store.unknown.set(Some(unknown));
        let racers: Vec<Running<Result<Option<Started>, TransactionError>>> = vec![
            Box::pin(async { bed.approve(&opened.form, &cookies).await.map(Some) }),
            Box::pin(async { bed.deny(&opened.form, &cookies).await.map(|_| None) }),
        ];
        let outcomes = interleave(racers, &schedule);
        prop_assert!(outcomes[1].is_ok(), "C07: a denial counts until there is a code");
        match &outcomes[0] {
            Err(error) => prop_assert_eq!(*error, TransactionError::Denied, "C13"),
            Ok(started) => {
                let started = started.as_ref().expect("an approval starts a login");
                prop_assert_eq!(alone(bed.log_in(started)), Err(TransactionError::Denied), "C13");
            }
        }
        prop_assert_eq!(bed.kinds(), ["transaction"], "C13: nothing else is remembered");
    }

    #[test]
    fn a_login_that_breaks_off_anywhere_spends_nothing_twice(stop in 0usize..14) {
        let bed = Bed::new();
        let opened = bed.opened();
        let first = started(&bed, &opened);
        let mut context = Context::from_waker(Waker::noop());
        let mut broken = Box::pin(bed.log_in(&first));
        let early = (0..stop).find_map(|_| match broken.as_mut().poll(&mut context) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        });
        drop(broken);
        let again = alone(bed.log_in(&first));
        prop_assert!(!(early.is_some_and(|outcome| outcome.is_ok()) && again.is_ok()), "X07");
    }
}
