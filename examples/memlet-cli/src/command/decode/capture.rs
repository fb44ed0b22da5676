//! `memlet decode` of capture files.

use std::fs::File;
use std::io::{self, Read, Write};

use memlet::capture::{
    CaptureOptions, Decoder, Event, Feed, Filter, Notice, NoticeKind, Record, Silence, Statistics,
    Way, explain,
};
use memlet_core::wire::fields::{Finding, Lint, Options, Span, Visitor, visit};
use memlet_core::wire::{HEADER_LEN, Magic, Opcode, Request, Status};
use serde_json::{Map, Value};

use super::{Arguments, report};
use crate::failure::Failure;
use crate::output;

/// Bytes of a file that are read at once.
const CHUNK_LEN: usize = 1 << 18;

/// Whether bytes are the front of a capture file.
pub(super) fn is_capture(front: &[u8]) -> bool {
    front.first_chunk().is_some_and(|magic| {
        matches!(
            magic,
            [0x0a, 0x0d, 0x0d, 0x0a]
                | [0xa1, 0xb2, 0xc3 | 0x3c, 0xd4 | 0x4d]
                | [0xd4 | 0x4d, 0xc3 | 0x3c, 0xb2, 0xa1]
                | [0x34, 0xcd, 0xb2, 0xa1]
        )
    })
}

/// Reads a capture whose first bytes are `front`, and the others in `rest`.
pub(super) fn run(
    front: &[u8],
    rest: Option<File>,
    arguments: &Arguments,
    options: Options<'_>,
) -> Result<(), Failure> {
    let mut capture = CaptureOptions::default();
    capture.dialect = options.dialect;
    capture.ports.extend(&arguments.port);
    let mut decoder = Decoder::new(capture);
    let parse = |text: &String| Filter::parse(text, options.dialect);
    let filter = arguments.filter.as_ref().map(parse).transpose();
    let mut printer = Printer {
        filter: filter.map_err(|error| Failure::Usage(error.to_string()))?,
        out: io::BufWriter::new(io::stdout().lock()),
        arguments,
        options,
        statistics: Statistics::default(),
        first_time: None,
        fault: None,
        failure: None,
    };
    decoder.push(front, &mut |event| printer.event(&event));
    if let Some(mut file) = rest {
        let mut chunk = vec![0; CHUNK_LEN];
        while printer.failure.is_none() {
            let len = file
                .read(&mut chunk)
                .map_err(|error| Failure::Usage(format!("the capture: {error}")))?;
            if len == 0 {
                break;
            }
            decoder.push(&chunk[..len], &mut |event| printer.event(&event));
        }
    }
    decoder.finish(&mut |event| printer.event(&event));
    printer.end()
}

struct Printer<'a, W: Write> {
    filter: Option<Filter>,
    out: W,
    arguments: &'a Arguments,
    options: Options<'a>,
    statistics: Statistics,
    /// Times are printed from here on.
    first_time: Option<u64>,
    /// The first fault of the file.
    fault: Option<String>,
    /// Why nothing more is printed.
    failure: Option<Failure>,
}

impl<W: Write> Printer<'_, W> {
    fn event(&mut self, event: &Event<'_>) {
        if self.failure.is_some() {
            return;
        }
        if let Event::Notice(notice) = event
            && notice.kind == NoticeKind::File
        {
            self.fault.get_or_insert_with(|| notice.text.clone());
        }
        // What is not a packet is not picked: it has no fields.
        let is_picked = self.filter.as_ref().is_none_or(|filter| match event {
            Event::Packet(record) => filter.matches(record),
            _ => false,
        });
        let result = if !is_picked {
            Ok(())
        } else if self.arguments.stats {
            self.statistics.note(event);
            Ok(())
        } else if self.arguments.json {
            let line = self.as_json(event);
            output::json_line(&mut self.out, &line)
        } else {
            self.print(event).map_err(Failure::from)
        };
        self.failure = result.err();
    }

    fn end(mut self) -> Result<(), Failure> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        if self.arguments.stats {
            report::print(
                &self.statistics,
                self.options.dialect,
                self.arguments.json,
                &mut self.out,
            )?;
        }
        self.out.flush()?;
        match self.fault {
            Some(text) => Err(Failure::NotFound(Some(text))),
            None => Ok(()),
        }
    }

    fn print(&mut self, event: &Event<'_>) -> io::Result<()> {
        let (frame, time) = match event {
            Event::Packet(record) => (record.frame, record.time),
            Event::Silence(silence) => (silence.frame, silence.time),
            Event::Notice(notice) => (notice.frame, notice.time),
            _ => return Ok(()),
        };
        if frame > 0 {
            let first = *self.first_time.get_or_insert(time);
            let seconds = time.saturating_sub(first) as f64 / 1e9;
            write!(self.out, "{frame:>6} {seconds:>12.6} ")?;
        } else {
            write!(self.out, "{:>6} {:>12} ", "end", "")?;
        }
        match event {
            Event::Packet(record) => self.print_packet(record),
            Event::Silence(silence) => {
                let Silence { asked, .. } = silence;
                let name = asked.opcode.display(asked.magic, self.options.dialect);
                writeln!(
                    self.out,
                    "{} no answer to {name} of frame {}, opaque {:#x}: {}",
                    place(&silence.way),
                    asked.frame,
                    asked.opaque,
                    silence.meaning.name(),
                )
            }
            Event::Notice(notice) => {
                let place = notice.way.as_ref().map(place).unwrap_or_default();
                writeln!(
                    self.out,
                    "{place} -- {}: {}",
                    notice.kind.name(),
                    notice.text
                )
            }
            _ => Ok(()),
        }
    }

    fn print_packet(&mut self, record: &Record<'_>) -> io::Result<()> {
        let options = Options {
            request: request_of(record),
            ..self.options
        };
        let Some(mut packet) = explain(record.bytes, options).next() else {
            return Ok(());
        };
        if record.missing > 0 {
            packet.summary = format!("{} ({} bytes missing)", packet.summary, record.missing);
        }
        packet
            .findings
            .retain(|finding| is_of_packet(finding, record));
        if let Some(latency) = record.latency() {
            packet.summary += &format!(", after {:.1} µs", latency as f64 / 1e3);
        }
        write!(self.out, "{} ", place(&record.way))?;
        if self.arguments.explain {
            return super::print(&packet, true, &mut self.out);
        }
        writeln!(self.out, "{}", packet.summary)?;
        super::print_findings(&packet, &mut self.out)
    }

    fn as_json(&self, event: &Event<'_>) -> Value {
        match event {
            Event::Packet(record) => self.packet_as_json(record),
            Event::Silence(silence) => {
                let asked = &silence.asked;
                let name = asked.opcode.display(asked.magic, self.options.dialect);
                let mut members = of_way(silence.frame, silence.time, Some(&silence.way));
                members.extend(output::object([
                    ("event", "no answer".into()),
                    ("request_frame", asked.frame.into()),
                    ("opcode", name.to_string().into()),
                    ("opcode_value", asked.opcode.0.into()),
                    ("opaque", asked.opaque.into()),
                    ("meaning", silence.meaning.name().into()),
                ]));
                Value::Object(members)
            }
            Event::Notice(notice) => notice_as_json(notice),
            _ => Value::Null,
        }
    }

    fn packet_as_json(&self, record: &Record<'_>) -> Value {
        let header = &record.header;
        let packet = record.packet();
        let mut members = of_way(record.frame, record.time, Some(&record.way));
        let name = header.opcode.display(header.magic, self.options.dialect);
        members.extend(output::object([
            ("magic", header.magic.0.into()),
            ("opcode", name.to_string().into()),
            ("opcode_value", header.opcode.0.into()),
            ("key_length", header.key_len.into()),
            ("extras_length", header.extras_len.into()),
            ("datatype", header.datatype.0.into()),
        ]));
        if header.magic.is_response() {
            let status = Status(header.vbucket_or_status);
            members.insert("status".into(), status.to_string().into());
            members.insert("status_value".into(), status.0.into());
        } else {
            members.insert("vbucket".into(), header.vbucket_or_status.into());
        }
        let value_len = header.value_len().unwrap_or_default();
        members.extend(output::object([
            ("total_body_length", header.body_len.into()),
            ("opaque", header.opaque.into()),
            ("cas", header.cas.into()),
        ]));
        if header.key_len > 0 {
            members.extend(output::bytes("key", packet.key));
        }
        members.insert("value_length".into(), value_len.into());
        let mut told = Told {
            extras: Map::new(),
            lints: Vec::new(),
            end: HEADER_LEN + packet.framing_extras.len() + packet.extras.len(),
            record,
        };
        let options = Options {
            request: request_of(record),
            ..self.options
        };
        visit(record.bytes, &options, &mut told);
        members.insert("extras".into(), told.extras.into());
        if let Some(asked) = record.asked {
            let microseconds = record.latency().unwrap_or_default() as f64 / 1e3;
            members.insert("request_frame".into(), asked.frame.into());
            members.insert("latency_us".into(), microseconds.into());
        }
        if let Some(feed) = record.way.feed {
            let name = match feed {
                Feed::Tap => "tap",
                Feed::Dcp => "dcp",
                _ => "other",
            };
            members.insert("feed".into(), name.into());
        }
        if record.missing > 0 {
            members.insert("missing".into(), record.missing.into());
        }
        members.insert("lints".into(), told.lints.into());
        Value::Object(members)
    }
}

/// As much of a request as a response tells.
fn request_of(record: &Record<'_>) -> Option<Request<'static>> {
    let asked = record.asked?;
    let is_client = asked.magic != Magic::SERVER_REQUEST;
    is_client.then(|| Request {
        opaque: asked.opaque,
        ..Request::new(asked.opcode)
    })
}

/// Whether a finding is the packet's fault, not the capture's, nor that of what follows it, which is not known here.
fn is_of_packet(finding: &Finding, record: &Record<'_>) -> bool {
    match finding.lint {
        Lint::Truncated | Lint::PartCut => record.missing == 0,
        Lint::QuietWithoutNoop | Lint::StatWithoutEnd | Lint::Unanswered => false,
        _ => true,
    }
}

/// Fields of the extras by their names, and lints.
struct Told<'r> {
    extras: Map<String, Value>,
    lints: Vec<Value>,
    /// Where the extras end.
    end: usize,
    record: &'r Record<'r>,
}

impl<'a> Visitor<'a> for Told<'_> {
    fn span(&mut self, span: &Span<'a>) {
        let is_inside = span.offset >= HEADER_LEN && span.offset < self.end;
        if !is_inside || span.value.is_group() {
            return;
        }
        let value = match (span.value.number(), span.value.bytes()) {
            (Some(number), _) => number.into(),
            (None, Some(bytes)) => data_encoding::HEXLOWER.encode(bytes).into(),
            (None, None) => span.value.to_string().into(),
        };
        let name = span.name.replace(' ', "_");
        let name = match span.index {
            Some(index) => format!("{name}_{index}"),
            None => name,
        };
        self.extras.insert(name, value);
    }

    fn finding(&mut self, finding: &Finding) {
        if is_of_packet(finding, self.record) {
            self.lints.push(super::finding_as_json(finding));
        }
    }
}

fn place(way: &Way) -> String {
    format!("{:>4} {} > {}", way.stream, way.src, way.dst)
}

/// The members that all lines have.
fn of_way(frame: u64, time: u64, way: Option<&Way>) -> Map<String, Value> {
    let text = |address: std::net::SocketAddr| Value::from(address.to_string());
    output::object([
        ("frame", number_or_null(frame)),
        ("time", if time > 0 { seconds(time) } else { Value::Null }),
        ("stream", way.map_or(Value::Null, |way| way.stream.into())),
        ("src", way.map_or(Value::Null, |way| text(way.src))),
        ("dst", way.map_or(Value::Null, |way| text(way.dst))),
    ])
}

fn number_or_null(number: u64) -> Value {
    if number > 0 {
        number.into()
    } else {
        Value::Null
    }
}

/// Seconds since 1970 as text with all nine digits, which a number of JSON does not hold.
fn seconds(time: u64) -> Value {
    format!("{}.{:09}", time / 1_000_000_000, time % 1_000_000_000).into()
}

fn notice_as_json(notice: &Notice) -> Value {
    let mut members = of_way(notice.frame, notice.time, notice.way.as_ref());
    members.extend(output::object([
        ("event", notice.kind.name().into()),
        ("text", notice.text.clone().into()),
    ]));
    Value::Object(members)
}

/// The name of an opcode in a table.
pub(super) fn opcode_name(
    from_server: bool,
    opcode: Opcode,
    dialect: memlet_core::wire::Dialect,
) -> String {
    let magic = if from_server {
        Magic::SERVER_REQUEST
    } else {
        Magic::CLIENT_REQUEST
    };
    opcode.display(magic, dialect).to_string()
}
