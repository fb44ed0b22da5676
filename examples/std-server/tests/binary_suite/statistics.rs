//! What is counted, and how it is shown.

use super::{check, set};
use crate::common::{Client, Kind, Request, Server, ServerBuilder, op, status};

#[test]
fn flush_raises_cmd_flush_by_exactly_one() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let before = client.figure("cmd_flush");
    assert_eq!(client.call(Request::new(op::FLUSH)).status(), 0);
    assert_eq!(client.figure("cmd_flush"), before + 1);
    assert_eq!(client.exchange(&Request::new(op::FLUSHQ).bytes()), []);
    assert_eq!(client.figure("cmd_flush"), before + 2);
    assert_eq!(
        client.call(Request::new(op::FLUSH).extras([0; 4])).status(),
        0
    );
    assert_eq!(client.figure("cmd_flush"), before + 3);
}

#[test]
fn stat_settings_names_the_settings() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let setting = |client: &mut Client, name: &str| {
        let pairs = client.stat("settings");
        let found = pairs.into_iter().find(|(key, _)| key == name);
        found.unwrap_or_else(|| panic!("no setting {name}")).1
    };
    assert_eq!(setting(&mut client, "maxconns"), "1024");
    assert_eq!(setting(&mut client, "domain_socket"), "NULL");
    assert_eq!(setting(&mut client, "evictions"), "on");
    assert_eq!(setting(&mut client, "cas_enabled"), "yes");
    assert_eq!(setting(&mut client, "flush_enabled"), "yes");
    assert_eq!(setting(&mut client, "maxbytes"), (64 << 20).to_string());
    assert_eq!(setting(&mut client, "item_size_max"), (1 << 20).to_string());
    let unix = ServerBuilder::new(Kind::from_environment())
        .unix_socket()
        .start();
    assert_ne!(setting(&mut unix.connect(), "domain_socket"), "NULL");
}

/// With `-D :` statistics by prefix are on; the binary protocol reads them as one packet.
#[test]
fn stat_detail_is_answered_and_ended() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    for group in ["detail on", "detail off"] {
        let answers = client.exchange(&Request::new(op::STAT).key(group).bytes());
        if server.kind == Kind::Memcached {
            assert_eq!(answers.len(), 1, "{answers:?}");
            assert_eq!(answers[0].raw.len(), 24);
        } else {
            // Statistics by prefix are not kept; the answer is that of an unknown group or an empty one, never a hang.
            assert_eq!(answers.len(), 1, "{answers:?}");
            assert!(matches!(
                answers[0].status(),
                status::SUCCESS | status::NOT_FOUND
            ));
        }
    }
    client.expect_alive();
}

/// What counts where, for one run of commands with known results.
#[test]
fn statistics_count_what_memcached_counts() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let cas = set(&mut client, "k", b"1", 0, 0);
    for opcode in [op::GET, op::GETK, op::GETQ, op::GETKQ] {
        client.exchange(&Request::new(opcode).key("k").bytes());
        client.exchange(&Request::new(opcode).key("missing").bytes());
    }
    for opcode in [op::TOUCH, op::GAT, op::GATQ, op::GATK, op::GATKQ] {
        client.exchange(&Request::touch(opcode, "k", 0).bytes());
        client.exchange(&Request::touch(opcode, "missing", 0).bytes());
    }
    client.call(Request::counter(op::INCREMENT, "k", 1, 0, 0));
    client.call(Request::counter(op::INCREMENT, "missing", 1, 0, u32::MAX));
    client.call(Request::counter(op::DECREMENT, "k", 1, 0, 0));
    client.call(Request::counter(op::DECREMENT, "missing", 1, 0, u32::MAX));
    client.call(Request::new(op::DELETE).key("missing"));
    client.call(Request::set("k", "2").cas(cas));
    client.call(Request::set("missing", "2").cas(cas));
    let cas = check(&mut client, "k", 0, b"1");
    client.call(Request::set("k", "2").cas(cas));
    client.call(Request::new(op::DELETE).key("k"));
    let expected = [
        ("cmd_get", 9),
        ("get_hits", 5),
        ("get_misses", 4),
        ("cmd_touch", 10),
        ("touch_hits", 5),
        ("touch_misses", 5),
        ("cmd_set", 4),
        ("incr_hits", 1),
        ("incr_misses", 1),
        ("decr_hits", 1),
        ("decr_misses", 1),
        ("delete_misses", 1),
        ("delete_hits", 1),
        ("cas_badval", 1),
        ("cas_misses", 1),
        ("cas_hits", 1),
        ("curr_items", 0),
    ];
    for (name, count) in expected {
        assert_eq!(client.figure(name), count, "{name}");
    }
    assert!(client.stat("reset").is_empty());
    for name in [
        "cmd_get",
        "get_hits",
        "get_misses",
        "cmd_set",
        "cmd_touch",
        "delete_misses",
        "cas_badval",
    ] {
        assert_eq!(client.figure(name), 0, "{name} after a reset");
    }
}

/// The general statistics that a small server should offer, by memcached's names.
#[test]
fn general_statistics_have_memcacheds_names() {
    let server = Server::start(&["-t", "2", "-m", "100"]);
    let mut client = server.connect();
    let names = "pid uptime time version pointer_size rusage_user rusage_system curr_items total_items bytes curr_connections \
                 total_connections connection_structures cmd_get cmd_set cmd_flush cmd_touch get_hits get_misses delete_misses \
                 delete_hits incr_misses incr_hits decr_misses decr_hits cas_misses cas_hits cas_badval touch_hits \
                 touch_misses auth_cmds auth_errors evictions bytes_read bytes_written limit_maxbytes threads";
    let pairs = client.stat("");
    let figure = |name: &str| {
        let found = pairs.iter().find(|(key, _)| key == name);
        found
            .unwrap_or_else(|| panic!("no statistic {name}"))
            .1
            .clone()
    };
    for name in names.split_whitespace() {
        assert!(!figure(name).is_empty());
    }
    assert_eq!(figure("pid"), server.pid().to_string());
    assert_eq!(figure("pointer_size"), usize::BITS.to_string());
    assert_eq!(figure("threads"), "2");
    assert_eq!(figure("limit_maxbytes"), (100 << 20).to_string());
    let version = client.call(Request::new(op::VERSION));
    assert_eq!(figure("version").as_bytes(), version.value());
    let (seconds, micros) = figure("rusage_user")
        .split_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    assert!(seconds.parse::<u64>().is_ok() && micros.len() == 6);
}
