//! The commands that serve: `demo`, `serve`, `stdio`.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::{CliError, ServeArguments, Source, check, failed};
use crate::control::{self, ControlSocket};
#[cfg(feature = "demo")]
use crate::demo::{Demo, announcement};
use crate::host::{Host, HostBuilder};
use crate::limits::Limits;
use crate::outbound_http::HttpPolicy;
use crate::server::Server;
use crate::settings::Settings;
use crate::stdio;

#[cfg(feature = "demo")]
pub(super) async fn demo(listen: SocketAddr) -> Result<(), CliError> {
    let shutdown = told_to_stop()?;
    let demo = Demo::start(listen).await.map_err(failed)?;
    // Nobody reads standard output when it is closed.
    let _ = std::io::stdout().write_all(announcement(demo.address(), demo.plausible(), demo.access()).as_bytes());
    demo.run(shutdown).await;
    Ok(())
}

pub(super) async fn serve(arguments: ServeArguments) -> Result<(), CliError> {
    refuse_what_is_missing(&arguments)?;
    let told = told_to_stop()?;
    let settings = arguments.source.settings()?;
    let opened = arguments.store.open(&settings).await?;
    let limits = Limits { instance_requests: arguments.instance_requests, ..Limits::default() };
    let builder = builder(settings, arguments.listen)?.limits(limits);
    let builder = builder.oauth_store(opened.store).rate_limit(opened.rate_limit);
    let host = arguments.source.host_with(builder).await?;
    check::before_serving(&host).await?;
    let server = Server::bind(arguments.listen, host.clone()).await.map_err(failed)?;
    let control = control_socket(arguments.control.as_deref())?;
    let address = server.address();
    tracing::info!(event = "listening", %address, "listening");
    let (stop, mut stopping) = watch::channel(());
    let shutdown = async move {
        told.await;
        drop(stop);
    };
    let control = async {
        if let Some(control) = control {
            // An error says that the sender is gone, which is the sign to stop.
            control.run(host, async move { drop(stopping.changed().await) }).await;
        }
    };
    let (drained, ()) = tokio::join!(server.run(shutdown), control);
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
    match arguments.admin {
        Some(_) => Err(CliError::Usage("--admin is not in this build yet".to_owned())),
        None => Ok(()),
    }
}

/// What the host of `serve` is made of.
fn builder(settings: Settings, listen: SocketAddr) -> Result<HostBuilder, CliError> {
    let policy = HttpPolicy::for_listener(&settings, listen.ip());
    if settings.value("ALLOW_LOOPBACK_CLIENT_METADATA") == Some("true") && !policy.has_public_loopback() {
        return Err(CliError::Failed(
            "ALLOW_LOOPBACK_CLIENT_METADATA is true, which is for tests on this machine; take it away or --listen on \
             a loopback address"
                .to_owned(),
        ));
    }
    Ok(Host::builder().settings(settings).http_policy(policy))
}

/// The control socket at `path`, which has to work, or at the default path, where it may not.
fn control_socket(path: Option<&Path>) -> Result<Option<ControlSocket>, CliError> {
    if let Some(path) = path {
        return ControlSocket::bind(path).map(Some).map_err(failed);
    }
    let Some(path) = control::default_path() else { return Ok(None) };
    match ControlSocket::bind(&path) {
        Ok(control) => Ok(Some(control)),
        Err(error) => {
            tracing::warn!(event = "no_control_socket", cause = %error, "`grants` cannot reach this server");
            Ok(None)
        }
    }
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
