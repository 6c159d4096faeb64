//! The consent form and the way back from the provider: rows of bad input, none of which uses the transaction up.

use super::world::*;

#[test]
fn the_consent_form_cannot_change_the_request() {
    let world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    let form = browser.consent(&world, &client);
    let response = browser.post(
        &world,
        &[
            ("handle", &form.handle),
            ("token", &form.token),
            ("decision", "deny"),
            ("redirect_uri", "https://evil.example/cb"),
            ("client_id", "other"),
            ("scope", "admin"),
            ("state", "eyJyZWRpcmVjdFVyaSI6Imh0dHBzOi8vZXZpbCJ9"),
        ],
    );
    let location = header(&response, "location").unwrap();
    assert!(location.starts_with(REDIRECT_URI) && location.contains("client-state"), "C09 A50 {location}");
}

#[test]
fn what_is_wrong_with_a_decision_is_a_page_and_decides_nothing() {
    let world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    let form = browser.consent(&world, &client);
    let (handle, token) = (form.handle.as_str(), form.token.as_str());
    let long = "x".repeat(33_000);
    for (pairs, status) in [
        (vec![("handle", handle), ("token", token)], 400),
        (vec![("handle", handle), ("token", token), ("decision", "maybe")], 400),
        (vec![("handle", handle), ("decision", "approve")], 403),
        (vec![("handle", handle), ("token", "00"), ("decision", "approve")], 403),
        (vec![("token", token), ("decision", "approve")], 400),
        (vec![("handle", "zz"), ("token", token), ("decision", "approve")], 400),
        (vec![("handle", handle), ("token", token), ("token", token), ("decision", "approve")], 400),
        (vec![("handle", handle), ("token", token), ("decision", "approve"), ("decision", "deny")], 400),
        (vec![("handle", handle), ("token", token), ("decision", "approve"), ("x", &long)], 413),
    ] {
        let response = browser.post(&world, &pairs);
        assert_eq!((response.status, header(&response, "location")), (status, None), "C04 C12 C18 C19");
    }
    for headers in [
        vec![("content-type", FORM), ("sec-fetch-site", "cross-site"), ("origin", "https://mcp.example.com")],
        vec![("content-type", FORM), ("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")],
        vec![("content-type", FORM), ("origin", "https://evil.example")],
        vec![("content-type", FORM), ("origin", "null")],
        vec![("content-type", FORM)],
    ] {
        let body = encode(&[("handle", handle), ("token", token), ("decision", "approve")]);
        assert_eq!(world.send("POST", "/authorize", &headers, &body).status, 403, "C15 {headers:?}");
    }
    let back = browser.approve(&world, &form);
    assert_eq!(browser.get(&world, &back).status, 303, "nothing above has used the transaction up");
}

#[test]
fn a_login_that_cannot_be_started_costs_no_attempt_and_says_why() {
    let world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    let mut form = browser.consent(&world, &client);
    for (fault, status, title) in [
        (Fault::Answer(404, "{}".to_owned()), 502, "The sign-in could not be verified"),
        (Fault::Answer(200, "<html>".to_owned()), 502, "The sign-in could not be verified"),
        (Fault::Closed, 503, "The sign-in service does not answer"),
    ] {
        world.provider().fail("openid-configuration", fault.clone());
        for _ in 0..2 {
            let failed = browser.decide(&world, &form, "approve");
            assert_eq!((failed.status, header(&failed, "location")), (status, None), "{fault:?}");
            assert_eq!(header(&failed, "retry-after").is_some(), status == 503, "{fault:?}");
            assert!(text(&failed).contains(title), "{}", text(&failed));
            form = form_of(&failed);
        }
        let other = Browser::default().decide(&world, &form, "approve");
        assert_eq!(other.status, 403, "C01 another browser is shown no form");
    }
    world.provider().mend();
    let back = browser.approve(&world, &form);
    assert_eq!(browser.get(&world, &back).status, 303);
}

#[test]
fn no_other_try_is_offered_after_the_last_while_the_provider_is_away() {
    let world = World::new();
    let browser = Browser::default();
    let form = browser.consent(&world, &world.client());
    for _ in 0..5 {
        browser.approve(&world, &form);
    }
    for (key, _) in world.records().iter().filter(|(key, _)| key.starts_with("discovery/")) {
        world.overwrite(key, b"gone");
    }
    world.provider().fail("openid-configuration", Fault::Closed);
    let page = browser.decide(&world, &form, "approve");
    assert!(text(&page).contains("Too many attempts") && !text(&page).contains("<form"), "{}", text(&page));
}

#[test]
fn access_is_asked_who_it_is_and_no_more() {
    let world = World::new();
    let browser = Browser::default();
    let form = browser.consent(&world, &world.client());
    let response = browser.decide(&world, &form, "approve");
    let location = header(&response, "location").unwrap();
    assert_eq!(parameter(location, "scope").as_deref(), Some("openid email"));
}

#[test]
fn a_transaction_ends_after_ten_minutes_and_after_five_attempts() {
    let world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    let form = browser.consent(&world, &client);
    for _ in 0..5 {
        browser.approve(&world, &form);
    }
    assert_eq!(browser.decide(&world, &form, "approve").status, 400, "B26");
    let form = browser.consent(&world, &client);
    world.advance(601);
    assert_eq!(browser.decide(&world, &form, "approve").status, 400, "C10");
}

#[test]
fn an_incomplete_way_back_is_a_page_and_uses_nothing_up() {
    let world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    let form = browser.consent(&world, &client);
    assert_eq!(browser.get(&world, &format!("/callback?code=x&state={}.00", form.handle)).status, 400, "B07");
    let back = browser.approve(&world, &form);
    let state = parameter(&back, "state").unwrap();
    let long = "x".repeat(5000);
    for (query, status) in [
        (String::new(), 400),
        ("code=x".to_owned(), 400),
        (encode(&[("state", &state)]), 400),
        (encode(&[("state", &state), ("code", &long)]), 400),
        (encode(&[("state", &state), ("code", "a\u{1}b")]), 400),
        (encode(&[("state", &state), ("state", &state), ("code", "x")]), 400),
        (encode(&[("state", &state), ("code", "x"), ("code", "y")]), 400),
        (encode(&[("state", &state), ("code", "x"), ("iss", "https://evil.example")]), 400),
        (encode(&[("state", &state), ("error", "server_error")]), 403),
        (encode(&[("state", &state), ("error", "access_denied"), ("code", "x")]), 403),
        ("code=x&state=%ZZ".to_owned(), 400),
    ] {
        let response = browser.get(&world, &format!("/callback?{query}"));
        assert_eq!(
            (response.status, header(&response, "location")),
            (status, None),
            "B01 B02 B08 B10 B11 B13 B14 {query}"
        );
    }
    assert_eq!(world.send("POST", &back, &[], "").status, 405, "B32");
    assert_eq!(browser.get(&world, &back).status, 303);
}

#[test]
fn a_browser_keeps_five_connects_and_drops_the_oldest() {
    let world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    let forms: Vec<_> = (0..7)
        .map(|_| {
            world.advance(1);
            browser.consent(&world, &client)
        })
        .collect();
    assert_eq!(browser.cookies.borrow().len(), 5, "C24");
    let superseded = browser.decide(&world, &forms[1], "approve");
    assert_eq!(superseded.status, 403, "C24");
    assert!(text(&superseded).contains("gave way to newer ones"), "C24 {}", text(&superseded));
    let back = browser.approve(&world, &forms[2]);
    assert_eq!(browser.get(&world, &back).status, 303);
}

#[test]
fn a_cookie_that_stands_twice_counts_for_nothing_and_others_do_not_matter() {
    let world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    let form = browser.consent(&world, &client);
    let (name, value) = browser.cookies.borrow().iter().next().map(|(n, v)| (n.clone(), v.clone())).unwrap();
    let body = encode(&[("handle", &form.handle), ("token", &form.token), ("decision", "approve")]);
    let post = |cookie: &str| {
        let headers = [("content-type", FORM), ("sec-fetch-site", "same-origin"), ("cookie", cookie)];
        world.send("POST", "/authorize", &headers, &body).status
    };
    assert_eq!(post(&format!("{name}={value}; {name}=other")), 403, "X16");
    assert_eq!(post(&format!("{name}=other; {name}={value}")), 403, "X16");
    let many: String = (0..200).map(|number| format!("c{number}=x; ")).collect();
    assert_eq!(post(&format!("{many}{name}={value}")), 303, "X16");
}

#[test]
fn a_decision_is_made_once() {
    let world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    let form = browser.consent(&world, &client);
    let (first, second) = (browser.decide(&world, &form, "approve"), browser.decide(&world, &form, "approve"));
    assert_eq!((first.status, second.status), (303, 303), "C06: a double click is two attempts of one transaction");
    let back = browser.approve(&world, &form);
    assert_eq!(browser.get(&world, &back).status, 303);
    let grants = |world: &World| world.records().iter().filter(|(key, _)| key.starts_with("grant/")).count();
    for decision in ["approve", "deny"] {
        let over = browser.decide(&world, &form, decision);
        assert_eq!((over.status, header(&over, "location")), (400, None), "C06 C07 {decision}");
        assert!(text(&over).contains("You are already signed in"), "C06 C07 {}", text(&over));
    }
    assert_eq!(grants(&world), 1, "C06");
}

#[test]
fn a_consent_page_stores_nothing() {
    let world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    let before = world.records();
    let form = browser.consent(&world, &client);
    assert_eq!(world.records(), before);
    assert_eq!(Browser::default().decide(&world, &form, "approve").status, 403, "C01");
    browser.decide(&world, &form, "approve");
    let added = world.records().into_iter().map(|(key, _)| key).filter(|key| !before.iter().any(|(old, _)| old == key));
    let kinds: Vec<_> = added.map(|key| key.split('/').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(kinds, ["discovery", "transaction"]);
}

#[test]
fn who_comes_back_to_a_page_of_a_sign_in_that_is_over_is_told_so() {
    let world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    let denied = browser.consent(&world, &client);
    browser.decide(&world, &denied, "deny");
    let expired = browser.consent(&world, &client);
    for (form, wait, title) in [(&denied, 0, "You did not allow this"), (&expired, 601, "This sign-in has expired")] {
        world.advance(wait);
        for (browser, decision) in
            [(&browser, "approve"), (&Browser::default(), "approve"), (&Browser::default(), "deny")]
        {
            let over = browser.decide(&world, form, decision);
            assert_eq!((over.status, header(&over, "location")), (400, None), "C10 C13 {decision}");
            let page = text(&over);
            assert!(page.contains(title) && page.contains("your app") && !page.contains("cookies"), "C10 C13 {page}");
        }
    }
}

#[test]
fn a_page_from_before_an_upgrade_says_how_to_begin_again() {
    let mut world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    let form = browser.consent(&world, &client);
    let old = ConsentForm { handle: form.handle.split('.').next().unwrap().to_owned(), token: form.token.clone() };
    let new_key = format!("{:064x}", 8);
    for (form, key) in [(&old, ""), (&form, new_key.as_str())] {
        if !key.is_empty() {
            world.change(&[("COOKIE_ENCRYPTION_KEY", key)]);
        }
        let outdated = browser.decide(&world, form, "approve");
        assert_eq!((outdated.status, header(&outdated, "location")), (400, None), "X09");
        assert!(text(&outdated).contains("This page is out of date") && text(&outdated).contains("connect again"));
    }
}

#[test]
fn a_client_that_is_evicted_while_its_user_decides_is_registered_again() {
    let world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    let form = browser.consent(&world, &client);
    evict(&world);
    assert_eq!(Browser::default().get(&world, &authorize(&client, &[])).status, 400);
    let back = browser.approve(&world, &form);
    assert_eq!(Browser::default().get(&world, &authorize(&client, &[])).status, 200);
    assert_eq!(browser.get(&world, &back).status, 303);
}

/// Makes the records of all clients unreadable.
fn evict(world: &World) {
    for (key, _) in world.records().iter().filter(|(key, _)| key.starts_with("client/")) {
        world.overwrite(key, b"gone");
    }
}
