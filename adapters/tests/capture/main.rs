//! Capture files: whatever they are written in, whatever is lost or wrong in them.

mod wire;

use memlet::capture::{
    CaptureOptions, Decoder, Event, NoticeKind, Statistics, TopKeys, Unanswered,
};
use memlet_core::wire::{Opcode, Status};
use wire::{
    CLIENT, Form, Link, SERVER, START, Sent, Talk, address, fragments, request, response, udp,
};

/// What a capture tells, one line an event: frame, opcode, `?` or status, opaque, bytes missing, microseconds of latency.
fn told(file: &[u8]) -> Vec<String> {
    told_in_pieces(file, file.len().max(1))
}

fn told_in_pieces(file: &[u8], len: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut decoder = Decoder::new(CaptureOptions::default());
    let mut note = |event: Event<'_>| lines.push(line(&event));
    for piece in file.chunks(len) {
        decoder.push(piece, &mut note);
    }
    decoder.finish(&mut note);
    lines
}

fn line(event: &Event<'_>) -> String {
    match event {
        Event::Packet(record) => {
            let header = &record.header;
            let status = if header.magic.is_response() {
                Status(header.vbucket_or_status).to_string()
            } else {
                "?".into()
            };
            let mut line = format!("{} {status} {}", header.opcode, header.opaque);
            if record.missing > 0 {
                line += &format!(" -{}", record.missing);
            }
            if let Some(latency) = record.latency() {
                line += &format!(" {}µs", latency / 1000);
            }
            line
        }
        Event::Silence(silence) => format!(
            "{} {} {}",
            silence.asked.opcode,
            silence.meaning.name(),
            silence.asked.opaque
        ),
        Event::Notice(notice) => format!("{}: {}", notice.kind.name(), notice.text),
        _ => unreachable!("there are no others"),
    }
}

/// A get, a quiet batch and a set.
fn session() -> Talk {
    let mut talk = Talk::new();
    talk.say(false, &request(Opcode::GET, b"a", 1));
    talk.say(true, &response(Opcode::GET, Status::SUCCESS, b"x", 1));
    let batch = [
        request(Opcode::GETQ, b"b", 2),
        request(Opcode::GETQ, b"c", 3),
        request(Opcode::NOOP, b"", 4),
    ];
    talk.say(false, &batch.concat());
    let answers = [
        response(Opcode::GETQ, Status::SUCCESS, b"y", 3),
        response(Opcode::NOOP, Status::SUCCESS, b"", 4),
    ];
    talk.say(true, &answers.concat());
    talk.say(false, &request(Opcode::SET, b"d", 5));
    talk.say(true, &response(Opcode::SET, Status::SUCCESS, b"", 5));
    talk
}

const SESSION: [&str; 10] = [
    "GET ? 1",
    "GET SUCCESS 1 1000µs",
    "GETQ ? 2",
    "GETQ ? 3",
    "NOOP ? 4",
    "GETQ miss 2",
    "GETQ SUCCESS 3 1000µs",
    "NOOP SUCCESS 4 1000µs",
    "SET ? 5",
    "SET SUCCESS 5 1000µs",
];

#[test]
fn every_form_of_file_and_link_tells_the_same() {
    let frames = session().frames;
    for link in Link::ALL {
        for is_big_endian in [false, true] {
            for is_nanoseconds in [false, true] {
                let form = Form {
                    is_big_endian,
                    is_nanoseconds,
                    link,
                    ..Form::default()
                };
                for file in [form.pcap(&frames), form.pcapng(&frames)] {
                    assert_eq!(told(&file), SESSION, "{form:?}");
                    let mut first = None;
                    let mut decoder = Decoder::new(CaptureOptions::default());
                    decoder.push(&file, &mut |event| {
                        if let Event::Packet(record) = event {
                            first.get_or_insert((record.time, record.frame, record.way));
                        }
                    });
                    let (time, frame, way) = first.unwrap();
                    let unit = if is_nanoseconds { 1 } else { 1000 };
                    assert_eq!(time / unit, (START + 1_000_000) / unit, "{form:?}");
                    assert_eq!((frame, way.stream), (1, 0));
                    assert_eq!((way.src, way.dst), (address(CLIENT), address(SERVER)));
                }
            }
        }
    }
}

#[test]
fn pieces_of_any_size_tell_the_same() {
    let frames = session().frames;
    for file in [
        Form::default().pcap(&frames),
        Form::default().pcapng(&frames),
    ] {
        for len in [1, 2, 3, 7, 24, 100, 1000] {
            assert_eq!(told_in_pieces(&file, len), SESSION, "pieces of {len}");
        }
    }
}

/// The bytes of both packets in segments of 10 bytes, all acknowledged by nobody.
fn split(len: usize) -> Vec<Sent> {
    let bytes = [request(Opcode::SET, b"a", 1), request(Opcode::GET, b"b", 2)].concat();
    let mut talk = Talk::new();
    for piece in bytes.chunks(len) {
        talk.say(false, piece);
    }
    talk.frames
}

#[test]
fn segments_out_of_order_repeated_or_overlapping_are_put_right() {
    let expected = ["SET ? 1", "GET ? 2", "SET lost 1", "GET lost 2"];
    let check = |frames: &[Sent]| assert_eq!(told(&Form::default().pcap(frames)), expected);
    let whole = split(100);
    check(&whole);
    // The first says where the connection starts; what comes before it is not known to be of it.
    let mut turned = whole.clone();
    turned[1..].reverse();
    check(&turned);
    let mut repeated = whole.clone();
    repeated.extend(whole.iter().cloned());
    repeated.insert(3, whole[5].clone());
    repeated.insert(3, whole[5].clone());
    check(&repeated);
    // The same bytes cut in other places.
    let mut overlapping = split(70);
    overlapping.truncate(8);
    overlapping.extend(whole.iter().skip(2).rev().cloned());
    check(&overlapping);
}

#[test]
fn a_gap_inside_a_value_costs_nothing_else() {
    let mut frames = split(100);
    frames.remove(4);
    assert_eq!(
        told(&Form::default().pcap(&frames)),
        [
            "gap: 100 bytes are not in the capture",
            // 409 bytes are there, up to the gap.
            "SET ? 1 -633",
            "GET ? 2",
            "SET lost 1",
            "GET lost 2",
        ]
    );
}

#[test]
fn after_a_gap_over_a_header_packets_are_found_again() {
    let mut talk = Talk::new();
    talk.say(false, &request(Opcode::GET, b"a", 1));
    let lost = [request(Opcode::SET, b"b", 2), vec![]].concat();
    talk.segment(false, &lost[..500]);
    talk.say(false, &lost[500..]);
    talk.say(false, &request(Opcode::GET, b"c", 3));
    talk.say(true, &response(Opcode::GET, Status::KEY_ENOENT, b"", 3));
    let told = told(&Form::default().pcap(&talk.frames));
    assert_eq!(
        told,
        [
            "GET ? 1",
            "gap: 500 bytes are not in the capture",
            "found: packets again, 533 bytes were skipped",
            "GET ? 3",
            "GET KEY_ENOENT 3 1000µs",
            "GET lost 1",
        ]
    );
}

#[test]
fn frames_that_are_cut_by_the_capture_keep_their_headers() {
    let form = Form {
        snap_len: 14 + 40 + 40,
        ..Form::default()
    };
    let mut talk = session();
    talk.say(false, &request(Opcode::GET, b"e", 6));
    let told = told(&form.pcap(&talk.frames));
    assert!(told.contains(&"SET ? 5 -993".to_owned()), "{told:#?}");
    assert!(told.contains(&"GET ? 6".to_owned()), "{told:#?}");
}

#[test]
fn one_direction_alone_is_shown() {
    for is_server in [false, true] {
        let (source, _) = if is_server { SERVER } else { CLIENT };
        let frames: Vec<Sent> = session()
            .frames
            .into_iter()
            .filter(|sent| sent.ip[12..16] == source)
            .collect();
        let told = told(&Form::default().pcap(&frames));
        let packets: Vec<_> = SESSION
            .iter()
            .filter(|line| !line.contains("miss") && line.contains(" ? ") != is_server)
            .map(|line| line.trim_end_matches(" 1000µs").to_owned())
            .collect();
        assert_eq!(told[..packets.len()], packets);
        assert!(
            told[packets.len()..]
                .iter()
                .all(|line| line.contains("lost"))
        );
    }
}

#[test]
fn another_protocol_on_the_port_is_named_and_skipped() {
    let mut talk = Talk::new();
    talk.say(false, b"GET / HTTP/1.1\r\nHost: cache\r\n\r\n");
    talk.say(true, b"HTTP/1.1 400 Bad Request\r\n\r\n");
    talk.say(false, &request(Opcode::GET, b"a", 1));
    let told = told(&Form::default().pcap(&talk.frames));
    assert!(
        told[0].starts_with("lost: bad magic: 0x47 at byte 0"),
        "{told:#?}"
    );
    assert!(told[0].contains("GET / HTTP/1.1"));
    assert_eq!(
        told[2..4],
        ["found: packets again, 31 bytes were skipped", "GET ? 1"]
    );
}

#[test]
fn other_ports_count_when_their_bytes_make_sense() {
    let mut talk = session();
    let mut other = Talk::new();
    other.say(false, b"GET / HTTP/1.1\r\nHost: cache\r\n\r\n");
    for sent in talk.frames.iter_mut().chain(&mut other.frames) {
        // The server's port in place of 11211.
        for at in [20, 22] {
            if sent.ip[at..at + 2] == 11_211_u16.to_be_bytes() {
                sent.ip[at..at + 2].copy_from_slice(&7000_u16.to_be_bytes());
            }
        }
    }
    assert_eq!(told(&Form::default().pcap(&talk.frames)), SESSION);
    assert!(told(&Form::default().pcap(&other.frames)).is_empty());
}

#[test]
fn a_file_that_breaks_off_or_is_damaged_shows_the_rest() {
    let frames = session().frames;
    for is_ng in [false, true] {
        let form = Form::default();
        let write = |frames: &[Sent]| {
            if is_ng {
                form.pcapng(frames)
            } else {
                form.pcap(frames)
            }
        };
        let whole = write(&frames);
        let cut = told(&whole[..whole.len() - 5]);
        assert_eq!(cut[..9], SESSION[..9]);
        assert!(
            cut.iter().any(|line| line.starts_with("file: byte ")
                && line.contains("the file ends within a record")),
            "{cut:#?}"
        );
        // The lengths of the third frame's record become nonsense.
        let mut damaged = whole.clone();
        let at = write(&frames[..2]).len() + if is_ng { 4 } else { 8 };
        damaged[at..at + 4].copy_from_slice(&[0xff; 4]);
        let told = told(&damaged);
        assert_eq!(told[..2], SESSION[..2]);
        assert!(told[2].starts_with("file: byte "), "{told:#?}");
        assert!(
            told.contains(&"SET SUCCESS 5 1000µs".to_owned()),
            "{told:#?}"
        );
    }
}

#[test]
fn datagrams_are_read_behind_memcacheds_header_also_in_fragments() {
    let head = [0, 9, 0, 0, 0, 1, 0, 0];
    let asked = [&head[..], &request(Opcode::SET, b"a", 1)].concat();
    let answered = [&head[..], &response(Opcode::SET, Status::SUCCESS, b"", 1)].concat();
    let expected = ["SET ? 1", "SET SUCCESS 1 5µs"];
    let frames = [udp(0, false, &asked), udp(5000, true, &answered)];
    assert_eq!(told(&Form::default().pcap(&frames)), expected);
    let mut pieces = fragments(&frames[0], 400);
    assert_eq!(pieces.len(), 3);
    pieces.rotate_left(1);
    pieces.push(frames[1].clone());
    assert_eq!(told(&Form::default().pcap(&pieces)), expected);
}

#[test]
fn statistics_end_with_the_empty_answer_and_feeds_want_none() {
    let mut talk = Talk::new();
    talk.say(false, &request(Opcode::STAT, b"", 1));
    talk.say(true, &response(Opcode::STAT, Status::SUCCESS, b"1", 1));
    talk.say(true, &response(Opcode::STAT, Status::SUCCESS, b"", 1));
    talk.say(true, &response(Opcode::STAT, Status::SUCCESS, b"", 1));
    talk.say(false, &request(Opcode::TAP_CONNECT, b"feed", 2));
    let told = told(&Form::default().pcap(&talk.frames));
    assert_eq!(
        told,
        [
            "STAT ? 1",
            "STAT SUCCESS 1 1000µs",
            "STAT SUCCESS 1 2000µs",
            // Nobody asked for it any more.
            "STAT SUCCESS 1",
            "TAP_CONNECT ? 2",
        ]
    );
}

#[test]
fn figures_are_those_of_the_packets() {
    let mut statistics = Statistics::default();
    let mut decoder = Decoder::new(CaptureOptions::default());
    let file = Form::default().pcap(&session().frames);
    decoder.push(&file, &mut |event| statistics.note(&event));
    decoder.finish(&mut |event| statistics.note(&event));
    let quiet = &statistics.opcodes[&(false, Opcode::GETQ)];
    assert_eq!((quiet.requests, quiet.responses, quiet.silent), (2, 1, 1));
    assert_eq!((statistics.hits, statistics.misses), (2, 1));
    assert_eq!(statistics.streams, 1);
    let set = &statistics.opcodes[&(false, Opcode::SET)];
    assert_eq!((set.request_bytes, set.response_bytes), (1033, 24));
    let latency = set.latency.as_ref().unwrap().max();
    assert!((1_000_000..1_010_000).contains(&latency), "{latency}");
    assert_eq!(statistics.keys.most(10).count(), 4);
    assert!(statistics.notices.is_empty());
    assert_eq!(Unanswered::Miss.name(), "miss");
    assert_eq!(NoticeKind::Gap.name(), "gap");
}

#[test]
fn the_most_frequent_keys_are_counted_however_many_there_are() {
    let mut keys = TopKeys::new(10);
    for round in 0..1000_u32 {
        keys.note(b"hot");
        keys.note(&round.to_be_bytes());
        if round % 2 == 0 {
            keys.note(b"warm");
        }
    }
    let most: Vec<_> = keys.most(2).collect();
    assert_eq!(most[0].key, b"hot");
    assert_eq!(most[1].key, b"warm");
    assert!(most[0].count - most[0].overestimate <= 1000 && most[0].count >= 1000);
    assert_eq!(keys.most(100).count(), 10);
}

/// Damage at places drawn by a generator with a fixed start: nothing panics, and pieces change nothing.
#[test]
fn damaged_captures_are_read_to_their_end() {
    let frames = [session().frames, split(100)].concat();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for round in 0..2000 {
        let mut file = match round % 2 {
            0 => Form::default().pcap(&frames),
            _ => Form::default().pcapng(&frames),
        };
        for _ in 0..=draw(8) {
            let at = draw(file.len());
            file[at] = draw(256) as u8;
        }
        if draw(4) == 0 {
            file.truncate(draw(file.len()));
        }
        if draw(4) == 0 && file.len() > 200 {
            let at = draw(file.len() - 100);
            file.drain(at..at + draw(100));
        }
        let pieces = 1 + draw(500);
        assert_eq!(told(&file), told_in_pieces(&file, pieces), "round {round}");
    }
}
