//! The command `plausible-mcp`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use plausible_mcp_host::{CliError, CommandLine, install_log, install_log_for_people};
use tokio::runtime::Runtime;

/// Allocating is a tenth of what a request costs with the allocator of glibc.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command_line = CommandLine::parse();
    let is_for_programs = command_line.is_read_by_programs();
    if is_for_programs {
        install_log()
    } else {
        install_log_for_people()
    }
    let done = complete(command_line.run());
    match done.unwrap_or_else(|cause| Err(CliError::Failed(format!("the system gives no threads: {cause}")))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_for_programs => error.log(),
        Err(error) => error.report(),
    }
}

/// Does `work` on a runtime of its own. What hangs on one of the runtime's threads afterwards, a read from a dead disk
/// or the look-up of a name, is given up.
fn complete<T>(work: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = Runtime::new()?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(LAST_TIME);
    Ok(done)
}

/// What has not hung ends in far less; whoever stops the process waits for it.
const LAST_TIME: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use tokio::sync::oneshot;
    use tokio::task::spawn_blocking;

    use super::*;

    #[test]
    fn what_hangs_on_a_thread_does_not_hold_up_the_end() {
        let (release, released) = channel::<()>();
        let (ended, has_ended) = channel();
        std::thread::spawn(move || {
            let done = complete(async move {
                let (begun, has_begun) = oneshot::channel();
                spawn_blocking(move || {
                    begun.send(()).unwrap();
                    // Until the test is over.
                    let _ = released.recv();
                });
                has_begun.await.unwrap();
                "done"
            });
            ended.send(done.unwrap()).unwrap();
        });
        let longer_than_a_busy_machine_takes = Duration::from_secs(60);
        assert_eq!(has_ended.recv_timeout(longer_than_a_busy_machine_takes), Ok("done"));
        drop(release);
    }
}
