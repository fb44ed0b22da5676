//! Lints of TAP's and DCP's messages.

use super::super::layout::{Content, Message};
use super::super::walk::Walk;
use super::super::{Expected, Lint};
use super::{BODY_LEN, EXTRAS_LEN, extras_lens, key_len_field, presence};
use crate::wire::{HEADER_LEN, Opcode, Presence};

/// Longest name of a DCP connection, in bytes.
const NAME_LEN_MAX: u64 = 200;

/// The parts of TAP's messages, whose engine-private bytes the header does not tell.
pub(super) fn tap_shape(walk: &mut Walk<'_, '_>, message: &Message) {
    let context = walk.context;
    let header = context.header;
    let lens = extras_lens(message);
    if header.extras_len >= 64 || lens >> header.extras_len & 1 == 0 {
        let (found, allowed) = (header.extras_len.into(), Expected::OneOf(lens));
        walk.report_at(
            Lint::ExtrasLength,
            "extras length",
            EXTRAS_LEN,
            found,
            allowed,
        );
    }
    let key = match message.key {
        Content::Document => Presence::Required,
        Content::Nothing => Presence::Forbidden,
        _ => Presence::Optional,
    };
    presence(
        walk,
        [Lint::KeyMissing, Lint::KeyForbidden],
        ("key length", key_len_field(&context)),
        header.key_len.into(),
        key,
    );
    let value = match message.value {
        Content::Document => Presence::Optional,
        Content::Nothing => Presence::Forbidden,
        _ => Presence::Required,
    };
    presence(
        walk,
        [Lint::ValueMissing, Lint::ValueForbidden],
        ("body length", BODY_LEN),
        context.value_len(),
        value,
    );
    engine_len(walk);
}

fn engine_len(walk: &mut Walk<'_, '_>) {
    let context = walk.context;
    let told = context.engine_len_told;
    let (lint, allowed) = match context.opcode {
        _ if told > context.engine_len => {
            (Lint::TapEngineLength, Expected::AtMost(context.engine_len))
        }
        Opcode::TAP_OPAQUE | Opcode::TAP_VBUCKET_SET if told < 4 => {
            (Lint::TapEngineShort, Expected::AtLeast(4))
        }
        _ => return,
    };
    walk.report_extras(lint, "engine-private length", (0, 2), told, allowed);
}

pub(super) fn judge(walk: &mut Walk<'_, '_>) {
    type O = Opcode;
    let context = walk.context;
    match context.opcode {
        Opcode(0x41..=0x47) => tap(walk),
        O::DCP_OPEN => open(walk),
        O::DCP_STREAM_REQ => stream_request(walk),
        O::DCP_SNAPSHOT_MARKER => marker(walk),
        O::DCP_CONTROL => control(walk),
        O::DCP_MUTATION => metadata(walk, 28),
        O::DCP_DELETION | O::DCP_EXPIRATION if context.header.extras_len == 18 => {
            metadata(walk, 16);
        }
        _ => {}
    }
}

fn tap(walk: &mut Walk<'_, '_>) {
    let context = walk.context;
    if !context.is_tap_message() {
        return;
    }
    if context.extras_number(4, 1) == Some(0) {
        walk.report_extras(Lint::TapTtlZero, "ttl", (4, 1), 0, Expected::AtLeast(1));
    }
    let flags = context.extras_number(2, 2);
    let item_flags = context.extras_number(8, 4);
    if let (Opcode::TAP_MUTATION, Some(flags), Some(item_flags @ 1..)) =
        (context.opcode, flags, item_flags)
        && flags & 0x04 == 0
    {
        let lint = Lint::TapFlagsSwapped;
        walk.report_extras(lint, "item flags", (8, 4), item_flags, Expected::AsTitled);
    }
}

fn open(walk: &mut Walk<'_, '_>) {
    let context = walk.context;
    let len = u64::from(context.header.key_len);
    if len > NAME_LEN_MAX {
        let (place, allowed) = (key_len_field(&context), Expected::AtMost(NAME_LEN_MAX));
        walk.report_at(Lint::DcpNameTooLong, "key length", place, len, allowed);
    }
    let Some(flags) = context.extras_number(4, 4) else {
        return;
    };
    let has = |bits| flags & bits == bits;
    let is_refused = flags & 0x092 != 0
        || has(0x048)
        || (has(0x100) && !has(0x004))
        || (has(0x200) && !has(0x001));
    if is_refused {
        let allowed = Expected::Bits(0x36d);
        walk.report_extras(Lint::DcpOpenRefused, "flags", (4, 4), flags, allowed);
    }
}

fn stream_request(walk: &mut Walk<'_, '_>) {
    let number = |at| walk.context.extras_number(at, 8);
    let (Some(start), Some(end), Some(from), Some(to)) =
        (number(8), number(16), number(32), number(40))
    else {
        return;
    };
    let (field, place, found, allowed) = if start > end {
        ("start seqno", (8, 8), start, Expected::AtMost(end))
    } else if from > start {
        ("snapshot start", (32, 8), from, Expected::AtMost(start))
    } else if to < start {
        ("snapshot end", (40, 8), to, Expected::AtLeast(start))
    } else {
        return;
    };
    walk.report_extras(Lint::DcpStreamRange, field, place, found, allowed);
}

fn marker(walk: &mut Walk<'_, '_>) {
    let context = walk.context;
    let extras_at = HEADER_LEN + usize::from(context.header.framing_extras_len);
    // The first form has its fields in the extras, the later ones behind them.
    let skip: u8 = (context.header.extras_len == 1).into();
    let number = |at, len| walk.peek_number(u64::from(skip) + at, len);
    let (Some(start), Some(end), Some(flags)) = (number(0, 8), number(8, 8), number(16, 4)) else {
        return;
    };
    let place = |at| (extras_at + usize::from(skip) + at, 8);
    if flags & 0x03 == 0 {
        let (place, allowed) = (place(16), Expected::Words("memory or disk"));
        walk.report_at(Lint::DcpSnapshotSource, "flags", place, flags, allowed);
    } else if start > end {
        let allowed = Expected::AtMost(end);
        walk.report_at(
            Lint::DcpSnapshotSource,
            "start seqno",
            place(0),
            start,
            allowed,
        );
    }
}

fn metadata(walk: &mut Walk<'_, '_>, at: usize) {
    if let Some(len @ 1..) = walk.context.extras_number(at, 2) {
        let allowed = Expected::Exactly(0);
        walk.report_extras(Lint::DcpMetadata, "metadata length", (at, 2), len, allowed);
    }
}

/// What a property of a connection is set to.
#[derive(Clone, Copy)]
enum Setting {
    Decimal,
    /// Digits, perhaps with a fraction.
    Seconds,
    Boolean,
    True,
    Word(&'static [&'static str]),
    Name,
    /// Nobody takes it.
    Refused,
}

/// Every property that a producer knows (memcached binary protocol: CONTROL keys).
const SETTINGS: &[(&str, Setting)] = &[
    ("connection_buffer_size", Setting::Decimal),
    ("stream_buffer_size", Setting::Refused),
    ("enable_noop", Setting::Boolean),
    ("set_noop_interval", Setting::Seconds),
    ("set_priority", Setting::Word(&["high", "medium", "low"])),
    (
        "backfill_order",
        Setting::Word(&["round-robin", "sequential"]),
    ),
    ("force_value_compression", Setting::Boolean),
    ("supports_cursor_dropping", Setting::Boolean),
    ("supports_cursor_dropping_vulcan", Setting::Boolean),
    ("supports_hifi_MFU", Setting::Boolean),
    ("send_stream_end_on_client_close_stream", Setting::True),
    ("enable_expiry_opcode", Setting::Boolean),
    ("enable_stream_id", Setting::True),
    ("enable_sync_writes", Setting::True),
    ("consumer_name", Setting::Name),
    (
        "enable_out_of_order_snapshots",
        Setting::Word(&["true", "true_with_seqno_advanced"]),
    ),
    ("flatbuffers_system_events", Setting::True),
    ("change_streams", Setting::True),
    ("include_deleted_user_xattrs", Setting::True),
    ("v7_dcp_status_codes", Setting::True),
    ("max_marker_version", Setting::Word(&["2.2"])),
    ("cache_transfer", Setting::True),
];

fn control(walk: &mut Walk<'_, '_>) {
    let key = walk.key();
    let header = walk.context.header;
    let value_len = walk.context.value_len();
    let whole_key = key.len() == usize::from(header.key_len);
    if key.is_empty() || !whole_key {
        return;
    }
    let body_at =
        HEADER_LEN + usize::from(header.framing_extras_len) + usize::from(header.extras_len);
    let setting = SETTINGS.iter().find(|(name, _)| name.as_bytes() == key);
    let Some((_, setting)) = setting.filter(|(_, setting)| !matches!(setting, Setting::Refused))
    else {
        let (len, place) = (key.len() as u64, (body_at, key.len()));
        walk.report_at(
            Lint::DcpControlUnknown,
            "key",
            place,
            len,
            Expected::AsTitled,
        );
        return;
    };
    let skip = u64::from(header.extras_len) + key.len() as u64;
    let behind = walk.peek(skip.saturating_add(value_len));
    let value = behind.get(skip as usize..).unwrap_or_default();
    if value.len() as u64 != value_len || fits(*setting, value) {
        return;
    }
    let allowed = match *setting {
        Setting::Decimal | Setting::Seconds => Expected::Words("a decimal number"),
        Setting::Boolean => Expected::Words("true or false"),
        Setting::True => Expected::Words("true"),
        _ => Expected::AsTitled,
    };
    let place = (body_at + key.len(), value.len());
    walk.report_at(Lint::DcpControlValue, "value", place, value_len, allowed);
}

fn fits(setting: Setting, value: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    match setting {
        Setting::Decimal => !value.is_empty() && value.iter().all(is_digit),
        Setting::Seconds => {
            let is_part = |byte: &u8| is_digit(byte) || *byte == b'.';
            value.iter().any(is_digit) && value.iter().all(is_part)
        }
        Setting::Boolean => matches!(value, b"true" | b"false"),
        Setting::True => value == b"true",
        Setting::Word(words) => words.iter().any(|word| word.as_bytes() == value),
        Setting::Name => !value.is_empty(),
        Setting::Refused => false,
    }
}
