//! The form of the consent page: nothing is stored for it, it opens in one browser, and it leads to one transaction.

use super::transaction::{consent, request, started};
use super::*;
use crate::oauth::transaction::cookies::Cookies;
use crate::oauth::transaction::{FormFields, TransactionError};

#[test]
fn nothing_is_stored_before_the_user_has_decided() {
    let bed = Bed::new();
    let opened = bed.opened();
    assert!(alone(bed.submitted(&opened.form, &consent(&opened))).is_ok());
    for cookies in [Cookies::default(), consent(&bed.opened())] {
        assert!(
            alone(bed.approve(&opened.form, &cookies)).is_err() && alone(bed.deny(&opened.form, &cookies)).is_err()
        );
    }
    assert!(bed.store.records.dump().is_empty());
    started(&bed, &opened);
    assert_eq!(bed.kinds(), ["transaction"]);
}

#[test]
fn one_form_leads_to_one_transaction_and_one_grant() {
    let bed = Bed::new();
    let opened = bed.opened();
    let (first, second) = (started(&bed, &opened), started(&bed, &opened));
    assert_eq!(bed.kinds(), ["transaction"], "C06: the second click is one more attempt");
    assert!(alone(bed.log_in(&second)).is_ok());
    for late in [alone(bed.log_in(&first)), alone(bed.log_in(&second))] {
        assert_eq!(late, Err(TransactionError::Done), "C06");
    }
    bed.pass(SECOND);
    assert_eq!(alone(bed.approve(&opened.form, &consent(&opened))).err(), Some(TransactionError::Done), "C06");
    assert_eq!(bed.kinds(), ["code", "grant", "transaction"]);
}

#[test]
fn a_form_opens_in_the_browser_that_was_shown_it_and_in_no_other() {
    let bed = Bed::new();
    let opened = bed.opened();
    let header = opened.cookie.header(1);
    let name = header.split_once('=').unwrap().0;
    let forged = Cookies::read(&format!("{name}={}", "0".repeat(64)));
    assert_eq!(alone(bed.approve(&opened.form, &forged)).err(), Some(TransactionError::WrongFormToken), "C03");
    started(&bed, &opened);
    assert_eq!(alone(bed.approve(&opened.form, &forged)).err(), Some(TransactionError::WrongCookie), "C03");
}

#[test]
fn a_changed_form_is_no_form() {
    let bed = Bed::new();
    let opened = bed.opened();
    let (id, sealed) = opened.form.handle.split_once('.').unwrap();
    let other = bed.opened();
    let renamed = format!("{}.{sealed}", other.id.as_str());
    let cut = format!("{id}.{}", &sealed[..sealed.len() / 4 * 4 - 4]);
    let flipped = format!("{id}.{}{}", &sealed[..40], sealed[40..].replacen('A', "B", 1).replacen('c', "d", 1));
    for (handle, cookies, error) in [
        (renamed, consent(&other), TransactionError::WrongFormToken),
        (cut, consent(&opened), TransactionError::WrongFormToken),
        (flipped, consent(&opened), TransactionError::WrongFormToken),
        (format!("{id}."), consent(&opened), TransactionError::WrongFormToken),
        (format!("{id}.AgAAAAAAAAAA"), consent(&opened), TransactionError::Outdated),
        (format!("{id}.AQAAAAAAAAAA"), consent(&opened), TransactionError::Outdated),
        (id.to_owned(), consent(&opened), TransactionError::Outdated),
        (format!("{id}-{}", "0".repeat(64)), consent(&opened), TransactionError::Unknown),
    ] {
        let form = FormFields { handle, token: opened.form.token.clone() };
        assert_eq!(alone(bed.approve(&form, &cookies)).err(), Some(error), "{}", form.handle);
        assert_eq!(alone(bed.deny(&form, &cookies)).err(), Some(error), "{}", form.handle);
    }
    assert!(bed.store.records.dump().is_empty());
}

#[test]
fn who_comes_back_to_a_finished_sign_in_is_told_so_whatever_cookies_are_left() {
    let (done, denied) = (Bed::new(), Bed::new());
    let (finished, refused) = (done.opened(), denied.opened());
    let first = started(&done, &finished);
    alone(done.log_in(&first)).unwrap();
    alone(denied.deny(&refused.form, &consent(&refused))).unwrap();
    for (bed, opened, error) in
        [(&done, &finished, TransactionError::Done), (&denied, &refused, TransactionError::Denied)]
    {
        for cookies in [Cookies::default(), consent(&bed.opened())] {
            assert_eq!(alone(bed.approve(&opened.form, &cookies)).err(), Some(error), "C13");
            assert_eq!(alone(bed.deny(&opened.form, &cookies)).err(), Some(error), "C13");
        }
    }
}

#[test]
fn a_clock_that_was_set_back_revives_no_form() {
    let bed = Bed::new();
    let opened = bed.opened();
    bed.pass(700 * SECOND);
    assert_eq!(alone(bed.approve(&opened.form, &consent(&opened))).err(), Some(TransactionError::Expired));
    bed.clock.0.set(bed.clock.0.get() - HOUR);
    assert_eq!(alone(bed.approve(&opened.form, &consent(&opened))).err(), Some(TransactionError::Expired), "F20");
}

#[test]
fn the_largest_form_fits_what_the_decision_endpoint_reads() {
    let bed = Bed::new();
    let mut client = Bed::client();
    client.metadata.name = Some("\u{1}".repeat(200));
    client.metadata.redirect_uris = (0..4).map(|_| format!("https://a.example/{}", "x".repeat(2000))).collect();
    let redirect_uri = client.metadata.redirect_uris[0].clone();
    let request =
        |state: String| AuthorizationRequest { redirect_uri: redirect_uri.clone(), state: Some(state), ..request() };
    for state in ["x".repeat(4000), "\u{1}".repeat(2000), "\"".repeat(2000), "\u{e4}".repeat(2000)] {
        let opened = bed.opened_for(&client, request(state.clone())).unwrap();
        let body = opened.form.handle.len() + opened.form.token.len() + 100;
        assert!(body < 32 * 1024, "{body}");
        let found = alone(bed.submitted(&opened.form, &consent(&opened))).unwrap();
        assert_eq!(found.state, Some(state));
    }
    client.metadata.redirect_uris = (0..20).map(|_| format!("https://a.example/{}", "x".repeat(2000))).collect();
    let huge = bed.opened_for(&client, request(String::new())).err();
    assert_eq!((huge, TransactionError::TooLarge.status()), (Some(TransactionError::TooLarge), 414));
}
