//! `--store`: where records live, and what is said when they cannot.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::folder::Folder;
use crate::process::{Process, run};
use crate::upstream;

/// Takes away the store that tests have by default.
const NO_STORE: (&str, &str) = ("PLAUSIBLE_MCP_STORE", "");
const SERVE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];

/// The command with `arguments`, settings that work and this further environment; exit code, and what it wrote.
fn run_with(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let base_url = upstream::start(upstream::one_row);
    let settings = [("PLAUSIBLE_BASE_URL", base_url.as_str()), ("MCP_ALLOWED_HOSTNAMES", "127.0.0.1")];
    run(arguments, &[&settings, environment].concat())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("the file is there").permissions().mode() & 0o777
}

#[test]
fn the_default_is_a_private_file_in_the_state_folder() {
    let folder = Folder::new("state");
    let state = folder.file("state");
    let base_url = upstream::start(upstream::one_row);
    let environment = [
        ("PLAUSIBLE_BASE_URL", base_url.as_str()),
        ("MCP_ALLOWED_HOSTNAMES", "127.0.0.1"),
        ("XDG_STATE_HOME", &state),
        NO_STORE,
    ];
    let (code, text) = run(&["check"], &environment);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("ok --store") && text.contains("records.redb"), "{text}");
    assert!(!Path::new(&state).exists(), "`check` makes nothing");

    let mut server = Process::start(&SERVE, &environment);
    server.address();
    let file = PathBuf::from(&state).join("plausible-mcp/records.redb");
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    let (code, text) = run(&["check"], &environment);
    assert!(code == Some(0) && text.contains("which a running server uses now"), "{text}");
    let (code, text) = run(&SERVE, &environment);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains(file.to_str().unwrap()) && text.contains("in use by another process"), "{text}");

    server.terminate();
    assert_eq!(server.exit_code(), Some(0), "{}", server.written());
    let (code, text) = run(&["check"], &environment);
    assert!(code == Some(0) && text.contains("which can be written"), "{text}");
}

#[test]
fn without_a_state_folder_the_flag_is_asked_for() {
    for (command, code) in [(&SERVE[..], 1), (&["check"], 1)] {
        let (ended, text) = run_with(command, &[NO_STORE]);
        assert_eq!(ended, Some(code), "{text}");
        assert!(text.contains("--store file:PATH"), "{text}");
    }
}

#[test]
fn a_store_that_cannot_be_used_is_named() {
    let folder = Folder::new("unusable");
    let text = folder.file("text");
    fs::write(&text, "some notes").unwrap();
    for (path, named) in [(text, "is not a store"), (folder.file("missing/records.redb"), "does not exist")] {
        for command in [&SERVE[..], &["check"]] {
            let (code, text) = run_with(&[command, &["--store", &format!("file:{path}")]].concat(), &[]);
            assert_eq!(code, Some(1), "{text}");
            assert!(text.contains(&path) && text.contains(named), "{text}");
        }
    }
}

#[test]
fn a_password_in_the_location_is_never_shown() {
    for (location, code) in [("redis://:hunter2@r.example/zero", 2), ("reddis://:hunter2@r.example", 2)] {
        for command in [&SERVE[..], &["check"]] {
            for (flag, variable) in [(&["--store", location][..], "memory"), (&[], location)] {
                let arguments = [command, flag].concat();
                let (ended, text) = run_with(&arguments, &[("PLAUSIBLE_MCP_STORE", variable)]);
                assert_eq!(ended, Some(code), "{text}");
                assert!(text.contains("--store") && !text.contains("hunter2"), "{text}");
            }
        }
    }
    let (_, help) = run(&["serve", "--help"], &[("PLAUSIBLE_MCP_STORE", "redis://:hunter2@r.example")]);
    assert!(help.contains("PLAUSIBLE_MCP_STORE") && !help.contains("hunter2"), "{help}");
}

#[test]
fn a_redis_that_is_away_is_named_and_does_not_keep_the_server_from_starting() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let location = format!("redis://:hunter2@{address}/1");
    let (code, text) = run_with(&["check", "--store", &location], &[]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains(&format!("error --store — redis://{address}/1 cannot be reached")), "{text}");
    let base_url = upstream::start(upstream::one_row);
    let settings = [("PLAUSIBLE_BASE_URL", base_url.as_str()), ("MCP_ALLOWED_HOSTNAMES", "127.0.0.1")];
    let mut server = Process::start(&SERVE, &[&settings[..], &[("PLAUSIBLE_MCP_STORE", &location)]].concat());
    server.address();
    let written = server.written();
    assert!(
        written.contains("\"setting\":\"--store\"") && !format!("{written}{text}").contains("hunter2"),
        "{written}"
    );
}
