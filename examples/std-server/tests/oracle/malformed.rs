//! Requests that memcached refuses, each on a connection of its own, which both servers answer and close alike.

use crate::common::{Random, Request, op};
use crate::compare::Pair;

/// Opcode, right length of extras, takes a key, takes a value.
const SHAPES: &[(u8, usize, bool, bool)] = &[
    (op::GET, 0, true, false),
    (op::GETQ, 0, true, false),
    (op::GETK, 0, true, false),
    (op::GETKQ, 0, true, false),
    (op::SET, 8, true, true),
    (op::SETQ, 8, true, true),
    (op::ADD, 8, true, true),
    (op::REPLACEQ, 8, true, true),
    (op::DELETE, 0, true, false),
    (op::INCREMENT, 20, true, false),
    (op::DECREMENTQ, 20, true, false),
    (op::APPEND, 0, true, true),
    (op::PREPENDQ, 0, true, true),
    (op::TOUCH, 4, true, false),
    (op::GAT, 4, true, false),
    (op::GATKQ, 4, true, false),
    (op::FLUSH, 4, false, false),
    (op::NOOP, 0, false, false),
    (op::VERSION, 0, false, false),
    (op::QUIT, 0, false, false),
    (op::QUITQ, 0, false, false),
    (op::STAT, 0, false, false),
];

pub(crate) fn compare(random: &mut Random, pair: &mut Pair<'_>) {
    let (opcode, extras, key, value) = *random.pick(SHAPES);
    let opaque = u32::try_from(random.below(1 << 30)).unwrap();
    let right = || {
        let mut request = Request::new(opcode).opaque(opaque).extras(vec![0; extras]);
        if key {
            request = request.key("malformed");
        }
        request
    };
    let (what, request) = match random.below(7) {
        0 => {
            let mut len = random.below(30);
            while len == extras || (opcode == op::FLUSH && len == 0) {
                len += 1;
            }
            ("wrong length of extras", right().extras(vec![1; len]))
        }
        1 if opcode != op::STAT => {
            let request = if key {
                right().key("")
            } else {
                right().key("unasked")
            };
            ("key missing or unasked", request)
        }
        2 if !value && !matches!(opcode, op::STAT | op::TOUCH | op::GAT | op::GATKQ) => {
            ("value unasked", right().value("unasked"))
        }
        2 if !value => {
            pair.count(
                "left out: value of STAT, TOUCH or GAT, which memcached takes for a request",
            );
            return;
        }
        3 if key => (
            "key too long",
            right().key(vec![b'k'; 251 + random.below(16_000)]),
        ),
        4 => {
            // memcached looks at the lengths when all of extras and key are there.
            let request = right();
            let body = request.extras.len() + request.key.len();
            if body == 0 {
                return;
            }
            let less = u32::try_from(random.below(body)).unwrap();
            (
                "extras and key longer than the body",
                request.claim_body_len(less),
            )
        }
        5 => {
            let bytes = right().value(if value { "a value" } else { "" }).bytes();
            let len = random.below(bytes.len());
            pair.compare_connection("cut short by a close", &bytes[..len]);
            return;
        }
        _ => ("well-formed on a connection of its own", right()),
    };
    if request.opcode == op::FLUSH && what.starts_with("well-formed") {
        return;
    }
    let mut bytes = Request::new(op::NOOP).opaque(1).bytes();
    bytes.extend(request.bytes());
    // A STAT that succeeds has an answer of the server's own.
    if what.starts_with("well-formed") && opcode == op::STAT {
        return;
    }
    bytes.extend(Request::new(op::NOOP).opaque(2).bytes());
    pair.compare_connection(what, &bytes);
    let key = Request::new(op::DELETEQ).key("malformed").bytes();
    pair.compare_connection("clean up", &[key, Request::new(op::QUITQ).bytes()].concat());
}
