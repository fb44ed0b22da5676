//! The images: one for each board, and variants of it with one feature more.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::cross::Toolchain;
use crate::shell;

/// Everything that is built for here.
pub(super) const TARGETS: [&str; 1] = ["thumbv7m-none-eabi"];

/// A board that QEMU emulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Board {
    /// QEMU's name of the machine, which is the feature as well.
    pub(super) name: &'static str,
    pub(super) target: &'static str,
    /// The RAM of the chip, in bytes.
    pub(super) ram: u64,
}

pub(super) const BOARDS: [Board; 2] = [
    Board {
        name: "mps2-an385",
        target: "thumbv7m-none-eabi",
        ram: 4 << 20,
    },
    Board {
        name: "lm3s6965evb",
        target: "thumbv7m-none-eabi",
        ram: 64 << 10,
    },
];

/// Boards that QEMU does not emulate: their images are only built.
pub(super) const REAL_BOARDS: [Board; 1] = [Board {
    name: "w5500-evb-pico",
    target: "thumbv6m-none-eabi",
    ram: 264 << 10,
}];

/// The features that are built as variants, if the example has them: each alone, beside what the plain image has.
const VARIANTS: [&str; 6] = ["echo", "dhcp", "defmt", "near", "uart", "serial-only"];

/// The variant without a feature of its own that gives up silent peers soon, so that nobody has to wait for it.
const IMPATIENT: &str = "impatient";
/// Its settings, in the environment of the build.
const IMPATIENT_SETTINGS: [(&str, &str); 1] = [("MEMLET_NODE_IDLE", "8")];

/// One image of the example.
#[derive(Clone, Debug)]
pub(super) struct Image {
    pub(super) board: Board,
    /// The variant, if it is one: a feature of the example, or [`IMPATIENT`].
    pub(super) variant: Option<&'static str>,
}

impl Image {
    /// What people flash.
    pub(super) fn plain(board: Board) -> Self {
        Self {
            board,
            variant: None,
        }
    }

    /// The variant that has a plain echo beside it.
    pub(super) fn with_echo(board: Board) -> Self {
        Self {
            board,
            variant: Some("echo"),
        }
    }

    /// The variant that gives up silent peers soon.
    pub(super) fn impatient(board: Board) -> Self {
        Self {
            board,
            variant: Some(IMPATIENT),
        }
    }

    /// The variant that serves its serial port as well.
    pub(super) fn with_serial_port(board: Board) -> Self {
        Self {
            board,
            variant: Some("uart"),
        }
    }

    /// The variant that serves its serial port, and nothing else.
    pub(super) fn serial_only(board: Board) -> Self {
        Self {
            board,
            variant: Some("serial-only"),
        }
    }

    /// Whether the cache is at the serial port, not at a TCP port of the board.
    pub(super) fn is_serial_only(&self) -> bool {
        self.variant == Some("serial-only")
    }

    /// All images of a board that the example's manifest knows features for.
    pub(super) fn all(board: Board) -> Result<Vec<Self>> {
        let manifest: toml::Table = fs::read_to_string(folder().join("Cargo.toml"))?.parse()?;
        let features = manifest.get("features").and_then(toml::Value::as_table);
        let features = features.context("examples/mcu-node has features")?;
        let variants = VARIANTS
            .into_iter()
            .filter(|name| features.contains_key(*name));
        let variants = variants.map(|feature| Self {
            board,
            variant: Some(feature),
        });
        Ok(std::iter::once(Self::plain(board))
            .chain(variants)
            .collect())
    }

    pub(super) fn named(name: &str) -> Result<Self> {
        for board in BOARDS {
            let image = Self::all(board)?
                .into_iter()
                .find(|image| image.name() == name);
            if let Some(image) = image {
                return Ok(image);
            }
        }
        bail!("there is no image {name}")
    }

    /// The name of its file, without `.elf`.
    pub(super) fn name(&self) -> String {
        match self.variant {
            Some(feature) => format!("{}-{feature}", self.board.name),
            None => self.board.name.to_owned(),
        }
    }

    pub(super) fn file(&self) -> PathBuf {
        shell::target_dir()
            .join("firmware")
            .join(self.name())
            .with_extension("elf")
    }

    /// Builds it and leaves it under its name.
    pub(super) fn build(&self, toolchain: &Toolchain) -> Result<PathBuf> {
        let built = self.build_with(
            toolchain,
            match self.variant {
                Some(IMPATIENT) => &IMPATIENT_SETTINGS,
                _ => &[],
            },
        )?;
        let file = self.file();
        fs::create_dir_all(shell::target_dir().join("firmware"))?;
        // A machine may be running the old one: it keeps its file.
        let unfinished = file.with_extension(std::process::id().to_string());
        fs::copy(built, &unfinished)?;
        fs::rename(&unfinished, &file)?;
        Ok(file)
    }

    /// Builds it with these settings of the example in the environment; the next build overwrites the file.
    pub(super) fn build_with(
        &self,
        toolchain: &Toolchain,
        settings: &[(&str, &str)],
    ) -> Result<PathBuf> {
        let target_dir = shell::target_dir().join("mcu-node");
        let features = match self.variant {
            Some(feature) if feature != IMPATIENT => format!("{},{feature}", self.board.name),
            _ => self.board.name.to_owned(),
        };
        let mut build = toolchain.cargo(&[
            "build",
            "--quiet",
            "--release",
            "--locked",
            "--no-default-features",
            "--target",
            self.board.target,
            "--features",
            &features,
        ]);
        build
            .current_dir(folder())
            .env("CARGO_TARGET_DIR", &target_dir)
            .envs(settings.iter().copied());
        shell::run(&mut build).with_context(|| format!("can't build the image {}", self.name()))?;
        Ok(target_dir.join(self.board.target).join("release/mcu-node"))
    }
}

/// The example's folder, a workspace of its own.
fn folder() -> PathBuf {
    shell::root().join("examples/mcu-node")
}
