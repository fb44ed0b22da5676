//! What is malformed says which field, where, and what is allowed.

use super::*;

fn refused(bytes: &str) -> ParseError {
    Message::parse(&packet(&hex(bytes))).unwrap_err()
}

#[test]
fn a_refused_message_says_which_field_where_and_what_is_allowed() {
    let response = refused("81 57 0000 00 00 0000 00000000 00000000 0000000000000000");
    assert_eq!(response.kind, ParseErrorKind::WrongDirection);
    assert_eq!(
        response.to_string(),
        "bad magic: 0x81 at byte 0, allowed 0x80 or 0x08"
    );

    let get = refused("80 00 0001 00 00 0000 00000001 00000000 0000000000000000 6b");
    assert_eq!(
        (get.kind, get.field),
        (ParseErrorKind::ForeignOpcode, Field::Opcode)
    );
    assert_eq!((get.offset, get.found), (1, 0));

    let short = refused(
        "80 59 0001 11 00 0000 00000012 00000000 0000000000000000
                         0000000000000000 0000000000000000 00 6b",
    );
    assert_eq!(
        short.to_string(),
        "extras: length does not fit the opcode: 17 at byte 4, allowed 18 or 20"
    );

    let version = refused("80 56 0000 01 00 0000 00000001 00000000 0000000000000000 01");
    assert_eq!(
        version.to_string(),
        "extras: unknown version: 1 at byte 24, allowed 0x00 or 0x02"
    );

    let marker = refused("80 56 0000 01 00 0000 00000003 00000000 0000000000000000 02 0000");
    assert_eq!(
        marker.to_string(),
        "value: length does not fit the opcode: 2 at byte 25, allowed 52"
    );

    let first_form = refused(
        "80 56 0000 14 00 0000 00000015 00000000 0000000000000000
                              0000000000000001 0000000000000018 00000006 00",
    );
    assert_eq!(first_form.kind, ParseErrorKind::ValueLength);

    let metadata = refused(
        "80 58 0001 12 00 0000 00000014 00000000 0000000000000000
                            0000000000000000 0000000000000000 0002 6b 6d",
    );
    assert_eq!(
        metadata.to_string(),
        "extras: a part runs past its end: 2 at byte 40, allowed at most 1"
    );
}

#[test]
fn a_refused_answer_says_what_is_wrong() {
    let refused = |bytes: &str| Reply::parse(&packet(&hex(bytes))).unwrap_err();
    let log = refused(
        "81 53 0000 00 00 0000 00000011 00000000 0000000000000000
                       0000000000000b0b 0000000000000064 00",
    );
    assert_eq!(
        log.to_string(),
        "value: length does not fit the opcode: 17 at byte 24, allowed a multiple of 16"
    );
    let rollback = refused("81 53 0000 00 00 0023 00000003 00000000 0000000000000000 000000");
    assert_eq!(
        rollback.to_string(),
        "value: length does not fit the opcode: 3 at byte 24, allowed 8"
    );
    let added = refused("81 51 0000 00 00 0000 00000000 00000000 0000000000000000");
    assert_eq!(added.kind, ParseErrorKind::ExtrasLength);
    let request = refused("80 53 0000 00 00 0000 00000000 00000000 0000000000000000");
    assert_eq!(request.kind, ParseErrorKind::WrongDirection);
    let foreign = refused("81 00 0000 00 00 0000 00000000 00000000 0000000000000000");
    assert_eq!(foreign.kind, ParseErrorKind::ForeignOpcode);
    let key = refused("81 5e 0001 00 00 0000 00000001 00000000 0000000000000000 6b");
    assert_eq!(key.kind, ParseErrorKind::KeyForbidden);
}

#[test]
fn a_message_that_no_header_can_tell_is_not_written() {
    let long = vec![0; 65_536];
    let mutation = Mutation {
        key: b"k",
        metadata: &long,
        ..Mutation::default()
    };
    let error = message(Body::Mutation(mutation)).encoded_len().unwrap_err();
    assert_eq!(
        error,
        EmitError::TooLong {
            field: Field::Value,
            found: 65_536,
            allowed: 65_535
        }
    );
    let response = Message {
        magic: Magic::CLIENT_RESPONSE,
        ..message(Body::Noop)
    };
    assert_eq!(
        response.emit(&mut [0; 64]),
        Err(EmitError::Magic(Magic::CLIENT_RESPONSE))
    );
    let request = Reply {
        magic: Magic::CLIENT_REQUEST,
        ..Reply::new(Opcode::DCP_NOOP, Status::SUCCESS, 0)
    };
    assert_eq!(
        request.emit(&mut [0; 64]),
        Err(EmitError::Magic(Magic::CLIENT_REQUEST))
    );
}
