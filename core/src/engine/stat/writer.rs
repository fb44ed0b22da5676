//! Packets of statistics, in as many outputs as they take.

use crate::engine::decimal::Decimal;
use crate::handler::{NoRoom, Outcome, Reply};
use crate::wire::Status;

/// Sends values to a [`Writer`], each with its name and its form.
///
/// The names become one string, which the writer walks along: on a device a pointer and a length for every name would
/// take more flash than the names.
macro_rules! send {
    ($writer:expr, $( $name:literal: $form:ident($value:expr), )+) => {
        $writer.names = concat!($($name, "\n"),+).as_bytes();
        $( $writer.$form($value); )+
    };
}
pub(super) use send;

/// Sends the values of a group, from the one at the reply's cursor on.
///
/// Every value is given again in every run, in the same order; those before the cursor are passed over, and what no
/// longer fits is left for the next run.
pub(super) struct Writer<'r, 'o> {
    reply: &'r mut Reply<'o>,
    /// Names of the values to come, each with a line end behind it.
    pub(super) names: &'static [u8],
    /// Values given in this run.
    count: u32,
    /// Values sent, in earlier runs and in this.
    sent: u32,
    full: Option<NoRoom>,
}

impl<'r, 'o> Writer<'r, 'o> {
    pub(super) fn new(reply: &'r mut Reply<'o>) -> Writer<'r, 'o> {
        let sent = reply.cursor();
        Writer {
            reply,
            names: &[],
            count: 0,
            sent,
            full: None,
        }
    }

    /// A number in decimal.
    #[inline(never)]
    pub(super) fn number(&mut self, number: u64) {
        self.bytes(Decimal::new(number).as_bytes());
    }

    /// Seconds with six digits behind a point.
    #[inline(never)]
    pub(super) fn seconds(&mut self, us: u64) {
        self.bytes(Decimal::with_point(us, 6).as_bytes());
    }

    /// A text.
    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// `yes` or `no`.
    #[inline(never)]
    pub(super) fn yes_no(&mut self, yes: bool) {
        self.text(if yes { "yes" } else { "no" });
    }

    #[inline(never)]
    fn bytes(&mut self, value: &[u8]) {
        let name_len = self.names.iter().take_while(|&&byte| byte != b'\n').count();
        let name = self.names.get(..name_len).unwrap_or_default();
        self.names = self
            .names
            .get(name_len.wrapping_add(1)..)
            .unwrap_or_default();
        if self.full.is_none() && self.count == self.sent {
            match self.reply.send_status(Status::SUCCESS, &[], name, value, 0) {
                Ok(()) => self.sent = self.sent.wrapping_add(1),
                Err(no_room) => self.full = Some(no_room),
            }
        }
        self.count = self.count.wrapping_add(1);
    }

    /// Ends the group with an empty packet, once everything is sent.
    pub(super) fn finish(&mut self) -> Outcome {
        self.bytes(&[]);
        match self.full {
            None => Outcome::Done,
            Some(_) if self.sent > self.reply.cursor() => Outcome::Again(self.sent),
            Some(NoRoom { needed }) => Outcome::NeedOutput(needed),
        }
    }
}
