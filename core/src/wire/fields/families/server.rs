//! What a Couchbase server asks its client.

use super::super::Section;
use super::super::layout::{Content, Kind, Message, part};
use crate::wire::ServerOpcode;

const BARE: Message = Message::bare(Section::ServerOpcodes);

pub(super) fn message(opcode: ServerOpcode, is_request: bool) -> Message {
    type O = ServerOpcode;
    match (opcode, is_request) {
        (O::CLUSTERMAP_CHANGE_NOTIFICATION, true) => BARE
            .extras(&[
                &[part!(
                    "revision",
                    4,
                    Kind::Number,
                    "version of the cluster map, older form"
                )],
                &[
                    part!("epoch", 8, Kind::Number, "counts restarts of the revisions"),
                    part!("revision", 8, Kind::Number, "version of the cluster map"),
                ],
            ])
            .key(Content::One("key", Kind::Text, "name of the bucket"))
            .value(Content::One("value", Kind::Json, "the cluster map")),
        (O::AUTHENTICATE, true) => BARE.value(Content::One(
            "value",
            Kind::Secret,
            "mechanism, peer and challenge, JSON",
        )),
        (O::AUTHENTICATE, false) => BARE.value(Content::One(
            "value",
            Kind::Secret,
            "response, privileges and token, JSON",
        )),
        (O::ACTIVE_EXTERNAL_USERS, true) => {
            BARE.value(Content::One("value", Kind::Json, "names of users"))
        }
        (O::GET_AUTHORIZATION, true) => {
            BARE.key(Content::One("key", Kind::Text, "name of the user"))
        }
        (O::GET_AUTHORIZATION, false) => {
            BARE.value(Content::One("value", Kind::Json, "privileges"))
        }
        (O::CLUSTERMAP_CHANGE_NOTIFICATION | O::ACTIVE_EXTERNAL_USERS, false) => BARE,
        _ => Message {
            section: Section::ServerOpcodes,
            ..Message::UNKNOWN
        },
    }
}

/// What the command is for.
pub(super) fn meaning(opcode: ServerOpcode) -> &'static str {
    match opcode {
        ServerOpcode::CLUSTERMAP_CHANGE_NOTIFICATION => {
            "the cluster map has changed; needs no answer"
        }
        ServerOpcode::AUTHENTICATE => "asks the authentication provider to check a user",
        ServerOpcode::ACTIVE_EXTERNAL_USERS => {
            "tells the authentication provider who is logged in; needs no answer"
        }
        ServerOpcode::GET_AUTHORIZATION => "asks the authentication provider what a user may do",
        _ => "nobody has given it a meaning",
    }
}
