//! A server that follows another one, as processes.

mod common;

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use common::client::{Address, Client, Request};
use common::server::{Kind, Server, ServerBuilder};
use common::{op, status};

fn start(arguments: &[&str]) -> Server {
    ServerBuilder::new(Kind::Memlet)
        .arguments(arguments)
        .start()
}

fn replica_of(primary: &Server) -> Server {
    let Address::Tcp(address) = primary.address else {
        panic!("it listens on TCP");
    };
    start(&["-m", "96", "--replicate-from", &address.to_string()])
}

#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(60), "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn shown(client: &mut Client, name: &str) -> String {
    let rows = client.stat("replication");
    let row = rows.into_iter().find(|(found, _)| found == name);
    row.unwrap_or_else(|| panic!("no {name}")).1
}

#[test]
fn a_replica_takes_over_when_it_is_told_to() {
    let primary = start(&[]);
    let mut writer = primary.connect();
    for number in 0..1000 {
        let set = Request::set(format!("key{number}"), vec![7; 100]);
        assert_eq!(writer.call(set).status(), 0);
    }
    let replica = replica_of(&primary);
    let mut reader = replica.connect();
    assert_eq!(writer.call(Request::set("last", "value")).status(), 0);
    wait_until("it copies", || {
        reader.call(Request::get("last")).status() == 0 && shown(&mut reader, "link") == "following"
    });
    for number in 0..1000 {
        let answer = reader.call(Request::get(format!("key{number}")));
        assert_eq!((answer.status(), answer.value().len()), (0, 100));
    }
    assert_eq!(
        writer.call(Request::new(op::DELETE).key("last")).status(),
        0
    );
    wait_until("it deletes", || {
        reader.call(Request::get("last")).status() == status::NOT_FOUND
    });
    assert_eq!(reader.call(Request::set("mine", "value")).status(), 0x83);

    drop(writer);
    assert_eq!(primary.end_with("KILL"), None);
    wait_until("it notices", || shown(&mut reader, "link") == "connecting");
    let pid = replica.pid().to_string();
    let sent = Command::new("kill").args(["-s", "USR1", &pid]).status();
    assert!(sent.unwrap().success());
    wait_until("it is promoted", || {
        shown(&mut reader, "link") == "promoted"
    });
    assert_eq!(reader.call(Request::set("mine", "value")).status(), 0);
    assert_eq!(reader.call(Request::get("key7")).status(), 0);
}
