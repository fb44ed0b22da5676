//! Numbers that stand for something, and bits, that more than one message has.

/// Numbers with what they stand for, or bits with their names.
pub(super) type Names = &'static [(u64, &'static str)];

pub(super) const DATATYPES: Names = &[(1, "json"), (2, "snappy"), (4, "xattr")];

pub(super) const VBUCKET_STATES: Names =
    &[(1, "active"), (2, "replica"), (3, "pending"), (4, "dead")];

pub(super) const DURABILITY_LEVELS: Names = &[
    (1, "majority"),
    (2, "majority and persisted on active"),
    (3, "persisted on majority"),
];

pub(super) const BOOLEAN: Names = &[(0, "no"), (1, "yes")];
