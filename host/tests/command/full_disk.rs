//! A server whose disk is full, on a small file system of its own.

use std::fs::{self, File};
use std::io::Write;
use std::process::Command;

use plausible_mcp_tests::sign_in::Client;

use crate::folder::Folder;
use crate::grants::{Served, command};

/// A file system in memory. Dropping it unmounts it.
struct Mounted(String);

impl Mounted {
    fn at(path: String) -> Self {
        fs::create_dir_all(&path).expect("a folder to mount on");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4M", "tmpfs", &path]).status();
        assert!(mounted.expect("mount runs").success(), "only root mounts");
        Self(path)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Takes all the space that is left; how much that is.
fn fill(path: &str) -> u64 {
    let mut file = File::create(path).expect("a file on the small disk");
    let mut written = 0;
    while file.write_all(&[7; 4096]).is_ok() {
        written += 4096;
    }
    written
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "root has to mount a file system: cargo test --test command -- --ignored full_disk"]
async fn revocation_works_while_the_disk_is_full() {
    let disk = Folder::new("full-disk");
    let mounted = Mounted::at(disk.file("disk"));
    let store = format!("file:{}/records.redb", mounted.0);
    let mut served = Served::with_store("full", |_| store.clone()).await;
    let client = Client::register(served.address, "none").await;
    let mut signed_in = Vec::new();
    for number in 0..8 {
        signed_in.push(served.sign_in(&client, &format!("user{number}@example.com")).await);
    }
    let filler = format!("{}/filler", mounted.0);
    let left = fill(&filler);
    assert!(left > 0);
    let mut refreshed = signed_in[7].refresh.clone();
    // Until the pages that the file has left are used up.
    let mut answers = Vec::new();
    for _ in 0..2000 {
        let answer = client.refresh(&refreshed).await;
        answers.push(answer.status);
        if answer.status != 200 {
            break;
        }
        refreshed = plausible_mcp_tests::sign_in::Tokens::of(&answer).refresh;
    }
    assert_eq!(answers.last(), Some(&503), "{} refreshes", answers.len());
    served.process.wait_for("the store's word", |text| text.contains("store_full").then_some(()));
    assert_eq!(served.status(&signed_in[0]).await, 200, "who is signed in is served");
    assert_eq!(client.revoke(&signed_in[0].refresh).await.status, 200);
    assert_eq!(served.status(&signed_in[0]).await, 401);
    assert_eq!(served.grants(&["revoke", "--user", "user1@example.com"]).await.0, Some(0));
    assert_eq!((served.status(&signed_in[1]).await, served.status(&signed_in[2]).await), (401, 200));
    assert_eq!(client.refresh(&signed_in[7].refresh).await.status, 400, "it was used long ago");
    assert_eq!(served.status(&signed_in[7]).await, 401, "so its grant has ended");
    let backup = disk.file("backup");
    let (code, text) = command(&["backup", &backup, "--control", &served.folder.file("socket")]).await;
    assert_eq!(code, Some(0), "to another disk: {text}");
    let (code, text) =
        command(&["backup", &format!("{}/backup", mounted.0), "--control", &served.folder.file("socket")]).await;
    assert!(code == Some(1) && text.contains("cannot be written"), "{text}");
    let names: Vec<_> = fs::read_dir(&mounted.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "no half file: {names:?}");

    assert_eq!(served.grants(&["revoke", "--all"]).await.0, Some(0));
    assert_eq!(served.status(&signed_in[2]).await, 401);
    fs::remove_file(&filler).unwrap();
    served.process.wait_for("the store's word", |text| text.contains("store_has_room").then_some(()));
    let again = served.sign_in(&client, "user1@example.com").await;
    assert_eq!(served.status(&again).await, 200);
    served.stop().await;
    served.start_again().await;
    assert_eq!((served.status(&signed_in[2]).await, served.status(&again).await), (401, 200));
}
