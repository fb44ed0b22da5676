//! Frame infos (memcached binary protocol: frame-info encoding).

use super::layout::{Kind, Part, part, parts_len};
use super::names::DURABILITY_LEVELS;
use super::walk::Walk;
use super::{Expected, Lint};
use crate::wire::FrameInfo;

/// What one kind of frame info holds.
struct Info {
    id: u16,
    name: &'static str,
    explanation: &'static str,
    /// Every layout, told apart by its length; none when it is one text.
    layouts: &'static [&'static [Part]],
}

const fn info(
    id: u16,
    name: &'static str,
    explanation: &'static str,
    layouts: &'static [&'static [Part]],
) -> Info {
    Info {
        id,
        name,
        explanation,
        layouts,
    }
}

const LEVEL: Part = part!(
    "durability level",
    1,
    Kind::Names(DURABILITY_LEVELS),
    "what the write must survive",
);

const REQUESTS: &[Info] = &[
    info(
        FrameInfo::BARRIER,
        "Barrier",
        "nothing may run beside this command",
        &[&[]],
    ),
    info(
        FrameInfo::DURABILITY_REQUIREMENT,
        "DurabilityRequirement",
        "how safe the write must be before it is answered",
        &[
            &[LEVEL],
            &[
                LEVEL,
                part!(
                    "timeout",
                    2,
                    Kind::Milliseconds,
                    "how long the server may try",
                ),
            ],
        ],
    ),
    info(
        FrameInfo::DCP_STREAM_ID,
        "DcpStreamId",
        "which of several streams of the vbucket is meant",
        &[&[part!("stream id", 2, Kind::Number, "the stream")]],
    ),
    info(
        FrameInfo::IMPERSONATE,
        "Impersonate",
        "user on whose behalf to act; ^ in front marks an external one",
        &[],
    ),
    info(
        FrameInfo::PRESERVE_TTL,
        "PreserveTtl",
        "an existing document keeps its expiration",
        &[&[]],
    ),
    info(
        FrameInfo::IMPERSONATE_EXTRA_PRIVILEGE,
        "ImpersonateExtraPrivilege",
        "privilege that the impersonated user has besides",
        &[],
    ),
    info(
        FrameInfo::IMPERSONATE_WITH_TOKEN_AUTH_DATA_ID,
        "ImpersonateWithTokenAuthDataId",
        "authentication token whose user to impersonate",
        &[&[part!("token id", 2, Kind::Number, "the token")]],
    ),
];

const DURATION: Part = part!(
    "duration",
    2,
    Kind::PackedDuration,
    "in Couchbase's 16 bits"
);
const UNITS: Part = part!("units", 2, Kind::Number, "how many");

const RESPONSES: &[Info] = &[
    info(
        FrameInfo::SERVER_DURATION,
        "ServerDuration",
        "how long the server took, from receiving to sending",
        &[&[DURATION]],
    ),
    info(
        FrameInfo::READ_UNITS,
        "ReadUnits",
        "read units used",
        &[&[UNITS]],
    ),
    info(
        FrameInfo::WRITE_UNITS,
        "WriteUnits",
        "write units used",
        &[&[UNITS]],
    ),
    info(
        FrameInfo::THROTTLE_DURATION,
        "ThrottleDuration",
        "how long the command was held back",
        &[&[DURATION]],
    ),
];

/// All that is left of the open group, as frame infos.
pub(super) fn walk(walk: &mut Walk<'_, '_>) {
    while !walk.rest().is_empty() {
        let Some((id, data_len, head_len)) = head(walk.rest()) else {
            let left = walk.left();
            if left == walk.rest().len() as u64 {
                let allowed = Expected::AtLeast(left + 1);
                walk.report_next(Lint::FrameInfoCut, "frame info", left, left, allowed);
            }
            walk.leaf_rest("frame info", Kind::Bytes, "cut off in its head");
            return;
        };
        let len = head_len + u64::from(data_len);
        if len > walk.left() {
            let (left, allowed) = (walk.left(), Expected::AtLeast(len));
            walk.report_next(Lint::FrameInfoCut, "frame info", left, left, allowed);
        }
        one(walk, id, data_len, head_len);
    }
}

fn one(walk: &mut Walk<'_, '_>, id: u16, data_len: u16, head_len: u64) {
    let len = (head_len + u64::from(data_len)).min(walk.left());
    let is_request = walk.context.is_request();
    let known = if is_request { REQUESTS } else { RESPONSES };
    let known = known.iter().find(|info| info.id == id);
    let name = known.map_or("unknown frame info", |info| info.name);
    if known.is_none() {
        let allowed = Expected::AtMost(if is_request { 7 } else { 3 });
        walk.report_next(Lint::FrameInfoUnknown, name, len, id.into(), allowed);
    }
    let explanation = known.map_or("nobody has given it a meaning", |info| info.explanation);
    let opened = walk.open(name, len, explanation);
    if head_len == 1 {
        let explanation = "id in the high half, length of the data in the low one";
        walk.leaf("id and length", 1, Kind::Hexadecimal, explanation);
    } else {
        let explanation = "as halves of a byte; 15 adds the next byte";
        walk.leaf("id and length", head_len, Kind::Hexadecimal, explanation);
    }
    if let Some(info) = known {
        data(walk, info, data_len);
    } else {
        walk.leaf_rest("data", Kind::Bytes, "");
    }
    walk.close(opened);
}

fn data(walk: &mut Walk<'_, '_>, info: &Info, data_len: u16) {
    let lens = info.layouts.iter().map(|parts| parts_len(parts));
    let allowed = lens.fold(0, |bits, len| bits | 1_u64 << (len % 64));
    let fits = match info.layouts {
        [] => data_len > 0,
        _ => data_len < 64 && allowed >> data_len & 1 == 1,
    };
    if !fits {
        let allowed = match info.layouts {
            [] => Expected::AtLeast(1),
            _ => Expected::OneOf(allowed),
        };
        let len = data_len.into();
        walk.report_next(Lint::FrameInfoLength, info.name, len, len, allowed);
    }
    judge_data(walk, info, data_len);
    let layout = info
        .layouts
        .iter()
        .find(|parts| parts_len(parts) == data_len.into());
    match layout {
        Some(parts) => walk.parts(parts),
        None if info.layouts.is_empty() => walk.leaf_rest("name", Kind::Text, info.explanation),
        None => walk.leaf_rest("data", Kind::Bytes, "no layout of this length is known"),
    }
}

/// What is wrong with an info whatever its layout: an opcode that has no use for it, a reserved timeout.
fn judge_data(walk: &mut Walk<'_, '_>, info: &Info, data_len: u16) {
    if !walk.context.is_request() {
        return;
    }
    if (info.id, data_len) == (FrameInfo::DURABILITY_REQUIREMENT, 3)
        && let Some(timeout @ (0 | 0xffff)) = walk.peek_number(1, 2)
    {
        let allowed = Expected::Words("1 to 65534 ms");
        walk.report_next(Lint::DurabilityTimeout, "timeout", 3, timeout, allowed);
    }
    let opcode = walk.context.opcode;
    let is_write = matches!(
        opcode.0,
        0x01..=0x06 | 0x0e | 0x0f | 0x11..=0x16 | 0x19 | 0x1a | 0xc7..=0xcf | 0xd1 | 0xd3
    );
    let is_in_place = match info.id {
        FrameInfo::DURABILITY_REQUIREMENT | FrameInfo::PRESERVE_TTL => is_write,
        FrameInfo::DCP_STREAM_ID => matches!(opcode.0, 0x50..=0x67),
        _ => true,
    };
    if !is_in_place {
        let (len, id) = (data_len.into(), info.id.into());
        walk.report_next(
            Lint::FrameInfoOutOfPlace,
            info.name,
            len,
            id,
            Expected::AsTitled,
        );
    }
}

/// Id, length of the data and length of the head of a frame info, in bytes.
fn head(bytes: &[u8]) -> Option<(u16, u16, u64)> {
    let (&nibbles, mut rest) = bytes.split_first()?;
    let mut head_len = 1;
    let mut escaped = |nibble: u8| {
        if nibble < 15 {
            return Some(u16::from(nibble));
        }
        let (&more, behind) = rest.split_first()?;
        rest = behind;
        head_len += 1;
        Some(15 + u16::from(more))
    };
    let id = escaped(nibbles >> 4)?;
    let len = escaped(nibbles & 15)?;
    Some((id, len, head_len))
}
