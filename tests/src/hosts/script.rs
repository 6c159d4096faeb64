//! A host that a script starts, as those of `tests/interop/hosts` do.

use std::path::PathBuf;
use std::process::Command;

use super::{HostUnderTest, Launch, Program, Running, Starting};

/// `SCRIPT COMPONENT STATE_FOLDER ADDRESS`, with the settings in its environment.
#[derive(Debug, Clone)]
pub struct Script {
    /// The script, which serves in the foreground.
    pub script: PathBuf,
    /// The composed component.
    pub component: PathBuf,
    /// Whether records can be kept there.
    pub keeps_records: bool,
}

impl Script {
    /// The host that `HOST_SCRIPT` and `HOST_COMPONENT` in the environment name; `HOST_RECORDS=none` says that it keeps
    /// no records.
    pub fn from_environment() -> Option<Self> {
        let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let keeps_records = std::env::var_os("HOST_RECORDS").is_none_or(|records| records != "none");
        Some(Script { script: path("HOST_SCRIPT")?, component: path("HOST_COMPONENT")?, keeps_records })
    }
}

impl HostUnderTest for Script {
    fn start<'a>(&'a self, launch: &'a Launch) -> Starting<'a> {
        Box::pin(async move {
            let records = launch.state.join("records");
            std::fs::create_dir_all(&records).map_err(|error| error.to_string())?;
            let mut command = Command::new(&self.script);
            command
                .env_clear()
                .envs(["PATH", "HOME", "WASMTIME"].iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
                .envs(launch.settings.iter().cloned())
                .arg(&self.component)
                .arg(&records)
                .arg(launch.listen.to_string());
            let program = Program::start(command, launch.listen, &launch.state).await?;
            Ok(Box::new(program) as Box<dyn Running>)
        })
    }
}
