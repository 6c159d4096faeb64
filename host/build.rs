//! Builds the component and the adapters for `wasm32-wasip2`, compiles the component ahead for the host's engine, and
//! leaves all files in `OUT_DIR` for `src/component.rs` and `src/compose.rs` to embed.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use wasmtime::Engine;

#[path = "src/engine_configuration.rs"]
mod engine_configuration;

fn main() -> Result<()> {
    let out = PathBuf::from(env::var("OUT_DIR").context("OUT_DIR is not set")?);
    let root = workspace_root()?;
    for watched in WATCHED {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/engine_configuration.rs");

    ensure_target_is_installed()?;
    let mut packages = vec![COMPONENT];
    if env::var_os("CARGO_FEATURE_COMPOSE").is_some() {
        packages.extend(ADAPTERS);
    }
    let folder = component_folder(&out)?;
    build(&root, &folder, &packages)?;
    for package in packages {
        let built = folder.join(TARGET).join("release").join(package.artefact);
        std::fs::copy(&built, out.join(package.embedded))
            .with_context(|| format!("cannot copy {}", built.display()))?;
    }
    let wasm = std::fs::read(out.join(COMPONENT.embedded)).context("cannot read the component")?;
    let compiled = compile_ahead(&wasm)?;
    std::fs::write(out.join("component.cwasm"), compiled).context("cannot write component.cwasm")
}

fn workspace_root() -> Result<PathBuf> {
    let host = PathBuf::from(env::var("CARGO_MANIFEST_DIR").context("CARGO_MANIFEST_DIR is not set")?);
    let root = host.parent().context("the host crate has no parent folder")?;
    Ok(root.to_owned())
}

/// One folder for the component, whatever the profile of the host: it is the same component.
fn component_folder(out: &Path) -> Result<PathBuf> {
    let profile = out.ancestors().find(|folder| folder.ends_with("build")).and_then(Path::parent);
    let target = profile.and_then(Path::parent).context("OUT_DIR is not in a target folder")?;
    Ok(target.join("component"))
}

/// Adds the target's standard library to the toolchain in use when it is not there.
fn ensure_target_is_installed() -> Result<()> {
    if target_is_installed() {
        return Ok(());
    }
    println!("cargo::warning=adding the Rust target {TARGET} with `rustup target add {TARGET}`");
    let added = Command::new("rustup").args(["target", "add", TARGET]).status();
    if matches!(added, Ok(status) if status.success()) && target_is_installed() {
        return Ok(());
    }
    bail!(
        "The component is built for the Rust target {TARGET}, which this toolchain does not have, and \
         `rustup target add {TARGET}` did not succeed. Install the target and build again."
    )
}

/// Whether the standard library of the target stands in the sysroot of the compiler that cargo uses.
fn target_is_installed() -> bool {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let Ok(found) = Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).output() else {
        return false;
    };
    let folder = String::from_utf8_lossy(&found.stdout).trim().to_owned();
    found.status.success() && std::fs::read_dir(folder).is_ok_and(|mut files| files.next().is_some())
}

/// Runs cargo on these crates alone, in a target folder of its own (the outer cargo holds the lock of the other one)
/// and with settings that no outer profile or environment can change.
fn build(root: &Path, target_folder: &Path, packages: &[Package]) -> Result<()> {
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.current_dir(root).args(["build", "--release", "--target", TARGET]).arg("--target-dir").arg(target_folder);
    for package in packages {
        command.args(["--package", package.name]);
    }
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(leaks_into_nested_cargo) {
            command.env_remove(name);
        }
    }
    for (name, value) in PROFILE {
        command.env(format!("CARGO_PROFILE_RELEASE_{name}"), value);
    }
    let status = command.status().context("cannot run cargo for the component")?;
    if !status.success() {
        bail!("the component did not build for {TARGET} ({status}); the messages stand above");
    }
    Ok(())
}

/// Variables by which cargo, clippy and coverage tools steer rustc: they are meant for the host's own compilation.
fn leaks_into_nested_cargo(name: &str) -> bool {
    const EXACT: [&str; 10] = [
        "RUSTFLAGS",
        "RUSTDOCFLAGS",
        "RUSTC",
        "RUSTDOC",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_LINKER",
        "CLIPPY_ARGS",
        "TARGET",
        "DEBUG",
    ];
    const PREFIXES: [&str; 8] = [
        "CARGO_ENCODED_",
        "CARGO_CFG_",
        "CARGO_FEATURE_",
        "CARGO_PROFILE_",
        "CARGO_BUILD_",
        "CARGO_TARGET_",
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
    ];
    EXACT.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Compiles for the target's baseline instruction set, so that the binary runs on any machine of that architecture.
fn compile_ahead(wasm: &[u8]) -> Result<Vec<u8>> {
    let mut config = engine_configuration::engine_configuration();
    let target = env::var("TARGET").context("TARGET is not set")?;
    config.target(&target).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    Engine::new(&config)
        .and_then(|engine| engine.precompile_component(wasm))
        .map_err(|error| anyhow::anyhow!("cannot compile the component ahead: {error:?}"))
}

/// A crate that is built for wasm: its name, the file that cargo makes, and the file in `OUT_DIR`.
#[derive(Clone, Copy)]
struct Package {
    name: &'static str,
    artefact: &'static str,
    embedded: &'static str,
}

const COMPONENT: Package =
    Package { name: "plausible-mcp-component", artefact: "plausible_mcp_component.wasm", embedded: "component.wasm" };
const ADAPTERS: [Package; 1] = [Package {
    name: "plausible-mcp-adapter-wasi",
    artefact: "plausible_mcp_adapter_wasi.wasm",
    embedded: "adapter-wasi.wasm",
}];
const TARGET: &str = "wasm32-wasip2";
/// What all of these are made of, relative to the workspace.
const WATCHED: [&str; 6] =
    ["component/src", "component/Cargo.toml", "component/adapters", "wit", "Cargo.lock", "rust-toolchain.toml"];
/// Their release profile. It stands here and not in the workspace's Cargo.toml, where it would apply to the
/// host as well, which gains nothing from it and would take minutes longer to build.
const PROFILE: [(&str, &str); 5] =
    [("LTO", "true"), ("CODEGEN_UNITS", "1"), ("PANIC", "abort"), ("STRIP", "true"), ("OPT_LEVEL", "3")];
