//! Our own host: the program `plausible-mcp`, with one of its stores.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{HostUnderTest, Launch, Program, Running, Starting};

/// `plausible-mcp serve`.
#[derive(Debug)]
pub struct OurProgram {
    /// The value of `--store`; `{state}` stands for the folder that outlives the process.
    pub store: String,
}

impl OurProgram {
    /// With a store.
    pub fn with_store(store: &str) -> Self {
        OurProgram { store: store.to_owned() }
    }

    /// Starts the program and waits until it answers.
    ///
    /// # Errors
    /// When there is no program, or it does not answer: why.
    pub async fn launch(&self, launch: &Launch) -> Result<Program, String> {
        let store = self.store.replace("{state}", &launch.state.to_string_lossy());
        let mut command = Command::new(program()?);
        command
            .env_clear()
            .envs(launch.settings.iter().cloned())
            .args(["serve", "--listen", &launch.listen.to_string(), "--store", &store, "--control"])
            .arg(launch.state.join("control.sock"));
        Program::start(command, launch.listen, &launch.state).await
    }
}

impl HostUnderTest for OurProgram {
    fn start<'a>(&'a self, launch: &'a Launch) -> Starting<'a> {
        Box::pin(async move { Ok(Box::new(self.launch(launch).await?) as Box<dyn Running>) })
    }
}

/// The program that cargo built beside this test: `PLAUSIBLE_MCP`, or `plausible-mcp` in the profile's folder.
///
/// # Errors
/// When it is not there.
fn program() -> Result<PathBuf, String> {
    let named = std::env::var_os("PLAUSIBLE_MCP").map(PathBuf::from);
    let beside = || std::env::current_exe().ok().and_then(|test| Some(test.parent()?.parent()?.join("plausible-mcp")));
    let program = named.or_else(beside).filter(|program| Path::is_file(program));
    program.ok_or_else(|| "there is no program plausible-mcp beside the tests: run `cargo build` first".to_owned())
}
