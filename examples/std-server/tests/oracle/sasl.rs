//! Random logins: both servers with the same users, the same messages on connections of their own.

use crate::common::{Kind, Random, Request, Server, ServerBuilder, op};
use crate::compare::{Pair, Tally};

const ROUNDS: usize = 1500;

fn start(kind: Kind) -> Server {
    ServerBuilder::new(kind)
        .arguments(&["-t", "1"])
        .user("user", "secret")
        .user("other", "pass word")
        .start()
}

pub(crate) fn run(seed: u64) {
    println!("seed {seed} (MEMLET_ORACLE_SEED)");
    let (memcached, memlet) = (start(Kind::Memcached), start(Kind::Memlet));
    let mut tally = Tally::default();
    let mut pair = Pair::new(&memcached, &memlet, &mut tally);
    let mut random = Random(seed);
    for _ in 0..ROUNDS {
        let mut bytes = Vec::new();
        let mut logged_in = false;
        for number in 0..1 + random.below(5) {
            let request = request(&mut random);
            if logged_in && request.opcode == op::SASL_AUTH && request.value.is_empty() {
                pair.count("left out: AUTH without a message after another, which memcached answers with a stray byte");
                continue;
            }
            logged_in |= request.opcode == op::SASL_AUTH;
            bytes.extend(request.opaque(u32::try_from(number).unwrap()).bytes());
        }
        pair.compare_connection("logins in one segment", &bytes);
    }
    tally.report();
    let figures = [&memcached, &memlet].map(|server| {
        let mut client = server.connect();
        let answer = client.call(
            Request::new(op::SASL_AUTH)
                .key("PLAIN")
                .value("\0user\0secret"),
        );
        assert_eq!(answer.status(), 0);
        [client.figure("auth_cmds"), client.figure("auth_errors")]
    });
    assert_eq!(
        figures[0], figures[1],
        "auth_cmds and auth_errors of memcached and memlet"
    );
}

fn request(random: &mut Random) -> Request {
    const MESSAGES: &[&str] = &[
        "\0user\0secret",
        "\0user\0secret",
        "\0user\0secret",
        "\0other\0pass word",
        "\0user\0wrong",
        "\0nobody\0secret",
        "",
        "\0",
        "\0\0",
        "\0\0\0",
        "user",
        "user\0secret",
        "\0user",
        "\0user\0",
        "\0user\0secret\0",
        "admin\0user\0secret",
        "\0user@realm\0secret",
        "user\0user\0secret",
    ];
    match random.below(14) {
        0 => Request::new(op::VERSION).key(""),
        1 => Request::new(op::NOOP),
        2 => Request::get("key"),
        3 => Request::set("key", "value"),
        4 => {
            let mechanism = *random.pick(&[
                "PLAIN",
                "X",
                "plain",
                "PLAINX",
                "DIGEST-MD5",
                "CRAM-MD5 ",
                "GSSAPI",
            ]);
            Request::new(op::SASL_AUTH)
                .key(mechanism)
                .value(random.pick(MESSAGES))
        }
        5 => Request::new(op::SASL_AUTH)
            .key("M".repeat(30 + random.below(20)))
            .value("x"),
        6..=7 => Request::new(op::SASL_STEP)
            .key("PLAIN")
            .value(random.pick(MESSAGES)),
        8 => {
            let message = [&b"\0user\0"[..], &vec![b'p'; random.below(5000)]].concat();
            Request::new(op::SASL_AUTH).key("PLAIN").value(message)
        }
        9 => Request::new(op::STAT).key("no such group"),
        _ => Request::new(op::SASL_AUTH)
            .key("PLAIN")
            .value(random.pick(MESSAGES)),
    }
}
