//! `compose`: writes the component for another host.

use super::{CliError, ComposeArguments, failed};
use crate::component::embedded_component;
use crate::compose::{ComposeError, compose};

pub(super) fn run(arguments: ComposeArguments) -> Result<(), CliError> {
    let file = match &arguments.component {
        Some(path) => {
            Some(std::fs::read(path).map_err(|error| CliError::Failed(format!("{}: {error}", path.display())))?)
        }
        None => None,
    };
    let component = file.as_deref().unwrap_or_else(|| embedded_component());
    let composed = match &arguments.adapter {
        Some(adapter) => compose(component, adapter).map_err(refused)?,
        None => component.to_owned(),
    };
    let output = arguments.output;
    std::fs::write(&output, composed).map_err(|error| CliError::Failed(format!("{}: {error}", output.display())))
}

fn refused(error: ComposeError) -> CliError {
    match error {
        ComposeError::UnknownAdapter(_) => CliError::Usage(error.to_string()),
        _ => failed(error),
    }
}
