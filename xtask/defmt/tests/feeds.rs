//! Messages and machines of TAP and DCP in a log.

use memlet_core::connection::feed::{
    DcpEvent, DcpFailure, DcpNext, DcpOptions, DcpSetting, TapEnd, TapNext, TapOptions,
    TapProducerEnd,
};
use memlet_core::dcp::{
    self, Body, Deletion, DeletionForm, FailoverEntry, FailoverLog, OpenFlags, ReplyBody,
    SnapshotFlags, StreamEndReason, StreamFlags, StreamOpaque, SystemEventDetails,
};
use memlet_core::tap::{
    self, Connect, ConnectFlags, Head, ItemFields, MessageFlags, Subtype, VbucketState,
};
use memlet_core::wire::{Opcode, Status};
use memlet_defmt::text;

#[test]
fn numbers_and_flags_are_shown_by_the_names_that_they_have_elsewhere() {
    for bits in (0..=0x1ff).chain([0x8000_0000, u32::MAX]) {
        assert_eq!(text(&OpenFlags(bits)), OpenFlags(bits).to_string());
        assert_eq!(text(&StreamFlags(bits)), StreamFlags(bits).to_string());
        assert_eq!(text(&SnapshotFlags(bits)), SnapshotFlags(bits).to_string());
        assert_eq!(
            text(&StreamEndReason(bits)),
            StreamEndReason(bits).to_string()
        );
        assert_eq!(text(&Subtype(bits)), Subtype(bits).to_string());
        assert_eq!(text(&VbucketState(bits)), VbucketState(bits).to_string());
    }
    for bits in 0..=0x1ff {
        assert_eq!(text(&ConnectFlags(bits)), ConnectFlags(bits).to_string());
    }
    for bits in 0..=7 {
        assert_eq!(text(&MessageFlags(bits)), MessageFlags(bits).to_string());
    }
}

#[test]
fn messages_show_keys_as_text_and_values_by_their_length() {
    let message = dcp::Message::new(
        3,
        7,
        Body::Deletion(Deletion {
            seqno: 1,
            revision: 2,
            key: b"key",
            value: b"secret",
            form: DeletionForm::V1 { metadata: b"meta" },
        }),
    );
    assert_eq!(
        text(&message),
        "Message { magic: 0x80, vbucket: 3, opaque: 7, cas: 0, datatype: raw, framing_extras: 0 bytes, \
         body: Deletion(Deletion { seqno: 1, revision: 2, key: b\"key\", value: 6 bytes, form: V1 { metadata: 4 bytes } }) }"
    );
    let mutation = tap::Message::Mutation(tap::Mutation {
        head: Head {
            vbucket: 3,
            sequence: 1,
            flags: MessageFlags::ACK,
            ..Head::default()
        },
        item: ItemFields::default(),
        engine: b"",
        key: b"key",
        value: b"secret",
    });
    assert_eq!(
        text(&mutation),
        "Mutation(Mutation { head: Head { datatype: raw, vbucket: 3, sequence: 1, cas: 0, flags: ACK, ttl: 255, \
         reserved: [0, 0, 0] }, item: ItemFields { flags: 0, expiration: 0 }, engine: 0 bytes, key: b\"key\", \
         value: 6 bytes })"
    );
    assert_eq!(
        text(&TapNext::Message(mutation)),
        format!("Message({})", text(&mutation))
    );
    let connect = Connect {
        vbuckets: Some((&[1, 2]).into()),
        flags: Some(ConnectFlags::DUMP | ConnectFlags::SUPPORT_ACK),
        ..Connect::new(b"node")
    };
    let shown = text(&connect);
    assert!(shown.contains("flags: Some(DUMP|SUPPORT_ACK)"), "{shown}");
    assert!(shown.contains("name: b\"node\""), "{shown}");
    assert!(shown.contains("vbuckets: Some([1, 2])"), "{shown}");
}

#[test]
fn what_happens_on_a_feed_is_shown() {
    let event = DcpEvent::StreamRefused {
        stream: StreamOpaque::default(),
        status: Status::NOT_MY_VBUCKET,
        text: b"no",
    };
    assert_eq!(
        text(&DcpNext::Event(event)),
        format!(
            "Event(StreamRefused {{ stream: {}, status: NOT_MY_VBUCKET, text: b\"no\" }})",
            text(&StreamOpaque::default())
        )
    );
    let answered = DcpEvent::ControlAnswered {
        setting: DcpSetting::Other { opaque: 5 },
        status: Status::EINVAL,
    };
    assert_eq!(
        text(&answered),
        "ControlAnswered { setting: Other { opaque: 5 }, status: EINVAL }"
    );
    let failure = DcpFailure::UnexpectedReply {
        opcode: Opcode::DCP_OPEN,
        opaque: 1,
        expected: None,
    };
    assert_eq!(
        text(&failure),
        "UnexpectedReply { opcode: DCP_OPEN, opaque: 1, expected: None }"
    );
    for value in [DcpFailure::Truncated, DcpFailure::Silent { seconds: 360 }] {
        assert_eq!(text(&value), format!("{value:?}"));
    }
    let (end, cut) = (TapProducerEnd::Quit, TapEnd::Truncated { missing: 7 });
    assert_eq!(text(&end), format!("{end:?}"));
    assert_eq!(text(&cut), format!("{cut:?}"));
    let (dcp, tap) = (DcpOptions::default(), TapOptions::default());
    assert_eq!(text(&dcp), format!("{dcp:?}"));
    assert_eq!(text(&tap), format!("{tap:?}"));
}

#[test]
fn a_long_list_is_cut_and_its_length_told() {
    let entry = FailoverEntry {
        vbucket_uuid: 1,
        seqno: 2,
    };
    let one = "FailoverEntry { vbucket_uuid: 1, seqno: 2 }";
    let bytes = entry.to_bytes().repeat(25);
    let log = FailoverLog::parse(&bytes[..32]).unwrap();
    assert_eq!(text(&log), format!("[{one}, {one}]"));
    let log = FailoverLog::parse(&bytes).unwrap();
    let shown = text(&ReplyBody::FailoverLog(log));
    assert_eq!(
        shown,
        format!("FailoverLog([{}17 more])", format!("{one}, ").repeat(8))
    );
    let details = SystemEventDetails::FlatBuffers(b"bytes");
    assert_eq!(text(&details), "FlatBuffers(5 bytes)");
}
