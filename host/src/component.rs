//! The component as the engine runs it: the one that the build embedded, or one from a file.

use std::path::{Path, PathBuf};

use wasmtime::component::Component;
use wasmtime::{Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::engine_configuration::engine_configuration;
use crate::limits::Limits;

/// Which component a host runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComponentSource {
    /// The component that was built with this host and compiled ahead.
    Embedded,
    /// A component in a `.wasm` file, compiled at start. Precompiled files are not accepted: they are machine code
    /// and could not be checked.
    File(PathBuf),
}

/// Why there is no component to run.
#[derive(Debug, PartialEq, Eq)]
pub enum ComponentError {
    /// The engine cannot be set up on this machine; the cause.
    Engine(String),
    /// The file cannot be read; the file and the cause.
    Unreadable(PathBuf, String),
    /// The file is not a WebAssembly component; the file and the cause.
    NotAComponent(PathBuf, String),
    /// The embedded component does not fit this machine; the cause.
    Unusable(String),
}

impl std::fmt::Display for ComponentError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Engine(cause) => write!(out, "the WebAssembly engine cannot start: {cause}"),
            Self::Unreadable(file, cause) => write!(out, "cannot read the component {}: {cause}", file.display()),
            Self::NotAComponent(file, cause) => {
                write!(out, "{} is not a WebAssembly component: {cause}", file.display())
            }
            Self::Unusable(cause) => write!(out, "the embedded component does not run on this machine: {cause}"),
        }
    }
}

impl std::error::Error for ComponentError {}

/// The embedded component as portable WebAssembly, for tools that measure or deploy it.
pub const EMBEDDED_WASM_FILE: &str = concat!(env!("OUT_DIR"), "/component.wasm");

/// An engine whose pool has room for every request that `limits` admit at once and for the operator's questions.
pub(crate) fn engine(limits: &Limits) -> Result<Engine, ComponentError> {
    let requests = limits.concurrent_requests.saturating_add(limits.finishing_requests);
    let instances = requests.saturating_add(SPARE_INSTANCES);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
        .total_memories(instances)
        .total_tables(instances.saturating_mul(TABLES))
        .total_stacks(instances)
        .max_memories_per_component(1)
        .max_memory_size(limits.instance_memory_bytes)
        .max_unused_warm_slots(WARM_SLOTS)
        .linear_memory_keep_resident(KEPT_RESIDENT)
        .table_keep_resident(KEPT_RESIDENT)
        .pagemap_scan(Enabled::Auto);
    let mut config = engine_configuration();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).map_err(|error| ComponentError::Engine(format!("{error:#}")))
}

/// Loads what `source` names into `engine`.
pub(crate) fn load(engine: &Engine, source: &ComponentSource) -> Result<Component, ComponentError> {
    match source {
        ComponentSource::Embedded => embedded(engine),
        ComponentSource::File(file) => from_file(engine, file),
    }
}

#[expect(unsafe_code, reason = "machine code has to be trusted; this is the build's own")]
fn embedded(engine: &Engine) -> Result<Component, ComponentError> {
    // SAFETY: the bytes are the output of `Engine::precompile_component` in this crate's build script, embedded at
    // compile time; nothing can have changed them in between.
    let component = unsafe { Component::deserialize(engine, EMBEDDED) };
    component.map_err(|error| ComponentError::Unusable(format!("{error:#}")))
}

fn from_file(engine: &Engine, file: &Path) -> Result<Component, ComponentError> {
    let bytes = std::fs::read(file).map_err(|error| ComponentError::Unreadable(file.to_owned(), error.to_string()))?;
    Component::from_binary(engine, &bytes)
        .map_err(|error| ComponentError::NotAComponent(file.to_owned(), format!("{error:#}")))
}

static EMBEDDED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/component.cwasm"));
/// Instances beyond those of requests: the operator's questions, and workers that end while their successor starts.
const SPARE_INSTANCES: u32 = 16;
/// Core modules in one component: the main one and the shims that the linker adds.
const CORE_INSTANCES: u32 = 8;
/// Function tables in one component: its own and that of the shims.
const TABLES: u32 = 4;
/// Slots that keep their pages after use, so that the next instance starts without page faults.
const WARM_SLOTS: u32 = 16;
/// Bytes of memory that a freed slot resets itself instead of giving them back to the kernel. Linux from 6.7 on tells
/// which ones were touched (`PAGEMAP_SCAN`); elsewhere it is the first ones, the far end of the guest's stack.
const KEPT_RESIDENT: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_component_loads() {
        let engine = engine(&Limits::default()).unwrap();
        assert!(load(&engine, &ComponentSource::Embedded).is_ok());
    }

    #[test]
    fn a_precompiled_file_is_refused() {
        let engine = engine(&Limits::default()).unwrap();
        let file = PathBuf::from(concat!(env!("OUT_DIR"), "/component.cwasm"));
        let refused = load(&engine, &ComponentSource::File(file.clone())).err();
        assert!(matches!(refused, Some(ComponentError::NotAComponent(named, _)) if named == file));
    }

    #[test]
    fn a_missing_file_is_named() {
        let engine = engine(&Limits::default()).unwrap();
        let refused = load(&engine, &ComponentSource::File("/nowhere.wasm".into())).err().unwrap();
        assert!(refused.to_string().contains("/nowhere.wasm"), "{refused}");
    }
}
