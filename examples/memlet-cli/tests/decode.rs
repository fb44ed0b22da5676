//! `memlet decode` as people and scripts see it.

mod common;

use common::{memlet, memlet_reading};
use data_encoding::{BASE64, HEXLOWER};
use memlet_core::tap;
use serde_json::Value;

/// SET Hello=World with flags 0xdeadbeef for an hour, and the answer to an INCREMENT.
const SET: &str =
    "800100050800000000000012000000020000000000000000deadbeef00000e1048656c6c6f576f726c64";
const COUNTER: &str = "81050000000000000000000800000006000000000000011700000000000003e8";

fn bytes(hexadecimal: &str) -> Vec<u8> {
    HEXLOWER.decode(hexadecimal.as_bytes()).unwrap()
}

/// The packets of a run with `--json`.
fn packets(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn field<'a>(packet: &'a Value, name: &str) -> &'a Value {
    let fields = packet["fields"].as_array().unwrap();
    let found = fields.iter().find(|field| field["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {packet}"))
}

#[test]
fn every_field_is_told_with_its_place_and_meaning() {
    let ran = memlet(&["decode", SET, COUNTER]);
    let expected = "\
byte 0, 42 bytes: request SET, key \"Hello\", value of 5 bytes, opaque 0x2
       0-23  header
          0    magic                   0x80  client request
          1    opcode                  1  SET
        2-3    key length              5
          4    extras length           8
          5    data type               0  raw
        6-7    vbucket                 0
       8-11    body length             18
      12-15    opaque                  0x2
      16-23    cas                     0x0
      24-31  extras
      24-27    flags                   0xdeadbeef
      28-31    expiration              3600  3600 s
      32-36  key                     \"Hello\"
      37-41  value                   \"World\"
byte 42, 32 bytes: response INCREMENT SUCCESS, value of 8 bytes, opaque 0x6
      42-65  header
         42    magic                   0x81  client response
         43    opcode                  5  INCREMENT
      44-45    key length              0
         46    extras length           0
         47    data type               0  raw
      48-49    status                  0  SUCCESS
      50-53    body length             8
      54-57    opaque                  0x6
      58-65    cas                     0x117
      66-73  value
      66-73    counter                 1000
";
    assert_eq!(ran.ok(), expected);
}

#[test]
fn bytes_come_in_hexadecimal_base64_or_as_they_are() {
    let expected = memlet(&["decode", SET]);
    let spaced = SET
        .as_bytes()
        .chunks(2)
        .map(|digits| format!("0x{},", std::str::from_utf8(digits).unwrap()))
        .collect::<Vec<_>>()
        .join(" ");
    let base64 = BASE64.encode(&bytes(SET));
    assert_eq!(memlet(&["decode", &spaced]).ok(), expected.ok());
    assert_eq!(memlet(&["decode", &base64]).ok(), expected.ok());
    let unpadded = base64
        .trim_end_matches('=')
        .replace('/', "_")
        .replace('+', "-");
    assert_eq!(
        memlet(&["decode", "--form", "base64", &unpadded]).ok(),
        expected.ok()
    );
    for input in [bytes(SET), SET.into(), format!("{base64}\n").into()] {
        assert_eq!(memlet_reading(&["decode"], &input).ok(), expected.ok());
        assert_eq!(memlet_reading(&["decode", "-"], &input).ok(), expected.ok());
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.bin");
    std::fs::write(&path, bytes(SET)).unwrap();
    let path = path.to_str().unwrap();
    assert_eq!(memlet(&["decode", "--file", path]).ok(), expected.ok());
    assert_eq!(
        memlet(&["decode", "--file", path, "--form", "raw"]).ok(),
        expected.ok()
    );
}

#[test]
fn json_has_an_object_for_each_packet() {
    let ran = memlet(&["decode", "--json", SET, COUNTER]);
    let packets = packets(ran.ok());
    assert_eq!(packets.len(), 2);
    assert_eq!(
        packets[0]["summary"],
        "request SET, key \"Hello\", value of 5 bytes, opaque 0x2"
    );
    assert_eq!(
        (&packets[1]["offset"], &packets[1]["length"]),
        (&42.into(), &32.into())
    );
    let key = field(&packets[0], "key");
    assert_eq!(
        (&key["value"], &key["value_base64"]),
        (&"Hello".into(), &"SGVsbG8=".into())
    );
    assert_eq!((&key["offset"], &key["length"]), (&32.into(), &5.into()));
    assert_eq!(field(&packets[1], "counter")["value"], 1000);
    assert_eq!(packets[0]["fault"], Value::Null);
}

#[test]
fn json_tells_of_every_field_its_depth_meaning_and_section() {
    let ran = memlet(&["decode", "--json", SET]);
    let packet = packets_of_one(ran.ok());
    let expiration = field(&packet, "expiration");
    assert_eq!(expiration["depth"], 1);
    assert_eq!(
        (&expiration["value"], &expiration["meaning"]),
        (&3600.into(), &"3600 s".into())
    );
    assert!(!expiration["explanation"].as_str().unwrap().is_empty());
    assert!(!expiration["section"].as_str().unwrap().is_empty());
    // A group has no value of its own.
    assert_eq!(field(&packet, "extras")["value"], Value::Null);
}

#[test]
fn what_a_field_is_for_is_said_on_request() {
    let ran = memlet(&["decode", "--explain", SET]);
    let text = ran.ok();
    assert!(text.contains("# stores an item (opcodes)"), "{text}");
    let brief = memlet(&["decode", SET]);
    assert!(!brief.ok().contains('#'), "{brief:?}");
}

#[test]
fn passwords_are_masked_unless_they_are_asked_for() {
    let auth =
        "802100050000000000000011000000000000000000000000 504c41494e 0075736572 00736563726574";
    let ran = memlet(&["decode", auth]);
    let text = ran.ok();
    assert!(
        text.contains("\"user\"") && text.contains("(masked)"),
        "{text}"
    );
    assert!(!text.contains("secret"), "{text}");
    let ran = memlet(&["decode", "--json", auth]);
    let packet = packets_of_one(ran.ok());
    let password = field(&packet, "password");
    assert_eq!(
        (&password["secret"], &password["value"]),
        (&true.into(), &Value::Null)
    );
    let shown = memlet(&["decode", "--show-credentials", auth]);
    assert!(shown.ok().contains("\"secret\""), "{shown:?}");
}

#[test]
fn keys_of_connections_with_collections_have_their_collection_apart() {
    let get = "800000050000000000000005000000000000000000000000 ab046b6579";
    let ran = memlet(&[
        "decode",
        "--dialect",
        "couchbase",
        "--collections",
        "--json",
        get,
    ]);
    let packet = packets_of_one(ran.ok());
    assert_eq!(field(&packet, "collection id")["value"], 555);
    assert_eq!(field(&packet, "logical key")["value"], "key");
}

#[test]
fn frame_infos_are_told_apart() {
    // A SET within 1,000 ms on disks of most, on behalf of user "u1".
    let header = "0801 07 01 08 00 0000 00000011 00000000 0000000000000000";
    let frame_infos = "13 02 03e8 42 7531";
    let set = format!("{header} {frame_infos} 00000000 00000000 6b 76");
    let ran = memlet(&["decode", "--dialect", "couchbase", "--json", &set]);
    let packets = packets(ran.ok());
    let durability = field(&packets[0], "DurabilityRequirement");
    assert_eq!(
        field(&packets[0], "durability level")["meaning"],
        "majority and persisted on active"
    );
    assert_eq!(field(&packets[0], "timeout")["value"], 1000);
    assert_eq!(
        (&durability["offset"], &durability["length"]),
        (&24.into(), &4.into())
    );
    assert_eq!(field(&packets[0], "name")["value"], "u1");
    // A response that took 100 microseconds.
    let ran = memlet(&[
        "decode",
        "--json",
        "180003000000000000000003000000000000000000000000020015",
    ]);
    let timed = packets_of_one(ran.ok());
    assert!(
        field(&timed, "duration")["meaning"]
            .as_str()
            .unwrap()
            .starts_with("99.")
    );
}

fn packets_of_one(text: &str) -> Value {
    packets(text).remove(0)
}

fn tap(message: &tap::Message<'_>) -> String {
    let mut bytes = vec![0; message.encoded_len().unwrap()];
    message.emit(&mut bytes).unwrap();
    HEXLOWER.encode(&bytes)
}

#[test]
fn messages_of_tap_have_their_engine_private_bytes_apart() {
    let mutation = tap::Message::Mutation(tap::Mutation {
        head: tap::Head {
            vbucket: 3,
            sequence: 1,
            flags: tap::MessageFlags::ACK,
            ..tap::Head::default()
        },
        item: tap::ItemFields::default(),
        engine: &tap::Mutation::engine_bytes(12, 7),
        key: b"Hello",
        value: b"World",
    });
    let ran = memlet(&["decode", "--json", &tap(&mutation)]);
    let packet = packets_of_one(ran.ok());
    assert_eq!(
        packet["summary"],
        "request TAP_MUTATION, key \"Hello\", value of 5 bytes, opaque 0x1"
    );
    assert_eq!(packet["lints"].as_array().unwrap().len(), 0, "{packet}");
    assert_eq!(field(&packet, "engine-private length")["value"], 9);
    assert_eq!(field(&packet, "revision")["value"], 12);
    assert_eq!(
        (
            &field(&packet, "nru")["value"],
            &field(&packet, "nru")["offset"]
        ),
        (&7.into(), &48.into())
    );
    assert_eq!(
        (
            &field(&packet, "key")["value"],
            &field(&packet, "key")["offset"]
        ),
        (&"Hello".into(), &49.into())
    );

    // TAP_CONNECT of everything in vbuckets 1 and 2.
    let connect = "80400004040000000000001600000000000000000000000000000007 72656164 0000000000000000 000200010002";
    let ran = memlet(&["decode", "--json", connect]);
    let packet = packets_of_one(ran.ok());
    assert_eq!(
        field(&packet, "flags")["meaning"],
        "BACKFILL|DUMP|LIST_VBUCKETS"
    );
    assert_eq!(field(&packet, "backfill from")["meaning"], "everything");
    assert_eq!(field(&packet, "count")["value"], 2);
    let fields = packet["fields"].as_array().unwrap().iter();
    let vbuckets = fields.filter(|field| field["name"] == "vbucket" && !field["index"].is_null());
    assert_eq!(
        vbuckets.map(|field| &field["value"]).collect::<Vec<_>>(),
        [1, 2]
    );

    // Engine-private bytes that run past the body.
    let ran = memlet(&[
        "decode",
        "80440000080000000000000800000000000000000000000000ff0000ff000000",
    ]);
    assert!(ran.ok().contains("[tap-engine-length]"), "{ran:?}");
}

#[test]
fn messages_of_dcp_are_told_and_judged() {
    // A stream request, its answer with two histories, a rollback, a V2 marker, and a mutation without extras.
    let header = |magic: &str, opcode: &str, extras_len: u8, status: &str, body_len: u32| {
        format!(
            "{magic}{opcode}0000{extras_len:02x}00{status}{body_len:08x}000000090000000000000000"
        )
    };
    let number = |number: u64| format!("{number:016x}");
    let request = header("80", "53", 48, "0005", 48)
        + "0000000400000000"
        + &[10, u64::MAX, 0xabcd, 10, 12].map(number).concat();
    let log = header("81", "53", 0, "0000", 32) + &[0xabcd, 10, 0x1234, 0].map(number).concat();
    let rollback = header("81", "53", 0, "0023", 8) + &number(6);
    let marker = header("80", "56", 1, "0005", 37)
        + "00"
        + &[11, 20].map(number).concat()
        + "00000005"
        + &[20, 0].map(number).concat();
    let mutation = header("80", "57", 0, "0005", 1) + "6b";
    let all = [request, log, rollback, marker, mutation].concat();
    let ran = memlet(&["decode", "--json", &all]);
    let packets = packets(ran.ok());
    assert_eq!(packets.len(), 5);
    assert_eq!(packets[0]["summary"], "request DCP_STREAM_REQ, opaque 0x9");
    assert_eq!(
        field(&packets[0], "flags")["meaning"],
        "up to the current high seqno"
    );
    assert_eq!(field(&packets[0], "snapshot end")["value"], 12);
    let histories = packets[1]["fields"].as_array().unwrap();
    let histories = histories
        .iter()
        .filter(|field| field["name"] == "vbucket uuid");
    assert_eq!(
        histories
            .map(|field| field["value"].as_u64().unwrap())
            .collect::<Vec<_>>(),
        [0xabcd, 0x1234]
    );
    assert_eq!(field(&packets[2], "seqno to roll back to")["value"], 6);
    assert_eq!(field(&packets[3], "end seqno")["value"], 20);
    assert_eq!(field(&packets[3], "flags")["meaning"], "memory|checkpoint");
    for packet in &packets[..4] {
        assert_eq!(packet["lints"].as_array().unwrap().len(), 0, "{packet}");
    }
    let lint = &packets[4]["lints"][0];
    assert_eq!(
        (&lint["id"], &lint["severity"]),
        (&"extras-length".into(), &"error".into())
    );
    // Offsets count from the start of all input, as those of fields do.
    assert_eq!(lint["offset"], packets[4]["offset"].as_u64().unwrap() + 4);
    assert_eq!(
        (&lint["found"], &lint["section"]),
        (&0.into(), &"request shapes".into())
    );
}

#[test]
fn what_is_wrong_or_odd_is_told_with_its_place() {
    // GET with extras, an opcode that nobody uses, and a SET whose expiration is meant to count from now.
    let get = "800000010400000000000005000000000000000000000000000000006b";
    let unknown = "80fa00000000000000000000000000000000000000000000";
    let set = "80010001080000000000000a000000000000000000000000 00000000 0028de80 6b76";
    let ran = memlet(&["decode", get, unknown, set]);
    let text = ran.ok();
    for line in [
        "  error: the opcode takes no extras of this length: extras length at byte 4: 4, allowed 0 [extras-length]",
        "  warning: nobody has given the opcode a meaning: opcode at byte 30: 250 (0xfa), nearest DROP_PRIVILEGE (0xfb) [unknown-opcode]",
        "  warning: the expiration is a date in the 1970s: expiration at byte 81: 2678400, allowed at most 2592000 [expiration-in-1970]",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    }
}

#[test]
fn quiet_commands_without_an_end_are_found_at_the_last_packet() {
    let getq = "800900010000000000000001000000000000000000000000 6b";
    let noop = "800a00000000000000000000000000000000000000000000";
    let ran = memlet(&["decode", noop, getq, getq]);
    let line = "  warning: quiet commands without an end: packet at byte 49: 2, allowed 0 [quiet-without-noop]";
    assert_eq!(ran.ok().lines().last(), Some(line));
    let ran = memlet(&["decode", getq, getq, noop]);
    assert!(!ran.ok().contains("quiet-without-noop"), "{ran:?}");
}

#[test]
fn the_dialect_decides_what_a_number_means() {
    let packet = "802300010000000000000001000000000000000000000000 6b";
    assert!(memlet(&["decode", packet]).ok().contains("request GATK"));
    let couchbase = memlet(&["decode", "--dialect", "couchbase", packet]);
    assert!(couchbase.ok().contains("request IOCTL_GET"));
}

#[test]
fn bytes_that_stop_being_packets_end_with_1_and_say_where_and_why() {
    let noop = "800a00000000000000000000000000090000000000000000";
    for (rest, complaint) in [
        ("4745", "packet at byte 24: bad magic: 0x47 at byte 0"),
        (
            "80",
            "packet at byte 24: the input ends 23 bytes before the packet does",
        ),
        (
            &SET[..60],
            "packet at byte 24: the input ends 12 bytes before the packet does",
        ),
        (
            "800000050000000000000004000000000000000000000000deadbeef",
            "packet at byte 24: body: framing extras, extras and key exceed the body: 4 at byte 8, allowed at least 5",
        ),
    ] {
        let ran = memlet(&["decode", &format!("{noop}{rest}")]);
        assert!(ran.failed(1).contains(complaint), "{ran:?}");
        assert!(
            ran.text().starts_with("byte 0, 24 bytes: request NOOP"),
            "{ran:?}"
        );
    }
    // Of a packet that is cut off the header is told all the same.
    let ran = memlet(&["decode", "--json", &SET[..60]]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(
        field(&packets_of_one(ran.text()), "body length")["value"],
        18
    );
}

#[test]
fn what_is_no_notation_of_bytes_ends_with_2() {
    assert!(
        memlet(&["decode", "80!0"])
            .failed(2)
            .contains("character 3 is '!'")
    );
    assert!(
        memlet(&["decode", "--form", "hex", "800"])
            .failed(2)
            .contains("a digit is missing")
    );
    assert!(
        memlet(&["decode", "--file", "/nowhere/at.all"])
            .failed(2)
            .contains("/nowhere/at.all: ")
    );
    assert_eq!(memlet(&["decode", "--file", "x", "80"]).code, Some(2));
}

#[test]
fn nothing_is_no_packet_and_no_error() {
    assert_eq!(memlet(&["decode"]).ok(), "");
}
