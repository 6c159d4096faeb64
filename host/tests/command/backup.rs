//! `plausible-mcp backup` while a server runs, and `plausible-mcp restore` of what it made.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use plausible_mcp_tests::sign_in::Client;

use crate::folder::Folder;
use crate::grants::{Served, command};
use crate::process::{Process, run};
use crate::upstream;

fn store_of(folder: &Folder) -> String {
    format!("file:{}", folder.file("records.redb"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_backup_ends_every_sign_in_and_keeps_the_clients() {
    let mut served = Served::with_store("backup", store_of).await;
    let client = Client::register(served.address, "none").await;
    let (ada, bob) =
        (served.sign_in(&client, "ada@example.com").await, served.sign_in(&client, "bob@example.com").await);
    let (backup, socket, store) =
        (served.folder.file("backup"), served.folder.file("socket"), store_of(&served.folder));
    let back_up = async |more: &[&str]| command(&[&["backup", &backup, "--control", &socket], more].concat()).await;

    let (code, text) = back_up(&[]).await;
    assert!(code == Some(0) && text.contains(" records as of 20"), "{text}");
    assert_eq!(fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
    let (code, text) = back_up(&[]).await;
    assert!(code == Some(1) && text.contains("is there already"), "{text}");
    assert_eq!(back_up(&["--overwrite"]).await.0, Some(0));
    assert_eq!((served.status(&ada).await, served.status(&bob).await), (200, 200), "nobody notices");

    assert_eq!(served.grants(&["revoke", "--user", "ada@example.com"]).await.0, Some(0));
    let restore = async |more: &[&str]| command(&[&["restore", &backup, "--store", &store], more].concat()).await;
    let (code, text) = restore(&[]).await;
    assert!(code == Some(2) && text.contains("--yes"), "{text}");
    let (code, text) = restore(&["--yes"]).await;
    assert!(code == Some(1) && text.contains("stop it"), "{text}");
    served.stop().await;

    let (code, text) = restore(&["--yes"]).await;
    assert!(code == Some(0) && text.contains("Every sign-in ends"), "{text}");
    served.start_again().await;
    assert_eq!((served.status(&ada).await, served.status(&bob).await), (401, 401));
    assert_ne!(client.refresh(&bob.refresh).await.status, 200);
    assert_eq!(served.grants(&["list"]).await, (Some(0), "no grants\n".to_owned()));
    let again = served.sign_in(&client, "ada@example.com").await;
    assert_eq!(served.status(&again).await, 200, "the client is still registered");

    served.stop().await;
    let (code, text) = restore(&["--yes", "--keep-sign-ins"]).await;
    assert!(code == Some(0) && text.contains("Revocations since 20"), "{text}");
    served.start_again().await;
    let statuses = [served.status(&ada).await, served.status(&bob).await, served.status(&again).await];
    assert_eq!(statuses, [200, 200, 401], "all is as it was then");
    assert_eq!(client.refresh(&bob.refresh).await.status, 200);
    let left: Vec<_> = fs::read_dir(&served.folder.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{left:?}");
}

#[test]
fn a_store_that_no_server_has_is_copied_as_well() {
    let folder = Folder::new("backup-stopped");
    let (store, file, backup) = (store_of(&folder), folder.file("records.redb"), folder.file("backup"));
    let (code, text) = run(&["backup", &backup, "--store", &store], &[]);
    assert!(code == Some(1) && text.contains("there is no store") && text.contains("--control"), "{text}");
    assert!(!Path::new(&file).exists() && !Path::new(&backup).exists(), "nothing is made");
    let base_url = upstream::start(upstream::one_row);
    let settings = [("PLAUSIBLE_BASE_URL", base_url.as_str()), ("MCP_ALLOWED_HOSTNAMES", "127.0.0.1")];
    let mut server = Process::start(&["serve", "--listen", "127.0.0.1:0", "--store", &store], &settings);
    server.address();
    let (code, text) = run(&["backup", &backup, "--store", &store], &[]);
    assert!(code == Some(1) && text.contains("--control PATH"), "a server without a socket has it: {text}");
    server.terminate();
    assert_eq!(server.exit_code(), Some(0), "{}", server.written());
    let (code, text) = run(&["backup", &backup, "--store", &store], &[]);
    assert!(code == Some(0) && text.starts_with("0 records as of "), "{text}");
    let (code, text) = run(&["backup", &file, "--store", &store, "--overwrite"], &[]);
    assert!(code == Some(1) && text.contains("the store itself"), "{text}");
    let (code, text) = run(&["restore", &file, "--store", &store, "--yes"], &[]);
    assert!(code == Some(1) && text.contains("the store itself"), "{text}");
}

#[test]
fn what_has_no_file_has_no_backup_here() {
    let folder = Folder::new("backup-none");
    let backup = folder.file("backup");
    for store in ["memory", "redis://127.0.0.1:1"] {
        let (code, text) = run(&["backup", &backup, "--store", store], &[]);
        assert!(code == Some(1) && text.contains("Redis has its own backup"), "{text}");
        let (code, text) = run(&["restore", &backup, "--store", store, "--yes"], &[]);
        assert!(code == Some(2) && text.contains("Redis has its own backup"), "{text}");
        assert!(!Path::new(&backup).exists());
    }
}
