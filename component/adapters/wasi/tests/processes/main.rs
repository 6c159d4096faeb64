//! The faults that this store has to survive, natively. `tests/tests/wasi_adapter.rs` includes the same files, and
//! there the store is the compiled adapter in a real WebAssembly host: some faults can only be seen there.

mod backend;
mod faults;
mod process;
