//! Client ids that are URLs: rows of addresses and documents that are refused.

use serde_json::json;

use super::world::*;

#[track_caller]
fn refused(world: &World, url: &str, id: &str) {
    let response = Browser::default().get(world, &authorize(url, &[]));
    assert_eq!((response.status, header(&response, "location")), (400, None), "{id} {url}");
}

#[test]
fn client_ids_that_are_urls_of_nowhere_are_never_fetched() {
    let world = World::new();
    for (id, url) in [
        ("M02", "https://host.example"),
        ("M03", "https://host.example/a/../b"),
        ("M03", "https://host.example/%2e%2e/b"),
        ("M05", "https://user@host.example/x"),
        ("M06", "https:host.example/x"),
        ("M06", "https:\\\\host.example\\x"),
        ("S01", "https://127.0.0.1/x"),
        ("S02", "https://localhost/x"),
        ("S03", "https://host.example./x"),
        ("S05", "https://2130706433/x"),
        ("S06", "https://0x7f.0.0.1/x"),
        ("S08", "https://127.1/x"),
        ("S09", "https://127.0.0.1%2f@host.example/x"),
        ("S11", "https://127。0。0。1/x"),
        ("S12", "https://10.0.0.1/x"),
        ("S14", "https://192.168.1.1/x"),
        ("S15", "https://100.64.0.1/x"),
        ("S17", "https://169.254.170.2/x"),
        ("S17", "https://168.63.129.16/x"),
        ("S18", "https://metadata/x"),
        ("S20", "https://192.0.2.1/x"),
        ("S21", "https://192.88.99.1/x"),
        ("S23", "https://192.31.196.1/x"),
        ("S24", "https://224.0.0.1/x"),
        ("S27", "https://[::]/x"),
        ("S29", "https://[::127.0.0.1]/x"),
        ("S30", "https://[::ffff:0:127.0.0.1]/x"),
        ("S32", "https://[64:ff9b:1::1]/x"),
        ("S33", "https://[2002:7f00:1::]/x"),
        ("S35", "https://[2001:db8::5efe:10.0.0.1]/x"),
        ("S38", "https://[fec0::1]/x"),
        ("S39", "https://[ff02::1]/x"),
        ("S41", "https://[3fff::1]/x"),
        ("S42", "https://[5f00::1]/x"),
        ("S18", "https://metadata.google.internal/x"),
        ("S26", "https://[::1]/x"),
        ("S36", "https://[fe80::1%25eth0]/x"),
        ("S48", "https://intranet/x"),
        ("S50", "https://host.example:0/x"),
        ("S54", "https://ex\u{430}mple.example/x"),
        ("S56", "https://a..b.example/x"),
    ] {
        refused(&world, url, id);
        assert!(world.provider().asked().is_empty(), "{id} {url} was fetched");
    }
    let long = format!("https://host.example/{}", "x".repeat(2000));
    refused(&world, &long, "M08");
    assert!(world.provider().asked().is_empty());
}

/// What lets a server fetch documents from this machine too.
const FETCHING: Changes<'static> = &[
    ("ALLOW_LOOPBACK_CLIENT_METADATA", "true"),
    ("PUBLIC_URL", "http://localhost"),
    ("MCP_ALLOWED_HOSTNAMES", "mcp.example.com"),
];

fn good(url: &str) -> String {
    json!({ "client_id": url, "client_name": "App", "redirect_uris": [REDIRECT_URI] }).to_string()
}

#[test]
fn a_host_that_the_operator_does_not_name_is_not_asked() {
    let world = World::with(&[FETCHING, &[("CIMD_ALLOWED_HOSTS", "good.example")]].concat());
    refused(&world, &world.document("client.json"), "M35");
    assert!(world.provider().asked().is_empty());
}

#[test]
fn a_client_is_what_its_document_says_and_an_error_is_not_kept() {
    let world = World::with(FETCHING);
    let url = world.document("client.json");
    let good = good(&url);
    let with = |member: &str| good.replacen('{', &format!("{{{member},"), 1);
    for (id, answer) in [
        ("M09", Fault::Answer(201, good.clone())),
        ("M11", Fault::Answer(404, good.clone())),
        ("M11", Fault::Answer(500, String::new())),
        ("M12", Fault::Garbage),
        ("M12", Fault::Typed("text/html", good.clone())),
        ("M14", Fault::Answer(200, with(&format!("\"pad\":\"{}\"", "x".repeat(5121))))),
        ("M15", Fault::Flood),
        ("M17", Fault::Silence),
        ("M20", Fault::Answer(200, with("\"client_id\":\"https://evil.example/\""))),
        ("M21", Fault::Answer(200, good.replace("client.json", "Client.json"))),
        ("M23", Fault::Answer(200, good.replace("https://app.example/cb", "javascript:x"))),
        ("M24", Fault::Answer(200, with("\"token_endpoint_auth_method\":\"client_secret_post\""))),
        ("M26", Fault::Answer(200, with("\"jwks\":{\"keys\":[{\"kty\":\"RSA\",\"d\":\"x\"}]}"))),
        ("S51", Fault::Answer(302, String::new())),
    ] {
        world.provider().fail("client.json", answer);
        refused(&world, &url, id);
    }
    world.provider().fail("client.json", Fault::Answer(200, good));
    world.move_on();
    for _ in 0..3 {
        let response = Browser::default().get(&world, &authorize(&url, &[]));
        assert_eq!(response.status, 200);
        assert!(text(&response).contains("app.example"));
    }
    assert_eq!(world.provider().count("client.json"), 15, "M32: the good one is fetched once");
    let tokens = world.tokens(&url);
    assert!(tokens["access_token"].is_string(), "{tokens}");
}

#[test]
fn a_document_that_cannot_be_fetched_for_a_moment_costs_its_client_nothing() {
    let world = World::with(FETCHING);
    let url = world.document("client.json");
    let document = Fault::Answer(200, good(&url));
    world.provider().fail("client.json", document.clone());
    let tokens = world.tokens(&url);
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let ask = |path: &str| {
        let pairs = [("grant_type", "refresh_token"), ("refresh_token", refresh), ("token", refresh)];
        let body = encode(&[&pairs[..], &[("client_id", url.as_str())]].concat());
        let response = world.send("POST", path, &[("content-type", FORM)], &body);
        (response.status, error_of(&response))
    };
    world.advance(DOCUMENT_KEPT);
    for (id, fault, status, error) in [
        ("M11", Fault::Answer(503, String::new()), 400, "temporarily_unavailable"),
        ("M17", Fault::Closed, 400, "temporarily_unavailable"),
        ("M11", Fault::Answer(404, String::new()), 401, "invalid_client"),
        ("M12", Fault::Typed("text/html", good(&url)), 401, "invalid_client"),
    ] {
        world.provider().fail("client.json", fault);
        for path in ["/token", "/revoke"] {
            assert_eq!(ask(path), (status, error.to_owned()), "{id} {path}");
        }
    }
    world.provider().fail("client.json", document);
    assert_eq!(ask("/token").0, 200);
}

#[test]
fn a_certificate_that_nobody_trusts_is_no_document() {
    let world = World::with(FETCHING);
    let url = world.untrusted_document("client.json");
    world.provider().fail("client.json", Fault::Answer(200, good(&url)));
    refused(&world, &url, "M18");
    assert!(world.provider().asked().is_empty(), "nothing is sent");
}

#[test]
fn an_address_makes_this_server_fetch_only_so_often() {
    let world = World::with(FETCHING);
    world.provider().fail("/limited/", Fault::Answer(404, String::new()));
    let status = |number: u32| {
        let url = world.document(&format!("limited/{number}"));
        Browser::default().get(&world, &authorize(&url, &[])).status
    };
    let statuses: Vec<_> = (0..25).map(status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 5, "M33");
    assert_eq!(world.provider().count("/limited/"), 20);
}

#[test]
fn keys_of_a_client_are_never_fetched_and_its_redirect_stays_that_of_the_consent() {
    let world = World::with(FETCHING);
    let url = world.document("client.json");
    let elsewhere = world.document("keys.json");
    let document = |redirect_uri: &str| {
        let members =
            json!({ "client_id": url, "client_name": "App", "redirect_uris": [redirect_uri], "jwks_uri": elsewhere });
        Fault::Answer(200, members.to_string())
    };
    world.provider().fail("client.json", document(REDIRECT_URI));
    let browser = Browser::default();
    let back = browser.approve(&world, &browser.consent(&world, &url));
    world.provider().fail("client.json", document("https://app.example/other"));
    let location = header(&browser.get(&world, &back), "location").unwrap().to_owned();
    assert!(location.starts_with(REDIRECT_URI), "D47 {location}");
    let code = parameter(&location, "code").unwrap();
    let redeem = |redirect_uri: &str| {
        world.token(&[
            ("grant_type", "authorization_code"),
            ("client_id", &url),
            ("code", &code),
            ("code_verifier", VERIFIER),
            ("redirect_uri", redirect_uri),
        ])
    };
    assert_eq!(error_of(&redeem("https://app.example/other")), "invalid_grant", "D47");
    assert_eq!(redeem(REDIRECT_URI).status, 200, "D47");
    assert_eq!(world.provider().count("keys.json"), 0, "M27");
}

/// As long as a document is kept that does not say how long, in seconds.
const DOCUMENT_KEPT: u64 = 15 * 60;
