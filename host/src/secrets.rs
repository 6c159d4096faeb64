//! `secrets`: hands the component the secret settings it asks for, and nothing that is not one.

use wasmtime::component::{HasData, Linker};

use crate::bindings::secrets as wit;
use crate::settings::Settings;

/// Where the values come from.
pub(crate) struct SecretsState(Settings);

pub(crate) struct SecretsView<'a>(&'a SecretsState);

impl SecretsState {
    pub(crate) fn new(settings: Settings) -> Self {
        Self(settings)
    }

    pub(crate) fn view(&self) -> SecretsView<'_> {
        SecretsView(self)
    }
}

impl wit::Host for SecretsView<'_> {
    fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        Ok(self.0.0.secret(&name))
    }
}

struct Secrets;

impl HasData for Secrets {
    type Data<'a> = SecretsView<'a>;
}

pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> SecretsView<'_>,
) -> wasmtime::Result<()> {
    wit::add_to_linker::<_, Secrets>(linker, view)
}
