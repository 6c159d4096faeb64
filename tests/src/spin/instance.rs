//! What one instance has: WASI without files, the application's variables and databases, and a way out.

use std::path::PathBuf;
use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::bindings::{redis, sqlite, variables};
use super::http::Outgoing;
use super::manifest::Application;
use super::network::BlockedNetworks;
use crate::adapter::Clock;

/// What all instances of one application share.
pub(super) struct Shared {
    pub(super) application: Application,
    pub(super) blocked: BlockedNetworks,
    pub(super) state: PathBuf,
    pub(super) output: MemoryOutputPipe,
    pub(super) clock: Clock,
    pub(super) unreadable: Vec<String>,
}

/// The data of one store.
pub struct Instance {
    shared: Arc<Shared>,
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outgoing: Outgoing,
}

impl Shared {
    pub(super) fn new(application: Application, blocked: BlockedNetworks, state: PathBuf) -> Self {
        let output = MemoryOutputPipe::new(OUTPUT_BYTES);
        Shared { application, blocked, state, output, clock: Clock::default(), unreadable: Vec::new() }
    }

    /// A store for a fresh instance, without limits.
    pub(super) fn store(self: &Arc<Self>, engine: &Engine) -> Store<Instance> {
        let wasi = WasiCtx::builder()
            .stdout(self.output.clone())
            .stderr(self.output.clone())
            .wall_clock(self.clock.clone())
            .build();
        let instance = Instance {
            shared: Arc::clone(self),
            table: ResourceTable::new(),
            wasi,
            http: WasiHttpCtx::new(),
            outgoing: Outgoing(Arc::clone(self)),
        };
        Store::new(engine, instance)
    }
}

impl Application {
    /// Whether the dependency inherits what the component may use under this name.
    pub(super) fn inherits(&self, name: &str) -> bool {
        self.inherited.iter().any(|inherited| inherited == name)
    }

    /// Whether the dependency may connect there.
    pub(super) fn allows(&self, scheme: &str, host: &str, port: Option<u16>) -> bool {
        let mut entries = self.allowed_hosts.iter();
        self.inherits("allowed_outbound_hosts") && entries.any(|entry| entry.allows(scheme, host, port))
    }
}

impl Instance {
    pub(super) fn application(&self) -> &Application {
        &self.shared.application
    }

    pub(super) fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    pub(super) fn database_file(&self) -> PathBuf {
        self.shared.state.join("sqlite_db.db")
    }
}

/// The engine of all stand-ins of a process.
pub(super) fn engine() -> Engine {
    static ENGINE: std::sync::OnceLock<Engine> = std::sync::OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(&Config::new()).expect("an engine")).clone()
}

/// What Spin links for a component of WASI 0.2 that uses no other interface of Spin's.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Instance>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    sqlite::add_to_linker::<_, HasSelf<Instance>>(&mut linker, |instance| instance)?;
    redis::add_to_linker::<_, HasSelf<Instance>>(&mut linker, |instance| instance)?;
    variables::add_to_linker::<_, HasSelf<Instance>>(&mut linker, |instance| instance)?;
    Ok(linker)
}

impl variables::Host for Instance {
    async fn get(&mut self, name: String) -> wasmtime::Result<Result<String, variables::Error>> {
        let legal = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        if !self.application().inherits("variables") {
            return Ok(Err(variables::Error::Other("not permitted".to_owned())));
        }
        if !name.starts_with(|first: char| first.is_ascii_lowercase()) || !name.bytes().all(legal) {
            return Ok(Err(variables::Error::InvalidName(name)));
        }
        if self.shared.unreadable.iter().any(|unreadable| *unreadable == name || unreadable == EVERY_VARIABLE) {
            return Ok(Err(variables::Error::Provider("Failed to check Vault for config".to_owned())));
        }
        let value = self.application().variables.get(&name).cloned();
        Ok(value.ok_or(variables::Error::Undefined(name)))
    }
}

impl WasiView for Instance {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Instance {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outgoing }
    }
}

/// Stands for all variables: the one provider of an application is away.
pub(super) const EVERY_VARIABLE: &str = "*";

/// More than any test prints.
const OUTPUT_BYTES: usize = 64 << 20;
