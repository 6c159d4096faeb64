//! Sign-in from end to end: a host, the simulated Cloudflare Access, a browser and a client.
//!
//! ```text
//! Client ──register, token, revoke──> host <──GET, form, cookies── Browser ──> simulated Access
//! ```

mod access;
mod browser;
mod client;
mod deployment;
mod moody_access;

pub use access::Access;
pub use browser::{Browser, Form, Page};
pub use client::{Client, Tokens, VERIFIER};
pub use deployment::{Deployment, sent_back_to};
pub use moody_access::{Mood, MoodyAccess};
