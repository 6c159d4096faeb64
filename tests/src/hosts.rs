//! The hosts under test. Each starts a deployment at an address, over a folder that outlives it.
//!
//! ```text
//! Stage: simulated Access, simulated Plausible, a free address, a folder
//!   └─ Launch ──> a host's `start` ──> Running, which ends as by a crash when it is dropped
//! ```

mod ours;
mod program;
mod stage;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;

pub use ours::OurProgram;
pub use program::Program;
pub use stage::Stage;

/// What a host is told.
#[derive(Debug, Clone)]
pub struct Launch {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The values of settings by their names, secret ones included.
    pub settings: Vec<(String, String)>,
    /// A folder for what must outlive the process.
    pub state: PathBuf,
}

/// A deployment that runs. Dropping it ends it without any warning, as a crash would.
pub trait Running: Send {
    /// What it has written to its log so far.
    fn log(&self) -> String;
}

/// One kind of host.
pub trait HostUnderTest: Sync {
    /// Starts a deployment and waits until it answers; the error says why it does not.
    fn start<'a>(&'a self, launch: &'a Launch) -> Starting<'a>;
}

/// A deployment that is being started.
pub type Starting<'a> = Pin<Box<dyn Future<Output = Result<Box<dyn Running>, String>> + Send + 'a>>;
