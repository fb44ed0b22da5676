//! Requests of the family: what consumers ask and producers tell.

use super::fields::{Fixed, Parts};
use super::{
    Abort, AddStream, BufferAck, CacheRecords, Commit, Control, Deletion, Expiration, Mutation,
    Open, OsoSnapshot, Prepare, SeqnoAcknowledged, SeqnoAdvanced, SnapshotMarker, StreamEnd,
    StreamRequest, SystemEvent, VbucketState,
};
use crate::wire::{
    Allowed, DataType, Dialect, EmitError, Field, FrameInfo, Magic, Opcode, Packet, ParseError,
    ParseErrorKind,
};

/// A request of either side: the header's fields, and what the opcode says besides.
#[doc(alias = "UprMessage")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Message<'a> {
    /// [`Magic::CLIENT_REQUEST`], or [`Magic::FLEX_REQUEST`] when there are framing extras.
    pub magic: Magic,
    /// The vbucket that it is about; 0 where it is about the connection.
    pub vbucket: u16,
    /// The stream's, see [`StreamOpaque`](super::StreamOpaque); or the sender's own number.
    pub opaque: u32,
    /// The version of the item; 0 for none.
    pub cas: u64,
    /// What the value is.
    pub datatype: DataType,
    /// Frame infos, only in the flex form, at most 255 bytes. [`Message::stream_id`] looks for the stream's.
    pub framing_extras: &'a [u8],
    /// What the opcode says.
    pub body: Body<'a>,
}

format_fields!(Message {
    magic,
    vbucket,
    opaque,
    cas,
    datatype,
    framing_extras: Length,
    body
});

/// What a [`Message`] says, by its opcode (memcached binary protocol: UPR and DCP).
#[doc(alias = "UprBody")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Body<'a> {
    /// 0x50: makes the connection a DCP connection and names it.
    Open(Open<'a>),
    /// 0x51: tells a consumer to ask for a stream.
    AddStream(AddStream),
    /// 0x52: ends the stream of a vbucket.
    CloseStream,
    /// 0x53: asks for the changes of a vbucket.
    StreamRequest(StreamRequest<'a>),
    /// 0x54: reads the failover log of a vbucket.
    GetFailoverLog,
    /// 0x55: the stream is over.
    StreamEnd(StreamEnd),
    /// 0x56: bounds of the changes that follow.
    SnapshotMarker(SnapshotMarker),
    /// 0x57: a document was stored.
    Mutation(Mutation<'a>),
    /// 0x58: a document was removed.
    Deletion(Deletion<'a>),
    /// 0x59: a document expired.
    Expiration(Expiration<'a>),
    /// 0x5a: every document was removed; in 2015 only.
    Flush,
    /// 0x5b: the vbucket gets another state.
    SetVbucketState(VbucketState),
    /// 0x5c: has to be answered, to show that the peer lives.
    Noop,
    /// 0x5d: bytes that the consumer is done with.
    BufferAck(BufferAck),
    /// 0x5e: sets a property of the connection.
    Control(Control<'a>),
    /// 0x5f: a scope or a collection came, changed or went.
    SystemEvent(SystemEvent<'a>),
    /// 0x60: a durable write that is not yet decided.
    Prepare(Prepare<'a>),
    /// 0x61: the replica holds every prepared write up to here.
    SeqnoAcknowledged(SeqnoAcknowledged),
    /// 0x62: a prepared write stands.
    Commit(Commit<'a>),
    /// 0x63: a prepared write is off.
    Abort(Abort<'a>),
    /// 0x64: seqnos that the stream's filter keeps back.
    SeqnoAdvanced(SeqnoAdvanced),
    /// 0x65: bounds of changes that come out of order.
    OsoSnapshot(OsoSnapshot),
    /// 0x66: documents that the producer has in memory.
    CacheTransfer(CacheRecords<'a>),
    /// 0x67: no more of those.
    CacheTransferEnd,
}

impl<'a> Message<'a> {
    /// A message in the classic form with CAS and data type 0.
    #[must_use]
    pub const fn new(vbucket: u16, opaque: u32, body: Body<'a>) -> Message<'a> {
        Message {
            magic: Magic::CLIENT_REQUEST,
            vbucket,
            opaque,
            cas: 0,
            datatype: DataType::RAW,
            framing_extras: &[],
            body,
        }
    }

    /// Reads a packet as a request of the family.
    ///
    /// # Errors
    /// [`ParseErrorKind::WrongDirection`] for what is no client's request, [`ParseErrorKind::ForeignOpcode`] for another
    /// family's; lengths of extras, key and value that are none of the message's
    /// ([`ParseErrorKind::ExtrasLength`] to [`ParseErrorKind::ValueForbidden`], [`ParseErrorKind::ValueLength`]); and
    /// [`ParseErrorKind::PartExceedsValue`], [`ParseErrorKind::UnknownVersion`] for what stands in the extras. Offsets
    /// count from the packet's start.
    pub fn parse(packet: &Packet<'a>) -> Result<Message<'a>, ParseError> {
        if !matches!(packet.magic, Magic::CLIENT_REQUEST | Magic::FLEX_REQUEST) {
            return Err(ParseError::new(
                ParseErrorKind::WrongDirection,
                Field::Magic,
                0,
                packet.magic.0.into(),
                Allowed::OneOf(&[0x80, 0x08]),
            ));
        }
        Ok(Message {
            magic: packet.magic,
            vbucket: packet.vbucket_or_status,
            opaque: packet.opaque,
            cas: packet.cas,
            datatype: packet.datatype,
            framing_extras: packet.framing_extras,
            body: Body::parse(packet)?,
        })
    }

    /// The opcode.
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        self.body.opcode()
    }

    /// The stream's id from the framing extras, where several streams of a vbucket are open
    /// ([`Control::ENABLE_STREAM_ID`](super::Control::ENABLE_STREAM_ID)).
    ///
    /// # Errors
    /// [`ParseErrorKind::FrameInfoTruncated`]. An id that is not two bytes long is no stream's id.
    pub fn stream_id(&self) -> Result<Option<u16>, ParseError> {
        for info in FrameInfo::iter(self.framing_extras) {
            let info = info?;
            if let (FrameInfo::DCP_STREAM_ID, &[high, low]) = (info.id, info.data) {
                return Ok(Some(u16::from_be_bytes([high, low])));
            }
        }
        Ok(None)
    }

    /// Framing extras that name a stream; they go with [`Magic::FLEX_REQUEST`].
    #[must_use]
    pub const fn stream_id_framing_extras(stream_id: u16) -> [u8; 3] {
        let [high, low] = stream_id.to_be_bytes();
        [0x22, high, low]
    }

    /// Bytes that [`Message::emit`] writes; what flow control counts.
    ///
    /// # Errors
    /// [`EmitError::TooLong`] when a part is longer than its length field can tell.
    pub fn encoded_len(&self) -> Result<usize, EmitError> {
        self.body.parts()?.encoded_len(&self.frame()?)
    }

    /// Writes the message to the front of `out` and returns how many bytes that took.
    ///
    /// # Errors
    /// Too little room, a part that is too long, or a magic that is no client's request. `out` is untouched then.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, EmitError> {
        self.body.parts()?.emit(&self.frame()?, out)
    }

    /// Writes all but the value (and the extended metadata behind it), for a value of `value_len` bytes that follows by
    /// another way, and returns how many bytes that took. The message's own value is not looked at.
    ///
    /// # Errors
    /// As [`Message::emit`].
    pub fn emit_head(&self, value_len: u32, out: &mut [u8]) -> Result<usize, EmitError> {
        self.body.parts()?.emit_head(&self.frame()?, value_len, out)
    }

    /// The header's fields, as a packet without a body.
    fn frame(&self) -> Result<Packet<'a>, EmitError> {
        if !matches!(self.magic, Magic::CLIENT_REQUEST | Magic::FLEX_REQUEST) {
            return Err(EmitError::Magic(self.magic));
        }
        Ok(Packet {
            magic: self.magic,
            datatype: self.datatype,
            vbucket_or_status: self.vbucket,
            opaque: self.opaque,
            cas: self.cas,
            framing_extras: self.framing_extras,
            ..Packet::default()
        })
    }
}

impl<'a> Body<'a> {
    fn parse(packet: &Packet<'a>) -> Result<Body<'a>, ParseError> {
        let shape = match packet.opcode {
            Opcode(0x50..=0x67) => packet.opcode.shape(Dialect::Couchbase),
            _ => None,
        };
        let Some(shape) = shape else {
            return Err(foreign(packet.opcode));
        };
        packet.check_shape(&shape)?;
        Ok(match packet.opcode {
            Opcode::DCP_OPEN => Body::Open(Open::parse(packet)),
            Opcode::DCP_ADD_STREAM => Body::AddStream(AddStream::parse(packet)),
            Opcode::DCP_CLOSE_STREAM => Body::CloseStream,
            Opcode::DCP_STREAM_REQ => Body::StreamRequest(StreamRequest::parse(packet)),
            Opcode::DCP_GET_FAILOVER_LOG => Body::GetFailoverLog,
            Opcode::DCP_STREAM_END => Body::StreamEnd(StreamEnd::parse(packet)),
            Opcode::DCP_SNAPSHOT_MARKER => Body::SnapshotMarker(SnapshotMarker::parse(packet)?),
            Opcode::DCP_MUTATION => Body::Mutation(Mutation::parse(packet)?),
            Opcode::DCP_DELETION => Body::Deletion(Deletion::parse(packet)?),
            Opcode::DCP_EXPIRATION => Body::Expiration(Expiration::parse(packet)?),
            Opcode::DCP_FLUSH => Body::Flush,
            Opcode::DCP_SET_VBUCKET_STATE => Body::SetVbucketState(VbucketState::parse(packet)),
            Opcode::DCP_NOOP => Body::Noop,
            Opcode::DCP_BUFFER_ACK => Body::BufferAck(BufferAck::parse(packet)),
            Opcode::DCP_CONTROL => Body::Control(Control::parse(packet)),
            Opcode::DCP_SYSTEM_EVENT => Body::SystemEvent(SystemEvent::parse(packet)),
            Opcode::DCP_PREPARE => Body::Prepare(Prepare::parse(packet)),
            Opcode::DCP_SEQNO_ACKNOWLEDGED => {
                Body::SeqnoAcknowledged(SeqnoAcknowledged::parse(packet))
            }
            Opcode::DCP_COMMIT => Body::Commit(Commit::parse(packet)),
            Opcode::DCP_ABORT => Body::Abort(Abort::parse(packet)),
            Opcode::DCP_SEQNO_ADVANCED => Body::SeqnoAdvanced(SeqnoAdvanced::parse(packet)),
            Opcode::DCP_OSO_SNAPSHOT => Body::OsoSnapshot(OsoSnapshot::parse(packet)),
            Opcode::DCP_CACHE_TRANSFER => Body::CacheTransfer(CacheRecords {
                bytes: packet.value,
            }),
            Opcode::DCP_CACHE_TRANSFER_END => Body::CacheTransferEnd,
            opcode => return Err(foreign(opcode)),
        })
    }

    /// The opcode.
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        match self {
            Body::Open(_) => Opcode::DCP_OPEN,
            Body::AddStream(_) => Opcode::DCP_ADD_STREAM,
            Body::CloseStream => Opcode::DCP_CLOSE_STREAM,
            Body::StreamRequest(_) => Opcode::DCP_STREAM_REQ,
            Body::GetFailoverLog => Opcode::DCP_GET_FAILOVER_LOG,
            Body::StreamEnd(_) => Opcode::DCP_STREAM_END,
            Body::SnapshotMarker(_) => Opcode::DCP_SNAPSHOT_MARKER,
            Body::Mutation(_) => Opcode::DCP_MUTATION,
            Body::Deletion(_) => Opcode::DCP_DELETION,
            Body::Expiration(_) => Opcode::DCP_EXPIRATION,
            Body::Flush => Opcode::DCP_FLUSH,
            Body::SetVbucketState(_) => Opcode::DCP_SET_VBUCKET_STATE,
            Body::Noop => Opcode::DCP_NOOP,
            Body::BufferAck(_) => Opcode::DCP_BUFFER_ACK,
            Body::Control(_) => Opcode::DCP_CONTROL,
            Body::SystemEvent(_) => Opcode::DCP_SYSTEM_EVENT,
            Body::Prepare(_) => Opcode::DCP_PREPARE,
            Body::SeqnoAcknowledged(_) => Opcode::DCP_SEQNO_ACKNOWLEDGED,
            Body::Commit(_) => Opcode::DCP_COMMIT,
            Body::Abort(_) => Opcode::DCP_ABORT,
            Body::SeqnoAdvanced(_) => Opcode::DCP_SEQNO_ADVANCED,
            Body::OsoSnapshot(_) => Opcode::DCP_OSO_SNAPSHOT,
            Body::CacheTransfer(_) => Opcode::DCP_CACHE_TRANSFER,
            Body::CacheTransferEnd => Opcode::DCP_CACHE_TRANSFER_END,
        }
    }

    /// The change's number in its vbucket, if this is a change: a mutation, deletion, expiration, system event, prepare,
    /// commit or abort.
    #[must_use]
    pub const fn seqno(&self) -> Option<u64> {
        Some(match self {
            Body::Mutation(mutation) => mutation.seqno,
            Body::Deletion(deletion) => deletion.seqno,
            Body::Expiration(expiration) => expiration.seqno,
            Body::SystemEvent(event) => event.seqno,
            Body::Prepare(prepare) => prepare.seqno,
            Body::Commit(commit) => commit.commit_seqno,
            Body::Abort(abort) => abort.abort_seqno,
            _ => return None,
        })
    }

    fn parts(&self) -> Result<Parts<'a>, EmitError> {
        Ok(match self {
            Body::Open(open) => open.parts(),
            Body::AddStream(add) => add.parts(),
            Body::StreamRequest(request) => request.parts(),
            Body::StreamEnd(end) => end.parts(),
            Body::SnapshotMarker(marker) => marker.parts(),
            Body::Mutation(mutation) => mutation.parts()?,
            Body::Deletion(deletion) => deletion.parts()?,
            Body::Expiration(expiration) => expiration.parts()?,
            Body::SetVbucketState(state) => state.parts(),
            Body::BufferAck(ack) => ack.parts(),
            Body::Control(control) => control.parts(),
            Body::SystemEvent(event) => event.parts(),
            Body::Prepare(prepare) => prepare.parts(),
            Body::SeqnoAcknowledged(ack) => ack.parts(),
            Body::Commit(commit) => commit.parts(),
            Body::Abort(abort) => abort.parts(),
            Body::SeqnoAdvanced(advanced) => advanced.parts(),
            Body::OsoSnapshot(snapshot) => snapshot.parts(),
            Body::CacheTransfer(records) => records.parts(),
            Body::CloseStream
            | Body::GetFailoverLog
            | Body::Flush
            | Body::Noop
            | Body::CacheTransferEnd => Parts::new(self.opcode(), Fixed::new()),
        })
    }
}

/// Says that an opcode belongs to another family.
#[cold]
pub(super) fn foreign(opcode: Opcode) -> ParseError {
    ParseError::new(
        ParseErrorKind::ForeignOpcode,
        Field::Opcode,
        1,
        opcode.0.into(),
        Allowed::OneOf(&[
            0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x5b, 0x5c, 0x5d,
            0x5e, 0x5f, 0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67,
        ]),
    )
}
