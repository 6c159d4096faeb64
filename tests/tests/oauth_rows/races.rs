//! Rows about requests at the same time. In memory nothing waits, so these run here only; `component/src/oauth/tests`
//! goes through the interleavings.

use serde_json::{Value, json};

use super::world::*;

/// What `count` threads are answered that ask at once.
fn at_once(count: usize, ask: impl Fn(usize) -> Response + Sync) -> Vec<Response> {
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..count)
            .map(|number| {
                scope.spawn({
                    let ask = &ask;
                    move || ask(number)
                })
            })
            .collect();
        asking.into_iter().map(|thread| thread.join().expect("asking does not panic")).collect()
    })
}

fn cookies_of(browser: &Browser) -> String {
    let cookies = browser.cookies.borrow();
    cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
}

#[test]
fn of_ten_ways_back_at_once_one_gets_the_code() {
    let world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    let back = browser.approve(&world, &browser.consent(&world, &client));
    let cookies = cookies_of(&browser);
    let answers = at_once(10, |_| world.send("GET", &back, &[("cookie", &cookies)], ""));
    let codes: Vec<_> = answers.iter().filter(|answer| answer.status == 303).collect();
    assert_eq!(codes.len(), 1, "B28");
    assert!(answers.iter().all(|answer| answer.status < 500), "B28");
    let grants = world.records().iter().filter(|(key, _)| key.starts_with("grant/")).count();
    assert_eq!(grants, 1, "B28: the losers' grants are gone");
}

#[test]
fn of_approvals_and_denials_at_once_a_denial_is_final() {
    let world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    let form = browser.consent(&world, &client);
    let cookies = cookies_of(&browser);
    let headers = [("content-type", FORM), ("sec-fetch-site", "same-origin"), ("cookie", &cookies)];
    let answers = at_once(8, |number| {
        let decision = if number % 2 == 0 { "approve" } else { "deny" };
        let body = encode(&[("handle", &form.handle), ("token", &form.token), ("decision", decision)]);
        world.send("POST", "/authorize", &headers, &body)
    });
    let to_client = |answer: &&Response| header(answer, "location").is_some_and(|to| to.starts_with(REDIRECT_URI));
    assert_eq!(answers.iter().filter(to_client).count(), 4, "C07: a denial counts whatever else is decided");
    for started in answers.iter().filter_map(|answer| parameter(header(answer, "location")?, "nonce").zip(Some(answer)))
    {
        let (nonce, answer) = started;
        world.provider().expect_nonce(&nonce);
        let state = parameter(header(answer, "location").unwrap(), "state").unwrap();
        let back = format!("/callback?{}", encode(&[("code", "provider-code"), ("state", &state)]));
        let cookies = format!("{cookies}; {}", header(answer, "set-cookie").unwrap().split(';').next().unwrap());
        assert_eq!(world.send("GET", &back, &[("cookie", &cookies)], "").status, 400, "C07: no code after a denial");
    }
}

#[test]
fn of_five_approvals_at_once_of_one_form_one_sign_in_comes() {
    let world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    let form = browser.consent(&world, &client);
    let cookies = cookies_of(&browser);
    let headers = [("content-type", FORM), ("sec-fetch-site", "same-origin"), ("cookie", &cookies)];
    let body = encode(&[("handle", &form.handle), ("token", &form.token), ("decision", "approve")]);
    let answers = at_once(5, |_| world.send("POST", "/authorize", &headers, &body));
    assert!(answers.iter().all(|answer| answer.status == 303), "C06: each is one more attempt");
    let backs: Vec<_> = answers.iter().map(|answer| header(answer, "location").unwrap().to_owned()).collect();
    let upstream = header(&answers[0], "set-cookie").unwrap().split(';').next().unwrap();
    let cookies = format!("{cookies}; {upstream}");
    let statuses = backs.iter().map(|location| {
        world.provider().expect_nonce(&parameter(location, "nonce").unwrap());
        let state = parameter(location, "state").unwrap();
        let back = format!("/callback?{}", encode(&[("code", "provider-code"), ("state", &state)]));
        world.send("GET", &back, &[("cookie", &cookies)], "").status
    });
    assert_eq!(statuses.collect::<Vec<_>>(), [303, 400, 400, 400, 400], "C06: never two grants");
    let count = |kind: &str| world.records().iter().filter(|(key, _)| key.starts_with(kind)).count();
    assert_eq!((count("transaction/"), count("grant/"), count("code/")), (1, 1, 1), "C06");
}

#[test]
fn of_fifty_redemptions_at_once_one_gets_tokens() {
    let world = World::new();
    let client = world.client();
    let code = world.code(&Browser::default(), &client);
    let pairs = [
        ("grant_type", "authorization_code"),
        ("client_id", client.as_str()),
        ("code", &code),
        ("code_verifier", VERIFIER),
    ];
    let answers = at_once(50, |_| world.token(&pairs));
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(won.len(), 1, "D30");
    let bearer = format!("Bearer {}", json_of(won[0])["access_token"].as_str().unwrap());
    assert_eq!(world.list_tools(&[("authorization", &bearer)]).status, 200, "D30");
}

#[test]
fn of_twenty_refreshes_at_once_there_is_one_pair_of_tokens() {
    let world = World::new();
    let client = world.client();
    let token = world.tokens(&client)["refresh_token"].as_str().unwrap().to_owned();
    let pairs = [("grant_type", "refresh_token"), ("client_id", client.as_str()), ("refresh_token", &token)];
    let mut next: Vec<Value> = at_once(20, |_| world.token(&pairs))
        .iter()
        .filter(|answer| answer.status == 200)
        .map(|answer| json_of(answer)["access_token"].clone())
        .collect();
    next.dedup();
    assert_eq!(next.len(), 1, "F10");
    let bearer = format!("Bearer {}", next[0].as_str().unwrap());
    assert_eq!(world.list_tools(&[("authorization", &bearer)]).status, 200, "F10: the client stays signed in");
}

#[test]
fn twenty_requests_at_once_for_one_document_fetch_it_once() {
    let local = [
        ("ALLOW_LOOPBACK_CLIENT_METADATA", "true"),
        ("PUBLIC_URL", "http://localhost"),
        ("MCP_ALLOWED_HOSTNAMES", "mcp.example.com"),
    ];
    let world = World::with(&local);
    let url = world.document("client.json");
    let document = json!({ "client_id": url, "client_name": "App", "redirect_uris": [REDIRECT_URI] });
    world.provider().fail("client.json", Fault::Answer(200, document.to_string()));
    let answers = at_once(20, |_| world.send("GET", &authorize(&url, &[]), &[], ""));
    assert!(answers.iter().all(|answer| answer.status == 200), "M32");
    let count = world.provider().count("client.json");
    assert!(count <= 3, "M32: {count} fetches; those that come while one is under way share it");
}
