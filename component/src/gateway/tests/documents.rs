//! Client ids that are URLs: rows of addresses and documents that are refused.

use serde_json::json;

use super::world::*;

#[track_caller]
fn refused(world: &World, url: &str, id: &str) {
    let response = Browser::default().get(world, &authorize(url, &[]));
    assert_eq!((response.status, header(&response, "location")), (400, None), "{id} {url}");
}

/// The page says that the document could not be fetched: no rule was broken by anybody.
#[track_caller]
fn not_fetched(world: &World, url: &str, id: &str) {
    let response = Browser::default().get(world, &authorize(url, &[]));
    assert_eq!((response.status, header(&response, "location")), (503, None), "{id} {url}");
    assert!(header(&response, "retry-after").is_some(), "{id}");
    let page = text(&response);
    assert!(page.contains("could not be fetched") && !page.contains("breaks a rule"), "{id} {page}");
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
        ("port", "https://host.example:8443/x"),
        ("port", "https://host.example:80/x"),
        ("own host", "https://mcp.example.com/client.json"),
        ("own host", "https://MCP.example.com:443/client.json"),
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
        ("M12", Fault::Answer(200, "<!doctype html>".to_owned())),
        ("M17", Fault::Silence),
        ("S51", Fault::Answer(302, String::new())),
    ] {
        world.provider().fail("client.json", answer);
        not_fetched(&world, &url, id);
    }
    for (id, answer) in [
        ("M14", Fault::Answer(200, with(&format!("\"pad\":\"{}\"", "x".repeat(5121))))),
        ("M15", Fault::Flood),
        ("M20", Fault::Answer(200, with("\"client_id\":\"https://evil.example/\""))),
        ("M21", Fault::Answer(200, good.replace("client.json", "Client.json"))),
        ("M23", Fault::Answer(200, good.replace("https://app.example/cb", "javascript:x"))),
        ("M24", Fault::Answer(200, with("\"token_endpoint_auth_method\":\"client_secret_post\""))),
        ("M26", Fault::Answer(200, with("\"jwks\":{\"keys\":[{\"kty\":\"RSA\",\"d\":\"x\"}]}"))),
        ("gone", Fault::Answer(410, good.clone())),
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
    assert_eq!(world.provider().count("client.json"), 17, "M32: the good one is fetched once");
    let tokens = world.tokens(&url);
    assert!(tokens["access_token"].is_string(), "{tokens}");
}

/// A client with a document that has been given tokens, once no document is kept any more.
struct Standing {
    world: World,
    url: String,
    refresh: String,
}

impl Standing {
    fn new() -> Standing {
        let world = World::with(FETCHING);
        let url = world.document("client.json");
        world.provider().fail("client.json", Fault::Answer(200, good(&url)));
        let refresh = world.tokens(&url)["refresh_token"].as_str().expect("a refresh token").to_owned();
        world.advance(DOCUMENT_KEPT);
        Standing { world, url, refresh }
    }

    fn answers(&self, fault: Fault) {
        self.world.provider().fail("client.json", fault);
        self.world.move_on();
    }

    fn ask(&self, path: &str, pairs: &[(&str, &str)]) -> (u16, String) {
        let body = encode(&[pairs, &[("client_id", self.url.as_str())]].concat());
        let response = self.world.send("POST", path, &[("content-type", FORM)], &body);
        assert_eq!(response.status == 503, header(&response, "retry-after").is_some());
        (response.status, error_of(&response))
    }

    /// The same token again: for half a minute that is answered with the same successor.
    fn refresh(&self) -> (u16, String) {
        self.ask("/token", &[("grant_type", "refresh_token"), ("refresh_token", &self.refresh)])
    }

    /// Of a token that nobody has, so that nothing ends.
    fn revoke(&self) -> (u16, String) {
        self.ask("/revoke", &[("token", "nobody's")])
    }

    /// Waits for what a running host does after its answer; in memory it is done.
    fn until(&self, is_so: impl Fn() -> bool) -> bool {
        (0..500).any(|_| {
            let is_done = is_so();
            if !is_done {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            is_done
        })
    }

    fn fetches(&self) -> usize {
        self.world.provider().count("client.json")
    }
}

const SERVED: (u16, String) = (200, String::new());

fn away() -> (u16, String) {
    (503, "temporarily_unavailable".to_owned())
}

fn ended() -> (u16, String) {
    (401, "invalid_client".to_owned())
}

#[test]
fn a_document_that_cannot_be_had_costs_no_standing_sign_in() {
    let standing = Standing::new();
    for (id, fault) in [
        ("M11", Fault::Answer(403, "<html>Just a moment...</html>".to_owned())),
        ("M11", Fault::Answer(404, String::new())),
        ("M11", Fault::Answer(429, String::new())),
        ("M11", Fault::Answer(503, String::new())),
        ("M09", Fault::Answer(204, String::new())),
        ("S51", Fault::Answer(302, String::new())),
        ("M12", Fault::Typed("text/html", good(&standing.url))),
        ("M12", Fault::Answer(200, "<html>".to_owned())),
        ("M12", Fault::Answer(200, format!("<html>{}", "x".repeat(6000)))),
        ("M12", Fault::Garbage),
        ("M15", Fault::Flood),
        ("M17", Fault::Closed),
        ("M21", Fault::Answer(200, json!({ "error": "x".repeat(6000) }).to_string())),
        ("M21", Fault::Answer(200, "{\"error\":\"blocked\"}".to_owned())),
    ] {
        standing.answers(fault);
        assert_eq!((standing.refresh(), standing.revoke()), (SERVED, SERVED), "{id}");
    }
    standing.answers(Fault::Answer(403, String::new()));
    not_fetched(&standing.world, &standing.url, "M11: the copy is not for new sign-ins");
}

#[test]
fn a_client_that_was_never_given_a_token_has_no_last_good_copy() {
    let world = World::with(FETCHING);
    let url = world.document("client.json");
    world.provider().fail("client.json", Fault::Answer(200, good(&url)));
    Browser::default().consent(&world, &url);
    world.advance(DOCUMENT_KEPT);
    let standing = Standing { world, url, refresh: "none".to_owned() };
    standing.answers(Fault::Answer(403, String::new()));
    assert_eq!((standing.refresh(), standing.revoke()), (away(), away()), "M11");
    standing.answers(Fault::Answer(410, String::new()));
    assert_eq!((standing.refresh(), standing.revoke()), (ended(), ended()));
}

#[test]
fn a_code_is_redeemed_while_the_document_is_away() {
    let world = World::with(FETCHING);
    let (url, other) = (world.document("client.json"), world.document("other.json"));
    world.provider().fail("client.json", Fault::Answer(200, good(&url)));
    let code = world.code(&Browser::default(), &url);
    // The store has lost what it kept of the document, and no token has made it a last good copy.
    for (key, _) in world.records().iter().filter(|(key, _)| key.starts_with("document/")) {
        world.overwrite(key, b"lost");
    }
    world.provider().fail(".json", Fault::Answer(403, String::new()));
    world.move_on();
    let redeem = |client: &str, code: &str| {
        let response = world.token(&[
            ("grant_type", "authorization_code"),
            ("client_id", client),
            ("code", code),
            ("code_verifier", VERIFIER),
        ]);
        (response.status, error_of(&response))
    };
    let guess = format!("pmcp_c_{}", "A".repeat(43));
    assert_eq!(redeem(&url, &guess), away(), "M11: only the code knows the client");
    assert_eq!(redeem(&other, &code), away(), "M11: the code is another client's");
    world.provider().fail(".json", Fault::Answer(200, r#"{"error":"blocked"}"#.to_owned()));
    assert_eq!(redeem(&url, &guess), away(), "M21: what came is not the document");
    assert_eq!(redeem(&url, &code), SERVED, "M11");
    world.provider().fail("client.json", Fault::Answer(410, String::new()));
    assert_eq!(redeem(&url, &code), ended(), "a document that is gone is not away");
}

#[test]
fn the_last_good_copy_serves_for_seven_days_from_the_last_fetch() {
    let standing = Standing::new();
    assert_eq!(standing.fetches(), 1);
    assert_eq!(standing.refresh(), SERVED);
    assert!(standing.until(|| standing.fetches() == 2), "a request that the copy served fetches anew");
    standing.answers(Fault::Answer(403, String::new()));
    let seen = || Browser::default().get(&standing.world, &authorize(&standing.url, &[])).status == 200;
    assert!(standing.until(seen), "what was fetched is kept");
    standing.world.advance(7 * 24 * 60 * 60 - 1);
    assert_eq!(standing.revoke(), SERVED, "within seven days of the second fetch");
    standing.world.advance(1);
    assert_eq!(standing.revoke(), away(), "M11");
}

#[test]
fn a_document_that_is_gone_or_breaks_a_rule_ends_the_last_good_copy() {
    for is_gone in [true, false] {
        let standing = Standing::new();
        let unsafe_uri = good(&standing.url).replace(REDIRECT_URI, "javascript:x");
        standing.answers(if is_gone { Fault::Answer(410, String::new()) } else { Fault::Answer(200, unsafe_uri) });
        assert_eq!(standing.refresh(), SERVED, "it is asked for when the answer is out");
        assert!(standing.until(|| standing.refresh() == ended()), "M23");
        standing.answers(Fault::Answer(403, String::new()));
        assert_eq!(standing.refresh(), away(), "nothing is left of it");
    }
}

#[test]
fn documents_that_are_turned_off_are_neither_offered_nor_fetched_nor_used() {
    let mut standing = Standing::new();
    standing.world.change(&[FETCHING, &[("CLIENT_METADATA_DOCUMENTS", "off")]].concat());
    let metadata = standing.world.send("GET", "/.well-known/oauth-authorization-server", &[], "");
    assert_eq!(json_of(&metadata)["client_id_metadata_document_supported"], false);
    assert_eq!((standing.refresh(), standing.revoke()), (ended(), ended()));
    refused(&standing.world, &standing.url, "off");
    assert_eq!(standing.fetches(), 1);
    let registered = standing.world.client();
    assert_eq!(Browser::default().get(&standing.world, &authorize(&registered, &[])).status, 200);
}

#[test]
fn a_host_that_the_operator_does_not_name_any_more_is_refused_with_its_kept_document() {
    let mut standing = Standing::new();
    Browser::default().consent(&standing.world, &standing.url);
    standing.world.change(&[FETCHING, &[("CIMD_ALLOWED_HOSTS", "good.example")]].concat());
    refused(&standing.world, &standing.url, "M35");
    assert_eq!((standing.refresh(), standing.revoke()), (ended(), ended()), "M35");
    assert_eq!(standing.fetches(), 2);
}

#[test]
fn of_the_methods_of_a_document_the_one_that_is_served_counts() {
    let world = World::with(FETCHING);
    let url = world.document("client.json");
    let with = |members: &str| Fault::Answer(200, good(&url).replacen('{', &format!("{{{members},"), 1));
    for members in [
        r#""token_endpoint_auth_method":"private_key_jwt""#,
        r#""token_endpoint_auth_methods_supported":["private_key_jwt"]"#,
    ] {
        world.provider().fail("client.json", with(members));
        let page = text(&Browser::default().get(&world, &authorize(&url, &[])));
        assert!(page.contains("private_key_jwt") && page.contains("breaks a rule"), "M24 {page}");
    }
    let chatgpt = r#""token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://chatgpt.com/keys",
        "token_endpoint_auth_methods_supported":["none","private_key_jwt"]"#;
    world.provider().fail("client.json", with(chatgpt));
    assert!(world.tokens(&url)["access_token"].is_string());
}

#[test]
fn of_the_redirect_uris_of_a_document_the_one_that_is_asked_for_counts() {
    let world = World::with(FETCHING);
    let url = world.document("client.json");
    let uris =
        ["myapp://cb", "urn:x", "http://printer.lan/cb", "https://2130706433/cb", "http://127.0.0.1/cb", REDIRECT_URI];
    let document = json!({ "client_id": url, "client_name": "App", "redirect_uris": uris });
    world.provider().fail("client.json", Fault::Answer(200, document.to_string()));
    let status = |uri: &str| Browser::default().get(&world, &authorize(&url, &[("redirect_uri", uri)])).status;
    assert_eq!(uris.map(status), [400, 400, 400, 400, 200, 200]);
    assert!(world.tokens(&url)["access_token"].is_string());
}

#[test]
fn a_certificate_that_nobody_trusts_is_no_document() {
    let world = World::with(FETCHING);
    let url = world.untrusted_document("client.json");
    world.provider().fail("client.json", Fault::Answer(200, good(&url)));
    not_fetched(&world, &url, "M18");
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
