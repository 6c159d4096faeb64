//! `compose`: writes the component for another host.

use super::{CliError, ComposeArguments, failed};
use crate::compose::{ComposeError, compose, embedded_component};

pub(super) fn run(arguments: ComposeArguments) -> Result<(), CliError> {
    let file = match &arguments.component {
        Some(path) => {
            Some(std::fs::read(path).map_err(|error| CliError::Failed(format!("{}: {error}", path.display())))?)
        }
        None => None,
    };
    let component = file.as_deref().unwrap_or_else(|| embedded_component());
    let composed = compose(component, &arguments.adapter).map_err(|error| match error {
        ComposeError::UnknownAdapter(_) => CliError::Usage(error.to_string()),
        _ => failed(error),
    })?;
    let output = arguments.output;
    std::fs::write(&output, composed).map_err(|error| CliError::Failed(format!("{}: {error}", output.display())))
}
