//! `memlet decode`: bytes to explained packets.

mod capture;
mod report;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use memlet::capture::{Explained, explain};
use memlet_core::wire::fields::{Finding, Options, Span, Value as FieldValue};
use memlet_core::wire::{Dialect, Escaped};
use serde_json::Value;

use crate::failure::Failure;
use crate::{input, output};

/// Explain packets: every field with its place, its number and what it means, and what is wrong or odd
///
/// Takes one direction of a connection, packet after packet. An argument is hexadecimal or base64; hexadecimal may have
/// blanks, commas, colons and 0x in between. A file or standard input may also be the bytes themselves, which is what
/// is assumed of what is no text. Text that could be either is taken for hexadecimal.
///
/// A capture file, pcap or pcapng, is known by its first bytes, and may stand where the bytes would: its packets are told
/// with the request that each response answers and the time it took, whatever is lost or wrong in between.
///
/// Ends with 1 when the bytes stop being packets, or a capture file breaks off, and says where and why.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Bytes in hexadecimal or base64, or the name of a capture file; `-` or nothing for standard input
    #[arg(value_name = "BYTES|CAPTURE")]
    text: Vec<String>,

    /// Read the bytes from a file
    #[arg(short, long, value_name = "FILE", conflicts_with = "text")]
    file: Option<PathBuf>,

    /// What the bytes are written in
    #[arg(long, value_enum, default_value_t = Form::Auto)]
    form: Form,

    /// Whose numbers they are: 0x23 is GATK to memcached and IOCTL_GET to Couchbase
    #[arg(long, value_enum, default_value_t = Whose::Memcached)]
    dialect: Whose,

    /// Keys start with the id of their collection, as after HELLO Collections
    #[arg(long)]
    collections: bool,

    /// Show passwords, proofs and keys, which are masked otherwise
    #[arg(long)]
    show_credentials: bool,

    /// Say of every field what it is for, and where the specification speaks of it
    #[arg(long)]
    explain: bool,

    /// Print JSON, one packet a line
    #[arg(long)]
    json: bool,

    /// Of a capture: print figures in place of packets
    #[arg(long)]
    stats: bool,

    /// Of a capture: only packets that this picks, as in 'opcode == GETK && key ^= "user:" && latency > 5ms'
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,

    /// Of a capture: a port at which memcached is spoken, besides 11210 and 11211; may be repeated. At other ports
    /// connections are known by their first bytes
    #[arg(long, value_name = "PORT")]
    port: Vec<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Find out
    Auto,
    /// Hexadecimal
    Hex,
    /// Base64, of either alphabet, padded or not
    Base64,
    /// The bytes themselves
    Raw,
    /// A capture file: pcap or pcapng
    Capture,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Whose {
    /// memcached
    Memcached,
    /// Couchbase's kv_engine
    Couchbase,
}

const EXAMPLES: &str = "\
Examples:
  memlet decode 80000005000000000000000500000003000000000000000048656c6c6f
  memlet decode 80 0a 00 00  00 00 00 00  00 00 00 00  00 00 00 09  00 00 00 00  00 00 00 00
  memlet decode --file requests.bin --json | jq .summary
  memlet decode traffic.pcapng --stats
  memlet decode traffic.pcap --json | jq 'select(.latency_us > 5000)'";

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let dialect = match arguments.dialect {
        Whose::Memcached => Dialect::Memcached,
        Whose::Couchbase => Dialect::Couchbase,
    };
    let options = Options {
        dialect,
        collections: arguments.collections,
        show_credentials: arguments.show_credentials,
        ..Options::default()
    };
    let input = input_of(arguments)?;
    let bytes = match input {
        Input::Capture { front, rest } => return capture::run(&front, rest, arguments, options),
        Input::Bytes(bytes) => bytes,
    };
    if arguments.stats || arguments.filter.is_some() {
        return Err(Failure::Usage(
            "--stats and --filter need a capture file, pcap or pcapng".into(),
        ));
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut fault = None;
    for packet in explain(&bytes, options) {
        if arguments.json {
            output::json_line(&mut out, &as_json(&packet))?;
        } else {
            print(&packet, arguments.explain, &mut out)?;
        }
        fault = packet
            .fault
            .map(|fault| format!("packet at byte {}: {fault}", packet.offset));
    }
    out.flush()?;
    match fault {
        Some(text) => Err(Failure::NotFound(Some(text))),
        None => Ok(()),
    }
}

enum Input {
    /// A capture file: its first bytes, and the file where the others follow.
    Capture { front: Vec<u8>, rest: Option<File> },
    /// One direction of a connection.
    Bytes(Vec<u8>),
}

fn input_of(arguments: &Arguments) -> Result<Input, Failure> {
    let is_standard_input =
        arguments.text.is_empty() || matches!(arguments.text.as_slice(), [only] if only == "-");
    if let Some(path) = &arguments.file {
        return of_file(path, arguments.form);
    }
    if is_standard_input {
        return of_bytes(input::standard_input()?, arguments.form);
    }
    // What the shell has divided belongs together.
    let text = arguments.text.join(" ").into_bytes();
    let named = match arguments.text.as_slice() {
        [name] => Some(Path::new(name)).filter(|path| path.is_file()),
        _ => None,
    };
    match (named, arguments.form) {
        (Some(path), Form::Auto | Form::Raw | Form::Capture)
            if from_text(&text, Form::Auto).is_none() =>
        {
            of_file(path, arguments.form)
        }
        (_, Form::Raw | Form::Capture) => Err(Failure::Usage(
            "--form raw and capture need a file or standard input".into(),
        )),
        (_, form) => from_text(&text, form)
            .map(Input::Bytes)
            .ok_or_else(|| no_text(&text)),
    }
}

/// A capture is not read as a whole.
fn of_file(path: &Path, form: Form) -> Result<Input, Failure> {
    let failed = |error| Failure::Usage(format!("{}: {error}", path.display()));
    let mut file = File::open(path).map_err(failed)?;
    let mut front = Vec::new();
    let mut limited = Read::by_ref(&mut file).take(4);
    limited.read_to_end(&mut front).map_err(failed)?;
    let is_capture = form == Form::Auto && capture::is_capture(&front);
    if is_capture || form == Form::Capture {
        let rest = Some(file);
        return Ok(Input::Capture { front, rest });
    }
    file.read_to_end(&mut front).map_err(failed)?;
    of_bytes(front, form)
}

fn of_bytes(given: Vec<u8>, form: Form) -> Result<Input, Failure> {
    match form {
        Form::Capture => {}
        Form::Auto if capture::is_capture(&given) => {}
        Form::Raw => return Ok(Input::Bytes(given)),
        Form::Auto => return Ok(Input::Bytes(from_text(&given, form).unwrap_or(given))),
        _ => {
            let bytes = from_text(&given, form).ok_or_else(|| no_text(&given))?;
            return Ok(Input::Bytes(bytes));
        }
    }
    Ok(Input::Capture {
        front: given,
        rest: None,
    })
}

fn no_text(text: &[u8]) -> Failure {
    let strange = text.iter().position(|byte| !is_of_a_text(*byte));
    Failure::Usage(match strange {
        Some(at) => format!(
            "the bytes are neither hexadecimal nor base64: character {} is {:?}",
            at + 1,
            char::from(text[at])
        ),
        None => "the bytes are neither hexadecimal nor base64: a digit is missing".into(),
    })
}

fn is_of_a_text(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte.is_ascii_whitespace() || b"+/-_=,:".contains(&byte)
}

/// The bytes that a text stands for, if it is one.
fn from_text(text: &[u8], form: Form) -> Option<Vec<u8>> {
    let hexadecimal = || {
        let text = std::str::from_utf8(text).ok()?;
        let words =
            text.split(|character: char| character.is_whitespace() || ",:;".contains(character));
        let digits: String = words
            .map(|word| word.strip_prefix("0x").unwrap_or(word))
            .collect();
        HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()
    };
    let base64 = || {
        let text: Vec<u8> = text
            .iter()
            .copied()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        [BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD]
            .iter()
            .find_map(|encoding| encoding.decode(&text).ok())
    };
    match form {
        Form::Hex => hexadecimal(),
        Form::Base64 => base64(),
        _ => hexadecimal().or_else(base64),
    }
}

fn print(packet: &Explained<'_>, with_explanations: bool, out: &mut impl Write) -> io::Result<()> {
    let Explained { offset, len, .. } = packet;
    writeln!(out, "byte {offset}, {len} bytes: {}", packet.summary)?;
    for span in &packet.fields {
        print_field(span, with_explanations, out)?;
    }
    print_findings(packet, out)
}

fn print_findings(packet: &Explained<'_>, out: &mut impl Write) -> io::Result<()> {
    for finding in &packet.findings {
        let lint = finding.lint;
        writeln!(
            out,
            "  {}: {finding} [{}]",
            lint.severity().name(),
            lint.id()
        )?;
    }
    Ok(())
}

fn print_field(span: &Span<'_>, with_explanation: bool, out: &mut impl Write) -> io::Result<()> {
    let end = span.offset + span.len - 1;
    let place = if span.len > 1 {
        format!("{}-{end}", span.offset)
    } else {
        span.offset.to_string()
    };
    let index = span.index.map(|index| format!(" {index}"));
    let name = format!("{}{}", span.name, index.unwrap_or_default());
    let indent = 2 * usize::from(span.depth);
    let mut line = format!("  {place:>9}  {:indent$}{name:<24}", "");
    line += &match span.value {
        FieldValue::Group => String::new(),
        FieldValue::Number(number) => number.to_string(),
        FieldValue::Text(bytes) | FieldValue::Json(bytes) | FieldValue::Bytes(bytes) => {
            quoted(bytes)
        }
        FieldValue::Named { name: None, .. } | FieldValue::Hexadecimal(_) => span.value.to_string(),
        value => match value.number() {
            // Numbers that are known by their digits in hexadecimal are named ones and bits.
            Some(number @ 10..) if !is_time(&value) => format!("{number:#x}  {value}"),
            Some(number) => format!("{number}  {value}"),
            None => value.to_string(),
        },
    };
    if span.missing > 0 {
        line += &format!("  ({} bytes missing)", span.missing);
    }
    if with_explanation && !span.explanation.is_empty() {
        line += &format!("  # {} ({})", span.explanation, span.section.title());
    }
    writeln!(out, "{}", line.trim_end())
}

fn is_time(value: &FieldValue<'_>) -> bool {
    matches!(
        value,
        FieldValue::Duration { .. } | FieldValue::Timestamp(_)
    )
}

/// The first bytes as text in quotes, and how many there are in all when that is not all of them.
fn quoted(bytes: &[u8]) -> String {
    const SHOWN_MAX: usize = 256;
    match bytes.get(..SHOWN_MAX) {
        Some(front) if bytes.len() > SHOWN_MAX => {
            format!("\"{}\"… ({} bytes)", Escaped(front), bytes.len())
        }
        _ => format!("\"{}\"", Escaped(bytes)),
    }
}

fn as_json(packet: &Explained<'_>) -> Value {
    let fields = packet.fields.iter().map(field_as_json);
    let lints = packet.findings.iter().map(finding_as_json);
    let fault = packet.fault.as_ref();
    output::object([
        ("offset", packet.offset.into()),
        ("length", packet.len.into()),
        ("summary", packet.summary.clone().into()),
        ("fields", fields.collect::<Vec<_>>().into()),
        ("lints", lints.collect::<Vec<_>>().into()),
        (
            "fault",
            fault.map_or(Value::Null, |fault| fault.to_string().into()),
        ),
    ])
    .into()
}

fn field_as_json(span: &Span<'_>) -> Value {
    let mut members = output::object([
        ("name", span.name.into()),
        ("offset", span.offset.into()),
        ("length", span.len.into()),
        ("depth", span.depth.into()),
    ]);
    if let Some(index) = span.index {
        members.insert("index".into(), index.into());
    }
    if span.missing > 0 {
        members.insert("missing".into(), span.missing.into());
    }
    if let Some(number) = span.value.number() {
        members.insert("value".into(), number.into());
        members.insert("meaning".into(), span.value.to_string().into());
    } else if let Some(bytes) = span.value.bytes() {
        members.extend(output::bytes("value", bytes));
    }
    if span.secret {
        members.insert("secret".into(), true.into());
    }
    members.insert("explanation".into(), span.explanation.into());
    members.insert("section".into(), span.section.title().into());
    Value::Object(members)
}

fn finding_as_json(finding: &Finding) -> Value {
    let lint = finding.lint;
    output::object([
        ("id", lint.id().into()),
        ("severity", lint.severity().name().into()),
        ("text", finding.to_string().into()),
        ("field", finding.field.into()),
        ("offset", finding.offset.into()),
        ("length", finding.len.into()),
        ("found", finding.found.into()),
        ("explanation", lint.explanation().into()),
        ("section", lint.section().title().into()),
    ])
    .into()
}
