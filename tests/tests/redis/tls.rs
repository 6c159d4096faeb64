//! TLS with an authority of one's own, a user, a password and a database number.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use plausible_mcp_host::oauth_store::{OauthStore, RedisStore, StoreError, contract};
use plausible_mcp_host::{Level, Origin, RedisServer};
use plausible_mcp_tests::redis_process::{RedisProcess, free_address};

use super::{HOUR, in_time};

/// A server with a TLS port beside the open one, and where that port is.
async fn encrypted() -> Option<(RedisProcess, u16)> {
    let server = RedisProcess::start(&[]).await?;
    make_certificates(server.folder());
    let file = |name: &str| server.folder().join(name).display().to_string();
    server.ask::<()>(&["CONFIG", "SET", "tls-ca-cert-file", &file("authority.pem")]).await;
    let (certificate, key) = (file("localhost.pem"), file("localhost.key"));
    server.ask::<()>(&["CONFIG", "SET", "tls-cert-file", &certificate, "tls-key-file", &key]).await;
    let port = free_address().port();
    server.ask::<()>(&["CONFIG", "SET", "tls-auth-clients", "no", "tls-port", &port.to_string()]).await;
    let rights = ["+@scripting", "+@read", "+@write", "+select", "+time", "+wait", "+info", "~{plausible-mcp}:*"];
    server.ask::<()>(&[&["ACL", "SETUSER", "app", "on", ">s3cret"][..], &rights].concat()).await;
    Some((server, port))
}

fn store(url: &str, authority: Option<&Path>) -> RedisStore {
    let authority = authority.map(|file| file.display().to_string());
    RedisStore::new(RedisServer::new(url.parse().expect("an address"), authority.as_deref()).expect("TLS is set up"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_keeps_the_contract_over_tls_as_a_user_with_few_rights() {
    let Some((server, port)) = encrypted().await else { return };
    let url = format!("rediss://app:s3cret@localhost:{port}/2");
    let store = Arc::new(store(&url, Some(&server.folder().join("authority.pem"))));
    contract::check(store.clone(), tokio::time::sleep).await;
    store.put("a", vec![1], HOUR).await.expect("a write");
    assert!(server.ask::<String>(&["INFO", "keyspace"]).await.contains("db2:"), "the database is the second");
}

#[tokio::test]
async fn a_server_of_an_unknown_authority_is_not_trusted() {
    let Some((_server, port)) = encrypted().await else { return };
    let store = store(&format!("rediss://app:s3cret@localhost:{port}"), None);
    assert_eq!(in_time(store.create("a", vec![1], HOUR)).await, Err(StoreError::Unavailable));
    let findings = store.findings().await;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!((findings[0].level, findings[0].origin), (Level::Error, Origin::Unreachable));
    assert!(findings[0].text.contains("certificate") && !findings[0].text.contains("s3cret"), "{}", findings[0].text);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_trusted() {
    let Some((server, port)) = encrypted().await else { return };
    let store = store(&format!("rediss://app:s3cret@127.0.0.1:{port}"), Some(&server.folder().join("authority.pem")));
    assert_eq!(in_time(store.get("a")).await, Err(StoreError::Unavailable));
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_repeated() {
    let Some((server, port)) = encrypted().await else { return };
    let url = format!("rediss://app:wr0ng@localhost:{port}");
    let store = store(&url, Some(&server.folder().join("authority.pem")));
    assert_eq!(in_time(store.get("a")).await, Err(StoreError::Unavailable));
    let findings = store.findings().await;
    assert!(findings[0].text.contains("authentication failed"), "{findings:?}");
    assert!(!format!("{findings:?}").contains("wr0ng"), "{findings:?}");
}

fn make_certificates(folder: &Path) {
    let base = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "2"];
    let make = |arguments: &[&str]| {
        let made =
            Command::new("openssl").current_dir(folder).args(base).args(arguments).output().expect("openssl runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    make(&["-subj", "/CN=Test authority", "-keyout", "authority.key", "-out", "authority.pem"]);
    let names = ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"];
    let signed = ["-subj", "/CN=localhost", "-CA", "authority.pem", "-CAkey", "authority.key"];
    make(&[&signed[..], &names, &["-keyout", "localhost.key", "-out", "localhost.pem"]].concat());
}
