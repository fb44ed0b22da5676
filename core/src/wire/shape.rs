//! Which parts a request of each opcode may have.

use super::{Dialect, Opcode, ServerOpcode};

/// Whether a part of a packet has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Presence {
    /// It must not be there.
    Forbidden,
    /// It may be there.
    Optional,
    /// It must be there: at least one byte.
    Required,
}

impl Presence {
    /// Whether a packet may have this part, or lack it.
    #[inline]
    #[must_use]
    pub const fn allows(self, present: bool) -> bool {
        match self {
            Presence::Forbidden => !present,
            Presence::Optional => true,
            Presence::Required => present,
        }
    }
}

/// The parts that a request of one opcode may have (memcached binary protocol: request shapes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// In two words, as small processors shift only those.
    extras: [u32; 2],
    /// Whether it takes a key.
    pub key: Presence,
    /// Whether it takes a value.
    pub value: Presence,
}

#[cfg(feature = "defmt")]
impl defmt::Format for Shape {
    fn format(&self, f: defmt::Formatter<'_>) {
        let extras = super::Allowed::Bits(self.extras_len_bits());
        defmt::write!(
            f,
            "Shape {{ extras: {}, key: {}, value: {} }}",
            extras,
            self.key,
            self.value
        );
    }
}

impl Shape {
    const fn new(extras_lens: &[u8], key: Presence, value: Presence) -> Shape {
        let mut extras = 0_u64;
        let mut rest = extras_lens;
        while let [len, behind @ ..] = rest {
            extras |= 1 << *len;
            rest = behind;
        }
        Shape {
            extras: [extras as u32, (extras >> 32) as u32],
            key,
            value,
        }
    }

    /// Whether the opcode takes extras of this length in bytes.
    #[inline]
    #[must_use]
    pub const fn allows_extras_len(&self, len: u8) -> bool {
        let [low, high] = self.extras;
        let word = if len < 32 { low } else { high };
        len < 64 && word >> (len % 32) & 1 == 1
    }

    /// The lengths in bytes that the opcode's extras may have, as a set of bits; bit 0 stands for length 0.
    #[inline]
    #[must_use]
    pub const fn extras_len_bits(&self) -> u64 {
        let [low, high] = self.extras;
        (high as u64) << 32 | low as u64
    }

    /// The lengths in bytes that the opcode's extras may have, in rising order.
    pub fn extras_lens(&self) -> impl Iterator<Item = u8> + use<> {
        let shape = *self;
        (0..64).filter(move |&len| shape.allows_extras_len(len))
    }
}

impl Opcode {
    /// What a request of this opcode has to look like; `None` when the dialect does not define it.
    ///
    /// For memcached these are the opcodes that its server knows; it takes no notice of the shape of others before it
    /// answers that it does not know them. A value that memcached does not test for, with STAT and the touching gets,
    /// is forbidden: its server would take it for the next packet.
    #[inline]
    #[must_use]
    pub const fn shape(self, dialect: Dialect) -> Option<Shape> {
        match dialect {
            Dialect::Memcached => memcached_shape(self),
            Dialect::Couchbase => couchbase_shape(self),
        }
    }
}

use Presence::{Forbidden, Optional, Required};

/// Memcached's commands, as its server tests them.
#[inline]
const fn memcached_shape(opcode: Opcode) -> Option<Shape> {
    type O = Opcode;
    Some(match opcode {
        O::GET | O::GETQ | O::GETK | O::GETKQ | O::DELETE | O::DELETEQ => {
            const { Shape::new(&[0], Required, Forbidden) }
        }
        O::SET | O::SETQ | O::ADD | O::ADDQ | O::REPLACE | O::REPLACEQ => {
            const { Shape::new(&[8], Required, Optional) }
        }
        O::INCREMENT | O::INCREMENTQ | O::DECREMENT | O::DECREMENTQ => {
            const { Shape::new(&[20], Required, Forbidden) }
        }
        O::APPEND | O::APPENDQ | O::PREPEND | O::PREPENDQ | O::SASL_AUTH | O::SASL_STEP => {
            const { Shape::new(&[0], Required, Optional) }
        }
        O::TOUCH | O::GAT | O::GATQ | O::GATK | O::GATKQ => {
            const { Shape::new(&[4], Required, Forbidden) }
        }
        O::FLUSH | O::FLUSHQ => const { Shape::new(&[0, 4], Forbidden, Forbidden) },
        O::NOOP | O::VERSION | O::QUIT | O::QUITQ | O::SASL_LIST_MECHS => {
            const { Shape::new(&[0], Forbidden, Forbidden) }
        }
        O::STAT => const { Shape::new(&[0], Optional, Forbidden) },
        _ => return None,
    })
}

/// Couchbase's commands. Not among them: those that are gone, and the messages of TAP, whose parts are not told by the
/// header alone.
const fn couchbase_shape(opcode: Opcode) -> Option<Shape> {
    type O = Opcode;
    Some(match opcode {
        O::IOCTL_GET => Shape::new(&[0], Required, Forbidden),
        O::IOCTL_SET => Shape::new(&[0], Required, Optional),
        O::STAT | O::HELLO => Shape::new(&[0], Optional, Optional),
        O::VERBOSITY => Shape::new(&[4], Forbidden, Forbidden),
        Opcode(0x00..=0x2f) => match memcached_shape(opcode) {
            None => return administrative_shape(opcode),
            Some(shape) => shape,
        },
        Opcode(0x30..=0x3c) => Shape::new(&[8], Required, Optional),
        O::TAP_CONNECT => Shape::new(&[0, 4], Optional, Optional),
        Opcode(0x50..=0x67) => return dcp_shape(opcode),
        O::GET_EX
        | O::GET_EX_REPLICA
        | O::GET_REPLICA
        | O::EVICT_KEY
        | O::UNLOCK_KEY
        | O::SELECT_BUCKET => Shape::new(&[0], Required, Forbidden),
        O::GET_LOCKED | O::GET_KEYS => Shape::new(&[0, 4], Required, Forbidden),
        O::MUTATE_WITH_META => Shape::new(&[4], Required, Required),
        O::OBSERVE | O::OBSERVE_SEQNO | O::GET_ERROR_MAP => Shape::new(&[0], Forbidden, Required),
        O::GET_META | O::GETQ_META => Shape::new(&[0, 1], Required, Forbidden),
        O::SET_WITH_META
        | O::SETQ_WITH_META
        | O::ADD_WITH_META
        | O::ADDQ_WITH_META
        | O::DEL_WITH_META
        | O::DELQ_WITH_META => Shape::new(&[24, 26, 28, 30], Required, Optional),
        O::RETURN_META => Shape::new(&[12], Required, Optional),
        O::GET_RANDOM_KEY => Shape::new(&[0, 4, 5], Forbidden, Forbidden),
        O::COLLECTIONS_GET_ID | O::COLLECTIONS_GET_SCOPE_ID => Shape::new(&[0], Optional, Optional),
        O::SUBDOC_GET | O::SUBDOC_EXISTS => Shape::new(&[3, 4], Required, Required),
        O::SUBDOC_GET_COUNT => Shape::new(&[3, 4], Required, Optional),
        O::SUBDOC_MULTI_LOOKUP => Shape::new(&[0, 1], Required, Required),
        O::SUBDOC_MULTI_MUTATION => Shape::new(&[0, 1, 4, 5, 8, 9], Required, Required),
        Opcode(0xc7..=0xcf) | O::SUBDOC_REPLACE_BODY_WITH_XATTR => {
            Shape::new(&[3, 4, 7, 8, 11, 12], Required, Required)
        }
        O::RANGE_SCAN_CREATE => Shape::new(&[0], Forbidden, Required),
        O::RANGE_SCAN_CONTINUE => Shape::new(&[28], Forbidden, Forbidden),
        O::RANGE_SCAN_CANCEL => Shape::new(&[16], Forbidden, Forbidden),
        _ => return administrative_shape(opcode),
    })
}

/// What DCP adds. The snapshot marker and the two removals have had more than one layout.
const fn dcp_shape(opcode: Opcode) -> Option<Shape> {
    type O = Opcode;
    Some(match opcode {
        O::DCP_OPEN => Shape::new(&[8], Required, Optional),
        O::DCP_STREAM_REQ => Shape::new(&[48], Forbidden, Optional),
        O::DCP_ADD_STREAM | O::DCP_STREAM_END | O::DCP_BUFFER_ACK | O::DCP_OSO_SNAPSHOT => {
            Shape::new(&[4], Forbidden, Forbidden)
        }
        O::DCP_CLOSE_STREAM
        | O::DCP_GET_FAILOVER_LOG
        | O::DCP_FLUSH
        | O::DCP_NOOP
        | O::DCP_CACHE_TRANSFER_END => Shape::new(&[0], Forbidden, Forbidden),
        O::DCP_SNAPSHOT_MARKER => Shape::new(&[1, 20], Forbidden, Optional),
        O::DCP_MUTATION | O::DCP_PREPARE => Shape::new(&[31], Required, Optional),
        O::DCP_DELETION => Shape::new(&[18, 21], Required, Optional),
        O::DCP_EXPIRATION => Shape::new(&[18, 20], Required, Optional),
        O::DCP_SET_VBUCKET_STATE => Shape::new(&[1], Forbidden, Forbidden),
        O::DCP_CONTROL => Shape::new(&[0], Required, Required),
        O::DCP_SYSTEM_EVENT => Shape::new(&[13], Optional, Optional),
        O::DCP_SEQNO_ACKNOWLEDGED | O::DCP_SEQNO_ADVANCED => Shape::new(&[8], Forbidden, Forbidden),
        O::DCP_COMMIT | O::DCP_ABORT => Shape::new(&[16], Required, Forbidden),
        O::DCP_CACHE_TRANSFER => Shape::new(&[0], Forbidden, Required),
        _ => return None,
    })
}

/// Commands for the people and programs that run a Couchbase cluster.
const fn administrative_shape(opcode: Opcode) -> Option<Shape> {
    type O = Opcode;
    Some(match opcode {
        O::CONFIG_RELOAD
        | O::AUDIT_CONFIG_RELOAD
        | O::SHUTDOWN
        | O::UNMOUNT_FUSION_VBUCKET
        | O::STOP_FUSION_UPLOADER
        | O::CREATE_FUSION_NAMESPACE
        | O::STOP_PERSISTENCE
        | O::START_PERSISTENCE
        | O::LIST_BUCKETS
        | O::GET_FAILOVER_LOG
        | O::ENABLE_TRAFFIC
        | O::DISABLE_TRAFFIC
        | O::COLLECTIONS_GET_MANIFEST
        | O::ISASL_REFRESH
        | O::RBAC_REFRESH
        | O::AUTH_PROVIDER
        | O::GET_CTRL_TOKEN => Shape::new(&[0], Forbidden, Forbidden),
        O::CONFIG_VALIDATE
        | O::SET_NODE_THROTTLE_PROPERTIES
        | O::REGISTER_AUTH_TOKEN
        | O::GET_FUSION_STORAGE_SNAPSHOT
        | O::RELEASE_FUSION_STORAGE_SNAPSHOT
        | O::MOUNT_FUSION_VBUCKET
        | O::SYNC_FUSION_LOGSTORE
        | O::START_FUSION_UPLOADER
        | O::DELETE_FUSION_NAMESPACE
        | O::GET_FUSION_NAMESPACES
        | O::SET_CHRONICLE_AUTH_TOKEN
        | O::VALIDATE_BUCKET_CONFIG
        | O::COLLECTIONS_SET_MANIFEST
        | O::PREPARE_SNAPSHOT
        | O::DOWNLOAD_SNAPSHOT
        | O::UPDATE_EXTERNAL_USER_PERMISSIONS => Shape::new(&[0], Forbidden, Required),
        O::SET_BUCKET_THROTTLE_PROPERTIES
        | O::SET_ACTIVE_ENCRYPTION_KEYS
        | O::PRUNE_ENCRYPTION_KEYS
        | O::CREATE_BUCKET
        | O::GET_FILE_FRAGMENT => Shape::new(&[0], Required, Required),
        O::DELETE_BUCKET | O::IFCONFIG => Shape::new(&[0], Required, Optional),
        O::PAUSE_BUCKET | O::RESUME_BUCKET | O::DROP_PRIVILEGE => {
            Shape::new(&[0], Required, Forbidden)
        }
        O::GET_VBUCKET | O::RELEASE_SNAPSHOT => Shape::new(&[0], Optional, Forbidden),
        O::DEL_VBUCKET => Shape::new(&[0], Forbidden, Optional),
        O::SET_VBUCKET => Shape::new(&[1, 4], Forbidden, Optional),
        O::AUDIT_PUT => Shape::new(&[4], Forbidden, Required),
        O::SET_BUCKET_DATA_LIMIT_EXCEEDED => Shape::new(&[2], Required, Forbidden),
        O::GET_ALL_VB_SEQNOS => Shape::new(&[0, 4, 8], Forbidden, Forbidden),
        O::SET_PARAM => Shape::new(&[4], Required, Required),
        O::COMPACT_DB => Shape::new(&[24], Forbidden, Optional),
        O::SET_CLUSTER_CONFIG => Shape::new(&[16], Optional, Required),
        O::GET_CLUSTER_CONFIG => Shape::new(&[0, 16], Forbidden, Forbidden),
        O::SEQNO_PERSISTENCE | O::SET_CTRL_TOKEN => Shape::new(&[8], Forbidden, Forbidden),
        O::GET_CMD_TIMER => Shape::new(&[1], Optional, Forbidden),
        O::ADJUST_TIMEOFDAY => Shape::new(&[9], Forbidden, Forbidden),
        O::EWOULDBLOCK_CTL => Shape::new(&[12], Optional, Forbidden),
        _ => return None,
    })
}

impl ServerOpcode {
    /// What a request of this opcode has to look like; `None` when the number has no name.
    #[must_use]
    pub const fn shape(self) -> Option<Shape> {
        Some(match self {
            ServerOpcode::CLUSTERMAP_CHANGE_NOTIFICATION => {
                Shape::new(&[4, 16], Optional, Optional)
            }
            ServerOpcode::AUTHENTICATE | ServerOpcode::ACTIVE_EXTERNAL_USERS => {
                Shape::new(&[0], Forbidden, Required)
            }
            ServerOpcode::GET_AUTHORIZATION => Shape::new(&[0], Required, Forbidden),
            _ => return None,
        })
    }
}
