//! How the component is linked, whoever builds it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = std::env::var("CARGO_CFG_TARGET_FAMILY").unwrap_or_default();
    if target == "wasm" {
        println!("cargo::rustc-link-arg-cdylib=--initial-memory={INITIAL_MEMORY}");
    }
}

/// Bytes. Room for the heap of a usual request beyond stack and data: growing costs the host two changes of page
/// protection, and its other threads their caches of the page table. Pages that nobody touches cost nothing.
const INITIAL_MEMORY: u32 = 2 << 20;
