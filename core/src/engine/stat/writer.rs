//! Packets of statistics, in as many outputs as they take.

use crate::engine::decimal::Decimal;
use crate::handler::{NoRoom, Outcome, Reply};

/// A value of a statistic, and the form of its text.
#[derive(Clone, Copy)]
pub(super) enum Figure<'a> {
    /// Decimal.
    Number(u64),
    /// Octal.
    Octal(u32),
    /// Seconds with six digits behind a point, from microseconds.
    Seconds(u64),
    /// As it is.
    Text(&'a str),
    /// `yes` or `no`.
    YesNo(bool),
}

/// Sends the values of a group, from the one at the reply's cursor on.
///
/// Every value is put again in every run, in the same order; those before the cursor are passed over, and what no longer
/// fits is left for the next run.
pub(super) struct Writer<'r, 'o> {
    reply: &'r mut Reply<'o>,
    /// Values put in this run.
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
            count: 0,
            sent,
            full: None,
        }
    }

    #[inline(never)]
    pub(super) fn put(&mut self, name: &str, figure: Figure<'_>) {
        match figure {
            Figure::Number(number) => {
                self.put_parts(name, [Decimal::new(number).as_bytes(), &[], &[]]);
            }
            Figure::Octal(number) => {
                let mut digits = [b'0'; 11];
                let mut rest = number;
                for digit in digits.iter_mut().rev() {
                    *digit = b'0' + (rest & 7) as u8;
                    rest >>= 3;
                }
                let zeros = digits
                    .iter()
                    .take(10)
                    .take_while(|&&digit| digit == b'0')
                    .count();
                self.put_parts(name, [digits.get(zeros..).unwrap_or_default(), &[], &[]]);
            }
            Figure::Seconds(us) => {
                let (seconds, rest) = (
                    Decimal::new(us / 1_000_000),
                    Decimal::padded(us % 1_000_000, 6),
                );
                self.put_parts(name, [seconds.as_bytes(), b".", rest.as_bytes()]);
            }
            Figure::Text(text) => self.put_parts(name, [text.as_bytes(), &[], &[]]),
            Figure::YesNo(yes) => {
                self.put_parts(name, [if yes { b"yes" } else { b"no" }, &[], &[]]);
            }
        }
    }

    pub(super) fn put_all(&mut self, figures: &[(&str, u64)]) {
        for &(name, number) in figures {
            self.put(name, Figure::Number(number));
        }
    }

    fn put_parts(&mut self, name: &str, value: [&[u8]; 3]) {
        if self.full.is_none() && self.count == self.sent {
            match self.send(name, value) {
                Ok(()) => self.sent = self.sent.saturating_add(1),
                Err(no_room) => self.full = Some(no_room),
            }
        }
        self.count = self.count.saturating_add(1);
    }

    fn send(&mut self, name: &str, value: [&[u8]; 3]) -> Result<(), NoRoom> {
        let len = value
            .iter()
            .fold(0, |len: usize, part| len.saturating_add(part.len()));
        let write_value = |space: &mut [u8]| {
            let bytes = value.into_iter().flatten();
            for (place, byte) in space.iter_mut().zip(bytes) {
                *place = *byte;
            }
        };
        let status = crate::wire::Status::SUCCESS;
        self.reply
            .send_filled(status, &[], name.as_bytes(), 0, len, write_value)
    }

    /// Ends the group with an empty packet, once everything is sent.
    pub(super) fn finish(mut self) -> Outcome {
        self.put_parts("", [&[], &[], &[]]);
        match self.full {
            None => Outcome::Done,
            Some(_) if self.sent > self.reply.cursor() => Outcome::Again(self.sent),
            Some(NoRoom { needed }) => Outcome::NeedOutput(needed),
        }
    }
}
