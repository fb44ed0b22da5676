//! The seam between a connection and whatever answers its requests.
//!
//! [`ServerConnection`](crate::connection::ServerConnection) knows packets and buffers, a [`Handler`] knows what the
//! commands mean; neither knows the other. The cache engine is one handler, a
//! closure is another, and a server of your own is a third:
//!
//! ```
//! use memlet_core::handler::{Outcome, Reply};
//! use memlet_core::wire::{Opcode, Request, Status};
//!
//! // Answers every GET with its own key and refuses the rest.
//! let mut echo = |request: &Request<'_>, reply: &mut Reply<'_>| -> Outcome {
//!     match request.opcode {
//!         Opcode::GET => reply.send(&[0, 0, 0, 0], b"", request.key, 1).into(),
//!         _ => reply.error(Status::UNKNOWN_COMMAND).into(),
//!     }
//! };
//! # use memlet_core::connection::{ConnectionOptions, ServerConnection};
//! # let mut connection = ServerConnection::new(&ConnectionOptions::default());
//! # let get = *b"\x80\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x02abcd\0\0\0\0\0\0\0\0hi";
//! # let mut output = [0; 256];
//! # let progress = connection.handle_input(&mut echo, &get, &mut output, 0);
//! # assert_eq!(&output[..progress.written], b"\x81\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x06abcd\0\0\0\0\0\0\0\x01\0\0\0\0hi");
//! ```
//!
//! A handler may answer a request with one response, with several (statistics: one packet per value), with none (quiet
//! commands), close the connection, or [wait](Handler#waiting) for something outside. What it may not do is fail to answer after it has changed something: the
//! connection calls it only with at least [`REPLY_ROOM_MIN`] bytes of room, and a handler whose response may be longer
//! looks at [`Reply::room`] before it acts and returns [`Outcome::NeedOutput`].

mod counted;
mod reply;

pub use counted::{Counted, CountedSession};
pub use reply::{NoRoom, REPLY_ROOM_MIN, Reply};

use core::task::{Context, Poll};

use crate::wire::{Header, Opcode, Request, Status};

/// Answers requests.
///
/// One handler may serve many connections; what belongs to a single one (is it logged in?) is its `Session`.
///
/// # Order of calls
/// For every request the connection asks [`admit`](Handler::admit) with the header alone, perhaps more than once while
/// the rest arrives. A short request goes to [`handle`](Handler::handle) once it is complete. A long one goes to
/// [`begin_value`](Handler::begin_value) as soon as its key has arrived; if that takes the value in pieces,
/// `handle_value` follows for every piece and `finish_value` at the end, or `abandon_value` when the connection ends
/// before. At the end of the connection comes [`end_session`](Handler::end_session).
///
/// # Waiting
/// A handler that has to ask somebody else first, as a proxy does, takes note of the request and returns
/// [`Outcome::Wait`]. The connection presents the same request again, and none of its later ones before, once
/// [`poll_wait`](Handler::poll_wait) is ready; perhaps earlier, and then the handler may say so again. If the connection
/// ends before, `end_session` tells.
///
/// # Time
/// `now` is unix time in seconds, as the caller of the connection gives it.
pub trait Handler {
    /// What the handler keeps for one connection.
    type Session: Default;

    /// Judges a request by its header alone, before its body has arrived.
    ///
    /// May be called several times for the same request and therefore changes nothing.
    fn admit(&self, session: &Self::Session, header: &Header) -> Admission {
        let _ = (session, header);
        Admission::Accept
    }

    /// Answers one request.
    ///
    /// `reply` has room for at least [`REPLY_ROOM_MIN`] bytes.
    fn handle(
        &mut self,
        session: &mut Self::Session,
        request: &Request<'_>,
        reply: &mut Reply<'_>,
        now: u32,
    ) -> Outcome;

    /// Decides what to do with a long value, before it arrives.
    ///
    /// `head` is the request with an empty value; `value_len` bytes are to follow. The default wants the value whole,
    /// and refuses with [`Status::E2BIG`] what the caller's buffer cannot hold.
    ///
    /// May be called several times for the same request unless it takes the value in pieces.
    fn begin_value(
        &mut self,
        session: &mut Self::Session,
        head: &Request<'_>,
        value_len: u32,
        reply: &mut Reply<'_>,
        now: u32,
    ) -> ValueStart {
        let _ = (session, head, value_len, reply, now);
        ValueStart::Whole(Status::E2BIG)
    }

    /// Answers a request that [`begin_value`](Handler::begin_value) wanted whole and that the connection cannot keep;
    /// the value is then skipped.
    ///
    /// `status` is that of [`ValueStart::Whole`] if the request is longer than the caller's buffer, or
    /// [`Status::ENOMEM`] if only the memory of the moment is too short for it. The default answers with it. `reply` has
    /// at least [`REPLY_ROOM_MIN`] bytes of room.
    fn refuse_value(
        &mut self,
        head: &Request<'_>,
        status: Status,
        reply: &mut Reply<'_>,
        now: u32,
    ) {
        let _ = (head, now);
        // There is room for an error.
        let _ = reply.error(status);
    }

    /// Takes a piece of the value that [`begin_value`](Handler::begin_value) wanted; `offset` counts from its start.
    fn handle_value(&mut self, session: &mut Self::Session, offset: u32, bytes: &[u8]) {
        let _ = (session, offset, bytes);
    }

    /// Answers the request whose value is now complete; `reply` has at least [`REPLY_ROOM_MIN`] bytes of room.
    ///
    /// [`Outcome::Again`] is the same as [`Outcome::Done`] here.
    fn finish_value(
        &mut self,
        session: &mut Self::Session,
        reply: &mut Reply<'_>,
        now: u32,
    ) -> Outcome {
        let _ = (session, reply, now);
        Outcome::Done
    }

    /// Forgets a value that will never be complete.
    fn abandon_value(&mut self, session: &mut Self::Session) {
        let _ = session;
    }

    /// Whether a request for which the handler returned [`Outcome::Wait`] is worth another call.
    ///
    /// `Pending` promises to wake the context's waker once it is. Only loops that can wait ask; others present the request
    /// again after their other connections had a turn. The default is ready at once: it lets the others have their turn,
    /// and costs an idle processor's time as long as it waits. May also be asked of a session for which nothing waits.
    fn poll_wait(&mut self, session: &mut Self::Session, context: &mut Context<'_>) -> Poll<()> {
        let _ = (session, context);
        Poll::Ready(())
    }

    /// Lets go of what is held for a connection that has ended, a request that waits among it; nothing more will come of
    /// this session.
    fn end_session(&mut self, session: &mut Self::Session) {
        let _ = session;
    }

    /// Learns how many bytes one run of a connection took and gave, for statistics.
    fn note_traffic(&mut self, read: u64, written: u64) {
        let _ = (read, written);
    }

    /// Learns that the connection itself has answered a request, with a response of as many bytes: one refused by its
    /// header, or one whose value or whose answer its buffers cannot hold.
    fn note_refused(&mut self, opcode: Opcode, response_len: u64) {
        let _ = (opcode, response_len);
    }
}

/// A closure answers requests without anything kept for a connection and without a clock.
impl<F> Handler for F
where
    F: FnMut(&Request<'_>, &mut Reply<'_>) -> Outcome,
{
    type Session = ();

    #[inline]
    fn handle(
        &mut self,
        (): &mut (),
        request: &Request<'_>,
        reply: &mut Reply<'_>,
        _now: u32,
    ) -> Outcome {
        self(request, reply)
    }
}

/// What a handler says of a request by its header alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Admission {
    /// Let it come.
    Accept,
    /// Answer with this status and its text, and close the connection.
    Reject(Status),
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Outcome {
    /// It is answered, or needs no answer.
    Done,
    /// It is answered or needs no answer, and the connection is to end once the output has been written.
    Close,
    /// Nothing has been done yet: call again when there is room for this many bytes.
    ///
    /// When that is more than the caller's output can ever hold, the connection answers [`Status::ENOMEM`] itself.
    NeedOutput(usize),
    /// It is answered in part: call again with this [`Reply::cursor`], which is not 0, once there is room.
    Again(u32),
    /// Nothing more can be done yet: call again with the same request (and the same [`Reply::cursor`]) once something
    /// outside has happened. See [`Handler`] on waiting.
    Wait,
}

impl From<Result<(), NoRoom>> for Outcome {
    #[inline]
    fn from(sent: Result<(), NoRoom>) -> Outcome {
        match sent {
            Ok(()) => Outcome::Done,
            Err(NoRoom { needed }) => Outcome::NeedOutput(needed),
        }
    }
}

/// What a handler does with a long value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ValueStart {
    /// It takes the value in pieces.
    Stream,
    /// It wants the request whole, in [`Handler::handle`]. If the caller's buffer cannot hold it, it is refused with this
    /// status ([`Handler::refuse_value`]) and the value skipped.
    Whole(Status),
    /// The request is answered (or needs no answer); the value is to be read and dropped.
    Skip,
    /// The request is answered and the connection is to end.
    Close,
    /// Nothing has been done yet: call again when there is room for this many bytes.
    NeedOutput(usize),
}
