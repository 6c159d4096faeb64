//! The command line: what is asked for, and how it ends.

mod backup;
mod check;
#[cfg(feature = "compose")]
mod compose;
mod grants;
mod health;
mod limits;
mod restore;
mod run;
mod store;
mod traces;

use std::net::{AddrParseError, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use http::Uri;

use crate::code_cache;
#[cfg(not(all(feature = "compose", feature = "demo")))]
use crate::component::BUILD_WITH_ALL;
use crate::component::ComponentSource;
use crate::host::{Host, HostBuilder};
use crate::settings::Settings;
use limits::LimitArguments;
use store::StoreArgument;

/// MCP server for Plausible Analytics.
#[derive(Debug, Parser)]
#[command(name = "plausible-mcp", version, max_term_width = 100)]
pub struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything on this machine with a simulated Plausible; no accounts needed
    Demo {
        /// Address to listen on
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8787")]
        listen: SocketAddr,
        #[command(flatten)]
        component: ComponentArgument,
    },
    /// Serve MCP over HTTP
    Serve(ServeArguments),
    /// Serve MCP over standard input and output with the key in PLAUSIBLE_API_KEY
    Stdio(Source),
    /// Check the settings, the upstreams and a running server; give it the flags that `serve` is given
    Check(CheckArguments),
    /// List or end what users have let clients do
    Grants(GrantsArguments),
    /// Copy the records into a file, while the server runs or not
    Backup(BackupArguments),
    /// Put a backup into the place of the records; every sign-in ends. The server has to be stopped
    Restore(RestoreArguments),
    /// Write the component for another host
    Compose(ComposeArguments),
    /// Tell by the exit code whether a server is alive; for the health check of a container
    Health {
        /// The address to ask
        #[arg(value_name = "URL", default_value = "http://127.0.0.1:8080/healthz")]
        url: Uri,
    },
}

#[derive(Debug, Args)]
struct ServeArguments {
    /// Address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    store: StoreArgument,
    /// Address for /metrics and /readyz [default: none]
    #[arg(long, value_name = "ADDR", env = "PLAUSIBLE_MCP_ADMIN", default_value = "", hide_default_value = true)]
    admin: AdminAddress,
    /// Host names by which /metrics and /readyz are asked, separated by commas, beside IP addresses and localhost
    #[arg(
        long,
        value_name = "NAMES",
        env = "PLAUSIBLE_MCP_ADMIN_HOSTS",
        default_value = "",
        hide_default_value = true
    )]
    admin_hosts: AdminHosts,
    /// Path of the control socket [default: plausible-mcp.sock in XDG_RUNTIME_DIR]
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
    /// Seconds to serve on after SIGTERM, while /readyz says that the server drains; a second signal ends them
    /// [default: 5]
    #[arg(long, value_name = "SECONDS", env = "PLAUSIBLE_MCP_DRAIN", default_value = "", hide_default_value = true)]
    drain: DrainTime,
    #[command(flatten)]
    limits: LimitArguments,
}

#[derive(Debug, Args)]
struct CheckArguments {
    #[command(flatten)]
    serving: ServeArguments,
    /// Print one JSON array instead of lines
    #[arg(long)]
    json: bool,
}

/// Where the operator's listener is. Empty in the environment is the same as absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct AdminAddress(Option<SocketAddr>);

impl FromStr for AdminAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |error: AddrParseError| {
            format!("{error}; write --admin, or the variable PLAUSIBLE_MCP_ADMIN, as 127.0.0.1:9090")
        };
        match text.trim() {
            "" => Ok(Self(None)),
            address => address.parse().map(|address| Self(Some(address))).map_err(wrong),
        }
    }
}

/// The names of the operator's listener, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
struct AdminHosts(Vec<String>);

impl FromStr for AdminHosts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = text.split(',').map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty());
        let names: Vec<String> = names.collect();
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        match names.iter().find(|name| !name.bytes().all(is_legal)) {
            Some(name) => Err(format!("{name} is no host name; write names without scheme and port")),
            None => Ok(Self(names)),
        }
    }
}

/// How long `serve` serves on when it is told to stop. Empty in the environment is the same as absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct DrainTime(Duration);

impl FromStr for DrainTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seconds = match text.trim() {
            "" => Some(DRAIN_SECONDS),
            text => text.parse().ok().filter(|seconds| *seconds <= LONGEST_DRAIN_SECONDS),
        };
        let seconds = seconds.ok_or_else(|| format!("write whole seconds, at most {LONGEST_DRAIN_SECONDS}"))?;
        Ok(Self(Duration::from_secs(seconds)))
    }
}

#[derive(Debug, Args)]
struct ComposeArguments {
    /// The kind of host: spin, or wasi for `wasmtime serve` and others with WASI 0.2 and a folder for records; without it
    /// the component is written as it is
    #[arg(long, value_name = "NAME")]
    adapter: Option<String>,
    /// The .wasm file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// A .wasm file to compose instead of the embedded component
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct GrantsArguments {
    #[command(subcommand)]
    action: GrantsAction,
    /// Control socket of the running server [default: plausible-mcp.sock in XDG_RUNTIME_DIR]
    #[arg(long, value_name = "PATH", global = true)]
    control: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct BackupArguments {
    /// The file to write
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    store: StoreArgument,
    /// Control socket of the running server [default: plausible-mcp.sock in XDG_RUNTIME_DIR]
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long)]
    overwrite: bool,
}

#[derive(Debug, Args)]
struct RestoreArguments {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    store: StoreArgument,
    /// Keep the sign-ins of the backup; what was revoked since it was made lives again
    #[arg(long)]
    keep_sign_ins: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Where component and settings come from.
#[derive(Debug, Args)]
struct Source {
    /// TOML file with settings
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder with one file per secret setting [default: PLAUSIBLE_MCP_SECRETS]
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,
    /// A setting that is not secret; goes before environment and file
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    component: ComponentArgument,
}

/// Which component is run.
#[derive(Debug, Args)]
struct ComponentArgument {
    /// A .wasm file to run instead of the embedded component
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum GrantsAction {
    /// Print the grants
    List {
        /// Only those of the user with this e-mail address
        #[arg(long, value_name = "EMAIL")]
        user: Option<String>,
        /// Print one JSON array instead of a table
        #[arg(long)]
        json: bool,
    },
    /// End grants, their tokens at once
    Revoke(RevokeArguments),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct RevokeArguments {
    /// Those of the user with this e-mail address
    #[arg(long, value_name = "EMAIL")]
    user: Option<String>,
    /// Everybody's
    #[arg(long)]
    all: bool,
}

/// How a command failed. The text says what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub enum CliError {
    /// It was asked for in the wrong way: exit code 2.
    Usage(String),
    /// It did not work: exit code 1.
    Failed(String),
    /// What had to be said was said; exit with this code.
    Reported(u8),
}

impl CommandLine {
    /// Whether programs read what the command writes to standard error: it is JSON then, and text for people else.
    pub fn is_read_by_programs(&self) -> bool {
        matches!(self.command, Command::Serve(_) | Command::Stdio(_))
    }

    /// Does what was asked for, until it is done or the process is told to stop.
    ///
    /// # Errors
    /// See [`CliError`].
    pub async fn run(self) -> Result<(), CliError> {
        match self.command {
            #[cfg(not(feature = "demo"))]
            Command::Demo { .. } => Err(CliError::Failed(format!("this build has no `demo`; {BUILD_WITH_ALL}"))),
            #[cfg(feature = "demo")]
            Command::Demo { listen, component } => run::demo(listen, &component).await,
            Command::Serve(arguments) => run::serve(arguments).await,
            Command::Stdio(source) => run::stdio(source).await,
            Command::Check(arguments) => check::run(arguments).await,
            Command::Grants(arguments) => grants::run(arguments).await,
            Command::Backup(arguments) => backup::run(arguments).await,
            Command::Restore(arguments) => restore::run(arguments).await,
            #[cfg(not(feature = "compose"))]
            Command::Compose(ComposeArguments { .. }) => {
                Err(CliError::Failed(format!("this build has no `compose`; {BUILD_WITH_ALL}")))
            }
            #[cfg(feature = "compose")]
            Command::Compose(arguments) => compose::run(arguments),
            Command::Health { url } => health::run(&url).await,
        }
    }
}

impl CliError {
    /// Tells the log and gives the exit code.
    pub fn log(&self) -> ExitCode {
        match self {
            Self::Usage(cause) | Self::Failed(cause) => {
                tracing::error!(event = "ended", cause, "the command could not do what was asked for");
            }
            Self::Reported(_) => {}
        }
        ExitCode::from(self.code())
    }

    /// Tells the user on standard error and gives the exit code.
    pub fn report(&self) -> ExitCode {
        match self {
            Self::Usage(text) | Self::Failed(text) => eprintln!("error: {text}"),
            Self::Reported(_) => {}
        }
        ExitCode::from(self.code())
    }

    fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) => 1,
            Self::Reported(code) => *code,
        }
    }
}

fn failed(error: impl std::fmt::Display) -> CliError {
    CliError::Failed(error.to_string())
}

impl Source {
    fn settings(&self) -> Result<Settings, CliError> {
        let settings = Settings::load(self.config.as_deref(), self.secrets.as_deref()).map_err(failed)?;
        self.with_flags(settings)
    }

    /// The settings with those of `--set`.
    fn with_flags(&self, mut settings: Settings) -> Result<Settings, CliError> {
        for flag in &self.set {
            let (name, value) =
                flag.split_once('=').ok_or_else(|| CliError::Usage(format!("--set {flag}: write NAME=VALUE")))?;
            settings = settings.with(name, value).map_err(|error| CliError::Usage(error.to_string()))?;
        }
        Ok(settings)
    }

    async fn host(&self, settings: Settings) -> Result<Host, CliError> {
        self.host_with(Host::builder().settings(settings)).await
    }

    async fn host_with(&self, host: HostBuilder) -> Result<Host, CliError> {
        self.component.of(host).build().await.map_err(failed)
    }
}

impl ComponentArgument {
    /// The host with this component, whose machine code is kept in the user's cache folder.
    fn of(&self, host: HostBuilder) -> HostBuilder {
        let host = match &self.component {
            Some(file) => host.component(ComponentSource::File(file.clone())),
            None => host,
        };
        match code_cache::default_folder(|name| std::env::var_os(name)) {
            Some(folder) => host.code_cache(folder),
            None => host,
        }
    }
}

/// A proxy that asks each second and believes the third answer has found out by then.
const DRAIN_SECONDS: u64 = 5;
/// Whoever stops the process does not wait for longer.
const LONGEST_DRAIN_SECONDS: u64 = 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <CommandLine as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn revoking_needs_one_selector() {
        let parses = |line: &str| CommandLine::try_parse_from(line.split(' ')).is_ok();
        assert!(parses("plausible-mcp grants revoke --all"));
        assert!(parses("plausible-mcp grants revoke --user a@b.c"));
        assert!(!parses("plausible-mcp grants revoke"));
        assert!(!parses("plausible-mcp grants revoke --all --user a@b.c"));
    }

    #[test]
    fn an_empty_address_for_the_operator_is_none() {
        let address = Ok(AdminAddress(Some(SocketAddr::from(([127, 0, 0, 1], 9090)))));
        assert_eq!("127.0.0.1:9090".parse(), address);
        assert_eq!("".parse(), Ok(AdminAddress(None)));
        let parses = |line: &str| CommandLine::try_parse_from(line.split(' ')).is_ok();
        assert!(parses("plausible-mcp serve"));
        assert!(parses("plausible-mcp serve --admin [::1]:9090"));
        assert!(!parses("plausible-mcp serve --admin 9090"));
    }

    #[test]
    fn the_time_to_drain_is_five_seconds_or_what_is_asked_for() {
        let drain = |line: &str| match CommandLine::try_parse_from(line.split(' ')).map(|line| line.command) {
            Ok(Command::Serve(arguments)) => Some(arguments.drain.0.as_secs()),
            _ => None,
        };
        assert_eq!(drain("plausible-mcp serve"), Some(5));
        assert_eq!(drain("plausible-mcp serve --drain="), Some(5));
        assert_eq!(drain("plausible-mcp serve --drain 0"), Some(0));
        assert_eq!(drain("plausible-mcp serve --drain 3600"), Some(3600));
        for wrong in ["-1", "3601", "5s", "0.5"] {
            assert_eq!(drain(&format!("plausible-mcp serve --drain={wrong}")), None, "{wrong}");
        }
    }

    #[test]
    fn names_for_the_operator_are_bare_and_separated_by_commas() {
        let names = |names: &[&str]| Ok(AdminHosts(names.iter().map(|name| (*name).to_owned()).collect()));
        assert_eq!("Metrics.internal, plausible-mcp,".parse(), names(&["metrics.internal", "plausible-mcp"]));
        assert_eq!("".parse(), names(&[]));
        for wrong in ["http://a", "a:9090", "a b", "*", "[::1]"] {
            assert!(wrong.parse::<AdminHosts>().is_err(), "{wrong}");
        }
        let parses = |line: &str| CommandLine::try_parse_from(line.split(' ')).is_ok();
        assert!(parses("plausible-mcp serve --admin 0.0.0.0:9090 --admin-hosts metrics.internal"));
        assert!(!parses("plausible-mcp serve --admin 0.0.0.0:9090 --admin-hosts http://metrics.internal"));
    }

    #[test]
    fn the_control_socket_is_named_before_or_after_the_action() {
        for line in ["plausible-mcp grants --control /s list", "plausible-mcp grants list --control /s"] {
            let Command::Grants(arguments) = CommandLine::try_parse_from(line.split(' ')).unwrap().command else {
                panic!("{line} is about grants")
            };
            assert_eq!(arguments.control, Some("/s".into()), "{line}");
        }
    }
}
