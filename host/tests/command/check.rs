//! `plausible-mcp check`: a line per finding and an exit code.

use std::fs;
use std::net::TcpListener;

use plausible_mcp_host::demo::plausible::{DEMO_KEY, DEMO_SITE, SimulatedPlausible};
use serde_json::Value;

use crate::folder::Folder;
use crate::process::{Process, run};
use crate::upstream;

const HOSTS: (&str, &str) = ("MCP_ALLOWED_HOSTNAMES", "mcp.example.com");

#[test]
fn all_is_well_is_0() {
    let base_url = upstream::start(upstream::one_row);
    let (code, text) = run(&["check"], &[("PLAUSIBLE_BASE_URL", &base_url), HOSTS]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.lines().any(|line| line.starts_with("ok")), "{text}");
    assert!(!text.lines().any(|line| line.starts_with("error")), "{text}");
}

#[test]
fn a_setting_that_cannot_work_is_1_and_named() {
    let base_url = upstream::start(upstream::one_row);
    let (code, text) = run(&["check"], &[("PLAUSIBLE_BASE_URL", &base_url), HOSTS, ("RATE_LIMIT_PER_MINUTE", "lots")]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.lines().any(|line| line.starts_with("error") && line.contains("RATE_LIMIT_PER_MINUTE")), "{text}");
}

#[test]
fn usage_is_2() {
    let (code, text) = run(&["check", "--nonsense"], &[]);
    assert_eq!(code, Some(2), "{text}");
}

#[test]
fn an_upstream_that_cannot_be_reached_is_3() {
    let (code, text) = run(&["check"], &[("PLAUSIBLE_BASE_URL", "http://127.0.0.1:1"), HOSTS]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("PLAUSIBLE_BASE_URL"), "{text}");
}

#[test]
fn findings_are_json_on_request() {
    let base_url = upstream::start(upstream::one_row);
    let (code, text) = run(&["check", "--json"], &[("PLAUSIBLE_BASE_URL", &base_url), HOSTS]);
    assert_eq!(code, Some(0), "{text}");
    let start = text.find(['[', '{']).unwrap_or_else(|| panic!("no JSON: {text}"));
    let mut values = serde_json::Deserializer::from_str(text.get(start..).unwrap()).into_iter::<Value>();
    let first = values.next().unwrap().unwrap_or_else(|error| panic!("{error}: {text}"));
    let finding = if first.is_array() { first[0].clone() } else { first };
    assert!(["ok", "warn", "error"].contains(&finding["level"].as_str().unwrap_or_default()), "{text}");
    assert!(finding["setting"].is_string() && finding["text"].is_string(), "{text}");
}

#[test]
fn a_key_is_never_shown() {
    let base_url = upstream::start(|_| (401, "{\"error\":\"Invalid API key or site ID.\"}".to_owned()));
    let secret = ("PLAUSIBLE_API_KEY", "secret-key-4711");
    let (_, text) = run(&["check"], &[("PLAUSIBLE_BASE_URL", &base_url), HOSTS, secret]);
    assert!(!text.contains("4711"), "{text}");
}

#[test]
fn authorities_that_cannot_be_read_are_named() {
    let base_url = upstream::start(upstream::one_row);
    let (code, text) =
        run(&["check"], &[("PLAUSIBLE_BASE_URL", &base_url), HOSTS, ("SSL_CERT_FILE", "/nowhere/authority.pem")]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("SSL_CERT_FILE: /nowhere/authority.pem"), "{text}");
}

/// The line of a finding that is not as it should be.
#[track_caller]
fn told(text: &str, level: &str, setting: &str) {
    assert!(text.lines().any(|line| line.starts_with(&format!("{level} {setting} — "))), "{level} {setting}: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_and_a_site_are_right_where_plausible_says_so() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let plausible = tokio::spawn(SimulatedPlausible::new().serve(listener));
    let checked = tokio::task::spawn_blocking(move || {
        for (key, site, code, line) in [
            ("", "", 0, "ok PLAUSIBLE_BASE_URL"),
            (DEMO_KEY, DEMO_SITE, 0, "ok PLAUSIBLE_API_KEY"),
            (DEMO_KEY, "", 0, "ok PLAUSIBLE_API_KEY"),
            ("some-other-key", DEMO_SITE, 1, "error PLAUSIBLE_API_KEY — Plausible rejects the key —"),
            ("some-other-key", "", 1, "error PLAUSIBLE_API_KEY — Plausible rejects the key —"),
            (DEMO_KEY, "other.example", 1, "error PLAUSIBLE_DEFAULT_SITE_ID"),
        ] {
            let settings = [("PLAUSIBLE_BASE_URL", &*base_url), HOSTS, ("PLAUSIBLE_API_KEY", key)];
            let site = [("PLAUSIBLE_DEFAULT_SITE_ID", site)];
            let (ended, text) = run(&["check"], &[&settings[..], &site].concat());
            assert!(ended == Some(code) && text.contains(line) && !text.contains("other-key"), "{key} {line}: {text}");
        }
    });
    checked.await.unwrap();
    plausible.abort();
}

#[test]
fn what_answers_in_plausibles_place_is_no_plausible() {
    for (status, body) in [(404, "not found"), (404, "{\"error\":\"Not found\"}"), (200, "<html>"), (401, "<html>")] {
        let base_url = upstream::start(move |_| (status, body.to_owned()));
        for key in ["", "some-plausible-key"] {
            let (code, text) = run(&["check"], &[("PLAUSIBLE_BASE_URL", &base_url), HOSTS, ("PLAUSIBLE_API_KEY", key)]);
            assert_eq!(code, Some(1), "{status} {body}: {text}");
            told(&text, "error", "PLAUSIBLE_BASE_URL");
        }
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let folder = Folder::new("faults");
    let (config, secrets, authority) =
        (folder.file("config.toml"), folder.file("secrets"), folder.file("authority.pem"));
    fs::create_dir_all(folder.0.join("secrets/ADMIN_TOKEN")).unwrap();
    fs::write(folder.0.join("secrets/PLAUSIBLE_APIKEY"), "x").unwrap();
    fs::write(&authority, "").unwrap();
    fs::write(&config, "PUBLIC_ULR = 'x'\nTYPO = 1\nDENIED_EMAILS = {}\nLOG_LEVEL = 'loud'\n").unwrap();
    let base_url = upstream::start(|_| (404, String::new()));
    let environment = [
        ("PLAUSIBLE_BASE_URL", &*base_url),
        ("MCP_ALLOWED_HOSTNAMES", "mcp.example.com"),
        ("PUBLIC_URL", "http://mcp.example.com"),
        ("RATE_LIMIT_PER_MINUTE", "many"),
        ("REGISTRATION", "maybe"),
        ("EXTRA_CA_FILE", &*authority),
        ("SSL_CERT_FILE", "/nowhere/authority.pem"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector"),
        ("PLAUSIBLE_ALOWED_SITES", "a.example"),
    ];
    let arguments =
        ["check", "--config", &config, "--secrets", &secrets, "--listen", "127.0.0.1:9", "--admin", "127.0.0.1:9"];
    let (code, text) = run(&arguments, &environment);
    assert_eq!(code, Some(1), "{text}");
    for setting in [
        "PUBLIC_ULR",
        "TYPO",
        "DENIED_EMAILS",
        "ADMIN_TOKEN",
        "EXTRA_CA_FILE",
        "SSL_CERT_FILE",
        "PUBLIC_URL",
        "RATE_LIMIT_PER_MINUTE",
        "LOG_LEVEL",
        "REGISTRATION",
        "PLAUSIBLE_BASE_URL",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "--admin",
    ] {
        told(&text, "error", setting);
    }
    told(&text, "warn", "PLAUSIBLE_APIKEY");
    told(&text, "warn", "PLAUSIBLE_ALOWED_SITES");
}

#[test]
fn a_file_that_cannot_be_read_hides_nothing_else() {
    let base_url = upstream::start(upstream::one_row);
    let settings = [("PLAUSIBLE_BASE_URL", &*base_url), ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector")];
    let (code, text) = run(&["check", "--config", "/nowhere/config.toml", "--secrets", "/nowhere"], &settings);
    assert_eq!(code, Some(1), "{text}");
    for setting in ["--config", "--secrets", "OTEL_EXPORTER_OTLP_ENDPOINT"] {
        told(&text, "error", setting);
    }
    assert!(!text.contains("MCP_ALLOWED_HOSTNAMES"), "what is missing may stand in the file: {text}");
}

#[test]
fn addresses_that_cannot_be_listened_on_are_named_and_those_of_a_running_server_are_fine() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken_address = taken.local_addr().unwrap().to_string();
    let base_url = upstream::start(upstream::one_row);
    let settings = [("PLAUSIBLE_BASE_URL", &*base_url), ("MCP_ALLOWED_HOSTNAMES", "127.0.0.1")];
    let elsewhere = "192.0.2.1:9090";
    for (flag, value) in [
        ("--listen", &*taken_address),
        ("--listen", elsewhere),
        ("--admin", &taken_address),
        ("--admin", elsewhere),
        ("--control", "/nowhere/control.sock"),
        ("--control", "/dev/null"),
        ("--control", &"x".repeat(200)),
    ] {
        let (code, text) = run(&["check", flag, value], &settings);
        assert_eq!(code, Some(1), "{flag} {value}: {text}");
        told(&text, "error", flag);
    }
    let admin = [("PLAUSIBLE_MCP_ADMIN", "9090")];
    let (code, text) = run(&["check"], &[&settings[..], &admin].concat());
    assert!(code == Some(2) && text.contains("PLAUSIBLE_MCP_ADMIN"), "{text}");

    let folder = Folder::new("addresses");
    let (socket, free) = (folder.file("socket"), TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let free = free.to_string();
    let arguments = ["--listen", "127.0.0.1:0", "--admin", &free, "--control", &socket];
    let mut server = Process::start(&[&["serve"][..], &arguments].concat(), &settings);
    let address = server.address().to_string();
    let arguments = ["--listen", &address, "--admin", &free, "--control", &socket];
    let (code, text) = run(&[&["check"][..], &arguments].concat(), &settings);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("ok --listen") && text.contains("ok --admin"), "{text}");
}

#[test]
fn a_full_disk_under_a_running_server_is_an_error() {
    let folder = Folder::new("full");
    let (socket, store) = (folder.file("socket"), format!("file:{}", folder.file("records.redb")));
    let base_url = upstream::start(upstream::one_row);
    let settings = [("PLAUSIBLE_BASE_URL", &*base_url), ("MCP_ALLOWED_HOSTNAMES", "127.0.0.1")];
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--store", &store, "--control", &socket];
    let mut server = Process::start_on_a_disk_that_fills(&arguments, &settings);
    server.address();
    let check = ["check", "--store", &store, "--control", &socket];
    let (code, text) = run(&check, &settings);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("the running server: records are kept in"), "{text}");
    server.fill_disk();
    let (code, text) = run(&check, &settings);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("error --store — the running server: the store in"), "{text}");
}
