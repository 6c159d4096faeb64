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
    let folder = component_folder(&out)?;
    if env::var_os("CARGO_FEATURE_COMPOSE").is_some() {
        for (package, embedded) in ADAPTERS {
            let wasm = build_component(&root, &folder, package)?;
            std::fs::write(out.join(embedded), wasm).with_context(|| format!("cannot write {embedded}"))?;
        }
    }
    let wasm = build_component(&root, &folder, COMPONENT)?;
    std::fs::write(out.join("component.wasm"), &wasm).context("cannot write component.wasm")?;
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

/// Runs cargo on one crate alone, so that no other one's features change it, in a target folder of its own (the outer
/// cargo holds the lock of the other one) and with settings that no outer profile or environment can change.
fn build_component(root: &Path, target_folder: &Path, (package, artefact): (&str, &str)) -> Result<Vec<u8>> {
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command
        .current_dir(root)
        .args(["build", "--package", package, "--profile", PROFILE, "--target", TARGET])
        .arg("--target-dir")
        .arg(target_folder);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(leaks_into_nested_cargo) {
            command.env_remove(name);
        }
    }
    let status = command.status().context("cannot run cargo for the component")?;
    if !status.success() {
        bail!("the crate {package} did not build for {TARGET} ({status}); its messages stand above");
    }
    let built = target_folder.join(TARGET).join(PROFILE).join(artefact);
    std::fs::read(&built).with_context(|| format!("cannot read {}", built.display()))
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

/// Packages and what cargo calls the components that they become.
const COMPONENT: (&str, &str) = ("plausible-mcp-component", "plausible_mcp_component.wasm");
/// The same of the adapters, and the files in `OUT_DIR`.
const ADAPTERS: [((&str, &str), &str); 2] = [
    (("plausible-mcp-adapter-spin", "plausible_mcp_adapter_spin.wasm"), "adapter-spin.wasm"),
    (("plausible-mcp-adapter-wasi", "plausible_mcp_adapter_wasi.wasm"), "adapter-wasi.wasm"),
];
/// Of the workspace's Cargo.toml.
const PROFILE: &str = "component";
const TARGET: &str = "wasm32-wasip2";
/// What the components are made of, relative to the workspace.
const WATCHED: [&str; 8] = [
    "component/src",
    "component/build.rs",
    "component/Cargo.toml",
    "component/adapters",
    "wit",
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
];
