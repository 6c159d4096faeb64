//! The server of the rows in memory: the gateway over ports that a test can reach into. The test crate has the same
//! in a running host.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use futures_util::FutureExt;

use super::super::*;
use super::upstreams::Upstreams;
pub(super) use crate::gateway::federation::simulated_provider::{Fault, SimulatedProvider};
pub(super) use crate::gateway::response::Response;
pub(super) use crate::oauth::form::{decode, encode};
use crate::ports::{FixedSecrets, MemoryPorts, OauthStore, Timestamp};
use federation::simulated_provider::TEAM;

/// Settings by name, secret ones among them.
pub(super) type Settings = BTreeMap<&'static str, String>;

/// The server with what surrounds it.
pub(super) struct World {
    ports: MemoryPorts<Upstreams>,
    setup: Result<Setup, ConfigError>,
    log: RefCell<String>,
    address: Cell<u8>,
}

impl World {
    /// A server with the settings that `settings` makes for its provider.
    pub(super) fn deploy(settings: impl FnOnce(&SimulatedProvider) -> Settings) -> World {
        let mut ports = MemoryPorts::with_http(Upstreams::new(SimulatedProvider::new(TEAM, Default::default())));
        ports.http.provider = SimulatedProvider::new(TEAM, ports.clock.clone());
        let settings = settings(&ports.http.provider);
        let setup = Setup::read(|_| None);
        let mut world = World { ports, setup, log: RefCell::default(), address: Cell::new(1) };
        world.redeploy(&settings);
        world
    }

    /// The same with other settings: records, provider and time stay.
    pub(super) fn redeploy(&mut self, settings: &Settings) {
        self.ports.secrets.0 = settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        self.setup = Setup::read(|name| settings.get(name).cloned());
    }

    /// From now on a secret cannot be read, though the settings that were read with it stay.
    pub(super) fn hide(&mut self, secret: &str) {
        self.ports.secrets.0.insert(secret.to_owned(), FixedSecrets::UNREADABLE.to_owned());
    }

    /// Where people log in.
    pub(super) fn provider(&self) -> &SimulatedProvider {
        &self.ports.http.provider
    }

    /// Everything that is asked, Plausible and Sentry among it.
    pub(super) fn upstreams(&self) -> &Upstreams {
        &self.ports.http
    }

    /// The names of the buckets that were taken from.
    pub(super) fn buckets(&self) -> Vec<String> {
        self.ports.limiter.0.borrow().keys().cloned().collect()
    }

    /// The address of a client metadata document that the provider serves.
    pub(super) fn document(&self, name: &str) -> String {
        format!("https://app.example/{name}")
    }

    /// The address of one behind a certificate that nobody trusts.
    pub(super) fn untrusted_document(&self, name: &str) -> String {
        format!("https://untrusted.example/{name}")
    }

    /// Sends a request to the server's own host.
    pub(super) fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let address = format!("127.0.0.{}", self.address.get());
        let headers = headers.iter().copied().chain([("plausible-mcp-client-addr", address.as_str())]);
        let request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            authority: Some("mcp.example.com".to_owned()),
            headers: Headers(headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect()),
        };
        let gateway = Gateway::new(&self.ports, &self.setup);
        let answered = gateway.handle(&request, body.as_bytes()).now_or_never().expect("nothing waits");
        self.log.borrow_mut().extend(answered.audit.into_iter().map(|line| line + "\n"));
        self.log.borrow_mut().extend(answered.record.map(|record| record.json() + "\n"));
        let paused = answered.report.and_then(|report| gateway.report(&report).now_or_never().expect("nothing waits"));
        self.log.borrow_mut().extend(paused.map(|line| line + "\n"));
        if let Some(document) = answered.stale_document {
            gateway.fetch_anew(&document).now_or_never().expect("nothing waits");
        }
        answered.response
    }

    /// Lets so many seconds pass.
    pub(super) fn advance(&self, seconds: u64) {
        self.ports.clock.advance(seconds);
    }

    /// Turns the clock back by so many seconds.
    pub(super) fn turn_back(&self, seconds: u64) {
        self.ports.clock.set(Timestamp(self.ports.clock.now().0 - seconds * 1000));
    }

    /// From now on requests come from an address that has asked for nothing yet.
    pub(super) fn move_on(&self) {
        self.address.set(self.address.get() + 1);
    }

    /// From now on the store refuses service, or does not.
    pub(super) fn break_store(&self, is_broken: bool) {
        self.ports.store.refuse(is_broken);
    }

    /// From now on nothing that is written is confirmed, or it is.
    pub(super) fn isolate_store(&self, is_alone: bool) {
        self.ports.store.isolate(is_alone);
    }

    /// Everything in the store: keys and values.
    pub(super) fn records(&self) -> Vec<(String, Vec<u8>)> {
        self.ports.store.dump()
    }

    /// Writes a record past the server.
    pub(super) fn overwrite(&self, key: &str, value: &[u8]) {
        self.ports.store.put(key, value, 60).now_or_never().expect("memory answers at once").expect("it has room");
    }

    /// What the server has logged.
    pub(super) fn log(&self) -> String {
        self.log.borrow().clone()
    }
}
