//! The commands that serve: `demo`, `serve`, `stdio`.

use std::io::Write as _;
use std::net::SocketAddr;

use tokio::signal::unix::{SignalKind, signal};

use super::{CliError, ServeArguments, Source, check, failed};
use crate::demo::{Demo, announcement};
use crate::server::Server;
use crate::stdio;

pub(super) async fn demo(listen: SocketAddr) -> Result<(), CliError> {
    let shutdown = told_to_stop()?;
    let demo = Demo::start(listen).await.map_err(failed)?;
    // Nobody reads standard output when it is closed.
    let _ = std::io::stdout().write_all(announcement(demo.address(), demo.plausible()).as_bytes());
    demo.run(shutdown).await;
    Ok(())
}

pub(super) async fn serve(arguments: ServeArguments) -> Result<(), CliError> {
    refuse_what_is_missing(&arguments)?;
    let shutdown = told_to_stop()?;
    let host = arguments.source.host(arguments.source.settings()?).await?;
    check::before_serving(&host).await?;
    let server = Server::bind(arguments.listen, host).await.map_err(failed)?;
    let address = server.address();
    tracing::info!(event = "listening", %address, "listening");
    let drained = server.run(shutdown).await;
    tracing::info!(event = "stopped", drained, "stopped");
    Ok(())
}

pub(super) async fn stdio(source: Source) -> Result<(), CliError> {
    let mut settings = source.settings()?.with("MCP_ALLOWED_HOSTNAMES", "localhost").map_err(failed)?;
    // One user on one pipe: there is nobody to protect from the others.
    if settings.value("RATE_LIMIT_PER_MINUTE").is_none() {
        settings = settings.with("RATE_LIMIT_PER_MINUTE", "0").map_err(failed)?;
    }
    let key = settings.secret("PLAUSIBLE_API_KEY").ok_or_else(|| {
        CliError::Failed("PLAUSIBLE_API_KEY is not set; `stdio` asks Plausible with this key".to_owned())
    })?;
    let host = source.host(settings).await?;
    stdio::serve(host, &key, tokio::io::stdin(), tokio::io::stdout()).await.map_err(failed)
}

fn refuse_what_is_missing(arguments: &ServeArguments) -> Result<(), CliError> {
    let missing = if arguments.store != "memory" {
        format!("--store {}: this build keeps records in memory only", arguments.store)
    } else if arguments.admin.is_some() {
        "--admin is not in this build yet".to_owned()
    } else if arguments.control.is_some() {
        "--control is not in this build yet".to_owned()
    } else {
        return Ok(());
    };
    Err(CliError::Usage(missing))
}

/// Ready at the first SIGTERM or SIGINT. The handlers are in place when this returns.
fn told_to_stop() -> Result<impl Future<Output = ()>, CliError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
