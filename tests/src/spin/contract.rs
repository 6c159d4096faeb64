//! The adapter alone, in an application.

use std::sync::Arc;

use super::artefacts;
use super::instance::{Instance, Shared, engine, linker};
use super::serving::SpinOptions;
use crate::adapter::Adapter;

/// The adapter in a stand-in for Spin.
pub type SpinAdapter = Adapter<Instance>;

impl SpinAdapter {
    /// The adapter in an application with these options.
    pub fn new(options: &SpinOptions) -> Result<Self, String> {
        let shared = Arc::new(Shared::of(options)?);
        let clock = shared.clock.clone();
        let new_store = Box::new(move |engine: &_| shared.store(engine));
        linker(&engine())
            .and_then(|linker| Adapter::linked(&linker, &artefacts::adapter(), clock, new_store))
            .map_err(|error| format!("{error:#}"))
    }
}
