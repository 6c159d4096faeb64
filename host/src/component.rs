//! The component as the engine runs it: the one that the build embedded, or one from a file.

use std::path::{Path, PathBuf};

use wasmtime::component::Component;
use wasmtime::{Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::code_cache;
use crate::engine_configuration::engine_configuration;
use crate::limits::Limits;

/// Which component a host runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComponentSource {
    /// The component that was built with this host.
    Embedded,
    /// A component in a `.wasm` file. Precompiled files are not accepted: they are machine code and could not be
    /// checked.
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

/// Returns the component that was built with this host, as portable WebAssembly.
pub fn embedded_component() -> &'static [u8] {
    include_bytes!(concat!(env!("OUT_DIR"), "/component.wasm"))
}

/// An engine whose pool has room for every request that `limits` admit at once and for the operator's questions.
pub(crate) fn engine(limits: &Limits) -> Result<Engine, ComponentError> {
    let instances = most_instances(limits);
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

/// How many instances there are at most within `limits`.
pub(crate) fn most_instances(limits: &Limits) -> u32 {
    limits.instances().saturating_add(SPARE_INSTANCES)
}

/// Loads what `source` names into `engine`. What has to be compiled is kept in the folder `cache`, if there is one.
pub(crate) fn load(
    engine: &Engine,
    source: &ComponentSource,
    cache: Option<&Path>,
) -> Result<Component, ComponentError> {
    match source {
        ComponentSource::Embedded => embedded(engine, cache),
        ComponentSource::File(file) => from_file(engine, file, cache),
    }
}

#[cfg(feature = "precompiled")]
#[expect(unsafe_code, reason = "machine code has to be trusted; this is the build's own")]
fn embedded(engine: &Engine, _: Option<&Path>) -> Result<Component, ComponentError> {
    static MACHINE_CODE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/component.cwasm"));
    // SAFETY: the bytes are the output of `Engine::precompile_component` in this crate's build script, embedded at
    // compile time; nothing can have changed them in between.
    let component = unsafe { Component::deserialize(engine, MACHINE_CODE) };
    component.map_err(|error| ComponentError::Unusable(format!("{error:#}")))
}

#[cfg(not(feature = "precompiled"))]
fn embedded(engine: &Engine, cache: Option<&Path>) -> Result<Component, ComponentError> {
    compiled(engine, embedded_component(), cache).map_err(|error| ComponentError::Unusable(format!("{error:#}")))
}

fn from_file(engine: &Engine, file: &Path, cache: Option<&Path>) -> Result<Component, ComponentError> {
    let bytes = std::fs::read(file).map_err(|error| ComponentError::Unreadable(file.to_owned(), error.to_string()))?;
    compiled(engine, &bytes, cache)
        .map_err(|error| ComponentError::NotAComponent(file.to_owned(), format!("{error:#}")))
}

fn compiled(engine: &Engine, wasm: &[u8], cache: Option<&Path>) -> wasmtime::Result<Component> {
    match cache {
        Some(folder) => code_cache::compiled(engine, wasm, folder),
        None => Component::from_binary(engine, wasm),
    }
}

/// Where tests keep the component that they all run. It goes with the build.
#[cfg(any(test, feature = "testing"))]
pub fn code_cache_of_tests() -> PathBuf {
    Path::new(env!("OUT_DIR")).join("code")
}

/// Compiles a component, or takes what another test has compiled.
///
/// # Errors
/// When `wasm` is not a component that this engine runs.
#[cfg(any(test, feature = "testing"))]
pub fn compiled_for_tests(engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Component> {
    code_cache::compiled(engine, wasm, &code_cache_of_tests())
}

/// What to do where this build lacks what is asked for.
pub(crate) const BUILD_WITH_ALL: &str =
    "take a release, which has everything, or build with `cargo build --profile dist --features full`";
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
        assert!(load(&engine, &ComponentSource::Embedded, Some(&code_cache_of_tests())).is_ok());
    }

    #[test]
    fn a_precompiled_file_is_refused() {
        let engine = engine(&Limits::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("component.cwasm");
        std::fs::write(&file, engine.precompile_component(b"\0asm\x0d\0\x01\0").unwrap()).unwrap();
        for cache in [None, Some(folder.path())] {
            let refused = load(&engine, &ComponentSource::File(file.clone()), cache).err();
            assert!(matches!(refused, Some(ComponentError::NotAComponent(named, _)) if named == file));
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let engine = engine(&Limits::default()).unwrap();
        let refused = load(&engine, &ComponentSource::File("/nowhere.wasm".into()), None).err().unwrap();
        assert!(refused.to_string().contains("/nowhere.wasm"), "{refused}");
    }
}
