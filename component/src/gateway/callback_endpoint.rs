//! `GET /callback`: the user comes back from the identity provider.
//!
//! A login that fails leaves everything as it is, and the page offers to try again. One that is verified ends the
//! transaction; of several at once one gets the code.

use super::Served;
use super::authorize_endpoint::{cookies_of, form_targets, redirect_uri, refuse, refuse_page, stopped, with_cookies};
use super::federation::{Federation, FederationError};
use super::issuer::{self, Issuer};
use super::pages::{Destination, FailedLogin, Problem, SignInFailed};
use super::request::Request;
use super::response::{Refusal, Response};
use crate::access::Rejection;
use crate::config::url::Url;
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
        return Err(failed(issuer, &login, reason, 403, "provider_error")?);
    }
    let code = field("code")?.filter(|code| is_code(code)).ok_or_else(|| incomplete("code"))?;
    let secret = issuer::required(issuer.ports.secrets(), "ACCESS_CLIENT_SECRET", "set the secret of the application")
        .map_err(|error| refuse(Problem::Misconfigured(error.setting), "misconfigured"))?;
    let identity = match federation.identify(issuer.server, secret.trim(), &login, code, issuer.admission).await {
        Ok(identity) => identity,
        Err(error) => return Err(not_identified(issuer, &login, &error)?),
    };
    let code = transaction::complete(&issuer.vault, issuer.now, issuer.resource, &login, identity.email()).await;
    let code = code.map_err(stopped)?.expose();
    let mut pairs = vec![("code", code.as_str()), ("iss", issuer.resource.issuer())];
    pairs.extend(login.transaction.request.state.as_deref().map(|state| ("state", state)));
    let location = redirect_uri(issuer, &login.transaction.request)?.with_parameters(&pairs);
    Ok(Served::plain(with_cookies(Response::see_other(&location), cookies.end(&login.form.handle).into_iter())))
}

/// RFC 9207 §2.4: a provider that says it sends `iss` must, and what is sent must be right.
async fn check_issuer<P: Ports>(
    issuer: &Issuer<'_, P>,
    federation: &Federation<'_, P>,
    login: &Login,
    sent: Option<&str>,
) -> Result<(), Refusal> {
    let required = match federation.provider(issuer.server).await {
        Ok(provider) => provider.iss_parameter_supported,
        Err(error) => return Err(not_identified(issuer, login, &error)?),
    };
    match sent {
        Some(sent) if sent == issuer.server.issuer => Ok(()),
        None if !required => Ok(()),
        _ => Err(incomplete("issuer")),
    }
}

fn not_identified<P: Ports>(
    issuer: &Issuer<'_, P>,
    login: &Login,
    error: &FederationError,
) -> Result<Refusal, Refusal> {
    let (reason, name) = match error {
        FederationError::Rejected(rejection) if is_about_the_account(rejection) => {
            (FailedLogin::WrongAccount, rejection.reason())
        }
        FederationError::Rejected(rejection) => (FailedLogin::ProviderFailed, rejection.reason()),
        FederationError::Unavailable(_) | FederationError::Store(_) => (FailedLogin::ProviderUnavailable, "provider"),
        _ => (FailedLogin::ProviderFailed, "provider"),
    };
    failed(issuer, login, reason, error.status(), name)
}

/// The page that offers another try.
fn failed<P: Ports>(
    issuer: &Issuer<'_, P>,
    login: &Login,
    reason: FailedLogin,
    status: u16,
    name: &'static str,
) -> Result<Refusal, Refusal> {
    let redirect_uri = redirect_uri(issuer, &login.transaction.request)?;
    let sign_out = Url::parse(&issuer.server.issuer).map(|url| format!("{}{SIGN_OUT_PATH}", url.origin()));
    let page = SignInFailed {
        reason,
        domains: &issuer.sign_in.allowed_domains,
        destination: Destination::of(&redirect_uri),
        sign_out_url: sign_out.as_deref(),
        handle: login.form.handle.as_str(),
        token: &login.form.token,
        form_targets: form_targets(issuer, &redirect_uri),
    };
    let mut page = page.page();
    page.status = status;
    Ok(refuse_page(page, name))
}

/// Whether another account may help.
fn is_about_the_account(rejection: &Rejection) -> bool {
    matches!(
        rejection,
        Rejection::NoEmail | Rejection::EmailUnverified | Rejection::EmailForm | Rejection::Domain | Rejection::Denied
    )
}

fn incomplete(reason: &'static str) -> Refusal {
    refuse(Problem::UpstreamAnswer, reason)
}

/// `1*VSCHAR` (RFC 6749 Appendix A.11).
fn is_code(code: &str) -> bool {
    code.len() <= MAX_CODE_BYTES && code.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}

/// Where a session at Access ends (<https://developers.cloudflare.com/cloudflare-one/access-controls/>).
const SIGN_OUT_PATH: &str = "/cdn-cgi/access/logout";

/// Codes that carry a signed token reach a kilobyte or two.
const MAX_CODE_BYTES: usize = 4 * 1024;
