//! Redeeming an authorization code: get, checks, `replace`.
//!
//! ```text
//! ISSUED (failures 0..4) --all checks hold--> REDEEMED (a tombstone, as long as the grant)
//!    |
//!    +--fifth failed check--> DEAD
//! ```
//!
//! Invariant: a code is redeemed at most once. The swap from the very bytes that were checked decides; who loses it
//! reads again and meets what the winner left.

use serde::{Deserialize, Serialize};

use super::client::Client;
use super::error::WireError;
use super::grant::{Approval, Grant, GrantPointer, GrantState, Issued, TokenRecord, seconds_until};
use super::pkce::{CodeChallenge, CodeVerifier};
use super::record::Sealed;
use super::resource::Resource;
use super::token::{Token, TokenKind};
use super::vault::Vault;
use crate::ports::{OauthStore, Random, StoreError, Timestamp};

/// The record of a code. It is sealed by the code. Times are milliseconds since 1970.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeRecord {
    grant: GrantPointer,
    client_id: String,
    may_refresh: bool,
    redirect_uri: String,
    challenge: CodeChallenge,
    email: String,
    resource: String,
    expires: u64,
    state: CodeState,
    /// The client's record, for a redemption that finds it evicted. A tombstone has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client: Option<Client>,
}

/// How far a code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum CodeState {
    Issued { failures: u32 },
    Redeemed { at: u64 },
    Dead,
}

/// A token request with a code. The client has authenticated.
pub struct Exchange<'a> {
    /// The client.
    pub client_id: &'a str,
    /// The code, as it came.
    pub code: &'a str,
    /// May be absent, and is enforced if sent.
    pub redirect_uri: Option<&'a str>,
    /// The verifier, as it came.
    pub verifier: Option<&'a str>,
    /// The resource, as it came.
    pub resource: Option<&'a str>,
}

/// Why a code is not redeemed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedeemError {
    /// It is no code, or none that is known.
    Unknown,
    /// Its time is over.
    Expired,
    /// Five checks failed before.
    Dead,
    /// It was issued to another client.
    WrongClient,
    /// It was sent to another redirect URI.
    WrongRedirectUri,
    /// The verifier is missing, malformed, or not that of the challenge.
    WrongVerifier,
    /// The resource is not the one that was authorized.
    WrongResource,
    /// The user is not admitted any more.
    NotAdmitted,
    /// It was redeemed moments ago: a retry.
    Repeated,
    /// It was redeemed before; the grant is revoked (RFC 6749 §4.1.2: SHOULD).
    Replayed {
        /// The id of the grant.
        grant: String,
    },
    /// The grant was revoked.
    Revoked,
    /// Others kept changing the record.
    Contended,
    /// The store failed.
    Store(StoreError),
}

impl RedeemError {
    /// What the client is told.
    pub fn wire(&self) -> WireError {
        match self {
            RedeemError::WrongResource => WireError::InvalidTarget,
            RedeemError::Store(_) | RedeemError::Contended => WireError::TemporarilyUnavailable,
            _ => WireError::InvalidGrant,
        }
    }

    /// The name of the cause, for the log.
    pub fn reason(&self) -> &'static str {
        match self {
            RedeemError::Unknown => "code_unknown",
            RedeemError::Expired => "code_expired",
            RedeemError::Dead => "code_dead",
            RedeemError::WrongClient => "code_wrong_client",
            RedeemError::WrongRedirectUri => "code_wrong_redirect_uri",
            RedeemError::WrongVerifier => "code_wrong_verifier",
            RedeemError::WrongResource => "code_wrong_resource",
            RedeemError::NotAdmitted => "code_user_not_admitted",
            RedeemError::Repeated => "code_repeated",
            RedeemError::Replayed { .. } => "code_replayed",
            RedeemError::Revoked => "code_grant_revoked",
            RedeemError::Contended => "code_contended",
            RedeemError::Store(error) => error.reason(),
        }
    }

    /// The id of the grant that ended by it.
    pub fn ended_grant(&self) -> Option<&str> {
        match self {
            RedeemError::Replayed { grant } => Some(grant),
            _ => None,
        }
    }
}

impl From<StoreError> for RedeemError {
    fn from(error: StoreError) -> RedeemError {
        RedeemError::Store(error)
    }
}

/// Redeems a code. `admits` tells whether an e-mail address is still admitted.
pub async fn redeem<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    resource: &Resource,
    exchange: &Exchange<'_>,
    admits: impl Fn(&str) -> bool,
) -> Result<Issued, RedeemError> {
    resource.check(exchange.resource).map_err(|_| RedeemError::WrongResource)?;
    let code = Token::parse(TokenKind::Code, exchange.code).ok_or(RedeemError::Unknown)?;
    let (key, sealed) = (code.store_key(), Sealed::ByToken(&code));
    for _ in 0..MAX_ROUNDS {
        let stored = vault.read::<CodeRecord>(&key, sealed).await?.ok_or(RedeemError::Unknown)?;
        let record = &stored.content;
        let (state, ttl, outcome) = match decide(record, now, resource, exchange, &admits) {
            Decision::Refuse(error) => return Err(error),
            Decision::Revoke => {
                vault.delete(&record.grant.store_key()).await?;
                return Err(RedeemError::Replayed { grant: record.grant.grant.clone() });
            }
            Decision::Count(state, error) => (state, None, Err(error)),
            Decision::Redeem => {
                let user = vault.ring.find_user_id(&record.email, &record.grant.user);
                let grant = vault.read::<Grant>(&record.grant.store_key(), Sealed::ByServer).await?;
                let Some(grant) = grant.filter(|_| user.is_some()) else { return Err(RedeemError::Revoked) };
                (CodeState::Redeemed { at: now.0 }, Some(seconds_until(grant.content.expires, now)), Ok(grant))
            }
        };
        let client = record.client.clone().filter(|_| outcome.is_err());
        let next = CodeRecord { state, client, ..record.clone() };
        if vault.replace(&key, sealed, &stored, &next, ttl).await? {
            return activate(vault, now, &next, outcome?).await;
        }
    }
    Err(RedeemError::Contended)
}

/// Returns the client that a code which can still be redeemed was issued to, if it is the one with this id: for a token
/// request of a client that has been evicted since, or whose document is away.
pub async fn client<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    code: &str,
    client_id: &str,
) -> Result<Option<Client>, StoreError> {
    let Some(code) = Token::parse(TokenKind::Code, code) else { return Ok(None) };
    let stored = vault.read::<CodeRecord>(&code.store_key(), Sealed::ByToken(&code)).await?;
    let record = stored.map(|stored| stored.content).filter(|record| record.expires > now.0);
    Ok(record.and_then(|record| record.client).filter(|client| client.id == client_id))
}

impl CodeRecord {
    /// The record of a code that is issued now.
    pub(super) fn issued(approval: &Approval, grant: GrantPointer, now: Timestamp) -> CodeRecord {
        CodeRecord {
            grant,
            client_id: approval.request.client_id.clone(),
            may_refresh: approval.client.metadata.may_refresh,
            redirect_uri: approval.request.redirect_uri.clone(),
            challenge: approval.request.challenge.clone(),
            email: approval.email.to_owned(),
            resource: approval.resource.to_owned(),
            expires: now.0.saturating_add(CODE_MILLISECONDS),
            state: CodeState::Issued { failures: 0 },
            client: Some(approval.client.clone()),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Redeem,
    Count(CodeState, RedeemError),
    Refuse(RedeemError),
    Revoke,
}

/// What becomes of a code. Only a holder of the verifier can make a replay; nothing else revokes.
fn decide(
    record: &CodeRecord,
    now: Timestamp,
    resource: &Resource,
    exchange: &Exchange,
    admits: &impl Fn(&str) -> bool,
) -> Decision {
    let checked = check(record, exchange);
    match (record.state, checked) {
        (CodeState::Dead, _) => Decision::Refuse(RedeemError::Dead),
        (CodeState::Redeemed { .. }, Err(error)) => Decision::Refuse(error),
        (CodeState::Redeemed { at }, Ok(())) if now.0.saturating_sub(at) <= RETRY_MILLISECONDS => {
            Decision::Refuse(RedeemError::Repeated)
        }
        (CodeState::Redeemed { .. }, Ok(())) => Decision::Revoke,
        (CodeState::Issued { .. }, _) if record.expires <= now.0 => Decision::Refuse(RedeemError::Expired),
        (CodeState::Issued { failures }, Err(error)) => {
            let failures = failures.saturating_add(1);
            let dead = failures >= MAX_FAILURES;
            Decision::Count(if dead { CodeState::Dead } else { CodeState::Issued { failures } }, error)
        }
        (CodeState::Issued { .. }, Ok(())) if record.resource != resource.url() => {
            Decision::Refuse(RedeemError::WrongResource)
        }
        (CodeState::Issued { .. }, Ok(())) if !admits(&record.email) => Decision::Refuse(RedeemError::NotAdmitted),
        (CodeState::Issued { .. }, Ok(())) => Decision::Redeem,
    }
}

fn check(record: &CodeRecord, exchange: &Exchange) -> Result<(), RedeemError> {
    if record.client_id != exchange.client_id {
        return Err(RedeemError::WrongClient);
    }
    if exchange.redirect_uri.is_some_and(|sent| sent != record.redirect_uri) {
        return Err(RedeemError::WrongRedirectUri);
    }
    let verifier = exchange.verifier.and_then(CodeVerifier::parse);
    let answered = verifier.is_some_and(|verifier| record.challenge.is_answered_by(&verifier));
    if answered { Ok(()) } else { Err(RedeemError::WrongVerifier) }
}

/// The winner writes the tokens first and makes the grant active last: a token without an active grant is void.
async fn activate<S: OauthStore, R: Random>(
    vault: &Vault<'_, S, R>,
    now: Timestamp,
    code: &CodeRecord,
    grant: super::vault::Stored<Grant>,
) -> Result<Issued, RedeemError> {
    let record = |expires| TokenRecord {
        grant: code.grant.clone(),
        client_id: code.client_id.clone(),
        email: code.email.clone(),
        resource: code.resource.clone(),
        generation: 1,
        expires,
    };
    let (access_expires, expires) = (grant.content.access_expiry(now), grant.content.expires);
    let access = Token::new(TokenKind::Access, vault.random.bytes());
    let ttl = seconds_until(access_expires, now);
    vault.put(&access.store_key(), Sealed::ByToken(&access), &record(access_expires), ttl).await?;
    let refresh = code.may_refresh.then(|| Token::new(TokenKind::Refresh, vault.random.bytes()));
    if let Some(refresh) = &refresh {
        let ttl = seconds_until(expires, now);
        vault.put(&refresh.store_key(), Sealed::ByToken(refresh), &record(expires), ttl).await?;
    }
    let active = Grant { state: GrantState::Active, generation: 1, last_issued: now.0, ..grant.content.clone() };
    let (key, ttl) = (code.grant.store_key(), Some(seconds_until(expires, now)));
    if !vault.replace(&key, Sealed::ByServer, &grant, &active, ttl).await? {
        return Err(RedeemError::Revoked);
    }
    let expires_in = access_expires.saturating_sub(now.0) / 1000;
    Ok(Issued { grant: code.grant.clone(), access, refresh, expires_in })
}

/// A code lives for a minute.
const CODE_MILLISECONDS: u64 = 60 * 1000;

/// A client that lost the answer tries again within seconds; what comes later is somebody else.
const RETRY_MILLISECONDS: u64 = 10 * 1000;

/// Nobody mistypes a verifier: five failures are an attack or a defect.
const MAX_FAILURES: u32 = 5;

/// A record changes at most six times: five failures, or up to four and a redemption.
const MAX_ROUNDS: usize = 7;
