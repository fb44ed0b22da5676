//! The command of a packet: one table of numbers, names and quiet twins.

use core::fmt;

use super::text::name_or_number;
use super::{Dialect, Magic, ServerOpcode};

/// The command of a packet (memcached binary protocol: opcodes).
///
/// The number stays open: one without a name is kept and shown as hexadecimal. What a number means can depend on the
/// [`Dialect`]; where a method does not ask for one, memcached's meaning comes first.
///
/// Every constant is also found under gomemcached's and kv_engine's name.
#[doc(alias = "CommandCode")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Opcode(pub u8);

/// Turns the table into constants, names and quiet twins.
///
/// One line is `NAME = number, quiet LOUD, "other name"… ; "documentation"`, where `quiet LOUD` says that the command
/// is the quiet form of `LOUD`.
macro_rules! opcodes {
    ($(
        $dialect:ident: $table:ident, $name_of:ident, $meaning_of:ident, $loud_of:ident, $quiet_of:ident {
            $( $name:ident = $number:literal $(, quiet $loud:ident)? $(, $alias:literal)* ; $text:literal )*
        }
    )*) => {
        impl Opcode {
            $($(
                #[doc = concat!(stringify!($number), ": ", $text)]
                $( #[doc(alias = $alias)] )*
                pub const $name: Opcode = Opcode($number);
            )*)*
        }

        $(
            /// Every opcode of one dialect with its name.
            const $table: &[(Opcode, &str)] = &[$( (Opcode::$name, stringify!($name)) ),*];

            const fn $name_of(opcode: Opcode) -> Option<&'static str> {
                match opcode {
                    $( Opcode::$name => Some(stringify!($name)), )*
                    _ => None,
                }
            }

            #[cfg(feature = "fields")]
            const fn $meaning_of(opcode: Opcode) -> &'static str {
                match opcode {
                    $( Opcode::$name => $text, )*
                    _ => "",
                }
            }

            #[inline]
            const fn $loud_of(opcode: Opcode) -> Option<Opcode> {
                match opcode {
                    $($( Opcode::$name => Some(Opcode::$loud), )?)*
                    _ => None,
                }
            }

            #[inline]
            const fn $quiet_of(opcode: Opcode) -> Option<Opcode> {
                match opcode {
                    $($( Opcode::$loud => Some(Opcode::$name), )?)*
                    _ => None,
                }
            }
        )*

        /// As [`fmt::Display`]. The names stay on the host: the device sends their place in a table.
        #[cfg(feature = "defmt")]
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        impl defmt::Format for Opcode {
            fn format(&self, f: defmt::Formatter<'_>) {
                $(
                    {
                        #[derive(defmt::Format)]
                        enum Name {
                            $( $name ),*
                        }
                        let name = match *self {
                            $( Opcode::$name => Some(Name::$name), )*
                            _ => None,
                        };
                        if let Some(name) = name {
                            return defmt::write!(f, "{}", name);
                        }
                    }
                )*
                defmt::write!(f, "{=u8:#04x}", self.0);
            }
        }
    };
}

opcodes! {
    memcached: MEMCACHED, memcached_name, memcached_meaning, memcached_loud, memcached_quiet {
        GET = 0x00, "Get"; "reads an item."
        SET = 0x01, "Set"; "stores an item."
        ADD = 0x02, "Add"; "stores an item unless the key exists."
        REPLACE = 0x03, "Replace"; "stores an item if the key exists."
        DELETE = 0x04, "Delete"; "removes an item."
        INCREMENT = 0x05, "Increment", "INCR"; "adds to a decimal counter, or creates it."
        DECREMENT = 0x06, "Decrement", "DECR"; "subtracts from a decimal counter down to 0, or creates it."
        QUIT = 0x07, "Quit"; "is answered, then the connection closes."
        FLUSH = 0x08, "Flush"; "removes every item, now or after a delay."
        GETQ = 0x09, quiet GET, "Getq"; "as GET, no answer on a miss."
        NOOP = 0x0a, "Noop"; "is answered and nothing else; flushes out what quiet commands left unsaid."
        VERSION = 0x0b, "Version"; "asks for the server's version."
        GETK = 0x0c, "Getk"; "as GET, with the key in the answer."
        GETKQ = 0x0d, quiet GETK, "Getkq"; "as GETK, no answer on a miss."
        APPEND = 0x0e, "Append"; "puts bytes behind an existing value."
        PREPEND = 0x0f, "Prepend"; "puts bytes before an existing value."
        STAT = 0x10, "Stat"; "asks for statistics; many answers, the last without key and value."
        SETQ = 0x11, quiet SET, "Setq"; "as SET, answered only on failure."
        ADDQ = 0x12, quiet ADD, "Addq"; "as ADD, answered only on failure."
        REPLACEQ = 0x13, quiet REPLACE, "Replaceq"; "as REPLACE, answered only on failure."
        DELETEQ = 0x14, quiet DELETE, "Deleteq"; "as DELETE, answered only on failure."
        INCREMENTQ = 0x15, quiet INCREMENT, "Incrementq", "INCRQ"; "as INCREMENT, answered only on failure."
        DECREMENTQ = 0x16, quiet DECREMENT, "Decrementq", "DECRQ"; "as DECREMENT, answered only on failure."
        QUITQ = 0x17, quiet QUIT, "Quitq"; "closes the connection without an answer."
        FLUSHQ = 0x18, quiet FLUSH, "Flushq"; "as FLUSH, answered only on failure."
        APPENDQ = 0x19, quiet APPEND, "Appendq"; "as APPEND, answered only on failure."
        PREPENDQ = 0x1a, quiet PREPEND, "Prependq"; "as PREPEND, answered only on failure."
        VERBOSITY = 0x1b, "Verbosity"; "sets how much the server logs; documented by memcached, unknown to its server."
        TOUCH = 0x1c, "Touch"; "sets the expiration of an item."
        GAT = 0x1d, "Gat"; "reads an item and sets its expiration."
        GATQ = 0x1e, quiet GAT, "Gatq"; "as GAT, no answer on a miss."
        SASL_LIST_MECHS = 0x20, "SaslListMechs"; "asks for the authentication mechanisms."
        SASL_AUTH = 0x21, "SaslAuth"; "begins an authentication."
        SASL_STEP = 0x22, "SaslStep"; "goes on with an authentication."
        GATK = 0x23, "Gatk"; "as GAT, with the key in the answer (Couchbase: IOCTL_GET)."
        GATKQ = 0x24, quiet GATK, "Gatkq"; "as GATK, no answer on a miss (Couchbase: IOCTL_SET)."
        RGET = 0x30, "Rget"; "range family, never implemented by anybody."
        RSET = 0x31, "Rset"; "range family, never implemented by anybody."
        RSETQ = 0x32, quiet RSET, "Rsetq"; "range family, never implemented by anybody."
        RAPPEND = 0x33, "Rappend"; "range family, never implemented by anybody."
        RAPPENDQ = 0x34, quiet RAPPEND, "Rappendq"; "range family, never implemented by anybody."
        RPREPEND = 0x35, "Rprepend"; "range family, never implemented by anybody."
        RPREPENDQ = 0x36, quiet RPREPEND, "Rprependq"; "range family, never implemented by anybody."
        RDELETE = 0x37, "Rdelete"; "range family, never implemented by anybody."
        RDELETEQ = 0x38, quiet RDELETE, "Rdeleteq"; "range family, never implemented by anybody."
        RINCR = 0x39, "Rincr"; "range family, never implemented by anybody."
        RINCRQ = 0x3a, quiet RINCR, "Rincrq"; "range family, never implemented by anybody."
        RDECR = 0x3b, "Rdecr"; "range family, never implemented by anybody."
        RDECRQ = 0x3c, quiet RDECR, "Rdecrq"; "range family, never implemented by anybody."
    }
    couchbase: COUCHBASE, couchbase_name, couchbase_meaning, couchbase_loud, couchbase_quiet {
        HELLO = 0x1f, "Hello"; "says who the client is and which features it knows."
        IOCTL_GET = 0x23, "IoctlGet"; "reads a property of the server (memcached: GATK)."
        IOCTL_SET = 0x24, "IoctlSet"; "sets a property of the server (memcached: GATKQ)."
        CONFIG_VALIDATE = 0x25, "ConfigValidate"; "tests a configuration."
        CONFIG_RELOAD = 0x26, "ConfigReload"; "has the configuration read again."
        AUDIT_PUT = 0x27, "AuditPut"; "adds an event to the audit trail."
        AUDIT_CONFIG_RELOAD = 0x28, "AuditConfigReload"; "has the audit configuration read again."
        SHUTDOWN = 0x29, "Shutdown"; "ends the server."
        SET_BUCKET_THROTTLE_PROPERTIES = 0x2a, "SetBucketThrottleProperties"; "sets the throttle of a bucket."
        SET_BUCKET_DATA_LIMIT_EXCEEDED = 0x2b, "SetBucketDataLimitExceeded"; "marks a bucket as too full for writes."
        SET_NODE_THROTTLE_PROPERTIES = 0x2c, "SetNodeThrottleProperties"; "sets the throttle of the node."
        SET_ACTIVE_ENCRYPTION_KEYS = 0x2d, "SetActiveEncryptionKeys"; "sets the keys that data is encrypted with."
        PRUNE_ENCRYPTION_KEYS = 0x2e, "PruneEncryptionKeys"; "drops encryption keys no longer used."
        REGISTER_AUTH_TOKEN = 0x2f, "RegisterAuthToken"; "registers the data of an authentication token."
        SET_VBUCKET = 0x3d, "SetVbucket"; "sets the state of a vbucket."
        GET_VBUCKET = 0x3e, "GetVbucket"; "reads the state of a vbucket."
        DEL_VBUCKET = 0x3f, "DelVbucket"; "deletes a vbucket."
        TAP_CONNECT = 0x40, "TapConnect"; "asks for a TAP stream."
        TAP_MUTATION = 0x41, "TapMutation"; "TAP: an item was stored."
        TAP_DELETE = 0x42, "TapDelete"; "TAP: an item was removed."
        TAP_FLUSH = 0x43, "TapFlush"; "TAP: every item was removed."
        TAP_OPAQUE = 0x44, "TapOpaque"; "TAP: a message between the engines of the servers."
        TAP_VBUCKET_SET = 0x45, "TapVbucketSet"; "TAP: a vbucket changed its state."
        TAP_CHECKPOINT_START = 0x46, "TapCheckpointStart"; "TAP: a checkpoint begins."
        TAP_CHECKPOINT_END = 0x47, "TapCheckpointEnd"; "TAP: a checkpoint ends."
        GET_ALL_VB_SEQNOS = 0x48, "GetAllVbSeqnos"; "reads the highest sequence number of every vbucket."
        GET_EX = 0x49, "GetEx"; "reads a document with its extended attributes, as stored."
        GET_EX_REPLICA = 0x4a, "GetExReplica"; "as GET_EX, from a replica."
        MUTATE_WITH_META = 0x4b, "MutateWithMeta"; "stores a document with metadata given as JSON."
        DCP_OPEN = 0x50, "UPR_OPEN", "DcpOpen"; "makes the connection a DCP connection and names it."
        DCP_ADD_STREAM = 0x51, "UPR_ADDSTREAM", "DcpAddStream"; "tells a consumer to ask for a stream."
        DCP_CLOSE_STREAM = 0x52, "UPR_CLOSESTREAM", "DcpCloseStream"; "ends the stream of a vbucket."
        DCP_STREAM_REQ = 0x53, "UPR_STREAMREQ", "DcpStreamReq"; "asks for the changes of a vbucket."
        DCP_GET_FAILOVER_LOG = 0x54, "UPR_FAILOVERLOG", "DcpGetFailoverLog"; "reads the failover log of a vbucket."
        DCP_STREAM_END = 0x55, "UPR_STREAMEND", "DcpStreamEnd"; "DCP: the stream is over."
        DCP_SNAPSHOT_MARKER = 0x56, "UPR_SNAPSHOT", "DcpSnapshotMarker"; "DCP: bounds of the changes that follow."
        DCP_MUTATION = 0x57, "UPR_MUTATION", "DcpMutation"; "DCP: a document was stored."
        DCP_DELETION = 0x58, "UPR_DELETION", "DcpDeletion"; "DCP: a document was removed."
        DCP_EXPIRATION = 0x59, "UPR_EXPIRATION", "DcpExpiration"; "DCP: a document expired."
        DCP_FLUSH = 0x5a, "UPR_FLUSH", "DcpFlush"; "DCP: every document was removed; obsolete."
        DCP_SET_VBUCKET_STATE = 0x5b, "DcpSetVbucketState"; "DCP: the vbucket gets another state."
        DCP_NOOP = 0x5c, "UPR_NOOP", "DcpNoop"; "DCP: must be answered, to show that the peer lives."
        DCP_BUFFER_ACK = 0x5d, "UPR_BUFFERACK", "DcpBufferAcknowledgement"; "DCP: bytes that the consumer is done with."
        DCP_CONTROL = 0x5e, "UPR_CONTROL", "DcpControl"; "DCP: sets a property of the connection."
        DCP_SYSTEM_EVENT = 0x5f, "DcpSystemEvent"; "DCP: a scope or collection came, changed or went."
        DCP_PREPARE = 0x60, "DcpPrepare"; "DCP: a durable write that is not yet committed."
        DCP_SEQNO_ACKNOWLEDGED = 0x61, "DcpSeqnoAcknowledged"; "DCP: the replica holds all up to here."
        DCP_COMMIT = 0x62, "DcpCommit"; "DCP: a prepared write stands."
        DCP_ABORT = 0x63, "DcpAbort"; "DCP: a prepared write is off."
        DCP_SEQNO_ADVANCED = 0x64, "DcpSeqnoAdvanced"; "DCP: sequence numbers that concern other collections."
        DCP_OSO_SNAPSHOT = 0x65, "DcpOsoSnapshot"; "DCP: bounds of changes that come out of order."
        DCP_CACHE_TRANSFER = 0x66, "DcpCacheTransfer"; "DCP: cached documents of the producer."
        DCP_CACHE_TRANSFER_END = 0x67, "DcpCacheTransferEnd"; "DCP: no more cached documents."
        GET_FUSION_STORAGE_SNAPSHOT = 0x70, "GetFusionStorageSnapshot"; "fusion storage: takes a snapshot."
        RELEASE_FUSION_STORAGE_SNAPSHOT = 0x71, "ReleaseFusionStorageSnapshot"; "fusion storage: drops a snapshot."
        MOUNT_FUSION_VBUCKET = 0x72, "MountFusionVbucket"; "fusion storage: mounts a vbucket."
        UNMOUNT_FUSION_VBUCKET = 0x73, "UnmountFusionVbucket"; "fusion storage: unmounts a vbucket."
        SYNC_FUSION_LOGSTORE = 0x74, "SyncFusionLogstore"; "fusion storage: writes out the log."
        START_FUSION_UPLOADER = 0x75, "StartFusionUploader"; "fusion storage: starts the uploader."
        STOP_FUSION_UPLOADER = 0x76, "StopFusionUploader"; "fusion storage: stops the uploader."
        DELETE_FUSION_NAMESPACE = 0x77, "DeleteFusionNamespace"; "fusion storage: deletes a namespace."
        GET_FUSION_NAMESPACES = 0x78, "GetFusionNamespaces"; "fusion storage: lists the namespaces."
        CREATE_FUSION_NAMESPACE = 0x79, "CreateFusionNamespace"; "fusion storage: creates a namespace."
        STOP_PERSISTENCE = 0x80, "StopPersistence"; "stops writing to disk."
        START_PERSISTENCE = 0x81, "StartPersistence"; "goes on writing to disk."
        SET_PARAM = 0x82, "SetParam"; "sets a parameter of the engine."
        GET_REPLICA = 0x83, "GetReplica"; "as GET, from a replica."
        SET_CHRONICLE_AUTH_TOKEN = 0x84, "SetChronicleAuthToken"; "sets the token for the metadata service."
        CREATE_BUCKET = 0x85, "CreateBucket"; "creates a bucket."
        DELETE_BUCKET = 0x86, "DeleteBucket"; "deletes a bucket."
        LIST_BUCKETS = 0x87, "ListBuckets"; "lists the buckets."
        SELECT_BUCKET = 0x89, "SelectBucket"; "chooses the bucket that this connection works on."
        PAUSE_BUCKET = 0x8a, "PauseBucket"; "pauses a bucket."
        RESUME_BUCKET = 0x8b, "ResumeBucket"; "resumes a bucket."
        VALIDATE_BUCKET_CONFIG = 0x8c, "ValidateBucketConfig"; "tests the configuration of a bucket."
        OBSERVE_SEQNO = 0x91, "ObserveSeqno"; "reads how far a vbucket is persisted."
        OBSERVE = 0x92, "Observe"; "reads whether documents are persisted and replicated."
        EVICT_KEY = 0x93, "EvictKey"; "drops a document from memory."
        GET_LOCKED = 0x94, "GetLocked"; "reads a document and locks it."
        UNLOCK_KEY = 0x95, "UnlockKey"; "unlocks a document."
        GET_FAILOVER_LOG = 0x96, "GetFailoverLog"; "reads the failover log of a vbucket."
        LAST_CLOSED_CHECKPOINT = 0x97, "LastClosedCheckpoint"; "gone."
        DEREGISTER_TAP_CLIENT = 0x9e, "DeregisterTapClient"; "gone."
        RESET_REPLICATION_CHAIN = 0x9f, "ResetReplicationChain"; "gone."
        GET_META = 0xa0, "GetMeta"; "reads the metadata of a document."
        GETQ_META = 0xa1, quiet GET_META, "GetqMeta"; "as GET_META, no answer on a miss."
        SET_WITH_META = 0xa2, "SetWithMeta"; "stores a document with metadata of another cluster."
        SETQ_WITH_META = 0xa3, quiet SET_WITH_META, "SetqWithMeta"; "as SET_WITH_META, answered only on failure."
        ADD_WITH_META = 0xa4, "AddWithMeta"; "adds a document with metadata of another cluster."
        ADDQ_WITH_META = 0xa5, quiet ADD_WITH_META, "AddqWithMeta"; "as ADD_WITH_META, answered only on failure."
        SNAPSHOT_VB_STATES = 0xa6, "SnapshotVbStates"; "gone."
        VBUCKET_BATCH_COUNT = 0xa7, "VbucketBatchCount"; "gone."
        DEL_WITH_META = 0xa8, "DelWithMeta"; "removes a document with metadata of another cluster."
        DELQ_WITH_META = 0xa9, quiet DEL_WITH_META, "DelqWithMeta"; "as DEL_WITH_META, answered only on failure."
        CREATE_CHECKPOINT = 0xaa, "CreateCheckpoint"; "gone."
        NOTIFY_VBUCKET_UPDATE = 0xac, "NotifyVbucketUpdate"; "gone."
        ENABLE_TRAFFIC = 0xad, "EnableTraffic"; "lets clients in after the warmup."
        DISABLE_TRAFFIC = 0xae, "DisableTraffic"; "keeps clients out."
        IFCONFIG = 0xaf, "Ifconfig"; "configures the server's network interfaces."
        CHANGE_VB_FILTER = 0xb0, "ChangeVbFilter"; "gone."
        CHECKPOINT_PERSISTENCE = 0xb1, "CheckpointPersistence"; "gone."
        RETURN_META = 0xb2, "ReturnMeta"; "writes a document and reads its new metadata."
        COMPACT_DB = 0xb3, "CompactDb"; "compacts the files of a vbucket."
        SET_CLUSTER_CONFIG = 0xb4, "SetClusterConfig"; "sets the cluster map."
        GET_CLUSTER_CONFIG = 0xb5, "GetClusterConfig"; "reads the cluster map."
        GET_RANDOM_KEY = 0xb6, "GetRandomKey"; "reads some document."
        SEQNO_PERSISTENCE = 0xb7, "SeqnoPersistence"; "waits until a sequence number is on disk."
        GET_KEYS = 0xb8, "GetKeys"; "lists keys from a first one on."
        COLLECTIONS_SET_MANIFEST = 0xb9, "CollectionsSetManifest"; "sets the list of scopes and collections."
        COLLECTIONS_GET_MANIFEST = 0xba, "CollectionsGetManifest"; "reads the list of scopes and collections."
        COLLECTIONS_GET_ID = 0xbb, "CollectionsGetID"; "finds the id of a collection."
        COLLECTIONS_GET_SCOPE_ID = 0xbc, "CollectionsGetScopeID"; "finds the id of a scope."
        SET_DRIFT_COUNTER_STATE = 0xc1, "SetDriftCounterState"; "gone."
        GET_ADJUSTED_TIME = 0xc2, "GetAdjustedTime"; "gone."
        SUBDOC_GET = 0xc5, "SubdocGet"; "reads a part of a document."
        SUBDOC_EXISTS = 0xc6, "SubdocExists"; "tests whether a part of a document exists."
        SUBDOC_DICT_ADD = 0xc7, "SubdocDictAdd"; "adds a member to an object."
        SUBDOC_DICT_UPSERT = 0xc8, "SubdocDictUpsert"; "sets a member of an object."
        SUBDOC_DELETE = 0xc9, "SubdocDelete"; "removes a part of a document."
        SUBDOC_REPLACE = 0xca, "SubdocReplace"; "replaces an existing part of a document."
        SUBDOC_ARRAY_PUSH_LAST = 0xcb, "SubdocArrayPushLast"; "appends to an array."
        SUBDOC_ARRAY_PUSH_FIRST = 0xcc, "SubdocArrayPushFirst"; "puts in front of an array."
        SUBDOC_ARRAY_INSERT = 0xcd, "SubdocArrayInsert"; "inserts into an array."
        SUBDOC_ARRAY_ADD_UNIQUE = 0xce, "SubdocArrayAddUnique"; "adds to an array what is not yet in it."
        SUBDOC_COUNTER = 0xcf, "SubdocCounter"; "adds to a number in a document."
        SUBDOC_MULTI_LOOKUP = 0xd0, "SubdocMultiLookup"; "reads several parts of a document."
        SUBDOC_MULTI_MUTATION = 0xd1, "SubdocMultiMutation"; "changes several parts of a document."
        SUBDOC_GET_COUNT = 0xd2, "SubdocGetCount"; "counts the members of an array or object."
        SUBDOC_REPLACE_BODY_WITH_XATTR = 0xd3, "SubdocReplaceBodyWithXattr"; "makes an attribute the document's body."
        RANGE_SCAN_CREATE = 0xda, "RangeScanCreate"; "prepares a scan over a range of keys."
        RANGE_SCAN_CONTINUE = 0xdb, "RangeScanContinue"; "reads on in a range scan."
        RANGE_SCAN_CANCEL = 0xdc, "RangeScanCancel"; "ends a range scan."
        PREPARE_SNAPSHOT = 0xe0, "PrepareSnapshot"; "prepares a snapshot of a vbucket's files."
        RELEASE_SNAPSHOT = 0xe1, "ReleaseSnapshot"; "drops a snapshot."
        DOWNLOAD_SNAPSHOT = 0xe2, "DownloadSnapshot"; "fetches a snapshot of another node."
        GET_FILE_FRAGMENT = 0xe3, "GetFileFragment"; "reads a piece of a snapshot's file."
        SCRUB = 0xf0, "Scrub"; "gone."
        ISASL_REFRESH = 0xf1, "IsaslRefresh"; "has the password database read again."
        SSL_CERTS_REFRESH = 0xf2, "SslCertsRefresh"; "gone."
        GET_CMD_TIMER = 0xf3, "GetCmdTimer"; "reads how long a command takes."
        SET_CTRL_TOKEN = 0xf4, "SetCtrlToken"; "sets the session token of the cluster manager."
        GET_CTRL_TOKEN = 0xf5, "GetCtrlToken"; "reads the session token of the cluster manager."
        UPDATE_EXTERNAL_USER_PERMISSIONS = 0xf6, "UpdateExternalUserPermissions"; "sets what an external user may do."
        RBAC_REFRESH = 0xf7, "RbacRefresh"; "has the privilege database read again."
        AUTH_PROVIDER = 0xf8, "AuthProvider"; "makes the connection the authentication provider."
        DROP_PRIVILEGE = 0xfb, "DropPrivilege"; "gives up a privilege; for tests."
        ADJUST_TIMEOFDAY = 0xfc, "AdjustTimeofday"; "moves the server's clock; for tests."
        EWOULDBLOCK_CTL = 0xfd, "EwouldblockCtl"; "makes the engine fail; for tests."
        GET_ERROR_MAP = 0xfe, "GetErrorMap"; "reads what the statuses mean."
        INVALID = 0xff, "Invalid"; "stands for no command; never sent."
    }
}

impl Opcode {
    /// The name under a dialect. A number that only the other dialect assigns gets that one's name.
    #[must_use]
    pub const fn name(self, dialect: Dialect) -> Option<&'static str> {
        match dialect {
            Dialect::Memcached => match memcached_name(self) {
                None => couchbase_name(self),
                name => name,
            },
            Dialect::Couchbase => match couchbase_name(self) {
                None => memcached_name(self),
                name => name,
            },
        }
    }

    /// What the command is for, in a few words; empty when the number has no name.
    #[cfg(feature = "fields")]
    #[must_use]
    pub fn meaning(self, dialect: Dialect) -> &'static str {
        let (first, second) = match dialect {
            Dialect::Memcached => (memcached_meaning(self), couchbase_meaning(self)),
            Dialect::Couchbase => (couchbase_meaning(self), memcached_meaning(self)),
        };
        let meaning = if first.is_empty() { second } else { first };
        meaning.strip_suffix('.').unwrap_or(meaning)
    }

    /// Every opcode that has a name under a dialect, in no particular order.
    pub fn all(dialect: Dialect) -> impl Iterator<Item = Opcode> {
        let (first, second) = match dialect {
            Dialect::Memcached => (MEMCACHED, COUCHBASE),
            Dialect::Couchbase => (COUCHBASE, MEMCACHED),
        };
        let of_second = second
            .iter()
            .filter(move |(opcode, _)| first.iter().all(|(other, _)| other != opcode));
        first.iter().chain(of_second).map(|&(opcode, _)| opcode)
    }

    /// Whether the command leaves out the answer that its sender expects anyway: a miss when it reads, success when it
    /// writes. Errors are always sent.
    ///
    /// memcached's meaning of the number; [`Opcode::is_quiet_in`] asks for another.
    #[doc(alias = "IsQuiet")]
    #[inline]
    #[must_use]
    pub const fn is_quiet(self) -> bool {
        memcached_loud(self).is_some()
    }

    /// [`Opcode::is_quiet`] under a dialect: 0x24 is quiet only for memcached, the quiet metadata commands only for
    /// Couchbase.
    #[inline]
    #[must_use]
    pub const fn is_quiet_in(self, dialect: Dialect) -> bool {
        match dialect {
            Dialect::Memcached => self.is_quiet(),
            Dialect::Couchbase => match self {
                Opcode::IOCTL_SET => false,
                _ => couchbase_loud(self).is_some() || memcached_loud(self).is_some(),
            },
        }
    }

    /// The command that does the same and always answers; a loud command is its own. Knows the twins of both dialects
    /// and takes 0x24 for memcached's GATKQ.
    #[inline]
    #[must_use]
    pub const fn loud(self) -> Opcode {
        match memcached_loud(self) {
            Some(loud) => loud,
            None => match couchbase_loud(self) {
                Some(loud) => loud,
                None => self,
            },
        }
    }

    /// The command that does the same quietly, if there is one. Knows the twins of both dialects and takes 0x23 for
    /// memcached's GATK.
    #[inline]
    #[must_use]
    pub const fn quiet(self) -> Option<Opcode> {
        match memcached_quiet(self) {
            None => couchbase_quiet(self),
            quiet => quiet,
        }
    }

    /// The name of the opcode of a packet that starts with `magic`, for printing.
    #[must_use]
    pub const fn display(self, magic: Magic, dialect: Dialect) -> OpcodeName {
        let name = if magic.is_server_initiated() {
            ServerOpcode(self.0).name()
        } else {
            self.name(dialect)
        };
        OpcodeName {
            name,
            number: self.0,
        }
    }
}

/// An opcode's name for printing, hexadecimal when it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OpcodeName {
    name: Option<&'static str>,
    number: u8,
}

impl fmt::Display for OpcodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        name_or_number(f, self.name, self.number.into())
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for OpcodeName {
    fn format(&self, f: defmt::Formatter<'_>) {
        crate::format::name_or_number(f, self.name, self.number.into());
    }
}

/// The name in memcached's meaning, as gomemcached prints it; `0x%02x` when it has none.
impl fmt::Display for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.display(Magic::CLIENT_REQUEST, Dialect::Memcached)
            .fmt(f)
    }
}
