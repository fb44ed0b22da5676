//! TAP: what a consumer gives of any bytes, what a producer makes of any answers, and requests for streams.

use memlet_core::connection::feed::{
    TapAcks, TapChange, TapConsumer, TapEnd, TapNext, TapOptions, TapProducer, TapProducerEnd,
    TapProducerNext,
};
use memlet_core::tap::{Connect, ConnectFlags, Frame, Message};
use memlet_core::wire::{HEADER_LEN, Limits, Packet, Parsed, Request};

const NOW: u32 = 1_700_000_000;

/// In any pieces and with any output a consumer gives the same; what it gives is written back the same.
///
/// The first three bytes choose input, output and pieces; the rest is what the producer sends.
pub(super) fn consumer(data: &[u8]) {
    let Some((&[capacity, output, seed], input)) = data.split_first_chunk() else {
        return;
    };
    let options = TapOptions {
        acks: if capacity % 2 == 0 {
            TapAcks::Automatic
        } else {
            TapAcks::Manual
        },
        ..TapOptions::for_buffer(HEADER_LEN + usize::from(capacity) * 8)
    };
    let at_once = consume(&options, 1 << 16, &[input]);
    let in_pieces = consume(&options, output.into(), &cut(input, seed));
    assert_eq!(at_once, in_pieces);
}

/// What came, what was answered, and how it ended.
type Consumed = (Vec<String>, Vec<u8>, TapEnd);

fn consume(options: &TapOptions, output_len: usize, pieces: &[&[u8]]) -> Consumed {
    let mut consumer = TapConsumer::new(options);
    let mut output = vec![0; output_len];
    let (mut events, mut sent, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    for piece in pieces {
        kept.extend_from_slice(piece);
        loop {
            let progress = consumer.handle_input(&kept, &mut output);
            sent.extend_from_slice(&output[..progress.written]);
            let consumed = progress.consumed;
            let next = progress.next;
            match next {
                TapNext::Read { missing } => {
                    let len = (kept.len() - consumed) as u64 + missing;
                    assert!(missing > 0 && len <= u64::from(options.input_capacity));
                    kept.drain(..consumed);
                    break;
                }
                TapNext::Write { room } => {
                    assert!(progress.written + room > output.len(), "there was room");
                    let len = output.len().max(room);
                    output.resize(len, 0);
                }
                TapNext::End(end) => {
                    assert_eq!(consumer.handle_end_of_input(&kept), end);
                    assert!(!end.to_string().is_empty());
                    return (events, sent, end);
                }
                TapNext::Message(message) => {
                    check_message(&message, &kept[..consumed]);
                    events.push(message.to_string());
                }
                other => events.push(format!("{other:?}")),
            }
            kept.drain(..consumed);
        }
    }
    let end = consumer.handle_end_of_input(&kept);
    (events, sent, end)
}

/// `consumed` ends with the message.
fn check_message(message: &Message<'_>, consumed: &[u8]) {
    let len = message.encoded_len().expect("it has just been read");
    let bytes = &consumed[consumed.len() - len..];
    let mut out = vec![0xee; len];
    assert_eq!(message.emit(&mut out), Ok(len));
    assert_eq!(out, bytes);
    let Ok(Parsed::Complete { value, .. }) = Frame::parse(bytes, &Limits::NONE) else {
        panic!("it has just been read");
    };
    assert_eq!(Message::from_frame(&value), Ok(*message));
    assert_eq!(value.emit(&mut out), Ok(len));
    assert_eq!(out, bytes);
    // What the packet's parts are called differs; the bytes do not.
    let Ok(Parsed::Complete { value, .. }) = Packet::parse(bytes, &Limits::NONE) else {
        panic!("every message is a packet");
    };
    assert_eq!(value.emit(&mut out), Ok(len));
    assert_eq!(out, bytes);
}

/// In any pieces a producer makes the same of answers, and never goes back behind what was confirmed.
///
/// The first three bytes choose flags, messages sent and pieces; the rest is what the consumer sends.
pub(super) fn producer(data: &[u8]) {
    let Some((&[flags, messages, seed], input)) = data.split_first_chunk() else {
        return;
    };
    let at_once = answered(flags, messages, &[input]);
    let in_pieces = answered(flags, messages, &cut(input, seed));
    assert_eq!(at_once, in_pieces);
}

/// Back-offs, the position confirmed, and how it ended.
fn answered(flags: u8, messages: u8, pieces: &[&[u8]]) -> (Vec<u64>, u64, TapProducerEnd) {
    let connect = Connect {
        flags: Some(ConnectFlags(u32::from(flags) << 1)),
        ..Connect::new(b"")
    };
    let mut producer = TapProducer::new(&connect, NOW);
    let mut output = [0; 128];
    for position in 1..=u64::from(messages) {
        let change = TapChange {
            vbucket: 0,
            key: b"key",
            cas: position,
            flags: 0,
            expiration: 0,
            value: (b"va", b"lue"),
            revision: 0,
        };
        let last = position % 16 == 0;
        let may_send = producer.may_send();
        let sent = producer.mutation(&change, position, last, &mut output, NOW);
        assert_eq!(sent.is_ok(), may_send);
    }
    let (mut back_offs, mut kept) = (Vec::new(), Vec::new());
    for piece in pieces {
        kept.extend_from_slice(piece);
        loop {
            let before = producer.acknowledged();
            let progress = producer.handle_input(&kept);
            kept.drain(..progress.consumed);
            assert!((before..=messages.into()).contains(&producer.acknowledged()));
            match progress.next {
                TapProducerNext::BackOff { position } => back_offs.push(position),
                TapProducerNext::Read { missing } => {
                    let len = kept.len() as u64 + missing;
                    assert!(missing > 0 && len <= TapProducer::INPUT_CAPACITY_MIN as u64);
                    break;
                }
                TapProducerNext::End(end) => return (back_offs, producer.acknowledged(), end),
                other => panic!("{other:?}"),
            }
        }
    }
    let end = producer.handle_end_of_input(kept.len());
    (back_offs, producer.acknowledged(), end)
}

/// Requests for a stream are written back the same, whatever their flags and bodies.
pub(super) fn connect(data: &[u8]) {
    let Ok(Parsed::Complete { value, consumed }) = Request::parse(data, &Limits::NONE) else {
        return;
    };
    let Ok(connect) = Connect::from_request(&value) else {
        return;
    };
    let mut out = vec![0xee; consumed];
    assert_eq!(connect.encoded_len(), Ok(consumed));
    assert_eq!(connect.emit(&mut out), Ok(consumed));
    assert_eq!(out, data[..consumed]);
    let flags = connect.all_flags();
    assert_eq!(flags.split_flags().count(), flags.0.count_ones() as usize);
    let vbuckets = connect.vbuckets.map_or(0, |list| list.iter().count());
    assert!(vbuckets <= 0xffff && connect.wants_vbucket(7) | (vbuckets > 0));
    let _ = TapProducer::new(&connect, NOW);
}

/// Pieces of pseudo-random length, mostly short.
fn cut(input: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut state = u32::from(seed).wrapping_mul(2_654_435_761) | 1;
    let mut rest = input;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let longest = if state & 0x700 == 0 { 600 } else { 30 };
        let len = (1 + (state >> 16) as usize % longest).min(rest.len());
        let (piece, behind) = rest.split_at(len);
        pieces.push(piece);
        rest = behind;
    }
    pieces
}
