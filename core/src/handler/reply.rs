//! Where a handler writes its responses.

use core::fmt;

use crate::wire::{DataType, HEADER_LEN, Header, Magic, Opcode, Status};

/// Room in bytes that a handler finds in its [`Reply`] at least, whenever it is called.
///
/// Enough for a header and any of the protocol's error texts, a counter, or the flags of a touched item.
pub const REPLY_ROOM_MIN: usize = 96;

/// The output cannot take a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NoRoom {
    /// Length of the response in bytes.
    pub needed: usize,
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a response of {} bytes does not fit the output",
            self.needed
        )
    }
}

impl core::error::Error for NoRoom {}

/// Appends responses to the output.
///
/// Opcode and opaque are those of the request, the magic is that of a response and the datatype is 0. What does not fit
/// leaves the output as it was.
#[derive(Debug)]
pub struct Reply<'a> {
    output: &'a mut [u8],
    written: usize,
    opaque: u32,
    opcode: Opcode,
    cursor: u32,
}

impl<'a> Reply<'a> {
    /// Starts at the front of `output`, answering a request with this opcode and opaque.
    #[inline]
    #[must_use]
    pub fn new(output: &'a mut [u8], opcode: Opcode, opaque: u32) -> Reply<'a> {
        Reply {
            output,
            written: 0,
            opaque,
            opcode,
            cursor: 0,
        }
    }

    /// Goes on behind what is written with the answers to another request.
    #[inline]
    pub(crate) fn begin(&mut self, opcode: Opcode, opaque: u32, cursor: u32) {
        self.opcode = opcode;
        self.opaque = opaque;
        self.cursor = cursor;
    }

    /// The opcode that the responses carry: that of the request, quiet or not.
    #[inline]
    #[must_use]
    pub fn opcode(&self) -> Opcode {
        self.opcode
    }

    /// The opaque that the responses carry.
    #[inline]
    #[must_use]
    pub fn opaque(&self) -> u32 {
        self.opaque
    }

    /// Where an answer in several parts stopped: what [`Outcome::Again`](super::Outcome::Again) said, 0 at first.
    #[inline]
    #[must_use]
    pub fn cursor(&self) -> u32 {
        self.cursor
    }

    /// Free bytes in the output.
    #[inline]
    #[must_use]
    pub fn room(&self) -> usize {
        self.output.len().saturating_sub(self.written)
    }

    /// Bytes written so far, those of earlier requests included.
    #[inline]
    #[must_use]
    pub fn written(&self) -> usize {
        self.written
    }

    /// What has been written so far, responses to earlier requests included.
    #[must_use]
    pub(super) fn bytes(&self) -> &[u8] {
        self.output.get(..self.written).unwrap_or_default()
    }

    /// Says that it is done: no extras, key or value. `cas` is the item's new version, 0 when there is none.
    ///
    /// # Errors
    /// [`NoRoom`] when less than 24 bytes are free.
    #[inline]
    pub fn success(&mut self, cas: u64) -> Result<(), NoRoom> {
        self.send(&[], &[], &[], cas)
    }

    /// Sends a status other than success with its customary text.
    ///
    /// # Errors
    /// [`NoRoom`] when less than [`REPLY_ROOM_MIN`] bytes are free, at the most.
    pub fn error(&mut self, status: Status) -> Result<(), NoRoom> {
        self.error_text(status, status.text())
    }

    /// Sends a status with a text of your own.
    ///
    /// # Errors
    /// [`NoRoom`] when less than 24 bytes and the text's length are free.
    #[inline(never)]
    pub fn error_text(&mut self, status: Status, text: &str) -> Result<(), NoRoom> {
        self.send_status(status, &[], &[], text.as_bytes(), 0)
    }

    /// Sends a successful response with these parts.
    ///
    /// # Errors
    /// [`NoRoom`] when the output cannot take it.
    #[inline]
    pub fn send(
        &mut self,
        extras: &[u8],
        key: &[u8],
        value: &[u8],
        cas: u64,
    ) -> Result<(), NoRoom> {
        self.send_status(Status::SUCCESS, extras, key, value, cas)
    }

    /// Sends a response with these parts, whatever its status.
    ///
    /// # Errors
    /// [`NoRoom`] when the output cannot take it.
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    #[cfg_attr(not(target_pointer_width = "32"), inline)]
    pub fn send_status(
        &mut self,
        status: Status,
        extras: &[u8],
        key: &[u8],
        value: &[u8],
        cas: u64,
    ) -> Result<(), NoRoom> {
        self.send_filled(status, extras, key, cas, value.len(), |space| {
            fill(space, value);
        })
    }

    /// Sends a response whose value of `value_len` bytes is written straight into the output by `write_value`.
    ///
    /// This is how a value gets from the store to the socket's buffer in one copy. `write_value` is called with exactly
    /// `value_len` bytes, and only if the whole response fits.
    ///
    /// # Errors
    /// [`NoRoom`] when the output cannot take it, or when a part is longer than its length field can say (an extras of
    /// more than 255 bytes, a key of more than 65,535, a body of more than 4 GiB).
    #[inline]
    pub fn send_filled(
        &mut self,
        status: Status,
        extras: &[u8],
        key: &[u8],
        cas: u64,
        value_len: usize,
        write_value: impl FnOnce(&mut [u8]),
    ) -> Result<(), NoRoom> {
        self.send_head(status, extras, key, cas, value_len)
            .map(write_value)
    }

    /// Sends all but the value, and returns the place of the value in the output.
    ///
    /// Servers have it in the path of every hit, devices have it once in their flash.
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    #[cfg_attr(not(target_pointer_width = "32"), inline)]
    fn send_head(
        &mut self,
        status: Status,
        extras: &[u8],
        key: &[u8],
        cas: u64,
        value_len: usize,
    ) -> Result<&mut [u8], NoRoom> {
        let body_len = extras
            .len()
            .saturating_add(key.len())
            .saturating_add(value_len);
        let needed = body_len.saturating_add(HEADER_LEN);
        let no_room = NoRoom { needed };
        let header = Header {
            magic: Magic::CLIENT_RESPONSE,
            opcode: self.opcode,
            framing_extras_len: 0,
            key_len: u16::try_from(key.len()).map_err(|_| no_room)?,
            extras_len: u8::try_from(extras.len()).map_err(|_| no_room)?,
            datatype: DataType::RAW,
            vbucket_or_status: status.0,
            body_len: u32::try_from(body_len).map_err(|_| no_room)?,
            opaque: self.opaque,
            cas,
        };
        let free = self.output.get_mut(self.written..).ok_or(no_room)?;
        let packet = free.get_mut(..needed).ok_or(no_room)?;
        let (head, body) = packet
            .split_first_chunk_mut::<HEADER_LEN>()
            .ok_or(no_room)?;
        let (extras_space, rest) = body.split_at_mut_checked(extras.len()).ok_or(no_room)?;
        let (key_space, value_space) = rest.split_at_mut_checked(key.len()).ok_or(no_room)?;
        header.write(head);
        fill(extras_space, extras);
        fill(key_space, key);
        // Not beyond the output, which has been found long enough.
        self.written = self.written.wrapping_add(needed);
        Ok(value_space)
    }

    /// Appends bytes that are no packet; for the line that tells a text client it is wrong here.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        let free = self.output.get_mut(self.written..).unwrap_or_default();
        if let Some(space) = free.get_mut(..bytes.len()) {
            fill(space, bytes);
            self.written = self.written.saturating_add(bytes.len());
        }
    }
}

/// Copies `bytes` into a space of the same length.
///
/// A loop that the compiler turns into one copy; unlike a copy of slices it has no lengths to compare and to panic over.
#[inline(always)]
fn fill(space: &mut [u8], bytes: &[u8]) {
    for (place, byte) in space.iter_mut().zip(bytes) {
        *place = *byte;
    }
}
