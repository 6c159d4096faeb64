//! The commands that serve: `demo`, `serve`, `stdio`.

#[cfg(feature = "demo")]
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

#[cfg(feature = "demo")]
use super::ComponentArgument;
use super::traces::Exporter;
use super::{CliError, ServeArguments, Source, check, failed};
use crate::admin::AdminServer;
use crate::control::{self, ControlSocket};
#[cfg(feature = "demo")]
use crate::demo::{Demo, announcement};
#[cfg(feature = "demo")]
use crate::guest_output;
use crate::host::{Host, HostBuilder};
use crate::log;
use crate::oauth_store::OpeningStore;
use crate::outbound_http::HttpPolicy;
use crate::server::Server;
use crate::settings::Settings;
use crate::stdio;

#[cfg(feature = "demo")]
pub(super) async fn demo(listen: SocketAddr, component: &ComponentArgument) -> Result<(), CliError> {
    let shutdown = told_to_stop()?;
    let builder = component.of(Host::builder()).log(guest_output::text_for_people());
    let demo = Demo::start(listen, builder).await.map_err(failed)?;
    // Nobody reads standard output when it is closed.
    let _ = std::io::stdout().write_all(announcement(demo.address(), demo.plausible(), demo.access()).as_bytes());
    demo.run(shutdown).await;
    Ok(())
}

pub(super) async fn serve(arguments: ServeArguments) -> Result<(), CliError> {
    require_two_addresses(&arguments).map_err(CliError::Usage)?;
    let told = told_to_stop()?;
    let settings = arguments.source.settings()?;
    log::set_level(settings.value("LOG_LEVEL"));
    let exporter = Exporter::from_environment(settings.value("EXTRA_CA_FILE"))?;
    let opened = arguments.store.begin(&settings)?;
    let limits = arguments.limits.over(*settings.limits());
    let builder = builder(settings, arguments.listen)?.limits(limits);
    let builder = builder.oauth_store(opened.store).rate_limit(opened.rate_limit);
    let host = arguments.source.host_with(exporter.attach(builder)).await?;
    if let Some(opening) = &opened.opening {
        // A file that cannot be used is found at once, mostly; one that takes long to open is used as soon as it is.
        let tried = tokio::time::timeout(OPENING_TIME, opening.tried()).await;
        tried.unwrap_or(Ok(())).map_err(failed)?;
    }
    let admin = admin_server(arguments.admin.0, &host).await?.map(|admin| admin.named(arguments.admin_hosts.0));
    let control = arguments.control.as_deref();
    let serving = listen_and_serve(host, arguments.listen, control, told, arguments.drain.0);
    let admin = async {
        match admin {
            Some(admin) => admin.run().await,
            None => std::future::pending().await,
        }
    };
    let served = tokio::select! {
        served = serving => served,
        error = refused(opened.opening) => Err(error),
        never = admin => match never {},
    };
    exporter.finish().await;
    served
}

async fn listen_and_serve(
    host: Host,
    address: SocketAddr,
    control: Option<&Path>,
    told: impl Future<Output = ()>,
    drain: Duration,
) -> Result<(), CliError> {
    check::before_serving(&host).await?;
    if let Some(short) = host.memory().finding() {
        tracing::warn!(event = "memory_short", advice = short.advice, "{}", short.text);
    }
    let server = Server::bind(address, host.clone()).await.map_err(failed)?;
    let control = control_socket(control)?;
    let address = server.address();
    tracing::info!(event = "listening", %address, "listening");
    let (stop, mut stopping) = watch::channel(());
    let leave = async {
        told.await;
        tracing::info!(event = "draining", seconds = drain.as_secs(), "told to stop");
    };
    let stopped = async move {
        time_to_drain(drain).await;
        drop(stop);
    };
    let watched = host.clone();
    // On a task of its own: what it computes holds up nobody who connects.
    let watching = tokio::spawn(async move { watched.watch().await });
    let control = async {
        if let Some(control) = control {
            // An error says that the sender is gone, which is the sign to stop.
            control.run(host, async move { drop(stopping.changed().await) }).await;
        }
    };
    let (drained, ()) = tokio::join!(server.run_in_steps(leave, stopped), control);
    watching.abort();
    tracing::info!(event = "stopped", drained, "stopped");
    Ok(())
}

pub(super) async fn stdio(source: Source) -> Result<(), CliError> {
    let mut settings = source.settings()?.with("MCP_ALLOWED_HOSTNAMES", "localhost").map_err(failed)?;
    // One user on one pipe: there is nobody to protect from the others.
    if settings.value("RATE_LIMIT_PER_MINUTE").is_none() {
        settings = settings.with("RATE_LIMIT_PER_MINUTE", "0").map_err(failed)?;
    }
    log::set_level(settings.value("LOG_LEVEL"));
    let key = settings.secret("PLAUSIBLE_API_KEY").map_err(failed)?.ok_or_else(|| {
        CliError::Failed("PLAUSIBLE_API_KEY is not set; `stdio` asks Plausible with this key".to_owned())
    })?;
    let host = source.host(settings).await?;
    stdio::serve(host, &key, tokio::io::stdin(), tokio::io::stdout()).await.map_err(failed)
}

/// Ready when the store turns out to be one that cannot be used as it is set up.
async fn refused(opening: Option<Arc<OpeningStore>>) -> CliError {
    match opening {
        Some(opening) => match opening.tried().await {
            Err(error) => failed(error),
            Ok(()) => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

/// The operator's listener, where one is asked for. It is there before the server listens, and says so.
async fn admin_server(address: Option<SocketAddr>, host: &Host) -> Result<Option<AdminServer>, CliError> {
    let Some(address) = address else { return Ok(None) };
    let admin = AdminServer::bind(address, host.clone()).await.map_err(failed)?;
    tracing::info!(event = "admin_listening", address = %admin.address(), "listening for /metrics and /readyz");
    Ok(Some(admin))
}

/// Both could not be listened on, and the error would not say why.
pub(super) fn require_two_addresses(arguments: &ServeArguments) -> Result<(), String> {
    if arguments.listen.port() != 0 && arguments.admin.0 == Some(arguments.listen) {
        return Err(format!("--listen and --admin are both {}; choose two", arguments.listen));
    }
    Ok(())
}

/// Documents from this machine are for servers that only this machine reaches.
pub(super) fn loopback_documents(settings: &Settings, listen: SocketAddr) -> Result<HttpPolicy, String> {
    let policy = HttpPolicy::for_listener(settings, listen.ip());
    if settings.value("ALLOW_LOOPBACK_CLIENT_METADATA") == Some("true") && !policy.has_public_loopback() {
        return Err(
            "ALLOW_LOOPBACK_CLIENT_METADATA is true, which is for tests on this machine; take it away or --listen \
                    on a loopback address"
                .to_owned(),
        );
    }
    Ok(policy)
}

/// What the host of `serve` is made of.
fn builder(settings: Settings, listen: SocketAddr) -> Result<HostBuilder, CliError> {
    let policy = loopback_documents(&settings, listen).map_err(CliError::Failed)?;
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

/// Ready when `time` is over, or at one more signal: whoever sends it does not want to wait.
async fn time_to_drain(time: Duration) {
    let over = tokio::time::sleep(time);
    match told_to_stop() {
        Ok(again) => tokio::select! {
            () = over => {}
            () = again => {}
        },
        Err(_) => over.await,
    }
}

/// Ready at the first SIGTERM or SIGINT. The handlers are in place when this returns.
pub(super) fn told_to_stop() -> Result<impl Future<Output = ()>, CliError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// A server listens within a second of its start, whatever the disk does.
const OPENING_TIME: Duration = Duration::from_millis(300);
