//! `/authorize`, `/register` and the metadata documents: rows of bad input with what each is answered with.

use serde_json::{Value, json};

use super::world::*;

#[track_caller]
fn page(world: &World, target: &str, status: u16, id: &str) {
    let response = Browser::default().get(world, target);
    assert_eq!((response.status, header(&response, "location")), (status, None), "{id} {target}");
    assert!(!text(&response).contains("m4rked"), "{id} echoes its input");
}

#[test]
fn nothing_leaves_our_pages_until_client_and_redirect_uri_are_proven() {
    let world = World::new();
    let client = world.client();
    let loopback = json!({ "redirect_uris": ["http://127.0.0.1/cb"], "token_endpoint_auth_method": "none" });
    let loopback = json_of(&world.register(&loopback))["client_id"].as_str().unwrap().to_owned();
    page(&world, "/authorize", 400, "A01");
    page(&world, &authorize("", &[]), 400, "A02");
    page(&world, &authorize("m4rked", &[]), 400, "A59");
    for (id, uri) in [
        ("A05", "https://other.example/m4rked"),
        ("A07", "https://app.example/cb?x=1"),
        ("A08", "https://app.example/CB"),
        ("A08", "https://app.example/%63b"),
        ("A10", "https://app.example/cb.evil"),
        ("A10", "https://app.example.evil/cb"),
        ("A11", "https://app.example@evil.example/cb"),
        ("A11", "https://app.example%40evil/cb"),
        ("A11", "https://evil\\@app.example/cb"),
        ("A13", "javascript:alert(1)"),
        ("A13", "data:text/html,x"),
        ("A14", " JavaScript:alert(1)"),
        ("A14", "java\tscript:alert(1)"),
        ("A20", "http://app.example/cb"),
        ("A04", ""),
    ] {
        page(&world, &authorize(&client, &[("redirect_uri", uri)]), 400, id);
    }
    for (id, uri) in [
        ("A16", "http://localhost:1/cb"),
        ("A17", "http://127.0.0.1.evil.example/cb"),
        ("A17", "http://127.0.0.1@evil.example/cb"),
        ("A19", "http://127.0.0.1:1/other"),
    ] {
        page(&world, &authorize(&loopback, &[("redirect_uri", uri)]), 400, id);
    }
    let free_port = authorize(&loopback, &[("redirect_uri", "http://127.0.0.1:51234/cb")]);
    assert_eq!(Browser::default().get(&world, &free_port).status, 200);
    page(&world, &format!("{}&client_id=x", authorize(&client, &[])), 400, "A34");
    page(&world, &format!("{}&redirect_uri=https%3A%2F%2Fevil.example", authorize(&client, &[])), 400, "A35");
    page(&world, &format!("{}&x=%ZZ", authorize(&client, &[])), 400, "A52");
    page(&world, &format!("{}&x=%C0%80", authorize(&client, &[])), 400, "A52");
    page(&world, &format!("{}&x={}", authorize(&client, &[]), "a".repeat(9000)), 414, "A53");
}

#[test]
fn errors_after_that_wait_behind_a_button_and_go_to_loopback_by_themselves() {
    let world = World::new();
    let client = world.client();
    let uri = "http://127.0.0.1:5000/cb?kept=1";
    let loopback = json!({ "redirect_uris": ["http://127.0.0.1/cb?kept=1"], "token_endpoint_auth_method": "none" });
    let loopback = json_of(&world.register(&loopback))["client_id"].as_str().unwrap().to_owned();
    for (id, changes, error) in [
        ("A22", &[("response_type", "")][..], "invalid_request"),
        ("A23", &[("response_type", "token")], "unsupported_response_type"),
        ("A23", &[("response_type", "code token")], "unsupported_response_type"),
        ("A25", &[("response_mode", "fragment")], "invalid_request"),
        ("A26", &[("code_challenge", "")], "invalid_request"),
        ("A28", &[("code_challenge_method", "plain")], "invalid_request"),
        ("A29", &[("code_challenge_method", "")], "invalid_request"),
        ("A31", &[("code_challenge", "")], "invalid_request"),
        ("A32", &[("code_challenge", "short")], "invalid_request"),
        ("A38", &[("resource", "/internal")], "invalid_target"),
        ("A38", &[("resource", "https://mcp.example.com/internal#x")], "invalid_target"),
        ("A41", &[("resource", "https://mcp.example.com/internal/../other")], "invalid_target"),
        ("A41", &[("resource", "https://mcp.example.com/mcp")], "invalid_target"),
        ("A43", &[("scope", "a\"b")], "invalid_scope"),
        ("A43", &[("scope", "a  b")], "invalid_scope"),
        ("A47", &[("request", "x")], "request_not_supported"),
        ("A47", &[("request_uri", "https://x.example")], "request_uri_not_supported"),
        ("A49", &[("prompt", "none consent")], "invalid_request"),
    ] {
        let response = Browser::default().get(&world, &authorize(&client, changes));
        let shown = text(&response);
        assert_eq!((response.status, header(&response, "location")), (400, None), "{id}");
        for part in ["app.example", &format!("error={error}"), "state=client-state", "iss="] {
            assert!(shown.contains(part), "{id} lacks {part}");
        }
        let changes = [&[("redirect_uri", uri)], changes].concat();
        let response = Browser::default().get(&world, &authorize(&loopback, &changes));
        let location = header(&response, "location").unwrap_or_default().to_owned();
        assert_eq!(response.status, 303, "{id}");
        assert!(location.starts_with(uri), "A61 {location}");
        assert_eq!(parameter(&location, "error").as_deref(), Some(error), "{id}");
        assert_eq!(parameter(&location, "state").as_deref(), Some("client-state"), "{id}");
        assert_eq!(parameter(&location, "iss").as_deref(), Some("https://mcp.example.com"), "{id}");
    }
    let twice = format!("{}&resource=https%3A%2F%2Fother.example", authorize(&client, &[]));
    assert!(text(&Browser::default().get(&world, &twice)).contains("error=invalid_target"), "A37");
}

#[test]
fn what_is_tolerated_is_tolerated() {
    let world = World::new();
    let client = world.client();
    for changes in [
        &[("resource", "")][..],
        &[("resource", "HTTPS://MCP.example.com/internal/")],
        &[("resource", "https://mcp.example.com")],
        &[("scope", "")],
        &[("scope", "openid offline_access mcp:tools")],
        &[("state", "")],
        &[("state", "ä€😀")],
        &[("unknown", "x")],
    ] {
        let response = Browser::default().get(&world, &authorize(&client, changes));
        assert_eq!(response.status, 200, "A40 A46 {changes:?}");
    }
}

#[test]
fn metadata_comes_from_the_settings_whatever_the_request_says() {
    let world = World::new();
    let document = json_of(&world.send("GET", "/.well-known/oauth-authorization-server", &[], ""));
    assert_eq!(document["issuer"], "https://mcp.example.com");
    assert_eq!(document["registration_endpoint"], "https://mcp.example.com/register");
    let forged = [("x-forwarded-host", "evil.example"), ("forwarded", "host=evil.example")];
    assert_eq!(
        json_of(&world.send("GET", "/.well-known/oauth-authorization-server", &forged, "")),
        document,
        "A56 V15"
    );
    let resource = json_of(&world.send("GET", "/.well-known/oauth-protected-resource/internal", &[], ""));
    assert_eq!(resource["resource"], "https://mcp.example.com/internal");
    assert_eq!(resource["scopes_supported"], json!(["mcp"]), "V18");
    let other = json_of(&world.send("GET", "/.well-known/oauth-protected-resource/mcp", &[], ""));
    assert_eq!(other["resource"], "https://mcp.example.com/mcp");
    assert_eq!(world.send("GET", "/.well-known/oauth-protected-resource/other", &[], "").status, 404, "V17");
    assert_eq!(world.send("POST", "/.well-known/oauth-authorization-server", &[], "").status, 405, "V20");
    let closed = World::with(&[("REGISTRATION", "off")]);
    let document = json_of(&closed.send("GET", "/.well-known/oauth-authorization-server", &[], ""));
    assert_eq!(document.get("registration_endpoint"), None, "R01");
    assert_eq!(closed.register(&json!({})).status, 404, "R01");
}

#[test]
fn metadata_documents_are_the_goldens() {
    let world = World::new();
    for (path, golden) in [
        ("oauth-authorization-server", include_str!("../../../golden/metadata/oauth-authorization-server.json")),
        (
            "oauth-protected-resource/internal",
            include_str!("../../../golden/metadata/oauth-protected-resource-internal.json"),
        ),
        ("oauth-protected-resource/mcp", include_str!("../../../golden/metadata/oauth-protected-resource-mcp.json")),
    ] {
        let response = world.send("GET", &format!("/.well-known/{path}"), &[], "");
        let golden: Value = serde_json::from_str(golden).expect("a golden is JSON");
        assert_eq!(json_of(&response), golden, "{path} is {}", text(&response));
    }
}

#[test]
fn paths_are_what_they_are() {
    let world = World::new();
    for path in [
        "//authorize",
        "/authorize/",
        "/%61uthorize",
        "/authorize;x",
        "/AUTHORIZE",
        "/token/",
        "/internal/",
        "/internalx",
    ] {
        assert_eq!(world.send("GET", path, &[], "").status, 404, "X13 {path}");
    }
}

#[test]
fn registrations_are_read_strictly() {
    let world = World::new();
    let register =
        |body: &str, media_type: &str| world.send("POST", "/register", &[("content-type", media_type)], body);
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for (id, body, status, error) in [
        ("R04", "", 400, "invalid_client_metadata"),
        ("R04", "[]", 400, "invalid_client_metadata"),
        ("R04", "null", 400, "invalid_client_metadata"),
        ("R06", &deep, 400, "invalid_client_metadata"),
        ("R07", r#"{"client_name":"\ud800","redirect_uris":["https://a.example/"]}"#, 400, "invalid_client_metadata"),
        ("R09", "{}", 400, "invalid_redirect_uri"),
        ("R09", r#"{"redirect_uris":[]}"#, 400, "invalid_redirect_uri"),
        ("R09", r#"{"redirect_uris":"https://a.example/"}"#, 400, "invalid_redirect_uri"),
        ("R09", r#"{"redirect_uris":[7]}"#, 400, "invalid_redirect_uri"),
        ("R18", "{\"redirect_uris\":[\"https://ex\u{430}mple.example/\"]}", 400, "invalid_redirect_uri"),
        (
            "A58 D06",
            r#"{"redirect_uris":["https://a.example/"],"grant_types":["refresh_token"]}"#,
            400,
            "invalid_client_metadata",
        ),
        ("R12", r#"{"redirect_uris":["https://a.example/cb#f"]}"#, 400, "invalid_redirect_uri"),
        ("R13", r#"{"redirect_uris":["javascript:x"]}"#, 400, "invalid_redirect_uri"),
        ("R15", r#"{"redirect_uris":["https://*.a.example/cb"]}"#, 400, "invalid_redirect_uri"),
        ("R16", r#"{"redirect_uris":["https:///cb"]}"#, 400, "invalid_redirect_uri"),
        (
            "R19",
            r#"{"redirect_uris":["https://a.example/"],"grant_types":["implicit"]}"#,
            400,
            "invalid_client_metadata",
        ),
        (
            "R22",
            r#"{"redirect_uris":["https://a.example/"],"token_endpoint_auth_method":7}"#,
            400,
            "invalid_client_metadata",
        ),
        (
            "R24",
            r#"{"redirect_uris":["https://a.example/"],"jwks":{"keys":[]},"jwks_uri":"https://a.example/k"}"#,
            400,
            "invalid_client_metadata",
        ),
        ("R31", r#"{"redirect_uris":["http://127.0.0.1/"],"application_type":"web"}"#, 400, "invalid_redirect_uri"),
    ] {
        world.ports.limiter.0.borrow_mut().clear();
        let response = register(body, "application/json");
        assert_eq!((response.status, error_of(&response).as_str()), (status, error), "{id}");
    }
    assert_eq!(error_of(&register("{}", "text/plain")), "invalid_client_metadata", "R03");
    assert_eq!(register(&"x".repeat(70_000), "application/json").status, 413, "R06");
    let own = json!({ "redirect_uris": [REDIRECT_URI], "client_id": "mine", "client_secret": "mine" });
    let answer = json_of(&world.register(&own));
    assert_ne!(answer["client_id"], "mine", "R27");
    assert!(answer["client_secret"].as_str().is_some_and(|secret| secret.starts_with("pmcp_s_")), "R27 R36");
}

#[test]
fn the_eleventh_registration_in_a_minute_waits() {
    let world = World::new();
    let metadata = |number: u32| json!({ "redirect_uris": [format!("https://a.example/{number}")] });
    for number in 0..10 {
        assert_eq!(world.register(&metadata(number)).status, 201);
    }
    let limited = world.register(&metadata(10));
    assert_eq!((limited.status, header(&limited, "retry-after").is_some()), (429, true), "R33");
}

#[test]
fn a_public_client_that_registers_again_is_the_same() {
    let world = World::new();
    assert_eq!(world.client(), world.client());
    let confidential = json!({ "redirect_uris": [REDIRECT_URI] });
    let id = |answer: Value| answer["client_id"].as_str().unwrap().to_owned();
    assert_ne!(id(json_of(&world.register(&confidential))), id(json_of(&world.register(&confidential))));
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
        page(&world, &authorize(url, &[]), 400, id);
        assert!(world.ports.http.asked.borrow().is_empty(), "{id} {url} was fetched");
    }
    let listed = World::with(&[("CIMD_ALLOWED_HOSTS", "good.example")]);
    page(&listed, &authorize("https://other.example/client.json", &[]), 400, "M35");
    assert!(listed.ports.http.asked.borrow().is_empty());
}

#[test]
fn a_client_is_what_its_document_says_and_an_error_is_not_kept() {
    const URL: &str = "https://app.example/client.json";
    let world = World::new();
    let good = json!({ "client_id": URL, "client_name": "App", "redirect_uris": [REDIRECT_URI] }).to_string();
    for (id, answer) in [
        ("M09", Ok((201, good.clone()))),
        ("M11", Ok((404, good.clone()))),
        ("M11", Ok((500, String::new()))),
        ("M20", Ok((200, format!("{{\"client_id\":\"https://evil.example/\",{}", good.trim_start_matches('{'))))),
        ("M21", Ok((200, good.replace("client.json", "Client.json")))),
        ("M12", Err(crate::ports::HttpError::MalformedResponse)),
        ("M15", Err(crate::ports::HttpError::ResponseTooLarge)),
        ("M17", Err(crate::ports::HttpError::TimedOut)),
        ("S44", Err(crate::ports::HttpError::AddressRefused)),
        ("S51", Ok((302, String::new()))),
        ("M23", Ok((200, good.replace("https://app.example/cb", "javascript:x")))),
        ("M24", Ok((200, good.replace("{", "{\"token_endpoint_auth_method\":\"client_secret_post\",")))),
        ("M18", Err(crate::ports::HttpError::TlsFailed)),
        ("S45", Err(crate::ports::HttpError::AddressRefused)),
    ] {
        *world.ports.http.faults.borrow_mut() = vec![("client.json", answer)];
        page(&world, &authorize(URL, &[]), 400, id);
    }
    *world.ports.http.faults.borrow_mut() = vec![("client.json", Ok((200, good)))];
    world.ports.limiter.0.borrow_mut().clear();
    for _ in 0..3 {
        let response = Browser::default().get(&world, &authorize(URL, &[]));
        assert_eq!(response.status, 200);
        assert!(text(&response).contains("app.example"));
    }
    assert_eq!(world.ports.http.count("client.json"), 15, "M32: the good one is fetched once");
    let tokens = world.tokens(URL);
    assert!(tokens["access_token"].is_string(), "{tokens}");
}

#[test]
fn an_address_makes_this_server_fetch_only_so_often() {
    let world = World::new();
    let mut statuses = Vec::new();
    for number in 0..25 {
        *world.ports.http.faults.borrow_mut() = vec![("host.example", Ok((404, String::new())))];
        let target = authorize(&format!("https://host.example/{number}"), &[]);
        statuses.push(Browser::default().get(&world, &target).status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 5, "M33");
    assert_eq!(world.ports.http.count("host.example"), 20);
}
