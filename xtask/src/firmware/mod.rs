//! The cache node for microcontrollers: its images, what they take, and tests of them in QEMU.
//!
//! An image is `examples/mcu-node` built for one board with some features. Each is linked into
//! `target/firmware/BOARD[-FEATURE].elf`; the boards of QEMU are then started with them and tested from outside by real
//! clients and by `examples/std-server/tests/device`. A panic of the image, or its end, fails whatever was being done.

mod compare;
mod footprint;
mod image;
mod machine;
mod table;
mod trial;

use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;

use crate::{cross, peers, shell};
use image::{BOARDS, Board, Image, REAL_BOARDS};
use machine::Machine;
use trial::Trial;

#[derive(Args, Default)]
pub(crate) struct Options {
    /// Only builds, and leaves target/firmware/BOARD.elf and one image beside it for each feature
    #[arg(long)]
    build: bool,
    /// Builds and prints the table, and starts nothing
    #[arg(long, conflicts_with = "build")]
    table: bool,
    /// Only builds the images for boards that QEMU does not emulate
    #[arg(long, conflicts_with_all = ["build", "table", "board", "run"])]
    real_boards: bool,
    /// Prints the largest variables of each image, this many
    #[arg(long, default_value_t = 0)]
    variables: usize,
    /// Only this board
    #[arg(long, value_parser = BOARDS.map(|board| board.name))]
    board: Option<String>,
    /// Runs an image by hand, with a port of this machine leading to it, until it is interrupted
    #[arg(long, value_name = "BOARD[-FEATURE]", conflicts_with_all = ["build", "table", "board"])]
    run: Option<String>,
    /// The port for --run
    #[arg(long, default_value_t = 11211, requires = "run")]
    port: u16,
    /// Only puts a mixed load on each board, for so many seconds, to see that nothing leaks
    #[arg(long, value_name = "SECONDS")]
    soak: Option<u32>,
    /// Runs only those tests whose name contains this, and no clients
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Fails when the round trips miss their goal
    #[arg(long)]
    check: bool,
}

impl Options {
    /// Whether everything is to be tested.
    fn is_whole(&self) -> bool {
        self.only.is_none() && self.soak.is_none()
    }
}

/// Builds the images for boards that QEMU does not emulate, plain and with a serial port.
pub(crate) fn build_real_boards() -> Result<()> {
    let toolchain = cross::toolchain(&REAL_BOARDS.map(|board| board.target))?;
    for board in REAL_BOARDS {
        for image in [Image::with_serial_port(board), Image::plain(board)] {
            println!("{}", image.build(&toolchain)?.display());
        }
    }
    Ok(())
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if options.real_boards {
        return build_real_boards();
    }
    let toolchain = cross::toolchain(&image::TARGETS)?;
    if let Some(name) = &options.run {
        let image = Image::named(name)?;
        let file = image.build(&toolchain)?;
        return machine::run_by_hand(&image, &file, options.port);
    }
    let is_wanted = |board: &&Board| {
        options
            .board
            .as_deref()
            .is_none_or(|name| name == board.name)
    };
    let boards: Vec<Board> = BOARDS.iter().filter(is_wanted).copied().collect();
    let mut rows = table::build(&toolchain, &boards)?;
    if options.build {
        return Ok(());
    }
    table::measure_connections(&toolchain, &mut rows)?;
    table::print(&toolchain, &rows, options.variables)?;
    if options.table {
        return table::judge(&rows);
    }
    for board in &boards {
        Image::impatient(*board).build(&toolchain)?;
    }
    prepare()?;
    for (board, stack) in boards.iter().zip(test(&boards, options)?) {
        println!("{}: {stack}", board.name);
    }
    if options.is_whole() {
        compare::run(&boards, options.check)?;
    }
    table::judge(&rows)
}

/// What the tests are run with.
fn prepare() -> Result<()> {
    shell::ensure_programs(&[
        ("qemu-system-arm", "qemu-system-arm"),
        ("memccapable", "libmemcached-tools"),
        ("python3", "python3"),
    ])?;
    let folder = shell::target_dir().join("peers");
    std::fs::create_dir_all(&folder)?;
    peers::ensure_python_clients(&folder)?;
    // The boards are tested at the same time: nobody should wait for a build then.
    shell::run(&mut shell::cargo(&["build", "--quiet", "-p", "memlet-cli"]))?;
    let tests = [
        "test",
        "--quiet",
        "-p",
        "memlet-server",
        "--test",
        "device",
        "--no-run",
    ];
    shell::run(&mut shell::cargo(&tests))
}

/// Tests all boards at the same time, and returns what each says about its stack.
fn test(boards: &[Board], options: &Options) -> Result<Vec<String>> {
    thread::scope(|scope| {
        let start = |board, work: fn(&Board, &Options) -> Result<String>| {
            // The others may go on for minutes, so what is wrong is told at once.
            let work =
                move || work(board, options).inspect_err(|error| println!("error: {error:#}"));
            scope.spawn(work)
        };
        let mut trials: Vec<_> = boards
            .iter()
            .map(|board| start(board, test_board))
            .collect();
        if options.is_whole() {
            // Those mostly wait.
            trials.extend(boards.iter().map(|board| start(board, test_silence)));
            trials.extend(boards.iter().map(|board| start(board, test_serial)));
        }
        let outcomes: Vec<Result<String>> = trials
            .into_iter()
            .map(|trial| trial.join().map_err(|_| anyhow!("a trial panicked"))?)
            .collect();
        if outcomes.iter().any(Result::is_err) {
            bail!("the tests in QEMU failed, as printed above");
        }
        outcomes.into_iter().collect()
    })
}

/// Real clients, then all tests, or those that are wanted; returns how much of the stack was used.
fn test_board(board: &Board, options: &Options) -> Result<String> {
    let mut machine = Machine::start(&Image::plain(*board))?;
    if options.is_whole() {
        run_trials(&mut machine, &trial::clients(board))?;
    }
    let tests = trial::device_tests(options.only.as_deref(), options.soak);
    run_trials(&mut machine, &[tests])?;
    let stack = trial::stack(&machine);
    machine.judge(stack)
}

/// The tests that wait until the device gives somebody up, with an image that does so soon.
fn test_silence(board: &Board, _: &Options) -> Result<String> {
    let mut machine = Machine::start(&Image::impatient(*board))?;
    run_trials(&mut machine, &[trial::idle_tests()])?;
    let stack = trial::stack(&machine);
    machine.judge(stack)
}

/// The image that serves its serial port.
fn test_serial(board: &Board, _: &Options) -> Result<String> {
    let mut machine = Machine::start(&Image::serial_only(*board))?;
    run_trials(&mut machine, &trial::serial())?;
    let stack = trial::stack(&machine);
    machine.judge(stack)
}

fn run_trials(machine: &mut Machine, trials: &[Trial]) -> Result<()> {
    for trial in trials {
        let began = Instant::now();
        let said = trial.run(machine);
        let took = began.elapsed().as_secs_f64();
        let said = machine.judge(said);
        let (machine, trial) = (&machine.name, trial.name);
        let said = said.with_context(|| format!("{machine}: {trial} failed"))?;
        println!("{machine}: {trial} passed in {took:.1} s\n{said}");
    }
    Ok(())
}
