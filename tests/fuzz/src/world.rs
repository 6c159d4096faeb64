//! The server in memory: the gateway with every way in switched on, upstreams that answer as they are told, and people
//! who are at every point of signing in.

mod people;
mod upstreams;

use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use plausible_mcp_component::config::ConfigError;
use plausible_mcp_component::gateway::federation::simulated_provider::{SimulatedProvider, TEAM};
use plausible_mcp_component::gateway::{Gateway, Response, Setup};
use plausible_mcp_component::ports::{HttpResponse, MemoryPorts, OauthStore, SeededRandom};

use super::json;
use super::message::{self, Sent};
use people::People;
pub use people::{CHALLENGE, REDIRECT_URI, VERIFIER};
use upstreams::Upstreams;
pub use upstreams::{ASSERTION_KEYS, DISCOVERY, DOCUMENT, PLAUSIBLE, PROVIDER_TOKENS};

/// The server with what surrounds it.
pub struct World {
    ports: MemoryPorts<Upstreams>,
    setup: Rc<Result<Setup, ConfigError>>,
    people: Option<Rc<People>>,
}

impl World {
    /// A server that nobody has asked for anything yet.
    pub fn new() -> World {
        let mut ports = MemoryPorts::with_http(Upstreams::default());
        ports.http.provider = Some(SimulatedProvider::new(TEAM, ports.clock.clone()));
        ports.secrets.0 = SETTINGS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        World { ports, setup: SETUP.with(Rc::clone), people: None }
    }

    /// A server with people at every point of signing in.
    pub fn with_people() -> World {
        let people = PEOPLE.with(Rc::clone);
        // Not the draws that people's records were made of.
        let mut world = World::new();
        world.ports.random = SeededRandom::new(1);
        for (key, value) in &people.records {
            now(world.ports.store.put(key, value, RECORD_SECONDS)).expect("memory has room");
        }
        world.provider().expect_nonce(&people.nonce);
        world.people = Some(people);
        world
    }

    /// `text` with what it names in braces.
    pub fn filled(&self, text: &[u8]) -> Vec<u8> {
        let mut filled = text.to_vec();
        if !text.contains(&b'{') {
            return filled;
        }
        for (name, value) in self.people.iter().flat_map(|people| &people.values) {
            filled = replaced(&filled, format!("{{{name}}}").as_bytes(), value.as_bytes());
        }
        filled
    }

    /// What `name` stands for.
    pub fn value(&self, name: &str) -> &str {
        let value = self.people.as_ref().and_then(|people| people.values.get(name));
        value.unwrap_or_else(|| panic!("there is no {name}"))
    }

    /// Where people log in.
    pub fn provider(&self) -> &SimulatedProvider {
        self.ports.http.provider.as_ref().expect("the provider is there from the start")
    }

    /// From now on upstreams whose address contains `part` answer with this.
    pub fn tell(&self, part: &'static str, status: u16, media_type: &str, body: &[u8]) {
        let headers = vec![("content-type".to_owned(), media_type.to_owned())];
        let answer = HttpResponse { status, headers, body: body.to_vec() };
        self.ports.http.told.borrow_mut().push((part, answer));
    }

    /// Forgets the records whose keys begin with `prefix`.
    pub fn forget(&self, prefix: &str) {
        for (key, _) in self.ports.store.dump().iter().filter(|(key, _)| key.starts_with(prefix)) {
            now(self.ports.store.delete(key)).expect("memory forgets");
        }
    }

    /// Sends a request that may be answered with a status below 500 only.
    pub fn send(&self, sent: &Sent) -> Response {
        self.send_or(sent, &[])
    }

    /// Sends a request for which these statuses are right too.
    pub fn send_or(&self, sent: &Sent, also: &[u16]) -> Response {
        let gateway = Gateway::new(&self.ports, &self.setup);
        let (request, body) = sent.parts();
        let answered = now(gateway.handle(request, body));
        message::check(&answered.response, also);
        let line = answered.record.expect("every request is logged").json();
        json::read(line.as_bytes());
        assert!(!line.contains(['\n', '\r']), "{line}");
        assert!(!SECRETS.iter().any(|name| line.contains(setting(name))), "{line}");
        if let Some(report) = answered.report {
            now(gateway.report(&report));
        }
        if let Some(document) = answered.stale_document {
            now(gateway.fetch_anew(&document));
        }
        answered.response
    }
}

fn read_setup() -> Rc<Result<Setup, ConfigError>> {
    let setup = Setup::read(|name| SETTINGS.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()));
    assert!(setup.is_ok(), "the settings are right");
    Rc::new(setup)
}

fn setting(name: &str) -> &'static str {
    SETTINGS.iter().find(|(key, _)| *key == name).map(|(_, value)| *value).expect("the setting is in the table")
}

fn replaced(text: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let (mut replaced, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some(at) = rest.windows(old.len()).position(|window| window == old) {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(new);
        rest = &rest[at + old.len()..];
    }
    replaced.extend_from_slice(rest);
    replaced
}

/// Memory answers at once, so nothing waits.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("something waits"),
    }
}

thread_local! {
    static SETUP: Rc<Result<Setup, ConfigError>> = read_setup();
    static PEOPLE: Rc<People> = Rc::new(People::arrive(&World::new()));
}

/// Every way in: own sign-in, assertions, the operator's token; and Sentry. Nothing is limited, since an input must not
/// depend on those before it.
const SETTINGS: [(&str, &str); 17] = [
    ("PUBLIC_URL", "https://mcp.example.com"),
    ("PLAUSIBLE_BASE_URL", "https://plausible.example"),
    ("PLAUSIBLE_API_KEY", "shared-plausible-key"),
    ("PLAUSIBLE_DEFAULT_SITE_ID", "shop.example"),
    ("ALLOWED_EMAIL_DOMAIN", "example.com"),
    ("DENIED_EMAILS", "former@example.com"),
    ("ACCESS_CLIENT_ID", "client-1"),
    ("ACCESS_CLIENT_SECRET", "provider-secret"),
    ("ACCESS_ISSUER", "https://team.cloudflareaccess.com/cdn-cgi/access/sso/oidc/client-1"),
    ("CF_ACCESS_TEAM_DOMAIN", TEAM),
    ("CF_ACCESS_AUD", "tag-1"),
    ("COOKIE_ENCRYPTION_KEY", "0000000000000000000000000000000000000000000000000000000000000007"),
    ("PRIVATE_USE_REDIRECT_SCHEMES", "com.example.app"),
    ("CLIENT_IP_HEADER", "x-forwarded-for"),
    ("RATE_LIMIT_PER_MINUTE", "0"),
    ("ADMIN_TOKEN", "an-admin-token-of-more-than-32-bytes"),
    ("SENTRY_DSN", "https://abc@sentry.example/7"),
];

/// The settings that no line of the log may show.
const SECRETS: [&str; 4] = ["PLAUSIBLE_API_KEY", "ACCESS_CLIENT_SECRET", "COOKIE_ENCRYPTION_KEY", "ADMIN_TOKEN"];

/// How long people's records live by the clock that stands still.
const RECORD_SECONDS: u32 = 600;
