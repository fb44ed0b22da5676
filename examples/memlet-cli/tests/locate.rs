//! `memlet locate` as scripts see it.

mod common;

use common::{memlet, memlet_reading};
use serde_json::Value;

const POOL: &str = "10.0.0.1,10.0.0.2,10.0.0.3:11212,cache-four.example,[::1]:11311";

#[test]
fn keys_are_where_pylibmc_puts_them() {
    let ran = memlet(&["locate", "--servers", POOL, "key:0", "key:1", "user:17"]);
    assert_eq!(
        ran.ok(),
        "cache-four.example:11211\tkey:0\n10.0.0.1:11211\tkey:1\n10.0.0.2:11211\tuser:17\n"
    );
    let weighted = "10.0.0.1:11211:1,10.0.0.2:11211:2,10.0.0.3:11212:3,cache-four.example:11211:4,[::1]:11311:5";
    let first = |arguments: &[&str]| {
        let ran = memlet(&[&["locate", "key:9"], arguments].concat());
        ran.ok().split('\t').next().unwrap().to_owned()
    };
    assert_eq!(first(&["--servers", weighted]), "[::1]:11311");
    assert_eq!(first(&["--servers", POOL, "--weighted"]), "10.0.0.1:11211");
    assert_eq!(first(&["--servers", weighted, "--weighted"]), "[::1]:11311");
    assert_eq!(first(&["--servers", POOL, "--hash", "md5"]), "[::1]:11311");
    assert_eq!(first(&["--servers", POOL]), "10.0.0.3:11212");
}

#[test]
fn keys_come_from_standard_input_a_line_each_whatever_their_bytes() {
    let ran = memlet_reading(
        &["locate", "--servers", "a", "first", "-"],
        b"x y\n\xff\t\n\nlast",
    );
    assert_eq!(ran.code, Some(0));
    assert_eq!(
        ran.out,
        b"a:11211\tfirst\na:11211\tx y\na:11211\t\xff\t\na:11211\t\na:11211\tlast\n"
    );
}

#[test]
fn json_has_an_object_for_each_key() {
    let ran = memlet_reading(
        &["locate", "--servers", "a,b", "--jump", "--json", "-"],
        b"k\n\xff\n",
    );
    let objects: Vec<Value> = ran
        .ok()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(objects.len(), 2);
    assert_eq!(objects[0]["key"], "k");
    assert_eq!(
        (&objects[1]["key"], &objects[1]["key_base64"]),
        (&Value::Null, &"/w==".into())
    );
    for object in objects {
        let index = object["index"].as_u64().unwrap() as usize;
        assert_eq!(object["server"], ["a:11211", "b:11211"][index]);
    }
}

#[test]
fn jump_takes_notice_of_the_number_of_servers_alone() {
    let index = |servers: &str| {
        let ran = memlet(&["locate", "--json", "--jump", "--servers", servers, "key"]);
        serde_json::from_str::<Value>(ran.ok()).unwrap()["index"].clone()
    };
    assert_eq!(index("a,b,c,d,e"), index("v,w,x,y,z:1:9"));
}

#[test]
fn a_wrong_command_line_ends_with_2_and_says_what_is_allowed() {
    for (arguments, complaint) in [
        (&["locate", "key"][..], "--servers"),
        (&["locate", "--servers", "a"], "<KEY>"),
        (
            &["locate", "--servers", "a:x", "k"],
            "a port is a number from 1 to 65535",
        ),
        (&["locate", "--servers", "a,,b", "k"], "the host is missing"),
        (
            &["locate", "--servers", "a", "--jump", "--weighted", "k"],
            "cannot be used with",
        ),
    ] {
        let ran = memlet(arguments);
        assert!(ran.failed(2).contains(complaint), "{ran:?}");
    }
}
