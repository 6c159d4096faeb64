//! `POST /internal`: MCP for those who signed in, with the shared Plausible key.

use super::answer_cache::AnswerCache;
use super::bearer_token;
use super::federation::{Federation, FederationError};
use super::issuer::{self, Issuer};
use super::journal::Journal;
use super::limits::Limits;
use super::mcp_endpoint::{self, Caller};
use super::plausible_budget::PlausibleBudget;
use super::request::{Request, RequestBody};
use super::response::Refusal;
use super::setup::Setup;
use super::shared_plausible::SharedPlausible;
use super::token_endpoint::unavailable;
use super::{Served, origin};
use crate::config::{AssertionMode, SignIn};
use crate::mcp::CacheScope;
use crate::oauth::error::WireError;
use crate::oauth::keyring::{KeyRing, UserId};
use crate::oauth::vault::Vault;
use crate::plausible::Client;
use crate::ports::{Clock, Ports};

/// Serves a request: origin, method, credential, then what `/mcp` does too.
pub async fn serve<P: Ports, B: RequestBody>(
    ports: &P,
    setup: &Setup,
    sign_in: &SignIn,
    limits: &Limits<'_, P::Limiter>,
    request: &Request,
    body: B,
    journal: &Journal,
) -> Result<Served, Refusal> {
    origin::check_listed_origin(request, &setup.config, is_by_bearer(sign_in, request))?;
    if request.method != "POST" {
        return Err(Refusal::mcp_method_not_allowed());
    }
    let ring = issuer::key_ring(ports.secrets()).map_err(|error| issuer::without_secret(&error))?;
    let user = authenticate(ports, setup, sign_in, &ring, request, journal).await?;
    let key =
        issuer::required(ports.secrets(), "PLAUSIBLE_API_KEY", "make a key in Plausible under Settings, API keys")
            .map_err(|error| issuer::without_secret(&error))?;
    let (base_url, now) = (&setup.config.plausible_base_url, ports.clock().now());
    let shared = SharedPlausible {
        client: Client::new(ports.http(), base_url, key.trim()).at(now).traced(journal.trace.header()),
        cache: AnswerCache::new(ports, &ring, base_url, key.trim()),
        budget: PlausibleBudget::new(ports.limiter(), sign_in.hourly_budget, user.as_str(), now),
        tally: &journal.shared,
        now,
    };
    let caller = Caller {
        stats: &shared,
        identity: user.as_str(),
        allowed_sites: sign_in.allowed_sites.as_deref(),
        // The answer stands behind a credential, so no shared cache may hand it to others.
        cache_scope: CacheScope::Private,
    };
    mcp_endpoint::answer(ports, setup, limits, request, body, &caller, journal).await
}

/// Whether a bearer token decides the request: there is one, and no assertion that would decide instead.
fn is_by_bearer(sign_in: &SignIn, request: &Request) -> bool {
    let has_assertion = sign_in.assertion.is_some() && request.headers.values(ASSERTION_HEADER).next().is_some();
    let is_bearer = |line: String| {
        line.split_once(' ')
            .is_some_and(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty())
    };
    !has_assertion && request.headers.values("authorization").any(is_bearer)
}

/// Where assertions are accepted, one that is there decides alone: a token beside it is not looked at.
async fn authenticate<P: Ports>(
    ports: &P,
    setup: &Setup,
    sign_in: &SignIn,
    ring: &KeyRing,
    request: &Request,
    journal: &Journal,
) -> Result<UserId, Refusal> {
    if let Some(mode) = &sign_in.assertion {
        let mut assertions = request.headers.values(ASSERTION_HEADER);
        match (assertions.next(), assertions.next()) {
            (Some(assertion), None) => return by_assertion(ports, setup, mode, ring, &assertion, journal).await,
            (Some(_), Some(_)) => return Err(forbidden("assertion_repeated")),
            (None, _) => {}
        }
    }
    match Issuer::new(ports, setup, ring) {
        Some(issuer) => {
            let outcome = bearer_token::authenticate(&issuer, request).await;
            journal.unreadable.count(&issuer.vault);
            let principal = outcome?;
            journal.identify(principal.user(), principal.email(), &setup.config);
            Ok(principal.user().clone())
        }
        None => Err(forbidden("no_assertion")),
    }
}

async fn by_assertion<P: Ports>(
    ports: &P,
    setup: &Setup,
    mode: &AssertionMode,
    ring: &KeyRing,
    assertion: &str,
    journal: &Journal,
) -> Result<UserId, Refusal> {
    let vault = Vault::new(ports.store(), ports.random(), ring);
    let federation = Federation { ports, vault: &vault, now: ports.clock().now() };
    let outcome = federation.authenticate_assertion(mode, assertion, &setup.admission).await;
    journal.unreadable.count(&vault);
    match outcome {
        Ok(identity) => {
            let user = ring.user_id(identity.email());
            journal.identify(&user, identity.email(), &setup.config);
            Ok(user)
        }
        Err(FederationError::Rejected(rejection)) => Err(forbidden(rejection.reason())),
        Err(FederationError::Store(error)) => Err(unavailable().because(error.reason())),
        Err(error) => Err(access_away(&error)),
    }
}

/// Nobody can be let in while the team's keys are away, and the store has nothing to do with it.
fn access_away(error: &FederationError) -> Refusal {
    let text = "The keys of Cloudflare Access cannot be fetched right now. Try again in a few seconds.";
    Refusal::oauth(WireError::TemporarilyUnavailable, text, "provider")
        .because(error.reason())
        .with_upstream_status(error.upstream_status())
}

/// One answer for every rejection: the peer does not learn which check failed.
fn forbidden(reason: &'static str) -> Refusal {
    let text = "Cloudflare Access did not vouch for this request, or not for somebody who may use this server. Sign in \
                to Access again; if that does not help, ask the operator.";
    Refusal::new(403, text, reason)
}

/// What Access adds to every request that it lets through
/// (<https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/authorization-cookie/>).
const ASSERTION_HEADER: &str = "cf-access-jwt-assertion";
