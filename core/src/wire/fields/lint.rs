//! The catalogue of lints.

use super::Section;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing: it works, but perhaps not as somebody thinks.
    Note,
    /// Suspicious: it is accepted, and most likely not what was meant.
    Warning,
    /// Wrong: it is refused, or cannot be understood.
    Error,
}

impl Severity {
    /// In one word, lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// One line is `Name = "id", severity, section, "title"; "explanation"`.
macro_rules! lints {
    ($( $name:ident = $id:literal, $severity:ident, $section:ident, $title:literal; $explanation:literal )*) => {
        /// What can be wrong with a packet, or odd about it, that parses all the same.
        ///
        /// The id is stable; titles and explanations may be improved.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Lint {
            $(
                #[doc = concat!("`", $id, "`: ", $title, ".")]
                $name,
            )*
        }

        impl Lint {
            /// Every lint there is.
            pub const ALL: &[Lint] = &[$( Lint::$name ),*];

            /// Its name for programs: lower case with hyphens.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self {
                    $( Lint::$name => $id, )*
                }
            }

            /// How bad it is.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self {
                    $( Lint::$name => Severity::$severity, )*
                }
            }

            /// What it is about, in a few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self {
                    $( Lint::$name => $title, )*
                }
            }

            /// Why it matters, in a sentence or two.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self {
                    $( Lint::$name => $explanation, )*
                }
            }

            /// Where the specification speaks of it.
            #[must_use]
            pub const fn section(self) -> Section {
                match self {
                    $( Lint::$name => Section::$section, )*
                }
            }
        }
    };
}

lints! {
    // Framing.
    Truncated = "truncated", Error, ClassicHeader, "the packet is cut off";
        "The header promises more bytes than are there."
    UnknownMagic = "unknown-magic", Error, Magic, "no packet starts with this byte";
        "The stream is out of step, or speaks another protocol: text, HTTP, TLS."
    LengthsExceedBody = "lengths-exceed-body", Error, Malformed, "the parts are longer than the body";
        "Framing extras, extras and key together exceed the total body length. memcached answers 0x81 and hangs up."
    BodyTooLong = "body-too-long", Error, Limits, "the body is longer than servers take";
        "memcached refuses bodies of more than 2^30 bytes, Couchbase packets of more than 30 MiB, and both hang up."
    KeyTooLong = "key-too-long", Error, Limits, "the key is longer than servers take";
        "memcached answers 0x04 and hangs up."
    ExtrasLength = "extras-length", Error, Shapes, "the opcode takes no extras of this length";
        "memcached answers 0x04 and hangs up."
    KeyMissing = "key-missing", Error, Shapes, "the opcode needs a key";
        "memcached answers 0x04 and hangs up."
    KeyForbidden = "key-forbidden", Error, Shapes, "the opcode takes no key";
        "memcached answers 0x04 and hangs up."
    ValueMissing = "value-missing", Error, Shapes, "the opcode needs a value";
        "The server answers 0x04."
    ValueForbidden = "value-forbidden", Error, Shapes, "the opcode takes no value";
        "memcached answers 0x04 and hangs up; after STAT, TOUCH and the touching gets it takes the value for the next packet."
    ListLength = "list-length", Error, Sizes, "the list is no whole number of entries";
        "All entries are equally long; what is left over belongs to none."
    PartCut = "part-cut", Error, Sizes, "a field runs past what it is a part of";
        "A length inside the packet promises more than its surroundings have room for."
    TrailingBytes = "trailing-bytes", Warning, Sizes, "there are bytes behind the last field";
        "Either a newer version of the message, or a wrong length."
    // Numbers of the header.
    UnknownOpcode = "unknown-opcode", Warning, Opcodes, "nobody has given the opcode a meaning";
        "Servers answer 0x81."
    RetiredOpcode = "retired-opcode", Warning, Opcodes, "the command is gone";
        "No server of today knows it, or none ever did."
    ForeignOpcode = "foreign-opcode", Note, Opcodes, "memcached does not know the command";
        "It is Couchbase's; memcached answers 0x81."
    UnknownStatus = "unknown-status", Warning, Status, "nobody has given the status a meaning";
        "0xff00 and up are for proxies and applications."
    UnknownDataType = "unknown-data-type", Error, DataType, "data type bits without a meaning";
        "Couchbase answers 0x04 above 0x07."
    DataTypeIgnored = "data-type-ignored", Note, DataType, "memcached ignores the data type";
        "The bits are not stored; the item comes back with data type 0."
    VbucketIgnored = "vbucket-ignored", Note, Connection, "memcached ignores the vbucket";
        "There are none at memcached; the client may have been meant for Couchbase."
    VbucketRange = "vbucket-range", Warning, Sizes, "no Couchbase bucket has so many vbuckets";
        "There are at most 1024, numbered from 0; the server answers 0x07."
    CasIgnored = "cas-ignored", Note, Connection, "the command ignores the CAS";
        "The command goes through whatever version the item has."
    CasForbidden = "cas-forbidden", Error, Sizes, "the command must not have a CAS";
        "Couchbase answers 0x04."
    CasMissing = "cas-missing", Error, Sizes, "the command needs a CAS";
        "Without the CAS of the lock nothing is unlocked; Couchbase answers 0x04."
    AddWithCas = "add-with-cas", Warning, Commands, "ADD with a CAS";
        "memcached then overwrites an existing item whose CAS is equal, and answers 0x01 when the key is missing."
    ReservedNotZero = "reserved-not-zero", Warning, Sizes, "reserved bytes are not 0";
        "Nobody has given them a meaning yet; a newer peer, or a field in the wrong place."
    UnknownFlagBits = "unknown-flag-bits", Warning, Opcodes, "flags without a meaning";
        "Couchbase answers 0x04 to most unknown flags."
    UnnamedNumber = "unnamed-number", Warning, Opcodes, "a number that stands for nothing known";
        "The field holds one of a few numbers, and this is none of them."
    // Keys and values.
    KeyNotText = "key-not-text", Note, Connection, "control characters or blanks in the key";
        "The binary protocol takes them, but no client of the text protocol can name the item."
    CollectionId = "collection-id", Error, CollectionPrefix, "the key starts with no collection id";
        "On a connection with collections every key of a document starts with an id in LEB128, in its shortest form."
    CollectionReserved = "collection-reserved", Error, CollectionPrefix, "a reserved collection id";
        "1 to 7 are refused on the wire; 0 is the default collection."
    CollectionKeyEmpty = "collection-key-empty", Error, CollectionPrefix, "nothing follows the collection id";
        "The key in its collection must not be empty."
    XattrSection = "xattr-section", Error, Xattr, "the extended attributes do not add up";
        "Lengths or zeros in the section are wrong. Couchbase answers 0x87."
    XattrKey = "xattr-key", Error, Xattr, "no valid name of an attribute";
        "Names have 1 to 15 bytes, no control characters, dots or brackets, and start with no punctuation but _ or $."
    // Expirations.
    ExpirationIn1970 = "expiration-in-1970", Warning, Expiration, "the expiration is a date in the 1970s";
        "Beyond 30 days an expiration counts from 1970, not from now: the item is gone at once."
    ExpirationPast = "expiration-past", Warning, Expiration, "the expiration is in the past";
        "The item is stored with success and is missing at once."
    ExpirationMinusOne = "expiration-minus-one", Warning, Expiration, "the expiration is all ones";
        "No -1 as in the text protocol, where that is gone at once: here it is a date in 2106."
    TouchToForever = "touch-to-forever", Note, Expiration, "the expiration is taken away";
        "Touching with 0 lets the item live for ever; it does not leave the expiration as it is."
    CounterNoCreate = "counter-no-create", Note, Counters, "a missing counter is not created";
        "An expiration of all ones turns a miss into 0x01."
    CounterInitialIgnored = "counter-initial-ignored", Warning, Counters, "the initial value is never used";
        "An expiration of all ones forbids to create the counter that would start with it."
    CounterDeltaZero = "counter-delta-zero", Note, Counters, "the delta is 0";
        "The counter keeps its value and gets a new CAS."
    CounterLength = "counter-length", Error, Counters, "a counter that is no number of 8 bytes";
        "The answer's value is the number in binary, 8 bytes long, whatever the item's text."
    CounterNotNumeric = "counter-not-numeric", Warning, Counters, "the item is no decimal number";
        "INCREMENT and DECREMENT want decimal digits in the item, not a number in binary."
    FlushDelayed = "flush-delayed", Warning, Flush, "the flush is delayed";
        "When its time comes, items stored after the command die as well; a later flush replaces it."
    FlushPast = "flush-past", Warning, Flush, "the flush is at a date in the past";
        "memcached does nothing at all then."
    // Responses.
    ResponseExtras = "response-extras", Warning, Commands, "the answer has extras of an unknown length";
        "The fields cannot be told apart."
    ResponseKey = "response-key", Warning, Commands, "the answer has a key that nobody asked for";
        "Only GETK, GATK, STAT and GET_RANDOM_KEY have their key in the answer."
    ResponseKeyMissing = "response-key-missing", Warning, Commands, "the answer lacks the key";
        "GETK and GATK answer with the key, so that it can be told which of many is meant."
    ResponseValue = "response-value", Warning, Commands, "the answer has a value that nobody asked for";
        "The command answers with a status alone."
    ErrorWithoutText = "error-without-text", Note, ErrorBodies, "the error has no text";
        "memcached says in the value what went wrong, except to misses that have the key in the answer."
    ErrorWithExtras = "error-with-extras", Warning, ErrorBodies, "an error with extras";
        "Only answers that carry what was asked for have extras."
    ErrorWithCas = "error-with-cas", Note, ErrorBodies, "an error with a CAS";
        "memcached sends 0 with every error."
    OpcodeMismatch = "opcode-mismatch", Error, Connection, "the answer has another opcode than its request";
        "A response repeats the opcode of its request, quiet ones included."
    OpaqueMismatch = "opaque-mismatch", Error, Connection, "the answer has another opaque than its request";
        "The opaque is handed back untouched. Client and server are out of step."
    // Flex frames.
    FrameInfoCut = "frame-info-cut", Error, FrameInfo, "a frame info runs past the framing extras";
        "Couchbase answers 0x04."
    FrameInfoUnknown = "frame-info-unknown", Error, FrameInfo, "nobody has given the frame info a meaning";
        "Couchbase answers 0x80."
    FrameInfoLength = "frame-info-length", Error, FrameInfo, "the frame info has a wrong length";
        "Couchbase answers 0x04."
    FrameInfoOutOfPlace = "frame-info-out-of-place", Warning, FrameInfo, "the command has no use for the frame info";
        "Couchbase refuses it with 0x04 or 0x83."
    DurabilityTimeout = "durability-timeout", Error, FrameInfo, "a reserved timeout";
        "0 and 65535 ms are reserved; Couchbase answers 0xa0."
    FlexWithoutInfos = "flex-without-infos", Note, FlexHeader, "a flex header without frame infos";
        "The classic header says the same, and is understood by everybody."
    // SASL and HELLO.
    SaslMechanismTooLong = "sasl-mechanism-too-long", Error, Sasl, "the name of the mechanism is too long";
        "memcached answers 0x04 beyond 32 bytes."
    SaslPlainMessage = "sasl-plain-message", Error, Sasl, "no message of PLAIN";
        "It is an authorization id, a zero, the user, a zero and the password."
    SaslInClear = "sasl-in-clear", Warning, Sasl, "a password in clear";
        "PLAIN sends it as it is: whoever sees the traffic knows it."
    HelloOddLength = "hello-odd-length", Error, Hello, "half a feature";
        "Features are numbers of two bytes; Couchbase answers 0x04."
    HelloFeatureUnknown = "hello-feature-unknown", Note, Hello, "nobody has given the feature a meaning";
        "Servers leave out of their answer what they do not know."
    HelloFeatureRetired = "hello-feature-retired", Warning, Hello, "the feature is never granted";
        "It was given up, or never came to be."
    HelloFeatureTwice = "hello-feature-twice", Note, Hello, "the feature is listed twice";
        "The second time has no effect."
    HelloFeatureNeeds = "hello-feature-needs", Error, Hello, "the feature needs another one";
        "Couchbase answers the whole HELLO with 0x04 unless both are in it."
    ErrorMapVersion = "error-map-version", Warning, ErrorMap, "no version of the error map";
        "There are 1 and 2; the server answers 0x01 to 0, and sends version 2 for all above."
    // TAP and DCP.
    TapEngineLength = "tap-engine-length", Error, TapMessages, "the engine-private bytes run past the body";
        "Their length, at the start of the extras, leaves no room for the key."
    TapEngineShort = "tap-engine-short", Error, TapMessages, "the engine-private bytes lack their number";
        "What TAP_OPAQUE and TAP_VBUCKET_SET say is a number of four bytes there."
    TapTtlZero = "tap-ttl-zero", Error, TapMessages, "the message's TTL is 0";
        "It may travel no further: a receiver answers 0x04."
    TapFlagsSwapped = "tap-flags-swapped", Warning, TapMessages, "the item's flags may be swapped";
        "Without NETWORK_BYTE_ORDER a little-endian producer sends the bytes of the item's flags in its own order."
    DcpNameTooLong = "dcp-name-too-long", Error, Dcp, "the connection's name is too long";
        "Couchbase takes up to 200 bytes."
    DcpOpenRefused = "dcp-open-refused", Error, OpenFlags, "an OPEN flag that is refused";
        "Notifiers and the flags 0x010 and 0x080 are gone; 0x008 and 0x040 exclude each other; 0x100 needs 0x004, 0x200 needs 0x001."
    DcpStreamRange = "dcp-stream-range", Error, StreamFlags, "the range of the stream is upside down";
        "Start up to end, and start within the snapshot; the producer answers 0x22."
    DcpSnapshotSource = "dcp-snapshot-source", Warning, SnapshotMarkers, "the snapshot comes from nowhere";
        "One of memory and disk is set in every marker, and its start is no higher than its end."
    DcpMetadata = "dcp-metadata", Note, Dcp, "extended metadata";
        "Nobody has sent it since 2015; the bytes behind the value belong to it."
    DcpControlUnknown = "dcp-control-unknown", Error, Control, "the producer knows no such property";
        "It answers 0x04, or 0x83 where it cannot do it."
    DcpControlValue = "dcp-control-value", Error, Control, "the property takes no such value";
        "The producer answers 0x04."
    PrepareWithoutCas = "prepare-without-cas", Error, Dcp, "a prepared write without a CAS";
        "Every prepared write has the CAS that it will be committed with."
    // Sub-document.
    SubdocPathLength = "subdoc-path-length", Error, Subdoc, "the path must or must not be empty";
        "Couchbase answers 0x04."
    SubdocPathTooLong = "subdoc-path-too-long", Error, Subdoc, "the path is too long";
        "Couchbase takes up to 1024 bytes and answers 0xc3 beyond."
    SubdocPathFlags = "subdoc-path-flags", Error, Subdoc, "path flags that the command does not take";
        "Macros and binary values exist in attributes only, and exclude each other."
    SubdocDocFlags = "subdoc-doc-flags", Error, Subdoc, "doc flags that the command does not take";
        "Some exclude each other, and a document that is created as deleted has to be created."
    SubdocFragment = "subdoc-fragment", Error, Subdoc, "the fragment is missing, or not taken";
        "Commands that write need one, the others take none."
    SubdocDelta = "subdoc-delta", Error, Subdoc, "no delta for a counter";
        "Couchbase answers 0xc8 to 0 and to what is no decimal number of 64 bits."
    SubdocSpecs = "subdoc-specs", Error, Subdoc, "too many paths";
        "Couchbase takes 1 to 16 and answers 0xcb beyond."
    SubdocSpecOpcode = "subdoc-spec-opcode", Error, Subdoc, "the command does not belong here";
        "Commands that read and commands that write do not mix; Couchbase answers 0xcb."
    SubdocXattrOrder = "subdoc-xattr-order", Error, Subdoc, "an attribute behind parts of the document";
        "Attributes come first; Couchbase answers 0xd4."
    // Sequences of packets.
    QuietWithoutNoop = "quiet-without-noop", Warning, Connection, "quiet commands without an end";
        "Only the answer to a command that is not quiet, such as NOOP, tells that all quiet ones before it are done."
    RequestFromServer = "request-from-server", Error, Magic, "a request from the server's side";
        "Servers ask only on TAP and DCP connections, and with magic 0x82."
    ResponseFromClient = "response-from-client", Error, Magic, "a response from the client's side";
        "memcached hangs up. Clients answer only on TAP and DCP connections, and with magic 0x83."
    UnexpectedResponse = "unexpected-response", Error, Connection, "an answer that nobody waits for";
        "No outstanding request has its opaque; the start of the conversation may be missing."
    OpaqueReused = "opaque-reused", Note, Connection, "the opaque of a request that is still outstanding";
        "Answers can only be told apart by their order."
    OutOfOrder = "out-of-order", Warning, Connection, "an answer before its turn";
        "memcached answers in the order of the requests; others only after HELLO UnorderedExecution."
    AfterQuit = "after-quit", Warning, Commands, "a request after QUIT";
        "The server closes the connection at QUIT and reads nothing more."
    Unanswered = "unanswered", Warning, Connection, "a request without an answer";
        "The conversation ends before the answer, or it is missing from the capture."
    SaslStepFirst = "sasl-step-first", Error, Sasl, "a step of an authentication that was not begun";
        "memcached answers 0x20."
    DataTypeNotNegotiated = "data-type-not-negotiated", Error, DataType, "data type bits that were not negotiated";
        "Couchbase refuses with 0x04 what HELLO did not grant, and does not send it either."
    FeatureNotAsked = "feature-not-asked", Error, Hello, "a feature that the client did not ask for";
        "The answer to HELLO lists features of the request only."
    FlexNotNegotiated = "flex-not-negotiated", Warning, FlexHeader, "a flex answer that was not negotiated";
        "Couchbase sends them after HELLO Tracing or ReportUnitUsage only."
    StatWithoutEnd = "stat-without-end", Warning, Stat, "statistics without an end";
        "The last answer to STAT has neither key nor value."
    DcpOverAck = "dcp-over-ack", Error, FlowControl, "more is acknowledged than was sent";
        "The producer's count wraps around below 0, and it stops sending for good."
    DcpNoopAsRequest = "dcp-noop-as-request", Error, DcpNoop, "the consumer asks NOOP in place of answering it";
        "A NOOP is answered by a response with the same opaque; without it the producer gives up."
}
