//! Servers for clients to talk to: the real one in this process, and one that answers as a test says.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io;
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};

use memlet::std::{
    Cache, CacheOptions, ConnectOptions, Listen, Server, ServerError, ServerHandle, ServerOptions,
    Transport,
};
use memlet_core::wire::{Limits, Opcode, Parsed, Request, Response, Status};

/// memlet's server in this process; it stops with the value.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<Result<(), ServerError>>>,
}

impl Running {
    pub(crate) fn start() -> Running {
        Running::with(CacheOptions::default())
    }

    pub(crate) fn with(cache_options: CacheOptions) -> Running {
        let mut options = ServerOptions::default();
        options.threads = 1;
        options.listen = vec![Listen::Tcp(([127, 0, 0, 1], 0).into())];
        options.connection = cache_options.connection();
        let cache = Cache::new(cache_options).unwrap();
        let server = Server::bind(options).unwrap();
        let Listen::Tcp(address) = server.addresses()[0] else {
            panic!("no TCP address");
        };
        let handle = server.handle();
        let thread = thread::spawn(move || server.run(&cache));
        Running {
            address,
            handle,
            thread: Some(thread),
        }
    }

    pub(crate) fn transport(&self) -> Transport {
        Transport::tcp(self.address, &ConnectOptions::default()).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.drain();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A request in parts that outlive the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) opcode: Opcode,
    pub(crate) opaque: u32,
    pub(crate) cas: u64,
    pub(crate) vbucket: u16,
    pub(crate) extras: Vec<u8>,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

impl Asked {
    /// A response to this request.
    pub(crate) fn answer(&self, status: Status, value: &[u8]) -> Vec<u8> {
        self.answer_with(&Response {
            value,
            ..Response::new(self.opcode, status)
        })
    }

    /// A response to this request with success and nothing else.
    pub(crate) fn done(&self) -> Vec<u8> {
        self.answer(Status::SUCCESS, b"")
    }

    /// An item in response to this request.
    pub(crate) fn item(&self, value: &[u8], flags: u32, cas: u64) -> Vec<u8> {
        self.answer_with(&Response {
            extras: &flags.to_be_bytes(),
            value,
            cas,
            ..Response::new(self.opcode, Status::SUCCESS)
        })
    }

    /// These parts in response to this request.
    pub(crate) fn answer_with(&self, response: &Response<'_>) -> Vec<u8> {
        bytes(&Response {
            opaque: self.opaque,
            ..*response
        })
    }
}

/// The bytes of a response.
pub(crate) fn bytes(response: &Response<'_>) -> Vec<u8> {
    let mut bytes = vec![0; response.encoded_len().unwrap()];
    response.emit(&mut bytes).unwrap();
    bytes
}

/// A stream whose other end answers each request as a closure says, without a network.
///
/// When the answers are used up, a read is a timeout, or the end of the stream if the test says so.
pub(crate) struct Scripted<F> {
    answer: F,
    written: Vec<u8>,
    answers: Vec<u8>,
    /// What was asked, in order.
    pub(crate) asked: Vec<Asked>,
    /// How many writes there were.
    pub(crate) writes: usize,
    /// The most bytes that a read gives.
    pub(crate) read_len_max: usize,
    pub(crate) closes: bool,
    pub(crate) fails_to_write: bool,
}

impl<F: FnMut(&Asked) -> Vec<u8>> Scripted<F> {
    pub(crate) fn new(answer: F) -> Scripted<F> {
        Scripted {
            answer,
            written: Vec::new(),
            answers: Vec::new(),
            asked: Vec::new(),
            writes: 0,
            read_len_max: usize::MAX,
            closes: false,
            fails_to_write: false,
        }
    }

    /// Closes when there is nothing left to say.
    pub(crate) fn closing(mut self) -> Scripted<F> {
        self.closes = true;
        self
    }

    fn listen(&mut self) {
        while let Ok(Parsed::Complete { value, consumed }) =
            Request::parse(&self.written, &Limits::NONE)
        {
            let asked = Asked {
                opcode: value.opcode,
                opaque: value.opaque,
                cas: value.cas,
                vbucket: value.vbucket,
                extras: value.extras.to_vec(),
                key: value.key.to_vec(),
                value: value.value.to_vec(),
            };
            self.answers.extend((self.answer)(&asked));
            self.asked.push(asked);
            self.written.drain(..consumed);
        }
    }
}

impl<F> embedded_io::ErrorType for Scripted<F> {
    type Error = io::Error;
}

impl<F: FnMut(&Asked) -> Vec<u8>> embedded_io::Read for Scripted<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        assert!(!buffer.is_empty(), "read into nothing");
        let len = self.answers.len().min(buffer.len()).min(self.read_len_max);
        if len == 0 && !self.closes {
            return Err(io::ErrorKind::TimedOut.into());
        }
        buffer[..len].copy_from_slice(&self.answers[..len]);
        self.answers.drain(..len);
        Ok(len)
    }
}

impl<F: FnMut(&Asked) -> Vec<u8>> embedded_io::Write for Scripted<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.fails_to_write {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.writes += 1;
        self.written.extend_from_slice(bytes);
        self.listen();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
