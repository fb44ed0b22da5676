//! Round trips of a small get beside those of a plain echo on the same stack, in turns in one run.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::image::{Board, Image};
use super::machine::Machine;

/// The least part of the echo's round trips that the cache has to reach.
const RATIO_MIN: f64 = 0.8;
/// How often each has its turn, and how many round trips are one.
const ROUNDS: usize = 9;
const ROUND_TRIPS: u32 = 700;
/// The value that is fetched, and what is echoed.
const VALUE_LEN: usize = 100;
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn run(boards: &[Board], check: bool) -> Result<()> {
    println!(
        "{:<16}{:>12}{:>12}{:>8}   round trips a second, {VALUE_LEN} bytes, medians of {ROUNDS} turns",
        "", "get", "echo", "ratio"
    );
    let mut low = Vec::new();
    for board in boards {
        let mut machine = Machine::start(&Image::with_echo(*board))?;
        let measured = measure(&machine);
        let (get, echo) = machine.judge(measured)?;
        let ratio = get / echo;
        println!("{:<16}{get:>12.0}{echo:>12.0}{ratio:>8.2}", board.name);
        if ratio < RATIO_MIN {
            low.push(format!(
                "{}: {ratio:.2} of the echo's round trips",
                board.name
            ));
        }
    }
    if check && !low.is_empty() {
        bail!("{}, at least {RATIO_MIN} are wanted", low.join("; "));
    }
    Ok(())
}

/// Round trips a second of a get and of an echo.
fn measure(machine: &Machine) -> Result<(f64, f64)> {
    let mut cache = connect(machine.ports[0])?;
    let mut echo = connect(machine.ports[1])?;
    exchange(&mut cache, &set(), 24)?;
    let (mut gets, mut echoes) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        gets.push(turn(&mut cache, &get(), 24 + 4 + VALUE_LEN)?);
        echoes.push(turn(&mut echo, &[b'e'; VALUE_LEN], VALUE_LEN)?);
    }
    Ok((median(&mut gets), median(&mut echoes)))
}

fn connect(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Round trips a second in one turn.
fn turn(stream: &mut TcpStream, request: &[u8], answer_len: usize) -> Result<f64> {
    let began = Instant::now();
    for _ in 0..ROUND_TRIPS {
        exchange(stream, request, answer_len)?;
    }
    Ok(f64::from(ROUND_TRIPS) / began.elapsed().as_secs_f64())
}

fn exchange(stream: &mut TcpStream, request: &[u8], answer_len: usize) -> Result<()> {
    let mut answer = vec![0; answer_len];
    stream.write_all(request)?;
    stream.read_exact(&mut answer).context("no answer")?;
    if answer.last() != Some(&b'e') && answer_len != 24 {
        bail!("the answer ends with {:?}", answer.last());
    }
    Ok(())
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or(0.0)
}

const KEY: &[u8] = b"round trip";

/// A request for the key: header, extras, key, value.
fn request(opcode: u8, extras: &[u8], value: &[u8]) -> Vec<u8> {
    let body_len = extras.len() + KEY.len() + value.len();
    let mut bytes = vec![
        0x80,
        opcode,
        0,
        KEY.len() as u8,
        extras.len() as u8,
        0,
        0,
        0,
    ];
    bytes.extend((body_len as u32).to_be_bytes());
    bytes.extend([0; 12]);
    for part in [extras, KEY, value] {
        bytes.extend(part);
    }
    bytes
}

fn set() -> Vec<u8> {
    request(0x01, &[0; 8], &[b'e'; VALUE_LEN])
}

fn get() -> Vec<u8> {
    request(0x00, &[], &[])
}
