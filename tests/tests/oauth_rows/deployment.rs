//! The server of the rows in a running host: the embedded component, the provider behind sockets, and a clock that
//! stands still. The component's tests have the same in memory.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

pub(super) use plausible_mcp_component::gateway::federation::simulated_provider::{Fault, SimulatedProvider};
pub(super) use plausible_mcp_component::oauth::form::{decode, encode};
use plausible_mcp_component::ports::{Clock, FixedClock, Timestamp};
use plausible_mcp_host::oauth_store::OauthStore;
use plausible_mcp_host::{Host, HttpPolicy, Settings as HostSettings, WallClock, code_cache_of_tests};
use plausible_mcp_tests::harness::{Harness, listening, simulated};
pub(super) use plausible_mcp_tests::http_client::Answer as Response;
use plausible_mcp_tests::http_client::{Request, send_from};
use plausible_mcp_tests::upstream::Upstream;
use tokio::runtime::Runtime;

use super::provider::{ProviderSockets, authority_file};
use super::store::Records;

/// Settings by name, secret ones among them.
pub(super) type Settings = BTreeMap<&'static str, String>;

/// The server with what surrounds it. The runtime stands last, so that it ends last.
pub(super) struct World {
    harness: Harness,
    sockets: ProviderSockets,
    store: Arc<Records>,
    clock: FixedClock,
    address: AtomicU8,
    runtime: Runtime,
}

impl World {
    /// A server with the settings that `settings` makes for its provider.
    pub(super) fn deploy(settings: impl FnOnce(&SimulatedProvider) -> Settings) -> World {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("threads can be started");
        let clock = FixedClock::default();
        let store = Arc::new(Records::new(wall_clock(&clock)));
        let sockets = runtime.block_on(ProviderSockets::open(clock.clone()));
        let settings = settings(&sockets.provider);
        let harness = runtime.block_on(start(&settings, &store, &clock));
        World { harness, sockets, store, clock, address: AtomicU8::new(1), runtime }
    }

    /// The same with other settings: records, provider and time stay.
    pub(super) fn redeploy(&mut self, settings: &Settings) {
        self.harness = self.runtime.block_on(start(settings, &self.store, &self.clock));
    }

    /// Where people log in.
    pub(super) fn provider(&self) -> &SimulatedProvider {
        &self.sockets.provider
    }

    /// The address of a client metadata document that the provider serves.
    pub(super) fn document(&self, name: &str) -> String {
        self.sockets.document(name)
    }

    /// The address of one behind a certificate that nobody trusts.
    pub(super) fn untrusted_document(&self, name: &str) -> String {
        self.sockets.untrusted_document(name)
    }

    /// Sends a request to the server's own host.
    pub(super) fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let request = Request::new(method, target).header("Host", "mcp.example.com").body(body);
        let add =
            |request: Request, (name, value): &(&str, &str)| request.raw_header(name.as_bytes(), value.as_bytes());
        let request = headers.iter().fold(request, add);
        let from = Ipv4Addr::new(127, 0, 0, self.address.load(Ordering::Relaxed));
        let answer = self.runtime.block_on(send_from(from.into(), self.harness.address(), &request));
        answer.expect("the server is reached").expect("the server answers")
    }

    /// Lets so many seconds pass.
    pub(super) fn advance(&self, seconds: u64) {
        self.clock.advance(seconds);
    }

    /// Turns the clock back by so many seconds.
    pub(super) fn turn_back(&self, seconds: u64) {
        self.clock.set(Timestamp(self.clock.now().0 - seconds * 1000));
    }

    /// From now on requests come from an address that has asked for nothing yet.
    pub(super) fn move_on(&self) {
        self.address.fetch_add(1, Ordering::Relaxed);
    }

    /// From now on the store refuses service, or does not.
    pub(super) fn break_store(&self, is_broken: bool) {
        self.store.refuse(is_broken);
    }

    /// Everything in the store: keys and values.
    pub(super) fn records(&self) -> Vec<(String, Vec<u8>)> {
        self.runtime.block_on(self.store.all())
    }

    /// Writes a record past the server.
    pub(super) fn overwrite(&self, key: &str, value: &[u8]) {
        let written = self.store.put(key, value.to_vec(), Duration::from_secs(60));
        self.runtime.block_on(written).expect("memory has room");
    }

    /// What the server has logged since it was deployed last.
    pub(super) fn log(&self) -> String {
        self.runtime.block_on(self.harness.log())
    }
}

async fn start(settings: &Settings, store: &Arc<Records>, clock: &FixedClock) -> Harness {
    let extra = ("EXTRA_CA_FILE", authority_file());
    let pairs = settings.iter().map(|(name, value)| (*name, value.as_str())).chain([extra]);
    let settings = HostSettings::from_pairs(pairs).expect("these are settings");
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let policy = HttpPolicy::for_listener(&settings, any.ip());
    let records = Arc::<Records>::clone(store);
    let host = Host::builder()
        .code_cache(code_cache_of_tests())
        .settings(settings)
        .http_policy(policy)
        .oauth_store(records)
        .wall_clock(wall_clock(clock));
    let upstream = Upstream::answering(simulated()).await;
    Harness::serve(listening(any).await, host, upstream).await.expect("the host starts")
}

fn wall_clock(clock: &FixedClock) -> WallClock {
    let clock = clock.clone();
    Arc::new(move || Duration::from_millis(clock.now().0))
}
