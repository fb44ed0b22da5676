//! How a command went: one table of numbers, names, texts and meanings.

use core::fmt;

use super::text::name_or_number;

/// The status of a response (memcached binary protocol: status codes).
///
/// The number stays open: one without a name is kept and shown as hexadecimal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status(pub u16);

/// One line is `NAME = number, text that memcached sends, "other name"… ; "meaning"`.
macro_rules! statuses {
    ($( $name:ident = $number:literal $(, text $text:literal)? $(, $alias:literal)* ; $meaning:literal )*) => {
        impl Status {
            $(
                #[doc = concat!(stringify!($number), ": ", $meaning, ".")]
                $( #[doc(alias = $alias)] )*
                pub const $name: Status = Status($number);
            )*

            /// Every status that has a name.
            pub const ALL: &[Status] = &[$( Status::$name ),*];

            /// The name, if the number has one.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $( Status::$name => Some(stringify!($name)), )*
                    _ => None,
                }
            }

            /// What memcached sends as the value of a response with this status; empty when it sends nothing or
            /// something of the moment.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $($( Status::$name => $text, )?)*
                    _ => "",
                }
            }

            /// What the status says, in a few words; empty when the number has no name.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $( Status::$name => $meaning, )*
                    _ => "",
                }
            }
        }

        /// As [`fmt::Display`]. The names stay on the host: the device sends their place in a table.
        #[cfg(feature = "defmt")]
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        impl defmt::Format for Status {
            fn format(&self, f: defmt::Formatter<'_>) {
                #[derive(defmt::Format)]
                enum Name {
                    $( $name ),*
                }
                let name = match *self {
                    $( Status::$name => Name::$name, )*
                    _ => return defmt::write!(f, "{=u16:#04x}", self.0),
                };
                defmt::write!(f, "{}", name);
            }
        }
    };
}

statuses! {
    SUCCESS = 0x00, "Success"; "success"
    KEY_ENOENT = 0x01, text "Not found", "KeyEnoent"; "no such key"
    KEY_EEXISTS = 0x02, text "Data exists for key.", "KeyEexists"; "key exists, or its CAS differs"
    E2BIG = 0x03, text "Too large.", "E2big"; "value too large"
    EINVAL = 0x04, text "Invalid arguments", "Einval"; "malformed or illegal request"
    NOT_STORED = 0x05, text "Not stored.", "NotStored"; "condition of the store not met"
    DELTA_BADVAL = 0x06, text "Non-numeric server-side value for incr or decr", "DeltaBadval"; "counter is no number"
    NOT_MY_VBUCKET = 0x07, "NotMyVbucket"; "vbucket lives elsewhere"
    NO_BUCKET = 0x08, "NoBucket"; "no bucket selected"
    LOCKED = 0x09, "Locked"; "document locked"
    DCP_STREAM_NOT_FOUND = 0x0a, "DcpStreamNotFound"; "no DCP stream for this request"
    OPAQUE_NO_MATCH = 0x0b, "OpaqueNoMatch"; "opaque does not fit the stream"
    EWOULD_THROTTLE = 0x0c, "EWouldThrottle"; "would be throttled"
    ECONFIG_ONLY = 0x0d, "EConfigOnly"; "bucket holds only cluster configuration"
    NOT_LOCKED = 0x0e, "NotLocked"; "unlock of a document that is not locked"
    CAS_VALUE_INVALID = 0x0f, "CasValueInvalid"; "CAS value not acceptable"
    AUTH_STALE = 0x1f, "AuthStale"; "authentication went stale, authenticate again"
    AUTH_ERROR = 0x20, text "Auth failure.", "AuthError"; "authentication failed or missing"
    AUTH_CONTINUE = 0x21, "AuthContinue"; "authentication goes on with another step"
    ERANGE = 0x22, "Erange"; "value out of the legal range"
    ROLLBACK = 0x23, "Rollback"; "roll back to an earlier sequence number"
    EACCESS = 0x24, "Eaccess"; "no permission"
    NOT_INITIALIZED = 0x25, "NotInitialized"; "node still starting up"
    ENCRYPTION_KEY_NOT_AVAILABLE = 0x26, "EncryptionKeyNotAvailable"; "encryption key not at hand"
    CHECKSUM_MISMATCH = 0x27, "ChecksumMismatch"; "checksum of the data differs"
    EXPIRY_OVERFLOW = 0x28, "ExpiryOverflow"; "expiry does not fit 32 bits"
    LOCK_EXPIRY_OVERFLOW = 0x29, "LockExpiryOverflow"; "lock time does not fit 32 bits"
    RATE_LIMITED_NETWORK_INGRESS = 0x30, "RateLimitedNetworkIngress"; "limit reached: bytes received"
    RATE_LIMITED_NETWORK_EGRESS = 0x31, "RateLimitedNetworkEgress"; "limit reached: bytes sent"
    RATE_LIMITED_MAX_CONNECTIONS = 0x32, "RateLimitedMaxConnections"; "limit reached: connections"
    RATE_LIMITED_MAX_COMMANDS = 0x33, "RateLimitedMaxCommands"; "limit reached: commands"
    SCOPE_SIZE_LIMIT_EXCEEDED = 0x34; "scope holds too much data"
    BUCKET_SIZE_LIMIT_EXCEEDED = 0x35, "BucketSizeLimitExceeded"; "bucket holds too much data"
    BUCKET_RESIDENT_RATIO_TOO_LOW = 0x36, "BucketResidentRatioTooLow"; "too little of the bucket is in memory"
    BUCKET_DATA_SIZE_TOO_BIG = 0x37, "BucketDataSizeTooBig"; "data of the bucket too large"
    BUCKET_DISK_SPACE_TOO_LOW = 0x38, "BucketDiskSpaceTooLow"; "disk too full"
    BUCKET_PAUSED = 0x50, "BucketPaused"; "bucket paused"
    CANCELLED = 0x51, "Cancelled"; "operation cancelled without effect"
    UNKNOWN_FRAME_INFO = 0x80, "UnknownFrameInfo"; "frame info not known"
    UNKNOWN_COMMAND = 0x81, text "Unknown command", "UnknownCommand"; "opcode not known, or lengths do not add up"
    ENOMEM = 0x82, text "Out of memory", "Enomem"; "out of memory"
    NOT_SUPPORTED = 0x83, "NotSupported"; "known but not supported"
    EINTERNAL = 0x84, "Einternal"; "fault in the server"
    EBUSY = 0x85, "Ebusy"; "server busy"
    TMPFAIL = 0x86, "Etmpfail"; "try again later"
    XATTR_EINVAL = 0x87, "XattrEinval"; "section of extended attributes malformed"
    UNKNOWN_COLLECTION = 0x88, "UnknownCollection"; "collection not known"
    CANNOT_APPLY_COLLECTIONS_MANIFEST = 0x8a, "CannotApplyCollectionsManifest"; "manifest cannot be applied"
    UNKNOWN_SCOPE = 0x8c, "UnknownScope"; "scope not known"
    DCP_STREAM_ID_INVALID = 0x8d, "DcpStreamIdInvalid"; "DCP stream id wrong"
    DURABILITY_INVALID_LEVEL = 0xa0, "DurabilityInvalidLevel"; "durability level wrong"
    DURABILITY_IMPOSSIBLE = 0xa1, "DurabilityImpossible"; "durability cannot be had now"
    SYNC_WRITE_IN_PROGRESS = 0xa2, "SyncWriteInProgress"; "another durable write of the key is pending"
    SYNC_WRITE_AMBIGUOUS = 0xa3, "SyncWriteAmbiguous"; "durable write timed out, outcome unknown"
    SYNC_WRITE_RE_COMMIT_IN_PROGRESS = 0xa4, "SyncWriteReCommitInProgress"; "durable write is being committed again"
    RANGE_SCAN_CANCELLED = 0xa5, "RangeScanCancelled"; "range scan cancelled"
    RANGE_SCAN_MORE = 0xa6, "RangeScanMore"; "range scan has more to come"
    RANGE_SCAN_COMPLETE = 0xa7, "RangeScanComplete"; "range scan finished"
    VB_UUID_NOT_EQUAL = 0xa8, "VbUuidNotEqual"; "vbucket uuid differs"
    SUBDOC_PATH_ENOENT = 0xc0, "SubdocPathEnoent"; "path missing"
    SUBDOC_PATH_MISMATCH = 0xc1, "SubdocPathMismatch"; "path does not fit the document"
    SUBDOC_PATH_EINVAL = 0xc2, "SubdocPathEinval"; "path malformed"
    SUBDOC_PATH_E2BIG = 0xc3, "SubdocPathE2big"; "path too long or too deep"
    SUBDOC_DOC_E2DEEP = 0xc4, "SubdocDocE2deep"; "document too deep"
    SUBDOC_VALUE_CANTINSERT = 0xc5, "SubdocValueCantinsert"; "fragment would break the JSON"
    SUBDOC_DOC_NOT_JSON = 0xc6, "SubdocDocNotJson"; "document is not JSON"
    SUBDOC_NUM_ERANGE = 0xc7, "SubdocNumErange"; "number does not fit 64 bits"
    SUBDOC_DELTA_EINVAL = 0xc8, "SubdocDeltaEinval"; "delta is 0, no number, or does not fit 64 bits"
    SUBDOC_PATH_EEXISTS = 0xc9, "SubdocPathEexists"; "path exists"
    SUBDOC_VALUE_ETOODEEP = 0xca, "SubdocValueEtoodeep"; "result would be too deep"
    SUBDOC_INVALID_COMBO = 0xcb, "SubdocInvalidCombo"; "commands do not go together"
    SUBDOC_MULTI_PATH_FAILURE = 0xcc, "SubdocMultiPathFailure"; "at least one path failed"
    SUBDOC_SUCCESS_DELETED = 0xcd, "SubdocSuccessDeleted"; "success on a deleted document"
    SUBDOC_XATTR_INVALID_FLAG_COMBO = 0xce, "SubdocXattrInvalidFlagCombo"; "attribute flags do not go together"
    SUBDOC_XATTR_INVALID_KEY_COMBO = 0xcf, "SubdocXattrInvalidKeyCombo"; "more than one attribute key"
    SUBDOC_XATTR_UNKNOWN_MACRO = 0xd0, "SubdocXattrUnknownMacro"; "macro not known"
    SUBDOC_XATTR_UNKNOWN_VATTR = 0xd1, "SubdocXattrUnknownVattr"; "virtual attribute not known"
    SUBDOC_XATTR_CANT_MODIFY_VATTR = 0xd2, "SubdocXattrCantModifyVattr"; "virtual attribute is read only"
    SUBDOC_MULTI_PATH_FAILURE_DELETED = 0xd3, "SubdocMultiPathFailureDeleted"; "a path failed on a deleted document"
    SUBDOC_INVALID_XATTR_ORDER = 0xd4, "SubdocInvalidXattrOrder"; "attribute paths must come first"
    SUBDOC_XATTR_UNKNOWN_VATTR_MACRO = 0xd5, "SubdocXattrUnknownVattrMacro"; "virtual macro not known"
    SUBDOC_CAN_ONLY_REVIVE_DELETED_DOCUMENTS = 0xd6, "SubdocCanOnlyReviveDeletedDocuments"; "document to revive is alive"
    SUBDOC_DELETED_DOCUMENT_CANT_HAVE_VALUE = 0xd7, "SubdocDeletedDocumentCantHaveValue"; "deleted document cannot have a body"
    SUBDOC_FIELD_NOT_BINARY_VALUE = 0xd8, "SubdocFieldNotBinaryValue"; "field holds no binary value"
}

impl Status {
    /// Whether a client that gets this where it hoped for another answer should give the connection up.
    ///
    /// As gomemcached has it: everything is fatal except a missing key, an existing key, a store whose condition is
    /// not met, and a temporary failure. That includes [`Status::SUCCESS`], as it is then an answer to something else.
    #[doc(alias = "IsFatal")]
    #[inline]
    #[must_use]
    pub const fn is_fatal(self) -> bool {
        !matches!(
            self,
            Status::KEY_ENOENT | Status::KEY_EEXISTS | Status::NOT_STORED | Status::TMPFAIL
        )
    }

    /// Whether the key does not exist.
    #[doc(alias = "IsNotFound")]
    #[inline]
    #[must_use]
    pub const fn is_not_found(self) -> bool {
        matches!(self, Status::KEY_ENOENT)
    }

    /// Whether the response carries what the command promises rather than the text or JSON of an error.
    ///
    /// As kv_engine has it, which counts among them the statuses that ask for another step.
    #[inline]
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(
            self,
            Status::SUCCESS
                | Status::AUTH_CONTINUE
                | Status::ROLLBACK
                | Status::RANGE_SCAN_MORE
                | Status::RANGE_SCAN_COMPLETE
                | Status::SUBDOC_MULTI_PATH_FAILURE
                | Status::SUBDOC_SUCCESS_DELETED
                | Status::SUBDOC_MULTI_PATH_FAILURE_DELETED
        )
    }
}

/// The name, as gomemcached prints it; `0x%02x` when it has none.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        name_or_number(f, self.name(), self.0)
    }
}
