//! The fields say what the typed parsers say, and the lints miss nothing that those refuse.

use memlet_core::dcp::{
    Body, CacheRecords, CollectionKey, DeletionForm, ExpirationForm, MarkerForm, Message, Reply,
    ReplyBody, SystemEventDetails, VbucketSeqnos, Xattrs,
};
use memlet_core::tap;
use memlet_core::wire::extras::{
    CounterExtras, FlagsExtras, FlushExtras, StoreExtras, TouchExtras,
};
use memlet_core::wire::fields::Options;
use memlet_core::wire::{
    DataType, Dialect, FrameInfo, Limits, Magic, Opcode, Packet, Parsed, Request,
};
use proptest::prelude::*;

use crate::support::{COUCHBASE, MEMCACHED, Told, emit, told};

type O = Opcode;

/// Each of these fields has this number.
fn assert_numbers(told: &Told, numbers: &[(&str, u64)]) {
    for (name, number) in numbers {
        assert_eq!(told.number(name), *number, "{name} in\n{}", told.listing);
    }
}

fn bytes(len: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![Just(0), 0_u8..8, any::<u8>()], len)
}

/// A packet whose extras have one of the lengths that any message has.
fn packet(opcodes: impl Strategy<Value = u8>, magic: Magic) -> impl Strategy<Value = Vec<u8>> {
    let extras_len = prop::sample::select(vec![
        0_usize, 1, 4, 8, 13, 16, 18, 20, 21, 24, 26, 28, 30, 31, 48,
    ]);
    let extras = extras_len.prop_flat_map(bytes);
    let value = prop_oneof![
        Just(vec![]),
        bytes(1..60),
        bytes(36),
        bytes(52),
        bytes(8),
        bytes(16)
    ];
    let key = prop_oneof![Just(vec![]), bytes(1..9)];
    let status = prop_oneof![Just(0_u16), Just(0x23), 0_u16..0x90];
    (opcodes, extras, key, value, status, any::<u64>()).prop_map(
        move |(opcode, extras, key, value, number, cas)| {
            emit(&Packet {
                magic,
                opcode: Opcode(opcode),
                vbucket_or_status: number,
                opaque: cas as u32,
                cas,
                extras: &extras,
                key: &key,
                value: &value,
                ..Packet::default()
            })
        },
    )
}

fn parsed(bytes: &[u8]) -> Packet<'_> {
    match Packet::parse(bytes, &Limits::NONE) {
        Ok(Parsed::Complete { value, .. }) => value,
        other => panic!("{other:?}"),
    }
}

fn assert_header(packet: &Packet<'_>, told: &Told) {
    let number = if packet.magic.is_request() {
        "vbucket"
    } else {
        "status"
    };
    let header = packet.header().unwrap();
    assert_numbers(
        told,
        &[
            ("magic", packet.magic.0.into()),
            ("opcode", packet.opcode.0.into()),
            ("key length", header.key_len.into()),
            ("extras length", header.extras_len.into()),
            ("data type", packet.datatype.0.into()),
            (number, packet.vbucket_or_status.into()),
            ("body length", header.body_len.into()),
            ("opaque", packet.opaque.into()),
        ],
    );
    if told.listing.contains("persist time") {
        let cas = told.number("persist time") << 32 | told.number("replication time");
        assert_eq!(cas, packet.cas);
    } else {
        assert_eq!(told.number("cas"), packet.cas);
    }
}

fn assert_dcp_message(message: &Message<'_>, told: &Told) {
    let change = |seqno, revision| [("seqno", seqno), ("revision", revision)];
    match &message.body {
        Body::Open(open) => assert_numbers(
            told,
            &[("seqno", open.seqno.into()), ("flags", open.flags.0.into())],
        ),
        Body::AddStream(add) => assert_numbers(told, &[("flags", add.flags.0.into())]),
        Body::StreamRequest(request) => assert_numbers(
            told,
            &[
                ("flags", request.flags.0.into()),
                ("reserved", request.reserved.into()),
                ("start seqno", request.start_seqno),
                ("end seqno", request.end_seqno),
                ("vbucket uuid", request.vbucket_uuid),
                ("snapshot start", request.snapshot_start),
                ("snapshot end", request.snapshot_end),
            ],
        ),
        Body::StreamEnd(end) => assert_numbers(told, &[("reason", end.reason.0.into())]),
        Body::SnapshotMarker(marker) => {
            let MarkerForm::V2_2 {
                purge_seqno,
                high_prepared_seqno,
                ..
            } = marker.form
            else {
                return assert_numbers(
                    told,
                    &[
                        ("start seqno", marker.start_seqno),
                        ("end seqno", marker.end_seqno),
                        ("flags", marker.flags.0.into()),
                    ],
                );
            };
            assert_numbers(
                told,
                &[
                    ("purge seqno", purge_seqno),
                    ("high prepared seqno", high_prepared_seqno),
                ],
            );
        }
        Body::Mutation(mutation) => {
            assert_numbers(told, &change(mutation.seqno, mutation.revision));
            assert_numbers(
                told,
                &[
                    ("flags", mutation.flags.into()),
                    ("expiration", mutation.expiration.into()),
                    ("lock time", mutation.lock_time.into()),
                    ("metadata length", mutation.metadata.len() as u64),
                    ("nru", mutation.nru.into()),
                ],
            );
            assert_eq!(told.bytes("extended metadata"), mutation.metadata);
            assert_eq!(told.bytes("key"), mutation.key);
        }
        Body::Deletion(deletion) => {
            assert_numbers(told, &change(deletion.seqno, deletion.revision));
            match deletion.form {
                DeletionForm::V1 { metadata } => {
                    assert_eq!(told.bytes("extended metadata"), metadata);
                }
                DeletionForm::V2 { delete_time, .. } => {
                    assert_numbers(told, &[("delete time", delete_time.into())]);
                }
            }
        }
        Body::Expiration(expiration) => {
            assert_numbers(told, &change(expiration.seqno, expiration.revision));
            match expiration.form {
                ExpirationForm::V1 { metadata } => {
                    assert_eq!(told.bytes("extended metadata"), metadata);
                }
                ExpirationForm::V2 { delete_time } => {
                    assert_numbers(told, &[("delete time", delete_time.into())]);
                }
            }
        }
        Body::SetVbucketState(state) => assert_numbers(told, &[("state", state.0.into())]),
        Body::BufferAck(ack) => assert_numbers(told, &[("bytes", ack.bytes.into())]),
        _ => assert_later_dcp_message(message, told),
    }
}

fn assert_later_dcp_message(message: &Message<'_>, told: &Told) {
    match &message.body {
        Body::Control(control) => {
            assert_eq!(
                (told.bytes("key"), told.bytes("value")),
                (control.key, control.value)
            );
        }
        Body::SystemEvent(event) => {
            assert_numbers(
                told,
                &[
                    ("seqno", event.seqno),
                    ("event", event.event.0.into()),
                    ("version", event.version.into()),
                ],
            );
            match event.details() {
                Ok(SystemEventDetails::Collection {
                    manifest_uid,
                    scope,
                    collection,
                    max_ttl,
                }) => {
                    assert_numbers(
                        told,
                        &[
                            ("manifest uid", manifest_uid),
                            ("scope", scope.into()),
                            ("collection", collection.into()),
                        ],
                    );
                    assert_eq!(told.numbers("max ttl").next(), max_ttl.map(u64::from));
                }
                Ok(SystemEventDetails::Scope {
                    manifest_uid,
                    scope,
                }) => {
                    assert_numbers(
                        told,
                        &[("manifest uid", manifest_uid), ("scope", scope.into())],
                    );
                }
                Ok(_) => {}
                Err(_) => assert!(!told.findings.is_empty(), "{}", told.listing),
            }
        }
        Body::Prepare(prepare) => assert_numbers(
            told,
            &[
                ("seqno", prepare.seqno),
                ("revision", prepare.revision),
                ("flags", prepare.flags.into()),
                ("lock time", prepare.lock_time.into()),
                ("nru", prepare.nru.into()),
                ("deleted", prepare.deleted.into()),
                ("durability level", prepare.durability_level.into()),
            ],
        ),
        Body::SeqnoAcknowledged(seqno) => {
            assert_numbers(told, &[("prepared seqno", seqno.prepared_seqno)]);
        }
        Body::Commit(commit) => assert_numbers(
            told,
            &[
                ("prepared seqno", commit.prepared_seqno),
                ("commit seqno", commit.commit_seqno),
            ],
        ),
        Body::Abort(abort) => assert_numbers(
            told,
            &[
                ("prepared seqno", abort.prepared_seqno),
                ("abort seqno", abort.abort_seqno),
            ],
        ),
        Body::SeqnoAdvanced(advanced) => assert_numbers(told, &[("seqno", advanced.seqno)]),
        Body::OsoSnapshot(oso) => assert_numbers(told, &[("flags", oso.flags.0.into())]),
        _ => {}
    }
}

fn assert_tap_message(message: &tap::Message<'_>, told: &Told) {
    let head = |head: &tap::Head| {
        assert_numbers(
            told,
            &[("flags", head.flags.0.into()), ("ttl", head.ttl.into())],
        );
    };
    match message {
        tap::Message::Mutation(mutation) => {
            head(&mutation.head);
            assert_numbers(
                told,
                &[
                    ("item flags", mutation.item.flags.into()),
                    ("expiration", mutation.item.expiration.into()),
                ],
            );
            assert_eq!(
                (told.bytes("key"), told.bytes("value")),
                (mutation.key, mutation.value)
            );
            if mutation.engine.len() == 9 {
                assert_eq!(told.numbers("revision").next(), mutation.revision());
            }
        }
        tap::Message::Deletion(deletion) => {
            head(&deletion.head);
            assert_eq!(told.bytes("key"), deletion.key);
        }
        tap::Message::Opaque(opaque) if opaque.engine.is_empty() => {
            assert_numbers(told, &[("subtype", opaque.subtype.0.into())]);
        }
        tap::Message::VbucketSet(set) if set.engine.is_empty() => {
            assert_numbers(told, &[("state", set.state.0.into())]);
        }
        tap::Message::CheckpointStart(checkpoint) | tap::Message::CheckpointEnd(checkpoint) => {
            assert_numbers(told, &[("checkpoint id", checkpoint.id)]);
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn the_header_is_the_packets(bytes in packet(any::<u8>(), Magic::CLIENT_RESPONSE), couchbase in any::<bool>()) {
        let options = if couchbase { COUCHBASE } else { MEMCACHED };
        assert_header(&parsed(&bytes), &told(&bytes, &options));
    }

    #[test]
    fn a_request_of_a_wrong_shape_is_found(bytes in packet(any::<u8>(), Magic::CLIENT_REQUEST), couchbase in any::<bool>()) {
        let options = if couchbase { COUCHBASE } else { MEMCACHED };
        let (packet, told) = (parsed(&bytes), told(&bytes, &options));
        assert_header(&packet, &told);
        let shape = packet.opcode.shape(options.dialect);
        if shape.is_some_and(|shape| packet.check_shape(&shape).is_err()) {
            prop_assert!(!told.findings.is_empty(), "{}", told.listing);
        }
    }

    #[test]
    fn extras_are_those_of_the_typed_parsers(bytes in packet(0_u8..0x20, Magic::CLIENT_REQUEST)) {
        let (packet, told) = (parsed(&bytes), told(&bytes, &MEMCACHED));
        match packet.opcode.loud() {
            O::SET | O::ADD | O::REPLACE => if let Ok(extras) = StoreExtras::parse(packet.extras) {
                assert_numbers(&told, &[("flags", extras.flags.into()), ("expiration", extras.expiration.into())]);
            }
            O::INCREMENT | O::DECREMENT => if let Ok(extras) = CounterExtras::parse(packet.extras) {
                assert_numbers(&told, &[("delta", extras.delta), ("initial value", extras.initial), ("expiration", extras.expiration.into())]);
            }
            O::TOUCH | O::GAT => if let Ok(extras) = TouchExtras::parse(packet.extras) {
                assert_numbers(&told, &[("expiration", extras.expiration.into())]);
            }
            O::FLUSH => if let Ok(FlushExtras { expiration: Some(expiration) }) = FlushExtras::parse(packet.extras) {
                assert_numbers(&told, &[("expiration", expiration.into())]);
            }
            _ => {}
        }
    }

    #[test]
    fn flags_of_answers_are_those_of_the_typed_parser(flags in any::<[u8; 4]>(), key in bytes(1..9)) {
        let bytes = emit(&Packet { magic: Magic::CLIENT_RESPONSE, opcode: O::GETK, extras: &flags, key: &key, value: b"v", ..Packet::default() });
        let extras = FlagsExtras::parse(&flags).unwrap();
        assert_numbers(&told(&bytes, &MEMCACHED), &[("flags", extras.flags.into())]);
    }

    #[test]
    fn messages_of_dcp_are_those_of_the_typed_parser(bytes in packet(0x50_u8..0x68, Magic::CLIENT_REQUEST)) {
        let told = told(&bytes, &COUCHBASE);
        match Message::parse(&parsed(&bytes)) {
            Ok(message) => {
                assert_dcp_message(&message, &told);
                if let Body::CacheTransfer(records) = message.body && records.iter().any(|record| record.is_err()) {
                    prop_assert!(!told.findings.is_empty(), "{}", told.listing);
                }
            }
            Err(error) => prop_assert!(!told.findings.is_empty(), "{error}\n{}", told.listing),
        }
    }

    #[test]
    fn answers_of_dcp_are_those_of_the_typed_parser(bytes in packet(0x50_u8..0x68, Magic::CLIENT_RESPONSE)) {
        let told = told(&bytes, &COUCHBASE);
        match Reply::parse(&parsed(&bytes)).map(|reply| reply.body) {
            Ok(ReplyBody::FailoverLog(log)) => {
                let seqnos: Vec<u64> = log.iter().map(|entry| entry.seqno).collect();
                prop_assert_eq!(told.numbers("seqno").collect::<Vec<_>>(), seqnos);
            }
            Ok(ReplyBody::Rollback { seqno }) => assert_numbers(&told, &[("seqno to roll back to", seqno)]),
            Ok(ReplyBody::StreamAdded { opaque }) => assert_numbers(&told, &[("stream opaque", opaque.to_opaque().into())]),
            Ok(ReplyBody::Plain { .. }) => {}
            Err(error) => prop_assert!(!told.findings.is_empty(), "{error}\n{}", told.listing),
        }
    }

    #[test]
    fn messages_of_tap_are_those_of_the_typed_parser(mut bytes in packet(0x41_u8..0x48, Magic::CLIENT_REQUEST), engine_len in 0_u8..12) {
        if bytes[4] >= 2 {
            bytes[24] = 0;
            bytes[25] = engine_len;
        }
        let told = told(&bytes, &COUCHBASE);
        match tap::Message::parse(&bytes, &Limits::NONE) {
            Ok(Parsed::Complete { value, .. }) => assert_tap_message(&value, &told),
            Ok(Parsed::NeedMore { .. }) => prop_assert!(false, "all of it is there"),
            Err(error) => prop_assert!(!told.findings.is_empty(), "{error}\n{}", told.listing),
        }
    }

    #[test]
    fn tap_connect_is_that_of_the_typed_parser(flags in 0_u16..0x200, value in bytes(0..40), name in bytes(0..9)) {
        let extras = u32::from(flags).to_be_bytes();
        let request = Request { extras: &extras, key: &name, value: &value, ..Request::new(O::TAP_CONNECT) };
        let told = told(&emit(&request.to_packet().unwrap()), &COUCHBASE);
        match tap::Connect::from_request(&request) {
            Ok(connect) => {
                assert_numbers(&told, &[("flags", connect.all_flags().0.into())]);
                if let Some(backfill) = connect.backfill {
                    assert_numbers(&told, &[("backfill from", backfill)]);
                }
                let vbuckets = connect.vbuckets.into_iter().flat_map(|list| list.iter()).map(u64::from);
                let checkpoints = connect.checkpoints.into_iter().flat_map(|list| list.iter());
                let all: Vec<u64> = vbuckets.chain(checkpoints.map(|(vbucket, _)| vbucket.into())).collect();
                // The header has a field of that name too.
                prop_assert_eq!(told.numbers("vbucket").skip(1).collect::<Vec<_>>(), all);
            }
            Err(error) => prop_assert!(!told.findings.is_empty(), "{error}\n{}", told.listing),
        }
    }

    #[test]
    fn frame_infos_are_those_of_the_typed_parser(framing_extras in bytes(0..40)) {
        let packet = Packet { magic: Magic::FLEX_REQUEST, framing_extras: &framing_extras, key: b"k", ..Packet::default() };
        let told = told(&emit(&packet), &COUCHBASE);
        let heads = told.spans.iter().filter(|(name, _, _)| name == "id and length").count();
        let infos: Vec<_> = FrameInfo::iter(&framing_extras).collect();
        let whole = infos.iter().filter(|info| info.is_ok()).count();
        prop_assert!(heads == whole || heads == whole + 1, "{}", told.listing);
        if whole < infos.len() {
            prop_assert!(told.findings.iter().any(|finding| finding.lint.id() == "frame-info-cut"));
        }
    }

    #[test]
    fn attributes_are_those_of_the_typed_parser(section in bytes(0..60), len in 0_u8..40, first in 0_u8..20) {
        let mut value = vec![0, 0, 0, len, 0, 0, 0, first];
        value.extend(&section);
        let packet = Packet { magic: Magic::CLIENT_RESPONSE, opcode: O::GET_EX, datatype: DataType::XATTR, extras: &[0; 4], value: &value, ..Packet::default() };
        let told = told(&emit(&packet), &COUCHBASE);
        let whole = Xattrs::split(&value).ok();
        let pairs: Option<Vec<_>> = whole.and_then(|(xattrs, _)| xattrs.iter().collect::<Result<_, _>>().ok());
        let Some(pairs) = pairs else {
            prop_assert!(told.findings.iter().any(|finding| finding.lint.id() == "xattr-section"), "{}", told.listing);
            return Ok(());
        };
        let keys = told.spans.iter().filter(|(name, _, _)| name == "xattr key").map(|(_, _, bytes)| bytes.clone());
        let expected = pairs.iter().filter(|pair| !pair.key.is_empty()).map(|pair| pair.key.to_vec());
        prop_assert_eq!(keys.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        prop_assert_eq!(told.bytes("document"), whole.unwrap().1);
    }

    #[test]
    fn collection_ids_are_those_of_the_typed_parser(key in bytes(1..12)) {
        let options = Options { dialect: Dialect::Couchbase, collections: true, ..Options::default() };
        let told = told(&emit(&Packet { key: &key, ..Packet::default() }), &options);
        match CollectionKey::parse(&key) {
            Ok(parsed) => {
                assert_numbers(&told, &[("collection id", parsed.collection.into())]);
                prop_assert_eq!(told.bytes("logical key"), parsed.key);
            }
            Err(error) => prop_assert!(!told.findings.is_empty(), "{error}\n{}", told.listing),
        }
    }

    #[test]
    fn seqnos_of_vbuckets_are_those_of_the_typed_parser(value in bytes(0..60)) {
        let packet = Packet { magic: Magic::CLIENT_RESPONSE, opcode: O::GET_ALL_VB_SEQNOS, value: &value, ..Packet::default() };
        let told = told(&emit(&packet), &COUCHBASE);
        match VbucketSeqnos::parse(&value) {
            Ok(all) => prop_assert_eq!(told.numbers("seqno").collect::<Vec<_>>(), all.iter().map(|one| one.seqno).collect::<Vec<_>>()),
            Err(error) => prop_assert!(!told.findings.is_empty(), "{error}\n{}", told.listing),
        }
    }

    #[test]
    fn cache_records_are_those_of_the_typed_parser(value in bytes(0..120), key_len in 0_u8..8, value_len in 0_u8..8) {
        let mut value = value;
        if value.len() >= 40 {
            value[24..28].copy_from_slice(&u32::from(value_len).to_be_bytes());
            value[36..38].copy_from_slice(&u16::from(key_len).to_be_bytes());
        }
        let packet = Packet { opcode: O::DCP_CACHE_TRANSFER, value: &value, ..Packet::default() };
        let told = told(&emit(&packet), &COUCHBASE);
        let records = CacheRecords { bytes: &value };
        let whole: Vec<_> = records.iter().filter_map(Result::ok).collect();
        let revisions: Vec<u64> = whole.iter().map(|record| record.revision).collect();
        let ours: Vec<u64> = told.numbers("revision").take(whole.len()).collect();
        prop_assert_eq!(ours, revisions);
        if records.iter().any(|record| record.is_err()) {
            prop_assert!(!told.findings.is_empty(), "{}", told.listing);
        }
    }
}
