//! The order of the checks, and what every response has.

mod assertions;
mod audits;
mod authorization_requests;
mod bearers;
mod causes;
mod decision_limit;
mod decisions;
mod deployment;
mod documents;
mod headers;
mod logins;
mod nothing_personal;
mod older_reader;
mod outages;
mod quota;
mod record_versions;
mod registrations;
mod request_line;
mod rotation;
mod sign_in;
mod token_requests;
mod unconfirmed;
mod unreadable_secrets;
mod upstreams;
mod world;

use futures_util::FutureExt;

use super::*;
use crate::ports::MemoryPorts;

fn config(settings: &[(&'static str, &str)]) -> Result<Setup, ConfigError> {
    let settings = [&[("MCP_ALLOWED_HOSTNAMES", "localhost")], settings].concat();
    Setup::read(|name| settings.iter().rev().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
}

struct Sent<'a> {
    method: &'a str,
    path: &'a str,
    authority: Option<&'a str>,
    headers: &'a [(&'a str, &'a str)],
    body: &'a str,
}

const PING: Sent<'static> = Sent {
    method: "POST",
    path: "/mcp",
    authority: Some("localhost:8787"),
    headers: &[("authorization", "Bearer test-key-123"), ("content-type", "application/json")],
    body: r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
};

fn send(ports: &MemoryPorts, config: &Result<Setup, ConfigError>, sent: &Sent<'_>) -> Response {
    let headers = sent.headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    let request = Request {
        method: sent.method.to_owned(),
        path: sent.path.to_owned(),
        query: String::new(),
        authority: sent.authority.map(str::to_owned),
        headers: Headers(headers),
    };
    let answered = Gateway::new(ports, config).handle(&request, sent.body.as_bytes()).now_or_never();
    answered.expect("nothing waits").response
}

#[track_caller]
fn check(sent: &Sent<'_>, status: u16) -> Response {
    let response = send(&MemoryPorts::default(), &config(&[]), sent);
    assert_eq!(response.status, status, "{}", String::from_utf8_lossy(&response.body));
    response
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
}

#[test]
fn checks_come_in_their_order() {
    check(&PING, 200);
    let everything_wrong =
        Sent { authority: Some("evil.example"), headers: &[("origin", "null")], body: "not json", ..PING };
    check(&Sent { method: "OPTIONS", ..everything_wrong }, 204);
    let host = check(&Sent { method: "GET", ..everything_wrong }, 403);
    assert!(String::from_utf8_lossy(&host.body).contains("MCP_ALLOWED_HOSTNAMES"));
    check(&Sent { method: "GET", authority: Some("LOCALHOST"), ..everything_wrong }, 403);
    check(&Sent { method: "GET", headers: &[], ..PING }, 405);
    check(&Sent { headers: &[], body: "not json", ..PING }, 401);
    check(&Sent { headers: &[("authorization", "Bearer test-key-123")], body: "not json", ..PING }, 415);
    check(&Sent { body: "not json", ..PING }, 400);
}

#[test]
fn media_types_are_json_with_any_parameters() {
    for (media_type, status) in [
        ("application/json; charset=utf-8", 200),
        ("Application/JSON", 200),
        ("application/json5", 415),
        ("text/plain", 415),
        ("application/json, text/plain", 415),
    ] {
        check(
            &Sent { headers: &[("authorization", "Bearer test-key-123"), ("content-type", media_type)], ..PING },
            status,
        );
    }
}

#[test]
fn a_body_over_one_mebibyte_is_refused() {
    let large = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{{\"x\":\"{}\"}}}}",
        "x".repeat(1 << 20)
    );
    check(&Sent { body: &large, ..PING }, 413);
}

#[test]
fn every_response_has_the_security_headers() {
    for sent in [
        PING,
        Sent { method: "OPTIONS", ..PING },
        Sent { method: "GET", ..PING },
        Sent { headers: &[], ..PING },
        Sent { authority: None, ..PING },
        Sent { path: "/nope", ..PING },
        Sent { path: "/healthz", method: "GET", ..PING },
        Sent { body: "", ..PING },
    ] {
        let response = send(&MemoryPorts::default(), &config(&[]), &sent);
        for name in [
            "cache-control",
            "referrer-policy",
            "strict-transport-security",
            "x-content-type-options",
            "x-frame-options",
        ] {
            assert!(header(&response, name).is_some(), "{} {} lacks {name}", sent.method, sent.path);
        }
        assert_eq!(header(&response, "access-control-allow-origin").is_some(), sent.path == "/mcp");
    }
}

#[test]
fn paths_are_compared_as_they_stand() {
    for path in ["/", "/MCP", "/mcp//", "/mcp/x", "/%6dcp", "//mcp", "/mcpx", "/.env", ""] {
        check(&Sent { path, ..PING }, 404);
    }
    check(&Sent { path: "/mcp/", ..PING }, 200);
    check(&Sent { path: "/healthz/", method: "GET", authority: None, ..PING }, 200);
    check(&Sent { path: "/healthz", method: "GET", authority: None, ..PING }, 200);
    check(&Sent { path: "/healthz", ..PING }, 405);
}

#[test]
fn a_refused_credential_costs_ten_of_the_addresss_bucket() {
    let ports = MemoryPorts::default();
    let config = config(&[("RATE_LIMIT_PER_MINUTE", "10")]);
    let refused = Sent { headers: &[], ..PING };
    for _ in 0..10 {
        assert_eq!(send(&ports, &config, &refused).status, 401);
    }
    let limited = send(&ports, &config, &PING);
    assert_eq!((limited.status, header(&limited, "retry-after")), (429, Some("60")));
}

#[test]
fn an_identity_has_a_bucket_of_its_own_and_a_batch_pays_for_each_member() {
    let ports = MemoryPorts::default();
    let config = config(&[("RATE_LIMIT_PER_MINUTE", "5")]);
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"ping"},{"jsonrpc":"2.0","id":3,"method":"ping"}]"#;
    assert_eq!(send(&ports, &config, &Sent { body: batch, ..PING }).status, 200);
    assert_eq!(send(&ports, &config, &Sent { body: batch, ..PING }).status, 429);
    let other = [("authorization", "Bearer another-key-456"), ("content-type", "application/json")];
    assert_eq!(send(&ports, &config, &Sent { body: batch, headers: &other, ..PING }).status, 200);
}

#[test]
fn limits_can_be_off() {
    let ports = MemoryPorts::default();
    let config = config(&[("RATE_LIMIT_PER_MINUTE", "0")]);
    for _ in 0..1000 {
        assert_eq!(send(&ports, &config, &PING).status, 200);
    }
    assert!(ports.limiter.0.borrow().is_empty());
}

#[test]
fn a_malformed_setting_is_named_and_its_value_is_not_shown() {
    let config = config(&[("PLAUSIBLE_BASE_URL", "http://s3cret.example")]);
    let response = send(&MemoryPorts::default(), &config, &PING);
    let body = String::from_utf8_lossy(&response.body).into_owned();
    assert_eq!(response.status, 500);
    assert!(body.contains("PLAUSIBLE_BASE_URL") && !body.contains("s3cret"), "{body}");
    assert_eq!(send(&MemoryPorts::default(), &config, &Sent { path: "/healthz", method: "GET", ..PING }).status, 200);
}

#[test]
fn a_key_is_neither_echoed_nor_logged() {
    let ports = MemoryPorts::default();
    let config = config(&[]);
    for value in
        ["Bearer sup3r-s3cret-key", "Bearer pmcp_a_sup3r-s3cret-key", "Basic sup3r-s3cret-key", "sup3r-s3cret-key"]
    {
        let headers = Headers(vec![("authorization".into(), value.as_bytes().to_vec())]);
        let request = Request {
            method: "POST".into(),
            path: "/mcp".into(),
            authority: Some("localhost".into()),
            headers,
            ..Request::default()
        };
        let answered = Gateway::new(&ports, &config).handle(&request, PING.body.as_bytes()).now_or_never().unwrap();
        let shown = format!("{:?} {:?} {request:?}", answered.response, answered.record);
        assert!(!shown.contains("sup3r"), "{shown}");
        assert!(!String::from_utf8_lossy(&answered.response.body).contains("sup3r"));
    }
    assert!(ports.limiter.0.borrow().keys().all(|key| !key.contains("sup3r")));
}

#[test]
fn a_document_at_a_refused_address_is_no_client() {
    let world = world::World::new();
    let target = world::authorize("https://private.example/client.json", &[]);
    let response = world.send("GET", &target, &[], "");
    assert_eq!((response.status, header(&response, "location")), (400, None), "S44 S45");
    let page = |target: &str| {
        let target = world::authorize(target, &[]);
        let name = target.split("%2F").nth(2).unwrap().to_owned();
        world::text(&world.send("GET", &target, &[], "")).replace(&name, "")
    };
    let (private, silent) = (page("https://private.example/c.json"), page("https://plausible-mcp.invalid/c.json"));
    assert!(private.contains("could not be fetched"), "{private}");
    assert!(!silent.contains("could not be fetched"), "a name that is reserved is not looked up");
}

#[test]
fn a_host_without_a_place_for_a_document_says_when_to_come_back() {
    let world = world::World::new();
    let url = "https://busy.example/client.json";
    let page = world.send("GET", &world::authorize(url, &[]), &[], "");
    assert_eq!((page.status, world::header(&page, "retry-after")), (503, Some("10")));
    assert!(world::text(&page).contains("too many"), "{}", world::text(&page));
    let form = world::encode(&[("grant_type", "refresh_token"), ("refresh_token", "x"), ("client_id", url)]);
    let answer = world.send("POST", "/token", &[("content-type", world::FORM)], &form);
    assert_eq!((answer.status, world::error_of(&answer).as_str()), (503, "temporarily_unavailable"));
    assert!(world::header(&answer, "retry-after").is_some());
}

#[test]
fn check_says_how_many_sign_ins_end_by_turning_documents_off() {
    const TOKEN: &str = "an-administrator's-token-of-at-least-32-bytes";
    let mut world = world::World::with(&[]);
    let found = |world: &mut world::World, changes: &[(&'static str, &'static str)]| {
        world.change(&[&[("ADMIN_TOKEN", TOKEN), ("PLAUSIBLE_DEFAULT_SITE_ID", "shop.example")], changes].concat());
        let headers = [("authorization", format!("Bearer {TOKEN}")), ("content-type", "application/json".to_owned())];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let answer = world.send("POST", "/admin/operator", &headers, r#"{"action":"check"}"#);
        let findings = world::json_of(&answer)["findings"].as_array().unwrap().clone();
        let about = findings.into_iter().find(|finding| finding["setting"] == "CLIENT_METADATA_DOCUMENTS");
        about.map(|finding| format!("{} {}", finding["level"], finding["text"]))
    };
    let off = ("CLIENT_METADATA_DOCUMENTS", "off");
    assert_eq!(found(&mut world, &[]), None);
    assert!(found(&mut world, &[off]).unwrap().contains("apps register here"));
    assert!(found(&mut world, &[off, ("REGISTRATION", "off")]).unwrap().starts_with("\"warn\""));
    world.change(&[]);
    let registered = world.client();
    world.tokens(&registered);
    let url = world.document("client.json");
    let document = format!(r#"{{"client_id":"{url}","client_name":"A","redirect_uris":["{}"]}}"#, world::REDIRECT_URI);
    world.provider().fail("client.json", world::Fault::Answer(200, document));
    world.tokens(&url);
    let told = found(&mut world, &[off]).unwrap();
    assert!(told.starts_with("\"warn\"") && told.contains(" 1 sign-ins"), "{told}");
}

#[test]
fn a_document_that_nobody_is_to_store_is_asked_for_again_after_eleven_minutes() {
    let document =
        r#"{"client_id":"https://app.example/c","client_name":"A","redirect_uris":["https://app.example/cb"]}"#;
    for (cache_control, seconds) in [(None, 15 * 60), (Some("no-store"), 11 * 60), (Some("max-age=1800"), 30 * 60)] {
        let settings = [
            ("PUBLIC_URL", "https://mcp.example.com"),
            ("ACCESS_CLIENT_ID", "client-1"),
            ("ACCESS_ISSUER", "https://team.example/issuer"),
            ("ALLOWED_EMAIL_DOMAIN", "example.com"),
        ];
        let setup =
            Setup::read(|name| settings.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()));
        let mut ports = MemoryPorts::default();
        ports.secrets.0.insert("COOKIE_ENCRYPTION_KEY".to_owned(), format!("{:064x}", 7));
        for _ in 0..2 {
            let headers = [("content-type", "application/json")]
                .into_iter()
                .chain(cache_control.map(|value| ("cache-control", value)));
            let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            ports.http.answers.borrow_mut().push_back(Ok(crate::ports::HttpResponse {
                status: 200,
                headers,
                body: document.into(),
            }));
        }
        let target = world::authorize("https://app.example/c", &[]);
        let ask = || {
            let (path, query) = target.split_once('?').unwrap();
            let request = Request {
                method: "GET".into(),
                path: path.into(),
                query: query.into(),
                authority: Some("mcp.example.com".into()),
                ..Request::default()
            };
            let answered = Gateway::new(&ports, &setup).handle(&request, &b""[..]).now_or_never().unwrap();
            (answered.response.status, ports.http.requests.borrow().len())
        };
        assert_eq!(ask(), (200, 1));
        ports.clock.advance(seconds - 1);
        assert_eq!(ask(), (200, 1), "{cache_control:?}");
        ports.clock.advance(1);
        assert_eq!(ask(), (200, 2), "{cache_control:?}");
    }
}

proptest::proptest! {
    #[test]
    fn no_request_panics_or_is_our_fault(method in "[A-Za-z]{1,8}", path in ".{0,20}", authority: Option<String>, headers: Vec<(String, String)>, body: String) {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let sent = Sent { method: &method, path: &path, authority: authority.as_deref(), headers: &headers, body: &body };
        proptest::prop_assert!(send(&MemoryPorts::default(), &config(&[]), &sent).status < 500);
    }

    #[test]
    fn no_credential_origin_or_address_panics_or_is_our_fault(authorization: String, origin: String, forwarded: String, body: String) {
        let headers = [("authorization", authorization.as_str()), ("origin", &origin), ("x-forwarded-for", &forwarded), ("content-type", "application/json")];
        let config = config(&[("CLIENT_IP_HEADER", "x-forwarded-for")]);
        let sent = Sent { headers: &headers, body: &body, ..PING };
        proptest::prop_assert!(send(&MemoryPorts::default(), &config, &sent).status < 500);
    }
}
