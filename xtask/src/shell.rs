//! Running other programs, and installing those that are missing.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The top folder of the project.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
}

/// The folder for build output: cargo's, wherever it has been moved to.
pub(crate) fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// The folder for what is expensive to make and does not depend on the project's sources.
pub(crate) fn cache_dir() -> Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME") {
        Some(dir) => PathBuf::from(dir),
        None => {
            PathBuf::from(env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?)
                .join(".cache")
        }
    };
    Ok(base.join("memlet"))
}

/// A cargo command in the top folder, with the toolchain that runs this program.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// How a command is shown to people: its words, without the environment.
pub(crate) fn shown(command: &Command) -> String {
    let mut words = Path::new(command.get_program())
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    for argument in command.get_args() {
        words.push(' ');
        words.push_str(&argument.to_string_lossy());
    }
    words
}

/// Runs a command with its output on ours; an error names the command.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let words = shown(command);
    println!("$ {words}");
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("can't start `{words}`"))?;
    if !status.success() {
        bail!("`{words}` failed: {status}");
    }
    Ok(())
}

/// Runs a command silently and returns what it printed; an error carries what it wrote to standard error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let words = shown(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("can't start `{words}`"))?;
    if !output.status.success() {
        bail!(
            "`{words}` failed: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a command runs and succeeds; says nothing.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The path of a program, searched as the shell does.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// Installs those of the Debian packages that are missing; without apt or the right to use it, says what to install.
pub(crate) fn ensure_debian_packages(packages: &[&str]) -> Result<()> {
    let missing: Vec<&str> = packages
        .iter()
        .copied()
        .filter(|package| !is_installed(package))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let wanted = missing.join(" ");
    let by_hand = format!("please install these packages (Debian's names): {wanted}");
    if find_program("apt-get").is_none() {
        bail!("apt-get is not here; {by_hand}");
    }
    println!("installing {wanted}");
    let install = |update: bool| -> Result<()> {
        if update {
            run(&mut apt_get(&["update", "-qq"])?)?;
        }
        let mut arguments = vec![
            "install",
            "-o",
            "DPkg::Lock::Timeout=300",
            "-y",
            "-qq",
            "--no-install-recommends",
        ];
        arguments.extend(&missing);
        run(&mut apt_get(&arguments)?)
    };
    // Package lists may be old or absent, and fetching them is slow: first without.
    install(false)
        .or_else(|_| install(true))
        .with_context(|| by_hand)
}

/// Installs the Debian packages of those programs that are not on the path, wherever they came from.
pub(crate) fn ensure_programs(programs: &[(&str, &str)]) -> Result<()> {
    let missing = programs
        .iter()
        .filter(|(program, _)| find_program(program).is_none());
    let packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    if packages.is_empty() {
        Ok(())
    } else {
        ensure_debian_packages(&packages)
    }
}

fn is_installed(package: &str) -> bool {
    output(Command::new("dpkg-query").args(["-W", "-f=${db:Status-Status}", package]))
        .is_ok_and(|status| status == "installed")
}

fn apt_get(arguments: &[&str]) -> Result<Command> {
    let is_root = output(Command::new("id").arg("-u"))?.trim() == "0";
    let mut command = if is_root {
        Command::new("apt-get")
    } else if succeeds(Command::new("sudo").args(["-n", "true"])) {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "apt-get"]);
        sudo
    } else {
        bail!("neither root nor sudo without a password");
    };
    command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive");
    Ok(command)
}
