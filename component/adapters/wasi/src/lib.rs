//! The adapter for stock `wasmtime serve` and any other host of WASI 0.2 with a folder for records.
//!
//! It supplies what the component needs from a host (`wit/`): [`store`] and [`buckets`] in files, secrets from the
//! environment, and requests through `wasi:http`. Nothing is kept in memory, so that an instance may serve one request.
//!
//! ```sh
//! plausible-mcp compose --adapter wasi -o plausible-mcp.wasm
//! # or: wac plug plausible_mcp_component.wasm --plug plausible_mcp_adapter_wasi.wasm -o plausible-mcp.wasm
//!
//! wasmtime serve -S cli -W timeout=60s --addr 127.0.0.1:8080 --dir /var/lib/plausible-mcp::/state \
//!     --env PUBLIC_URL --env PLAUSIBLE_API_KEY … plausible-mcp.wasm
//! ```
//!
//! `-S cli` links files and environment, which `serve` leaves out by default. `--env NAME` passes a variable on that
//! stands in the environment of `wasmtime`; `--env NAME=VALUE` would show a secret to everybody who may list processes.
//! The folder that appears as [`STATE_FOLDER`] has to be on a local file system with hard links, and several processes
//! may share it; `/mcp` works without it, with limits off. `/admin/operator` says whether records are kept.
//!
//! What such a host cannot promise, and what mends it:
//!
//! | not promised | what mends it |
//! |---|---|
//! | addresses that names resolve to are not checked, so client metadata documents are off | `CIMD_ALLOWED_HOSTS` names the hosts that they may come from; `HOST_BLOCKS_PRIVATE_NETWORKS=true` where a firewall does the checking. Addresses and local names in a URL are refused in any case |
//! | how many documents are waited for at a time is not bounded | `CIMD_ALLOWED_HOSTS`, and the limit of requests of an address |
//! | no limit of time or CPU for a request | `-W timeout=60s` |
//! | an instance may take 4 GiB | `-W max-memory-size=67108864` |
//! | nobody tells the client's address, and what a caller says about it is believed | a proxy in front, which ends TLS too, and `CLIENT_IP_HEADER` |
//! | certificates of one's own are not trusted: `EXTRA_CA_FILE` is read by our host only | a proxy that speaks plain HTTP on loopback |
//! | a rotated secret is seen only after a restart | |
//! | records are swept when others are written, not by themselves | |

pub mod buckets;
pub mod store;

#[cfg(target_family = "wasm")]
mod guest;
mod state_folder;

pub use state_folder::Clock;

/// Where the folder for records and buckets has to be preopened, as the component sees it.
pub const STATE_FOLDER: &str = "/state";
