//! What the server asks: the identity provider, Plausible, Sentry, and the hosts of client metadata documents.

use std::cell::RefCell;

use plausible_mcp_component::gateway::federation::simulated_provider::{SimulatedProvider, TEAM};
use plausible_mcp_component::ports::{HttpError, HttpRequest, HttpResponse, OutboundHttp, Reach};
use serde_json::Value;

/// All of them.
#[derive(Default)]
pub struct Upstreams {
    /// Where people log in.
    pub provider: Option<SimulatedProvider>,
    /// What comes instead of the usual answer, by a part of the address; the last one told counts.
    pub told: RefCell<Vec<(&'static str, HttpResponse)>>,
}

impl OutboundHttp for Upstreams {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        check(&request);
        let told = self.told.borrow().iter().rev().find(|(part, _)| request.url.contains(part)).cloned();
        if let Some((_, answer)) = told {
            let fits = u32::try_from(answer.body.len()).is_ok_and(|length| length <= request.max_response_bytes);
            return if fits { Ok(answer) } else { Err(HttpError::ResponseTooLarge) };
        }
        match &self.provider {
            Some(provider) if request.url.starts_with(TEAM) => provider.send(request).await,
            _ if request.url.contains(PLAUSIBLE) => Ok(answer(r#"{"results":[]}"#)),
            _ if request.url.contains(SENTRY) => Ok(answer("{}")),
            _ => Err(HttpError::NameNotResolved),
        }
    }
}

/// What holds for every request that the server sends, whoever made it do so.
fn check(request: &HttpRequest) {
    let url = &request.url;
    assert!(url.bytes().all(|byte| byte.is_ascii_graphic()), "{url:?} is no address");
    assert!(url.starts_with("https://"), "{url} is not protected");
    for (name, value) in &request.headers {
        assert!(value.bytes().all(|byte| (0x20..=0x7e).contains(&byte)), "{name}: {value:?} is no header");
    }
    if request.reach == Reach::Configured {
        let known = [TEAM, "https://plausible.example/", "https://sentry.example/"];
        assert!(known.iter().any(|origin| url.starts_with(origin)), "{url} is nobody the operator named");
    }
    if url.contains(PLAUSIBLE) {
        let body = request.body.as_deref().unwrap_or_default();
        assert!(serde_json::from_slice::<Value>(body).is_ok(), "a query is JSON");
    }
    if url.contains(SENTRY) {
        // An item's payload may be as long as its header says, and ours have no line breaks.
        let envelope = request.body.as_deref().unwrap_or_default();
        let lines = envelope.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        assert!(
            lines.into_iter().all(|line| serde_json::from_slice::<Value>(line).is_ok()),
            "an envelope is JSON lines"
        );
    }
}

fn answer(body: &str) -> HttpResponse {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    HttpResponse { status: 200, headers, body: body.as_bytes().to_vec() }
}

/// Plausible's answers.
pub const PLAUSIBLE: &str = "/api/v2/query";

/// The keys of assertions.
pub const ASSERTION_KEYS: &str = "/cdn-cgi/access/certs";

/// The provider's description of itself.
pub const DISCOVERY: &str = "/.well-known/openid-configuration";

/// The provider's answer to a login's code.
pub const PROVIDER_TOKENS: &str = "/client-1/token";

/// The client metadata document that a target serves.
pub const DOCUMENT: &str = "https://client.example/metadata.json";

const SENTRY: &str = "://sentry.example/api/7/envelope/";
