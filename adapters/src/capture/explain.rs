//! From bytes to explained packets.

use std::iter::FusedIterator;

use memlet_core::dcp;
use memlet_core::wire::{
    Dialect, FrameInfo, HEADER_LEN, Header, KEY_LEN_MAX, Limits, Magic, Packet, ParseError, Parsed,
    Status, unpack_duration,
};

use super::fields::{ExplainedField, FieldList, hexadecimal, quoted};
use super::{layout, tap};

/// A packet in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained<'a> {
    /// Where it starts, in bytes from the start of all input.
    pub offset: u64,
    /// Bytes of the input that belong to it; fewer than it has when it is cut off.
    pub len: u64,
    /// What it is, in one line.
    pub summary: String,
    /// Its fields, in the order of the wire.
    pub fields: Vec<ExplainedField<'a>>,
    /// What is well-formed but would be refused: extras of a wrong length, a key where none belongs, a key too long.
    pub remarks: Vec<String>,
    /// Why this is no whole packet. It is the last one then: what follows cannot be told apart.
    pub fault: Option<Fault>,
}

/// Why bytes are no whole packet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// They break a rule: which one, where from the start of the packet, what was found and what is allowed.
    Malformed(ParseError),
    /// The input ends before the packet does.
    Truncated {
        /// Bytes that are missing: exact once a header is there, at least so many before.
        missing: u64,
    },
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Malformed(error) => error.fmt(f),
            Fault::Truncated { missing } => {
                write!(f, "the input ends {missing} bytes before the packet does")
            }
        }
    }
}

impl std::error::Error for Fault {}

/// Explains the packets that follow one another in `input`. What numbers mean that both families of servers use
/// differently is as in `dialect`.
#[must_use]
pub fn explain(input: &[u8], dialect: Dialect) -> Explainer<'_> {
    Explainer {
        rest: input,
        offset: 0,
        dialect,
    }
}

/// The packets of some input; made by [`explain`]. Ends behind a packet with a [`Fault`].
#[derive(Clone, Debug)]
pub struct Explainer<'a> {
    rest: &'a [u8],
    offset: u64,
    dialect: Dialect,
}

impl<'a> Iterator for Explainer<'a> {
    type Item = Explained<'a>;

    fn next(&mut self) -> Option<Explained<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let here = std::mem::take(&mut self.rest);
        let offset = self.offset;
        match Packet::parse(here, &Limits::NONE) {
            Ok(Parsed::Complete { value, consumed }) => {
                let (bytes, rest) = here.split_at(consumed);
                self.rest = rest;
                self.offset += consumed as u64;
                Some(whole(bytes, &value, offset, self.dialect))
            }
            Ok(Parsed::NeedMore { missing }) => Some(broken(
                here,
                Fault::Truncated { missing },
                offset,
                self.dialect,
            )),
            Err(error) => Some(broken(here, Fault::Malformed(error), offset, self.dialect)),
        }
    }
}

impl FusedIterator for Explainer<'_> {}

/// A packet that is all there.
fn whole<'a>(bytes: &'a [u8], packet: &Packet<'a>, offset: u64, dialect: Dialect) -> Explained<'a> {
    let mut list = FieldList::starting_at(offset);
    let mut remarks = Vec::new();
    if let Some(Ok(header)) = bytes.first_chunk().map(Header::from_bytes) {
        list_header(&header, dialect, &mut list);
        remark_on(&header, dialect, &mut remarks);
    }
    // TAP has engine-private bytes where others have their key.
    let frame = tap::frame(bytes, packet);
    let whole_frame = frame.as_ref().and_then(|frame| frame.as_ref().ok());
    let packet = &whole_frame.map_or(*packet, |frame| tap::packet(packet, frame));
    list_frame_infos(packet, &mut list, &mut remarks);
    list_extras(packet, dialect, &mut list);
    if let Some(frame) = whole_frame {
        tap::list_engine(frame, &mut list);
    }
    list.bytes("key", packet.key);
    if !tap::list_connect(packet, &mut list) {
        list_value(packet, &mut list);
    }
    remarks.extend(tap::remark(packet, frame.as_ref()).or_else(|| dcp_remark(packet)));
    Explained {
        offset,
        len: bytes.len() as u64,
        summary: summary(packet, dialect),
        fields: list.fields,
        remarks,
        fault: None,
    }
}

/// A packet of which only the start is there, or whose lengths do not add up.
fn broken(bytes: &[u8], fault: Fault, offset: u64, dialect: Dialect) -> Explained<'_> {
    let mut list = FieldList::starting_at(offset);
    let header = bytes.first_chunk().map(Header::from_bytes);
    let summary = match header {
        Some(Ok(header)) => {
            list_header(&header, dialect, &mut list);
            let body = &bytes[HEADER_LEN..];
            list.bytes("body, as far as it is there", body);
            let name = header.opcode.display(header.magic, dialect);
            format!("{} {name}, broken", direction(header.magic))
        }
        _ => {
            list.bytes_as("bytes", bytes, front_of(bytes));
            "no packet".into()
        }
    };
    Explained {
        offset,
        len: bytes.len() as u64,
        summary,
        fields: list.fields,
        remarks: Vec::new(),
        fault: Some(fault),
    }
}

/// The first bytes in hexadecimal.
fn front_of(bytes: &[u8]) -> String {
    let front = bytes.get(..HEADER_LEN).unwrap_or(bytes);
    let more = if bytes.len() > front.len() { "…" } else { "" };
    hexadecimal(front) + more
}

fn direction(magic: Magic) -> &'static str {
    match magic {
        Magic::SERVER_REQUEST => "server's request",
        Magic::SERVER_RESPONSE => "response to the server",
        _ if magic.is_request() => "request",
        _ => "response",
    }
}

fn summary(packet: &Packet<'_>, dialect: Dialect) -> String {
    let name = packet.opcode.display(packet.magic, dialect);
    let mut text = format!("{} {name}", direction(packet.magic));
    if packet.magic.is_response() {
        text += &format!(" {}", Status(packet.vbucket_or_status));
    }
    if !packet.key.is_empty() {
        text += &format!(", key {}", quoted(packet.key));
    }
    if !packet.value.is_empty() {
        text += &format!(", value of {} bytes", packet.value.len());
    }
    text + &format!(", opaque {}", packet.opaque)
}

/// memcached binary protocol: classic header, flex header.
fn list_header(header: &Header, dialect: Dialect, list: &mut FieldList<'_>) {
    let magic = match header.magic {
        Magic::CLIENT_REQUEST => "client request",
        Magic::CLIENT_RESPONSE => "client response",
        Magic::FLEX_REQUEST => "client request, flex header",
        Magic::FLEX_RESPONSE => "client response, flex header",
        Magic::SERVER_REQUEST => "server request",
        Magic::SERVER_RESPONSE => "server response",
        _ => "",
    };
    list.number("magic", 1, header.magic.0.into(), magic);
    let mut name = header.opcode.display(header.magic, dialect).to_string();
    if !header.magic.is_server_initiated() && header.opcode.is_quiet_in(dialect) {
        name += &format!(", the quiet {}", header.opcode.loud());
    }
    list.number("opcode", 1, header.opcode.0.into(), name);
    if header.magic.is_flex() {
        let len = header.framing_extras_len.into();
        list.number("framing extras length", 1, len, "");
        list.number("key length", 1, header.key_len.into(), "");
    } else {
        list.number("key length", 2, header.key_len.into(), "");
    }
    list.number("extras length", 1, header.extras_len.into(), "");
    let datatype = header.datatype;
    list.number("data type", 1, datatype.0.into(), datatype.to_string());
    let number = header.vbucket_or_status;
    if header.magic.is_response() {
        let status = Status(number);
        let meaning = status.meaning();
        let separator = if meaning.is_empty() { "" } else { ": " };
        list.number(
            "status",
            2,
            number.into(),
            format!("{status}{separator}{meaning}"),
        );
    } else {
        list.number("vbucket", 2, number.into(), "");
    }
    list.number("body length", 4, header.body_len.into(), "");
    list.number(
        "opaque",
        4,
        header.opaque.into(),
        format!("{:#010x}", header.opaque),
    );
    let cas = if header.cas == 0 {
        "none".into()
    } else {
        format!("{:#018x}", header.cas)
    };
    list.number("cas", 8, header.cas, cas);
}

/// What a server would say to a well-formed request.
fn remark_on(header: &Header, dialect: Dialect, remarks: &mut Vec<String>) {
    let is_client_request = header.magic.is_request() && !header.magic.is_server_initiated();
    if !is_client_request {
        return;
    }
    match header.opcode.shape(dialect) {
        // The families judge their messages themselves, and better.
        _ if (0x40..=0x47).contains(&header.opcode.0)
            || (0x50..=0x67).contains(&header.opcode.0) => {}
        Some(shape) => {
            if let Err(error) = header.check_shape(&shape) {
                remarks.push(error.to_string());
            }
        }
        None if header.opcode.name(dialect).is_none() => {
            remarks.push(format!(
                "opcode {}: nobody has given it a meaning",
                header.opcode
            ));
        }
        None => {}
    }
    if usize::from(header.key_len) > KEY_LEN_MAX {
        remarks.push(format!(
            "key: {} bytes, servers take at most {KEY_LEN_MAX}",
            header.key_len
        ));
    }
}

/// What is wrong with a message of DCP, beyond what any packet has.
fn dcp_remark(packet: &Packet<'_>) -> Option<String> {
    if packet.magic.is_server_initiated() || !(0x50..=0x67).contains(&packet.opcode.0) {
        return None;
    }
    let error = if packet.magic.is_request() {
        dcp::Message::parse(packet).err()
    } else {
        dcp::Reply::parse(packet).err()
    };
    error.map(|error| error.to_string())
}

/// memcached binary protocol: frame-info encoding.
fn list_frame_infos<'a>(packet: &Packet<'a>, list: &mut FieldList<'a>, remarks: &mut Vec<String>) {
    let mut rest = packet.framing_extras;
    for found in FrameInfo::iter(packet.framing_extras) {
        let info = match found {
            Ok(info) => info,
            Err(error) => {
                remarks.push(format!("in the framing extras: {error}"));
                list.bytes_as("framing extras, rest", rest, hexadecimal(rest));
                return;
            }
        };
        // What has just been read has a length.
        let len = info.encoded_len().unwrap_or(rest.len());
        let (here, behind) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        rest = behind;
        let name = if packet.magic.is_request() {
            FrameInfo::request_name(info.id)
        } else {
            FrameInfo::response_name(info.id)
        };
        let name = name.map_or_else(|| format!("frame info {}", info.id), Into::into);
        list.bytes_as(
            &name,
            here,
            frame_info_text(&info, packet.magic.is_request()),
        );
    }
}

fn frame_info_text(info: &FrameInfo<'_>, is_request: bool) -> String {
    match (is_request, info.id, info.data) {
        (true, FrameInfo::DURABILITY_REQUIREMENT, [level, timeout @ ..]) => {
            let named = |(number, _): &&(u64, &str)| *number == u64::from(*level);
            let name = layout::DURABILITY_LEVELS.iter().find(named);
            let name = name.map_or_else(|| format!("level {level}"), |(_, name)| (*name).into());
            match timeout {
                [high, low] => format!("{name}, within {} ms", u16::from_be_bytes([*high, *low])),
                _ => name,
            }
        }
        (true, FrameInfo::IMPERSONATE | FrameInfo::IMPERSONATE_EXTRA_PRIVILEGE, data) => {
            quoted(data)
        }
        (false, FrameInfo::SERVER_DURATION | FrameInfo::THROTTLE_DURATION, [high, low]) => {
            format!("{:?}", unpack_duration(u16::from_be_bytes([*high, *low])))
        }
        (_, _, [high, low]) => u16::from_be_bytes([*high, *low]).to_string(),
        (_, _, data) => hexadecimal(data),
    }
}

fn list_extras<'a>(packet: &Packet<'a>, dialect: Dialect, list: &mut FieldList<'a>) {
    let len = packet.extras.len();
    let parts = match packet.magic {
        _ if packet.magic.is_server_initiated() => None,
        _ if packet.magic.is_request() => layout::request(packet.opcode, dialect, len),
        _ => layout::response(packet.opcode, dialect, len),
    };
    match parts {
        Some(parts) => list.parts("", parts, packet.extras),
        None if len > 0 => list.bytes_as("extras", packet.extras, hexadecimal(packet.extras)),
        None => {}
    }
}

fn list_value<'a>(packet: &Packet<'a>, list: &mut FieldList<'a>) {
    let len = packet.value.len();
    let parts = match packet.magic {
        _ if packet.magic.is_server_initiated() => None,
        _ if packet.magic.is_request() => layout::request_value(packet.opcode, len),
        _ => layout::response_value(packet.opcode, Status(packet.vbucket_or_status), len),
    };
    match parts {
        Some(parts) => {
            let once = parts.iter().map(|part| part.len).sum();
            for record in packet.value.chunks(once) {
                list.parts("", parts, record);
            }
        }
        None => list.bytes("value", packet.value),
    }
}
