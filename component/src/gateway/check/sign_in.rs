//! What `check` finds about sign-in: the secrets, the callback address, discovery and key sets.

use super::denied::Denied;
use super::{Finding, Level, Origin, finding, malformed, store, unreadable};
use crate::config::{AssertionMode, AuthorizationServer};
use crate::gateway::federation::{Federation, FederationError};
use crate::gateway::issuer::{SecretError, key_ring, required};
use crate::gateway::setup::Setup;
use crate::oauth::client::is_document;
use crate::oauth::grants::{self, Whose};
use crate::oauth::keyring::KeyRing;
use crate::oauth::vault::Vault;
use crate::ports::{Clock, HttpError, OauthStore, Ports, Random, StoreError};

/// Checks whatever mode is on; nothing when there is no sign-in.
pub async fn run<P: Ports>(ports: &P, setup: &Setup) -> Vec<Finding> {
    let Some(sign_in) = &setup.config.sign_in else { return Vec::new() };
    let domains = format!("users of {} are let in", sign_in.allowed_domains.join(", "));
    let mut findings = vec![finding(Level::Ok, Origin::Settings, "ALLOWED_EMAIL_DOMAIN", &domains, "")];
    let secrets = ports.secrets();
    let key = required(secrets, "PLAUSIBLE_API_KEY", "make a key in Plausible under Settings, API keys");
    // One that cannot be read is told of where Plausible is asked with it.
    if let Err(SecretError::Misconfigured(error)) = &key {
        findings.push(malformed(error));
    }
    let ring = match key_ring(secrets) {
        Ok(ring) => ring,
        Err(error) => {
            findings.push(unusable(&error, "COOKIE_ENCRYPTION_KEY"));
            return findings;
        }
    };
    let records = store::run(ports).await;
    let are_kept = records.level == Level::Ok;
    findings.push(records);
    if !are_kept {
        return findings;
    }
    if let Some(server) = &sign_in.authorization_server {
        let secret = required(secrets, "ACCESS_CLIENT_SECRET", "set it to the secret of the Access application");
        findings.extend(own(ports, server, &ring, secret.err().as_ref()).await);
    }
    if let Some(mode) = &sign_in.assertion {
        findings.push(assertion(ports, mode, &ring).await);
    }
    findings
}

async fn own<P: Ports>(
    ports: &P,
    server: &AuthorizationServer,
    ring: &KeyRing,
    missing_secret: Option<&SecretError>,
) -> Vec<Finding> {
    let callback = format!(
        "sign-in is at {0}/internal; the Access application must have the redirect URL {0}/callback",
        server.public_url
    );
    let mut findings = vec![finding(Level::Ok, Origin::Settings, "PUBLIC_URL", &callback, "")];
    findings.extend(missing_secret.map(|error| unusable(error, "ACCESS_CLIENT_SECRET")));
    let vault = Vault::new(ports.store(), ports.random(), ring);
    findings.extend(documents(&vault, server).await);
    let federation = Federation { ports, vault: &vault, now: ports.clock().now() };
    let advice = "write the issuer exactly as Access shows it, ending in the client id";
    findings.push(match federation.probe(server).await {
        Ok(()) => finding(Level::Ok, Origin::Answer, "ACCESS_ISSUER", "Access answers with endpoints and keys", ""),
        Err(error) => failed(&error, "ACCESS_ISSUER", advice),
    });
    findings
}

fn unusable(error: &SecretError, setting: &'static str) -> Finding {
    match error {
        SecretError::Unavailable(_) => unreadable(setting),
        SecretError::Misconfigured(error) => malformed(error),
    }
}

/// Where documents are turned off: how many sign-ins end by that, and whether apps can become known at all.
async fn documents<S: OauthStore, R: Random>(vault: &Vault<'_, S, R>, server: &AuthorizationServer) -> Option<Finding> {
    if server.documents.are_on {
        return None;
    }
    if !server.registration {
        let text = "client metadata documents are off, and so is REGISTRATION: no new app can connect";
        return Some(finding(Level::Warn, Origin::Settings, DOCUMENTS, text, "turn one of the two on"));
    }
    let finding = match count_with_document(vault).await {
        Ok(0) => finding(Level::Ok, Origin::Settings, DOCUMENTS, "documents are off: apps register here", ""),
        Ok(count) => {
            let text = format!("documents are off: {count} sign-ins of apps with one end at their next refresh");
            let advice = "these people connect again, and their apps register; turn documents on if that is too soon";
            finding(Level::Warn, Origin::Answer, DOCUMENTS, &text, advice)
        }
        Err(StoreError::NewerRecord) => {
            let text = "documents are off, and a newer version wrote grants that this one cannot count";
            finding(Level::Warn, Origin::Answer, DOCUMENTS, text, "ask the newer version")
        }
        Err(_) => finding(Level::Error, Origin::Unreachable, DOCUMENTS, "the store does not answer", ""),
    };
    Some(finding)
}

/// How many grants are those of clients with a document.
async fn count_with_document<S: OauthStore, R: Random>(vault: &Vault<'_, S, R>) -> Result<usize, StoreError> {
    let (mut count, mut cursor) = (0, None);
    loop {
        // Every cursor is one that the list gave.
        let Some(page) = grants::list(vault, &Whose::All, cursor.as_deref()).await? else { return Ok(count) };
        count += page.grants.iter().filter(|listed| is_document(&listed.grant.client_id)).count();
        cursor = page.next;
        if cursor.is_none() {
            return Ok(count);
        }
    }
}

async fn assertion<P: Ports>(ports: &P, mode: &AssertionMode, ring: &KeyRing) -> Finding {
    let vault = Vault::new(ports.store(), ports.random(), ring);
    let federation = Federation { ports, vault: &vault, now: ports.clock().now() };
    match federation.probe_team(mode).await {
        Ok(()) => finding(Level::Ok, Origin::Answer, "CF_ACCESS_TEAM_DOMAIN", "the team's keys can be read", ""),
        Err(error) => {
            failed(&error, "CF_ACCESS_TEAM_DOMAIN", "write the team's domain, as https://team.cloudflareaccess.com")
        }
    }
}

fn failed(error: &FederationError, setting: &'static str, advice: &str) -> Finding {
    match error {
        FederationError::Store(_) => {
            finding(Level::Error, Origin::Unreachable, "COOKIE_ENCRYPTION_KEY", "the store does not answer", "")
        }
        FederationError::Unavailable(HttpError::NotAllowed) => Denied::Access.finding(setting),
        FederationError::Unavailable(_) => {
            finding(Level::Error, Origin::Unreachable, setting, "Access could not be reached", advice)
        }
        _ => finding(Level::Error, Origin::Answer, setting, "what Access answers is not as it must be", advice),
    }
}

const DOCUMENTS: &str = "CLIENT_METADATA_DOCUMENTS";
