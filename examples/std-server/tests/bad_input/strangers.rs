//! Peers that speak another protocol, or none.

use super::assert_one_error_line;
use crate::common::{Answer, Kind, Random, Server};

#[test]
fn http_on_the_port_gets_one_error_line_and_a_close() {
    let server = Server::start(&[]);
    for request in [
        "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n",
        "POST /set HTTP/1.1\r\nContent-Length: 23\r\n\r\nset k 0 0 1\r\nv\r\nget k\r\n",
        "get key\r\n",
        "\r\n",
        "stats\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03",
    ] {
        let mut client = server.connect();
        client.send_bytes(request.as_bytes());
        client.end_of_input();
        let answer = client.read_to_close();
        if server.kind == Kind::Memlet {
            assert_one_error_line(&answer);
        }
    }
    server.probe();
}

#[test]
fn text_protocol_connection_is_closed_by_the_server_itself() {
    let server = Server::start(&[]);
    if server.kind == Kind::Memlet {
        let mut client = server.connect();
        client.send_bytes(b"version\r\n");
        assert_one_error_line(&client.read_to_close());
    }
    server.probe();
}

#[test]
fn random_bytes_never_hurt_the_server() {
    let server = Server::start(&[]);
    let mut random = Random(0x5eed);
    for round in 0..200 {
        let len = 1 + random.below(600);
        let mut bytes = random.bytes(len);
        match round % 4 {
            0 => bytes[0] = 0x80,
            1 => {
                // A plausible header, so that the noise reaches the commands.
                bytes.splice(
                    0..0,
                    [
                        0x80,
                        (round % 0x26) as u8,
                        0,
                        3,
                        (round % 9) as u8,
                        0,
                        0,
                        0,
                        0,
                        0,
                        0,
                        24,
                    ],
                );
            }
            _ => {}
        }
        let binary = bytes[0] == 0x80;
        let mut client = server.connect();
        client.send_bytes(&bytes);
        client.end_of_input();
        let answer = client.read_to_close();
        if server.kind == Kind::Memlet && !binary {
            assert_one_error_line(&answer);
        } else if binary {
            Answer::split_all(answer);
        }
    }
    server.probe();
}
