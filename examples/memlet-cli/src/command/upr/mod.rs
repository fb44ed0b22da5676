//! `memlet upr`, alias `dcp`: prints the changes of a server's vbuckets, and goes on where it stopped.

mod positions;
mod printer;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, Instant};

use memlet::client::DcpError;
use memlet::std::{StdDcpFeed, Transport};
use memlet_core::connection::feed::{
    DcpEvent, DcpFailure, DcpOptions, DcpPosition, DcpSetting, DcpSkipReason, DcpStream,
};
use memlet_core::dcp::{
    Body, FailoverLog, Open, OpenFlags, StreamEndReason, StreamFlags, StreamOpaque, StreamRequest,
};
use memlet_core::wire::{Escaped, Status};

use crate::connection::Connection;
use crate::failure::Failure;
use positions::Positions;
use printer::Printer;

/// Print the changes of a server's vbuckets as they come (UPR, today DCP)
///
/// Prints a line for each change: first of all there is, then what happens, until the server ends the streams. With
/// --positions the next run goes on where this one stopped; changes that were printed right before it was killed may be
/// printed again.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Only these vbuckets, such as 0,5,8-11; without it all that the server has
    #[arg(
        long,
        visible_alias = "vbucket",
        value_name = "LIST",
        value_delimiter = ','
    )]
    vbuckets: Vec<Vbuckets>,

    /// Only changes after this one
    #[arg(long, value_name = "SEQNO", default_value_t = 0)]
    from_seqno: u64,

    /// Only changes from now on
    #[arg(long, conflicts_with_all = ["from_seqno", "dump", "positions"])]
    now: bool,

    /// What there is now, then the end
    #[arg(long)]
    dump: bool,

    /// A file that keeps how far this reader has come: read at the start if it is there, written about every second and
    /// at the end
    #[arg(long, value_name = "FILE", conflicts_with = "from_seqno")]
    positions: Option<PathBuf>,

    /// Bytes that the server may send ahead of what has been printed; 0 for as many as it likes
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    buffer: u32,

    /// Leave the values out
    #[arg(long)]
    no_value: bool,

    /// Ask for extended attributes; they stand at the front of values
    #[arg(long)]
    xattrs: bool,

    /// Ask when deleted items were deleted
    #[arg(long)]
    delete_times: bool,

    /// Give up after twice so many seconds without a sign of life, if the server agrees to give one; 0 for never
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    noop: u32,

    /// The name under which the server knows this reader
    #[arg(long, value_name = "NAME", default_value = "memlet")]
    name: String,

    /// End after so many changes
    #[arg(long, value_name = "CHANGES", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

/// A vbucket, or all from one to another.
#[derive(Clone, Copy, Debug)]
struct Vbuckets {
    first: u16,
    last: u16,
}

impl FromStr for Vbuckets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let number = |text: &str| -> Result<u16, String> {
            text.parse()
                .map_err(|_| format!("{text:?} is no vbucket: a number from 0 to 65535"))
        };
        let (first, last) = (number(first)?, number(last)?);
        if last < first {
            return Err(format!("{last} comes before {first}"));
        }
        Ok(Self { first, last })
    }
}

const EXAMPLES: &str = "\
Examples:
  memlet upr --dump --no-value | wc -l
  memlet upr --vbucket 3 --from-seqno 1000 --json | jq -r .key
  memlet dcp --server cache1:11211 --positions /var/lib/reader/positions.json --json >> changes.json";

/// The half of the streams' opaque that is the reader's own.
const APPLICATION: u16 = 1;
/// How long a wait is before positions are written and the clock is looked at.
const TURN: Duration = Duration::from_secs(1);
/// Failover logs that are asked for before the answers are read.
const LOGS_AT_ONCE: usize = 32;

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut positions = match &arguments.positions {
        Some(path) => Positions::read(path)?,
        None => Positions::none(),
    };
    let (transport, _, _) = arguments.connection.connect()?.into_parts();
    transport
        .set_read_timeout(Some(TURN))
        .map_err(|error| Failure::Connection(error.to_string()))?;
    let asked: Vec<u16> = arguments
        .vbuckets
        .iter()
        .flat_map(|range| range.first..=range.last)
        .collect();
    let mut reader = Reader::new(arguments, transport, &mut positions);
    let progress = reader
        .printer
        .progress(&arguments.connection.address()?.to_string());
    let outcome = reader.read(asked);
    drop(progress);
    let printed = reader.printer.flush();
    reader.save()?;
    printed?;
    outcome
}

fn options(arguments: &Arguments) -> DcpOptions {
    DcpOptions {
        window: arguments.buffer,
        noop_interval: arguments.noop,
        ..DcpOptions::default()
    }
}

fn open(arguments: &Arguments) -> Open<'_> {
    let mut flags = OpenFlags::PRODUCER;
    for (asked, flag) in [
        (arguments.no_value, OpenFlags::NO_VALUE),
        (arguments.xattrs, OpenFlags::INCLUDE_XATTRS),
        (arguments.delete_times, OpenFlags::INCLUDE_DELETE_TIMES),
    ] {
        if asked {
            flags = flags | flag;
        }
    }
    Open {
        flags,
        name: arguments.name.as_bytes(),
        ..Open::default()
    }
}

const fn stream_of(vbucket: u16) -> StreamOpaque {
    StreamOpaque {
        application: APPLICATION,
        vbucket,
    }
}

/// Asks for streams, prints what comes, and remembers how far it got.
struct Reader<'a> {
    arguments: &'a Arguments,
    feed: StdDcpFeed,
    positions: &'a mut Positions,
    printer: Printer,
    /// vbuckets whose failover log has to be known before their stream is asked for.
    unknown: VecDeque<u16>,
    /// Failover logs that have been asked for.
    logs: usize,
    /// Streams that are asked for or open.
    streams: usize,
    saved: Instant,
    /// The first of what did not go as it should have.
    complaint: Option<String>,
}

/// What to do after an event.
#[derive(Default)]
struct After {
    again: Option<StreamOpaque>,
    has_enough: bool,
}

impl<'a> Reader<'a> {
    fn new(
        arguments: &'a Arguments,
        transport: Transport,
        positions: &'a mut Positions,
    ) -> Reader<'a> {
        // One for every vbucket that there can be, so that a lack of them is no case.
        let streams = vec![DcpStream::EMPTY; 1 << 16];
        Reader {
            arguments,
            feed: transport.dcp_feed(&options(arguments), streams),
            positions,
            printer: Printer::new(arguments.json, arguments.dump),
            unknown: VecDeque::new(),
            logs: 0,
            streams: 0,
            saved: Instant::now(),
            complaint: None,
        }
    }

    fn read(&mut self, asked: Vec<u16>) -> Result<(), Failure> {
        self.open()?;
        if asked.is_empty() {
            self.ask_for_vbuckets()?;
        } else {
            self.request(asked)?;
        }
        while self.is_busy() {
            let after = self.next()?;
            if after.has_enough {
                return Ok(());
            }
            if let Some(stream) = after.again {
                self.resume(stream)?;
            }
            self.ask_for_logs()?;
            if self.saved.elapsed() >= TURN {
                self.save()?;
            }
        }
        let complaint = self.complaint.take();
        complaint.map_or(Ok(()), |text| Err(Failure::Server(text)))
    }

    /// Whether something may still come.
    fn is_busy(&self) -> bool {
        self.logs > 0 || !self.unknown.is_empty() || self.streams > 0
    }

    fn open(&mut self) -> Result<(), Failure> {
        let (begin, patience) = (Instant::now(), self.arguments.connection.timeout());
        match self.feed.open(&open(self.arguments)) {
            Ok(()) => return Ok(()),
            Err(error) if error.is_timeout() => {}
            Err(error) => return Err(failure(&error)),
        }
        loop {
            match self.feed.next_event() {
                Ok(DcpEvent::Opened) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.is_timeout() && begin.elapsed() < patience => {}
                Err(error) => return Err(failure(&error)),
            }
        }
    }

    /// Asks which vbuckets there are, and then for all of them.
    fn ask_for_vbuckets(&mut self) -> Result<(), Failure> {
        let (begin, patience) = (Instant::now(), self.arguments.connection.timeout());
        self.patiently(StdDcpFeed::vbucket_seqnos)?;
        let vbuckets = loop {
            match self.feed.next_event() {
                Ok(DcpEvent::VbucketSeqnos {
                    status: Status::SUCCESS,
                    seqnos,
                }) => break seqnos.iter().map(|of| of.vbucket).collect(),
                Ok(DcpEvent::VbucketSeqnos { status, .. }) => {
                    return Err(Failure::Server(format!(
                        "the server does not tell which vbuckets it has: {status}; name them with --vbuckets"
                    )));
                }
                Ok(_) => {}
                Err(error) if error.is_timeout() && begin.elapsed() < patience => {}
                Err(error) => return Err(failure(&error)),
            }
        };
        self.request(vbuckets)
    }

    /// Sends a command, however long the server takes to read it.
    fn patiently(
        &mut self,
        command: impl FnOnce(&mut StdDcpFeed) -> Result<(), DcpError<io::Error>>,
    ) -> Result<(), Failure> {
        match command(&mut self.feed) {
            // What could not be sent at once goes out before the next event is waited for.
            Err(error) if error.is_timeout() => Ok(()),
            result => result.map_err(|error| failure(&error)),
        }
    }

    /// Asks for the streams of vbuckets, from where each is to begin.
    fn request(&mut self, vbuckets: Vec<u16>) -> Result<(), Failure> {
        for vbucket in vbuckets {
            let stream = stream_of(vbucket);
            match self.positions.get(vbucket) {
                Some(position) => {
                    self.set_position(stream, &position)?;
                    self.resume(stream)?;
                }
                // A seqno means something in a history only.
                None if self.arguments.from_seqno > 0 => self.unknown.push_back(vbucket),
                None => self.resume(stream)?,
            }
        }
        self.ask_for_logs()
    }

    fn set_position(
        &mut self,
        stream: StreamOpaque,
        position: &DcpPosition,
    ) -> Result<(), Failure> {
        self.feed
            .set_position(stream, position)
            .map_err(|error| failure(&error))
    }

    fn resume(&mut self, stream: StreamOpaque) -> Result<(), Failure> {
        let mut flags = StreamFlags::NONE;
        if self.arguments.dump {
            flags = flags | StreamFlags::TO_LATEST;
        }
        if self.arguments.now {
            flags = flags | StreamFlags::FROM_LATEST;
        }
        self.patiently(|feed| feed.resume_stream(stream, flags, StreamRequest::NO_END))?;
        self.streams += 1;
        Ok(())
    }

    fn ask_for_logs(&mut self) -> Result<(), Failure> {
        while self.logs < LOGS_AT_ONCE
            && let Some(vbucket) = self.unknown.pop_front()
        {
            self.patiently(|feed| feed.failover_log(vbucket))?;
            self.logs += 1;
        }
        Ok(())
    }

    /// Waits for an event and prints it.
    fn next(&mut self) -> Result<After, Failure> {
        let mut after = After::default();
        let mut known = None;
        match self.feed.next_event() {
            Ok(DcpEvent::Message(message)) => {
                self.printer.print(&message)?;
                if let Body::StreamEnd(end) = message.body {
                    self.streams = self.streams.saturating_sub(1);
                    let stream = StreamOpaque::from_opaque(message.opaque);
                    match end.reason {
                        StreamEndReason::OK => {}
                        StreamEndReason::SLOW => after.again = Some(stream),
                        reason => complain(
                            &mut self.complaint,
                            format!("vbucket {}: the stream ended: {reason}", stream.vbucket),
                        ),
                    }
                }
            }
            Ok(DcpEvent::Rollback { stream, seqno }) => {
                self.streams = self.streams.saturating_sub(1);
                self.printer.print_rollback(stream.vbucket, seqno)?;
                after.again = Some(stream);
            }
            Ok(DcpEvent::StreamRefused {
                stream,
                status,
                text,
            }) => {
                self.streams = self.streams.saturating_sub(1);
                complain(&mut self.complaint, refused(stream.vbucket, status, text));
            }
            Ok(DcpEvent::FailoverLog {
                vbucket,
                status,
                log,
            }) => {
                self.logs = self.logs.saturating_sub(1);
                if status == Status::SUCCESS {
                    known = Some((vbucket, history_at(&log, self.arguments.from_seqno)));
                } else {
                    complain(&mut self.complaint, refused(vbucket, status, b""));
                }
            }
            Ok(DcpEvent::ControlAnswered {
                setting: DcpSetting::Window,
                status,
            }) => eprintln!("memlet: the server has no flow control: {status}"),
            Ok(DcpEvent::Skipped {
                header,
                reason: DcpSkipReason::TooLong,
            }) => complain(
                &mut self.complaint,
                format!("a message of {} bytes was passed over", header.packet_len()),
            ),
            // Nothing that a reader of changes has to know.
            Ok(_) => {}
            Err(error) if error.is_timeout() => self.printer.flush()?,
            Err(error) => return Err(failure(&error)),
        }
        if let Some((vbucket, uuid)) = known {
            let stream = stream_of(vbucket);
            let position = DcpPosition::at(uuid, self.arguments.from_seqno);
            self.set_position(stream, &position)?;
            self.resume(stream)?;
        }
        let count = self.arguments.count;
        after.has_enough = count.is_some_and(|count| self.printer.changes() >= count);
        Ok(after)
    }

    /// Writes down how far the printed changes have come.
    fn save(&mut self) -> Result<(), Failure> {
        self.saved = Instant::now();
        let Some(path) = &self.arguments.positions else {
            return Ok(());
        };
        // What is written down as printed has been printed.
        self.printer.flush()?;
        for slot in self.feed.streams() {
            self.positions.set(slot.stream().vbucket, slot.position());
        }
        self.positions.write(path)
    }
}

/// The history that a seqno belongs to, by the vbucket's own log.
fn history_at(log: &FailoverLog<'_>, seqno: u64) -> u64 {
    let since = |entry: &memlet_core::dcp::FailoverEntry| entry.seqno <= seqno;
    let entry = log.iter().find(since).or(log.newest());
    entry.unwrap_or_default().vbucket_uuid
}

fn refused(vbucket: u16, status: Status, text: &[u8]) -> String {
    match text {
        [] => format!("vbucket {vbucket}: {status}"),
        text => format!("vbucket {vbucket}: {status}: {}", Escaped(text)),
    }
}

/// Tells what went wrong with a part of it; the exit code follows at the end.
fn complain(complaint: &mut Option<String>, text: String) {
    match complaint {
        None => *complaint = Some(text),
        Some(_) => eprintln!("memlet: {text}"),
    }
}

fn failure(error: &DcpError<io::Error>) -> Failure {
    let text = error.to_string();
    match error {
        DcpError::Transport(_)
        | DcpError::Failed(
            DcpFailure::EndOfInput | DcpFailure::Truncated | DcpFailure::Silent { .. },
        ) => Failure::Connection(text),
        DcpError::Failed(DcpFailure::OpenRefused(Status::UNKNOWN_COMMAND)) => {
            Failure::Server(format!("{text} (the server does not speak DCP)"))
        }
        DcpError::Failed(_) => Failure::Server(text),
        _ => Failure::Usage(text),
    }
}
