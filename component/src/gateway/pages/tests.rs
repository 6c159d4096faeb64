//! What holds for every page, whatever it is told.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;

use super::*;
use crate::oauth::secret::sha256;
use crate::oauth::transaction::TransactionError;
use crate::ports::StoreError;

const PROBLEMS: [Problem; 22] = [
    Problem::ClientUnknown,
    Problem::RedirectUri,
    Problem::Malformed,
    Problem::TooLong,
    Problem::Expired,
    Problem::Unknown,
    Problem::Outdated,
    Problem::NotApproved,
    Problem::WrongBrowser,
    Problem::Superseded,
    Problem::WrongForm,
    Problem::CrossSite,
    Problem::WrongHost,
    Problem::Done,
    Problem::Denied,
    Problem::TooManyAttempts,
    Problem::Decision,
    Problem::Unavailable,
    Problem::BodyTooLarge,
    Problem::UpstreamAnswer,
    Problem::TooMany(42),
    Problem::Misconfigured("PUBLIC_URL"),
];

const REASONS: [FailedLogin; 5] = [
    FailedLogin::Cancelled,
    FailedLogin::WrongAccount,
    FailedLogin::ProviderFailed,
    FailedLogin::ProviderUnavailable,
    FailedLogin::ServerRefused,
];

const ERRORS: [&str; 11] = [
    "invalid_target",
    "invalid_request",
    "invalid_scope",
    "unauthorized_client",
    "unsupported_response_type",
    "request_not_supported",
    "request_uri_not_supported",
    "login_required",
    "access_denied",
    "temporarily_unavailable",
    "server_error",
];

fn document_faults(value: &str) -> [DocumentFault<'_>; 8] {
    [
        DocumentFault::NotFetched,
        DocumentFault::OutOfReach,
        DocumentFault::Busy,
        DocumentFault::Gone,
        DocumentFault::Address,
        DocumentFault::HostNotAllowed,
        DocumentFault::Off,
        DocumentFault::Rule(value),
    ]
}

fn consent<'a>() -> Consent<'a> {
    Consent {
        client_name: Some("Claude"),
        client_host: Some("claude.ai"),
        destination: Destination::Site("claude.ai"),
        sites: None,
        domains: &[],
        handle: "h",
        token: "t",
    }
}

/// Every page there is, with `value` wherever a text can stand.
fn pages(value: &str) -> Vec<Page> {
    let list = [value.to_owned()];
    let mut pages = Vec::new();
    for (destination, client_host, sites) in [
        (Destination::Device(value), None, None),
        (Destination::App(value), None, None),
        (Destination::Site(value), Some(value), Some(list.as_slice())),
    ] {
        let names = Consent { client_name: Some(value), client_host, destination, sites, ..consent() };
        let consent = Consent { domains: &list, handle: value, token: value, ..names };
        pages.push(consent.page());
    }
    for reason in REASONS {
        let (destination, sign_out_url) = (Destination::App(value), Some(value));
        let failed = SignInFailed { reason, domains: &list, destination, sign_out_url, handle: value, token: value };
        pages.push(failed.page());
    }
    for error in ERRORS.into_iter().chain([value]) {
        pages.push(
            ReturnToClient { error, destination: Destination::Site(value), location: value, resource: value }.page(),
        );
    }
    for fault in document_faults(value) {
        pages.push(UnusableClient { host: Some(value), fault }.page());
    }
    pages.extend(PROBLEMS.map(Problem::page));
    pages
}

fn header(response: &Response, name: &str) -> Option<String> {
    response.headers.iter().find(|(header, _)| *header == name).map(|(_, value)| value.clone())
}

/// The elements and the attributes of a document, without their values.
fn skeleton(html: &str) -> String {
    let values = Regex::new(r#""[^"]*""#).unwrap();
    let tags = Regex::new(r"<[^>]*>").unwrap();
    tags.find_iter(html).map(|tag| values.replace_all(tag.as_str(), "").into_owned()).collect()
}

#[test]
fn no_value_changes_the_structure_of_a_page() {
    let long = "<i>".repeat(3_400);
    for hostile in [
        "</title></style><script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' autofocus onfocus='alert(1)",
        "&lt;script&gt;",
        "<!--",
        "]]>",
        "x\u{202e}\u{2066}gpj.exe\u{200b}",
        "a\0b\r\nc",
        &long,
    ] {
        for (tame, page) in pages("x").iter().zip(pages(hostile)) {
            assert_eq!(skeleton(&tame.html), skeleton(&page.html), "C27 {hostile:.40}");
        }
    }
}

#[test]
fn names_and_hosts_cannot_change_their_direction() {
    let name = "evil\u{202e}moc\u{2066}\u{200b}";
    let page =
        Consent { client_name: Some(name), client_host: Some(name), destination: Destination::Site(name), ..consent() }
            .page();
    assert!(page.html.contains("<bdi>evilmoc</bdi>") && !page.html.contains(['\u{202e}', '\u{2066}', '\u{200b}']));
}

#[test]
fn the_policy_admits_the_style_of_the_page_and_nothing_else() {
    let style = Regex::new("(?s)<style>(.*)</style>").unwrap();
    for page in pages("x") {
        let text = style.captures(&page.html).unwrap()[1].to_owned();
        let policy = header(&page.clone().into_response(), "content-security-policy").unwrap();
        let hash = STANDARD.encode(sha256(text.as_bytes()));
        let expected =
            format!("default-src 'none'; style-src 'sha256-{hash}'; frame-ancestors 'none'; base-uri 'none'");
        assert_eq!(policy, expected, "C28: no form-action, which would be held against where clients go on to");
        for forbidden in ["<script", " style=", " onclick", "<img", "<link", "src=", "url("] {
            assert!(!page.html.contains(forbidden), "{forbidden}");
        }
    }
}

#[test]
fn only_a_missing_cookie_is_blamed_on_the_browser() {
    for problem in PROBLEMS {
        let html = problem.page().html;
        let blames = html.contains("another browser") || html.contains("cookies");
        assert_eq!(blames, problem == Problem::WrongBrowser, "{problem:?}");
    }
}

#[test]
fn who_comes_back_to_a_sign_in_that_is_over_is_told_where_to_start_again() {
    for (error, title) in [
        (TransactionError::Done, "You are already signed in"),
        (TransactionError::Denied, "You did not allow this"),
        (TransactionError::Expired, "This sign-in has expired"),
        (TransactionError::Unknown, "This sign-in is not known"),
        (TransactionError::Outdated, "This page is out of date"),
        (TransactionError::TooManyAttempts, "Too many attempts"),
    ] {
        let html = Problem::from(error).page().html;
        assert!(html.contains(title) && html.contains("your app"), "{error:?} {html}");
    }
}

#[test]
fn every_page_can_be_read_aloud() {
    for page in pages("x") {
        let count = |part: &str| page.html.matches(part).count();
        assert!(page.html.starts_with("<!doctype html>\n<html lang=\"en\">"));
        assert_eq!((count("<h1>"), count("<main>"), count("<title>"), count("name=\"viewport\"")), (1, 1, 1, 1));
        let type_of_content = header(&page.into_response(), "content-type");
        assert_eq!(type_of_content.as_deref(), Some("text/html; charset=utf-8"));
    }
}

#[test]
fn a_decision_is_one_form_with_two_buttons() {
    let decisions = pages("x").into_iter().filter(|page| page.html.contains("<form")).map(|page| page.html);
    let controls = Regex::new("(?:name|value)=\"[^\"]*\"").unwrap();
    for html in decisions {
        let form = html.split_once("<form ").unwrap().1;
        let found: Vec<&str> = controls.find_iter(form).map(|control| control.as_str()).collect();
        let hidden = ["name=\"handle\"", "value=\"x\"", "name=\"token\"", "value=\"x\""];
        let buttons = ["name=\"decision\"", "value=\"approve\"", "name=\"decision\"", "value=\"deny\""];
        assert_eq!(found, [hidden, buttons].concat());
        assert!(form.contains("method=\"post\" action=\"/authorize\""));
    }
}

#[test]
fn the_consent_page_tells_what_is_proven() {
    let domains = ["example.com".to_owned()];
    let sites = ["shop.example".to_owned(), "blog.example".to_owned()];
    let plain = Consent { domains: &domains, sites: Some(&sites), ..consent() };
    let unnamed = Consent { client_name: Some(" \u{200b}"), client_host: None, ..plain.clone() };
    let loopback = Consent { destination: Destination::Device("127.0.0.1"), ..plain.clone() };
    let elsewhere = Consent { destination: Destination::Site("app.example"), ..plain.clone() };
    let within = Consent { destination: Destination::Site("evil.claude.ai"), ..plain.clone() };
    let everything = Consent { sites: None, client_name: None, ..plain.clone() };
    for (case, consent, told, not_told) in [
        ("named", &plain, vec!["<bdi>Claude</bdi>", "<bdi>claude.ai</bdi>", "@example.com"], "not verified"),
        ("sites", &plain, vec!["<bdi>shop.example</bdi>, <bdi>blog.example</bdi>", "24 hours"], "all sites"),
        ("unnamed", &unnamed, vec!["An app without a name", "its name is not verified"], "vouches"),
        ("C31 loopback", &loopback, vec!["This device", "127.0.0.1", "Any program on this device"], "all sites"),
        ("C31 not loopback", &plain, vec![], "this device"),
        ("the same host", &plain, vec![], "class=\"warning\""),
        ("another host", &elsewhere, vec!["class=\"warning\"", "is not the one that vouches"], "this device"),
        ("a host within it", &within, vec!["class=\"warning\"", "is not the one that vouches"], "this device"),
        ("all sites", &everything, vec!["all sites that", "An app without a name"], "shop.example"),
    ] {
        let html = consent.page().html;
        for words in told {
            assert!(html.contains(words), "{case}: {words}");
        }
        assert!(!html.contains(not_told), "{case}: {not_told}");
    }
}

#[test]
fn an_app_is_named_by_the_addresses_that_it_opens() {
    let app = Destination::App("cursor");
    let consent = Consent { destination: app, ..consent() }.page().html;
    let sentence =
        "An app on this device<small>The one that opens addresses that begin with <bdi>cursor:</bdi>.</small>";
    assert!(consent.contains(sentence) && consent.contains("Did you start this yourself?"), "{consent}");
    let back = ReturnToClient { error: "invalid_scope", destination: app, location: "cursor:x", resource: "r" }.page();
    assert!(back.html.contains("Return to the app that opens <bdi>cursor:</bdi>"), "{}", back.html);
}

#[test]
fn a_failed_login_names_who_is_let_in_and_the_way_out() {
    let domains = ["example.com".to_owned(), "example.org".to_owned()];
    for (reason, status, retry_after, may_help) in [
        (FailedLogin::Cancelled, 403, None, true),
        (FailedLogin::WrongAccount, 403, None, true),
        (FailedLogin::ProviderFailed, 502, None, true),
        (FailedLogin::ProviderUnavailable, 503, Some("10"), false),
        (FailedLogin::ServerRefused, 502, None, false),
    ] {
        let failed = SignInFailed {
            reason,
            domains: &domains,
            destination: Destination::Site("claude.ai"),
            sign_out_url: Some("https://team.example/cdn-cgi/access/logout"),
            handle: "h",
            token: "t",
        };
        let html = failed.page().html;
        for words in ["@example.com", "@example.org", "return to <bdi>claude.ai</bdi>"] {
            assert!(html.contains(words), "{reason:?} {words}");
        }
        let response = failed.page().into_response();
        assert_eq!((response.status, header(&response, "retry-after").as_deref()), (status, retry_after), "{reason:?}");
        let link = "access/logout\" target=\"_blank\" rel=\"noopener noreferrer\">sign out (opens a new tab)</a>";
        assert_eq!(html.contains(link), may_help, "{reason:?}");
        let unknown = SignInFailed { sign_out_url: None, ..failed };
        assert!(!unknown.page().html.contains("<a "));
    }
}

#[test]
fn an_error_reaches_the_client_by_a_link_that_names_it() {
    for error in ERRORS {
        let location = "https://claude.ai/cb?error=x&state=y";
        let resource = "https://stats.example/internal";
        let page = ReturnToClient { error, destination: Destination::Site("claude.ai"), location, resource }.page();
        assert_eq!(page.status, 400);
        assert!(page.html.contains("href=\"https://claude.ai/cb?error=x&amp;state=y\""));
        assert!(page.html.contains("Return to <bdi>claude.ai</bdi>") && page.html.contains(error));
        assert_eq!(page.html.contains(resource), error == "invalid_target", "{error}");
    }
}

#[test]
fn each_problem_has_its_status_and_its_own_words() {
    let mut titles = std::collections::BTreeSet::new();
    for problem in PROBLEMS {
        let (status, retry_after) = match problem {
            Problem::WrongBrowser
            | Problem::Superseded
            | Problem::WrongForm
            | Problem::CrossSite
            | Problem::WrongHost => (403, None),
            Problem::BodyTooLarge => (413, None),
            Problem::TooLong => (414, None),
            Problem::TooMany(_) => (429, Some("42")),
            Problem::Misconfigured(_) => (500, None),
            Problem::Unavailable => (503, Some("5")),
            _ => (400, None),
        };
        let page = problem.page();
        assert!(titles.insert(page.html.split("<title>").nth(1).unwrap().split('<').next().unwrap().to_owned()));
        let response = page.into_response();
        assert_eq!(
            (response.status, header(&response, "retry-after").as_deref()),
            (status, retry_after),
            "{problem:?}"
        );
    }
    assert!(Problem::Misconfigured("PUBLIC_URL").page().html.contains("PUBLIC_URL"));
}

#[test]
fn a_document_that_could_not_be_fetched_is_told_from_one_that_breaks_a_rule() {
    for (fault, status, retry_after, words) in [
        (DocumentFault::NotFetched, 503, Some("10"), "could not be fetched"),
        (DocumentFault::OutOfReach, 400, None, "could not be fetched"),
        (DocumentFault::Busy, 503, Some("10"), "too many"),
        (DocumentFault::Gone, 400, None, "is gone"),
        (DocumentFault::HostNotAllowed, 400, None, "CIMD_ALLOWED_HOSTS"),
        (DocumentFault::Off, 400, None, "register"),
        (DocumentFault::Rule("It must be short."), 400, None, "breaks a rule"),
    ] {
        let page = UnusableClient { host: Some("app.example"), fault }.page();
        assert!(page.html.contains(words), "{fault:?} {}", page.html);
        let breaks_a_rule = matches!(fault, DocumentFault::Rule(_));
        assert_eq!(page.html.contains("breaks a rule"), breaks_a_rule, "{fault:?}");
        let response = page.into_response();
        assert_eq!((response.status, header(&response, "retry-after").as_deref()), (status, retry_after), "{fault:?}");
    }
}

#[test]
fn a_transaction_error_keeps_its_status() {
    for error in [
        TransactionError::Unknown,
        TransactionError::Expired,
        TransactionError::Outdated,
        TransactionError::WrongBrowser,
        TransactionError::WrongCookie,
        TransactionError::Superseded,
        TransactionError::WrongFormToken,
        TransactionError::UnknownAttempt,
        TransactionError::NotApproved,
        TransactionError::TooManyAttempts,
        TransactionError::Denied,
        TransactionError::Done,
        TransactionError::TooLarge,
        TransactionError::Contended,
        TransactionError::Store(StoreError::Unavailable),
    ] {
        assert_eq!(Problem::from(error).page().status, error.status(), "{error:?}");
    }
}
