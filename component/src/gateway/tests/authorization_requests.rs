//! `/authorize`, the metadata documents and paths: rows of bad input with what each is answered with.

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
    page(&world, &authorize(&client, &[("scope", &"a ".repeat(5000))]), 414, "A44");
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
        ("A49", &[("prompt", "none")], "login_required"),
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
        let described = parameter(&location, "error_description").unwrap_or_default();
        assert_eq!(described.contains("https://mcp.example.com/internal"), error == "invalid_target", "{id}");
    }
    let one = authorize(&client, &[("resource", "https://mcp.example.com/internal")]);
    let twice = format!("{one}&resource=https%3A%2F%2Fother.example");
    assert!(text(&Browser::default().get(&world, &twice)).contains("error=invalid_target"), "A37");
    let same = format!("{one}&resource=https%3A%2F%2Fmcp.example.com%2Finternal%2F");
    assert_eq!(Browser::default().get(&world, &same).status, 200, "A37: both are this server's");
}

#[test]
fn what_is_tolerated_is_tolerated() {
    let world = World::new();
    let client = world.client();
    for changes in [
        &[][..],
        &[("resource", "https://mcp.example.com/internal")],
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
    let posted = world.send("POST", "/.well-known/oauth-authorization-server", &[], "");
    assert_eq!((posted.status, header(&posted, "allow")), (405, Some("GET, HEAD, OPTIONS")), "V20");
    assert!(json_of(&posted)["error"].is_string() && json_of(&posted).get("jsonrpc").is_none(), "V20");
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
        "/authorize//",
        "/authorize/x",
        "/%61uthorize",
        "/authorize;x",
        "/AUTHORIZE",
        "/token//",
        "/internal//",
        "/internalx",
        "/",
    ] {
        assert_eq!(world.send("GET", path, &[], "").status, 404, "X13 {path}");
    }
}

#[test]
fn a_slash_at_the_end_is_the_same_path_everywhere() {
    let world = World::new();
    for path in [
        "/authorize",
        "/callback",
        "/token",
        "/register",
        "/revoke",
        "/internal",
        "/mcp",
        "/healthz",
        "/admin/operator",
    ] {
        for method in ["GET", "POST", "PUT", "OPTIONS"] {
            let [plain, slashed] = [path.to_owned(), format!("{path}/")].map(|path| world.send(method, &path, &[], ""));
            assert_eq!(slashed.status, plain.status, "{method} {path}");
            assert_eq!(header(&slashed, "allow"), header(&plain, "allow"), "{method} {path}");
            let cors = "access-control-allow-origin";
            assert_eq!(header(&slashed, cors), header(&plain, cors), "{method} {path}");
        }
    }
    let server = "/.well-known/oauth-authorization-server";
    assert_eq!(world.send("GET", &format!("{server}/"), &[], "").body, world.send("GET", server, &[], "").body);
}

#[test]
fn a_client_that_writes_internal_with_a_slash_finds_its_own_resource_and_signs_in() {
    let world = World::new();
    let list = |path: &str, headers: &[(&str, &str)]| {
        let json = [("content-type", "application/json"), ("mcp-protocol-version", "2025-11-25")];
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        world.send("POST", path, &[&json, headers].concat(), body)
    };
    for (path, resource) in
        [("/internal", "https://mcp.example.com/internal"), ("/internal/", "https://mcp.example.com/internal/")]
    {
        let challenge = list(path, &[]);
        let challenge = header(&challenge, "www-authenticate").unwrap().to_owned();
        let metadata = challenge.split("resource_metadata=\"").nth(1).unwrap().split('"').next().unwrap();
        let document = json_of(&world.send("GET", metadata.strip_prefix(ISSUER).unwrap(), &[], ""));
        assert_eq!(document["resource"], resource, "{challenge}");
        assert_eq!(document["authorization_servers"], json!([ISSUER]));
        let (client, browser) = (world.client(), Browser::default());
        let consent = browser.get(&world, &authorize(&client, &[("resource", resource)]));
        let back = browser.approve(&world, &form_of(&consent));
        let location = browser.get(&world, &back);
        let code = parameter(header(&location, "location").unwrap(), "code").unwrap();
        let tokens = json_of(&world.token(&[
            ("grant_type", "authorization_code"),
            ("client_id", &client),
            ("code", &code),
            ("code_verifier", VERIFIER),
            ("resource", resource),
        ]));
        let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
        for path in ["/internal", "/internal/"] {
            assert_eq!(list(path, &[("authorization", &bearer)]).status, 200, "{resource} {path}");
        }
    }
    let other = json_of(&world.send("GET", "/.well-known/oauth-protected-resource/mcp/", &[], ""));
    assert_eq!(other["resource"], "https://mcp.example.com/mcp/");
}

#[test]
fn a_404_under_a_path_names_its_endpoint() {
    let named = |world: &World, path: &str| {
        let answer = world.send("POST", path, &[("content-type", "application/json")], "{}");
        assert_eq!(answer.status, 404, "{path}");
        let told = error_of(&answer);
        told.trim_end_matches('.').rsplit(' ').next().unwrap_or_default().to_owned()
    };
    let world = World::new();
    for (path, endpoint) in [
        ("/internal/sse", "/internal"),
        ("/internal//", "/internal"),
        ("/internal/.well-known/openid-configuration", "/internal"),
        ("/mcp/sse", "/mcp"),
        ("/mcp/internal", "/mcp"),
        ("/token/x", "/token"),
        ("/.well-known/oauth-authorization-server/internal", "/.well-known/oauth-authorization-server"),
        ("/admin/operator/x", "/mcp"),
        ("/sse", "/mcp"),
        ("/", "/mcp"),
    ] {
        assert_eq!(named(&world, path), endpoint, "{path}");
    }
    let without = World::with(&[("ACCESS_CLIENT_ID", ""), ("ACCESS_CLIENT_SECRET", ""), ("ACCESS_ISSUER", "")]);
    for path in ["/internal/sse", "/internal", "/token/x"] {
        assert_eq!(named(&without, path), "/mcp", "{path}");
    }
}

#[test]
fn nobody_is_sent_to_sign_in_where_tokens_are_refused() {
    let world = World::new();
    let document = json_of(&world.send("GET", "/.well-known/oauth-protected-resource/mcp", &[], ""));
    for member in ["authorization_servers", "scopes_supported", "jwks_uri"] {
        assert_eq!(document.get(member), None, "{member}");
    }
    assert!(document["resource_documentation"].as_str().is_some_and(|url| url.starts_with("https://")), "{document}");
    let challenge = world.send("POST", "/mcp", &[("content-type", "application/json")], "{}");
    assert!(!header(&challenge, "www-authenticate").unwrap().contains("resource_metadata"));
    // A client that goes on by itself is told which address it can sign in for.
    let refused =
        world.send("GET", &authorize(&world.client(), &[("resource", "https://mcp.example.com/mcp")]), &[], "");
    let page = text(&refused);
    assert!(page.contains("invalid_target") && page.contains("https://mcp.example.com/internal"), "{page}");
}

#[test]
fn a_host_that_is_not_ours_is_refused_everywhere() {
    let world = World::with(&[("MCP_ALLOWED_HOSTNAMES", "elsewhere.example")]);
    for path in ["/authorize", "/callback", "/token", "/internal", "/.well-known/oauth-authorization-server"] {
        assert_eq!(world.send("GET", path, &[], "").status, 403, "A55 {path}");
    }
}

#[test]
fn a_browser_is_shown_a_page_before_an_endpoint_reads_its_request_too() {
    for (changes, status, words) in [
        (("MCP_ALLOWED_HOSTNAMES", "elsewhere.example"), 403, "This server has another address"),
        (("COOKIE_ENCRYPTION_KEY", "0123"), 500, "COOKIE_ENCRYPTION_KEY"),
        (("RATE_LIMIT_PER_MINUTE", "1"), 429, "Too many requests"),
    ] {
        let world = World::with(&[changes]);
        for path in ["/authorize", "/callback"] {
            for _ in 0..20 {
                world.send("GET", path, &[], "");
            }
            let shown = world.send("GET", path, &[], "");
            assert_eq!((shown.status, header(&shown, "retry-after").is_some()), (status, status == 429), "{path}");
            assert_eq!(header(&shown, "content-type"), Some("text/html; charset=utf-8"), "{path}");
            assert!(text(&shown).contains(words), "{path} {}", text(&shown));
        }
    }
}

#[test]
fn the_consent_page_shows_no_more_than_it_should_of_a_client() {
    let world = World::new();
    let register = |metadata: Value| {
        let client = json_of(&world.register(&metadata))["client_id"].as_str().unwrap().to_owned();
        text(&Browser::default().get(&world, &authorize(&client, &[])))
    };
    let shown = register(json!({
        "client_name": "<b>m\u{202e}arked</b>", "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none",
        "logo_uri": "javascript:alert(1)", "client_uri": "javascript:alert(2)",
    }));
    assert!(!shown.contains("javascript:") && !shown.contains("<b>") && !shown.contains('\u{202e}'), "C27 {shown}");
    let loopback = json!({ "redirect_uris": ["http://127.0.0.1/cb"], "token_endpoint_auth_method": "none" });
    let loopback = json_of(&world.register(&loopback))["client_id"].as_str().unwrap().to_owned();
    let target = authorize(&loopback, &[("redirect_uri", "http://127.0.0.1:51234/cb")]);
    let warned = text(&Browser::default().get(&world, &target));
    assert!(warned.contains("127.0.0.1") && warned.contains("this device"), "C31 {warned}");
}
