//! Nothing personal leaves in telemetry. Every route and tool is driven with marked secrets, and none of the marks is
//! found in what the log has and what Sentry is sent.

use serde_json::{Value, json};

use super::upstreams::DSN;
use super::world::*;
use crate::ports::HttpError;

/// Each is shaped like what it stands for, and in no way like anything that may be told.
const KEY: &str = "mArKkEyQ0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0";
const ADMIN: &str = "mArKkEyAdmin0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q0Q";
const EMAIL: &str = "mark.email@example.com";
const ARGUMENT: &str = "/mark-argument";
const SITE: &str = "mark-site.example";
const RESULT: &str = "mark-result";
const WORDS: &str = "mark-words";
const ADDRESS: &str = "203.0.113.77";
const STATE: &str = "mark-state";
const NAME: &str = "mark-client-name";

/// A world whose operator has a Sentry.
fn world(changes: Changes<'_>) -> World {
    let settings = [
        ("SENTRY_DSN", DSN),
        ("SENTRY_RELEASE", "1.0"),
        ("CLIENT_IP_HEADER", "x-forwarded-for"),
        ("PLAUSIBLE_API_KEY", KEY),
        ("ADMIN_TOKEN", ADMIN),
    ];
    let world = World::with_assertions(&[&settings, changes].concat());
    world.provider().log_in_as(EMAIL);
    world
}

impl World {
    fn answer_plausible(&self, status: u16, body: &str) {
        *self.upstreams().plausible.borrow_mut() = Ok((status, body.to_owned()));
    }

    fn envelopes(&self) -> Vec<String> {
        self.upstreams().envelopes()
    }

    fn lines(&self) -> Vec<String> {
        self.log().lines().map(str::to_owned).collect()
    }

    /// A message to an MCP endpoint, from a marked client.
    fn message(&self, path: &str, credential: (&str, &str), method: &str, params: &Value) -> Response {
        let body = json!({ "jsonrpc": "2.0", "id": NAME, "method": method, "params": params }).to_string();
        self.send("POST", path, &[&MARKED[..], &[credential]].concat(), &body)
    }

    /// Every method and tool, answered and refused.
    fn drive(&self, path: &str, credential: (&str, &str)) {
        let hello = json!({
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": NAME, "version": "1" },
        });
        for (method, params) in [
            ("initialize", hello),
            ("notifications/initialized", json!({})),
            ("tools/list", json!({})),
            ("ping", json!({ "x": ARGUMENT })),
            (ARGUMENT, json!({ "x": ARGUMENT })),
        ] {
            self.message(path, credential, method, &params);
        }
        for (tool, arguments) in calls() {
            let rows = json!({ "results": [{ "dimensions": [RESULT], "metrics": [9_876_543_210_u64] }] }).to_string();
            let words = json!({ "error": format!("{WORDS} about {ARGUMENT}") }).to_string();
            let refusals = [400, 401, 402, 404, 418, 429, 500, 503].map(|status| (status, words.clone()));
            let answers = [(200, rows), (200, RESULT.to_owned())].into_iter().chain(refusals);
            for (number, (status, body)) in answers.enumerate() {
                let mut arguments = arguments.clone();
                if let Some(page) = arguments.get_mut("page") {
                    // A question of its own, so that no remembered answer stands in for this one.
                    *page = json!(format!("{ARGUMENT}/{number}"));
                }
                self.answer_plausible(status, &body);
                self.message(path, credential, "tools/call", &json!({ "name": tool, "arguments": arguments }));
            }
            let wrong = json!({ "date_range": ARGUMENT, "message": [KEY, KEY] });
            self.message(path, credential, "tools/call", &json!({ "name": tool, "arguments": wrong }));
        }
        self.send("POST", path, &[&MARKED[..], &[credential]].concat(), ARGUMENT);
        self.send("GET", &format!("{path}?access_token={KEY}"), &MARKED, "");
    }
}

const MARKED: [(&str, &str); 6] = [
    ("content-type", "application/json"),
    ("mcp-protocol-version", "2025-11-25"),
    ("user-agent", NAME),
    ("x-forwarded-for", ADDRESS),
    ("x-request-id", EMAIL),
    ("traceparent", KEY),
];

fn calls() -> Vec<(&'static str, Value)> {
    let filters = json!([{ "property": "plan", "operator": "is", "values": [WORDS] }]);
    let with = |more: Value| {
        let mut arguments = json!({ "site_id": SITE, "page": ARGUMENT, "property_filters": filters });
        let more = more.as_object().unwrap().clone();
        arguments.as_object_mut().unwrap().extend(more);
        arguments
    };
    vec![
        ("get_timeseries", with(json!({ "date_range": "7d", "metrics": ["visitors"] }))),
        ("get_breakdown", with(json!({ "date_range": "7d", "dimension": "event:page", "metrics": ["visitors"] }))),
        ("get_conversions", with(json!({ "date_range": "7d", "goal": WORDS }))),
        (
            "compare_periods",
            with(
                json!({ "period_a": "2026-07-01,2026-07-07", "period_b": "2026-07-08,2026-07-14", "metrics": ["visitors"] }),
            ),
        ),
        (
            "send_feedback",
            json!({ "message": format!("harmless: {EMAIL} ({ADDRESS}) had {KEY}"), "tool_name": ARGUMENT, "category": "praise" }),
        ),
        (ARGUMENT, json!({ "x": ARGUMENT })),
    ]
}

/// A sign-in with everything in it marked, and everything that can go wrong beside it. The tokens.
fn sign_in(world: &World) -> Vec<String> {
    let metadata =
        json!({ "client_name": NAME, "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none" });
    let registered = json_of(&world.register(&metadata));
    let client = registered["client_id"].as_str().unwrap().to_owned();
    let browser = Browser::default();
    let response = browser.get(world, &authorize(&client, &[("state", STATE)]));
    let form = form_of(&response);
    let back = browser.approve(world, &form);
    let location = header(&browser.get(world, &back), "location").unwrap().to_owned();
    let code = parameter(&location, "code").unwrap();
    let exchange = [
        ("grant_type", "authorization_code"),
        ("client_id", client.as_str()),
        ("code", code.as_str()),
        ("code_verifier", VERIFIER),
    ];
    world.token(&[&exchange[..3], &[("code_verifier", CHALLENGE)]].concat());
    let tokens = json_of(&world.token(&exchange));
    let of = |name: &str| tokens[name].as_str().unwrap().to_owned();
    world.token(&exchange);
    world.send("GET", &authorize(&client, &[("redirect_uri", &format!("https://{SITE}/{STATE}"))]), &MARKED, "");
    world.send("GET", &format!("/callback?state={STATE}&code={KEY}"), &MARKED, "");
    vec![client, code, of("access_token"), of("refresh_token"), form.handle, form.token]
}

/// The other routes, with marks wherever there is room.
fn everything_else(world: &World, marks: &[String]) {
    let admin = format!("Bearer {ADMIN}");
    let wrong = format!("Bearer {KEY}");
    for (method, target, headers, body) in [
        (
            "POST",
            "/admin/operator",
            vec![("authorization", admin.as_str())],
            json!({ "action": "list-grants", "user": EMAIL }).to_string(),
        ),
        ("POST", "/admin/operator", vec![("authorization", wrong.as_str())], KEY.to_owned()),
        ("POST", "/revoke", vec![("content-type", FORM)], encode(&[("client_id", KEY), ("token", KEY)])),
        ("POST", "/token", vec![("content-type", FORM)], encode(&[("grant_type", KEY), ("client_id", EMAIL)])),
        ("POST", "/register", vec![], json!({ "client_name": NAME, "redirect_uris": [EMAIL] }).to_string()),
        ("GET", "/.well-known/oauth-authorization-server", vec![], String::new()),
        ("GET", "/healthz", vec![], String::new()),
        (ARGUMENT, &format!("/{EMAIL}?{KEY}"), vec![("authorization", wrong.as_str())], ARGUMENT.to_owned()),
    ] {
        let marked = MARKED.into_iter().filter(|(name, _)| !headers.iter().any(|(given, _)| given == name));
        let headers: Vec<_> = marked.chain(headers.iter().copied()).collect();
        world.send(method, target, &headers, &body);
    }
    let forged = world.provider().assertion("mark.email@elsewhere.example", "tag-1");
    world.message("/internal", ("cf-access-jwt-assertion", &forged), "ping", &json!({}));
    for mark in marks {
        world.message("/internal", ("authorization", &format!("Bearer {mark}")), "ping", &json!({}));
        world.message("/mcp", ("authorization", &format!("Bearer {mark}")), "ping", &json!({}));
    }
}

fn driven(changes: &[(&'static str, &str)]) -> (World, Vec<String>) {
    let world = world(changes);
    let mut marks = sign_in(&world);
    let (access, assertion) = (marks[2].clone(), world.provider().assertion(EMAIL, "tag-1"));
    world.drive("/mcp", ("authorization", &format!("Bearer {KEY}")));
    world.drive("/internal", ("authorization", &format!("Bearer {access}")));
    world.drive("/internal", ("cf-access-jwt-assertion", &assertion));
    everything_else(&world, &marks);
    world.break_store(true);
    world.message("/internal", ("authorization", &format!("Bearer {access}")), "ping", &json!({ "x": ARGUMENT }));
    world.send("POST", "/token", &[("content-type", FORM)], &encode(&[("client_id", EMAIL), ("code", KEY)]));
    world.break_store(false);
    marks.push(assertion);
    let fixed = [
        KEY,
        ADMIN,
        ARGUMENT,
        SITE,
        RESULT,
        WORDS,
        ADDRESS,
        STATE,
        NAME,
        "9876543210",
        "client-state",
        "provider-code",
        "app.example",
    ];
    marks.extend(fixed.map(str::to_owned));
    (world, marks)
}

/// The first of the marks that a line or an envelope has. The first of all is the id of a client, which says nothing of
/// anybody, and which the lines of the audit name.
fn found_in<'a>(text: &str, marks: &'a [String]) -> Option<&'a String> {
    let is_of_audit = text.contains("\"event\":\"signed_in\"");
    let text = text.to_lowercase();
    marks.iter().skip(usize::from(is_of_audit)).find(|mark| text.contains(&mark.to_lowercase()))
}

#[test]
fn no_mark_is_in_the_log_or_at_sentry() {
    let (world, mut marks) = driven(&[]);
    marks.extend(["mark.email".to_owned(), "example.com".to_owned()]);
    let told = [world.lines(), world.envelopes()].concat();
    for text in &told {
        assert_eq!(found_in(text, &marks), None, "{text}");
    }
    check_coverage(&world);
}

/// The drive is worth nothing if it does not reach what it should.
fn check_coverage(world: &World) {
    let (lines, envelopes) = (world.lines().join("\n"), world.envelopes().join("\n"));
    let routes = ["/mcp", "/internal", "/authorize", "/callback", "/token", "/register", "/revoke", "/admin/operator"];
    for route in routes.into_iter().chain(["/.well-known/oauth-authorization-server", "/healthz", "other"]) {
        assert!(lines.contains(&format!("\"route\":\"{route}\"")), "{route}");
    }
    for tool in crate::tools::NAMES {
        for outcome in ["served", "tool_error"] {
            let is_it = |line: &&str| line.contains(&format!("\"tool\":\"{tool}\"")) && line.contains(outcome);
            assert!(lines.lines().any(|line| is_it(&line)), "{tool} {outcome}");
        }
    }
    for part in ["\"type\":\"event\"", "\"type\":\"transaction\"", "\"type\":\"feedback\"", "mcp.tool.error", "[email]"]
    {
        assert!(envelopes.contains(part), "{part}");
    }
    assert!(envelopes.contains("\"user\":{\"id\":\""), "users of /internal have an id");
}

#[test]
fn the_address_is_told_about_internal_alone_and_only_on_request() {
    let (world, marks) = driven(&[("TELEMETRY_IDENTITY", "email")]);
    let mut named = 0;
    for text in world.lines().iter().chain(&world.envelopes()) {
        assert_eq!(found_in(text, &marks), None, "{text}");
        if text.contains(EMAIL) {
            named += 1;
            let is_feedback = text.contains("\"type\":\"feedback\"");
            assert!(text.contains("/internal") && !text.contains("/mcp\"") && !is_feedback, "{text}");
        }
    }
    assert!(named > 100, "{named}");
}

#[test]
fn a_request_leaves_one_envelope_at_most_and_a_scanner_none() {
    let (world, _) = driven(&[]);
    let lines: Vec<Value> = world.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let is_told = |line: &&Value| line["route"] == "/mcp" || line["route"] == "/internal" || line["level"] == "error";
    assert_eq!(world.envelopes().len(), lines.iter().filter(is_told).count());
    assert!(lines.iter().any(|line| line["route"] == "other") && lines.iter().any(|line| line["status"] == 503));
}

#[test]
fn send_feedback_is_there_only_with_a_dsn() {
    let ping = ("authorization", "Bearer test-key-123");
    for (dsn, there) in [(DSN, true), ("", false), ("nonsense", false)] {
        let world = world(&[("SENTRY_DSN", dsn)]);
        let listed = text(&world.message("/mcp", ping, "tools/list", &json!({})));
        assert_eq!(listed.contains("send_feedback"), there, "{dsn}");
        let arguments = json!({ "name": "send_feedback", "arguments": { "message": "0123456789" } });
        let called = text(&world.message("/mcp", ping, "tools/call", &arguments));
        assert_eq!(called.contains("recorded"), there, "{dsn} {called}");
        assert_eq!(world.envelopes().is_empty(), !there, "{dsn}");
    }
}

#[test]
fn while_sentry_fails_callers_are_served_and_feedback_is_refused_in_words() {
    let ping = ("authorization", "Bearer test-key-123");
    let world = world(&[]);
    *world.upstreams().sentry.borrow_mut() = Err(HttpError::TimedOut);
    for _ in 0..3 {
        assert_eq!(world.message("/mcp", ping, "tools/list", &json!({})).status, 200);
    }
    assert_eq!(world.envelopes().len(), 1, "one try, then a pause");
    assert_eq!(world.lines().iter().filter(|line| line.contains("sentry_paused")).count(), 1);
    let arguments = json!({ "name": "send_feedback", "arguments": { "message": "0123456789" } });
    let refused = text(&world.message("/mcp", ping, "tools/call", &arguments));
    assert!(refused.contains("isError") && refused.contains("at the moment"), "{refused}");
    world.advance(61);
    assert!(!text(&world.message("/mcp", ping, "tools/call", &arguments)).contains("isError"));
}
