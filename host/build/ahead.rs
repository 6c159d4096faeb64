//! Compiles the component for the engine of the host, so that a release starts in milliseconds from its first start on.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use wasmtime::Engine;

#[path = "../src/engine_configuration.rs"]
mod engine_configuration;

/// Compiles for the baseline instruction set of the target, so that the binary runs on any machine of its architecture.
pub(super) fn compile(wasm: &Path, machine_code: &Path) -> Result<()> {
    let mut config = engine_configuration::engine_configuration();
    let target = std::env::var("TARGET").context("TARGET is not set")?;
    config.target(&target).map_err(|error| anyhow!("{error:?}"))?;
    let wasm = std::fs::read(wasm).with_context(|| format!("cannot read {}", wasm.display()))?;
    let compiled = Engine::new(&config)
        .and_then(|engine| engine.precompile_component(&wasm))
        .map_err(|error| anyhow!("cannot compile the component ahead: {error:?}"))?;
    std::fs::write(machine_code, compiled)
        .with_context(|| format!("cannot write {}; is the disk full?", machine_code.display()))
}
