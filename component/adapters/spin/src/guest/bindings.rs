//! The bindings that wit-bindgen generates for the world `spin` of this crate's `wit/`. Nothing but re-exports.

wit_bindgen::generate!({
    path: "wit",
    world: "plausible-mcp:spin-adapter/spin",
    generate_all,
});

pub(super) use fermyon::spin::{redis, sqlite, variables};
