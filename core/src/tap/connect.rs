//! TAP_CONNECT: a consumer asks for a stream.

use crate::wire::emit::Writer;
use crate::wire::parse::{Step, be_u16, be_u32, be_u64, exactly};
use crate::wire::{
    Allowed, DataType, EmitError, Field, HEADER_LEN, Header, Magic, Opcode, ParseError,
    ParseErrorKind, Request,
};

use super::ConnectFlags;
use super::frame::{address, length, too_long, wrong_extras_len, wrong_opcode};
use super::list::{CheckpointList, VbucketList};
use super::shape::count;

/// Length in bytes of the extras, unless they are left out.
const EXTRAS_LEN: u8 = 4;

/// Flags that are set by having a body.
const WITH_BODY: ConnectFlags =
    ConnectFlags(ConnectFlags::BACKFILL.0 | ConnectFlags::LIST_VBUCKETS.0);

/// A consumer asks for a stream (0x40; memcached binary protocol: TAP_CONNECT).
///
/// ```text
///  extras  flags (4 bytes), or nothing
///  key     the consumer's name
///  value   for each flag that has one its body, the lowest bit first:
///            BACKFILL       oldest time (8)
///            LIST_VBUCKETS  count (2), count times: vbucket (2)
///            CHECKPOINT     count (2), count times: vbucket (2), checkpoint id (8); or nothing
/// ```
///
/// There is no answer but the stream itself; a response with the opcode of this request and a status other than success
/// says that there will be none.
///
/// ```
/// use memlet_core::tap::{Connect, ConnectFlags};
///
/// // Everything that vbuckets 0 and 1 hold, values left out.
/// let connect = Connect {
///     backfill: Some(Connect::EVERYTHING),
///     vbuckets: Some((&[0, 1]).into()),
///     flags: Some(ConnectFlags::DUMP | ConnectFlags::REQUEST_KEYS_ONLY),
///     ..Connect::new(b"reader")
/// };
/// let mut bytes = [0; 64];
/// assert_eq!(connect.emit(&mut bytes)?, 24 + 4 + 6 + 8 + 6);
/// assert_eq!(connect.all_flags().to_string(), "BACKFILL|DUMP|LIST_VBUCKETS|REQUEST_KEYS_ONLY");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[doc(alias = "TapConnect")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connect<'a> {
    /// Always [`DataType::RAW`] from a well-behaved consumer.
    pub datatype: DataType,
    /// Without meaning.
    pub vbucket: u16,
    /// The consumer's own number, handed back when it is refused.
    pub opaque: u32,
    /// Without meaning.
    pub cas: u64,
    /// The flags that say enough by themselves. [`ConnectFlags::BACKFILL`] and [`ConnectFlags::LIST_VBUCKETS`] are set
    /// by their bodies below and disregarded here; [`ConnectFlags::CHECKPOINT`] may be set with or without its body.
    ///
    /// `None` leaves the extras out, which means no flags at all, when there is no body either. gomemcached does not
    /// understand that.
    pub flags: Option<ConnectFlags>,
    /// The consumer's name, perhaps empty, at most 65535 bytes.
    pub name: &'a [u8],
    /// The unix time in seconds of the oldest item to send; [`Connect::EVERYTHING`] or [`Connect::NOTHING_OLD`].
    pub backfill: Option<u64>,
    /// The vbuckets to send; an empty list, as none, means all of them.
    pub vbuckets: Option<VbucketList<'a>>,
    /// Where the consumer stands, per vbucket.
    pub checkpoints: Option<CheckpointList<'a>>,
    /// What the value holds behind the known bodies: those of unknown flags.
    #[doc(alias = "RemainingBody")]
    pub remaining: &'a [u8],
}

format_fields!(Connect {
    datatype,
    vbucket,
    opaque,
    cas,
    flags,
    name: Text,
    backfill,
    vbuckets,
    checkpoints,
    remaining: Length,
});

impl<'a> Connect<'a> {
    /// Backfill: all that there is.
    pub const EVERYTHING: u64 = 0;
    /// Backfill: nothing, only what changes from now on.
    #[doc(alias = "TapNoBackfill")]
    pub const NOTHING_OLD: u64 = u64::MAX;

    /// What changes from now on in all vbuckets, with values, without answers; item flags in network byte order.
    #[must_use]
    pub const fn new(name: &'a [u8]) -> Connect<'a> {
        Connect {
            datatype: DataType::RAW,
            vbucket: 0,
            opaque: 0,
            cas: 0,
            flags: Some(ConnectFlags::FIX_FLAG_BYTEORDER),
            name,
            backfill: Some(Connect::NOTHING_OLD),
            vbuckets: None,
            checkpoints: None,
            remaining: &[],
        }
    }

    /// Reads the request.
    ///
    /// # Errors
    /// A magic other than 0x80, another opcode, extras of a length other than 0 or 4, and a value that is too short for
    /// the bodies of its flags.
    #[doc(alias = "ParseTapCommands")]
    pub fn from_request(request: &Request<'a>) -> Result<Connect<'a>, ParseError> {
        if request.magic != Magic::CLIENT_REQUEST {
            return Err(ParseError::new(
                ParseErrorKind::WrongDirection,
                Field::Magic,
                0,
                request.magic.0.into(),
                Allowed::OneOf(&[0x80]),
            ));
        }
        if request.opcode != Opcode::TAP_CONNECT {
            return Err(wrong_opcode(request.opcode, &[0x40]));
        }
        let flags = match request.extras {
            [] => None,
            extras => match exactly(extras, be_u32) {
                Some(flags) => Some(ConnectFlags(flags)),
                None => {
                    let len = u8::try_from(extras.len()).unwrap_or(u8::MAX);
                    return Err(wrong_extras_len(len, 1 | 1 << EXTRAS_LEN));
                }
            },
        };
        let all = flags.unwrap_or_default();
        let mut bodies = Bodies::new(request);
        let backfill = bodies.take(all.contains(ConnectFlags::BACKFILL), 8, be_u64)?;
        let vbuckets = bodies.take_list(all.contains(ConnectFlags::LIST_VBUCKETS), 2)?;
        // The producer of Couchbase reads this body only when there is one.
        let checkpoints = all.contains(ConnectFlags::CHECKPOINT) && bodies.rest.len() >= 2;
        let checkpoints = bodies.take_list(checkpoints, CheckpointList::ENTRY_LEN)?;
        Ok(Connect {
            datatype: request.datatype,
            vbucket: request.vbucket,
            opaque: request.opaque,
            cas: request.cas,
            flags: flags.map(|flags| flags.without(WITH_BODY)),
            name: request.key,
            backfill,
            vbuckets: vbuckets.map(VbucketList::from_wire),
            checkpoints: checkpoints.map(CheckpointList::from_wire),
            remaining: bodies.rest,
        })
    }

    /// Every flag that is set, those with a body included.
    #[must_use]
    pub fn all_flags(&self) -> ConnectFlags {
        let mut flags = self.flags.unwrap_or_default().without(WITH_BODY);
        if self.backfill.is_some() {
            flags |= ConnectFlags::BACKFILL;
        }
        if self.vbuckets.is_some() {
            flags |= ConnectFlags::LIST_VBUCKETS;
        }
        if self.checkpoints.is_some() {
            flags |= ConnectFlags::CHECKPOINT;
        }
        flags
    }

    /// Whether the stream is to hold a vbucket.
    #[must_use]
    pub fn wants_vbucket(&self, vbucket: u16) -> bool {
        match self.vbuckets {
            None => true,
            Some(list) => list.is_empty() || list.iter().any(|wanted| wanted == vbucket),
        }
    }

    /// Header and, unless the extras are left out, flags.
    fn header(&self) -> Result<(Header, Option<ConnectFlags>), EmitError> {
        let flags = self.all_flags();
        let flags = (self.flags.is_some() || flags != ConnectFlags(0)).then_some(flags);
        let extras_len = if flags.is_some() { EXTRAS_LEN } else { 0 };
        let key_len = length(Field::Key, self.name.len() as u64)?;
        let mut body_len = u64::from(extras_len)
            .saturating_add(u64::from(key_len))
            .saturating_add(self.remaining.len() as u64);
        if self.backfill.is_some() {
            body_len = body_len.saturating_add(8);
        }
        if let Some(list) = self.vbuckets {
            body_len = body_len.saturating_add(list.encoded_len()?);
        }
        if let Some(list) = self.checkpoints {
            body_len = body_len.saturating_add(list.encoded_len()?);
        }
        let header = Header {
            magic: Magic::CLIENT_REQUEST,
            opcode: Opcode::TAP_CONNECT,
            framing_extras_len: 0,
            key_len,
            extras_len,
            datatype: self.datatype,
            vbucket_or_status: self.vbucket,
            body_len: u32::try_from(body_len)
                .map_err(|_| too_long(Field::Body, body_len, u32::MAX.into()))?,
            opaque: self.opaque,
            cas: self.cas,
        };
        Ok((header, flags))
    }

    /// Bytes that [`Connect::emit`] writes.
    ///
    /// # Errors
    /// [`EmitError::TooLong`] when a part is longer than its length field can tell.
    pub fn encoded_len(&self) -> Result<usize, EmitError> {
        let (header, _) = self.header()?;
        address(header.packet_len())
    }

    /// Writes the request to the front of `out` and returns how many bytes that took.
    ///
    /// # Errors
    /// Too little room, or a part that is too long. `out` is untouched then.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, EmitError> {
        let (header, flags) = self.header()?;
        let needed = address(header.packet_len())?;
        let header = header.to_bytes()?;
        let mut writer = Writer::new(out, needed)?;
        writer.put(&header);
        if let Some(flags) = flags {
            writer.put(&flags.0.to_be_bytes());
        }
        writer.put(self.name);
        if let Some(backfill) = self.backfill {
            writer.put(&backfill.to_be_bytes());
        }
        if let Some(list) = self.vbuckets {
            list.put(&mut writer);
        }
        if let Some(list) = self.checkpoints {
            list.put(&mut writer);
        }
        writer.put(self.remaining);
        Ok(needed)
    }
}

/// The value of a request, flag by flag.
struct Bodies<'a> {
    rest: &'a [u8],
    /// Where `rest` starts in the packet, in bytes.
    offset: u32,
}

impl<'a> Bodies<'a> {
    fn new(request: &Request<'a>) -> Bodies<'a> {
        let before = HEADER_LEN
            .saturating_add(request.extras.len())
            .saturating_add(request.key.len());
        Bodies {
            rest: request.value,
            offset: u32::try_from(before).unwrap_or(u32::MAX),
        }
    }

    /// The body of a flag, if that is set.
    fn take<T>(
        &mut self,
        set: bool,
        needed: u32,
        mut parser: impl FnMut(&'a [u8]) -> Step<'a, T>,
    ) -> Result<Option<T>, ParseError> {
        if !set {
            return Ok(None);
        }
        match parser(self.rest) {
            Ok((rest, value)) => {
                let taken = self.rest.len().saturating_sub(rest.len());
                self.offset = self
                    .offset
                    .saturating_add(u32::try_from(taken).unwrap_or(u32::MAX));
                self.rest = rest;
                Ok(Some(value))
            }
            Err(_) => Err(ParseError::new(
                ParseErrorKind::PartExceedsValue,
                Field::Value,
                self.offset,
                count(self.rest),
                Allowed::AtLeast(needed),
            )),
        }
    }

    /// The entries of a list, if its flag is set.
    fn take_list(&mut self, set: bool, entry_len: u8) -> Result<Option<&'a [u8]>, ParseError> {
        let Some(entries) = self.take(set, 2, be_u16)? else {
            return Ok(None);
        };
        let len = u32::from(entries).saturating_mul(entry_len.into());
        self.take(true, len, nom::bytes::streaming::take(len))
    }
}
