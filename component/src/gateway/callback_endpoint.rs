//! `GET /callback`: the user comes back from the identity provider.
//!
//! A login that fails leaves everything as it is, and the page offers to try again. One that is verified ends the
//! transaction; of several at once one gets the code.

use super::Served;
use super::authorize_endpoint::{cookies_of, redirect_uri, refuse, stopped, with_cookies};
use super::failed_login;
use super::federation::{Federation, FederationError};
use super::issuer::{self, Issuer};
use super::pages::{FailedLogin, Problem};
use super::request::Request;
use super::response::{Refusal, Response};
use crate::oauth::form::{Form, MAX_QUERY_BYTES};
use crate::oauth::transaction::{self, Login};
use crate::ports::Ports;

/// Serves the way back: state, browser, issuer, error, code, identity, code for the client.
pub async fn serve<P: Ports>(issuer: &Issuer<'_, P>, request: &Request) -> Result<Served, Refusal> {
    if request.method != "GET" {
        return Err(Refusal::method_not_allowed("GET, OPTIONS"));
    }
    let form = Form::parse(request.query.as_bytes(), MAX_QUERY_BYTES).map_err(|_| incomplete("query"))?;
    let field = |name| form.value(name).map_err(|_| incomplete("repeated_parameter"));
    let state = field("state")?.ok_or_else(|| incomplete("state"))?;
    let cookies = cookies_of(&request.headers);
    let login = transaction::returned(&issuer.vault, issuer.now, state, &cookies).await.map_err(stopped)?;
    let federation = Federation { ports: issuer.ports, vault: &issuer.vault, now: issuer.now };
    check_issuer(issuer, &federation, &login, field("iss")?).await?;
    if form.has("error") {
        let cancelled = field("error")? == Some("access_denied");
        let reason = if cancelled { FailedLogin::Cancelled } else { FailedLogin::ProviderFailed };
        let request = &login.transaction.request;
        return Err(failed_login::page(issuer, &login.form, request, reason, 403, "provider_error"));
    }
    let code = field("code")?.filter(|code| is_code(code)).ok_or_else(|| incomplete("code"))?;
    // Before the login's code is spent: where the secret cannot be read, the page can be loaded again.
    let secret = issuer::required(issuer.ports.secrets(), "ACCESS_CLIENT_SECRET", "set the secret of the application")
        .map_err(|error| issuer::without_secret(&error))?;
    let identity = federation.identify(issuer.server, secret.trim(), &login, code, issuer.admission).await;
    let identity = identity.map_err(|error| not_identified(issuer, &login, &error))?;
    let code = transaction::complete(&issuer.vault, issuer.now, issuer.resource, &login, identity.email()).await;
    let code = code.map_err(stopped)?.expose();
    let mut pairs = vec![("code", code.as_str()), ("iss", issuer.resource.issuer())];
    pairs.extend(login.transaction.request.state.as_deref().map(|state| ("state", state)));
    let location = redirect_uri(issuer, &login.transaction.request)?.with_parameters(&pairs);
    Ok(Served::plain(with_cookies(Response::see_other(&location), cookies.end(login.handle.cookie_id()).into_iter())))
}

/// RFC 9207 §2.4: a provider that says it sends `iss` must, and what is sent must be right.
async fn check_issuer<P: Ports>(
    issuer: &Issuer<'_, P>,
    federation: &Federation<'_, P>,
    login: &Login,
    sent: Option<&str>,
) -> Result<(), Refusal> {
    let provider = federation.provider(issuer.server).await;
    let required = provider.map_err(|error| not_identified(issuer, login, &error))?.iss_parameter_supported;
    match sent {
        Some(sent) if sent == issuer.server.issuer => Ok(()),
        None if !required => Ok(()),
        _ => Err(incomplete("issuer")),
    }
}

fn not_identified<P: Ports>(issuer: &Issuer<'_, P>, login: &Login, error: &FederationError) -> Refusal {
    failed_login::of_provider(issuer, &login.form, &login.transaction.request, error)
}

fn incomplete(reason: &'static str) -> Refusal {
    refuse(Problem::UpstreamAnswer, reason)
}

/// `1*VSCHAR` (RFC 6749 Appendix A.11).
fn is_code(code: &str) -> bool {
    code.len() <= MAX_CODE_BYTES && code.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}

/// Codes that carry a signed token reach a kilobyte or two.
const MAX_CODE_BYTES: usize = 4 * 1024;
