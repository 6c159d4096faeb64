//! The adapter for stock `wasmtime serve` and any other host of WASI 0.2.

pub mod buckets;
pub mod store;

#[cfg(target_family = "wasm")]
mod guest;
mod state_folder;
#[cfg(test)]
mod temporary_folder;

pub use state_folder::Clock;

/// Where the folder for records and buckets has to be preopened, as the component sees it.
pub const STATE_FOLDER: &str = "/state";
