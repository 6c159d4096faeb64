//! `plausible-mcp serve --control` and `plausible-mcp grants`, which asks through that socket.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use crate::folder::Folder;
use crate::process::{Process, run};
use crate::upstream;

/// Starts a server with these further arguments and this further environment.
fn serve(arguments: &[&str], environment: &[(&str, &str)]) -> Process {
    let base_url = upstream::start(upstream::one_row);
    let arguments = [&["serve", "--listen", "127.0.0.1:0"], arguments].concat();
    let settings = [("PLAUSIBLE_BASE_URL", base_url.as_str()), ("MCP_ALLOWED_HOSTNAMES", "127.0.0.1")];
    Process::start(&arguments, &[&settings, environment].concat())
}

#[test]
fn grants_ask_the_running_server() {
    let folder = Folder::new("grants");
    let socket = folder.file("socket");
    let mut server = serve(&["--control", &socket], &[]);
    server.address();
    let about = fs::symlink_metadata(&socket).unwrap();
    assert!(about.file_type().is_socket());
    assert_eq!(about.permissions().mode() & 0o777, 0o600);
    for action in [&["list"][..], &["list", "--json"], &["revoke", "--all"], &["revoke", "--user", "ann@example.com"]] {
        let arguments = [&["grants"], action, &["--control", &socket]].concat();
        let (code, text) = run(&arguments, &[]);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("Sign-in is not set up"), "{text}");
    }
    server.terminate();
    assert_eq!(server.exit_code(), Some(0), "{}", server.written());
    assert!(!Path::new(&socket).exists(), "the socket goes with the server");
    assert!(!server.written().contains("ann@example.com"), "{}", server.written());
}

#[test]
fn the_default_is_in_the_users_runtime_folder() {
    let folder = Folder::new("runtime");
    let runtime = [("XDG_RUNTIME_DIR", folder.0.to_str().unwrap())];
    let mut first = serve(&[], &runtime);
    first.address();
    let (code, text) = run(&["grants", "list"], &runtime);
    assert!(code == Some(1) && text.contains("Sign-in is not set up"), "{text}");
    let mut second = serve(&[], &runtime);
    second.address();
    assert!(second.written().contains("no_control_socket"), "{}", second.written());
    second.terminate();
    assert_eq!(second.exit_code(), Some(0), "{}", second.written());
    assert!(UnixStream::connect(folder.file("plausible-mcp.sock")).is_ok(), "the first keeps its socket");
}

#[test]
fn a_path_in_use_or_of_another_file_is_refused() {
    let folder = Folder::new("refused");
    let (taken, file) = (folder.file("taken"), folder.file("file"));
    let _listener = UnixListener::bind(&taken).unwrap();
    fs::write(&file, "mine").unwrap();
    for (path, named) in [(&taken, "another server"), (&file, "not a socket")] {
        let base_url = upstream::start(upstream::one_row);
        let settings = [("PLAUSIBLE_BASE_URL", base_url.as_str()), ("MCP_ALLOWED_HOSTNAMES", "127.0.0.1")];
        let (code, text) = run(&["serve", "--listen", "127.0.0.1:0", "--control", path], &settings);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(path.as_str()) && text.contains(named), "{text}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    assert!(UnixStream::connect(&taken).is_ok());
}

#[test]
fn a_stale_socket_is_replaced() {
    let folder = Folder::new("stale");
    let socket = folder.file("socket");
    drop(UnixListener::bind(&socket).unwrap());
    assert!(UnixStream::connect(&socket).is_err());
    serve(&["--control", &socket], &[]).address();
}

#[test]
fn grants_without_a_server_say_how_to_reach_one() {
    let folder = Folder::new("nobody");
    for control in [&[][..], &["--control", &folder.file("socket")]] {
        let (code, text) = run(&[&["grants", "list"], control].concat(), &[]);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("serve --control PATH"), "{text}");
    }
}

#[test]
fn loopback_metadata_is_for_servers_on_loopback() {
    let setting = [("ALLOW_LOOPBACK_CLIENT_METADATA", "true")];
    let (code, text) = run(&["serve", "--listen", "0.0.0.0:0"], &setting);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("ALLOW_LOOPBACK_CLIENT_METADATA"), "{text}");
    serve(&[], &setting).address();
}
