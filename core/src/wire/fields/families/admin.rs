//! Commands for the people and programs that run a Couchbase cluster.

use super::super::context::Context;
use super::super::layout::{Content, Kind, Message, Part, part};
use super::super::walk::Walk;
use super::super::{Expected, Lint, Section};
use crate::wire::Opcode;

const BARE: Message = Message::bare(Section::Opcodes);
const JSON: Content = Content::One("value", Kind::Json, "");
const BUCKET: Content = Content::One("key", Kind::Text, "name of the bucket");
const REVISION: &[Part] = &[
    part!("epoch", 8, Kind::Number, "counts restarts of the revisions"),
    part!("revision", 8, Kind::Number, "version of the cluster map"),
];
const MAP: Content = Content::One("value", Kind::Json, "the cluster map");

pub(super) fn message(context: &Context<'_>) -> Option<Message> {
    let opcode = context.opcode;
    if !context.is_request() {
        return response(opcode);
    }
    request(opcode)
        .or_else(|| of_buckets(opcode))
        .or_else(|| tests_only(opcode))
}

fn request(opcode: Opcode) -> Option<Message> {
    type O = Opcode;
    Some(match opcode {
        O::IOCTL_GET => BARE.key(Content::One("key", Kind::Text, "the property")),
        O::IOCTL_SET => BARE
            .key(Content::One("key", Kind::Text, "the property"))
            .value(Content::One("value", Kind::Text, "what it is set to")),
        O::CONFIG_RELOAD
        | O::AUDIT_CONFIG_RELOAD
        | O::SHUTDOWN
        | O::UNMOUNT_FUSION_VBUCKET
        | O::STOP_FUSION_UPLOADER
        | O::CREATE_FUSION_NAMESPACE
        | O::STOP_PERSISTENCE
        | O::START_PERSISTENCE
        | O::LIST_BUCKETS
        | O::ENABLE_TRAFFIC
        | O::DISABLE_TRAFFIC
        | O::ISASL_REFRESH
        | O::RBAC_REFRESH
        | O::AUTH_PROVIDER
        | O::GET_CTRL_TOKEN => BARE,
        O::CONFIG_VALIDATE
        | O::SET_NODE_THROTTLE_PROPERTIES
        | O::GET_FUSION_STORAGE_SNAPSHOT
        | O::RELEASE_FUSION_STORAGE_SNAPSHOT
        | O::MOUNT_FUSION_VBUCKET
        | O::SYNC_FUSION_LOGSTORE
        | O::START_FUSION_UPLOADER
        | O::DELETE_FUSION_NAMESPACE
        | O::GET_FUSION_NAMESPACES
        | O::VALIDATE_BUCKET_CONFIG
        | O::PREPARE_SNAPSHOT
        | O::DOWNLOAD_SNAPSHOT
        | O::UPDATE_EXTERNAL_USER_PERMISSIONS => BARE.value(JSON),
        O::REGISTER_AUTH_TOKEN | O::SET_CHRONICLE_AUTH_TOKEN => {
            BARE.value(Content::One("value", Kind::Secret, "the token, JSON"))
        }
        O::SET_ACTIVE_ENCRYPTION_KEYS | O::PRUNE_ENCRYPTION_KEYS => BARE
            .key(Content::One(
                "key",
                Kind::Text,
                "what is encrypted: a bucket or a reserved name",
            ))
            .value(Content::One("value", Kind::Secret, "the keys, JSON")),
        O::AUDIT_PUT => BARE
            .extras(&[&[part!("event id", 4, Kind::Number, "which event")]])
            .value(Content::One("value", Kind::Json, "the event")),
        O::SET_PARAM => BARE
            .extras(&[&[part!(
                "type",
                4,
                Kind::Names(&[
                    (1, "flush"),
                    (2, "replication"),
                    (3, "checkpoint"),
                    (4, "dcp"),
                    (5, "vbucket"),
                    (6, "config"),
                ]),
                "what the parameter is about"
            )]])
            .key(Content::One("key", Kind::Text, "name of the parameter"))
            .value(Content::One("value", Kind::Text, "what it is set to")),
        O::SET_CLUSTER_CONFIG => BARE.extras(&[REVISION]).key(BUCKET).value(MAP),
        O::GET_CLUSTER_CONFIG => BARE.extras(&[&[], REVISION]),
        O::IFCONFIG => BARE
            .key(Content::One("key", Kind::Text, "what is to be done"))
            .value(JSON),
        O::RELEASE_SNAPSHOT => BARE.key(Content::One("key", Kind::Text, "uuid of the snapshot")),
        O::GET_FILE_FRAGMENT => BARE
            .key(Content::One("key", Kind::Text, "uuid of the snapshot"))
            .value(Content::One(
                "value",
                Kind::Json,
                "which file, from where, how much",
            )),
        O::GET_ERROR_MAP => Message::bare(Section::ErrorMap).value(Content::Walked(error_map)),
        _ => return None,
    })
}

fn error_map(walk: &mut Walk<'_, '_>) {
    if let Some(version) = walk.peek_number(0, 2)
        && !matches!(version, 1 | 2)
    {
        let allowed = Expected::Words("1 or 2");
        walk.report_next(Lint::ErrorMapVersion, "version", 2, version, allowed);
    }
    let explanation = "the highest that the client understands";
    walk.leaf("version", 2, Kind::Number, explanation);
}

fn of_buckets(opcode: Opcode) -> Option<Message> {
    type O = Opcode;
    Some(match opcode {
        O::SELECT_BUCKET | O::PAUSE_BUCKET | O::RESUME_BUCKET => BARE.key(BUCKET),
        O::CREATE_BUCKET => BARE.key(BUCKET).value(Content::One(
            "value",
            Kind::Text,
            "the module, a zero, the configuration",
        )),
        O::DELETE_BUCKET | O::SET_BUCKET_THROTTLE_PROPERTIES => BARE.key(BUCKET).value(JSON),
        O::SET_BUCKET_DATA_LIMIT_EXCEEDED => BARE.key(BUCKET).extras(&[&[part!(
            "status",
            2,
            Kind::Status,
            "what writes are answered with; 0 lets them through"
        )]]),
        O::GET_CMD_TIMER => BARE.key(BUCKET).extras(&[&[part!(
            "timed opcode",
            1,
            Kind::Opcode,
            "the command that is asked about"
        )]]),
        O::SET_CTRL_TOKEN => BARE.extras(&[&[part!(
            "new token",
            8,
            Kind::Hexadecimal,
            "the session's token; the old one is the header's CAS"
        )]]),
        _ => return None,
    })
}

/// Commands that only tests send.
fn tests_only(opcode: Opcode) -> Option<Message> {
    type O = Opcode;
    Some(match opcode {
        O::DROP_PRIVILEGE => BARE.key(Content::One("key", Kind::Text, "the privilege")),
        O::ADJUST_TIMEOFDAY => BARE.extras(&[&[
            part!("offset", 8, Kind::Number, "in seconds"),
            part!(
                "type",
                1,
                Kind::Names(&[(0, "time of day"), (1, "uptime")]),
                "which clock"
            ),
        ]]),
        O::EWOULDBLOCK_CTL => BARE
            .extras(&[&[
                part!("mode", 4, Kind::Number, "how the engine is to fail"),
                part!("number", 4, Kind::Number, "argument of the mode"),
                part!("error", 4, Kind::Number, "the error that it returns"),
            ]])
            .key(Content::Unknown),
        _ => return None,
    })
}

fn response(opcode: Opcode) -> Option<Message> {
    type O = Opcode;
    Some(match opcode {
        O::IOCTL_GET | O::IOCTL_SET => {
            BARE.value(Content::One("value", Kind::Text, "the property"))
        }
        O::CONFIG_VALIDATE
        | O::CONFIG_RELOAD
        | O::PAUSE_BUCKET
        | O::RESUME_BUCKET
        | O::VALIDATE_BUCKET_CONFIG => BARE.value(Content::One("value", Kind::Text, "")),
        O::GET_FUSION_STORAGE_SNAPSHOT
        | O::GET_FUSION_NAMESPACES
        | O::MOUNT_FUSION_VBUCKET
        | O::PREPARE_SNAPSHOT
        | O::IFCONFIG => BARE.value(JSON),
        O::LIST_BUCKETS => BARE.value(Content::One(
            "value",
            Kind::Text,
            "names with blanks between",
        )),
        O::GET_CLUSTER_CONFIG => BARE.value(MAP),
        O::GET_FILE_FRAGMENT => BARE.value(Content::One("value", Kind::Bytes, "piece of the file")),
        O::GET_CMD_TIMER => BARE.value(Content::One("value", Kind::Json, "the histogram")),
        O::GET_ERROR_MAP => Message::bare(Section::ErrorMap).value(Content::One(
            "value",
            Kind::Json,
            "what each status means and what a client should do",
        )),
        _ => {
            request(opcode)
                .or_else(|| of_buckets(opcode))
                .or_else(|| tests_only(opcode))?;
            BARE
        }
    })
}
