//! What lies within messages: metadata, logs, names, opaques, records, attributes, filters.

use super::golden::{TWO_HISTORIES, messages};
use super::*;

/// Defect 50 of gomemcached: the value included the extended metadata.
#[test]
fn extended_metadata_is_cut_off_the_value() {
    let bytes = hex("80 57 0001 1f 00 0000 00000025 00000000 0000000000000000
                     0000000000000001 0000000000000001 00000000 00000000 00000000 0003 00 6b 76 010203 6d");
    let value = Message::parse(&packet(&bytes)).map(|message| message.body);
    let Ok(Body::Mutation(mutation)) = value else {
        panic!("{value:?}");
    };
    assert_eq!(
        (mutation.value, mutation.metadata),
        (&b"v\x01"[..], &b"\x02\x03m"[..])
    );
}

/// Defect 49: an expiration with fewer than 18 bytes of extras crashed.
#[test]
fn deletions_and_expirations_of_every_length_of_extras_are_judged() {
    for opcode in [Opcode::DCP_DELETION, Opcode::DCP_EXPIRATION] {
        for len in 0..=255 {
            let packet = Packet {
                opcode,
                extras: &vec![0; len],
                key: b"k",
                ..Packet::default()
            };
            let other = if opcode == Opcode::DCP_DELETION {
                21
            } else {
                20
            };
            let is_taken = len == 18 || len == other;
            assert_eq!(
                Message::parse(&packet).is_ok(),
                is_taken,
                "{opcode} with {len}"
            );
        }
    }
}

/// Defect 59: the latest entry was the oldest, and an empty log crashed.
#[test]
fn the_newest_entry_of_a_failover_log_is_the_first() {
    let log = FailoverLog::parse(TWO_HISTORIES).unwrap();
    let newest = FailoverEntry {
        vbucket_uuid: 0x0b0b,
        seqno: 100,
    };
    assert_eq!(log.newest(), Some(newest));
    assert_eq!((log.len(), log.is_empty()), (2, false));
    let bytes: Vec<u8> = log.iter().flat_map(FailoverEntry::to_bytes).collect();
    assert_eq!(bytes, TWO_HISTORIES);
    assert_eq!(FailoverLog::parse(b"").unwrap().newest(), None);
    for len in 0..64 {
        assert_eq!(FailoverLog::parse(&[0; 64][..len]).is_ok(), len % 16 == 0);
    }
}

/// Defect 73: reasons and snapshot flags were not decoded, or described wrongly.
#[test]
fn reasons_flags_and_events_have_names_and_unknown_ones_stay() {
    assert_eq!(StreamEndReason::SLOW.to_string(), "slow");
    assert_eq!(StreamEndReason(0x99).to_string(), "0x99");
    assert_eq!(SnapshotFlags(0x01).to_string(), "memory");
    assert_eq!(SnapshotFlags(0x02).to_string(), "disk");
    assert_eq!(SnapshotFlags(0x8009).to_string(), "memory|ack|0x8000");
    assert_eq!(SnapshotFlags::NONE.to_string(), "none");
    assert_eq!(SystemEventKind::SCOPE_DROP.to_string(), "scope-drop");
    assert_eq!(VbucketState(9).to_string(), "0x9");
    assert_eq!(OpenFlags(0x12).unnamed_bits(), 0x10);
    assert_eq!(
        (StreamFlags::TAKEOVER | StreamFlags::CACHE_TRANSFER).to_string(),
        "takeover|cache-transfer"
    );
}

#[test]
fn the_opaque_holds_the_applications_number_and_the_vbucket() {
    let opaque = StreamOpaque {
        application: 0xabcd,
        vbucket: 1023,
    };
    assert_eq!(opaque.to_opaque(), 0xabcd_03ff);
    assert_eq!(StreamOpaque::from_opaque(0xabcd_03ff), opaque);
}

#[test]
fn the_stream_id_is_found_among_other_frame_infos() {
    let framing_extras = [0x00, 0x11, 0x01, 0x22, 0xff, 0xfe];
    let message = Message {
        magic: Magic::FLEX_REQUEST,
        framing_extras: &framing_extras,
        ..message(Body::Noop)
    };
    assert_eq!(message.stream_id(), Ok(Some(0xfffe)));
    assert_eq!(
        Message::stream_id_framing_extras(0xfffe),
        [0x22, 0xff, 0xfe]
    );
    let without = Message {
        framing_extras: &framing_extras[..1],
        ..message
    };
    assert_eq!(without.stream_id(), Ok(None));
    let cut = Message {
        framing_extras: &framing_extras[3..5],
        ..message
    };
    assert_eq!(
        cut.stream_id().unwrap_err().kind,
        ParseErrorKind::FrameInfoTruncated
    );
}

#[test]
fn the_details_of_system_events_are_read_by_event_and_version() {
    let event = |event, version, value| SystemEvent {
        event,
        version,
        value,
        ..SystemEvent::default()
    };
    let value = b"\0\0\0\0\0\0\0\x04\0\0\0\x08\0\0\0\x09\0\0\0\x3c";
    let begin = SystemEventKind::COLLECTION_BEGIN;
    let collection = |max_ttl| SystemEventDetails::Collection {
        manifest_uid: 4,
        scope: 8,
        collection: 9,
        max_ttl,
    };
    assert_eq!(
        event(begin, 0, &value[..16]).details(),
        Ok(collection(None))
    );
    assert_eq!(
        event(begin, 1, &value[..]).details(),
        Ok(collection(Some(60)))
    );
    let end = SystemEventKind::COLLECTION_END;
    assert_eq!(event(end, 0, &value[..16]).details(), Ok(collection(None)));
    let scope = SystemEventDetails::Scope {
        manifest_uid: 4,
        scope: 8,
    };
    for kind in [SystemEventKind::SCOPE_CREATE, SystemEventKind::SCOPE_DROP] {
        assert_eq!(event(kind, 0, &value[..12]).details(), Ok(scope));
    }
    let table = SystemEventDetails::FlatBuffers(value);
    assert_eq!(
        event(SystemEventKind::COLLECTION_MODIFY, 2, value).details(),
        Ok(table)
    );
    let unknown = SystemEventDetails::Unknown(value);
    assert_eq!(event(SystemEventKind(2), 0, value).details(), Ok(unknown));
    assert_eq!(
        event(begin, 0, &value[..15]).details().unwrap_err().allowed,
        Allowed::Bits(1 << 16)
    );
}

#[test]
fn cache_records_are_read_and_written_one_behind_the_other() {
    let first = CacheRecord {
        cas: 1,
        seqno: 2,
        revision: 3,
        flags: 5,
        expiration: 6,
        datatype: DataType::JSON,
        cache_hint: 8,
        key: b"\0k",
        value: b"v",
    };
    let second = CacheRecord {
        key: b"\0l",
        value: b"",
        ..first
    };
    let mut bytes = [0; 128];
    let mut len = 0;
    for record in [first, second] {
        let needed = record.encoded_len().unwrap();
        let short = record.emit(&mut bytes[len..len + needed - 1]);
        assert!(matches!(short, Err(EmitError::OutputTooShort { .. })));
        len += record.emit(&mut bytes[len..]).unwrap();
    }
    let records = CacheRecords {
        bytes: &bytes[..len],
    };
    let read: Result<Vec<_>, _> = records.iter().collect();
    assert_eq!(read, Ok(vec![first, second]));
    for cut in 0..len {
        let records = CacheRecords {
            bytes: &bytes[..cut],
        };
        let read: Vec<_> = records.iter().collect();
        let whole = usize::from(cut >= 43);
        let is_between = cut == 0 || cut == 43;
        assert_eq!(read.len(), whole + usize::from(!is_between), "cut at {cut}");
        if let Some(Err(error)) = read.last() {
            assert_eq!(error.kind, ParseErrorKind::PartExceedsValue);
            assert_eq!(error.offset as usize, whole * 43);
        }
    }
}

#[test]
fn collection_ids_are_leb128_in_the_shortest_form() {
    for (id, bytes) in [
        (0, "00"),
        (1, "01"),
        (8, "08"),
        (0x7f, "7f"),
        (0x80, "8001"),
        (0xff, "ff01"),
        (555, "ab04"),
        (0x555, "d50a"),
        (0x5555, "d5aa01"),
        (0x7fff, "ffff01"),
        (0x8000, "808002"),
        (0xbfff, "ffff02"),
        (0xcafe, "fe9503"),
        (0xffff, "ffff03"),
        (0x0caf_ef00, "80debf65"),
        (0xcafe_f00d, "8de0fbd70c"),
        (0xffff_ffff, "ffffffff0f"),
    ] {
        let mut bytes = hex(bytes);
        bytes.push(b'k');
        let key = CollectionKey {
            collection: id,
            key: b"k",
        };
        assert_eq!(CollectionKey::parse(&bytes), Ok(key));
        let mut out = [0; 8];
        assert_eq!(key.emit(&mut out), Ok(bytes.len()));
        assert_eq!(out[..bytes.len()], bytes);
        assert_eq!(key.encoded_len(), bytes.len());
        assert!(key.emit(&mut out[..bytes.len() - 1]).is_err());
    }
    let kind = |bytes| CollectionKey::parse(bytes).unwrap_err().kind;
    assert_eq!(kind(b""), ParseErrorKind::CollectionId);
    assert_eq!(kind(b"\x80"), ParseErrorKind::CollectionId);
    assert_eq!(
        kind(b"\x80\0k"),
        ParseErrorKind::CollectionId,
        "longer than it has to be"
    );
    assert_eq!(kind(b"\xff\xff\xff\xff\x1fk"), ParseErrorKind::CollectionId);
    assert_eq!(
        kind(b"\xff\xff\xff\xff\x8f\x01k"),
        ParseErrorKind::CollectionId
    );
    assert_eq!(kind(b"\x08"), ParseErrorKind::KeyMissing);
}

#[test]
fn extended_attributes_are_split_off_the_document_and_written_again() {
    let bytes = [
        &hex("00000012 0000000e 5f73796e6300 7b2263223a317d00")[..],
        b"{}",
    ]
    .concat();
    let (xattrs, document) = Xattrs::split(&bytes).unwrap();
    assert_eq!(document, b"{}");
    let sync = Xattr {
        key: b"_sync",
        value: br#"{"c":1}"#,
    };
    assert_eq!(xattrs.iter().collect::<Vec<_>>(), [Ok(sync)]);

    let mut pairs = [0; 18];
    assert!(sync.emit(&mut pairs[..17]).is_err());
    assert_eq!(sync.emit(&mut pairs), Ok(18));
    let mut out = [0; 22];
    assert_eq!(Xattrs { pairs: &pairs }.emit(&mut out), Ok(22));
    assert_eq!(out, bytes[..22]);

    for len in 0..22 {
        let error = Xattrs::split(&bytes[..len]).unwrap_err();
        assert_eq!(error.kind, ParseErrorKind::PartExceedsValue);
    }
    for pairs in [
        "00",
        "00000001",
        "00000002 6100",
        "00000002 6161",
        "00000001 00",
    ] {
        let pairs = hex(pairs);
        let read: Vec<_> = Xattrs { pairs: &pairs }.iter().collect();
        assert!(matches!(read[..], [Err(_)]), "{pairs:02x?}: {read:?}");
    }
}

#[test]
fn a_stream_filter_is_the_json_that_producers_read() {
    let text = |filter: StreamFilter<'_>| {
        let mut out = [0; 200];
        let len = filter.emit(&mut out).unwrap();
        assert_eq!(filter.encoded_len(), len);
        if len > 0 {
            assert!(filter.emit(&mut out[..len - 1]).is_err());
        }
        String::from_utf8(out[..len].to_vec()).unwrap()
    };
    assert_eq!(text(StreamFilter::default()), "");
    let all = StreamFilter {
        manifest_uid: Some(0x1a),
        collections: &[0, 8, 0xbeef],
        scope: Some(9),
        stream_id: Some(1),
        purge_seqno: Some(1000),
    };
    assert_eq!(
        text(all),
        r#"{"uid":"1a","collections":["0","8","beef"],"scope":"9","sid":1,"purge_seqno":"1000"}"#
    );
    let stream_id = Some(7);
    assert_eq!(
        text(StreamFilter {
            stream_id,
            ..StreamFilter::default()
        }),
        r#"{"sid":7}"#
    );
}

#[test]
fn only_changes_have_a_seqno() {
    for (name, message, bytes) in messages() {
        let is_change = matches!(bytes[1], 0x57..=0x59 | 0x5f | 0x60 | 0x62 | 0x63);
        assert_eq!(message.body.seqno().is_some(), is_change, "{name}");
    }
    let commit = Commit {
        prepared_seqno: 1,
        commit_seqno: 5,
        key: b"k",
    };
    assert_eq!(Body::Commit(commit).seqno(), Some(5));
}
