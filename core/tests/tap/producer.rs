//! The producer's machine: what it sends, when it asks for answers, what it makes of them; and both machines together.

use memlet_core::connection::feed::{
    SendError, TapChange, TapConsumer, TapEnd, TapNext, TapOptions, TapProducer, TapProducerEnd,
    TapProducerNext,
};
use memlet_core::tap::{
    Ack, Connect, ConnectFlags, Deletion, Message, MessageFlags, Mutation, Subtype, VbucketState,
};
use memlet_core::wire::{EmitError, Limits, Magic, Opcode, Packet, ParseErrorKind, Parsed, Status};

const NOW: u32 = 1_700_000_000;

const CHANGE: TapChange<'static> = TapChange {
    vbucket: 3,
    key: b"key",
    cas: 77,
    flags: 0x0102_0304,
    expiration: NOW,
    value: (b"val", b"ue"),
    revision: 5,
};

fn producer(flags: ConnectFlags) -> TapProducer {
    let connect = Connect {
        flags: Some(flags),
        ..Connect::new(b"")
    };
    TapProducer::new(&connect, NOW)
}

fn parse(bytes: &[u8]) -> Message<'_> {
    match Message::parse(bytes, &Limits::NONE) {
        Ok(Parsed::Complete { value, consumed }) => {
            assert_eq!(consumed, bytes.len());
            value
        }
        other => panic!("{other:?}"),
    }
}

/// An answer as it goes over the wire.
fn answer(opcode: Opcode, sequence: u32, status: Status) -> [u8; 24] {
    let mut bytes = [0; 24];
    let ack = Ack {
        opcode,
        sequence,
        status,
    };
    ack.emit(&mut bytes).unwrap();
    bytes
}

/// Sends a mutation that asks for nothing by itself; gives whether it does, and its number.
fn send(producer: &mut TapProducer, position: u64, last: bool) -> (bool, u32) {
    let mut output = [0; 128];
    let len = producer
        .mutation(&CHANGE, position, last, &mut output, NOW)
        .unwrap();
    let message = parse(&output[..len]);
    (message.wants_ack(), message.head().sequence)
}

const READ: TapProducerNext = TapProducerNext::Read { missing: 24 };

#[test]
fn a_mutation_is_sent_whole() {
    let mut output = [0; 128];
    let len = producer(ConnectFlags::FIX_FLAG_BYTEORDER)
        .mutation(&CHANGE, 1, false, &mut output, NOW)
        .unwrap();
    let Message::Mutation(mutation) = parse(&output[..len]) else {
        panic!("not a mutation");
    };
    assert_eq!((mutation.key, mutation.value), (&b"key"[..], &b"value"[..]));
    assert_eq!((mutation.head.vbucket, mutation.head.cas), (3, 77));
    assert_eq!(mutation.head.flags, MessageFlags::NETWORK_BYTE_ORDER);
    assert_eq!(
        (mutation.item.flags, mutation.item_flags()),
        (0x0102_0304, 0x0102_0304)
    );
    assert_eq!(mutation.item.expiration, NOW);
    assert_eq!((mutation.revision(), mutation.nru()), (Some(5), Some(0)));
    assert_eq!((mutation.head.sequence, mutation.head.ttl), (1, 255));
}

#[test]
fn item_flags_are_swapped_for_who_does_not_ask_for_order() {
    let mut output = [0; 128];
    let len = producer(ConnectFlags(0))
        .mutation(&CHANGE, 1, false, &mut output, NOW)
        .unwrap();
    let Message::Mutation(mutation) = parse(&output[..len]) else {
        panic!("not a mutation");
    };
    assert_eq!(
        (mutation.item.flags, mutation.item_flags()),
        (0x0403_0201, 0x0102_0304)
    );
}

#[test]
fn keys_only_leaves_the_value_out_and_says_so() {
    let mut output = [0; 128];
    let len = producer(ConnectFlags::REQUEST_KEYS_ONLY)
        .mutation(&CHANGE, 1, false, &mut output, NOW)
        .unwrap();
    let Message::Mutation(mutation) = parse(&output[..len]) else {
        panic!("not a mutation");
    };
    assert_eq!((mutation.value, mutation.value_sent()), (&b""[..], None));
}

#[test]
fn every_other_message_is_what_it_says() {
    let mut producer = producer(ConnectFlags::SUPPORT_ACK);
    let mut output = [0; 128];
    let len = producer
        .deletion(&CHANGE, 1, false, &mut output, NOW)
        .unwrap();
    let Message::Deletion(deletion) = parse(&output[..len]) else {
        panic!("not a deletion");
    };
    assert_eq!(
        (deletion.key, deletion.value, deletion.head.cas),
        (&b"key"[..], &b""[..], 77)
    );
    assert_eq!(deletion.engine, Deletion::engine_bytes(5));
    assert!(!deletion.head.flags.contains(MessageFlags::ACK));

    let len = producer.flush(2, 2, true, &mut output, NOW).unwrap();
    assert!(matches!(parse(&output[..len]), Message::Flush(flush) if flush.head.vbucket == 2));
    let len = producer
        .opaque(4, Subtype::INITIAL_VBUCKET_STREAM, 3, &mut output, NOW)
        .unwrap();
    assert_eq!(
        parse(&output[..len]).to_string(),
        "<TapEvent BeginBackfill, vbucket=4>"
    );
    let len = producer
        .vbucket_set(5, VbucketState::REPLICA, 4, &mut output, NOW)
        .unwrap();
    assert_eq!(
        parse(&output[..len]).to_string(),
        "<TapEvent VbucketSet replica, vbucket=5>"
    );
    let len = producer
        .checkpoint_start(6, 99, 5, &mut output, NOW)
        .unwrap();
    let Message::CheckpointStart(start) = parse(&output[..len]) else {
        panic!("no checkpoint");
    };
    assert_eq!((start.id, start.highest_deleted_revision()), (99, Some(0)));
    assert!(start.item.is_some() && start.head.flags.contains(MessageFlags::ACK));
    let len = producer.checkpoint_end(6, 99, 6, &mut output, NOW).unwrap();
    assert!(matches!(parse(&output[..len]), Message::CheckpointEnd(end) if end.id == 99));
    let len = producer.close(7, &mut output, NOW).unwrap();
    assert!(
        matches!(parse(&output[..len]), Message::Opaque(opaque) if opaque.subtype == Subtype::CLOSE_TAP_STREAM)
    );
    assert_eq!(producer.close(8, &mut output, NOW), Err(SendError::Ended));
}

#[test]
fn answers_are_asked_for_every_1000_changes_and_when_nothing_waits() {
    let mut producer = producer(ConnectFlags::SUPPORT_ACK);
    let asked: Vec<u64> = (1..=2500)
        .filter(|&position| send(&mut producer, position, position == 1500).0)
        .collect();
    assert_eq!(asked, [1000, 1500, 2500]);

    // Not of a consumer that does not answer.
    let mut producer = self::producer(ConnectFlags(0));
    assert!((1..=2500).all(|position| !send(&mut producer, position, true).0));
    assert_eq!(
        (producer.acknowledged(), producer.awaits_answers()),
        (2500, false)
    );
}

#[test]
fn ten_answers_may_be_outstanding_and_one_stands_for_all_before_it() {
    let mut producer = producer(ConnectFlags::SUPPORT_ACK);
    for position in 1..=10 {
        assert!(producer.may_send());
        send(&mut producer, position * 100, true);
    }
    assert!(!producer.may_send());
    let mut output = [0; 128];
    assert_eq!(
        producer.mutation(&CHANGE, 1, false, &mut output, NOW),
        Err(SendError::Window)
    );
    assert_eq!(output, [0; 128]);
    assert_eq!(producer.acknowledged(), 0);

    let progress = producer.handle_input(&answer(Opcode::TAP_MUTATION, 4, Status::SUCCESS));
    assert_eq!((progress.consumed, progress.next), (24, READ));
    assert_eq!(producer.acknowledged(), 400);
    assert!(producer.may_send());
    // One that comes late takes nothing back.
    producer.handle_input(&answer(Opcode::TAP_MUTATION, 2, Status::SUCCESS));
    assert_eq!(producer.acknowledged(), 400);
    producer.handle_input(&answer(Opcode::TAP_MUTATION, 10, Status::SUCCESS));
    assert_eq!(
        (producer.acknowledged(), producer.awaits_answers()),
        (1000, false)
    );
}

#[test]
fn a_busy_consumer_gets_it_all_again_from_the_last_answer_on() {
    for status in [Status::EBUSY, Status::TMPFAIL] {
        let mut producer = producer(ConnectFlags::SUPPORT_ACK);
        for position in 1..=4 {
            send(&mut producer, position * 100, true);
        }
        let mut input = answer(Opcode::TAP_MUTATION, 1, Status::SUCCESS).to_vec();
        input.extend(answer(Opcode::TAP_MUTATION, 2, status));
        // These are about messages that will be sent again.
        input.extend(answer(Opcode::TAP_MUTATION, 3, Status::SUCCESS));
        input.extend(answer(Opcode::TAP_MUTATION, 4, status));
        let progress = producer.handle_input(&input);
        assert_eq!(
            (progress.consumed, progress.next),
            (48, TapProducerNext::BackOff { position: 100 })
        );
        let progress = producer.handle_input(&input[48..]);
        assert_eq!((progress.consumed, progress.next), (48, READ));
        assert_eq!(
            (producer.acknowledged(), producer.awaits_answers()),
            (100, false)
        );

        // Sent again under new numbers.
        assert_eq!(send(&mut producer, 200, true), (true, 5));
        producer.handle_input(&answer(Opcode::TAP_MUTATION, 5, Status::SUCCESS));
        assert_eq!(producer.acknowledged(), 200);
    }
}

/// What comes of an input after one message that waits for its answer.
fn ends(input: &[u8]) -> TapProducerEnd {
    let mut producer = producer(ConnectFlags::SUPPORT_ACK);
    send(&mut producer, 1, true);
    let TapProducerNext::End(end) = producer.handle_input(input).next else {
        panic!("goes on");
    };
    assert_eq!(producer.handle_input(input).next, TapProducerNext::End(end));
    assert_eq!(producer.handle_end_of_input(0), end);
    assert!(!producer.may_send());
    assert_eq!(producer.handle_time(&mut [0; 24], NOW).end, Some(end));
    assert!(!end.to_string().is_empty());
    end
}

#[test]
fn what_a_consumer_must_not_send_ends_the_stream_with_the_reason() {
    assert_eq!(
        ends(&answer(Opcode::TAP_MUTATION, 1, Status::EINVAL)),
        TapProducerEnd::Refused {
            sequence: 1,
            status: Status::EINVAL
        }
    );
    for sequence in [2, 0x7000_0000] {
        assert_eq!(
            ends(&answer(Opcode::TAP_MUTATION, sequence, Status::SUCCESS)),
            TapProducerEnd::UnknownSequence { sequence }
        );
    }
    assert_eq!(
        ends(&answer(Opcode::GET, 1, Status::SUCCESS)),
        TapProducerEnd::Unexpected {
            magic: Magic::CLIENT_RESPONSE,
            opcode: Opcode::GET
        }
    );
    let mut request = [0; 24];
    request[0] = 0x80;
    assert_eq!(
        ends(&request),
        TapProducerEnd::Unexpected {
            magic: Magic::CLIENT_REQUEST,
            opcode: Opcode::GET
        }
    );
    request[1] = Opcode::QUITQ.0;
    assert_eq!(ends(&request), TapProducerEnd::Quit);
    for (at, byte, kind) in [
        (0, 0x7f, ParseErrorKind::UnknownMagic),
        (10, 0xff, ParseErrorKind::BodyTooLong),
        (3, 1, ParseErrorKind::PartsExceedBody),
    ] {
        let mut bytes = answer(Opcode::TAP_MUTATION, 1, Status::SUCCESS);
        bytes[at] = byte;
        assert!(matches!(ends(&bytes), TapProducerEnd::Malformed(error) if error.kind == kind));
    }
}

#[test]
fn an_answer_may_have_a_text_and_a_keep_alive_an_answer() {
    let text = [b'x'; 1024];
    let packet = Packet {
        magic: Magic::CLIENT_RESPONSE,
        opcode: Opcode::TAP_MUTATION,
        vbucket_or_status: Status::TMPFAIL.0,
        opaque: 1,
        value: &text,
        ..Packet::default()
    };
    let mut bytes = [0; TapProducer::INPUT_CAPACITY_MIN];
    assert_eq!(packet.emit(&mut bytes), Ok(TapProducer::INPUT_CAPACITY_MIN));
    let mut producer = producer(ConnectFlags::SUPPORT_ACK);
    send(&mut producer, 1, true);
    assert_eq!(
        producer.handle_input(&bytes[..24]).next,
        TapProducerNext::Read { missing: 1024 }
    );
    assert_eq!(
        producer.handle_input(&bytes).next,
        TapProducerNext::BackOff { position: 0 }
    );
    let noop = answer(Opcode::NOOP, 0, Status::SUCCESS);
    assert_eq!(producer.handle_input(&noop).next, READ);
}

#[test]
fn the_end_of_the_input_is_told_by_where_it_comes() {
    let mut producer = producer(ConnectFlags::SUPPORT_ACK);
    assert_eq!(
        producer.clone().handle_end_of_input(0),
        TapProducerEnd::EndOfInput
    );
    assert_eq!(
        producer.clone().handle_end_of_input(1),
        TapProducerEnd::Truncated
    );
    let mut output = [0; 64];
    producer.close(1, &mut output, NOW).unwrap();
    assert_eq!(
        producer.clone().handle_end_of_input(0),
        TapProducerEnd::EndOfInput
    );
    let progress = producer.handle_input(&answer(Opcode::TAP_OPAQUE, 1, Status::SUCCESS));
    assert_eq!(progress.next, TapProducerNext::End(TapProducerEnd::Done));

    // Nobody has to answer if nobody said so.
    let mut producer = self::producer(ConnectFlags(0));
    producer.close(1, &mut output, NOW).unwrap();
    assert_eq!(
        producer.clone().handle_end_of_input(0),
        TapProducerEnd::Done
    );
    assert_eq!(
        producer.handle_input(b"").next,
        TapProducerNext::End(TapProducerEnd::Done)
    );
}

#[test]
fn silence_is_filled_with_keep_alives() {
    let mut producer = producer(ConnectFlags(0));
    let mut output = [0; 64];
    let timer = producer.handle_time(&mut output, NOW + 199);
    assert_eq!((timer.written, timer.next, timer.end), (0, NOW + 200, None));
    // Without room it has to be tried again.
    let timer = producer.handle_time(&mut output[..23], NOW + 200);
    assert_eq!((timer.written, timer.next), (0, NOW + 200));
    let timer = producer.handle_time(&mut output, NOW + 200);
    assert_eq!((timer.written, timer.next), (24, NOW + 400));
    assert_eq!(output[..2], [0x80, 0x0a]);
    // A message counts as well, and a clock that goes back harms nothing.
    producer
        .mutation(&CHANGE, 1, false, &mut [0; 128], NOW + 300)
        .unwrap();
    assert_eq!(producer.handle_time(&mut output, NOW).next, NOW + 500);
}

#[test]
fn a_consumer_that_does_not_answer_is_cut_off_after_300_seconds() {
    let mut producer = producer(ConnectFlags::SUPPORT_ACK);
    send(&mut producer, 1, true);
    let mut output = [0; 64];
    let timer = producer.handle_time(&mut output, NOW + 299);
    assert_eq!((timer.next, timer.end), (NOW + 300, None));
    let end = TapProducerEnd::AckTimeout {
        sequence: 1,
        waited: 300,
    };
    assert_eq!(producer.handle_time(&mut output, NOW + 300).end, Some(end));
    assert_eq!(
        end.to_string(),
        "the consumer has not answered message 1 for 300 seconds"
    );
}

#[test]
fn nothing_is_counted_of_what_could_not_be_written() {
    let mut producer = producer(ConnectFlags::SUPPORT_ACK);
    let mut output = [0; 128];
    let needed = 24 + 16 + 9 + 3 + 5;
    for len in 0..needed {
        assert_eq!(
            producer.mutation(&CHANGE, 1, true, &mut output[..len], NOW),
            Err(SendError::Emit(EmitError::OutputTooShort {
                needed,
                available: len
            }))
        );
    }
    assert_eq!((output, producer.awaits_answers()), ([0; 128], false));
    assert_eq!(send(&mut producer, 1, true), (true, 1));
}

#[test]
fn an_answer_to_a_number_before_the_first_changes_nothing() {
    for sequence in [0, u32::MAX] {
        let mut producer = producer(ConnectFlags::SUPPORT_ACK);
        send(&mut producer, 1, true);
        let answer = answer(Opcode::TAP_MUTATION, sequence, Status::SUCCESS);
        assert_eq!(producer.handle_input(&answer).next, READ);
        assert_eq!(producer.acknowledged(), 0);
    }
}

/// Two machines with their bytes in between; the consumer refuses now and then.
#[test]
fn what_is_produced_is_consumed_in_order_whatever_is_refused() {
    const CHANGES: u64 = 5000;
    let mut consumer = TapConsumer::new(&TapOptions::default());
    let mut producer = producer(ConnectFlags::SUPPORT_ACK | ConnectFlags::FIX_FLAG_BYTEORDER);
    let (mut to_consumer, mut to_producer) = (Vec::new(), Vec::new());
    let mut output = [0; 256];
    let (mut next, mut reached, mut seen, mut refusals) = (1, 0, 0_u32, 0);
    let end = 'stream: loop {
        while producer.may_send() {
            let sent = if next > CHANGES {
                producer.close(CHANGES + 1, &mut output, NOW)
            } else {
                let change = TapChange {
                    cas: next,
                    ..CHANGE
                };
                producer.mutation(&change, next, next.is_multiple_of(7), &mut output, NOW)
            };
            to_consumer.extend_from_slice(&output[..sent.unwrap()]);
            next += 1;
        }
        loop {
            let progress = consumer.handle_input(&to_consumer, &mut output);
            to_producer.extend_from_slice(&output[..progress.written]);
            let consumed = progress.consumed;
            match progress.next {
                TapNext::Read { .. } => {
                    to_consumer.drain(..consumed);
                    break;
                }
                TapNext::Message(Message::Mutation(Mutation { head, .. })) => {
                    seen += 1;
                    if seen.is_multiple_of(997) {
                        // What was sent before the refusal arrived is on its way still, and dropped by its receiver.
                        consumer.refuse(Status::TMPFAIL);
                        refusals += 1;
                        to_consumer.clear();
                        continue;
                    }
                    assert!(head.cas <= reached + 1, "{} left out", reached + 1);
                    reached = reached.max(head.cas);
                }
                TapNext::Message(_) => {}
                TapNext::End(end) => break 'stream end,
                other => panic!("{other:?}"),
            }
            to_consumer.drain(..consumed);
        }
        loop {
            let progress = producer.handle_input(&to_producer);
            to_producer.drain(..progress.consumed);
            match progress.next {
                TapProducerNext::BackOff { position } => next = position + 1,
                TapProducerNext::Read { .. } => break,
                other => panic!("{other:?}"),
            }
        }
    };
    assert_eq!((end, reached), (TapEnd::Closed, CHANGES));
    assert!(refusals > 0);
    assert_eq!(
        producer.handle_input(&to_producer).next,
        TapProducerNext::End(TapProducerEnd::Done)
    );
    assert_eq!(producer.acknowledged(), CHANGES + 1);
}
