//! Packets of statistics, in as many outputs as they take.

use crate::engine::decimal::Decimal;
use crate::handler::{NoRoom, Outcome, Reply};
use crate::wire::Status;

/// Sends values to [`Figures`], each with its name and its form.
///
/// The names become one string, which is walked along: on a device a pointer and a length for every name would
/// take more flash than the names.
macro_rules! send {
    ($figures:expr, $( $name:literal: $form:ident($value:expr), )+) => {
        $figures.names = concat!($($name, "\n"),+).as_bytes();
        $( send!(@$form $figures, $value); )+
    };
    (@number $figures:expr, $value:expr) => { $figures.next_number($value) };
    (@seconds $figures:expr, $value:expr) => { $figures.next_seconds($value) };
    (@text $figures:expr, $value:expr) => { $figures.next_text($value) };
    (@yes_no $figures:expr, $value:expr) => { $figures.next_yes_no($value) };
}
pub(super) use send;

/// Takes the figures of a group of statistics and sends each in a packet.
///
/// An answer that is longer than the output is sent in several runs. Every figure is given again in every run, in the same
/// order; those sent in an earlier run are passed over, and what no longer fits is left for the next one.
#[derive(Debug)]
pub struct Figures<'r, 'o> {
    reply: &'r mut Reply<'o>,
    /// Names of the values to come, each with a line end behind it.
    pub(super) names: &'static [u8],
    /// Values given in this run.
    count: u32,
    /// Values sent, in earlier runs and in this.
    sent: u32,
    full: Option<NoRoom>,
}

impl<'r, 'o> Figures<'r, 'o> {
    pub(super) fn new(reply: &'r mut Reply<'o>) -> Figures<'r, 'o> {
        let sent = reply.cursor();
        Figures {
            reply,
            names: &[],
            count: 0,
            sent,
            full: None,
        }
    }

    /// A number, which is sent in decimal. The name has no line end.
    pub fn number(&mut self, name: &'static str, number: u64) {
        self.names = name.as_bytes();
        self.next_number(number);
    }

    /// A text. The name has no line end. A packet that is longer than the whole output ends the answer with
    /// [`Status::ENOMEM`].
    pub fn text(&mut self, name: &'static str, text: &str) {
        self.names = name.as_bytes();
        self.next_text(text);
    }

    /// A number under the next of the names, and so the others.
    #[inline(never)]
    pub(super) fn next_number(&mut self, number: u64) {
        self.bytes(Decimal::new(number).as_bytes());
    }

    /// Seconds with six digits behind a point.
    #[inline(never)]
    pub(super) fn next_seconds(&mut self, us: u64) {
        self.bytes(Decimal::with_point(us, 6).as_bytes());
    }

    pub(super) fn next_text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// `yes` or `no`.
    #[inline(never)]
    pub(super) fn next_yes_no(&mut self, yes: bool) {
        self.next_text(if yes { "yes" } else { "no" });
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
