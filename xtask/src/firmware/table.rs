//! What the images take in flash and RAM, and the limits of that.

use std::process::Command;

use anyhow::{Result, bail};

use super::footprint::{ImageSize, Part};
use super::image::{Board, Image};
use crate::cross::Toolchain;
use crate::shell;

/// The most bytes of flash that the whole image may take, TCP/IP included.
const FLASH_MAX: u64 = 64 << 10;
/// The most that the near cache may take today, which has a client beside the server. It is above the goal of the others,
/// and only ever goes down.
const FLASH_NEAR_MAX: u64 = 68 << 10;
/// The most bytes of RAM beyond the store that do not grow with the connections, the TCP/IP stack's aside.
const RAM_FIXED_MAX: u64 = 4 << 10;
/// The most bytes of RAM that a connection may take beside its socket's buffers.
const RAM_CONNECTION_MAX: u64 = 1536;
/// The least bytes that the store of the small board has.
const STORE_MIN: u64 = 16 << 10;
/// The least connections that any board serves at a time.
const CONNECTIONS_MIN: u64 = 4;

/// An image and what it takes.
pub(super) struct Row {
    image: Image,
    size: ImageSize,
    connections: Option<Connections>,
}

/// What connections take, from the same image with one more.
struct Connections {
    count: u64,
    /// Bytes of one beside what TCP/IP has for it.
    each: u64,
}

/// The example's setting for the number of connections, in the environment of its build.
const CONNECTIONS: &str = "MEMLET_NODE_CONNECTIONS";

/// Builds all images of these boards and leaves them in `target/firmware`.
pub(super) fn build(toolchain: &Toolchain, boards: &[Board]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for board in boards {
        for image in Image::all(*board)? {
            let size = ImageSize::read(&image.build(toolchain)?)?;
            rows.push(Row {
                image,
                size,
                connections: None,
            });
        }
    }
    Ok(rows)
}

/// Finds out what a connection takes: builds each plain image with two numbers of connections, and takes the difference.
pub(super) fn measure_connections(toolchain: &Toolchain, rows: &mut [Row]) -> Result<()> {
    for row in rows.iter_mut().filter(|row| row.image.variant.is_none()) {
        let with = |count: u64| {
            let count = count.to_string();
            let settings = [(CONNECTIONS, count.as_str())];
            ImageSize::read(&row.image.build_with(toolchain, &settings)?)
        };
        let (fewer, more) = (with(CONNECTIONS_MIN)?, with(CONNECTIONS_MIN + 1)?);
        let each = more.ram_beyond().saturating_sub(fewer.ram_beyond());
        let socket = more.socket_buffers.saturating_sub(fewer.socket_buffers);
        if socket == 0 {
            bail!("{}: {CONNECTIONS} changes nothing", row.image.name());
        }
        row.connections = Some(Connections {
            count: row.size.socket_buffers / socket,
            each,
        });
    }
    Ok(())
}

pub(super) fn print(toolchain: &Toolchain, rows: &[Row], variables: usize) -> Result<()> {
    let date = shell::output(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    println!(
        "\nopt-level z, LTO; {}; {}",
        toolchain.version()?,
        date.trim()
    );
    println!(
        "{:<24}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>9}{:>9}",
        "bytes of flash", "memlet", "TCP/IP", "tasks", "node", "other", "rodata", "whole", "RAM"
    );
    for Row { image, size, .. } in rows {
        let code = |part| size.code_of(part);
        println!(
            "{:<24}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>9}{:>9}",
            image.name(),
            code(Part::Memlet),
            code(Part::Network),
            code(Part::Executor),
            code(Part::Node),
            code(Part::Rest),
            size.sections.rodata,
            size.sections.flash(),
            size.sections.ram(),
        );
    }
    println!(
        "memlet to other: code by its source lines, inlined or not; tasks: executor and timers; node: the example with its \
         drivers; RAM: all variables, the store among them\n"
    );
    println!(
        "{:<24}{:>9}{:>9}{:>13}{:>9}{:>9}{:>9}",
        "bytes of RAM", "store", "fixed", "a connection", "times", "sockets", "TCP/IP"
    );
    for (row, connections) in connections(rows) {
        println!(
            "{:<24}{:>9}{:>9}{:>13}{:>9}{:>9}{:>9}",
            row.image.name(),
            row.size.store,
            row.fixed(connections),
            connections.each,
            connections.count,
            row.size.socket_buffers,
            row.size.network,
        );
    }
    println!(
        "sockets: the TCP stack's receive and transmit buffers of all connections; TCP/IP: what else the stack and the driver keep; \
         no heap\n"
    );
    for row in rows.iter().filter(|_| variables > 0) {
        println!("{}, variables by size:", row.image.name());
        for (name, size) in row.size.variables.iter().take(variables) {
            println!("{size:>8} {name}");
        }
    }
    Ok(())
}

fn connections(rows: &[Row]) -> impl Iterator<Item = (&Row, &Connections)> {
    rows.iter()
        .filter_map(|row| Some((row, row.connections.as_ref()?)))
}

impl Row {
    /// RAM beyond the store that does not grow with the connections, without what TCP/IP has for itself.
    fn fixed(&self, connections: &Connections) -> u64 {
        let own = self.size.ram_beyond();
        own.saturating_sub(connections.count * connections.each)
    }

    /// Limits that the image does not keep.
    fn faults(&self) -> Vec<String> {
        let Self { image, size, .. } = self;
        let flash_max = match image.variant {
            Some("near") => FLASH_NEAR_MAX,
            _ => FLASH_MAX,
        };
        let mut figures = vec![
            ("bytes of flash", size.sections.flash(), 0..=flash_max),
            ("bytes of RAM", size.sections.ram(), 0..=image.board.ram),
            (
                "functions of an allocator",
                size.allocator.len() as u64,
                0..=0,
            ),
            ("bytes of store", size.store, STORE_MIN..=u64::MAX),
        ];
        if let Some(connections) = &self.connections {
            figures.extend([
                ("connections", connections.count, CONNECTIONS_MIN..=u64::MAX),
                (
                    "bytes of RAM a connection",
                    connections.each,
                    0..=RAM_CONNECTION_MAX,
                ),
                (
                    "fixed bytes of RAM",
                    self.fixed(connections),
                    0..=RAM_FIXED_MAX,
                ),
            ]);
        }
        let faults = figures
            .into_iter()
            .filter(|(_, figure, allowed)| !allowed.contains(figure));
        faults
            .map(|(what, figure, allowed)| {
                let name = image.name();
                format!(
                    "{name}: {figure} {what}, allowed are {} to {}",
                    allowed.start(),
                    allowed.end()
                )
            })
            .collect()
    }
}

/// All limits that are not kept, as one error.
pub(super) fn judge(rows: &[Row]) -> Result<()> {
    let faults: Vec<String> = rows.iter().flat_map(Row::faults).collect();
    if faults.is_empty() {
        Ok(())
    } else {
        bail!("{}", faults.join("\n"))
    }
}
