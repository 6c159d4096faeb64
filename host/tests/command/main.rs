//! The command `plausible-mcp` as its users run it: a process, its exit code and what it writes.

#![expect(clippy::indexing_slicing, reason = "a test may panic on an answer that is not what it expects")]

mod backup;
mod check;
mod control;
mod demo;
mod folder;
mod full_disk;
mod grants;
mod health;
mod log;
mod process;
mod serve;
mod starting;
mod stdio;
mod store;
mod upstream;
