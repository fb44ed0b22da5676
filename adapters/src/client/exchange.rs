//! A client's machine and buffers: everything but the waiting.

use embedded_io::ErrorKind;
use memlet_core::connection::client::{
    ClientConnection, Received, ReplyError, ReplyErrorKind, StageError,
};
use memlet_core::counters::Tally;
use memlet_core::wire::{
    EmitError, HEADER_LEN, Header, Opcode, Presence, Request, Response, Status,
};

use super::command::EXTRAS_LEN_MAX;
use super::{Buffer, ClientSettings, Command, Error, RequestError, Touched};
use crate::log::log_break;

/// The machine, the bytes that wait to be sent, and those that have arrived.
///
/// All progress is in here: whoever drives it may stop between any two calls, and another operation may follow. Replies
/// to the one that was given up are then dropped as they come.
#[derive(Debug)]
pub(crate) struct Exchange<B, const RUNS: usize, T> {
    machine: ClientConnection<RUNS, T>,
    settings: ClientSettings,
    input: B,
    /// The input that has arrived and not been consumed.
    start: usize,
    end: usize,
    /// How many bytes have to arrive before there is something to do.
    missing: usize,
    output: B,
    sent: usize,
    staged: usize,
    /// Bytes of a value that is sent from where the caller has it, behind the output.
    value_unsent: u32,
    /// Bytes of the requests in flight, and of their replies at most.
    requests_len: u64,
    replies_len: Option<u64>,
}

/// A reply, by where it stands in the input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived {
    header: Header,
    body: usize,
    pub(crate) is_last: bool,
    /// Length of the value in bytes.
    pub(crate) value_len: u32,
    /// Whether the value stands behind the rest; false when it comes in pieces.
    pub(crate) is_whole: bool,
}

impl Arrived {
    pub(crate) fn opaque(&self) -> u32 {
        self.header.opaque
    }
}

/// What became of a request that was to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It stands in the output.
    Staged { opaque: u32 },
    /// Its front stands in the output; the value has to be sent from where it is once that is sent.
    Value { opaque: u32 },
    /// The output has to be sent first.
    OutputFull,
    /// Replies have to be taken first.
    TableFull,
}

/// How long a client's input is at the least, if it can grow.
const INPUT_LEN_MIN: usize = 16 << 10;
/// How long a server's answer to a command that gives back no value can be: a header, and a line of text.
const SHORT_REPLY_LEN: u64 = 96;

impl<B: Buffer, const RUNS: usize, T: Tally> Exchange<B, RUNS, T> {
    pub(crate) fn new(settings: ClientSettings, input: B, output: B, tally: T) -> Self {
        Exchange {
            machine: ClientConnection::new(settings.connection, tally),
            settings,
            input,
            start: 0,
            end: 0,
            missing: HEADER_LEN,
            output,
            sent: 0,
            staged: 0,
            value_unsent: 0,
            requests_len: 0,
            replies_len: Some(0),
        }
    }

    pub(crate) fn machine(&self) -> &ClientConnection<RUNS, T> {
        &self.machine
    }

    pub(crate) fn machine_mut(&mut self) -> &mut ClientConnection<RUNS, T> {
        &mut self.machine
    }

    pub(crate) fn settings(&self) -> &ClientSettings {
        &self.settings
    }

    pub(crate) fn settings_mut(&mut self) -> &mut ClientSettings {
        &mut self.settings
    }

    /// The input buffer and where in it the bytes are that nobody has consumed.
    pub(crate) fn into_input(self) -> (B, core::ops::Range<usize>) {
        (self.input, self.start..self.end)
    }

    /// Sees to it that another request can follow.
    #[inline]
    pub(crate) fn begin(&mut self) -> Result<(), ReplyError> {
        if let Some(error) = self.machine.error() {
            return Err(error);
        }
        if self.value_unsent > 0 {
            return Err(self.machine.abandon(ReplyErrorKind::Abandoned));
        }
        Ok(())
    }

    /// Whether another request could follow: false also when a value has been left in the middle.
    #[cfg(feature = "asynch")]
    pub(crate) fn is_healthy(&self) -> bool {
        self.machine.is_healthy() && self.value_unsent == 0
    }

    /// Whether something of what was asked before is to come for certain.
    #[cfg(feature = "asynch")]
    pub(crate) fn is_answer_due(&self) -> bool {
        self.machine.expected().is_some() || self.machine.value_remaining() > 0
    }

    /// Whether a request may be sent while what was asked before is still unanswered: client and server then do not wait
    /// for each other to read, and a NOOP finds room behind it.
    #[cfg(feature = "asynch")]
    pub(crate) fn may_follow(&self, request: &Request<'_>, pieces: &[&[u8]]) -> bool {
        let in_flight = self.machine.in_flight();
        if in_flight == 0 && self.machine.value_remaining() == 0 {
            return true;
        }
        let before = if in_flight == 0 { 0 } else { self.requests_len };
        let len = pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        // One that cannot be written is not sent anyway.
        let len = len.saturating_add(request.encoded_len().map_or(0, |len| len as u64));
        let max = (self.settings.unread_len_max as u64).saturating_sub(HEADER_LEN as u64);
        before.saturating_add(len) <= max && self.machine.has_room(request.opcode, 1)
    }

    /// [`Exchange::may_follow`] of a command.
    #[cfg(feature = "asynch")]
    pub(crate) fn may_follow_command(&self, command: &Command<'_>) -> bool {
        let mut extras = [0; EXTRAS_LEN_MAX];
        self.may_follow(&command.request(self.settings.vbucket, &mut extras), &[])
    }

    /// Judges what would make the server close, before it is sent.
    #[inline]
    pub(crate) fn check(&self, request: &Request<'_>) -> Result<(), RequestError> {
        let (found, allowed) = (request.key.len(), self.settings.key_len_max);
        if found > allowed {
            return Err(RequestError::KeyTooLong { found, allowed });
        }
        let dialect = self.settings.connection.dialect;
        match request.opcode.shape(dialect) {
            Some(shape) if found == 0 && shape.key == Presence::Required => {
                Err(RequestError::KeyMissing(request.opcode))
            }
            _ => Ok(()),
        }
    }

    /// [`Exchange::stage`] of a command.
    #[inline]
    pub(crate) fn stage_command<E>(&mut self, command: &Command<'_>) -> Result<Stage, Error<E>> {
        let mut extras = [0; EXTRAS_LEN_MAX];
        let request = command.request(self.settings.vbucket, &mut extras);
        self.check(&request)?;
        self.stage(&request, &[])
    }

    /// [`Exchange::stage_command`], unless client and server could then wait for each other, or there would be no place
    /// for the NOOP behind it: `None`.
    pub(crate) fn stage_in_window<E>(
        &mut self,
        command: &Command<'_>,
    ) -> Result<Option<Stage>, Error<E>> {
        let mut extras = [0; EXTRAS_LEN_MAX];
        let request = command.request(self.settings.vbucket, &mut extras);
        self.check(&request)?;
        let request_len = request.encoded_len().map_err(RequestError::Emit)? as u64;
        if !self.may_add(request_len, short_reply(request.opcode))
            || !self.machine.has_room(request.opcode, 1)
        {
            return Ok(None);
        }
        self.stage(&request, &[]).map(Some)
    }

    /// Whether either the requests in flight or the replies to them fit what the transport holds.
    fn may_add(&self, request_len: u64, reply_len: Option<u64>) -> bool {
        // The NOOP behind the last, and its reply, count as well.
        let closing = HEADER_LEN as u64;
        let max = (self.settings.unread_len_max as u64).saturating_sub(closing);
        let replies_len = self.replies_len.zip(reply_len);
        self.machine.in_flight() == 0
            || self.requests_len.saturating_add(request_len) <= max
            || replies_len.is_some_and(|(before, more)| before.saturating_add(more) <= max)
    }

    /// Puts a request into the output, its value followed by `pieces`.
    pub(crate) fn stage<E>(
        &mut self,
        request: &Request<'_>,
        pieces: &[&[u8]],
    ) -> Result<Stage, Error<E>> {
        if !self.machine.has_room(request.opcode, 0) {
            return Ok(Stage::TableFull);
        }
        let head_len = request.encoded_len().map_err(RequestError::Emit)?;
        let pieces_len: usize = pieces.iter().map(|piece| piece.len()).sum();
        let len = head_len
            .checked_add(pieces_len)
            .ok_or(RequestError::TooLong)?;
        let is_whole = self.make_room(len);
        if !is_whole && self.staged > 0 {
            return Ok(Stage::OutputFull);
        }
        if !is_whole {
            self.make_room(head_len - request.value.len());
        }
        let output = self
            .output
            .as_mut()
            .get_mut(self.staged..)
            .unwrap_or_default();
        let staged = if is_whole && pieces.is_empty() {
            self.machine.stage(request, output)
        } else {
            let value_len = request.value.len().checked_add(pieces_len);
            let value_len = value_len.and_then(|len| u32::try_from(len).ok());
            let value_len = value_len.ok_or(RequestError::TooLong)?;
            let staged = self.machine.stage_head(request, value_len, output);
            self.value_unsent = match staged {
                Ok(_) if !is_whole => value_len,
                _ => 0,
            };
            staged
        };
        let staged = match staged {
            Ok(staged) => staged,
            Err(StageError::Broken(error)) => return Err(Error::Reply(error)),
            Err(StageError::Emit(error)) => return Err(RequestError::Emit(error).into()),
            Err(_) => return Err(RequestError::TableFull.into()),
        };
        self.staged += staged.written;
        self.note_in_flight(len as u64, short_reply(request.opcode));
        let opaque = staged.opaque;
        if !is_whole {
            return Ok(Stage::Value { opaque });
        }
        if !pieces.is_empty() {
            self.put(request.value);
            pieces.iter().for_each(|piece| self.put(piece));
        }
        Ok(Stage::Staged { opaque })
    }

    /// Appends to the output what has been found to fit it.
    fn put(&mut self, piece: &[u8]) {
        let end = self.staged + piece.len();
        if let Some(place) = self.output.as_mut().get_mut(self.staged..end) {
            // Unlike a copy of slices this has no lengths to panic over.
            for (place, byte) in place.iter_mut().zip(piece) {
                *place = *byte;
            }
            self.staged = end;
        }
    }

    /// Whether `len` more bytes fit the output, or do after it has grown.
    #[inline]
    fn make_room(&mut self, len: usize) -> bool {
        let needed = self.staged.saturating_add(len);
        if needed <= self.output.as_ref().len() {
            return true;
        }
        if needed > self.settings.output_len_max.min(self.output.len_max()) {
            return false;
        }
        let len = needed.saturating_mul(2).max(1 << 10);
        self.output.grow(len.min(self.settings.output_len_max));
        needed <= self.output.as_ref().len()
    }

    #[inline]
    fn note_in_flight(&mut self, request_len: u64, reply_len: Option<u64>) {
        if self.machine.in_flight() <= 1 {
            (self.requests_len, self.replies_len) = (0, Some(0));
        }
        self.requests_len = self.requests_len.saturating_add(request_len);
        let replies_len = self.replies_len.zip(reply_len);
        self.replies_len = replies_len.map(|(before, more)| before.saturating_add(more));
    }

    /// What is to be sent now.
    #[inline]
    pub(crate) fn unsent(&self) -> &[u8] {
        self.output
            .as_ref()
            .get(self.sent..self.staged)
            .unwrap_or_default()
    }

    /// Says that so many bytes of [`Exchange::unsent`] have been sent.
    #[inline]
    pub(crate) fn handle_sent(&mut self, len: usize) {
        self.sent = self.sent.saturating_add(len).min(self.staged);
        if self.sent == self.staged {
            (self.sent, self.staged) = (0, 0);
        }
    }

    /// Says that so many bytes of a value have been sent from where it is.
    pub(crate) fn handle_value_sent(&mut self, len: usize) {
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        self.value_unsent = self.value_unsent.saturating_sub(len);
    }

    /// Where to read to; never empty.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        let len = self.input.as_ref().len();
        if len.saturating_sub(self.end) < self.missing.max(1) {
            super::buffer::move_to_front(self.input.as_mut(), self.start, self.end);
            (self.start, self.end) = (0, self.end - self.start);
            let wanted = self.end.saturating_add(self.missing.max(1));
            if wanted > len {
                // What the server announces is believed only as far as it is borne out.
                self.input.grow(len.saturating_mul(2).max(INPUT_LEN_MIN));
            }
        }
        self.input.as_mut().get_mut(self.end..).unwrap_or_default()
    }

    /// Says that so many bytes have been read into [`Exchange::space`]; 0 that the server has closed.
    pub(crate) fn handle_read(&mut self, len: usize) -> Result<(), ReplyError> {
        if len == 0 {
            let ended = self.machine.handle_end_of_input(self.end - self.start);
            ended.inspect_err(log_break)?;
            // Nothing had to come any more, but whoever reads waits for something.
            return Err(self.machine.abandon(ReplyErrorKind::Ended));
        }
        self.end = self.end.saturating_add(len).min(self.input.as_ref().len());
        Ok(())
    }

    /// The next reply to a request from `from` on; those to earlier ones are dropped. `None`: read first.
    #[inline]
    pub(crate) fn poll(&mut self, from: u32) -> Result<Option<Arrived>, ReplyError> {
        self.poll_as(from, true).inspect_err(log_break)
    }

    /// [`Exchange::poll`] without the value, which [`Exchange::poll_value`] gives in pieces.
    pub(crate) fn poll_head(&mut self, from: u32) -> Result<Option<Arrived>, ReplyError> {
        self.poll_as(from, false).inspect_err(log_break)
    }

    #[inline]
    fn poll_as(&mut self, from: u32, whole: bool) -> Result<Option<Arrived>, ReplyError> {
        // A reply that fits the buffer is taken whole, although the one before it may not have been.
        let mut takes_whole = whole;
        loop {
            let input = self
                .input
                .as_ref()
                .get(self.start..self.end)
                .unwrap_or_default();
            let received = match takes_whole {
                true => self.machine.handle_input(input)?,
                false => self.machine.handle_input_head(input)?,
            };
            match received {
                Received::NeedMore { .. } if self.machine.value_remaining() > 0 => {
                    // Of a value that is skipped any part is welcome.
                    self.missing = 1;
                    return Ok(None);
                }
                Received::NeedMore { missing } => {
                    let needed = missing.saturating_add(input.len() as u64);
                    if needed <= self.input.len_max() as u64 {
                        self.missing = usize::try_from(missing).unwrap_or(usize::MAX);
                        return Ok(None);
                    }
                    if !takes_whole {
                        let kind = ReplyErrorKind::BufferTooShort { needed };
                        return Err(self.machine.abandon(kind));
                    }
                    takes_whole = false;
                }
                Received::Value(piece) => self.start += piece.len(),
                Received::Reply(reply) => {
                    let arrived = Arrived {
                        header: header_of(&reply.response, reply.value_len),
                        body: self.start + HEADER_LEN,
                        is_last: reply.is_last,
                        value_len: reply.value_len,
                        is_whole: reply.value_len as usize == reply.response.value.len(),
                    };
                    self.start += reply.consumed;
                    // Half the numbers lie before any other.
                    if arrived.opaque().wrapping_sub(from) < 1 << 31 {
                        return Ok(Some(arrived));
                    }
                    takes_whole = whole;
                }
            }
        }
    }

    /// The next piece of the value whose head came last; empty at its end. `None`: read first.
    pub(crate) fn poll_value(&mut self) -> Result<Option<&[u8]>, ReplyError> {
        if self.machine.value_remaining() == 0 {
            return Ok(Some(&[]));
        }
        let start = self.start;
        let input = self.input.as_ref().get(start..self.end).unwrap_or_default();
        let received = self.machine.handle_input(input);
        match received.inspect_err(log_break)? {
            Received::Value(piece) => {
                let end = start + piece.len();
                self.start = end;
                Ok(self.input.as_ref().get(start..end))
            }
            _ => {
                self.missing = 1;
                Ok(None)
            }
        }
    }

    /// The response that has arrived; its value is empty if it comes in pieces.
    #[inline]
    pub(crate) fn response(&self, arrived: &Arrived) -> Response<'_> {
        let header = &arrived.header;
        let value_len = match arrived.is_whole {
            true => arrived.value_len,
            false => 0,
        };
        let mut rest = self.input.as_ref().get(arrived.body..).unwrap_or_default();
        let mut part = |len: usize| {
            let (part, behind) = rest.split_at_checked(len).unwrap_or_default();
            rest = behind;
            part
        };
        Response {
            magic: header.magic,
            opcode: header.opcode,
            datatype: header.datatype,
            status: Status(header.vbucket_or_status),
            opaque: header.opaque,
            cas: header.cas,
            framing_extras: part(header.framing_extras_len.into()),
            extras: part(header.extras_len.into()),
            key: part(header.key_len.into()),
            value: part(value_len as usize),
        }
    }

    /// The response that has arrived, if its value fits the buffer.
    #[inline]
    pub(crate) fn whole<E>(&self, arrived: &Arrived) -> Result<Response<'_>, Error<E>> {
        if !arrived.is_whole {
            let value_len = arrived.value_len;
            return Err(Error::TooLong { value_len });
        }
        Ok(self.response(arrived))
    }

    /// The response that has arrived, if its status is success; else the refusal.
    #[inline]
    pub(crate) fn accepted<E>(&self, arrived: &Arrived) -> Result<Response<'_>, Error<E>> {
        let response = self.whole(arrived)?;
        match response.status {
            Status::SUCCESS => Ok(response),
            status => Err(Error::Refused {
                opcode: response.opcode,
                status,
            }),
        }
    }

    /// Ends the connection as its stream takes nothing any more.
    #[cold]
    pub(crate) fn handle_closed(&mut self) -> ReplyError {
        self.machine.abandon(ReplyErrorKind::Closed)
    }

    /// Ends the connection as the transport has failed, or its time is over, unless it was only interrupted. The failure
    /// counts as one of sending as long as anything is unsent.
    #[cold]
    pub(crate) fn handle_failure<E: embedded_io::Error>(
        &mut self,
        error: E,
    ) -> Result<(), Error<E>> {
        if error.kind() == ErrorKind::Interrupted {
            return Ok(());
        }
        log!(
            warn,
            "the transport to the server failed: {:?}",
            error.kind()
        );
        let kind = ReplyErrorKind::Transport;
        let _ = if self.sent < self.staged || self.value_unsent > 0 {
            self.machine.abandon_sending(kind)
        } else {
            self.machine.abandon(kind)
        };
        Err(Error::Transport(error))
    }

    /// What is known of an item whose value comes in pieces.
    pub(crate) fn touched(&self, arrived: &Arrived) -> Result<Touched, ReplyErrorKind> {
        let item = super::Item::read(&self.response(arrived))?;
        Ok(Touched {
            flags: item.flags,
            cas: item.cas,
            value_len: arrived.value_len,
        })
    }

    /// Ends the connection as what has arrived is the right reply with the wrong contents.
    #[cold]
    pub(crate) fn reject<E>(&mut self, kind: ReplyErrorKind, arrived: &Arrived) -> Error<E> {
        let response = Response {
            opaque: arrived.header.opaque,
            ..Response::new(
                arrived.header.opcode,
                Status(arrived.header.vbucket_or_status),
            )
        };
        let error = self.machine.reject(kind, &response);
        log_break(&error);
        Error::Reply(error)
    }
}

/// The header of a response whose parts have been measured once.
#[inline]
fn header_of(response: &Response<'_>, value_len: u32) -> Header {
    Header {
        magic: response.magic,
        opcode: response.opcode,
        framing_extras_len: response.framing_extras.len() as u8,
        key_len: response.key.len() as u16,
        extras_len: response.extras.len() as u8,
        datatype: response.datatype,
        vbucket_or_status: response.status.0,
        body_len: value_len,
        opaque: response.opaque,
        cas: response.cas,
    }
}

/// How long the reply to a command can be, in bytes, if it gives back nothing that was stored.
fn short_reply(opcode: Opcode) -> Option<u64> {
    matches!(
        opcode.loud(),
        Opcode::SET
            | Opcode::ADD
            | Opcode::REPLACE
            | Opcode::APPEND
            | Opcode::PREPEND
            | Opcode::DELETE
            | Opcode::INCREMENT
            | Opcode::DECREMENT
            | Opcode::TOUCH
            | Opcode::FLUSH
            | Opcode::NOOP
    )
    .then_some(SHORT_REPLY_LEN)
}

/// So that the error of a request that cannot be written says which part is too long.
impl<E> From<EmitError> for Error<E> {
    fn from(error: EmitError) -> Error<E> {
        Error::Request(RequestError::Emit(error))
    }
}
