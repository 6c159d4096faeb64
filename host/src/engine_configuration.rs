//! The one engine configuration: the build script compiles the component under it, the host runs the result.
//!
//! Included by `build.rs` too (`#[path]`), so it depends on nothing but wasmtime. Invariant: whatever changes the
//! machine code is set here and nowhere else, or the engine refuses the precompiled component.

use wasmtime::Config;

/// The settings that decide how the component is compiled. The host adds the allocator.
pub(crate) fn engine_configuration() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // A WASI 0.2 guest has one task; the engine need not keep account of several at every call.
        .concurrency_support(false)
        .epoch_interruption(true)
        .memory_init_cow(true)
        .memory_reservation(MEMORY_RESERVATION)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(WASM_STACK * 2)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(BACKTRACE_FRAMES));
    config
}

/// Address space (not memory) of one linear memory: all that 32 bits can address, so that no access is checked.
const MEMORY_RESERVATION: u64 = 4 << 30;
/// Stack of the guest, in bytes. Its Rust stack lives in linear memory; this one holds return addresses and spills.
const WASM_STACK: usize = 512 << 10;
/// Frames in the log line about a trap.
const BACKTRACE_FRAMES: usize = 12;
