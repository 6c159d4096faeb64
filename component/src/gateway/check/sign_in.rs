//! What `check` finds about sign-in: the secrets, the callback address, discovery and key sets.

use super::denied::Denied;
use super::{Finding, Level, Origin, finding, malformed, store, unreadable};
use crate::config::{AssertionMode, AuthorizationServer};
use crate::gateway::federation::{Federation, FederationError, Provider};
use crate::gateway::issuer::{SecretError, key_ring, required};
use crate::gateway::setup::Setup;
use crate::oauth::client::is_document;
use crate::oauth::grants::{self, Whose};
use crate::oauth::keyring::KeyRing;
use crate::oauth::secret::hex;
use crate::oauth::vault::Vault;
use crate::ports::{Clock, HttpError, OauthStore, Ports, Random, StoreError};

/// Checks whatever mode is on; nothing when there is no sign-in.
pub async fn run<P: Ports>(ports: &P, setup: &Setup) -> Vec<Finding> {
    let Some(sign_in) = &setup.config.sign_in else { return Vec::new() };
    let secrets = ports.secrets();
    let mut findings = Vec::new();
    let key = required(secrets, "PLAUSIBLE_API_KEY", "make a key in Plausible under Settings, API keys");
    // One that cannot be read is told of where Plausible is asked with it.
    if let Err(SecretError::Misconfigured(error)) = &key {
        findings.push(malformed(error));
    }
    let secret = required(secrets, SECRET, "set it to the secret of the Access application");
    let unusable_secret = secret.as_ref().err().filter(|_| sign_in.authorization_server.is_some());
    findings.extend(unusable_secret.map(|error| unusable(error, SECRET)));
    let ring = key_ring(secrets);
    findings.extend(ring.as_ref().err().map(|error| unusable(error, "COOKIE_ENCRYPTION_KEY")));
    let records = store::run(ports).await;
    let are_kept = records.level == Level::Ok;
    findings.push(records);
    // What the providers say has nothing to do with the server's key, so another one does where that is malformed.
    let Some(stand_in) = ring.clone().ok().or_else(|| stand_in(ports)) else { return findings };
    let vault = Vault::new(ports.store(), ports.random(), &stand_in);
    let federation = Federation { ports, vault: &vault, now: ports.clock().now() };
    if let Some(server) = &sign_in.authorization_server {
        if ring.is_ok() && are_kept {
            findings.extend(documents(&vault, server).await);
        }
        findings.extend(own(&federation, server, secret.ok().as_deref()).await);
    }
    if let Some(mode) = &sign_in.assertion {
        findings.push(assertion(&federation, mode).await);
    }
    findings
}

/// A key that nothing is kept under.
fn stand_in<P: Ports>(ports: &P) -> Option<KeyRing> {
    KeyRing::parse(&hex(&ports.random().bytes::<32>())).ok()
}

async fn own<P: Ports>(
    federation: &Federation<'_, P>,
    server: &AuthorizationServer,
    secret: Option<&str>,
) -> Vec<Finding> {
    let callback = format!(
        "sign-in is at {0}/internal; the Access application must have the redirect URL {0}/callback",
        server.public_url
    );
    let mut findings = vec![finding(Level::Ok, Origin::Settings, "PUBLIC_URL", &callback, "")];
    let advice = "write the issuer exactly as Access shows it, ending in the client id";
    match federation.probe(server).await {
        Ok(provider) => {
            let text = "Access answers with endpoints and keys";
            findings.push(finding(Level::Ok, Origin::Answer, ISSUER, text, ""));
            if let Some(secret) = secret {
                findings.extend(own_secret(federation, server, &provider, secret.trim()).await);
            }
        }
        Err(error) => findings.push(failed(&error, ISSUER, advice)),
    }
    findings
}

/// What is said of a secret without which nobody signs in.
fn unusable(error: &SecretError, setting: &'static str) -> Finding {
    match error {
        SecretError::Unavailable(_) => unreadable(setting),
        SecretError::Misconfigured(error) => malformed(error),
    }
}

/// Whether Access takes this server's own secret, which shows in no document of its.
async fn own_secret<P: Ports>(
    federation: &Federation<'_, P>,
    server: &AuthorizationServer,
    provider: &Provider,
    secret: &str,
) -> Option<Finding> {
    let setting = if server.endpoints.token.is_some() { "ACCESS_TOKEN_URL" } else { ISSUER };
    match federation.probe_secret(server, provider, secret).await {
        Ok(()) => None,
        Err(FederationError::SecretRefused) => {
            let text = "Access refuses it, or does not know ACCESS_CLIENT_ID";
            let advice = "set both anew from the application's page at Access";
            Some(finding(Level::Error, Origin::Answer, SECRET, text, advice))
        }
        Err(error) => Some(failed(&error, setting, "look where the token endpoint of the application is")),
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

async fn assertion<P: Ports>(federation: &Federation<'_, P>, mode: &AssertionMode) -> Finding {
    match federation.probe_team(mode).await {
        Ok(()) => finding(Level::Ok, Origin::Answer, "CF_ACCESS_TEAM_DOMAIN", "the team's keys can be read", ""),
        Err(error) => {
            failed(&error, "CF_ACCESS_TEAM_DOMAIN", "write the team's domain, as https://team.cloudflareaccess.com")
        }
    }
}

/// What is said of a provider that does not answer as it must. `advice` is for an address that is wrong; an outage has
/// advice of its own.
fn failed(error: &FederationError, setting: &'static str, advice: &str) -> Finding {
    let passes = "it should pass by itself; look at the status of Access, and at the way there";
    let answer = |text: &str, advice| finding(Level::Error, Origin::Answer, setting, text, advice);
    let outage = |text: &str, advice| finding(Level::Error, Origin::Unreachable, setting, text, advice);
    match error {
        FederationError::Store(_) => {
            finding(Level::Error, Origin::Unreachable, "COOKIE_ENCRYPTION_KEY", "the store does not answer", "")
        }
        FederationError::Unavailable(HttpError::NotAllowed) => Denied::Access.finding(setting),
        FederationError::Unavailable(error) => {
            let text = format!("Access could not be reached: {}", error.words());
            outage(&text, "check the address, the network and the certificate (EXTRA_CA_FILE)")
        }
        FederationError::Answered(429) => outage("Access answered 429: it is asked too often", passes),
        FederationError::Answered(status @ 500..) => outage(&format!("Access answered {status}"), passes),
        FederationError::Answered(status) => answer(&format!("Access answered {status}"), advice),
        FederationError::NotJson => {
            answer("a page answers in the place of Access, or something else that is no JSON", advice)
        }
        FederationError::OtherIssuer => answer("what answers there calls itself another issuer", advice),
        FederationError::KeySet(error) => {
            answer(&format!("the keys of Access cannot be used ({})", error.reason()), "let Access sign with RS256")
        }
        FederationError::Unread(error) => answer(&format!("Access cannot be read: {}", error.words()), advice),
        _ => answer("what Access answers is not as it must be", advice),
    }
}

const DOCUMENTS: &str = "CLIENT_METADATA_DOCUMENTS";
const ISSUER: &str = "ACCESS_ISSUER";
const SECRET: &str = "ACCESS_CLIENT_SECRET";
