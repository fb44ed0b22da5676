//! The least that a server can do: a bare event loop that reads, answers every request with the same bytes, and writes
//! once. Nothing is looked up or stored; only the opaque is the request's. What a real server takes beyond it is its own.
//!
//! `cargo run --release -p memlet --features load --example floor -- PORT VALUE_LEN`

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::SocketAddr;

use memlet_core::wire::{HEADER_LEN, Opcode, Response, Status};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// The answers that are sent, whole; bytes 12 to 15 take the opaque.
struct Answers {
    get: Vec<u8>,
    other: Vec<u8>,
}

struct Peer {
    stream: TcpStream,
    /// The start of a request whose end has not arrived.
    kept: Vec<u8>,
    /// What the socket did not take.
    unsent: Vec<u8>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().ok_or("which port?")?.parse()?;
    let value_len: usize = arguments.next().ok_or("how long a value?")?.parse()?;
    serve(port, &Answers::new(value_len)?).map_err(Into::into)
}

impl Answers {
    fn new(value_len: usize) -> Result<Self, Box<dyn Error>> {
        let value = vec![b'v'; value_len];
        let get = Response {
            extras: &[0; 4],
            value: &value,
            cas: 1,
            ..Response::new(Opcode::GET, Status::SUCCESS)
        };
        let set = Response {
            cas: 1,
            ..Response::new(Opcode::SET, Status::SUCCESS)
        };
        let mut answers = Self {
            get: vec![0; get.encoded_len()?],
            other: vec![0; set.encoded_len()?],
        };
        get.emit(&mut answers.get)?;
        set.emit(&mut answers.other)?;
        Ok(answers)
    }

    /// Answers the whole requests in `input`, and returns how many bytes they took.
    fn answer(&self, input: &[u8], output: &mut Vec<u8>) -> usize {
        let mut used = 0;
        while let Some(header) = input[used..].first_chunk::<HEADER_LEN>() {
            let body_len =
                u32::from_be_bytes([header[8], header[9], header[10], header[11]]) as usize;
            let len = HEADER_LEN + body_len;
            if input.len() - used < len {
                break;
            }
            let at = output.len();
            output.extend_from_slice(if header[1] == Opcode::GET.0 {
                &self.get
            } else {
                &self.other
            });
            output[at + 1] = header[1];
            output[at + 12..at + 16].copy_from_slice(&header[12..16]);
            used += len;
        }
        used
    }
}

fn serve(port: u16, answers: &Answers) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port)))?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    // By token; a place is never used again, as the loads of one run come to some thousand connections.
    let mut peers: Vec<Option<Peer>> = Vec::new();
    let (mut input, mut output) = (vec![0; BUFFER_LEN], Vec::new());
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let token = Token(peers.len());
                    poll.registry().register(
                        &mut stream,
                        token,
                        Interest::READABLE | Interest::WRITABLE,
                    )?;
                    peers.push(Some(Peer {
                        stream,
                        kept: Vec::new(),
                        unsent: Vec::new(),
                    }));
                }
            } else if let Some(Some(peer)) = peers.get_mut(event.token().0)
                && !peer
                    .serve(answers, &mut input, &mut output)
                    .unwrap_or(false)
            {
                peers[event.token().0] = None;
            }
        }
    }
}

impl Peer {
    /// Answers what has arrived; false when the peer has gone.
    fn serve(
        &mut self,
        answers: &Answers,
        input: &mut [u8],
        output: &mut Vec<u8>,
    ) -> io::Result<bool> {
        loop {
            while !self.unsent.is_empty() {
                match self.stream.write(&self.unsent) {
                    Ok(count) => drop(self.unsent.drain(..count)),
                    Err(error) => return Ok(error.kind() == io::ErrorKind::WouldBlock),
                }
            }
            let kept = self.kept.len();
            input[..kept].copy_from_slice(&self.kept);
            let count = match self.stream.read(&mut input[kept..]) {
                Ok(0) => return Ok(false),
                Ok(count) => count,
                Err(error) => return Ok(error.kind() == io::ErrorKind::WouldBlock),
            };
            let arrived = kept + count;
            output.clear();
            let used = answers.answer(&input[..arrived], output);
            self.kept.clear();
            self.kept.extend_from_slice(&input[used..arrived]);
            if !output.is_empty() {
                match self.stream.write(output) {
                    Ok(sent) => self.unsent.extend_from_slice(&output[sent..]),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.unsent.extend_from_slice(output);
                    }
                    Err(error) => return Err(error),
                }
            }
            // A read that does not fill the buffer has emptied the socket.
            if arrived < input.len() && self.unsent.is_empty() {
                return Ok(true);
            }
        }
    }
}

const LISTENER: Token = Token(usize::MAX >> 1);
const BUFFER_LEN: usize = 256 << 10;
