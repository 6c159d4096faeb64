//! What this version writes is read by the version that first wrote each format, so that two versions can share a store
//! and an upgrade can be taken back: a format may only gain members that may be absent. The types here are a copy of
//! that version's, and stay as they are.

use serde::de::DeserializeOwned;
use serde_json::json;

use super::world::*;
use crate::oauth::keyring::KeyRing;
use crate::oauth::record::{Sealed, open};
use crate::oauth::token::{Token, TokenKind};

/// Format 1, as it was first written.
#[expect(dead_code, reason = "a type is there to be read into")]
mod format_1 {
    use serde::Deserialize;

    #[derive(Deserialize)]
    pub(super) struct ClientRecord {
        client: Client,
        issued: u64,
        entry: String,
        expires: u64,
        state: ClientState,
    }

    #[derive(Deserialize)]
    enum ClientState {
        NeverUsed,
        Used,
        Evicted,
    }

    #[derive(Deserialize)]
    struct Client {
        id: String,
        metadata: ClientMetadata,
        secret_hash: Option<String>,
    }

    #[derive(Deserialize)]
    struct ClientMetadata {
        name: Option<String>,
        redirect_uris: Vec<String>,
        auth_method: AuthMethod,
        may_refresh: bool,
    }

    #[derive(Deserialize)]
    enum AuthMethod {
        #[serde(rename = "none")]
        None,
        #[serde(rename = "client_secret_post")]
        Post,
        #[serde(rename = "client_secret_basic")]
        Basic,
    }

    #[derive(Deserialize)]
    pub(super) struct Grant {
        client_id: String,
        client_name: Option<String>,
        scope: String,
        resource: String,
        created: u64,
        expires: u64,
        last_issued: u64,
        generation: u32,
        derived_under: [u8; 4],
        state: GrantState,
    }

    #[derive(Deserialize)]
    enum GrantState {
        Pending,
        Active,
    }

    #[derive(Deserialize)]
    struct GrantPointer {
        user: String,
        grant: String,
    }

    #[derive(Deserialize)]
    pub(super) struct TokenRecord {
        grant: GrantPointer,
        client_id: String,
        email: String,
        resource: String,
        generation: u32,
        expires: u64,
    }

    #[derive(Deserialize)]
    pub(super) struct CodeRecord {
        grant: GrantPointer,
        client_id: String,
        may_refresh: bool,
        redirect_uri: String,
        challenge: [u8; 32],
        email: String,
        resource: String,
        expires: u64,
        state: CodeState,
        #[serde(default)]
        client: Option<Client>,
    }

    #[derive(Deserialize)]
    enum CodeState {
        Issued { failures: u32 },
        Redeemed { at: u64 },
        Dead,
    }

    #[derive(Deserialize)]
    pub(super) struct Transaction {
        request: AuthorizationRequest,
        client: Client,
        expires: u64,
        key: [u8; 4],
        consent_hash: String,
        state: State,
    }

    #[derive(Deserialize)]
    struct AuthorizationRequest {
        client_id: String,
        redirect_uri: String,
        is_loopback: bool,
        challenge: [u8; 32],
        state: Option<String>,
    }

    #[derive(Deserialize)]
    enum State {
        Consent,
        Approved { upstream_hash: String, attempts: Vec<Attempt> },
        Done,
        Denied,
    }

    #[derive(Deserialize)]
    struct Attempt {
        state_hash: String,
        nonce: String,
        verifier: String,
    }

    #[derive(Deserialize)]
    pub(super) struct KeptDocument {
        #[serde(flatten)]
        client: Client,
        #[serde(default)]
        fetched: u64,
    }

    #[derive(Deserialize)]
    pub(super) struct KeySet {
        document: String,
        fetched: u64,
        tried: u64,
    }

    #[derive(Deserialize)]
    pub(super) struct Provider {
        authorization_endpoint: String,
        token_endpoint: String,
        jwks_uri: String,
        secret_in_body: bool,
        iss_parameter_supported: bool,
    }
}

#[test]
fn the_first_reader_of_a_format_reads_what_is_written_now() {
    let ring = KeyRing::parse(&format!("{:064x}", 7)).unwrap();
    let (world, browser) = (World::new(), Browser::default());
    let client = world.client();
    let (tokens, redeemed) = {
        let code = world.code(&browser, &client);
        let sent = [
            ("grant_type", "authorization_code"),
            ("client_id", client.as_str()),
            ("code", &code),
            ("code_verifier", VERIFIER),
        ];
        (json_of(&world.token(&sent)), code)
    };
    let issued = world.code(&Browser::default(), &client);
    world.register(&json!({ "client_name": "B", "redirect_uris": [REDIRECT_URI] }));
    let url = world.document("client.json");
    let document = json!({ "client_id": url, "client_name": "C", "redirect_uris": [REDIRECT_URI] });
    world.provider().fail("client.json", Fault::Answer(200, document.to_string()));
    world.tokens(&url);
    let (approved, denied) = (browser.consent(&world, &client), browser.consent(&world, &client));
    browser.approve(&world, &approved);
    browser.decide(&world, &denied, "deny");
    let records = world.records();

    fn read<T: DeserializeOwned>(ring: &KeyRing, key: &str, sealed: Sealed<'_>, value: &[u8]) {
        assert!(open::<T>(ring, key, sealed, value).is_ok(), "{key}: a format may only gain what may be absent");
    }
    let by_server = |kind: &str, read: &dyn Fn(&str, &[u8])| {
        let of_kind: Vec<_> = records.iter().filter(|(key, _)| key.split('/').next() == Some(kind)).collect();
        assert!(!of_kind.is_empty(), "{kind}");
        of_kind.into_iter().for_each(|(key, value)| read(key, value));
    };
    by_server("client", &|key, value| read::<format_1::ClientRecord>(&ring, key, Sealed::ByServer, value));
    by_server("grant", &|key, value| read::<format_1::Grant>(&ring, key, Sealed::ByServer, value));
    by_server("transaction", &|key, value| read::<format_1::Transaction>(&ring, key, Sealed::ByServer, value));
    by_server("document", &|key, value| read::<format_1::KeptDocument>(&ring, key, Sealed::ByServer, value));
    by_server("document-copy", &|key, value| read::<format_1::KeptDocument>(&ring, key, Sealed::ByServer, value));
    by_server("keys", &|key, value| read::<format_1::KeySet>(&ring, key, Sealed::ByServer, value));
    by_server("discovery", &|key, value| read::<format_1::Provider>(&ring, key, Sealed::ByServer, value));
    by_server("unused", &|key, value| read::<()>(&ring, key, Sealed::ByServer, value));

    let by_token = |kind, text: &str, read: &dyn Fn(&str, Sealed<'_>, &[u8])| {
        let token = Token::parse(kind, text).expect("a token");
        let (key, value) = records.iter().find(|(key, _)| *key == token.store_key()).expect("its record");
        read(key, Sealed::ByToken(&token), value);
    };
    for (kind, name) in [(TokenKind::Access, "access_token"), (TokenKind::Refresh, "refresh_token")] {
        by_token(kind, tokens[name].as_str().unwrap(), &|key, sealed, value| {
            read::<format_1::TokenRecord>(&ring, key, sealed, value);
        });
    }
    for code in [redeemed, issued] {
        by_token(TokenKind::Code, &code, &|key, sealed, value| {
            read::<format_1::CodeRecord>(&ring, key, sealed, value);
        });
    }
}
