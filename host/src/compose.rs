//! Composition: the component together with an adapter, as one component that needs nothing but what another host has.
//!
//! The component is put in as it is, byte for byte; what the adapter exports is wired to what the component imports,
//! and the component's exports are those of the whole. `wac plug` does the same with the two files.

use wac_graph::types::{Package, Types};
use wac_graph::{CompositionGraph, EncodeOptions, PlugError, plug};

/// Why there is no composed component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComposeError {
    /// No adapter has this name.
    UnknownAdapter(String),
    /// These bytes are no WebAssembly component; the cause.
    NotAComponent(String),
    /// The adapter does not supply this import, or not in this form: the component is of another version.
    NotSupplied(String),
    /// The two cannot be joined; the cause.
    Unjoinable(String),
}

impl std::fmt::Display for ComposeError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownAdapter(name) => {
                let known: Vec<_> = adapters().map(|(name, _)| name).collect();
                write!(out, "there is no adapter {name}; there is {}", known.join(", "))
            }
            Self::NotAComponent(cause) => write!(out, "this is not a WebAssembly component: {cause}"),
            Self::NotSupplied(import) => write!(
                out,
                "the adapter does not supply {import} as the component needs it; use the component of this version"
            ),
            Self::Unjoinable(cause) => write!(out, "component and adapter do not fit together: {cause}"),
        }
    }
}

impl std::error::Error for ComposeError {}

/// The adapters that were built with this host, by the names of their hosts.
pub fn adapters() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    ADAPTERS.iter().copied()
}

/// Joins the component with the adapter of this name.
///
/// # Errors
/// See [`ComposeError`].
pub fn compose(component: &[u8], adapter: &str) -> Result<Vec<u8>, ComposeError> {
    let (_, bytes) = adapters()
        .find(|(name, _)| *name == adapter)
        .ok_or_else(|| ComposeError::UnknownAdapter(adapter.to_owned()))?;
    let mut graph = CompositionGraph::new();
    let socket = package("component", component, graph.types_mut())?;
    let adapter = package("adapter", bytes, graph.types_mut())?;
    let socket = graph.register_package(socket).map_err(unjoinable)?;
    let adapter = graph.register_package(adapter).map_err(unjoinable)?;
    match plug(&mut graph, vec![adapter], socket) {
        Ok(()) => {}
        Err(PlugError::NoPlugHappened) => return Err(ComposeError::NotSupplied(OURS.to_owned())),
        Err(error) => return Err(unjoinable(error)),
    }
    let composed = graph.encode(EncodeOptions::default()).map_err(unjoinable)?;
    match imports(&composed)?.into_iter().find(|import| import.starts_with(OURS)) {
        Some(missing) => Err(ComposeError::NotSupplied(missing)),
        None => Ok(composed),
    }
}

/// The names of what a component imports, sorted.
///
/// # Errors
/// [`ComposeError::NotAComponent`].
pub fn imports(component: &[u8]) -> Result<Vec<String>, ComposeError> {
    let mut types = Types::default();
    let world = package("component", component, &mut types)?.ty();
    let mut names: Vec<String> = types[world].imports.keys().cloned().collect();
    names.sort_unstable();
    Ok(names)
}

fn package(name: &str, bytes: &[u8], types: &mut Types) -> Result<Package, ComposeError> {
    Package::from_bytes(name, None, bytes, types).map_err(|error| ComposeError::NotAComponent(format!("{error:#}")))
}

fn unjoinable(error: impl std::fmt::Display) -> ComposeError {
    ComposeError::Unjoinable(format!("{error:#}"))
}

/// The package of our interfaces.
const OURS: &str = "plausible-mcp:host/";

static ADAPTERS: [(&str, &[u8]); 2] = [
    ("spin", include_bytes!(concat!(env!("OUT_DIR"), "/adapter-spin.wasm"))),
    ("wasi", include_bytes!(concat!(env!("OUT_DIR"), "/adapter-wasi.wasm"))),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::embedded_component;

    #[test]
    fn the_component_is_put_in_as_it_is_and_needs_nothing_of_ours_any_more() {
        let component = embedded_component();
        let needed = imports(component).unwrap();
        assert_eq!(needed.iter().filter(|import| import.starts_with(OURS)).count(), 4, "{needed:?}");
        for (adapter, bytes) in adapters() {
            let composed = compose(component, adapter).unwrap();
            assert!(contains(&composed, component), "{adapter}: the component is not there byte for byte");
            assert!(contains(&composed, bytes), "{adapter}: nor is the adapter");
            assert!(imports(&composed).unwrap().iter().all(|import| !import.starts_with(OURS)), "{adapter}");
        }
    }

    #[test]
    fn what_cannot_be_composed_is_named() {
        let unknown = compose(embedded_component(), "nowhere").unwrap_err();
        assert_eq!(unknown, ComposeError::UnknownAdapter("nowhere".to_owned()));
        assert!(unknown.to_string().ends_with("there is spin, wasi"), "{unknown}");
        assert!(matches!(compose(b"\0asm\x01\0\0\0", "wasi"), Err(ComposeError::NotAComponent(_))));
        let (_, adapter) = adapters().next().unwrap();
        assert_eq!(
            compose(adapter, "wasi"),
            Err(ComposeError::NotSupplied(OURS.to_owned())),
            "it needs nothing of ours"
        );
    }

    fn contains(bytes: &[u8], part: &[u8]) -> bool {
        let start = part.get(..64).expect("a component is longer");
        let starts = bytes.windows(64).enumerate().filter(|(_, window)| *window == start);
        starts.into_iter().any(|(at, _)| bytes.get(at..at + part.len()) == Some(part))
    }
}
