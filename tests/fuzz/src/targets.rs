//! The targets, one file each.

mod authorize;
mod client_metadata;
mod cookies;
mod form;
mod json_rpc;
mod jwks;
mod jwt;
mod plausible_answer;
mod provider_answer;
mod registration;
mod request;

pub use authorize::authorize;
pub use client_metadata::client_metadata;
pub use cookies::cookies;
pub use form::form;
pub use json_rpc::json_rpc;
pub use jwks::jwks;
pub use jwt::jwt;
pub use plausible_answer::plausible_answer;
pub use provider_answer::provider_answer;
pub use registration::registration;
pub use request::request;

/// A target by its name, which is that of its corpus too.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const ALL: [Target; 11] = [
    ("authorize", authorize),
    ("client_metadata", client_metadata),
    ("cookies", cookies),
    ("form", form),
    ("json_rpc", json_rpc),
    ("jwks", jwks),
    ("jwt", jwt),
    ("plausible_answer", plausible_answer),
    ("provider_answer", provider_answer),
    ("registration", registration),
    ("request", request),
];
