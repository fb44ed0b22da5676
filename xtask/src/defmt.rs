//! The logs of devices: what types print in them, and whether a session with an emulated board can be read in its own.

use anyhow::Result;

use crate::{cross, shell};

/// The board whose log is read.
const BOARD: &str = "mps2-an385";
const TARGET: &str = "thumbv7m-none-eabi";

/// The decoder of such logs brings dependencies that nothing else needs, so its tests are a workspace of their own.
pub(crate) fn test() -> Result<()> {
    let toolchain = cross::toolchain(&[TARGET])?;
    shell::ensure_programs(&[("qemu-system-arm", "qemu-system-arm")])?;
    let images = shell::target_dir().join("mcu-node");
    let features = format!("{BOARD},defmt");
    let arguments = [
        "build",
        "--quiet",
        "--release",
        "--target",
        TARGET,
        "--no-default-features",
        "--features",
        &features,
    ];
    // From there cargo reads how to link for a board.
    shell::run(
        toolchain
            .cargo(&arguments)
            .current_dir(shell::root().join("examples/mcu-node"))
            .env("CARGO_TARGET_DIR", &images)
            .env("DEFMT_LOG", "debug"),
    )?;
    let tests = ["test", "--no-fail-fast", "--features", "image"];
    shell::run(
        shell::cargo(&tests)
            .current_dir(shell::root().join("xtask/defmt"))
            .env("CARGO_TARGET_DIR", shell::target_dir().join("defmt"))
            .env(
                "MEMLET_DEFMT_IMAGE",
                images.join(TARGET).join("release/mcu-node"),
            ),
    )
}
