//! What a host is made of, and how it starts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::Engine;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use super::probe::Probe;
use super::readiness::Stage;
use super::watch::SettingsRead;
use super::{Host, HostError, Running};
use crate::bindings::OperatorPre;
use crate::component::{self, ComponentSource};
use crate::guest_output::{self, LineSink};
use crate::in_flight::Permits;
use crate::instance::{self, Services};
use crate::limits::Limits;
use crate::metrics::{CountedRateLimit, CountedStore, Metrics, request_lines};
use crate::oauth_store::{MemoryStore, OauthStore, OauthStoreState};
use crate::outbound_http::{HttpPolicy, OutboundHttpState};
use crate::parts::{Part, Parts, WatchedStore};
use crate::rate_limit::{MemoryBuckets, RateLimit, RateLimitState};
use crate::request_body::BodyRoom;
use crate::secrets::{Secrets, SecretsState};
use crate::settings::Settings;
use crate::surface::{self, Surface};
use crate::traces::Traces;
use crate::wall_clock::{self, WallClock};
use crate::worker::Workers;

/// The options of a [`Host`]. What is not said stays at its default.
#[must_use = "a builder does nothing until `build`"]
pub struct HostBuilder {
    settings: Settings,
    component: ComponentSource,
    code_cache: Option<PathBuf>,
    limits: Limits,
    oauth_store: Arc<dyn OauthStore>,
    rate_limit: Arc<dyn RateLimit>,
    secrets: Option<Arc<dyn Secrets>>,
    http: HttpPolicy,
    wall_clock: WallClock,
    log: LineSink,
    traces: Option<Arc<dyn Traces>>,
}

impl HostBuilder {
    pub(super) fn new() -> Self {
        Self {
            settings: Settings::default(),
            component: ComponentSource::Embedded,
            code_cache: None,
            limits: Limits::default(),
            oauth_store: Arc::new(MemoryStore::default()),
            rate_limit: Arc::new(MemoryBuckets::default()),
            secrets: None,
            http: HttpPolicy::default(),
            wall_clock: wall_clock::system(),
            log: guest_output::standard_error(),
            traces: None,
        }
    }

    /// The values of the settings, secret ones included. Default: none, with which the component answers requests by
    /// naming the setting that it needs first.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// The component to run. Default: the embedded one.
    pub fn component(mut self, component: ComponentSource) -> Self {
        self.component = component;
        self
    }

    /// Keeps the component's machine code in `folder`, which is made where it is missing and has to be one that nobody
    /// else can write to. Default: it is kept nowhere, and the component is compiled at each start, which takes seconds;
    /// a build with the feature `precompiled` compiles nothing.
    pub fn code_cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.code_cache = Some(folder.into());
        self
    }

    /// What the host admits, within the bounds of [`Limits`]. Default: [`Limits::default`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits.within_bounds();
        self
    }

    /// Where the authorization server's records live. Default: in memory, gone with the host.
    pub fn oauth_store(mut self, store: Arc<dyn OauthStore>) -> Self {
        self.oauth_store = store;
        self
    }

    /// Where the buckets of the rate limits live. Default: in memory, for this host alone.
    pub fn rate_limit(mut self, limiter: Arc<dyn RateLimit>) -> Self {
        self.rate_limit = limiter;
        self
    }

    /// Where secret settings are read from. Default: the settings.
    pub fn secrets(mut self, secrets: Arc<dyn Secrets>) -> Self {
        self.secrets = Some(secrets);
        self
    }

    /// Where the component's requests may go. Default: [`HttpPolicy::default`].
    pub fn http_policy(mut self, policy: HttpPolicy) -> Self {
        self.http = policy;
        self
    }

    /// What the component takes for the time of day; limits of time and buckets do not go by it. Default: the system's.
    pub fn wall_clock(mut self, clock: WallClock) -> Self {
        self.wall_clock = clock;
        self
    }

    /// Receives the component's log lines. Default: standard error.
    pub fn log(mut self, log: LineSink) -> Self {
        self.log = log;
        self
    }

    /// Receives a span of each request and of each call to an upstream. Default: nobody, which costs nothing.
    pub fn traces(mut self, traces: Arc<dyn Traces>) -> Self {
        self.traces = Some(traces);
        self
    }

    /// Loads the component and everything it imports. Starts nothing that outlives the host but one timer thread,
    /// which ends with it.
    ///
    /// # Errors
    /// When the component, the settings' files or the engine cannot be used.
    pub async fn build(mut self) -> Result<Host, HostError> {
        let engine = component::engine(&self.limits).map_err(HostError::Component)?;
        let component =
            component::load(&engine, &self.component, self.code_cache.as_deref()).map_err(HostError::Component)?;
        let permits = Permits::new(&self.limits);
        let body_room = BodyRoom::new(self.limits.request_bodies_bytes);
        let traces = self.traces.take();
        let token = surface::token();
        let (question, alone) = self.services_for_questions(&token)?;
        let services = Arc::new(self.services()?);
        let linked = instance::link(&engine, &component).map_err(mismatch)?;
        let operator = OperatorPre::new(linked.clone()).map_err(mismatch)?;
        let proxy = ProxyPre::new(linked).map_err(mismatch)?;
        tick_epochs(&engine);
        let surface = surface::ask(&proxy, &question, &token).await;
        mark_what_is_off(&services, &surface);
        let workers = Workers::new(engine.clone(), services.clone(), proxy);
        let (stage, probe, settings_read) = (Stage::default(), Probe::default(), SettingsRead::default());
        Ok(Host(Arc::new(Running {
            engine,
            services,
            alone,
            operator,
            workers,
            permits,
            body_room,
            traces,
            stage,
            probe,
            settings_read,
            surface,
        })))
    }

    /// What the component has while it is asked for its surface, and while its settings are read: the settings as they
    /// are, and nothing that anybody else uses or counts, nor a network. Only the first of the two has the token.
    fn services_for_questions(&self, token: &str) -> Result<(Arc<Services>, Arc<Services>), HostError> {
        let outbound_http = OutboundHttpState::new(None, self.http.clone()).map_err(HostError::Outbound)?;
        let services = || {
            let metrics = Metrics::new();
            let secrets = self.secrets.clone().unwrap_or_else(|| Arc::new(self.settings.clone()));
            Services {
                environment: self.settings.environment(),
                log: self.log.clone(),
                wall_clock: self.wall_clock.clone(),
                limits: self.limits,
                parts: Parts::new(metrics.clone()),
                metrics,
                oauth_store: OauthStoreState::new(Arc::new(MemoryStore::default())),
                outbound_http: outbound_http.clone().unplugged(),
                rate_limit: RateLimitState::new(Arc::new(MemoryBuckets::default())),
                secrets: SecretsState::new(secrets),
            }
        };
        let (mut question, alone) = (services(), services());
        question.secrets = question.secrets.with_control_token(token);
        Ok((Arc::new(question), Arc::new(alone)))
    }

    fn services(self) -> Result<Services, HostError> {
        let metrics = Metrics::new();
        let parts = Parts::new(metrics.clone());
        let outbound_http = OutboundHttpState::new(self.settings.value("EXTRA_CA_FILE"), self.http)
            .map_err(HostError::Outbound)?
            .of_host(&self.limits, self.wall_clock.clone())
            .counted(&metrics)
            .watched(&parts);
        metrics.upstreams().is(outbound_http.upstreams());
        let oauth_store = CountedStore::new(self.oauth_store, metrics.clone());
        let oauth_store = WatchedStore::new(Arc::new(oauth_store), parts.clone());
        let rate_limit = CountedRateLimit::new(self.rate_limit, metrics.clone());
        let level = self.settings.value("LOG_LEVEL").map(str::to_owned);
        Ok(Services {
            environment: environment(&self.settings),
            log: request_lines::counting(&metrics, level.as_deref(), self.log),
            wall_clock: self.wall_clock,
            limits: self.limits,
            oauth_store: OauthStoreState::new(Arc::new(oauth_store)),
            outbound_http,
            rate_limit: RateLimitState::new(Arc::new(rate_limit)),
            secrets: SecretsState::new(self.secrets.unwrap_or_else(|| Arc::new(self.settings))),
            parts,
            metrics,
        })
    }
}

/// Parts that this host does not have.
fn mark_what_is_off(services: &Services, surface: &Surface) {
    let parts = &services.parts;
    if services.oauth_store.store().file().is_none() {
        parts.off(Part::Disk);
    }
    let Some(uses) = surface.uses() else { return };
    for (part, is_used) in
        [(Part::SignIn, uses.sign_in.is_some()), (Part::Documents, uses.documents), (Part::Sentry, uses.sentry)]
    {
        if !is_used {
            parts.off(part);
        }
    }
}

/// The component writes every line, whatever the log level is: what it says is counted, and the host leaves lines out.
fn environment(settings: &Settings) -> Vec<(String, String)> {
    let mut environment = settings.environment();
    for (name, value) in &mut environment {
        if name == "LOG_LEVEL"
            && let Some(level) = request_lines::level_for_component(value)
        {
            level.clone_into(value);
        }
    }
    environment
}

fn mismatch(error: wasmtime::Error) -> HostError {
    HostError::Mismatch(format!("{error:#}"))
}

/// Advances the engine's epoch for as long as the engine lives.
fn tick_epochs(engine: &Engine) {
    let engine = engine.weak();
    std::thread::spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(EPOCH);
        }
    });
}

/// How long a guest may compute before it lets others run on its thread.
const EPOCH: Duration = Duration::from_millis(10);
