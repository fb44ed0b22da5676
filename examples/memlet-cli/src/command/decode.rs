//! `memlet decode`: bytes to explained packets.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::ValueEnum;
use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use memlet::capture::{Explained, ExplainedField, FieldValue, explain};
use memlet_core::wire::Dialect;
use serde_json::Value;

use crate::failure::Failure;
use crate::{input, output};

/// Explain packets: every field with its place, its number and what it means
///
/// Takes one direction of a connection, packet after packet. An argument is hexadecimal or base64; hexadecimal may have
/// blanks, commas, colons and 0x in between. A file or standard input may also be the bytes themselves, which is what
/// is assumed of what is no text. Text that could be either is taken for hexadecimal.
///
/// Ends with 1 when the bytes stop being packets, and says where and why.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Bytes in hexadecimal or base64; `-` or nothing for standard input
    #[arg(value_name = "BYTES")]
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

    /// Print JSON, one packet a line
    #[arg(long)]
    json: bool,
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
  memlet decode --file requests.bin --json | jq .summary";

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let bytes = bytes(arguments)?;
    let dialect = match arguments.dialect {
        Whose::Memcached => Dialect::Memcached,
        Whose::Couchbase => Dialect::Couchbase,
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut fault = None;
    for packet in explain(&bytes, dialect) {
        if arguments.json {
            output::json_line(&mut out, &as_json(&packet))?;
        } else {
            print(&packet, &mut out)?;
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

fn bytes(arguments: &Arguments) -> Result<Vec<u8>, Failure> {
    let is_standard_input =
        arguments.text.is_empty() || matches!(arguments.text.as_slice(), [only] if only == "-");
    let (given, form) = match (&arguments.file, is_standard_input) {
        (Some(path), _) => (input::file(path)?, arguments.form),
        (None, true) => (input::standard_input()?, arguments.form),
        (None, false) if arguments.form == Form::Raw => {
            return Err(Failure::Usage(
                "--form raw needs --file or standard input".into(),
            ));
        }
        // What the shell has divided belongs together.
        (None, false) => {
            let text = arguments.text.join(" ").into_bytes();
            return from_text(&text, arguments.form).ok_or_else(|| no_text(&text));
        }
    };
    match form {
        Form::Raw => Ok(given),
        Form::Auto => Ok(from_text(&given, form).unwrap_or(given)),
        _ => from_text(&given, form).ok_or_else(|| no_text(&given)),
    }
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

fn print(packet: &Explained<'_>, out: &mut impl Write) -> io::Result<()> {
    let Explained { offset, len, .. } = packet;
    writeln!(out, "byte {offset}, {len} bytes: {}", packet.summary)?;
    for ExplainedField {
        name,
        offset,
        len,
        value,
        text,
    } in &packet.fields
    {
        let end = offset + len - 1;
        let place = if *len > 1 {
            format!("{offset}-{end}")
        } else {
            offset.to_string()
        };
        write!(out, "  {place:>9}  {name:<22}")?;
        if let FieldValue::Number(number) = value {
            write!(out, "{number}{}", if text.is_empty() { "" } else { "  " })?;
        }
        writeln!(out, "{text}")?;
    }
    for remark in &packet.remarks {
        writeln!(out, "  remark: {remark}")?;
    }
    if let Some(fault) = &packet.fault {
        writeln!(out, "  fault: {fault}")?;
    }
    Ok(())
}

fn as_json(packet: &Explained<'_>) -> Value {
    let fields = packet.fields.iter().map(|field| {
        let mut members = output::object([
            ("name", field.name.clone().into()),
            ("offset", field.offset.into()),
            ("length", field.len.into()),
        ]);
        match field.value {
            FieldValue::Number(number) => {
                members.insert("value".into(), number.into());
            }
            FieldValue::Bytes(bytes) => members.extend(output::bytes("value", bytes)),
        }
        members.insert("meaning".into(), field.text.clone().into());
        Value::Object(members)
    });
    let fault = packet.fault.as_ref();
    output::object([
        ("offset", packet.offset.into()),
        ("length", packet.len.into()),
        ("summary", packet.summary.clone().into()),
        ("fields", fields.collect::<Vec<_>>().into()),
        ("remarks", packet.remarks.clone().into()),
        (
            "fault",
            fault.map_or(Value::Null, |fault| fault.to_string().into()),
        ),
    ])
    .into()
}
