//! `memlet tap`: prints a server's changes as they come.

use std::io::{self, IsTerminal, Write};
use std::str::FromStr;
use std::time::Duration;

use memlet::blocking::TapFeed;
use memlet::client::TapError;
use memlet::std::Transport;
use memlet_core::connection::feed::{TapEnd, TapOptions};
use memlet_core::tap::{Connect, ConnectFlags, Message, Subtype};
use memlet_core::wire::{Escaped, Status};
use serde_json::{Map, Value};

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;

/// Print the changes of a server's items as they come (TAP)
///
/// Prints a line for each change until the server ends the stream. Without --backfill or --dump these are the changes
/// from now on.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// What there is now, then the end
    #[arg(long)]
    dump: bool,

    /// What there is, before the changes; with a time in seconds since 1970 nothing older
    #[arg(long, value_name = "SINCE", num_args = 0..=1, default_missing_value = "0")]
    backfill: Option<u64>,

    /// Leave the values out
    #[arg(long)]
    keys_only: bool,

    /// Only these vbuckets, such as 0,5,8-11
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    vbuckets: Vec<Vbuckets>,

    /// Confirm what has been printed; the server then waits for a slow reader
    #[arg(long)]
    ack: bool,

    /// Ask for the bounds of checkpoints
    #[arg(long)]
    checkpoints: bool,

    /// The name under which the server knows this reader
    #[arg(long, value_name = "NAME", default_value = "memlet")]
    name: String,

    /// End after so many changes
    #[arg(long, value_name = "CHANGES", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// Give up after so many seconds without a sign of life; servers give one every 200 seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 450, value_parser = clap::value_parser!(u64).range(1..))]
    idle: u64,

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
  memlet tap --dump --keys-only | wc -l
  memlet tap --backfill --ack --json | jq -r .key
  memlet tap --server cache1:11211 --vbuckets 0-63 --count 1000";

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let vbuckets: Vec<u16> = arguments
        .vbuckets
        .iter()
        .flat_map(|range| range.first..=range.last)
        .collect();
    let connect = request(arguments, &vbuckets);
    if connect.encoded_len().is_err() {
        return Err(Failure::Usage(
            "the name or the list of vbuckets is longer than a request can hold".into(),
        ));
    }
    let (transport, input, unread) = arguments.connection.connect()?.into_parts();
    transport
        .set_read_timeout(Some(Duration::from_secs(arguments.idle)))
        .map_err(|error| Failure::Usage(format!("--idle {}: {error}", arguments.idle)))?;
    let parts = (transport, input, unread);
    let mut feed = TapFeed::from_parts(parts, &TapOptions::default(), Vec::new(), ());

    let mut printer = Printer::new(arguments);
    let progress = printer.progress(&arguments.connection.address()?.to_string());
    let outcome = read(&mut feed, &connect, &mut printer);
    drop(progress);
    printer.out.flush()?;
    if feed.skipped() > 0 {
        eprintln!(
            "memlet: {} packets came that are none of TAP's",
            feed.skipped()
        );
    }
    outcome.map_err(|ended| match ended {
        Ended::Output(failure) => failure,
        Ended::Feed(error) => failure(&error, feed.refusal(), arguments.idle),
    })
}

/// Prints what comes until there is no more, or enough.
fn read(
    feed: &mut TapFeed<Transport, Vec<u8>>,
    connect: &Connect<'_>,
    printer: &mut Printer<'_>,
) -> Result<(), Ended> {
    feed.connect(connect)?;
    while let Some(message) = feed.next_message()? {
        let goes_on = printer.print(&message).map_err(Ended::Output)?;
        if !goes_on {
            let ack = message.wants_ack().then(|| message.ack());
            return Ok(ack.map_or(Ok(()), |ack| feed.acknowledge(&ack))?);
        }
    }
    Ok(())
}

/// Why printing came to an end too early.
enum Ended {
    Output(Failure),
    Feed(TapError<io::Error>),
}

impl From<TapError<io::Error>> for Ended {
    fn from(error: TapError<io::Error>) -> Self {
        Self::Feed(error)
    }
}

fn request<'a>(arguments: &'a Arguments, vbuckets: &'a [u16]) -> Connect<'a> {
    let mut flags = ConnectFlags::FIX_FLAG_BYTEORDER;
    for (asked, flag) in [
        (arguments.dump, ConnectFlags::DUMP),
        (arguments.keys_only, ConnectFlags::REQUEST_KEYS_ONLY),
        (arguments.ack, ConnectFlags::SUPPORT_ACK),
        (arguments.checkpoints, ConnectFlags::CHECKPOINT),
    ] {
        if asked {
            flags |= flag;
        }
    }
    // A dump of nothing old would be empty.
    let backfill = match arguments.backfill {
        None if arguments.dump => Connect::EVERYTHING,
        None => Connect::NOTHING_OLD,
        Some(since) => since,
    };
    Connect {
        flags: Some(flags),
        backfill: Some(backfill),
        vbuckets: (!vbuckets.is_empty()).then(|| vbuckets.into()),
        ..Connect::new(arguments.name.as_bytes())
    }
}

fn failure(error: &TapError<io::Error>, refusal: &[u8], idle: u64) -> Failure {
    let text = error.to_string();
    match error {
        TapError::Transport(_) if error.is_timeout() => Failure::Connection(format!(
            "no sign of life from the server for {idle} seconds"
        )),
        TapError::Transport(_) => Failure::Connection(text),
        TapError::Ended(TapEnd::EndOfInput | TapEnd::Truncated { .. }) => Failure::Connection(text),
        TapError::Ended(TapEnd::Refused(status)) => {
            let reason = match *status {
                Status::UNKNOWN_COMMAND => " (the server does not speak TAP)",
                _ => "",
            };
            Failure::Server(match refusal {
                [] => format!("{text}{reason}"),
                refusal => format!("{text}: {}{reason}", Escaped(refusal)),
            })
        }
        _ => Failure::Server(text),
    }
}

/// Prints messages as they come.
struct Printer<'a> {
    arguments: &'a Arguments,
    out: Box<dyn Write>,
    is_terminal: bool,
    changes: u64,
}

impl Printer<'_> {
    fn new(arguments: &Arguments) -> Printer<'_> {
        let out = io::stdout();
        let is_terminal = out.is_terminal();
        Printer {
            arguments,
            // What is live is shown at once; a dump is as good in large pieces.
            out: if arguments.dump && !is_terminal {
                Box::new(io::BufWriter::new(out))
            } else {
                Box::new(out)
            },
            is_terminal,
            changes: 0,
        }
    }

    /// Says what takes long, unless the output itself shows it.
    fn progress(&self, server: &str) -> Option<Progress> {
        (!self.is_terminal).then(|| Progress::start(format!("reading from {server}")))
    }

    /// Whether to go on.
    fn print(&mut self, message: &Message<'_>) -> Result<bool, Failure> {
        if self.arguments.json {
            output::json_line(&mut self.out, &as_json(message).into())?;
        } else {
            writeln!(self.out, "{}", line(message))?;
        }
        // The answer says that it has been dealt with.
        if message.wants_ack() {
            self.out.flush()?;
        }
        self.changes += u64::from(is_change(message));
        Ok(self
            .arguments
            .count
            .is_none_or(|count| self.changes < count))
    }
}

fn is_change(message: &Message<'_>) -> bool {
    matches!(
        message,
        Message::Mutation(_) | Message::Deletion(_) | Message::Flush(_)
    )
}

fn name(message: &Message<'_>) -> &'static str {
    match message {
        Message::Mutation(_) => "mutation",
        Message::Deletion(_) => "deletion",
        Message::Flush(_) => "flush",
        Message::Opaque(opaque) => match opaque.subtype {
            Subtype::INITIAL_VBUCKET_STREAM => "backfill_begin",
            Subtype::CLOSE_BACKFILL => "backfill_end",
            Subtype::CLOSE_TAP_STREAM => "end",
            _ => "opaque",
        },
        Message::VbucketSet(_) => "vbucket_state",
        Message::CheckpointStart(_) => "checkpoint_start",
        Message::CheckpointEnd(_) => "checkpoint_end",
    }
}

/// A message for people: what, where, and what there is to know of it.
fn line(message: &Message<'_>) -> String {
    let (name, vbucket) = (name(message), message.head().vbucket);
    let front = format!("{name:16} vbucket {vbucket}");
    match message {
        Message::Mutation(mutation) => {
            let value = match mutation.value_sent() {
                Some(value) => format!("{} bytes", value.len()),
                None => "value left out".to_owned(),
            };
            format!(
                "{front}  cas {}  flags {:#x}  expires {}  {}  ({value})",
                mutation.head.cas,
                mutation.item_flags(),
                mutation.item.expiration,
                Escaped(mutation.key),
            )
        }
        Message::Deletion(deletion) => format!(
            "{front}  cas {}  {}",
            deletion.head.cas,
            Escaped(deletion.key)
        ),
        Message::Opaque(opaque) if name == "opaque" => format!("{front}  {}", opaque.subtype),
        Message::VbucketSet(set) => format!("{front}  {}", set.state),
        Message::CheckpointStart(checkpoint) | Message::CheckpointEnd(checkpoint) => {
            format!("{front}  {}", checkpoint.id)
        }
        Message::Flush(_) | Message::Opaque(_) => front,
    }
}

fn as_json(message: &Message<'_>) -> Map<String, Value> {
    let head = message.head();
    let mut members = output::object([
        ("event", name(message).into()),
        ("vbucket", head.vbucket.into()),
        ("sequence", head.sequence.into()),
    ]);
    let mut put = |name: &str, value: Value| {
        members.insert(name.to_owned(), value);
    };
    match message {
        Message::Mutation(mutation) => {
            put("cas", head.cas.into());
            put("flags", mutation.item_flags().into());
            put("expiration", mutation.item.expiration.into());
            put("revision", mutation.revision().into());
            members.extend(output::bytes("key", mutation.key));
            if let Some(value) = mutation.value_sent() {
                members.extend(output::bytes("value", value));
            }
        }
        Message::Deletion(deletion) => {
            put("cas", head.cas.into());
            put("revision", deletion.revision().into());
            members.extend(output::bytes("key", deletion.key));
        }
        Message::Opaque(opaque) => put("subtype", opaque.subtype.0.into()),
        Message::VbucketSet(set) => put("state", set.state.to_string().into()),
        Message::CheckpointStart(checkpoint) | Message::CheckpointEnd(checkpoint) => {
            put("checkpoint", checkpoint.id.into());
        }
        Message::Flush(_) => {}
    }
    members
}
