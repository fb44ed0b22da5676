//! Any bytes to a server connection, in any pieces and with any output: the answers are those to all of them at once.
//!
//! The first four bytes choose the buffers and the pieces; the rest is what the peer sends.

use memlet_core::connection::{CloseReason, ConnectionOptions, Next, ServerConnection};
use memlet_core::engine::{Engine, EngineSettings, Host, NoCredentials, Statistics};
use memlet_core::store::{Store, StoreOptions};

const NOW: u32 = 1_700_000_000;

/// Hides the counts of bytes, which depend on how far a connection has come when it is asked.
struct Quiet;

impl Host for Quiet {
    fn totals(&self, own: &Statistics) -> Option<Statistics> {
        Some(Statistics {
            bytes_read: 0,
            bytes_written: 0,
            ..*own
        })
    }
}

type Served = Engine<Store<Vec<u8>>, Quiet>;

pub(crate) fn run(data: &[u8]) {
    let Some((&[buffer, stream_from, output, seed], input)) = data.split_first_chunk() else {
        return;
    };
    let options = ConnectionOptions {
        stream_from: 24 + u32::from(stream_from) * 4,
        ..ConnectionOptions::for_buffers(100 + usize::from(buffer) * 4, 4096)
    };
    let at_once = deliver(&options, 1 << 16, &[input]);
    let pieces = cut(input, seed);
    let in_pieces = deliver(&options, 96 + usize::from(output), &pieces);
    assert_eq!(at_once, in_pieces);
}

/// Pieces of pseudo-random length, mostly short.
fn cut(input: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut state = u32::from(seed).wrapping_mul(2_654_435_761) | 1;
    let mut rest = input;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let longest = if state & 0x700 == 0 { 600 } else { 30 };
        let len = (1 + (state >> 16) as usize % longest).min(rest.len());
        let (piece, behind) = rest.split_at(len);
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

/// All output that comes of these pieces, and how the connection ends.
fn deliver(
    options: &ConnectionOptions,
    output_len: usize,
    pieces: &[&[u8]],
) -> (Vec<u8>, CloseReason) {
    let store = Store::new(vec![0; 256 << 10], StoreOptions::default()).expect("enough memory");
    let settings = EngineSettings {
        item_size_max: 8192,
        ..EngineSettings::default()
    };
    let mut engine: Served = Engine::with(store, settings, Quiet, NoCredentials);
    let mut connection = ServerConnection::new(options);
    let mut output = vec![0; output_len];
    let (mut all, mut kept) = (Vec::new(), Vec::new());
    for piece in pieces {
        kept.extend_from_slice(piece);
        loop {
            let progress = connection.handle_input(&mut engine, &kept, &mut output, NOW);
            kept.drain(..progress.consumed);
            all.extend_from_slice(&output[..progress.written]);
            match progress.next {
                Next::Read { missing } => {
                    let capacity = u64::from(options.input_capacity).max(24);
                    assert!(missing > 0 && kept.len() as u64 + missing <= capacity);
                    break;
                }
                Next::Write { room } => {
                    assert!(room <= 4096);
                    assert!(progress.written > 0 || room > output.len(), "no progress");
                    let len = output.len().max(room);
                    output.resize(len, 0);
                }
                Next::Wait => unreachable!("the engine waits for nobody"),
                Next::Close(reason) => {
                    assert_eq!(connection.abandon(&mut engine), reason);
                    return (all, reason);
                }
            }
        }
    }
    let reason = connection.handle_end_of_input(&mut engine, kept.len());
    assert_eq!(engine.shards().statistics().reservations, 0);
    (all, reason)
}
