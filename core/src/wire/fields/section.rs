//! Where the specification speaks of a field or a lint.

/// One line is `Name = "title"`.
macro_rules! sections {
    ($( $name:ident = $title:literal )*) => {
        /// A section of the memcached binary protocol's description, Couchbase's additions included, by its title: the
        /// same titles under which the documentation of this crate cites it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Section {
            $(
                #[doc = concat!("\"", $title, "\".")]
                $name,
            )*
        }

        impl Section {
            /// Every section that is cited.
            pub const ALL: &[Section] = &[$( Section::$name ),*];

            /// The title.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self {
                    $( Section::$name => $title, )*
                }
            }
        }
    };
}

sections! {
    Magic = "magic bytes"
    ClassicHeader = "classic header"
    FlexHeader = "flex header"
    FrameInfo = "frame-info encoding"
    DataType = "datatype bits"
    ServerOpcodes = "server-initiated opcodes"
    Sizes = "size and error-body rules"
    Opcodes = "opcodes"
    Status = "status codes"
    ErrorBodies = "error bodies"
    Connection = "connection level"
    Commands = "commands on success, miss and conflict"
    Counters = "counters"
    Expiration = "expiration"
    Flush = "flush"
    Stat = "STAT"
    Sasl = "SASL"
    Limits = "limits"
    Malformed = "malformed requests"
    Shapes = "request shapes"
    TapConnect = "TAP_CONNECT"
    TapMessages = "TAP message layouts"
    TapOpaque = "TAP opaque subtypes"
    TapAcks = "TAP acks"
    Dcp = "UPR and DCP commands and extras"
    SnapshotMarkers = "snapshot markers"
    OpenFlags = "OPEN flags"
    StreamFlags = "ADD_STREAM and STREAM_REQ flags"
    FailoverLog = "failover log and rollback"
    StreamEnd = "STREAM_END reasons"
    SystemEvents = "system events"
    CacheTransfer = "cache transfer record"
    Control = "CONTROL keys"
    FlowControl = "flow control"
    DcpNoop = "NOOP and dead connections"
    Xattr = "xattr section"
    CollectionPrefix = "collection prefix of keys"
    Hello = "HELLO features"
    Subdoc = "sub-document"
    MutateWithMeta = "mutate with meta"
    Meta = "meta layouts"
    Observe = "observe"
    ErrorMap = "error map"
    RangeScan = "range scan records"
}
