//! A toolchain for targets that the machine's own compiler has no library for.
//!
//! rustup is tried first. Where it cannot download, Debian's `rustc-web`, `cargo-web` and `rust-web-src` (the compiler,
//! its cargo and the matching library source, installed beside rustup) make one: the library is built from source once
//! for each target and kept, with links to the compiler, in a sysroot in the user's cache folder. The variable
//! `MEMLET_CROSS=debian` takes this way even where rustup could download, so that it can be tried anywhere.

use std::env::consts::ARCH;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell;

/// Where the Debian packages put their programs; rustup's of the same names come first on the path.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";

/// A cargo and compiler that can build for the targets asked for.
pub(crate) enum Toolchain {
    /// The one that runs this program, with targets that rustup installed.
    Rustup,
    /// Debian's compiler with our own sysroot in this folder.
    Debian(PathBuf),
}

impl Toolchain {
    /// A cargo command that builds for the cross targets, in the top folder.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        match self {
            Self::Rustup => shell::cargo(arguments),
            Self::Debian(folder) => {
                let mut command = Command::new(DEBIAN_CARGO);
                command
                    .args(arguments)
                    .current_dir(shell::root())
                    .env("RUSTC", folder.join("bin/rustc"));
                // A cargo that rustup started leaves the names of its own tools behind.
                for name in ["CARGO", "RUSTDOC", "RUSTC_WRAPPER", "RUSTUP_TOOLCHAIN"] {
                    command.env_remove(name);
                }
                command
            }
        }
    }

    /// The compiler's version, as it prints it.
    pub(crate) fn version(&self) -> Result<String> {
        let compiler = match self {
            Self::Rustup => PathBuf::from("rustc"),
            Self::Debian(folder) => folder.join("bin/rustc"),
        };
        Ok(shell::output(Command::new(compiler).arg("--version"))?
            .trim()
            .to_owned())
    }
}

/// A toolchain for `targets`, installed or made as needed.
pub(crate) fn toolchain(targets: &[&str]) -> Result<Toolchain> {
    if std::env::var("MEMLET_CROSS").as_deref() != Ok("debian") && rustup_has(targets)? {
        return Ok(Toolchain::Rustup);
    }
    debian(targets).with_context(|| {
        format!(
            "no toolchain for {}: `rustup target add` failed, and so did the way over Debian's rustc-web, cargo-web and \
             rust-web-src",
            targets.join(", ")
        )
    })
}

fn rustup_has(targets: &[&str]) -> Result<bool> {
    if shell::find_program("rustup").is_none() {
        return Ok(false);
    }
    let installed = shell::output(Command::new("rustup").args(["target", "list", "--installed"]))
        .unwrap_or_default();
    let missing: Vec<&&str> = targets
        .iter()
        .filter(|target| !installed.lines().any(|line| line == **target))
        .collect();
    if missing.is_empty() {
        return Ok(true);
    }
    // Another task may have found out already that rustup cannot download; it is asked again only when that is not known.
    let folder = shell::cache_dir()?;
    if folder.join("no-rustup-targets").exists()
        && debian_sysroot()?.is_some_and(|sysroot| has_all(&sysroot, targets))
    {
        return Ok(false);
    }
    let added = shell::succeeds(Command::new("rustup").args(["target", "add"]).args(missing));
    if !added {
        fs::create_dir_all(&folder)?;
        fs::write(
            folder.join("no-rustup-targets"),
            "`rustup target add` failed; remove this file to try it again\n",
        )?;
    }
    Ok(added)
}

fn has_all(sysroot: &Path, targets: &[&str]) -> bool {
    targets
        .iter()
        .all(|target| library_dir(sysroot, target).is_dir())
}

fn library_dir(sysroot: &Path, target: &str) -> PathBuf {
    sysroot.join("lib/rustlib").join(target).join("lib")
}

/// The folder of our sysroot for the Debian compiler that is installed, whether or not it exists yet.
fn debian_sysroot() -> Result<Option<PathBuf>> {
    if !Path::new(DEBIAN_RUSTC).is_file() {
        return Ok(None);
    }
    let version = shell::output(Command::new(DEBIAN_RUSTC).arg("--version"))?;
    let version = version
        .split_whitespace()
        .nth(1)
        .context("`rustc --version` names no version")?;
    Ok(Some(shell::cache_dir()?.join(format!("cross-{version}"))))
}

fn debian(targets: &[&str]) -> Result<Toolchain> {
    shell::ensure_debian_packages(&["rustc-web", "cargo-web", "rust-web-src"])?;
    let sysroot = debian_sysroot()?.context("the package rustc-web brought no /usr/bin/rustc")?;
    link_compiler(&sysroot)?;
    for target in targets {
        let library = library_dir(&sysroot, target);
        if !library.is_dir() {
            println!("building the standard library for {target}, once");
            build_library(&sysroot, target, &library)
                .with_context(|| format!("can't build the library for {target}"))?;
        }
    }
    Ok(Toolchain::Debian(sysroot))
}

/// Lays out the compiler's side of the sysroot: a wrapper, the host's library, and a linker for bare targets.
fn link_compiler(sysroot: &Path) -> Result<()> {
    let host = format!("{ARCH}-unknown-linux-gnu");
    let own = PathBuf::from(
        shell::output(Command::new(DEBIAN_RUSTC).args(["--print", "sysroot"]))?.trim(),
    );
    let host_dir = sysroot.join("lib/rustlib").join(&host);
    for folder in [sysroot.join("bin"), host_dir.join("bin")] {
        fs::create_dir_all(folder)?;
    }
    link(
        &own.join("lib/rustlib").join(&host).join("lib"),
        &host_dir.join("lib"),
    )?;
    link(&linker(&host)?, &host_dir.join("bin/rust-lld"))?;
    link(Path::new(DEBIAN_CARGO), &sysroot.join("bin/cargo"))?;
    link(Path::new("/usr/bin/rustdoc"), &sysroot.join("bin/rustdoc"))?;

    let wrapper = sysroot.join("bin/rustc");
    let script = format!(
        "#!/bin/sh\nexec {DEBIAN_RUSTC} --sysroot '{}' \"$@\"\n",
        sysroot.display()
    );
    if fs::read_to_string(&wrapper).is_ok_and(|old| old == script) {
        return Ok(());
    }
    // Another task may be starting the wrapper: it appears whole or not at all.
    let unfinished = wrapper.with_extension(std::process::id().to_string());
    fs::write(&unfinished, script)?;
    fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o755))?;
    Ok(fs::rename(&unfinished, &wrapper)?)
}

fn link(to: &Path, from: &Path) -> Result<()> {
    if from.exists() {
        return Ok(());
    }
    // What does not exist can still be a link that has lost its end.
    let _ = fs::remove_file(from);
    match symlink(to, from) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(error).with_context(|| format!("can't link {} to {}", from.display(), to.display()))
        }
        _ => Ok(()),
    }
}

/// rustup's `rust-lld` when there is one, else Debian's `lld`.
fn linker(host: &str) -> Result<PathBuf> {
    let rustup = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()
        .ok()
        .map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
        .map(|sysroot| sysroot.join("lib/rustlib").join(host).join("bin/rust-lld"))
        .filter(|file| file.is_file());
    if let Some(file) = rustup {
        return Ok(file);
    }
    shell::ensure_debian_packages(&["lld"])?;
    shell::find_program("lld").context("the package lld brought no program of that name")
}

fn build_library(sysroot: &Path, target: &str, library: &Path) -> Result<()> {
    let folder = sysroot.join(format!("build-{target}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("src/lib.rs"), "#![no_std]\n")?;
    fs::write(
        folder.join("Cargo.toml"),
        "[package]\nname = \"empty\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n",
    )?;
    let crates = if target.starts_with("wasm32") {
        "std,panic_abort"
    } else {
        "core,alloc"
    };
    let mut build = Command::new(DEBIAN_CARGO);
    build
        .args([
            "build",
            "--quiet",
            "--release",
            "--target",
            target,
            "-Z",
            &format!("build-std={crates}"),
        ])
        .current_dir(&folder)
        .env("RUSTC", DEBIAN_RUSTC)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", folder.join("target"))
        // Without bitcode the library cannot take part in link-time optimisation.
        .env("RUSTFLAGS", "-Cembed-bitcode=yes");
    for name in [
        "CARGO",
        "RUSTDOC",
        "RUSTC_WRAPPER",
        "RUSTUP_TOOLCHAIN",
        "CARGO_ENCODED_RUSTFLAGS",
    ] {
        build.env_remove(name);
    }
    shell::run(&mut build)?;

    let built = folder.join("target").join(target).join("release/deps");
    let finished = folder.join("lib");
    fs::create_dir_all(&finished)?;
    let mut count = 0_usize;
    for entry in fs::read_dir(&built)? {
        let file = entry?.path();
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.ends_with(".rlib") && !name.starts_with("libempty-") {
            fs::copy(&file, finished.join(name))?;
            count += 1;
        }
    }
    if count == 0 {
        bail!("cargo left no library in {}", built.display());
    }
    fs::create_dir_all(
        library
            .parent()
            .context("the library folder has a parent")?,
    )?;
    // Two tasks may have built it at the same time: the first one's stays.
    if let Err(error) = fs::rename(&finished, library)
        && !library.is_dir()
    {
        return Err(error).with_context(|| format!("can't create {}", library.display()));
    }
    Ok(fs::remove_dir_all(&folder)?)
}
