//! The bindings that wit-bindgen generates from `wit/`.

wit_bindgen::generate!({
    path: "../wit",
    world: "plausible-mcp:host/plausible-mcp",
    generate_all,
    pub_export_macro: true,
    export_macro_name: "export_component",
});
