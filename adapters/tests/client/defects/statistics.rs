//! Statistics, and the counters of packets.

use super::*;

#[test]
fn statistics_are_checked_and_read_to_their_end() {
    let statistic = |asked: &Asked, name: &[u8]| {
        asked.answer_with(&Response {
            key: name,
            value: b"1",
            ..Response::new(asked.opcode, Status::SUCCESS)
        })
    };
    let mut client = Scripted::new(|asked: &Asked| match asked.opcode {
        Opcode::STAT => [
            statistic(asked, b"a"),
            statistic(asked, b"b"),
            statistic(asked, b"a"),
            asked.done(),
        ]
        .concat(),
        _ => asked.done(),
    })
    .client();
    let list = client.stats_list(b"").unwrap();
    let names: Vec<&str> = list.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "b", "a"]);
    assert_eq!(client.stats_map(b"").unwrap().len(), 2);
    client.noop().unwrap();

    let mut client = Scripted::new(|asked: &Asked| {
        let mut other = statistic(asked, b"b");
        other[15] ^= 1;
        [statistic(asked, b"a"), other].concat()
    })
    .client();
    broken(client.stats_list(b""));
    assert!(!client.is_healthy());

    let mut client = Scripted::new(|asked: &Asked| match asked.opcode {
        Opcode::STAT => [
            statistic(asked, b"a"),
            asked.answer(Status::ENOMEM, b"Out of memory"),
        ]
        .concat(),
        _ => asked.done(),
    })
    .client();
    assert_eq!(
        client.stats_list(b"").unwrap_err().status(),
        Some(Status::ENOMEM)
    );
    client.noop().unwrap();
}

#[test]
fn packets_are_counted_by_client() {
    let client = || -> Client<_, Vec<u8>, Counters> {
        Client::with(
            Scripted::new(Asked::done),
            Default::default(),
            Vec::new(),
            Vec::new(),
            Counters::new(),
        )
    };
    let (mut one, two) = (client(), client());
    one.noop().unwrap();
    assert_eq!(one.tally().sent.total().operations, 1);
    assert_eq!(one.tally().received.total().bytes, 24);
    assert!(two.tally().sent.total().is_zero());
}

#[test]
fn a_failure_counts_in_the_direction_in_which_it_happened() {
    let client = |fails_to_write| -> Client<_, Vec<u8>, Counters> {
        let mut stream = Scripted::new(|_: &Asked| Vec::new());
        stream.fails_to_write = fails_to_write;
        let settings = Default::default();
        Client::with(stream, settings, Vec::new(), Vec::new(), Counters::new())
    };
    for (fails_to_write, wanted) in [(true, (1, 0)), (false, (0, 1))] {
        let mut client = client(fails_to_write);
        client.noop().unwrap_err();
        let Counters { sent, received, .. } = client.tally();
        let errors = (sent.total().errors, received.total().errors);
        assert_eq!(errors, wanted);
    }
}
