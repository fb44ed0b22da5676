//! HELLO: who the client is, and which features both sides know.

use super::super::context::Context;
use super::super::layout::{Content, Kind, Message};
use super::super::walk::Walk;
use super::super::{Expected, Lint, Section, Value};

/// A feature: its number, its name, what it changes. Those without a word on the latter are retired.
pub(in super::super) const FEATURES: &[(u16, &str, &str)] = &[
    (0x0001, "Invalid", ""),
    (0x0002, "TLS", ""),
    (0x0003, "TcpNoDelay", "no effect"),
    (
        0x0004,
        "MutationSeqno",
        "answers to writes carry vbucket uuid and seqno",
    ),
    (0x0005, "TcpDelay", ""),
    (0x0006, "Xattr", "values may start with extended attributes"),
    (0x0007, "Xerror", "new error codes are sent as they are"),
    (0x0008, "SelectBucket", "SELECT_BUCKET exists"),
    (0x0009, "Invalid2", ""),
    (0x000a, "Snappy", "documents may be compressed"),
    (0x000b, "Json", "the JSON bit of the data type is used"),
    (0x000c, "Duplex", "the server may send requests of its own"),
    (
        0x000d,
        "ClustermapChangeNotification",
        "the server sends each new cluster map; needs Duplex",
    ),
    (
        0x000e,
        "UnorderedExecution",
        "answers may come in another order",
    ),
    (0x000f, "Tracing", "answers tell how long they took"),
    (0x0010, "AltRequestSupport", "flex requests are understood"),
    (
        0x0011,
        "SyncReplication",
        "durability requirements are understood",
    ),
    (
        0x0012,
        "Collections",
        "keys start with the id of their collection",
    ),
    (0x0013, "SnappyEverywhere", "any answer may be compressed"),
    (
        0x0014,
        "PreserveTtl",
        "the frame info PreserveTtl is understood",
    ),
    (
        0x0015,
        "VAttr",
        "unknown virtual attributes are answered properly; needs Xattr",
    ),
    (0x0016, "Invalid3", ""),
    (
        0x0017,
        "SubdocCreateAsDeleted",
        "documents can be created deleted",
    ),
    (
        0x0018,
        "SubdocDocumentMacroSupport",
        "macros of $document; needs Xattr",
    ),
    (
        0x0019,
        "SubdocReplaceBodyWithXattr",
        "SUBDOC_REPLACE_BODY_WITH_XATTR exists",
    ),
    (0x001a, "ReportUnitUsage", "answers tell the units used"),
    (
        0x001b,
        "NonBlockingThrottlingMode",
        "a status in place of waiting",
    ),
    (
        0x001c,
        "SubdocReplicaRead",
        "parts of documents can be read from replicas",
    ),
    (
        0x001d,
        "GetClusterConfigWithKnownVersion",
        "GET_CLUSTER_CONFIG takes the known version",
    ),
    (
        0x001e,
        "DedupeNotMyVbucketClustermap",
        "no cluster map that the client already has",
    ),
    (
        0x001f,
        "ClustermapChangeNotificationBrief",
        "the server tells of new cluster maps without sending them; needs Duplex",
    ),
    (
        0x0020,
        "SubdocAllowsAccessOnMultipleXattrKeys",
        "several attributes in one multi-path command",
    ),
    (0x0021, "SubdocBinaryXattr", "attributes may be binary"),
    (
        0x0022,
        "RangeScanIncludeXattr",
        "range scans can return attributes; needs Xattr",
    ),
    (
        0x0023,
        "SubdocAllowReplicaReadOnDeletedDocs",
        "deleted documents can be read from replicas",
    ),
    (
        0x0024,
        "GetRandomKeyIncludeXattr",
        "GET_RANDOM_KEY with attributes; needs Xattr, Json and SnappyEverywhere",
    ),
    (0x0025, "MutateWithMeta", "MUTATE_WITH_META exists"),
    (
        0x0026,
        "DcpSkipDeletesInInitialBackfill",
        "OPEN can leave deletions out of the first backfill",
    ),
];

/// What a feature needs besides itself.
const NEEDS: &[(u16, u16)] = &[
    (0x0d, 0x0c),
    (0x1f, 0x0c),
    (0x15, 0x06),
    (0x18, 0x06),
    (0x22, 0x06),
    (0x24, 0x06),
    (0x24, 0x0b),
    (0x24, 0x13),
];

pub(super) fn message(context: &Context<'_>) -> Message {
    let bare = Message::bare(Section::Hello).value(Content::Walked(features));
    if context.is_request() {
        let agent = "who the client is: JSON with `a` (agent) and `i` (connection), or text";
        bare.key(Content::One("key", Kind::Text, agent))
    } else {
        bare
    }
}

fn features(walk: &mut Walk<'_, '_>) {
    // Every feature in the list that has a bit here.
    let listed = walk.rest().chunks(2).fold(0, |listed, pair| match pair {
        [0, low] => listed | bit(*low),
        _ => listed,
    });
    let left = walk.left();
    if !left.is_multiple_of(2) {
        walk.report_next(
            Lint::HelloOddLength,
            "value",
            left,
            left,
            Expected::MultipleOf(2),
        );
    }
    let mut index = 0;
    let mut seen = 0_u64;
    while let Some(number) = walk.peek_number(0, 2) {
        let code = number as u16;
        let known = FEATURES.iter().find(|(known, _, _)| *known == code);
        judge(
            walk,
            number,
            known.map(|(_, name, effect)| (*name, *effect)),
            seen,
        );
        let is_whole = walk.left() == walk.rest().len() as u64;
        if walk.context.is_request() && is_whole {
            judge_needs(walk, code, listed);
        }
        seen |= u8::try_from(code).map_or(0, bit);
        let name = known.map(|(_, name, _)| *name);
        let explanation = match known {
            None => "nobody has given it a meaning",
            Some((_, _, "")) => "retired: never granted",
            Some((_, _, effect)) => effect,
        };
        walk.index = Some(index);
        index += 1;
        walk.leaf_with("feature", 2, Value::Named { number, name }, explanation);
    }
    walk.leaf_rest("feature", Kind::Bytes, "half a number");
}

fn judge(walk: &mut Walk<'_, '_>, number: u64, known: Option<(&str, &str)>, seen: u64) {
    match known {
        None => {
            let last = FEATURES.last().map_or(0, |(code, _, _)| u64::from(*code));
            let allowed = Expected::AtMost(last);
            walk.report_next(Lint::HelloFeatureUnknown, "feature", 2, number, allowed);
        }
        Some((_, "")) => {
            walk.report_next(
                Lint::HelloFeatureRetired,
                "feature",
                2,
                number,
                Expected::AsTitled,
            );
        }
        Some(_) if seen >> number & 1 == 1 => {
            walk.report_next(
                Lint::HelloFeatureTwice,
                "feature",
                2,
                number,
                Expected::AsTitled,
            );
        }
        Some(_) => {}
    }
}

fn judge_needs(walk: &mut Walk<'_, '_>, code: u16, listed: u64) {
    for (_, needed) in NEEDS.iter().filter(|(feature, _)| *feature == code) {
        if listed & bit(*needed as u8) != 0 {
            continue;
        }
        let name = FEATURES.iter().find(|(known, _, _)| known == needed);
        let allowed = Expected::Nearest {
            number: (*needed).into(),
            name: name.map_or("", |(_, name, _)| *name),
        };
        walk.report_next(Lint::HelloFeatureNeeds, "feature", 2, code.into(), allowed);
    }
}

/// The bit that stands for a feature in a set of them; none for those beyond all that are known.
fn bit(code: u8) -> u64 {
    1_u64.checked_shl(code.into()).unwrap_or(0)
}
