//! The machine itself.

use super::error::{Expected, Found, ReplyError, ReplyErrorKind, StageError};
use super::ledger::Ledger;
use super::options::ClientOptions;
use super::received::{Received, Reply};
use crate::counters::Tally;
use crate::wire::{
    Allowed, Dialect, EmitError, Field, HEADER_LEN, Header, Limits, Magic, Opcode, Packet,
    ParseError, ParseErrorKind, Request, Response, Status,
};

/// What [`ClientConnection::stage`] has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Staged {
    /// The number that the request was given, which its reply carries.
    pub opaque: u32,
    /// Bytes at the front of the output that are to be sent.
    pub written: usize,
}

/// The client's side of one connection; see the [module](super) for the order of calls.
///
/// It holds no buffer: 8 bytes for each of the `RUNS` entries of its table, and some 120 beside. `RUNS` is at least 1;
/// 4 suffice for anything but mixed batches.
#[derive(Clone, Debug)]
pub struct ClientConnection<const RUNS: usize, T = ()> {
    ledger: Ledger<RUNS>,
    limits: Limits,
    dialect: Dialect,
    /// Bytes of a value that are still to come, of a reply whose head has been handed out.
    value_remaining: u32,
    broken: Option<ReplyError>,
    tally: T,
}

impl<const RUNS: usize, T: Tally> ClientConnection<RUNS, T> {
    /// A connection on which nothing has been sent.
    pub const fn new(options: ClientOptions, tally: T) -> ClientConnection<RUNS, T> {
        ClientConnection {
            ledger: Ledger::new(options.first_opaque, options.dialect),
            limits: options.limits,
            dialect: options.dialect,
            value_remaining: 0,
            broken: None,
            tally,
        }
    }

    /// Writes a request to the front of `output` and notes that it is in flight.
    ///
    /// Its opaque is replaced by the number that it is given. What is written has to be sent before anything that is
    /// staged later.
    ///
    /// # Errors
    /// [`StageError`]; nothing has been written or noted then.
    #[inline]
    pub fn stage(
        &mut self,
        request: &Request<'_>,
        output: &mut [u8],
    ) -> Result<Staged, StageError> {
        let packet = self.packet(request)?;
        let written = packet.emit(output).map_err(StageError::Emit)?;
        Ok(self.note(&packet, written, written as u64))
    }

    /// [`ClientConnection::stage`] for a value of `value_len` bytes that the caller sends itself, right behind what this
    /// has written. The request's own value is not looked at.
    ///
    /// # Errors
    /// [`StageError`]; nothing has been written or noted then.
    pub fn stage_head(
        &mut self,
        request: &Request<'_>,
        value_len: u32,
        output: &mut [u8],
    ) -> Result<Staged, StageError> {
        let packet = self.packet(request)?;
        let head = packet.emit_head(value_len, output);
        let written = head.map_err(StageError::Emit)?;
        let bytes = u64::from(value_len).saturating_add(written as u64);
        Ok(self.note(&packet, written, bytes))
    }

    /// The request as a packet with its number, if it may be sent.
    #[inline]
    fn packet<'r>(&self, request: &Request<'r>) -> Result<Packet<'r>, StageError> {
        if let Some(error) = self.broken {
            return Err(StageError::Broken(error));
        }
        if request.magic.is_server_initiated() {
            return Err(StageError::Emit(EmitError::Magic(request.magic)));
        }
        if !self.ledger.has_room(request.opcode, 0) {
            return Err(StageError::TableFull);
        }
        let numbered = Request {
            opaque: self.ledger.next_opaque(),
            ..*request
        };
        numbered.to_packet().map_err(StageError::Emit)
    }

    #[inline]
    fn note(&mut self, packet: &Packet<'_>, written: usize, bytes: u64) -> Staged {
        self.ledger.push(packet.opcode);
        self.tally.sent(packet.opcode, bytes, false);
        Staged {
            opaque: packet.opaque,
            written,
        }
    }

    /// Takes the first reply off the front of `input`, which is all that has arrived and was not consumed.
    ///
    /// A header that cannot be the one of the next reply is refused as soon as it is there, whatever length it
    /// announces. While a value is being taken in pieces, the next piece.
    ///
    /// # Errors
    /// [`ReplyError`]: the connection is of no more use, and says the same to every later call.
    #[inline]
    pub fn handle_input<'i>(&mut self, input: &'i [u8]) -> Result<Received<'i>, ReplyError> {
        self.receive(input, true)
    }

    /// [`ClientConnection::handle_input`] for a reply whose value is to be taken in pieces: a reply is handed out as
    /// soon as all but its value is there, and the value by the calls that follow.
    ///
    /// # Errors
    /// As [`ClientConnection::handle_input`].
    pub fn handle_input_head<'i>(&mut self, input: &'i [u8]) -> Result<Received<'i>, ReplyError> {
        self.receive(input, false)
    }

    #[inline]
    fn receive<'i>(&mut self, input: &'i [u8], whole: bool) -> Result<Received<'i>, ReplyError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        if self.value_remaining > 0 {
            return Ok(self.receive_value(input));
        }
        let Some((bytes, rest)) = input.split_first_chunk::<HEADER_LEN>() else {
            return self.receive_short(input);
        };
        let header = match Header::from_bytes(bytes) {
            Ok(header) if is_response(header.magic) => header,
            Ok(header) => return Err(self.refuse_magic(header.magic, input)),
            Err(_) => return self.receive_short(input),
        };
        let value_len = match header.check(&self.limits) {
            Ok(value_len) => value_len,
            Err(error) => {
                return Err(self.refuse(ReplyErrorKind::Malformed(error), &header, input));
            }
        };
        let place = match self.ledger.find(header.opcode, header.opaque) {
            Ok(place) => place,
            Err((kind, expected)) => {
                let found = Some(found(&header));
                return Err(self.fail(kind, expected, found, input.len()));
            }
        };
        let behind = if whole { 0 } else { value_len };
        let wanted = header.body_len.wrapping_sub(behind);
        let body = usize::try_from(wanted).ok().and_then(|len| rest.get(..len));
        let response = match body.and_then(|body| response(&header, body)) {
            Some(response) => response,
            None => {
                let missing = u64::from(wanted).saturating_sub(rest.len() as u64);
                return Ok(Received::NeedMore { missing });
            }
        };
        let is_last = self.is_last(&response, value_len);
        self.ledger
            .close(place.silent.saturating_add(u32::from(is_last)));
        self.value_remaining = behind;
        let (opcode, status) = (response.opcode, response.status);
        self.tally
            .received(opcode, status, header.packet_len(), false);
        Ok(Received::Reply(Reply {
            response,
            value_len,
            silent: place.silent,
            is_last,
            consumed: HEADER_LEN.wrapping_add(wanted as usize),
        }))
    }

    /// Whether no other reply to the same request follows.
    ///
    /// Statistics end with an empty one, or with an error; a range scan of Couchbase with any status but success.
    #[inline]
    fn is_last(&self, response: &Response<'_>, value_len: u32) -> bool {
        let goes_on = match response.opcode {
            Opcode::STAT => value_len > 0 || !response.key.is_empty(),
            Opcode::RANGE_SCAN_CONTINUE => self.dialect == Dialect::Couchbase,
            _ => return true,
        };
        !goes_on || response.status != Status::SUCCESS
    }

    fn receive_value<'i>(&mut self, input: &'i [u8]) -> Received<'i> {
        let remaining = usize::try_from(self.value_remaining).unwrap_or(usize::MAX);
        let piece = input.get(..remaining).unwrap_or(input);
        if piece.is_empty() {
            let missing = self.value_remaining.into();
            return Received::NeedMore { missing };
        }
        // A piece is never longer than what remains, so it fits 32 bits.
        self.value_remaining = self.value_remaining.wrapping_sub(piece.len() as u32);
        Received::Value(piece)
    }

    /// Waits for the rest of a header, unless its first byte shows already that it is none.
    #[cold]
    fn receive_short<'i>(&mut self, input: &'i [u8]) -> Result<Received<'i>, ReplyError> {
        match input.first() {
            Some(&magic) if !is_response(Magic(magic)) => {
                Err(self.refuse_magic(Magic(magic), input))
            }
            _ => Ok(Received::NeedMore {
                missing: (HEADER_LEN as u64).saturating_sub(input.len() as u64),
            }),
        }
    }

    /// Refuses a first byte. That of a request of the server is told apart from that of no packet: feeds, which are made
    /// of such, have a machine of their own.
    #[cold]
    fn refuse_magic(&mut self, magic: Magic, input: &[u8]) -> ReplyError {
        let kind = if magic.is_known() {
            ParseErrorKind::WrongDirection
        } else {
            ParseErrorKind::UnknownMagic
        };
        let allowed = Allowed::OneOf(&[Magic::CLIENT_RESPONSE.0, Magic::FLEX_RESPONSE.0]);
        let error = ParseError::new(kind, Field::Magic, 0, magic.0.into(), allowed);
        let found = input
            .first_chunk()
            .and_then(|bytes| Header::from_bytes(bytes).ok())
            .map(|header| found(&header));
        let expected = self.ledger.expected();
        self.fail(
            ReplyErrorKind::Malformed(error),
            expected,
            found,
            input.len(),
        )
    }

    #[cold]
    fn refuse(&mut self, kind: ReplyErrorKind, header: &Header, input: &[u8]) -> ReplyError {
        let expected = self.ledger.expected();
        self.fail(kind, expected, Some(found(header)), input.len())
    }

    /// Breaks the connection, and counts what broke it.
    #[cold]
    fn fail(
        &mut self,
        kind: ReplyErrorKind,
        expected: Option<Expected>,
        found: Option<Found>,
        bytes: usize,
    ) -> ReplyError {
        let error = ReplyError {
            kind,
            expected,
            found,
        };
        let waiting = expected.map(|expected| (expected.opcode, Status::SUCCESS));
        let counted = found.map(|found| (found.opcode, found.status)).or(waiting);
        if let Some((opcode, status)) = counted {
            self.tally.received(opcode, status, bytes as u64, true);
        }
        self.broken = Some(error);
        error
    }

    /// Says that the server has closed, with `unconsumed` bytes of input left over.
    ///
    /// That is in order when nothing is in flight, and after QUIT; the connection has ended all the same.
    ///
    /// # Errors
    /// [`ReplyErrorKind::Closed`] when requests were waiting, [`ReplyErrorKind::Truncated`] in the middle of a reply;
    /// whatever broke the connection before.
    pub fn handle_end_of_input(&mut self, unconsumed: usize) -> Result<(), ReplyError> {
        if let Some(error) = self.broken {
            return match error.kind {
                ReplyErrorKind::Ended => Ok(()),
                _ => Err(error),
            };
        }
        let expected = self.ledger.expected();
        if unconsumed > 0 || self.value_remaining > 0 {
            let received = unconsumed as u64;
            let kind = ReplyErrorKind::Truncated { received };
            return Err(self.fail(kind, expected, None, unconsumed));
        }
        let is_due = match self.ledger.newest() {
            None => true,
            // All that was silent before it has succeeded, as far as anybody can tell.
            Some(opcode) => opcode == Opcode::QUITQ && self.ledger.oldest_loud().is_none(),
        };
        if !is_due {
            return Err(self.fail(ReplyErrorKind::Closed, expected, None, 0));
        }
        self.broken = Some(ReplyError {
            kind: ReplyErrorKind::Ended,
            expected: None,
            found: None,
        });
        Ok(())
    }

    /// Ends the connection for a reason of the caller's: the transport failed, a reply was the right one but its
    /// contents were not, a request was left in the middle. Returns the error that every later call will say.
    ///
    /// A connection that is broken already keeps its first reason.
    #[cold]
    pub fn abandon(&mut self, kind: ReplyErrorKind) -> ReplyError {
        match self.broken {
            Some(error) => error,
            None => {
                let expected = self.ledger.expected();
                self.fail(kind, expected, None, 0)
            }
        }
    }

    /// [`ClientConnection::abandon`] while requests were going out, so that it counts as an error of what was sent: of the
    /// last request, as those before it may have arrived.
    #[cold]
    pub fn abandon_sending(&mut self, kind: ReplyErrorKind) -> ReplyError {
        if let Some(error) = self.broken {
            return error;
        }
        if let Some(opcode) = self.ledger.newest() {
            self.tally.sent(opcode, 0, true);
        }
        let error = ReplyError {
            kind,
            expected: self.ledger.expected(),
            found: None,
        };
        self.broken = Some(error);
        error
    }

    /// Ends the connection because of a reply that has been handed out, but that the caller found to be wrong.
    #[cold]
    pub fn reject(&mut self, kind: ReplyErrorKind, response: &Response<'_>) -> ReplyError {
        if let Some(error) = self.broken {
            return error;
        }
        let Response {
            opcode,
            opaque,
            status,
            ..
        } = *response;
        let found = Found {
            opcode,
            opaque,
            status,
        };
        let expected = Expected { opcode, opaque };
        self.fail(kind, Some(expected), Some(found), 0)
    }

    /// Whether replies can be believed: false after the first that did not fit, and after the connection's end.
    #[doc(alias = "IsHealthy")]
    #[inline]
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.broken.is_none()
    }

    /// Why the connection is of no more use.
    #[must_use]
    pub fn error(&self) -> Option<ReplyError> {
        self.broken
    }

    /// How many requests have been staged and neither answered nor closed by a later reply.
    #[inline]
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.ledger.in_flight()
    }

    /// The oldest request in flight that always gets a reply; `None` when nothing has to come.
    #[must_use]
    pub fn expected(&self) -> Option<Expected> {
        self.ledger.oldest_loud()
    }

    /// The number that the next request will be given.
    #[inline]
    #[must_use]
    pub fn next_opaque(&self) -> u32 {
        self.ledger.next_opaque()
    }

    /// Whether a request of this opcode finds room in the table, and behind it `spare` more of changing opcodes.
    #[inline]
    #[must_use]
    pub fn has_room(&self, opcode: Opcode, spare: usize) -> bool {
        self.ledger.has_room(opcode, spare)
    }

    /// Bytes that are still to come of a value that is taken in pieces.
    #[inline]
    #[must_use]
    pub fn value_remaining(&self) -> u32 {
        self.value_remaining
    }

    /// Whether a request of this opcode may stay without a reply.
    #[inline]
    #[must_use]
    pub fn is_quiet(&self, opcode: Opcode) -> bool {
        opcode.is_quiet_in(self.dialect)
    }

    /// What counts the packets.
    pub fn tally(&self) -> &T {
        &self.tally
    }

    /// What counts the packets.
    pub fn tally_mut(&mut self) -> &mut T {
        &mut self.tally
    }
}

/// Whether a packet that starts with this byte answers a client.
#[inline]
fn is_response(magic: Magic) -> bool {
    matches!(magic, Magic::CLIENT_RESPONSE | Magic::FLEX_RESPONSE)
}

fn found(header: &Header) -> Found {
    Found {
        opcode: header.opcode,
        opaque: header.opaque,
        status: Status(header.vbucket_or_status),
    }
}

/// The response of this header, with what of its body is there.
#[inline]
fn response<'i>(header: &Header, body: &'i [u8]) -> Option<Response<'i>> {
    let (framing_extras, rest) = body.split_at_checked(header.framing_extras_len.into())?;
    let (extras, rest) = rest.split_at_checked(header.extras_len.into())?;
    let (key, value) = rest.split_at_checked(header.key_len.into())?;
    Some(Response {
        magic: header.magic,
        opcode: header.opcode,
        datatype: header.datatype,
        status: Status(header.vbucket_or_status),
        opaque: header.opaque,
        cas: header.cas,
        framing_extras,
        extras,
        key,
        value,
    })
}
